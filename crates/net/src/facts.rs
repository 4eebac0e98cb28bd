//! What can be said of a graph without running it: shapes, parameters, multiply-adds, memory,
//! receptive field.

use regraft_tensor::Shape;

use crate::op::{Activation, Conv2d, Pad, Rounding, Window};
use crate::{Graph, LayerId, NetError, Op, ParamSpec, Role};

mod sequences;

/// The patch of the input that one value of a layer sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReceptiveField {
    /// Extent `[height, width]` in input pixels.
    pub size: [usize; 2],
    /// Input pixels between neighbouring values, `[down, across]`.
    pub stride: [usize; 2],
    /// Input row and column where the patch of the first value begins; negative in the padding.
    pub start: [isize; 2],
}

/// What is known of one layer, for one example.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerFacts {
    /// Shape of its output, without the batch.
    pub shape: Shape,
    /// Parameters it asks for.
    pub params: Vec<ParamSpec>,
    /// Multiply-adds of convolutions and matrices; other layers count 0, as is customary.
    pub macs: u64,
    /// What a value sees of the input; `None` when it sees the whole picture.
    pub field: Option<ReceptiveField>,
}

impl LayerFacts {
    /// Bytes of its output in `f32`.
    pub fn bytes(&self) -> u64 {
        (self.shape.count() as u64).saturating_mul(4)
    }

    /// How many learned or stored values it has.
    pub fn param_count(&self) -> u64 {
        self.params.iter().fold(0, |n, p| n.saturating_add(p.shape.count() as u64))
    }
}

/// Facts of all layers of a graph.
#[derive(Debug, Clone, PartialEq)]
pub struct Facts {
    layers: Vec<LayerFacts>,
    output: usize,
    peak: u64,
}

impl Facts {
    /// Facts of one layer.
    pub fn layer(&self, id: LayerId) -> &LayerFacts {
        &self.layers[id.index()]
    }

    /// Facts of the first output.
    pub fn output(&self) -> &LayerFacts {
        &self.layers[self.output]
    }

    /// Every parameter that the graph asks for, in layer order.
    pub fn params(&self) -> impl Iterator<Item = &ParamSpec> {
        self.layers.iter().flat_map(|l| &l.params)
    }

    /// Values in learned parameters (weights and biases), the figure that papers give.
    pub fn learned(&self) -> u64 {
        let learned = self.params().filter(|p| p.role.learned());
        learned.fold(0, |n, p| n.saturating_add(p.shape.count() as u64))
    }

    /// Multiply-adds for one example.
    pub fn macs(&self) -> u64 {
        self.layers.iter().fold(0, |n, l| n.saturating_add(l.macs))
    }

    /// Largest sum of activations alive at once when layers run in order and free what nobody reads
    /// any more; bytes in `f32` for one example.
    pub fn peak_bytes(&self) -> u64 {
        self.peak
    }
}

/// Computes the facts of all layers.
///
/// # Errors
/// When a layer cannot take the shape that reaches it.
pub fn facts(graph: &Graph) -> Result<Facts, NetError> {
    let mut layers: Vec<LayerFacts> = Vec::with_capacity(graph.len());
    for (_, layer) in graph.layers() {
        let inputs: Vec<&LayerFacts> = layer.inputs.iter().map(|i| &layers[i.index()]).collect();
        let facts = one(&layer.name, &layer.op, &inputs)?;
        layers.push(facts);
    }
    let output = graph.outputs().first().ok_or(NetError::NoOutput)?.index();
    let peak = peak(graph, &layers);
    Ok(Facts { layers, output, peak })
}

