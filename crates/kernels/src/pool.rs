//! Pooling. Windows are clipped to the map, so borders do not matter here.

use crate::dispatch::{Kernel, on};
use crate::simd::{Number, Simd};
use crate::slice::typed;
use crate::team::{Out, Team};
use crate::{Isa, LANES, Map, PadSides, Slice, SliceMut};

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
pub(crate) struct Clipped {
    pub(crate) rows: std::ops::Range<usize>,
    pub(crate) columns: std::ops::Range<usize>,
    pub(crate) padded: usize,
}

impl Pool {
    pub(crate) fn clip(&self, input: &Map, oy: usize, ox: usize) -> Clipped {
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

/// What is done with the values of a window.
trait Fold: Copy + Sync {
    const START: f32;
    fn fold(sum: f32, value: f32) -> f32;
    fn finish(self, sum: f32, window: &Clipped) -> f32;
}

#[derive(Clone, Copy)]
struct Max;

impl Fold for Max {
    const START: f32 = f32::NEG_INFINITY;
    #[inline(always)]
    fn fold(sum: f32, value: f32) -> f32 {
        if value > sum || value.is_nan() { value } else { sum }
    }
    #[inline(always)]
    fn finish(self, sum: f32, _: &Clipped) -> f32 {
        sum
    }
}

#[derive(Clone, Copy)]
struct Mean {
    count_pad: bool,
}

impl Fold for Mean {
    const START: f32 = 0.0;
    #[inline(always)]
    fn fold(sum: f32, value: f32) -> f32 {
        sum + value
    }
    #[inline(always)]
    fn finish(self, sum: f32, window: &Clipped) -> f32 {
        let inside = window.rows.len() * window.columns.len();
        sum / if self.count_pad { window.padded } else { inside } as f32
    }
}

struct Job<'a, X, Y, F> {
    pool: &'a Pool,
    fold: F,
    x: &'a [X],
    input: &'a Map,
    y: Out<Y>,
    output: &'a Map,
}

/// One row of output.
#[inline(always)]
fn row<X: Number, Y: Number, F: Fold>(job: &Job<'_, X, Y, F>, oy: usize) {
    for ox in 0..job.output.width {
        let window = job.pool.clip(job.input, oy, ox);
        let to = job.output.at(oy, ox);
        for c in (0..job.output.channels).step_by(LANES) {
            let mut sums = [F::START; LANES];
            for iy in window.rows.clone() {
                for ix in window.columns.clone() {
                    let values = &job.x[job.input.at(iy, ix) + c..][..LANES];
                    for (sum, value) in sums.iter_mut().zip(values) {
                        *sum = F::fold(*sum, value.value());
                    }
                }
            }
            let means = sums.map(|sum| Y::of(job.fold.finish(sum, &window)));
            // SAFETY: `at` saw that there is room; rows are shared out, so nobody else writes here.
            unsafe { job.y.at(to + c, LANES).cast::<[Y; LANES]>().write_unaligned(means) };
        }
    }
}

struct Row<'a, X, Y, F> {
    job: &'a Job<'a, X, Y, F>,
    oy: usize,
}

impl<X: Number, Y: Number, F: Fold> Kernel for Row<'_, X, Y, F> {
    // The compiler makes vectors of it, as wide as the function it melts into may have.
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        row(self.job, self.oy);
    }
}

fn windows<F: Fold>(
    (isa, team): (Isa, Team<'_>),
    pool: &Pool,
    fold: F,
    x: Slice<'_>,
    input: &Map,
    y: SliceMut<'_>,
    output: &Map,
) {
    assert_eq!(input.channels, output.channels, "the same channels");
    assert!(input.stride.is_multiple_of(LANES), "whole vectors of channels");
    assert!(output.stride.is_multiple_of(LANES), "whole vectors of channels");
    typed!(x, y, |x, y| {
        assert_eq!(x.len(), input.len(), "input data fills its map");
        assert_eq!(y.len(), output.len(), "output data fills its map");
        let job = Job { pool, fold, x, input, y: Out::new(y), output };
        let tall = output.height.div_ceil(team.threads());
        team.run(output.height.div_ceil(tall), &|part| {
            for oy in part * tall..output.height.min((part + 1) * tall) {
                on(isa, Row { job: &job, oy });
            }
        });
    });
}

impl Pool {
    /// Largest value of each window.
    ///
    /// # Panics
    /// When slices or channels do not fit the maps.
    pub fn max(
        &self,
        on: (Isa, Team<'_>),
        x: Slice<'_>,
        input: &Map,
        y: SliceMut<'_>,
        output: &Map,
    ) {
        windows(on, self, Max, x, input, y, output);
    }

    /// Mean of each window; the divisor counts the padding or not.
    ///
    /// # Panics
    /// When slices or channels do not fit the maps.
    pub fn mean(
        &self,
        on: (Isa, Team<'_>),
        count_pad: bool,
        x: Slice<'_>,
        input: &Map,
        y: SliceMut<'_>,
        output: &Map,
    ) {
        windows(on, self, Mean { count_pad }, x, input, y, output);
    }

    /// A window as large as a map.
    pub fn all_of(input: &Map) -> Self {
        Self { size: [input.height, input.width], stride: [1, 1], pad: PadSides::default() }
    }
}
