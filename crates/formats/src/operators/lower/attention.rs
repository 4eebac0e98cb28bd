//! Attention: products of queries and keys, scaled, softmax, times values.

use std::rc::Rc;

use regraft_net::{Op, Role};

use super::matrix::channels;
use super::tokens::as_sequence;
use super::window::tensor;
use super::{Args, Live, Lower, Lowered, Value, dims_of, wanted};
use crate::operators::build::Name;
use crate::operators::consts::Const;
use crate::operators::curve::{Binary, Curve};
use crate::operators::fold::elementwise::broadcast;
use crate::operators::ir::ValueId;
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
    /// What is added to them, all of it, `[…, heads, T, T]`; empty for nothing.
    bias: Rc<Vec<f32>>,
    /// The tensor of the file that this is.
    origin: Option<ValueId>,
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
            Binary::Mul => factor,
            Binary::Div if !turned => 1.0 / factor,
            Binary::Add | Binary::Sub if factor == 0.0 && !turned => 1.0,
            Binary::Add | Binary::Sub | Binary::Div | Binary::Pow | Binary::Min | Binary::Max => {
                return Err(no_mask());
            }
        };
        let bias = self.bias.iter().map(|b| (f64::from(*b) * factor) as f32).collect();
        Ok(Self { factor: self.factor * factor, bias: Rc::new(bias), ..self.clone() })
    }

    /// The same after softmax over an axis.
    pub(super) fn soft(&self, axis: Option<usize>) -> Lowered<Self> {
        if self.soft || axis.map(|a| a + 1) != Some(self.dims().len()) {
            return Err(wanted("one softmax over the keys, the last axis"));
        }
        Ok(Self { soft: true, ..self.clone() })
    }

    /// The same with the axes before the last two regrouped.
    pub(super) fn reshaped(&self, dims: &[usize]) -> Lowered<Self> {
        let not = || wanted("other extents for the axes before queries and keys only");
        let old = self.dims();
        let ends = |d: &[usize]| d.len().checked_sub(2).map(|n| d[n..].to_vec());
        if ends(dims) != ends(&old) || dims.len() < 2 || self.soft {
            return Err(not());
        }
        let lead = &dims[..dims.len() - 2];
        let put = |live: &Live| {
            let own = live.layout.dims();
            let all = [lead, &own[own.len() - 2..]].concat();
            let layout = live.layout.reshaped(&all).ok_or_else(not)?;
            Lowered::Ok(Live { layout, ..live.clone() })
        };
        Ok(Self { queries: put(&self.queries)?, keys: put(&self.keys)?, ..self.clone() })
    }
}

fn no_mask() -> super::Trouble {
    wanted(
        "products of queries and keys times one number, constants added, then softmax: no mask that \
         depends on the picture",
    )
}

impl<'a> Lower<'_, 'a, '_> {
    /// A product of two values of the picture: queries and keys.
    pub(super) fn scores(&mut self, a: &Live, b: &Live) -> Lowered<Scores> {
        let ([first, d], [e, last]) = (ends(a)?, ends(b)?);
        if d != e || first != last {
            return Err(wanted("queries [heads, T, d] and keys [heads, d, T] of one sequence"));
        }
        let (queries, p) = self.unscaled(a)?;
        let (keys, q) = self.unscaled(b)?;
        let (bias, origin) = (Rc::default(), None);
        Ok(Scores { queries, keys, factor: p * q, bias, origin, soft: false })
    }

