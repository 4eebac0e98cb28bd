/// Vector instructions that a kernel is compiled for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Isa {
    /// Plain Rust, any machine.
    Portable,
    /// AVX2 with FMA: 8 floats at once.
    Avx2,
    /// AVX-512F: 16 floats at once.
    Avx512,
}

impl Isa {
    /// The best this machine can do.
    ///
    /// The environment variable `REGRAFT_ISA` (`portable`, `avx2`, `avx512`) asks for a lesser one;
    /// one that the machine lacks is not granted.
    pub fn detect() -> Self {
        let best = Self::best();
        match std::env::var("REGRAFT_ISA").as_deref() {
            Ok("portable") => Self::Portable,
            Ok("avx2") => best.min(Self::Avx2),
            _ => best,
        }
    }

    /// All that this machine can run, least first.
    pub fn available() -> Vec<Self> {
        let best = Self::best();
        [Self::Portable, Self::Avx2, Self::Avx512].into_iter().filter(|i| *i <= best).collect()
    }

    fn best() -> Self {
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx512f") {
                return Self::Avx512;
            }
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                return Self::Avx2;
            }
        }
        Self::Portable
    }

    /// The word used in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Portable => "portable",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
        }
    }
}
