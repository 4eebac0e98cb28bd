//! Layer norms that are multiplied out, as TensorFlow writes its norms: `x · f + (bias - mean · f)` with
//! `f = weight / deviation`.

use std::rc::Rc;

use regraft_net::Op;

use super::norm::{Stat, Step};
use super::{Live, Lower, Lowered, Value};
use crate::operators::consts::Const;

impl<'a> Lower<'_, 'a, '_> {
    /// The next step of such a norm, for an operation on one; `None` when it is none.
    pub(super) fn expanded(
        &mut self,
        op: &str,
        a: &Value<'a>,
        b: Option<&Value<'a>>,
    ) -> Lowered<Option<Value<'a>>> {
        let made = match (op, a, b) {
            ("Neg", Value::Stat(s), None) => turned(s),
            ("Mul", Value::Stat(s), Some(Value::Const(c))) => {
                let Step::Inverse(eps) = s.step else { return Ok(None) };
                self.with_weight(s, c, eps)?
            }
            ("Mul", Value::Live(x), Some(Value::Stat(f))) if f.same(x) => {
                factor(f).map(|eps| f.at(Step::Scaled(eps)))
            }
            ("Mul", Value::Stat(m), Some(Value::Stat(f))) if f.same(&m.of) => {
                let turned = m.step == Step::Turned;
                let step = if turned { Step::TurnedMiddle } else { Step::Middle };
                let eps = factor(f).filter(|_| turned || m.step == Step::Mean);
                eps.map(|eps| f.at(step(eps)))
            }
            ("Sub", Value::Const(c), Some(Value::Stat(m))) => {
                let Step::Middle(eps) = m.step else { return Ok(None) };
                self.with_bias(m, c, eps)?
            }
            ("Add", Value::Stat(m), Some(Value::Const(c))) => {
                let Step::TurnedMiddle(eps) = m.step else { return Ok(None) };
                self.with_bias(m, c, eps)?
            }
            ("Add" | "Sub", Value::Stat(x), Some(Value::Stat(m))) if x.same(&m.of) => {
                return self.closed(op, x, m);
            }
            _ => None,
        };
        Ok(made.map(Value::Stat))
    }

    fn with_weight(&mut self, s: &Stat, known: &Const<'a>, eps: f64) -> Lowered<Option<Stat>> {
        let weight = self.per_channel(&s.of, known)?;
        Ok(weight.map(|w| Stat { weight: Some(Rc::new(w)), ..s.at(Step::Factor(eps)) }))
    }

    fn with_bias(&mut self, s: &Stat, known: &Const<'a>, eps: f64) -> Lowered<Option<Stat>> {
        let bias = self.per_channel(&s.of, known)?;
        Ok(bias.map(|b| Stat { bias: Some(Rc::new(b)), ..s.at(Step::Shift(eps)) }))
    }

    /// The whole norm, of `x` scaled and what is added to it.
    fn closed(&mut self, op: &str, x: &Stat, m: &Stat) -> Lowered<Option<Value<'a>>> {
        let eps = match (op, x.step, m.step) {
            ("Add", Step::Scaled(eps), Step::Shift(other) | Step::TurnedMiddle(other))
            | ("Sub", Step::Scaled(eps), Step::Middle(other))
                if eps == other && x.weight == m.weight =>
            {
                eps
            }
            _ => return Ok(None),
        };
        let c = self.shape(x.of.layer)[0];
        self.room(c, 2)?;
        let weight = x.weight.as_ref().map_or_else(|| vec![1.0; c], |w| w.to_vec());
        let bias = m.bias.as_ref().map_or_else(|| vec![0.0; c], |b| b.to_vec());
        let (name, params) = (self.name(None), self.weights(c, weight, bias)?);
        let op = Op::LayerNorm { eps: eps as f32 };
        let layer = self.push(name, op, &[x.of.layer], params)?;
        Ok(Some(Value::Live(Live::of(layer, x.of.layout.clone()))))
    }
}

/// The eps of what `x` is multiplied with, when it is that.
fn factor(stat: &Stat) -> Option<f64> {
    match stat.step {
        Step::Inverse(eps) | Step::Factor(eps) => Some(eps),
        Step::Mean
        | Step::Centred
        | Step::Square
        | Step::Variance
        | Step::WithEps(_)
        | Step::Deviation(_)
        | Step::Scaled(_)
        | Step::Middle(_)
        | Step::Shift(_)
        | Step::Turned
        | Step::TurnedMiddle(_) => None,
    }
}

/// A mean with its sign turned about.
fn turned(stat: &Stat) -> Option<Stat> {
    if let Step::Middle(eps) = stat.step {
        return Some(stat.at(Step::TurnedMiddle(eps)));
    }
    (stat.step == Step::Mean).then(|| stat.at(Step::Turned))
}
