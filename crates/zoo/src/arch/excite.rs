//! Inverted residuals with squeeze-and-excitation: `MobileNetV3` (Howard et al. 2019, tables 1 and 2) and
//! `EfficientNet` (Tan and Le 2019, tables 1 and section 3.3), in torchvision's names.

use regraft_net::op::{Activation, Conv2d, Pad, Window};
use regraft_net::{NetError, Op};

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
}

/// The nearest multiple of 8 that loses less than a tenth.
pub(super) fn rounded(wanted: f64) -> usize {
    let near = ((wanted + 4.0) as usize / 8 * 8).max(8);
    if (near as f64) < 0.9 * wanted { near + 8 } else { near }
}

fn conv(
    b: &mut Build,
    path: &str,
    (out, kernel, stride, groups): (usize, usize, usize, usize),
    eps: f32,
) -> Result<(), NetError> {
    let spec = Conv2d::new(out, kernel).stride(stride).pad(Pad::all(kernel / 2)).groups(groups);
    b.push(&format!("{path}.0"), Op::Conv2d(spec))?;
    b.push(&format!("{path}.1"), Op::BatchNorm { eps })
}

fn activation(curve: Option<Activation>) -> Op {
    curve.map_or(Op::Relu, Op::Activate)
}

/// Mean over the map, two small layers, and the product of what they say with the map.
fn excite(b: &mut Build, path: &str, block: &Block, style: &Style) -> Result<(), NetError> {
    let from = b.at();
    let extent = b.shape()?[1];
    let window = Window::new(extent, 1, 0);
    b.push(&format!("{path}.avgpool"), Op::AvgPool { window, count_pad: true })?;
    b.push(&format!("{path}.fc1"), Op::Conv2d(Conv2d::new(block.squeeze, 1).bias()))?;
    b.push(&format!("{path}.activation"), activation(style.squeeze))?;
    b.push(&format!("{path}.fc2"), Op::Conv2d(Conv2d::new(block.wide, 1).bias()))?;
    b.push(&format!("{path}.scale_activation"), Op::Activate(style.gate))?;
    b.join(path, Op::Mul, &[from, b.at()])
}

/// `place` is the block's own path, `end` the name of its last layer.
fn block(
    b: &mut Build,
    [place, end]: [&str; 2],
    spec: &Block,
    style: &Style,
) -> Result<(), NetError> {
    let channels = b.channels()?;
    let (from, mut n) = (b.at(), 0);
    let mut next = || {
        n += 1;
        format!("{place}.block.{}", n - 1)
    };
    let act = activation(spec.curved.then_some(style.curve));
    if spec.wide != channels {
        let path = next();
        conv(b, &path, (spec.wide, 1, 1, 1), style.eps)?;
        b.push(&format!("{path}.2"), act.clone())?;
    }
    let path = next();
    conv(b, &path, (spec.wide, spec.kernel, spec.stride, spec.wide), style.eps)?;
    b.push(&format!("{path}.2"), act)?;
    if spec.squeeze > 0 {
        excite(b, &next(), spec, style)?;
    }
    conv(b, &next(), (spec.out, 1, 1, 1), style.eps)?;
    if spec.stride == 1 && channels == spec.out {
        b.add(end, from)?;
    } else {
        b.push(end, Op::Identity)?;
    }
    b.mark();
    Ok(())
}

/// Kernel, channels in the middle, channels out, squeezed, curved, stride.
type Row = (usize, usize, usize, bool, bool, usize);

#[derive(Debug, Clone, Copy)]
pub(super) struct V3 {
    rows: &'static [Row],
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
    hidden: 1024,
};

pub(super) fn mobilenet_v3(size: usize, plan: &V3) -> Result<Made, NetError> {
    let style = Style {
        eps: 1e-3,
        curve: Activation::HardSwish,
        gate: Activation::HardSigmoid,
        squeeze: None,
    };
    let mut b = Build::new(size, Padding::Symmetric, style.eps)?;
    conv(&mut b, "features.0", (16, 3, 2, 1), style.eps)?;
    b.push("features.0.2", Op::Activate(style.curve))?;
    b.mark();
    let mut last = 16;
    for (i, (kernel, wide, out, squeezed, curved, stride)) in (1..).zip(plan.rows.iter().copied()) {
        let squeeze = if squeezed { rounded(wide as f64 / 4.0) } else { 0 };
        let spec = Block { kernel, stride, wide, out, squeeze, curved };
        let place = format!("features.{i}");
        block(&mut b, [&place, &place], &spec, &style)?;
        last = out;
    }
    let path = format!("features.{}", plan.rows.len() + 1);
    conv(&mut b, &path, (6 * last, 1, 1, 1), style.eps)?;
    b.push(&format!("{path}.2"), Op::Activate(style.curve))?;
    b.mark();
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
}

pub(super) fn efficientnet(size: usize, plan: &Efficient) -> Result<Made, NetError> {
    let style = Style {
        eps: plan.eps,
        curve: Activation::Silu,
        gate: Activation::Sigmoid,
        squeeze: Some(Activation::Silu),
    };
    let mut b = Build::new(size, Padding::Symmetric, style.eps)?;
    let scaled = |channels: usize| rounded(channels as f64 * plan.width);
    conv(&mut b, "features.0", (scaled(32), 3, 2, 1), style.eps)?;
    b.push("features.0.2", Op::Activate(style.curve))?;
    b.mark();
    for (stage, [expand, kernel, stride, _, out, repeats]) in (1..).zip(STAGES) {
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
            let place = format!("features.{stage}.{i}");
            let stage = format!("features.{stage}");
            let end = if i + 1 == repeats { &stage } else { &place };
            block(&mut b, [&place, end], &spec, &style)?;
        }
    }
    conv(&mut b, "features.8", (4 * scaled(320), 1, 1, 1), style.eps)?;
    b.push("features.8.2", Op::Activate(style.curve))?;
    b.mark();
    b.push("avgpool", Op::GlobalAvgPool)?;
    b.push("classifier.0", Op::Dropout { rate: plan.dropout })?;
    b.push("classifier.1", Op::Linear { out: 1000, bias: true })?;
    Ok(b.made())
}
