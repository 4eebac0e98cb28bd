//! Gradient of a convolution for its input: itself a set of convolutions of the output's gradient.
//!
//! With stride `s`, input rows `h = s·i + a` of one phase `a` see only every `s`-th tap of the
//! kernel, and among themselves they are a convolution with stride 1 (the sub-pixel view of Shi et
//! al. 2016, "Is the deconvolution layer the same as a convolutional layer?"). So nothing is
//! multiplied with zeros that a stride would put between gradients.

use std::cell::RefCell;

use crate::team::Team;
use crate::{
    Aligned, Clamp, Conv, ConvSpec, Depthwise, Isa, Kind, Map, PadSides, Residual, Slice, SliceMut,
    Winograd,
};

thread_local! {
    /// One phase of one image.
    static SCRATCH: RefCell<Aligned> = RefCell::new(Aligned::zeros(0));
}

/// One axis of one phase.
#[derive(Debug, Clone)]
struct Axis {
    /// Input places of the phase: `first, first + stride, …`, so many.
    first: usize,
    count: usize,
    /// For each tap of the phase's convolution the tap of the kernel, `None` for zero.
    taps: Vec<Option<usize>>,
    /// Padding before and after the gradient that the phase's convolution reads.
    before: usize,
    after: usize,
}

/// The phases of one axis: `input` and `output` extents of the forward convolution.
fn axis(spec: &ConvSpec, axis: usize, input: usize, output: usize) -> Vec<Axis> {
    let (stride, dilation) = (spec.stride[axis], spec.dilation[axis]);
    let kernel = (spec.size[axis] - 1) * dilation + 1;
    let phase = |first: usize| {
        let count = (input - first).div_ceil(stride);
        let shift = (first + spec.before[axis]) / stride;
        let lowest = (first + spec.before[axis]) % stride;
        let taps = kernel.saturating_sub(lowest).div_ceil(stride).max(shift + 1);
        let tap = |i: usize| {
            let place = lowest + stride * (taps - 1 - i);
            (place < kernel && place.is_multiple_of(dilation)).then_some(place / dilation)
        };
        Axis {
            first,
            count,
            taps: (0..taps).map(tap).collect(),
            before: taps - 1 - shift,
            after: (count + shift).saturating_sub(output),
        }
    };
    (0..stride.min(input)).map(phase).collect()
}

enum Work {
    Conv(Conv),
    Winograd(Winograd),
    Depthwise(Depthwise),
}

struct Phase {
    first: [usize; 2],
    map: Map,
    work: Work,
}

/// The gradient of a convolution for its input, with weights turned round and packed.
pub struct ConvInput {
    stride: [usize; 2],
    phases: Vec<Phase>,
}

impl ConvInput {
    /// Bytes of the packed weights.
    pub fn bytes(&self) -> usize {
        let of = |phase: &Phase| match &phase.work {
            Work::Conv(conv) => conv.bytes(),
            Work::Winograd(conv) => conv.bytes(),
            Work::Depthwise(conv) => conv.bytes(),
        };
        self.phases.iter().map(of).sum()
    }

    /// The border that the gradient of the output must have.
    pub fn border(spec: &ConvSpec, input: &Map, output: &Map) -> PadSides {
        let mut border = PadSides::default();
        for y in axis(spec, 0, input.height, output.height) {
            border.top = border.top.max(y.before);
            border.bottom = border.bottom.max(y.after);
        }
        for x in axis(spec, 1, input.width, output.width) {
            border.left = border.left.max(x.before);
            border.right = border.right.max(x.after);
        }
        border
    }

    /// Packs weights `[out, in / groups, kh, kw]`, each output channel multiplied by `scale[out]`.
    /// `input` is the map of the forward convolution's input, `gradient` that of its output's
    /// gradient.
    ///
    /// # Panics
    /// When lengths do not fit the specification.
    pub fn new(
        isa: Isa,
        spec: ConvSpec,
        input: &Map,
        gradient: &Map,
        weight: &[f32],
        scale: &[f32],
    ) -> Self {
        let mut phases = Vec::new();
        for y in axis(&spec, 0, input.height, gradient.height) {
            for x in axis(&spec, 1, input.width, gradient.width) {
                let turned = ConvSpec {
                    input: spec.output,
                    output: spec.input,
                    size: [y.taps.len(), x.taps.len()],
                    stride: [1, 1],
                    before: [y.before, x.before],
                    dilation: [1, 1],
                    groups: spec.groups,
                };
                let map = Map::new(spec.input, y.count, x.count);
                let weight = turn(&spec, weight, scale, &y.taps, &x.taps);
                let (ones, zeros) = (vec![1.0; spec.input], vec![0.0; spec.input]);
                let work = if Depthwise::fits(&turned) && spec.groups > 1 {
                    let clamp = Clamp::NONE;
                    Work::Depthwise(Depthwise::new(isa, turned, &weight, &ones, &zeros, clamp))
                } else if Winograd::fits(&turned, &map) {
                    let clamp = Clamp::NONE;
                    Work::Winograd(Winograd::new(isa, turned, &weight, &ones, &zeros, clamp))
                } else {
                    let from = (gradient, Kind::F32);
                    let clamp = Clamp::NONE;
                    Work::Conv(Conv::new(isa, turned, from, &weight, &ones, &zeros, clamp))
                };
                phases.push(Phase { first: [y.first, x.first], map, work });
            }
        }
        Self { stride: spec.stride, phases }
    }

