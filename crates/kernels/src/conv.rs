//! Convolution of any kernel, stride, dilation and grouping, as implicit matrix product: the input
//! is read in place, weights are packed once.

use std::ops::Range;
use std::ptr;

use half::bf16;

use crate::simd::Number;
use crate::slice::typed;
use crate::team::{Out, Team};
use crate::tile::{self, Run, Tile, Tiles};
use crate::{Aligned, Clamp, Isa, Kind, LANES, Map, Slice, SliceMut};

/// Bytes of input that one block of output rows may touch, so that it stays in the second-level
/// cache while all output channels pass over it.
const BLOCK_BYTES: usize = 384 * 1024;

/// What a convolution is, apart from its weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConvSpec {
    /// Input channels.
    pub input: usize,
    /// Output channels.
    pub output: usize,
    /// Kernel `[kh, kw]`.
    pub size: [usize; 2],
    /// Step `[sh, sw]`.
    pub stride: [usize; 2],
    /// Rows and columns of padding before the map, `[top, left]`.
    pub before: [usize; 2],
    /// Distance of kernel taps.
    pub dilation: [usize; 2],
    /// Channel groups.
    pub groups: usize,
}

impl ConvSpec {
    /// Refuses parameters of another convolution.
    ///
    /// # Panics
    /// When there are not `[out, in / groups, kh, kw]` weights and `[out]` scales and biases.
    pub(crate) fn check_params(&self, weight: &[f32], scale: &[f32], bias: &[f32]) {
        let per_output = self.input / self.groups * self.size[0] * self.size[1];
        assert_eq!(weight.len(), self.output * per_output, "weights [out, in / groups, kh, kw]");
        assert_eq!(scale.len(), self.output, "one scale for each output channel");
        assert_eq!(bias.len(), self.output, "one bias for each output channel");
    }

    /// Refuses an input whose border is narrower than the kernel reaches around `output`.
    ///
    /// # Panics
    /// When it is.
    pub(crate) fn check_border(&self, input: &Map, output: &Map) {
        for (axis, extent, before, after, out) in [
            (0, input.height, input.pad.top, input.pad.bottom, output.height),
            (1, input.width, input.pad.left, input.pad.right, output.width),
        ] {
            let kernel = (self.size[axis] - 1) * self.dilation[axis] + 1;
            let reach = (out - 1) * self.stride[axis] + kernel;
            assert!(before >= self.before[axis], "border before axis {axis}");
            assert!(extent + self.before[axis] + after >= reach, "border after axis {axis}");
        }
    }
}

/// A map that is added to a convolution's result before its clamp.
#[derive(Debug, Clone, Copy)]
pub struct Residual<'a> {
    /// Its values, of the output's kind.
    pub data: Slice<'a>,
    /// How they lie.
    pub map: &'a Map,
}

/// A convolution with packed weights.
pub struct Conv {
    spec: ConvSpec,
    isa: Isa,
    clamp: Clamp,
    /// The kind of number it reads; its weights are of that kind.
    kind: Kind,
    /// Of all groups, after joining neighbours until each fills whole vectors.
    panels: Vec<Panel>,
    weights: Aligned,
    bias: Aligned,
    /// Pixel stride of the input the weights are packed for.
    input_stride: usize,
}

struct Panel {
    /// First input channel.
    input: usize,
    /// First output channel.
    output: usize,
    vectors: usize,
    /// Where its weights begin, in words.
    weights: usize,
}

/// What a convolution reads and writes in one run.
struct Maps<'a, X: 'static, Y: 'static> {
    x: &'a [X],
    input: &'a Map,
    y: Out<Y>,
    output: &'a Map,
    residual: Option<(&'a [Y], &'a Map)>,
    runs: Vec<Run>,
    tiles: Tiles<X, Y>,
}

impl Conv {
    /// Bytes of the packed weights.
    pub fn bytes(&self) -> usize {
        4 * (self.weights.as_slice().len() + self.bias.as_slice().len())
    }

