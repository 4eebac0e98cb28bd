//! The few matrix operations the scores need, on column-major `f64` matrices.
//!
//! Parallel over blocks of output columns of fixed width, each made by one thread: an element is the
//! same sum in the same order for any number of threads.

use faer::diag::DiagMut;
use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::cholesky::llt;
use faer::linalg::evd::{self, ComputeEigenvectors};
use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, MatMut, MatRef, Par};
use rayon::prelude::*;

use crate::AdviseError;

/// Columns of one block.
const BLOCK: usize = 128;

/// Cuts a matrix into blocks of columns, each with the index of its first one.
fn blocks(mut matrix: MatMut<'_, f64>) -> Vec<(usize, MatMut<'_, f64>)> {
    let mut out = Vec::with_capacity(matrix.ncols().div_ceil(BLOCK));
    let mut first = 0;
    while matrix.ncols() > BLOCK {
        let (head, tail) = matrix.split_at_col_mut(BLOCK);
        out.push((first, head));
        matrix = tail;
        first += BLOCK;
    }
    out.push((first, matrix));
    out
}

/// `lhs · rhs`.
pub(crate) fn product(lhs: MatRef<'_, f64>, rhs: MatRef<'_, f64>) -> Mat<f64> {
    let mut out = Mat::zeros(lhs.nrows(), rhs.ncols());
    blocks(out.as_mut()).into_par_iter().for_each(|(first, block)| {
        let rhs = rhs.subcols(first, block.ncols());
        matmul(block, Accum::Replace, lhs, rhs, 1.0, Par::Seq);
    });
    out
}

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
    let n = matrix.nrows();
    let mut values = vec![0.0; n];
    let mut vectors = Mat::zeros(n, n);
    let yes = ComputeEigenvectors::Yes;
    let request = evd::self_adjoint_evd_scratch::<f64>(n, yes, Par::Seq, faer::Spec::default());
    let mut memory = MemBuffer::new(request);
    evd::self_adjoint_evd(
        matrix,
        DiagMut::from_slice_mut(&mut values),
        Some(vectors.as_mut()),
        Par::Seq,
        MemStack::new(&mut memory),
        faer::Spec::default(),
    )
    .map_err(|_| AdviseError::Decomposition { size: n })?;
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
