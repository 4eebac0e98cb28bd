//! Maps as sequences of tokens, and what tokens look at in one another. A sequence of `T` vectors of
//! length `D` is a map `[D, T, 1]`.

use crate::curve::exp;
use crate::dispatch::{Kernel, on};
use crate::simd::{Number, Simd};
use crate::slice::typed;
use crate::team::{Out, Team};
use crate::{Isa, Map, Slice, SliceMut};

/// What is put before and onto a sequence (Dosovitskiy et al. 2020, equation 1).
#[derive(Debug, Clone, Copy)]
pub struct Tokens<'a> {
    /// Learned tokens that come first, `[E, D]`.
    pub first: &'a [f32],
    /// Added to each token, `[E + H·W, D]`.
    pub position: &'a [f32],
}

impl Tokens<'_> {
    /// A map `[D, H, W]` as the sequence `[D, E + H·W, 1]` of its pixels, row by row.
    ///
    /// # Panics
    /// When slices do not fit the maps.
    pub fn run(&self, x: Slice<'_>, input: &Map, y: SliceMut<'_>, output: &Map) {
        typed!(x, y, |x, y| self.typed(x, input, y, output));
    }

    fn typed<X: Number, Y: Number>(&self, x: &[X], input: &Map, y: &mut [Y], output: &Map) {
        let d = output.channels;
        let extra = self.first.len() / d;
        assert_eq!(output.height, extra + input.pixels(), "a token for each pixel");
        assert_eq!(self.position.len(), output.height * d, "a position for each token");
        assert_eq!((x.len(), y.len()), (input.len(), output.len()), "values fill their maps");
        for (t, position) in self.position.chunks_exact(d).enumerate() {
            let y = &mut y[output.at(t, 0)..][..output.stride];
            let (own, spare) = y.split_at_mut(d);
            if let Some(pixel) = t.checked_sub(extra) {
                let x = &x[input.at(pixel / input.width, pixel % input.width)..];
                let sums = own.iter_mut().zip(x.iter().zip(position));
                sums.for_each(|(y, (x, p))| *y = Y::of(x.value() + p));
            } else {
                let token = &self.first[t * d..];
                let sums = own.iter_mut().zip(token.iter().zip(position));
                sums.for_each(|(y, (x, p))| *y = Y::of(x + p));
            }
            spare.fill(Y::of(0.0));
        }
    }
}

/// From the gradient of a sequence to those of all its `extra` first tokens `[E, D]`, its positions
/// `[E + H·W, D]`, and, where wanted, of the map that it was.
///
/// # Panics
/// When slices do not fit the maps.
pub fn tokens_backward(
    images: usize,
    extra: usize,
    (dy, map): (&[f32], &Map),
    dx: Option<(&mut [f32], &Map)>,
) -> [Vec<f32>; 2] {
    assert_eq!(dy.len(), images * map.len(), "gradients fill their maps");
    let d = map.channels;
    let mut sums = vec![0.0f64; map.height * d];
    for dy in dy.chunks_exact(map.len()) {
        for (t, sums) in sums.chunks_exact_mut(d).enumerate() {
            sums.iter_mut().zip(&dy[map.at(t, 0)..]).for_each(|(s, v)| *s += f64::from(*v));
        }
    }
    if let Some((dx, to)) = dx {
        for (dx, dy) in dx.chunks_exact_mut(to.len()).zip(dy.chunks_exact(map.len())) {
            for pixel in 0..to.pixels() {
                let dx = &mut dx[to.at(pixel / to.width, pixel % to.width)..][..d];
                dx.copy_from_slice(&dy[map.at(extra + pixel, 0)..][..d]);
            }
        }
    }
    let position: Vec<f32> = sums.into_iter().map(|v| v as f32).collect();
    [position[..extra * d].to_vec(), position]
}

/// Attention of `heads` heads over each column of `[3·D, T, W]`, queries, keys and values one after
/// another (Vaswani et al. 2017, section 3.2). A sequence is one column.
#[derive(Debug, Clone, Copy)]
pub struct Attention<'a> {
    /// Heads; divides `D`.
    pub heads: usize,
    /// Added to the scaled products, `[n, T, T]`: none, for each head, or for each head of each column,
    /// columns first.
    pub biases: &'a [f32],
}

