//! Ridge scores of whole folds, each from the examples outside it.

use faer::Mat;
use rayon::prelude::*;

use crate::ProbeError;
use crate::blocks::{Buffers, Scatter, over_blocks, scatter};
use crate::linalg::{product_here, solve_in_place, symmetric};
use crate::ridge::RidgePath;
use crate::rows::ROWS;

/// Scores `[n, C]` at penalty `place` of the path.
pub(crate) fn fold_scores(
    path: &RidgePath<'_>,
    place: usize,
    folds: &[usize],
) -> Result<Vec<f64>, ProbeError> {
    let classes = path.labels().classes();
    let mut order: Vec<usize> = (0..folds.len()).collect();
    order.sort_by_key(|&i| (folds[i], i));
    let mut scores = vec![0.0; folds.len() * classes];
    // A fold with more examples than axes is cheaper to leave out of the scatter matrix.
    let is_small = |group: &[usize]| path.basis().is_dual() || group.len() <= path.basis().rank();
    let (small, large): (Vec<&[usize]>, Vec<&[usize]>) =
        order.chunk_by(|a, b| folds[*a] == folds[*b]).partition(|group| is_small(group));
    let weights = path.coordinate_weights(path.penalty(place));
    let solved: Vec<Mat<f64>> = small
        .par_iter()
        .map(|group| small_fold(path, path.penalty(place), &weights, group))
        .collect::<Result<_, ProbeError>>()?;
    for (group, e) in small.iter().zip(&solved) {
        for (at, &i) in group.iter().enumerate() {
            let row = scores[i * classes..][..classes].iter_mut().enumerate();
            row.for_each(|(c, s)| *s = -e[(at, c)]);
            path.labels().of(i).iter().for_each(|label| scores[i * classes + label] += 1.0);
        }
    }
    for group in large {
        refit(path, path.penalty(place), folds, folds[group[0]], &mut scores)?;
    }
    Ok(scores)
}

/// Puts into leave-one-out `scores`, `[n, C]`, of penalty `place` those of examples that have others in their
/// group, by a fit without the whole group.
pub(crate) fn without_groups(
    path: &RidgePath<'_>,
    place: usize,
    groups: &[Vec<usize>],
    scores: &mut [f64],
) -> Result<(), ProbeError> {
    let classes = path.labels().classes();
    let penalty = path.penalty(place);
    let weights = path.coordinate_weights(penalty);
    let solved: Vec<Mat<f64>> = groups
        .par_iter()
        .map(|group| small_fold(path, penalty, &weights, group))
        .collect::<Result<_, ProbeError>>()?;
    for (group, e) in groups.iter().zip(&solved) {
        for (at, &i) in group.iter().enumerate() {
            let row = scores[i * classes..][..classes].iter_mut().enumerate();
            row.for_each(|(c, s)| *s = -e[(at, c)]);
            path.labels().of(i).iter().for_each(|label| scores[i * classes + label] += 1.0);
        }
    }
    Ok(())
}

/// Residuals `[m, C]` of the examples of a fold by a fit without the fold.
fn small_fold(
    path: &RidgePath<'_>,
    penalty: f64,
    weights: &Mat<f64>,
    group: &[usize],
) -> Result<Mat<f64>, ProbeError> {
    let basis = path.basis();
    let (m, rank) = (group.len(), basis.rank());
    let root = |j: usize| {
        let top = if basis.is_dual() { penalty } else { 1.0 };
        (top / (basis.sigma[j] + penalty)).sqrt()
    };
    // H_FF = BᵀB with the intercept as one more coordinate; dual: I - H_FF = BᵀB.
    let extra = usize::from(!basis.is_dual());
    let constant = (1.0 / path.labels().rows() as f64).sqrt();
    let mut b = Mat::from_fn(rank + extra, m, |_, _| constant);
    let mut e = Mat::zeros(m, path.labels().classes());
    let (centre, mut buffers) = (basis.centre(), Buffers::new());
    let mut at = 0;
    for same in group.chunk_by(|a, b| a / ROWS == b / ROWS) {
        let columns = basis.columns(same, &centre, &mut buffers)?;
        let mut fitted = Mat::zeros(e.ncols(), same.len());
        product_here(fitted.as_mut(), weights.transpose(), columns);
        let turned = basis.turned(columns);
        for (k, &i) in same.iter().enumerate() {
            path.residuals(i, fitted.col_as_slice_mut(k));
            (0..e.ncols()).for_each(|c| e[(at, c)] = fitted[(c, k)]);
            (0..rank).for_each(|j| b[(j, at)] = root(j) * turned[(j, k)]);
            at += 1;
        }
    }
    let gram = symmetric(b.transpose(), b.as_ref());
    solve_in_place(if basis.is_dual() { gram } else { one_minus(gram) }, e.as_mut());
    Ok(e)
}

/// Scores of fold `fold` by the normal equations of the other examples.
fn refit(
    path: &RidgePath<'_>,
    penalty: f64,
    folds: &[usize],
    fold: usize,
    scores: &mut [f64],
) -> Result<(), ProbeError> {
    let (basis, labels) = (path.basis(), path.labels());
    let Some(all) = basis.scatter() else { return Ok(()) };
    let classes = labels.classes();
    let inside = |i: usize| folds[i] == fold;
    let Scatter { products: mut matrix, sums: mut targets, all: within } =
        scatter(basis.features(), &basis.centre(), labels, &inside)?;
    let (n, d) = (folds.len(), matrix.nrows());
    let mut counts = labels.counts().to_vec();
    let mut rest = n;
    for i in (0..n).filter(|&i| inside(i)) {
        rest -= 1;
        labels.of(i).iter().for_each(|label| counts[*label] -= 1);
    }
    let rest = rest as f64;
    // All rows less the overall mean add up to zero, so those outside to minus those inside.
    let mean: Vec<f64> = within.iter().map(|sum| -sum / rest).collect();
    for k in 0..d {
        for j in 0..d {
            matrix[(j, k)] = all[(j, k)] - matrix[(j, k)] - rest * mean[j] * mean[k];
        }
        matrix[(k, k)] += penalty;
    }
    let prior: Vec<f64> = counts.iter().map(|&k| k as f64 / rest).collect();
    for c in 0..classes {
        for j in 0..d {
            // `sums` are less the class's share of the sum of all, which is zero.
            targets[(j, c)] = basis.sums[(j, c)] - targets[(j, c)] - counts[c] as f64 * mean[j];
        }
    }
    solve_in_place(matrix, targets.as_mut());
    let shift: Vec<f64> = (0..classes)
        .map(|c| {
            prior[c] - targets.col_as_slice(c).iter().zip(&mean).map(|(w, m)| w * m).sum::<f64>()
        })
        .collect();
    let parts = scores.chunks_mut(ROWS * classes).collect();
    let weights = targets;
    over_blocks(basis, &inside, parts, |picked, columns, part: &mut [f64]| {
        let mut fitted = Mat::zeros(classes, picked.len());
        product_here(fitted.as_mut(), weights.transpose(), columns);
        for (k, i) in picked.iter().enumerate() {
            let row = part[(i % ROWS) * classes..][..classes].iter_mut().zip(&shift);
            row.enumerate().for_each(|(c, (s, shift))| *s = fitted[(c, k)] + shift);
        }
    })?;
    Ok(())
}

fn one_minus(mut matrix: Mat<f64>) -> Mat<f64> {
    for j in 0..matrix.ncols() {
        for i in 0..matrix.nrows() {
            matrix[(i, j)] = f64::from(u8::from(i == j)) - matrix[(i, j)];
        }
    }
    matrix
}
