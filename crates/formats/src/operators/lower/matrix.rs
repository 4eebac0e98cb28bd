//! Products with matrices.

use regraft_net::{Op, Role};

use super::window::tensor;
use super::{Args, Live, Lower, Lowered, Value, wanted};
use crate::operators::consts::Const;
use crate::operators::fold::elementwise::broadcast;
use crate::operators::layout::{Layout, extent, walk};

/// A matrix that values are multiplied with from the left.
struct Matrix<'a> {
    known: Const<'a>,
    /// Values in, values out.
    size: [usize; 2],
    /// Whether it lies as `[out, in]`.
    turned: bool,
    factor: f32,
}

impl<'a> Lower<'_, 'a, '_> {
    /// `Gemm`.
    pub(super) fn gemm(&mut self, args: &Args<'a>) -> Lowered<Live> {
        let live = self.solid(args.value(0)?)?;
        let known = args.constant(1, "a matrix")?;
        let bias = args.maybe_constant(2, "a bias")?;
        if self.here().int("transA").unwrap_or(0) != 0 {
            return Err(wanted("values as they are, not turned (transA)"));
        }
        let turned = self.here().int("transB").unwrap_or(0) != 0;
        let size = match (&known.dims[..], turned) {
            (&[k, n], false) | (&[n, k], true) => [k, n],
            _ => return Err(wanted("a matrix of 2 axes")),
        };
        let alpha = self.here().float("alpha").unwrap_or(1.0);
        let beta = self.here().float("beta").unwrap_or(1.0);
        let bias = match bias {
            None => None,
            Some(bias) => {
                let n = size[1];
                if broadcast(&bias.dims, &[1, n]).is_none_or(|d| d != [1, n]) {
                    return Err(wanted(format!("a bias of {n}")));
                }
                self.store.budget.numbers(n, "a bias")?;
                let values = bias.into_floats(&mut self.store)?;
                let at = |i: usize| beta * values[if values.len() == 1 { 0 } else { i }];
                Some((0..n).map(at).collect())
            }
        };
        self.linear(&live, Matrix { known, size, turned, factor: alpha }, bias)
    }

