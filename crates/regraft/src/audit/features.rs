//! What a network's features say of a data set: out-of-fold answers, and the accuracy without leaks.

use std::collections::BTreeSet;

use regraft_data::audit::{Finding, FindingKind, LabelErrors, Look, Unreadable, label_errors};
use regraft_data::{Dataset, Split};
use regraft_probe::HeadFit;
use regraft_train::Extracted;

use super::{AuditOptions, LeakEffect};
use crate::features::{Source, blocks, start_head};
use crate::gather::{Gathered, gather};
use crate::head::softmax;
use crate::journal::{Log, Rows};
use crate::zoo::{Overlap, overlap};
use crate::{Error, FitOptions, Loaded, Observer};

/// The fewest readable images of a class for which held-out answers mean something.
const FEWEST: usize = 3;

/// Features of all files; zeros where one cannot be read.
pub(super) struct Seen {
    /// `[n, width]`.
    pub(super) values: Vec<f32>,
    pub(super) width: usize,
    loaded: Loaded,
    source: Source,
    extracted: Extracted,
    fit: FitOptions,
}

/// What the features say.
pub(super) struct Measured {
    /// The network.
    pub(super) network: String,
    /// Labels that are likely wrong, with the places of the files that were judged.
    pub(super) labels: Option<(LabelErrors, Vec<usize>)>,
    pub(super) effect: Option<LeakEffect>,
    pub(super) overlap: Option<Overlap>,
}

/// The features of all files, from the cache where they are there.
pub(super) fn seen(
    options: &AuditOptions,
    dataset: &Dataset,
    looks: &[Result<Look, Unreadable>],
    observer: &dyn Observer,
) -> Result<Seen, Error> {
    let fit = FitOptions {
        network: options.network.clone(),
        seed: options.seed,
        test_share: options.test_share,
        group_by: options.group_by.clone(),
        load: options.load.clone(),
        ..FitOptions::new(&options.data)
    };
    let name = options.network.as_deref().unwrap_or(regraft_zoo::DEFAULT);
    let Gathered { loaded, source, extracted, .. } = gather(name, &fit, dataset, observer)?;
    let width = source.cut_len();
    let mut values = vec![0.0; dataset.examples.len() * width];
    let failed: BTreeSet<usize> = extracted.failed.iter().map(|f| f.index).collect();
    let good = |i: &usize| looks[*i].is_ok() && !failed.contains(i);
    let rows: Vec<usize> = (0..dataset.examples.len()).filter(good).collect();
    let mut at = rows.iter();
    blocks(&extracted, &rows, width, |block| {
        for (row, i) in block.chunks_exact(width).zip(&mut at) {
            values[i * width..][..width].copy_from_slice(row);
        }
        Ok(())
    })?;
    Ok(Seen { values, width, loaded, source, extracted, fit })
}

/// What heads on them say.
pub(super) fn measured(
    options: &AuditOptions,
    dataset: &Dataset,
    seen: &Seen,
    (findings, sets): (&[Finding], &[Vec<usize>]),
    notes: &mut Vec<String>,
) -> Result<Measured, Error> {
    let failed: BTreeSet<usize> = seen.extracted.failed.iter().map(|f| f.index).collect();
    let all: Vec<usize> = (0..dataset.examples.len()).filter(|i| !failed.contains(i)).collect();
    let (train, test): (Vec<usize>, Vec<usize>) =
        all.iter().partition(|i| dataset.examples[**i].split != Split::Test);
    let overlap = shared(options, dataset);
    let network = seen.loaded.network.card().name.clone();
    // Of a picture with two labels it is known that one is wrong; it must not vouch for others.
    let twice: BTreeSet<usize> = conflicts(dataset, sets).collect();
    let judged: Vec<usize> = all.iter().copied().filter(|i| !twice.contains(i)).collect();
    let labels = match fewest(dataset, &judged) {
        Some(class) => {
            notes.push(format!(
                "labels were not judged: class `{class}` has fewer than {FEWEST} readable images"
            ));
            None
        }
        None => Some((seen.suspects(dataset, &judged)?, judged)),
    };
    let effect = match fewest(dataset, &train) {
        None if !test.is_empty() => Some(seen.effect(dataset, &Rows { train, test }, findings)?),
        None => None,
        Some(class) => {
            notes.push(format!(
                "the accuracy was not measured: class `{class}` has fewer than {FEWEST} readable \
                 images to learn from"
            ));
            None
        }
    };
    Ok(Measured { network, labels, effect, overlap })
}

