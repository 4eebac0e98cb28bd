//! The heart of the convolution: a tile of `R` neighbouring pixels times `V` vectors of output
//! channels, summed in registers over the whole kernel.

use crate::simd::{self, Number, Simd};
use crate::{Clamp, Isa};

/// A run of input values that lie together in memory, the same for every pixel of a tile.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Run {
    /// Numbers from the pixel's first input value to the run.
    pub(crate) offset: usize,
    /// Numbers in the run, whole words.
    pub(crate) len: usize,
}

/// Everything a tile reads (`X`) and writes (`Y`). Offsets and steps count numbers.
pub(crate) struct Tile<'a, X, Y> {
    /// First input value of the first pixel.
    pub(crate) input: *const X,
    /// From one pixel's first input value to the next pixel's.
    pub(crate) step: usize,
    /// The kernel's footprint.
    pub(crate) runs: &'a [Run],
    /// Packed weights: for each word of input in run order, a word for each of the tile's output
    /// channels.
    pub(crate) weights: *const X,
    /// One value for each output channel.
    pub(crate) bias: *const f32,
    /// First pixel's first output channel of this tile.
    pub(crate) out: *mut Y,
    /// Between output pixels.
    pub(crate) out_step: usize,
    /// Added before the clamp, laid out like `out`; null for none.
    pub(crate) residual: *const Y,
    /// Between residual pixels.
    pub(crate) residual_step: usize,
    /// Applied last.
    pub(crate) clamp: Clamp,
}

