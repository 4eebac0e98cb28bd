//! Images of no known class, by the features that training made.

use regraft_advise::unknown::Judged;
use regraft_net::{Network, Op};
use regraft_train::{Inputs, scores};

use super::Tuning;
use super::aim::Aim;
use super::trial::Trial;
use crate::Error;
use crate::grouping::together;
use crate::unknown::{Learned, UnknownRun, below_head};

impl Tuning<'_> {
    /// Of a trained crown, with the threshold by images that a training like it did not see, and, where the crown
    /// has learned these too, by all.
    pub(super) fn unknown(
        &self,
        crown: &Network,
        inputs: &Inputs,
        trial: &Trial,
        stopped: bool,
    ) -> Result<Option<UnknownRun>, Error> {
        if trial.novelty.is_empty() {
            return Ok(None);
        }
        let rows = &self.rows.train;
        let features = features(crown, inputs, &(0..rows.len()).collect::<Vec<usize>>())?;
        let groups = together(self.options, self.dataset, self.extracted, rows)?;
        let learned = Learned { rows, features: &features, groups: &groups };
        // The crown of a training that was stopped early has not learned from those held out: they and the others
        // are not alike to it.
        let held = Judged { scores: &trial.novelty, rows: (!stopped).then_some(&trial.held) };
        learned.of_tuned(self.options, self.dataset, held)
    }

    /// How unlike the training images `learn` those of `held` are, which the crown has not learned from; of images
    /// with several labels it is not asked.
    pub(super) fn novelty(
        &self,
        crown: &Network,
        inputs: &Inputs,
        (learn, held): (&[usize], &[usize]),
    ) -> Result<Vec<f64>, Error> {
        if matches!(self.aim, Aim::Labels(..)) {
            return Ok(Vec::new());
        }
        let rows: Vec<usize> = learn.iter().map(|i| self.rows.train[*i]).collect();
        let known = features(crown, inputs, learn)?;
        let groups: Vec<usize> = (0..rows.len()).collect();
        let learned = Learned { rows: &rows, features: &known, groups: &groups };
        let held = features(crown, inputs, held)?;
        learned.score(self.options, self.dataset, &held, self.rows.train.len())
    }
}

/// What the head of a crown reads of examples as they are, `[n, D]`.
fn features(crown: &Network, inputs: &Inputs, examples: &[usize]) -> Result<Vec<f32>, Error> {
    let Some(below) = below_head(crown.graph()) else { return Ok(Vec::new()) };
    let layer = crown.graph().layer(crown.graph().find(below)?);
    if matches!(layer.op, Op::Input { .. }) {
        let mut values = Vec::new();
        inputs.read(None, examples, &mut values)?;
        return Ok(values);
    }
    let below = crown.cut(below)?;
    Ok(scores(&below, inputs, examples)?.into_iter().map(|v| v as f32).collect())
}
