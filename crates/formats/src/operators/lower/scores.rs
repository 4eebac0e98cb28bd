//! Products of queries and keys on their way to attention: scaled, biased, heads mixed, softmax.

use std::rc::Rc;

use regraft_net::{Op, Role};

use super::window::tensor;
use super::{Args, Live, Lower, Lowered, Value, dims_of, wanted};
use crate::operators::consts::Const;
use crate::operators::curve::{Binary, Curve};
use crate::operators::fold::elementwise::{broadcast, places};
use crate::operators::ir::ValueId;
use crate::operators::layout::{Atom, Layout, extent};

/// Products of queries and keys, `[…, heads, S, T]`.
#[derive(Debug, Clone)]
pub(super) struct Scores {
    /// Queries `[…, heads, S, d]`.
    pub(super) queries: Live,
    /// Keys `[…, heads, d, T]`.
    pub(super) keys: Live,
    /// What they are multiplied with, for each head.
    pub(super) factor: Rc<Vec<f64>>,
    /// What is added to them, all of it, `[…, heads, S, T]`; empty for nothing.
    pub(super) bias: Rc<Vec<f32>>,
    /// The tensor of the file that this is.
    pub(super) origin: Option<ValueId>,
    /// How heads are mixed before the softmax and behind it, `[heads, heads + 1]`.
    pub(super) talking: [Option<Rc<Vec<f32>>>; 2],
    /// Whether softmax was taken.
    soft: bool,
    /// Which axis of `[…, heads, S, T]` each axis of the value is.
    order: Vec<usize>,
}

impl Scores {
    /// Extents of `[…, heads, S, T]`.
    pub(super) fn straight(&self) -> Vec<usize> {
        let mut dims = self.queries.layout.dims();
        if let Some(last) = dims.last_mut() {
            *last = self.keys.layout.axes.last().map_or(1, |a| extent(a));
        }
        dims
    }

    /// Extents of the value.
    pub(super) fn dims(&self) -> Vec<usize> {
        let dims = self.straight();
        self.order.iter().map(|axis| dims[*axis]).collect()
    }

    /// Heads; 1 where there is no axis for them.
    fn heads(&self) -> usize {
        let dims = self.straight();
        dims.len().checked_sub(3).map_or(1, |axis| dims[axis])
    }

    /// Whether softmax was taken and the axes are where they were.
    pub(super) fn is_done(&self) -> bool {
        self.soft && self.order.is_sorted()
    }

    /// The same after softmax over an axis.
    pub(super) fn soft(&self, axis: Option<usize>) -> Lowered<Self> {
        let over = axis.and_then(|a| self.order.get(a).copied());
        if self.soft || over.map(|a| a + 1) != Some(self.order.len()) {
            return Err(wanted("one softmax over the keys, the last axis"));
        }
        Ok(Self { soft: true, ..self.clone() })
    }

    /// The same with its axes in another order.
    pub(super) fn transposed(&self, order: &[usize]) -> Lowered<Self> {
        let axis = |i: &usize| self.order.get(*i).copied();
        let order: Option<Vec<usize>> = order.iter().map(axis).collect();
        let each = |o: &Vec<usize>| (0..self.order.len()).all(|axis| o.contains(&axis));
        let order = order.filter(|o| o.len() == self.order.len() && each(o));
        let order = order.ok_or_else(|| wanted("axes of the input, each once"))?;
        Ok(Self { order, ..self.clone() })
    }

    /// The same with the axes before the last two regrouped.
    pub(super) fn reshaped(&self, dims: &[usize]) -> Lowered<Self> {
        let not = || wanted("other extents for the axes before queries and keys only");
        let old = self.dims();
        if dims == old {
            return Ok(self.clone());
        }
        let ends = |d: &[usize]| d.len().checked_sub(2).map(|n| d[n..].to_vec());
        let mixed = self.talking.iter().any(Option::is_some);
        if ends(dims) != ends(&old) || dims.len() < 2 || self.soft || mixed {
            return Err(not());
        }
        if !self.order.is_sorted() || self.factor.iter().any(|f| *f != self.factor[0]) {
            return Err(not());
        }
        let lead = &dims[..dims.len() - 2];
        let put = |live: &Live| {
            let own = live.layout.dims();
            let all = [lead, &own[own.len() - 2..]].concat();
            let layout = live.layout.reshaped(&all).ok_or_else(not)?;
            Lowered::Ok(Live { layout, ..live.clone() })
        };
        let order = (0..dims.len()).collect();
        let mut made =
            Self { queries: put(&self.queries)?, keys: put(&self.keys)?, order, ..self.clone() };
        made.factor = Rc::new(vec![self.factor[0]; made.heads()]);
        Ok(made)
    }

