//! Batch norm with the statistics of the batch, forward and backward (Ioffe and Szegedy 2015,
//! algorithm 1 and section 3).

use std::sync::Mutex;

use crate::dispatch::{Kernel, on};
use crate::simd::Simd;
use crate::team::{Out, Team};
use crate::{Clamp, Isa, LANES, Map};

/// What a batch says of each channel, `[C]` rounded up to whole vectors.
#[derive(Debug, Clone, Default)]
pub struct BatchStats {
    /// Mean over images and pixels.
    pub mean: Vec<f32>,
    /// Variance, divided by the number of values (not one less).
    pub var: Vec<f32>,
}

/// Rows of maps in one partial sum: short enough for `f32`, and always the same, so that sums do not
/// depend on threads.
const ROWS: usize = 8;

/// Adds what one row, of an image, says onto sums.
type Line<'a> = dyn Fn(Isa, usize, usize, &mut [f32]) + Sync + 'a;

/// Sums two numbers for each channel over all pixels: `line` adds those of one row onto `[2][lanes]`.
fn sums((isa, team): (Isa, Team<'_>), images: usize, map: &Map, line: &Line<'_>) -> Vec<f64> {
    let lanes = map.channels.next_multiple_of(LANES);
    let total = images * map.height;
    let parts = total.div_ceil(ROWS);
    let partial = Mutex::new(vec![Vec::new(); parts]);
    team.run(parts, &|part| {
        let mut sums = vec![0.0; 2 * lanes];
        for row in part * ROWS..total.min((part + 1) * ROWS) {
            line(isa, row / map.height, row % map.height, &mut sums);
        }
        // Of poisoning nothing is to be feared: whoever panicked ends the step anyway.
        partial.lock().unwrap_or_else(std::sync::PoisonError::into_inner)[part] = sums;
    });
    let mut all = vec![0.0; 2 * lanes];
    for part in partial.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner) {
        all.iter_mut().zip(part).for_each(|(a, b)| *a += f64::from(b));
    }
    all
}

/// Mean and variance of each channel.
///
/// # Panics
/// When `x` does not fill the maps.
pub fn norm_stats(on_: (Isa, Team<'_>), images: usize, (x, map): (&[f32], &Map)) -> BatchStats {
    assert_eq!(x.len(), images * map.len(), "values fill their maps");
    let lanes = map.channels.next_multiple_of(LANES);
    // Taken off first, so that squares do not cancel.
    let pivot = &x[map.at(0, 0)..][..lanes];
    let line = |isa: Isa, image: usize, row: usize, sums: &mut [f32]| {
        let row = &x[image * map.len() + map.at(row, 0)..][..map.width * map.stride];
        on(isa, Moments { row, stride: map.stride, pivot, sums });
    };
    let sums = sums(on_, images, map, &line);
    let n = (images * map.pixels()) as f64;
    let (mut mean, mut var) = (Vec::with_capacity(lanes), Vec::with_capacity(lanes));
    for c in 0..lanes {
        let (first, second) = (sums[c] / n, sums[lanes + c] / n);
        mean.push((f64::from(pivot[c]) + first) as f32);
        var.push((second - first * first).max(0.0) as f32);
    }
    BatchStats { mean, var }
}

struct Moments<'a> {
    row: &'a [f32],
    stride: usize,
    pivot: &'a [f32],
    sums: &'a mut [f32],
}

impl Kernel for Moments<'_> {
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let lanes = self.pivot.len();
        let (first, second) = self.sums.split_at_mut(lanes);
        for pixel in self.row.chunks_exact(self.stride) {
            for (((a, b), x), p) in
                first.iter_mut().zip(second.iter_mut()).zip(&pixel[..lanes]).zip(self.pivot)
            {
                let x = x - p;
                *a += x;
                *b += x * x;
            }
        }
    }
}

/// `y = clamp(x * scale + shift)` for each channel; `scale` and `shift` are rounded up to whole
/// vectors. Borders of `y` are not touched.
///
/// # Panics
/// When slices do not fit the maps.
pub fn norm_forward(
    (isa, team): (Isa, Team<'_>),
    images: usize,
    (scale, shift, clamp): (&[f32], &[f32], Clamp),
    (x, input): (&[f32], &Map),
    (y, output): (&mut [f32], &Map),
) {
    assert_eq!(x.len(), images * input.len(), "values fill their maps");
    assert_eq!(y.len(), images * output.len(), "values fill their maps");
    assert_eq!((input.height, input.width), (output.height, output.width), "one size");
    let y = Out::new(y);
    let len = output.width * output.stride;
    rows(team, images, input, &|image, row| {
        let from = &x[image * input.len() + input.at(row, 0)..][..input.width * input.stride];
        let to = y.at(image * output.len() + output.at(row, 0), len);
        // SAFETY: `at` saw the room; each row belongs to one part.
        let to = unsafe { std::slice::from_raw_parts_mut(to, len) };
        on(isa, Forward { from, strides: [input.stride, output.stride], scale, shift, clamp, to });
    });
}

/// Calls `line` for each row of each image.
pub(crate) fn rows(team: Team<'_>, images: usize, map: &Map, line: &(dyn Fn(usize, usize) + Sync)) {
    team.run(images, &|image| (0..map.height).for_each(|row| line(image, row)));
}

struct Forward<'a> {
    from: &'a [f32],
    strides: [usize; 2],
    scale: &'a [f32],
    shift: &'a [f32],
    clamp: Clamp,
    to: &'a mut [f32],
}

