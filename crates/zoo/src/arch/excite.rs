//! Inverted residuals with squeeze-and-excitation: `MobileNetV3` (Howard et al. 2019, tables 1 and 2) and
//! `EfficientNet` (Tan and Le 2019, tables 1 and section 3.3), in the names of torchvision, timm and Keras.

use regraft_net::op::{Activation, Conv2d, Pad, Window};
use regraft_net::{NetError, Op};

use super::Naming;
use super::build::{Build, Made, Padding};

/// One block.
#[derive(Debug, Clone, Copy)]
pub(super) struct Block {
    kernel: usize,
    stride: usize,
    /// Channels in the middle.
    wide: usize,
    out: usize,
    /// Channels of the squeeze, 0 for none.
    squeeze: usize,
    /// Whether its curve is the network's, not `ReLU`.
    curved: bool,
}

#[derive(Debug, Clone, Copy)]
struct Style {
    eps: f32,
    curve: Activation,
    gate: Activation,
    /// Of the squeeze; none for `ReLU`.
    squeeze: Option<Activation>,
    naming: Naming,
    /// Whether convolutions are padded as `TensorFlow` does it.
    same: bool,
}

/// The nearest multiple of 8 that loses less than a tenth.
pub(super) fn rounded(wanted: f64) -> usize {
    let near = ((wanted + 4.0) as usize / 8 * 8).max(8);
    if (near as f64) < 0.9 * wanted { near + 8 } else { near }
}

/// Convolution, norm, activation.
type Unit = [String; 3];

/// Names of the layers of one block.
struct Names {
    expand: Unit,
    depthwise: Unit,
    squeeze: Squeeze,
    project: [String; 2],
    end: String,
}

/// Mean, layer, activation, layer, gate; and the product.
struct Squeeze {
    parts: [String; 5],
    end: String,
}

fn unit(path: &str, names: [&str; 3]) -> Unit {
    names.map(|name| format!("{path}{name}"))
}

impl Names {
    /// `place` is the block's own path.
    fn new(naming: Naming, place: &str, end: &str, [expands, squeezed]: [bool; 2]) -> Self {
        let end = end.to_owned();
        if naming == Naming::Keras {
            return Self::keras(place, end);
        }
        if naming.is_timm() {
            let path = format!("{place}.");
            let first = |conv| unit(&path, [conv, "bn1", "bn1.act"]);
            let words = ["pool", "conv_reduce", "act1", "conv_expand", "gate"];
            let squeeze = Squeeze {
                parts: words.map(|word| format!("{path}se.{word}")),
                end: format!("{path}se"),
            };
            let (depthwise, project) = if expands {
                (unit(&path, ["conv_dw", "bn2", "bn2.act"]), ["conv_pwl", "bn3"])
            } else {
                (first("conv_dw"), ["conv_pw", "bn2"])
            };
            let project = project.map(|word| format!("{path}{word}"));
            return Self { expand: first("conv_pw"), depthwise, squeeze, project, end };
        }
        let mut n = 0;
        let mut next = |there: bool| {
            n += usize::from(there);
            format!("{place}.block.{}", n.max(1) - 1)
        };
        let three = |path: String| unit(&path, [".0", ".1", ".2"]);
        let (expand, depthwise) = (three(next(expands)), three(next(true)));
        let path = next(squeezed);
        let words = ["avgpool", "fc1", "activation", "fc2", "scale_activation"];
        let squeeze =
            Squeeze { parts: words.map(|word| format!("{path}.{word}")), end: path.clone() };
        let path = next(true);
        let project = [".0", ".1"].map(|word| format!("{path}{word}"));
        Self { expand, depthwise, squeeze, project, end }
    }

    /// Blocks of `EfficientNet` (`block1a`) and of `MobileNetV3` (`expanded_conv_1`) in Keras. What it
    /// names by itself has names of ours.
    fn keras(place: &str, end: String) -> Self {
        let path = format!("{place}_");
        if place.starts_with("block") {
            let words = ["se_squeeze", "se_reduce", "se_reduce_activation", "se_expand", "se_gate"];
            return Self {
                expand: unit(&path, ["expand_conv", "expand_bn", "expand_activation"]),
                depthwise: unit(&path, ["dwconv", "bn", "activation"]),
                squeeze: Squeeze {
                    parts: words.map(|word| format!("{path}{word}")),
                    end: format!("{path}se_excite"),
                },
                project: ["project_conv", "project_bn"].map(|word| format!("{path}{word}")),
                end,
            };
        }
        let words = ["avg_pool", "conv", "relu", "conv_1", "gate"];
        Self {
            expand: unit(&path, ["expand", "expand_bn", "expand_act"]),
            depthwise: unit(&path, ["depthwise", "depthwise_bn", "depthwise_act"]),
            squeeze: Squeeze {
                parts: words.map(|word| format!("{path}squeeze_excite_{word}")),
                end: format!("{path}squeeze_excite_mul"),
            },
            project: ["project", "project_bn"].map(|word| format!("{path}{word}")),
            end,
        }
    }
}

