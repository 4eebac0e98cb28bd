//! Attention: products of queries and keys, scaled, softmax, times values.

use std::rc::Rc;

use regraft_net::{Op, Role};

use super::matrix::channels;
use super::tokens::as_sequence;
use super::window::tensor;
use super::{Live, Lower, Lowered, wanted};
use crate::operators::build::Name;
use crate::operators::curve::{Binary, Curve};
use crate::operators::layout::{Atom, Layout, extent};

/// Products of queries and keys, `[…, heads, T, T]`.
#[derive(Debug, Clone)]
pub(super) struct Scores {
    /// Queries `[…, heads, T, d]`.
    queries: Live,
    /// Keys `[…, heads, d, T]`.
    keys: Live,
    /// What they are multiplied with.
    factor: f64,
    /// Whether softmax was taken.
    soft: bool,
}

impl Scores {
    /// Extents of the value.
    pub(super) fn dims(&self) -> Vec<usize> {
        let mut dims = self.queries.layout.dims();
        if let Some(last) = dims.last_mut() {
            *last = self.keys.layout.axes.last().map_or(1, |a| extent(a));
        }
        dims
    }

    /// The same times, or divided by, a number.
    pub(super) fn scaled(&self, f: Binary, factor: Option<f64>, turned: bool) -> Lowered<Self> {
        let factor = factor.filter(|_| !self.soft).ok_or_else(no_mask)?;
        let factor = match f {
            Binary::Mul => self.factor * factor,
            Binary::Div if !turned => self.factor / factor,
            Binary::Add | Binary::Sub if factor == 0.0 && !turned => self.factor,
            Binary::Add | Binary::Sub | Binary::Div | Binary::Pow | Binary::Min | Binary::Max => {
                return Err(no_mask());
            }
        };
        Ok(Self { factor, ..self.clone() })
    }

    /// The same after softmax over an axis.
    pub(super) fn soft(&self, axis: Option<usize>) -> Lowered<Self> {
        if self.soft || axis.map(|a| a + 1) != Some(self.dims().len()) {
            return Err(wanted("one softmax over the keys, the last axis"));
        }
        Ok(Self { soft: true, ..self.clone() })
    }
}

fn no_mask() -> super::Trouble {
    wanted("products of queries and keys times one number, then softmax: no mask and no bias")
}

impl Lower<'_, '_, '_> {
    /// A product of two values of the picture: queries and keys.
    pub(super) fn scores(&mut self, a: &Live, b: &Live) -> Lowered<Scores> {
        let ([first, d], [e, last]) = (ends(a)?, ends(b)?);
        if d != e || first != last {
            return Err(wanted("queries [heads, T, d] and keys [heads, d, T] of one sequence"));
        }
        let (queries, p) = self.unscaled(a)?;
        let (keys, q) = self.unscaled(b)?;
        Ok(Scores { queries, keys, factor: p * q, soft: false })
    }

    /// A value without its factor, and that.
    fn unscaled(&mut self, live: &Live) -> Lowered<(Live, f64)> {
        if let Some([factor, 0.0]) = live.curve.line() {
            return Ok((Live { curve: Rc::new(Curve::X), ..live.clone() }, factor));
        }
        Ok((self.plain(live)?, 1.0))
    }

    /// Attention, when all its parts are what they should be.
    pub(super) fn attention(&mut self, scores: &Scores, values: &Live) -> Lowered<Live> {
        let not = || {
            wanted("queries, keys and values of one sequence: the channels in heads, all tokens")
        };
        if !scores.soft {
            return Err(wanted("a softmax between products of queries and keys and the values"));
        }
        let values = self.plain(values)?;
        let rank = values.layout.axes.len();
        let Some(h) = rank.checked_sub(3) else { return Err(not()) };
        let parts = [&scores.queries, &scores.keys, &values];
        if parts.iter().any(|p| p.layout.axes.len() != rank) {
            return Err(not());
        }
        let tokens_of = |p: &Live, axis: usize| p.layout.axes[axis].clone();
        let t = tokens_of(&values, h + 1);
        if tokens_of(&scores.queries, h + 1) != t || tokens_of(&scores.keys, h + 2) != t {
            return Err(not());
        }
        let heads = extent(&values.layout.axes[h]);
        let within = extent(&values.layout.axes[h + 2]);
        self.room(heads.saturating_mul(within), 12)?;
        let order: Option<Vec<Vec<usize>>> = [h + 2, h + 1, h + 2]
            .into_iter()
            .zip(parts)
            .map(|(axis, part)| {
                let size = |a: usize| part.layout.axes.get(a).map(|a| extent(a));
                let fits = size(h) == Some(heads) && size(axis) == Some(within);
                if fits { channels(part, h, axis) } else { None }
            })
            .collect();
        let order = order.ok_or_else(not)?;
        let layers = parts.map(|p| p.layer);
        let factor = scores.factor * (within as f64).sqrt();
        let qkv = self.joined(layers, &order, factor)?;
        self.attended(qkv, &values.layout, heads, within)
    }

    /// The layer with queries, keys and values one after another, head by head.
    fn joined(&mut self, layers: [usize; 3], order: &[Vec<usize>], factor: f64) -> Lowered<usize> {
        let d = order[0].len();
        let straight =
            order.iter().enumerate().all(|(i, o)| o.iter().copied().eq(i * d..(i + 1) * d));
        let one = layers.iter().all(|l| *l == layers[0]);
        let scaled = (factor - 1.0).abs() > 1e-6;
        if one && straight && !scaled && self.shape(layers[0])[0] == 3 * d {
            return Ok(layers[0]);
        }
        let not = || {
            wanted("queries, keys and values that linear layers make of one input, without more")
        };
        let input = self.drafts.at(layers[0]).inputs.clone();
        let (mut weight, mut bias) = (Vec::new(), Vec::new());
        for (i, (layer, order)) in layers.into_iter().zip(order).enumerate() {
            if self.drafts.at(layer).inputs != input {
                return Err(not());
            }
            let mut rows = self.rows(layer, order)?.ok_or_else(not)?;
            if i == 0 && scaled {
                rows.weight.iter_mut().chain(&mut rows.bias).for_each(|v| *v *= factor as f32);
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
        self.push(name, Op::Linear { out: 3 * d, bias: true }, &input, params)
    }

    fn attended(
        &mut self,
        qkv: usize,
        like: &Layout,
        heads: usize,
        within: usize,
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
        let name = self.name(None);
        let op = Op::Attention { heads };
        let layer = self.push(name, op, &[layer], vec![])?;
        if !layout.covers(self.shape(layer)) {
            return Err(wanted("attention over all tokens of a sequence"));
        }
        Ok(Live::of(layer, layout))
    }
}

/// The last two extents.
fn ends(live: &Live) -> Lowered<[usize; 2]> {
    match live.layout.dims()[..] {
        [.., a, b] => Ok([a, b]),
        _ => Err(wanted("at least two axes")),
    }
}