/// A tile function for a number of rows and vectors.
pub(crate) type TileFn<X, Y> = unsafe fn(&Tile<'_, X, Y>);

/// `$body` for each row `$r` below `$rows`, as constants.
macro_rules! each_row {
    ($r:ident of $rows:ident in $($i:literal)*, $body:tt) => {
        $(if $i < $rows {
            const $r: usize = $i;
            $body
        })*
    };
}

pub(crate) use each_row;

/// # Safety
/// The pointers in `t` must be good for `R` pixels and `V` vectors, and the instruction set there.
#[inline(always)]
unsafe fn tile<S: Simd, X: Number, Y: Number, const R: usize, const V: usize>(t: &Tile<'_, X, Y>) {
    // SAFETY: the caller guarantees the pointers for every offset computed here.
    unsafe {
        let mut sums = [[S::splat(0.0); V]; R];
        let mut w = t.weights;
        for run in t.runs {
            let mut x = t.input.add(run.offset);
            for _ in 0..run.len / X::PER_WORD {
                let column: [X::Words<S>; V] =
                    std::array::from_fn(|v| X::load_words::<S>(w.add(v * S::WIDTH * X::PER_WORD)));
                for r in 0..R {
                    let value = X::splat_word::<S>(x.add(r * t.step));
                    for v in 0..V {
                        sums[r][v] = X::dot::<S>(value, column[v], sums[r][v]);
                    }
                }
                x = x.add(X::PER_WORD);
                w = w.add(V * S::WIDTH * X::PER_WORD);
            }
        }
        let (low, high) = (S::splat(t.clamp.low), S::splat(t.clamp.high));
        let bias: [S::V; V] = std::array::from_fn(|v| S::load(t.bias.add(v * S::WIDTH)));
        // Written out, because the compiler keeps sums in registers only while every index into
        // them is a constant, and does not unroll this much by itself.
        each_row!(ROW of R in 0 1 2 3 4 5 6 7 8 9 10 11 12 13, {
            for v in 0..V {
                let mut y = S::add(sums[ROW][v], bias[v]);
                if !t.residual.is_null() {
                    let at = ROW * t.residual_step + v * S::WIDTH;
                    y = S::add(y, Y::load::<S>(t.residual.add(at)));
                }
                let y = S::min(high, S::max(low, y));
                Y::store::<S>(t.out.add(ROW * t.out_step + v * S::WIDTH), y);
            }
        });
    }
}

macro_rules! compiled {
    ($name:ident, $simd:ident $(, $feature:literal)?) => {
        $(#[target_feature(enable = $feature)])?
        unsafe fn $name<X: Number, Y: Number, const R: usize, const V: usize>(t: &Tile<'_, X, Y>) {
            // SAFETY: handed on to the caller.
            unsafe { tile::<simd::$simd, X, Y, R, V>(t) }
        }
    };
}
#[cfg(target_arch = "x86_64")]
compiled!(tile_avx512_bf16, Avx512Bf16, "avx512f,avx512bf16");
#[cfg(target_arch = "x86_64")]
compiled!(tile_avx512, Avx512, "avx512f");
#[cfg(target_arch = "x86_64")]
compiled!(tile_avx2, Avx2, "avx2,fma");
#[cfg(target_arch = "aarch64")]
compiled!(tile_neon, Neon);
compiled!(tile_portable, Portable);

/// Tile functions of `$V` vectors for 1, 2, … rows.
macro_rules! rows {
    ($f:ident, $v:literal, $($r:literal)*) => { &[$($f::<X, Y, $r, $v>),*] };
}

/// The tiles of one instruction set: how wide panels are, and a function for each number of rows.
pub(crate) struct Tiles<X: 'static, Y: 'static> {
    /// For 1, 2, … vectors: the functions for 1, 2, … rows.
    by_vectors: &'static [&'static [TileFn<X, Y>]],
}

impl<X: Number, Y: Number> Tiles<X, Y> {
    #[cfg(target_arch = "x86_64")]
    const AVX512_BF16: &'static [&'static [TileFn<X, Y>]] = &[
        rows!(tile_avx512_bf16, 1, 1 2 3 4 5 6 7 8 9 10 11 12 13 14),
        rows!(tile_avx512_bf16, 2, 1 2 3 4 5 6 7 8 9 10 11 12 13 14),
        rows!(tile_avx512_bf16, 3, 1 2 3 4 5 6 7 8 9),
    ];
    #[cfg(target_arch = "x86_64")]
    const AVX512: &'static [&'static [TileFn<X, Y>]] = &[
        rows!(tile_avx512, 1, 1 2 3 4 5 6 7 8 9 10 11 12 13 14),
        rows!(tile_avx512, 2, 1 2 3 4 5 6 7 8 9 10 11 12 13 14),
        rows!(tile_avx512, 3, 1 2 3 4 5 6 7 8 9),
    ];
    #[cfg(target_arch = "x86_64")]
    const AVX2: &'static [&'static [TileFn<X, Y>]] = &[&[], rows!(tile_avx2, 2, 1 2 3 4 5 6)];
    #[cfg(target_arch = "aarch64")]
    const NEON: &'static [&'static [TileFn<X, Y>]] = &[&[], rows!(tile_neon, 2, 1 2 3 4 5 6)];
    const PORTABLE: &'static [&'static [TileFn<X, Y>]] = &[&[], rows!(tile_portable, 2, 1 2 3 4)];

    /// The tiles of an instruction set.
    pub(crate) fn of(isa: Isa) -> Self {
        let by_vectors = match isa {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512Bf16 => Self::AVX512_BF16,
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => Self::AVX512,
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => Self::AVX2,
            #[cfg(target_arch = "aarch64")]
            Isa::Neon => Self::NEON,
            Isa::Portable => Self::PORTABLE,
        };
        Self { by_vectors }
    }

    /// The most rows a tile of that many vectors can have.
    pub(crate) fn most_rows(&self, vectors: usize) -> usize {
        self.by_vectors[vectors - 1].len()
    }

    /// The function for a tile.
    pub(crate) fn get(&self, rows: usize, vectors: usize) -> TileFn<X, Y> {
        self.by_vectors[vectors - 1][rows - 1]
    }
}

/// Splits `channels` (a multiple of [`crate::LANES`]) into panels: vectors in each.
///
/// Two vectors are best; an odd one out joins its neighbour, or stands alone.
pub(crate) fn panels(isa: Isa, channels: usize) -> Vec<usize> {
    let mut vectors = channels / isa.width();
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
