//! The head for label sets, and what of the network it reads.

use regraft_data::{MultiLabel, stratified};
use regraft_probe::{
    HeadKind, HeadOptions, LabelSets, LabelSetsFit, best_thresholds, fit_label_sets,
};

use crate::features::{ERRORS_TO_WIN, heard, mean_and_error, on_parts, unscale};
use crate::grouping::together;
use crate::journal::{Log, Rows};
use crate::reading::Read;
use crate::{Error, FeatureKind, FitOptions};

/// Folds of the cross-validation, where the rarest label has so many images.
const FOLDS: usize = 5;

/// The features chosen and the head on them.
pub(super) struct LabelHead {
    /// Never `auto`.
    pub(super) kind: FeatureKind,
    pub(super) fitted: LabelSetsFit,
    /// Why these features.
    pub(super) because: String,
    pub(super) folds: usize,
    /// From which probability on an image is said to have each label.
    pub(super) thresholds: Vec<f64>,
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
    let sets: Vec<Vec<usize>> =
        rows.train.iter().map(|i| data.examples[*i].labels.clone()).collect();
    let sets = LabelSets::new(&sets, data.labels.len())?;
    let groups = together(options, &read.dataset, &read.extracted, &rows.train)?;
    let folds = folds(&sets, options.seed);
    let parts = read.source.part_list();
    let fit = |count: usize, kind: HeadKind| -> Result<LabelSetsFit, Error> {
        let groups = Some(groups.clone());
        let head = HeadOptions { kind, seed: options.seed, groups, ..HeadOptions::default() };
        let (mut fitted, scales) =
            on_parts(&read.extracted, &rows.train, &parts[..count], |features| {
                fit_label_sets(features, &sets, &folds, &head, &mut |event| heard(log, &event))
            })?;
        unscale(&mut fitted.head, &scales);
        Ok(fitted)
    };
    let chosen = |kind, fitted: LabelSetsFit, because| -> Result<LabelHead, Error> {
        let thresholds = best_thresholds(&fitted.out_of_fold, &sets)?;
        let folds = folds.iter().max().map_or(0, |m| m + 1);
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
    let (kind, count) = if longer { (FeatureKind::Depths, all) } else { (FeatureKind::Trunk, 1) };
    chosen(kind, fit(count, options.head)?, because)
}

/// The fold of each example, every fold with its share of each label.
fn folds(sets: &LabelSets<'_>, seed: u64) -> Vec<usize> {
    let fewest = sets.counts().iter().copied().filter(|n| *n > 1).min().unwrap_or(2);
    let count = FOLDS.min(fewest).max(2);
    let each: Vec<&[usize]> = sets.sets().iter().map(Vec::as_slice).collect();
    stratified(&each, sets.labels(), &vec![1.0 / count as f64; count], seed)
}
