//! What can be wrong with an ONNX file.

use std::fmt::Write as _;

/// An operation that is not understood, and where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownOp {
    /// Its name, with its domain where that is not ONNX's own.
    pub op: String,
    /// How many nodes have it.
    pub count: usize,
    /// The first of them.
    pub node: String,
}

/// What is wrong with an ONNX file, or what in it is not understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OnnxFault {
    /// A model without a graph.
    #[error("the ONNX model holds no graph; is this the right file?")]
    NoGraph,
    /// Not one picture in.
    #[error(
        "the ONNX graph has {} inputs without values{}, one picture is wanted; export it with its \
         picture as the only input",
        names.len(),
        listed(names)
    )]
    Inputs {
        /// Their names.
        names: Vec<String>,
    },
    /// An input that is no picture and no vector.
    #[error(
        "ONNX input `{name}` has shape {got}, wanted [batch, channels, height, width], \
         [batch, height, width, channels] or [batch, values] with at least one value"
    )]
    InputShape {
        /// Its name.
        name: String,
        /// The shape the file says, 0 for what it leaves open.
        got: String,
    },
    /// No result, or one that nothing computes.
    #[error("the ONNX graph computes no output from its input; is this the right file?")]
    NoOutput,
    /// Operations that have no layer here; all of them.
    #[error("ONNX operations that are not understood: {}", ops(list))]
    Ops {
        /// Each once, the most frequent first.
        list: Vec<UnknownOp>,
    },
    /// A node whose inputs or settings are not understood.
    #[error("ONNX node `{node}` ({op}) got {got}, wants {wanted}")]
    Node {
        /// The node: its name, or its output's.
        node: String,
        /// Its operation.
        op: String,
        /// Shapes of its inputs.
        got: String,
        /// What it can take, in words.
        wanted: String,
    },
    /// A node that reads what no node before it computes.
    #[error(
        "ONNX node `{node}` ({op}) reads `{value}`, which no node before it computes; run \
         onnx.checker on the file and export it anew"
    )]
    Undefined {
        /// The node.
        node: String,
        /// Its operation.
        op: String,
        /// What it reads.
        value: String,
    },
    /// A tensor that cannot be read.
    #[error("ONNX tensor `{name}` of shape {shape}: {problem}")]
    Tensor {
        /// Its name.
        name: String,
        /// Its extents.
        shape: String,
        /// What is wrong, and what was wanted.
        problem: String,
    },
    /// A file with tensors that cannot be used.
    #[error("ONNX tensor `{name}` is kept in `{location}`: {problem}")]
    External {
        /// The tensor.
        name: String,
        /// The path the file gives.
        location: String,
        /// What is wrong, and what was wanted.
        problem: String,
    },
    /// More of something than a file of this size can need.
    #[error(
        "{what} would fill more memory than a file of this size can need, at most {limit} bytes are \
         allowed; is the file damaged?"
    )]
    TooMuch {
        /// Of what.
        what: String,
        /// Bytes allowed in all.
        limit: u64,
    },
}

fn listed(names: &[String]) -> String {
    let mut text = String::new();
    for name in names.iter().take(8) {
        let _ = write!(text, "{}`{name}`", if text.is_empty() { ": " } else { ", " });
    }
    text
}

fn ops(list: &[UnknownOp]) -> String {
    let one = |o: &UnknownOp| format!("{} ({} times, first at `{}`)", o.op, o.count, o.node);
    list.iter().map(one).collect::<Vec<_>>().join(", ")
}
