//! How a run tells images of no known class.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::{RunError, json, read};

/// What the plan says of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UnknownPlan {
    /// `neighbours`, `mahalanobis` or `energy`.
    pub method: String,
    /// Share of images of known classes that may be called unknown, as asked.
    pub false_alarms: f64,
    /// The share that is kept, 19 times of 20: more than was asked for where images are few.
    pub kept: f64,
    /// Scores above it are unknown.
    pub threshold: f64,
    /// Held-out images whose scores set the threshold.
    pub held_out: usize,
    /// Training images that are kept to compare with.
    pub images: usize,
}

/// What was measured of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UnknownFacts {
    /// Test images, all of known classes.
    pub images: usize,
    /// Of these, called unknown: false alarms.
    pub unknown: usize,
    /// `unknown / images`.
    pub rate: f64,
    /// Wilson's 95 % interval of `rate`.
    pub interval: [f64; 2],
    /// How well each score told classes that were left out in turn; empty where none could be.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<LeftOutClass>,
}

/// How well a score told classes that were left out in turn.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LeftOutClass {
    /// `neighbours`, `mahalanobis` or `energy`.
    pub method: String,
    /// Area under the curve of hits against false alarms, 0.5 (not at all) to 1, mean over classes.
    pub auroc: f64,
    /// Its standard error.
    pub error: f64,
}

/// `unknown.json`: all of the model but its many numbers, which are in `unknown.safetensors` as `bank`
/// `[images, features]` (rows of length 1), `means` `[classes, features]` and `axes` `[axes, features]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UnknownFile {
    /// Version of the file, [`crate::FORMAT`].
    pub format: u32,
    /// `neighbours`, `mahalanobis` or `energy`.
    pub method: String,
    /// Scores above it are unknown.
    pub threshold: f64,
    /// Share of known images above the threshold, at most.
    pub kept: f64,
    /// The k of the k-th nearest.
    pub neighbours: usize,
    /// Number of features.
    pub features: usize,
    /// Of the covariance, where the method is `mahalanobis`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub covariance: Option<Covariance>,
    /// The training images to compare with, in the order of the rows of `bank`.
    pub images: Vec<KeptImage>,
}

/// Sizes of a covariance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Covariance {
    /// Class means.
    pub classes: usize,
    /// Axes.
    pub axes: usize,
    /// Variance of every direction that no kept image has; none where they have all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rest: Option<f64>,
}

/// A training image to compare with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeptImage {
    /// Name of the file, relative to the data's root.
    pub file: String,
    /// Index of its class.
    pub class: usize,
}

impl UnknownFile {
    /// The document as JSON.
    pub fn to_json(&self) -> Result<String, RunError> {
        json::pretty(self)
    }

    /// The document from JSON; `path` is for the messages only.
    ///
    /// # Errors
    /// When it is not JSON, lacks a key, has one that no such file has, or has a newer format.
    pub fn from_json(text: &str, path: &Path) -> Result<Self, RunError> {
        read::document(text, path)
    }
}
