//! `GoogLeNet` (Szegedy et al. 2014, table 1) as torchvision has it (with batch norms, its "5x5" branch
//! 3 x 3), and Inception v3 (Szegedy et al. 2015, table 1) in the names of torchvision, timm and Keras.

use regraft_net::op::{Conv2d, Pad, Rounding, Window};
use regraft_net::{LayerId, NetError, Op};

use super::Naming;
use super::build::{Build, Made, Padding};

const EPS: f32 = 1e-3;

/// From `ImageNet`'s mean and deviation to means and deviations of a half, as torchvision's weights of
/// both networks want it.
fn transform(b: &mut Build) -> Result<(), NetError> {
    let (mean, std) = ([0.485f32, 0.456, 0.406], [0.229f32, 0.224, 0.225]);
    let scale = std.map(|s| s / 0.5).to_vec();
    let shift = mean.map(|m| (m - 0.5) / 0.5).to_vec();
    b.push("transform_input", Op::Affine { scale, shift })
}

/// Convolution, batch norm, `ReLU`; the last has the name itself. Keras numbers them as they are made.
fn conv(b: &mut Build, keras: &mut Keras, name: &str, conv: Conv2d) -> Result<(), NetError> {
    let [conv_name, norm, relu] = match keras {
        Keras::No => [format!("{name}.conv"), format!("{name}.bn"), name.to_owned()],
        Keras::Numbered(n) => {
            let number = if *n == 0 { String::new() } else { format!("_{n}") };
            *n += 1;
            ["conv2d", "batch_normalization", "activation"].map(|word| format!("{word}{number}"))
        }
    };
    b.push(&conv_name, Op::Conv2d(conv))?;
    b.push(&norm, Op::BatchNorm { eps: EPS })?;
    b.push(&relu, Op::Relu)
}

/// Whether names are Keras's, and the number of the next convolution.
enum Keras {
    No,
    Numbered(usize),
}

/// The same padded to keep the extent, with a kernel of `[height, width]`.
const fn kernel(out: usize, size: [usize; 2]) -> Conv2d {
    let [h, w] = [size[0] / 2, size[1] / 2];
    Conv2d { size, pad: Pad { top: h, left: w, bottom: h, right: w }, ..Conv2d::new(out, 1) }
}

const fn square(out: usize, size: usize) -> Conv2d {
    kernel(out, [size, size])
}

const CEIL: Window = Window { rounding: Rounding::Ceil, ..Window::new(3, 2, 0) };

/// A module of four branches: channels of the first, reduced and full of the second and third, and of
/// the fourth.
type Widths = [usize; 6];

pub(super) fn googlenet(size: usize) -> Result<Made, NetError> {
    let mut b = Build::new(size, Padding::Symmetric, EPS)?;
    let mut keras = Keras::No;
    transform(&mut b)?;
    conv(&mut b, &mut keras, "conv1", square(64, 7).stride(2))?;
    b.push("maxpool1", Op::MaxPool(CEIL))?;
    b.mark();
    conv(&mut b, &mut keras, "conv2", square(64, 1))?;
    conv(&mut b, &mut keras, "conv3", square(192, 3))?;
    b.push("maxpool2", Op::MaxPool(CEIL))?;
    b.mark();
    let modules: [(&str, Widths); 9] = [
        ("3a", [64, 96, 128, 16, 32, 32]),
        ("3b", [128, 128, 192, 32, 96, 64]),
        ("4a", [192, 96, 208, 16, 48, 64]),
        ("4b", [160, 112, 224, 24, 64, 64]),
        ("4c", [128, 128, 256, 24, 64, 64]),
        ("4d", [112, 144, 288, 32, 64, 64]),
        ("4e", [256, 160, 320, 32, 128, 128]),
        ("5a", [256, 160, 320, 32, 128, 128]),
        ("5b", [384, 192, 384, 48, 128, 128]),
    ];
    for (name, [one, reduced, three, narrow, five, pooled]) in modules {
        let path = format!("inception{name}");
        let from = b.at();
        conv(&mut b, &mut keras, &format!("{path}.branch1"), square(one, 1))?;
        let mut ends = vec![b.at()];
        for (branch, widths) in [(2, [reduced, three]), (3, [narrow, five])] {
            b.to(from);
            conv(&mut b, &mut keras, &format!("{path}.branch{branch}.0"), square(widths[0], 1))?;
            conv(&mut b, &mut keras, &format!("{path}.branch{branch}.1"), square(widths[1], 3))?;
            ends.push(b.at());
        }
        b.to(from);
        let window = Window { rounding: Rounding::Ceil, ..Window::new(3, 1, 1) };
        b.push(&format!("{path}.branch4.0"), Op::MaxPool(window))?;
        conv(&mut b, &mut keras, &format!("{path}.branch4.1"), square(pooled, 1))?;
        ends.push(b.at());
        b.join(&path, Op::Concat, &ends)?;
        b.mark();
        match name {
            "3b" => b.push("maxpool3", Op::MaxPool(CEIL))?,
            "4e" => b.push("maxpool4", Op::MaxPool(Window { size: [2, 2], ..CEIL }))?,
            _ => {}
        }
    }
    b.push("avgpool", Op::GlobalAvgPool)?;
    b.push("dropout", Op::Dropout { rate: 0.2 })?;
    b.push("fc", Op::Linear { out: 1000, bias: true })?;
    Ok(b.made())
}

