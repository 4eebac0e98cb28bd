//! Convolution of any kernel, stride, dilation and grouping, as implicit matrix product: the input
//! is read in place, weights are packed once.

use crate::tile::{Run, Tile, Tiles};
use crate::{Aligned, Clamp, Isa, LANES, Map};

/// Bytes of input that one block of output rows may touch, so that it stays in the second-level
/// cache while all output channels pass over it.
const BLOCK_BYTES: usize = 192 * 1024;

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

/// A map that is added to a convolution's result before its clamp.
#[derive(Debug, Clone, Copy)]
pub struct Residual<'a> {
    /// Its values.
    pub data: &'a [f32],
    /// How they lie.
    pub map: &'a Map,
}

/// A convolution with packed weights.
pub struct Conv {
    spec: ConvSpec,
    isa: Isa,
    clamp: Clamp,
    /// Groups after joining neighbours until each fills whole vectors.
    groups: Vec<Group>,
    weights: Aligned,
    bias: Aligned,
    /// Pixel stride of the input the weights are packed for.
    input_stride: usize,
}

struct Group {
    /// First input channel.
    input: usize,
    panels: Vec<Panel>,
}

struct Panel {
    /// First output channel.
    output: usize,
    vectors: usize,
    /// Where its weights begin.
    weights: usize,
}

impl Conv {
    /// Packs weights `[out, in / groups, kh, kw]`, each output channel multiplied by `scale[out]`
    /// (a folded batch norm), and `bias[out]`.
    ///
    /// `input` is the map the convolution will read: only its pixel stride matters here.
    ///
    /// # Panics
    /// When lengths do not fit the specification.
    pub fn new(
        isa: Isa,
        spec: ConvSpec,
        input: &Map,
        weight: &[f32],
        scale: &[f32],
        bias: &[f32],
        clamp: Clamp,
    ) -> Self {
        let per_group = spec.input / spec.groups;
        let taps = spec.size[0] * spec.size[1];
        assert_eq!(weight.len(), spec.output * per_group * taps, "weights [out, in / g, kh, kw]");
        assert_eq!(scale.len(), spec.output, "one scale for each output channel");
        assert_eq!(bias.len(), spec.output, "one bias for each output channel");
        let joined = join(&spec);
        let (inputs, outputs) = (per_group * joined, spec.output / spec.groups * joined);
        let tiles = Tiles::of(isa);
        let mut packed = Vec::new();
        let mut groups = Vec::new();
        for g in 0..spec.groups / joined {
            let mut panels = Vec::new();
            let mut output = g * outputs;
            for vectors in tiles.panels(outputs.next_multiple_of(LANES)) {
                panels.push(Panel { output, vectors, weights: packed.len() });
                let lanes = vectors * tiles.width;
                for tap in 0..taps {
                    for i in g * inputs..(g + 1) * inputs {
                        let from = |o| tap_weight(&spec, weight, scale, o, i, tap);
                        packed.extend((output..output + lanes).map(from));
                    }
                }
                output += lanes;
            }
            groups.push(Group { input: g * inputs, panels });
        }
        Self {
            spec,
            isa,
            clamp,
            groups,
            weights: aligned(&packed),
            bias: aligned_padded(bias),
            input_stride: input.stride,
        }
    }

    /// Convolves `x` into `y`; `y`'s border is not touched.
    ///
    /// # Panics
    /// When a slice does not fit its map, the input's border is narrower than the kernel reaches, or
    /// the maps do not fit the specification.
    pub fn run(
        &self,
        x: &[f32],
        input: &Map,
        y: &mut [f32],
        output: &Map,
        residual: Option<Residual<'_>>,
    ) {
        self.check(x, input, y, output, residual);
        let runs = self.runs(input);
        let spec = &self.spec;
        let pointwise = spec.size == [1, 1] && spec.stride == [1, 1] && spec.before == [0, 0];
        let flat_residual = residual.is_none_or(|r| r.map.gapless());
        // Without gaps between rows, all pixels are one long row, and tiles need not end with it.
        let flat = pointwise && input.gapless() && output.gapless() && flat_residual;
        let (rows, columns) =
            if flat { (1, output.pixels()) } else { (output.height, output.width) };
        let step = spec.stride[1] * input.stride;
        let start = |row: usize, column: usize| {
            let y = row * spec.stride[0] + input.pad.top - spec.before[0];
            let x = column * spec.stride[1] + input.pad.left - spec.before[1];
            y * input.row() + x * input.stride
        };
        for block in self.blocks(rows, columns, input) {
            for group in &self.groups {
                for panel in &group.panels {
                    for row in block.rows.clone() {
                        let line = Line {
                            input: start(row, block.columns.start) + group.input,
                            step,
                            row,
                            columns: block.columns.clone(),
                        };
                        self.line(panel, &runs, &line, x, y, output, residual);
                    }
                }
            }
        }
    }

