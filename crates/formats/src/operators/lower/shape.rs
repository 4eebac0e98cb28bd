//! Nodes that only move values: they change layouts and make no layers.

use regraft_net::{Op, Role};

use super::scores::Scores;
use super::window::tensor;
use super::{Args, Live, Lower, Lowered, Value, dims_of, wanted};
use crate::operators::consts::Const;
use crate::operators::fold::elementwise::broadcast;
use crate::operators::fold::moves::{slice_parts, split_sizes};
use crate::operators::fold::{MAX_RANK, axes_of, axis_of, reshape_dims};
use crate::operators::ir::Node;
use crate::operators::layout::{Atom, Layout, extent};

const TORN: &str = "axes that can be regrouped without tearing them";

impl<'a> Lower<'_, 'a, '_> {
    /// A value in the output of a layer, whatever is still to be computed of each number.
    fn loose(&mut self, args: &Args<'a>) -> Lowered<Live> {
        self.live(args.value(0)?.clone())
    }

    /// Integers of an input, or of a setting of old files.
    fn list(&mut self, args: &Args<'a>, i: usize, name: &str) -> Lowered<Option<Vec<i64>>> {
        if let Some(list) = self.here().ints(name) {
            return Ok(Some(list.to_vec()));
        }
        match args.maybe_constant(i, name)? {
            Some(list) => Ok(Some(list.ints(&mut self.store)?.to_vec())),
            None => Ok(None),
        }
    }

