use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::cholesky::llt;
use faer::linalg::triangular_solve::solve_lower_triangular_in_place;
use faer::{Mat, MatMut, Par};

use crate::AdviseError;

/// Cholesky factor `L` of a symmetric positive definite matrix.
pub(super) struct Factor(Mat<f64>);

impl Factor {
    /// Reads the lower triangle. A pivot lost to rounding is replaced by a tiny positive one.
    pub(super) fn new(mut matrix: Mat<f64>) -> Result<Self, AdviseError> {
        let size = matrix.nrows();
        let largest = (0..size).map(|i| matrix[(i, i)]).fold(f64::MIN_POSITIVE, f64::max);
        let tiny = largest * f64::EPSILON * size as f64;
        let guard = llt::factor::LltRegularization {
            dynamic_regularization_delta: tiny,
            dynamic_regularization_epsilon: tiny,
        };
        let spec = faer::Spec::default();
        let request = llt::factor::cholesky_in_place_scratch::<f64>(size, Par::Seq, spec);
        let mut memory = MemBuffer::new(request);
        let stack = MemStack::new(&mut memory);
        llt::factor::cholesky_in_place(
            matrix.as_mut(),
            guard,
            Par::Seq,
            stack,
            faer::Spec::default(),
        )
        .map_err(|_| AdviseError::Decomposition { size })?;
        Ok(Self(matrix))
    }

    /// `L⁻¹ · rhs` in place, on this thread.
    pub(super) fn solve_lower(&self, rhs: MatMut<'_, f64>) {
        solve_lower_triangular_in_place(self.0.as_ref(), rhs, Par::Seq);
    }
}
