//! Networks of one path: `AlexNet` (Krizhevsky 2014, as in torchvision), `CaffeNet` (Jia et al. 2014),
//! VGG (Simonyan and Zisserman 2014, table 1) and `SqueezeNet` (Iandola et al. 2016, table 1, and
//! version 1.1).

use regraft_net::op::{Conv2d, Pad, Rounding, Window};
use regraft_net::{NetError, Op};

use super::build::{Build, Made, Padding};

const CEIL: Window = Window { rounding: Rounding::Ceil, ..Window::new(3, 2, 0) };

fn conv(out: usize, size: usize, stride: usize, pad: usize) -> Op {
    Op::Conv2d(Conv2d::new(out, size).stride(stride).pad(Pad::all(pad)).bias())
}

const fn linear(out: usize) -> Op {
    Op::Linear { out, bias: true }
}

/// Dropout, matrix and `ReLU` twice, then the scores; numbered from `first` on.
fn classifier(b: &mut Build, dropout_first: bool) -> Result<(), NetError> {
    let words: [&str; 6] = if dropout_first {
        ["dropout", "linear", "relu", "dropout", "linear", "relu"]
    } else {
        ["linear", "relu", "dropout", "linear", "relu", "dropout"]
    };
    for (n, word) in words.into_iter().enumerate() {
        let op = match word {
            "dropout" => Op::Dropout { rate: 0.5 },
            "linear" => linear(4096),
            _ => Op::Relu,
        };
        b.push(&format!("classifier.{n}"), op)?;
    }
    b.push("classifier.6", linear(1000))
}

pub(super) fn alexnet(size: usize) -> Result<Made, NetError> {
    let mut b = Build::new(size, Padding::Symmetric, 0.0)?;
    // Output channels, kernel, stride and padding; none for a pool.
    let layers = [
        Some([64, 11, 4, 2]),
        None,
        Some([192, 5, 1, 2]),
        None,
        Some([384, 3, 1, 1]),
        Some([256, 3, 1, 1]),
        Some([256, 3, 1, 1]),
        None,
    ];
    let mut n = 0;
    for layer in layers {
        if let Some([out, kernel, stride, pad]) = layer {
            b.push(&format!("features.{n}"), conv(out, kernel, stride, pad))?;
            b.push(&format!("features.{}", n + 1), Op::Relu)?;
            n += 2;
        } else {
            b.push(&format!("features.{n}"), Op::MaxPool(Window::new(3, 2, 0)))?;
            n += 1;
        }
        b.mark();
    }
    b.push("flatten", Op::Flatten)?;
    classifier(&mut b, true)?;
    Ok(b.made())
}

/// `repeats` convolutions in each of the five stages.
pub(super) fn vgg(size: usize, repeats: [usize; 5], norm: bool) -> Result<Made, NetError> {
    let mut b = Build::new(size, Padding::Symmetric, 1e-5)?;
    let mut n = 0;
    for (repeats, width) in repeats.into_iter().zip([64, 128, 256, 512, 512]) {
        for _ in 0..repeats {
            b.push(&format!("features.{n}"), conv(width, 3, 1, 1))?;
            n += 1;
            if norm {
                b.push(&format!("features.{n}"), Op::BatchNorm { eps: 1e-5 })?;
                n += 1;
            }
            b.push(&format!("features.{n}"), Op::Relu)?;
            n += 1;
        }
        b.push(&format!("features.{n}"), Op::MaxPool(Window::new(2, 2, 0)))?;
        n += 1;
        b.mark();
    }
    b.push("flatten", Op::Flatten)?;
    classifier(&mut b, false)?;
    Ok(b.made())
}

/// Squeeze and expand channels of the fire modules of both versions.
const FIRES: [[usize; 2]; 8] =
    [[16, 64], [16, 64], [32, 128], [32, 128], [48, 192], [48, 192], [64, 256], [64, 256]];

