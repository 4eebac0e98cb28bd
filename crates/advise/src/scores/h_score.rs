use faer::Mat;

use crate::linalg::product_here;
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
    /// What each image adds, `[n]`: with weights `w` on the images the score is
    /// `score + 1/n Σ (w_i - 1) a_i`: `n - 1` times what it loses without the image (the jackknife), less
    /// their mean.
    pub contributions: Vec<f64>,
}

/// H-score with a shrunk covariance (Ibrahim, Ponomareva, Mazumder, Newer is not always better:
/// rethinking transferability metrics, 2021): `tr(Σ_α⁻¹ (1-α) cov(E[f|y]))` with
/// `Σ_α = (1-α) Σ + α tr(Σ)/d I`; `Σ` divides by `n`, `cov(E[f|y])` by `n - 1`, as the authors' program
/// does.
pub fn shrunk_h_score(moments: &Moments<'_>) -> Result<ShrunkH, AdviseError> {
    let parts = Parts::new(moments);
    let n = moments.rows() as f64;
    let scale = n / (n - 1.0);
    let losses = parts.losses(moments)?;
    let mean = losses.iter().sum::<f64>() / n;
    let contributions = losses.into_iter().map(|a| scale * (a - mean)).collect();
    Ok(ShrunkH {
        score: scale * parts.score(parts.shrinkage.alpha, parts.shrinkage.mean),
        alpha: parts.shrinkage.alpha,
        contributions,
    })
}

/// Everything on principal axes, where covariances are diagonal, `[k]` each.
struct Parts {
    shrinkage: Shrinkage,
    /// Variances.
    variances: Vec<f64>,
    /// The same shrunk.
    shrunk: Vec<f64>,
    /// Variances of the class means.
    between: Vec<f64>,
}

impl Parts {
    fn new(moments: &Moments<'_>) -> Self {
        let n = moments.rows() as f64;
        let values = &moments.axes.values;
        let shrinkage = Shrinkage::new(values, &moments.norms, moments.columns());
        let variances: Vec<f64> = values.iter().map(|s| s / n).collect();
        let alpha = shrinkage.alpha;
        let shrunk = variances.iter().map(|v| (1.0 - alpha) * v + alpha * shrinkage.mean).collect();
        let between = (0..values.len()).map(|j| between(moments, j) / n).collect();
        Self { shrinkage, variances, shrunk, between }
    }

    /// The score at another share and mean variance.
    fn score(&self, alpha: f64, mean: f64) -> f64 {
        if alpha >= 1.0 {
            return 0.0;
        }
        let one = |(b, v): (&f64, &f64)| b / ((1.0 - alpha) * v + alpha * mean);
        (1.0 - alpha) * self.between.iter().zip(&self.variances).map(one).sum::<f64>()
    }

    /// What the score loses without each image, times `n - 1`, but for a constant, `[n]`.
    fn losses(&self, moments: &Moments<'_>) -> Result<Vec<f64>, AdviseError> {
        let (k, n) = (self.shrunk.len(), moments.rows() as f64);
        let (axes, counts) = (&moments.axes, moments.labels.counts());
        let out = Without::new(self, moments);
        let whole = Mat::<f64>::identity(k, k);
        let blocks = axes.over(moments.table, whole.as_ref(), |first, z| {
            let scores = product_here(out.weights.transpose(), z);
            let mut third = vec![0.0; k];
            let one = |at: usize| {
                let norm = moments.norms[first + at];
                let (mut along, mut own) = (0.0, 0.0);
                for j in 0..k {
                    let v = z[(j, at)];
                    along += v * v * self.variances[j];
                    own += v * v * out.inverse[j];
                    third[j] += v * norm / n;
                }
                let column: Vec<f64> = (0..counts.len()).map(|c| scores[(c, at)]).collect();
                let left = out.sum(moments.labels.values()[first + at], &column, own);
                ((1.0 - self.shrinkage.alpha) * left, along)
            };
            ((0..z.ncols()).map(one).collect::<Vec<(f64, f64)>>(), third)
        })?;
        let third = Mat::from_fn(k, 1, |j, _| blocks.iter().map(|(_, t)| t[j]).sum());
        let shifts = axes.over(moments.table, third.as_ref(), |_, along| {
            (0..along.ncols()).map(|at| along[(0, at)]).collect::<Vec<f64>>()
        })?;
        let each = blocks.iter().flat_map(|(list, _)| list).zip(shifts.iter().flatten());
        let all = |(&(left, along), &shift): (&(f64, f64), &f64), norm: &f64| {
            let (alpha, mean) = self.shrinkage.without(*norm, along, shift);
            -(n - 1.0) * (left + self.score(alpha, mean))
        };
        Ok(each.zip(&moments.norms).map(|(one, norm)| all(one, norm)).collect())
    }
}

