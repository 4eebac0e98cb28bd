//! The few matrix operations the fits need, on column-major `f64` matrices.
//!
//! Parallel over blocks of output columns of fixed width; inside a block the products are
//! sequential. An output element is therefore the same sum in the same order for any number of
//! threads.

use faer::diag::DiagMut;
use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::cholesky::llt;
use faer::linalg::evd::{self, ComputeEigenvectors};
use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, MatMut, MatRef, Par};
use rayon::prelude::*;

use crate::ProbeError;
use crate::rows::Number;

/// Columns of one block.
const BLOCK: usize = 128;

/// Cuts a matrix into blocks of `BLOCK` columns, each with the index of its first column.
pub fn blocks(matrix: MatMut<'_, f64>) -> Vec<(usize, MatMut<'_, f64>)> {
    blocks_of(matrix, BLOCK)
}

/// Cuts a matrix into blocks of `width` columns, each with the index of its first column.
pub(crate) fn blocks_of(
    mut matrix: MatMut<'_, f64>,
    width: usize,
) -> Vec<(usize, MatMut<'_, f64>)> {
    let mut out = Vec::with_capacity(matrix.ncols().div_ceil(width));
    let mut first = 0;
    while matrix.ncols() > width {
        let (head, tail) = matrix.split_at_col_mut(width);
        out.push((first, head));
        matrix = tail;
        first += width;
    }
    out.push((first, matrix));
    out
}

/// `lhs · rhs`, in parallel over the longer side of the result.
pub fn product(lhs: MatRef<'_, f64>, rhs: MatRef<'_, f64>) -> Mat<f64> {
    let mut out = Mat::zeros(lhs.nrows(), rhs.ncols());
    if lhs.nrows() > rhs.ncols() {
        blocks(out.as_mut().transpose_mut()).into_par_iter().for_each(|(first, block)| {
            let lhs = lhs.subrows(first, block.ncols());
            product_here(block.transpose_mut(), lhs, rhs);
        });
    } else {
        blocks(out.as_mut()).into_par_iter().for_each(|(first, block)| {
            let rhs = rhs.subcols(first, block.ncols());
            product_here(block, lhs, rhs);
        });
    }
    out
}

/// `out = lhs · rhs` on this thread.
pub(crate) fn product_here<T: Number>(out: MatMut<'_, T>, lhs: MatRef<'_, T>, rhs: MatRef<'_, T>) {
    matmul(out, Accum::Replace, lhs, rhs, T::narrow(1.0), Par::Seq);
}

/// `lhs · rhs` where the result is known to be symmetric: half the work, then mirrored.
pub(crate) fn symmetric(lhs: MatRef<'_, f64>, rhs: MatRef<'_, f64>) -> Mat<f64> {
    let n = lhs.nrows();
    let mut out = Mat::<f64>::zeros(n, n);
    blocks(out.as_mut()).into_par_iter().for_each(|(first, block)| {
        let rhs = rhs.subcols(first, block.ncols());
        let lhs = lhs.subrows(first, n - first);
        matmul(block.subrows_mut(first, n - first), Accum::Replace, lhs, rhs, 1.0, Par::Seq);
    });
    for j in 0..n {
        for i in 0..j {
            out[(i, j)] = out[(j, i)];
        }
    }
    out
}

/// Eigenvalues, ascending, and eigenvectors (columns) of a symmetric matrix, of which the lower triangle is
/// read.
///
/// # Errors
/// [`ProbeError::Decomposition`] when the iteration does not end, as for numbers that are not finite.
pub fn eigen(matrix: MatRef<'_, f64>) -> Result<(Vec<f64>, Mat<f64>), ProbeError> {
    let n = matrix.nrows();
    let mut values = vec![0.0; n];
    let mut vectors = Mat::zeros(n, n);
    let request = evd::self_adjoint_evd_scratch::<f64>(
        n,
        ComputeEigenvectors::Yes,
        Par::Seq,
        faer::Spec::default(),
    );
    let mut memory = MemBuffer::new(request);
    evd::self_adjoint_evd(
        matrix,
        DiagMut::from_slice_mut(&mut values),
        Some(vectors.as_mut()),
        Par::Seq,
        MemStack::new(&mut memory),
        faer::Spec::default(),
    )
    .map_err(|_| ProbeError::Decomposition { size: n })?;
    Ok((values, vectors))
}

/// Solves `matrix · x = rhs` in place for a symmetric positive definite matrix. A pivot lost to
/// rounding is replaced by a tiny positive one, so that there always is an answer.
pub(crate) fn solve_in_place(mut matrix: Mat<f64>, rhs: MatMut<'_, f64>) {
    let n = matrix.nrows();
    let largest = (0..n).map(|i| matrix[(i, i)]).fold(f64::MIN_POSITIVE, f64::max);
    let tiny = largest * f64::EPSILON * n as f64;
    let guard = llt::factor::LltRegularization {
        dynamic_regularization_delta: tiny,
        dynamic_regularization_epsilon: tiny,
    };
    let request = llt::factor::cholesky_in_place_scratch::<f64>(n, Par::Seq, faer::Spec::default());
    let mut memory = MemBuffer::new(request);
    let factored = llt::factor::cholesky_in_place(
        matrix.as_mut(),
        guard,
        Par::Seq,
        MemStack::new(&mut memory),
        faer::Spec::default(),
    );
    if factored.is_ok() {
        let request = llt::solve::solve_in_place_scratch::<f64>(n, rhs.ncols(), Par::Seq);
        let mut memory = MemBuffer::new(request);
        let stack = MemStack::new(&mut memory);
        llt::solve::solve_in_place(matrix.as_ref(), rhs, Par::Seq, stack);
    }
}
