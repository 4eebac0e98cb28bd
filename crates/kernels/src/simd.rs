//! One vector type for each instruction set, behind one trait.

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::{
    __m256, __m512, _mm256_add_ps, _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_max_ps, _mm256_min_ps,
    _mm256_set1_ps, _mm256_storeu_ps, _mm512_add_ps, _mm512_fmadd_ps, _mm512_loadu_ps,
    _mm512_max_ps, _mm512_min_ps, _mm512_set1_ps, _mm512_storeu_ps,
};

/// A vector of floats.
///
/// # Safety
/// Every method may be called only where the instruction set is there, and pointers must be good for
/// [`Simd::WIDTH`] floats.
pub(crate) trait Simd: Copy {
    type V: Copy;
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
}

#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy)]
pub(crate) struct Avx512;
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy)]
pub(crate) struct Avx2;
#[derive(Clone, Copy)]
pub(crate) struct Portable;

#[cfg(target_arch = "x86_64")]
macro_rules! x86 {
    ($name:ident, $v:ty, $width:expr, $load:ident, $store:ident, $splat:ident, $add:ident,
     $fma:ident, $max:ident, $min:ident) => {
        // SAFETY (all): the caller guarantees the instruction set and the pointers.
        impl Simd for $name {
            type V = $v;
            const WIDTH: usize = $width;
            #[inline(always)]
            unsafe fn load(p: *const f32) -> $v {
                unsafe { $load(p) }
            }
            #[inline(always)]
            unsafe fn store(p: *mut f32, v: $v) {
                unsafe { $store(p, v) }
            }
            #[inline(always)]
            unsafe fn splat(x: f32) -> $v {
                unsafe { $splat(x) }
            }
            #[inline(always)]
            unsafe fn add(a: $v, b: $v) -> $v {
                unsafe { $add(a, b) }
            }
            #[inline(always)]
            unsafe fn fma(a: $v, b: $v, c: $v) -> $v {
                unsafe { $fma(a, b, c) }
            }
            #[inline(always)]
            unsafe fn max(a: $v, b: $v) -> $v {
                unsafe { $max(a, b) }
            }
            #[inline(always)]
            unsafe fn min(a: $v, b: $v) -> $v {
                unsafe { $min(a, b) }
            }
        }
    };
}

#[cfg(target_arch = "x86_64")]
x86!(
    Avx512,
    __m512,
    16,
    _mm512_loadu_ps,
    _mm512_storeu_ps,
    _mm512_set1_ps,
    _mm512_add_ps,
    _mm512_fmadd_ps,
    _mm512_max_ps,
    _mm512_min_ps
);
#[cfg(target_arch = "x86_64")]
x86!(
    Avx2,
    __m256,
    8,
    _mm256_loadu_ps,
    _mm256_storeu_ps,
    _mm256_set1_ps,
    _mm256_add_ps,
    _mm256_fmadd_ps,
    _mm256_max_ps,
    _mm256_min_ps
);

type Eight = [f32; 8];

#[inline(always)]
fn each(a: Eight, b: Eight, f: impl Fn(f32, f32) -> f32) -> Eight {
    std::array::from_fn(|i| f(a[i], b[i]))
}

// SAFETY (all): the caller guarantees the pointers; there is no instruction set to guarantee.
impl Simd for Portable {
    type V = Eight;
    const WIDTH: usize = 8;
    #[inline(always)]
    unsafe fn load(p: *const f32) -> Eight {
        unsafe { p.cast::<Eight>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn store(p: *mut f32, v: Eight) {
        unsafe { p.cast::<Eight>().write_unaligned(v) }
    }
    #[inline(always)]
    unsafe fn splat(x: f32) -> Eight {
        [x; 8]
    }
    #[inline(always)]
    unsafe fn add(a: Eight, b: Eight) -> Eight {
        each(a, b, |x, y| x + y)
    }
    #[inline(always)]
    unsafe fn fma(a: Eight, b: Eight, c: Eight) -> Eight {
        std::array::from_fn(|i| a[i] * b[i] + c[i])
    }
    #[inline(always)]
    unsafe fn max(a: Eight, b: Eight) -> Eight {
        each(a, b, |x, y| if x > y { x } else { y })
    }
    #[inline(always)]
    unsafe fn min(a: Eight, b: Eight) -> Eight {
        each(a, b, |x, y| if x < y { x } else { y })
    }
}
