//! What a network's features say of a data set: out-of-fold answers, and the accuracy without leaks.

use std::collections::BTreeSet;

use regraft_data::audit::{Finding, FindingKind, label_errors};
use regraft_data::{Dataset, Split};
use regraft_probe::HeadFit;
use regraft_train::{Extracted, LookStore, TrunkKey};

use super::looked::{Looked, Proposing};
use super::sets::Suspects;
use super::{AuditOptions, LeakEffect, tell};
use crate::features::{Source, blocks, start_head};
use crate::gather::{Gathered, gather_seen};
use crate::head::softmax;
use crate::journal::{Log, Rows};
use crate::zoo::{Overlap, overlap};
use crate::{Error, FitOptions, Loaded, Observer};

/// The fewest readable images of a class for which held-out answers mean something.
const FEWEST: usize = 3;

/// A network and its features of all files.
pub(super) struct Seen {
    pub(super) extracted: Extracted,
    key: TrunkKey,
    loaded: Loaded,
    pub(super) source: Source,
    pub(super) fit: FitOptions,
}

/// What the features say.
pub(super) struct Measured {
    /// The network.
    pub(super) network: String,
    /// Labels that are likely wrong.
    pub(super) labels: Option<Suspects>,
    pub(super) effect: Option<LeakEffect>,
    pub(super) overlap: Option<Overlap>,
}

/// The features of all files, from the cache where they are there, and a look at each picture.
pub(super) fn seen(
    options: &AuditOptions,
    dataset: &Dataset,
    looks: &LookStore,
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
    let gathered = gather_seen(name, &fit, dataset, Some(looks), observer)?;
    let Gathered { loaded, source, extracted, key, .. } = gathered;
    Ok(Seen { extracted, key, loaded, source, fit })
}

/// What heads on them say.
pub(super) fn measured(
    options: &AuditOptions,
    dataset: &Dataset,
    seen: &Seen,
    looked: &Looked,
    notes: &mut Vec<String>,
) -> Result<Measured, Error> {
    let (judged, Rows { train, test }) = seen.rows(dataset, looked);
    let overlap = shared(options.network.as_deref(), dataset);
    let network = seen.network();
    let labels = match fewest(dataset, &judged) {
        Some(class) => {
            notes.push(not_judged(class));
            None
        }
        None => Some(seen.suspects(dataset, &judged)?),
    };
    let effect = match fewest(dataset, &train) {
        None if !test.is_empty() => {
            Some(seen.effect(dataset, &Rows { train, test }, &looked.findings)?)
        }
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

/// What is said where labels cannot be judged.
pub(super) fn not_judged(class: &str) -> String {
    format!("labels were not judged: class `{class}` has fewer than {FEWEST} readable images")
}

/// Which classes the network's own task has too; of a network outside the catalogue nothing is known.
pub(super) fn shared(network: Option<&str>, dataset: &Dataset) -> Option<Overlap> {
    let name = network.unwrap_or(regraft_zoo::DEFAULT);
    let entry = regraft_zoo::find(name).ok()?;
    overlap(&entry, &dataset.classes).ok()
}

/// Files whose copies have another label.
pub(super) fn conflicts<'a>(
    dataset: &'a Dataset,
    sets: &'a [Vec<usize>],
) -> impl Iterator<Item = usize> + 'a {
    let label = |i: &usize| dataset.examples[*i].label;
    let differ = move |set: &&Vec<usize>| set.iter().any(|i| label(i) != label(&set[0]));
    sets.iter().filter(differ).flatten().copied()
}

/// Files that have a copy which is learned from, while they are not.
pub(super) fn leaked(findings: &[Finding]) -> BTreeSet<usize> {
    // Of a leak the first file is the one to learn from.
    let leaks = findings.iter().filter(|f| f.kind == FindingKind::Leak);
    leaks.filter_map(|f| f.files.last().copied()).collect()
}

/// Probabilities `[rows, C]` of held-out scores.
pub(super) fn held_out(scores: &[f64], temperature: f32, classes: usize) -> Vec<f32> {
    let mut probabilities: Vec<f32> =
        scores.iter().map(|s| (s / f64::from(temperature)) as f32).collect();
    probabilities.chunks_exact_mut(classes).for_each(softmax);
    probabilities
}