fn peak(graph: &Graph, facts: &[LayerFacts]) -> u64 {
    let mut last_use: Vec<usize> = (0..graph.len()).collect();
    for (id, layer) in graph.layers() {
        for input in &layer.inputs {
            last_use[input.index()] = id.index();
        }
    }
    for id in graph.outputs() {
        last_use[id.index()] = graph.len();
    }
    let (mut alive, mut peak) = (0, 0);
    for (id, layer) in graph.layers() {
        alive = facts[id.index()].bytes().saturating_add(alive);
        peak = peak.max(alive);
        let mut freed: Vec<usize> = layer.inputs.iter().map(|i| i.index()).collect();
        freed.push(id.index());
        freed.sort_unstable();
        freed.dedup();
        for i in freed {
            if last_use[i] == id.index() {
                alive = alive.saturating_sub(facts[i].bytes());
            }
        }
    }
    peak
}

/// A layer being measured: its name and operation, for errors.
struct At<'a> {
    name: &'a str,
    op: &'a Op,
    inputs: &'a [&'a LayerFacts],
}

impl At<'_> {
    fn wants(&self, wanted: impl Into<String>) -> NetError {
        let got: Vec<String> = self.inputs.iter().map(|f| f.shape.to_string()).collect();
        NetError::Shape {
            layer: self.name.to_owned(),
            op: self.op.name(),
            got: got.join(" and "),
            wanted: wanted.into(),
        }
    }

    fn map(&self) -> Result<[usize; 3], NetError> {
        match self.inputs[0].shape.dims() {
            &[c, h, w] => Ok([c, h, w]),
            _ => Err(self.wants("one map [C, H, W]")),
        }
    }

    fn param(&self, role: Role, shape: impl Into<Shape>) -> ParamSpec {
        ParamSpec { name: format!("{}.{}", self.name, role.suffix()), shape: shape.into(), role }
    }

    /// Facts of a layer that keeps the shape and has parameters `[C]`.
    fn by_channel(&self, roles: &[Role]) -> LayerFacts {
        let c = self.inputs[0].shape.first().copied().unwrap_or_default();
        let params = roles.iter().map(|role| self.param(*role, [c])).collect();
        LayerFacts { params, ..self.plain(self.inputs[0].shape.clone()) }
    }

    fn plain(&self, shape: Shape) -> LayerFacts {
        LayerFacts { shape, params: Vec::new(), macs: 0, field: self.inputs[0].field }
    }
}

fn one(name: &str, op: &Op, inputs: &[&LayerFacts]) -> Result<LayerFacts, NetError> {
    let at = At { name, op, inputs };
    match op {
        Op::Input { shape } => input(&at, shape),
        Op::Conv2d(conv) => conv2d(&at, conv),
        Op::BatchNorm { eps } => batch_norm(&at, *eps),
        Op::MaxPool(window) | Op::AvgPool { window, .. } => pool(&at, window),
        Op::GlobalAvgPool => {
            let [c, _, _] = at.map()?;
            Ok(LayerFacts { field: None, ..at.plain([c].into()) })
        }
        Op::Linear { out, bias } => linear(&at, *out, *bias),
        Op::Lrn { size, .. } => {
            at.map()?;
            if *size == 0 || size % 2 == 0 {
                return Err(at.wants("an odd size"));
            }
            Ok(at.plain(inputs[0].shape.clone()))
        }
        Op::Add => add(&at),
        Op::Concat => concat(&at),
        Op::Flatten => Ok(LayerFacts { field: None, ..at.plain([inputs[0].shape.count()].into()) }),
        Op::Affine { scale, shift } => {
            let c = inputs[0].shape.first().copied().unwrap_or_default();
            if scale.len() != c || shift.len() != c {
                return Err(at.wants(format!("as many channels as factors ({})", scale.len())));
            }
            Ok(at.plain(inputs[0].shape.clone()))
        }
        Op::Scale { bias: true } => Ok(at.by_channel(&[Role::Weight, Role::Bias])),
        Op::Scale { bias: false } | Op::Prelu => Ok(at.by_channel(&[Role::Weight])),
        Op::Slice { from, to } => slice(&at, *from, *to),
        Op::Shuffle { groups } => shuffle(&at, *groups),
        Op::Activate(activation) => activate(&at, *activation),
        Op::LayerNorm { eps } => layer_norm(&at, *eps),
        Op::Pad { pad, crop } => padded(&at, *pad, *crop),
        Op::Mul => mul(&at),
        Op::Tokens { first } => sequences::tokens(&at, *first),
        Op::Rearrange(how) => sequences::rearrange(&at, how),
        Op::Attention { heads, biases, talking } => {
            sequences::attention(&at, *heads, *biases, *talking)
        }
        Op::Token { index } => sequences::token(&at, *index),
        Op::Relu | Op::Relu6 | Op::Softmax | Op::Dropout { .. } | Op::Identity => {
            Ok(at.plain(inputs[0].shape.clone()))
        }
    }
}

