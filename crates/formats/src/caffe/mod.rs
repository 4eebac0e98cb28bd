//! Networks of Caffe (Jia et al. 2014): `prototxt` (the layers, as text) and `caffemodel` (the layers
//! with their weights, as protocol buffers), of both generations (`layers` and `layer`).
//!
//! [`open`] makes a network of them, [`graph`] the layers alone, [`Prototxt`] is the text for an editor,
//! [`mean`] reads a mean picture.
//!
//! # What becomes what
//!
//! Our layers have the names of Caffe's layers. Blobs that layers change in place are followed to the
//! layer that changed them last. Layers of the phase TRAIN, losses and measures are left out, data
//! layers become the input; [`Model::notes`] says so. The scores are what the last softmax reads, or
//! the loss with the largest weight; what leads to other ends only is left out.
//!
//! A `BatchNorm` whose value only a `Scale` reads is one `batch_norm` with it, under the name of the
//! `Scale`: the value at that name is then the one Caffe has there, and training finds one scale and one
//! offset to learn. Average pooling to one pixel gives a vector, and so does a 1 x 1 convolution over it.
//!
//! Pooling windows are rounded up as in Caffe, average pooling counts the padding, LRN divides `alpha`
//! by the size, and `BatchNorm` divides mean and variance by the third blob.

mod blobs;
mod build;
mod card;
mod fault;
mod message;
mod near;
mod net;
mod ops;
mod refuse;
mod schema;
mod siblings;
mod source;
mod text;
mod weights;
mod write;

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use regraft_net::{Card, Graph, Network};
use regraft_tensor::Tensor;

pub use fault::{CaffeFault, RefusedLayer, Spot, WeightFault, WriteFault};
pub use text::{
    Field, List, Literal, MAX_TEXT_BYTES, Message, Place, ProtoFault, Prototxt, Scalar, Value,
};
pub use write::{Written, write};

use blobs::Blobs;
use message::Msg;

use crate::wire::{Fields, Value as WireValue};
use crate::{FormatError, Model, read_file};

/// The layers of a network without its weights.
#[derive(Debug, Clone)]
pub struct Definition {
    /// The layers.
    pub graph: Graph,
    /// What the file says of its use.
    pub card: Card,
    /// What was left aside or taken otherwise than the file has it, each a sentence for a person.
    pub notes: Vec<String>,
}

/// Reads a network: `path` is a prototxt or a caffemodel, known by its content.
///
/// With a prototxt, `weights` is its caffemodel; without it, one of the same name or the only one in
/// the folder is taken. With a caffemodel alone, a prototxt of the same name, `deploy.prototxt`, or the
/// only one in the folder says what the layers are; without one the caffemodel's own layers do.
///
/// # Errors
/// When a file cannot be read, or makes no network: the error names file, line or byte, and layer.
pub fn open(path: &Path, weights: Option<&Path>) -> Result<Model, FormatError> {
    let first = read(path)?;
    if !is_prototxt(&first) {
        let prototxt = siblings::prototxt(path);
        let Some(prototxt) = prototxt else {
            return in_file(path, from_caffemodel(&first, path));
        };
        let mut model = join(&prototxt, &read(&prototxt)?, path, &first)?;
        let name = prototxt.file_name().unwrap_or_default().to_string_lossy().into_owned();
        model.notes.insert(0, format!("the layers are those of {name} beside the weights"));
        return Ok(model);
    }
    let weights = match weights {
        Some(weights) => weights.to_path_buf(),
        None => in_file(path, siblings::weights(path))?,
    };
    join(path, &first, &weights, &read(&weights)?)
}

/// Reads the layers of a prototxt or a caffemodel, without weights.
///
/// # Errors
/// As [`open`].
pub fn graph(path: &Path) -> Result<Definition, FormatError> {
    let bytes = read(path)?;
    in_file(path, define(&bytes, Some(path)))
}

