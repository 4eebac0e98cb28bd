use std::arch::x86_64::{
    __m256, __m256i, __m512, __m512bh, __m512i, _CMP_UNORD_Q, _mm_loadu_si128, _mm_storeu_si128,
    _mm256_add_epi32, _mm256_add_ps, _mm256_and_si256, _mm256_blendv_ps, _mm256_castps_si256,
    _mm256_castsi256_ps, _mm256_castsi256_si128, _mm256_cmp_ps, _mm256_cvtepu16_epi32,
    _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_loadu_si256, _mm256_max_ps, _mm256_min_ps,
    _mm256_packus_epi32, _mm256_permute4x64_epi64, _mm256_set1_epi32, _mm256_set1_ps,
    _mm256_slli_epi32, _mm256_srli_epi32, _mm256_storeu_ps, _mm256_storeu_si256, _mm512_add_epi32,
    _mm512_add_ps, _mm512_and_si512, _mm512_castps_si512, _mm512_castsi512_ps, _mm512_cmp_ps_mask,
    _mm512_cvtepi32_epi16, _mm512_cvtepu16_epi32, _mm512_cvtneps_pbh, _mm512_dpbf16_ps,
    _mm512_fmadd_ps, _mm512_loadu_ps, _mm512_loadu_si512, _mm512_mask_mov_epi32, _mm512_max_ps,
    _mm512_min_ps, _mm512_set1_epi32, _mm512_set1_ps, _mm512_slli_epi32, _mm512_srli_epi32,
    _mm512_storeu_ps,
};

use half::bf16;

use super::Simd;

/// 8 floats; `bf16` arithmetic is done in `f32`.
#[derive(Clone, Copy)]
pub(crate) struct Avx2;
/// 16 floats; `bf16` arithmetic is done in `f32`.
#[derive(Clone, Copy)]
pub(crate) struct Avx512;
/// 16 floats, and products of `bf16` pairs in one instruction.
#[derive(Clone, Copy)]
pub(crate) struct Avx512Bf16;

/// What the rounding to `bf16` adds below the cut: half a unit, less one when the kept part is even.
const HALF: i32 = 0x7fff;
/// A `bf16` that is not a number, in the upper half of a word.
const NAN: i32 = 0x7fc0_0000;
const UPPER: i32 = -0x1_0000;

macro_rules! x86 {
    ($name:ident, $v:ty, $width:expr, $load:ident, $store:ident, $splat:ident, $add:ident,
     $fma:ident, $max:ident, $min:ident, $($half:tt)*) => {
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
            $($half)*
        }
    };
}

macro_rules! avx512 {
    ($name:ident, $($half:tt)*) => {
        x86!(
            $name, __m512, 16, _mm512_loadu_ps, _mm512_storeu_ps, _mm512_set1_ps, _mm512_add_ps,
            _mm512_fmadd_ps, _mm512_max_ps, _mm512_min_ps,
            #[inline(always)]
            unsafe fn load_bf16(p: *const bf16) -> __m512 {
                unsafe {
                    let half = _mm256_loadu_si256(p.cast());
                    _mm512_castsi512_ps(_mm512_slli_epi32::<16>(_mm512_cvtepu16_epi32(half)))
                }
            }
            $($half)*
        );
    };
}

avx512! {
    Avx512,
    type Pairs = __m512i;
    #[inline(always)]
    unsafe fn store_bf16(p: *mut bf16, v: __m512) {
        unsafe {
            let bits = _mm512_castps_si512(v);
            let odd = _mm512_and_si512(_mm512_srli_epi32::<16>(bits), _mm512_set1_epi32(1));
            let rounded = _mm512_add_epi32(_mm512_add_epi32(bits, odd), _mm512_set1_epi32(HALF));
            let nan = _mm512_cmp_ps_mask::<_CMP_UNORD_Q>(v, v);
            let kept = _mm512_mask_mov_epi32(rounded, nan, _mm512_set1_epi32(NAN));
            _mm256_storeu_si256(p.cast(), _mm512_cvtepi32_epi16(_mm512_srli_epi32::<16>(kept)));
        }
    }
    #[inline(always)]
    unsafe fn load_pairs(p: *const bf16) -> __m512i {
        unsafe { _mm512_loadu_si512(p.cast()) }
    }
    #[inline(always)]
    unsafe fn splat_pair(p: *const bf16) -> __m512i {
        unsafe { _mm512_set1_epi32(p.cast::<i32>().read_unaligned()) }
    }
    #[inline(always)]
    unsafe fn dot(a: __m512i, b: __m512i, c: __m512) -> __m512 {
        unsafe {
            let low = |x| _mm512_castsi512_ps(_mm512_slli_epi32::<16>(x));
            let high = |x| _mm512_castsi512_ps(_mm512_and_si512(x, _mm512_set1_epi32(UPPER)));
            _mm512_fmadd_ps(high(a), high(b), _mm512_fmadd_ps(low(a), low(b), c))
        }
    }
}

