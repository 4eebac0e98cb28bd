//! Training tried on held-out images.

use regraft_run::{RunFolder, TuningFacts};
use regraft_train::{Inputs, Tuned, scores, tune};

use super::Tuning;
use super::aim::{HeldLabels, Summed};
use super::plan::Planned;
use super::start::crown;
use crate::Error;
use crate::journal::Rows;
use crate::measure::Answers;

/// What the trial gave.
pub(super) struct Trial {
    pub(super) temperature: f64,
    pub(super) facts: TuningFacts,
    /// Of labels, what images held out said.
    pub(super) labels: Option<HeldLabels>,
    /// What early stopping gave.
    pub(super) stopped: Option<Tuned>,
    /// How unlike the others' each held-out image is.
    pub(super) novelty: Vec<f64>,
    /// Places of those images among the training images.
    pub(super) held: Vec<usize>,
}

impl Tuning<'_> {
    /// Trains with a part of the images held out, beside a head fitted on the same images.
    pub(super) fn trial(
        &self,
        planned: &Planned,
        inputs: &Inputs,
        answers: &Answers,
        folder: &RunFolder,
    ) -> Result<Trial, Error> {
        let part_of = self.trial_parts()?;
        let (held, learn): (Vec<usize>, Vec<usize>) =
            (0..answers.len()).partition(|i| part_of[*i] == 0);
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
            (answers.truth(), &learn, &held),
            Some(&folder.checkpoint("held-out-1")),
            &mut |epoch| self.heard(folder, "held-out 1", epoch),
        )?;
        let seen = (learn.as_slice(), held.as_slice());
        let novelty = self.novelty(&tuned.network, inputs, seen)?;
        let after: Vec<f64> = tuned.held.iter().flat_map(|held| &held.scores).copied().collect();
        let Summed { temperature, facts, held: labels } =
            self.summed(answers, &held, &before, &after)?;
        let stopped = planned.recipe.patience.is_some().then_some(tuned);
        Ok(Trial { temperature, facts, labels, stopped, novelty, held })
    }
}
