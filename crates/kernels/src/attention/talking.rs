//! Heads that are mixed with one another: one query after another, all heads of it.

use super::{Head, product, softmax, transposed};
use crate::dispatch::Kernel;
use crate::simd::Simd;

/// `y = m · [x; 1]`, with `m` `[H, H + 1]`, `x` and `y` `[H, T]`.
#[inline(always)]
fn mixed(m: &[f32], x: &[f32], t: usize) -> Vec<f32> {
    let mut y = vec![0.0; x.len()];
    let heads = x.len() / t;
    for (m, y) in m.chunks_exact(heads + 1).zip(y.chunks_exact_mut(t)) {
        y.fill(m[heads]);
        for (m, x) in m.iter().zip(x.chunks_exact(t)) {
            y.iter_mut().zip(x).for_each(|(y, x)| *y += m * x);
        }
    }
    y
}

/// From the gradient `dy` of what [`mixed`] makes of `x` to that of `x`; that of `m` is added to `dm`.
#[inline(always)]
fn unmixed((m, dm): (&[f32], &mut [f32]), x: &[f32], dy: &[f32], t: usize) -> Vec<f32> {
    let mut dx = vec![0.0; x.len()];
    let heads = x.len() / t;
    let rows = m.chunks_exact(heads + 1).zip(dm.chunks_exact_mut(heads + 1));
    for ((m, dm), dy) in rows.zip(dy.chunks_exact(t)) {
        let pairs = x.chunks_exact(t).zip(dx.chunks_exact_mut(t));
        for ((m, dm), (x, dx)) in m.iter().zip(&mut *dm).zip(pairs) {
            *dm += dy.iter().zip(x).map(|(d, x)| d * x).sum::<f32>();
            dx.iter_mut().zip(dy).for_each(|(dx, d)| *dx += m * d);
        }
        dm[heads] += dy.iter().sum::<f32>();
    }
    dx
}

/// What one query takes of each token, head by head, `[H, T]`: scaled products, shares, and these mixed.
#[inline(always)]
fn asked(heads: &[Head<'_>], how: [&[f32]; 2], query: usize) -> [Vec<f32>; 3] {
    let (t, e) = (heads[0].tokens[1], heads[0].width[0]);
    let mut products = vec![0.0; heads.len() * t];
    for (head, out) in heads.iter().zip(products.chunks_exact_mut(t)) {
        product(&head.query[query * e..][..e], &head.key, out, t);
        let scale = head.scale();
        for v in out {
            *v *= scale;
        }
    }
    let mut shares = mixed(how[0], &products, t);
    for row in shares.chunks_exact_mut(t) {
        softmax(row);
    }
    let last = mixed(how[1], &shares, t);
    [products, shares, last]
}

/// One query's answer.
pub(super) struct Ask<'a> {
    pub(super) heads: &'a [Head<'a>],
    pub(super) how: [&'a [f32]; 2],
    pub(super) query: usize,
    /// `[D]`, head by head.
    pub(super) out: &'a mut [f32],
}

impl Kernel for Ask<'_> {
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let (t, d) = (self.heads[0].tokens[1], self.heads[0].width[1]);
        let [_, _, shares] = asked(self.heads, self.how, self.query);
        let parts = shares.chunks_exact(t).zip(self.out.chunks_exact_mut(d));
        for (head, (shares, out)) in self.heads.iter().zip(parts) {
            product(shares, &head.value, out, d);
        }
    }
}

/// The way back through all queries of a column.
pub(super) struct Back<'a> {
    pub(super) heads: &'a [Head<'a>],
    pub(super) how: [&'a [f32]; 2],
    /// Of each head, `[S, d]`.
    pub(super) dy: &'a [Vec<f32>],
    /// Of each head, of queries, keys and values.
    pub(super) out: &'a mut [[Vec<f32>; 3]],
    /// What the gradients of both matrices are added to.
    pub(super) learned: [&'a mut [f32]; 2],
}

impl Kernel for Back<'_> {
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let Self { heads, how, dy, out, learned: [before, after] } = self;
        let ([s, t], [e, d]) = (heads[0].tokens, heads[0].width);
        let keys: Vec<Vec<f32>> = heads.iter().map(|h| transposed(&h.key, t)).collect();
        let values: Vec<Vec<f32>> = heads.iter().map(|h| transposed(&h.value, d)).collect();
        for out in &mut *out {
            *out = [vec![0.0; s * e], vec![0.0; t * e], vec![0.0; t * d]];
        }
        for i in 0..s {
            let [products, shares, last] = asked(heads, how, i);
            let mut inner = vec![0.0; heads.len() * t];
            for (h, inner) in inner.chunks_exact_mut(t).enumerate() {
                let dy = &dy[h][i * d..][..d];
                product(dy, &values[h], inner, t);
                outer(&last[h * t..][..t], dy, &mut out[h][2]);
            }
            let mut inner = unmixed((how[1], after), &shares, &inner, t);
            for (row, p) in inner.chunks_exact_mut(t).zip(shares.chunks_exact(t)) {
                let dot: f32 = row.iter().zip(p).map(|(d, p)| d * p).sum();
                row.iter_mut().zip(p).for_each(|(d, p)| *d = p * (*d - dot));
            }
            let mut inner = unmixed((how[0], before), &products, &inner, t);
            for (h, inner) in inner.chunks_exact_mut(t).enumerate() {
                let scale = heads[h].scale();
                for d in &mut *inner {
                    *d *= scale;
                }
                product(inner, &keys[h], &mut out[h][0][i * e..][..e], e);
                outer(inner, &heads[h].query[i * e..][..e], &mut out[h][1]);
            }
        }
    }
}

/// `c += a bᵀ`.
#[inline(always)]
fn outer(a: &[f32], b: &[f32], c: &mut [f32]) {
    for (a, c) in a.iter().zip(c.chunks_exact_mut(b.len())) {
        c.iter_mut().zip(b).for_each(|(c, b)| *c += a * b);
    }
}
