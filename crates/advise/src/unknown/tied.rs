use faer::{Mat, MatRef};
use rayon::prelude::*;
use regraft_probe::Labels;
use serde::{Deserialize, Serialize};

use crate::linalg::{add_scatter, dot, eigen, mirror, product};
use crate::scores::Shrinkage;
use crate::table::ROWS;
use crate::{AdviseError, Table};

/// No direction has less than this part of the mean variance.
const LEAST: f64 = 1e-6;
/// Directions whose eigenvalue is below this part of the largest are rounding noise.
const NOISE: f64 = 1e-12;
/// Blocks of rows held as `f64` together.
const TOGETHER: usize = 4;

/// Classes as normal distributions with one covariance for all (Lee, Lee, Lee, Shin, A simple unified
/// framework for detecting out-of-distribution samples, 2018, section 2, on the last
/// features and without input noise), shrunk as Ledoit and Wolf say, so that there may be more features than
/// images.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tied {
    features: usize,
    /// The classes that had images.
    classes: Vec<usize>,
    /// Mean of each, `[classes, d]`.
    means: Vec<f32>,
    /// Axes of the covariance, `[k, d]`.
    axes: Vec<f32>,
    /// What each axis adds to the inverse of `rest`, `[k]`.
    weights: Vec<f64>,
    /// Variance of every direction beside the axes.
    rest: f64,
    /// Share of the round covariance in the shrunk one.
    alpha: f64,
}

impl Tied {
    /// From the rows `kept`, ascending; at least two of them.
    pub(super) fn fit(
        table: Table<'_>,
        labels: &Labels<'_>,
        kept: &[usize],
    ) -> Result<Self, AdviseError> {
        let d = table.columns();
        let (classes, means) = class_means(table, labels, kept)?;
        let centred = |rows: &[usize]| -> Result<Mat<f64>, AdviseError> {
            let mut x = table.columns_of(rows, &vec![0.0; d])?;
            for (at, &row) in rows.iter().enumerate() {
                let place = classes.partition_point(|&c| c < labels.values()[row]);
                let mean = means.col_as_slice(place);
                x.col_as_slice_mut(at).iter_mut().zip(mean).for_each(|(v, m)| *v -= m);
            }
            Ok(x)
        };
        let mut norms = Vec::with_capacity(kept.len());
        let mut measure = |x: &Mat<f64>| {
            norms.extend((0..x.ncols()).map(|i| dot(x.col_as_slice(i), x.col_as_slice(i))));
        };
        let (values, axes) = if kept.len() <= d {
            let x = centred(kept)?;
            measure(&x);
            let (values, vectors) = eigen(product(x.transpose(), x.as_ref()).as_ref())?;
            let (values, vectors) = without_noise(&values, &vectors);
            let mut axes = product(x.as_ref(), vectors.as_ref());
            for (j, value) in values.iter().enumerate() {
                axes.col_as_slice_mut(j).iter_mut().for_each(|v| *v /= value.sqrt());
            }
            (values, axes)
        } else {
            let mut scatter = Mat::zeros(d, d);
            for rows in kept.chunks(TOGETHER * ROWS) {
                let x = centred(rows)?;
                measure(&x);
                add_scatter(&mut scatter, x.as_ref());
            }
            mirror(&mut scatter);
            let (values, vectors) = eigen(scatter.as_ref())?;
            without_noise(&values, &vectors)
        };
        let shrinkage = Shrinkage::new(&values, &norms, d);
        Ok(Self::new(classes, means.as_ref(), &values, axes.as_ref(), &shrinkage, kept.len()))
    }

