use std::collections::BTreeMap;

use rayon::prelude::*;
use regraft_probe::{Labels, folds};

use super::auroc::{auroc, error};
use super::bank::Bank;
use super::energy::energy;
use super::products::Products;
use super::{LeftOut, Method, UnknownOptions};
use crate::AdviseError;

/// Folds in which the images of the bank are scored by a covariance without them; fewer where a class is left
/// out as well, so for each class anew.
const FOLDS: usize = 5;
const FOLDS_OF_LEFT_OUT: usize = 3;
/// Most classes that are left out in turn, and most images for that.
const CLASSES: usize = 10;
const IMAGES: usize = 400;
/// Images of other classes that leaving a class out wants.
const OTHERS: usize = 4;

/// Rows of the bank with their distances, the nearest first.
pub(super) type Sorted = Vec<(f64, usize)>;

pub(super) struct Task<'a> {
    pub(super) labels: &'a Labels<'a>,
    pub(super) options: &'a UnknownOptions<'a>,
    pub(super) bank: &'a Bank,
    /// The k of the k-th nearest.
    pub(super) neighbours: usize,
    /// For each row of the bank all rows by their distance.
    pub(super) sorted: Vec<Sorted>,
    /// The images of the bank.
    pub(super) products: Products,
}

impl Task<'_> {
    /// The group of a row; its own where none are given.
    fn group(&self, row: usize) -> usize {
        self.options.groups.map_or(row, |g| g[row])
    }

    /// The fold of each row of the bank: even over classes, and the same for all of a group.
    fn folds(&self, count: usize) -> Result<Vec<usize>, AdviseError> {
        let labels = Labels::new(&self.bank.labels, self.labels.classes())?;
        let plain = folds(&labels, count, self.options.seed);
        let Some(groups) = self.options.groups else { return Ok(plain) };
        let mut first = BTreeMap::new();
        let one = |(at, row): (usize, &usize)| *first.entry(groups[*row]).or_insert(plain[at]);
        Ok(self.bank.rows.iter().enumerate().map(one).collect())
    }

    /// Distance to the k-th nearest row of the bank that is `allowed`, for row `at` of the bank: its group,
    /// so itself, too, is not asked. The farthest there is, where there are fewer; infinite for none.
    fn kth(&self, at: usize, allowed: impl Fn(usize) -> bool) -> f64 {
        let own = self.group(self.bank.rows[at]);
        let others = self.sorted[at]
            .iter()
            .filter(|&&(_, other)| self.group(self.bank.rows[other]) != own && allowed(other));
        others.take(self.neighbours).last().map_or(f64::INFINITY, |one| one.0)
    }

    /// Which classes have one of these rows of the bank.
    fn known(&self, places: &[usize]) -> Vec<bool> {
        let mut known = vec![false; self.labels.classes()];
        for &at in places {
            known[self.bank.labels[at]] = true;
        }
        known
    }

    fn energies(&self) -> Option<Vec<f64>> {
        let rows = self.options.logits?.chunks_exact(self.labels.classes());
        Some(rows.map(|row| energy(row.iter().copied())).collect())
    }
}

/// Scores of training images by models without them; infinite where nothing is left to judge by.
pub(super) fn held_out(task: &Task<'_>, method: Method) -> Result<Vec<f64>, AdviseError> {
    let m = task.bank.rows.len();
    match method {
        Method::Neighbours => Ok((0..m).map(|at| task.kth(at, |_| true)).collect()),
        Method::Mahalanobis => {
            let folds = task.folds(FOLDS)?;
            let one = |fold: usize| -> Result<Vec<(usize, f64)>, AdviseError> {
                let kept: Vec<usize> = (0..m).filter(|&at| folds[at] != fold).collect();
                let known = task.known(&kept);
                let seen = |&at: &usize| folds[at] == fold && known[task.bank.labels[at]];
                let judged: Vec<usize> = (0..m).filter(seen).collect();
                if kept.len() < 2 || judged.is_empty() {
                    return Ok(Vec::new());
                }
                let squares = task.products.distances(&kept, &judged)?;
                Ok(judged.into_iter().zip(squares.into_iter().map(f64::sqrt)).collect())
            };
            let parts: Vec<Vec<(usize, f64)>> =
                (0..FOLDS).into_par_iter().map(one).collect::<Result<_, AdviseError>>()?;
            let mut scores = vec![f64::INFINITY; m];
            parts.into_iter().flatten().for_each(|(at, score)| scores[at] = score);
            Ok(scores)
        }
        Method::Energy => Ok(task.energies().unwrap_or_default()),
    }
}

