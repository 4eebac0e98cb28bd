//! From a network to the units of a tape.

use std::collections::BTreeMap;

use regraft_kernels::{BatchStats, Clamp, ConvInput, ConvSpec, Curve, LANES, Map, PadSides, Pool};
use regraft_net::facts::Facts;
use regraft_net::op::{Activation, Conv2d, Window};
use regraft_net::{LayerId, Network, Op};

use crate::unit::{ConvUnit, NormUnit, Plain, Unit, Value, Work};
use crate::{GradError, Tuning};

/// Units in order, and the values between them; the input's is the first.
pub(crate) struct Built {
    pub(crate) units: Vec<Unit>,
    pub(crate) values: Vec<Value>,
    pub(crate) output: usize,
    /// The value that the tapped layer gives.
    pub(crate) tap: Option<usize>,
    /// Whether anything is tuned.
    pub(crate) training: bool,
}

struct Builder<'a> {
    network: &'a Network,
    facts: Facts,
    tuning: &'a Tuning<'a>,
    tap: Option<LayerId>,
    users: Vec<Vec<LayerId>>,
    needed: Vec<bool>,
    /// Which value holds a layer's result.
    value_of: BTreeMap<LayerId, usize>,
    built: Built,
}

/// Builds the part of `network` that leads to its one output. A tapped layer's value is not fused over.
pub(crate) fn build(
    network: &Network,
    tuning: &Tuning<'_>,
    tap: Option<LayerId>,
) -> Result<Built, GradError> {
    let graph = network.graph();
    let output = graph.output()?;
    let training = graph.layers().any(|(_, layer)| (tuning.tuned)(&layer.name));
    let mut builder = Builder {
        network,
        facts: network.facts()?,
        tuning,
        tap,
        users: graph.users(),
        needed: graph.needed(),
        value_of: BTreeMap::new(),
        built: Built { units: Vec::new(), values: Vec::new(), output: 0, tap: None, training },
    };
    for (id, _) in graph.layers() {
        if builder.needed[id.index()] && !builder.value_of.contains_key(&id) {
            builder.layer(id)?;
        }
    }
    builder.built.output = builder.value_of[&output];
    builder.built.tap = tap.and_then(|tap| builder.value_of.get(&tap).copied());
    borders(&mut builder.built);
    Ok(builder.built)
}