    /// The number of a constant for each head; `None` when it says more than that.
    fn by_head(&self, known: &[f32], dims: &[usize]) -> Option<Vec<f64>> {
        let skip = self.order.len().checked_sub(dims.len())?;
        let heads = self.order.len().checked_sub(3);
        let fits = |(i, size): (usize, &usize)| *size == 1 || Some(self.order[i + skip]) == heads;
        if !dims.iter().enumerate().all(fits) {
            return None;
        }
        match known {
            [one] => Some(vec![f64::from(*one); self.heads()]),
            _ => (known.len() == self.heads()).then(|| known.iter().map(|v| (*v).into()).collect()),
        }
    }
}

fn no_mask() -> super::Trouble {
    wanted(
        "products of queries and keys times a number for each head, constants added or heads mixed by a \
         matrix, then softmax: no mask that depends on the picture",
    )
}

impl<'a> Lower<'_, 'a, '_> {
    /// A product of two values of the picture: queries and keys.
    pub(super) fn scores(&mut self, a: &Live, b: &Live) -> Lowered<Scores> {
        let (rank, other) = (a.layout.axes.len(), b.layout.axes.len());
        let size = |live: &Live, axis: usize| extent(&live.layout.axes[axis]);
        if rank < 2 || other != rank || size(a, rank - 1) != size(b, rank - 2) {
            return Err(wanted("queries [heads, S, d] and keys [heads, d, T]"));
        }
        let (queries, p) = self.unscaled(a)?;
        let (keys, q) = self.unscaled(b)?;
        let mut scores = Scores {
            queries,
            keys,
            factor: Rc::default(),
            bias: Rc::default(),
            origin: None,
            talking: [None, None],
            soft: false,
            order: (0..rank).collect(),
        };
        self.room(scores.heads(), 8)?;
        scores.factor = Rc::new(vec![p * q; scores.heads()]);
        Ok(scores)
    }

    /// Numbers that are known as the output of a layer, which learns them: queries that do not depend on the
    /// picture. The layer is a matrix of zeros over one number of `host`, and an offset.
    pub(super) fn latent(&mut self, known: &Const<'a>, host: &Live) -> Lowered<Live> {
        let values = known.floats(&mut self.store)?;
        let (count, name) = (values.len(), self.helper("latent"));
        self.room(count, 8)?;
        let mut one = host.layer;
        if self.shape(one)[0] > 1 {
            let name = self.helper("one");
            one = self.push(name, Op::Slice { from: 0, to: 1 }, &[one], vec![])?;
        }
        if self.shape(one).len() > 1 {
            let name = self.helper("mean");
            one = self.push(name, Op::GlobalAvgPool, &[one], vec![])?;
        }
        let weight = tensor(Role::Weight, [count, 1], vec![0.0; count])?;
        let params = vec![weight, tensor(Role::Bias, [count], values.to_vec())?];
        let layer = self.push(name, Op::Linear { out: count, bias: true }, &[one], params)?;
        let mut stride = count;
        let axes = known.dims.iter().map(|size| {
            stride /= (*size).max(1);
            vec![Atom { dim: 0, size: *size, stride }]
        });
        Ok(Live::of(layer, Layout::new(axes.collect())))
    }

    /// Products, or what was made of them, and a constant; `turned` when the constant comes first.
    pub(super) fn scores_with(
        &mut self,
        f: Binary,
        scores: &Scores,
        known: &Const<'a>,
        turned: bool,
    ) -> Lowered<Scores> {
        let dims = scores.dims();
        if broadcast(&known.dims, &dims).is_none_or(|d| d != dims) {
            return Err(no_mask());
        }
        let values = known.floats(&mut self.store)?;
        let zero = values.iter().all(|v| *v == 0.0);
        match f {
            Binary::Add => {}
            Binary::Sub if zero && !turned => return Ok(scores.clone()),
            Binary::Mul => return scaled(scores, &values, &known.dims, false),
            Binary::Div if !turned => return scaled(scores, &values, &known.dims, true),
            Binary::Sub | Binary::Div | Binary::Pow | Binary::Min | Binary::Max => {
                return Err(no_mask());
            }
        }
        let stage = usize::from(scores.soft);
        if let Some(matrix) = &scores.talking[stage] {
            // What is added to the heads that a matrix mixed.
            let offsets = scores.by_head(&values, &known.dims).ok_or_else(no_mask)?;
            let mut matrix = matrix.to_vec();
            let row = offsets.len() + 1;
            for (row, offset) in matrix.chunks_exact_mut(row).zip(&offsets) {
                row[offsets.len()] += *offset as f32;
            }
            let mut made = scores.clone();
            made.talking[stage] = Some(Rc::new(matrix));
            return Ok(made);
        }
        if zero && known.count() == 1 {
            return Ok(scores.clone());
        }
        if scores.soft || !scores.order.is_sorted() {
            return Err(no_mask());
        }
        let count: usize = dims.iter().product();
        self.store.budget.numbers(count.saturating_mul(3), "biases")?;
        let from = places(&known.dims, &dims);
        let old = |at: usize| scores.bias.get(at).copied().unwrap_or(0.0);
        let bias = from.into_iter().enumerate().map(|(at, from)| values[from] + old(at)).collect();
        let origin = scores.origin.or(known.origin);
        Ok(Scores { bias: Rc::new(bias), origin, ..scores.clone() })
    }