fn conv(
    b: &mut Build,
    [name, norm]: [&str; 2],
    (out, kernel, stride, groups): (usize, usize, usize, usize),
    style: &Style,
) -> Result<(), NetError> {
    let pad = if style.same {
        let extent = b.shape()?[1];
        Pad::same([extent; 2], [kernel; 2], [stride; 2], [1, 1])
    } else {
        Pad::all(kernel / 2)
    };
    let spec = Conv2d::new(out, kernel).stride(stride).pad(pad).groups(groups);
    b.push(name, Op::Conv2d(spec))?;
    b.push(norm, Op::BatchNorm { eps: style.eps })
}

fn activation(curve: Option<Activation>) -> Op {
    curve.map_or(Op::Relu, Op::Activate)
}

/// Convolution, norm and activation.
fn active(
    b: &mut Build,
    [name, norm, act]: &Unit,
    kernel: (usize, usize, usize, usize),
    (style, curve): (&Style, Op),
) -> Result<(), NetError> {
    conv(b, [name, norm], kernel, style)?;
    b.push(act, curve)
}

/// Mean over the map, two small layers, and the product of what they say with the map.
fn excite(b: &mut Build, names: &Squeeze, block: &Block, style: &Style) -> Result<(), NetError> {
    let from = b.at();
    let extent = b.shape()?[1];
    let window = Window::new(extent, 1, 0);
    let [pool, reduce, act, expand, gate] = &names.parts;
    b.push(pool, Op::AvgPool { window, count_pad: true })?;
    b.push(reduce, Op::Conv2d(Conv2d::new(block.squeeze, 1).bias()))?;
    b.push(act, activation(style.squeeze))?;
    b.push(expand, Op::Conv2d(Conv2d::new(block.wide, 1).bias()))?;
    b.push(gate, Op::Activate(style.gate))?;
    b.join(&names.end, Op::Mul, &[from, b.at()])
}

/// `place` is the block's own path, `end` the name of its last layer.
fn block(
    b: &mut Build,
    [place, end]: [&str; 2],
    spec: &Block,
    style: &Style,
) -> Result<(), NetError> {
    let channels = b.channels()?;
    let from = b.at();
    let (expands, squeezed) = (spec.wide != channels, spec.squeeze > 0);
    let names = Names::new(style.naming, place, end, [expands, squeezed]);
    let act = activation(spec.curved.then_some(style.curve));
    if expands {
        active(b, &names.expand, (spec.wide, 1, 1, 1), (style, act.clone()))?;
    }
    let depthwise = (spec.wide, spec.kernel, spec.stride, spec.wide);
    active(b, &names.depthwise, depthwise, (style, act))?;
    if squeezed {
        excite(b, &names.squeeze, spec, style)?;
    }
    let [project, norm] = &names.project;
    conv(b, [project, norm], (spec.out, 1, 1, 1), style)?;
    if spec.stride == 1 && channels == spec.out {
        b.add(&names.end, from)?;
    } else {
        b.push(&names.end, Op::Identity)?;
    }
    b.mark();
    Ok(())
}

/// The stem of both families.
fn stem(b: &mut Build, out: usize, style: &Style) -> Result<(), NetError> {
    let names = match style.naming {
        Naming::Timm | Naming::Transformers => unit("", ["conv_stem", "bn1", "bn1.act"]),
        Naming::Torchvision | Naming::Lukemelas | Naming::Caffe => {
            unit("features.0", [".0", ".1", ".2"])
        }
        // Of `MobileNetV3` there.
        Naming::Keras if style.squeeze.is_none() => unit("conv", ["", "_bn", "_act"]),
        Naming::Keras => unit("stem_", ["conv", "bn", "activation"]),
    };
    active(b, &names, (out, 3, 2, 1), (style, Op::Activate(style.curve)))?;
    b.mark();
    Ok(())
}

/// Kernel, channels in the middle, channels out, squeezed, curved, stride.
type Row = (usize, usize, usize, bool, bool, usize);

