//! Inverted residuals: MobileNetV2 (Sandler et al. 2018, table 2) and EfficientNet-Lite (Tan and Le
//! 2019, table 1, without squeeze-and-excitation), in the names of three frameworks.

use regraft_net::{Graph, NetError, Op};

use super::build::{Build, Kernel, Padding};
use super::{ArchInfo, Naming};

/// A row of the table: blocks of one kind.
#[derive(Debug, Clone, Copy)]
struct Stage {
    repeats: usize,
    kernel: usize,
    /// Of the first block; the others have 1.
    stride: usize,
    expand: usize,
    out: usize,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    stages: &'static [Stage; 7],
    /// Multiplies the channels between stem and head.
    width: f64,
    /// Multiplies the repeats between the first and the last stage.
    depth: f64,
    /// Before the last layer, where the framework has it in its default model.
    dropout: f32,
}

const fn stage(repeats: usize, kernel: usize, stride: usize, expand: usize, out: usize) -> Stage {
    Stage { repeats, kernel, stride, expand, out }
}

const V2_STAGES: [Stage; 7] = [
    stage(1, 3, 1, 1, 16),
    stage(2, 3, 2, 6, 24),
    stage(3, 3, 2, 6, 32),
    stage(4, 3, 2, 6, 64),
    stage(3, 3, 1, 6, 96),
    stage(3, 3, 2, 6, 160),
    stage(1, 3, 1, 6, 320),
];

const LITE_STAGES: [Stage; 7] = [
    stage(1, 3, 1, 1, 16),
    stage(2, 3, 2, 6, 24),
    stage(2, 5, 2, 6, 40),
    stage(3, 3, 2, 6, 80),
    stage(3, 5, 1, 6, 112),
    stage(4, 5, 2, 6, 192),
    stage(1, 3, 1, 6, 320),
];

pub(super) const V2: Plan = Plan { stages: &V2_STAGES, width: 1.0, depth: 1.0, dropout: 0.2 };
pub(super) const LITE0: Plan = Plan { stages: &LITE_STAGES, ..V2 };
pub(super) const LITE1: Plan = Plan { depth: 1.1, ..LITE0 };
pub(super) const LITE2: Plan = Plan { width: 1.1, depth: 1.2, dropout: 0.3, ..LITE0 };

const STEM: usize = 32;
const HEAD: usize = 1280;

impl Plan {
    /// Channels of a stage: the nearest multiple of 8 that loses less than a tenth.
    fn channels(&self, stage: usize) -> usize {
        let wanted = self.stages[stage].out as f64 * self.width;
        let rounded = ((wanted + 4.0) as usize / 8 * 8).max(8);
        if (rounded as f64) < 0.9 * wanted { rounded + 8 } else { rounded }
    }

    /// Blocks of a stage. EfficientNet-Lite scales neither the first nor the last.
    fn repeats(&self, stage: usize) -> usize {
        let repeats = self.stages[stage].repeats;
        if stage == 0 || stage + 1 == self.stages.len() {
            return repeats;
        }
        (repeats as f64 * self.depth).ceil() as usize
    }

    /// Every block as `(stage, place in the stage, place in the network)`.
    fn blocks(&self) -> impl Iterator<Item = (usize, usize, usize)> {
        let places = (0..self.stages.len()).flat_map(|s| (0..self.repeats(s)).map(move |i| (s, i)));
        places.enumerate().map(|(n, (s, i))| (s, i, n))
    }
}

/// Names of a convolution, its batch norm, and the activation after it.
type Unit = [String; 3];

/// Names of the layers of one block; the last convolution has no activation.
struct Names {
    expand: Unit,
    depthwise: Unit,
    project: [String; 2],
    end: String,
}

fn unit(path: &str, names: [&str; 3]) -> Unit {
    names.map(|n| format!("{path}{n}"))
}

fn stem(naming: Naming) -> Unit {
    match naming {
        Naming::Torchvision | Naming::Caffe => unit("features.0", [".0", ".1", ".2"]),
        Naming::Timm | Naming::Transformers => unit("", ["conv_stem", "bn1", "bn1.act"]),
        Naming::Lukemelas => unit("", ["_conv_stem", "_bn0", "_swish0"]),
        Naming::Keras => unit("", ["Conv1", "bn_Conv1", "Conv1_relu"]),
    }
}

/// `blocks` are the blocks of the whole network.
fn head(naming: Naming, blocks: usize) -> Unit {
    match naming {
        Naming::Torchvision | Naming::Caffe => {
            unit(&format!("features.{}", blocks + 1), [".0", ".1", ".2"])
        }
        Naming::Timm | Naming::Transformers => unit("", ["conv_head", "bn2", "bn2.act"]),
        Naming::Lukemelas => unit("", ["_conv_head", "_bn1", "_swish1"]),
        Naming::Keras => unit("", ["Conv_1", "Conv_1_bn", "out_relu"]),
    }
}

/// Name of a block's last layer: in timm the stage's for its last block.
fn end(naming: Naming, plan: &Plan, (stage, i, n): (usize, usize, usize)) -> String {
    match naming {
        Naming::Torchvision | Naming::Caffe => format!("features.{}", n + 1),
        Naming::Timm | Naming::Transformers if i + 1 == plan.repeats(stage) => {
            format!("blocks.{stage}")
        }
        Naming::Timm | Naming::Transformers => format!("blocks.{stage}.{i}"),
        Naming::Lukemelas => format!("_blocks.{n}"),
        Naming::Keras if n == 0 => "expanded_conv".to_owned(),
        Naming::Keras => format!("block_{n}"),
    }
}