fn input(at: &At<'_>, shape: &Shape) -> Result<LayerFacts, NetError> {
    let unit = ReceptiveField { size: [1, 1], stride: [1, 1], start: [0, 0] };
    // 2^40 values would be four terabytes: a slip or an attack, never a picture.
    if shape.is_empty() || shape.checked_len().is_none_or(|n| n == 0 || n > 1 << 40) {
        return Err(at.wants("a shape like 3x224x224 without zeros"));
    }
    Ok(LayerFacts {
        shape: shape.clone(),
        params: Vec::new(),
        macs: 0,
        field: (shape.len() == 3).then_some(unit),
    })
}

fn conv2d(at: &At<'_>, conv: &Conv2d) -> Result<LayerFacts, NetError> {
    let [c, h, w] = at.map()?;
    let g = conv.groups;
    if g == 0 || conv.out == 0 || !c.is_multiple_of(g) || !conv.out.is_multiple_of(g) {
        return Err(at.wants(format!("channels in ({c}) and out ({}) in {g} groups", conv.out)));
    }
    let oh = conv_extent(h, 0, conv);
    let ow = conv_extent(w, 1, conv);
    let (Some(oh), Some(ow)) = (oh, ow) else {
        let [kh, kw] = conv.size;
        return Err(at.wants(format!("a map of at least the kernel's size {kh}x{kw}, a stride")));
    };
    let [kh, kw] = conv.size;
    let mut params = vec![at.param(Role::Weight, [conv.out, c / g, kh, kw])];
    if conv.bias {
        params.push(at.param(Role::Bias, [conv.out]));
    }
    let taps = (c / g).saturating_mul(kh * kw) as u64;
    let field = at.inputs[0]
        .field
        .map(|f| widen(f, conv.size, conv.stride, conv.dilation, [conv.pad.top, conv.pad.left]));
    let shape = Shape::from([conv.out, oh, ow]);
    let macs = taps.saturating_mul(shape.count() as u64);
    Ok(LayerFacts { shape, params, macs, field })
}

/// Output extent of a convolution along one axis (0 height, 1 width).
fn conv_extent(input: usize, axis: usize, conv: &Conv2d) -> Option<usize> {
    let size = conv.dilation[axis].checked_mul(conv.size[axis].checked_sub(1)?)?.checked_add(1)?;
    if conv.dilation[axis] == 0 {
        return None;
    }
    let padded = input.checked_add(pads(conv.pad, axis))?;
    Some(padded.checked_sub(size)?.checked_div(conv.stride[axis])? + 1)
}

fn pads(pad: Pad, axis: usize) -> usize {
    if axis == 0 { pad.top + pad.bottom } else { pad.left + pad.right }
}

fn pool(at: &At<'_>, window: &Window) -> Result<LayerFacts, NetError> {
    let [c, h, w] = at.map()?;
    let (oh, ow) = (pool_extent(h, 0, window), pool_extent(w, 1, window));
    let (Some(oh), Some(ow)) = (oh, ow) else {
        let [kh, kw] = window.size;
        return Err(at.wants(format!(
            "a map of at least the window's size {kh}x{kw}, a stride, padding below the size"
        )));
    };
    let field = at.inputs[0]
        .field
        .map(|f| widen(f, window.size, window.stride, [1, 1], [window.pad.top, window.pad.left]));
    Ok(LayerFacts { field, ..at.plain([c, oh, ow].into()) })
}

