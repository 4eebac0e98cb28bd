//! Where images have several labels, each of them is judged by itself.

use std::collections::BTreeSet;

use regraft_data::audit::label_errors;
use regraft_data::{Dataset, MultiLabel};
use regraft_probe::{LabelSets, best_thresholds};

use super::features::{Measured, Seen, leaked};
use super::looked::Looked;
use super::{LabelSuspect, LeakEffect};
use crate::Error;
use crate::features::blocks;
use crate::journal::{Log, Rows};
use crate::labels::{self, sigmoid};

/// The fewest images with a label, and without it, for which held-out answers mean something.
const FEWEST: usize = 3;

/// Labels that are likely wrong, and how many are.
pub(super) type Suspects = (Vec<LabelSuspect>, f64);

/// Labels, and the lack of them, that a model contradicts which has not learned from the image: for each label
/// confident learning between having it and not. `probabilities` is `[files, C]`.
pub(super) fn suspects(
    data: &MultiLabel,
    files: &[usize],
    probabilities: &[f32],
) -> Result<Suspects, Error> {
    let (mut all, mut wrong) = (Vec::new(), 0.0);
    for label in 0..data.labels.len() {
        let has = |i: &usize| data.examples[*i].labels.contains(&label);
        let given: Vec<usize> = files.iter().map(|i| usize::from(has(i))).collect();
        let with = given.iter().sum::<usize>();
        if with.min(given.len() - with) < FEWEST {
            continue;
        }
        let yes = probabilities.chunks_exact(data.labels.len()).map(|row| row[label]);
        let both: Vec<f32> = yes.flat_map(|p| [1.0 - p, p]).collect();
        let errors = label_errors(&both, &given, 2)?;
        wrong += errors.expected;
        all.extend(errors.suspects.iter().map(|s| {
            let example = &data.examples[files[s.file]];
            let mut other: BTreeSet<usize> = example.labels.iter().copied().collect();
            if !other.remove(&label) {
                other.insert(label);
            }
            let other: Vec<usize> = other.into_iter().collect();
            LabelSuspect {
                file: example.name.clone(),
                label: data.names(&example.labels),
                suggested: data.names(&other),
                probability: s.confidence,
                margin: s.margin,
                confident: s.confident,
            }
        }));
    }
    all.sort_by(|a, b| a.margin.total_cmp(&b.margin).then_with(|| a.file.cmp(&b.file)));
    Ok((all, wrong))
}

/// What heads on the features say. `dataset` is `data` by its sets of labels.
pub(super) fn measured(
    data: &MultiLabel,
    dataset: &Dataset,
    seen: &Seen,
    looked: &Looked,
    notes: &mut Vec<String>,
) -> Result<Measured, Error> {
    let (judged, Rows { train, test }) = seen.rows(dataset, looked);
    let network = seen.network();
    let mut measured = Measured { network, labels: None, effect: None, overlap: None };
    if let Some(label) = fewest(data, &judged) {
        notes.push(format!(
            "labels were not judged: fewer than {FEWEST} readable images have label `{label}`, or lack it"
        ));
        return Ok(measured);
    }
    let rows = Rows { train: judged, test: vec![] };
    let fitted = fit(data, dataset, seen, &rows)?;
    let probabilities: Vec<f32> =
        fitted.out_of_fold.iter().map(|odds| sigmoid(*odds as f32)).collect();
    measured.labels = Some(suspects(data, &rows.train, &probabilities)?);
    if let Some(label) = fewest(data, &train) {
        notes.push(format!(
            "the accuracy was not measured: fewer than {FEWEST} readable images to learn from have label \
             `{label}`, or lack it"
        ));
    } else if !test.is_empty() {
        let right = right(data, dataset, seen, &Rows { train, test })?;
        measured.effect = Some(LeakEffect::of(&right, &leaked(&looked.findings)));
    }
    Ok(measured)
}

fn fit(
    data: &MultiLabel,
    dataset: &Dataset,
    seen: &Seen,
    rows: &Rows,
) -> Result<regraft_probe::LabelSetsFit, Error> {
    let known = (data, dataset, &seen.extracted, &seen.source);
    labels::start_head(&seen.fit, known, rows, &Log::new(&crate::Quiet))
}

/// The tested images, and whether a head that learned from the others tells all their labels right.
fn right(
    data: &MultiLabel,
    dataset: &Dataset,
    seen: &Seen,
    rows: &Rows,
) -> Result<Vec<(usize, bool)>, Error> {
    let fitted = fit(data, dataset, seen, rows)?;
    let sets: Vec<Vec<usize>> =
        rows.train.iter().map(|i| data.examples[*i].labels.clone()).collect();
    let sets = LabelSets::new(&sets, data.labels.len())?;
    let thresholds = best_thresholds(&fitted.out_of_fold, &sets)?;
    let mut right = Vec::with_capacity(rows.test.len());
    let mut at = rows.test.iter();
    blocks(&seen.extracted, &rows.test, seen.source.cut_len(), |block| {
        let odds = fitted.head.logits_batch(block)?;
        for (row, i) in odds.chunks_exact(data.labels.len()).zip(&mut at) {
            let told = row.iter().zip(&thresholds).enumerate();
            let yes = told.filter(|(_, (odds, t))| f64::from(sigmoid(**odds)) >= **t);
            right.push((
                *i,
                yes.map(|(label, _)| label).eq(data.examples[*i].labels.iter().copied()),
            ));
        }
        Ok(())
    })?;
    Ok(right)
}

/// A label that too few of `rows` have, or lack.
fn fewest<'a>(data: &'a MultiLabel, rows: &[usize]) -> Option<&'a str> {
    let of =
        |label: usize| rows.iter().filter(|i| data.examples[**i].labels.contains(&label)).count();
    let small =
        (0..data.labels.len()).find(|label| of(*label).min(rows.len() - of(*label)) < FEWEST)?;
    Some(&data.labels[small])
}
