//! What tokens look at in one another. A sequence of `T` vectors of length `D` is a map `[D, T, 1]`; of a
//! map `[D, T, W]` each column is a sequence.

use crate::curve::exp;
use crate::dispatch::{Kernel, on};
use crate::simd::{Number, Simd};
use crate::team::{Out, Team};
use crate::{Isa, Map, Slice, SliceMut};

mod backward;
mod talking;

pub use backward::AttentionGradients;

/// Attention of `heads` heads over each column (Vaswani et al. 2017, section 3.2).
///
/// Inputs are one, `[3·D, T, W]`, with queries, keys and values one after another, or three: queries
/// `[E, S, W]`, keys `[E, T, W]` and values `[D, T, W]`. With one input `E` is `D` and `S` is `T`.
#[derive(Debug, Clone, Copy)]
pub struct Attention<'a> {
    /// Heads; divides `D` and `E`.
    pub heads: usize,
    /// Added to the scaled products, `[n, S, T]`: none, for each head, or for each head of each column,
    /// columns first.
    pub biases: &'a [f32],
    /// How heads are mixed with one another, their products before the softmax and their shares behind it
    /// (Shazeer et al. 2020, section 3): `[heads, heads + 1]` each, for each head that comes out a factor
    /// of each that goes in and what is added. Takes no biases.
    pub talking: Option<[&'a [f32]; 2]>,
}

/// Queries, keys or values: channels of a map.
#[derive(Clone, Copy)]
struct Part<'a> {
    data: Slice<'a>,
    map: &'a Map,
    first: usize,
    channels: usize,
}

impl Part<'_> {
    /// A head's numbers of each token of a column, `[T, channels / heads]`.
    fn rows(&self, heads: usize, [column, head]: [usize; 2]) -> Vec<f32> {
        let width = self.channels / heads;
        let at = |t: usize| self.map.at(t, column) + self.first + head * width;
        let mut rows = Vec::with_capacity(self.map.height * width);
        match self.data {
            Slice::F32(x) => {
                (0..self.map.height).for_each(|t| rows.extend_from_slice(&x[at(t)..][..width]));
            }
            Slice::Bf16(x) => (0..self.map.height).for_each(|t| {
                rows.extend(x[at(t)..][..width].iter().map(|v| v.value()));
            }),
        }
        rows
    }
}

/// The parts of one input or of three, when values are `d` channels.
///
/// # Panics
/// When they do not fit one another.
fn parts<'a>(inputs: &[(Slice<'a>, &'a Map)], d: usize) -> [Part<'a>; 3] {
    let part = |(data, map): (Slice<'a>, &'a Map), first, channels| {
        assert!(first + channels <= map.channels, "channels of the map");
        Part { data, map, first, channels }
    };
    let all = match *inputs {
        [all] => [0, 1, 2].map(|i| part(all, i * d, d)),
        [q, k, v] => [q, k, v].map(|x| part(x, 0, x.1.channels)),
        _ => panic!("queries, keys and values, in one input or in three"),
    };
    let [q, k, v] = &all;
    assert!(q.channels == k.channels && v.channels == d, "as many channels");
    assert!(k.map.height == v.map.height && q.map.width == k.map.width, "as many tokens");
    all
}

/// One head's part of a column, as matrices.
struct Head<'a> {
    /// Queries, and keys and values.
    tokens: [usize; 2],
    /// Numbers of each query and key, and of each value.
    width: [usize; 2],
    /// `[S, e]`.
    query: Vec<f32>,
    /// `[e, T]`.
    key: Vec<f32>,
    /// `[T, d]`.
    value: Vec<f32>,
    /// `[S, T]`, or nothing.
    bias: &'a [f32],
}

impl<'a> Head<'a> {
    fn read(of: Attention<'a>, [q, k, v]: &[Part<'_>; 3], place: [usize; 2]) -> Self {
        let [query, key, value] = [q, k, v].map(|part| part.rows(of.heads, place));
        let (tokens, width) =
            ([q.map.height, k.map.height], [k, v].map(|part| part.channels / of.heads));
        let square = tokens[0] * tokens[1];
        let bias = match of.biases.len().checked_div(square).unwrap_or(0) {
            0 => &[][..],
            n => &of.biases[(place[0] * of.heads + place[1]) % n * square..][..square],
        };
        Self { tokens, width, query, key: transposed(&key, width[0]), value, bias }
    }

    fn scale(&self) -> f32 {
        1.0 / (self.width[0] as f32).sqrt()
    }
}

