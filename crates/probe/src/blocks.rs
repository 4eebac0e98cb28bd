//! Work over all examples, block by block of rows, in parallel with fixed sums.

use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, MatRef, Par};
use rayon::prelude::*;

use crate::basis::Basis;
use crate::linalg::blocks;
use crate::rows::{Centre, ROWS};
use crate::targets::Targets;
use crate::{Features, ProbeError};

/// Blocks of rows whose features are held as `f64` together while their scatter is summed.
const TOGETHER: usize = 4;

/// One thread's memory.
pub(crate) struct Buffers<T> {
    pub(crate) read: Vec<f32>,
    pub(crate) columns: Vec<T>,
}

impl<T> Buffers<T> {
    pub(crate) fn new() -> Self {
        Self { read: Vec::new(), columns: Vec::new() }
    }
}

/// The examples of the block that begins at `first` that are `kept`.
pub(crate) fn picked(first: usize, n: usize, kept: &dyn Fn(usize) -> bool) -> Vec<usize> {
    (first..n.min(first + ROWS)).filter(|&i| kept(i)).collect()
}

/// Calls `work` for each block of rows, on any thread, with the examples in it that are `kept`,
/// their coordinates `[len, b]`, one column each, and the block's item of `parts`; gives the results
/// in order.
pub(crate) fn over_blocks<S: Send, R: Send>(
    basis: &Basis<'_>,
    kept: &(dyn Fn(usize) -> bool + Sync),
    parts: Vec<S>,
    work: impl Fn(&[usize], MatRef<'_, f64>, S) -> R + Sync,
) -> Result<Vec<R>, ProbeError> {
    let n = basis.features().rows();
    let centre = basis.centre();
    let one = |buffers: &mut Buffers<f64>, (block, part): (usize, S)| {
        let picked = picked(block * ROWS, n, kept);
        let columns = basis.columns(&picked, &centre, buffers)?;
        Ok(work(&picked, columns, part))
    };
    parts.into_par_iter().enumerate().map_init(Buffers::new, one).collect()
}

/// Sums over examples, where `x` is a row less a centre.
pub(crate) struct Scatter {
    /// `Σ x·xᵀ`, `[d, d]`.
    pub(crate) products: Mat<f64>,
    /// `Σ x` for each class, `[d, C]`.
    pub(crate) sums: Mat<f64>,
    /// `Σ x`, `[d]`.
    pub(crate) all: Vec<f64>,
}

/// Sums over the examples that are `kept`.
pub(crate) fn scatter(
    features: Features<'_>,
    centre: &Centre<f64>,
    labels: &Targets<'_>,
    kept: &(dyn Fn(usize) -> bool + Sync),
) -> Result<Scatter, ProbeError> {
    let (n, d) = (features.rows(), features.columns());
    let (mut scatter, mut sums) = (Mat::zeros(d, d), Mat::zeros(d, labels.classes()));
    let mut all = vec![0.0; d];
    let mut memory = vec![0.0; TOGETHER.min(n.div_ceil(ROWS)) * ROWS * d];
    for start in (0..n).step_by(TOGETHER * ROWS) {
        let firsts = (start..n.min(start + TOGETHER * ROWS)).step_by(ROWS);
        let groups: Vec<Vec<usize>> = firsts.map(|first| picked(first, n, kept)).collect();
        let mut rest = memory.as_mut_slice();
        let mut parts = Vec::with_capacity(groups.len());
        for group in &groups {
            let (part, after) = rest.split_at_mut(group.len() * d);
            parts.push((group, part));
            rest = after;
        }
        parts.into_par_iter().try_for_each_init(Vec::new, |buffer, (group, out)| {
            features.centred_into(group, centre, buffer, out)
        })?;
        let count = groups.iter().map(Vec::len).sum();
        let x = MatRef::from_column_major_slice(&memory[..count * d], d, count);
        rayon::join(
            || add_scatter(&mut scatter, x),
            || {
                for (i, row) in groups.iter().flatten().zip(memory.chunks_exact(d)) {
                    all.iter_mut().zip(row).for_each(|(s, v)| *s += v);
                    for &label in labels.of(*i) {
                        let sum = sums.col_as_slice_mut(label);
                        sum.iter_mut().zip(row).for_each(|(s, v)| *s += v);
                    }
                }
            },
        );
    }
    for j in 0..d {
        for i in 0..j {
            scatter[(i, j)] = scatter[(j, i)];
        }
    }
    Ok(Scatter { products: scatter, sums, all })
}

/// Adds `x·xᵀ` to the lower triangle.
fn add_scatter(scatter: &mut Mat<f64>, x: MatRef<'_, f64>) {
    let d = scatter.nrows();
    blocks(scatter.as_mut()).into_par_iter().for_each(|(first, block)| {
        let (rows, columns) = (d - first, block.ncols());
        let (below, here) = (x.subrows(first, rows), x.subrows(first, columns));
        let block = block.subrows_mut(first, rows);
        matmul(block, Accum::Add, below, here.transpose(), 1.0, Par::Seq);
    });
}

/// Mean of each column, `[d]`.
pub(crate) fn column_means(features: Features<'_>) -> Result<Vec<f64>, ProbeError> {
    let n = features.rows();
    let mut sums = vec![0.0; features.columns()];
    let mut buffer = Vec::new();
    for first in (0..n).step_by(ROWS) {
        for row in features.block(first, &mut buffer)?.chunks_exact(features.columns()) {
            sums.iter_mut().zip(row).for_each(|(s, &v)| *s += f64::from(v));
        }
    }
    Ok(sums.into_iter().map(|s| s / n as f64).collect())
}

/// Sum of squares of the features less `mean`: the trace of their scatter matrix.
pub(crate) fn squares(features: Features<'_>, mean: &[f64]) -> Result<f64, ProbeError> {
    let mut total = 0.0;
    let mut buffer = Vec::new();
    for first in (0..features.rows()).step_by(ROWS) {
        let block = features.block(first, &mut buffer)?;
        for row in block.chunks_exact(features.columns()) {
            let square = |(&v, m): (&f32, &f64)| (f64::from(v) - m).powi(2);
            total += row.iter().zip(mean).map(square).sum::<f64>();
        }
    }
    Ok(total)
}
