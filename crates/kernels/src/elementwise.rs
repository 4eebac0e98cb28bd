//! Layers that look at one pixel at a time.

use crate::conv::aligned_padded;
use crate::{Aligned, Clamp, LANES, Map};

/// A batch norm that no convolution could take in: `x * scale + shift` for each channel, clamped.
pub struct Affine {
    scale: Aligned,
    shift: Aligned,
    clamp: Clamp,
}

impl Affine {
    /// From one scale and one shift for each channel.
    pub fn new(scale: &[f32], shift: &[f32], clamp: Clamp) -> Self {
        Self { scale: aligned_padded(scale), shift: aligned_padded(shift), clamp }
    }

    /// Applies it to `x`, into `y`.
    ///
    /// # Panics
    /// When slices or channels do not fit the maps.
    pub fn run(&self, x: &[f32], input: &Map, y: &mut [f32], output: &Map) {
        let lanes = self.scale.as_slice().len();
        assert_eq!((input.stride, output.stride), (lanes, lanes), "whole vectors of channels");
        let (scale, shift) = (self.scale.as_slice(), self.shift.as_slice());
        pixels(x, input, y, output, |from, to| {
            for (((y, x), a), b) in to.iter_mut().zip(from).zip(scale).zip(shift) {
                *y = clamped(x * a + b, self.clamp);
            }
        });
    }
}

fn clamped(x: f32, clamp: Clamp) -> f32 {
    // Written so that a NaN stays one.
    let x = if x < clamp.low { clamp.low } else { x };
    if x > clamp.high { clamp.high } else { x }
}

/// Calls `f` with each pixel's channels of two maps of one height and width.
fn pixels(
    x: &[f32],
    input: &Map,
    y: &mut [f32],
    output: &Map,
    mut f: impl FnMut(&[f32], &mut [f32]),
) {
    assert_eq!(x.len(), input.len(), "input data fills its map");
    assert_eq!(y.len(), output.len(), "output data fills its map");
    assert_eq!(
        (input.height, input.width),
        (output.height, output.width),
        "maps of one height and width"
    );
    for row in 0..input.height {
        for column in 0..input.width {
            let (from, to) = (input.at(row, column), output.at(row, column));
            f(&x[from..from + input.stride], &mut y[to..to + output.stride]);
        }
    }
}

/// `min(max(x, low), high)` of every value.
///
/// # Panics
/// When slices do not fit the maps.
pub fn clamp(clamp: Clamp, x: &[f32], input: &Map, y: &mut [f32], output: &Map) {
    assert_eq!(input.stride, output.stride, "the same channels");
    pixels(x, input, y, output, |from, to| {
        for (y, x) in to.iter_mut().zip(from) {
            *y = clamped(*x, clamp);
        }
    });
}

/// Adds `x` onto `y`.
///
/// # Panics
/// When slices do not fit the maps.
pub fn add(x: &[f32], input: &Map, y: &mut [f32], output: &Map) {
    assert_eq!(input.stride, output.stride, "the same channels");
    pixels(x, input, y, output, |from, to| {
        for (y, x) in to.iter_mut().zip(from) {
            *y += x;
        }
    });
}

/// Copies `x`'s channels into `y`, the first at `first`; clears the spare channels of `y` behind
/// its last real one.
///
/// # Panics
/// When slices or channels do not fit the maps.
pub fn copy_channels(x: &[f32], input: &Map, y: &mut [f32], output: &Map, first: usize) {
    let n = input.channels;
    assert!(first + n <= output.channels, "channels fit");
    pixels(x, input, y, output, |from, to| {
        to[first..first + n].copy_from_slice(&from[..n]);
        to[output.channels..].fill(0.0);
    });
}

/// Local response normalisation over `size` channels (odd) around each.
///
/// # Panics
/// When slices or channels do not fit the maps.
pub fn lrn(
    size: usize,
    [alpha, beta, k]: [f32; 3],
    x: &[f32],
    input: &Map,
    y: &mut [f32],
    output: &Map,
) {
    assert_eq!(input.stride, output.stride, "the same channels");
    let channels = input.channels;
    pixels(x, input, y, output, |from, to| {
        for c in 0..channels {
            let near = &from[c.saturating_sub(size / 2)..(c + size / 2 + 1).min(channels)];
            let sum: f32 = near.iter().map(|v| v * v).sum();
            to[c] = from[c] / (k + alpha / size as f32 * sum).powf(beta);
        }
        to[channels..].fill(0.0);
    });
}

/// `exp(x) / Σ exp(x)` over the channels of each pixel.
///
/// # Panics
/// When slices or channels do not fit the maps.
pub fn softmax(x: &[f32], input: &Map, y: &mut [f32], output: &Map) {
    assert_eq!(input.stride, output.stride, "the same channels");
    let channels = input.channels;
    pixels(x, input, y, output, |from, to| {
        let top = from[..channels].iter().copied().fold(f32::NEG_INFINITY, f32::max);
        for (y, x) in to.iter_mut().zip(&from[..channels]) {
            *y = (x - top).exp();
        }
        let sum: f32 = to[..channels].iter().sum();
        for y in &mut to[..channels] {
            *y /= sum;
        }
        to[channels..].fill(0.0);
    });
}

const _: () = assert!(LANES == 16, "`Aligned` lines and vectors agree");
