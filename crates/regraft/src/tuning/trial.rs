//! Training tried on held-out images.

use regraft_probe::{Labels, nll, temperature_smoothed};
use regraft_run::{Reason, RunFolder, TuningFacts};
use regraft_train::{Inputs, Tuned, most_probable, scores, tune};

use super::Tuning;
use super::plan::Planned;
use super::start::crown;
use crate::grouping::parts;
use crate::journal::Rows;
use crate::{Error, Strategy};

/// Parts the training images are cut into; one at a time is held out.
const PARTS: usize = 5;
/// Parts tried when the strategy is open.
const TRIALS: usize = 3;

/// What the trial gave.
#[derive(Default)]
pub(super) struct Trial {
    /// Places of the held-out images among the training images.
    held: Vec<usize>,
    /// Logits before training, `[held, C]`.
    before: Vec<f64>,
    /// Logits after it.
    after: Vec<f64>,
    pub(super) temperature: f64,
    pub(super) facts: TuningFacts,
    /// What early stopping gave, of the first part.
    pub(super) stopped: Option<Tuned>,
    /// How unlike the others' each held-out image is.
    pub(super) novelty: Vec<f64>,
    /// Of each held-out image: log-likelihood after less that before.
    gains: Vec<f64>,
}

impl Trial {
    fn sum_up(&mut self, labels: &[usize], classes: usize) -> Result<(), Error> {
        let truth: Vec<usize> = self.held.iter().map(|i| labels[*i]).collect();
        let counted = Labels::new(&truth, classes)?;
        // Held-out images without a mistake do not prove that there will be none: the rule of
        // succession.
        let smoothing = 1.0 / (truth.len() as f64 + 2.0);
        let fitted = |scores: &[f64]| -> Result<(f64, Vec<f64>, f64), Error> {
            let t = temperature_smoothed(scores, &counted, smoothing)?.value;
            let rows = scores.chunks_exact(classes).zip(&truth);
            let right = rows.filter(|(row, label)| most_probable(row) == **label);
            let share = right.count() as f64 / truth.len().max(1) as f64;
            Ok((t, nll(scores, &counted, t)?, share))
        };
        let (_, before, top1_before) = fitted(&self.before)?;
        let (temperature, after, top1_after) = fitted(&self.after)?;
        let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len().max(1) as f64;
        self.temperature = temperature;
        self.facts = TuningFacts {
            held_out: truth.len(),
            top1_before,
            top1_after,
            nll_before: mean(&before),
            nll_after: mean(&after),
            ..TuningFacts::default()
        };
        self.gains = before.iter().zip(&after).map(|(b, a)| b - a).collect();
        Ok(())
    }

    /// Whether training is clearly better than the probe, and why.
    pub(super) fn verdict(&self, labels: &[usize]) -> (Reason, bool) {
        let n = self.gains.len().max(1) as f64;
        let mean = self.gains.iter().sum::<f64>() / n;
        let spread =
            self.gains.iter().map(|g| (g - mean).powi(2)).sum::<f64>() / (n - 1.0).max(1.0);
        let error = (spread / n).sqrt();
        let better = mean > error;
        let f = &self.facts;
        let reason = Reason {
            choice: if better { "train on from the probe (lp-ft)" } else { "stay with the probe" }
                .to_owned(),
            because: format!(
                "on {} of {} training images held out in turn, log loss {:.3} after training and {:.3} \
                 before ({:.1} % and {:.1} % right); the gain of {mean:.3} is {} than one standard \
                 error ({error:.3})",
                f.held_out,
                labels.len(),
                f.nll_after,
                f.nll_before,
                100.0 * f.top1_after,
                100.0 * f.top1_before,
                if better { "more" } else { "not more" },
            ),
            rule: "train when it predicts held-out images clearly better; the simpler wins a tie"
                .to_owned(),
            source: "Kumar et al. 2022; cross-validation on the training images".to_owned(),
        };
        (reason, better)
    }
}

impl Tuning<'_> {
    /// Trains with a part of the images held out, once for each of one or more parts, beside a head
    /// fitted on the same images.
    pub(super) fn trial(
        &self,
        planned: &Planned,
        inputs: &Inputs,
        labels: &[usize],
        folder: &RunFolder,
    ) -> Result<Trial, Error> {
        let classes = self.dataset.classes.len();
        let Self { options, dataset, extracted, rows, .. } = self;
        let part_of = parts(PARTS, options, dataset, extracted, &rows.train)?;
        let count = part_of.iter().max().map_or(1, |m| m + 1);
        let trials = if self.strategy() == Strategy::Auto { TRIALS.min(count) } else { 1 };
        let mut trial = Trial::default();
        for part in 0..trials {
            let name = format!("held-out {}", part + 1);
            let of = |held: bool| -> Vec<usize> {
                (0..labels.len()).filter(|i| (part_of[*i] == part) == held).collect()
            };
            let (learn, held) = (of(false), of(true));
            let rows = Rows {
                train: learn.iter().map(|i| self.rows.train[*i]).collect(),
                test: Vec::new(),
            };
            let (start, _) = self.start(&rows)?;
            let (crown, _) = crown(&start, &planned.table)?;
            trial.before.extend(scores(&crown, inputs, &held)?);
            let checkpoint = folder.checkpoint(&format!("held-out-{}", part + 1));
            let tuned = tune(
                &crown,
                &planned.table,
                &planned.recipe,
                inputs,
                (labels, &learn, &held),
                Some(&checkpoint),
                &mut |epoch| self.heard(folder, &name, epoch),
            )?;
            let seen = (learn.as_slice(), held.as_slice());
            trial.novelty.extend(self.novelty(&tuned.network, inputs, seen)?);
            trial.after.extend(tuned.held.iter().flat_map(|held| &held.scores));
            trial.held.extend(held);
            if planned.recipe.patience.is_some() {
                trial.stopped.get_or_insert(tuned);
            }
        }
        trial.sum_up(labels, classes)?;
        Ok(trial)
    }
}