impl Kernel for Forward<'_> {
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let lanes = self.scale.len();
        let Clamp { low, high } = self.clamp;
        let pixels = self.from.chunks_exact(self.strides[0]);
        for (x, y) in pixels.zip(self.to.chunks_exact_mut(self.strides[1])) {
            for (((y, x), a), b) in
                y[..lanes].iter_mut().zip(&x[..lanes]).zip(self.scale).zip(self.shift)
            {
                let v = x * a + b;
                let v = if v < low { low } else { v };
                *y = if v > high { high } else { v };
            }
        }
    }
}

/// What a norm needs to know going backward, `[C]` each, rounded up to whole vectors.
#[derive(Debug)]
pub struct NormBackward {
    /// `Σ dy`: gradient of the offset.
    pub bias: Vec<f32>,
    /// `Σ dy · x̂`: gradient of the scale.
    pub weight: Vec<f32>,
}

/// Turns the gradient of a norm's output into that of its input, in place, and gives the gradients of
/// offset and scale. `scale` is the learned one, `inverse` is `1 / sqrt(var + eps)`.
///
/// # Panics
/// When slices do not fit the maps.
pub fn norm_backward(
    on_: (Isa, Team<'_>),
    images: usize,
    (stats, inverse, scale): (&BatchStats, &[f32], &[f32]),
    (x, input): (&[f32], &Map),
    (dy, gradient): (&mut [f32], &Map),
) -> NormBackward {
    assert_eq!(x.len(), images * input.len(), "values fill their maps");
    assert_eq!(dy.len(), images * gradient.len(), "gradients fill their maps");
    assert_eq!((input.height, input.width), (gradient.height, gradient.width), "one size");
    let lanes = inverse.len();
    let mean = &stats.mean[..];
    let read: &[f32] = dy;
    let line = |isa: Isa, image: usize, row: usize, sums: &mut [f32]| {
        let x = &x[image * input.len() + input.at(row, 0)..][..input.width * input.stride];
        let at = image * gradient.len() + gradient.at(row, 0);
        let dy = &read[at..][..gradient.width * gradient.stride];
        on(isa, Products { x, dy, strides: [input.stride, gradient.stride], mean, sums });
    };
    let sums = sums(on_, images, gradient, &line);
    let n = (images * input.pixels()) as f64;
    // dx = a·dy + b·x + c
    let (mut a, mut b, mut c) = (vec![0.0; lanes], vec![0.0; lanes], vec![0.0; lanes]);
    let (mut bias, mut weight) = (vec![0.0; lanes], vec![0.0; lanes]);
    for i in 0..lanes {
        let inverse = f64::from(inverse[i]);
        let (sum, product) = (sums[i], sums[lanes + i] * inverse);
        (bias[i], weight[i]) = (sum as f32, product as f32);
        let outer = f64::from(scale[i]) * inverse;
        let slope = -outer * product / n * inverse;
        a[i] = outer as f32;
        b[i] = slope as f32;
        c[i] = (-outer * sum / n - slope * f64::from(mean[i])) as f32;
    }
    let dy = Out::new(dy);
    let len = gradient.width * gradient.stride;
    rows(on_.1, images, gradient, &|image, row| {
        let x = &x[image * input.len() + input.at(row, 0)..][..input.width * input.stride];
        let to = dy.at(image * gradient.len() + gradient.at(row, 0), len);
        // SAFETY: `at` saw the room; each row belongs to one part.
        let dy = unsafe { std::slice::from_raw_parts_mut(to, len) };
        let strides = [input.stride, gradient.stride];
        on(on_.0, Inputs { x, dy, strides, factors: [&a, &b, &c] });
    });
    NormBackward { bias, weight }
}

struct Products<'a> {
    x: &'a [f32],
    dy: &'a [f32],
    strides: [usize; 2],
    mean: &'a [f32],
    sums: &'a mut [f32],
}

impl Kernel for Products<'_> {
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let lanes = self.mean.len();
        let (first, second) = self.sums.split_at_mut(lanes);
        let pixels = self.x.chunks_exact(self.strides[0]);
        for (x, dy) in pixels.zip(self.dy.chunks_exact(self.strides[1])) {
            let values = x[..lanes].iter().zip(&dy[..lanes]).zip(self.mean);
            for ((a, b), ((x, dy), m)) in first.iter_mut().zip(second.iter_mut()).zip(values) {
                *a += dy;
                *b += dy * (x - m);
            }
        }
    }
}

struct Inputs<'a> {
    x: &'a [f32],
    dy: &'a mut [f32],
    strides: [usize; 2],
    factors: [&'a [f32]; 3],
}

impl Kernel for Inputs<'_> {
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let [a, b, c] = self.factors;
        let lanes = a.len();
        let pixels = self.x.chunks_exact(self.strides[0]);
        for (x, dy) in pixels.zip(self.dy.chunks_exact_mut(self.strides[1])) {
            let values = x[..lanes].iter().zip(a).zip(b).zip(c);
            for (dy, (((x, a), b), c)) in dy[..lanes].iter_mut().zip(values) {
                *dy = a * *dy + b * x + c;
            }
        }
    }
}
