//! `ConvNeXt` (Liu et al. 2022, section 2 and table 9), in the names of torchvision, timm and Keras.

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

/// How layers are called.
enum Names {
    Torchvision,
    Timm,
    Keras,
}

impl Names {
    fn of(naming: Naming) -> Self {
        match naming {
            Naming::Timm | Naming::Transformers => Self::Timm,
            Naming::Keras => Self::Keras,
            Naming::Torchvision | Naming::Lukemelas | Naming::Caffe => Self::Torchvision,
        }
    }

    /// Convolution and norm.
    fn stem(&self) -> [&'static str; 2] {
        match self {
            Self::Torchvision => ["features.0.0", "features.0.1"],
            Self::Timm => ["stem.0", "stem.1"],
            Self::Keras => ["stem_conv", "stem_layernorm"],
        }
    }

    /// Norm and convolution before a stage other than the first.
    fn down(&self, stage: usize) -> [String; 2] {
        match self {
            Self::Torchvision => [0, 1].map(|i| format!("features.{}.{i}", 2 * stage)),
            Self::Timm => [0, 1].map(|i| format!("stages.{stage}.downsample.{i}")),
            Self::Keras => {
                ["layernorm", "conv"].map(|word| format!("downsampling_{word}_{}", stage - 1))
            }
        }
    }

    fn block(&self, stage: usize, i: usize) -> String {
        match self {
            Self::Torchvision => format!("features.{}.{i}", 2 * stage + 1),
            Self::Timm => format!("stages.{stage}.blocks.{i}"),
            Self::Keras => format!("stage_{stage}_block_{i}"),
        }
    }

    /// A block's layers: depthwise, norm, matrix, curve, matrix, scale.
    fn parts(&self, block: &str) -> [String; 6] {
        match self {
            Self::Torchvision => {
                ["block.0", "block.2", "block.3", "block.4", "block.5", "layer_scale"]
                    .map(|word| format!("{block}.{word}"))
            }
            Self::Timm => ["conv_dw", "norm", "mlp.fc1", "mlp.act", "mlp.fc2", "gamma"]
                .map(|word| format!("{block}.{word}")),
            Self::Keras => [
                "depthwise_conv",
                "layernorm",
                "pointwise_conv_1",
                "gelu",
                "pointwise_conv_2",
                "layer_scale",
            ]
            .map(|word| format!("{block}_{word}")),
        }
    }

    /// Mean, norm, scores.
    fn head(&self) -> [&'static str; 3] {
        match self {
            Self::Torchvision => ["avgpool", "classifier.0", "classifier.2"],
            Self::Timm => ["head.global_pool", "head.norm", "head.fc"],
            Self::Keras => ["head_gap", "head_layernorm", "head_dense"],
        }
    }
}

pub(super) fn made(naming: Naming, size: usize, plan: &Plan) -> Result<Made, NetError> {
    let names = Names::of(naming);
    let mut b = Build::new(size, Padding::Symmetric, 1e-6)?;
    let patches = |out, size| Op::Conv2d(Conv2d::new(out, size).stride(size).bias());
    let [stem, norm] = names.stem();
    b.push(stem, patches(plan.widths[0], 4))?;
    b.push(norm, NORM)?;
    b.mark();
    for (stage, (depth, width)) in plan.depths.into_iter().zip(plan.widths).enumerate() {
        if stage > 0 {
            let [norm, down] = names.down(stage);
            b.push(&norm, NORM)?;
            b.push(&down, patches(width, 2))?;
        }
        for i in 0..depth {
            let path = names.block(stage, i);
            let [conv, norm, up, curve, down, scale] = names.parts(&path);
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
    let [pool, norm, head] = names.head();
    b.push(pool, Op::GlobalAvgPool)?;
    // Transformers has another epsilon in this one norm.
    let eps = if naming == Naming::Transformers { 1e-12 } else { 1e-6 };
    b.push(norm, Op::LayerNorm { eps })?;
    b.push(head, linear(1000))?;
    Ok(b.made())
}
