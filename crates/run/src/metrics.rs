use serde::{Deserialize, Serialize};

use crate::RunError;

/// Bins of the reliability diagram, as in Guo et al. 2017.
pub const RELIABILITY_BINS: usize = 15;

/// Two-sided 95 % quantile of the normal distribution.
const Z95: f64 = 1.959963984540054;

/// Least probability whose logarithm is taken: a sure mistake costs 27.6 nats, not infinity.
pub(crate) const LEAST_PROBABILITY: f64 = 1e-12;

/// How good the predictions on a split are. All shares are in 0..=1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Metrics {
    /// Images looked at, at least 1.
    pub images: usize,
    /// Images whose most probable class is the true one.
    pub correct: usize,
    /// `correct / images`.
    pub top1: f64,
    /// Wilson's 95 % interval of `top1`, `[low, high]`.
    pub interval: [f64; 2],
    /// Share of images whose true class is among the five most probable; only above five classes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top5: Option<f64>,
    /// Mean recall over the classes that have images.
    pub balanced_accuracy: f64,
    /// Expected calibration error: mean distance of confidence and accuracy over
    /// [`RELIABILITY_BINS`] bins, weighted by their images (Guo et al. 2017, equation 3).
    pub ece: f64,
    /// Mean negative log likelihood of the true class, in nats; probabilities below 1e-12 count as
    /// 1e-12.
    pub nll: f64,
    /// Each class, in the order of the outputs.
    pub per_class: Vec<ClassMetrics>,
    /// `[C, C]` counts, a row for each true class, a column for each predicted one.
    pub confusion: Vec<Vec<usize>>,
    /// The bins of the reliability diagram, from 0 to 1.
    pub reliability: Vec<ReliabilityBin>,
}

/// How good the predictions of one class are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClassMetrics {
    /// Its name.
    pub class: String,
    /// Images of this class.
    pub images: usize,
    /// Of these, images predicted right.
    pub correct: usize,
    /// `correct / images`; none without images.
    pub recall: Option<f64>,
    /// Wilson's 95 % interval of `recall`.
    pub recall_interval: Option<[f64; 2]>,
    /// Share of the images predicted as this class that are of it; none when never predicted.
    pub precision: Option<f64>,
}

/// One bar of the reliability diagram: images whose confidence is in `(low, high]`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ReliabilityBin {
    /// Lower end of the confidence, excluded.
    pub low: f64,
    /// Upper end, included.
    pub high: f64,
    /// Images in the bin.
    pub count: usize,
    /// Their mean probability of the predicted class; none when empty.
    pub confidence: Option<f64>,
    /// Share of them predicted right; none when empty.
    pub accuracy: Option<f64>,
}

/// Index of the largest value; the lowest index of equal ones, 0 when empty.
pub fn top_class(probabilities: &[f32]) -> usize {
    let mut best = 0;
    for (i, p) in probabilities.iter().enumerate() {
        if *p > probabilities[best] {
            best = i;
        }
    }
    best
}

/// Wilson's score interval at 95 % for `correct` of `images` (Wilson 1927), `[low, high]`.
///
/// `None` without images. More right than there are images counts as all right.
pub fn wilson(correct: usize, images: usize) -> Option<[f64; 2]> {
    if images == 0 {
        return None;
    }
    let correct = correct.min(images);
    let n = images as f64;
    let p = correct as f64 / n;
    let z2 = Z95 * Z95;
    let centre = (p + z2 / (2.0 * n)) / (1.0 + z2 / n);
    let half = Z95 / (1.0 + z2 / n) * (p * (1.0 - p) / n + z2 / (4.0 * n * n)).sqrt();
    // The ends are exact at none and all; rounding must not move them.
    let low = if correct == 0 { 0.0 } else { (centre - half).max(0.0) };
    let high = if correct == images { 1.0 } else { (centre + half).min(1.0) };
    Some([low, high])
}

