//! From a network to steps: kernels chosen, weights folded and packed, borders and places planned.

use std::collections::BTreeMap;

use regraft_kernels::{
    Affine, Clamp, Conv, ConvSpec, Curve, Depthwise, Isa, Kind, Map, PadSides, Pool, Rearrange,
    Winograd,
};
use regraft_net::facts::Facts;
use regraft_net::op::{Activation, Conv2d, Pad, Window};
use regraft_net::{LayerId, NetError, Network, Op};

use crate::arena::{Life, plan};
use crate::fuse::{Node, fuse};
use crate::step::{LayerNorm, Step, StepInfo, Value, Work};
use crate::{InferError, Precision};

/// A compiled schedule.
pub(crate) struct Schedule {
    pub(crate) steps: Vec<Step>,
    pub(crate) values: Vec<Value>,
    /// Values of the graph's outputs, in their order.
    pub(crate) outputs: Vec<usize>,
    pub(crate) arena: usize,
    /// What each step is, for people.
    pub(crate) infos: Vec<StepInfo>,
}

/// Compiles the part of `network` that leads to its outputs.
pub(crate) fn schedule(
    network: &Network,
    isa: Isa,
    precision: Precision,
) -> Result<Schedule, InferError> {
    let facts = network.facts()?;
    let graph = network.graph();
    let nodes = fuse(graph);
    let mut compiler = Compiler { network, facts: &facts, isa, value_of: BTreeMap::new() };
    let (kept, maps) = compiler.layout(&nodes)?;
    let kinds = compiler.kinds(&kept, precision);
    let mut steps = Vec::with_capacity(kept.len());
    let mut infos = Vec::with_capacity(kept.len());
    for node in &kept {
        steps.push(compiler.step(node, &maps, &kinds)?);
        infos.push(compiler.info(node));
    }
    let outputs: Vec<usize> = graph.outputs().iter().map(|id| compiler.value_of[id]).collect();
    let lives: Vec<Life> = (0..maps.len())
        .map(|v| Life {
            made: v,
            last_read: if outputs.contains(&v) { steps.len() } else { last_read(&steps, v) },
            words: kinds[v].words(maps[v].len()),
        })
        .collect();
    let (places, arena) = plan(&lives);
    let values = maps.into_iter().zip(kinds).zip(places);
    let values = values.map(|((map, kind), place)| Value { map, kind, place }).collect();
    Ok(Schedule { steps, values, outputs, arena, infos })
}

fn last_read(steps: &[Step], value: usize) -> usize {
    let reads = |s: &Step| {
        let residual = match &s.work {
            Work::Conv { residual, .. } | Work::Winograd { residual, .. } => {
                *residual == Some(value)
            }
            Work::Input
            | Work::Depthwise(_)
            | Work::Affine(_)
            | Work::Clamp(_)
            | Work::Curve(_)
            | Work::LayerNorm(_)
            | Work::Move(_)
            | Work::Mul
            | Work::Prelu(_)
            | Work::Slice(_)
            | Work::Shuffle(_)
            | Work::Tokens { .. }
            | Work::Rearrange(_)
            | Work::Attention { .. }
            | Work::Token(_)
            | Work::MaxPool(_)
            | Work::AvgPool { .. }
            | Work::GlobalAvgPool
            | Work::Lrn { .. }
            | Work::Add
            | Work::Concat
            | Work::Flatten
            | Work::Softmax => false,
        };
        residual || s.inputs.contains(&value)
    };
    steps.iter().rposition(reads).unwrap_or(value)
}

struct Compiler<'a> {
    network: &'a Network,
    facts: &'a Facts,
    isa: Isa,
    /// The value that holds a layer's result; identity and dropout share their input's.
    value_of: BTreeMap<LayerId, usize>,
}

