use faer::{Mat, MatRef};
use rayon::prelude::*;
use regraft_probe::{Labels, ProbeError, Targets};

use crate::linalg::{add_scatter, dot, eigen, mirror, product, product_here};
use crate::table::{ROWS, class_sums};
use crate::{AdviseError, Table};

/// Directions whose eigenvalue is below this part of the largest are rounding noise.
const NOISE: f64 = 1e-12;
/// Blocks of rows held as `f64` together while their scatter is summed.
const TOGETHER: usize = 4;

/// What the scores of features have in common: means, second moments, and their one decomposition.
///
/// `n <= d`: the `[n, n]` Gram matrix of the centred features; `n > d`: their `[d, d]` scatter
/// matrix, summed block by block. Never the larger of the two.
#[derive(Debug)]
pub struct Moments<'a> {
    pub(crate) table: Table<'a>,
    pub(crate) labels: Labels<'a>,
    /// Mean of each feature, `[d]`.
    pub(crate) mean: Vec<f64>,
    /// Squared distance of each image to the mean, `[n]`.
    pub(crate) norms: Vec<f64>,
    pub(crate) second: Second,
    /// Of the centred features.
    pub(crate) axes: Axes,
}

/// Second moments of the centred features.
#[derive(Debug)]
pub(crate) enum Second {
    /// `Xc·Xcᵀ`, `[n, n]`, and `Xc·mean`, `[n]`.
    Gram { gram: Mat<f64>, cross: Vec<f64> },
    /// `Xcᵀ·Xc`, `[d, d]`, and sums of centred features by class, `[d, C]`.
    Scatter { scatter: Mat<f64>, sums: Mat<f64> },
}

/// Principal axes, with what the images are on them.
#[derive(Debug)]
pub(crate) struct Axes {
    /// Sum of squares along each axis: ascending, none of them noise, `[k]`.
    pub(crate) values: Vec<f64>,
    /// Sums of coordinates by class, `[k, C]`.
    pub(crate) sums: Mat<f64>,
    place: Place,
}

#[derive(Debug)]
enum Place {
    /// Coordinates of each image, `[k, n]`.
    Known(Mat<f64>),
    /// Axes `[d, k]`, and what is taken off each row first, `[d]`.
    Turned { vectors: Mat<f64>, mean: Vec<f64> },
}

impl<'a> Moments<'a> {
    /// Reads the features twice.
    ///
    /// Fails when there is not one label for each row, and when features cannot be read.
    pub fn new(table: Table<'a>, labels: &Labels<'a>) -> Result<Self, AdviseError> {
        let (n, d) = (table.rows(), table.columns());
        if labels.values().len() != n {
            return Err(ProbeError::LabelCount { got: labels.values().len(), wanted: n }.into());
        }
        let mean = table.means()?;
        let targets = Targets::from(labels);
        let (norms, second, axes);
        if n <= d {
            let x = table.columns_of(&(0..n).collect::<Vec<_>>(), &mean)?;
            let gram = product(x.transpose(), x.as_ref());
            norms = (0..n).map(|i| gram[(i, i)]).collect();
            let cross = (0..n).map(|i| dot(x.col_as_slice(i), &mean)).collect();
            axes = Axes::of_gram(gram.as_ref(), &targets)?;
            second = Second::Gram { gram, cross };
        } else {
            let Reading { scatter, sums, squares } = scatter(table, &targets, &mean)?;
            norms = squares;
            axes = Axes::of_scatter(scatter.as_ref(), sums.as_ref(), mean.clone())?;
            second = Second::Scatter { scatter, sums };
        }
        Ok(Self { table, labels: labels.clone(), mean, norms, second, axes })
    }

    /// Number of images.
    pub fn rows(&self) -> usize {
        self.table.rows()
    }

    /// Number of features.
    pub fn columns(&self) -> usize {
        self.table.columns()
    }

    /// Axes of the features as they are, not centred.
    pub(crate) fn raw_axes(&self) -> Result<Axes, AdviseError> {
        let n = self.rows();
        match &self.second {
            Second::Gram { gram, cross } => {
                let square = dot(&self.mean, &self.mean);
                let raw = Mat::from_fn(n, n, |i, j| gram[(i, j)] + cross[i] + cross[j] + square);
                Axes::of_gram(raw.as_ref(), &Targets::from(&self.labels))
            }
            Second::Scatter { scatter, sums } => {
                let (d, mean) = (self.columns(), &self.mean);
                let raw = Mat::from_fn(d, d, |i, j| scatter[(i, j)] + n as f64 * mean[i] * mean[j]);
                let counts = self.labels.counts();
                let sums =
                    Mat::from_fn(d, counts.len(), |j, c| sums[(j, c)] + counts[c] as f64 * mean[j]);
                Axes::of_scatter(raw.as_ref(), sums.as_ref(), vec![0.0; d])
            }
        }
    }
}