/// One step of a branch: its name and convolution.
type Step = (&'static str, Conv2d);

/// A module: its branches, then the last one, a pool. Branches begin at the module's input.
struct Module<'a> {
    name: &'a str,
    branches: &'a [&'a [Step]],
    /// Channels behind the mean; none for a maximum with stride 2.
    pooled: Option<usize>,
}

impl Module<'_> {
    fn build(&self, b: &mut Build, keras: &mut Keras) -> Result<(), NetError> {
        let from = b.at();
        let mut ends = Vec::new();
        for branch in self.branches {
            b.to(from);
            for (step, spec) in *branch {
                conv(b, keras, &format!("{}.{step}", self.name), *spec)?;
            }
            ends.push(b.at());
        }
        b.to(from);
        ends.push(self.pool(b, keras)?);
        b.join(self.name, Op::Concat, &ends)?;
        b.mark();
        Ok(())
    }

    fn pool(&self, b: &mut Build, keras: &mut Keras) -> Result<LayerId, NetError> {
        let name = self.name;
        if let Some(out) = self.pooled {
            let window = Window::new(3, 1, 1);
            b.push(
                &format!("{name}.pool"),
                Op::AvgPool { window, count_pad: matches!(keras, Keras::No) },
            )?;
            conv(b, keras, &format!("{name}.branch_pool"), square(out, 1))?;
        } else {
            b.push(&format!("{name}.pool"), Op::MaxPool(Window::new(3, 2, 0)))?;
        }
        Ok(b.at())
    }
}

