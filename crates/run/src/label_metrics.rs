use serde::{Deserialize, Serialize};

use crate::metrics::{Bin, LEAST_PROBABILITY, bin_of, probable};
use crate::{RELIABILITY_BINS, ReliabilityBin, RunError, wilson};

/// How good predictions of label sets on a split are: of each label, whether an image has it. All shares are in
/// 0..=1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LabelMetrics {
    /// Images looked at, at least 1.
    pub images: usize,
    /// Images whose labels are all told right, and no other.
    pub correct: usize,
    /// `correct / images` (subset accuracy).
    pub exact: f64,
    /// Wilson's 95 % interval of `exact`, `[low, high]`.
    pub interval: [f64; 2],
    /// Mean of the labels' average precision, over labels that some images have and some not; none where there is
    /// no such label. Thresholds play no role in it.
    pub mean_average_precision: Option<f64>,
    /// What it would be for a guess: the mean share of images that have such a label.
    pub chance_average_precision: Option<f64>,
    /// F1 over all answers of all labels together.
    pub micro_f1: f64,
    /// Mean of the labels' F1, over labels that are there or were said.
    pub macro_f1: f64,
    /// Share of all answers, one an image and label, that are wrong (Hamming loss).
    pub hamming: f64,
    /// Expected calibration error over all answers: mean distance of a label's probability and the share of images
    /// that have it, over [`RELIABILITY_BINS`] bins, weighted by their answers.
    pub ece: f64,
    /// Mean negative log likelihood of an answer, in nats; probabilities are kept 1e-12 from 0 and 1.
    pub nll: f64,
    /// Each label, in the order of the outputs.
    pub per_label: Vec<LabelFigures>,
    /// The bins of the reliability diagram, from 0 to 1.
    pub reliability: Vec<ReliabilityBin>,
}

/// How good the predictions of one label are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LabelFigures {
    /// Its name.
    pub label: String,
    /// Images that have it.
    pub images: usize,
    /// Probability from which an image is said to have it.
    pub threshold: f64,
    /// Images said to have it.
    pub predicted: usize,
    /// Of these, images that have it.
    pub correct: usize,
    /// `correct / images`; none without images.
    pub recall: Option<f64>,
    /// Wilson's 95 % interval of `recall`.
    pub recall_interval: Option<[f64; 2]>,
    /// `correct / predicted`; none when never said.
    pub precision: Option<f64>,
    /// 2 · correct / (images + predicted); none where both are 0.
    pub f1: Option<f64>,
    /// Area under precision over recall, as steps: Σ (Rₖ - Rₖ₋₁) Pₖ over falling probabilities; none where all
    /// images have it or none.
    pub average_precision: Option<f64>,
    /// Chance that an image with it has a higher probability than one without it, equal ones counting a half; none
    /// where all images have it or none.
    pub auroc: Option<f64>,
}

