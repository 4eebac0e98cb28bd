//! Pooling. Windows are clipped to the map, so borders do not matter here.

use crate::{LANES, Map, PadSides};

/// A pooling window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pool {
    /// Extent `[kh, kw]`.
    pub size: [usize; 2],
    /// Step `[sh, sw]`.
    pub stride: [usize; 2],
    /// Padding; only its geometry counts, no value of it is read.
    pub pad: PadSides,
}

/// The part of a window that lies in the map, and its places in the map with padding.
struct Clipped {
    rows: std::ops::Range<usize>,
    columns: std::ops::Range<usize>,
    padded: usize,
}

impl Pool {
    fn clip(&self, input: &Map, oy: usize, ox: usize) -> Clipped {
        let axis = |o: usize, i: usize, extent: usize, before: usize, after: usize| {
            let start = o * self.stride[i];
            let end = (start + self.size[i]).min(extent + before + after);
            let inside = start.saturating_sub(before)..end.saturating_sub(before).min(extent);
            (inside, end - start)
        };
        let (rows, h) = axis(oy, 0, input.height, self.pad.top, self.pad.bottom);
        let (columns, w) = axis(ox, 1, input.width, self.pad.left, self.pad.right);
        Clipped { rows, columns, padded: h * w }
    }
}

fn windows(
    pool: &Pool,
    x: &[f32],
    input: &Map,
    y: &mut [f32],
    output: &Map,
    start: f32,
    fold: impl Fn(&mut [f32; LANES], &[f32]) + Copy,
    finish: impl Fn(f32, &Clipped) -> f32,
) {
    assert_eq!(x.len(), input.len(), "input data fills its map");
    assert_eq!(y.len(), output.len(), "output data fills its map");
    assert_eq!(input.stride, output.stride, "the same channels");
    assert_eq!(input.stride % LANES, 0, "whole vectors of channels");
    for oy in 0..output.height {
        for ox in 0..output.width {
            let window = pool.clip(input, oy, ox);
            let to = output.at(oy, ox);
            for c in (0..input.stride).step_by(LANES) {
                let mut sums = [start; LANES];
                for iy in window.rows.clone() {
                    for ix in window.columns.clone() {
                        fold(&mut sums, &x[input.at(iy, ix) + c..][..LANES]);
                    }
                }
                for (out, sum) in y[to + c..][..LANES].iter_mut().zip(sums) {
                    *out = finish(sum, &window);
                }
            }
        }
    }
}

/// Largest value of each window.
///
/// # Panics
/// When slices or channels do not fit the maps.
pub fn max_pool(pool: &Pool, x: &[f32], input: &Map, y: &mut [f32], output: &Map) {
    let larger = |best: &mut [f32; LANES], values: &[f32]| {
        for (b, v) in best.iter_mut().zip(values) {
            *b = if *v > *b || v.is_nan() { *v } else { *b };
        }
    };
    windows(pool, x, input, y, output, f32::NEG_INFINITY, larger, |best, _| best);
}

/// Mean of each window; the divisor counts the padding or not.
///
/// # Panics
/// When slices or channels do not fit the maps.
pub fn avg_pool(pool: &Pool, count_pad: bool, x: &[f32], input: &Map, y: &mut [f32], output: &Map) {
    windows(pool, x, input, y, output, 0.0, add_lanes, |sum, window| {
        let inside = window.rows.len() * window.columns.len();
        sum / if count_pad { window.padded } else { inside } as f32
    });
}

fn add_lanes(sums: &mut [f32; LANES], values: &[f32]) {
    for (s, v) in sums.iter_mut().zip(values) {
        *s += v;
    }
}

/// Mean over all pixels: a map to a map of one pixel.
///
/// # Panics
/// When slices or channels do not fit the maps.
pub fn global_avg_pool(x: &[f32], input: &Map, y: &mut [f32], output: &Map) {
    let all = Pool { size: [input.height, input.width], stride: [1, 1], pad: PadSides::default() };
    avg_pool(&all, false, x, input, y, output);
}