/// The layers of a prototxt, whether or not there are weights beside it; none for a file of another
/// kind.
///
/// # Errors
/// As [`open`].
pub fn definition(path: &Path) -> Result<Option<Definition>, FormatError> {
    if !in_file(path, head(path)).is_ok_and(|head| is_prototxt(&head)) {
        return Ok(None);
    }
    graph(path).map(Some)
}

/// [`graph`] for a file that is already in memory. Files beside it are not looked for.
///
/// # Errors
/// As [`open`], without the path.
pub fn graph_from_bytes(bytes: &[u8]) -> Result<Definition, FormatError> {
    define(bytes, None)
}

/// [`open`] for files that are already in memory: a prototxt, where there is one, and a caffemodel.
/// Files beside them are not looked for.
///
/// # Errors
/// As [`open`], without the path.
pub fn from_bytes(prototxt: Option<&[u8]>, weights: &[u8]) -> Result<Model, FormatError> {
    match prototxt {
        Some(text) => {
            let text = parse(text)?;
            model(&Msg::Text(text.root()), false, weights, None)
        }
        None => model(&Msg::Wire(Fields::of_file(weights), &schema::NET), true, weights, None),
    }
}

/// Reads a mean picture (`.binaryproto`): `[C, H, W]`, in the channel order of its network (usually
/// blue, green, red), values from 0 to 255.
///
/// # Errors
/// When the file cannot be read or is no picture.
pub fn mean(path: &Path) -> Result<Tensor, FormatError> {
    let bytes = read(path)?;
    in_file(path, mean_from_bytes(&bytes))
}

/// [`mean`] for a file that is already in memory.
///
/// # Errors
/// As [`mean`], without the path.
pub fn mean_from_bytes(bytes: &[u8]) -> Result<Tensor, FormatError> {
    blobs::mean(bytes)
}

/// Whether the bytes are text that could be a prototxt.
pub fn is_prototxt(bytes: &[u8]) -> bool {
    let head = &bytes[..bytes.len().min(HEAD)];
    let plain = |b: &u8| *b >= b' ' || matches!(*b, b'\t' | b'\n' | b'\r' | 0x0b | 0x0c);
    if !head.iter().all(plain) {
        return false;
    }
    let head = String::from_utf8_lossy(head);
    let mut lines = head.trim_start_matches('\u{feff}').lines().map(str::trim);
    let first = lines.find(|l| !l.is_empty() && !l.starts_with('#')).unwrap_or_default();
    let word: String =
        first.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
    let after = first[word.len()..].trim_start();
    let after =
        if after.is_empty() { lines.find(|l| !l.is_empty()).unwrap_or_default() } else { after };
    !word.is_empty() && after.starts_with([':', '{', '<'])
}

/// Whether a file begins as a prototxt or a caffemodel does.
pub(crate) fn claims(path: &Path) -> bool {
    head(path).is_ok_and(|head| is_prototxt(&head) || is_caffemodel(&head))
}

/// The first bytes of a file.
fn head(path: &Path) -> Result<Vec<u8>, FormatError> {
    let io = |source| FormatError::Io { action: "read the file", source };
    let mut head = Vec::new();
    let file = File::open(path).map_err(io)?;
    file.take(HEAD as u64).read_to_end(&mut head).map_err(io)?;
    Ok(head)
}

/// Bytes that tell what a file is.
const HEAD: usize = 4096;

/// Whether the bytes, which may be the first of a file only, could be a caffemodel: a name that is text,
/// inputs, and layers of either generation.
pub fn is_caffemodel(bytes: &[u8]) -> bool {
    let mut layers = false;
    for field in Fields::of_file(bytes) {
        let Ok(field) = field else { break };
        match (field.number, field.value) {
            (2 | 100, WireValue::Bytes(_)) => layers = true,
            (1 | 3 | 6 | 8, WireValue::Bytes(_)) | (4, _) | (5 | 7, WireValue::Varint(_)) => {}
            _ => return false,
        }
    }
    // A first layer that is longer than the head: its tag says what it is.
    layers || last_tag_is_a_layer(bytes)
}

