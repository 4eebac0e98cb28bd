use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::{LabelMetrics, Metrics, RunError, Timings, UnknownFacts, json, read};

/// A file that was not used as it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Skipped {
    /// Name relative to the data's root.
    pub file: String,
    /// What is the matter, and what was done.
    pub reason: String,
}

/// The training split.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct TrainFacts {
    /// Images the head was fitted on.
    pub images: usize,
    /// Images of each class, in the order of the outputs.
    pub images_per_class: Vec<usize>,
}

/// Leave-one-out result on the training split.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Loo {
    /// Share of training images right by a head fitted on all the others, 0..=1.
    pub top1: f64,
}

/// Training by gradient against what it started from, on training images held out of both.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct TuningFacts {
    /// Images held out.
    pub held_out: usize,
    /// Share of them right before training: by the probe, or by a random head.
    pub top1_before: f64,
    /// Share right after it.
    pub top1_after: f64,
    /// Mean negative log-likelihood before, in nats, calibrated.
    pub nll_before: f64,
    /// Mean negative log-likelihood after.
    pub nll_after: f64,
    /// Values that learned.
    pub learned: u64,
    /// Mean loss of the last round.
    pub last_loss: f64,
    /// After which round the weights were like this: the last, or the best by early stopping.
    #[serde(default)]
    pub rounds: u64,
}

/// How good the predictions are on test images that have no copy among what was learned from.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct WithoutLeaks {
    /// Those images.
    pub images: usize,
    /// How many of them are right.
    pub correct: usize,
    /// `correct / images`, 0..=1; none without images.
    pub top1: Option<f64>,
    /// Wilson's 95 % interval of `top1`, `[low, high]`.
    pub interval: Option<[f64; 2]>,
}

/// `metrics.json`: everything measured that depends on data and seed only, so that the same fit
/// gives the same bytes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MetricsFile {
    /// Version of the file, [`crate::FORMAT`].
    pub format: u32,
    /// Name of the network.
    pub network: String,
    /// The last frozen layer.
    pub frontier: String,
    /// The training split.
    pub train: TrainFacts,
    /// Metrics on the test split.
    pub test: Metrics,
    /// Of the test images those that have no copy among what was learned from; none where no copy was found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub without_leaks: Option<WithoutLeaks>,
    /// Leave-one-out on the training split.
    pub loo: Loo,
    /// What training by gradient gave on images held out of it; none when nothing but a head was fitted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tuning: Option<TuningFacts>,
    /// Test images called unknown, though their classes are known; none where the run cannot tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unknown: Option<UnknownFacts>,
    /// Files that could not be used, or not as they are.
    pub skipped: Vec<Skipped>,
    /// What a person should know, a sentence each.
    pub notes: Vec<String>,
}

impl MetricsFile {
    /// The document as JSON.
    pub fn to_json(&self) -> Result<String, RunError> {
        json::pretty(self)
    }

    /// The document from JSON; `path` is for the messages only.
    ///
    /// # Errors
    /// When it is not JSON, lacks a key, or has a newer format.
    pub fn from_json(text: &str, path: &Path) -> Result<Self, RunError> {
        read::document(text, path)
    }
}

/// `metrics.json` of a run whose images have several labels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LabelMetricsFile {
    /// Version of the file, [`crate::FORMAT`].
    pub format: u32,
    /// Name of the network.
    pub network: String,
    /// The last frozen layer.
    pub frontier: String,
    /// The training split; its counts are of labels.
    pub train: TrainFacts,
    /// Metrics on the test split.
    pub test: LabelMetrics,
    /// The same of training images, each told by a head that has not learned from it.
    pub held_out: LabelMetrics,
    /// What training by gradient gave on images held out of it, `top1` being the share with all labels right; none
    /// when nothing but a head was fitted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tuning: Option<TuningFacts>,
    /// Files that could not be used, or not as they are.
    pub skipped: Vec<Skipped>,
    /// What a person should know, a sentence each.
    pub notes: Vec<String>,
}

impl LabelMetricsFile {
    /// The document as JSON.
    pub fn to_json(&self) -> Result<String, RunError> {
        json::pretty(self)
    }

    /// The document from JSON; `path` is for the messages only.
    ///
    /// # Errors
    /// When it is not JSON, lacks a key, or has a newer format.
    pub fn from_json(text: &str, path: &Path) -> Result<Self, RunError> {
        read::document(text, path)
    }
}

/// What `fit --json` prints where images have several labels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LabelSummary {
    /// The run folder.
    pub run: String,
    /// The contents of `metrics.json`, on the same level.
    #[serde(flatten)]
    pub metrics: LabelMetricsFile,
    /// `seconds` and `images_per_second`, on the same level.
    #[serde(flatten)]
    pub timings: Timings,
}

/// What `fit --json` prints: [`MetricsFile`] with where the run is and how long it took.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// The run folder.
    pub run: String,
    /// The contents of `metrics.json`, on the same level.
    #[serde(flatten)]
    pub metrics: MetricsFile,
    /// `seconds` and `images_per_second`, on the same level.
    #[serde(flatten)]
    pub timings: Timings,
}

impl Summary {
    /// The document as JSON.
    pub fn to_json(&self) -> Result<String, RunError> {
        json::pretty(self)
    }
}