    /// Packs weights `[out, in / groups, kh, kw]`, each output channel multiplied by `scale[out]`
    /// (a folded batch norm), and `bias[out]`.
    ///
    /// `input` is the map the convolution will read: only its pixel stride matters here. `kind` is
    /// that of the input; weights are rounded to it.
    ///
    /// # Panics
    /// When lengths do not fit the specification.
    pub fn new(
        isa: Isa,
        spec: ConvSpec,
        (input, kind): (&Map, Kind),
        weight: &[f32],
        scale: &[f32],
        bias: &[f32],
        clamp: Clamp,
    ) -> Self {
        let per_group = spec.input / spec.groups;
        let taps = spec.size[0] * spec.size[1];
        spec.check_params(weight, scale, bias);
        let joined = join(&spec);
        let (inputs, outputs) = (per_group * joined, spec.output / spec.groups * joined);
        let per_word = 4 / kind.bytes();
        let mut packed: Vec<f32> = Vec::new();
        let mut panels = Vec::new();
        for g in 0..spec.groups / joined {
            let (first, mut output) = (g * inputs, g * outputs);
            for vectors in tile::panels(isa, outputs.next_multiple_of(LANES)) {
                let weights = packed.len();
                panels.push(Panel { input: first, output, vectors, weights });
                let lanes = vectors * isa.width();
                for tap in 0..taps {
                    for word in 0..inputs.div_ceil(per_word) {
                        let i = first + word * per_word;
                        let from = |o, i| {
                            let inside = i < first + inputs;
                            if inside { tap_weight(&spec, weight, scale, o, i, tap) } else { 0.0 }
                        };
                        packed.extend((output..output + lanes).map(|o| match kind {
                            Kind::F32 => from(o, i),
                            Kind::Bf16 => pair([from(o, i), from(o, i + 1)]),
                        }));
                    }
                }
                output += lanes;
            }
        }
        Self {
            spec,
            isa,
            clamp,
            kind,
            panels,
            weights: aligned(&packed),
            bias: aligned_padded(bias),
            input_stride: input.stride,
        }
    }

    /// Convolves `x` into `y`; `y`'s border is not touched.
    ///
    /// # Panics
    /// When a slice does not fit its map or is of another kind than the weights are packed for, the
    /// input's border is narrower than the kernel reaches, the maps do not fit the specification, or
    /// the residual is not of `y`'s kind.
    pub fn run(
        &self,
        team: Team<'_>,
        x: Slice<'_>,
        input: &Map,
        y: SliceMut<'_>,
        output: &Map,
        residual: Option<Residual<'_>>,
    ) {
        assert_eq!(x.kind(), self.kind, "the kind of number the weights are packed for");
        let (data, map) = residual.map_or((None, None), |r| (Some(r.data), Some(r.map)));
        match (x, y, data) {
            (Slice::F32(x), SliceMut::F32(y), Some(Slice::F32(r))) => {
                self.typed(team, x, input, y, output, map.map(|map| (r, map)));
            }
            (Slice::F32(x), SliceMut::Bf16(y), Some(Slice::Bf16(r))) => {
                self.typed(team, x, input, y, output, map.map(|map| (r, map)));
            }
            (Slice::Bf16(x), SliceMut::F32(y), Some(Slice::F32(r))) => {
                self.typed(team, x, input, y, output, map.map(|map| (r, map)));
            }
            (Slice::Bf16(x), SliceMut::Bf16(y), Some(Slice::Bf16(r))) => {
                self.typed(team, x, input, y, output, map.map(|map| (r, map)));
            }
            (x, y, None) => typed!(x, y, |x, y| self.typed(team, x, input, y, output, None)),
            (_, _, Some(_)) => panic!("a residual of the output's kind"),
        }
    }

