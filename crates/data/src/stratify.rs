//! Examples with label sets to parts, so that each part has its share of each label.

use crate::chance::order;

/// The part of each example, `[n]` with values in `0..shares.len()`, so that each part gets its share of all examples
/// and of each label (Sechidis, Tsoumakas, Vlahavas: On the Stratification of Multi-Label Data, 2011, algorithm 1):
/// the label with the fewest examples left is dealt first, each of its examples to the part that lacks most of it.
/// `sets`, `[n]`, hold labels below `labels`; `shares` add up to 1. The same input and seed give the same parts.
pub fn stratified(sets: &[&[usize]], labels: usize, shares: &[f64], seed: u64) -> Vec<usize> {
    let mut left = vec![0_usize; labels];
    for set in sets {
        for label in *set {
            left[*label] += 1;
        }
    }
    // What each part still lacks: of each label, and of all.
    let mut lacks: Vec<Vec<f64>> =
        shares.iter().map(|share| left.iter().map(|n| share * *n as f64).collect()).collect();
    let mut lacks_all: Vec<f64> = shares.iter().map(|share| share * sets.len() as f64).collect();
    let order = order(seed, 0, sets.len());
    let mut parts: Vec<Option<usize>> = vec![None; sets.len()];
    while let Some(label) = (0..labels).filter(|l| left[*l] > 0).min_by_key(|l| left[*l]) {
        for &i in order.iter().filter(|i| sets[**i].contains(&label)) {
            if parts[i].is_none() {
                let part = neediest(shares.len(), |part| (lacks[part][label], lacks_all[part]));
                parts[i] = Some(part);
                lacks_all[part] -= 1.0;
                for other in sets[i] {
                    lacks[part][*other] -= 1.0;
                    left[*other] -= 1;
                }
            }
        }
    }
    for &i in &order {
        if parts[i].is_none() {
            let part = neediest(shares.len(), |part| (lacks_all[part], 0.0));
            parts[i] = Some(part);
            lacks_all[part] -= 1.0;
        }
    }
    parts.into_iter().flatten().collect()
}

/// The part that lacks most, the first of equals.
fn neediest(parts: usize, lacks: impl Fn(usize) -> (f64, f64)) -> usize {
    let compare = |a: &usize, b: &usize| {
        let ((a1, a2), (b1, b2)) = (lacks(*a), lacks(*b));
        a1.total_cmp(&b1).then(a2.total_cmp(&b2)).then(b.cmp(a))
    };
    (0..parts).max_by(compare).unwrap_or_default()
}
