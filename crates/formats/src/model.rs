//! A network from a file that brings its own graph.

use std::path::Path;

use regraft_net::{Card, Network, notation, unused};

use crate::{Format, FormatError, Weights, card, onnx, tflite};

/// Key under which a safetensors file of ours has its graph as text.
pub const NOTATION_KEY: &str = "regraft.notation";

/// A network read from a file with its own graph: no architecture of the zoo is needed.
#[derive(Debug, Clone)]
pub struct Model {
    /// The network. Its card says what the file says; the rest is `unknown`.
    pub network: Network,
    /// Tensors of the file that no layer uses, by name, sorted.
    pub unused: Vec<String>,
    /// What was left aside or taken otherwise than the file has it, each a sentence for a person.
    pub notes: Vec<String>,
}

/// Reads a network from a file that has a graph beside its weights; the format is known by content.
///
/// # Errors
/// [`FormatError::InFile`] with the path and the reason: the file cannot be read, is damaged, or holds
/// weights only.
pub fn open_model(path: &Path) -> Result<Model, FormatError> {
    model(path).and_then(|model| named(model, path)).map_err(|fault| fault.in_file(path))
}

/// Names that programs give to every network they write.
const NAMELESS: [&str; 10] = [
    "",
    "unknown",
    "main",
    "main_graph",
    "graph",
    "torch_jit",
    "torch-jit-export",
    "tf2onnx",
    "MLIR Converted.",
    "TOCO Converted.",
];

/// The network under the name of its file, where it has none of its own.
fn named(model: Model, path: &Path) -> Result<Model, FormatError> {
    let mut card = model.network.card().clone();
    if !NAMELESS.contains(&card.name.as_str()) {
        return Ok(model);
    }
    card.name = stem(path);
    let network = Network::new(model.network.graph().clone(), model.network.params(), card)?;
    Ok(Model { network, ..model })
}

/// The name of a file without its ending.
fn stem(path: &Path) -> String {
    path.file_stem().map_or_else(String::new, |s| s.to_string_lossy().into_owned())
}

fn model(path: &Path) -> Result<Model, FormatError> {
    if crate::caffe::claims(path) {
        return crate::caffe::open(path, None);
    }
    if crate::shards::is_index(path) {
        return ours(path, crate::open(path)?);
    }
    let bytes = crate::read_file(path)?;
    if tflite::is_model(&bytes) {
        return tflite::from_bytes(&bytes);
    }
    if onnx::is_model(&bytes) {
        return onnx::from_bytes(&bytes, path.parent());
    }
    match crate::sniff::format(&bytes)? {
        Format::KerasWeights | Format::KerasH5 | Format::KerasArchive => {
            crate::keras::model(&bytes)
        }
        Format::Safetensors
        | Format::TorchZip
        | Format::TorchLegacy
        | Format::TorchTar
        | Format::NumpyPickle
        | Format::Npz
        | Format::Npy => ours(path, crate::from_bytes(&bytes)?),
    }
}

/// A safetensors file that [`write_model`] wrote.
fn ours(path: &Path, weights: Weights) -> Result<Model, FormatError> {
    let text = match weights.metadata.get(NOTATION_KEY) {
        Some(text) if weights.format == Format::Safetensors => text,
        Some(_) | None => return Err(FormatError::NoGraph),
    };
    let graph = notation::parse(text)?;
    let mut card = Card::blank(&stem(path));
    let wrong = card::read_entries(&weights.metadata, &mut card);
    let params = weights.tensors.into_iter().collect();
    let unused = unused(&graph, &params)?;
    let network = Network::new(graph, &params, card)?;
    let notes = wrong.iter().map(|key| format!("the file's `{key}` cannot be read")).collect();
    Ok(Model { network, unused, notes })
}

/// Writes a network whole as safetensors: the graph as text under [`NOTATION_KEY`], the card under its
/// own keys. [`open_model`] reads it back.
///
/// # Errors
/// When the file cannot be written.
pub fn write_model(path: &Path, network: &Network) -> Result<(), FormatError> {
    let mut metadata = card::entries(network.card());
    metadata.insert(NOTATION_KEY.to_owned(), notation::print(network.graph()));
    let tensors = network.params().iter().map(|(name, t)| (name.to_owned(), t.as_ref())).collect();
    crate::safetensors::write(path, &tensors, &metadata)
}