impl Builder<'_> {
    fn op(&self, id: LayerId) -> &Op {
        &self.network.graph().layer(id).op
    }

    fn name(&self, id: LayerId) -> &str {
        &self.network.graph().layer(id).name
    }

    /// The layer that alone reads `id`, unless `id` is an output or tapped.
    fn only_user(&self, id: LayerId) -> Option<LayerId> {
        let users: Vec<LayerId> =
            self.users[id.index()].iter().copied().filter(|u| self.needed[u.index()]).collect();
        match users[..] {
            [user] if !self.network.graph().outputs().contains(&id) && self.tap != Some(id) => {
                Some(user)
            }
            _ => None,
        }
    }

    fn batch_norm(&self, id: LayerId) -> bool {
        (self.tuning.batch_norm)(self.name(id))
    }

    /// Makes the unit that begins with a layer, taking in the norm and activation behind it.
    fn layer(&mut self, id: LayerId) -> Result<(), GradError> {
        let inputs: Vec<usize> =
            self.network.graph().layer(id).inputs.iter().map(|i| self.value_of[i]).collect();
        let op = self.op(id).clone();
        let drops = matches!(op, Op::Dropout { rate } if rate > 0.0) && self.built.training;
        if matches!(op, Op::Identity) || (matches!(op, Op::Dropout { .. }) && !drops) {
            self.value_of.insert(id, inputs[0]);
            return Ok(());
        }
        let mut done = vec![id];
        let mut clamp = Clamp::NONE;
        let mut tuned = (self.tuning.tuned)(self.name(id));
        let work = match &op {
            Op::Input { .. } => Work::Input,
            Op::Conv2d(conv) => {
                let spec = conv_spec(conv, self.built.values[inputs[0]].map.channels);
                let norm = self.folded(id, &mut done);
                Work::Conv(Box::new(ConvUnit { spec, bias: conv.bias, norm, packed: None }))
            }
            Op::Linear { out, bias } => {
                let spec = pointwise(self.built.values[inputs[0]].map.channels, *out);
                Work::Conv(Box::new(ConvUnit { spec, bias: *bias, norm: None, packed: None }))
            }
            Op::BatchNorm { eps } => {
                let batch = self.batch_norm(id);
                tuned &= batch;
                Work::Norm(NormUnit {
                    eps: *eps,
                    batch,
                    stats: BatchStats::default(),
                    inverse: Vec::new(),
                    scale: Vec::new(),
                    shift: Vec::new(),
                })
            }
            Op::Relu | Op::Relu6 => Work::Clamp,
            Op::Activate(_)
            | Op::Affine { .. }
            | Op::Scale { .. }
            | Op::Prelu
            | Op::Slice { .. }
            | Op::Shuffle { .. }
            | Op::LayerNorm { .. }
            | Op::Pad { .. }
            | Op::Mul
            | Op::Tokens { .. }
            | Op::Rearrange(_)
            | Op::Attention { .. }
            | Op::Token { .. } => Work::Plain(plain(&op)),
            Op::MaxPool(w) => Work::MaxPool(pool(w)),
            Op::AvgPool { window, count_pad } => {
                Work::AvgPool { pool: pool(window), count_pad: *count_pad }
            }
            Op::GlobalAvgPool => {
                let pool = Pool::all_of(&self.built.values[inputs[0]].map);
                Work::AvgPool { pool, count_pad: false }
            }
            Op::Lrn { size, alpha, beta, k } => {
                Work::Lrn { size: *size, constants: [*alpha, *beta, *k] }
            }
            Op::Add => Work::Add,
            Op::Concat => Work::Concat,
            Op::Flatten => Work::Flatten,
            Op::Softmax => Work::Softmax,
            Op::Dropout { rate } => Work::Dropout { rate: *rate },
            Op::Identity => unreachable!("handled above"),
        };
        let fuses = matches!(work, Work::Conv(_) | Work::Norm(_) | Work::Add);
        if let Some(own) = activation(&op) {
            clamp = own;
        } else if fuses
            && let Some(user) = self.only_user(done[done.len() - 1])
            && let Some(fused) = activation(self.op(user))
        {
            clamp = fused;
            done.push(user);
        }
        let last = done[done.len() - 1];
        let tuned = tuned && !work.roles().is_empty();
        let below = inputs.iter().any(|i| self.built.values[*i].wanted);
        let asked = matches!(work, Work::Input) && self.tuning.input_gradient;
        let map = self.map(last)?;
        let output = self.built.values.len();
        self.built.values.push(Value {
            name: self.name(last).to_owned(),
            map,
            gradient: map,
            wanted: tuned || below || asked || self.tap.is_some_and(|tap| done.contains(&tap)),
        });
        let layer = self.name(id).to_owned();
        self.built.units.push(Unit { layer, work, clamp, inputs, output, tuned });
        for id in done {
            self.value_of.insert(id, output);
        }
        Ok(())
    }

    /// The frozen norm that alone reads a convolution.
    fn folded(&self, conv: LayerId, done: &mut Vec<LayerId>) -> Option<(String, f32)> {
        let user = self.only_user(conv)?;
        let Op::BatchNorm { eps } = *self.op(user) else { return None };
        if self.batch_norm(user) {
            return None;
        }
        done.push(user);
        Some((self.name(user).to_owned(), eps))
    }

    fn map(&self, id: LayerId) -> Result<Map, GradError> {
        let shape = &self.facts.layer(id).shape;
        match *shape.dims() {
            [c, h, w] => Ok(Map::new(c, h, w)),
            [c] => Ok(Map::new(c, 1, 1)),
            _ => Err(GradError::Rank { layer: self.name(id).to_owned(), shape: shape.clone() }),
        }
    }
}

