//! NASNet-A (Zoph et al. 2017, figures 2 and 4), in the names of Keras and timm.

use regraft_net::op::{Conv2d, Pad, Window};
use regraft_net::{LayerId, NetError, Op};

use super::Naming;
use super::build::{Build, Made, Padding};

#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    /// Normal cells in each of three rows.
    pub(super) cells: usize,
    /// Channels of the stem.
    pub(super) stem: usize,
    /// Channels of the last row, over 24 those of the first.
    pub(super) penultimate: usize,
    /// Whether the cell behind a reduction looks past it.
    pub(super) skip: bool,
}

const NORM: Op = Op::BatchNorm { eps: 1e-3 };

/// A cell being built.
struct Cell<'a> {
    b: &'a mut Build,
    timm: bool,
    /// What Keras calls it: `stem_1`, `0`, `reduce_4`, ….
    id: String,
    /// What timm calls it: `cell_stem_0`, `cell_0`, ….
    path: String,
    filters: usize,
    reduces: bool,
}

impl Cell<'_> {
    fn word(&self) -> &'static str {
        if self.reduces { "reduction" } else { "normal" }
    }

    /// Keras's scope of the cell.
    fn scope(&self) -> String {
        format!("{}_A_block_{}", self.word(), self.id)
    }

    /// A name that no parameter has.
    fn free(&self, what: &str) -> String {
        if self.timm {
            format!("{}.{what}", self.path)
        } else {
            format!("{}_{what}_{}", self.word(), self.id)
        }
    }

    fn pointwise(&mut self, names: [String; 2], out: usize) -> Result<(), NetError> {
        let [conv, norm] = names;
        self.b.push(&conv, Op::Conv2d(Conv2d::new(out, 1)))?;
        self.b.push(&norm, NORM)
    }

    /// Two separable convolutions (section A.4), the first with the stride. `place` is the number of
    /// the pair and the side.
    fn separable(
        &mut self,
        from: LayerId,
        (pair, side): (usize, &str),
        size: usize,
        stride: usize,
    ) -> Result<LayerId, NetError> {
        self.b.to(from);
        let base = if self.timm {
            format!("{}.comb_iter_{pair}_{side}", self.path)
        } else {
            // Keras numbers from one, and calls the pair behind the fourth sum so, too.
            let number = if self.reduces && pair == 4 { 4 } else { pair + 1 };
            format!("{}_{side}{number}_{}", self.word(), self.id)
        };
        let scope = format!("{}/block_{}/separable_conv_block_{base}", self.scope(), pair + 1);
        for n in [1, 2] {
            let stride = if n == 1 { stride } else { 1 };
            let channels = self.b.channels()?;
            let shape = self.b.shape()?;
            let pad = Pad::same([shape[1], shape[2]], [size; 2], [stride; 2], [1, 1]);
            let depthwise = Conv2d::new(channels, size).stride(stride).pad(pad).groups(channels);
            let [act, deep, point, norm] = if self.timm {
                ["act_", "separable_", "separable_", "bn_sep_"].map(|w| format!("{base}.{w}{n}"))
            } else {
                ["relu_", "", "", "bn_"].map(|w| format!("{scope}/separable_conv_{n}_{w}{base}"))
            };
            let [deep, point] = if self.timm {
                [format!("{deep}.depthwise_conv2d"), format!("{point}.pointwise_conv2d")]
            } else {
                [format!("{deep}.depthwise"), format!("{point}.pointwise")]
            };
            self.b.push(&act, Op::Relu)?;
            self.b.push(&deep, Op::Conv2d(depthwise))?;
            self.b.push(&point, Op::Conv2d(Conv2d::new(self.filters, 1)))?;
            self.b.push(&norm, NORM)?;
        }
        Ok(self.b.at())
    }

    /// The state before last, brought to the shape of the last.
    fn adjust(&mut self, before: Option<LayerId>, last: LayerId) -> Result<LayerId, NetError> {
        let Some(before) = before else { return Ok(last) };
        self.b.to(last);
        let here = self.b.shape()?;
        self.b.to(before);
        let there = self.b.shape()?;
        let smaller = there[1] != here[1];
        let word = if smaller { "reduction" } else { "projection" };
        let scope = format!("{}/adjust_block/adjust_{word}_block_{}", self.scope(), self.id);
        let name = |keras: &str, timm: &str| {
            if self.timm {
                format!("{}.{timm}", self.path)
            } else {
                format!("{scope}/adjust_{keras}_{}", self.id)
            }
        };
        if smaller {
            let names = [1, 2].map(|n| name(&format!("conv_{n}"), &format!("path_{n}.conv")));
            let pools =
                [1, 2].map(|n| name(&format!("avg_pool_{n}"), &format!("path_{n}.avgpool")));
            let shift = name("pad_2", "path_2.pad");
            let [relu, joined] = [name("relu_1", "act"), name("concat", "final_path")];
            let norm = name("bn", "final_path_bn");
            self.b.push(&relu, Op::Relu)?;
            let from = self.b.at();
            let mut ends = Vec::new();
            for (n, (conv, pool)) in names.iter().zip(&pools).enumerate() {
                self.b.to(from);
                if n == 1 {
                    let pad = Pad { bottom: 1, right: 1, ..Pad::default() };
                    let crop = Pad { top: 1, left: 1, ..Pad::default() };
                    self.b.push(&shift, Op::Pad { pad, crop })?;
                }
                let window = Window::new(1, 2, 0);
                self.b.push(pool, Op::AvgPool { window, count_pad: false })?;
                self.b.push(conv, Op::Conv2d(Conv2d::new(self.filters / 2, 1)))?;
                ends.push(self.b.at());
            }
            self.b.join(&joined, Op::Concat, &ends)?;
            self.b.push(&norm, NORM)?;
        } else if there[0] != self.filters || self.timm {
            let conv = name("conv_projection", "conv_prev_1x1.conv");
            let [relu, norm] = [name("relu", "conv_prev_1x1.act"), name("bn", "conv_prev_1x1.bn")];
            self.b.push(&relu, Op::Relu)?;
            self.pointwise([conv, norm], self.filters)?;
        }
        Ok(self.b.at())
    }

    /// The last state with the cell's channels.
    fn squeezed(&mut self, last: LayerId) -> Result<LayerId, NetError> {
        self.b.to(last);
        let act = self.free(if self.timm { "conv_1x1.act" } else { "relu_1" });
        let names = if self.timm {
            ["conv", "bn"].map(|word| format!("{}.conv_1x1.{word}", self.path))
        } else {
            let scope = self.scope();
            ["conv", "bn"].map(|word| format!("{scope}/{}", self.free(&format!("{word}_1"))))
        };
        self.b.push(&act, Op::Relu)?;
        self.pointwise(names, self.filters)?;
        Ok(self.b.at())
    }

    fn mean(&mut self, from: LayerId, place: &str, stride: usize) -> Result<LayerId, NetError> {
        self.b.to(from);
        let shape = self.b.shape()?;
        let pad = Pad::same([shape[1], shape[2]], [3, 3], [stride; 2], [1, 1]);
        let window = Window { pad, ..Window::new(3, stride, 0) };
        // Both put zeros around a map before they shrink it, and count them.
        let count_pad = stride > 1;
        let name = self.free(place);
        self.b.push(&name, Op::AvgPool { window, count_pad })?;
        Ok(self.b.at())
    }

    fn most(&mut self, from: LayerId, place: &str) -> Result<LayerId, NetError> {
        self.b.to(from);
        let shape = self.b.shape()?;
        let pad = Pad::same([shape[1], shape[2]], [3, 3], [2, 2], [1, 1]);
        let name = self.free(place);
        if self.timm {
            self.b.push(&name, Op::MaxPool(Window { pad, ..Window::new(3, 2, 0) }))?;
        } else {
            let border = self.free(&format!("{place}_pad"));
            self.b.push(&border, Op::Pad { pad, crop: Pad::default() })?;
            self.b.push(&name, Op::MaxPool(Window::new(3, 2, 0)))?;
        }
        Ok(self.b.at())
    }

    fn sum(&mut self, n: usize, pair: [LayerId; 2]) -> Result<LayerId, NetError> {
        let name = self.free(&format!("add_{n}"));
        self.b.join(&name, Op::Add, &pair)?;
        Ok(self.b.at())
    }

    fn end(&mut self, parts: &[LayerId]) -> Result<LayerId, NetError> {
        let name = if self.timm { self.path.clone() } else { self.free("concat") };
        self.b.join(&name, Op::Concat, parts)?;
        self.b.mark();
        Ok(self.b.at())
    }

    fn normal(&mut self, last: LayerId, before: Option<LayerId>) -> Result<LayerId, NetError> {
        let p = self.adjust(before, last)?;
        let h = self.squeezed(last)?;
        let pair = [self.separable(h, (0, "left"), 5, 1)?, self.separable(p, (0, "right"), 3, 1)?];
        let one = self.sum(1, pair)?;
        let pair = [self.separable(p, (1, "left"), 5, 1)?, self.separable(p, (1, "right"), 3, 1)?];
        let two = self.sum(2, pair)?;
        let mean = self.mean(h, "left3", 1)?;
        let three = self.sum(3, [mean, p])?;
        let pair = [self.mean(p, "left4", 1)?, self.mean(p, "right4", 1)?];
        let four = self.sum(4, pair)?;
        let left = self.separable(h, (4, "left"), 3, 1)?;
        let five = self.sum(5, [left, h])?;
        self.end(&[p, one, two, three, four, five])
    }

    fn reduction(&mut self, last: LayerId, before: Option<LayerId>) -> Result<LayerId, NetError> {
        let p = self.adjust(before, last)?;
        let h = self.squeezed(last)?;
        let pair = [self.separable(h, (0, "left"), 5, 2)?, self.separable(p, (0, "right"), 7, 2)?];
        let one = self.sum(1, pair)?;
        let pair = [self.most(h, "left2")?, self.separable(p, (1, "right"), 7, 2)?];
        let two = self.sum(2, pair)?;
        let pair = [self.mean(h, "left3", 2)?, self.separable(p, (2, "right"), 5, 2)?];
        let three = self.sum(3, pair)?;
        let mean = self.mean(one, "left4", 1)?;
        let four = self.sum(4, [two, mean])?;
        let pair = [self.separable(one, (4, "left"), 3, 1)?, self.most(h, "right5")?];
        let five = self.sum(5, pair)?;
        self.end(&[two, three, four, five])
    }
}

