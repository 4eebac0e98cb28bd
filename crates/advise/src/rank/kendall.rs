//! Rank correlation with ties.

/// Kendall's `τ_b` of two lists, -1 to 1, ties shared out (Kendall 1945). `None` when one of them has no
/// two different values, or lengths differ, or a value is not a number.
pub fn kendall(a: &[f64], b: &[f64]) -> Option<f64> {
    correlation(a, b, &|_, _| 1.0)
}

/// Weighted Kendall's τ, -1 to 1 (Vigna, A weighted correlation index for rankings with ties, WWW 2015):
/// a pair weighs `1/(r+1) + 1/(s+1)` for its ranks `r`, `s` from the top, so that the order of the best
/// counts most. The mean of ranking by `a` (ties by `b`) and by `b` (ties by `a`), as
/// `scipy.stats.weightedtau` does without being asked otherwise. `None` as for [`kendall`].
pub fn weighted_kendall(a: &[f64], b: &[f64]) -> Option<f64> {
    let one = |by: &[f64], ties: &[f64]| {
        let ranks = ranks(by, ties);
        let weight = |i: usize| 1.0 / (ranks[i] + 1) as f64;
        correlation(a, b, &|i, j| weight(i) + weight(j))
    };
    if a.len() != b.len() {
        return None;
    }
    Some(0.5 * (one(a, b)? + one(b, a)?))
}

/// Ranks from the top by `by`, ties by `ties`; what is the same in both may be in any order.
fn ranks(by: &[f64], ties: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..by.len()).collect();
    order.sort_by(|&i, &j| {
        let one = by[j].total_cmp(&by[i]);
        one.then(ties[j].total_cmp(&ties[i]))
    });
    let mut ranks = vec![0; by.len()];
    order.iter().enumerate().for_each(|(rank, &i)| ranks[i] = rank);
    ranks
}

fn correlation(a: &[f64], b: &[f64], weight: &dyn Fn(usize, usize) -> f64) -> Option<f64> {
    if a.len() != b.len() || a.iter().chain(b).any(|v| v.is_nan()) {
        return None;
    }
    let sign = |v: &[f64], i: usize, j: usize| match v[i].partial_cmp(&v[j]) {
        Some(std::cmp::Ordering::Less) => -1.0,
        Some(std::cmp::Ordering::Greater) => 1.0,
        Some(std::cmp::Ordering::Equal) | None => 0.0,
    };
    let (mut both, mut of_a, mut of_b) = (0.0, 0.0, 0.0);
    for i in 0..a.len() {
        for j in 0..i {
            let (x, y, w) = (sign(a, i, j), sign(b, i, j), weight(i, j));
            both += x * y * w;
            of_a += x * x * w;
            of_b += y * y * w;
        }
    }
    (of_a > 0.0 && of_b > 0.0).then(|| (both / (of_a * of_b).sqrt()).clamp(-1.0, 1.0))
}