avx512! {
    Avx512Bf16,
    type Pairs = __m512bh;
    #[inline(always)]
    unsafe fn store_bf16(p: *mut bf16, v: __m512) {
        unsafe {
            let half: __m256i = std::mem::transmute(_mm512_cvtneps_pbh(v));
            _mm256_storeu_si256(p.cast(), half);
        }
    }
    #[inline(always)]
    unsafe fn load_pairs(p: *const bf16) -> __m512bh {
        unsafe { std::mem::transmute::<__m512i, __m512bh>(_mm512_loadu_si512(p.cast())) }
    }
    #[inline(always)]
    unsafe fn splat_pair(p: *const bf16) -> __m512bh {
        unsafe {
            let pair = _mm512_set1_epi32(p.cast::<i32>().read_unaligned());
            std::mem::transmute::<__m512i, __m512bh>(pair)
        }
    }
    #[inline(always)]
    unsafe fn dot(a: __m512bh, b: __m512bh, c: __m512) -> __m512 {
        unsafe { _mm512_dpbf16_ps(c, a, b) }
    }
}

x86! {
    Avx2,
    __m256,
    8,
    _mm256_loadu_ps,
    _mm256_storeu_ps,
    _mm256_set1_ps,
    _mm256_add_ps,
    _mm256_fmadd_ps,
    _mm256_max_ps,
    _mm256_min_ps,
    type Pairs = __m256i;
    #[inline(always)]
    unsafe fn load_bf16(p: *const bf16) -> __m256 {
        unsafe {
            let half = _mm_loadu_si128(p.cast());
            _mm256_castsi256_ps(_mm256_slli_epi32::<16>(_mm256_cvtepu16_epi32(half)))
        }
    }
    #[inline(always)]
    unsafe fn store_bf16(p: *mut bf16, v: __m256) {
        unsafe {
            let bits = _mm256_castps_si256(v);
            let odd = _mm256_and_si256(_mm256_srli_epi32::<16>(bits), _mm256_set1_epi32(1));
            let rounded = _mm256_add_epi32(_mm256_add_epi32(bits, odd), _mm256_set1_epi32(HALF));
            let nan = _mm256_castsi256_ps(_mm256_set1_epi32(NAN));
            let unordered = _mm256_cmp_ps::<_CMP_UNORD_Q>(v, v);
            let kept = _mm256_blendv_ps(_mm256_castsi256_ps(rounded), nan, unordered);
            let upper = _mm256_srli_epi32::<16>(_mm256_castps_si256(kept));
            // Packs within each half of the vector; the permutation brings both halves together.
            let packed = _mm256_permute4x64_epi64::<0b1000>(_mm256_packus_epi32(upper, upper));
            _mm_storeu_si128(p.cast(), _mm256_castsi256_si128(packed));
        }
    }
    #[inline(always)]
    unsafe fn load_pairs(p: *const bf16) -> __m256i {
        unsafe { _mm256_loadu_si256(p.cast()) }
    }
    #[inline(always)]
    unsafe fn splat_pair(p: *const bf16) -> __m256i {
        unsafe { _mm256_set1_epi32(p.cast::<i32>().read_unaligned()) }
    }
    #[inline(always)]
    unsafe fn dot(a: __m256i, b: __m256i, c: __m256) -> __m256 {
        unsafe {
            let low = |x| _mm256_castsi256_ps(_mm256_slli_epi32::<16>(x));
            let high = |x| _mm256_castsi256_ps(_mm256_and_si256(x, _mm256_set1_epi32(UPPER)));
            _mm256_fmadd_ps(high(a), high(b), _mm256_fmadd_ps(low(a), low(b), c))
        }
    }
}
