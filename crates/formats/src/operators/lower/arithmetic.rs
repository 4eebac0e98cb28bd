//! Arithmetic number by number: of two values, with constants, and functions of one value.

use std::rc::Rc;
use std::sync::Arc;

use regraft_net::op::Activation;
use regraft_net::{Op, Role};
use regraft_tensor::{Shape, Tensor};

use super::{Args, Live, Lower, Lowered, Value, dims_of, wanted};
use crate::operators::build::Name;
use crate::operators::consts::Const;
use crate::operators::curve::{Binary, Curve, Unary};
use crate::operators::fold::elementwise::broadcast;
use crate::operators::layout::{Atom, Layout, walk};

impl<'a> Lower<'_, 'a, '_> {
    /// A function of one value.
    pub(super) fn function(&mut self, args: &Args<'a>) -> Lowered<Value<'a>> {
        let op = self.here().op.to_string();
        let x = args.value(0)?;
        if let Value::Stat(_) = x
            && let Some(made) = self.stat(&op, x, None)?
        {
            return Ok(made);
        }
        let live = self.live(x.clone())?;
        let setting = |name: &str, usual: f32| self.here().float(name).unwrap_or(usual);
        let unary = match &*op {
            "Relu" => Unary::Relu,
            "Sigmoid" => Unary::Sigmoid,
            "HardSigmoid" => {
                let (alpha, beta) = (setting("alpha", 0.2), setting("beta", 0.5));
                Unary::HardSigmoid { alpha: alpha.into(), beta: beta.into() }
            }
            "Tanh" => Unary::Tanh,
            "Erf" => Unary::Erf,
            "Exp" => Unary::Exp,
            "Sqrt" => Unary::Sqrt,
            "Softplus" => Unary::Softplus,
            "Neg" => Unary::Negative,
            "Reciprocal" => Unary::Reciprocal,
            "Clip" => {
                let limit = |i: usize, name: &str, none: f64| -> Lowered<Result<f64, Const<'a>>> {
                    if let Some(limit) = self.here().float(name) {
                        return Ok(Ok(limit.into()));
                    }
                    Ok(args.maybe_constant(i, name)?.map_or(Ok(none), Err))
                };
                let (min, max) =
                    (limit(1, "min", f64::NEG_INFINITY)?, limit(2, "max", f64::INFINITY)?);
                let (min, max) = (self.limit(min)?, self.limit(max)?);
                if min == 0.0 && max == f64::INFINITY {
                    Unary::Relu
                } else {
                    Unary::Clip { min, max }
                }
            }
            _ => return Ok(Value::Live(self.activation(&op, &live, args)?)),
        };
        let made = if let Some(curve) = live.curve.unary(unary) {
            Live { curve, by: self.node, ..live }
        } else {
            let plain = self.plain(&live)?;
            let curve = Rc::new(Curve::Unary(unary, Rc::new(Curve::X)));
            Live { curve, by: self.node, ..plain }
        };
        // What nothing else is made of becomes a layer where it stands.
        let whole =
            matches!(&*made.curve, Curve::Unary(Unary::Relu | Unary::Clip { .. }, x) if x.is_x());
        if whole {
            return Ok(Value::Live(self.clipped(&made)?));
        }
        Ok(Value::Live(made))
    }

    fn limit(&mut self, limit: Result<f64, Const<'a>>) -> Lowered<f64> {
        match limit {
            Ok(limit) => Ok(limit),
            Err(known) => {
                known.scalar(&mut self.store)?.ok_or_else(|| wanted("one number as a limit"))
            }
        }
    }

    /// `Relu` or `Clip` as a layer.
    fn clipped(&mut self, live: &Live) -> Lowered<Live> {
        if let Curve::Unary(Unary::Clip { min, max }, _) = &*live.curve
            && live.curve.layer().is_none()
        {
            let (min, max) = (*min as f32, *max as f32);
            if min.is_nan() || max.is_nan() || min > max {
                return Err(wanted("a lower limit that is not above the upper one"));
            }
            let op = Op::Activate(Activation::Clip { min, max });
            let x = Live { curve: Rc::new(Curve::X), ..live.clone() };
            let x = self.whole(&x)?;
            let name = self.name(None);
            return self.pointwise(&x, name, op);
        }
        self.plain(live)
    }

