//! Randomness as a value: a stream of numbers for a name, never a global generator.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// Uniform in `0..n`, without the bias of a plain remainder: values of the last, incomplete round
/// are drawn again.
pub(crate) fn below(rng: &mut ChaCha8Rng, n: u64) -> u64 {
    let incomplete = (u64::MAX % n + 1) % n;
    loop {
        let value = rng.next_u64();
        if value <= u64::MAX - incomplete {
            return value % n;
        }
    }
}

/// The order in which the round `epoch` over `n` examples sees them: each once, any order as likely as
/// any other (Fisher and Yates), a function of seed and epoch only.
pub fn order(seed: u64, epoch: u64, n: usize) -> Vec<usize> {
    let mut chance = Chance::new(seed, "order", [epoch, 0, 0]);
    let mut order: Vec<usize> = (0..n).collect();
    for i in (1..n).rev() {
        order.swap(i, chance.below(i + 1));
    }
    order
}

/// `n` numbers uniform in `[0, 1)`, a function of seed and name only.
pub fn uniform(seed: u64, name: &str, n: usize) -> Vec<f64> {
    let mut chance = Chance::new(seed, name, [0; 3]);
    (0..n).map(|_| chance.unit()).collect()
}

/// The random numbers of one decision.
#[derive(Debug, Clone)]
pub(crate) struct Chance(ChaCha8Rng);

impl Chance {
    /// `ChaCha8` keyed with the BLAKE3 hash of `seed ‖ name ‖ numbers`, integers as 8 bytes, lowest
    /// first.
    pub(crate) fn new(seed: u64, name: &str, numbers: [u64; 3]) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&seed.to_le_bytes()).update(name.as_bytes());
        for number in numbers {
            hasher.update(&number.to_le_bytes());
        }
        Self(ChaCha8Rng::from_seed(*hasher.finalize().as_bytes()))
    }

    /// Uniform in `[0, 1)`, 53 bits.
    pub(crate) fn unit(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Uniform between two numbers.
    pub(crate) fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// Uniform in `0..n`; 0 for `n` 0.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        below(&mut self.0, n.max(1) as u64) as usize
    }

    /// True with probability `p`.
    pub(crate) fn happens(&mut self, p: f32) -> bool {
        self.unit() < f64::from(p)
    }

    /// Beta distributed with both parameters `alpha`, in `[0, 1]`: the share of one of two gamma
    /// values. In logarithms, because for a small `alpha` both values are too small for an `f64`.
    pub(crate) fn beta(&mut self, alpha: f64) -> f64 {
        let (a, b) = (self.ln_gamma(alpha), self.ln_gamma(alpha));
        1.0 / (1.0 + (b - a).exp())
    }

    /// Logarithm of a gamma value of shape `alpha` (Marsaglia and Tsang, "A simple method for
    /// generating gamma variables", 2000; for a shape below 1 from the one above it).
    fn ln_gamma(&mut self, alpha: f64) -> f64 {
        if alpha < 1.0 {
            // 1 - u is never 0.
            return (1.0 - self.unit()).ln() / alpha + self.ln_gamma(alpha + 1.0);
        }
        let d = alpha - 1.0 / 3.0;
        let c = 1.0 / (9.0 * d).sqrt();
        loop {
            let x = self.normal();
            let v = (1.0 + c * x).powi(3);
            let u = 1.0 - self.unit();
            if v > 0.0 && u.ln() < 0.5 * x * x + d - d * v + d * v.ln() {
                return d.ln() + v.ln();
            }
        }
    }

    /// Normally distributed, mean 0 and deviation 1 (Box and Muller).
    fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.unit()).cos()
    }
}

#[cfg(test)]
mod tests {
    use super::Chance;

    #[test]
    fn beta_values_have_the_mean_and_variance_of_the_distribution() {
        for alpha in [0.05, 0.2, 1.0, 4.0] {
            let mut chance = Chance::new(7, "test", [0; 3]);
            let n = 20_000;
            let values: Vec<f64> = (0..n).map(|_| chance.beta(alpha)).collect();
            assert!(values.iter().all(|v| (0.0..=1.0).contains(v)));
            let mean = values.iter().sum::<f64>() / f64::from(n);
            let variance = values.iter().map(|v| (v - 0.5).powi(2)).sum::<f64>() / f64::from(n);
            let wanted = 1.0 / (4.0 * (2.0 * alpha + 1.0));
            assert!((mean - 0.5).abs() < 0.012, "{alpha}: mean {mean}");
            assert!((variance / wanted - 1.0).abs() < 0.04, "{alpha}: {variance}, wanted {wanted}");
        }
    }

    #[test]
    fn another_seed_name_or_number_is_another_stream() {
        let first = |seed, name, numbers| Chance::new(seed, name, numbers).unit();
        let one = first(1, "a", [2, 3, 4]);
        assert_eq!(one, first(1, "a", [2, 3, 4]));
        for other in [first(2, "a", [2, 3, 4]), first(1, "b", [2, 3, 4]), first(1, "a", [3, 2, 4])]
        {
            assert_ne!(one, other);
        }
    }
}
