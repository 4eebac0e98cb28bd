//! One step of a schedule.

use std::ops::Range;

use regraft_kernels::{
    Affine, Attention, Clamp, Conv, Curve, Depthwise, Isa, Kind, Map, Pool, Rearrange, Residual,
    Slice, SliceMut, Team, Tokens, Winograd, add, clamp, copy_channels, curve, from_chw, lrn,
    moved, prelu, product, shuffle_channels, slice_channels, softmax, to_chw,
};

use regraft_net::Op;
use regraft_tensor::Shape;

use crate::arena::split;

/// What one step of the schedule is.
#[derive(Debug, Clone)]
pub struct StepInfo {
    /// The layer that does the work; norms, additions and activations fused into it are not named.
    pub layer: String,
    /// Its operation.
    pub op: Op,
    /// Shape of its first input for one image, `[C, H, W]` or `[C]`; none for the input itself.
    pub input: Option<Shape>,
    /// Shape of what comes out, for one image.
    pub output: Shape,
    /// Multiply-adds for one image.
    pub macs: u64,
}

/// A value: how it lies, and where in the arena.
#[derive(Debug, Clone)]
pub(crate) struct Value {
    pub(crate) map: Map,
    pub(crate) kind: Kind,
    /// In words of 32 bits.
    pub(crate) place: Range<usize>,
}

impl Value {
    /// Its numbers, from the words of its place.
    pub(crate) fn of<'a>(&self, words: &'a [f32]) -> Slice<'a> {
        Slice::of(self.kind, words)
    }
}

/// Where and for whom a step runs.
#[derive(Clone, Copy)]
pub(crate) struct Run<'a> {
    pub(crate) isa: Isa,
    pub(crate) team: Team<'a>,
    pub(crate) values: &'a [Value],
    /// `[C, H, W]`.
    pub(crate) image: &'a [f32],
}

pub(crate) enum Work {
    /// Writes the image into the arena.
    Input,
    Conv {
        conv: Conv,
        residual: Option<usize>,
    },
    Winograd {
        conv: Winograd,
        residual: Option<usize>,
    },
    Depthwise(Depthwise),
    Affine(Affine),
    Clamp(Clamp),
    Curve(Curve),
    LayerNorm(LayerNorm),
    /// Moves the map down and to the right.
    Move([isize; 2]),
    Mul,
    /// With a slope for each channel.
    Prelu(Vec<f32>),
    /// Channels from this one.
    Slice(usize),
    /// In so many groups.
    Shuffle(usize),
    Tokens {
        first: Vec<f32>,
        position: Vec<f32>,
    },
    Rearrange(Rearrange),
    Attention {
        heads: usize,
        biases: Vec<f32>,
        talking: Option<[Vec<f32>; 2]>,
    },
    Token(usize),
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

/// A layer norm's parameters.
pub(crate) struct LayerNorm {
    pub(crate) weight: Vec<f32>,
    pub(crate) bias: Vec<f32>,
    pub(crate) eps: f32,
}

impl LayerNorm {
    fn as_kernel(&self) -> regraft_kernels::LayerNorm<'_> {
        regraft_kernels::LayerNorm { weight: &self.weight, bias: &self.bias, eps: self.eps }
    }
}

/// What is computed, from which values, into which.
pub(crate) struct Step {
    pub(crate) work: Work,
    pub(crate) inputs: Vec<usize>,
    pub(crate) output: usize,
}

impl Step {
    /// Runs the step in `arena`.
    pub(crate) fn run(&self, run: &Run<'_>, arena: &mut [f32]) {
        let Value { map, kind, place } = &run.values[self.output];
        let (words, others) = split(arena, place);
        let mut out = SliceMut::of(*kind, words);
        let value = |v: usize| {
            let value = &run.values[v];
            (value.of(others.get(&value.place)), &value.map)
        };
        let (isa, team) = (run.isa, run.team);
        // Other values have lain in this place: the border must be zero again.
        map.clear_border(out.reborrow());
        let Some(first) = self.inputs.first() else {
            return from_chw(run.image, map, out);
        };
        let (x, from) = value(*first);
        match &self.work {
            Work::Input => unreachable!("an input reads no value"),
            Work::Conv { conv, residual } => {
                let residual = residual.map(value).map(|(data, map)| Residual { data, map });
                conv.run(team, x, from, out, map, residual);
            }
            Work::Winograd { conv, residual } => {
                let residual = residual.map(value).map(|(data, map)| (data.f32(), map));
                conv.run(team, x.f32(), from, out.f32(), map, residual);
            }
            Work::Depthwise(conv) => conv.run(team, x, from, out, map),
            Work::Affine(affine) => affine.run(x, from, out, map),
            Work::Clamp(limits) => clamp(*limits, x, from, out, map),
            Work::Curve(kind) => curve((isa, team), *kind, x, from, out, map),
            Work::LayerNorm(norm) => norm.as_kernel().run((isa, team), x, from, out, map),
            Work::Move(by) => moved(*by, x, from, out, map),
            Work::Mul => product((isa, team), (x, from), value(self.inputs[1]), out, map),
            Work::Prelu(weight) => prelu((isa, team), weight, x, from, out, map),
            Work::Slice(first) => slice_channels(*first, x, from, out, map),
            Work::Shuffle(groups) => shuffle_channels(*groups, x, from, out, map),
            Work::Tokens { first, position } => {
                Tokens { first, position }.run(x, from, out, map);
            }
            Work::Rearrange(places) => places.run(x, out),
            Work::Attention { heads, biases, talking } => {
                let talking = talking.as_ref().map(|both| both.each_ref().map(|m| &m[..]));
                let inputs: Vec<_> = self.inputs.iter().map(|v| value(*v)).collect();
                Attention { heads: *heads, biases, talking }.run((isa, team), &inputs, out, map);
            }
            // Its row of the sequence becomes the first.
            Work::Token(index) => moved([-(*index as isize), 0], x, from, out, map),
            Work::MaxPool(pool) => pool.max((isa, team), x, from, out, map),
            Work::AvgPool { pool, count_pad } => {
                pool.mean((isa, team), *count_pad, x, from, out, map);
            }
            Work::GlobalAvgPool => {
                Pool::all_of(from).mean((isa, team), false, x, from, out, map);
            }
            Work::Lrn { size, constants } => lrn(*size, *constants, x, from, out, map),
            Work::Add => {
                copy_channels(x, from, out.reborrow(), map, 0);
                for input in &self.inputs[1..] {
                    let (x, from) = value(*input);
                    add(x, from, out.reborrow(), map);
                }
            }
            Work::Concat => {
                let mut channel = 0;
                for input in &self.inputs {
                    let (x, from) = value(*input);
                    copy_channels(x, from, out.reborrow(), map, channel);
                    channel += from.channels;
                }
            }
            Work::Flatten => flatten(x, from, out, map),
            Work::Softmax => softmax(x, from, out, map),
        }
    }
}

/// A map `[C, H, W]` as a vector in that order.
fn flatten(x: Slice<'_>, from: &Map, out: SliceMut<'_>, map: &Map) {
    let mut chw = vec![0.0; map.channels];
    to_chw(x, from, &mut chw);
    from_chw(&chw, map, out);
}
