//! Losses and their gradients with respect to the logits. Sums are `f64`; a mean is over the batch.

use regraft_tensor::Tensor;

use crate::GradError;

/// A loss over a batch and its gradient for the logits.
#[derive(Debug, Clone, PartialEq)]
pub struct Loss {
    /// The mean over the batch.
    pub value: f64,
    /// `[N, C]`.
    pub gradient: Tensor,
}

/// Cross-entropy `-Σ t·log softmax(z)` of logits `[N, C]` against target distributions `[N, C]`,
/// whose rows need not be one-hot: label smoothing, mixup and `CutMix` are targets like any other. With
/// class weights `[C]` each term is weighted; the sum is divided by the sum of the weights that count
/// (as PyTorch does for one-hot targets; for others it divides by `N`, and so do we).
///
/// # Errors
/// When shapes do not fit.
pub fn cross_entropy(
    logits: &Tensor,
    targets: &[f32],
    weights: Option<&[f32]>,
) -> Result<Loss, GradError> {
    let (n, classes) = (logits.rows(), logits.row_len());
    expect("targets, one for each logit", logits.data().len(), targets.len())?;
    if let Some(weights) = weights {
        expect("class weights", classes, weights.len())?;
    }
    let weight = |c: usize| weights.map_or(1.0, |w| f64::from(w[c]));
    let one_hot = targets.iter().all(|t| *t == 0.0 || *t == 1.0);
    let divisor = if one_hot {
        targets.iter().enumerate().map(|(i, t)| f64::from(*t) * weight(i % classes)).sum::<f64>()
    } else {
        n as f64
    };
    let divisor = if divisor > 0.0 { divisor } else { 1.0 };
    let mut value = 0.0;
    let mut gradient = Tensor::zeros(logits.shape().clone());
    let rows = logits.data().chunks_exact(classes).zip(targets.chunks_exact(classes));
    for ((z, t), g) in rows.zip(gradient.data_mut().chunks_exact_mut(classes)) {
        let top = z.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let sum: f64 = z.iter().map(|v| f64::from(v - top).exp()).sum();
        let log_sum = sum.ln();
        let mass: f64 = t.iter().enumerate().map(|(c, t)| f64::from(*t) * weight(c)).sum();
        for c in 0..classes {
            let log_p = f64::from(z[c] - top) - log_sum;
            let wanted = f64::from(t[c]) * weight(c);
            if wanted != 0.0 {
                value -= wanted * log_p;
            }
            g[c] = ((mass * log_p.exp() - wanted) / divisor) as f32;
        }
    }
    Ok(Loss { value: value / divisor, gradient })
}

/// Binary cross-entropy of logits `[N, C]` against targets in `[0, 1]`, `[N, C]`, for examples that
/// may have several labels: the mean over all, as PyTorch's `BCEWithLogitsLoss`. Class weights `[C]`
/// multiply the terms of positive labels (its `pos_weight`).
///
/// # Errors
/// When shapes do not fit.
pub fn binary_cross_entropy(
    logits: &Tensor,
    targets: &[f32],
    weights: Option<&[f32]>,
) -> Result<Loss, GradError> {
    let classes = logits.row_len();
    expect("targets, one for each logit", logits.data().len(), targets.len())?;
    if let Some(weights) = weights {
        expect("class weights", classes, weights.len())?;
    }
    let count = logits.data().len().max(1) as f64;
    let mut value = 0.0;
    let mut gradient = Tensor::zeros(logits.shape().clone());
    let terms = logits.data().iter().zip(targets).zip(gradient.data_mut());
    for (i, ((z, t), g)) in terms.enumerate() {
        let weight = weights.map_or(1.0, |w| f64::from(w[i % classes]));
        let (z, t) = (f64::from(*z), f64::from(*t));
        // log(1 + exp(-z)) without overflow.
        let soft = (-z.abs()).exp().ln_1p() + (-z).max(0.0);
        let factor = 1.0 + (weight - 1.0) * t;
        value += (1.0 - t) * z + factor * soft;
        let p = 1.0 / (1.0 + (-z).exp());
        *g = (((1.0 - t) - factor * (1.0 - p)) / count) as f32;
    }
    Ok(Loss { value: value / count, gradient })
}

/// One-hot targets `[N, C]` with a share `smoothing` spread over all classes (Szegedy et al. 2016,
/// section 7).
///
/// # Errors
/// When a label is not below `classes`.
pub fn smoothed(labels: &[usize], classes: usize, smoothing: f32) -> Result<Vec<f32>, GradError> {
    let mut targets = vec![smoothing / classes.max(1) as f32; labels.len() * classes];
    for (row, label) in targets.chunks_exact_mut(classes.max(1)).zip(labels) {
        let Some(t) = row.get_mut(*label) else {
            return Err(GradError::Targets { what: "a label below", wanted: classes, got: *label });
        };
        *t += 1.0 - smoothing;
    }
    Ok(targets)
}

fn expect(what: &'static str, wanted: usize, got: usize) -> Result<(), GradError> {
    if wanted == got { Ok(()) } else { Err(GradError::Targets { what, wanted, got }) }
}
