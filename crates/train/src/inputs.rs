//! What the part that learns is fed: values kept at the frontier, or pictures.

use std::path::PathBuf;

use rayon::prelude::*;
use regraft_data::{Augment, Mixed, Scratch, Visit, read_file};
use regraft_net::card::Preprocess;

use crate::extract::picture;
use crate::{Extracted, FeatureStore, Flow, Look, TrainError, Trunk, extract_looks};

/// Examples as inputs of the part that learns, changed from epoch to epoch or as they are.
pub enum Inputs {
    /// Outputs of the frozen part, which ran once for each copy of each picture.
    Kept {
        /// Rows of copy 0 of all files, then of copy 1, …, then of the unchanged pictures.
        rows: Extracted,
        /// Files.
        files: usize,
        /// Changed copies of each file; epoch `e` sees copy `e % copies`.
        copies: usize,
        /// Names the frozen part, the files and how they are changed.
        name: String,
    },
    /// Pictures, decoded and changed anew each time.
    Pictures {
        /// Their files.
        files: Vec<PathBuf>,
        /// How they become inputs.
        preprocess: Preprocess,
        /// How they are changed.
        augment: Augment,
        /// Seed of the changes.
        seed: u64,
    },
}

impl Inputs {
    /// Runs the frozen part on `copies` changed versions of each of `files`, and on each as it is, or
    /// takes what `store` has of them.
    ///
    /// # Errors
    /// As [`extract_looks`], and for a file that cannot be read.
    pub fn keep(
        trunk: &Trunk,
        files: &[PathBuf],
        (augment, seed): (&Augment, u64),
        copies: usize,
        store: &mut FeatureStore,
        progress: &(dyn Fn(usize) -> Flow + Sync),
    ) -> Result<Self, TrainError> {
        let copies = if augment.is_nothing() { 0 } else { copies };
        let mut looks = Vec::with_capacity(files.len() * (copies + 1));
        for epoch in 0..copies as u64 {
            looks.extend(files.iter().zip(0..).map(|(file, index)| Look {
                file,
                visit: Some((augment, Visit { seed, epoch, index })),
            }));
        }
        looks.extend(files.iter().map(|file| Look { file, visit: None }));
        let mut rows = extract_looks(trunk, &looks, Some(store), progress)?;
        if !rows.failed.is_empty() {
            return Err(rows.failed.remove(0).error.into());
        }
        let name = format!("{} {copies} {seed} {augment} {files:?}", trunk.key());
        Ok(Self::Kept { rows, files: files.len(), copies, name })
    }

    /// Names all that shapes the inputs, but for the bytes of the files.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Kept { name, .. } => name.clone(),
            Self::Pictures { files, preprocess, augment, seed } => {
                format!("{preprocess:?} {seed} {augment} {files:?}")
            }
        }
    }

    /// The inputs of `examples` (places in the list of files) as epoch `epoch` sees them, one after the
    /// other; as they are without an epoch. They replace what is in `out`.
    ///
    /// # Errors
    /// When the store or a picture cannot be read.
    pub fn read(
        &self,
        epoch: Option<u64>,
        examples: &[usize],
        out: &mut Vec<f32>,
    ) -> Result<(), TrainError> {
        match self {
            Self::Kept { rows, files, copies, .. } => {
                let copy = match epoch {
                    Some(epoch) if *copies > 0 => (epoch % *copies as u64) as usize,
                    _ => *copies,
                };
                let places: Vec<usize> = examples.iter().map(|i| copy * files + i).collect();
                rows.read(&places, rows.row_len(), out)
            }
            Self::Pictures { files, preprocess, augment, seed } => {
                let len = 3 * preprocess.crop[0] * preprocess.crop[1];
                out.resize(examples.len() * len, 0.0);
                out.par_chunks_exact_mut(len).zip(examples).try_for_each_init(
                    Scratch::default,
                    |pixels, (out, i)| {
                        let visit = |epoch| Visit { seed: *seed, epoch, index: *i as u64 };
                        let visit = epoch.map(|epoch| (augment, visit(epoch)));
                        let look = Look { file: &files[*i], visit };
                        let bytes = read_file(look.file)?;
                        Ok(picture(&look, &bytes, preprocess, pixels, out)?)
                    },
                )
            }
        }
    }

    /// Mixes the inputs of a step with one another, where the augmentation does so, and says how. Kept
    /// values are never mixed.
    pub(crate) fn mix(
        &self,
        epoch: u64,
        batch: u64,
        values: &mut [f32],
    ) -> Result<Option<Mixed>, TrainError> {
        let Self::Pictures { preprocess, augment, seed, .. } = self else { return Ok(None) };
        let mixed = augment.draw_mix(*seed, epoch, batch, preprocess.crop);
        if let Some(mixed) = &mixed {
            mixed.inputs(values, preprocess.crop)?;
        }
        Ok(mixed)
    }
}
