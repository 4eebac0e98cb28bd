use faer::{Mat, MatRef};

use crate::blocks::{Buffers, Scatter, column_means, scatter};
use crate::linalg::{eigen, product, symmetric};
use crate::rows::{Centre, Number, ROWS};
use crate::targets::Targets;
use crate::{Features, ProbeError};

/// Directions whose eigenvalue is below this part of the largest are rounding noise.
const NOISE: f64 = 1e-13;

/// Centred features `Xc = X - mean` and their principal axes.
///
/// Every example has *coordinates*, a column that is made or read when it is needed
/// ([`Basis::columns`]). `n <= d` (dual): `Xc·Xcᵀ = U·Σ·Uᵀ`; the coordinates are the columns of `Uᵀ`:
/// all eigenvectors but the constant one, which centring removed. `n > d` (primal):
/// `Xcᵀ·Xc = V·Σ·Vᵀ`; the coordinates are the centred features themselves, and only weights are
/// turned by `V`: nothing of the size of the features is held.
pub(crate) struct Basis<'a> {
    features: Features<'a>,
    mean: Vec<f64>,
    /// A power of two that brings centred features to about 1.
    unit: f64,
    /// Eigenvalues, not negative, ascending.
    pub(crate) sigma: Vec<f64>,
    /// Sums of the coordinates of each class less its share of all, `[len, C]`.
    pub(crate) sums: Mat<f64>,
    form: Form,
}

enum Form {
    /// `Uᵀ`, `[n - 1, n]`.
    Dual { coords: Mat<f64> },
    /// `V`, `[d, d]`, and `Xcᵀ·Xc`.
    Primal { vectors: Mat<f64>, scatter: Mat<f64> },
}

impl<'a> Basis<'a> {
    pub(crate) fn new(features: Features<'a>, labels: &Targets<'_>) -> Result<Self, ProbeError> {
        let mean = column_means(features)?;
        let (n, classes) = (features.rows(), labels.classes());
        let (sigma, mut sums, form) = if n <= features.columns() {
            let (sigma, coords) = dual(&centred(features, &mean)?)?;
            let mut sums = Mat::zeros(coords.nrows(), classes);
            for i in 0..n {
                let row = coords.col_as_slice(i);
                for &label in labels.of(i) {
                    sums.col_as_slice_mut(label).iter_mut().zip(row).for_each(|(s, v)| *s += v);
                }
            }
            (sigma, sums, Form::Dual { coords })
        } else {
            let centre = Centre { mean: mean.clone(), unit: 1.0 };
            let Scatter { products: scatter, sums, .. } =
                scatter(features, &centre, labels, &|_| true)?;
            let (values, vectors) = eigen(scatter.as_ref())?;
            let sigma = values.into_iter().map(|v| v.max(0.0)).collect();
            (sigma, sums, Form::Primal { vectors, scatter })
        };
        // Coordinates add up to zero but for rounding, which must not tilt the targets. Of label sets that cannot
        // be told from sums alone, and each label has an intercept of its own.
        let tilted = if labels.are_several() { 0 } else { sums.nrows() };
        for j in 0..tilted {
            let all: f64 = (0..classes).map(|c| sums[(j, c)]).sum();
            for (c, &count) in labels.counts().iter().enumerate() {
                sums[(j, c)] -= all * count as f64 / n as f64;
            }
        }
        let mut all = Self { features, mean, unit: 1.0, sigma, sums, form };
        let size = (all.sigma.iter().sum::<f64>() / (n * features.columns()) as f64).sqrt();
        if size > 0.0 {
            all.unit = (-size.log2().round()).exp2();
        }
        Ok(all)
    }

