use faer::Mat;

use crate::linalg::{blocks, eigen, product, product_into, symmetric};
use crate::{Features, ProbeError};

/// Directions whose eigenvalue is below this part of the largest are rounding noise.
const NOISE: f64 = 1e-13;

/// Centred features `Xc = X - mean` in the coordinates of their principal axes.
///
/// `n <= d` (dual): `Xc·Xcᵀ = U·Σ·Uᵀ`; `coords` is `Uᵀ`, `[n - 1, n]`: all eigenvectors but the
/// constant one, which centring removed. `n > d` (primal): `Xcᵀ·Xc = V·Σ·Vᵀ`; `coords` is
/// `Vᵀ·Xcᵀ`, `[d, n]`.
pub(crate) struct Basis<'a> {
    features: Features<'a>,
    mean: Vec<f64>,
    /// Eigenvalues, not negative, ascending.
    pub(crate) sigma: Vec<f64>,
    /// One column per example.
    pub(crate) coords: Mat<f64>,
    /// `V`, `[d, d]`, when primal.
    vectors: Option<Mat<f64>>,
}

impl<'a> Basis<'a> {
    pub(crate) fn new(features: Features<'a>) -> Result<Self, ProbeError> {
        let mean = column_means(features);
        let x = centred(features, &mean);
        if features.rows() <= features.columns() {
            let (sigma, coords) = dual(&x)?;
            return Ok(Self { features, mean, sigma, coords, vectors: None });
        }
        let (values, vectors) = eigen(symmetric(x.as_ref(), x.transpose()).as_ref())?;
        let coords = product(vectors.transpose(), x.as_ref());
        let sigma = values.into_iter().map(|v| v.max(0.0)).collect();
        Ok(Self { features, mean, sigma, coords, vectors: Some(vectors) })
    }

    pub(crate) fn features(&self) -> Features<'a> {
        self.features
    }

    pub(crate) fn is_dual(&self) -> bool {
        self.vectors.is_none()
    }

    /// Number of coordinates.
    pub(crate) fn rank(&self) -> usize {
        self.sigma.len()
    }

    /// Length of an example's principal coordinate per unit of `coords`: √σ when dual, 1 when
    /// primal, 0 for a direction that is rounding noise.
    pub(crate) fn stretch(&self) -> Vec<f64> {
        let largest = self.sigma.iter().copied().fold(0.0, f64::max);
        let length = |s: f64| if self.is_dual() { s.sqrt() } else { 1.0 };
        self.sigma.iter().map(|&s| if s > NOISE * largest { length(s) } else { 0.0 }).collect()
    }

    /// Weights `[C, rank]` on `coords`-like axes back to weights `[C, d]` on raw features, with the
    /// bias `[C]` that stands for the centring.
    ///
    /// Dual: `weights` are on the rows of `Uᵀ·Xc` (dual coefficients in eigen-coordinates);
    /// primal: on the columns of `V`.
    pub(crate) fn raw_weights(&self, weights: &Mat<f64>, bias: &[f64]) -> (Mat<f64>, Vec<f64>) {
        let raw = if let Some(vectors) = &self.vectors {
            product(weights.as_ref(), vectors.transpose())
        } else {
            let alpha = product(weights.as_ref(), self.coords.as_ref());
            let x = centred(self.features, &self.mean);
            product(alpha.as_ref(), x.transpose())
        };
        let bias = (0..raw.nrows())
            .map(|c| {
                bias[c] - self.mean.iter().enumerate().map(|(j, m)| raw[(c, j)] * m).sum::<f64>()
            })
            .collect();
        (raw, bias)
    }

    /// Weights `[C, d]` (row-major `f32`) on raw features to weights `[C, rank]` on principal
    /// axes, and what to add to the bias. The part outside the span of the examples is lost.
    pub(crate) fn principal_weights(&self, raw: &[f32]) -> (Mat<f64>, Vec<f64>) {
        let d = self.features.columns();
        let classes = raw.len() / d;
        let raw = Mat::from_fn(classes, d, |c, j| f64::from(raw[c * d + j]));
        let shift = (0..classes)
            .map(|c| self.mean.iter().enumerate().map(|(j, m)| raw[(c, j)] * m).sum::<f64>())
            .collect();
        let Some(vectors) = &self.vectors else {
            let x = centred(self.features, &self.mean);
            let on_examples = product(raw.as_ref(), x.as_ref());
            let mut weights = product(on_examples.as_ref(), self.coords.transpose());
            for (j, s) in self.stretch().into_iter().enumerate() {
                for c in 0..classes {
                    weights[(c, j)] = if s > 0.0 { weights[(c, j)] / s } else { 0.0 };
                }
            }
            return (weights, shift);
        };
        (product(raw.as_ref(), vectors.as_ref()), shift)
    }
}

/// Eigenvalues and eigenvectors (rows) of the Gram matrix, without the constant vector.
fn dual(x: &Mat<f64>) -> Result<(Vec<f64>, Mat<f64>), ProbeError> {
    let n = x.ncols();
    let mut gram = symmetric(x.transpose(), x.as_ref());
    let trace: f64 = (0..n).map(|i| gram[(i, i)]).sum();
    // The constant vector has eigenvalue 0 like other directions without variance. Lifted above
    // all others it is the last one, and the rest stays exactly orthogonal to it.
    let lift = if trace > 0.0 { 2.0 * trace } else { 1.0 } / n as f64;
    for j in 0..n {
        for i in 0..n {
            gram[(i, j)] += lift;
        }
    }
    let (mut values, vectors) = eigen(gram.as_ref())?;
    values.truncate(n - 1);
    let coords = Mat::from_fn(n - 1, n, |j, i| vectors[(i, j)]);
    Ok((values.into_iter().map(|v| v.max(0.0)).collect(), coords))
}

/// Sum of squares of the centred features: the trace of their scatter matrix.
pub(crate) fn total_variance(features: Features<'_>) -> f64 {
    let mean = column_means(features);
    let square =
        |row: &[f32]| row.iter().zip(&mean).map(|(&v, m)| (f64::from(v) - m).powi(2)).sum::<f64>();
    features.values().chunks_exact(features.columns()).map(square).sum()
}

fn column_means(features: Features<'_>) -> Vec<f64> {
    let mut sums = vec![0.0; features.columns()];
    for row in features.values().chunks_exact(features.columns()) {
        for (sum, &v) in sums.iter_mut().zip(row) {
            *sum += f64::from(v);
        }
    }
    let n = features.rows() as f64;
    sums.into_iter().map(|s| s / n).collect()
}

/// `Xcᵀ`, `[d, n]`: one column per example.
fn centred(features: Features<'_>, mean: &[f64]) -> Mat<f64> {
    use rayon::prelude::*;
    let d = features.columns();
    let mut x = Mat::zeros(d, features.rows());
    blocks(x.as_mut()).into_par_iter().for_each(|(first, mut block)| {
        for i in 0..block.ncols() {
            let row = &features.values()[(first + i) * d..][..d];
            for (j, (&v, m)) in row.iter().zip(mean).enumerate() {
                block[(j, i)] = f64::from(v) - m;
            }
        }
    });
    x
}

/// `out = (weights · diag(scale)) · coords`.
pub(crate) fn scaled_product(
    out: faer::MatMut<'_, f64>,
    weights: &Mat<f64>,
    scale: &[f64],
    coords: &Mat<f64>,
) {
    let scaled = Mat::from_fn(weights.nrows(), weights.ncols(), |c, j| weights[(c, j)] * scale[j]);
    product_into(out, scaled.as_ref(), coords.as_ref());
}
