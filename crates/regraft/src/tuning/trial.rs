//! Training tried on held-out images.

use regraft_probe::{Labels, nll, temperature_smoothed};
use regraft_run::{RunFolder, TuningFacts};
use regraft_train::{Inputs, Tuned, most_probable, scores, tune};

use super::Tuning;
use super::plan::Planned;
use super::start::crown;
use crate::Error;
use crate::grouping::parts;
use crate::journal::Rows;

/// Parts the training images are cut into; one is held out.
const PARTS: usize = 5;

/// What the trial gave.
pub(super) struct Trial {
    pub(super) temperature: f64,
    pub(super) facts: TuningFacts,
    /// What early stopping gave.
    pub(super) stopped: Option<Tuned>,
    /// How unlike the others' each held-out image is.
    pub(super) novelty: Vec<f64>,
}

impl Tuning<'_> {
    /// Trains with a part of the images held out, beside a head fitted on the same images.
    pub(super) fn trial(
        &self,
        planned: &Planned,
        inputs: &Inputs,
        labels: &[usize],
        folder: &RunFolder,
    ) -> Result<Trial, Error> {
        let Self { options, dataset, extracted, rows, .. } = self;
        let part_of = parts(PARTS, options, dataset, extracted, &rows.train)?;
        let (held, learn): (Vec<usize>, Vec<usize>) =
            (0..labels.len()).partition(|i| part_of[*i] == 0);
        let rows =
            Rows { train: learn.iter().map(|i| self.rows.train[*i]).collect(), test: Vec::new() };
        let (start, _) = self.start(&rows)?;
        let (crown, _) = crown(&start, &planned.table)?;
        let before = scores(&crown, inputs, &held)?;
        let tuned = tune(
            &crown,
            &planned.table,
            &planned.recipe,
            inputs,
            (labels, &learn, &held),
            Some(&folder.checkpoint("held-out-1")),
            &mut |epoch| self.heard(folder, "held-out 1", epoch),
        )?;
        let seen = (learn.as_slice(), held.as_slice());
        let novelty = self.novelty(&tuned.network, inputs, seen)?;
        let after: Vec<f64> = tuned.held.iter().flat_map(|held| &held.scores).copied().collect();
        let truth: Vec<usize> = held.iter().map(|i| labels[*i]).collect();
        let (temperature, facts) = summed(&truth, self.dataset.classes.len(), &before, &after)?;
        let stopped = planned.recipe.patience.is_some().then_some(tuned);
        Ok(Trial { temperature, facts, stopped, novelty })
    }
}

/// Temperature after training, and how images held out did before and after it.
fn summed(
    truth: &[usize],
    classes: usize,
    before: &[f64],
    after: &[f64],
) -> Result<(f64, TuningFacts), Error> {
    let counted = Labels::new(truth, classes)?;
    // Held-out images without a mistake do not prove that there will be none: the rule of
    // succession.
    let smoothing = 1.0 / (truth.len() as f64 + 2.0);
    let fitted = |scores: &[f64]| -> Result<(f64, f64, f64), Error> {
        let t = temperature_smoothed(scores, &counted, smoothing)?.value;
        let rows = scores.chunks_exact(classes).zip(truth);
        let right = rows.filter(|(row, label)| most_probable(row) == **label);
        let count = truth.len().max(1) as f64;
        let nll = nll(scores, &counted, t)?.iter().sum::<f64>() / count;
        Ok((t, nll, right.count() as f64 / count))
    };
    let (_, nll_before, top1_before) = fitted(before)?;
    let (temperature, nll_after, top1_after) = fitted(after)?;
    let held_out = truth.len();
    let facts = TuningFacts {
        held_out,
        top1_before,
        top1_after,
        nll_before,
        nll_after,
        ..TuningFacts::default()
    };
    Ok((temperature, facts))
}
