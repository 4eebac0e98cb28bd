use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::{RunError, UnknownPlan, read};

/// What was decided before a fit began, nothing blank: `plan.toml`.
///
/// Floats keep their bits through the file; the same plan gives the same bytes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Version of the file, [`crate::FORMAT`].
    pub format: u32,
    /// Version of the regraft that made it.
    pub regraft_version: String,
    /// How the network is transferred: `probe` trains a linear head on frozen features, `lp-ft` goes on
    /// from there by gradient, `fine-tune` does so from a random head, `scratch` from random weights.
    pub strategy: String,
    /// Seed of everything random, at most 2⁶³ - 1.
    pub seed: u64,
    /// The target data.
    pub data: DataPlan,
    /// The network kept, and how much of it.
    pub network: NetworkPlan,
    /// How the network was computed.
    #[serde(default)]
    pub engine: EnginePlan,
    /// How a picture becomes the network's input.
    pub preprocess: PreprocessPlan,
    /// The new head.
    pub head: HeadPlan,
    /// How the layers above the frontier were trained; none when nothing but the head was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tuning: Option<TuningPlan>,
    /// How images of no known class are told; none where the run cannot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unknown: Option<UnknownPlan>,
    /// Why each of these was chosen.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<Reason>,
}

/// How the frozen network was computed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnginePlan {
    /// How values between layers were stored: `f32` or `bf16`.
    pub precision: String,
    /// Vector instructions used; another machine's may change the last bits.
    pub instructions: String,
    /// Images on which `bf16` was compared with `f32`; 0 when it was not.
    pub tried: usize,
    /// Smallest cosine of an image's two feature vectors.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub least_cosine: Option<f64>,
    /// Mean cosine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mean_cosine: Option<f64>,
    /// Images whose most probable source class was the same in both.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub same_class: Option<usize>,
}

impl Default for EnginePlan {
    /// Of plans older than the choice.
    fn default() -> Self {
        Self {
            precision: "f32".to_owned(),
            instructions: "unknown".to_owned(),
            tried: 0,
            least_cosine: None,
            mean_cosine: None,
            same_class: None,
        }
    }
}

/// The target data of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataPlan {
    /// The folder or table given.
    pub root: String,
    /// How it is laid out: `folders`, `splits`, `csv`.
    pub layout: String,
    /// Class names in the order of the head's outputs; no two alike.
    pub classes: Vec<String>,
    /// Where the split comes from, for instance `given: train, val` or `drawn: 20 %, seed 0`.
    pub split_origin: String,
    /// What a person should know about the data, a sentence each.
    #[serde(default)]
    pub notes: Vec<String>,
    /// Number of images in each split: `train`, `val`, `test`.
    pub images: BTreeMap<String, usize>,
}

/// The network of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkPlan {
    /// Name in the catalogue, or the file's.
    pub name: String,
    /// What finds it again: a catalogue name, a file, a repository.
    pub source: String,
    /// SHA-256 of the weights file, 64 hexadecimal digits.
    pub weights_sha256: String,
    /// File in the run folder that holds the graph.
    pub notation: String,
    /// Layer whose output is the feature vector: the frontier.
    pub cut: String,
    /// `trunk` (output of the cut) or `logits` (class scores of the source task).
    pub features: String,
    /// Length of the feature vector.
    pub feature_len: usize,
    /// Where the weights come from and what they may be used for.
    #[serde(default)]
    pub provenance: Provenance,
}

/// Where a network comes from; `unknown` where nobody says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provenance {
    /// Framework that the weights were trained in.
    pub framework: String,
    /// Data set of the source task.
    pub dataset: String,
    /// SPDX expression.
    pub licence: String,
    /// Who made it and where it was published.
    pub origin: String,
}

impl Default for Provenance {
    /// Of plans that do not say.
    fn default() -> Self {
        let [framework, dataset, licence, origin] = std::array::from_fn(|_| "unknown".to_owned());
        Self { framework, dataset, licence, origin }
    }
}

/// The size a picture is brought to before the crop, in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResizePlan {
    /// The shorter side becomes this.
    Shorter(usize),
    /// Exactly `[height, width]`.
    Exact([usize; 2]),
}

/// How a picture becomes the network's input `[3, H, W]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PreprocessPlan {
    /// Size before the crop.
    pub resize: ResizePlan,
    /// Filter of the resize: `nearest`, `bilinear`, `bicubic`, `lanczos`.
    pub interpolation: String,
    /// Centre crop `[height, width]` in pixels.
    pub crop: [usize; 2],
    /// `rgb` or `bgr`.
    pub channels: String,
    /// Multiplies the 8-bit value.
    pub scale: f32,
    /// Subtracted after scaling, in the network's channel order.
    pub mean: [f32; 3],
    /// Divides after the subtraction, in the network's channel order.
    pub std: [f32; 3],
}

/// The head of a plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeadPlan {
    /// `ridge` or `logistic`.
    pub kind: String,
    /// Weight of the penalty on the head's weights.
    pub penalty: f64,
    /// Divides the scores before the softmax (Guo et al. 2017).
    pub temperature: f64,
    /// Folds of the cross-validation that chose the penalty.
    pub folds: usize,
    /// What each class counts: the head answers as if each had that many times its training images. Empty for
    /// all the same.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub class_weights: Vec<f32>,
    /// Added to the log of each class's probability before it is turned to other class shares, so that held-out
    /// ones have the shares of the training images; empty where none is known, or it is in the head already.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub share_bias: Vec<f64>,
    /// Of each label, the probability from which an image is said to have it, 0 to 1: then the outputs are log odds
    /// of labels, of which an image may have any number. Empty where an image is of one class.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub thresholds: Vec<f64>,
}

