//! What a network is made of.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use regraft_net::facts::{Facts, ReceptiveField};
use regraft_net::{Card, Graph, notation};
use regraft_zoo::NetworkSpec;
use serde::Serialize;

use crate::network::is_path;
use crate::{Error, LoadOptions, Observer, Progress, load};

/// Longest file of notation, in bytes.
const MAX_NOTATION: u64 = 16 << 20;

/// One layer, for tables.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LayerRow {
    /// Its name.
    pub name: String,
    /// Its operation.
    pub op: &'static str,
    /// The layers it reads.
    pub inputs: Vec<String>,
    /// Its output without the batch: `[C, H, W]` or `[C]`.
    pub shape: Vec<usize>,
    /// Values in its parameters.
    pub parameters: u64,
    /// Multiply-adds for one image.
    pub macs: u64,
    /// Bytes of its output in `f32`.
    pub bytes: u64,
    /// Input pixels `[height, width]` that one value sees; none means the whole picture.
    pub receptive_field: Option<[usize; 2]>,
}

/// A network as a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Shown {
    /// Its name.
    pub name: String,
    /// Framework it was trained in.
    pub framework: String,
    /// Data set of its source task.
    pub dataset: String,
    /// SPDX expression, or `unknown`.
    pub licence: String,
    /// Where it comes from.
    pub origin: String,
    /// The layer it is cut at by default.
    pub cut: Option<String>,
    /// Values in learned parameters (weights and biases).
    pub parameters: u64,
    /// Multiply-adds for one image.
    pub macs: u64,
    /// Most bytes of activations alive at once, in `f32`, for one image.
    pub peak_bytes: u64,
    /// All layers, in order.
    pub layers: Vec<LayerRow>,
    /// The graph as text.
    pub notation: String,
}

/// Shows a network without its weights: a name of the zoo, an architecture, a run folder, a file of
/// notation, a prototxt of Caffe, or a file with its own graph.
///
/// # Errors
/// When the name means nothing, or the file cannot be read.
pub fn show(name: &str, options: &LoadOptions, observer: &dyn Observer) -> Result<Shown, Error> {
    let (graph, card) = graph(name, options, observer)?;
    let facts = regraft_net::facts::facts(&graph)?;
    Ok(shown(&graph, &facts, &card))
}

/// The graph and card behind a name.
pub(crate) fn graph(
    name: &str,
    options: &LoadOptions,
    observer: &dyn Observer,
) -> Result<(Graph, Card), Error> {
    let path = Path::new(name);
    if is_path(name) && path.is_file() {
        if let Some(graph) = notation_of(path)? {
            return Ok((graph, Card::blank(name)));
        }
        if let Some(found) = regraft_formats::caffe::definition(path)? {
            for note in &found.notes {
                observer.tell(&Progress::Note(note));
            }
            return Ok((found.graph, found.card));
        }
    } else if !is_path(name) {
        let spec = NetworkSpec::parse(name)?;
        if spec.architecture().is_some() {
            return Ok((spec.graph()?, spec.card()));
        }
    }
    let network = load(name, options, observer)?.network;
    Ok((network.graph().clone(), network.card().clone()))
}

/// The graph of a file of notation; none when the file is of another kind.
pub(crate) fn notation_of(path: &Path) -> Result<Option<Graph>, Error> {
    let unread = |source| Error::File { what: "read", path: path.to_owned(), source };
    let file = File::open(path).map_err(unread)?;
    let mut bytes = Vec::new();
    file.take(MAX_NOTATION + 1).read_to_end(&mut bytes).map_err(unread)?;
    let text = match String::from_utf8(bytes) {
        Ok(text) if text.len() as u64 <= MAX_NOTATION && notation::is_notation(&text) => text,
        Ok(_) | Err(_) => return Ok(None),
    };
    Ok(Some(notation::parse(&text)?))
}

fn shown(graph: &Graph, facts: &Facts, card: &Card) -> Shown {
    let layers = graph
        .layers()
        .map(|(id, layer)| {
            let f = facts.layer(id);
            LayerRow {
                name: layer.name.clone(),
                op: layer.op.name(),
                inputs: layer.inputs.iter().map(|i| graph.layer(*i).name.clone()).collect(),
                shape: f.shape.to_vec(),
                parameters: f.param_count(),
                macs: f.macs,
                bytes: f.bytes(),
                receptive_field: f.field.map(|ReceptiveField { size, .. }| size),
            }
        })
        .collect();
    Shown {
        name: card.name.clone(),
        framework: card.framework.clone(),
        dataset: card.dataset.clone(),
        licence: card.licence.clone(),
        origin: card.origin.clone(),
        cut: card.cut.clone(),
        parameters: facts.learned(),
        macs: facts.macs(),
        peak_bytes: facts.peak_bytes(),
        layers,
        notation: notation::print(graph),
    }
}