    /// Activations that are whole in one node.
    fn activation(&mut self, op: &str, live: &Live, args: &Args<'a>) -> Lowered<Live> {
        let live = self.plain(live)?;
        let live = self.whole(&live)?;
        let alpha = self.here().float("alpha");
        let made = match op {
            "HardSwish" => Op::Activate(Activation::HardSwish),
            "Gelu" if self.here().text("approximate") == Some("tanh") => {
                Op::Activate(Activation::GeluTanh)
            }
            "Gelu" => Op::Activate(Activation::Gelu),
            "Swish" if alpha.is_none_or(|a| a == 1.0) => Op::Activate(Activation::Silu),
            "LeakyRelu" => Op::Activate(Activation::LeakyRelu { slope: alpha.unwrap_or(0.01) }),
            "Elu" => Op::Activate(Activation::Elu { alpha: alpha.unwrap_or(1.0) }),
            "PRelu" => return self.prelu(&live, args),
            _ => return Err(wanted("an activation that there is a layer for")),
        };
        let name = self.name(None);
        self.pointwise(&live, name, made)
    }

    fn prelu(&mut self, live: &Live, args: &Args<'a>) -> Lowered<Live> {
        let known = args.constant(1, "slopes")?;
        if let Some(slope) = known.scalar(&mut self.store)? {
            let name = self.name(known.origin);
            let op = Op::Activate(Activation::LeakyRelu { slope: slope as f32 });
            return self.pointwise(live, name, op);
        }
        let slopes = self.per_channel(live, &known)?;
        let slopes = slopes.ok_or_else(|| wanted("a slope for each channel"))?;
        let name = self.name(known.origin);
        let layer =
            self.push(name, Op::Prelu, &[live.layer], vec![vector(Role::Weight, slopes)?])?;
        Ok(Live { layer, ..live.clone() })
    }

    /// `Add`, `Sum`, `Sub`, `Mul`, `Div`, `Pow`, `Min`, `Max`.
    pub(super) fn arithmetic(&mut self, args: &Args<'a>) -> Lowered<Value<'a>> {
        let op = self.here().op.to_string();
        let f = match &*op {
            "Add" | "Sum" => Binary::Add,
            "Sub" => Binary::Sub,
            "Mul" => Binary::Mul,
            "Div" => Binary::Div,
            "Pow" => Binary::Pow,
            "Min" => Binary::Min,
            _ => Binary::Max,
        };
        let all: Vec<&Value<'a>> = args.values.iter().flatten().collect();
        let Some((first, more)) = all.split_first() else { return Err(wanted("inputs")) };
        let mut sum = (*first).clone();
        for value in more {
            sum = self.two(&op, f, &sum, value)?;
        }
        Ok(sum)
    }

    fn two(&mut self, op: &str, f: Binary, a: &Value<'a>, b: &Value<'a>) -> Lowered<Value<'a>> {
        let commutes = matches!(f, Binary::Add | Binary::Mul);
        // A norm begins with a sequence as it is.
        let begun = match (a, b) {
            (Value::Tokens(tokens), Value::Stat(_)) => Value::Live(self.tokens(tokens)?),
            _ => a.clone(),
        };
        let a = &begun;
        if let Some(made) = self.stat(op, a, Some(b))? {
            return Ok(made);
        }
        if commutes && let Some(made) = self.stat(op, b, Some(a))? {
            return Ok(made);
        }
        match (a, b) {
            (Value::Scores(scores), Value::Const(c)) | (Value::Const(c), Value::Scores(scores)) => {
                let turned = matches!(a, Value::Const(_));
                Ok(Value::Scores(self.scores_with(f, scores, c, turned)?))
            }
            (x, Value::Const(c)) => self.with_constant(f, x, c, false),
            (Value::Const(c), x) => self.with_constant(f, x, c, true),
            (x, y) => {
                let (x, y) = (self.live(x.clone())?, self.live(y.clone())?);
                Ok(Value::Live(self.of_two(f, &x, &y)?))
            }
        }
    }

