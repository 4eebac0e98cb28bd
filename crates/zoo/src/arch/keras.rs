//! Networks as Keras has them (`keras.applications`), in its names: residual networks with biases and
//! the stride in the first 1 x 1 convolution, their second version (He et al. 2016, figure 4), VGG,
//! `MobileNet` (Howard et al. 2017, table 1), `DenseNet`, and Xception (Chollet 2016, figure 5).

use regraft_net::op::{Conv2d, Pad, Window};
use regraft_net::{NetError, Op};

use super::build::{Build, Made, Padding};
use super::densenet;

/// Of the residual and dense networks.
const NORM: Op = Op::BatchNorm { eps: 1.001e-5 };
/// Of the others.
const OTHER: Op = Op::BatchNorm { eps: 1e-3 };

fn conv(out: usize, size: usize, stride: usize, pad: usize) -> Op {
    Op::Conv2d(Conv2d::new(out, size).stride(stride).pad(Pad::all(pad)).bias())
}

fn plain(out: usize, size: usize, stride: usize, pad: usize) -> Op {
    Op::Conv2d(Conv2d::new(out, size).stride(stride).pad(Pad::all(pad)))
}

/// TensorFlow's "same" for the map that arrives.
pub(super) fn same(b: &Build, size: usize, stride: usize) -> Result<Pad, NetError> {
    let shape = b.shape()?;
    Ok(Pad::same([shape[1], shape[2]], [size; 2], [stride; 2], [1, 1]))
}

fn ending(b: &mut Build, pool: &str) -> Result<(), NetError> {
    b.push(pool, Op::GlobalAvgPool)?;
    b.push("predictions", Op::Linear { out: 1000, bias: true })
}

/// Rows and columns of zeros, then a maximum: what is below zero loses against the border.
fn zero_max_pool(b: &mut Build, pad: &str, pool: &str) -> Result<(), NetError> {
    b.push(pad, Op::Pad { pad: Pad::all(1), crop: Pad::all(0) })?;
    b.push(pool, Op::MaxPool(Window::new(3, 2, 0)))
}

const WIDTHS: [usize; 4] = [64, 128, 256, 512];

pub(super) fn resnet(size: usize, repeats: [usize; 4]) -> Result<Made, NetError> {
    let mut b = Build::new(size, Padding::Symmetric, 0.0)?;
    b.push("conv1_conv", conv(64, 7, 2, 3))?;
    b.push("conv1_bn", NORM)?;
    b.push("conv1_relu", Op::Relu)?;
    zero_max_pool(&mut b, "pool1_pad", "pool1_pool")?;
    b.mark();
    for (stage, (repeats, width)) in (2..).zip(repeats.into_iter().zip(WIDTHS)) {
        for i in 1..=repeats {
            let path = format!("conv{stage}_block{i}");
            let stride = if i == 1 && stage > 2 { 2 } else { 1 };
            let from = b.at();
            if i == 1 {
                b.push(&format!("{path}_0_conv"), conv(4 * width, 1, stride, 0))?;
                b.push(&format!("{path}_0_bn"), NORM)?;
            }
            let shortcut = b.at();
            b.to(from);
            let steps = [(width, 1, stride, 0), (width, 3, 1, 1), (4 * width, 1, 1, 0)];
            for (n, (out, size, stride, pad)) in (1..).zip(steps) {
                b.push(&format!("{path}_{n}_conv"), conv(out, size, stride, pad))?;
                b.push(&format!("{path}_{n}_bn"), NORM)?;
                if n < 3 {
                    b.push(&format!("{path}_{n}_relu"), Op::Relu)?;
                }
            }
            b.join(&format!("{path}_add"), Op::Add, &[shortcut, b.at()])?;
            b.push(&format!("{path}_out"), Op::Relu)?;
            b.mark();
        }
    }
    ending(&mut b, "avg_pool")?;
    Ok(b.made())
}

