/// Vector instructions that a kernel is compiled for, least first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Isa {
    /// Plain Rust, any machine.
    Portable,
    /// AVX2 with FMA: 8 floats at once.
    Avx2,
    /// AVX-512F: 16 floats at once.
    Avx512,
    /// AVX-512 with products of `bf16` pairs (`avx512_bf16`): twice the products of [`Isa::Avx512`].
    Avx512Bf16,
}

impl Isa {
    /// All, least first.
    pub const ALL: [Self; 4] = [Self::Portable, Self::Avx2, Self::Avx512, Self::Avx512Bf16];

    /// The best this machine can do.
    ///
    /// The environment variable `REGRAFT_ISA` (a [`Isa::name`]) asks for a lesser one; one that the
    /// machine lacks is not granted.
    pub fn detect() -> Self {
        let best = Self::best();
        let asked = std::env::var("REGRAFT_ISA");
        let asked = asked.as_deref().unwrap_or_default();
        Self::ALL.into_iter().find(|i| i.name() == asked).map_or(best, |i| best.min(i))
    }

    /// All that this machine can run, least first.
    pub fn available() -> Vec<Self> {
        let best = Self::best();
        Self::ALL.into_iter().filter(|i| *i <= best).collect()
    }

    fn best() -> Self {
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx512f") {
                return if is_x86_feature_detected!("avx512bf16") {
                    Self::Avx512Bf16
                } else {
                    Self::Avx512
                };
            }
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                return Self::Avx2;
            }
        }
        Self::Portable
    }

    /// Floats in a vector.
    pub(crate) fn width(self) -> usize {
        match self {
            Self::Portable | Self::Avx2 => 8,
            Self::Avx512 | Self::Avx512Bf16 => 16,
        }
    }

    /// Whether products of `bf16` are faster than those of `f32`.
    pub fn native_bf16(self) -> bool {
        self == Self::Avx512Bf16
    }

    /// The word used in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Portable => "portable",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
            Self::Avx512Bf16 => "avx512-bf16",
        }
    }
}
