//! A light picture of the graph in a file: nodes and values by number, tensors where they lie.

use std::borrow::Cow;
use std::rc::Rc;

use super::raw::Raw;

/// A value of the graph, by number.
pub(crate) type ValueId = usize;

/// A setting of a node.
#[derive(Debug, Clone)]
pub(crate) enum Setting<'a> {
    Int(i64),
    Float(f32),
    Text(Cow<'a, str>),
    Ints(Vec<i64>),
    Floats(Vec<f32>),
    Tensor(Rc<Raw<'a>>),
}

/// A node.
#[derive(Debug, Clone)]
pub(crate) struct Node<'a> {
    /// The operation, behind its domain and a colon where that is not ONNX's own.
    pub(crate) op: Cow<'a, str>,
    pub(crate) name: Cow<'a, str>,
    /// `None` for an optional input that is not given.
    pub(crate) inputs: Vec<Option<ValueId>>,
    pub(crate) outputs: Vec<Option<ValueId>>,
    pub(crate) settings: Vec<(Cow<'a, str>, Setting<'a>)>,
}

impl Node<'_> {
    /// A setting by name.
    pub(crate) fn setting(&self, name: &str) -> Option<&Setting<'_>> {
        self.settings.iter().find(|(n, _)| n == name).map(|(_, s)| s)
    }

    /// An integer; `None` when it is not there or of another kind.
    pub(crate) fn int(&self, name: &str) -> Option<i64> {
        if let Some(Setting::Int(v)) = self.setting(name) { Some(*v) } else { None }
    }

    /// A number.
    pub(crate) fn float(&self, name: &str) -> Option<f32> {
        if let Some(Setting::Float(v)) = self.setting(name) { Some(*v) } else { None }
    }

    /// A word.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        if let Some(Setting::Text(v)) = self.setting(name) { Some(v) } else { None }
    }

    /// Integers.
    pub(crate) fn ints(&self, name: &str) -> Option<&[i64]> {
        if let Some(Setting::Ints(v)) = self.setting(name) { Some(v) } else { None }
    }
}

/// An input of the graph: its extents, `None` where the file leaves them open; no extents at all
/// when it says nothing.
#[derive(Debug, Clone)]
pub(crate) struct Input {
    pub(crate) value: ValueId,
    pub(crate) dims: Vec<Option<usize>>,
}

/// The kind of file that a graph is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Dialect {
    /// ONNX: parameters have the names of layers, maps have their channels first where it is unclear.
    #[default]
    Onnx,
    /// ONNX of our own exporter: each layer is called as its node.
    Ours,
    /// `TFLite`: nodes have the names of layers, maps have their channels last where it is unclear.
    Tflite,
}

/// The graph of a file.
#[derive(Debug, Default)]
pub(crate) struct Ir<'a> {
    /// The graph's own name.
    pub(crate) name: Cow<'a, str>,
    /// The program that wrote the file.
    pub(crate) producer: Cow<'a, str>,
    pub(crate) dialect: Dialect,
    /// Version of ONNX's own operations.
    pub(crate) opset: i64,
    /// Names of the values.
    pub(crate) values: Vec<Cow<'a, str>>,
    pub(crate) nodes: Vec<Node<'a>>,
    pub(crate) tensors: Vec<(ValueId, Rc<Raw<'a>>)>,
    pub(crate) inputs: Vec<Input>,
    pub(crate) outputs: Vec<ValueId>,
    pub(crate) metadata: Vec<(Cow<'a, str>, Cow<'a, str>)>,
}
