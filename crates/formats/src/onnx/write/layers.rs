//! Each layer as one or more ONNX nodes.

use std::collections::{BTreeMap, BTreeSet};

use regraft_net::facts::Facts;
use regraft_net::op::Conv2d;
use regraft_net::{Graph, Layer, LayerId, NetError, Network, Op};
use regraft_tensor::Shape;

use crate::FormatError;

use super::proto::{Attr, GraphWriter};
use super::sequence::PIXELS_FIRST;
use super::{WriteFault, curve, pool};

/// Nodes were written.
pub(super) type Written = Result<(), FormatError>;

/// How a value lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Lay {
    /// `[N, C]`.
    Vector,
    /// `[N, C, H, W]`.
    Map,
    /// `[N, T, D]`; our shape is `[D, T, 1]`.
    Sequence,
}

impl Lay {
    /// The axis of the channels.
    fn channels(self) -> i64 {
        match self {
            Self::Vector | Self::Map => 1,
            Self::Sequence => 2,
        }
    }

    /// Extents of a tensor with a number for each channel, so that it spreads over the value.
    fn factors(self, channels: usize) -> Vec<usize> {
        match self {
            Self::Vector | Self::Sequence => vec![channels],
            Self::Map => vec![channels, 1, 1],
        }
    }
}

/// A network being written.
pub(super) struct Export<'a> {
    network: &'a Network,
    facts: Facts,
    pub(super) graph: GraphWriter,
    /// How each layer's value lies.
    pub(super) lays: BTreeMap<LayerId, Lay>,
    /// Names of values by layer, in each way they lie that somebody asked for.
    names: BTreeMap<(LayerId, Lay), String>,
}

impl<'a> Export<'a> {
    /// The bytes of a `GraphProto`.
    pub(super) fn run(network: &'a Network) -> Result<Vec<u8>, FormatError> {
        let layers = network.graph();
        let reserved = layers.layers().map(|(_, l)| l.name.clone());
        let mut export = Self {
            network,
            facts: network.facts()?,
            graph: GraphWriter::new(&network.card().name, reserved),
            lays: BTreeMap::new(),
            names: BTreeMap::new(),
        };
        let needed = layers.needed();
        for (id, layer) in layers.layers().filter(|(id, _)| needed[id.index()]) {
            export.layer(id, layer)?;
        }
        let mut seen = BTreeSet::new();
        for id in layers.outputs().iter().filter(|id| seen.insert(**id)) {
            export.result(*id);
        }
        Ok(export.graph.into_bytes())
    }