    fn typed<X: Number, Y: Number>(
        &self,
        team: Team<'_>,
        x: &[X],
        input: &Map,
        y: &mut [Y],
        output: &Map,
        residual: Option<(&[Y], &Map)>,
    ) {
        self.check(x, input, y, output, residual);
        let spec = &self.spec;
        let pointwise = spec.size == [1, 1] && spec.stride == [1, 1] && spec.before == [0, 0];
        let flat_residual = residual.is_none_or(|(_, map)| map.gapless());
        // Without gaps between rows, all pixels are one long row, and tiles need not end with it.
        let size = |m: &Map| (m.height, m.width);
        let alike = size(input) == size(output) && input.gapless() && output.gapless();
        let flat = pointwise && alike && flat_residual;
        let (rows, columns) =
            if flat { (1, output.pixels()) } else { (output.height, output.width) };
        // Threads share out what is smaller to read twice: the map, or the weights.
        let heavy = size_of_val(self.weights.as_slice()) > size_of_val(x);
        let cuts = if heavy { 1 } else { team.threads() };
        let blocks = self.blocks(rows, columns, input, cuts);
        let panels = &self.panels;
        // With fewer blocks than threads, each block's panels are shared out too.
        let shares = team.threads().div_ceil(blocks.len()).min(panels.len());
        let share = panels.len().div_ceil(shares);
        let (runs, tiles) = (self.runs(input), Tiles::of(self.isa));
        let maps = Maps { x, input, y: Out::new(y), output, residual, runs, tiles };
        team.run(blocks.len() * shares, &|part| {
            let block = &blocks[part / shares];
            let mine = part % shares * share;
            for panel in &panels[mine.min(panels.len())..(mine + share).min(panels.len())] {
                for row in block.rows.clone() {
                    self.line(panel, &maps, row, block.columns.clone());
                }
            }
        });
    }

    /// One panel over some pixels of a row of output.
    fn line<X: Number, Y: Number>(
        &self,
        panel: &Panel,
        maps: &Maps<'_, X, Y>,
        row: usize,
        columns: Range<usize>,
    ) {
        let (spec, input, output) = (&self.spec, maps.input, maps.output);
        let step = spec.stride[1] * input.stride;
        let first = {
            let y = row * spec.stride[0] + input.pad.top - spec.before[0];
            let x = columns.start * spec.stride[1] + input.pad.left - spec.before[1];
            y * input.row() + x * input.stride + panel.input
        };
        let most = maps.tiles.most_rows(panel.vectors);
        let total = columns.len();
        let count = total.div_ceil(most);
        let weights: &[X] = bytemuck::cast_slice(&self.weights.as_slice()[panel.weights..]);
        let channels = panel.vectors * self.isa.width();
        let mut done = 0;
        for i in 0..count {
            // Even tiles: 15 pixels are 8 + 7, not 14 + 1.
            let rows = (total - done).div_ceil(count - i);
            let column = columns.start + done;
            let (residual, residual_step) = maps.residual.map_or((ptr::null(), 0), |(r, map)| {
                (r[map.at(row, column) + panel.output..].as_ptr(), map.stride)
            });
            let room = (rows - 1) * output.stride + channels;
            let tile = Tile {
                input: maps.x[first + done * step..].as_ptr(),
                step,
                runs: &maps.runs,
                weights: weights.as_ptr(),
                bias: self.bias.as_slice()[panel.output..].as_ptr(),
                out: maps.y.at(output.at(row, column) + panel.output, room),
                out_step: output.stride,
                residual,
                residual_step,
                clamp: self.clamp,
            };
            // SAFETY: `check` saw that the maps hold every pixel of the row with the kernel around
            // it and whole vectors of channels, that the slices fill their maps, and that the
            // machine has the instruction set (an `Isa` says so). No two parts of a run have a pixel
            // and a panel in common, so nobody else writes here.
            unsafe { maps.tiles.get(rows, panel.vectors)(&tile) };
            done += rows;
        }
    }

    fn check<X, Y>(
        &self,
        x: &[X],
        input: &Map,
        y: &[Y],
        output: &Map,
        residual: Option<(&[Y], &Map)>,
    ) {
        let s = &self.spec;
        assert_eq!(x.len(), input.len(), "input data fills its map");
        assert_eq!(y.len(), output.len(), "output data fills its map");
        assert_eq!(input.channels, s.input, "input channels");
        assert_eq!(output.channels, s.output, "output channels");
        assert_eq!(input.stride, self.input_stride, "the pixel stride the weights are packed for");
        assert_eq!(output.stride % LANES, 0, "whole vectors of output channels");
        assert!(output.stride >= s.output, "output channels fit the pixel");
        assert!(output.height > 0 && output.width > 0, "a map with pixels");
        s.check_border(input, output);
        if let Some((data, map)) = residual {
            assert_eq!(data.len(), map.len(), "residual data fills its map");
            assert_eq!(
                (map.channels, map.height, map.width),
                (output.channels, output.height, output.width),
                "a residual of the output's shape"
            );
            assert_eq!(map.stride % LANES, 0, "a residual with whole vectors of channels");
        }
    }