/// One head's part of a column, as matrices.
struct Head<'a> {
    /// Tokens, and values of each.
    size: [usize; 2],
    /// `[T, d]`.
    query: Vec<f32>,
    /// `[d, T]`.
    key: Vec<f32>,
    /// `[T, d]`.
    value: Vec<f32>,
    /// `[T, T]`, or nothing.
    bias: &'a [f32],
}

impl<'a> Head<'a> {
    fn read<X: Number>(
        of: Attention<'a>,
        x: &[X],
        input: &Map,
        [column, head]: [usize; 2],
    ) -> Self {
        let (t, all) = (input.height, input.channels / 3);
        let d = all / of.heads;
        let part = |i: usize, which: usize| {
            let at = input.at(i, column) + which * all + head * d;
            x[at..at + d].iter().map(|v| v.value())
        };
        let mut key = vec![0.0; d * t];
        for i in 0..t {
            part(i, 1).enumerate().for_each(|(c, v)| key[c * t + i] = v);
        }
        let query = (0..t).flat_map(|i| part(i, 0)).collect();
        let value = (0..t).flat_map(|i| part(i, 2)).collect();
        let bias = match of.count(t) {
            0 => &[][..],
            n => &of.biases[(column * of.heads + head) % n * t * t..][..t * t],
        };
        Self { size: [t, d], query, key, value, bias }
    }