pub(super) fn resnet_v2(size: usize, repeats: [usize; 4]) -> Result<Made, NetError> {
    let mut b = Build::new(size, Padding::Symmetric, 0.0)?;
    b.push("conv1_conv", conv(64, 7, 2, 3))?;
    zero_max_pool(&mut b, "pool1_pad", "pool1_pool")?;
    b.mark();
    for (stage, (repeats, width)) in (2..).zip(repeats.into_iter().zip(WIDTHS)) {
        for i in 1..=repeats {
            let path = format!("conv{stage}_block{i}");
            let stride = if i == repeats && stage < 5 { 2 } else { 1 };
            let before = b.at();
            b.push(&format!("{path}_preact_bn"), NORM)?;
            b.push(&format!("{path}_preact_relu"), Op::Relu)?;
            let active = b.at();
            if i == 1 {
                b.push(&format!("{path}_0_conv"), conv(4 * width, 1, stride, 0))?;
            } else {
                b.to(before);
                if stride > 1 {
                    let pool = Op::MaxPool(Window::new(1, stride, 0));
                    b.push(&format!("{path}_max_pooling2d"), pool)?;
                }
            }
            let shortcut = b.at();
            b.to(active);
            b.push(&format!("{path}_1_conv"), plain(width, 1, 1, 0))?;
            b.push(&format!("{path}_1_bn"), NORM)?;
            b.push(&format!("{path}_1_relu"), Op::Relu)?;
            b.push(&format!("{path}_2_conv"), plain(width, 3, stride, 1))?;
            b.push(&format!("{path}_2_bn"), NORM)?;
            b.push(&format!("{path}_2_relu"), Op::Relu)?;
            b.push(&format!("{path}_3_conv"), conv(4 * width, 1, 1, 0))?;
            b.join(&format!("{path}_out"), Op::Add, &[shortcut, b.at()])?;
            b.mark();
        }
    }
    b.push("post_bn", NORM)?;
    b.push("post_relu", Op::Relu)?;
    ending(&mut b, "avg_pool")?;
    Ok(b.made())
}

pub(super) fn vgg(size: usize, repeats: [usize; 5]) -> Result<Made, NetError> {
    let mut b = Build::new(size, Padding::Symmetric, 0.0)?;
    for (n, (repeats, width)) in (1..).zip(repeats.into_iter().zip([64, 128, 256, 512, 512])) {
        for i in 1..=repeats {
            b.push(&format!("block{n}_conv{i}"), conv(width, 3, 1, 1))?;
            b.push(&format!("block{n}_conv{i}_relu"), Op::Relu)?;
        }
        b.push(&format!("block{n}_pool"), Op::MaxPool(Window::new(2, 2, 0)))?;
        b.mark();
    }
    // Dense layers count pixels first, channels last: their weights are put in order when read.
    b.push("flatten", Op::Flatten)?;
    for name in ["fc1", "fc2"] {
        b.push(name, Op::Linear { out: 4096, bias: true })?;
        b.push(&format!("{name}_relu"), Op::Relu)?;
    }
    b.push("predictions", Op::Linear { out: 1000, bias: true })?;
    Ok(b.made())
}

/// Channels behind each depthwise convolution, and its stride.
const MOBILE: [[usize; 2]; 13] = [
    [64, 1],
    [128, 2],
    [128, 1],
    [256, 2],
    [256, 1],
    [512, 2],
    [512, 1],
    [512, 1],
    [512, 1],
    [512, 1],
    [512, 1],
    [1024, 2],
    [1024, 1],
];

pub(super) fn mobilenet(size: usize) -> Result<Made, NetError> {
    let mut b = Build::new(size, Padding::Same, 0.0)?;
    let pad = same(&b, 3, 2)?;
    b.push("conv1", Op::Conv2d(Conv2d::new(32, 3).stride(2).pad(pad)))?;
    b.push("conv1_bn", OTHER)?;
    b.push("conv1_relu", Op::Relu6)?;
    b.mark();
    for (i, [out, stride]) in (1..).zip(MOBILE) {
        let (channels, pad) = (b.channels()?, same(&b, 3, stride)?);
        let depthwise = Conv2d::new(channels, 3).stride(stride).pad(pad).groups(channels);
        b.push(&format!("conv_dw_{i}"), Op::Conv2d(depthwise))?;
        b.push(&format!("conv_dw_{i}_bn"), OTHER)?;
        b.push(&format!("conv_dw_{i}_relu"), Op::Relu6)?;
        b.push(&format!("conv_pw_{i}"), plain(out, 1, 1, 0))?;
        b.push(&format!("conv_pw_{i}_bn"), OTHER)?;
        b.push(&format!("conv_pw_{i}_relu"), Op::Relu6)?;
        b.mark();
    }
    b.push("global_average_pooling2d", Op::GlobalAvgPool)?;
    b.push("dropout", Op::Dropout { rate: 1e-3 })?;
    b.push("conv_preds", Op::Linear { out: 1000, bias: true })?;
    Ok(b.made())
}

