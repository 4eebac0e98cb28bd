//! Attention: what queries take of values.

use regraft_net::{Op, Role};

use super::matrix::channels;
use super::scores::Scores;
use super::tokens::as_sequence;
use super::window::tensor;
use super::{Live, Lower, Lowered, wanted};
use crate::operators::build::Name;
use crate::operators::layout::{Atom, Layout, extent};

impl Lower<'_, '_, '_> {
    /// Attention, when all its parts are what they should be.
    pub(super) fn attention(&mut self, scores: &Scores, values: &Live) -> Lowered<Live> {
        if !scores.is_done() {
            return Err(wanted("a softmax between products of queries and keys and the values"));
        }
        let values = self.plain(values)?;
        let rank = values.layout.axes.len();
        let parts = [&scores.queries, &scores.keys, &values];
        if rank < 3 || parts.iter().any(|p| p.layout.axes.len() != rank) {
            return Err(wanted("queries, keys and values of one sequence, in heads"));
        }
        if let Some(live) = self.attention_of_rows(scores, &values)? {
            return Ok(live);
        }
        self.attention_of_columns(scores, &values)
    }

    /// Attention over one sequence whose queries, keys and values linear layers make of one input: their
    /// rows become one layer. `None` when it is no such thing.
    fn attention_of_rows(&mut self, scores: &Scores, values: &Live) -> Lowered<Option<Live>> {
        let rank = values.layout.axes.len();
        let h = rank - 3;
        let parts = [&scores.queries, &scores.keys, values];
        let tokens_of = |p: &Live, axis: usize| p.layout.axes[axis].clone();
        let t = tokens_of(values, h + 1);
        if tokens_of(&scores.queries, h + 1) != t
            || tokens_of(&scores.keys, h + 2) != t
            || values.layout.axes[..h].iter().any(|a| !a.is_empty())
        {
            return Ok(None);
        }
        let heads = extent(&values.layout.axes[h]);
        let within = extent(&values.layout.axes[h + 2]);
        if extent(&scores.queries.layout.axes[h + 2]) != within {
            return Ok(None);
        }
        self.room(heads.saturating_mul(within), 12)?;
        let order: Option<Vec<Vec<usize>>> = [h + 2, h + 1, h + 2]
            .into_iter()
            .zip(parts)
            .map(|(axis, part)| channels(part, h, axis))
            .collect();
        let Some(order) = order else { return Ok(None) };
        let layers = parts.map(|p| p.layer);
        let tokens = extent(&t);
        if layers.iter().any(|l| self.shape(*l)[1..].iter().product::<usize>() != tokens) {
            return Ok(None);
        }
        let factors = by_channel(scores, within);
        let Some(qkv) = self.joined(layers, &order, factors.as_deref())? else { return Ok(None) };
        let live = self.attended(qkv, &values.layout, (heads, within), scores)?;
        Ok(Some(live))
    }

    /// Attention over queries, keys and values of layers of their own, or over the thirds of one; axes
    /// before the heads are windows, each of which is a column.
    fn attention_of_columns(&mut self, scores: &Scores, values: &Live) -> Lowered<Live> {
        let rank = values.layout.axes.len();
        let h = rank - 3;
        let windows: Vec<usize> = (0..h).collect();
        let narrow = extent(&scores.queries.layout.axes[rank - 1]);
        let factors = by_channel(scores, narrow);
        // Keys with their axes as the others have them.
        let mut keys = scores.keys.clone();
        keys.layout.axes.swap(rank - 2, rank - 1);
        let parts = [&scores.queries, &keys, values];
        let all = if factors.is_some() { None } else { thirds(parts) };
        let mut layers = Vec::with_capacity(3);
        if let Some(all) = all
            && all.layout.covers(self.shape(all.layer))
        {
            let tokens = [rank - 1];
            let windows: Vec<usize> = windows.iter().map(|i| i + 1).collect();
            layers.push(self.laid(&all, [&[0, h + 1, rank], &tokens, &windows])?.layer);
        } else {
            for (i, part) in parts.into_iter().enumerate() {
                let one = part.layout.axes[rank - 2].is_empty();
                let vector = i == 0 && one && self.shape(part.layer).len() == 1;
                let channels = [h, rank - 1];
                let mut part = if vector && part.layout.covers(self.shape(part.layer)) {
                    self.in_order(part, &channels)?
                } else {
                    self.laid(part, [&channels, &[rank - 2], &windows])?
                };
                if let Some(scale) = factors.as_ref().filter(|_| i == 0) {
                    self.room(scale.len(), 2)?;
                    let op = Op::Affine { scale: scale.clone(), shift: vec![0.0; scale.len()] };
                    let name = self.helper("factor");
                    part = self.pointwise(&part, name, op)?;
                }
                layers.push(part.layer);
            }
        }
        let layer = self.mixed(&layers, scores)?;
        let tokens = self.shape(layer).get(1).copied().unwrap_or(1);
        let within = extent(&values.layout.axes[rank - 1]);
        let mut layout = values.layout.clone();
        let run =
            |dim, size, stride| Layout::new(vec![vec![Atom { dim, size, stride }]]).axes.concat();
        layout.offset = [0; 3];
        let mut stride = 1;
        for axis in windows.iter().rev() {
            let size = extent(&layout.axes[*axis]);
            layout.axes[*axis] = run(2, size, stride);
            stride *= size;
        }
        layout.axes[h] = run(0, extent(&values.layout.axes[h]), within);
        layout.axes[rank - 2] = run(1, tokens, 1);
        layout.axes[rank - 1] = run(0, within, 1);
        Ok(Live::of(layer, layout))
    }

    /// The layer of attention over one layer or three, with its biases or what mixes its heads.
    fn mixed(&mut self, layers: &[usize], scores: &Scores) -> Lowered<usize> {
        let dims = scores.straight();
        let [.., heads, s, t] = dims[..] else { return Err(wanted("heads, queries and keys")) };
        let name = self.name(None);
        let mut params = vec![];
        let talking = scores.talking.iter().any(Option::is_some);
        if talking {
            self.room(heads.saturating_mul(heads + 1), 2)?;
            for (role, matrix) in [Role::Products, Role::Shares].into_iter().zip(&scores.talking) {
                let matrix = matrix.as_ref().map_or_else(|| unmixed(heads), |m| m.to_vec());
                params.push(tensor(role, [heads, heads + 1], matrix)?);
            }
        }
        let mut bias = &scores.bias[..];
        let each = heads.saturating_mul(s).saturating_mul(t);
        if bias.chunks_exact(each).all(|b| *b == bias[..each]) {
            bias = &bias[..each.min(bias.len())];
        }
        let biases = bias.len() / (s * t);
        if biases > 0 {
            self.room(bias.len(), 1)?;
            params.push(tensor(Role::Position, [biases, s, t], bias.to_vec())?);
        }
        let own = self.ours && biases > 0;
        let name = if own { self.name(scores.origin) } else { name };
        self.push(name, Op::Attention { heads, biases, talking }, layers, params)
    }

    /// The layer with queries, keys and values one after another, head by head.
    fn joined(
        &mut self,
        layers: [usize; 3],
        order: &[Vec<usize>],
        factors: Option<&[f32]>,
    ) -> Lowered<Option<usize>> {
        let d = order[0].len();
        let straight =
            order.iter().enumerate().all(|(i, o)| o.iter().copied().eq(i * d..(i + 1) * d));
        let one = layers.iter().all(|l| *l == layers[0]);
        if one && straight && factors.is_none() && self.shape(layers[0])[0] == 3 * d {
            return Ok(Some(layers[0]));
        }
        if self.ours {
            return Ok(None);
        }
        let input = self.drafts.at(layers[0]).inputs.clone();
        let (mut weight, mut bias) = (Vec::new(), Vec::new());
        for (i, (layer, order)) in layers.into_iter().zip(order).enumerate() {
            if self.drafts.at(layer).inputs != input {
                return Ok(None);
            }
            let Some(mut rows) = self.rows(layer, order)? else { return Ok(None) };
            if let Some(factors) = factors.filter(|_| i == 0) {
                let k = rows.weight.len() / d;
                rows.weight.iter_mut().enumerate().for_each(|(at, v)| *v *= factors[at / k]);
                rows.bias.iter_mut().zip(factors).for_each(|(v, factor)| *v *= factor);
            }
            weight.extend(rows.weight);
            bias.extend(rows.bias);
        }
        let k = weight.len() / (3 * d);
        let params =
            vec![tensor(Role::Weight, [3 * d, k], weight)?, tensor(Role::Bias, [3 * d], bias)?];
        let first = self.drafts.at(layers[0]).name.clone();
        let text = match first.text.rsplit_once('.') {
            Some((block, _)) if !one => format!("{block}.qkv"),
            Some(_) | None => first.text,
        };
        let name = Name { text, own: first.own };
        self.push(name, Op::Linear { out: 3 * d, bias: true }, &input, params).map(Some)
    }

    fn attended(
        &mut self,
        qkv: usize,
        like: &Layout,
        (heads, within): (usize, usize),
        scores: &Scores,
    ) -> Lowered<Live> {
        let mut layout = like.clone();
        let mut layer = qkv;
        let &[_, h, w] = self.shape(qkv) else { return Err(wanted("a sequence [1, T, D]")) };
        if w != 1 {
            // Attention wants a sequence: the pixels of the map, with no positions added.
            let all = self.shape(qkv)[0];
            self.store.budget.numbers(h * w * all, "tokens")?;
            let params = vec![
                tensor(Role::Token, [0, all], vec![])?,
                tensor(Role::Position, [h * w, all], vec![0.0; h * w * all])?,
            ];
            let name = Name { text: format!("{}.tokens", self.name(None).text), own: false };
            layer = self.push(name, Op::Tokens { first: 0 }, &[qkv], params)?;
            layout = as_sequence(&layout, w);
        }
        let rank = layout.axes.len();
        let atom = |size, stride| vec![Atom { dim: 0, size, stride }];
        layout.offset = [0; 3];
        layout.axes[rank - 3] = atom(heads, within);
        layout.axes[rank - 1] = atom(within, 1);
        let layout = Layout::new(layout.axes);
        let layer = self.mixed(&[layer], scores)?;
        if !layout.covers(self.shape(layer)) {
            return Err(wanted("attention over all tokens of a sequence"));
        }
        Ok(Live::of(layer, layout))
    }
}