    fn layers(&self) -> &'a Graph {
        self.network.graph()
    }

    /// Shape of a layer's value for one example.
    pub(super) fn shape(&self, id: LayerId) -> Shape {
        self.facts.layer(id).shape.clone()
    }

    /// A node on the way to layer `out`; returns the name of its output.
    pub(super) fn inner(
        &mut self,
        op: &str,
        inputs: &[&str],
        out: &str,
        step: &str,
        attributes: &[(&str, Attr<'_>)],
    ) -> String {
        self.graph.inner(op, inputs, &format!("{out}/{step}"), attributes)
    }

    /// The name of a layer's value, lying as asked for.
    pub(super) fn take(&mut self, id: LayerId, lay: Lay) -> String {
        if let Some(name) = self.names.get(&(id, lay)) {
            return name.clone();
        }
        let layer = &self.layers().layer(id).name;
        let target = match lay {
            Lay::Map => self.graph.fresh(&format!("{layer}/map")),
            Lay::Sequence => self.graph.fresh(&format!("{layer}/sequence")),
            Lay::Vector => self.graph.fresh(&format!("{layer}/vector")),
        };
        self.relay(id, lay, &target);
        target
    }

    /// Writes a layer's value in another way, into `target`.
    fn relay(&mut self, id: LayerId, lay: Lay, target: &str) {
        let (own, layer) = (self.lays[&id], &self.layers().layer(id).name);
        let from = self.names[&(id, own)].clone();
        match lay {
            Lay::Sequence => {
                let axes = self.graph.ints(&[3]);
                let flat = self.inner("Squeeze", &[&from, &axes], layer, "flat", &[]);
                self.graph.node("Transpose", &[&flat], target, &[PIXELS_FIRST]);
            }
            Lay::Map if own == Lay::Sequence => {
                let turned = self.inner("Transpose", &[&from], layer, "turned", &[PIXELS_FIRST]);
                let axes = self.graph.ints(&[3]);
                self.graph.node("Unsqueeze", &[&turned, &axes], target, &[]);
            }
            // Between a vector and a map: nobody asks for it, but a name must be one.
            Lay::Map | Lay::Vector => self.graph.node("Identity", &[&from], target, &[]),
        }
        self.names.insert((id, lay), target.to_owned());
    }

    fn param_value(
        &self,
        layer: &Layer,
        role: &str,
    ) -> Result<&'a regraft_tensor::Tensor, FormatError> {
        let name = format!("{}.{role}", layer.name);
        match self.network.params().get(&name) {
            Some(tensor) => Ok(tensor),
            None => Err(NetError::MissingParams { names: vec![name], near: Vec::new() }.into()),
        }
    }

    /// The shape of a parameter.
    pub(super) fn param_shape(&self, layer: &Layer, role: &str) -> Result<Shape, FormatError> {
        Ok(self.param_value(layer, role)?.shape().clone())
    }

    /// Writes a parameter, with other extents where the operator wants them; returns its name.
    pub(super) fn param(
        &mut self,
        layer: &Layer,
        role: &str,
        dims: Option<&[usize]>,
    ) -> Result<String, FormatError> {
        let tensor = self.param_value(layer, role)?;
        let dims = dims.unwrap_or_else(|| tensor.shape().dims());
        Ok(self.graph.floats(&format!("{}.{role}", layer.name), dims, tensor.data()))
    }

    /// How the inputs of a layer are taken and its value lies.
    fn lay(&self, id: LayerId, layer: &Layer) -> Result<Lay, FormatError> {
        let of = |i: usize| self.lays[&layer.inputs[i]];
        Ok(match &layer.op {
            Op::Input { shape } => match shape.len() {
                1 => Lay::Vector,
                3 => Lay::Map,
                _ => {
                    let shape = self.shape(id);
                    return Err(WriteFault::Rank { layer: layer.name.clone(), shape }.into());
                }
            },
            Op::Tokens { .. } => Lay::Sequence,
            Op::Attention { .. } if self.shape(id).len() == 1 => Lay::Vector,
            Op::Attention { .. } if self.shape(id)[2] == 1 => Lay::Sequence,
            Op::Rearrange(how) if how.to.len() == 1 => Lay::Vector,
            Op::Token { .. } | Op::GlobalAvgPool | Op::Flatten => Lay::Vector,
            Op::Rearrange(_)
            | Op::Attention { .. }
            | Op::Conv2d(_)
            | Op::BatchNorm { .. }
            | Op::MaxPool(_)
            | Op::AvgPool { .. }
            | Op::Lrn { .. }
            | Op::Pad { .. } => Lay::Map,
            Op::Shuffle { .. } if of(0) == Lay::Sequence => Lay::Map,
            Op::Mul if of(0) == Lay::Sequence && of(1) == Lay::Map => Lay::Map,
            Op::Add | Op::Concat if (0..layer.inputs.len()).any(|i| of(i) != of(0)) => Lay::Map,
            Op::Relu
            | Op::Relu6
            | Op::Activate(_)
            | Op::Linear { .. }
            | Op::Affine { .. }
            | Op::Scale { .. }
            | Op::Prelu
            | Op::Slice { .. }
            | Op::Shuffle { .. }
            | Op::LayerNorm { .. }
            | Op::Mul
            | Op::Add
            | Op::Concat
            | Op::Softmax
            | Op::Dropout { .. }
            | Op::Identity => of(0),
        })
    }

    fn layer(&mut self, id: LayerId, layer: &Layer) -> Written {
        let lay = self.lay(id, layer)?;
        self.lays.insert(id, lay);
        // A result is a map: the layer's name is for that.
        let result = self.layers().outputs().contains(&id);
        let out = if result && lay == Lay::Sequence {
            self.graph.fresh(&format!("{}/sequence", layer.name))
        } else {
            layer.name.clone()
        };
        self.nodes(id, layer, lay, &out)?;
        self.names.insert((id, lay), out);
        if result && lay == Lay::Sequence {
            self.relay(id, Lay::Map, &layer.name);
        }
        Ok(())
    }

    fn nodes(&mut self, id: LayerId, layer: &Layer, lay: Lay, out: &str) -> Written {
        match &layer.op {
            Op::Input { shape } => self.graph.input(out, shape),
            Op::Conv2d(conv) => self.conv(layer, conv, out)?,
            Op::BatchNorm { eps } => self.batch_norm(layer, *eps, out)?,
            Op::Relu => self.simple("Relu", layer, lay, out, &[]),
            Op::Relu6 => {
                let x = self.take(layer.inputs[0], lay);
                curve::clip(&mut self.graph, &x, [0.0, 6.0], out);
            }
            Op::Activate(activation) => {
                let x = self.take(layer.inputs[0], lay);
                curve::activate(&mut self.graph, *activation, &x, out);
            }
            Op::MaxPool(window) => {
                let (x, sizes) = (self.take(layer.inputs[0], Lay::Map), self.sizes(id, layer));
                pool::max(&mut self.graph, window, sizes, [&x, out]);
            }
            Op::AvgPool { window, count_pad } => {
                let (x, sizes) = (self.take(layer.inputs[0], Lay::Map), self.sizes(id, layer));
                pool::mean(&mut self.graph, (window, *count_pad), sizes, [&x, out]);
            }
            Op::GlobalAvgPool => {
                // The work is done by a node that is called like the layer.
                let x = self.take(layer.inputs[0], Lay::Map);
                let mean = self.graph.fresh(&format!("{out}/mean"));
                self.graph.named(out, "GlobalAveragePool", &[&x], &mean, &[]);
                let flat = format!("{out}/flat");
                self.graph.named(&flat, "Flatten", &[&mean], out, &[("axis", Attr::Int(1))]);
            }
            Op::Linear { bias, .. } => self.linear(layer, *bias, lay, out)?,
            Op::Lrn { size, alpha, beta, k } => {
                let settings = [
                    ("size", Attr::Int(*size as i64)),
                    ("alpha", Attr::Float(*alpha)),
                    ("beta", Attr::Float(*beta)),
                    ("bias", Attr::Float(*k)),
                ];
                self.simple("LRN", layer, Lay::Map, out, &settings);
            }
            Op::Affine { scale, shift } => {
                let dims = lay.factors(scale.len());
                let scale = self.graph.floats(&format!("{}.scale", layer.name), &dims, scale);
                let shift = self.graph.floats(&format!("{}.shift", layer.name), &dims, shift);
                self.scaled(layer, lay, (&scale, Some(&shift)), out);
            }
            Op::Scale { bias } => {
                let scale = self.factors(id, layer, lay, "weight")?;
                let shift = if *bias { Some(self.factors(id, layer, lay, "bias")?) } else { None };
                self.scaled(layer, lay, (&scale, shift.as_deref()), out);
            }
            Op::Prelu => {
                let slope = self.factors(id, layer, lay, "weight")?;
                let x = self.take(layer.inputs[0], lay);
                self.graph.node("PRelu", &[&x, &slope], out, &[]);
            }
            Op::Slice { from, to } => self.slice(layer, [*from, *to], lay, out),
            Op::Shuffle { groups } => self.shuffle(id, layer, *groups, (lay, out)),
            Op::LayerNorm { eps } => self.layer_norm(layer, *eps, lay, out)?,
            Op::Pad { pad, crop } => {
                let x = self.take(layer.inputs[0], Lay::Map);
                pool::border(&mut self.graph, *pad, *crop, [&x, out]);
            }
            Op::Mul => self.mul(layer, lay, out),
            Op::Tokens { first } => self.tokens(layer, *first, out)?,
            Op::Rearrange(how) => self.rearrange(layer, how, out),
            Op::Attention { .. } => self.attention(id, layer, lay, out)?,
            Op::Token { index } => {
                let x = self.take(layer.inputs[0], Lay::Sequence);
                let index = self.graph.int(*index as i64);
                self.graph.node("Gather", &[&x, &index], out, &[("axis", Attr::Int(1))]);
            }
            Op::Add => self.all("Add", layer, lay, out),
            Op::Concat => self.all("Concat", layer, lay, out),
            Op::Flatten => {
                // Of a sequence the numbers come as they lie in the map.
                let from = self.lays[&layer.inputs[0]];
                let from = if from == Lay::Vector { from } else { Lay::Map };
                self.simple("Flatten", layer, from, out, &[("axis", Attr::Int(1))]);
            }
            Op::Softmax => {
                self.simple("Softmax", layer, lay, out, &[("axis", Attr::Int(lay.channels()))]);
            }
            Op::Dropout { rate } => {
                let x = self.take(layer.inputs[0], lay);
                let rate = self.graph.float(*rate);
                self.graph.node("Dropout", &[&x, &rate], out, &[]);
            }
            Op::Identity => self.simple("Identity", layer, lay, out, &[]),
        }
        Ok(())
    }

    /// One node of one input.
    fn simple(
        &mut self,
        op: &str,
        layer: &Layer,
        lay: Lay,
        out: &str,
        attributes: &[(&str, Attr<'_>)],
    ) {
        let x = self.take(layer.inputs[0], lay);
        self.graph.node(op, &[&x], out, attributes);
    }

    /// `[height, width]` of a layer's input and output.
    fn sizes(&self, id: LayerId, layer: &Layer) -> [[usize; 2]; 2] {
        [layer.inputs[0], id].map(|id| {
            let shape = &self.facts.layer(id).shape;
            [1, 2].map(|i| shape.get(i).copied().unwrap_or(1))
        })
    }

    fn conv(&mut self, layer: &Layer, conv: &Conv2d, out: &str) -> Written {
        let mut inputs = vec![self.take(layer.inputs[0], Lay::Map)];
        inputs.push(self.param(layer, "weight", None)?);
        if conv.bias {
            inputs.push(self.param(layer, "bias", None)?);
        }
        let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
        pool::conv(&mut self.graph, conv, &inputs, out);
        Ok(())
    }

    /// A parameter with a number for each channel, so that it spreads over a value.
    fn factors(
        &mut self,
        id: LayerId,
        layer: &Layer,
        lay: Lay,
        role: &str,
    ) -> Result<String, FormatError> {
        let channels = self.facts.layer(id).shape.first().copied().unwrap_or_default();
        self.param(layer, role, Some(&lay.factors(channels)))
    }

    fn slice(&mut self, layer: &Layer, [from, to]: [usize; 2], lay: Lay, out: &str) {
        let x = self.take(layer.inputs[0], lay);
        let bounds = [from as i64, to as i64, lay.channels()];
        let [from, to, axis] = bounds.map(|n| self.graph.ints(&[n]));
        self.graph.node("Slice", &[&x, &from, &to, &axis], out, &[]);
    }

    fn batch_norm(&mut self, layer: &Layer, eps: f32, out: &str) -> Written {
        let mut inputs = vec![self.take(layer.inputs[0], Lay::Map)];
        for role in ["weight", "bias", "running_mean", "running_var"] {
            inputs.push(self.param(layer, role, None)?);
        }
        let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
        self.graph.node("BatchNormalization", &inputs, out, &[("epsilon", Attr::Float(eps))]);
        Ok(())
    }

    /// `x · scale`, and `+ shift` where there is one.
    fn scaled(&mut self, layer: &Layer, lay: Lay, (scale, shift): (&str, Option<&str>), out: &str) {
        let x = self.take(layer.inputs[0], lay);
        let Some(shift) = shift else {
            self.graph.node("Mul", &[&x, scale], out, &[]);
            return;
        };
        let product = self.inner("Mul", &[&x, scale], out, "product", &[]);
        self.graph.node("Add", &[&product, shift], out, &[]);
    }

    fn shuffle(&mut self, id: LayerId, layer: &Layer, groups: usize, (lay, out): (Lay, &str)) {
        let x = self.take(layer.inputs[0], lay);
        let shape: Vec<i64> = self.shape(id).iter().map(|n| *n as i64).collect();
        let groups = groups as i64;
        let each = shape[0] / groups.max(1);
        let split = self.graph.ints(&[&[0, groups, each], &shape[1..]].concat());
        let split = self.inner("Reshape", &[&x, &split], out, "groups", &[]);
        let perm: Vec<i64> = [0, 2, 1].into_iter().chain(3..shape.len() as i64 + 2).collect();
        let perm = [("perm", Attr::Ints(&perm))];
        let turned = self.inner("Transpose", &[&split], out, "turned", &perm);
        let whole = self.graph.ints(&[&[0], &shape[..]].concat());
        self.graph.node("Reshape", &[&turned, &whole], out, &[]);
    }

    /// A product; a second factor with one number a channel gets the axes that it lacks.
    fn mul(&mut self, layer: &Layer, lay: Lay, out: &str) {
        let (x, gate) = (self.take(layer.inputs[0], lay), layer.inputs[1]);
        let own = self.lays[&gate];
        let gate = match (lay, own) {
            (Lay::Map, Lay::Vector) => {
                let vector = self.take(gate, own);
                let axes = self.graph.ints(&[2, 3]);
                self.inner("Unsqueeze", &[&vector, &axes], out, "gate", &[])
            }
            (Lay::Sequence, Lay::Vector) => {
                let vector = self.take(gate, own);
                let axes = self.graph.ints(&[1]);
                self.inner("Unsqueeze", &[&vector, &axes], out, "gate", &[])
            }
            (Lay::Vector, Lay::Map | Lay::Sequence) => {
                let map = self.take(gate, Lay::Map);
                self.inner("Flatten", &[&map], out, "gate", &[("axis", Attr::Int(1))])
            }
            (Lay::Vector, Lay::Vector) | (Lay::Map | Lay::Sequence, Lay::Map | Lay::Sequence) => {
                self.take(gate, lay)
            }
        };
        self.graph.node("Mul", &[&x, &gate], out, &[]);
    }

    /// A sum or a concatenation of all inputs.
    fn all(&mut self, op: &str, layer: &Layer, lay: Lay, out: &str) {
        let inputs: Vec<String> = layer.inputs.iter().map(|i| self.take(*i, lay)).collect();
        let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
        match (op, inputs.len()) {
            (_, 1) => self.graph.node("Identity", &inputs, out, &[]),
            ("Concat", _) => {
                self.graph.node(op, &inputs, out, &[("axis", Attr::Int(lay.channels()))]);
            }
            (_, 2) => self.graph.node(op, &inputs, out, &[]),
            _ => self.graph.node("Sum", &inputs, out, &[]),
        }
    }

    /// A layer's value as output of the graph, under the layer's name.
    fn result(&mut self, id: LayerId) {
        let layer = self.layers().layer(id);
        let shape = self.shape(id);
        let mut name = layer.name.clone();
        if matches!(layer.op, Op::Input { .. }) {
            // What goes in cannot come out under its own name.
            name = self.graph.inner("Identity", &[&layer.name], &name, &[]);
        }
        self.graph.output(&name, &shape);
    }
}
