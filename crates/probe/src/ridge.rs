use faer::{Mat, MatMut};
use rayon::prelude::*;

use crate::basis::{Basis, scaled_product, total_variance};
use crate::input::check_penalties;
use crate::linalg::{product, solve_in_place, symmetric};
use crate::softmax::count_top1;
use crate::{Features, Labels, LinearHead, ProbeError};

/// Leverages closer to 1 than this are taken as this close: `1 - h` is a difference of rounded
/// numbers when primal, and the example decides its own fit. When dual it is a sum of positive
/// shares, right to the last digit, and only division by zero is kept away.
const SMALLEST_PRIMAL_GAP: f64 = 1e-10;
const SMALLEST_DUAL_GAP: f64 = 1e-150;

/// What one penalty of a [`RidgePath`] gives.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RidgeRow {
    /// The penalty λ of ½‖Y - XW‖² + ½λ‖W‖².
    pub penalty: f64,
    /// PRESS: sum of squared leave-one-out residuals over examples and classes.
    pub press: f64,
    /// Effective degrees of freedom, 1 + Σ σ/(σ+λ); the 1 is the intercept.
    pub df: f64,
    /// Generalised cross-validation, n·‖Y - Ŷ‖² / (n - df)².
    pub gcv: f64,
    /// Examples whose leave-one-out scores are largest at their label.
    pub loo_top1: usize,
}

/// Ridge regression to one-hot targets for a list of penalties, from one decomposition.
///
/// Keeps the examples in principal coordinates: about `8 · n · min(n, d)` bytes.
pub struct RidgePath<'a> {
    basis: Basis<'a>,
    labels: Labels<'a>,
    /// `coords · Yc`, `[C, rank]`.
    targets: Mat<f64>,
    priors: Vec<f64>,
    rows: Vec<RidgeRow>,
}

/// Ridge regression of the one-hot labels on centred features (the intercept is not penalised),
/// for each penalty, with exact leave-one-out residuals `(y - ŷ) / (1 - h)`, where `h` is the
/// example's leverage (Allen's PRESS, Technometrics 1974; Golub, Heath, Wahba 1979 for GCV).
///
/// Features are not scaled: penalties are in units of squared features times examples;
/// [`ridge_penalties`] gives a grid that suits any scale. Dual form for `n <= d`, where `1 - h`
/// and the residual are both sums of positive shares and lose no digits however small the penalty.
pub fn ridge<'a>(
    features: Features<'a>,
    labels: &Labels<'a>,
    penalties: &[f64],
) -> Result<RidgePath<'a>, ProbeError> {
    labels.check_rows(features.rows())?;
    check_penalties(penalties)?;
    RidgePath::visit(features, labels, penalties, &mut |_, _, _| true)
}

/// Geometric grid of `count` penalties from 10⁻⁴ to 10³ times the mean eigenvalue of the centred
/// scatter matrix (its trace over `min(n - 1, d)`), ascending. Features without variance count as
/// having mean eigenvalue 1.
pub fn ridge_penalties(features: Features<'_>, count: usize) -> Vec<f64> {
    let rank = features.columns().min(features.rows().saturating_sub(1)).max(1);
    grid(total_variance(features) / rank as f64, -4.0, 3.0, count)
}

/// `count` values from `unit · 10^first` to `unit · 10^last`.
pub(crate) fn grid(unit: f64, first: f64, last: f64, count: usize) -> Vec<f64> {
    let unit = if unit > 0.0 { unit } else { 1.0 };
    let step = (last - first) / count.saturating_sub(1).max(1) as f64;
    (0..count).map(|i| unit * 10f64.powf(first + step * i as f64)).collect()
}

impl<'a> RidgePath<'a> {
    /// [`ridge`] for input known to be sound, showing each row's leave-one-out scores; ends early
    /// when `see` says no.
    pub(crate) fn visit(
        features: Features<'a>,
        labels: &Labels<'a>,
        penalties: &[f64],
        see: &mut dyn FnMut(usize, &RidgeRow, &[f64]) -> bool,
    ) -> Result<Self, ProbeError> {
        let basis = Basis::new(features)?;
        let n = labels.values().len() as f64;
        let priors: Vec<f64> = labels.counts().iter().map(|&k| k as f64 / n).collect();
        let centred = centred_targets(labels, &priors);
        let targets = product(centred.as_ref(), basis.coords.transpose());
        let mut path = Self { basis, labels: labels.clone(), targets, priors, rows: Vec::new() };
        for (i, &penalty) in penalties.iter().enumerate() {
            let (row, scores) = path.row(penalty);
            path.rows.push(row);
            if !see(i, &row, &scores) {
                break;
            }
        }
        Ok(path)
    }

