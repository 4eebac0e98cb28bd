//! Norms, and layer norms that are written as several nodes; sums over axes; softmax.

use std::rc::Rc;
use std::sync::Arc;

use regraft_net::op::{Rounding, Window};
use regraft_net::{Op, Role};
use regraft_tensor::{Shape, Tensor};

use super::{Args, Live, Lower, Lowered, Param, Value, dims_of, wanted};
use crate::operators::consts::Const;
use crate::operators::curve::{Binary, Curve};
use crate::operators::fold::{axes_of, axis_of};
use crate::operators::layout::{Atom, Layout, extent};

/// How far a layer norm over the channels has come.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Step {
    /// The mean of each pixel.
    Mean,
    /// `x - mean`.
    Centred,
    /// `(x - mean)²`.
    Square,
    /// Its mean.
    Variance,
    /// The same and something.
    WithEps(f64),
    /// The root of that.
    Deviation(f64),
    /// One over that.
    Inverse(f64),
    /// The same times the weight.
    Factor(f64),
    /// `x` times the one or the other.
    Scaled(f64),
    /// The mean times the one or the other.
    Middle(f64),
    /// The bias less that, or that turned about.
    Shift(f64),
    /// The mean turned about.
    Turned,
    /// That times the inverse of the deviation, or times that and the weight.
    TurnedMiddle(f64),
}

/// A part of a layer norm.
#[derive(Debug, Clone)]
pub(super) struct Stat {
    pub(super) of: Live,
    pub(super) step: Step,
    /// The axes that are the channels.
    pub(super) axes: Vec<usize>,
    /// The weight, by channel, once it is in.
    pub(super) weight: Option<Rc<Vec<f32>>>,
    /// The bias, by channel, once it is in.
    pub(super) bias: Option<Rc<Vec<f32>>>,
}

impl Stat {
    /// Extents of the value.
    pub(super) fn dims(&self) -> Vec<usize> {
        let mut dims = self.of.layout.dims();
        let whole = matches!(self.step, Step::Centred | Step::Square | Step::Scaled(_));
        if !whole && self.weight.is_none() && self.bias.is_none() {
            self.axes.iter().for_each(|a| dims[*a] = 1);
        }
        dims
    }

    pub(super) fn at(&self, step: Step) -> Self {
        Self { step, ..self.clone() }
    }

    pub(super) fn same(&self, other: &Live) -> bool {
        self.of.layer == other.layer
            && self.of.layout == other.layout
            && self.of.curve == other.curve
    }
}

