use regraft_probe::{Features, Labels, ridge, ridge_penalties};

use crate::AdviseError;

/// What [`ridge_out`] gives.
#[derive(Debug, Clone, PartialEq)]
pub struct RidgeOut {
    /// Share of images predicted rightly by the head fitted on all others, 0 to 1.
    pub top1: f64,
    /// Share predicted rightly by the head fitted on all of them, 0 to 1.
    pub training_top1: f64,
    /// The penalty, in squared units of the features times images.
    pub penalty: f64,
    /// Effective degrees of freedom of the head, `1 + Σ σ/(σ+λ)`: how many images it could fit by heart.
    pub df: f64,
    /// Whether each image was predicted rightly when left out, `[n]`.
    pub right: Vec<bool>,
}

/// Exact leave-one-out accuracy of a ridge head, from one decomposition (see `regraft_probe::ridge`), at
/// the penalty with the smallest squared leave-one-out error among `penalties` of a grid over seven
/// powers of ten. The penalty is not chosen by the accuracy itself, which would flatter it.
///
/// Fails for 0 penalties, and like the probe.
pub fn ridge_out(
    features: Features<'_>,
    labels: &Labels<'_>,
    penalties: usize,
) -> Result<RidgeOut, AdviseError> {
    let grid = ridge_penalties(features, penalties)?;
    let path = ridge(features, labels, &grid)?;
    let rows = path.rows();
    let best = (1..rows.len()).fold(0, |b, i| if rows[i].press < rows[b].press { i } else { b });
    let (n, classes) = (features.rows(), labels.classes());
    let scores = path.loo_scores(best)?;
    let right: Vec<bool> = scores
        .chunks_exact(classes)
        .zip(labels.values())
        .map(|(row, &label)| first_of_largest(row) == label)
        .collect();
    let head = path.fit(best)?;
    let mut hits = 0;
    let mut buffer = Vec::new();
    for first in (0..n).step_by(crate::table::ROWS) {
        let count = crate::table::ROWS.min(n - first);
        let rows = features.span(first, count, &mut buffer)?;
        let logits = head.logits_batch(rows)?;
        let labels = &labels.values()[first..first + count];
        hits += logits
            .chunks_exact(classes)
            .zip(labels)
            .filter(|(row, label)| first_of_largest(row) == **label)
            .count();
    }
    Ok(RidgeOut {
        top1: right.iter().filter(|&&r| r).count() as f64 / n as f64,
        training_top1: hits as f64 / n as f64,
        penalty: rows[best].penalty,
        df: rows[best].df,
        right,
    })
}

fn first_of_largest<T: PartialOrd>(row: &[T]) -> usize {
    (1..row.len()).fold(0, |best, c| if row[c] > row[best] { c } else { best })
}