/// Gives every value the border that its readers want, and every gradient the border that the
/// backward step of its maker wants. A gradient that one unit hands on to the next in the same buffer
/// has the borders of both.
fn borders(built: &mut Built) {
    let mut plain = vec![true; built.values.len()];
    for unit in &built.units {
        match &unit.work {
            Work::Conv(conv) => {
                let output = built.values[unit.output].map;
                let input = &mut built.values[unit.inputs[0]].map;
                input.pad = input.pad.max(border(&conv.spec, input, &output));
                plain[unit.inputs[0]] &= conv.spec.groups == 1;
            }
            Work::Input
            | Work::Norm(_)
            | Work::Clamp
            | Work::Plain(_)
            | Work::MaxPool(_)
            | Work::AvgPool { .. }
            | Work::Lrn { .. }
            | Work::Add
            | Work::Concat
            | Work::Flatten
            | Work::Softmax
            | Work::Dropout { .. } => {
                unit.inputs.iter().for_each(|i| plain[*i] = false);
                if unit.output == built.output {
                    plain[unit.output] = false;
                }
            }
        }
    }
    // Pixels of a picture that only convolutions read lie close: see the engine.
    for unit in built.units.iter().filter(|u| matches!(u.work, Work::Input)) {
        let map = &mut built.values[unit.output].map;
        if plain[unit.output] && map.pixels() > 1 {
            map.stride = map.channels;
        }
    }
    for unit in &built.units {
        let pad = match &unit.work {
            Work::Conv(conv) if built.values[unit.inputs[0]].wanted => {
                let (input, output) =
                    (&built.values[unit.inputs[0]].map, &built.values[unit.output].map);
                ConvInput::border(&conv.spec, input, output)
            }
            Work::Norm(_)
            | Work::Clamp
            | Work::Plain(
                Plain::Curve(_)
                | Plain::Affine { .. }
                | Plain::Scale { .. }
                | Plain::Prelu
                | Plain::LayerNorm { .. },
            )
            | Work::Lrn { .. }
            | Work::Add
            | Work::Softmax => {
                let pads = unit.inputs.iter().map(|i| built.values[*i].gradient.pad);
                pads.fold(PadSides::default(), PadSides::max)
            }
            Work::Dropout { .. } | Work::Plain(Plain::Mul) => {
                built.values[unit.inputs[0]].gradient.pad
            }
            Work::Input
            | Work::Plain(
                Plain::Move(_)
                | Plain::Slice(_)
                | Plain::Shuffle(_)
                | Plain::Tokens { .. }
                | Plain::Rearrange(_)
                | Plain::Attention { .. }
                | Plain::Token(_),
            )
            | Work::Conv(_)
            | Work::MaxPool(_)
            | Work::AvgPool { .. }
            | Work::Concat
            | Work::Flatten => PadSides::default(),
        };
        let Map { channels, height, width, .. } = built.values[unit.output].map;
        built.values[unit.output].gradient = Map { pad, ..Map::new(channels, height, width) };
    }
}

fn activation(op: &Op) -> Option<Clamp> {
    match op {
        Op::Relu => Some(Clamp::RELU),
        Op::Relu6 => Some(Clamp::RELU6),
        Op::Input { .. }
        | Op::Conv2d(_)
        | Op::BatchNorm { .. }
        | Op::Activate(_)
        | Op::Affine { .. }
        | Op::Scale { .. }
        | Op::Prelu
        | Op::Slice { .. }
        | Op::Shuffle { .. }
        | Op::LayerNorm { .. }
        | Op::Pad { .. }
        | Op::Mul
        | Op::Tokens { .. }
        | Op::Rearrange(_)
        | Op::Attention { .. }
        | Op::Token { .. }
        | Op::MaxPool(_)
        | Op::AvgPool { .. }
        | Op::GlobalAvgPool
        | Op::Linear { .. }
        | Op::Lrn { .. }
        | Op::Add
        | Op::Concat
        | Op::Flatten
        | Op::Softmax
        | Op::Dropout { .. }
        | Op::Identity => None,
    }
}

