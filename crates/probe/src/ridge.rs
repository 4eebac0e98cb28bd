use faer::{Mat, MatMut};

use crate::basis::Basis;
use crate::blocks::{column_means, over_blocks, squares};
use crate::heldout::fold_scores;
use crate::input::check_penalties;
use crate::linalg::{blocks_of, product_here};
use crate::rows::ROWS;
use crate::softmax::argmax;
use crate::targets::Targets;
use crate::{Features, LinearHead, ProbeError};

/// Leverages closer to 1 than this are taken as this close: `1 - h` is a difference of rounded
/// numbers when primal, and the example decides its own fit. When dual it is a sum of positive
/// shares, right to the last digit, and only division by zero is kept away.
const SMALLEST_PRIMAL_GAP: f64 = 1e-10;
const SMALLEST_DUAL_GAP: f64 = 1e-150;
/// Scores (examples by classes by penalties) found in one reading of the features, and the most
/// penalties for that: reading and centring cost as much as a few products.
const AT_ONCE: usize = 8_000_000;
const MOST_AT_ONCE: usize = 8;
/// Penalties whose leverages are found together are a multiple of this.
const PENALTIES_STEP: usize = 16;

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
    /// Examples whose leave-one-out scores are largest at their label; of label sets those whose labels all have
    /// more than a half, and no other.
    pub loo_top1: usize,
}

/// Ridge regression to one-hot targets for a list of penalties, from one decomposition.
///
/// Keeps some matrices of `min(n, d)` by `min(n, d)` or `d`, the leverages (8 bytes for each example
/// and penalty), and a view of the features, which it reads again for every few penalties.
pub struct RidgePath<'a> {
    basis: Basis<'a>,
    labels: Targets<'a>,
    /// Sums of coordinates by class on principal axes, `[rank, C]`.
    targets: Mat<f64>,
    priors: Vec<f64>,
    penalties: Vec<f64>,
    /// `1 - h`, `[penalties, n]`, one column for each example.
    gaps: Mat<f64>,
    rows: Vec<RidgeRow>,
}

/// Ridge regression of one-hot targets, or of 0 and 1 for each label of label sets, on centred features
/// (the intercept is not penalised), for each penalty, with exact leave-one-out residuals `(y - ŷ) / (1 - h)`, where `h` is the
/// example's leverage (Allen's PRESS, Technometrics 1974; Golub, Heath, Wahba 1979 for GCV).
///
/// Features are not scaled: penalties are in units of squared features times examples;
/// [`ridge_penalties`] gives a grid that suits any scale. Dual form for `n <= d`, where `1 - h`
/// and the residual are both sums of positive shares and lose no digits however small the penalty.
pub fn ridge<'a>(
    features: Features<'a>,
    targets: impl Into<Targets<'a>>,
    penalties: &[f64],
) -> Result<RidgePath<'a>, ProbeError> {
    let targets = targets.into();
    targets.check_rows(features.rows())?;
    check_penalties(penalties)?;
    RidgePath::visit(features, &targets, penalties, &mut |_, _, _| true)
}