/// torchvision changes the input; Keras leaves padding out of means. Modules have torchvision's names in
/// all.
pub(super) fn v3(naming: Naming, size: usize, ends: [&str; 2]) -> Result<Made, NetError> {
    let mut b = Build::new(size, Padding::Symmetric, EPS)?;
    let mut keras = if naming == Naming::Keras { Keras::Numbered(0) } else { Keras::No };
    if naming == Naming::Torchvision {
        transform(&mut b)?;
    }
    conv(&mut b, &mut keras, "Conv2d_1a_3x3", Conv2d::new(32, 3).stride(2))?;
    conv(&mut b, &mut keras, "Conv2d_2a_3x3", Conv2d::new(32, 3))?;
    conv(&mut b, &mut keras, "Conv2d_2b_3x3", square(64, 3))?;
    b.push("maxpool1", Op::MaxPool(Window::new(3, 2, 0)))?;
    b.mark();
    conv(&mut b, &mut keras, "Conv2d_3b_1x1", Conv2d::new(80, 1))?;
    conv(&mut b, &mut keras, "Conv2d_4a_3x3", Conv2d::new(192, 3))?;
    b.push("maxpool2", Op::MaxPool(Window::new(3, 2, 0)))?;
    b.mark();
    for (name, pooled) in [("Mixed_5b", 32), ("Mixed_5c", 64), ("Mixed_5d", 64)] {
        let five: &[Step] = &[("branch5x5_1", square(48, 1)), ("branch5x5_2", square(64, 5))];
        let double: &[Step] = &[
            ("branch3x3dbl_1", square(64, 1)),
            ("branch3x3dbl_2", square(96, 3)),
            ("branch3x3dbl_3", square(96, 3)),
        ];
        let branches: &[&[Step]] = &[&[("branch1x1", square(64, 1))], five, double];
        Module { name, branches, pooled: Some(pooled) }.build(&mut b, &mut keras)?;
    }
    let down = |out| Conv2d::new(out, 3).stride(2);
    let double: &[Step] = &[
        ("branch3x3dbl_1", square(64, 1)),
        ("branch3x3dbl_2", square(96, 3)),
        ("branch3x3dbl_3", down(96)),
    ];
    let branches: &[&[Step]] = &[&[("branch3x3", down(384))], double];
    Module { name: "Mixed_6a", branches, pooled: None }.build(&mut b, &mut keras)?;
    for (name, c) in [("Mixed_6b", 128), ("Mixed_6c", 160), ("Mixed_6d", 160), ("Mixed_6e", 192)] {
        let seven: &[Step] = &[
            ("branch7x7_1", square(c, 1)),
            ("branch7x7_2", kernel(c, [1, 7])),
            ("branch7x7_3", kernel(192, [7, 1])),
        ];
        let double: &[Step] = &[
            ("branch7x7dbl_1", square(c, 1)),
            ("branch7x7dbl_2", kernel(c, [7, 1])),
            ("branch7x7dbl_3", kernel(c, [1, 7])),
            ("branch7x7dbl_4", kernel(c, [7, 1])),
            ("branch7x7dbl_5", kernel(192, [1, 7])),
        ];
        let branches: &[&[Step]] = &[&[("branch1x1", square(192, 1))], seven, double];
        Module { name, branches, pooled: Some(192) }.build(&mut b, &mut keras)?;
    }
    let three: &[Step] = &[("branch3x3_1", square(192, 1)), ("branch3x3_2", down(320))];
    let seven: &[Step] = &[
        ("branch7x7x3_1", square(192, 1)),
        ("branch7x7x3_2", kernel(192, [1, 7])),
        ("branch7x7x3_3", kernel(192, [7, 1])),
        ("branch7x7x3_4", down(192)),
    ];
    Module { name: "Mixed_7a", branches: &[three, seven], pooled: None }
        .build(&mut b, &mut keras)?;
    wide(&mut b, &mut keras, "Mixed_7b")?;
    wide(&mut b, &mut keras, "Mixed_7c")?;
    b.push(ends[0], Op::GlobalAvgPool)?;
    if naming != Naming::Keras {
        b.push("dropout", Op::Dropout { rate: 0.5 })?;
    }
    b.push(ends[1], Op::Linear { out: 1000, bias: true })?;
    Ok(b.made())
}

/// The last modules (figure 7): two branches end in two kernels beside each other.
fn wide(b: &mut Build, keras: &mut Keras, name: &str) -> Result<(), NetError> {
    let from = b.at();
    conv(b, keras, &format!("{name}.branch1x1"), square(320, 1))?;
    let mut ends = vec![b.at()];
    let starts: [&[Step]; 2] = [
        &[("branch3x3_1", square(384, 1))],
        &[("branch3x3dbl_1", square(448, 1)), ("branch3x3dbl_2", square(384, 3))],
    ];
    for (steps, last) in starts.into_iter().zip(["branch3x3_2", "branch3x3dbl_3"]) {
        b.to(from);
        for (step, spec) in steps {
            conv(b, keras, &format!("{name}.{step}"), *spec)?;
        }
        let fork = b.at();
        for (side, size) in [("a", [1, 3]), ("b", [3, 1])] {
            b.to(fork);
            conv(b, keras, &format!("{name}.{last}{side}"), kernel(384, size))?;
            ends.push(b.at());
        }
    }
    b.to(from);
    ends.push(Module { name, branches: &[], pooled: Some(192) }.pool(b, keras)?);
    b.join(name, Op::Concat, &ends)?;
    b.mark();
    Ok(())
}