/// `SqueezeNet` 1.1 in the names of its prototxt: `fire2/expand3x3`.
pub(super) fn caffe_squeezenet(size: usize) -> Result<Made, NetError> {
    let mut b = Build::new(size, Padding::Symmetric, 0.0)?;
    b.push("conv1", conv(64, 3, 2, 0))?;
    b.push("relu_conv1", Op::Relu)?;
    b.push("pool1", Op::MaxPool(CEIL))?;
    b.mark();
    for (n, [squeeze, expand]) in (2..).zip(FIRES) {
        let path = format!("fire{n}");
        b.push(&format!("{path}/squeeze1x1"), conv(squeeze, 1, 1, 0))?;
        b.push(&format!("{path}/relu_squeeze1x1"), Op::Relu)?;
        let from = b.at();
        let mut ends = Vec::new();
        for (size, pad) in [(1, 0), (3, 1)] {
            b.to(from);
            b.push(&format!("{path}/expand{size}x{size}"), conv(expand, size, 1, pad))?;
            b.push(&format!("{path}/relu_expand{size}x{size}"), Op::Relu)?;
            ends.push(b.at());
        }
        b.join(&format!("{path}/concat"), Op::Concat, &ends)?;
        if n == 3 || n == 5 {
            b.push(&format!("pool{n}"), Op::MaxPool(CEIL))?;
        }
        b.mark();
    }
    b.side("features_pool", Op::GlobalAvgPool)?;
    b.push("drop9", Op::Dropout { rate: 0.5 })?;
    b.push("conv10", conv(1000, 1, 1, 0))?;
    b.push("relu_conv10", Op::Relu)?;
    b.push("pool10", Op::GlobalAvgPool)?;
    Ok(b.made())
}

/// Version 1.0, or 1.1 when `newer`: other pools, a smaller stem.
pub(super) fn squeezenet(size: usize, newer: bool) -> Result<Made, NetError> {
    let mut b = Build::new(size, Padding::Symmetric, 0.0)?;
    let (stem, kernel, pools) = if newer { (64, 3, [2, 5, 8]) } else { (96, 7, [2, 6, 11]) };
    b.push("features.0", conv(stem, kernel, 2, 0))?;
    b.push("features.1", Op::Relu)?;
    let mut fires = FIRES.into_iter();
    for n in 2..13 {
        let path = format!("features.{n}");
        if pools.contains(&n) {
            b.push(&path, Op::MaxPool(CEIL))?;
        } else if let Some([squeeze, expand]) = fires.next() {
            b.push(&format!("{path}.squeeze"), conv(squeeze, 1, 1, 0))?;
            b.push(&format!("{path}.squeeze_activation"), Op::Relu)?;
            let from = b.at();
            let mut ends = Vec::new();
            for (size, pad) in [(1, 0), (3, 1)] {
                b.to(from);
                b.push(&format!("{path}.expand{size}x{size}"), conv(expand, size, 1, pad))?;
                b.push(&format!("{path}.expand{size}x{size}_activation"), Op::Relu)?;
                ends.push(b.at());
            }
            b.join(&path, Op::Concat, &ends)?;
        }
        b.mark();
    }
    b.side("features_pool", Op::GlobalAvgPool)?;
    b.push("classifier.0", Op::Dropout { rate: 0.5 })?;
    b.push("classifier.1", conv(1000, 1, 1, 0))?;
    b.push("classifier.2", Op::Relu)?;
    b.push("classifier.3", Op::GlobalAvgPool)?;
    Ok(b.made())
}

/// As published with Caffe: pools before norms, two groups in the second, fourth and fifth layers.
pub(super) fn caffenet(size: usize) -> Result<Made, NetError> {
    let mut b = Build::new(size, Padding::Symmetric, 0.0)?;
    let lrn = || Op::Lrn { size: 5, alpha: 1e-4, beta: 0.75, k: 1.0 };
    let grouped = |out, size, pad, groups| {
        Op::Conv2d(Conv2d::new(out, size).pad(Pad::all(pad)).groups(groups).bias())
    };
    let layers = [
        (1, conv(96, 11, 4, 0), true, true),
        (2, grouped(256, 5, 2, 2), true, true),
        (3, grouped(384, 3, 1, 1), false, false),
        (4, grouped(384, 3, 1, 2), false, false),
        (5, grouped(256, 3, 1, 2), true, false),
    ];
    for (n, op, pool, norm) in layers {
        b.push(&format!("conv{n}"), op)?;
        b.push(&format!("relu{n}"), Op::Relu)?;
        if pool {
            b.push(&format!("pool{n}"), Op::MaxPool(CEIL))?;
        }
        if norm {
            b.push(&format!("norm{n}"), lrn())?;
        }
        b.mark();
    }
    b.push("flatten", Op::Flatten)?;
    for n in [6, 7] {
        b.push(&format!("fc{n}"), linear(4096))?;
        b.push(&format!("relu{n}"), Op::Relu)?;
        b.push(&format!("drop{n}"), Op::Dropout { rate: 0.5 })?;
    }
    b.push("fc8", linear(1000))?;
    Ok(b.made())
}
