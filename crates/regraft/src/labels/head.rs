//! The head for label sets, and what of the network it reads.

use std::collections::BTreeMap;

use regraft_data::{Dataset, MultiLabel, stratified};
use regraft_probe::{
    HeadKind, HeadOptions, LabelSets, LabelSetsFit, best_thresholds, fit_label_sets,
};
use regraft_train::Extracted;

use crate::features::{ERRORS_TO_WIN, Source, heard, mean_and_error, on_parts, unscale};
use crate::grouping::together;
use crate::journal::{Log, Rows};
use crate::reading::Read;
use crate::{Error, FeatureKind, FitOptions};

/// Folds of the cross-validation, where the rarest label has so many images.
const FOLDS: usize = 5;

/// The features chosen and the head on them.
pub(crate) struct LabelHead {
    /// Never `auto`.
    pub(crate) kind: FeatureKind,
    pub(crate) fitted: LabelSetsFit,
    /// Why these features.
    pub(crate) because: String,
    pub(crate) folds: usize,
    /// From which probability on an image is said to have each label.
    pub(crate) thresholds: Vec<f64>,
}

/// Fits a head; when the choice of features is open, one on each, and takes the shorter features unless the longer
/// ones are better on held-out images by more than one standard error.
pub(super) fn choose(
    options: &FitOptions,
    data: &MultiLabel,
    read: &Read,
    rows: &Rows,
    log: &Log<'_>,
) -> Result<LabelHead, Error> {
    let sets = sets(data, &rows.train);
    let sets = LabelSets::new(&sets, data.labels.len())?;
    let parts = read.source.part_list();
    let known = (data, &read.dataset, &read.extracted, &read.source);
    let fit = |count, kind| fit(options, kind, known, rows, count, log);
    let chosen = |kind, fitted: LabelSetsFit, because| -> Result<LabelHead, Error> {
        let thresholds = best_thresholds(&fitted.out_of_fold, &sets)?;
        let folds = count(&sets);
        Ok(LabelHead { kind, fitted, because, folds, thresholds })
    };
    let all = parts.len();
    if let Some(because) = read.source.no_choice(options) {
        return chosen(read.source.kind(), fit(all, options.head)?, because.to_owned());
    }
    // Ridge judges: its held-out scores are exact and cost one decomposition.
    let (short, long) = (fit(1, HeadKind::Ridge)?, fit(all, HeadKind::Ridge)?);
    let pairs = short.losses(&sets).into_iter().zip(long.losses(&sets));
    let (mean, error) = mean_and_error(&pairs.map(|(s, l)| s - l).collect::<Vec<f64>>());
    let longer = mean > ERRORS_TO_WIN * error;
    let because = format!(
        "leave-one-out log loss of a ridge head, summed over labels, {:.3} with `{}` alone, {:.3} with {} joined; the \
         gain of {mean:.3} is {} than one standard error ({error:.3})",
        short.out_of_fold_nll,
        parts[0].0,
        long.out_of_fold_nll,
        parts[1..].iter().map(|(n, _)| format!("`{n}`")).collect::<Vec<_>>().join(", "),
        if longer { "more" } else { "not more" },
    );
    let (kind, used) = if longer { (FeatureKind::Depths, all) } else { (FeatureKind::Trunk, 1) };
    chosen(kind, fit(used, options.head)?, because)
}

/// The labels of some images.
fn sets(data: &MultiLabel, rows: &[usize]) -> Vec<Vec<usize>> {
    rows.iter().map(|i| data.examples[*i].labels.clone()).collect()
}

/// What is known before a head is fitted: images, the same by their sets, and features.
pub(crate) type Known<'a> = (&'a MultiLabel, &'a Dataset, &'a Extracted, &'a Source);

/// A head on the first `parts` of the vector.
fn fit(
    options: &FitOptions,
    kind: HeadKind,
    (data, view, extracted, source): Known<'_>,
    rows: &Rows,
    parts: usize,
    log: &Log<'_>,
) -> Result<LabelSetsFit, Error> {
    let sets = sets(data, &rows.train);
    let sets = LabelSets::new(&sets, data.labels.len())?;
    let groups = Some(together(options, view, extracted, &rows.train)?);
    let folds = parts_of(&sets, count(&sets), options.seed);
    let head = HeadOptions { kind, seed: options.seed, groups, ..HeadOptions::default() };
    let parts = &source.part_list()[..parts];
    let (mut fitted, scales) = on_parts(extracted, &rows.train, parts, |features| {
        fit_label_sets(features, &sets, &folds, &head, &mut |event| heard(log, &event))
    })?;
    unscale(&mut fitted.head, &scales);
    Ok(fitted)
}

/// A head on the cut's own output, from the training images `rows`.
pub(crate) fn start_head(
    options: &FitOptions,
    known: Known<'_>,
    rows: &Rows,
    log: &Log<'_>,
) -> Result<LabelSetsFit, Error> {
    fit(options, options.head, known, rows, 1, log)
}

/// The part of each of `rows`, from 0, of `count` parts that are left out in turn: each has its share of every label,
/// and what belongs together is in one part.
pub(crate) fn parts(
    count: usize,
    options: &FitOptions,
    (data, view): (&MultiLabel, &Dataset),
    extracted: &Extracted,
    rows: &[usize],
) -> Result<Vec<usize>, Error> {
    let sets = sets(data, rows);
    let sets = LabelSets::new(&sets, data.labels.len())?;
    let mut part_of = parts_of(&sets, count, options.seed);
    let mut first = BTreeMap::new();
    for (part, group) in part_of.iter_mut().zip(together(options, view, extracted, rows)?) {
        *part = *first.entry(group).or_insert(*part);
    }
    Ok(part_of)
}

/// Folds of the cross-validation.
fn count(sets: &LabelSets<'_>) -> usize {
    let fewest = sets.counts().iter().copied().filter(|n| *n > 1).min().unwrap_or(2);
    FOLDS.min(fewest).max(2)
}

/// The part of each example, every part with its share of each label.
fn parts_of(sets: &LabelSets<'_>, count: usize, seed: u64) -> Vec<usize> {
    let each: Vec<&[usize]> = sets.sets().iter().map(Vec::as_slice).collect();
    stratified(&each, sets.labels(), &vec![1.0 / count as f64; count], seed)
}
