/// Replaces logits by probabilities, softmax(logits · `beta`), and gives log Σ exp(logits · `beta`).
/// Stable: the largest logit is taken off first.
pub(crate) fn softmax_in_place(logits: &mut [f64], beta: f64) -> f64 {
    let top = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mut total = 0.0;
    for v in &mut *logits {
        *v = ((*v - top) * beta).exp();
        total += *v;
    }
    for v in &mut *logits {
        *v /= total;
    }
    total.ln() + top * beta
}

/// Replaces logits by probabilities, 1 / (1 + exp(-logit)), and gives Σ log(1 + exp(logit)).
pub(crate) fn sigmoids_in_place(logits: &mut [f64]) -> f64 {
    let mut total = 0.0;
    for v in &mut *logits {
        total += softplus(*v);
        *v = sigmoid(*v);
    }
    total
}

/// 1 / (1 + exp(-x)).
pub(crate) fn sigmoid(x: f64) -> f64 {
    // `exp` of what is not positive cannot overflow.
    let small = (-x.abs()).exp();
    if x >= 0.0 { 1.0 / (1.0 + small) } else { small / (1.0 + small) }
}

/// log(1 + exp(x)).
pub(crate) fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

/// Place of the largest value, the first of equal ones.
pub(crate) fn argmax(values: &[f64]) -> usize {
    let mut best = 0;
    for (i, v) in values.iter().enumerate() {
        if *v > values[best] {
            best = i;
        }
    }
    best
}

/// How many rows of `scores`, `[n, C]`, have their largest value at their label.
pub(crate) fn count_top1(scores: &[f64], classes: usize, labels: &[usize]) -> usize {
    scores.chunks_exact(classes).zip(labels).filter(|(row, label)| argmax(row) == **label).count()
}