/// A class with too few images among `rows`.
pub(super) fn fewest<'a>(dataset: &'a Dataset, rows: &[usize]) -> Option<&'a str> {
    let mut counts = vec![0; dataset.classes.len()];
    for i in rows {
        counts[dataset.examples[*i].label] += 1;
    }
    let small = counts.iter().position(|n| *n < FEWEST)?;
    Some(&dataset.classes[small])
}

impl Seen {
    /// The files with features: those whose labels are judged, and what is learned from and tested.
    pub(super) fn rows(&self, dataset: &Dataset, looked: &Looked) -> (Vec<usize>, Rows) {
        let failed: BTreeSet<usize> = self.extracted.failed.iter().map(|f| f.index).collect();
        let all: Vec<usize> = (0..dataset.examples.len()).filter(|i| !failed.contains(i)).collect();
        let (train, test) = all.iter().partition(|i| dataset.examples[**i].split != Split::Test);
        // Of a picture with two labels it is known that one is wrong; it must not vouch for others.
        let twice: BTreeSet<usize> = conflicts(dataset, &looked.sets).collect();
        let judged = all.into_iter().filter(|i| !twice.contains(i)).collect();
        (judged, Rows { train, test })
    }

    /// The network's name.
    pub(super) fn network(&self) -> String {
        self.loaded.network.card().name.clone()
    }

    /// What proposes copies: the cut's own output.
    pub(super) fn proposing(&self) -> Proposing<'_> {
        Proposing { extracted: &self.extracted, key: self.key, width: self.source.cut_len() }
    }

    fn head(&self, dataset: &Dataset, rows: &Rows) -> Result<HeadFit, Error> {
        let log = Log::new(&crate::Quiet);
        start_head(&self.fit, dataset, &self.extracted, &self.source, rows, &log)
    }

    /// Labels that a head contradicts which has not learned from them.
    fn suspects(&self, dataset: &Dataset, all: &[usize]) -> Result<Suspects, Error> {
        let rows = Rows { train: all.to_vec(), test: vec![] };
        let fitted = self.head(dataset, &rows)?;
        let classes = dataset.classes.len();
        let temperature = fitted.head.temperature;
        let probabilities = held_out(&fitted.out_of_fold_scores, temperature, classes);
        let labels: Vec<usize> = all.iter().map(|i| dataset.examples[*i].label).collect();
        Ok(tell::suspects(dataset, &label_errors(&probabilities, &labels, classes)?, all))
    }

    /// The accuracy with and without test images that were learned from.
    fn effect(
        &self,
        dataset: &Dataset,
        rows: &Rows,
        findings: &[Finding],
    ) -> Result<LeakEffect, Error> {
        let fitted = self.head(dataset, rows)?;
        let mut right = Vec::with_capacity(rows.test.len());
        let mut at = rows.test.iter();
        let classes = dataset.classes.len();
        blocks(&self.extracted, &rows.test, self.source.cut_len(), |block| {
            let probabilities = fitted.head.probabilities_batch(block)?;
            for (row, i) in probabilities.chunks_exact(classes).zip(&mut at) {
                let best = (0..classes).max_by(|a, b| row[*a].total_cmp(&row[*b]));
                right.push((*i, best == Some(dataset.examples[*i].label)));
            }
            Ok(())
        })?;
        Ok(LeakEffect::of(&right, &leaked(findings)))
    }
}

impl LeakEffect {
    /// Of tested files, which were right, and files that have a copy to learn from.
    pub(super) fn of(right: &[(usize, bool)], leaked: &BTreeSet<usize>) -> Self {
        let count = |keep: &dyn Fn(usize) -> bool| {
            let kept = right.iter().filter(|(i, _)| keep(*i));
            [kept.clone().count(), kept.filter(|(_, right)| *right).count()]
        };
        let (test, without) = (count(&|_| true), count(&|i| !leaked.contains(&i)));
        let share = |[n, right]: [usize; 2]| (n > 0).then(|| right as f64 / n as f64);
        Self {
            test,
            without_leaks: without,
            top1: share(test).unwrap_or(0.0),
            top1_without_leaks: share(without),
        }
    }
}
