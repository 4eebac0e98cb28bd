//! `ConvNeXt` (Liu et al. 2022, section 2 and table 9), in torchvision's and timm's names.

use regraft_net::op::{Activation, Conv2d, Pad};
use regraft_net::{NetError, Op};

use super::Naming;
use super::build::{Build, Made, Padding};

#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    pub(super) depths: [usize; 4],
    pub(super) widths: [usize; 4],
}

const NORM: Op = Op::LayerNorm { eps: 1e-6 };

const fn linear(out: usize) -> Op {
    Op::Linear { out, bias: true }
}

/// Names of a block's layers: depthwise, norm, matrix, curve, matrix, scale.
fn names(timm: bool, path: &str) -> [String; 6] {
    let words = if timm {
        ["conv_dw", "norm", "mlp.fc1", "mlp.act", "mlp.fc2", "gamma"]
    } else {
        ["block.0", "block.2", "block.3", "block.4", "block.5", "layer_scale"]
    };
    words.map(|word| format!("{path}.{word}"))
}

pub(super) fn made(naming: Naming, size: usize, plan: &Plan) -> Result<Made, NetError> {
    let timm = naming.is_timm();
    let mut b = Build::new(size, Padding::Symmetric, 1e-6)?;
    let patches = |out, size| Op::Conv2d(Conv2d::new(out, size).stride(size).bias());
    let [stem, norm] = if timm { ["stem.0", "stem.1"] } else { ["features.0.0", "features.0.1"] };
    b.push(stem, patches(plan.widths[0], 4))?;
    b.push(norm, NORM)?;
    b.mark();
    for (stage, (depth, width)) in plan.depths.into_iter().zip(plan.widths).enumerate() {
        let path = |i: usize| {
            if timm {
                format!("stages.{stage}.blocks.{i}")
            } else {
                format!("features.{}.{i}", 2 * stage + 1)
            }
        };
        if stage > 0 {
            let down = if timm {
                format!("stages.{stage}.downsample")
            } else {
                format!("features.{}", 2 * stage)
            };
            b.push(&format!("{down}.0"), NORM)?;
            b.push(&format!("{down}.1"), patches(width, 2))?;
        }
        for i in 0..depth {
            let path = path(i);
            let [conv, norm, up, curve, down, scale] = names(timm, &path);
            let from = b.at();
            let depthwise = Conv2d::new(width, 7).pad(Pad::all(3)).groups(width).bias();
            b.push(&conv, Op::Conv2d(depthwise))?;
            b.push(&norm, NORM)?;
            b.push(&up, linear(4 * width))?;
            b.push(&curve, Op::Activate(Activation::Gelu))?;
            b.push(&down, linear(width))?;
            b.push(&scale, Op::Scale { bias: false })?;
            b.add(&path, from)?;
            b.mark();
        }
    }
    let [pool, norm, head] = if timm {
        ["head.global_pool", "head.norm", "head.fc"]
    } else {
        ["avgpool", "classifier.0", "classifier.2"]
    };
    b.push(pool, Op::GlobalAvgPool)?;
    // Transformers has another epsilon in this one norm.
    let eps = if naming == Naming::Transformers { 1e-12 } else { 1e-6 };
    b.push(norm, Op::LayerNorm { eps })?;
    b.push(head, linear(1000))?;
    Ok(b.made())
}