/// Training by gradient.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TuningPlan {
    /// What was unfrozen: `all`, `last:N`, `from:LAYER`, `none`, or patterns of layer names.
    pub unfreeze: String,
    /// Learning rates, as `--rates` takes them.
    pub rates: String,
    /// Rates of single layers, `PATTERN=RATE` as `--rate` takes them; of those that fit a layer the last counts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub layer_rates: Vec<String>,
    /// The layer below which nothing was trained; none when all was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frontier: Option<String>,
    /// Whether batch norms used the statistics of the batch.
    pub batch_norm: bool,
    /// `sgd` or `adamw`.
    pub optimiser: String,
    /// How rates moved: `constant`, `cosine`, `one-cycle`, `step`, `slanted`.
    pub schedule: String,
    /// Share of the steps in which rates rose.
    pub warm_up: f64,
    /// Rounds over the training images.
    pub epochs: u64,
    /// Most images of a step.
    pub batch: usize,
    /// Weight decay of kernels and matrices.
    pub decay: f64,
    /// Share of each target spread over all classes.
    pub smoothing: f64,
    /// Augmentation, as text.
    pub augment: String,
    /// Changed copies of each image whose values at the frontier were kept; 0 when every round saw
    /// pictures.
    pub copies: usize,
    /// Layers of the head below its last, as `--head` takes them; empty for none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub hidden: String,
    /// Share of the mean of weights that each step keeps; none when the last weights were taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub average: Option<f64>,
    /// Whether blocks joined one by one from the top.
    #[serde(default)]
    pub gradual: bool,
    /// Rounds without improvement after which training ended; none for no such end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patience: Option<u64>,
    /// Whether values were made again on the way back, to take less memory.
    #[serde(default)]
    pub recompute: bool,
    /// What each class counted in the loss; empty for all the same.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub class_weights: Vec<f32>,
    /// Divides the scores before the softmax, from held-out images.
    pub temperature: f64,
}

/// Why something was chosen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reason {
    /// What was chosen.
    pub choice: String,
    /// The fact it rests on.
    pub because: String,
    /// The rule that was applied.
    pub rule: String,
    /// Where the rule comes from: a paper, a measurement.
    pub source: String,
}

/// The least of a plan: what any version of it has.
#[derive(Deserialize)]
struct Version {
    format: Option<u64>,
}

impl Plan {
    /// The plan as TOML.
    ///
    /// # Errors
    /// When a value cannot be, see [`RunError::PlanValue`].
    pub fn to_toml(&self) -> Result<String, RunError> {
        self.check()?;
        toml::to_string(self).map_err(|source| RunError::TomlOut { source: Box::new(source) })
    }

    /// A plan from TOML; `path` is for the messages only.
    ///
    /// # Errors
    /// When the text is not TOML, has another or a newer format, lacks a key, has one that no plan
    /// has, or holds a value that cannot be.
    pub fn from_toml(text: &str, path: &Path) -> Result<Self, RunError> {
        let fail = |e| RunError::Toml { path: path.to_owned(), source: Box::new(e) };
        // The format comes first: a newer plan may have keys and types this version cannot read.
        let version: Version = toml::from_str(text).map_err(fail)?;
        read::check_format(path, version.format)?;
        let plan: Self = toml::from_str(text).map_err(fail)?;
        plan.check()?;
        Ok(plan)
    }

    /// Whether an image may have any number of labels, and not one class.
    pub fn has_label_sets(&self) -> bool {
        !self.head.thresholds.is_empty()
    }

    fn check(&self) -> Result<(), RunError> {
        let bad = |field, wanted, got: String| Err(RunError::PlanValue { field, wanted, got });
        if self.seed > i64::MAX as u64 {
            return bad("seed", "at most 2^63 - 1, toml's largest integer", self.seed.to_string());
        }
        let mut seen = BTreeSet::new();
        if let Some(twice) = self.data.classes.iter().find(|c| !seen.insert(c.as_str())) {
            return Err(RunError::DuplicateClass { class: twice.clone() });
        }
        let p = &self.preprocess;
        let numbers = [
            ("preprocess.scale", f64::from(p.scale)),
            ("head.penalty", self.head.penalty),
            ("head.temperature", self.head.temperature),
        ];
        let channels = p.mean.iter().map(|&v| ("preprocess.mean", f64::from(v)));
        let channels = channels.chain(p.std.iter().map(|&v| ("preprocess.std", f64::from(v))));
        for (field, value) in numbers.into_iter().chain(channels) {
            if !value.is_finite() {
                return bad(field, "a finite number", value.to_string());
            }
        }
        if p.std.contains(&0.0) {
            return bad("preprocess.std", "numbers other than zero", "0".to_owned());
        }
        let labels = self.data.classes.len();
        let sound = |t: &f64| (0.0..=1.0).contains(t);
        let thresholds = &self.head.thresholds;
        if !thresholds.is_empty() && thresholds.len() != labels || !thresholds.iter().all(sound) {
            let wanted = "one number from 0 to 1 for each label, or none at all";
            return bad("head.thresholds", wanted, format!("{thresholds:?}"));
        }
        if self.head.temperature <= 0.0 {
            return bad(
                "head.temperature",
                "a number above zero",
                self.head.temperature.to_string(),
            );
        }
        Ok(())
    }
}