impl<'a> Lower<'_, 'a, '_> {
    /// The next step of a layer norm, for an operation on one; `None` when it is none.
    pub(super) fn stat(
        &mut self,
        op: &str,
        a: &Value<'a>,
        b: Option<&Value<'a>>,
    ) -> Lowered<Option<Value<'a>>> {
        let number = match b {
            Some(Value::Const(c)) => c.scalar(&mut self.store)?,
            _ => None,
        };
        let made = match (op, a, b) {
            ("Sub", Value::Live(x), Some(Value::Stat(m))) if m.step == Step::Mean && m.same(x) => {
                Some(m.at(Step::Centred))
            }
            ("Pow", Value::Stat(s), _) if s.step == Step::Centred && number == Some(2.0) => {
                Some(s.at(Step::Square))
            }
            ("Mul", Value::Stat(s), Some(Value::Stat(t)))
                if s.step == Step::Centred && t.step == Step::Centred && s.same(&t.of) =>
            {
                Some(s.at(Step::Square))
            }
            ("Add", Value::Stat(s), _) if s.step == Step::Variance => {
                number.map(|eps| s.at(Step::WithEps(eps)))
            }
            ("Sqrt", Value::Stat(s), None) => {
                if let Step::WithEps(eps) = s.step {
                    Some(s.at(Step::Deviation(eps)))
                } else {
                    None
                }
            }
            ("Reciprocal", Value::Stat(s), None) => {
                if let Step::Deviation(eps) = s.step {
                    Some(s.at(Step::Inverse(eps)))
                } else {
                    None
                }
            }
            _ => None,
        };
        if made.is_some() {
            return Ok(made.map(Value::Stat));
        }
        if let Some(made) = self.expanded(op, a, b)? {
            return Ok(Some(made));
        }
        let eps = match (op, a, b) {
            ("Div", Value::Stat(s), Some(Value::Stat(d))) => match (s.step, d.step) {
                (Step::Centred, Step::Deviation(eps)) if s.same(&d.of) => Some((s, eps)),
                _ => None,
            },
            ("Mul", Value::Stat(s), Some(Value::Stat(d))) => match (s.step, d.step) {
                (Step::Centred, Step::Inverse(eps)) if s.same(&d.of) => Some((s, eps)),
                _ => None,
            },
            _ => None,
        };
        let Some((stat, eps)) = eps else { return Ok(None) };
        let c = self.shape(stat.of.layer)[0];
        self.room(c, 2)?;
        let name = self.name(None);
        let params = self.weights(c, vec![1.0; c], vec![0.0; c])?;
        let op = Op::LayerNorm { eps: eps as f32 };
        let layer = self.push(name, op, &[stat.of.layer], params)?;
        self.open_norms.insert(layer, false);
        Ok(Some(Value::Live(Live::of(layer, stat.of.layout.clone()))))
    }

    /// Weight and bias `[c]`.
    pub(super) fn weights(
        &mut self,
        c: usize,
        weight: Vec<f32>,
        bias: Vec<f32>,
    ) -> Lowered<Vec<Param>> {
        self.store.budget.numbers(2 * c, "norms")?;
        let tensor = |values| Tensor::new(Shape::from([c]), values).map(Arc::new);
        let fault = |e: regraft_tensor::TensorError| wanted(e.to_string());
        Ok(vec![
            (Role::Weight, tensor(weight).map_err(fault)?),
            (Role::Bias, tensor(bias).map_err(fault)?),
        ])
    }

    /// A factor (or an offset) for each channel put into a layer norm that has none yet.
    pub(super) fn norm_with(
        &mut self,
        live: &Live,
        values: &[f32],
        offset: bool,
        origin: Option<usize>,
    ) -> Lowered<Option<Live>> {
        match self.open_norms.get(&live.layer) {
            Some(false) => {}
            Some(true) if offset => {}
            Some(true) | None => return Ok(None),
        }
        let draft = self.drafts.at(live.layer).clone();
        let weight = match draft.params.first() {
            Some((_, weight)) if offset => weight.data().to_vec(),
            Some(_) | None => values.to_vec(),
        };
        let bias = if offset { values.to_vec() } else { vec![0.0; values.len()] };
        let params = self.weights(values.len(), weight, bias)?;
        let keep = draft.name.own && !self.ours;
        let name = if keep { draft.name } else { self.name(origin) };
        let layer = self.push(name, draft.op, &draft.inputs, params)?;
        if !offset {
            self.open_norms.insert(layer, true);
        }
        Ok(Some(Live { layer, ..live.clone() }))
    }

    /// `LayerNormalization`.
    pub(super) fn layer_norm(&mut self, args: &Args<'a>) -> Lowered<Live> {
        let live = self.solid(args.value(0)?)?;
        let rank = live.layout.axes.len();
        let axis = axis_of(self.here().int("axis").unwrap_or(-1), rank)
            .ok_or_else(|| wanted("an axis of the input"))?;
        let mut live = live;
        let mut order = self.norm_order(&live, axis)?;
        if order.is_none() {
            let last: Vec<usize> = (axis..rank).collect();
            live = self.with_channels(&live, &last)?;
            order = self.norm_order(&live, axis)?;
        }
        let order = order.ok_or_else(|| wanted("axes that are all channels, and only those"))?;
        let c = order.len();
        let weight = args.constant(1, "a weight")?;
        let origin = weight.origin;
        let bias = args.maybe_constant(2, "a bias")?;
        let weight = self.by_channel(&weight, &order)?;
        let bias = match bias {
            Some(bias) => self.by_channel(&bias, &order)?,
            None => vec![0.0; order.len()],
        };
        let eps = self.here().float("epsilon").unwrap_or(1e-5);
        let params = self.weights(c, weight, bias)?;
        let name = self.name(origin);
        let layer = self.push(name, Op::LayerNorm { eps }, &[live.layer], params)?;
        Ok(Live { layer, ..live })
    }

    /// `InstanceNormalization` `[1, G, …]`: each step of axis 1 over all that lies behind it, as in a group norm
    /// (Wu and He 2018, section 3). The numbers of a group become the channels of one pixel.
    pub(super) fn group_norm(&mut self, args: &Args<'a>) -> Lowered<Live> {
        let live = self.solid(args.value(0)?)?;
        let rank = live.layout.axes.len();
        if rank < 3 {
            return Err(wanted("a batch, groups, and at least one axis more"));
        }
        let mut factors = [0.0; 2];
        for (i, factor) in factors.iter_mut().enumerate() {
            let known = args.constant(i + 1, "factors and offsets")?;
            let one = known.floats(&mut self.store)?;
            let first = one.first().copied().filter(|v| one.iter().all(|other| other == v));
            *factor = first.ok_or_else(|| wanted("one factor and one offset for all groups"))?;
        }
        let rest: Vec<usize> = (2..rank).collect();
        let pixels = self.laid(&live, [&rest, &[1], &[]])?;
        let c = self.shape(pixels.layer)[0];
        self.room(c, 2)?;
        let params = self.weights(c, vec![factors[0]; c], vec![factors[1]; c])?;
        let eps = self.here().float("epsilon").unwrap_or(1e-5);
        let name = self.name(None);
        let layer = self.push(name, Op::LayerNorm { eps }, &[pixels.layer], params)?;
        // Where they were: what follows counts for channels, of which there are fewer.
        self.like(&Live { layer, ..pixels }, &live)
    }

    /// The channels that the axes from `axis` are, when those are all channels and nothing else.
    fn norm_order(&mut self, live: &Live, axis: usize) -> Lowered<Option<Vec<usize>>> {
        let joined = Layout::new(vec![live.layout.axes[axis..].concat()]);
        let c = self.shape(live.layer)[0];
        Ok(self.channels(&joined, 0)?.filter(|o| o.len() == c))
    }

    /// The numbers of a constant, each at its channel.
    fn by_channel(&mut self, known: &Const<'a>, order: &[usize]) -> Lowered<Vec<f32>> {
        let values = known.floats(&mut self.store)?;
        if values.len() != order.len() {
            return Err(wanted(format!("{} numbers, one for each channel", order.len())));
        }
        let mut made = vec![0.0; values.len()];
        for (i, v) in order.iter().zip(values.iter()) {
            made[*i] = *v;
        }
        Ok(made)
    }

    /// `BatchNormalization`.
    pub(super) fn batch_norm(&mut self, args: &Args<'a>) -> Lowered<Live> {
        let live = self.solid(args.value(0)?)?;
        let live = self.ordered(&live, 1)?;
        let c = self.shape(live.layer)[0];
        self.room(c, 4)?;
        let order: Vec<usize> = (0..c).collect();
        let origin = args.constant(1, "a weight")?.origin;
        let mut params = Vec::new();
        let roles = [Role::Weight, Role::Bias, Role::RunningMean, Role::RunningVar];
        for (i, role) in roles.into_iter().enumerate() {
            let known = args.constant(i + 1, role.suffix())?;
            self.store.budget.numbers(c, "norms")?;
            let values = self.by_channel(&known, &order)?;
            let tensor =
                Tensor::new(Shape::from([c]), values).map_err(|e| wanted(e.to_string()))?;
            params.push((role, Arc::new(tensor)));
        }
        let eps = self.here().float("epsilon").unwrap_or(1e-5);
        let name = self.name(origin);
        if self.shape(live.layer).len() == 3 {
            let layer = self.push(name, Op::BatchNorm { eps }, &[live.layer], params)?;
            return Ok(Live { layer, ..live });
        }
        // A norm of a vector is a factor and an offset for each value.
        let at = |p: usize, i: usize| f64::from(params[p].1.data()[i]);
        let factor = |i: usize| at(0, i) / (at(3, i) + f64::from(eps)).sqrt();
        let scale: Vec<f32> = order.iter().map(|i| factor(*i) as f32).collect();
        let shift: Vec<f32> =
            order.iter().map(|i| (at(1, *i) - at(2, *i) * factor(*i)) as f32).collect();
        self.scaled(&live, name, Some(scale), Some(shift))
    }

    /// `Softmax`.
    pub(super) fn softmax(&mut self, args: &Args<'a>) -> Lowered<Value<'a>> {
        let old = self.ir.opset < 13;
        let axis = self.here().int("axis").unwrap_or(if old { 1 } else { -1 });
        if let Value::Scores(scores) = args.value(0)? {
            return Ok(Value::Scores(scores.soft(axis_of(axis, scores.dims().len()))?));
        }
        let live = self.solid(args.value(0)?)?;
        let rank = live.layout.axes.len();
        let axis = axis_of(axis, rank).ok_or_else(|| wanted("an axis of the input"))?;
        let end = if old { rank } else { axis + 1 };
        let c = self.shape(live.layer)[0];
        let atoms = live.layout.axes[axis..end].concat();
        let mut live = live;
        if extent(&atoms) != c || atoms.iter().any(|a| a.dim != 0) {
            let all: Vec<usize> = (axis..end).collect();
            live = self.with_channels(&live, &all)?;
        }
        let name = self.name(None);
        Ok(Value::Live(self.pointwise(&live, name, Op::Softmax)?))
    }

    /// `ReduceMean`, `ReduceMax`, `ReduceSum`.
    pub(super) fn reduce(&mut self, args: &Args<'a>) -> Lowered<Value<'a>> {
        let value = args.value(0)?;
        let op = self.here().op.to_string();
        let rank = dims_of(value)?.len();
        let axes = match self.here().ints("axes") {
            Some(axes) => axes.to_vec(),
            None => match args.maybe_constant(1, "axes")? {
                Some(axes) => axes.ints(&mut self.store)?.to_vec(),
                None => (0..rank as i64).collect(),
            },
        };
        let axes = axes_of(&axes, rank).ok_or_else(|| wanted("axes of the input"))?;
        let keep = self.here().int("keepdims").unwrap_or(1) != 0;
        if let Value::Stat(stat) = value {
            let fits = op == "ReduceMean" && stat.step == Step::Square && keep && stat.axes == axes;
            let next = fits.then(|| stat.at(Step::Variance));
            return next.map(Value::Stat).ok_or_else(|| wanted("means as parts of a layer norm"));
        }
        let live = self.solid(value)?;
        let shape = self.shape(live.layer).to_vec();
        let atoms: Vec<Atom> = axes.iter().flat_map(|a| live.layout.axes[*a].clone()).collect();
        let over =
            |dim: usize| atoms.iter().filter(|a| a.dim == dim).map(|a| a.size).product::<usize>();
        let rows = [1, 2].map(|dim| over(dim) == shape.get(dim).copied().unwrap_or(1));
        if over(0) == shape[0] && shape[0] > 1 && over(1) == 1 && over(2) == 1 && keep {
            if op != "ReduceMean" {
                return Err(wanted("no maximum and no sum over channels"));
            }
            return Ok(Value::Stat(Stat {
                of: live,
                step: Step::Mean,
                axes,
                weight: None,
                bias: None,
            }));
        }
        if over(0) != 1 && rank == 4 && axes == [2, 3] {
            // A map that lies otherwise.
            let map = self.laid(&live, [&[1], &[2], &[3]])?;
            let more = args.values.get(1).cloned().flatten();
            return self.reduce(&Args { values: vec![Some(Value::Live(map)), more] });
        }
        if over(0) != 1 || [1, 2].iter().any(|d| !rows[d - 1] && over(*d) != 1) {
            let count = extent(&atoms);
            if let ([axis], true) = (&axes[..], count <= MOST_PARTS && op != "ReduceMax") {
                let sum = self.summed(&live, *axis, &op)?;
                return Ok(Value::Live(without(sum, &axes, keep)));
            }
            return Err(wanted("axes that are all rows, all columns or both of a map"));
        }
        let full = |i: usize| if over(i + 1) > 1 { shape[i + 1] } else { 1 };
        let layout = without(live.clone(), &axes, keep).layout;
        let made = if shape.len() == 1 || (full(0) == 1 && full(1) == 1 && !rows.contains(&true)) {
            live
        } else {
            self.pooled(&live, &op, [full(0), full(1)], rows == [true, true])?
        };
        Ok(Value::Live(Live { layout, ..made }))
    }

    /// The sum or the mean of the parts along an axis.
    fn summed(&mut self, live: &Live, axis: usize, op: &str) -> Lowered<Live> {
        let count = extent(&live.layout.axes[axis]);
        let mut sum: Option<Live> = None;
        for i in 0..count {
            let part = self.sliced(live, axis, (i, 1, 1))?;
            sum = Some(match sum {
                Some(sum) => self.of_two(Binary::Add, &sum, &part)?,
                None => part,
            });
        }
        let mut sum = sum.ok_or_else(|| wanted("an axis that is not empty"))?;
        if op == "ReduceMean" {
            let factor = Rc::new(Curve::Constant(1.0 / count as f64));
            let curve = Curve::binary(Binary::Mul, &sum.curve, &factor);
            sum.curve = curve.ok_or_else(|| wanted("fewer numbers in a row"))?;
        }
        Ok(sum)
    }

    /// A map pooled over a window, or over all of it.
    fn pooled(&mut self, live: &Live, op: &str, size: [usize; 2], all: bool) -> Lowered<Live> {
        let name = self.name(None);
        let window =
            Window { size, stride: size, rounding: Rounding::Floor, ..Window::new(1, 1, 0) };
        let pool = match (op, all) {
            ("ReduceMax", _) => Op::MaxPool(window),
            (_, true) => Op::GlobalAvgPool,
            (_, false) => Op::AvgPool { window, count_pad: false },
        };
        let mut made = self.pointwise(live, name, pool)?;
        if op == "ReduceSum" {
            let c = self.shape(made.layer)[0];
            let count = (size[0] * size[1]) as f32;
            self.room(c, 1)?;
            let name = self.name(None);
            made = self.scaled(&made, name, Some(vec![count; c]), None)?;
        }
        Ok(made)
    }
}

/// Most parts of the channels that are added one by one.
const MOST_PARTS: usize = 8;

/// A value without some axes, or with an extent of 1 there.
fn without(mut live: Live, axes: &[usize], keep: bool) -> Live {
    for axis in axes {
        live.layout.axes[*axis].clear();
    }
    if !keep {
        let kept = live.layout.axes.into_iter().enumerate().filter(|(i, _)| !axes.contains(i));
        live.layout.axes = kept.map(|(_, a)| a).collect();
    }
    live
}