#[derive(Debug, Clone, Copy)]
pub(super) struct V3 {
    rows: &'static [Row],
    /// Rows in each of timm's stages.
    stages: &'static [usize],
    hidden: usize,
}

pub(super) const LARGE: V3 = V3 {
    rows: &[
        (3, 16, 16, false, false, 1),
        (3, 64, 24, false, false, 2),
        (3, 72, 24, false, false, 1),
        (5, 72, 40, true, false, 2),
        (5, 120, 40, true, false, 1),
        (5, 120, 40, true, false, 1),
        (3, 240, 80, false, true, 2),
        (3, 200, 80, false, true, 1),
        (3, 184, 80, false, true, 1),
        (3, 184, 80, false, true, 1),
        (3, 480, 112, true, true, 1),
        (3, 672, 112, true, true, 1),
        (5, 672, 160, true, true, 2),
        (5, 960, 160, true, true, 1),
        (5, 960, 160, true, true, 1),
    ],
    stages: &[1, 2, 3, 4, 2, 3],
    hidden: 1280,
};

pub(super) const SMALL: V3 = V3 {
    rows: &[
        (3, 16, 16, true, false, 2),
        (3, 72, 24, false, false, 2),
        (3, 88, 24, false, false, 1),
        (5, 96, 40, true, true, 2),
        (5, 240, 40, true, true, 1),
        (5, 240, 40, true, true, 1),
        (5, 120, 48, true, true, 1),
        (5, 144, 48, true, true, 1),
        (5, 288, 96, true, true, 2),
        (5, 576, 96, true, true, 1),
        (5, 576, 96, true, true, 1),
    ],
    stages: &[1, 2, 3, 2, 3],
    hidden: 1024,
};

/// Place of a row among timm's stages: stage, place in it, whether it is the last there.
fn staged(stages: &[usize], row: usize) -> (usize, usize, bool) {
    let mut before = 0;
    for (stage, rows) in stages.iter().enumerate() {
        if row < before + rows {
            return (stage, row - before, row + 1 == before + rows);
        }
        before += rows;
    }
    (stages.len(), 0, true)
}

/// Place and end of a block in timm: the stage has the name of its last block's end.
fn timm_place(stage: usize, i: usize, last: bool) -> [String; 2] {
    let place = format!("blocks.{stage}.{i}");
    let end = if last { format!("blocks.{stage}") } else { place.clone() };
    [place, end]
}

pub(super) fn mobilenet_v3(naming: Naming, size: usize, plan: &V3) -> Result<Made, NetError> {
    let (timm, keras) = (naming.is_timm(), naming == Naming::Keras);
    let style = Style {
        // Not in the weights: torchvision's were trained with one, timm's with the other.
        eps: if timm { 1e-5 } else { 1e-3 },
        curve: Activation::HardSwish,
        gate: Activation::HardSigmoid,
        squeeze: None,
        naming,
        same: keras,
    };
    let mut b = Build::new(size, Padding::Symmetric, style.eps)?;
    stem(&mut b, 16, &style)?;
    let mut last = 16;
    for (i, (kernel, wide, out, squeezed, curved, stride)) in plan.rows.iter().copied().enumerate()
    {
        let squeeze = if squeezed { rounded(wide as f64 / 4.0) } else { 0 };
        let spec = Block { kernel, stride, wide, out, squeeze, curved };
        let [place, end] = if timm {
            let (stage, i, last) = staged(plan.stages, i);
            timm_place(stage, i, last)
        } else if keras {
            let place =
                if i == 0 { "expanded_conv".to_owned() } else { format!("expanded_conv_{i}") };
            [place.clone(), place]
        } else {
            [format!("features.{}", i + 1), format!("features.{}", i + 1)]
        };
        block(&mut b, [&place, &end], &spec, &style)?;
        last = out;
    }
    let names = if timm {
        unit(&format!("blocks.{}.0", plan.stages.len()), [".conv", ".bn1", ".bn1.act"])
    } else if keras {
        unit("conv_1", ["", "_bn", "_act"])
    } else {
        unit(&format!("features.{}", plan.rows.len() + 1), [".0", ".1", ".2"])
    };
    active(&mut b, &names, (6 * last, 1, 1, 1), (&style, Op::Activate(style.curve)))?;
    b.mark();
    if timm {
        b.push("global_pool", Op::GlobalAvgPool)?;
        b.push("conv_head", Op::Linear { out: plan.hidden, bias: true })?;
        b.push("act2", Op::Activate(style.curve))?;
        b.push("classifier", Op::Linear { out: 1000, bias: true })?;
        return Ok(b.made());
    }
    if keras {
        b.push("global_average_pooling2d", Op::GlobalAvgPool)?;
        b.push("conv_2", Op::Linear { out: plan.hidden, bias: true })?;
        b.push("conv_2_act", Op::Activate(style.curve))?;
        b.push("dropout", Op::Dropout { rate: 0.2 })?;
        b.push("logits", Op::Linear { out: 1000, bias: true })?;
        return Ok(b.made());
    }
    b.push("avgpool", Op::GlobalAvgPool)?;
    b.push("classifier.0", Op::Linear { out: plan.hidden, bias: true })?;
    b.push("classifier.1", Op::Activate(style.curve))?;
    b.push("classifier.2", Op::Dropout { rate: 0.2 })?;
    b.push("classifier.3", Op::Linear { out: 1000, bias: true })?;
    Ok(b.made())
}

