//! Residual networks of He et al. 2015 (table 1), with the stride of a bottleneck in its 3 x 3
//! convolution, as both torchvision and timm have it.

use regraft_net::{Graph, NetError, Op};

use super::build::{Build, Kernel, Padding};
use super::{ArchInfo, Naming};

/// Kind of residual block (figure 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Block {
    /// Two 3 x 3 convolutions.
    Basic,
    /// 1 x 1, 3 x 3, 1 x 1 with four times the width.
    Bottleneck,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    pub(super) block: Block,
    /// Blocks in each of the four stages.
    pub(super) repeats: [usize; 4],
    /// Groups of the 3 x 3 convolution of a bottleneck (Xie et al. 2016, table 1).
    pub(super) groups: usize,
    /// Its channels in each group where the stage has 64 (`ResNeXt`: 4, wide: 128).
    pub(super) base: usize,
}

const WIDTHS: [usize; 4] = [64, 128, 256, 512];
const EPS: f32 = 1e-5;

/// torchvision says `relu`, timm says `act`.
fn act_word(naming: Naming) -> &'static str {
    match naming {
        Naming::Torchvision | Naming::Lukemelas | Naming::Caffe | Naming::Keras => "relu",
        Naming::Timm | Naming::Transformers => "act",
    }
}

/// Name of a block's last layer: the stage's for the last block.
fn end(plan: &Plan, stage: usize, i: usize) -> String {
    if i + 1 == plan.repeats[stage] {
        format!("layer{}", stage + 1)
    } else {
        format!("layer{}.{i}", stage + 1)
    }
}

pub(super) fn blocks(_: Naming, plan: &Plan) -> Vec<String> {
    let ends = (0..4).flat_map(|s| (0..plan.repeats[s]).map(move |i| end(plan, s, i)));
    std::iter::once("maxpool".to_owned()).chain(ends).collect()
}

pub(super) fn graph(info: &ArchInfo, plan: &Plan) -> Result<Graph, NetError> {
    let act = act_word(info.naming);
    let mut b = Build::new(info.size, Padding::Symmetric, EPS)?;
    b.conv_norm(["conv1", "bn1"], Kernel { out: 64, size: 7, stride: 2, groups: 1 })?;
    let stem = match info.naming {
        Naming::Torchvision | Naming::Lukemelas | Naming::Caffe | Naming::Keras => "relu",
        Naming::Timm | Naming::Transformers => "act1",
    };
    b.push(stem, Op::Relu)?;
    b.max_pool("maxpool")?;
    let mut channels = 64;
    for stage in 0..4 {
        for i in 0..plan.repeats[stage] {
            let stride = if stage > 0 && i == 0 { 2 } else { 1 };
            let path = format!("layer{}.{i}", stage + 1);
            let place = Place { path, act, end: end(plan, stage, i) };
            channels = block(&mut b, plan, &place, [channels, WIDTHS[stage]], stride)?;
        }
    }
    b.push(info.penultimate, Op::GlobalAvgPool)?;
    b.push(info.logits, Op::Linear { out: 1000, bias: true })?;
    Ok(b.finish())
}

/// Names in a block.
struct Place {
    path: String,
    act: &'static str,
    end: String,
}

/// One block from `channels` to the width of its stage; gives the channels it ends with.
fn block(
    b: &mut Build,
    plan: &Plan,
    place: &Place,
    [channels, width]: [usize; 2],
    stride: usize,
) -> Result<usize, NetError> {
    let Place { path, act, end } = place;
    // Output channels, kernel and stride of each convolution.
    let inner = width * plan.base / 64 * plan.groups;
    let (convs, out): (&[[usize; 3]], _) = match plan.block {
        Block::Basic => (&[[width, 3, stride], [width, 3, 1]], width),
        Block::Bottleneck => (&[[inner, 1, 1], [inner, 3, stride], [4 * width, 1, 1]], 4 * width),
    };
    let start = b.here();
    for (n, [out, size, stride]) in (1..).zip(convs.iter().copied()) {
        let groups = if size == 3 { plan.groups } else { 1 };
        let kernel = Kernel { out, size, stride, groups };
        b.conv_norm([&format!("{path}.conv{n}"), &format!("{path}.bn{n}")], kernel)?;
        if n < convs.len() {
            b.push(&format!("{path}.{act}{n}"), Op::Relu)?;
        }
    }
    let last = b.here();
    b.go(start);
    if stride != 1 || channels != out {
        let kernel = Kernel { out, size: 1, stride, groups: 1 };
        b.conv_norm([&format!("{path}.downsample.0"), &format!("{path}.downsample.1")], kernel)?;
    }
    let shortcut = b.here().0;
    b.go(last);
    b.add(&format!("{path}.add"), shortcut)?;
    b.push(end, Op::Relu)?;
    Ok(out)
}