/// Whether what follows the last whole field is a layer that the bytes cut short.
fn last_tag_is_a_layer(bytes: &[u8]) -> bool {
    let rest = Fields::of_file(bytes).filter_map(Result::ok).last();
    let end = match rest.map(|f| (f.at, f.value)) {
        Some((at, WireValue::Bytes(b))) => at + b.len(),
        // As many bytes as it takes, seven bits each.
        Some((at, WireValue::Varint(n))) => at + (70 - (n | 1).leading_zeros() as usize) / 7,
        Some(_) => return false,
        None => 0,
    };
    // Tags of field 2 and of field 100, both of wire type 2.
    let tag = bytes.get(end..).unwrap_or_default();
    let named = end > 0 || bytes.len() >= HEAD;
    named && (tag.starts_with(&[0x12]) || tag.starts_with(&[0xa2, 0x06]))
}

fn join(
    path: &Path,
    text: &[u8],
    weights_path: &Path,
    weights: &[u8],
) -> Result<Model, FormatError> {
    let text = in_file(path, parse(text))?;
    let joined = model(&Msg::Text(text.root()), false, weights, Some(path));
    // The wire is the weights' alone; all else is said of the layers.
    match joined {
        Err(FormatError::Wire(_)) => in_file(weights_path, joined),
        Ok(_) | Err(_) => in_file(path, joined),
    }
}

fn from_caffemodel(bytes: &[u8], path: &Path) -> Result<Model, FormatError> {
    model(&Msg::Wire(Fields::of_file(bytes), &schema::NET), true, bytes, Some(path))
}

fn model(
    root: &Msg<'_>,
    all: bool,
    weights: &[u8],
    path: Option<&Path>,
) -> Result<Model, FormatError> {
    let blobs = Blobs::find(weights)?;
    let net = net::read(root, all)?;
    let built = build::build(&net, Some(&blobs))?;
    let (params, unused) = weights::params(&built.graph, &built.learned, &blobs)?;
    let mut notes = built.notes;
    let card = card_of(&net, &built.graph, path, &mut notes)?;
    let network = Network::new(built.graph, &params, card)?;
    Ok(Model { network, unused, notes })
}

fn define(bytes: &[u8], path: Option<&Path>) -> Result<Definition, FormatError> {
    let text;
    let (root, all) = if is_prototxt(bytes) {
        text = parse(bytes)?;
        (Msg::Text(text.root()), false)
    } else {
        (Msg::Wire(Fields::of_file(bytes), &schema::NET), true)
    };
    let net = net::read(&root, all)?;
    let build::Built { graph, mut notes, .. } = build::build(&net, None)?;
    let card = card_of(&net, &graph, path, &mut notes)?;
    Ok(Definition { graph, card, notes })
}

fn card_of(
    net: &net::Net<'_>,
    graph: &Graph,
    path: Option<&Path>,
    notes: &mut Vec<String>,
) -> Result<Card, FormatError> {
    let folder: Option<PathBuf> = path.map(siblings::folder);
    let stem = path
        .and_then(Path::file_stem)
        .map_or_else(|| "caffe".to_owned(), |stem| stem.to_string_lossy().into_owned());
    card::card(net, graph, &stem, folder.as_deref(), notes)
}

fn parse(bytes: &[u8]) -> Result<Prototxt, FormatError> {
    // Old files have comments in other encodings; what is no UTF-8 is replaced.
    Ok(Prototxt::parse(String::from_utf8_lossy(bytes)).map_err(CaffeFault::from)?)
}

fn read(path: &Path) -> Result<Vec<u8>, FormatError> {
    in_file(path, read_file(path))
}

fn in_file<T>(path: &Path, result: Result<T, FormatError>) -> Result<T, FormatError> {
    result.map_err(|fault| fault.in_file(path))
}
