use faer::{Mat, MatRef};
use rayon::prelude::*;
use regraft_probe::Labels;
use serde::{Deserialize, Serialize};

use super::TOGETHER;
use crate::chance::Chance;
use crate::linalg::{dot, product_here};
use crate::{AdviseError, Table};

/// Training rows, each of length 1: what is nearest among them, and how near (Sun, Ming, Zhu, Li,
/// Out-of-distribution detection with deep nearest neighbors, ICML 2022, section 3).
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Bank {
    pub(super) features: usize,
    /// Their rows in the training set.
    pub(super) rows: Vec<usize>,
    /// Their classes.
    pub(super) labels: Vec<usize>,
    /// `[m, d]`.
    pub(super) points: Vec<f32>,
}

/// A [`Bank`] ready to judge many images.
pub(super) struct Nearest {
    /// `[d, m]`.
    points: Mat<f64>,
    /// Squared length of each, 1 but for rounding.
    squares: Vec<f64>,
}

/// A training image near another one.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Near {
    /// Its row in the training set.
    pub row: usize,
    /// Its class.
    pub class: usize,
    /// Euclidean distance of the features, each first divided by its length: 0 to 2.
    pub distance: f64,
}

impl Bank {
    /// Up to `most` rows, of each class a share, chosen by the seed.
    pub(super) fn fit(
        table: Table<'_>,
        labels: &Labels<'_>,
        most: usize,
        seed: u64,
    ) -> Result<Self, AdviseError> {
        let rows = chosen(labels, most, seed);
        let d = table.columns();
        let mut points = Vec::with_capacity(rows.len() * d);
        table.each(&rows, |_, values| {
            let unit = unit(values);
            points.extend(values.iter().map(|v| (v * unit) as f32));
        })?;
        let labels = rows.iter().map(|&r| labels.values()[r]).collect();
        Ok(Self { features: d, rows, labels, points })
    }

    /// Whether the parts have the sizes that they say.
    pub(super) fn is_whole(&self) -> bool {
        self.features > 0
            && !self.rows.is_empty()
            && self.labels.len() == self.rows.len()
            && self.points.len() == self.rows.len() * self.features
            && self.points.iter().all(|v| v.is_finite())
    }

    /// Makes ready to judge.
    pub(super) fn judge(&self) -> Nearest {
        let (d, m) = (self.features, self.rows.len());
        let points = Mat::from_fn(d, m, |j, at| f64::from(self.points[at * d + j]));
        let square = |at: usize| dot(points.col_as_slice(at), points.col_as_slice(at));
        Nearest { squares: (0..m).map(square).collect(), points }
    }

    /// For each row of the bank every row, itself among them, with its distance, the nearest first.
    pub(super) fn among_themselves(&self) -> Vec<Vec<(f64, usize)>> {
        let (judge, m) = (self.judge(), self.rows.len());
        let firsts: Vec<usize> = (0..m).step_by(TOGETHER).collect();
        let one = |&first: &usize| {
            let x = judge.points.as_ref().subcols(first, TOGETHER.min(m - first));
            judge.nearest(x, m)
        };
        firsts.par_iter().flat_map(one).collect()
    }

    /// A training image of the bank.
    pub(super) fn near(&self, &(distance, at): &(f64, usize)) -> Near {
        Near { row: self.rows[at], class: self.labels[at], distance }
    }
}

impl Nearest {
    /// For each column of `x`, `[d, b]`, the `most` nearest rows of the bank with their distances, the nearest
    /// first; of equally near ones the first.
    pub(super) fn nearest(&self, x: MatRef<'_, f64>, most: usize) -> Vec<Vec<(f64, usize)>> {
        let dots = product_here(self.points.transpose(), x);
        let one = |i: usize| {
            let column: Vec<f64> = (0..x.nrows()).map(|j| x[(j, i)]).collect();
            let unit = unit(&column);
            let own = dot(&column, &column) * unit * unit;
            let apart = |(at, (product, square)): (usize, (&f64, &f64))| {
                ((own + square - 2.0 * unit * product).max(0.0).sqrt(), at)
            };
            let products = dots.col_as_slice(i).iter().zip(&self.squares);
            let mut all: Vec<(f64, usize)> = products.enumerate().map(apart).collect();
            let order =
                |a: &(f64, usize), b: &(f64, usize)| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1));
            if most < all.len() {
                all.select_nth_unstable_by(most, order);
                all.truncate(most);
            }
            all.sort_unstable_by(order);
            all
        };
        (0..x.ncols()).map(one).collect()
    }
}

/// What makes the length 1; a row of zeros stays one.
fn unit(x: &[f64]) -> f64 {
    let length = dot(x, x).sqrt();
    if length > 0.0 { 1.0 / length } else { 0.0 }
}

/// Rows, ascending: the same share of each class, at least one of each.
fn chosen(labels: &Labels<'_>, most: usize, seed: u64) -> Vec<usize> {
    let n = labels.values().len();
    if n <= most {
        return (0..n).collect();
    }
    let mut members = vec![Vec::new(); labels.classes()];
    for (i, &label) in labels.values().iter().enumerate() {
        members[label].push(i);
    }
    let mut rows = Vec::with_capacity(most);
    let mut chance = Chance::new(seed, 0);
    for mut class in members {
        let count = (class.len() * most / n).max(1);
        for k in 0..count {
            let other = k + chance.below(class.len() - k);
            class.swap(k, other);
        }
        rows.extend_from_slice(&class[..count]);
    }
    rows.sort_unstable();
    rows
}