pub(super) fn densenet(size: usize, plan: &densenet::Plan) -> Result<Made, NetError> {
    let mut b = Build::new(size, Padding::Symmetric, 0.0)?;
    b.push("conv1_conv", plain(plan.stem, 7, 2, 3))?;
    b.push("conv1_bn", NORM)?;
    b.push("conv1_relu", Op::Relu)?;
    zero_max_pool(&mut b, "zero_padding2d_1", "pool1")?;
    b.mark();
    let mut channels = plan.stem;
    for (n, layers) in (2..).zip(plan.layers) {
        for i in 1..=layers {
            let path = format!("conv{n}_block{i}");
            let from = b.at();
            b.push(&format!("{path}_0_bn"), NORM)?;
            b.push(&format!("{path}_0_relu"), Op::Relu)?;
            b.push(&format!("{path}_1_conv"), plain(4 * plan.growth, 1, 1, 0))?;
            b.push(&format!("{path}_1_bn"), NORM)?;
            b.push(&format!("{path}_1_relu"), Op::Relu)?;
            b.push(&format!("{path}_2_conv"), plain(plan.growth, 3, 1, 1))?;
            b.join(&format!("{path}_concat"), Op::Concat, &[from, b.at()])?;
            channels += plan.growth;
        }
        b.mark();
        if n < 5 {
            channels /= 2;
            b.push(&format!("pool{n}_bn"), NORM)?;
            b.push(&format!("pool{n}_relu"), Op::Relu)?;
            b.push(&format!("pool{n}_conv"), plain(channels, 1, 1, 0))?;
            let window = Window::new(2, 2, 0);
            b.push(&format!("pool{n}_pool"), Op::AvgPool { window, count_pad: true })?;
        }
    }
    b.push("bn", NORM)?;
    b.push("relu", Op::Relu)?;
    ending(&mut b, "avg_pool")?;
    Ok(b.made())
}

/// Depthwise and pointwise convolution and norm.
fn separable(b: &mut Build, name: &str, out: usize) -> Result<(), NetError> {
    let channels = b.channels()?;
    let depthwise = Conv2d::new(channels, 3).pad(Pad::all(1)).groups(channels);
    b.push(&format!("{name}.depthwise"), Op::Conv2d(depthwise))?;
    b.push(&format!("{name}.pointwise"), plain(out, 1, 1, 0))?;
    b.push(&format!("{name}_bn"), OTHER)
}

pub(super) fn xception(size: usize) -> Result<Made, NetError> {
    let mut b = Build::new(size, Padding::Same, 0.0)?;
    for (n, out, stride) in [(1, 32, 2), (2, 64, 1)] {
        b.push(&format!("block1_conv{n}"), plain(out, 3, stride, 0))?;
        b.push(&format!("block1_conv{n}_bn"), OTHER)?;
        b.push(&format!("block1_conv{n}_act"), Op::Relu)?;
    }
    b.mark();
    // Blocks with a shortcut that has a stride: their number, and the channels of both convolutions.
    for (n, widths) in [(2, [128, 128]), (3, [256, 256]), (4, [728, 728])] {
        down(&mut b, n, widths, n > 2, n - 2)?;
    }
    for n in 5..13 {
        let from = b.at();
        for i in 1..=3 {
            b.push(&format!("block{n}_sepconv{i}_act"), Op::Relu)?;
            separable(&mut b, &format!("block{n}_sepconv{i}"), 728)?;
        }
        b.join(&format!("block{n}_add"), Op::Add, &[b.at(), from])?;
        b.mark();
    }
    down(&mut b, 13, [728, 1024], true, 3)?;
    for (i, out) in [(1, 1536), (2, 2048)] {
        separable(&mut b, &format!("block14_sepconv{i}"), out)?;
        b.push(&format!("block14_sepconv{i}_act"), Op::Relu)?;
    }
    b.mark();
    ending(&mut b, "avg_pool")?;
    Ok(b.made())
}

/// `active`: whether it begins with a `ReLU`. Shortcuts are numbered by Keras, from 0.
fn down(
    b: &mut Build,
    n: usize,
    widths: [usize; 2],
    active: bool,
    shortcut: usize,
) -> Result<(), NetError> {
    let from = b.at();
    let number = if shortcut == 0 { String::new() } else { format!("_{shortcut}") };
    b.push(&format!("conv2d{number}"), plain(widths[1], 1, 2, 0))?;
    b.push(&format!("batch_normalization{number}"), OTHER)?;
    let side = b.at();
    b.to(from);
    for (i, out) in (1..).zip(widths) {
        if i > 1 || active {
            b.push(&format!("block{n}_sepconv{i}_act"), Op::Relu)?;
        }
        separable(b, &format!("block{n}_sepconv{i}"), out)?;
    }
    let pad = same(b, 3, 2)?;
    let pool = Window { pad, ..Window::new(3, 2, 0) };
    b.push(&format!("block{n}_pool"), Op::MaxPool(pool))?;
    b.join(&format!("block{n}_add"), Op::Add, &[b.at(), side])?;
    b.mark();
    Ok(())
}