fn names(naming: Naming, plan: &Plan, at: (usize, usize, usize)) -> Names {
    let (stage, i, n) = at;
    let expands = plan.stages[stage].expand != 1;
    let pair = |path: &str, names: [&str; 2]| names.map(|n| format!("{path}{n}"));
    let (expand, depthwise, project) = match naming {
        Naming::Torchvision | Naming::Caffe => {
            let p = format!("features.{}.conv.", n + 1);
            let expand = unit(&p, ["0.0", "0.1", "0.2"]);
            if expands {
                (expand, unit(&p, ["1.0", "1.1", "1.2"]), pair(&p, ["2", "3"]))
            } else {
                (expand.clone(), expand, pair(&p, ["1", "2"]))
            }
        }
        Naming::Timm | Naming::Transformers => {
            let p = format!("blocks.{stage}.{i}.");
            let first = |conv| unit(&p, [conv, "bn1", "bn1.act"]);
            if expands {
                let depthwise = unit(&p, ["conv_dw", "bn2", "bn2.act"]);
                (first("conv_pw"), depthwise, pair(&p, ["conv_pwl", "bn3"]))
            } else {
                (first("conv_pw"), first("conv_dw"), pair(&p, ["conv_pw", "bn2"]))
            }
        }
        Naming::Keras => {
            let p = if n == 0 { "expanded_conv_".to_owned() } else { format!("block_{n}_") };
            (
                unit(&p, ["expand", "expand_BN", "expand_relu"]),
                unit(&p, ["depthwise", "depthwise_BN", "depthwise_relu"]),
                pair(&p, ["project", "project_BN"]),
            )
        }
        Naming::Lukemelas => {
            let p = format!("_blocks.{n}.");
            (
                unit(&p, ["_expand_conv", "_bn0", "_swish0"]),
                unit(&p, ["_depthwise_conv", "_bn1", "_swish1"]),
                pair(&p, ["_project_conv", "_bn2"]),
            )
        }
    };
    Names { expand, depthwise, project, end: end(naming, plan, at) }
}

pub(super) fn blocks(naming: Naming, plan: &Plan) -> Vec<String> {
    let [_, _, stem_end] = stem(naming);
    let [_, _, head_end] = head(naming, plan.blocks().count());
    let ends = plan.blocks().map(|at| end(naming, plan, at));
    std::iter::once(stem_end).chain(ends).chain([head_end]).collect()
}

pub(super) fn graph(info: &ArchInfo, plan: &Plan) -> Result<Graph, NetError> {
    // TensorFlow's epsilon and padding came along with its weights.
    let (padding, eps) = match info.naming {
        Naming::Torchvision | Naming::Timm | Naming::Transformers | Naming::Caffe => {
            (Padding::Symmetric, 1e-5)
        }
        Naming::Lukemelas | Naming::Keras => (Padding::Same, 1e-3),
    };
    let dropout = match info.naming {
        Naming::Torchvision | Naming::Caffe => Some("classifier.0"),
        Naming::Lukemelas => Some("_dropout"),
        Naming::Timm | Naming::Transformers | Naming::Keras => None,
    };
    let mut b = Build::new(info.size, padding, eps)?;
    active(&mut b, &stem(info.naming), Kernel { out: STEM, size: 3, stride: 2, groups: 1 })?;
    let mut channels = STEM;
    for at in plan.blocks() {
        channels = block(&mut b, &names(info.naming, plan, at), plan, at, channels)?;
    }
    let head = head(info.naming, plan.blocks().count());
    active(&mut b, &head, Kernel { out: HEAD, size: 1, stride: 1, groups: 1 })?;
    b.push(info.penultimate, Op::GlobalAvgPool)?;
    if let Some(name) = dropout {
        b.push(name, Op::Dropout { rate: plan.dropout })?;
    }
    b.push(info.logits, Op::Linear { out: 1000, bias: true })?;
    Ok(b.finish())
}

/// Convolution, batch norm, `ReLU6`.
fn active(b: &mut Build, [conv, norm, act]: &Unit, kernel: Kernel) -> Result<(), NetError> {
    b.conv_norm([conv, norm], kernel)?;
    b.push(act, Op::Relu6)
}

/// One inverted residual; gives the channels it ends with.
fn block(
    b: &mut Build,
    names: &Names,
    plan: &Plan,
    (stage, i, _): (usize, usize, usize),
    channels: usize,
) -> Result<usize, NetError> {
    let Stage { kernel, stride, expand, .. } = plan.stages[stage];
    let stride = if i == 0 { stride } else { 1 };
    let (wide, out) = (channels * expand, plan.channels(stage));
    let start = b.here().0;
    if expand != 1 {
        active(b, &names.expand, Kernel { out: wide, size: 1, stride: 1, groups: 1 })?;
    }
    active(b, &names.depthwise, Kernel { out: wide, size: kernel, stride, groups: wide })?;
    let [conv, norm] = &names.project;
    b.conv_norm([conv, norm], Kernel { out, size: 1, stride: 1, groups: 1 })?;
    if stride == 1 && channels == out {
        b.add(&names.end, start)?;
    } else {
        b.push(&names.end, Op::Identity)?;
    }
    Ok(out)
}