/// How well each method tells a class that it has not seen from those that it has: the mean over classes
/// left out in turn. Not for energy: the head has learned that the class left out is none of the others, which
/// flatters it.
pub(super) fn left_out(task: &Task<'_>) -> Result<Vec<LeftOut>, AdviseError> {
    // Evenly over the bank, which is spread over the classes.
    let step = task.bank.rows.len().div_ceil(IMAGES);
    let places: Vec<usize> = (0..task.bank.rows.len()).step_by(step).collect();
    let label = |at: usize| task.bank.labels[at];
    let of = |class: usize| places.iter().copied().filter(move |&at| label(at) == class);
    let classes = task.labels.classes();
    let usable = |c: &usize| {
        let own = of(*c).count();
        own > 0 && places.len() - own >= OTHERS
    };
    let usable: Vec<usize> = (0..classes).filter(usable).collect();
    let stride = usable.len().div_ceil(CLASSES).max(1);
    let usable: Vec<usize> = usable.into_iter().step_by(stride).collect();
    let mut out = Vec::new();
    let folds = task.folds(FOLDS_OF_LEFT_OUT)?;
    for method in [Method::Neighbours, Method::Mahalanobis] {
        let one = |&class: &usize| -> Result<Option<(f64, f64)>, AdviseError> {
            let unknown: Vec<usize> = of(class).collect();
            let others: Vec<usize> =
                places.iter().copied().filter(|&at| label(at) != class).collect();
            let area = match method {
                Method::Neighbours => by_neighbours(task, class, [&unknown, &others]),
                Method::Mahalanobis => by_distance(task, &folds, &unknown, &others)?,
                Method::Energy => None,
            };
            Ok(area.map(|a| (a, error(a, unknown.len(), others.len()))))
        };
        let each: Vec<Option<(f64, f64)>> =
            usable.par_iter().map(one).collect::<Result<_, AdviseError>>()?;
        let known: Vec<(f64, f64)> = each.into_iter().flatten().collect();
        if !known.is_empty() {
            let count = known.len() as f64;
            let auroc = known.iter().map(|k| k.0).sum::<f64>() / count;
            let error = known.iter().map(|k| k.1 * k.1).sum::<f64>().sqrt() / count;
            out.push(LeftOut { method, auroc, error });
        }
    }
    Ok(out)
}

fn by_neighbours(task: &Task<'_>, class: usize, [unknown, others]: [&[usize]; 2]) -> Option<f64> {
    let score = |at: &usize| task.kth(*at, |other| task.bank.labels[other] != class);
    let finite =
        |list: &[usize]| -> Vec<f64> { list.iter().map(score).filter(|s| s.is_finite()).collect() };
    auroc(&finite(unknown), &finite(others))
}

fn by_distance(
    task: &Task<'_>,
    folds: &[usize],
    unknown: &[usize],
    others: &[usize],
) -> Result<Option<f64>, AdviseError> {
    let mut all = Vec::new();
    for fold in 0..FOLDS_OF_LEFT_OUT {
        let kept: Vec<usize> = others.iter().copied().filter(|&at| folds[at] != fold).collect();
        let known = task.known(&kept);
        let seen = |&at: &usize| folds[at] == fold && known[task.bank.labels[at]];
        let judged: Vec<usize> = others.iter().copied().filter(seen).collect();
        if kept.len() < 2 || judged.is_empty() {
            continue;
        }
        let list = [unknown, &judged].concat();
        let scores = task.products.distances(&kept, &list)?;
        let (high, low) = scores.split_at(unknown.len());
        all.extend(auroc(high, low));
    }
    Ok((!all.is_empty()).then(|| all.iter().sum::<f64>() / all.len() as f64))
}
