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

#[cfg(target_arch = "x86_64")]
macro_rules! compiled {
    ($name:ident, $simd:ident, $feature:literal) => {
        #[target_feature(enable = $feature)]
        unsafe fn $name<K: Kernel>(kernel: K) {
            // SAFETY: handed on to the caller.
            unsafe { kernel.run::<simd::$simd>() }
        }
    };
}
#[cfg(target_arch = "x86_64")]
compiled!(avx512_bf16, Avx512Bf16, "avx512f,avx512bf16");
#[cfg(target_arch = "x86_64")]
compiled!(avx512, Avx512, "avx512f");
#[cfg(target_arch = "x86_64")]
compiled!(avx2, Avx2, "avx2,fma");

/// Runs `kernel` with the instructions of `isa`.
pub(crate) fn on<K: Kernel>(isa: Isa, kernel: K) {
    // SAFETY (all): an `Isa` is granted only when the machine has it.
    match isa {
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512Bf16 => unsafe { avx512_bf16(kernel) },
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 => unsafe { avx512(kernel) },
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => unsafe { avx2(kernel) },
        #[cfg(target_arch = "aarch64")]
        Isa::Neon => unsafe { kernel.run::<simd::Neon>() },
        Isa::Portable => unsafe { kernel.run::<simd::Portable>() },
    }
}