    /// One panel over one row of output pixels.
    fn line(
        &self,
        panel: &Panel,
        runs: &[Run],
        line: &Line,
        x: &[f32],
        y: &mut [f32],
        output: &Map,
        residual: Option<Residual<'_>>,
    ) {
        let tiles = Tiles::of(self.isa);
        let most = tiles.most_rows(panel.vectors);
        let total = line.columns.len();
        let count = total.div_ceil(most);
        let mut done = 0;
        for i in 0..count {
            // Even tiles: 15 pixels are 8 + 7, not 14 + 1.
            let rows = (total - done).div_ceil(count - i);
            let column = line.columns.start + done;
            let out_at = output.at(line.row, column) + panel.output;
            let (residual_at, residual_step) = residual.map_or((std::ptr::null(), 0), |r| {
                let at = r.map.at(line.row, column) + panel.output;
                (r.data[at..].as_ptr(), r.map.stride)
            });
            let tile = Tile {
                input: x[line.input + done * line.step..].as_ptr(),
                step: line.step,
                runs,
                weights: self.weights.as_slice()[panel.weights..].as_ptr(),
                bias: self.bias.as_slice()[panel.output..].as_ptr(),
                out: y[out_at..].as_mut_ptr(),
                out_step: output.stride,
                residual: residual_at,
                residual_step,
                clamp: self.clamp,
            };
            // SAFETY: `check` saw that the maps hold every pixel of the row with the kernel around
            // it and whole vectors of channels, that the slices fill their maps, and that the
            // machine has the instruction set (an `Isa` says so).
            unsafe { tiles.get(rows, panel.vectors)(&tile) };
            done += rows;
        }
    }

    fn check(
        &self,
        x: &[f32],
        input: &Map,
        y: &[f32],
        output: &Map,
        residual: Option<Residual<'_>>,
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
        for (axis, (extent, before, after, out)) in [
            (input.height, input.pad.top, input.pad.bottom, output.height),
            (input.width, input.pad.left, input.pad.right, output.width),
        ]
        .into_iter()
        .enumerate()
        {
            let reach = (out - 1) * s.stride[axis] + (s.size[axis] - 1) * s.dilation[axis] + 1;
            assert!(before >= s.before[axis], "border before axis {axis}");
            assert!(extent + s.before[axis] + after >= reach, "border after axis {axis}");
        }
        if let Some(r) = residual {
            assert_eq!(r.data.len(), r.map.len(), "residual data fills its map");
            assert_eq!(
                (r.map.channels, r.map.height, r.map.width),
                (output.channels, output.height, output.width),
                "a residual of the output's shape"
            );
            assert_eq!(r.map.stride, output.stride, "a residual with whole vectors of channels");
        }
    }

    /// The kernel's footprint from a pixel's first input value.
    fn runs(&self, input: &Map) -> Vec<Run> {
        let s = &self.spec;
        let len = s.input / s.groups * join(s);
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

    fn blocks(&self, rows: usize, columns: usize, input: &Map) -> Vec<Block> {
        let s = &self.spec;
        let per_pixel = 4 * input.stride * s.stride[0] * s.stride[1];
        if rows == 1 {
            let wide = (BLOCK_BYTES / per_pixel).next_multiple_of(14).max(56);
            return (0..columns.div_ceil(wide))
                .map(|i| Block { rows: 0..1, columns: i * wide..columns.min((i + 1) * wide) })
                .collect();
        }
        let tall = (BLOCK_BYTES / (per_pixel * columns)).max(1);
        (0..rows.div_ceil(tall))
            .map(|i| Block { rows: i * tall..rows.min((i + 1) * tall), columns: 0..columns })
            .collect()
    }
}

struct Block {
    rows: std::ops::Range<usize>,
    columns: std::ops::Range<usize>,
}

struct Line {
    /// Where the first pixel's first input value lies.
    input: usize,
    step: usize,
    row: usize,
    columns: std::ops::Range<usize>,
}

/// How many neighbouring groups become one with zeros between them, so that the outputs of each
/// fill whole vectors.
fn join(s: &ConvSpec) -> usize {
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
