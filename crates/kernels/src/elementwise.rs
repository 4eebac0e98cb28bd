//! Layers that look at one pixel at a time.

use crate::conv::aligned_padded;
use crate::simd::Number;
use crate::slice::typed;
use crate::{Aligned, Clamp, LANES, Map, Slice, SliceMut};

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
    pub fn run(&self, x: Slice<'_>, input: &Map, y: SliceMut<'_>, output: &Map) {
        let (scale, shift) = (self.scale.as_slice(), self.shift.as_slice());
        assert_eq!(input.channels.next_multiple_of(LANES), scale.len(), "channels");
        each_pixel(x, input, y, output, |from, to| {
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

/// Calls `f` with each pixel's channels of two maps of one height and width, as `f32`: what was in
/// `y` before is there to read.
fn each_pixel(
    x: Slice<'_>,
    input: &Map,
    y: SliceMut<'_>,
    output: &Map,
    f: impl FnMut(&[f32], &mut [f32]),
) {
    typed!(x, y, |x, y| pixels(x, input, y, output, f));
}

fn pixels<X: Number, Y: Number>(
    x: &[X],
    input: &Map,
    y: &mut [Y],
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
    let (mut from, mut to) = (vec![0.0; input.stride], vec![0.0; output.stride]);
    for row in 0..input.height {
        for column in 0..input.width {
            let x = &x[input.at(row, column)..][..input.stride];
            let y = &mut y[output.at(row, column)..][..output.stride];
            from.iter_mut().zip(x).for_each(|(a, b)| *a = b.value());
            to.iter_mut().zip(&*y).for_each(|(a, b)| *a = b.value());
            f(&from, &mut to);
            y.iter_mut().zip(&to).for_each(|(a, b)| *a = Y::of(*b));
        }
    }
}

/// `min(max(x, low), high)` of every value.
///
/// # Panics
/// When slices do not fit the maps.
pub fn clamp(clamp: Clamp, x: Slice<'_>, input: &Map, y: SliceMut<'_>, output: &Map) {
    assert_eq!(input.channels, output.channels, "the same channels");
    each_pixel(x, input, y, output, |from, to| {
        for (y, x) in to.iter_mut().zip(from) {
            *y = clamped(*x, clamp);
        }
    });
}

/// Adds `x` onto `y`.
///
/// # Panics
/// When slices do not fit the maps.
pub fn add(x: Slice<'_>, input: &Map, y: SliceMut<'_>, output: &Map) {
    assert_eq!(input.channels, output.channels, "the same channels");
    each_pixel(x, input, y, output, |from, to| {
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
pub fn copy_channels(x: Slice<'_>, input: &Map, y: SliceMut<'_>, output: &Map, first: usize) {
    let n = input.channels;
    assert!(first + n <= output.channels, "channels fit");
    each_pixel(x, input, y, output, |from, to| {
        to[first..first + n].copy_from_slice(&from[..n]);
        to[output.channels..].fill(0.0);
    });
}

/// Copies as many of `x`'s channels as `y` has, the first from `first`.
///
/// # Panics
/// When slices or channels do not fit the maps.
pub fn slice_channels(first: usize, x: Slice<'_>, input: &Map, y: SliceMut<'_>, output: &Map) {
    let n = output.channels;
    assert!(first + n <= input.channels, "channels fit");
    each_pixel(x, input, y, output, |from, to| {
        to[..n].copy_from_slice(&from[first..first + n]);
        to[n..].fill(0.0);
    });
}

/// Channels seen as `[groups, C / groups]` and transposed. With `C / groups` groups it is undone.
///
/// # Panics
/// When slices or channels do not fit the maps, or the groups the channels.
pub fn shuffle_channels(groups: usize, x: Slice<'_>, input: &Map, y: SliceMut<'_>, output: &Map) {
    assert_eq!(input.channels, output.channels, "the same channels");
    assert!(output.channels.is_multiple_of(groups), "groups of one size");
    let each = output.channels / groups;
    each_pixel(x, input, y, output, |from, to| {
        let (own, spare) = to.split_at_mut(output.channels);
        for (group, from) in from.chunks_exact(each).take(groups).enumerate() {
            let places = own.iter_mut().skip(group).step_by(groups);
            places.zip(from).for_each(|(y, x)| *y = *x);
        }
        spare.fill(0.0);
    });
}

/// Local response normalisation over `size` channels (odd) around each.
///
/// # Panics
/// When slices or channels do not fit the maps.
pub fn lrn(
    size: usize,
    [alpha, beta, k]: [f32; 3],
    x: Slice<'_>,
    input: &Map,
    y: SliceMut<'_>,
    output: &Map,
) {
    assert_eq!(input.channels, output.channels, "the same channels");
    let channels = input.channels;
    each_pixel(x, input, y, output, |from, to| {
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
pub fn softmax(x: Slice<'_>, input: &Map, y: SliceMut<'_>, output: &Map) {
    assert_eq!(input.channels, output.channels, "the same channels");
    let channels = input.channels;
    each_pixel(x, input, y, output, |from, to| {
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
