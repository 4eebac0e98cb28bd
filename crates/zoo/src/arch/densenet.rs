//! Densely connected networks (Huang et al. 2016, table 1), in torchvision's and timm's names.

use regraft_net::op::{Conv2d, Pad, Window};
use regraft_net::{NetError, Op};

use super::build::{Build, Made, Padding};

#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    /// Channels that each layer adds.
    pub(super) growth: usize,
    /// Layers of each block.
    pub(super) layers: [usize; 4],
    /// Channels of the stem.
    pub(super) stem: usize,
}

const NORM: Op = Op::BatchNorm { eps: 1e-5 };

pub(super) fn made(size: usize, plan: &Plan, pool: &str) -> Result<Made, NetError> {
    let mut b = Build::new(size, Padding::Symmetric, 1e-5)?;
    let conv = |out, size, pad| Op::Conv2d(Conv2d::new(out, size).pad(Pad::all(pad)));
    b.push("features.conv0", Op::Conv2d(Conv2d::new(plan.stem, 7).stride(2).pad(Pad::all(3))))?;
    b.push("features.norm0", NORM)?;
    b.push("features.relu0", Op::Relu)?;
    b.push("features.pool0", Op::MaxPool(Window::new(3, 2, 1)))?;
    b.mark();
    let mut channels = plan.stem;
    for (n, layers) in (1..).zip(plan.layers) {
        for i in 1..=layers {
            let path = format!("features.denseblock{n}.denselayer{i}");
            let from = b.at();
            b.push(&format!("{path}.norm1"), NORM)?;
            b.push(&format!("{path}.relu1"), Op::Relu)?;
            b.push(&format!("{path}.conv1"), conv(4 * plan.growth, 1, 0))?;
            b.push(&format!("{path}.norm2"), NORM)?;
            b.push(&format!("{path}.relu2"), Op::Relu)?;
            b.push(&format!("{path}.conv2"), conv(plan.growth, 3, 1))?;
            let last = i == layers;
            let end = if last { format!("features.denseblock{n}") } else { path };
            b.join(&end, Op::Concat, &[from, b.at()])?;
            channels += plan.growth;
        }
        b.mark();
        if n < 4 {
            channels /= 2;
            let path = format!("features.transition{n}");
            b.push(&format!("{path}.norm"), NORM)?;
            b.push(&format!("{path}.relu"), Op::Relu)?;
            b.push(&format!("{path}.conv"), conv(channels, 1, 0))?;
            b.push(&path, Op::AvgPool { window: Window::new(2, 2, 0), count_pad: true })?;
        }
    }
    b.push("features.norm5", NORM)?;
    b.push("features.relu5", Op::Relu)?;
    b.push(pool, Op::GlobalAvgPool)?;
    b.push("classifier", Op::Linear { out: 1000, bias: true })?;
    Ok(b.made())
}
