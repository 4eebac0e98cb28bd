use half::bf16;

use super::Simd;

#[derive(Clone, Copy)]
pub(crate) struct Portable;

type Eight = [f32; 8];

#[inline(always)]
fn each(a: Eight, b: Eight, f: impl Fn(f32, f32) -> f32) -> Eight {
    std::array::from_fn(|i| f(a[i], b[i]))
}

// SAFETY (all): the caller guarantees the pointers; there is no instruction set to guarantee.
impl Simd for Portable {
    type V = Eight;
    type Pairs = [[bf16; 2]; 8];
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
    #[inline(always)]
    unsafe fn load_bf16(p: *const bf16) -> Eight {
        unsafe { p.cast::<[bf16; 8]>().read_unaligned() }.map(bf16::to_f32)
    }
    #[inline(always)]
    unsafe fn store_bf16(p: *mut bf16, v: Eight) {
        unsafe { p.cast::<[bf16; 8]>().write_unaligned(v.map(bf16::from_f32)) }
    }
    #[inline(always)]
    unsafe fn load_pairs(p: *const bf16) -> [[bf16; 2]; 8] {
        unsafe { p.cast::<[[bf16; 2]; 8]>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn splat_pair(p: *const bf16) -> [[bf16; 2]; 8] {
        [unsafe { p.cast::<[bf16; 2]>().read_unaligned() }; 8]
    }
    #[inline(always)]
    unsafe fn dot(a: [[bf16; 2]; 8], b: [[bf16; 2]; 8], c: Eight) -> Eight {
        std::array::from_fn(|i| {
            let [x, y] = a[i].map(bf16::to_f32);
            let [u, v] = b[i].map(bf16::to_f32);
            y * v + (x * u + c[i])
        })
    }
}