/// `c = a · b` with `a` `[m, k]`, `b` `[k, n]`, row by row: the inner loop runs along rows of `b`.
#[inline(always)]
fn product(a: &[f32], b: &[f32], c: &mut [f32], n: usize) {
    let k = b.len() / n;
    for (a, c) in a.chunks_exact(k).zip(c.chunks_exact_mut(n)) {
        c.fill(0.0);
        for (a, b) in a.iter().zip(b.chunks_exact(n)) {
            c.iter_mut().zip(b).for_each(|(c, b)| *c += a * b);
        }
    }
}

#[inline(always)]
fn transposed(a: &[f32], columns: usize) -> Vec<f32> {
    let rows = a.len() / columns;
    let mut b = vec![0.0; a.len()];
    for (i, row) in a.chunks_exact(columns).enumerate() {
        row.iter().enumerate().for_each(|(j, v)| b[j * rows + i] = *v);
    }
    b
}

/// `exp(x) / Σ exp(x)`.
#[inline(always)]
fn softmax(row: &mut [f32]) {
    let top = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    for v in &mut *row {
        *v = exp(*v - top);
    }
    let sum: f32 = row.iter().sum();
    for v in row {
        *v /= sum;
    }
}

/// What each token takes of each, `[S, T]`.
#[inline(always)]
fn shares(head: &Head<'_>) -> Vec<f32> {
    let [s, t] = head.tokens;
    let mut all = vec![0.0; s * t];
    product(&head.query, &head.key, &mut all, t);
    let scale = head.scale();
    for (i, row) in all.chunks_exact_mut(t).enumerate() {
        for v in &mut *row {
            *v *= scale;
        }
        if let Some(bias) = head.bias.get(i * t..(i + 1) * t) {
            row.iter_mut().zip(bias).for_each(|(v, b)| *v += b);
        }
        softmax(row);
    }
    all
}

struct Mix<'a> {
    head: &'a Head<'a>,
    out: &'a mut [f32],
}

impl Kernel for Mix<'_> {
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        product(&shares(self.head), &self.head.value, self.out, self.head.width[1]);
    }
}

impl Attention<'_> {
    /// Into `[D, S, W]`.
    ///
    /// # Panics
    /// When slices, channels or biases do not fit the maps.
    pub fn run(
        self,
        on: (Isa, Team<'_>),
        inputs: &[(Slice<'_>, &Map)],
        y: SliceMut<'_>,
        output: &Map,
    ) {
        let parts = parts(inputs, output.channels);
        let queries = parts[0].map;
        assert_eq!((queries.height, queries.width), (output.height, output.width), "tokens");
        match y {
            SliceMut::F32(y) => self.typed(on, &parts, y, output),
            SliceMut::Bf16(y) => self.typed(on, &parts, y, output),
        }
    }

    fn typed<Y: Number>(
        self,
        (isa, team): (Isa, Team<'_>),
        parts: &[Part<'_>; 3],
        y: &mut [Y],
        output: &Map,
    ) {
        assert_eq!(y.len(), output.len(), "values fill their map");
        let d = output.channels / self.heads;
        for t in 0..output.height {
            for column in 0..output.width {
                y[output.at(t, column) + output.channels..][..output.stride - output.channels]
                    .fill(Y::of(0.0));
            }
        }
        let to = Out::new(y);
        let store = |[t, column, head]: [usize; 3], row: &[f32]| {
            let at = to.at(output.at(t, column) + head * d, d);
            // SAFETY: `at` saw the room; each head of each token writes channels of its own.
            let y = unsafe { std::slice::from_raw_parts_mut(at, d) };
            y.iter_mut().zip(row).for_each(|(y, v)| *y = Y::of(*v));
        };
        if let Some(how) = self.talking {
            for column in 0..output.width {
                let read = |head| Head::read(self, parts, [column, head]);
                let heads: Vec<Head<'_>> = (0..self.heads).map(read).collect();
                team.run(output.height, &|t| {
                    let mut out = vec![0.0; output.channels];
                    on(isa, talking::Ask { heads: &heads, how, query: t, out: &mut out });
                    for (head, row) in out.chunks_exact(d).enumerate() {
                        store([t, column, head], row);
                    }
                });
            }
            return;
        }
        team.run(self.heads * output.width, &|part| {
            let (column, head) = (part / self.heads, part % self.heads);
            let own = Head::read(self, parts, [column, head]);
            let mut out = vec![0.0; output.height * d];
            on(isa, Mix { head: &own, out: &mut out });
            for (t, row) in out.chunks_exact(d).enumerate() {
                store([t, column, head], row);
            }
        });
    }
}
