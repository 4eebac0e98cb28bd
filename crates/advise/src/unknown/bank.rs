use rayon::prelude::*;
use regraft_probe::Labels;
use serde::{Deserialize, Serialize};

use crate::chance::Chance;
use crate::linalg::dot;
use crate::{AdviseError, Table};

/// Training rows, each of length 1: what is nearest among them, and how near (Sun, Ming, Zhu, Li,
/// Out-of-distribution detection with deep nearest neighbors, ICML 2022, section 3).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bank {
    features: usize,
    /// Their rows in the training set.
    pub(super) rows: Vec<usize>,
    /// Their classes.
    pub(super) labels: Vec<usize>,
    /// `[m, d]`.
    points: Vec<f32>,
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

    /// Number of features.
    pub(super) fn features(&self) -> usize {
        self.features
    }

    /// Whether the parts have the sizes that they say.
    pub(super) fn is_whole(&self) -> bool {
        self.features > 0
            && !self.rows.is_empty()
            && self.labels.len() == self.rows.len()
            && self.points.len() == self.rows.len() * self.features
            && self.points.iter().all(|v| v.is_finite())
    }

    /// Every row of the bank with its distance, the nearest first; of equally near ones the first.
    pub(super) fn sorted(&self, x: &[f64]) -> Vec<(f64, usize)> {
        let unit = unit(x);
        let one = |(at, point): (usize, &[f32])| {
            let apart = point.iter().zip(x).map(|(p, v)| (v * unit - f64::from(*p)).powi(2));
            (apart.sum::<f64>().sqrt(), at)
        };
        let mut all: Vec<(f64, usize)> =
            self.points.chunks_exact(self.features).enumerate().map(one).collect();
        all.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        all
    }

    /// The same for each row of the bank itself, which is among its own neighbours.
    pub(super) fn among_themselves(&self) -> Vec<Vec<(f64, usize)>> {
        (0..self.rows.len()).into_par_iter().map(|at| self.sorted_of(at)).collect()
    }

    /// The same for one row of the bank.
    pub(super) fn sorted_of(&self, at: usize) -> Vec<(f64, usize)> {
        let point = &self.points[at * self.features..][..self.features];
        let wide: Vec<f64> = point.iter().map(|&v| f64::from(v)).collect();
        self.sorted(&wide)
    }

    /// A training image of the bank.
    pub(super) fn near(&self, &(distance, at): &(f64, usize)) -> Near {
        Near { row: self.rows[at], class: self.labels[at], distance }
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