    fn scale(&self) -> f32 {
        1.0 / (self.size[1] as f32).sqrt()
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

/// What each token takes of each, `[T, T]`.
#[inline(always)]
fn shares(head: &Head<'_>) -> Vec<f32> {
    let [t, _] = head.size;
    let mut all = vec![0.0; t * t];
    product(&head.query, &head.key, &mut all, t);
    let scale = head.scale();
    for (i, row) in all.chunks_exact_mut(t).enumerate() {
        for v in &mut *row {
            *v *= scale;
        }
        if let Some(bias) = head.bias.get(i * t..(i + 1) * t) {
            row.iter_mut().zip(bias).for_each(|(v, b)| *v += b);
        }
        let top = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        for v in &mut *row {
            *v = exp(*v - top);
        }
        let sum: f32 = row.iter().sum();
        for v in row {
            *v /= sum;
        }
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
        product(&shares(self.head), &self.head.value, self.out, self.head.size[1]);
    }
}

impl Attention<'_> {
    /// Biases for sequences of `t` tokens.
    fn count(&self, t: usize) -> usize {
        self.biases.len().checked_div(t * t).unwrap_or(0)
    }

    /// Into `[D, T, W]`.
    ///
    /// # Panics
    /// When slices, channels or biases do not fit the maps.
    pub fn run(
        self,
        on: (Isa, Team<'_>),
        x: Slice<'_>,
        input: &Map,
        y: SliceMut<'_>,
        output: &Map,
    ) {
        assert_eq!(input.channels, 3 * output.channels, "queries, keys and values");
        assert_eq!((input.height, input.width), (output.height, output.width), "as many tokens");
        typed!(x, y, |x, y| self.typed(on, x, input, y, output));
    }

    fn typed<X: Number, Y: Number>(
        self,
        (isa, team): (Isa, Team<'_>),
        x: &[X],
        input: &Map,
        y: &mut [Y],
        output: &Map,
    ) {
        assert_eq!((x.len(), y.len()), (input.len(), output.len()), "values fill their maps");
        let d = output.channels / self.heads;
        for t in 0..output.height {
            for column in 0..output.width {
                y[output.at(t, column) + output.channels..][..output.stride - output.channels]
                    .fill(Y::of(0.0));
            }
        }
        let to = Out::new(y);
        team.run(self.heads * output.width, &|part| {
            let (column, head) = (part / self.heads, part % self.heads);
            let own = Head::read(self, x, input, [column, head]);
            let mut out = vec![0.0; output.height * d];
            on(isa, Mix { head: &own, out: &mut out });
            for (t, row) in out.chunks_exact(d).enumerate() {
                let at = to.at(output.at(t, column) + head * d, d);
                // SAFETY: `at` saw the room; each head of a column writes channels of its own.
                let y = unsafe { std::slice::from_raw_parts_mut(at, d) };
                y.iter_mut().zip(row).for_each(|(y, v)| *y = Y::of(*v));
            }
        });
    }

    /// From the gradient of the result to that of queries, keys and values `x`, into `dx`, and that of
    /// the biases, which is returned.
    ///
    /// # Panics
    /// When slices or channels do not fit the maps.
    pub fn backward(
        self,
        (isa, team): (Isa, Team<'_>),
        images: usize,
        (x, input): (&[f32], &Map),
        (dy, map): (&[f32], &Map),
        (dx, to): (&mut [f32], &Map),
    ) -> Vec<f32> {
        assert_eq!(x.len(), images * input.len(), "values fill their maps");
        assert_eq!(dy.len(), images * map.len(), "gradients fill their maps");
        assert_eq!(dx.len(), images * to.len(), "gradients fill their maps");
        let (d, all, t) = (map.channels / self.heads, map.channels, map.height);
        let out = Out::new(dx);
        let one = |image: usize, place: [usize; 2], bias: &mut [f32]| {
            let [column, head] = place;
            let x = &x[image * input.len()..][..input.len()];
            let own = Head::read(self, x, input, place);
            let dy = &dy[image * map.len()..][..map.len()];
            let rows = (0..t).flat_map(|t| &dy[map.at(t, column) + head * d..][..d]);
            let dy: Vec<f32> = rows.copied().collect();
            let mut gradients = [vec![], vec![], vec![]];
            on(isa, Back { head: &own, dy: &dy, out: &mut gradients, bias });
            for (which, gradient) in gradients.iter().enumerate() {
                for (t, row) in gradient.chunks_exact(d).enumerate() {
                    let at = image * to.len() + to.at(t, column) + which * all + head * d;
                    // SAFETY: `at` saw the room; each head of a column writes channels of its own.
                    let dx = unsafe { std::slice::from_raw_parts_mut(out.at(at, d), d) };
                    dx.copy_from_slice(row);
                }
            }
        };
        let places = self.heads * map.width;
        let place = |i: usize| [i / self.heads, i % self.heads];
        let biases = self.count(t);
        if biases == 0 {
            team.run(images * places, &|part| one(part / places, place(part % places), &mut []));
            return vec![];
        }
        // What is added to one bias is added by one thread, in one order.
        let mut sums = vec![0.0; self.biases.len()];
        let shared = Out::new(&mut sums);
        team.run(biases, &|bias| {
            // SAFETY: `at` saw the room; each part has a bias of its own.
            let own =
                unsafe { std::slice::from_raw_parts_mut(shared.at(bias * t * t, t * t), t * t) };
            for image in 0..images {
                (bias..places).step_by(biases).for_each(|i| one(image, place(i), own));
            }
        });
        sums
    }
}

struct Back<'a> {
    head: &'a Head<'a>,
    dy: &'a [f32],
    /// Of queries, keys and values, `[T, d]` each.
    out: &'a mut [Vec<f32>; 3],
    /// What the gradient of the bias is added to, or nothing.
    bias: &'a mut [f32],
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

impl Kernel for Back<'_> {
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let [t, d] = self.head.size;
        let shares = shares(self.head);
        let mut value = vec![0.0; t * d];
        product(&transposed(&shares, t), self.dy, &mut value, d);
        // Of the shares, then of what they were before the softmax.
        let mut inner = vec![0.0; t * t];
        product(self.dy, &transposed(&self.head.value, d), &mut inner, t);
        let scale = self.head.scale();
        for (row, p) in inner.chunks_exact_mut(t).zip(shares.chunks_exact(t)) {
            let dot: f32 = row.iter().zip(p).map(|(d, p)| d * p).sum();
            row.iter_mut().zip(p).for_each(|(d, p)| *d = p * (*d - dot));
        }
        self.bias.iter_mut().zip(&inner).for_each(|(sum, d)| *sum += d);
        for d in &mut inner {
            *d *= scale;
        }
        let mut query = vec![0.0; t * d];
        product(&inner, &transposed(&self.head.key, t), &mut query, d);
        let mut key = vec![0.0; t * d];
        product(&transposed(&inner, t), &self.head.query, &mut key, d);
        *self.out = [query, key, value];
    }
}
