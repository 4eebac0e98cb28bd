//! The heart of the convolution: a tile of `R` neighbouring pixels times `V` vectors of output
//! channels, summed in registers over the whole kernel.

use crate::simd::Simd;
use crate::{Clamp, Isa};

/// A run of input values that lie together in memory, the same for every pixel of a tile.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Run {
    /// Floats from the pixel's first input value to the run.
    pub(crate) offset: usize,
    /// Floats in the run.
    pub(crate) len: usize,
}

/// Everything a tile reads and writes.
pub(crate) struct Tile<'a> {
    /// First input value of the first pixel.
    pub(crate) input: *const f32,
    /// Floats from one pixel's first input value to the next pixel's.
    pub(crate) step: usize,
    /// The kernel's footprint.
    pub(crate) runs: &'a [Run],
    /// Packed weights: for each input value in run order, the tile's output channels.
    pub(crate) weights: *const f32,
    /// One value for each output channel.
    pub(crate) bias: *const f32,
    /// First pixel's first output channel of this tile.
    pub(crate) out: *mut f32,
    /// Floats between output pixels.
    pub(crate) out_step: usize,
    /// Added before the clamp, laid out like `out`; null for none.
    pub(crate) residual: *const f32,
    /// Floats between residual pixels.
    pub(crate) residual_step: usize,
    /// Applied last.
    pub(crate) clamp: Clamp,
}

/// A tile function for a number of rows and vectors.
pub(crate) type TileFn = unsafe fn(&Tile<'_>);

/// # Safety
/// The pointers in `t` must be good for `R` pixels and `V` vectors, and the instruction set there.
#[inline(always)]
unsafe fn tile<S: Simd, const R: usize, const V: usize>(t: &Tile<'_>) {
    // SAFETY: the caller guarantees the pointers for every offset computed here.
    unsafe {
        let mut sums = [[S::splat(0.0); V]; R];
        let mut w = t.weights;
        for run in t.runs {
            let mut x = t.input.add(run.offset);
            for _ in 0..run.len {
                let mut column = [S::splat(0.0); V];
                for v in 0..V {
                    column[v] = S::load(w.add(v * S::WIDTH));
                }
                for r in 0..R {
                    let value = S::splat(*x.add(r * t.step));
                    for v in 0..V {
                        sums[r][v] = S::fma(value, column[v], sums[r][v]);
                    }
                }
                x = x.add(1);
                w = w.add(V * S::WIDTH);
            }
        }
        let (low, high) = (S::splat(t.clamp.low), S::splat(t.clamp.high));
        for v in 0..V {
            let bias = S::load(t.bias.add(v * S::WIDTH));
            for r in 0..R {
                let mut y = S::add(sums[r][v], bias);
                if !t.residual.is_null() {
                    let at = r * t.residual_step + v * S::WIDTH;
                    y = S::add(y, S::load(t.residual.add(at)));
                }
                let y = S::min(high, S::max(low, y));
                S::store(t.out.add(r * t.out_step + v * S::WIDTH), y);
            }
        }
    }
}

macro_rules! compiled {
    ($name:ident, $simd:ident, $feature:literal) => {
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = $feature)]
        unsafe fn $name<const R: usize, const V: usize>(t: &Tile<'_>) {
            // SAFETY: handed on to the caller.
            unsafe { tile::<crate::simd::$simd, R, V>(t) }
        }
    };
}
compiled!(tile_avx512, Avx512, "avx512f");
compiled!(tile_avx2, Avx2, "avx2,fma");

unsafe fn tile_portable<const R: usize, const V: usize>(t: &Tile<'_>) {
    // SAFETY: handed on to the caller.
    unsafe { tile::<crate::simd::Portable, R, V>(t) }
}

/// Tile functions of `$V` vectors for 1, 2, … rows.
macro_rules! rows {
    ($f:ident, $v:literal, $($r:literal)*) => { &[$($f::<$r, $v>),*] };
}

/// The tiles of one instruction set: how wide panels are, and a function for each number of rows.
pub(crate) struct Tiles {
    /// Floats in a vector.
    pub(crate) width: usize,
    /// For 1, 2, … vectors: the functions for 1, 2, … rows.
    by_vectors: &'static [&'static [TileFn]],
}

#[cfg(target_arch = "x86_64")]
static AVX512: Tiles = Tiles {
    width: 16,
    by_vectors: &[
        rows!(tile_avx512, 1, 1 2 3 4 5 6 7 8 9 10 11 12 13 14),
        rows!(tile_avx512, 2, 1 2 3 4 5 6 7 8 9 10 11 12 13 14),
        rows!(tile_avx512, 3, 1 2 3 4 5 6 7 8 9),
    ],
};
#[cfg(target_arch = "x86_64")]
static AVX2: Tiles = Tiles { width: 8, by_vectors: &[&[], rows!(tile_avx2, 2, 1 2 3 4 5 6)] };
static PORTABLE: Tiles = Tiles { width: 8, by_vectors: &[&[], rows!(tile_portable, 2, 1 2 3 4)] };

impl Tiles {
    /// The tiles of an instruction set.
    pub(crate) fn of(isa: Isa) -> &'static Self {
        match isa {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => &AVX512,
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => &AVX2,
            Isa::Portable => &PORTABLE,
            #[cfg(not(target_arch = "x86_64"))]
            Isa::Avx2 | Isa::Avx512 => &PORTABLE,
        }
    }

    /// Splits `channels` (a multiple of [`crate::LANES`]) into panels: vectors in each.
    ///
    /// Two vectors are best; an odd one out joins its neighbour, or stands alone.
    pub(crate) fn panels(&self, channels: usize) -> Vec<usize> {
        let mut vectors = channels / self.width;
        let mut panels = Vec::new();
        while vectors > 0 {
            let n = match vectors {
                1 => 1,
                3 => 3,
                _ => 2,
            };
            panels.push(n);
            vectors -= n;
        }
        panels
    }

    /// The most rows a tile of that many vectors can have.
    pub(crate) fn most_rows(&self, vectors: usize) -> usize {
        self.by_vectors[vectors - 1].len()
    }

    /// The function for a tile.
    pub(crate) fn get(&self, rows: usize, vectors: usize) -> TileFn {
        self.by_vectors[vectors - 1][rows - 1]
    }
}