/// Output extent of a pooling window along one axis (0 height, 1 width).
///
/// In ceil mode the last window may reach past the padding but must not start beyond the map and
/// its leading padding: Caffe and PyTorch drop such a window.
fn pool_extent(input: usize, axis: usize, window: &Window) -> Option<usize> {
    let (size, stride) = (window.size[axis], window.stride[axis]);
    let before = if axis == 0 { window.pad.top } else { window.pad.left };
    let after = pads(window.pad, axis) - before;
    if size == 0 || stride == 0 || before >= size || after >= size {
        return None;
    }
    let room = (input + before + after).checked_sub(size)?;
    Some(match window.rounding {
        Rounding::Floor => room / stride + 1,
        Rounding::Ceil => {
            let n = room.div_ceil(stride) + 1;
            if (n - 1) * stride >= input + before { n - 1 } else { n }
        }
    })
}

fn widen(
    f: ReceptiveField,
    size: [usize; 2],
    stride: [usize; 2],
    dilation: [usize; 2],
    before: [usize; 2],
) -> ReceptiveField {
    let axis = |i: usize| {
        (
            ((size[i] - 1) * dilation[i]).saturating_mul(f.stride[i]).saturating_add(f.size[i]),
            f.stride[i].saturating_mul(stride[i]),
            f.start[i].saturating_sub_unsigned(before[i].saturating_mul(f.stride[i])),
        )
    };
    let (h, w) = (axis(0), axis(1));
    ReceptiveField { size: [h.0, w.0], stride: [h.1, w.1], start: [h.2, w.2] }
}

fn batch_norm(at: &At<'_>, eps: f32) -> Result<LayerFacts, NetError> {
    let [c, ..] = at.map()?;
    if !(eps >= 0.0 && eps.is_finite()) {
        return Err(at.wants(format!("a finite eps of at least 0, not {eps}")));
    }
    let roles = [Role::Weight, Role::Bias, Role::RunningMean, Role::RunningVar];
    let params = roles.into_iter().map(|r| at.param(r, [c])).collect();
    Ok(LayerFacts { params, ..at.plain(at.inputs[0].shape.clone()) })
}

fn linear(at: &At<'_>, out: usize, bias: bool) -> Result<LayerFacts, NetError> {
    let (n, rest) = match *at.inputs[0].shape.dims() {
        [n] => (n, vec![]),
        [n, h, w] => (n, vec![h, w]),
        _ => return Err(at.wants("a vector [N] or a map [C, H, W]")),
    };
    if out == 0 {
        return Err(at.wants("at least one output"));
    }
    let mut params = vec![at.param(Role::Weight, [out, n])];
    if bias {
        params.push(at.param(Role::Bias, [out]));
    }
    let pixels: usize = rest.iter().product();
    let macs = n.saturating_mul(out).saturating_mul(pixels) as u64;
    let field = if rest.is_empty() { None } else { at.inputs[0].field };
    let shape = Shape::new([vec![out], rest].concat());
    Ok(LayerFacts { shape, params, macs, field })
}

fn layer_norm(at: &At<'_>, eps: f32) -> Result<LayerFacts, NetError> {
    if !(eps >= 0.0 && eps.is_finite()) {
        return Err(at.wants(format!("a finite eps of at least 0, not {eps}")));
    }
    Ok(at.by_channel(&[Role::Weight, Role::Bias]))
}

fn slice(at: &At<'_>, from: usize, to: usize) -> Result<LayerFacts, NetError> {
    let mut dims = at.inputs[0].shape.to_vec();
    match dims.first_mut() {
        Some(c) if from < to && to <= *c => *c = to - from,
        _ => return Err(at.wants(format!("channels {from} to {to} to be some of them"))),
    }
    Ok(at.plain(dims.into()))
}

fn shuffle(at: &At<'_>, groups: usize) -> Result<LayerFacts, NetError> {
    match at.inputs[0].shape.first() {
        Some(c) if groups > 0 && c.is_multiple_of(groups) => {
            Ok(at.plain(at.inputs[0].shape.clone()))
        }
        _ => Err(at.wants(format!("channels in {groups} groups"))),
    }
}

