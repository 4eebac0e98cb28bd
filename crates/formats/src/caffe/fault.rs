//! What can be wrong with a network of Caffe.

use std::fmt;
use std::fmt::Write as _;
use std::path::PathBuf;

use regraft_net::NetError;

use super::text::ProtoFault;

/// Where something stands in a prototxt or a caffemodel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Spot {
    /// Line and column of a text, from 1.
    Line(usize, usize),
    /// Byte of a binary file, from 0.
    Byte(usize),
}

impl fmt::Display for Spot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(line, column) => write!(f, "line {line}, column {column}"),
            Self::Byte(at) => write!(f, "byte {at}"),
        }
    }
}

/// A layer that cannot be taken over, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedLayer {
    /// Where it begins.
    pub at: Spot,
    /// Its name.
    pub name: String,
    /// Its type, as Caffe calls it.
    pub kind: String,
    /// What about it.
    pub why: String,
}

impl fmt::Display for RefusedLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: `{}` ({}): {}", self.at, self.name, self.kind, self.why)
    }
}

/// A parameter that the weights do not give.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WeightFault {
    /// The layer, as Caffe calls it.
    pub layer: String,
    /// Which of its blobs, from 0.
    pub blob: usize,
    /// What is wrong.
    pub why: String,
}

impl fmt::Display for WeightFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "layer `{}`, blob {}: {}", self.layer, self.blob, self.why)
    }
}

/// Why a network of Caffe cannot be had.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CaffeFault {
    /// The text is no prototxt.
    #[error(transparent)]
    Text(#[from] ProtoFault),
    /// A field with a value of another kind.
    #[error("{at}: `{key}` wants {wanted}, got {got}")]
    Value {
        /// Where.
        at: Spot,
        /// The field.
        key: String,
        /// What it should hold.
        wanted: &'static str,
        /// What it holds.
        got: String,
    },
    /// Layers that have no counterpart here, all of the file.
    #[error(
        "{} layer{} of this network cannot be taken over:{}\nchange or remove them in the prototxt, \
         or cut the network below them",
        layers.len(),
        if layers.len() == 1 { "" } else { "s" },
        lines(layers)
    )]
    Refused {
        /// The layers, in the order of the file.
        layers: Vec<RefusedLayer>,
    },
    /// Neither layers nor input.
    #[error("no `layer` in it; is this a solver? give the network, usually deploy.prototxt")]
    NoLayers,
    /// The format of 2013.
    #[error(
        "{at}: layers inside `layers {{ layer {{ … }} }}` are of 2013; turn the file with Caffe's own \
         upgrade_net_proto_text or upgrade_net_proto_binary"
    )]
    Generation0 {
        /// Where the first one is.
        at: Spot,
    },
    /// More layers than any network.
    #[error("more than {limit} layers")]
    TooManyLayers {
        /// Layers allowed.
        limit: usize,
    },
    /// No layer gives this blob.
    #[error("{at}: layer `{layer}` reads `{blob}`, which no layer above it gives{}", hint(near))]
    NoBlob {
        /// Where the layer is.
        at: Spot,
        /// The layer.
        layer: String,
        /// The blob it reads.
        blob: String,
        /// Blobs with names near it.
        near: Vec<String>,
    },
    /// The size of the picture is nowhere.
    #[error(
        "the size of the input `{blob}` is not in this file; give deploy.prototxt, or add \
         `input_shape {{ dim: 1 dim: 3 dim: 224 dim: 224 }}` or a `transform_param {{ crop_size: 224 }}`"
    )]
    NoInputSize {
        /// The input.
        blob: String,
    },
    /// An input that is no picture or vector.
    #[error("the input `{blob}` is {got}; [N, C, H, W] or [N, C] is wanted, none of them 0")]
    InputShape {
        /// The input.
        blob: String,
        /// What its shape is.
        got: String,
    },
    /// A layer does not fit what reaches it.
    #[error("{at}: {fault}")]
    Layer {
        /// Where the layer is.
        at: Spot,
        /// What does not fit.
        fault: NetError,
    },
    /// Weights that are not there, or not of this network.
    #[error(
        "{} blob{} of the weights cannot be used:{}{}",
        faults.len(),
        if faults.len() == 1 { "" } else { "s" },
        lines(faults),
        left(unused)
    )]
    Weights {
        /// Each blob that is wanted and missing or of another shape.
        faults: Vec<WeightFault>,
        /// Layers with weights that the network does not have.
        unused: Vec<String>,
    },
    /// No weights beside the prototxt.
    #[error("{found} .caffemodel files in {}; say which has the weights", folder.display())]
    NoWeights {
        /// The folder searched.
        folder: PathBuf,
        /// How many weight files there are.
        found: usize,
    },
    /// A mean picture that is none.
    #[error("this is no mean picture: {why}")]
    Mean {
        /// What is wrong with it.
        why: String,
    },
    /// A network that Caffe has no layers for.
    #[error("Caffe has nothing for {} of its layers:{}", layers.len(), lines(layers))]
    Write {
        /// The layers.
        layers: Vec<WriteFault>,
    },
}

/// A layer that cannot be written for Caffe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriteFault {
    /// Its name.
    pub layer: String,
    /// Its operation.
    pub op: &'static str,
    /// What Caffe cannot do.
    pub why: &'static str,
}

impl fmt::Display for WriteFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` ({}): {}", self.layer, self.op, self.why)
    }
}

/// Lines shown of a list.
const SHOWN: usize = 40;

fn lines<T: fmt::Display>(items: &[T]) -> String {
    // Writing to a String cannot fail.
    let mut text = String::new();
    for item in items.iter().take(SHOWN) {
        let _ = write!(text, "\n  {item}");
    }
    if items.len() > SHOWN {
        let _ = write!(text, "\n  and {} more", items.len() - SHOWN);
    }
    text
}

fn left(unused: &[String]) -> String {
    if unused.is_empty() {
        return String::new();
    }
    format!("\nlayers with weights that this network does not have:{}", lines(unused))
}

fn hint(near: &[String]) -> String {
    if near.is_empty() {
        return String::new();
    }
    let names: Vec<String> = near.iter().map(|n| format!("`{n}`")).collect();
    format!("; did you mean {}?", names.join(" or "))
}