impl Axes {
    /// Of features as they are, not centred; reads them once.
    pub(crate) fn raw(table: Table<'_>, targets: &Targets<'_>) -> Result<Self, AdviseError> {
        let zero = vec![0.0; table.columns()];
        if table.rows() <= table.columns() {
            let x = table.columns_of(&(0..table.rows()).collect::<Vec<_>>(), &zero)?;
            return Self::of_gram(product(x.transpose(), x.as_ref()).as_ref(), targets);
        }
        let Reading { scatter, sums, .. } = scatter(table, targets, &zero)?;
        Self::of_scatter(scatter.as_ref(), sums.as_ref(), zero)
    }

    fn of_gram(gram: MatRef<'_, f64>, targets: &Targets<'_>) -> Result<Self, AdviseError> {
        let (values, vectors) = eigen(gram)?;
        let (n, from) = (gram.nrows(), noise(&values));
        let coordinates =
            Mat::from_fn(n - from, n, |j, i| values[from + j].sqrt() * vectors[(i, from + j)]);
        let mut sums = Mat::zeros(n - from, targets.classes());
        class_sums(coordinates.as_ref(), 0, targets, &mut sums);
        Ok(Self { values: values[from..].to_vec(), sums, place: Place::Known(coordinates) })
    }

    fn of_scatter(
        scatter: MatRef<'_, f64>,
        sums: MatRef<'_, f64>,
        mean: Vec<f64>,
    ) -> Result<Self, AdviseError> {
        let (values, vectors) = eigen(scatter)?;
        let (d, from) = (scatter.nrows(), noise(&values));
        let vectors = vectors.subcols(from, d - from).to_owned();
        let sums = product(vectors.transpose(), sums);
        Ok(Self { values: values[from..].to_vec(), sums, place: Place::Turned { vectors, mean } })
    }

    /// Calls `work` for each block of images, on any thread, with the first of them and `weightsᵀ`
    /// times their coordinates, `[m, b]` for weights `[k, m]`; gives the results in order.
    pub(crate) fn over<R: Send>(
        &self,
        table: Table<'_>,
        weights: MatRef<'_, f64>,
        work: impl Fn(usize, MatRef<'_, f64>) -> R + Sync,
    ) -> Result<Vec<R>, AdviseError> {
        let firsts: Vec<usize> = table.firsts().collect();
        match &self.place {
            Place::Known(coordinates) => {
                let one = |&first: &usize| {
                    let count = ROWS.min(table.rows() - first);
                    let block = coordinates.subcols(first, count);
                    work(first, product_here(weights.transpose(), block).as_ref())
                };
                Ok(firsts.par_iter().map(one).collect())
            }
            Place::Turned { vectors, mean } => {
                let folded = product(vectors.as_ref(), weights);
                let one = |&first: &usize| {
                    let x = table.columns_of(&table.block(first), mean)?;
                    Ok(work(first, product_here(folded.transpose(), x.as_ref()).as_ref()))
                };
                firsts.par_iter().map(one).collect()
            }
        }
    }
}

/// How many of the ascending `values` are noise.
fn noise(values: &[f64]) -> usize {
    let largest = values.last().copied().unwrap_or(0.0);
    values.partition_point(|&v| v <= largest * NOISE)
}

/// What one reading gives, where `x` is a row less the mean.
struct Reading {
    /// `Σ x·xᵀ`, `[d, d]`.
    scatter: Mat<f64>,
    /// `Σ x` for each class, `[d, C]`.
    sums: Mat<f64>,
    /// `xᵀ·x` of each row, `[n]`.
    squares: Vec<f64>,
}

fn scatter(table: Table<'_>, targets: &Targets<'_>, mean: &[f64]) -> Result<Reading, AdviseError> {
    let (n, d) = (table.rows(), table.columns());
    let (mut scatter, mut sums) = (Mat::zeros(d, d), Mat::zeros(d, targets.classes()));
    let mut squares = Vec::with_capacity(n);
    for first in (0..n).step_by(TOGETHER * ROWS) {
        let picked: Vec<usize> = (first..n.min(first + TOGETHER * ROWS)).collect();
        let x = table.columns_of(&picked, mean)?;
        add_scatter(&mut scatter, x.as_ref());
        class_sums(x.as_ref(), first, targets, &mut sums);
        squares.extend(picked.iter().enumerate().map(|(at, _)| {
            let row = x.col_as_slice(at);
            dot(row, row)
        }));
    }
    mirror(&mut scatter);
    Ok(Reading { scatter, sums, squares })
}