impl LabelMetrics {
    /// Metrics of predictions. `truth` holds `N` sets of label indices, `probabilities` is `[N, C]` row-major with
    /// `C = labels.len()`, `thresholds` is `[C]`: an image has a label from that probability on.
    ///
    /// # Errors
    /// When there are no images, the lengths do not go together, an index is not a label, or a value is not in
    /// 0..=1 (a rounding error above 1 is forgiven).
    pub fn new(
        labels: &[String],
        truth: &[Vec<usize>],
        probabilities: &[f32],
        thresholds: &[f64],
    ) -> Result<Self, RunError> {
        let classes = labels.len();
        check(classes, truth, probabilities, thresholds)?;
        let has = |i: usize, label: usize| truth[i].contains(&label);
        let (mut bins, mut nll, mut correct) = ([Bin::default(); RELIABILITY_BINS], 0.0, 0);
        for (i, row) in probabilities.chunks_exact(classes).enumerate() {
            let mut right = true;
            for (label, &p) in row.iter().enumerate() {
                let has = has(i, label);
                right &= (f64::from(p) >= thresholds[label]) == has;
                bins[bin_of(f64::from(p))].add(p, has);
                let of_truth = if has { f64::from(p) } else { 1.0 - f64::from(p) };
                nll -= of_truth.clamp(LEAST_PROBABILITY, 1.0).ln();
            }
            correct += usize::from(right);
        }
        let per_label: Vec<LabelFigures> = labels
            .iter()
            .enumerate()
            .map(|(label, name)| {
                let column = probabilities.iter().skip(label).step_by(classes);
                let scored = column.enumerate().map(|(i, p)| (*p, has(i, label))).collect();
                figures(name, thresholds[label], scored)
            })
            .collect();
        let (images, n) = (truth.len(), truth.len() as f64);
        let answers = n * classes as f64;
        let total = |of: fn(&LabelFigures) -> usize| per_label.iter().map(of).sum::<usize>() as f64;
        let (said, there) = (total(|l| l.predicted), total(|l| l.images));
        let hits = total(|l| l.correct);
        let judged = || per_label.iter().filter(|l| l.average_precision.is_some());
        Ok(Self {
            images,
            correct,
            exact: correct as f64 / n,
            interval: wilson(correct, images).ok_or(RunError::NoImages)?,
            mean_average_precision: mean(judged().filter_map(|l| l.average_precision)),
            chance_average_precision: mean(judged().map(|l| l.images as f64 / n)),
            micro_f1: if said + there > 0.0 { 2.0 * hits / (said + there) } else { 1.0 },
            macro_f1: mean(per_label.iter().filter_map(|l| l.f1)).unwrap_or(1.0),
            hamming: (said + there - 2.0 * hits) / answers,
            ece: bins.iter().map(Bin::distance).sum::<f64>() / answers,
            nll: nll / answers,
            per_label,
            reliability: bins.iter().enumerate().map(|(i, b)| b.bar(i)).collect(),
        })
    }
}

fn check(
    classes: usize,
    truth: &[Vec<usize>],
    probabilities: &[f32],
    thresholds: &[f64],
) -> Result<(), RunError> {
    if truth.is_empty() || classes == 0 {
        return Err(RunError::NoImages);
    }
    let wanted = truth.len().saturating_mul(classes);
    for (got, wanted, images) in
        [(probabilities.len(), wanted, truth.len()), (thresholds.len(), classes, 1)]
    {
        if got != wanted {
            return Err(RunError::Lengths { images, classes, wanted, got });
        }
    }
    for (row, set) in truth.iter().enumerate() {
        if let Some(&class) = set.iter().find(|label| **label >= classes) {
            return Err(RunError::ClassRange { row, class, classes });
        }
    }
    probable(probabilities, classes)
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (count, sum) = values.fold((0, 0.0), |(n, sum), v| (n + 1, sum + v));
    (count > 0).then(|| sum / f64::from(count))
}

/// The figures of one label from each image's probability and whether it has the label.
fn figures(name: &str, threshold: f64, mut scored: Vec<(f32, bool)>) -> LabelFigures {
    let said = |(p, _): &&(f32, bool)| f64::from(*p) >= threshold;
    let predicted = scored.iter().filter(said).count();
    let correct = scored.iter().filter(said).filter(|(_, has)| *has).count();
    let images = scored.iter().filter(|(_, has)| *has).count();
    let share = |part: usize, of: usize| (of > 0).then(|| part as f64 / of as f64);
    scored.sort_by(|a, b| b.0.total_cmp(&a.0));
    let both = images > 0 && images < scored.len();
    let (average_precision, auroc) = if both { areas(&scored, images) } else { (None, None) };
    LabelFigures {
        label: name.to_owned(),
        images,
        threshold,
        predicted,
        correct,
        recall: share(correct, images),
        recall_interval: wilson(correct, images),
        precision: share(correct, predicted),
        f1: share(2 * correct, images + predicted),
        average_precision,
        auroc,
    }
}

/// Average precision and the area under the ROC curve of scores that fall; equal ones count together.
fn areas(scored: &[(f32, bool)], images: usize) -> (Option<f64>, Option<f64>) {
    let (positive, negative) = (images as f64, (scored.len() - images) as f64);
    let (mut hits, mut seen, mut precision, mut roc) = (0.0, 0.0, 0.0, 0.0);
    for equal in scored.chunk_by(|a, b| a.0 == b.0) {
        let new = equal.iter().filter(|(_, has)| *has).count() as f64;
        let missed = equal.len() as f64 - new;
        roc += missed * (hits + new / 2.0);
        hits += new;
        seen += equal.len() as f64;
        precision += new * hits / seen;
    }
    (Some(precision / positive), Some(roc / positive / negative))
}