/// Geometric grid of `count` penalties from 10⁻⁴ to 10³ times the mean eigenvalue of the centred
/// scatter matrix (its trace over `min(n - 1, d)`), ascending. Features without variance count as
/// having mean eigenvalue 1.
///
/// Fails when the features cannot be read.
pub fn ridge_penalties(features: Features<'_>, count: usize) -> Result<Vec<f64>, ProbeError> {
    let rank = features.columns().min(features.rows().saturating_sub(1)).max(1);
    let total = squares(features, &column_means(features)?)?;
    Ok(grid(total / rank as f64, -4.0, 3.0, count))
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
        labels: &Targets<'a>,
        penalties: &[f64],
        see: &mut dyn FnMut(usize, &RidgeRow, &[f64]) -> bool,
    ) -> Result<Self, ProbeError> {
        let basis = Basis::new(features, labels)?;
        let n = labels.rows();
        let priors = labels.counts().iter().map(|&k| k as f64 / n as f64).collect();
        let mut path = Self {
            targets: basis.on_axes(basis.sums.as_ref()),
            gaps: gaps(&basis, penalties)?,
            basis,
            labels: labels.clone(),
            priors,
            penalties: penalties.to_vec(),
            rows: Vec::with_capacity(penalties.len()),
        };
        let size = n * labels.classes();
        let together = (AT_ONCE / size).clamp(1, MOST_AT_ONCE).min(penalties.len());
        let mut scores = vec![vec![0.0; size]; together];
        let places: Vec<usize> = (0..penalties.len()).collect();
        'path: for places in places.chunks(together) {
            for (at, row) in path.scan(places, &mut scores)?.into_iter().enumerate() {
                path.rows.push(row);
                if !see(places[at], &row, &scores[at]) {
                    break 'path;
                }
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
        self.at(i)?;
        let mut scores = vec![vec![0.0; self.labels.rows() * self.labels.classes()]];
        self.scan(&[i], &mut scores)?;
        Ok(scores.swap_remove(0))
    }

    /// Out-of-fold scores at penalty `i`: `[n, C]`, each row predicted by the head fitted on the
    /// examples of all other folds. A small fold needs no refit: `(I - H_FF)⁻¹ (Y - Ŷ)_F` are its
    /// residuals; for a large one the scatter matrix without it is solved, which is exact as well.
    ///
    /// `folds`, `[n]`, gives each example's fold. Also right for groups that must not be torn
    /// apart (one patient, one film), with the group as the fold.
    pub fn fold_scores(&self, i: usize, folds: &[usize]) -> Result<Vec<f64>, ProbeError> {
        self.at(i)?;
        self.labels.check_rows(folds.len())?;
        fold_scores(self, i, folds)
    }

    /// The head fitted on all examples at penalty `i`, with temperature 1. Its logits are the
    /// regression to one-hot targets.
    pub fn fit(&self, i: usize) -> Result<LinearHead, ProbeError> {
        let penalty = self.at(i)?.penalty;
        let shrink = |j: usize| 1.0 / (self.basis.sigma[j] + penalty);
        let weights = self.targets_times(shrink);
        let (weight, bias) = self.basis.raw_weights(weights, &self.priors)?;
        LinearHead::from_f64(&weight, &bias)
    }

    fn at(&self, i: usize) -> Result<RidgeRow, ProbeError> {
        self.rows
            .get(i)
            .copied()
            .ok_or(ProbeError::NoSuchPenalty { index: i, count: self.rows.len() })
    }

    pub(crate) fn labels(&self) -> &Targets<'a> {
        &self.labels
    }

    pub(crate) fn penalty(&self, i: usize) -> f64 {
        self.penalties[i]
    }

    fn targets_times(&self, factor: impl Fn(usize) -> f64) -> Mat<f64> {
        let targets = &self.targets;
        Mat::from_fn(targets.nrows(), targets.ncols(), |j, c| targets[(j, c)] * factor(j))
    }

    /// Weights on coordinates whose products are residuals (dual) or what the fit adds to the class
    /// frequencies (primal), `[len, C]`.
    pub(crate) fn coordinate_weights(&self, penalty: f64) -> Mat<f64> {
        let shares = shares(&self.basis, penalty);
        self.basis.on_coordinates(self.targets_times(|j| shares[j]))
    }

    /// `y - ŷ` of example `i`, `[C]`, from its products with the coordinate weights, in place.
    pub(crate) fn residuals(&self, i: usize, row: &mut [f64]) {
        if !self.basis.is_dual() {
            for (v, prior) in row.iter_mut().zip(&self.priors) {
                *v = -*v - prior;
            }
            self.labels.of(i).iter().for_each(|label| row[*label] += 1.0);
        }
    }

    /// Rows and leave-one-out scores, `[n, C]` each, of the penalties at `places`, in one reading of
    /// the features.
    fn scan(&self, places: &[usize], scores: &mut [Vec<f64>]) -> Result<Vec<RidgeRow>, ProbeError> {
        let classes = self.labels.classes();
        let weights: Vec<Mat<f64>> =
            places.iter().map(|&p| self.coordinate_weights(self.penalties[p])).collect();
        let n = self.labels.rows();
        let mut parts: Vec<Vec<&mut [f64]>> = (0..n.div_ceil(ROWS)).map(|_| Vec::new()).collect();
        for scores in scores.iter_mut().take(places.len()) {
            for (part, chunk) in parts.iter_mut().zip(scores.chunks_mut(ROWS * classes)) {
                part.push(chunk);
            }
        }
        let blocks = over_blocks(&self.basis, &|_| true, parts, |picked, columns, parts| {
            let one = |(k, scores): (usize, &mut [f64])| {
                let view = MatMut::from_column_major_slice_mut(scores, classes, picked.len());
                product_here(view, weights[k].transpose(), columns);
                self.leave_one_out(places[k], picked, scores)
            };
            parts.into_iter().enumerate().map(one).collect::<Vec<Sums>>()
        })?;
        let mut rows = Vec::with_capacity(places.len());
        for (k, &place) in places.iter().enumerate() {
            let mut all = Sums::default();
            for block in &blocks {
                all.rss += block[k].rss;
                all.press += block[k].press;
                all.top1 += block[k].top1;
            }
            rows.push(self.row(self.penalties[place], &all));
        }
        Ok(rows)
    }

    /// Products with the coordinate weights become leave-one-out scores.
    fn leave_one_out(&self, place: usize, picked: &[usize], scores: &mut [f64]) -> Sums {
        let mut sums = Sums::default();
        for (&i, row) in picked.iter().zip(scores.chunks_exact_mut(self.labels.classes())) {
            let (labels, gap) = (self.labels.of(i), self.gaps[(place, i)]);
            self.residuals(i, row);
            for v in row.iter_mut() {
                sums.rss += *v * *v;
                let out = *v / gap;
                sums.press += out * out;
                *v = -out;
            }
            for label in labels {
                row[*label] += 1.0;
            }
            sums.top1 += usize::from(if self.labels.are_several() {
                row.iter().enumerate().all(|(c, v)| (*v > 0.5) == labels.contains(&c))
            } else {
                labels == [argmax(row)]
            });
        }
        sums
    }

    fn row(&self, penalty: f64, sums: &Sums) -> RidgeRow {
        let n = self.labels.rows() as f64;
        let used: f64 = self.basis.sigma.iter().map(|s| s / (s + penalty)).sum();
        // Dual: n - df is itself the sum of the shares, and would lose its digits as a difference.
        let free = if self.basis.is_dual() {
            shares(&self.basis, penalty).iter().sum()
        } else {
            n - 1.0 - used
        };
        RidgeRow {
            penalty,
            press: sums.press,
            df: 1.0 + used,
            gcv: n * sums.rss / free.max(smallest_gap(&self.basis)).powi(2),
            loo_top1: sums.top1,
        }
    }
}

