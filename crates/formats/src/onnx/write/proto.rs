//! The messages of `onnx.proto`: a graph under construction.

use std::collections::{BTreeMap, BTreeSet};

use crate::wire::Writer;

/// Numbers of fields and enums in `onnx.proto`.
mod field {
    pub(super) const NODE: u32 = 1;
    pub(super) const NAME: u32 = 2;
    pub(super) const TENSOR: u32 = 5;
    pub(super) const INPUT: u32 = 11;
    pub(super) const OUTPUT: u32 = 12;
    pub(super) const FLOAT: i64 = 1;
    pub(super) const INT64: i64 = 7;
}

/// The free axis of every input and output.
const BATCH: &str = "batch";

/// A setting of a node.
pub(super) enum Attr<'a> {
    Int(i64),
    Float(f32),
    Ints(&'a [i64]),
}

/// Names in a graph are unique: nodes, values and tensors share them.
pub(super) struct GraphWriter {
    message: Writer,
    taken: BTreeSet<String>,
    /// Constants that are there already.
    ints: BTreeMap<(bool, Vec<i64>), String>,
    floats: BTreeMap<u32, String>,
}

impl GraphWriter {
    /// An empty graph; nothing but its owner uses a name of `reserved`.
    pub(super) fn new(name: &str, reserved: impl IntoIterator<Item = String>) -> Self {
        let mut message = Writer::new();
        message.text(field::NAME, name);
        let taken = reserved.into_iter().collect();
        Self { message, taken, ints: BTreeMap::new(), floats: BTreeMap::new() }
    }

    /// The message.
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.message.into_bytes()
    }

    /// A name that nobody has: `wanted`, or that with a number.
    pub(super) fn fresh(&mut self, wanted: &str) -> String {
        let mut name = wanted.to_owned();
        let mut n = 1;
        while !self.taken.insert(name.clone()) {
            n += 1;
            name = format!("{wanted}/{n}");
        }
        name
    }

    /// A node called like its one output.
    pub(super) fn node(
        &mut self,
        op: &str,
        inputs: &[&str],
        output: &str,
        attributes: &[(&str, Attr<'_>)],
    ) {
        self.named(output, op, inputs, output, attributes);
    }

    /// A node called otherwise than its output.
    pub(super) fn named(
        &mut self,
        name: &str,
        op: &str,
        inputs: &[&str],
        output: &str,
        attributes: &[(&str, Attr<'_>)],
    ) {
        self.message.message(field::NODE, |node| {
            for input in inputs {
                node.text(1, input);
            }
            node.text(2, output);
            node.text(3, name);
            node.text(4, op);
            for (name, value) in attributes {
                node.message(5, |attribute| setting(attribute, name, value));
            }
        });
    }

    /// A node whose output gets a name of its own, which is returned.
    pub(super) fn inner(
        &mut self,
        op: &str,
        inputs: &[&str],
        wanted: &str,
        attributes: &[(&str, Attr<'_>)],
    ) -> String {
        let name = self.fresh(wanted);
        self.node(op, inputs, &name, attributes);
        name
    }

    fn tensor(&mut self, name: &str, kind: i64, dims: &[usize], raw: &[u8]) {
        self.message.message(field::TENSOR, |tensor| {
            for d in dims {
                tensor.int(1, *d as i64);
            }
            tensor.int(2, kind);
            tensor.text(8, name);
            tensor.bytes(9, raw);
        });
    }

    /// An `f32` tensor; returns its name.
    pub(super) fn floats(&mut self, wanted: &str, dims: &[usize], values: &[f32]) -> String {
        let name = self.fresh(wanted);
        let raw: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.tensor(&name, field::FLOAT, dims, &raw);
        name
    }

    /// An `f32` scalar; returns its name.
    pub(super) fn float(&mut self, value: f32) -> String {
        if let Some(name) = self.floats.get(&value.to_bits()) {
            return name.clone();
        }
        let name = self.floats(&format!("constant/{value}"), &[], &[value]);
        self.floats.insert(value.to_bits(), name.clone());
        name
    }

    /// A list of whole numbers; returns its name.
    pub(super) fn ints(&mut self, values: &[i64]) -> String {
        self.whole(values, false)
    }

    /// One whole number without an axis; returns its name.
    pub(super) fn int(&mut self, value: i64) -> String {
        self.whole(&[value], true)
    }

    fn whole(&mut self, values: &[i64], scalar: bool) -> String {
        let key = (scalar, values.to_vec());
        if let Some(name) = self.ints.get(&key) {
            return name.clone();
        }
        let words: Vec<String> = values.iter().map(i64::to_string).collect();
        let list = words.join(",");
        let text = if scalar { list } else { format!("[{list}]") };
        let name = self.fresh(&format!("constant/{text}"));
        let raw: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        let dims = if scalar { Vec::new() } else { vec![values.len()] };
        self.tensor(&name, field::INT64, &dims, &raw);
        self.ints.insert(key, name.clone());
        name
    }

    /// An input of the graph; `shape` is that of one example.
    pub(super) fn input(&mut self, name: &str, shape: &[usize]) {
        self.message.message(field::INPUT, |info| value(info, name, shape));
    }

    /// An output of the graph.
    pub(super) fn output(&mut self, name: &str, shape: &[usize]) {
        self.message.message(field::OUTPUT, |info| value(info, name, shape));
    }
}

/// A `ValueInfoProto` of `f32`, its batch left open.
fn value(info: &mut Writer, name: &str, shape: &[usize]) {
    info.text(1, name);
    info.message(2, |kind| {
        kind.message(1, |tensor| {
            tensor.int(1, field::FLOAT);
            tensor.message(2, |dims| {
                dims.message(1, |dim| dim.text(2, BATCH));
                for n in shape {
                    dims.message(1, |dim| dim.int(1, *n as i64));
                }
            });
        });
    });
}

fn setting(attribute: &mut Writer, name: &str, value: &Attr<'_>) {
    attribute.text(1, name);
    let kind = match value {
        Attr::Float(v) => {
            attribute.float(2, *v);
            1
        }
        Attr::Int(v) => {
            attribute.int(3, *v);
            2
        }
        Attr::Ints(list) => {
            for v in *list {
                attribute.int(8, *v);
            }
            7
        }
    };
    attribute.int(20, kind);
}
