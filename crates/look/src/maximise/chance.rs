//! Randomness as a value.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// Numbers that depend on a seed and on what they are for, and on nothing else.
pub(crate) struct Chance(ChaCha8Rng);

impl Chance {
    /// For the seed, the picture, the step, and the purpose within it.
    pub(crate) fn new(numbers: [u64; 4]) -> Self {
        let mut key = [0; 32];
        for (part, number) in key.chunks_exact_mut(8).zip(numbers) {
            part.copy_from_slice(&number.to_le_bytes());
        }
        Self(ChaCha8Rng::from_seed(key))
    }

    /// Uniform in `[0, 1)`.
    pub(crate) fn unit(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Uniform in `0..n`; the numbers are so small that the bias is none to speak of.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        ((self.unit() * n as f64) as usize).min(n.saturating_sub(1))
    }

    /// `n` numbers of the normal distribution with this deviation (Box and Muller 1958).
    pub(crate) fn normal(&mut self, n: usize, deviation: f64) -> Vec<f64> {
        let mut values = Vec::with_capacity(n + 1);
        while values.len() < n {
            let radius = deviation * (-2.0 * (1.0 - self.unit()).ln()).sqrt();
            let (sin, cos) = (std::f64::consts::TAU * self.unit()).sin_cos();
            values.extend([radius * cos, radius * sin]);
        }
        values.truncate(n);
        values
    }
}
