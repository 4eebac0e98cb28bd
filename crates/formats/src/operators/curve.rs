//! Functions of one value that are written as several nodes, known again by what they compute.

use std::rc::Rc;

use regraft_net::Op;
use regraft_net::op::Activation;

/// Most nodes of a function; no activation has as many.
const MOST: usize = 40;

/// A function of one value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Curve {
    X,
    Constant(f64),
    Unary(Unary, Rc<Curve>),
    Binary(Binary, Rc<Curve>, Rc<Curve>),
}

/// Functions of one value that ONNX has.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Unary {
    Sigmoid,
    HardSigmoid { alpha: f64, beta: f64 },
    Tanh,
    Erf,
    Exp,
    Sqrt,
    Softplus,
    Relu,
    Clip { min: f64, max: f64 },
    Negative,
    Reciprocal,
}

/// Arithmetic that ONNX has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Binary {
    Add,
    Sub,
    Mul,
    Div,
    Pow,
    Min,
    Max,
}

impl Binary {
    /// The result for two numbers.
    pub(super) fn of(self, a: f64, b: f64) -> f64 {
        match self {
            Self::Add => a + b,
            Self::Sub => a - b,
            Self::Mul => a * b,
            Self::Div => a / b,
            Self::Pow => a.powf(b),
            Self::Min => a.min(b),
            Self::Max => a.max(b),
        }
    }
}

impl Unary {
    fn of(self, x: f64) -> f64 {
        match self {
            Self::Sigmoid => 1.0 / (1.0 + (-x).exp()),
            Self::HardSigmoid { alpha, beta } => (alpha * x + beta).clamp(0.0, 1.0),
            Self::Tanh => x.tanh(),
            Self::Erf => erf(x),
            Self::Exp => x.exp(),
            Self::Sqrt => x.sqrt(),
            Self::Softplus => x.exp().ln_1p(),
            Self::Relu => x.max(0.0),
            Self::Clip { min, max } => x.max(min).min(max),
            Self::Negative => -x,
            Self::Reciprocal => 1.0 / x,
        }
    }
}

/// The error function, to 1e-14: its series below 3, where it converges, and 1 above 6.
fn erf(x: f64) -> f64 {
    let a = x.abs();
    if a > 6.0 {
        return x.signum();
    }
    // erf(x) = 2/√π · e^(-x²) · Σ 2^n x^(2n+1) / (2n+1)!!, all of whose terms are positive.
    let (mut term, mut sum) = (a, a);
    for n in 1..400 {
        term *= 2.0 * a * a / f64::from(2 * n + 1);
        sum += term;
        if term < sum * 1e-17 {
            break;
        }
    }
    (2.0 / std::f64::consts::PI.sqrt() * (-a * a).exp() * sum).copysign(x)
}

impl Curve {
    /// The value at `x`.
    pub(super) fn at(&self, x: f64) -> f64 {
        match self {
            Self::X => x,
            Self::Constant(c) => *c,
            Self::Unary(f, a) => f.of(a.at(x)),
            Self::Binary(f, a, b) => f.of(a.at(x), b.at(x)),
        }
    }

    /// Nodes in it, each as often as it is used.
    fn size(&self) -> usize {
        match self {
            Self::X | Self::Constant(_) => 1,
            Self::Unary(_, a) => 1 + a.size(),
            Self::Binary(_, a, b) => 1 + a.size() + b.size(),
        }
    }

    /// `f` of this one; `None` when that is more than any activation.
    pub(super) fn unary(self: &Rc<Self>, f: Unary) -> Option<Rc<Self>> {
        let made = Rc::new(Self::Unary(f, Rc::clone(self)));
        (made.size() <= MOST).then_some(made)
    }

    /// `f` of two; `None` when that is more than any activation.
    pub(super) fn binary(f: Binary, a: &Rc<Self>, b: &Rc<Self>) -> Option<Rc<Self>> {
        let made = Rc::new(Self::Binary(f, Rc::clone(a), Rc::clone(b)));
        (made.size() <= MOST).then_some(made)
    }

    /// Whether it is `x` itself.
    pub(super) fn is_x(&self) -> bool {
        *self == Self::X
    }

