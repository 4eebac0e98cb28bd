//! The way back through attention.

use super::{Attention, Head, parts, product, shares, talking, transposed};
use crate::dispatch::{Kernel, on};
use crate::simd::Simd;
use crate::team::{Out, Team};
use crate::{Isa, Map, Slice};

/// Gradients of what attention learns; empty for what there is not.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct AttentionGradients {
    /// Of the biases.
    pub biases: Vec<f32>,
    /// Of the matrices that mix heads.
    pub talking: [Vec<f32>; 2],
}

/// Where gradients of queries, keys or values go: the numbers of all images, how those of one lie, and
/// the first channel. `None` when nobody wants them.
type Into<'a> = Option<(Out<f32>, &'a Map, usize)>;

impl Attention<'_> {
    /// From the gradient of the result to that of each input, where it is wanted, and of what is learned.
    ///
    /// # Panics
    /// When slices or channels do not fit the maps.
    pub fn backward(
        self,
        (isa, team): (Isa, Team<'_>),
        images: usize,
        inputs: &[(&[f32], &Map)],
        (dy, map): (&[f32], &Map),
        dx: &mut [Option<(&mut [f32], &Map)>],
    ) -> AttentionGradients {
        assert_eq!(dy.len(), images * map.len(), "gradients fill their maps");
        assert_eq!(inputs.len(), dx.len(), "a gradient for each input");
        let into = places(dx, images, map.channels);
        let way = Way { of: self, isa, images, inputs, dy, map, into };
        if let Some(how) = self.talking {
            let talking = way.talked(team, how);
            return AttentionGradients { biases: vec![], talking };
        }
        AttentionGradients { biases: way.plain(team), ..AttentionGradients::default() }
    }
}

/// The way back of a batch.
struct Way<'a> {
    of: Attention<'a>,
    isa: Isa,
    images: usize,
    inputs: &'a [(&'a [f32], &'a Map)],
    dy: &'a [f32],
    map: &'a Map,
    into: [Into<'a>; 3],
}

impl Way<'_> {
    /// A head's part of a column of an image.
    fn head(&self, image: usize, place: [usize; 2]) -> Head<'_> {
        let all: Vec<(Slice<'_>, &Map)> = self
            .inputs
            .iter()
            .map(|&(x, map)| (Slice::F32(&x[image * map.len()..][..map.len()]), map))
            .collect();
        Head::read(self.of, &parts(&all, self.map.channels), place)
    }

    /// The gradient of what it gives, `[S, d]`.
    fn gradient(&self, image: usize, [column, head]: [usize; 2]) -> Vec<f32> {
        let d = self.map.channels / self.of.heads;
        let dy = &self.dy[image * self.map.len()..][..self.map.len()];
        let rows = (0..self.map.height).flat_map(|t| &dy[self.map.at(t, column) + head * d..][..d]);
        rows.copied().collect()
    }

    /// Puts the gradients of its queries, keys and values where they go.
    fn store(&self, image: usize, [column, head]: [usize; 2], gradients: &[Vec<f32>; 3]) {
        for (rows, into) in gradients.iter().zip(&self.into) {
            let Some((out, to, first)) = into else { continue };
            let width = rows.len() / to.height;
            for (t, row) in rows.chunks_exact(width).enumerate() {
                let at = image * to.len() + to.at(t, column) + first + head * width;
                // SAFETY: `at` saw the room; each head of a column writes channels of its own.
                let dx = unsafe { std::slice::from_raw_parts_mut(out.at(at, width), width) };
                dx.copy_from_slice(row);
            }
        }
    }

    /// Heads each by itself; gives the gradient of the biases.
    fn plain(&self, team: Team<'_>) -> Vec<f32> {
        let one = |image: usize, place: [usize; 2], bias: &mut [f32]| {
            let head = self.head(image, place);
            let mut out = <[Vec<f32>; 3]>::default();
            let dy = self.gradient(image, place);
            on(self.isa, Back { head: &head, dy: &dy, out: &mut out, bias });
            self.store(image, place, &out);
        };
        let heads = self.of.heads;
        let places = heads * self.map.width;
        let place = |i: usize| [i / heads, i % heads];
        let square = self.map.height * self.inputs[self.inputs.len() - 1].1.height;
        let biases = self.of.biases.len() / square;
        if biases == 0 {
            team.run(self.images * places, &|part| {
                one(part / places, place(part % places), &mut []);
            });
            return vec![];
        }
        // What is added to one bias is added by one thread, in one order.
        let mut sums = vec![0.0; self.of.biases.len()];
        let shared = Out::new(&mut sums);
        team.run(biases, &|bias| {
            let room = shared.at(bias * square, square);
            // SAFETY: `at` saw the room; each part has a bias of its own.
            let own = unsafe { std::slice::from_raw_parts_mut(room, square) };
            for image in 0..self.images {
                (bias..places).step_by(biases).for_each(|i| one(image, place(i), own));
            }
        });
        sums
    }

    /// All heads of a column together; gives the gradients of what mixes them.
    fn talked(&self, team: Team<'_>, how: [&[f32]; 2]) -> [Vec<f32>; 2] {
        let (heads, width, size) = (self.of.heads, self.map.width, how[0].len());
        let mut learned = vec![0.0; self.images * width * 2 * size];
        let own = Out::new(&mut learned);
        team.run(self.images * width, &|at| {
            let (image, column) = (at / width, at % width);
            let all: Vec<Head<'_>> = (0..heads).map(|h| self.head(image, [column, h])).collect();
            let dy: Vec<Vec<f32>> = (0..heads).map(|h| self.gradient(image, [column, h])).collect();
            let mut out = vec![<[Vec<f32>; 3]>::default(); heads];
            let room = own.at(at * 2 * size, 2 * size);
            // SAFETY: `at` saw the room; each column has sums of its own.
            let sums = unsafe { std::slice::from_raw_parts_mut(room, 2 * size) };
            let (before, after) = sums.split_at_mut(size);
            let learned = [before, after];
            on(self.isa, talking::Back { heads: &all, how, dy: &dy, out: &mut out, learned });
            for (head, gradients) in out.iter().enumerate() {
                self.store(image, [column, head], gradients);
            }
        });
        summed(&learned, size)
    }
}