    /// The same and a constant that broadcasts over it.
    pub(super) fn biased(&mut self, scores: &Scores, known: &Const<'a>) -> Lowered<Scores> {
        let dims = scores.dims();
        if scores.soft || broadcast(&known.dims, &dims).is_none_or(|d| d != dims) {
            return Err(no_mask());
        }
        let count: usize = dims.iter().product();
        self.store.budget.numbers(count, "biases")?;
        let values = known.floats(&mut self.store)?;
        let mut bias = vec![0.0; count];
        let skip = dims.len() - known.dims.len();
        let own = |i: usize| if i < skip { 1 } else { known.dims[i - skip] };
        for (at, sum) in bias.iter_mut().enumerate() {
            let (mut rest, mut step, mut from) = (at, 1, 0);
            for i in (0..dims.len()).rev() {
                from += (rest % dims[i]).min(own(i) - 1) * step;
                rest /= dims[i];
                step *= own(i);
            }
            *sum = values[from] + scores.bias.get(at).copied().unwrap_or(0.0);
        }
        let origin = scores.origin.or(known.origin);
        Ok(Scores { bias: Rc::new(bias), origin, ..scores.clone() })
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

    /// Attention, when all its parts are what they should be.
    pub(super) fn attention(&mut self, scores: &Scores, values: &Live) -> Lowered<Live> {
        if !scores.soft {
            return Err(wanted("a softmax between products of queries and keys and the values"));
        }
        let values = self.plain(values)?;
        let rank = values.layout.axes.len();
        let parts = [&scores.queries, &scores.keys, &values];
        if rank < 3 || parts.iter().any(|p| p.layout.axes.len() != rank) {
            return Err(wanted("queries, keys and values of one sequence, in heads"));
        }
        let size = |p: &Live, axis: usize| extent(&p.layout.axes[axis]);
        let within = size(&values, rank - 1);
        let narrow = size(&scores.queries, rank - 1);
        if narrow > within {
            return Err(wanted("no more numbers in each query and key than in each value"));
        }
        if narrow == within
            && let Some(live) = self.attention_of_rows(scores, &values)?
        {
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
        let factor = scores.factor * (within as f64).sqrt();
        let Some(qkv) = self.joined(layers, &order, factor)? else { return Ok(None) };
        let live = self.attended(qkv, &values.layout, (heads, within), scores)?;
        Ok(Some(live))
    }

    /// Attention over queries, keys and values that are put one after another; axes before the heads are
    /// windows, each of which is a column.
    fn attention_of_columns(&mut self, scores: &Scores, values: &Live) -> Lowered<Live> {
        let rank = values.layout.axes.len();
        let h = rank - 3;
        let windows: Vec<usize> = (0..h).collect();
        let within = extent(&values.layout.axes[rank - 1]);
        let narrow = extent(&scores.queries.layout.axes[rank - 1]);
        let factor = scores.factor * (within as f64).sqrt();
        let scaled = (factor - 1.0).abs() > 1e-6 || narrow < within;
        // Keys with their axes as the others have them.
        let mut keys = scores.keys.clone();
        keys.layout.axes.swap(rank - 2, rank - 1);
        let parts = [&scores.queries, &keys, values];
        let all = if scaled { None } else { thirds(parts) };
        let qkv = if let Some(all) = all
            && all.layout.covers(self.shape(all.layer))
        {
            let tokens = [rank - 1];
            let windows: Vec<usize> = windows.iter().map(|i| i + 1).collect();
            self.laid(&all, [&[0, h + 1, rank], &tokens, &windows])?.layer
        } else {
            let mut layers = Vec::with_capacity(3);
            for (i, part) in parts.into_iter().enumerate() {
                let mut part = self.laid(part, [&[h, rank - 1], &[rank - 2], &windows])?;
                let own = if i == 0 { factor as f32 } else { 1.0 };
                if i < 2 && narrow < within {
                    part = self.widened(&part, [narrow, within], own)?;
                } else if i == 0 && scaled {
                    let c = self.shape(part.layer)[0];
                    self.room(c, 2)?;
                    let factor = own;
                    let op = Op::Affine { scale: vec![factor; c], shift: vec![0.0; c] };
                    let name = self.helper("factor");
                    part = self.pointwise(&part, name, op)?;
                }
                layers.push(part.layer);
            }
            let name = self.helper("qkv");
            self.push(name, Op::Concat, &layers, vec![])?
        };
        let &[_, t, w] = self.shape(qkv) else { return Err(wanted("sequences")) };
        let heads = extent(&values.layout.axes[h]);
        let layer = self.mixed(qkv, heads, [t, w], scores)?;
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
        layout.axes[h] = run(0, heads, within);
        layout.axes[rank - 2] = run(1, t, 1);
        layout.axes[rank - 1] = run(0, within, 1);
        Ok(Live::of(layer, layout))
    }

    /// Queries or keys with zeros behind the numbers of each head, times a factor.
    fn widened(&mut self, live: &Live, [from, to]: [usize; 2], factor: f32) -> Lowered<Live> {
        let c = self.shape(live.layer)[0];
        let out = c / from.max(1) * to;
        self.room(c.saturating_mul(out), 1)?;
        let mut values = vec![0.0; c * out];
        for channel in 0..c {
            values[(channel / from * to + channel % from) * c + channel] = factor;
        }
        let name = self.helper("wide");
        let params = vec![tensor(Role::Weight, [out, c], values)?];
        let op = Op::Linear { out, bias: false };
        let layer = self.push(name, op, &[live.layer], params)?;
        Ok(Live { layer, ..live.clone() })
    }

    /// The layer of attention, with its biases.
    fn mixed(
        &mut self,
        qkv: usize,
        heads: usize,
        [t, w]: [usize; 2],
        scores: &Scores,
    ) -> Lowered<usize> {
        let name = self.name(None);
        let square = t.saturating_mul(t);
        if scores.bias.is_empty() {
            return self.push(name, Op::Attention { heads, biases: 0 }, &[qkv], vec![]);
        }
        let mut bias = &scores.bias[..];
        let alike = bias.chunks_exact(heads * square).all(|b| *b == bias[..heads * square]);
        if alike {
            bias = &bias[..heads * square];
        }
        let biases = bias.len() / square.max(1);
        if bias.len() != biases * square || (biases != heads && biases != heads * w) {
            return Err(no_mask());
        }
        self.room(bias.len(), 1)?;
        let params = vec![tensor(Role::Position, [biases, t, t], bias.to_vec())?];
        let name = if self.ours { self.name(scores.origin) } else { name };
        self.push(name, Op::Attention { heads, biases }, &[qkv], params)
    }

    /// The layer with queries, keys and values one after another, head by head.
    fn joined(
        &mut self,
        layers: [usize; 3],
        order: &[Vec<usize>],
        factor: f64,
    ) -> Lowered<Option<usize>> {
        let d = order[0].len();
        let straight =
            order.iter().enumerate().all(|(i, o)| o.iter().copied().eq(i * d..(i + 1) * d));
        let one = layers.iter().all(|l| *l == layers[0]);
        let scaled = (factor - 1.0).abs() > 1e-6;
        if one && straight && !scaled && self.shape(layers[0])[0] == 3 * d {
            return Ok(Some(layers[0]));
        }
        let input = self.drafts.at(layers[0]).inputs.clone();
        let (mut weight, mut bias) = (Vec::new(), Vec::new());
        for (i, (layer, order)) in layers.into_iter().zip(order).enumerate() {
            if self.drafts.at(layer).inputs != input {
                return Ok(None);
            }
            let Some(mut rows) = self.rows(layer, order)? else { return Ok(None) };
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
        let tokens = self.shape(layer)[1];
        let layer = self.mixed(layer, heads, [tokens, 1], scores)?;
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

/// The last two extents.
fn ends(live: &Live) -> Lowered<[usize; 2]> {
    match live.layout.dims()[..] {
        [.., a, b] => Ok([a, b]),
        _ => Err(wanted("at least two axes")),
    }
}
