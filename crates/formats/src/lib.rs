//! Weight files to named tensors and back: `PyTorch` checkpoints and pickles of `NumPy` arrays (read,
//! never run), `.npz`, safetensors, and files of Keras, which may bring their own network. Files with
//! their own graph, also of ONNX, `TFLite` and Caffe, come through [`open_model`].
//!
//! One door in, [`open`], and one out, [`safetensors::write`]. The format is known by the bytes of
//! the file, never by its name. Whatever number type a file holds, the tensors are `f32`.
//!
//! A file is hostile until proven: every length is bounded before it is allocated, and every view
//! is checked against its storage.
//!
//! # Pickles are read, never run
//!
//! A `PyTorch` checkpoint is a pickle, and a pickle is a program. It is read by an interpreter that
//! can build values and cannot call anything. The rule for names (`module.name`) in it:
//!
//! * A short fixed list is understood: `OrderedDict`, the functions of `torch._utils` that rebuild
//!   tensors and parameters, storage classes, dtypes, `torch.Size`, builtin collections, and what
//!   `NumPy` writes of an array (`_reconstruct`, `_frombuffer`, `scalar`, `dtype`).
//! * The result of calling any other name is an inert object that remembers the name. If the
//!   weights can be reached without it, the file opens, and [`Weights::skipped`] says what was left
//!   aside (`args (argparse.Namespace)`). If the weights are inside it (a whole pickled model), the
//!   error [`FormatError::ForeignObject`] names it.
//! * A call of a name from a module that runs code or touches the system (`os`, `subprocess`,
//!   `builtins.eval`, ...), anywhere in the file, refuses the file with
//!   [`FormatError::CodeInPickle`]: such a file is an attack. This list makes the message loud;
//!   safety does not rest on it.

pub mod caffe;
pub mod card;
mod config;
mod dtype;
mod error;
pub mod keras;
mod model;
mod numpy;
pub mod onnx;
mod operators;
mod pickle;
pub mod safetensors;
mod shards;
mod sniff;
pub mod tflite;
mod torch;
mod view;
mod wire;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use regraft_tensor::Tensor;

pub use config::{FolderConfig, folder_config};
pub use error::{FormatError, NotWeights, PickleFault, TensorFault};
pub use keras::{Hdf5Fault, KerasFault};
pub use model::{Model, NOTATION_KEY, open_model, write_model};
pub use onnx::{OnnxFault, UnknownOp};
pub use shards::ShardFault;
pub use tflite::{TfliteFault, UnknownOperator};
pub use wire::WireFault;

/// Metadata key: the path of wrapper keys under which the tensors were found, for instance
/// `state_dict`, or `checkpoint/model` when one wrapper held another.
pub const WRAPPER_KEY: &str = "regraft.wrapper";
/// Metadata key: the prefix all names carried and that was taken off, for instance `module.`.
pub const PREFIX_KEY: &str = "regraft.prefix";

/// Largest file read, in bytes: it is held in memory while it is read.
pub const MAX_FILE_BYTES: u64 = 16 << 30;

/// Prefixes that training wrappers put before every name (`DataParallel`, `torch.compile`).
const PREFIXES: [&str; 2] = ["module.", "_orig_mod."];

/// The container a weight file came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// safetensors.
    Safetensors,
    /// `torch.save` since 1.6: a zip archive.
    TorchZip,
    /// `torch.save` from 0.1.10 to 1.5: pickles in a row.
    TorchLegacy,
    /// `torch.save` before 0.1.10: a tar archive.
    TorchTar,
    /// A pickle of `NumPy` arrays.
    NumpyPickle,
    /// `numpy.savez`: a zip archive of arrays.
    Npz,
    /// `numpy.save` of a dict or list of arrays.
    Npy,
    /// `model.save_weights("x.weights.h5")` of Keras 3.
    KerasWeights,
    /// Weights in a `.h5` of Keras, as both Keras 2 and 3 write them; also a whole model.
    KerasH5,
    /// `model.save("x.keras")`: a zip archive with a whole model.
    KerasArchive,
}

impl Format {
    /// The word for a report.
    pub fn name(self) -> &'static str {
        match self {
            Self::Safetensors => "safetensors",
            Self::TorchZip => "torch-zip",
            Self::TorchLegacy => "torch-legacy",
            Self::TorchTar => "torch-tar",
            Self::NumpyPickle => "numpy-pickle",
            Self::Npz => "npz",
            Self::Npy => "npy",
            Self::KerasWeights => "keras-weights",
            Self::KerasH5 => "keras-h5",
            Self::KerasArchive => "keras",
        }
    }
}

