//! One place where a kernel meets the instruction set it runs on.

use crate::Isa;
use crate::simd::{self, Simd};

/// Work that is compiled once for each instruction set.
pub(crate) trait Kernel {
    /// Does the work. Implementations are `#[inline(always)]`, so that they melt into a function
    /// that has the instructions.
    ///
    /// # Safety
    /// The machine must have the instructions of `S`.
    unsafe fn run<S: Simd>(self);
}

macro_rules! compiled {
    ($name:ident, $simd:ident, $feature:literal) => {
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = $feature)]
        unsafe fn $name<K: Kernel>(kernel: K) {
            // SAFETY: handed on to the caller.
            unsafe { kernel.run::<simd::$simd>() }
        }
    };
}
compiled!(avx512, Avx512, "avx512f");
compiled!(avx2, Avx2, "avx2,fma");

/// Runs `kernel` with the instructions of `isa`. Backward kernels work in `f32` only, so bf16 products
/// have no path of their own.
pub(crate) fn on<K: Kernel>(isa: Isa, kernel: K) {
    // SAFETY (all): an `Isa` is granted only when the machine has it.
    match isa {
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 | Isa::Avx512Bf16 => unsafe { avx512(kernel) },
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => unsafe { avx2(kernel) },
        #[cfg(not(target_arch = "x86_64"))]
        Isa::Avx2 | Isa::Avx512 | Isa::Avx512Bf16 => unsafe { kernel.run::<simd::Portable>() },
        Isa::Portable => unsafe { kernel.run::<simd::Portable>() },
    }
}