/// Queries, keys and values as one value with an axis for which of them, when they are thirds of the
/// channels of one layer.
fn thirds(parts: [&Live; 3]) -> Option<Live> {
    let [q, k, v] = parts.map(|p| p.layout.offset);
    let step = k[0].checked_sub(q[0])?;
    let alike = parts.iter().all(|p| {
        p.layer == parts[0].layer
            && p.layout.axes == parts[0].layout.axes
            && p.layout.offset[1..] == q[1..]
            && p.curve.is_x()
    });
    if !alike || v[0].checked_sub(k[0]) != Some(step) || step == 0 {
        return None;
    }
    let mut axes = vec![vec![Atom { dim: 0, size: 3, stride: step }]];
    axes.extend(parts[0].layout.axes.iter().cloned());
    let layout = Layout { offset: q, axes };
    Some(Live { layout, ..parts[0].clone() })
}

/// What the queries' channels, `narrow` of each head, are multiplied with beyond what attention does
/// itself; `None` for nothing.
fn by_channel(scores: &Scores, narrow: usize) -> Option<Vec<f32>> {
    let root = (narrow as f64).sqrt();
    if scores.factor.iter().all(|f| (f * root - 1.0).abs() <= 1e-6) {
        return None;
    }
    let each = |f: &f64| std::iter::repeat_n((f * root) as f32, narrow);
    Some(scores.factor.iter().flat_map(each).collect())
}

/// The matrix that leaves heads as they are.
fn unmixed(heads: usize) -> Vec<f32> {
    let row = heads + 1;
    (0..heads * row).map(|at| if at / row == at % row { 1.0 } else { 0.0 }).collect()
}