fn activate(at: &At<'_>, activation: Activation) -> Result<LayerFacts, NetError> {
    match activation {
        Activation::Clip { min, max } if min >= max || min.is_nan() || max.is_nan() => {
            Err(at.wants(format!("a min ({min}) below max ({max})")))
        }
        Activation::Elu { alpha: factor } | Activation::LeakyRelu { slope: factor }
            if !factor.is_finite() =>
        {
            Err(at.wants(format!("a finite factor below zero, not {factor}")))
        }
        Activation::Clip { .. }
        | Activation::Elu { .. }
        | Activation::LeakyRelu { .. }
        | Activation::Sigmoid
        | Activation::HardSigmoid
        | Activation::HardSwish
        | Activation::Silu
        | Activation::Gelu
        | Activation::GeluTanh
        | Activation::Tanh => Ok(at.plain(at.inputs[0].shape.clone())),
    }
}

fn padded(at: &At<'_>, pad: Pad, crop: Pad) -> Result<LayerFacts, NetError> {
    let [c, h, w] = at.map()?;
    let extent = |n: usize, axis: usize| {
        n.checked_add(pads(pad, axis))?.checked_sub(pads(crop, axis)).filter(|n| *n > 0)
    };
    let (Some(h), Some(w)) = (extent(h, 0), extent(w, 1)) else {
        return Err(at.wants("a map larger than what is cut off it"));
    };
    let before = [pad.top, pad.left];
    let field = at.inputs[0].field.map(|f| widen(f, [1, 1], [1, 1], [1, 1], before));
    let field = field.map(|mut f| {
        for (i, cut) in [crop.top, crop.left].into_iter().enumerate() {
            f.start[i] = f.start[i].saturating_add_unsigned(cut.saturating_mul(f.stride[i]));
        }
        f
    });
    Ok(LayerFacts { field, ..at.plain([c, h, w].into()) })
}

fn mul(at: &At<'_>) -> Result<LayerFacts, NetError> {
    let (x, gate) = (&at.inputs[0].shape, &at.inputs[1].shape);
    let single = gate.iter().skip(1).all(|n| *n == 1);
    let vector = matches!(gate.len(), 1 | 3) && single && gate.first() == x.first();
    if x != gate && !vector {
        return Err(
            at.wants("two inputs of one shape, or a map [C, H, W] and a vector [C] or [C, 1, 1]")
        );
    }
    Ok(LayerFacts { field: joined(at.inputs), ..at.plain(x.clone()) })
}

fn add(at: &At<'_>) -> Result<LayerFacts, NetError> {
    let shape = &at.inputs[0].shape;
    if at.inputs.iter().any(|f| &f.shape != shape) {
        return Err(at.wants("inputs of one shape"));
    }
    Ok(LayerFacts { field: joined(at.inputs), ..at.plain(shape.clone()) })
}

fn concat(at: &At<'_>) -> Result<LayerFacts, NetError> {
    let rest = at.inputs[0].shape.get(1..);
    if rest.is_none() || at.inputs.iter().any(|f| f.shape.get(1..) != rest) {
        return Err(at.wants("inputs that differ in their channels only"));
    }
    let mut dims = at.inputs[0].shape.to_vec();
    dims[0] = at.inputs.iter().fold(0, |n: usize, f| n.saturating_add(f.shape[0]));
    Ok(LayerFacts { field: joined(at.inputs), ..at.plain(dims.into()) })
}

/// The smallest patch that holds the patches of all inputs.
fn joined(inputs: &[&LayerFacts]) -> Option<ReceptiveField> {
    let mut all = inputs[0].field?;
    for f in &inputs[1..] {
        let f = f.field?;
        for i in 0..2 {
            let end = |f: &ReceptiveField| f.start[i].saturating_add_unsigned(f.size[i]);
            let (start, end) = (all.start[i].min(f.start[i]), end(&all).max(end(&f)));
            all.start[i] = start;
            all.size[i] = end.saturating_sub(start) as usize;
        }
    }
    Some(all)
}