impl Metrics {
    /// Metrics of predictions. `truth` holds `N` class indices, `probabilities` is `[N, C]`
    /// row-major with `C = classes.len()`.
    ///
    /// # Errors
    /// When there are no images, the lengths do not go together, an index is not a class, or a
    /// value is not in 0..=1 (a rounding error above 1 is forgiven).
    pub fn new(
        classes: &[String],
        truth: &[usize],
        probabilities: &[f32],
    ) -> Result<Self, RunError> {
        check(classes.len(), truth, probabilities)?;
        let mut confusion = vec![vec![0; classes.len()]; classes.len()];
        let mut bins = [Bin::default(); RELIABILITY_BINS];
        let (mut nll, mut in_top5) = (0.0, 0);
        for (&t, row) in truth.iter().zip(probabilities.chunks_exact(classes.len())) {
            let predicted = top_class(row);
            confusion[t][predicted] += 1;
            bins[bin_of(f64::from(row[predicted]))].add(row[predicted], predicted == t);
            nll -= f64::from(row[t]).clamp(LEAST_PROBABILITY, 1.0).ln();
            in_top5 += usize::from(rank(row, t) < 5);
        }
        let images = truth.len();
        let n = images as f64;
        let correct = (0..classes.len()).map(|c| confusion[c][c]).sum();
        let per_class: Vec<_> = classes
            .iter()
            .enumerate()
            .map(|(c, name)| class_metrics(name, c, &confusion))
            .collect();
        let recalls: Vec<f64> = per_class.iter().filter_map(|c| c.recall).collect();
        Ok(Self {
            images,
            correct,
            top1: correct as f64 / n,
            interval: wilson(correct, images).ok_or(RunError::NoImages)?,
            top5: (classes.len() > 5).then(|| in_top5 as f64 / n),
            balanced_accuracy: recalls.iter().sum::<f64>() / recalls.len() as f64,
            ece: bins.iter().map(Bin::distance).sum::<f64>() / n,
            nll: nll / n,
            per_class,
            confusion,
            reliability: bins.iter().enumerate().map(|(i, b)| b.bar(i)).collect(),
        })
    }
}

fn check(classes: usize, truth: &[usize], probabilities: &[f32]) -> Result<(), RunError> {
    if truth.is_empty() {
        return Err(RunError::NoImages);
    }
    let wanted = truth.len().saturating_mul(classes);
    if wanted != probabilities.len() {
        let got = probabilities.len();
        return Err(RunError::Lengths { images: truth.len(), classes, wanted, got });
    }
    if let Some((row, &class)) = truth.iter().enumerate().find(|(_, t)| **t >= classes) {
        return Err(RunError::ClassRange { row, class, classes });
    }
    probable(probabilities, classes)
}

/// Refuses values `[N, C]` that are no probabilities.
pub(crate) fn probable(probabilities: &[f32], classes: usize) -> Result<(), RunError> {
    let probable = |p: f32| (0.0..=1.0 + 1e-5).contains(&p);
    match probabilities.iter().enumerate().find(|(_, p)| !probable(**p)) {
        Some((i, &value)) => {
            Err(RunError::NotAProbability { row: i / classes, class: i % classes, value })
        }
        None => Ok(()),
    }
}

/// How many classes come before class `t`, in the order of [`top_class`].
fn rank(row: &[f32], t: usize) -> usize {
    row.iter().enumerate().filter(|&(i, &p)| p > row[t] || (p == row[t] && i < t)).count()
}

/// The bin `(i / bins, (i + 1) / bins]` that holds a confidence.
pub(crate) fn bin_of(confidence: f64) -> usize {
    let i = (confidence * RELIABILITY_BINS as f64).ceil() as usize;
    i.saturating_sub(1).min(RELIABILITY_BINS - 1)
}

fn class_metrics(name: &str, c: usize, confusion: &[Vec<usize>]) -> ClassMetrics {
    let share = |of: usize| (of > 0).then(|| confusion[c][c] as f64 / of as f64);
    let images = confusion[c].iter().sum();
    ClassMetrics {
        class: name.to_owned(),
        images,
        correct: confusion[c][c],
        recall: share(images),
        recall_interval: wilson(confusion[c][c], images),
        precision: share(confusion.iter().map(|row| row[c]).sum()),
    }
}

/// Sums over the images of a bin.
#[derive(Clone, Copy, Default)]
pub(crate) struct Bin {
    count: usize,
    correct: usize,
    confidence: f64,
}

impl Bin {
    pub(crate) fn add(&mut self, confidence: f32, right: bool) {
        self.count += 1;
        self.correct += usize::from(right);
        self.confidence += f64::from(confidence);
    }

    /// Distance of what is stated and what is, times images.
    pub(crate) fn distance(&self) -> f64 {
        (self.confidence - self.correct as f64).abs()
    }

    pub(crate) fn bar(&self, i: usize) -> ReliabilityBin {
        let mean = |sum: f64| (self.count > 0).then(|| sum / self.count as f64);
        ReliabilityBin {
            low: i as f64 / RELIABILITY_BINS as f64,
            high: (i + 1) as f64 / RELIABILITY_BINS as f64,
            count: self.count,
            confidence: mean(self.confidence),
            accuracy: mean(self.correct as f64),
        }
    }
}