fn plain(op: &Op) -> Plain {
    match op {
        Op::Activate(activation) => Plain::Curve(curve(*activation)),
        Op::Affine { scale, shift } => Plain::Affine { scale: padded(scale), shift: padded(shift) },
        Op::Scale { bias } => Plain::Scale { bias: *bias },
        Op::Prelu => Plain::Prelu,
        Op::Slice { from, .. } => Plain::Slice(*from),
        Op::Shuffle { groups } => Plain::Shuffle(*groups),
        Op::LayerNorm { eps } => Plain::LayerNorm { eps: *eps },
        Op::Pad { pad, crop } => {
            let offset = |pad: usize, crop: usize| pad as isize - crop as isize;
            Plain::Move([offset(pad.top, crop.top), offset(pad.left, crop.left)])
        }
        Op::Mul => Plain::Mul,
        Op::Tokens { first } => Plain::Tokens { first: *first },
        Op::Rearrange(how) => {
            let forth = how.places().expect("facts checked the axes");
            let mut back = vec![0; forth.len()];
            forth.iter().enumerate().for_each(|(to, from)| back[*from] = to);
            Plain::Rearrange([forth, back])
        }
        Op::Attention { heads, biases, talking } => {
            Plain::Attention { heads: *heads, biases: *biases != 0, talking: *talking }
        }
        Op::Token { index } => Plain::Token(*index),
        Op::Input { .. }
        | Op::Conv2d(_)
        | Op::BatchNorm { .. }
        | Op::Relu
        | Op::Relu6
        | Op::MaxPool(_)
        | Op::AvgPool { .. }
        | Op::GlobalAvgPool
        | Op::Linear { .. }
        | Op::Lrn { .. }
        | Op::Add
        | Op::Concat
        | Op::Flatten
        | Op::Softmax
        | Op::Dropout { .. }
        | Op::Identity => unreachable!("`layer` has arms of its own for these"),
    }
}

fn curve(activation: Activation) -> Curve {
    match activation {
        Activation::Sigmoid => Curve::Sigmoid,
        Activation::HardSigmoid => Curve::HardSigmoid,
        Activation::HardSwish => Curve::HardSwish,
        Activation::Silu => Curve::Silu,
        Activation::Gelu => Curve::Gelu,
        Activation::GeluTanh => Curve::GeluTanh,
        Activation::Tanh => Curve::Tanh,
        Activation::LeakyRelu { slope } => Curve::LeakyRelu(slope),
        Activation::Elu { alpha } => Curve::Elu(alpha),
        Activation::Clip { min, max } => Curve::Clip(Clamp { low: min, high: max }),
    }
}

/// Rounded up to whole vectors.
fn padded(values: &[f32]) -> Vec<f32> {
    let mut values = values.to_vec();
    values.resize(values.len().next_multiple_of(LANES), 0.0);
    values
}

fn pointwise(input: usize, output: usize) -> ConvSpec {
    ConvSpec {
        input,
        output,
        size: [1, 1],
        stride: [1, 1],
        before: [0, 0],
        dilation: [1, 1],
        groups: 1,
    }
}

fn conv_spec(conv: &Conv2d, input: usize) -> ConvSpec {
    ConvSpec {
        size: conv.size,
        stride: conv.stride,
        before: [conv.pad.top, conv.pad.left],
        dilation: conv.dilation,
        groups: conv.groups,
        ..pointwise(input, conv.out)
    }
}

/// The border that a convolution reads around its input.
fn border(spec: &ConvSpec, input: &Map, output: &Map) -> PadSides {
    let after = |axis: usize, extent: usize, out: usize| {
        let kernel = (spec.size[axis] - 1) * spec.dilation[axis] + 1;
        ((out - 1) * spec.stride[axis] + kernel).saturating_sub(extent + spec.before[axis])
    };
    PadSides {
        top: spec.before[0],
        left: spec.before[1],
        bottom: after(0, input.height, output.height),
        right: after(1, input.width, output.width),
    }
}

fn pool(w: &Window) -> Pool {
    let regraft_net::op::Pad { top, left, bottom, right } = w.pad;
    Pool { size: w.size, stride: w.stride, pad: PadSides { top, left, bottom, right } }
}