impl Compiler<'_> {
    fn op(&self, id: LayerId) -> &Op {
        &self.network.graph().layer(id).op
    }

    fn conv_of(&self, node: &Node) -> Option<Conv2d> {
        if let Op::Conv2d(conv) = self.op(node.main) { Some(*conv) } else { None }
    }

    fn info(&self, node: &Node) -> StepInfo {
        let layer = self.network.graph().layer(node.main);
        StepInfo {
            layer: layer.name.clone(),
            op: layer.op.clone(),
            input: layer.inputs.first().map(|i| self.facts.layer(*i).shape.clone()),
            output: self.facts.layer(node.end).shape.clone(),
            macs: self.facts.layer(node.main).macs,
        }
    }

    fn inputs(&self, node: &Node) -> Vec<usize> {
        let layer = self.network.graph().layer(node.main);
        layer.inputs.iter().map(|i| self.value_of[i]).collect()
    }

    /// The nodes that compute something, and how each one's value lies; value `i` is node `i`'s.
    fn layout<'n>(&mut self, nodes: &'n [Node]) -> Result<(Vec<&'n Node>, Vec<Map>), InferError> {
        let mut kept = Vec::new();
        let mut maps: Vec<Map> = Vec::new();
        for node in nodes {
            if matches!(self.op(node.main), Op::Identity | Op::Dropout { .. }) {
                let value = self.inputs(node)[0];
                self.value_of.insert(node.end, value);
                continue;
            }
            self.value_of.insert(node.end, kept.len());
            let shape = &self.facts.layer(node.end).shape;
            maps.push(match *shape.dims() {
                [c, h, w] => Map::new(c, h, w),
                [c] => Map::new(c, 1, 1),
                _ => {
                    let layer = self.network.graph().layer(node.end).name.clone();
                    return Err(InferError::Rank { layer, shape: shape.clone() });
                }
            });
            kept.push(node);
        }
        // A picture has three channels: rounding them up would make the first kernels read five
        // times the values, so when only plain convolutions read it, its pixels lie close.
        let mut only_plain: Vec<bool> =
            kept.iter().map(|n| matches!(self.op(n.main), Op::Input { .. })).collect();
        for node in &kept {
            let conv = self.conv_of(node);
            for value in self.inputs(node) {
                match conv {
                    Some(c) => maps[value].pad = maps[value].pad.max(border(&c, &maps[value])),
                    None => only_plain[value] = false,
                }
                only_plain[value] &= conv.is_some_and(|c| c.groups == 1);
            }
            if let Some(r) = node.residual {
                only_plain[self.value_of[&r]] = false;
            }
        }
        for id in self.network.graph().outputs() {
            only_plain[self.value_of[id]] = false;
        }
        for (map, _) in maps.iter_mut().zip(only_plain).filter(|(_, plain)| *plain) {
            map.stride = map.channels;
        }
        Ok((kept, maps))
    }

    /// How each value is stored. Pictures, normalised or not, and vectors stay `f32`: the first would lose what their
    /// 256 levels say, the others are few and what everybody looks at.
    fn kinds(&self, kept: &[&Node], precision: Precision) -> Vec<Kind> {
        let kind = |node: &&Node| {
            let picture = matches!(self.op(node.main), Op::Input { .. } | Op::Affine { .. });
            let vector = self.facts.layer(node.end).shape.dims().len() == 1;
            match precision {
                Precision::Bf16 if !picture && !vector => Kind::Bf16,
                Precision::Bf16 | Precision::F32 => Kind::F32,
            }
        };
        kept.iter().map(kind).collect()
    }

    fn step(&self, node: &Node, maps: &[Map], kinds: &[Kind]) -> Result<Step, InferError> {
        let inputs = self.inputs(node);
        let output = self.value_of[&node.end];
        let layer = self.network.graph().layer(node.main);
        let lies = |value: usize| (&maps[value], kinds[value]);
        let work = match &layer.op {
            Op::Input { .. } => Work::Input,
            Op::Conv2d(conv) => {
                let spec = conv_spec(conv, maps[inputs[0]].channels);
                self.conv(node, spec, lies(inputs[0]), lies(output))?
            }
            Op::Linear { out, .. } => {
                let spec = ConvSpec {
                    input: maps[inputs[0]].channels,
                    output: *out,
                    size: [1, 1],
                    stride: [1, 1],
                    before: [0, 0],
                    dilation: [1, 1],
                    groups: 1,
                };
                self.conv(node, spec, lies(inputs[0]), lies(output))?
            }
            Op::BatchNorm { .. } | Op::Scale { .. } | Op::Affine { .. } => {
                let (mut scale, mut shift) = self.factors(node.main)?;
                self.fold(node, &mut scale, &mut shift)?;
                Work::Affine(Affine::new(&to_f32(&scale), &to_f32(&shift), node.clamp))
            }
            Op::Relu => Work::Clamp(Clamp::RELU),
            Op::Relu6 => Work::Clamp(Clamp::RELU6),
            Op::Activate(activation) => Work::Curve(curve(*activation)),
            Op::Prelu => Work::Prelu(self.param(node.main, "weight")?.to_vec()),
            Op::Slice { from, .. } => Work::Slice(*from),
            Op::Shuffle { groups } => Work::Shuffle(*groups),
            Op::LayerNorm { eps } => Work::LayerNorm(LayerNorm {
                weight: self.param(node.main, "weight")?.to_vec(),
                bias: self.param(node.main, "bias")?.to_vec(),
                eps: *eps,
            }),
            Op::Pad { pad, crop } => {
                Work::Move([offset(pad.top, crop.top), offset(pad.left, crop.left)])
            }
            Op::Mul => Work::Mul,
            Op::Tokens { .. } => Work::Tokens {
                first: self.param(node.main, "token")?.to_vec(),
                position: self.param(node.main, "position")?.to_vec(),
            },
            Op::Rearrange(how) => {
                let places = how.places().expect("facts checked the axes");
                let (from, to) = (&maps[inputs[0]], &maps[output]);
                Work::Rearrange(Rearrange::new(&places, from, to))
            }
            Op::Attention { heads, biases, talking } => {
                let param = |role| self.param(node.main, role).map(<[f32]>::to_vec);
                let biases = if *biases == 0 { vec![] } else { param("position")? };
                let talking =
                    if *talking { Some([param("products")?, param("shares")?]) } else { None };
                Work::Attention { heads: *heads, biases, talking }
            }
            Op::Token { index } => Work::Token(*index),
            Op::MaxPool(w) => Work::MaxPool(pool(w)),
            Op::AvgPool { window, count_pad } => {
                Work::AvgPool { pool: pool(window), count_pad: *count_pad }
            }
            Op::GlobalAvgPool => Work::GlobalAvgPool,
            Op::Lrn { size, alpha, beta, k } => {
                Work::Lrn { size: *size, constants: [*alpha, *beta, *k] }
            }
            Op::Add => Work::Add,
            Op::Concat => Work::Concat,
            Op::Flatten => Work::Flatten,
            Op::Softmax => Work::Softmax,
            Op::Dropout { .. } | Op::Identity => unreachable!("`layout` keeps no such node"),
        };
        Ok(Step { work, inputs, output })
    }

    fn param(&self, layer: LayerId, role: &str) -> Result<&[f32], InferError> {
        let name = format!("{}.{role}", self.network.graph().layer(layer).name);
        match self.network.params().get(&name) {
            Some(tensor) => Ok(tensor.data()),
            None => {
                Err(InferError::Net(NetError::MissingParams { names: vec![name], near: vec![] }))
            }
        }
    }

    /// A batch norm, scale or affine layer as `x * scale + shift`.
    fn factors(&self, id: LayerId) -> Result<(Vec<f64>, Vec<f64>), InferError> {
        let eps = if let Op::BatchNorm { eps } = self.op(id) {
            *eps
        } else if let Op::Affine { scale, shift } = self.op(id) {
            return Ok((to_f64(scale), to_f64(shift)));
        } else {
            let scale = to_f64(self.param(id, "weight")?);
            let biased = matches!(self.op(id), Op::Scale { bias: true });
            let shift =
                if biased { to_f64(self.param(id, "bias")?) } else { vec![0.0; scale.len()] };
            return Ok((scale, shift));
        };
        let (gamma, beta) = (self.param(id, "weight")?, self.param(id, "bias")?);
        let (mean, var) = (self.param(id, "running_mean")?, self.param(id, "running_var")?);
        let scale: Vec<f64> = gamma
            .iter()
            .zip(var)
            .map(|(g, v)| f64::from(*g) / (f64::from(*v) + f64::from(eps)).sqrt())
            .collect();
        let shift = scale
            .iter()
            .zip(beta.iter().zip(mean))
            .map(|(s, (b, m))| f64::from(*b) - f64::from(*m) * s)
            .collect();
        Ok((scale, shift))
    }

    /// Takes what a node folds into its factors and offsets.
    fn fold(&self, node: &Node, scale: &mut [f64], shift: &mut [f64]) -> Result<(), InferError> {
        for id in &node.scales {
            let (factor, offset) = self.factors(*id)?;
            for ((s, t), (a, b)) in scale.iter_mut().zip(&mut *shift).zip(factor.iter().zip(offset))
            {
                *s *= a;
                *t = *t * a + b;
            }
        }
        Ok(())
    }

    fn conv(
        &self,
        node: &Node,
        spec: ConvSpec,
        input: (&Map, Kind),
        output: (&Map, Kind),
    ) -> Result<Work, InferError> {
        let weight = self.param(node.main, "weight")?;
        let mut bias = vec![0.0; spec.output];
        if let Op::Conv2d(Conv2d { bias: true, .. }) | Op::Linear { bias: true, .. } =
            self.op(node.main)
        {
            bias = to_f64(self.param(node.main, "bias")?);
        }
        let mut scale = vec![1.0; spec.output];
        self.fold(node, &mut scale, &mut bias)?;
        let (scale, bias) = (to_f32(&scale), to_f32(&bias));
        if spec.groups > 1 && Depthwise::fits(&spec) {
            let conv = Depthwise::new(self.isa, spec, weight, &scale, &bias, node.clamp);
            return Ok(Work::Depthwise(conv));
        }
        let residual = node.residual.map(|r| self.value_of[&r]);
        if input.1 == Kind::F32 && output.1 == Kind::F32 && Winograd::fits(&spec, output.0) {
            let conv = Winograd::new(self.isa, spec, weight, &scale, &bias, node.clamp);
            return Ok(Work::Winograd { conv, residual });
        }
        let conv = Conv::new(self.isa, spec, input, weight, &scale, &bias, node.clamp);
        Ok(Work::Conv { conv, residual })
    }
}