    /// Factor and offset when it is a straight line.
    pub(super) fn line(&self) -> Option<[f64; 2]> {
        match self {
            Self::X => Some([1.0, 0.0]),
            Self::Constant(c) => Some([0.0, *c]),
            Self::Unary(Unary::Negative, a) => a.line().map(|[k, d]| [-k, -d]),
            Self::Unary(..) => None,
            Self::Binary(f, a, b) => {
                let ([k, d], [l, e]) = (a.line()?, b.line()?);
                match f {
                    Binary::Add => Some([k + l, d + e]),
                    Binary::Sub => Some([k - l, d - e]),
                    Binary::Mul if k == 0.0 => Some([l * d, e * d]),
                    Binary::Mul if l == 0.0 => Some([k * e, d * e]),
                    Binary::Div if l == 0.0 && e != 0.0 => Some([k / e, d / e]),
                    Binary::Pow if k == 0.0 && l == 0.0 => Some([0.0, d.powf(e)]),
                    Binary::Mul | Binary::Div | Binary::Pow | Binary::Min | Binary::Max => None,
                }
            }
        }
    }

    /// Lower and upper limit, for the smaller or the larger of `x` and a number.
    pub(super) fn limits(&self) -> Option<[f64; 2]> {
        let Self::Binary(f @ (Binary::Min | Binary::Max), a, b) = self else { return None };
        let ((Self::X, Self::Constant(c)) | (Self::Constant(c), Self::X)) = (&**a, &**b) else {
            return None;
        };
        if c.is_nan() {
            return None;
        }
        Some(if *f == Binary::Min { [f64::NEG_INFINITY, *c] } else { [*c, f64::INFINITY] })
    }

    /// What it is without the numbers that are multiplied or added last, and factor and offset of these;
    /// no further than to a function that there is a layer for.
    pub(super) fn peeled(self: &Rc<Self>) -> (Rc<Self>, [f64; 2]) {
        let (mut at, mut factor, mut offset) = (Rc::clone(self), 1.0, 0.0);
        while !at.is_x() && at.layer().is_none() {
            let (inner, [k, d]) = match &*at {
                Self::Unary(Unary::Negative, a) => (a, [-1.0, 0.0]),
                Self::Binary(f, a, b) => match (f, &**a, &**b) {
                    (Binary::Add, _, Self::Constant(c)) => (a, [1.0, *c]),
                    (Binary::Add, Self::Constant(c), _) => (b, [1.0, *c]),
                    (Binary::Sub, _, Self::Constant(c)) => (a, [1.0, -*c]),
                    (Binary::Sub, Self::Constant(c), _) => (b, [-1.0, *c]),
                    (Binary::Mul, _, Self::Constant(c)) => (a, [*c, 0.0]),
                    (Binary::Mul, Self::Constant(c), _) => (b, [*c, 0.0]),
                    (Binary::Div, _, Self::Constant(c)) if *c != 0.0 => (a, [1.0 / *c, 0.0]),
                    _ => break,
                },
                Self::X | Self::Constant(_) | Self::Unary(..) => break,
            };
            offset += factor * d;
            factor *= k;
            at = Rc::clone(inner);
        }
        (at, [factor, offset])
    }

    /// The layer that computes the same, by its values on a grid.
    pub(super) fn layer(&self) -> Option<Op> {
        known()
            .into_iter()
            .find_map(|(op, f)| self.equals(f).then_some(op))
            .or_else(|| self.leaky())
    }

    fn equals(&self, f: fn(f64) -> f64) -> bool {
        grid().all(|x| (self.at(x) - f(x)).abs() <= 3e-7 * (1.0 + x.abs()))
    }

    /// A rectifier with a slope below zero.
    fn leaky(&self) -> Option<Op> {
        let slope = -self.at(-1.0);
        let fits =
            |x: f64| (self.at(x) - if x > 0.0 { x } else { slope * x }).abs() <= 1e-7 * x.abs();
        let leaky = Activation::LeakyRelu { slope: slope as f32 };
        (slope.is_finite() && grid().all(fits)).then_some(Op::Activate(leaky))
    }
}

/// Where functions are compared: everywhere that activations bend.
fn grid() -> impl Iterator<Item = f64> {
    (-84..=84).map(|i| f64::from(i) * 0.11)
}

/// A layer and what it computes.
type Known = (Op, fn(f64) -> f64);

