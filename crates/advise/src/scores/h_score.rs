use crate::{AdviseError, Moments};

/// H-score, `0` to `C - 1`: `tr(cov(f)⁻¹ cov(E[f|y]))` (Bao, Li, Huang and others, An
/// information-theoretic approach to transferability in task transfer learning, ICIP 2019).
///
/// Directions without variance are left out (a pseudo-inverse that drops what is below 10⁻¹² of the
/// largest). With as many features as images it is `C - 1` whatever the labels, and says nothing:
/// [`shrunk_h_score`] is for that.
pub fn h_score(moments: &Moments<'_>) -> f64 {
    let axes = &moments.axes;
    let explained = |j: usize| between(moments, j) / axes.values[j];
    (0..axes.values.len()).map(explained).sum()
}

/// Sum of squares between classes along an axis: `Σ_c (Σ_{i in c} z_i)² / n_c`.
fn between(moments: &Moments<'_>, axis: usize) -> f64 {
    let one = |(c, &count): (usize, &usize)| moments.axes.sums[(axis, c)].powi(2) / count as f64;
    moments.labels.counts().iter().enumerate().map(one).sum()
}

/// What [`shrunk_h_score`] gives.
#[derive(Debug, Clone, PartialEq)]
pub struct ShrunkH {
    /// The score, `0` to about `C - 1`.
    pub score: f64,
    /// Ledoit and Wolf's share of the round covariance, 0 to 1.
    pub alpha: f64,
}

/// H-score with a shrunk covariance (Ibrahim, Ponomareva, Mazumder, Newer is not always better:
/// rethinking transferability metrics, 2021): `tr(Σ_α⁻¹ (1-α) cov(E[f|y]))` with
/// `Σ_α = (1-α) Σ + α tr(Σ)/d I`; `Σ` divides by `n`, `cov(E[f|y])` by `n - 1`, as the authors' program
/// does.
pub fn shrunk_h_score(moments: &Moments<'_>) -> Result<ShrunkH, AdviseError> {
    let n = moments.rows() as f64;
    let values = &moments.axes.values;
    let Shrinkage { alpha, mean } = Shrinkage::new(values, &moments.norms, moments.columns());
    if alpha >= 1.0 {
        return Ok(ShrunkH { score: 0.0, alpha });
    }
    // On principal axes, where covariances are diagonal.
    let explained =
        |j: usize| between(moments, j) / n / ((1.0 - alpha) * values[j] / n + alpha * mean);
    let score = (0..values.len()).map(explained).sum::<f64>();
    Ok(ShrunkH { score: (1.0 - alpha) * score * n / (n - 1.0), alpha })
}

/// Share of `tr(Σ)/d I` in the best estimate of a covariance, from the eigenvalues of the scatter matrix
/// and each image's squared distance to the mean (Ledoit, Wolf, A well-conditioned estimator for
/// large-dimensional covariance matrices, 2004, lemmas 3.2 to 3.4; as in scikit-learn).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shrinkage {
    /// The share, 0 to 1: 1 where nothing tells directions apart.
    pub(crate) alpha: f64,
    /// `tr(Σ)/d`.
    pub(crate) mean: f64,
}

impl Shrinkage {
    pub(crate) fn new(values: &[f64], norms: &[f64], d: usize) -> Self {
        let square = values.iter().map(|v| v * v).sum();
        Self::of(values.iter().sum(), square, norms, d)
    }

    /// From trace and sum of squares of the scatter matrix.
    pub(crate) fn of(trace: f64, square: f64, norms: &[f64], d: usize) -> Self {
        let (n, d) = (norms.len() as f64, d as f64);
        let mean = trace / n / d;
        let square = square / (n * n);
        let fourth = norms.iter().map(|v| v * v).sum::<f64>() / n;
        let spread = square / d - mean * mean;
        let noise = (fourth - square) / (d * n);
        let told = spread > 0.0 && spread > noise;
        Self { alpha: if told { (noise / spread).max(0.0) } else { 1.0 }, mean }
    }
}
