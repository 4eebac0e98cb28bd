//! Maps as sequences of tokens. A sequence of `T` vectors of length `D` is a map `[D, T, 1]`.

use crate::simd::Number;
use crate::slice::typed;
use crate::{Map, Slice, SliceMut};

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