    pub(crate) fn basis(&self) -> &Basis<'a> {
        &self.basis
    }

    /// One row per penalty, in the order given.
    pub fn rows(&self) -> &[RidgeRow] {
        &self.rows
    }

    /// Leave-one-out scores at penalty `i`: `[n, C]`, each row predicted by the head fitted on all
    /// other examples. One-hot regression: near 1 for the likely class, near 0 for the others.
    pub fn loo_scores(&self, i: usize) -> Result<Vec<f64>, ProbeError> {
        let row = self.at(i)?;
        let mut scores = self.residuals(row.penalty);
        self.loo_in_place(&mut scores, &self.gaps(row.penalty));
        Ok(scores)
    }

    /// Out-of-fold scores at penalty `i`: `[n, C]`, each row predicted by the head fitted on the
    /// examples of all other folds. Exact without refitting: `(I - H_FF)⁻¹ (Y - Ŷ)_F` are the
    /// residuals of fold `F`.
    ///
    /// `folds`, `[n]`, gives each example's fold. Also right for groups that must not be torn
    /// apart (one patient, one film), with the group as the fold.
    pub fn fold_scores(&self, i: usize, folds: &[usize]) -> Result<Vec<f64>, ProbeError> {
        let penalty = self.at(i)?.penalty;
        self.labels.check_rows(folds.len())?;
        let classes = self.labels.classes();
        let fitted = self.residuals(penalty);
        let mut order: Vec<usize> = (0..folds.len()).collect();
        order.sort_by_key(|&i| (folds[i], i));
        let groups: Vec<&[usize]> = order.chunk_by(|a, b| folds[*a] == folds[*b]).collect();
        let solved: Vec<Mat<f64>> = groups
            .par_iter()
            .map(|group| {
                let mut e =
                    Mat::from_fn(group.len(), classes, |i, c| fitted[group[i] * classes + c]);
                self.leave_out(penalty, group, &mut e);
                e
            })
            .collect();
        let mut scores = vec![0.0; fitted.len()];
        for (group, e) in groups.iter().zip(&solved) {
            for (at, &i) in group.iter().enumerate() {
                for c in 0..classes {
                    let hot = f64::from(u8::from(self.labels.values()[i] == c));
                    scores[i * classes + c] = hot - e[(at, c)];
                }
            }
        }
        Ok(scores)
    }

    /// The head fitted on all examples at penalty `i`, with temperature 1. Its logits are the
    /// regression to one-hot targets.
    pub fn fit(&self, i: usize) -> Result<LinearHead, ProbeError> {
        let penalty = self.at(i)?.penalty;
        let weights = Mat::from_fn(self.targets.nrows(), self.targets.ncols(), |c, j| {
            self.targets[(c, j)] / (self.basis.sigma[j] + penalty)
        });
        let (weight, bias) = self.basis.raw_weights(&weights, &self.priors);
        LinearHead::from_f64(&weight, &bias)
    }

    fn at(&self, i: usize) -> Result<RidgeRow, ProbeError> {
        self.rows
            .get(i)
            .copied()
            .ok_or(ProbeError::NoSuchPenalty { index: i, count: self.rows.len() })
    }

    /// Share of each coordinate in the residual: λ/(σ+λ) of its part of the target when dual,
    /// -1/(σ+λ), to be added to the whole target, when primal.
    fn shares(&self, penalty: f64) -> Vec<f64> {
        let top = if self.basis.is_dual() { penalty } else { -1.0 };
        self.basis.sigma.iter().map(|s| top / (s + penalty)).collect()
    }

    /// `Y - Ŷ`, `[n, C]`.
    fn residuals(&self, penalty: f64) -> Vec<f64> {
        let classes = self.labels.classes();
        let n = self.labels.values().len();
        let mut out = vec![0.0; n * classes];
        let view = MatMut::from_column_major_slice_mut(&mut out, classes, n);
        scaled_product(view, &self.targets, &self.shares(penalty), &self.basis.coords);
        if !self.basis.is_dual() {
            for (row, &label) in out.chunks_exact_mut(classes).zip(self.labels.values()) {
                for (v, prior) in row.iter_mut().zip(&self.priors) {
                    *v -= prior;
                }
                row[label] += 1.0;
            }
        }
        out
    }

    fn smallest_gap(&self) -> f64 {
        if self.basis.is_dual() { SMALLEST_DUAL_GAP } else { SMALLEST_PRIMAL_GAP }
    }

    /// `1 - h` for each example.
    fn gaps(&self, penalty: f64) -> Vec<f64> {
        let shares = self.shares(penalty);
        let n = self.labels.values().len();
        let base = if self.basis.is_dual() { 0.0 } else { 1.0 - 1.0 / n as f64 };
        let gap = |i: usize| {
            let column = self.basis.coords.col_as_slice(i);
            base + weighted_square(column, &shares)
        };
        (0..n).into_par_iter().map(gap).map(|g| g.max(self.smallest_gap())).collect()
    }

    fn loo_in_place(&self, residuals: &mut [f64], gaps: &[f64]) {
        let classes = self.labels.classes();
        let rows = residuals.chunks_exact_mut(classes).zip(gaps).zip(self.labels.values());
        for ((row, gap), &label) in rows {
            for v in row.iter_mut() {
                *v = -*v / gap;
            }
            row[label] += 1.0;
        }
    }

    fn row(&self, penalty: f64) -> (RidgeRow, Vec<f64>) {
        let n = self.labels.values().len() as f64;
        let classes = self.labels.classes();
        let mut scores = self.residuals(penalty);
        let rss: f64 = scores.iter().map(|e| e * e).sum();
        let gaps = self.gaps(penalty);
        let press = scores
            .chunks_exact(classes)
            .zip(&gaps)
            .map(|(row, g)| row.iter().map(|e| (e / g).powi(2)).sum::<f64>())
            .sum();
        self.loo_in_place(&mut scores, &gaps);
        let shares: f64 = self.shares(penalty).iter().sum();
        let used: f64 = self.basis.sigma.iter().map(|s| s / (s + penalty)).sum();
        // Dual: n - df is itself the sum of the shares, and would lose its digits as a difference.
        let free = if self.basis.is_dual() { shares } else { n - 1.0 - used };
        let row = RidgeRow {
            penalty,
            press,
            df: 1.0 + used,
            gcv: n * rss / free.max(self.smallest_gap()).powi(2),
            loo_top1: count_top1(&scores, classes, self.labels.values()),
        };
        (row, scores)
    }

    /// Residuals `e`, `[m, C]`, of the examples of a fold become those of a fit without the fold.
    fn leave_out(&self, penalty: f64, group: &[usize], e: &mut Mat<f64>) {
        let m = group.len();
        let coords = &self.basis.coords;
        let root: Vec<f64> = self.shares(penalty).iter().map(|s| s.abs().sqrt()).collect();
        if self.basis.is_dual() {
            let b = Mat::from_fn(self.basis.rank(), m, |j, i| root[j] * coords[(j, group[i])]);
            solve_in_place(symmetric(b.transpose(), b.as_ref()), e.as_mut());
            return;
        }
        // H_FF = BᵀB with the intercept as one more coordinate; the smaller of I - BᵀB and, by
        // Woodbury's identity, I - BBᵀ is solved.
        let constant = (1.0 / self.labels.values().len() as f64).sqrt();
        let rank = self.basis.rank();
        let b = Mat::from_fn(rank + 1, m, |j, i| {
            if j == rank { constant } else { root[j] * coords[(j, group[i])] }
        });
        if m <= rank + 1 {
            solve_in_place(one_minus(symmetric(b.transpose(), b.as_ref())), e.as_mut());
        } else {
            let mut inner = product(b.as_ref(), e.as_ref());
            solve_in_place(one_minus(symmetric(b.as_ref(), b.transpose())), inner.as_mut());
            *e += product(b.transpose(), inner.as_ref());
        }
    }
}