/// The score without one image, at the same `alpha` and trace.
struct Without<'a> {
    /// Shrunk variances of `n - 1` images before the image's own share is taken off, inverted, `[k]`.
    inverse: Vec<f64>,
    /// Class means times that, `[k, C]`.
    weights: Mat<f64>,
    /// Their products with the class means, `[C]`.
    own: Vec<f64>,
    counts: &'a [usize],
    n: f64,
    /// The image's share of the shrunk covariance.
    share: f64,
}

impl<'a> Without<'a> {
    fn new(parts: &Parts, moments: &'a Moments<'_>) -> Self {
        let (k, n) = (parts.shrunk.len(), moments.rows() as f64);
        let Shrinkage { alpha, mean, .. } = parts.shrinkage;
        let counts = moments.labels.counts();
        let one = |v: &f64| 1.0 / ((1.0 - alpha) * v * n / (n - 1.0) + alpha * mean);
        let inverse: Vec<f64> = parts.variances.iter().map(one).collect();
        let centre = |j: usize, c: usize| moments.axes.sums[(j, c)] / counts[c] as f64;
        let weights = Mat::from_fn(k, counts.len(), |j, c| centre(j, c) * inverse[j]);
        let own = (0..counts.len())
            .map(|c| (0..k).map(|j| centre(j, c) * weights[(j, c)]).sum())
            .collect();
        let share = (1.0 - alpha) * n / (n - 1.0).powi(2);
        Self { inverse, weights, own, counts, n, share }
    }

    /// `Σ p_c z_cᵀ P z_c` without an image `x` of class `label`, from its products `xᵀPz_c` with the class
    /// means and `xᵀPx` (Sherman and Morrison).
    fn sum(&self, label: usize, products: &[f64], norm: f64) -> f64 {
        let shift = 1.0 / (self.n - 1.0);
        let gap = (1.0 - self.share * norm).max(1e-10);
        let one = |c: usize| {
            let left = self.counts[c] - usize::from(c == label);
            if left == 0 {
                return 0.0;
            }
            let (mut a, mut b) = (1.0, shift);
            if c == label {
                a = self.counts[c] as f64 / left as f64;
                b -= 1.0 / left as f64;
            }
            let square = a * a * self.own[c] + 2.0 * a * b * products[c] + b * b * norm;
            let line = a * products[c] + b * norm;
            left as f64 * shift * (square + self.share * line * line / gap)
        };
        (0..self.counts.len()).map(one).sum()
    }
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
    /// `‖Σ‖²`, and the mean fourth power of the distance to the mean.
    square: f64,
    fourth: f64,
    n: f64,
    d: f64,
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
        Self { alpha: alpha(n, d, mean, square, fourth), mean, square, fourth, n, d }
    }

    /// `alpha` and `mean` without an image at squared distance `norm`, with `along` = `xᵀΣx` and `shift` =
    /// `E[‖x‖² x]ᵀx`.
    fn without(&self, norm: f64, along: f64, shift: f64) -> (f64, f64) {
        let (n, left) = (self.n, self.n - 1.0);
        let (a, b, step) = (n / left, n / (left * left), 1.0 / left);
        let mean = a * self.mean - b * norm / self.d;
        let square = a * a * self.square - 2.0 * a * b * along + (b * norm).powi(2);
        let cross = 2.0 * self.d * self.mean * norm + 4.0 * along;
        let moved = self.fourth + 4.0 * step * shift + step * step * cross;
        let moved = moved + step.powi(4) * norm * norm;
        let fourth = (n * moved - norm * norm * (1.0 + step).powi(4)) / left;
        (alpha(left, self.d, mean, square, fourth), mean)
    }
}

fn alpha(n: f64, d: f64, mean: f64, square: f64, fourth: f64) -> f64 {
    let spread = square / d - mean * mean;
    let noise = (fourth - square) / (d * n);
    if spread > 0.0 && spread > noise { (noise / spread).max(0.0) } else { 1.0 }
}