    fn new(
        classes: Vec<usize>,
        means: MatRef<'_, f64>,
        values: &[f64],
        axes: MatRef<'_, f64>,
        shrinkage: &Shrinkage,
        n: usize,
    ) -> Self {
        let (alpha, mean) = (shrinkage.alpha, shrinkage.mean);
        // Images that are all the same have no variance: any distance from them is far.
        let least = (LEAST * mean).max(f64::MIN_POSITIVE.sqrt());
        let rest = (alpha * mean).max(least);
        let weight = |v: &f64| {
            let variance = ((1.0 - alpha) * v / n as f64 + alpha * mean).max(least);
            1.0 / variance - 1.0 / rest
        };
        let narrow = |m: MatRef<'_, f64>| -> Vec<f32> {
            let column = |c: usize| (0..m.nrows()).map(move |j| m[(j, c)] as f32);
            (0..m.ncols()).flat_map(column).collect()
        };
        Self {
            features: means.nrows(),
            classes,
            means: narrow(means),
            axes: narrow(axes),
            weights: values.iter().map(weight).collect(),
            rest,
            alpha,
        }
    }

    /// Number of features.
    pub(super) fn features(&self) -> usize {
        self.features
    }

    /// Whether the parts have the sizes that they say.
    pub(super) fn is_whole(&self) -> bool {
        let d = self.features;
        let finite = |list: &[f32]| list.iter().all(|v| v.is_finite());
        d > 0
            && !self.classes.is_empty()
            && self.means.len() == self.classes.len() * d
            && self.axes.len() == self.weights.len() * d
            && self.rest > 0.0
            && finite(&self.means)
            && finite(&self.axes)
            && self.weights.iter().all(|v| v.is_finite())
    }

    /// Squared distance to the nearest class mean, `(x - m)ᵀ Σ⁻¹ (x - m)`, and the place of its class.
    pub(super) fn distance(&self, x: &[f64]) -> f64 {
        let d = self.features;
        let mut best = f64::INFINITY;
        let mut away = vec![0.0; d];
        for mean in self.means.chunks_exact(d) {
            for ((a, v), m) in away.iter_mut().zip(x).zip(mean) {
                *a = v - f64::from(*m);
            }
            let mut sum = dot(&away, &away) / self.rest;
            for (axis, weight) in self.axes.chunks_exact(d).zip(&self.weights) {
                let along: f64 = axis.iter().zip(&away).map(|(a, v)| f64::from(*a) * v).sum();
                sum += weight * along * along;
            }
            best = best.min(sum.max(0.0));
        }
        best
    }

    /// Squared distances of the rows `picked`, in order.
    pub(super) fn distances(
        &self,
        table: Table<'_>,
        picked: &[usize],
    ) -> Result<Vec<f64>, AdviseError> {
        let d = self.features;
        let wide =
            |list: &[f32]| Mat::from_fn(d, list.len() / d, |j, c| f64::from(list[c * d + j]));
        let (axes, means) = (wide(&self.axes), wide(&self.means));
        let turned = product(axes.transpose(), means.as_ref());
        let length =
            |m: MatRef<'_, f64>, c: usize| (0..d).map(|j| m[(j, c)] * m[(j, c)]).sum::<f64>();
        let lengths: Vec<f64> = (0..means.ncols()).map(|c| length(means.as_ref(), c)).collect();
        let one = |rows: &[usize]| -> Result<Vec<f64>, AdviseError> {
            let x = table.columns_of(rows, &vec![0.0; d])?;
            let along = crate::linalg::product_here(axes.transpose(), x.as_ref());
            let dots = crate::linalg::product_here(means.transpose(), x.as_ref());
            let score = |i: usize| {
                let own = length(x.as_ref(), i);
                let to = |c: usize| {
                    let plain = own - 2.0 * dots[(c, i)] + lengths[c];
                    let each = self.weights.iter().enumerate();
                    let more = each.map(|(j, w)| w * (along[(j, i)] - turned[(j, c)]).powi(2));
                    (plain / self.rest + more.sum::<f64>()).max(0.0)
                };
                (0..lengths.len()).map(to).fold(f64::INFINITY, f64::min)
            };
            Ok((0..rows.len()).map(score).collect())
        };
        let blocks: Vec<Vec<f64>> =
            picked.par_chunks(ROWS).map(one).collect::<Result<_, AdviseError>>()?;
        Ok(blocks.concat())
    }
}

/// The classes with rows, ascending, and their means `[d, classes]`.
fn class_means(
    table: Table<'_>,
    labels: &Labels<'_>,
    kept: &[usize],
) -> Result<(Vec<usize>, Mat<f64>), AdviseError> {
    let mut counts = vec![0_usize; labels.classes()];
    for &row in kept {
        counts[labels.values()[row]] += 1;
    }
    let classes: Vec<usize> = (0..counts.len()).filter(|&c| counts[c] > 0).collect();
    let mut means = Mat::<f64>::zeros(table.columns(), classes.len());
    table.each(kept, |at, values| {
        let label = labels.values()[kept[at]];
        let mean = means.col_as_slice_mut(classes.partition_point(|&c| c < label));
        let count = counts[label] as f64;
        mean.iter_mut().zip(values).for_each(|(m, v)| *m += v / count);
    })?;
    Ok((classes, means))
}

fn without_noise(values: &[f64], vectors: &Mat<f64>) -> (Vec<f64>, Mat<f64>) {
    let largest = values.last().copied().unwrap_or(0.0);
    let from = values.partition_point(|&v| v <= largest * NOISE);
    let kept = vectors.subcols(from, values.len() - from).to_owned();
    (values[from..].to_vec(), kept)
}