/// What we have a layer for.
fn known() -> Vec<Known> {
    let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
    vec![
        (Op::Relu, |x| x.max(0.0)),
        (Op::Relu6, |x| x.clamp(0.0, 6.0)),
        (Op::Activate(Activation::Sigmoid), sigmoid),
        (Op::Activate(Activation::HardSigmoid), |x| (x + 3.0).clamp(0.0, 6.0) / 6.0),
        (Op::Activate(Activation::HardSwish), |x| x * (x + 3.0).clamp(0.0, 6.0) / 6.0),
        (Op::Activate(Activation::Silu), |x| x / (1.0 + (-x).exp())),
        (Op::Activate(Activation::Gelu), |x| x * 0.5 * (1.0 + erf(x * 0.5f64.sqrt()))),
        (Op::Activate(Activation::GeluTanh), |x| {
            let inner = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x * x * x);
            0.5 * x * (1.0 + inner.tanh())
        }),
        (Op::Activate(Activation::Tanh), f64::tanh),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_function_has_its_published_values() {
        // Abramowitz and Stegun, table 7.1.
        for (x, wanted) in [(0.5, 0.5204998778), (1.0, 0.8427007929), (2.0, 0.9953222650)] {
            assert!((erf(x) - wanted).abs() < 1e-10, "{x}");
            assert!((erf(-x) + wanted).abs() < 1e-10, "-{x}");
        }
        assert_eq!(erf(7.0), 1.0);
        assert!((erf(5.9) - 1.0).abs() < 1e-14);
    }

    #[test]
    fn a_function_of_several_nodes_is_known_by_its_values() {
        let x = Rc::new(Curve::X);
        let c = |v: f64| Rc::new(Curve::Constant(v));
        let gelu = Curve::binary(Binary::Div, &x, &c(2f64.sqrt())).unwrap();
        let gelu = gelu.unary(Unary::Erf).unwrap();
        let gelu = Curve::binary(Binary::Add, &gelu, &c(1.0)).unwrap();
        let gelu = Curve::binary(Binary::Mul, &x, &gelu).unwrap();
        assert_eq!(gelu.layer(), None, "the half is missing");
        let gelu = Curve::binary(Binary::Mul, &gelu, &c(0.5)).unwrap();
        assert_eq!(gelu.layer(), Some(Op::Activate(Activation::Gelu)));
        let hard = Curve::binary(Binary::Add, &x, &c(3.0)).unwrap();
        let hard = hard.unary(Unary::Clip { min: 0.0, max: 6.0 }).unwrap();
        let hard = Curve::binary(Binary::Div, &hard, &c(6.0)).unwrap();
        assert_eq!(hard.layer(), Some(Op::Activate(Activation::HardSigmoid)));
        let swish = Curve::binary(Binary::Mul, &x, &hard).unwrap();
        assert_eq!(swish.layer(), Some(Op::Activate(Activation::HardSwish)));
        let wrong = x.unary(Unary::Clip { min: 0.0, max: 5.9 }).unwrap();
        assert_eq!(wrong.layer(), None);
    }

    #[test]
    fn numbers_around_a_function_are_a_line_behind_it() {
        let x = Rc::new(Curve::X);
        let c = |v: f64| Rc::new(Curve::Constant(v));
        let square = Curve::binary(Binary::Pow, &x.unary(Unary::Relu).unwrap(), &c(2.0)).unwrap();
        let most = Curve::binary(Binary::Mul, &c(0.5), &square).unwrap();
        let all = Curve::binary(Binary::Sub, &c(3.0), &most).unwrap();
        assert_eq!(all.peeled(), (square.clone(), [-0.5, 3.0]));
        let sigmoid = x.unary(Unary::Sigmoid).unwrap();
        let twice = Curve::binary(Binary::Div, &sigmoid, &c(0.5)).unwrap();
        assert_eq!(twice.peeled(), (sigmoid, [2.0, 0.0]));
        assert_eq!(square.peeled(), (square.clone(), [1.0, 0.0]));
    }

    #[test]
    fn a_line_has_a_factor_and_an_offset() {
        let x = Rc::new(Curve::X);
        let c = |v: f64| Rc::new(Curve::Constant(v));
        let line = Curve::binary(Binary::Mul, &c(2.0), &x).unwrap();
        let line = Curve::binary(Binary::Sub, &line, &c(1.0)).unwrap();
        assert_eq!(line.line(), Some([2.0, -1.0]));
        assert_eq!(Curve::binary(Binary::Mul, &line, &line).unwrap().line(), None);
    }
}
