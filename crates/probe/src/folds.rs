use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::Labels;

/// Assigns each example a fold, `[n]` with values in `0..k'`: every class is spread evenly over
/// the folds (sizes differ by at most one), and so are the folds' sizes over all.
///
/// `k' = k`, but not more than the smallest class has examples, so that each fold holds each
/// class, and at least 2. Classes with one example do not count for that: no split could have
/// them on both sides. The same labels, `k` and `seed` give the same folds.
pub fn folds(labels: &Labels<'_>, k: usize, seed: u64) -> Vec<usize> {
    let smallest = labels.counts().iter().copied().filter(|&n| n > 1).min().unwrap_or(2);
    let k = k.min(smallest).max(2);
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut members = vec![Vec::new(); labels.classes()];
    for (i, &label) in labels.values().iter().enumerate() {
        members[label].push(i);
    }
    let mut out = vec![0; labels.values().len()];
    let mut next = 0;
    for mut class in members {
        shuffle(&mut class, &mut rng);
        for i in class {
            out[i] = next;
            next = (next + 1) % k;
        }
    }
    out
}

/// Fisher-Yates.
fn shuffle(values: &mut [usize], rng: &mut ChaCha8Rng) {
    for last in (1..values.len()).rev() {
        // The product's upper half: a number in 0..=last, with a bias below 2⁻³² for real sizes.
        let pick = (u128::from(rng.next_u64()) * (last as u128 + 1)) >> 64;
        values.swap(last, pick as usize);
    }
}
