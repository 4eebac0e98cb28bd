//! One vector type for each instruction set, behind one trait, and the two kinds of numbers that
//! maps are made of.

#[cfg(target_arch = "aarch64")]
mod neon;
mod portable;
#[cfg(target_arch = "x86_64")]
mod x86;

use half::bf16;

#[cfg(target_arch = "aarch64")]
pub(crate) use neon::Neon;
pub(crate) use portable::Portable;
#[cfg(target_arch = "x86_64")]
pub(crate) use x86::{Avx2, Avx512, Avx512Bf16};

/// A vector of floats.
///
/// # Safety
/// Every method may be called only where the instruction set is there, and pointers must be good for
/// [`Simd::WIDTH`] values (of pairs, in the `pairs` methods; for one pair, in `splat_pair`).
pub(crate) trait Simd: Copy {
    type V: Copy;
    /// As many pairs of [`bf16`] as a vector has floats.
    type Pairs: Copy;
    /// Floats in a vector; divides [`crate::LANES`].
    const WIDTH: usize;
    unsafe fn load(p: *const f32) -> Self::V;
    unsafe fn store(p: *mut f32, v: Self::V);
    unsafe fn splat(x: f32) -> Self::V;
    unsafe fn add(a: Self::V, b: Self::V) -> Self::V;
    /// `a * b + c`.
    unsafe fn fma(a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// The larger; `b` when either is not a number, so that NaN in `b` survives.
    unsafe fn max(a: Self::V, b: Self::V) -> Self::V;
    /// The smaller; `b` when either is not a number.
    unsafe fn min(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn load_bf16(p: *const bf16) -> Self::V;
    /// Rounds to nearest, ties to even; NaN stays NaN.
    unsafe fn store_bf16(p: *mut bf16, v: Self::V);
    unsafe fn load_pairs(p: *const bf16) -> Self::Pairs;
    unsafe fn splat_pair(p: *const bf16) -> Self::Pairs;
    /// `a.0 * b.0 + a.1 * b.1 + c` for each pair.
    unsafe fn dot(a: Self::Pairs, b: Self::Pairs, c: Self::V) -> Self::V;
}

/// A number as it lies in a map. Sums are always `f32`.
///
/// Products are summed a *word* (32 bits) at a time: one `f32`, or two neighbouring `bf16`.
///
/// # Safety
/// Of the methods with an `S`: as [`Simd`].
pub(crate) trait Number: bytemuck::Pod + Send + Sync {
    /// Numbers in a word.
    const PER_WORD: usize;
    /// [`Simd::WIDTH`] words.
    type Words<S: Simd>: Copy;
    /// Nearest number.
    fn of(x: f32) -> Self;
    /// Its exact value.
    fn value(self) -> f32;
    unsafe fn load<S: Simd>(p: *const Self) -> S::V;
    unsafe fn store<S: Simd>(p: *mut Self, v: S::V);
    unsafe fn load_words<S: Simd>(p: *const Self) -> Self::Words<S>;
    unsafe fn splat_word<S: Simd>(p: *const Self) -> Self::Words<S>;
    unsafe fn dot<S: Simd>(a: Self::Words<S>, b: Self::Words<S>, c: S::V) -> S::V;
}

// SAFETY (all): handed on to the caller.
impl Number for f32 {
    const PER_WORD: usize = 1;
    type Words<S: Simd> = S::V;
    fn of(x: f32) -> Self {
        x
    }
    fn value(self) -> f32 {
        self
    }
    #[inline(always)]
    unsafe fn load<S: Simd>(p: *const Self) -> S::V {
        unsafe { S::load(p) }
    }
    #[inline(always)]
    unsafe fn store<S: Simd>(p: *mut Self, v: S::V) {
        unsafe { S::store(p, v) }
    }
    #[inline(always)]
    unsafe fn load_words<S: Simd>(p: *const Self) -> S::V {
        unsafe { S::load(p) }
    }
    #[inline(always)]
    unsafe fn splat_word<S: Simd>(p: *const Self) -> S::V {
        unsafe { S::splat(*p) }
    }
    #[inline(always)]
    unsafe fn dot<S: Simd>(a: S::V, b: S::V, c: S::V) -> S::V {
        unsafe { S::fma(a, b, c) }
    }
}

// SAFETY (all): handed on to the caller.
impl Number for bf16 {
    const PER_WORD: usize = 2;
    type Words<S: Simd> = S::Pairs;
    // Like `half`'s, but without branches, so that loops become vectors.
    fn of(x: f32) -> Self {
        let bits = x.to_bits();
        let odd = (bits >> 16) & 1;
        let rounded = bits.wrapping_add(0x7fff + odd) >> 16;
        Self::from_bits(if x.is_nan() { 0x7fc0 } else { rounded as u16 })
    }
    fn value(self) -> f32 {
        f32::from_bits(u32::from(self.to_bits()) << 16)
    }
    #[inline(always)]
    unsafe fn load<S: Simd>(p: *const Self) -> S::V {
        unsafe { S::load_bf16(p) }
    }
    #[inline(always)]
    unsafe fn store<S: Simd>(p: *mut Self, v: S::V) {
        unsafe { S::store_bf16(p, v) }
    }
    #[inline(always)]
    unsafe fn load_words<S: Simd>(p: *const Self) -> S::Pairs {
        unsafe { S::load_pairs(p) }
    }
    #[inline(always)]
    unsafe fn splat_word<S: Simd>(p: *const Self) -> S::Pairs {
        unsafe { S::splat_pair(p) }
    }
    #[inline(always)]
    unsafe fn dot<S: Simd>(a: S::Pairs, b: S::Pairs, c: S::V) -> S::V {
        unsafe { S::dot(a, b, c) }
    }
}