fn offset(pad: usize, crop: usize) -> isize {
    // Both are below the 2^16 that notation allows.
    pad as isize - crop as isize
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

fn to_f64(values: &[f32]) -> Vec<f64> {
    values.iter().map(|v| f64::from(*v)).collect()
}

fn to_f32(values: &[f64]) -> Vec<f32> {
    values.iter().map(|v| *v as f32).collect()
}

fn conv_spec(conv: &Conv2d, channels: usize) -> ConvSpec {
    ConvSpec {
        input: channels,
        output: conv.out,
        size: conv.size,
        stride: conv.stride,
        before: [conv.pad.top, conv.pad.left],
        dilation: conv.dilation,
        groups: conv.groups,
    }
}

/// The border a convolution needs around its input: rows and columns of padding that no window
/// reaches are left out.
fn border(conv: &Conv2d, map: &Map) -> PadSides {
    let after = |axis: usize, extent: usize, before: usize, after: usize| {
        let size = (conv.size[axis] - 1) * conv.dilation[axis] + 1;
        let out = (extent + before + after - size) / conv.stride[axis] + 1;
        ((out - 1) * conv.stride[axis] + size).saturating_sub(extent + before)
    };
    let Pad { top, left, bottom, right } = conv.pad;
    PadSides {
        top,
        left,
        bottom: after(0, map.height, top, bottom),
        right: after(1, map.width, left, right),
    }
}

fn pool(w: &Window) -> Pool {
    let Pad { top, left, bottom, right } = w.pad;
    Pool { size: w.size, stride: w.stride, pad: PadSides { top, left, bottom, right } }
}
