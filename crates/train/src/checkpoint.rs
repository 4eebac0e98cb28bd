//! A training as far as it has come, in a file.

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
}

const PARAM: &str = "param/";
const MEAN: &str = "mean/";

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
    pub(crate) fn write(&self, checkpoint: &Checkpoint) -> Result<(), TrainError> {
        let mut tensors = BTreeMap::new();
        for (name, value) in &checkpoint.params {
            tensors.insert(format!("{PARAM}{name}"), value.clone());
        }
        for (name, value) in checkpoint.memory.tensors() {
            tensors.insert(format!("{MEAN}{name}"), value);
        }
        // Rust prints as many digits as give every bit back.
        let losses: Vec<String> = checkpoint.losses.iter().map(ToString::to_string).collect();
        let losses = losses.join(" ");
        let metadata = BTreeMap::from([
            ("regraft.training".to_owned(), self.key.clone()),
            ("regraft.losses".to_owned(), losses),
            ("regraft.steps".to_owned(), checkpoint.memory.steps().to_string()),
        ]);
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
        let (mut params, mut means) = (BTreeMap::new(), BTreeMap::new());
        for (name, tensor) in weights.tensors {
            if let Some(name) = name.strip_prefix(PARAM) {
                params.insert(name.to_owned(), tensor);
            } else if let Some(name) = name.strip_prefix(MEAN) {
                means.insert(name.to_owned(), tensor);
            }
        }
        Some(Checkpoint { losses, params, memory: Memory::from_tensors(steps, means.into_iter()) })
    }
}