    /// A value and a constant; `turned` when the constant comes first.
    fn with_constant(
        &mut self,
        f: Binary,
        x: &Value<'a>,
        known: &Const<'a>,
        turned: bool,
    ) -> Lowered<Value<'a>> {
        if f == Binary::Add
            && let Some(tokens) = self.growing_with(x, known)?
            && let Some(tokens) = self.positioned(&tokens, known)?
        {
            return Ok(Value::Tokens(tokens));
        }
        let mut live = self.live(x.clone())?;
        let dims = live.layout.dims();
        let known = &self.fitted(known, &dims, &mut live)?;
        if let Some(number) = known.scalar(&mut self.store)? {
            let number = Rc::new(Curve::Constant(number));
            let (a, b) = if turned {
                (number, Rc::clone(&live.curve))
            } else {
                (Rc::clone(&live.curve), number)
            };
            if let Some(curve) = Curve::binary(f, &a, &b) {
                return Ok(Value::Live(Live { curve, ..live }));
            }
            return Err(wanted("fewer numbers in a row"));
        }
        let live = match (live.curve.line(), f) {
            // A factor for all and an offset for each channel are one layer.
            (Some([factor, 0.0]), Binary::Add) if factor != 1.0 => {
                let x = Live { curve: Rc::new(Curve::X), ..live };
                let x = self.whole(&x)?;
                if let Some(shift) = self.per_channel(&x, known)? {
                    let name = self.name(known.origin);
                    let scale = vec![factor as f32; shift.len()];
                    return Ok(Value::Live(self.scaled(&x, name, Some(scale), Some(shift))?));
                }
                return Err(wanted("a number for all or for each channel"));
            }
            _ => self.plain(&live)?,
        };
        let mut live = self.whole(&live)?;
        let mut values = self.per_channel(&live, known)?;
        if values.is_none() {
            if f == Binary::Add
                && let Some(moved) = self.shifted(&live, known)?
            {
                return Ok(Value::Live(moved));
            }
            // Of axes that are no channels yet.
            let skip = live.layout.axes.len().saturating_sub(known.dims.len());
            let varies = known.dims.iter().enumerate().filter(|(_, d)| **d != 1);
            let varies: Vec<usize> = varies.map(|(i, _)| i + skip).collect();
            live = self.with_channels(&live, &varies)?;
            values = self.per_channel(&live, known)?;
        }
        let mut values = values
            .ok_or_else(|| wanted("a constant that is a number for all or for each channel"))?;
        match (f, turned) {
            (Binary::Add, _) | (Binary::Sub, false) => {
                if f == Binary::Sub {
                    for v in &mut values {
                        *v = -*v;
                    }
                }
                Ok(Value::Live(self.offset(&live, values, known.origin)?))
            }
            (Binary::Mul, _) | (Binary::Div, false) => {
                if f == Binary::Div {
                    for v in &mut values {
                        *v = 1.0 / *v;
                    }
                }
                if let Some(norm) = self.norm_with(&live, &values, false, known.origin)? {
                    return Ok(Value::Live(norm));
                }
                let name = self.name(known.origin);
                Ok(Value::Live(self.scaled(&live, name, Some(values), None)?))
            }
            _ => {
                Err(wanted("one number beside the value, or a sum or a product with the constant"))
            }
        }
    }

    /// A sequence that the constant may be the positions of.
    fn growing_with(&mut self, x: &Value<'a>, known: &Const<'a>) -> Lowered<Option<super::Tokens>> {
        let dims = dims_of(x)?;
        let alone = dims.get(1) == Some(&1);
        if dims.len() != 3
            || !self.is_position(known.origin).unwrap_or(!alone)
            || known.count() != dims.iter().product::<usize>()
        {
            return Ok(None);
        }
        self.growing(x)
    }

    /// A constant that fits the extents: old files say at which axis it begins. Leading axes of extent
    /// 1 that the constant has and the value has not are put before the value's.
    fn fitted(&self, known: &Const<'a>, dims: &[usize], live: &mut Live) -> Lowered<Const<'a>> {
        let mut known = known.clone();
        if self.here().int("broadcast") == Some(1)
            && let Some(axis) = self.here().int("axis")
        {
            let axis = crate::operators::fold::axis_of(axis, dims.len());
            let behind = axis.and_then(|a| dims.len().checked_sub(a + known.dims.len()));
            let behind = behind.ok_or_else(|| wanted("an axis of the first input"))?;
            known.dims.extend(std::iter::repeat_n(1, behind));
        }
        let whole = broadcast(dims, &known.dims).ok_or_else(|| wanted("inputs that broadcast"))?;
        let more = whole.len() - dims.len();
        if whole[more..] != *dims || whole[..more].iter().any(|d| *d != 1) {
            return Err(wanted("a constant that leaves the shape of the value as it is"));
        }
        if more > 0 {
            live.layout.axes.splice(0..0, vec![vec![]; more]);
        }
        Ok(known)
    }

    /// A number for each channel of the layer, from a constant that broadcasts over a whole value;
    /// `None` when it depends on more than the channel.
    pub(super) fn per_channel(
        &mut self,
        live: &Live,
        known: &Const<'a>,
    ) -> Lowered<Option<Vec<f32>>> {
        let rank = live.layout.axes.len();
        let Some(skip) = rank.checked_sub(known.dims.len()) else { return Ok(None) };
        let varies = |i: usize| i >= skip && known.dims[i - skip] != 1;
        let atoms: Vec<Atom> =
            (0..rank).filter(|i| varies(*i)).flat_map(|i| live.layout.axes[i].clone()).collect();
        let rest: Vec<Atom> = (0..rank)
            .filter(|i| !varies(*i))
            .flat_map(|i| live.layout.axes[i].clone())
            .filter(|a| a.dim == 0)
            .collect();
        let count: usize = atoms.iter().map(|a| a.size).product();
        if atoms.iter().any(|a| a.dim != 0) || known.count() != count {
            return Ok(None);
        }
        let c = self.shape(live.layer)[0];
        self.store.budget.numbers(4 * c, "layers")?;
        let values = known.floats(&mut self.store)?;
        let mut made = vec![0.0; c];
        let more = walk(&rest, |_| Some(1));
        for (at, v) in walk(&atoms, |_| Some(1)).into_iter().zip(values.iter()) {
            for extra in &more {
                made[at + extra] = *v;
            }
        }
        Ok(Some(made))
    }

    /// An offset for each channel: the bias of a layer that has none, else a layer.
    fn offset(&mut self, live: &Live, values: Vec<f32>, origin: Option<usize>) -> Lowered<Live> {
        if let Some(norm) = self.norm_with(live, &values, true, origin)? {
            return Ok(norm);
        }
        let mut draft = self.drafts.at(live.layer).clone();
        let open = if let Op::Linear { bias, .. } | Op::Scale { bias } = &mut draft.op {
            !std::mem::replace(bias, true)
        } else if let Op::Conv2d(conv) = &mut draft.op {
            !std::mem::replace(&mut conv.bias, true)
        } else {
            false
        };
        if open && self.sole_use() {
            draft.params.push(vector(Role::Bias, values)?);
            let keep = draft.name.own && !self.ours;
            let name = if keep { draft.name } else { self.name(origin) };
            let layer = self.push(name, draft.op, &draft.inputs, draft.params)?;
            return Ok(Live { layer, ..live.clone() });
        }
        let name = self.name(origin);
        self.scaled(live, name, None, Some(values))
    }

    /// Whether the node in hand is the only one that reads its inputs.
    fn sole_use(&self) -> bool {
        self.here().inputs.iter().flatten().all(|v| self.uses[*v] <= 1 || self.is_tensor(*v))
    }

    fn is_tensor(&self, value: usize) -> bool {
        matches!(self.values[value], Some(Value::Const(_)))
    }

    /// A factor and an offset for each channel: a picture's normalisation where they stand at the
    /// input, a layer that learns elsewhere.
    pub(super) fn scaled(
        &mut self,
        live: &Live,
        name: Name,
        scale: Option<Vec<f32>>,
        shift: Option<Vec<f32>>,
    ) -> Lowered<Live> {
        let c = self.shape(live.layer)[0];
        self.store.budget.numbers(4 * c, "layers")?;
        let below = self.drafts.at(live.layer).clone();
        let fixed = matches!(below.op, Op::Input { .. } | Op::Affine { .. });
        let mut scale = scale.unwrap_or_else(|| vec![1.0; c]);
        if self.is_fixed().unwrap_or(fixed) {
            let mut shift = shift.unwrap_or_else(|| vec![0.0; c]);
            if let Op::Affine { scale: first, shift: offset } = &below.op
                && self.sole_use()
            {
                // Two lines in a row are one.
                for i in 0..c {
                    shift[i] += offset[i] * scale[i];
                    scale[i] *= first[i];
                }
                let op = Op::Affine { scale, shift };
                let layer = self.push(name, op, &below.inputs, vec![])?;
                return Ok(Live { layer, ..live.clone() });
            }
            return self.pointwise(live, name, Op::Affine { scale, shift });
        }
        let op = Op::Scale { bias: shift.is_some() };
        let mut params = vec![vector(Role::Weight, scale)?];
        if let Some(shift) = shift {
            params.push(vector(Role::Bias, shift)?);
        }
        let layer = self.push(name, op, &[live.layer], params)?;
        Ok(Live { layer, ..live.clone() })
    }

    /// A sum, a difference or a product of two values.
    pub(super) fn of_two(&mut self, f: Binary, x: &Live, y: &Live) -> Lowered<Live> {
        if x.layer == y.layer
            && x.layout == y.layout
            && let Some(curve) = Curve::binary(f, &x.curve, &y.curve)
        {
            return Ok(Live { curve, ..x.clone() });
        }
        let (x, y) = (self.plain(x)?, self.plain(y)?);
        let (mut x, mut y) = (self.whole(&x)?, self.whole(&y)?);
        let rank = x.layout.axes.len().max(y.layout.axes.len());
        for live in [&mut x, &mut y] {
            let missing = rank - live.layout.axes.len();
            live.layout.axes.splice(0..0, vec![vec![]; missing]);
        }
        if f == Binary::Sub {
            let c = self.shape(y.layer)[0];
            let name = Name { text: format!("{}.minus", self.name(None).text), own: false };
            self.store.budget.numbers(2 * c, "layers")?;
            let op = Op::Affine { scale: vec![-1.0; c], shift: vec![0.0; c] };
            y = self.pointwise(&y, name, op)?;
        }
        let op = match f {
            Binary::Add | Binary::Sub => Op::Add,
            Binary::Mul => Op::Mul,
            Binary::Div | Binary::Pow | Binary::Min | Binary::Max => {
                return Err(wanted("a constant as one of the two"));
            }
        };
        if x.layout == y.layout && self.shape(x.layer).len() != self.shape(y.layer).len() {
            (x, y) = (self.flat(&x)?, self.flat(&y)?);
        }
        if x.layout != y.layout && f == Binary::Mul && self.gates(&x, &y) {
            std::mem::swap(&mut x, &mut y);
        }
        let alike = x.layout == y.layout && self.shape(x.layer) == self.shape(y.layer);
        if !(alike || f == Binary::Mul && self.gates(&y, &x)) {
            (x, y) = self.made_alike(f, x, y)?;
        }
        let name = self.name(None);
        let layer = self.push(name, op, &[x.layer, y.layer], vec![])?;
        Ok(Live::of(layer, x.layout))
    }

    /// Whether `gate` has a number for each channel of `map`, along the same axes.
    fn gates(&self, gate: &Live, map: &Live) -> bool {
        let (g, m) = (self.shape(gate.layer), self.shape(map.layer));
        let pairs = gate.layout.axes.iter().zip(&map.layout.axes);
        g.first() == m.first()
            && g[1..].iter().all(|n| *n == 1)
            && m.len() == 3
            && pairs.into_iter().all(|(g, m)| g == m || g.is_empty())
    }
}

impl Live {
    /// A plain value.
    pub(super) fn of(layer: usize, layout: Layout) -> Self {
        Self { layer, layout, curve: Rc::new(Curve::X), by: 0 }
    }
}

/// A parameter that is a vector.
pub(super) fn vector(role: Role, values: Vec<f32>) -> Lowered<super::Param> {
    let shape = Shape::from([values.len()]);
    let tensor = Tensor::new(shape, values).map_err(|e| wanted(e.to_string()))?;
    Ok((role, Arc::new(tensor)))
}