    /// `Reshape`, `Flatten`, `Squeeze`, `Unsqueeze`, `Transpose`, `Expand`, `Gather`, `GatherND`, `Slice`.
    pub(super) fn moved(&mut self, args: &Args<'a>) -> Lowered<Value<'a>> {
        if let (Value::Scores(scores), "Reshape" | "Transpose") = (args.value(0)?, &*self.here().op)
        {
            let scores = scores.clone();
            return Ok(Value::Scores(self.scores_moved(&scores, args)?));
        }
        self.moved_live(args).map(Value::Live)
    }

    /// The same products with other axes before the last two.
    fn scores_moved(&mut self, scores: &Scores, args: &Args<'a>) -> Lowered<Scores> {
        let dims = scores.dims();
        if self.here().op == "Transpose" {
            let order = axes_of(self.here().ints("perm").unwrap_or_default(), dims.len());
            return scores.transposed(&order.unwrap_or_default());
        }
        let asked = self.list(args, 1, "shape")?.ok_or_else(|| wanted("a shape"))?;
        let zero = self.here().int("allowzero") == Some(1);
        let made = reshape_dims(&dims, &asked, zero);
        scores.reshaped(&made.ok_or_else(|| wanted("a shape of as many values"))?)
    }

    fn moved_live(&mut self, args: &Args<'a>) -> Lowered<Live> {
        let op = self.here().op.to_string();
        if op == "Gather" || op == "GatherND" || op == "Slice" {
            return self.part(args, op != "Slice");
        }
        let live = self.loose(args)?;
        let dims = live.layout.dims();
        let rank = dims.len();
        let layout = match &*op {
            "Reshape" => {
                let asked = self.list(args, 1, "shape")?.ok_or_else(|| wanted("a shape"))?;
                let zero = self.here().int("allowzero") == Some(1);
                let made = reshape_dims(&dims, &asked, zero)
                    .ok_or_else(|| wanted("a shape of as many values"))?;
                if let Some(live) = self.own_rearrange(&live, &made)? {
                    return Ok(live);
                }
                return self.regrouped(&live, &made);
            }
            "Flatten" => {
                let axis = axis_of(self.here().int("axis").unwrap_or(1), rank + 1)
                    .ok_or_else(|| wanted("an axis of the input"))?;
                let (a, b) = dims.split_at(axis);
                let made = [a.iter().product(), b.iter().product()];
                return self.regrouped(&live, &made);
            }
            "Transpose" => {
                let order: Vec<i64> = match self.here().ints("perm") {
                    Some(order) => order.to_vec(),
                    None => (0..rank as i64).rev().collect(),
                };
                axes_of(&order, rank).and_then(|o| live.layout.transposed(&o))
            }
            "Squeeze" => {
                let axes = self.list(args, 1, "axes")?;
                let axes = match axes {
                    Some(axes) => axes_of(&axes, rank),
                    None => Some((0..rank).filter(|i| dims[*i] == 1).collect()),
                };
                axes.filter(|a| a.iter().all(|i| dims[*i] == 1)).map(|gone| {
                    let kept = (0..rank).filter(|i| !gone.contains(i));
                    let axes = kept.map(|i| live.layout.axes[i].clone()).collect();
                    Layout { offset: live.layout.offset, axes }
                })
            }
            "Unsqueeze" => {
                let axes = self.list(args, 1, "axes")?.unwrap_or_default();
                let fits = rank + axes.len() <= MAX_RANK;
                axes_of(&axes, rank + axes.len())
                    .filter(|_| fits)
                    .and_then(|new| spread(&live.layout, &new))
            }
            _ => {
                let asked = self.list(args, 1, "shape")?.unwrap_or_default();
                let asked: Vec<usize> = asked.iter().map(|d| *d.max(&1) as usize).collect();
                let same = broadcast(&dims, &asked).is_some_and(|d| d == dims);
                // A product spreads its factors anyway.
                let spreads = broadcast(&dims, &asked).is_some_and(|d| d.len() == rank)
                    && self.only_multiplied();
                (same || spreads).then(|| live.layout.clone())
            }
        };
        let layout = layout.ok_or_else(|| {
            wanted(if op == "Expand" {
                "the shape that it has"
            } else {
                "axes of the input, each once"
            })
        })?;
        Ok(Live { layout, ..live })
    }

    /// Whether all that reads the output of the node in hand are products.
    fn only_multiplied(&self) -> bool {
        let output = self.here().outputs.first().copied().flatten();
        let reads = |node: &&Node<'_>| node.inputs.contains(&output);
        output.is_some_and(|o| !self.ir.outputs.contains(&o))
            && self.ir.nodes.iter().filter(reads).all(|node| node.op == "Mul")
    }

    /// Other extents over the same values.
    fn regrouped(&mut self, live: &Live, dims: &[usize]) -> Lowered<Live> {
        if let Some(layout) = live.layout.reshaped(dims) {
            return Ok(Live { layout, ..live.clone() });
        }
        // Windows that are put together and then cut otherwise: as the map that they are.
        let axes = &live.layout.axes;
        let filled: Vec<usize> = (0..axes.len()).filter(|i| !axes[*i].is_empty()).collect();
        if let ([first, rest @ ..], false) = (&filled[..], self.ours) {
            let columns = if rest.len() == 2 { &rest[1..] } else { &[] };
            let rows = &rest[..rest.len() - columns.len()];
            let map = self.laid(live, [&[*first], rows, columns])?;
            if let Some(layout) = map.layout.reshaped(dims) {
                return Ok(Live { layout, ..map });
            }
        }
        // A shuffle that is no longer visible as one, or several dimensions in one: as a vector.
        let live = self.plain(live)?;
        let flat = self.flat(&live)?;
        let layout = flat.layout.reshaped(dims).ok_or_else(|| wanted(TORN))?;
        Ok(Live { layout, ..flat })
    }

    /// `Gather` and `Slice`.
    fn part(&mut self, args: &Args<'a>, gather: bool) -> Lowered<Live> {
        let mut live = self.loose(args)?;
        let dims = live.layout.dims();
        if gather {
            let axis = axis_of(self.here().int("axis").unwrap_or(0), dims.len())
                .ok_or_else(|| wanted("an axis of the input"))?;
            let mut index = args.constant(1, "indices")?;
            if self.here().op == "GatherND" {
                // Of places with one number each: of the first axis.
                let batch = self.here().int("batch_dims").unwrap_or(0);
                if batch != 0 || index.dims.len() < 2 || index.dims.pop() != Some(1) || axis != 0 {
                    return Err(wanted("indices along the first axis, [n, 1]"));
                }
            }
            let at: Option<Vec<usize>> =
                index.ints(&mut self.store)?.iter().map(|i| axis_of(*i, dims[axis])).collect();
            let at = at.ok_or_else(|| wanted(format!("indices below {}", dims[axis])))?;
            let step = if let [a, b, ..] = at[..] { b.saturating_sub(a) } else { 1 };
            let even = at.windows(2).all(|w| w[1].checked_sub(w[0]) == Some(step));
            let first = *at.first().ok_or_else(|| wanted("at least one index"))?;
            live = if even && (step > 0 || at.len() == 1) {
                self.sliced(&live, axis, (first, at.len(), step))?
            } else {
                self.picked(&live, axis, &at)?
            };
            if index.dims.len() == 1 {
                return Ok(live);
            }
            // Indices in a grid, as for a view by strides: the axis becomes as many.
            let mut made = dims[..axis].to_vec();
            made.extend(&index.dims);
            made.extend(&dims[axis + 1..]);
            if made.len() > MAX_RANK {
                return Err(wanted("fewer axes"));
            }
            return self.regrouped(&live, &made);
        }
        let starts = self.list(args, 1, "starts")?.ok_or_else(|| wanted("starts"))?;
        let ends = self.list(args, 2, "ends")?.ok_or_else(|| wanted("ends"))?;
        let axes = self.list(args, 3, "axes")?;
        let steps = self.list(args, 4, "steps")?;
        let parts = slice_parts(&dims, &starts, &ends, axes.as_deref(), steps.as_deref())
            .ok_or_else(|| wanted("starts, ends, axes and forward steps of one length"))?;
        for (axis, part) in parts.into_iter().enumerate() {
            live = self.sliced(&live, axis, part)?;
        }
        Ok(live)
    }

    /// Channels in any order, also several times: a matrix of ones and zeros.
    fn picked(&mut self, live: &Live, axis: usize, at: &[usize]) -> Lowered<Live> {
        let live = self.plain(live)?;
        let live = self
            .ordered(&live, axis)
            .map_err(|_| wanted("indices that are evenly apart, upwards, or of channels"))?;
        let c = self.shape(live.layer)[0];
        self.room(c.saturating_mul(at.len()), 1)?;
        let mut values = vec![0.0; c * at.len()];
        for (row, from) in at.iter().enumerate() {
            values[row * c + from] = 1.0;
        }
        let name = self.name(None);
        let op = Op::Linear { out: at.len(), bias: false };
        let params = vec![tensor(Role::Weight, [at.len(), c], values)?];
        let layer = self.push(name, op, &[live.layer], params)?;
        let mut layout = live.layout;
        layout.axes[axis] = Layout::whole(0, at.len());
        Ok(Live::of(layer, layout))
    }

    /// A part of an axis: first step, count, distance.
    pub(super) fn sliced(
        &mut self,
        live: &Live,
        axis: usize,
        part: (usize, usize, usize),
    ) -> Lowered<Live> {
        let (start, count, step) = part;
        // A part of shuffled channels is one of the shuffled map, not of the map before.
        let mixed = live.layout.axes[axis].len() > 1 && count < extent(&live.layout.axes[axis]);
        if mixed && let Ok(live) = self.ordered(live, axis) {
            return self.sliced(&live, axis, part);
        }
        if let Some(layout) = live.layout.sliced(axis, start, count, step) {
            return Ok(Live { layout, ..live.clone() });
        }
        let live = self.ordered(live, axis)?;
        let layout = live.layout.sliced(axis, start, count, step);
        let layout = layout.ok_or_else(|| wanted("a part that is not empty"))?;
        Ok(Live { layout, ..live })
    }

    /// `Split`.
    pub(super) fn split(&mut self, args: &Args<'a>) -> Lowered<Vec<Value<'a>>> {
        let live = self.loose(args)?;
        let dims = live.layout.dims();
        let axis = axis_of(self.here().int("axis").unwrap_or(0), dims.len())
            .ok_or_else(|| wanted("an axis of the input"))?;
        let asked = self.list(args, 1, "split")?;
        let sizes = split_sizes(self.here(), dims[axis], asked.as_deref())
            .ok_or_else(|| wanted("sizes that fill the axis"))?;
        let mut start = 0;
        let mut parts = Vec::new();
        for size in sizes {
            parts.push(Value::Live(self.sliced(&live, axis, (start, size, 1))?));
            start += size;
        }
        Ok(parts)
    }

    /// `Concat`: of channels, or of tokens before a sequence.
    pub(super) fn concat(&mut self, args: &Args<'a>) -> Lowered<Value<'a>> {
        let first = dims_of(args.value(0)?)?;
        let axis = axis_of(self.here().int("axis").unwrap_or(1), first.len())
            .ok_or_else(|| wanted("an axis of the inputs"))?;
        let all: Vec<&Value<'a>> = args.values.iter().flatten().collect();
        if let [known @ .., last] = &all[..]
            && !known.is_empty()
            && known.iter().all(|v| matches!(v, Value::Const(_)))
        {
            let known: Vec<Const<'a>> = (0..known.len())
                .map(|i| args.constant(i, "learned tokens"))
                .collect::<Lowered<_>>()?;
            return Ok(Value::Tokens(self.begun(&known, last, axis)?));
        }
        let mut parts = Vec::with_capacity(all.len());
        for value in all {
            parts.push(self.solid(value)?);
        }
        if let Some(live) = self.stacked(&parts, axis)? {
            return Ok(Value::Live(live));
        }
        for part in &mut parts {
            *part = self.ordered(part, axis)?;
        }
        let vectors = parts.iter().any(|p| self.shape(p.layer).len() == 1);
        let mut channels = 0;
        let mut rest: Option<Vec<Vec<_>>> = None;
        for part in &mut parts {
            if vectors {
                *part = self.flat(part)?;
            }
            channels += extent(&part.layout.axes[axis]);
            let mut axes = part.layout.axes.clone();
            axes.remove(axis);
            if *rest.get_or_insert(axes.clone()) != axes {
                return Err(wanted("inputs whose other axes lie alike"));
            }
        }
        let layers: Vec<usize> = parts.iter().map(|p| p.layer).collect();
        let name = self.name(None);
        let layer = self.push(name, Op::Concat, &layers, vec![])?;
        let mut layout = parts.swap_remove(0).layout;
        layout.axes[axis] = Layout::whole(0, channels);
        Ok(Value::Live(Live::of(layer, layout)))
    }
}

impl Lower<'_, '_, '_> {
    /// Values one after another along a new axis, which is an outer one of the channels; `None` when the
    /// axis is not new or they do not lie alike.
    fn stacked(&mut self, parts: &[Live], axis: usize) -> Lowered<Option<Live>> {
        let Some(first) = parts.first() else { return Ok(None) };
        let shape = self.shape(first.layer).to_vec();
        let alike = |p: &Live| p.layout == first.layout && self.shape(p.layer) == shape;
        if shape[0] == 1 || !first.layout.axes[axis].is_empty() || !parts.iter().all(alike) {
            return Ok(None);
        }
        let layers: Vec<usize> = parts.iter().map(|p| p.layer).collect();
        let name = self.name(None);
        let layer = self.push(name, Op::Concat, &layers, vec![])?;
        let mut layout = first.layout.clone();
        layout.axes[axis] = vec![Atom { dim: 0, size: parts.len(), stride: shape[0] }];
        Ok(Some(Live::of(layer, Layout::new(layout.axes))))
    }
}

/// A layout with further axes of extent 1 at places of the result.
fn spread(layout: &Layout, new: &[usize]) -> Option<Layout> {
    let rank = layout.axes.len() + new.len();
    let mut left = layout.axes.iter();
    let axes: Option<Vec<_>> = (0..rank)
        .map(|i| if new.contains(&i) { Some(vec![]) } else { left.next().cloned() })
        .collect();
    Some(Layout { offset: layout.offset, axes: axes? }).filter(|_| left.next().is_none())
}