    /// The kernel's footprint from a pixel's first input value.
    fn runs(&self, input: &Map) -> Vec<Run> {
        let s = &self.spec;
        let channels = s.input / s.groups * join(s);
        // A word may reach into a spare or a neighbour's channel: its weight is zero.
        let len = channels.next_multiple_of(4 / self.kind.bytes());
        let [kh, kw] = s.size;
        // With no spare channels between neighbours, a whole kernel row is one run.
        if len == input.stride && s.dilation[1] == 1 {
            let row = |ky| Run { offset: ky * s.dilation[0] * input.row(), len: kw * len };
            return (0..kh).map(row).collect();
        }
        let tap = |i: usize| Run {
            offset: i / kw * s.dilation[0] * input.row() + i % kw * s.dilation[1] * input.stride,
            len,
        };
        (0..kh * kw).map(tap).collect()
    }

    /// Pieces of the output: small enough for the cache, and enough of them for all threads.
    fn blocks(&self, rows: usize, columns: usize, input: &Map, threads: usize) -> Vec<Block> {
        let s = &self.spec;
        let per_pixel = self.kind.bytes() * input.stride * s.stride[0] * s.stride[1];
        if rows == 1 {
            let fits = (BLOCK_BYTES / per_pixel).max(56);
            let wide = fits.min(columns.div_ceil(threads)).next_multiple_of(14);
            return (0..columns.div_ceil(wide))
                .map(|i| Block { rows: 0..1, columns: i * wide..columns.min((i + 1) * wide) })
                .collect();
        }
        let fits = (BLOCK_BYTES / (per_pixel * columns)).max(1);
        let tall = fits.min(rows.div_ceil(threads));
        (0..rows.div_ceil(tall))
            .map(|i| Block { rows: i * tall..rows.min((i + 1) * tall), columns: 0..columns })
            .collect()
    }
}

struct Block {
    rows: Range<usize>,
    columns: Range<usize>,
}

/// How many neighbouring groups become one with zeros between them, so that the outputs of each
/// fill whole vectors.
pub(crate) fn join(s: &ConvSpec) -> usize {
    let out = s.output / s.groups;
    (1..s.groups)
        .find(|m| s.groups.is_multiple_of(*m) && (m * out).is_multiple_of(LANES))
        .unwrap_or(s.groups)
}

/// Weight from input channel `i` to output channel `o` at a tap; zero between groups and for the
/// spare channels that fill the last vector.
fn tap_weight(s: &ConvSpec, w: &[f32], scale: &[f32], o: usize, i: usize, tap: usize) -> f32 {
    let (ins, outs) = (s.input / s.groups, s.output / s.groups);
    if o >= s.output || o / outs != i / ins {
        return 0.0;
    }
    w[(o * ins + i % ins) * s.size[0] * s.size[1] + tap] * scale[o]
}

/// Two numbers as one word, the first in the lower half.
fn pair(values: [f32; 2]) -> f32 {
    let [a, b] = values.map(|x| bf16::from_f32(x).to_bits());
    f32::from_bits(u32::from(a) | u32::from(b) << 16)
}

fn aligned(values: &[f32]) -> Aligned {
    let mut a = Aligned::zeros(values.len());
    a.as_mut_slice().copy_from_slice(values);
    a
}

/// Values with zeros up to whole vectors.
pub(crate) fn aligned_padded(values: &[f32]) -> Aligned {
    let mut a = Aligned::zeros(values.len().next_multiple_of(LANES));
    a.as_mut_slice()[..values.len()].copy_from_slice(values);
    a
}
