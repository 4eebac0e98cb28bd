/// Energy of logits, `-ln Σ exp(l)`: the higher, the less the head knows of the image (Liu, Wang, Owens, Li,
/// Energy-based out-of-distribution detection, 2020, at temperature 1).
///
/// Infinite for no logits.
pub fn energy(logits: impl IntoIterator<Item = f64> + Clone) -> f64 {
    let largest = logits.clone().into_iter().fold(f64::NEG_INFINITY, f64::max);
    if largest == f64::NEG_INFINITY {
        return f64::INFINITY;
    }
    let sum: f64 = logits.into_iter().map(|l| (l - largest).exp()).sum();
    -(largest + sum.ln())
}
