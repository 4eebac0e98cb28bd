//! A network in another format, checked before it is kept.

use std::path::{Path, PathBuf};

use regraft_formats::{FormatError, open_model, safetensors, write_model};
use regraft_infer::Engine;
use regraft_net::formula::formula_batch;
use regraft_net::{Forward, Network, Op};
use regraft_run::atomic_write;
use serde::Serialize;

use crate::network::is_path;
use crate::{Error, LoadOptions, Observer, load};

/// Largest difference between a network and what was written of it: the root of the summed squared
/// differences of the outputs, over that of the outputs.
const TOLERANCE: f64 = 1e-4;

/// A format that networks are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// safetensors, with graph and card in its metadata.
    Safetensors,
    /// ONNX, the card in its metadata.
    Onnx,
    /// Caffe, second generation: a caffemodel and, beside it, the prototxt of the same name.
    Caffe,
}

impl Target {
    /// Endings and what they mean.
    const ENDINGS: [(&'static str, Self); 3] =
        [("safetensors", Self::Safetensors), ("onnx", Self::Onnx), ("caffemodel", Self::Caffe)];

    /// The format that a file's name asks for.
    ///
    /// # Errors
    /// When its ending is none of those known.
    pub fn of(path: &Path) -> Result<Self, Error> {
        let ending = path.extension().map(|e| e.to_string_lossy().to_lowercase());
        let known = Self::ENDINGS.iter().find(|(word, _)| Some(*word) == ending.as_deref());
        known.map(|(_, target)| *target).ok_or_else(|| Error::Target { path: path.to_owned() })
    }
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Converted {
    /// The network.
    pub network: String,
    /// The file.
    pub file: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// Difference between the outputs of the network and of the file read back, on a picture of a
    /// formula, relative to the outputs (L2 norms). None for weights without a graph.
    pub difference: Option<f64>,
}

/// Writes a network to `to`, whose ending says the format ([`Target::of`]). The file is first written
/// into a folder beside, read back and run beside the network; it is moved to its place only when both
/// agree. With `softmax` it ends with probabilities.
///
/// A file of weights without a graph becomes safetensors with the same names.
///
/// # Errors
/// When the network cannot be loaded, the format cannot say one of its layers, or what was written
/// computes something else.
pub fn convert(
    name: &str,
    to: &Path,
    softmax: bool,
    options: &LoadOptions,
    observer: &dyn Observer,
) -> Result<Converted, Error> {
    let target = Target::of(to)?;
    let network = match load(name, options, observer) {
        Err(Error::Format(error)) if is_path(name) && error.is_no_graph() => {
            return weights(name, to, target, *error);
        }
        loaded => loaded?.network,
    };
    let network = if softmax { with_softmax(&network)? } else { network };
    let folder = beside(to)?;
    let written = folder.path().join(to.file_name().unwrap_or(to.as_os_str()));
    let mut files = vec![written.clone()];
    match target {
        Target::Safetensors => write_model(&written, &network)?,
        Target::Onnx => atomic_write(&written, &regraft_formats::onnx::write(&network)?)?,
        Target::Caffe => {
            let caffe = regraft_formats::caffe::write(&network)?;
            let layers = written.with_extension("prototxt");
            atomic_write(&layers, caffe.prototxt.as_bytes())?;
            atomic_write(&written, &caffe.caffemodel)?;
            // The layers first: weights without them could be joined with those of another network.
            files.insert(0, layers);
        }
    }
    let difference = difference(&network, &open_model(&written)?.network)?;
    if difference.is_nan() || difference > TOLERANCE {
        return Err(Error::Converted { path: to.to_owned(), difference, limit: TOLERANCE });
    }
    let unmoved = |source| Error::File { what: "write", path: to.to_owned(), source };
    let bytes = std::fs::metadata(&written).map_err(unmoved)?.len();
    for file in files {
        let ending = file.extension().unwrap_or_default();
        std::fs::rename(&file, to.with_extension(ending)).map_err(unmoved)?;
    }
    let network = network.card().name.clone();
    Ok(Converted { network, file: to.to_owned(), bytes, difference: Some(difference) })
}

/// A folder beside `to`, gone again with all that is left in it.
fn beside(to: &Path) -> Result<tempfile::TempDir, Error> {
    let folder = to.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let made = tempfile::Builder::new().prefix(".regraft-").tempdir_in(folder);
    made.map_err(|source| Error::File { what: "write", path: to.to_owned(), source })
}

/// Weights that have no graph, under their own names; `error` where the format wants a graph.
fn weights(name: &str, to: &Path, target: Target, error: FormatError) -> Result<Converted, Error> {
    if target != Target::Safetensors {
        return Err(error.into());
    }
    let read = regraft_formats::open(Path::new(name))?;
    safetensors::write(to, &read.tensors, &read.metadata)?;
    let unread = |source| Error::File { what: "read", path: to.to_owned(), source };
    let bytes = std::fs::metadata(to).map_err(unread)?.len();
    Ok(Converted { network: name.to_owned(), file: to.to_owned(), bytes, difference: None })
}

fn with_softmax(network: &Network) -> Result<Network, Error> {
    let mut graph = network.graph().clone();
    let end = graph.output()?;
    if !matches!(graph.layer(end).op, Op::Softmax) {
        graph.push("probabilities", Op::Softmax, &[end])?;
    }
    Ok(Network::new(graph, network.params(), network.card().clone())?)
}

fn difference(network: &Network, written: &Network) -> Result<f64, Error> {
    let facts = network.facts()?;
    let picture = formula_batch(&facts.layer(network.graph().input()?).shape);
    let mut outputs = Vec::new();
    for network in [network, written] {
        let graph = network.graph();
        let end = graph.layer(graph.output()?).name.as_str();
        let mut engine = Engine::compile(network, &[end])?;
        outputs.push(engine.forward(&picture, &[end])?.swap_remove(0).into_data());
    }
    let [ours, theirs] = &outputs[..] else { return Ok(f64::INFINITY) };
    if ours.len() != theirs.len() {
        return Ok(f64::INFINITY);
    }
    let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|v| v * v).sum::<f64>().sqrt();
    let apart = norm(&mut ours.iter().zip(theirs).map(|(a, b)| f64::from(a - b)));
    let whole = norm(&mut ours.iter().map(|a| f64::from(*a)));
    Ok(if apart == 0.0 { 0.0 } else { apart / whole })
}