pub(super) fn made(
    naming: Naming,
    size: usize,
    plan: &Plan,
    [pool, logits]: [&str; 2],
) -> Result<Made, NetError> {
    let timm = naming.is_timm();
    let mut b = Build::new(size, Padding::Same, 1e-3)?;
    let stem = if timm { ["conv0.conv", "conv0.bn"] } else { ["stem_conv1", "stem_bn1"] };
    b.push(stem[0], Op::Conv2d(Conv2d::new(plan.stem, 3).stride(2)))?;
    b.push(stem[1], NORM)?;
    b.mark();
    let (filters, n) = (plan.penultimate / 24, plan.cells);
    let (mut last, mut before) = (b.at(), None);
    let mut cell = |b: &mut Build, (id, path): (String, String), filters, reduces| {
        let mut cell = Cell { b, timm, id, path, filters, reduces };
        let after =
            if reduces { cell.reduction(last, before)? } else { cell.normal(last, before)? };
        // Behind a reduction in the network a cell may look past it; in the stem it never does.
        let stem = cell.path.starts_with("cell_stem");
        if !(reduces && plan.skip && !stem) {
            before = Some(last);
        }
        last = after;
        Ok::<(), NetError>(())
    };
    for i in [0, 1] {
        let names = (format!("stem_{}", i + 1), format!("cell_stem_{i}"));
        cell(&mut b, names, filters >> (2 - i), true)?;
    }
    for row in 0..3 {
        if row > 0 {
            let names = (format!("reduce_{}", row * n), format!("reduction_cell_{}", row - 1));
            cell(&mut b, names, filters << row, true)?;
        }
        for i in 0..n {
            // Keras counts the reductions too.
            let names = (format!("{}", row * n + i + row.min(1)), format!("cell_{}", row * n + i));
            cell(&mut b, names, filters << row, false)?;
        }
    }
    b.push(if timm { "act" } else { "relu" }, Op::Relu)?;
    b.push(pool, Op::GlobalAvgPool)?;
    b.push(logits, Op::Linear { out: 1000, bias: true })?;
    Ok(b.made())
}