fn one_minus(mut matrix: Mat<f64>) -> Mat<f64> {
    for j in 0..matrix.ncols() {
        for i in 0..matrix.nrows() {
            matrix[(i, j)] = f64::from(u8::from(i == j)) - matrix[(i, j)];
        }
    }
    matrix
}

/// One-hot labels less the class frequencies, `[C, n]`.
fn centred_targets(labels: &Labels<'_>, priors: &[f64]) -> Mat<f64> {
    Mat::from_fn(labels.classes(), labels.values().len(), |c, i| {
        f64::from(u8::from(labels.values()[i] == c)) - priors[c]
    })
}

/// Σ wⱼ·xⱼ², in eight running sums so that it can be vectorised; the order is fixed.
fn weighted_square(x: &[f64], w: &[f64]) -> f64 {
    let (xs, x_rest) = x.as_chunks::<8>();
    let (ws, w_rest) = w.as_chunks::<8>();
    let mut lanes = [0.0; 8];
    for (x, w) in xs.iter().zip(ws) {
        for k in 0..8 {
            lanes[k] += w[k] * x[k] * x[k];
        }
    }
    let rest: f64 = x_rest.iter().zip(w_rest).map(|(x, w)| w * x * x).sum();
    lanes.iter().sum::<f64>() + rest
}