    /// `MatMul`: with a constant, of queries and keys, or of attention and values.
    pub(super) fn matmul(&mut self, args: &Args<'a>) -> Lowered<Value<'a>> {
        match (args.value(0)?, args.value(1)?) {
            (Value::Scores(scores), Value::Const(known)) => {
                Ok(Value::Scores(self.talked(&scores.clone(), &known.clone())?))
            }
            (value, Value::Const(known)) => {
                let live = self.solid(value)?;
                let &[k, n] = &known.dims[..] else {
                    return Err(wanted("a matrix of 2 axes"));
                };
                let known = known.clone();
                let matrix = Matrix { known, size: [k, n], turned: false, factor: 1.0 };
                Ok(Value::Live(self.linear(&live, matrix, None)?))
            }
            (Value::Scores(scores), Value::Live(values)) => {
                Ok(Value::Live(self.attention(&scores.clone(), &values.clone())?))
            }
            (Value::Live(values), Value::Scores(scores)) => {
                // The other way round: what is taken of each value, tokens last.
                let rank = values.layout.axes.len();
                let mut turned: Vec<usize> = (0..rank).collect();
                if rank >= 2 {
                    turned.swap(rank - 2, rank - 1);
                }
                let scores = scores.transposed(&turned)?;
                let mut values = values.clone();
                values.layout = values.layout.transposed(&turned).unwrap_or(values.layout);
                let mut made = self.attention(&scores, &values)?;
                made.layout = made.layout.transposed(&turned).unwrap_or(made.layout);
                Ok(Value::Live(made))
            }
            (Value::Const(known), Value::Live(b)) => {
                let (known, b) = (known.clone(), b.clone());
                let a = self.latent(&known, &b)?;
                Ok(Value::Scores(self.scores(&a, &b)?))
            }
            (Value::Live(a), Value::Live(b)) => {
                let (a, b) = (a.clone(), b.clone());
                Ok(Value::Scores(self.scores(&a, &b)?))
            }
            _ => Err(wanted("a matrix, or queries, keys and values of one sequence")),
        }
    }

    /// A matrix over the last axis.
    fn linear(&mut self, live: &Live, matrix: Matrix<'a>, bias: Option<Vec<f32>>) -> Lowered<Live> {
        let [k, out] = matrix.size;
        let mut live = live.clone();
        let Some(last) = live.layout.axes.len().checked_sub(1) else {
            return Err(wanted(format!("a last axis of {k}")));
        };
        let alone = live.layout.axes[..last].iter().all(Vec::is_empty);
        if alone {
            live = self.flat(&live)?;
        }
        if extent(&live.layout.axes[last]) != k {
            return Err(wanted(format!("a last axis of {k}")));
        }
        let whole = |o: &Vec<usize>, c: usize| o.len() == c && c == k;
        let c = self.shape(live.layer)[0];
        let mut order = self.channels(&live.layout, last)?.filter(|o| whole(o, c));
        if order.is_none() {
            live = self.with_channels(&live, &[last])?;
            order = Some((0..k).collect());
        }
        let order = order.unwrap_or_default();
        let origin = matrix.known.origin;
        let values = self.turned(matrix, &order)?;
        let mut params = vec![tensor(Role::Weight, [out, k], values)?];
        let biased = bias.is_some();
        if let Some(bias) = bias {
            params.push(tensor(Role::Bias, [out], bias)?);
        }
        let name = self.name(origin);
        let op = Op::Linear { out, bias: biased };
        let layer = self.push(name, op, &[live.layer], params)?;
        let mut layout = live.layout;
        layout.axes[last] = Layout::whole(0, out);
        Ok(Live::of(layer, layout))
    }

    /// The numbers of a matrix as `[out, in]`, the inputs in the order of the layer's channels.
    fn turned(&mut self, matrix: Matrix<'a>, order: &[usize]) -> Lowered<Vec<f32>> {
        let Matrix { known, size: [k, out], turned, factor } = matrix;
        if turned && order.is_sorted() {
            let mut values = known.into_floats(&mut self.store)?;
            if factor != 1.0 {
                for v in &mut values {
                    *v *= factor;
                }
            }
            return Ok(values);
        }
        let values = known.floats(&mut self.store)?;
        drop(known);
        self.store.budget.numbers(values.len(), "a matrix")?;
        let mut made = vec![0.0; values.len()];
        let (across, down) = if turned { (1, k) } else { (out, 1) };
        for o in 0..out {
            let row = &mut made[o * k..(o + 1) * k];
            for (i, channel) in order.iter().enumerate() {
                row[*channel] = factor * values[i * across + o * down];
            }
        }
        Ok(made)
    }

    /// Rows of a linear layer, by the channels they make.
    pub(super) fn rows(&mut self, layer: usize, channels: &[usize]) -> Lowered<Option<Rows>> {
        let draft = self.drafts.at(layer);
        let Op::Linear { .. } = draft.op else { return Ok(None) };
        let Some((_, weight)) = draft.params.first().cloned() else { return Ok(None) };
        let bias = draft.params.get(1).map(|(_, b)| std::sync::Arc::clone(b));
        let k = weight.row_len();
        self.store.budget.numbers(channels.len().saturating_mul(k + 1), "a matrix")?;
        let mut rows = Rows { weight: Vec::with_capacity(channels.len() * k), bias: Vec::new() };
        for c in channels {
            rows.weight.extend_from_slice(weight.row(*c));
            rows.bias.push(bias.as_ref().map_or(0.0, |b| b.data()[*c]));
        }
        Ok(Some(rows))
    }
}

/// Rows of a matrix and their offsets.
pub(super) struct Rows {
    pub(super) weight: Vec<f32>,
    pub(super) bias: Vec<f32>,
}

/// For each step of heads and of values within a head, the channel.
pub(super) fn channels(live: &Live, heads: usize, within: usize) -> Option<Vec<usize>> {
    let axes = [live.layout.axes.get(heads)?.clone(), live.layout.axes.get(within)?.clone()];
    let all = axes.concat();
    if all.iter().any(|a| a.dim != 0) {
        return None;
    }
    Some(walk(&all, |_| Some(1)).into_iter().map(|i| i + live.layout.offset[0]).collect())
}