/// Where the gradients of queries, keys and values go, when values are `d` channels.
fn places<'a>(dx: &mut [Option<(&mut [f32], &'a Map)>], images: usize, d: usize) -> [Into<'a>; 3] {
    let mut all = dx.iter_mut().map(|dx| {
        let (dx, map) = dx.as_mut()?;
        assert_eq!(dx.len(), images * map.len(), "gradients fill their maps");
        Some((Out::new(dx), *map))
    });
    let (first, second, third) = (all.next().flatten(), all.next(), all.next());
    match (second, third) {
        (Some(second), Some(third)) => {
            [first, second, third].map(|to| to.map(|(out, map)| (out, map, 0)))
        }
        _ => [0, 1, 2].map(|i| first.map(|(out, map)| (out, map, i * d))),
    }
}

/// The sums of both matrices over all columns, in their order.
fn summed(parts: &[f32], size: usize) -> [Vec<f32>; 2] {
    let mut sums = vec![0.0f64; 2 * size];
    for part in parts.chunks_exact(2 * size) {
        sums.iter_mut().zip(part).for_each(|(sum, v)| *sum += f64::from(*v));
    }
    let (before, after) = sums.split_at(size);
    [before, after].map(|part| part.iter().map(|v| *v as f32).collect())
}

struct Back<'a> {
    head: &'a Head<'a>,
    dy: &'a [f32],
    /// Of queries `[S, e]`, keys `[T, e]` and values `[T, d]`.
    out: &'a mut [Vec<f32>; 3],
    /// What the gradient of the bias is added to, or nothing.
    bias: &'a mut [f32],
}

impl Kernel for Back<'_> {
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let ([s, t], [e, d]) = (self.head.tokens, self.head.width);
        let shares = shares(self.head);
        let mut value = vec![0.0; t * d];
        product(&transposed(&shares, t), self.dy, &mut value, d);
        // Of the shares, then of what they were before the softmax.
        let mut inner = vec![0.0; s * t];
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
        let mut query = vec![0.0; s * e];
        product(&inner, &transposed(&self.head.key, t), &mut query, e);
        let mut key = vec![0.0; t * e];
        product(&transposed(&inner, t), &self.head.query, &mut key, e);
        *self.out = [query, key, value];
    }
}