    pub(crate) fn features(&self) -> Features<'a> {
        self.features
    }

    pub(crate) fn is_dual(&self) -> bool {
        matches!(self.form, Form::Dual { .. })
    }

    /// `Xcᵀ·Xc`, `[d, d]`, when primal.
    pub(crate) fn scatter(&self) -> Option<&Mat<f64>> {
        match &self.form {
            Form::Dual { .. } => None,
            Form::Primal { scatter, .. } => Some(scatter),
        }
    }

    /// Number of principal axes.
    pub(crate) fn rank(&self) -> usize {
        self.sigma.len()
    }

    /// What makes coordinates of features, in `f64`.
    pub(crate) fn centre(&self) -> Centre<f64> {
        Centre { mean: self.mean.clone(), unit: 1.0 }
    }

    /// The same for products in `f32`: coordinates of about 1, and what the rounded mean leaves of
    /// each (to be taken off their products).
    pub(crate) fn centre_single(&self) -> (Centre<f32>, Vec<f64>) {
        let mean: Vec<f32> = self.mean.iter().map(|&m| m as f32).collect();
        let left = self.mean.iter().zip(&mean).map(|(m, &r)| (m - f64::from(r)) * self.unit);
        let left = left.collect();
        (Centre { mean, unit: self.unit as f32 }, left)
    }

    /// Coordinates `[len, b]` of the examples `picked`: ascending, at most `ROWS`.
    pub(crate) fn columns<'b, T: Number>(
        &self,
        picked: &[usize],
        centre: &Centre<T>,
        buffers: &'b mut Buffers<T>,
    ) -> Result<MatRef<'b, T>, ProbeError> {
        let len = self.sums.nrows();
        buffers.columns.resize(ROWS * len, T::ZERO);
        let out = &mut buffers.columns[..picked.len() * len];
        match &self.form {
            Form::Primal { .. } => {
                self.features.centred_into(picked, centre, &mut buffers.read, out)?;
            }
            Form::Dual { coords } => {
                for (at, &i) in picked.iter().enumerate() {
                    let values = out[at * len..][..len].iter_mut().zip(coords.col_as_slice(i));
                    values.for_each(|(o, &v)| *o = T::narrow(v));
                }
            }
        }
        Ok(MatRef::from_column_major_slice(out, len, picked.len()))
    }

    /// Length of an example's coordinate on each principal axis per unit: √σ when dual, 1 when
    /// primal, 0 for a direction that is rounding noise.
    pub(crate) fn stretch(&self) -> Vec<f64> {
        let largest = self.sigma.iter().copied().fold(0.0, f64::max);
        let length = |s: f64| if self.is_dual() { s.sqrt() } else { 1.0 };
        self.sigma.iter().map(|&s| if s > NOISE * largest { length(s) } else { 0.0 }).collect()
    }

    /// Weights on principal axes, `[rank, C]`, as weights on coordinates, `[len, C]`.
    pub(crate) fn on_coordinates(&self, weights: Mat<f64>) -> Mat<f64> {
        match &self.form {
            Form::Dual { .. } => weights,
            Form::Primal { vectors, .. } => product(vectors.as_ref(), weights.as_ref()),
        }
    }

    /// Sums over coordinates, `[len, C]`, as sums over principal axes, `[rank, C]`.
    pub(crate) fn on_axes(&self, sums: MatRef<'_, f64>) -> Mat<f64> {
        match &self.form {
            Form::Dual { .. } => sums.to_owned(),
            Form::Primal { vectors, .. } => product(vectors.transpose(), sums),
        }
    }

    /// Coordinates, `[len, b]`, on principal axes: `[rank, b]`; on one thread.
    pub(crate) fn turned(&self, columns: MatRef<'_, f64>) -> Mat<f64> {
        match &self.form {
            Form::Dual { .. } => columns.to_owned(),
            Form::Primal { vectors, .. } => {
                let mut out = Mat::zeros(vectors.ncols(), columns.ncols());
                crate::linalg::product_here(out.as_mut(), vectors.transpose(), columns);
                out
            }
        }
    }

    /// Weights `[rank, C]` on principal axes (dual: dual coefficients there) to weights `[d, C]` on
    /// raw features, with the bias `[C]` that stands for the centring.
    pub(crate) fn raw_weights(
        &self,
        weights: Mat<f64>,
        bias: &[f64],
    ) -> Result<(Mat<f64>, Vec<f64>), ProbeError> {
        let raw = match &self.form {
            Form::Primal { .. } => self.on_coordinates(weights),
            Form::Dual { coords } => {
                let alpha = product(coords.transpose(), weights.as_ref());
                product(centred(self.features, &self.mean)?.as_ref(), alpha.as_ref())
            }
        };
        let bias = (0..raw.ncols()).map(|c| bias[c] - dot(raw.col_as_slice(c), &self.mean));
        let bias = bias.collect();
        Ok((raw, bias))
    }

    /// Weights `[C, d]` (row-major `f32`) on raw features to weights `[rank, C]` on principal axes,
    /// and what to add to the bias. The part outside the span of the examples is lost.
    pub(crate) fn principal_weights(
        &self,
        raw: &[f32],
    ) -> Result<(Mat<f64>, Vec<f64>), ProbeError> {
        let d = self.features.columns();
        let raw = Mat::from_fn(d, raw.len() / d, |j, c| f64::from(raw[c * d + j]));
        let shift = (0..raw.ncols()).map(|c| dot(raw.col_as_slice(c), &self.mean)).collect();
        let Form::Dual { coords } = &self.form else {
            return Ok((self.on_axes(raw.as_ref()), shift));
        };
        let x = centred(self.features, &self.mean)?;
        let on_examples = product(x.transpose(), raw.as_ref());
        let mut weights = product(coords.as_ref(), on_examples.as_ref());
        for (j, s) in self.stretch().into_iter().enumerate() {
            for c in 0..weights.ncols() {
                weights[(j, c)] = if s > 0.0 { weights[(j, c)] / s } else { 0.0 };
            }
        }
        Ok((weights, shift))
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

/// `Xcᵀ`, `[d, n]`: one column per example. For `n <= d` only.
fn centred(features: Features<'_>, mean: &[f64]) -> Result<Mat<f64>, ProbeError> {
    let d = features.columns();
    let mut x = Mat::zeros(d, features.rows());
    let mut buffer = Vec::new();
    for first in (0..features.rows()).step_by(ROWS) {
        for (k, row) in features.block(first, &mut buffer)?.chunks_exact(d).enumerate() {
            let out = x.col_as_slice_mut(first + k).iter_mut().zip(row).zip(mean);
            out.for_each(|((o, &v), m)| *o = f64::from(v) - m);
        }
    }
    Ok(x)
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}
