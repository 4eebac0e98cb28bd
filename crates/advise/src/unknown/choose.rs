use std::collections::BTreeMap;

use rayon::prelude::*;
use regraft_probe::{Labels, folds};

use super::auroc::{auroc, error};
use super::bank::Bank;
use super::energy::energy;
use super::tied::Tied;
use super::{LeftOut, Method, UnknownOptions};
use crate::{AdviseError, Table};

/// Folds of the cross-fitting.
const FOLDS: usize = 5;
/// Most classes that are left out in turn, and most images for that.
const CLASSES: usize = 10;
const IMAGES: usize = 400;
/// Images of other classes that leaving a class out wants.
const OTHERS: usize = 4;

/// Rows of the bank with their distances, the nearest first.
type Sorted = Vec<(f64, usize)>;

pub(super) struct Task<'a> {
    pub(super) table: Table<'a>,
    pub(super) labels: &'a Labels<'a>,
    pub(super) options: &'a UnknownOptions<'a>,
    pub(super) bank: &'a Bank,
    /// The k of the k-th nearest.
    pub(super) neighbours: usize,
}

impl Task<'_> {
    /// The group of a row; its own where none are given.
    fn group(&self, row: usize) -> usize {
        self.options.groups.map_or(row, |g| g[row])
    }

    /// The fold of each row: even over classes, and the same for all of a group.
    fn folds(&self) -> Vec<usize> {
        let plain = folds(self.labels, FOLDS, self.options.seed);
        let Some(groups) = self.options.groups else { return plain };
        let mut first = BTreeMap::new();
        let one = |(i, g): (usize, &usize)| *first.entry(*g).or_insert(plain[i]);
        groups.iter().enumerate().map(one).collect()
    }

    /// Distance to the k-th nearest row of the bank that is `allowed`, for row `at` of the bank: its group,
    /// so itself, too, is not asked. The farthest there is, where there are fewer; infinite for none.
    fn kth(&self, at: usize, sorted: &[(f64, usize)], allowed: impl Fn(usize) -> bool) -> f64 {
        let own = self.group(self.bank.rows[at]);
        let others = sorted
            .iter()
            .filter(|&&(_, other)| self.group(self.bank.rows[other]) != own && allowed(other));
        others.take(self.neighbours).last().map_or(f64::INFINITY, |one| one.0)
    }

    fn energies(&self, rows: &[usize], without: Option<usize>) -> Option<Vec<f64>> {
        let (logits, classes) = (self.options.logits?, self.labels.classes());
        let one = |&row: &usize| {
            let row = &logits[row * classes..][..classes];
            energy(row.iter().enumerate().filter(|(c, _)| Some(*c) != without).map(|(_, &l)| l))
        };
        Some(rows.iter().map(one).collect())
    }
}

/// Scores of training images by models without them; infinite where nothing is left to judge by.
pub(super) fn held_out(task: &Task<'_>, method: Method) -> Result<Vec<f64>, AdviseError> {
    let n = task.table.rows();
    match method {
        Method::Neighbours => {
            let all = task.bank.among_themselves();
            Ok(all.iter().enumerate().map(|(at, s)| task.kth(at, s, |_| true)).collect())
        }
        Method::Mahalanobis => {
            let folds = task.folds();
            let mut scores = vec![f64::INFINITY; n];
            for fold in 0..FOLDS {
                let kept: Vec<usize> = (0..n).filter(|&i| folds[i] != fold).collect();
                let known = known(task.labels, &kept);
                let judged: Vec<usize> = (0..n)
                    .filter(|&i| folds[i] == fold && known[task.labels.values()[i]])
                    .collect();
                if kept.len() < 2 || judged.is_empty() {
                    continue;
                }
                let tied = Tied::fit(task.table, task.labels, &kept)?;
                for (&i, score) in judged.iter().zip(tied.distances(task.table, &judged)?) {
                    scores[i] = score.sqrt();
                }
            }
            Ok(scores)
        }
        Method::Energy => {
            Ok(task.energies(&(0..n).collect::<Vec<usize>>(), None).unwrap_or_default())
        }
    }
}

/// Which classes have a row.
fn known(labels: &Labels<'_>, rows: &[usize]) -> Vec<bool> {
    let mut known = vec![false; labels.classes()];
    for &i in rows {
        known[labels.values()[i]] = true;
    }
    known
}

/// How well each method tells a class that it has not seen from those that it has: the mean over classes
/// left out in turn.
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
    let sorted: Vec<Sorted> = places.par_iter().map(|&at| task.bank.sorted_of(at)).collect();
    let sorted: BTreeMap<usize, Sorted> = places.iter().copied().zip(sorted).collect();
    for method in Method::ALL {
        let one = |&class: &usize| -> Result<Option<(f64, f64)>, AdviseError> {
            let unknown: Vec<usize> = of(class).collect();
            let others: Vec<usize> =
                places.iter().copied().filter(|&at| label(at) != class).collect();
            let area = match method {
                Method::Neighbours => by_neighbours(task, &sorted, class, [&unknown, &others]),
                Method::Mahalanobis => by_distance(task, &unknown, &others)?,
                Method::Energy => by_energy(task, class, [&unknown, &others]),
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

fn by_energy(task: &Task<'_>, class: usize, [unknown, others]: [&[usize]; 2]) -> Option<f64> {
    let of = |places: &[usize]| {
        let rows: Vec<usize> = places.iter().map(|&at| task.bank.rows[at]).collect();
        task.energies(&rows, Some(class))
    };
    auroc(&of(unknown)?, &of(others)?)
}

fn by_neighbours(
    task: &Task<'_>,
    sorted: &BTreeMap<usize, Sorted>,
    class: usize,
    [unknown, others]: [&[usize]; 2],
) -> Option<f64> {
    let score =
        |at: &usize| Some(task.kth(*at, sorted.get(at)?, |other| task.bank.labels[other] != class));
    let finite = |list: &[usize]| -> Vec<f64> {
        list.iter().filter_map(score).filter(|s| s.is_finite()).collect()
    };
    auroc(&finite(unknown), &finite(others))
}

fn by_distance(
    task: &Task<'_>,
    unknown: &[usize],
    others: &[usize],
) -> Result<Option<f64>, AdviseError> {
    let folds = task.folds();
    let row = |&at: &usize| task.bank.rows[at];
    let unknown: Vec<usize> = unknown.iter().map(row).collect();
    let others: Vec<usize> = others.iter().map(row).collect();
    let mut all = Vec::new();
    for fold in 0..FOLDS {
        let kept: Vec<usize> = others.iter().copied().filter(|&i| folds[i] != fold).collect();
        let known = known(task.labels, &kept);
        let seen = |&i: &usize| folds[i] == fold && known[task.labels.values()[i]];
        let judged: Vec<usize> = others.iter().copied().filter(seen).collect();
        if kept.len() < 2 || judged.is_empty() {
            continue;
        }
        let tied = Tied::fit(task.table, task.labels, &kept)?;
        let high = tied.distances(task.table, &unknown)?;
        let low = tied.distances(task.table, &judged)?;
        all.extend(auroc(&high, &low));
    }
    Ok((!all.is_empty()).then(|| all.iter().sum::<f64>() / all.len() as f64))
}