/// What a weight file holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Weights {
    /// Tensors by name, row-major, converted to `f32`. Shapes are as in the file: a convolution of
    /// `PyTorch` is `[C_out, C_in / groups, kH, kW]`, a linear layer `[out, in]`, a counter a scalar.
    pub tensors: BTreeMap<String, Tensor>,
    /// The file's own metadata (safetensors), and [`WRAPPER_KEY`], [`PREFIX_KEY`] where they apply.
    pub metadata: BTreeMap<String, String>,
    /// The container.
    pub format: Format,
    /// Entries left aside, by key: no tensors, optimiser state, number types that have no `f32`.
    /// A foreign class or a number type follows in brackets: `args (argparse.Namespace)`.
    pub skipped: Vec<String>,
}

/// Reads a weight file; the format is known by its content. A file called `*.index.json` is the index
/// of a checkpoint in several files, which lie beside it (`model.safetensors.index.json`).
///
/// Prefixes of training wrappers (`module.`, `_orig_mod.`) are taken off when every name carries
/// them; [`PREFIX_KEY`] says which.
///
/// # Errors
/// [`FormatError::InFile`] with the path and the reason: the file cannot be read, is no weight
/// file, is damaged, or hides code in its pickle.
pub fn open(path: &Path) -> Result<Weights, FormatError> {
    let read = || {
        if shards::is_index(path) {
            let mut weights = shards::open(path)?;
            strip_prefixes(&mut weights);
            return Ok(weights);
        }
        from_bytes(&read_file(path)?)
    };
    read().map_err(|fault: FormatError| fault.in_file(path))
}

/// [`open`] for a file that is already in memory.
///
/// # Errors
/// As [`open`], without the path.
pub fn from_bytes(bytes: &[u8]) -> Result<Weights, FormatError> {
    let mut weights = parse(bytes)?;
    strip_prefixes(&mut weights);
    Ok(weights)
}

/// Reads a weight file, names as they are in it.
fn parse(bytes: &[u8]) -> Result<Weights, FormatError> {
    Ok(match sniff::format(bytes)? {
        Format::Safetensors => safetensors::parse(bytes)?,
        Format::TorchZip | Format::Npz => torch::parse_zip(bytes)?,
        Format::TorchLegacy | Format::NumpyPickle => torch::parse_legacy(bytes)?,
        Format::Npy => numpy::parse_npy(bytes)?,
        Format::TorchTar => torch::parse_tar(bytes)?,
        Format::KerasWeights | Format::KerasH5 => keras::weights_of_hdf5(bytes)?,
        Format::KerasArchive => keras::weights_of_archive(bytes)?,
    })
}

fn read_file(path: &Path) -> Result<Vec<u8>, FormatError> {
    let io = |source| FormatError::Io { action: "read the file", source };
    let file = File::open(path).map_err(io)?;
    let meta = file.metadata().map_err(io)?;
    if !meta.is_file() {
        return Err(FormatError::NotAFile);
    }
    let too_large = |bytes| FormatError::FileTooLarge { bytes, limit: MAX_FILE_BYTES };
    if meta.len() > MAX_FILE_BYTES {
        return Err(too_large(meta.len()));
    }
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(meta.len() as usize).map_err(|_| too_large(meta.len()))?;
    // A file that grows while it is read is cut where it ended when it was opened.
    file.take(meta.len()).read_to_end(&mut bytes).map_err(io)?;
    Ok(bytes)
}

/// Takes off prefixes that every name carries, until none is left.
fn strip_prefixes(weights: &mut Weights) {
    let mut stripped = String::new();
    // torch's own average of a model counts its steps beside the `module.` that it holds.
    let count = weights.tensors.remove("n_averaged");
    if common_prefix(&weights.tensors).is_some() && count.is_some() {
        weights.skipped.push("n_averaged".to_owned());
    } else if let Some(count) = count {
        weights.tensors.insert("n_averaged".to_owned(), count);
    }
    while let Some(prefix) = common_prefix(&weights.tensors) {
        stripped.push_str(prefix);
        weights.tensors = std::mem::take(&mut weights.tensors)
            .into_iter()
            .map(|(name, tensor)| (name[prefix.len()..].to_string(), tensor))
            .collect();
    }
    if !stripped.is_empty() {
        weights.metadata.insert(PREFIX_KEY.to_string(), stripped);
    }
}

fn common_prefix(tensors: &BTreeMap<String, Tensor>) -> Option<&'static str> {
    let carried =
        |prefix: &str| tensors.keys().all(|k| k.len() > prefix.len() && k.starts_with(prefix));
    PREFIXES.into_iter().find(|prefix| !tensors.is_empty() && carried(prefix))
}
