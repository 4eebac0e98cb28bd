//! One step of a schedule.

use std::ops::Range;

use regraft_kernels::{
    Affine, Clamp, Conv, Depthwise, Map, Pool, Residual, add, avg_pool, clamp, copy_channels,
    from_chw, global_avg_pool, lrn, max_pool, softmax, to_chw,
};

use crate::arena::split;

/// A value: how it lies, and where in the arena.
#[derive(Debug, Clone)]
pub(crate) struct Value {
    pub(crate) map: Map,
    pub(crate) place: Range<usize>,
}

pub(crate) enum Work {
    /// Writes the image into the arena.
    Input,
    Conv {
        conv: Conv,
        residual: Option<usize>,
    },
    Depthwise(Depthwise),
    Affine(Affine),
    Clamp(Clamp),
    MaxPool(Pool),
    AvgPool {
        pool: Pool,
        count_pad: bool,
    },
    GlobalAvgPool,
    Lrn {
        size: usize,
        constants: [f32; 3],
    },
    Add,
    Concat,
    Flatten,
    Softmax,
}

/// What is computed, from which values, into which.
pub(crate) struct Step {
    pub(crate) work: Work,
    pub(crate) inputs: Vec<usize>,
    pub(crate) output: usize,
}

impl Step {
    /// Runs the step in `arena`; `image` is `[C, H, W]`.
    pub(crate) fn run(&self, values: &[Value], image: &[f32], arena: &mut [f32]) {
        let Value { map, place } = &values[self.output];
        let (out, others) = split(arena, place);
        let input = |i: usize| {
            let value = &values[self.inputs[i]];
            (others.get(&value.place), &value.map)
        };
        // Other values have lain in this place: the border must be zero again.
        map.clear_border(out);
        match &self.work {
            Work::Input => from_chw(image, map, out),
            Work::Conv { conv, residual } => {
                let (x, from) = input(0);
                let residual = residual.map(|r| {
                    let value = &values[r];
                    Residual { data: others.get(&value.place), map: &value.map }
                });
                conv.run(x, from, out, map, residual);
            }
            Work::Depthwise(conv) => {
                let (x, from) = input(0);
                conv.run(x, from, out, map);
            }
            Work::Affine(affine) => {
                let (x, from) = input(0);
                affine.run(x, from, out, map);
            }
            Work::Clamp(limits) => {
                let (x, from) = input(0);
                clamp(*limits, x, from, out, map);
            }
            Work::MaxPool(pool) => {
                let (x, from) = input(0);
                max_pool(pool, x, from, out, map);
            }
            Work::AvgPool { pool, count_pad } => {
                let (x, from) = input(0);
                avg_pool(pool, *count_pad, x, from, out, map);
            }
            Work::GlobalAvgPool => {
                let (x, from) = input(0);
                global_avg_pool(x, from, out, map);
            }
            Work::Lrn { size, constants } => {
                let (x, from) = input(0);
                lrn(*size, *constants, x, from, out, map);
            }
            Work::Add => {
                let (x, from) = input(0);
                copy_channels(x, from, out, map, 0);
                for i in 1..self.inputs.len() {
                    let (x, from) = input(i);
                    add(x, from, out, map);
                }
            }
            Work::Concat => {
                let mut first = 0;
                for i in 0..self.inputs.len() {
                    let (x, from) = input(i);
                    copy_channels(x, from, out, map, first);
                    first += from.channels;
                }
            }
            Work::Flatten => {
                let (x, from) = input(0);
                to_chw(x, from, &mut out[..map.channels]);
                out[map.channels..].fill(0.0);
            }
            Work::Softmax => {
                let (x, from) = input(0);
                softmax(x, from, out, map);
            }
        }
    }
}