    /// Heads, which are the last axis, mixed by a matrix `[heads, heads]`.
    pub(super) fn talked(&mut self, scores: &Scores, known: &Const<'a>) -> Lowered<Scores> {
        let heads = scores.heads();
        let stage = usize::from(scores.soft);
        let last = scores.order.last().map(|axis| axis + 3) == Some(scores.order.len());
        let free = scores.talking[stage].is_none() && scores.bias.is_empty();
        if !last || !free || known.dims != [heads, heads] {
            return Err(wanted(
                "a matrix [heads, heads] over the heads of products without biases, before the softmax and \
                 behind it",
            ));
        }
        self.room(heads.saturating_mul(heads + 1), 1)?;
        let values = known.floats(&mut self.store)?;
        let mut matrix = Vec::with_capacity(heads * (heads + 1));
        for out in 0..heads {
            matrix.extend((0..heads).map(|from| values[from * heads + out]));
            matrix.push(0.0);
        }
        let mut made = scores.clone();
        made.talking[stage] = Some(Rc::new(matrix));
        Ok(made)
    }

    /// `Einsum` of two values: products of queries and keys, or attention and values.
    pub(super) fn einsum(&mut self, args: &Args<'a>) -> Lowered<Value<'a>> {
        let not = || wanted("products of queries and keys, or of those and values");
        let text = self.here().text("equation").unwrap_or_default();
        let text: String = text.chars().filter(|c| !c.is_whitespace()).collect();
        let parts = text.split_once("->").and_then(|(of, to)| Some((of.split_once(',')?, to)));
        let ((a, b), to) = parts.ok_or_else(not)?;
        let ends = |s: &str| -> Option<(String, [char; 2])> {
            let mut all: Vec<char> = s.chars().collect();
            let (second, first) = (all.pop()?, all.pop()?);
            Some((all.into_iter().collect(), [first, second]))
        };
        let (Some((la, [i, x])), Some((lb, [j, y])), Some((lc, [p, q]))) =
            (ends(a), ends(b), ends(to))
        else {
            return Err(not());
        };
        if la != lb || la != lc || p != i {
            return Err(not());
        }
        let fits = [(0, &la), (1, &lb)].into_iter().all(|(i, letters)| {
            let rank = args.value(i).and_then(dims_of).map(|d| d.len());
            rank.ok() == Some(letters.chars().count() + 2)
        });
        if !fits {
            return Err(not());
        }
        match (args.value(0)?, args.value(1)?) {
            (Value::Live(a), Value::Live(b)) if x == y && q == j => {
                let mut b = b.clone();
                let rank = b.layout.axes.len();
                b.layout.axes.swap(rank - 2, rank - 1);
                Ok(Value::Scores(self.scores(&a.clone(), &b)?))
            }
            (Value::Scores(a), Value::Live(b)) if x == j && q == y => {
                Ok(Value::Live(self.attention(&a.clone(), &b.clone())?))
            }
            _ => Err(not()),
        }
    }

    /// A value without its factor, and that.
    fn unscaled(&mut self, live: &Live) -> Lowered<(Live, f64)> {
        if let Some([factor, 0.0]) = live.curve.line() {
            return Ok((Live { curve: Rc::new(Curve::X), ..live.clone() }, factor));
        }
        Ok((self.plain(live)?, 1.0))
    }
}

/// Products times, or divided by, a number for each head.
fn scaled(scores: &Scores, known: &[f32], dims: &[usize], divided: bool) -> Lowered<Scores> {
    let by = scores.by_head(known, dims).ok_or_else(no_mask)?;
    if scores.soft || scores.talking[0].is_some() {
        return Err(no_mask());
    }
    let by: Vec<f64> = by.into_iter().map(|v| if divided { 1.0 / v } else { v }).collect();
    let factor = scores.factor.iter().zip(&by).map(|(a, b)| a * b).collect();
    let square: usize = scores.straight().iter().rev().take(2).product();
    let own = |at: usize| by[at / square % by.len()];
    let bias = scores.bias.iter().enumerate().map(|(at, b)| (f64::from(*b) * own(at)) as f32);
    let bias = Rc::new(bias.collect());
    Ok(Scores { factor: Rc::new(factor), bias, ..scores.clone() })
}