    /// From the output's gradient of one image to the input's; `sum` is added to it.
    ///
    /// # Panics
    /// When a slice does not fit its map or the maps do not fit the specification.
    pub fn run(
        &self,
        team: Team<'_>,
        gradient: (&[f32], &Map),
        sum: Option<(&[f32], &Map)>,
        (out, map): (&mut [f32], &Map),
    ) {
        if let [phase] = &self.phases[..] {
            return phase.run(team, gradient, sum, (out, map));
        }
        SCRATCH.with_borrow_mut(|scratch| {
            for phase in &self.phases {
                let len = phase.map.len();
                if scratch.as_slice().len() < len {
                    *scratch = Aligned::zeros(len);
                }
                let part = &mut scratch.as_mut_slice()[..len];
                phase.run(team, gradient, None, (part, &phase.map));
                self.scatter(phase, part, sum, (out, map));
            }
        });
    }

    /// Puts the rows and columns of a phase where they belong.
    fn scatter(
        &self,
        phase: &Phase,
        part: &[f32],
        sum: Option<(&[f32], &Map)>,
        (out, map): (&mut [f32], &Map),
    ) {
        for i in 0..phase.map.height {
            for j in 0..phase.map.width {
                let (y, x) =
                    (phase.first[0] + i * self.stride[0], phase.first[1] + j * self.stride[1]);
                let from = &part[phase.map.at(i, j)..][..phase.map.stride];
                let to = &mut out[map.at(y, x)..][..from.len()];
                match sum {
                    Some((data, there)) => {
                        let sum = &data[there.at(y, x)..][..from.len()];
                        to.iter_mut().zip(from.iter().zip(sum)).for_each(|(o, (a, b))| *o = a + b);
                    }
                    None => to.copy_from_slice(from),
                }
            }
        }
    }
}

impl Phase {
    fn run(
        &self,
        team: Team<'_>,
        (gradient, from): (&[f32], &Map),
        sum: Option<(&[f32], &Map)>,
        (out, map): (&mut [f32], &Map),
    ) {
        let x = Slice::F32(gradient);
        match &self.work {
            Work::Conv(conv) => {
                let residual = sum.map(|(data, map)| Residual { data: Slice::F32(data), map });
                conv.run(team, x, from, SliceMut::F32(out), map, residual);
            }
            Work::Winograd(conv) => conv.run(team, gradient, from, out, map, sum),
            Work::Depthwise(conv) => {
                conv.run(team, x, from, SliceMut::F32(out), map);
                if let Some((data, there)) = sum {
                    crate::add(Slice::F32(data), there, SliceMut::F32(out), map);
                }
            }
        }
    }
}

/// Weights `[in, out / groups, taps, taps]` of a phase: channels exchanged within each group.
fn turn(
    spec: &ConvSpec,
    weight: &[f32],
    scale: &[f32],
    rows: &[Option<usize>],
    columns: &[Option<usize>],
) -> Vec<f32> {
    spec.check_params(weight, scale, scale);
    let (ins, outs) = (spec.input / spec.groups, spec.output / spec.groups);
    let kernel = spec.size[0] * spec.size[1];
    let taps = rows.len() * columns.len();
    let mut turned = vec![0.0; spec.input * outs * taps];
    let places: Vec<Option<usize>> = rows
        .iter()
        .flat_map(|y| columns.iter().map(move |x| Some((*y)? * spec.size[1] + (*x)?)))
        .collect();
    for (i, block) in turned.chunks_exact_mut(outs * taps).enumerate() {
        for (o, taps) in block.chunks_exact_mut(taps).enumerate() {
            let out = i / ins * outs + o;
            let from = &weight[(out * ins + i % ins) * kernel..][..kernel];
            for (to, place) in taps.iter_mut().zip(&places) {
                *to = place.map_or(0.0, |p| from[p] * scale[out]);
            }
        }
    }
    turned
}