/// Expansion, kernel, stride, channels in and out, repeats.
const STAGES: [[usize; 6]; 7] = [
    [1, 3, 1, 32, 16, 1],
    [6, 3, 2, 16, 24, 2],
    [6, 5, 2, 24, 40, 2],
    [6, 3, 2, 40, 80, 3],
    [6, 5, 1, 80, 112, 3],
    [6, 5, 2, 112, 192, 4],
    [6, 3, 1, 192, 320, 1],
];

#[derive(Debug, Clone, Copy)]
pub(super) struct Efficient {
    pub(super) width: f64,
    pub(super) depth: f64,
    pub(super) dropout: f32,
    pub(super) eps: f32,
    /// Whether convolutions are padded as `TensorFlow` does it.
    pub(super) same: bool,
}

pub(super) fn efficientnet(
    naming: Naming,
    size: usize,
    plan: &Efficient,
) -> Result<Made, NetError> {
    let (timm, keras) = (naming.is_timm(), naming == Naming::Keras);
    let style = Style {
        eps: plan.eps,
        curve: Activation::Silu,
        gate: Activation::Sigmoid,
        squeeze: Some(Activation::Silu),
        naming,
        same: plan.same,
    };
    let mut b = Build::new(size, Padding::Symmetric, style.eps)?;
    let scaled = |channels: usize| rounded(channels as f64 * plan.width);
    stem(&mut b, scaled(32), &style)?;
    for (stage, [expand, kernel, stride, _, out, repeats]) in STAGES.into_iter().enumerate() {
        let repeats = (repeats as f64 * plan.depth).ceil() as usize;
        for i in 0..repeats {
            let channels = b.channels()?;
            let wide = if expand == 1 { channels } else { rounded((channels * expand) as f64) };
            let spec = Block {
                kernel,
                stride: if i == 0 { stride } else { 1 },
                wide,
                out: scaled(out),
                squeeze: (channels / 4).max(1),
                curved: true,
            };
            let last = i + 1 == repeats;
            let [place, end] = if timm {
                timm_place(stage, i, last)
            } else if keras {
                // `block2a`, `block2b`: never more than 26 of them.
                let letter = char::from(b'a' + u8::try_from(i).unwrap_or(25));
                let place = format!("block{}{letter}", stage + 1);
                [place.clone(), place]
            } else {
                let stage = format!("features.{}", stage + 1);
                let place = format!("{stage}.{i}");
                [place.clone(), if last { stage } else { place }]
            };
            block(&mut b, [&place, &end], &spec, &style)?;
        }
    }
    let names = if timm {
        unit("", ["conv_head", "bn2", "bn2.act"])
    } else if keras {
        unit("top_", ["conv", "bn", "activation"])
    } else {
        unit("features.8", [".0", ".1", ".2"])
    };
    let head = (4 * scaled(320), 1, 1, 1);
    active(&mut b, &names, head, (&style, Op::Activate(style.curve)))?;
    b.mark();
    if timm {
        b.push("global_pool", Op::GlobalAvgPool)?;
        b.push("classifier", Op::Linear { out: 1000, bias: true })?;
        return Ok(b.made());
    }
    if keras {
        b.push("avg_pool", Op::GlobalAvgPool)?;
        b.push("top_dropout", Op::Dropout { rate: plan.dropout })?;
        b.push("predictions", Op::Linear { out: 1000, bias: true })?;
        return Ok(b.made());
    }
    b.push("avgpool", Op::GlobalAvgPool)?;
    b.push("classifier.0", Op::Dropout { rate: plan.dropout })?;
    b.push("classifier.1", Op::Linear { out: 1000, bias: true })?;
    Ok(b.made())
}
