//! A training as far as it has come, in a file.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use regraft_formats::safetensors;
use regraft_tensor::Tensor;

use crate::{Memory, TrainError};

/// What an interrupted training goes on from: all that its next step depends on.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Checkpoint {
    /// Loss of each round that is done.
    pub(crate) losses: Vec<f64>,
    /// Every parameter and statistic that training changes.
    pub(crate) params: BTreeMap<String, Tensor>,
    /// What the optimiser remembers.
    pub(crate) memory: Memory,
    /// The running mean of `params`, or empty.
    pub(crate) average: BTreeMap<String, Tensor>,
    /// The best round so far, where early stopping looks for one.
    pub(crate) best: Option<Best>,
}

/// The same where it is, to be written.
pub(crate) struct State<'a> {
    pub(crate) losses: &'a [f64],
    pub(crate) params: BTreeMap<String, &'a Tensor>,
    pub(crate) memory: &'a Memory,
    pub(crate) average: Option<&'a BTreeMap<String, Tensor>>,
    pub(crate) best: Option<&'a Best>,
}

/// A round that was better on the held-out examples than all before it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Best {
    /// From 1.
    pub(crate) epoch: u64,
    /// Loss of the held-out examples, in nats.
    pub(crate) nll: f64,
    pub(crate) params: BTreeMap<String, Tensor>,
}

const PARAM: &str = "param/";
const MEAN: &str = "mean/";
const AVERAGE: &str = "average/";
const BEST: &str = "best/";

/// A place for the checkpoints of one training.
pub(crate) struct Place {
    path: PathBuf,
    /// Names everything that shapes the training: another one's checkpoint is not taken.
    key: String,
}

impl Place {
    pub(crate) fn new(path: &Path, key: String) -> Self {
        Self { path: path.to_owned(), key }
    }

    /// Writes a checkpoint, whole or not at all.
    pub(crate) fn write(&self, state: &State<'_>) -> Result<(), TrainError> {
        let mut tensors: BTreeMap<String, Cow<'_, Tensor>> = BTreeMap::new();
        for (name, value) in &state.params {
            tensors.insert(format!("{PARAM}{name}"), Cow::Borrowed(*value));
        }
        let best = state.best.map(|best| (BEST, &best.params));
        for (kind, values) in state.average.map(|mean| (AVERAGE, mean)).into_iter().chain(best) {
            for (name, value) in values {
                tensors.insert(format!("{kind}{name}"), Cow::Borrowed(value));
            }
        }
        for (name, value) in state.memory.tensors() {
            tensors.insert(format!("{MEAN}{name}"), value);
        }
        // Rust prints as many digits as give every bit back.
        let losses: Vec<String> = state.losses.iter().map(ToString::to_string).collect();
        let losses = losses.join(" ");
        let mut metadata = BTreeMap::from([
            ("regraft.training".to_owned(), self.key.clone()),
            ("regraft.losses".to_owned(), losses),
            ("regraft.steps".to_owned(), state.memory.steps().to_string()),
        ]);
        if let Some(best) = state.best {
            metadata.insert("regraft.best".to_owned(), format!("{} {}", best.epoch, best.nll));
        }
        let written = safetensors::write(&self.path, &tensors, &metadata);
        written.map_err(|source| TrainError::Checkpoint {
            what: "write",
            path: self.path.clone(),
            source: Box::new(source),
        })
    }

    /// The checkpoint that is there, if it is of this training. One of another training, or one that
    /// cannot be read, counts as none: the training then starts anew and writes over it.
    pub(crate) fn read(&self) -> Option<Checkpoint> {
        if !self.path.is_file() {
            return None;
        }
        let weights = regraft_formats::open(&self.path).ok()?;
        if weights.metadata.get("regraft.training") != Some(&self.key) {
            return None;
        }
        let steps = weights.metadata.get("regraft.steps")?.parse().ok()?;
        let losses = weights.metadata.get("regraft.losses")?.split(' ').map(str::parse);
        let losses = losses.collect::<Result<Vec<f64>, _>>().ok()?;
        let mut kinds = [PARAM, MEAN, AVERAGE, BEST].map(|kind| (kind, BTreeMap::new()));
        for (name, tensor) in weights.tensors {
            let (_, values) = kinds.iter_mut().find(|(kind, _)| name.starts_with(kind))?;
            let (_, name) = name.split_once('/')?;
            values.insert(name.to_owned(), tensor);
        }
        let [params, means, average, best] = kinds.map(|(_, values)| values);
        let best = match weights.metadata.get("regraft.best") {
            Some(text) => {
                let (epoch, nll) = text.split_once(' ')?;
                Some(Best { epoch: epoch.parse().ok()?, nll: nll.parse().ok()?, params: best })
            }
            None => None,
        };
        let memory = Memory::from_tensors(steps, means.into_iter());
        Some(Checkpoint { losses, params, memory, average, best })
    }
}