/// Which classes the network's own task has too; of a network outside the catalogue nothing is known.
fn shared(options: &AuditOptions, dataset: &Dataset) -> Option<Overlap> {
    let name = options.network.as_deref().unwrap_or(regraft_zoo::DEFAULT);
    let entry = regraft_zoo::find(name).ok()?;
    overlap(&entry, &dataset.classes).ok()
}

/// Files whose copies have another label.
fn conflicts<'a>(dataset: &'a Dataset, sets: &'a [Vec<usize>]) -> impl Iterator<Item = usize> + 'a {
    let label = |i: &usize| dataset.examples[*i].label;
    let differ = move |set: &&Vec<usize>| set.iter().any(|i| label(i) != label(&set[0]));
    sets.iter().filter(differ).flatten().copied()
}

/// A class with too few images among `rows`.
fn fewest<'a>(dataset: &'a Dataset, rows: &[usize]) -> Option<&'a str> {
    let mut counts = vec![0; dataset.classes.len()];
    for i in rows {
        counts[dataset.examples[*i].label] += 1;
    }
    let small = counts.iter().position(|n| *n < FEWEST)?;
    Some(&dataset.classes[small])
}

impl Seen {
    fn head(&self, dataset: &Dataset, rows: &Rows) -> Result<HeadFit, Error> {
        let log = Log::new(&crate::Quiet);
        start_head(&self.fit, dataset, &self.extracted, &self.source, rows, &log)
    }

    /// Labels that a head contradicts which has not learned from them.
    fn suspects(&self, dataset: &Dataset, all: &[usize]) -> Result<LabelErrors, Error> {
        let rows = Rows { train: all.to_vec(), test: vec![] };
        let fitted = self.head(dataset, &rows)?;
        let temperature = f64::from(fitted.head.temperature);
        let classes = dataset.classes.len();
        let mut probabilities: Vec<f32> =
            fitted.out_of_fold_scores.iter().map(|s| (s / temperature) as f32).collect();
        probabilities.chunks_exact_mut(classes).for_each(softmax);
        let labels: Vec<usize> = all.iter().map(|i| dataset.examples[*i].label).collect();
        Ok(label_errors(&probabilities, &labels, classes)?)
    }

    /// The accuracy with and without test images that were learned from.
    fn effect(
        &self,
        dataset: &Dataset,
        rows: &Rows,
        findings: &[Finding],
    ) -> Result<LeakEffect, Error> {
        let fitted = self.head(dataset, rows)?;
        // Of a leak the first file is the one to learn from.
        let leaks = findings.iter().filter(|f| f.kind == FindingKind::Leak);
        let leaked: BTreeSet<usize> = leaks.filter_map(|f| f.files.last().copied()).collect();
        let mut right = Vec::with_capacity(rows.test.len());
        let mut at = rows.test.iter();
        let classes = dataset.classes.len();
        blocks(&self.extracted, &rows.test, self.width, |block| {
            let probabilities = fitted.head.probabilities_batch(block)?;
            for (row, i) in probabilities.chunks_exact(classes).zip(&mut at) {
                let best = (0..classes).max_by(|a, b| row[*a].total_cmp(&row[*b]));
                right.push((*i, best == Some(dataset.examples[*i].label)));
            }
            Ok(())
        })?;
        let count = |keep: &dyn Fn(usize) -> bool| {
            let kept = right.iter().filter(|(i, _)| keep(*i));
            [kept.clone().count(), kept.filter(|(_, right)| *right).count()]
        };
        let (test, without) = (count(&|_| true), count(&|i| !leaked.contains(&i)));
        let share = |[n, right]: [usize; 2]| (n > 0).then(|| right as f64 / n as f64);
        Ok(LeakEffect {
            test,
            without_leaks: without,
            top1: share(test).unwrap_or(0.0),
            top1_without_leaks: share(without),
        })
    }
}
