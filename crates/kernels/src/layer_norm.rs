//! Layer norm over the channels of each pixel (Ba et al. 2016; over channels as in `ConvNeXt`).

use crate::dispatch::{Kernel, on};
use crate::simd::{Number, Simd};
use crate::slice::typed;
use crate::team::{Out, Team};
use crate::{Isa, LANES, Map, Slice, SliceMut};

/// What a layer norm multiplies by and adds, `[C]` each, and what it adds to the variance.
#[derive(Debug, Clone, Copy)]
pub struct LayerNorm<'a> {
    /// Scale.
    pub weight: &'a [f32],
    /// Offset.
    pub bias: &'a [f32],
    /// Added to the variance.
    pub eps: f32,
}

/// Gradients of a layer norm's parameters, `[C]`.
#[derive(Debug, Clone, Default)]
pub struct LayerNormBackward {
    /// Of the scale.
    pub weight: Vec<f32>,
    /// Of the offset.
    pub bias: Vec<f32>,
}

impl LayerNorm<'_> {
    /// Normalises each pixel of `x` into `y`.
    ///
    /// # Panics
    /// When slices or channels do not fit the maps.
    pub fn run(
        &self,
        on: (Isa, Team<'_>),
        x: Slice<'_>,
        input: &Map,
        y: SliceMut<'_>,
        output: &Map,
    ) {
        let shape = |m: &Map| (m.channels, m.height, m.width);
        assert_eq!(shape(input), shape(output), "maps of one shape");
        assert_eq!((self.weight.len(), self.bias.len()), (input.channels, input.channels));
        typed!(x, y, |x, y| self.rows(on, x, input, y, output));
    }

    fn rows<X: Number, Y: Number>(
        &self,
        (isa, team): (Isa, Team<'_>),
        x: &[X],
        input: &Map,
        y: &mut [Y],
        output: &Map,
    ) {
        assert_eq!((x.len(), y.len()), (input.len(), output.len()), "values fill their maps");
        let out = Out::new(y);
        team.run(input.height, &|row| {
            let x = &x[input.at(row, 0)..][..input.width * input.stride];
            let len = output.width * output.stride;
            // SAFETY: `at` saw the room; each row belongs to one part.
            let y = unsafe { std::slice::from_raw_parts_mut(out.at(output.at(row, 0), len), len) };
            on(isa, Forward { norm: *self, x, y, strides: [input.stride, output.stride] });
        });
    }

    /// In place, from the gradient of the result to that of the input `x`; the parameters' gradients.
    ///
    /// # Panics
    /// When slices do not fit the maps.
    pub fn backward(
        &self,
        (isa, team): (Isa, Team<'_>),
        images: usize,
        (x, input): (&[f32], &Map),
        (dy, map): (&mut [f32], &Map),
    ) -> LayerNormBackward {
        assert_eq!(x.len(), images * input.len(), "values fill their maps");
        assert_eq!(dy.len(), images * map.len(), "gradients fill their maps");
        let channels = map.channels;
        let mut partial = vec![0.0f32; images * 2 * channels];
        let (out, sums) = (Out::new(dy), Out::new(&mut partial));
        team.run(images, &|image| {
            let at = sums.at(image * 2 * channels, 2 * channels);
            // SAFETY: `at` saw the room; each image belongs to one part.
            let sums = unsafe { std::slice::from_raw_parts_mut(at, 2 * channels) };
            for row in 0..map.height {
                let x = &x[image * input.len() + input.at(row, 0)..][..input.width * input.stride];
                let len = map.width * map.stride;
                let at = out.at(image * map.len() + map.at(row, 0), len);
                // SAFETY: as above.
                let dy = unsafe { std::slice::from_raw_parts_mut(at, len) };
                let strides = [input.stride, map.stride];
                on(isa, Backward { norm: *self, x, dy, sums: &mut *sums, strides });
            }
        });
        let mut all = vec![0.0f64; 2 * channels];
        for image in partial.chunks_exact(2 * channels) {
            all.iter_mut().zip(image).for_each(|(a, v)| *a += f64::from(*v));
        }
        let mut weight: Vec<f32> = all.into_iter().map(|v| v as f32).collect();
        let bias = weight.split_off(channels);
        LayerNormBackward { weight, bias }
    }
}

/// Sum in [`LANES`] parts, so that it becomes vectors.
#[inline(always)]
fn sum<T: Copy>(values: &[T], f: impl Fn(T) -> f32) -> f32 {
    let mut lanes = [0.0f32; LANES];
    let chunks = values.chunks_exact(LANES);
    let rest: f32 = chunks.remainder().iter().map(|v| f(*v)).sum();
    for chunk in chunks {
        lanes.iter_mut().zip(chunk).for_each(|(s, v)| *s += f(*v));
    }
    rest + lanes.iter().sum::<f32>()
}

/// Mean and one over the deviation.
#[inline(always)]
fn moments<T: Number>(x: &[T], eps: f32) -> (f32, f32) {
    let n = x.len() as f32;
    let mean = sum(x, T::value) / n;
    let var = sum(x, |v| (v.value() - mean) * (v.value() - mean)) / n;
    (mean, 1.0 / (var + eps).sqrt())
}

struct Forward<'a, X, Y> {
    norm: LayerNorm<'a>,
    x: &'a [X],
    y: &'a mut [Y],
    strides: [usize; 2],
}

impl<X: Number, Y: Number> Kernel for Forward<'_, X, Y> {
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let LayerNorm { weight, bias, eps } = self.norm;
        let pixels = self.x.chunks_exact(self.strides[0]);
        for (x, y) in pixels.zip(self.y.chunks_exact_mut(self.strides[1])) {
            let x = &x[..weight.len()];
            let (mean, inverse) = moments(x, eps);
            let (own, spare) = y.split_at_mut(weight.len());
            for (y, (x, (w, b))) in own.iter_mut().zip(x.iter().zip(weight.iter().zip(bias))) {
                *y = Y::of((x.value() - mean) * inverse * w + b);
            }
            spare.fill(Y::of(0.0));
        }
    }
}

struct Backward<'a> {
    norm: LayerNorm<'a>,
    x: &'a [f32],
    dy: &'a mut [f32],
    /// Of the weight, then of the bias.
    sums: &'a mut [f32],
    strides: [usize; 2],
}

impl Kernel for Backward<'_> {
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let LayerNorm { weight, eps, .. } = self.norm;
        let n = weight.len();
        let (weights, biases) = self.sums.split_at_mut(n);
        let mut normal = vec![0.0f32; n];
        let pixels = self.x.chunks_exact(self.strides[0]);
        for (x, dy) in pixels.zip(self.dy.chunks_exact_mut(self.strides[1])) {
            let (x, dy) = (&x[..n], &mut dy[..n]);
            let (mean, inverse) = moments(x, eps);
            normal.iter_mut().zip(x).for_each(|(h, x)| *h = (x - mean) * inverse);
            for i in 0..n {
                weights[i] += dy[i] * normal[i];
                biases[i] += dy[i];
                dy[i] *= weight[i];
            }
            let first = sum(dy, |d| d) / n as f32;
            let mut products = [0.0f32; LANES];
            for (i, (d, h)) in dy.iter().zip(&normal).enumerate() {
                products[i % LANES] += d * h;
            }
            let second = products.iter().sum::<f32>() / n as f32;
            for (d, h) in dy.iter_mut().zip(&normal) {
                *d = inverse * (*d - first - h * second);
            }
        }
    }
}
