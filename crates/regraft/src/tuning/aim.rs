//! What a training is for: classes, or labels of which an image may have any number.

use regraft_data::MultiLabel;
use regraft_probe::{
    HeadFit, LabelSets, Labels, LinearHead, best_thresholds, label_temperature, nll,
    temperature_smoothed,
};
use regraft_run::TuningFacts;
use regraft_train::{Truth, most_probable};

use super::Tuning;
use crate::features::{Chosen, start_head};
use crate::grouping::parts;
use crate::images::answers;
use crate::journal::Rows;
use crate::labels::{self, LabelHead};
use crate::measure::Answers;
use crate::{Error, FeatureKind};

/// Parts the training images are cut into; one is held out.
pub(super) const PARTS: usize = 5;

/// What there was before training.
#[derive(Clone, Copy)]
pub(crate) enum Aim<'a> {
    /// One class an image.
    Classes(&'a Chosen),
    /// Any number of labels.
    Labels(&'a MultiLabel, &'a LabelHead),
}

impl Aim<'_> {
    /// The features of the probe.
    pub(super) fn kind(&self) -> FeatureKind {
        match self {
            Self::Classes(chosen) => chosen.kind,
            Self::Labels(_, head) => head.kind,
        }
    }

    /// Why.
    pub(super) fn because(&self) -> &str {
        match self {
            Self::Classes(chosen) => &chosen.because,
            Self::Labels(_, head) => &head.because,
        }
    }
}

/// Held-out training images after a training, for labels.
pub(crate) struct HeldLabels {
    /// Their places among the training images.
    pub(crate) places: Vec<usize>,
    /// Calibrated log odds `[n, C]`.
    pub(crate) odds: Vec<f64>,
    /// From which probability on an image is said to have each label.
    pub(crate) thresholds: Vec<f64>,
}

/// What images held out of a training say of it.
pub(super) struct Summed {
    /// Divides the outputs.
    pub(super) temperature: f64,
    pub(super) facts: TuningFacts,
    pub(super) held: Option<HeldLabels>,
}

impl Tuning<'_> {
    /// Names of the outputs.
    pub(crate) fn names(&self) -> &[String] {
        match self.aim {
            Aim::Classes(_) => &self.dataset.classes,
            Aim::Labels(data, _) => &data.labels,
        }
    }

    /// What the training images are.
    pub(super) fn answers(&self) -> Answers {
        let several = match self.aim {
            Aim::Classes(_) => None,
            Aim::Labels(data, _) => Some(data),
        };
        answers(self.dataset, several, &self.rows.train)
    }

    /// The part of each training image, from 0; one part is held out of the trial.
    pub(super) fn trial_parts(&self) -> Result<Vec<usize>, Error> {
        let Self { options, dataset, extracted, rows, .. } = self;
        match self.aim {
            Aim::Classes(_) => parts(PARTS, options, dataset, extracted, &rows.train),
            Aim::Labels(data, _) => {
                labels::parts(PARTS, options, (data, dataset), extracted, &rows.train)
            }
        }
    }

    /// A head of the probe's kind on the cut's own output, from some training images; of classes all that is known
    /// of it comes with it.
    pub(super) fn probe(&self, rows: &Rows) -> Result<(LinearHead, Option<HeadFit>), Error> {
        let Self { options, dataset, extracted, source, log, .. } = self;
        match self.aim {
            Aim::Classes(_) => {
                let fitted = start_head(options, dataset, extracted, source, rows, log)?;
                Ok((fitted.head.clone(), Some(fitted)))
            }
            Aim::Labels(data, _) => {
                let known = (data, *dataset, *extracted, *source);
                Ok((labels::start_head(options, known, rows, log)?.head, None))
            }
        }
    }

    /// What outputs `before` and `after` a training say of the images at `held`, which it did not learn from.
    pub(super) fn summed(
        &self,
        answers: &Answers,
        held: &[usize],
        before: &[f64],
        after: &[f64],
    ) -> Result<Summed, Error> {
        let outputs = self.names().len();
        match answers.of(held) {
            Answers::Classes(truth) => {
                let (temperature, facts) = of_classes(&truth, outputs, before, after)?;
                Ok(Summed { temperature, facts, held: None })
            }
            Answers::Labels(truth) => of_labels(&truth, outputs, held, before, after),
        }
    }
}

/// Temperature after training, and how images held out did before and after it.
fn of_classes(
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

fn of_labels(
    truth: &[Vec<usize>],
    labels: usize,
    held: &[usize],
    before: &[f64],
    after: &[f64],
) -> Result<Summed, Error> {
    let sets = LabelSets::new(truth, labels)?;
    let fitted = |odds: &[f64]| -> Result<(f64, Vec<f64>, f64, f64), Error> {
        let t = label_temperature(odds, &sets)?;
        let odds: Vec<f64> = odds.iter().map(|z| z / t).collect();
        let rows = odds.chunks_exact(labels).enumerate();
        let judged: Vec<(bool, f64)> =
            rows.map(|(i, z)| Truth::Labels(truth).judge(i, z)).collect();
        let count = truth.len().max(1) as f64;
        let right = judged.iter().filter(|(right, _)| *right).count() as f64 / count;
        let nll = judged.iter().map(|(_, nll)| nll).sum::<f64>() / count;
        Ok((t, odds, right, nll))
    };
    let (_, _, top1_before, nll_before) = fitted(before)?;
    let (temperature, odds, top1_after, nll_after) = fitted(after)?;
    let facts = TuningFacts {
        held_out: truth.len(),
        top1_before,
        top1_after,
        nll_before,
        nll_after,
        ..TuningFacts::default()
    };
    let thresholds = best_thresholds(&odds, &sets)?;
    let held = Some(HeldLabels { places: held.to_vec(), odds, thresholds });
    Ok(Summed { temperature, facts, held })
}
