use faer::Mat;
use rayon::prelude::*;

use crate::linalg::{add_scatter, log_det_plus_one, product_here};
use crate::moments::Second;
use crate::table::ROWS;
use crate::{AdviseError, Moments};

/// The distortion that the authors' program allows.
pub const EPSILON: f64 = 1e-4;

/// `TransRate`, in nats: how much shorter the features are coded when the label is known (Huang, Huang,
/// Rong and others, Frustratingly easy transferability estimation, ICML 2022).
///
/// `R(Z) - 1/C Σ_c R(Z^c)` with `R(Z) = ½ ln det(I + ZᵀZ/(nε))`, features centred over all images; classes
/// are not centred again and weigh the same, as in the authors' program. The scale of the features
/// matters: `epsilon` is in their squared unit ([`EPSILON`]).
///
/// Fails when `epsilon` is not a number above 0, and when features cannot be read.
pub fn transrate(moments: &Moments<'_>, epsilon: f64) -> Result<f64, AdviseError> {
    if !(epsilon.is_finite() && epsilon > 0.0) {
        let (name, wanted) = ("epsilon", "a finite number above 0");
        return Err(AdviseError::Option { name, value: epsilon, wanted });
    }
    let scale = |count: usize| 1.0 / (count as f64 * epsilon);
    let all = scale(moments.rows());
    let whole = 0.5 * moments.axes.values.iter().map(|s| (s * all).ln_1p()).sum::<f64>();
    let mut members = vec![Vec::new(); moments.labels.classes()];
    for (i, &label) in moments.labels.values().iter().enumerate() {
        members[label].push(i);
    }
    let one = |rows: &Vec<usize>| {
        Ok(0.5 * log_det_plus_one(of_class(moments, rows)?, scale(rows.len()))?)
    };
    let parts: Vec<f64> = members.par_iter().map(one).collect::<Result<_, AdviseError>>()?;
    Ok(whole - parts.iter().sum::<f64>() / parts.len() as f64)
}

/// The smaller of Gram and scatter matrix of one class, lower triangle.
fn of_class(moments: &Moments<'_>, rows: &[usize]) -> Result<Mat<f64>, AdviseError> {
    match &moments.second {
        Second::Gram { gram, .. } => {
            let count = rows.len();
            Ok(Mat::from_fn(count, count, |i, j| gram[(rows[i], rows[j])]))
        }
        Second::Scatter { .. } if rows.len() < moments.columns() => {
            let x = moments.table.columns_of(rows, &moments.mean)?;
            Ok(product_here(x.transpose(), x.as_ref()))
        }
        Second::Scatter { .. } => {
            let mut sum = Mat::zeros(moments.columns(), moments.columns());
            for rows in rows.chunks(4 * ROWS) {
                let x = moments.table.columns_of(rows, &moments.mean)?;
                add_scatter(&mut sum, x.as_ref());
            }
            Ok(sum)
        }
    }
}
