//! Matrix operations that the scores need beside those of the probe, by the same rule: parallel over blocks
//! of output columns of fixed width, so that an element is the same sum for any number of threads.

use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::cholesky::llt;
use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, MatRef, Par};
use rayon::prelude::*;
use regraft_probe::linalg::blocks;
pub(crate) use regraft_probe::linalg::product;

use crate::AdviseError;

/// `lhs · rhs` on this thread.
pub(crate) fn product_here(lhs: MatRef<'_, f64>, rhs: MatRef<'_, f64>) -> Mat<f64> {
    let mut out = Mat::zeros(lhs.nrows(), rhs.ncols());
    matmul(out.as_mut(), Accum::Replace, lhs, rhs, 1.0, Par::Seq);
    out
}

/// Adds `x · xᵀ` to the lower triangle of `sum`.
pub(crate) fn add_scatter(sum: &mut Mat<f64>, x: MatRef<'_, f64>) {
    let d = sum.nrows();
    blocks(sum.as_mut()).into_par_iter().for_each(|(first, block)| {
        let (rows, columns) = (d - first, block.ncols());
        let (below, here) = (x.subrows(first, rows), x.subrows(first, columns));
        let block = block.subrows_mut(first, rows);
        matmul(block, Accum::Add, below, here.transpose(), 1.0, Par::Seq);
    });
}

/// Copies the lower triangle into the upper one.
pub(crate) fn mirror(matrix: &mut Mat<f64>) {
    for j in 0..matrix.ncols() {
        for i in 0..j {
            matrix[(i, j)] = matrix[(j, i)];
        }
    }
}

/// Eigenvalues, ascending and not negative, and eigenvectors (columns) of a symmetric matrix that has
/// no negative ones but by rounding.
pub(crate) fn eigen(matrix: MatRef<'_, f64>) -> Result<(Vec<f64>, Mat<f64>), AdviseError> {
    let (values, vectors) = regraft_probe::linalg::eigen(matrix)?;
    let values = values.into_iter().map(|v| v.max(0.0)).collect();
    Ok((values, vectors))
}

/// `ln det(I + matrix · scale)` of a symmetric matrix without negative eigenvalues (lower triangle),
/// by a Cholesky factor.
pub(crate) fn log_det_plus_one(mut matrix: Mat<f64>, scale: f64) -> Result<f64, AdviseError> {
    let n = matrix.nrows();
    for j in 0..n {
        for i in j..n {
            matrix[(i, j)] *= scale;
        }
        matrix[(j, j)] += 1.0;
    }
    let spec = faer::Spec::default();
    let request = llt::factor::cholesky_in_place_scratch::<f64>(n, Par::Seq, spec);
    let mut memory = MemBuffer::new(request);
    llt::factor::cholesky_in_place(
        matrix.as_mut(),
        llt::factor::LltRegularization::default(),
        Par::Seq,
        MemStack::new(&mut memory),
        faer::Spec::default(),
    )
    .map_err(|_| AdviseError::Decomposition { size: n })?;
    Ok(2.0 * (0..n).map(|i| matrix[(i, i)].ln()).sum::<f64>())
}

/// `a · b`.
pub(crate) fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}
