use std::arch::aarch64::{
    float32x4_t, uint32x4_t, vaddq_f32, vaddq_u32, vandq_u32, vbslq_f32, vbslq_u32, vceqq_f32,
    vcgtq_f32, vcltq_f32, vcombine_u16, vdupq_n_f32, vdupq_n_u32, vfmaq_f32, vget_high_u16,
    vget_low_u16, vld1q_f32, vld1q_u16, vld1q_u32, vmovl_u16, vmovn_u32, vmvnq_u32,
    vreinterpretq_f32_u32, vreinterpretq_u32_f32, vshlq_n_u32, vshrq_n_u32, vst1q_f32, vst1q_u16,
};

use half::bf16;

use super::Simd;

/// 8 floats in two registers; `bf16` arithmetic is done in `f32`.
#[derive(Clone, Copy)]
pub(crate) struct Neon;

type Two = [float32x4_t; 2];

/// Half a unit of `bf16` below the cut, less one when the kept part is even.
const HALF: u32 = 0x7fff;
const NAN: u32 = 0x7fc0_0000;
const UPPER: u32 = 0xffff_0000;

/// The values of the first (`low`) numbers of four pairs.
#[inline(always)]
unsafe fn low(x: uint32x4_t) -> float32x4_t {
    unsafe { vreinterpretq_f32_u32(vshlq_n_u32::<16>(x)) }
}

/// The values of the second numbers.
#[inline(always)]
unsafe fn high(x: uint32x4_t) -> float32x4_t {
    unsafe { vreinterpretq_f32_u32(vandq_u32(x, vdupq_n_u32(UPPER))) }
}

/// The bits of the nearest `bf16`, ties to even; NaN stays NaN.
#[inline(always)]
unsafe fn rounded(v: float32x4_t) -> uint32x4_t {
    unsafe {
        let bits = vreinterpretq_u32_f32(v);
        let odd = vandq_u32(vshrq_n_u32::<16>(bits), vdupq_n_u32(1));
        let rounded = vaddq_u32(vaddq_u32(bits, odd), vdupq_n_u32(HALF));
        let nan = vmvnq_u32(vceqq_f32(v, v));
        vshrq_n_u32::<16>(vbslq_u32(nan, vdupq_n_u32(NAN), rounded))
    }
}

// SAFETY (all): the caller guarantees the pointers; every machine of this kind has the instructions.
impl Simd for Neon {
    type V = Two;
    type Pairs = [uint32x4_t; 2];
    const WIDTH: usize = 8;
    #[inline(always)]
    unsafe fn load(p: *const f32) -> Two {
        unsafe { [vld1q_f32(p), vld1q_f32(p.add(4))] }
    }
    #[inline(always)]
    unsafe fn store(p: *mut f32, [a, b]: Two) {
        unsafe {
            vst1q_f32(p, a);
            vst1q_f32(p.add(4), b);
        }
    }
    #[inline(always)]
    unsafe fn splat(x: f32) -> Two {
        unsafe { [vdupq_n_f32(x); 2] }
    }
    #[inline(always)]
    unsafe fn add(a: Two, b: Two) -> Two {
        unsafe { [vaddq_f32(a[0], b[0]), vaddq_f32(a[1], b[1])] }
    }
    #[inline(always)]
    unsafe fn fma(a: Two, b: Two, c: Two) -> Two {
        unsafe { [vfmaq_f32(c[0], a[0], b[0]), vfmaq_f32(c[1], a[1], b[1])] }
    }
    // Comparison and choice, because `vmaxq` makes NaN of a NaN on either side.
    #[inline(always)]
    unsafe fn max(a: Two, b: Two) -> Two {
        let one = |a, b| unsafe { vbslq_f32(vcgtq_f32(a, b), a, b) };
        [one(a[0], b[0]), one(a[1], b[1])]
    }
    #[inline(always)]
    unsafe fn min(a: Two, b: Two) -> Two {
        let one = |a, b| unsafe { vbslq_f32(vcltq_f32(a, b), a, b) };
        [one(a[0], b[0]), one(a[1], b[1])]
    }
    #[inline(always)]
    unsafe fn load_bf16(p: *const bf16) -> Two {
        unsafe {
            let halves = vld1q_u16(p.cast());
            [low(vmovl_u16(vget_low_u16(halves))), low(vmovl_u16(vget_high_u16(halves)))]
        }
    }
    #[inline(always)]
    unsafe fn store_bf16(p: *mut bf16, [a, b]: Two) {
        unsafe {
            let halves = vcombine_u16(vmovn_u32(rounded(a)), vmovn_u32(rounded(b)));
            vst1q_u16(p.cast(), halves);
        }
    }
    #[inline(always)]
    unsafe fn load_pairs(p: *const bf16) -> [uint32x4_t; 2] {
        unsafe { [vld1q_u32(p.cast()), vld1q_u32(p.add(8).cast())] }
    }
    #[inline(always)]
    unsafe fn splat_pair(p: *const bf16) -> [uint32x4_t; 2] {
        unsafe { [vdupq_n_u32(p.cast::<u32>().read_unaligned()); 2] }
    }
    #[inline(always)]
    unsafe fn dot(a: [uint32x4_t; 2], b: [uint32x4_t; 2], c: Two) -> Two {
        let one = |a, b, c| unsafe { vfmaq_f32(vfmaq_f32(c, low(a), low(b)), high(a), high(b)) };
        [one(a[0], b[0], c[0]), one(a[1], b[1], c[1])]
    }
}
