/// Vector instructions that a kernel is compiled for; only those of this machine's family exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Isa {
    /// Plain Rust, any machine.
    Portable,
    /// Arm's NEON: 8 floats at once, in two registers. Every 64-bit Arm has it.
    #[cfg(target_arch = "aarch64")]
    Neon,
    /// AVX2 with FMA: 8 floats at once.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// AVX-512F: 16 floats at once.
    #[cfg(target_arch = "x86_64")]
    Avx512,
    /// AVX-512 with products of `bf16` pairs (`avx512_bf16`): twice the products of [`Isa::Avx512`].
    #[cfg(target_arch = "x86_64")]
    Avx512Bf16,
}

impl Isa {
    /// All, least first.
    #[cfg(target_arch = "x86_64")]
    pub const ALL: &[Self] = &[Self::Portable, Self::Avx2, Self::Avx512, Self::Avx512Bf16];
    /// All, least first.
    #[cfg(target_arch = "aarch64")]
    pub const ALL: &[Self] = &[Self::Portable, Self::Neon];
    /// All, least first.
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    pub const ALL: &[Self] = &[Self::Portable];

    /// The best this machine can do.
    ///
    /// The environment variable `REGRAFT_ISA` (a [`Isa::name`]) asks for a lesser one; one that the
    /// machine lacks is not granted.
    pub fn detect() -> Self {
        let best = Self::best();
        let asked = std::env::var("REGRAFT_ISA");
        let asked = asked.as_deref().unwrap_or_default();
        Self::ALL.iter().find(|i| i.name() == asked).map_or(best, |i| best.min(*i))
    }

    /// All that this machine can run, least first.
    pub fn available() -> Vec<Self> {
        let best = Self::best();
        Self::ALL.iter().copied().filter(|i| *i <= best).collect()
    }

    #[cfg(target_arch = "x86_64")]
    fn best() -> Self {
        if is_x86_feature_detected!("avx512f") {
            if is_x86_feature_detected!("avx512bf16") { Self::Avx512Bf16 } else { Self::Avx512 }
        } else if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            Self::Avx2
        } else {
            Self::Portable
        }
    }

    #[cfg(target_arch = "aarch64")]
    fn best() -> Self {
        Self::Neon
    }

    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    fn best() -> Self {
        Self::Portable
    }

    /// Floats in a vector.
    pub(crate) fn width(self) -> usize {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 | Self::Avx512Bf16 => 16,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => 8,
            #[cfg(target_arch = "aarch64")]
            Self::Neon => 8,
            Self::Portable => 8,
        }
    }

    /// Whether products of `bf16` are faster than those of `f32`.
    pub fn native_bf16(self) -> bool {
        #[cfg(target_arch = "x86_64")]
        return self == Self::Avx512Bf16;
        #[cfg(not(target_arch = "x86_64"))]
        return false;
    }

    /// The word used in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Portable => "portable",
            #[cfg(target_arch = "aarch64")]
            Self::Neon => "neon",
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => "avx2",
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => "avx512",
            #[cfg(target_arch = "x86_64")]
            Self::Avx512Bf16 => "avx512-bf16",
        }
    }
}