/// Sums over examples at one penalty.
#[derive(Default)]
struct Sums {
    rss: f64,
    press: f64,
    top1: usize,
}

/// Part of each principal coordinate in the residual: λ/(σ+λ) of its part of the target when dual;
/// in the fit, 1/(σ+λ), when primal.
fn shares(basis: &Basis<'_>, penalty: f64) -> Vec<f64> {
    let top = if basis.is_dual() { penalty } else { 1.0 };
    basis.sigma.iter().map(|s| top / (s + penalty)).collect()
}

fn smallest_gap(basis: &Basis<'_>) -> f64 {
    if basis.is_dual() { SMALLEST_DUAL_GAP } else { SMALLEST_PRIMAL_GAP }
}

/// `1 - h` of each example at each penalty, `[penalties, n]`.
fn gaps(basis: &Basis<'_>, penalties: &[f64]) -> Result<Mat<f64>, ProbeError> {
    let mut out = Mat::zeros(penalties.len(), basis.features().rows());
    // Rounded up, so that a penalty's bits do not depend on how many others there are: products
    // with few rows are summed in another order.
    let mut weights = Mat::zeros(basis.rank(), penalties.len().next_multiple_of(PENALTIES_STEP));
    for (p, &penalty) in penalties.iter().enumerate() {
        weights.col_as_slice_mut(p).copy_from_slice(&shares(basis, penalty));
    }
    // Dual: a sum of positive shares. Primal: what is left of 1, the intercept having its part.
    let intercept = 1.0 / out.ncols() as f64;
    let (base, sign) = if basis.is_dual() { (0.0, 1.0) } else { (1.0 - intercept, -1.0) };
    let parts = blocks_of(out.as_mut(), ROWS);
    over_blocks(basis, &|_| true, parts, |_, columns, (_, mut out)| {
        let mut turned = basis.turned(columns);
        for i in 0..turned.ncols() {
            turned.col_as_slice_mut(i).iter_mut().for_each(|v| *v *= *v);
        }
        let mut sums = Mat::zeros(weights.ncols(), turned.ncols());
        product_here(sums.as_mut(), weights.transpose(), turned.as_ref());
        for i in 0..out.ncols() {
            for p in 0..out.nrows() {
                out[(p, i)] = (base + sign * sums[(p, i)]).max(smallest_gap(basis));
            }
        }
    })?;
    Ok(out)
}
