//! 3x3 convolution with stride 1 by minimal filtering: `F(4x4, 3x3)` of Lavin and Gray 2016, "Fast
//! Algorithms for Convolutional Neural Networks", section 4.3. A tile of 4x4 outputs takes 36
//! products for each pair of channels instead of 144.

use std::cell::RefCell;
use std::ptr;

use crate::conv::aligned_padded;
use crate::dispatch::{Kernel, on};
use crate::simd::Simd;
use crate::team::{Out, Team};
use crate::tile::{self, Run, Tile, Tiles};
use crate::{Aligned, Clamp, ConvSpec, Isa, LANES, Map};

/// Outputs of a tile along one axis.
const OUT: usize = 4;
/// Inputs of a tile along one axis.
const IN: usize = 6;
/// Products of a tile for each pair of channels.
const POINTS: usize = IN * IN;
/// Bytes of transformed inputs and products that one block of tiles may take: half of a usual
/// second-level cache.
const BLOCK_BYTES: usize = 512 * 1024;

thread_local! {
    /// Transformed inputs and products of a block.
    static SCRATCH: RefCell<Aligned> = RefCell::new(Aligned::zeros(0));
}

/// A 3x3 convolution with transformed and packed weights, for `f32` maps.
pub struct Winograd {
    spec: ConvSpec,
    isa: Isa,
    clamp: Clamp,
    panels: Vec<Panel>,
    /// For each of the 36 points and each panel: `[C, channels of the panel]`.
    weights: Aligned,
    bias: Aligned,
    zeros: Aligned,
}

struct Panel {
    output: usize,
    vectors: usize,
    weights: usize,
}

impl Winograd {
    /// Bytes of the packed weights.
    pub fn bytes(&self) -> usize {
        4 * (self.weights.as_slice().len() + self.bias.as_slice().len())
    }

    /// Whether a convolution can be done so, and gains by it: the tiles must fill the map, and the
    /// products must outweigh the transforms.
    pub fn fits(spec: &ConvSpec, output: &Map) -> bool {
        let shape = (spec.size, spec.stride, spec.dilation, spec.groups);
        shape == ([3, 3], [1, 1], [1, 1], 1)
            && spec.input.min(spec.output) >= 32
            && spec.input.is_multiple_of(LANES)
            && output.height.min(output.width) >= 12
    }

    /// Transforms and packs weights `[out, in, 3, 3]`, each output channel multiplied by
    /// `scale[out]`, and `bias[out]`.
    ///
    /// # Panics
    /// When lengths do not fit the specification.
    pub fn new(
        isa: Isa,
        spec: ConvSpec,
        weight: &[f32],
        scale: &[f32],
        bias: &[f32],
        clamp: Clamp,
    ) -> Self {
        spec.check_params(weight, scale, bias);
        let all = spec.output.next_multiple_of(LANES);
        let mut panels = Vec::new();
        let mut output = 0;
        for vectors in tile::panels(isa, all) {
            panels.push(Panel { output, vectors, weights: output * spec.input });
            output += vectors * isa.width();
        }
        let mut weights = Aligned::zeros(POINTS * all * spec.input);
        let packed = weights.as_mut_slice();
        for panel in &panels {
            let lanes = panel.vectors * isa.width();
            for lane in 0..lanes.min(spec.output.saturating_sub(panel.output)) {
                let o = panel.output + lane;
                for i in 0..spec.input {
                    let kernel = &weight[(o * spec.input + i) * 9..][..9];
                    for (point, value) in transformed(kernel, scale[o]).into_iter().enumerate() {
                        packed[point * all * spec.input + panel.weights + i * lanes + lane] = value;
                    }
                }
            }
        }
        let zeros = Aligned::zeros(3 * LANES);
        Self { spec, isa, clamp, panels, weights, bias: aligned_padded(bias), zeros }
    }

    /// Convolves `x` into `y`, adding the residual before the clamp; `y`'s border is not touched.
    ///
    /// # Panics
    /// When a slice does not fit its map, or the input's border is narrower than the padding.
    pub fn run(
        &self,
        team: Team<'_>,
        x: &[f32],
        input: &Map,
        y: &mut [f32],
        output: &Map,
        residual: Option<(&[f32], &Map)>,
    ) {
        let s = &self.spec;
        assert_eq!(x.len(), input.len(), "input data fills its map");
        assert_eq!(y.len(), output.len(), "output data fills its map");
        assert_eq!((input.channels, output.channels), (s.input, s.output), "channels");
        let all = s.output.next_multiple_of(LANES);
        assert!(input.stride >= s.input && output.stride >= all, "whole vectors of channels");
        s.check_border(input, output);
        if let Some((data, map)) = residual {
            assert_eq!(data.len(), map.len(), "residual data fills its map");
            let shape = |m: &Map| (m.channels, m.height, m.width);
            assert_eq!(shape(map), shape(output), "a residual of the output's shape");
            assert!(map.stride >= all, "a residual with whole vectors of channels");
        }
        let across = output.width.div_ceil(OUT);
        let tiles = across * output.height.div_ceil(OUT);
        let fits = (BLOCK_BYTES / (4 * POINTS * (s.input + all))).max(14);
        let block = fits.min(tiles.div_ceil(team.threads()));
        let job = Job { x, input, y: Out::new(y), output, residual, across };
        team.run(tiles.div_ceil(block), &|part| {
            let tiles = part * block..tiles.min((part + 1) * block);
            SCRATCH.with_borrow_mut(|scratch| {
                let wanted = POINTS * tiles.len() * (s.input + all);
                if scratch.as_slice().len() < wanted {
                    *scratch = Aligned::zeros(wanted);
                }
                let (v, m) =
                    scratch.as_mut_slice()[..wanted].split_at_mut(POINTS * tiles.len() * s.input);
                self.block(&job, tiles, v, m);
            });
        });
    }

    fn block(&self, job: &Job<'_>, tiles: std::ops::Range<usize>, v: &mut [f32], m: &mut [f32]) {
        let count = tiles.len();
        for (i, tile) in tiles.clone().enumerate() {
            on(self.isa, Transform::Inputs { w: self, job, tile, i, count, v: Out::new(v) });
        }
        self.products(count, v, m);
        for (i, tile) in tiles.enumerate() {
            on(self.isa, Transform::Outputs { w: self, job, tile, i, count, m });
        }
    }

    /// At each of the 36 points, the product of transformed inputs `[tiles, C]` and weights.
    fn products(&self, count: usize, v: &[f32], m: &mut [f32]) {
        let (inputs, all) = (self.spec.input, self.bias.as_slice().len());
        let functions = Tiles::<f32, f32>::of(self.isa);
        let runs = [Run { offset: 0, len: inputs }];
        let out = Out::new(m);
        for point in 0..POINTS {
            for panel in &self.panels {
                let most = functions.most_rows(panel.vectors);
                let steps = count.div_ceil(most);
                let mut done = 0;
                for step in 0..steps {
                    let rows = (count - done).div_ceil(steps - step);
                    let first = (point * count + done) * all + panel.output;
                    let room = (rows - 1) * all + panel.vectors * self.isa.width();
                    let tile = Tile {
                        input: v[(point * count + done) * inputs..].as_ptr(),
                        step: inputs,
                        runs: &runs,
                        weights: self.weights.as_slice()[point * all * inputs + panel.weights..]
                            .as_ptr(),
                        bias: self.zeros.as_slice().as_ptr(),
                        out: out.at(first, room),
                        out_step: all,
                        residual: ptr::null(),
                        residual_step: 0,
                        clamp: Clamp::NONE,
                    };
                    // SAFETY: `v` holds `count` rows of `inputs` values at every point, the weights
                    // `inputs` lines of the panel's channels, and `at` saw the room in `m`; the
                    // machine has the instruction set (an `Isa` says so).
                    unsafe { functions.get(rows, panel.vectors)(&tile) };
                    done += rows;
                }
            }
        }
    }
}

struct Job<'a> {
    x: &'a [f32],
    input: &'a Map,
    y: Out<f32>,
    output: &'a Map,
    residual: Option<(&'a [f32], &'a Map)>,
    /// Tiles in a row.
    across: usize,
}

/// One tile's transform, before or after the products.
enum Transform<'a> {
    Inputs { w: &'a Winograd, job: &'a Job<'a>, tile: usize, i: usize, count: usize, v: Out<f32> },
    Outputs { w: &'a Winograd, job: &'a Job<'a>, tile: usize, i: usize, count: usize, m: &'a [f32] },
}

impl Kernel for Transform<'_> {
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        match self {
            Transform::Inputs { w, job, tile, i, count, v } => {
                for c in (0..w.spec.input).step_by(S::WIDTH) {
                    // SAFETY: `run` saw that slices fill their maps and hold whole vectors.
                    unsafe {
                        inputs::<S>(w, job, tile, c, |p| {
                            v.at((p * count + i) * w.spec.input + c, S::WIDTH)
                        });
                    };
                }
            }
            Transform::Outputs { w, job, tile, i, count, m } => {
                let all = w.bias.as_slice().len();
                for c in (0..all).step_by(S::WIDTH) {
                    // SAFETY: as above.
                    unsafe {
                        outputs::<S>(w, job, tile, c, |p| {
                            m[(p * count + i) * all + c..][..S::WIDTH].as_ptr()
                        });
                    };
                }
            }
        }
    }
}

/// `Bᵀ d B` of one tile, one vector of channels.
///
/// # Safety
/// The machine must have the instructions of `S`; `to` must give room for a vector.
#[inline(always)]
unsafe fn inputs<S: Simd>(
    w: &Winograd,
    job: &Job<'_>,
    tile: usize,
    c: usize,
    to: impl Fn(usize) -> *mut f32,
) {
    let input = job.input;
    let top = tile / job.across * OUT + input.pad.top - w.spec.before[0];
    let left = tile % job.across * OUT + input.pad.left - w.spec.before[1];
    let rows = input.pad.top + input.height + input.pad.bottom;
    let columns = input.pad.left + input.width + input.pad.right;
    // SAFETY: only values inside the map are loaded.
    unsafe {
        let load = |y: usize, x: usize| {
            if y < rows && x < columns {
                S::load(job.x[y * input.row() + x * input.stride + c..][..S::WIDTH].as_ptr())
            } else {
                S::splat(0.0)
            }
        };
        let mut half = [[S::splat(0.0); IN]; IN];
        for x in 0..IN {
            let column = [0, 1, 2, 3, 4, 5].map(|y| load(top + y, left + x));
            let t = bt::<S>(column);
            for y in 0..IN {
                half[y][x] = t[y];
            }
        }
        for (y, row) in half.into_iter().enumerate() {
            for (x, value) in bt::<S>(row).into_iter().enumerate() {
                S::store(to(y * IN + x), value);
            }
        }
    }
}

/// `Aᵀ m A` of one tile, one vector of channels, with bias, residual and clamp.
///
/// # Safety
/// The machine must have the instructions of `S`; `from` must give a vector.
#[inline(always)]
unsafe fn outputs<S: Simd>(
    w: &Winograd,
    job: &Job<'_>,
    tile: usize,
    c: usize,
    from: impl Fn(usize) -> *const f32,
) {
    let output = job.output;
    let (top, left) = (tile / job.across * OUT, tile % job.across * OUT);
    // SAFETY: pointers are those of slices long enough; tiles are shared out, so nobody else writes
    // their pixels.
    unsafe {
        let mut half = [[S::splat(0.0); IN]; OUT];
        for x in 0..IN {
            let t = at::<S>([0, 1, 2, 3, 4, 5].map(|y| S::load(from(y * IN + x))));
            for y in 0..OUT {
                half[y][x] = t[y];
            }
        }
        let bias = S::load(w.bias.as_slice()[c..][..S::WIDTH].as_ptr());
        let (low, high) = (S::splat(w.clamp.low), S::splat(w.clamp.high));
        for (y, row) in half.into_iter().enumerate() {
            for (x, value) in at::<S>(row).into_iter().enumerate() {
                let (y, x) = (top + y, left + x);
                if y >= output.height || x >= output.width {
                    continue;
                }
                let mut value = S::add(value, bias);
                if let Some((data, map)) = job.residual {
                    let there = &data[map.at(y, x) + c..][..S::WIDTH];
                    value = S::add(value, S::load(there.as_ptr()));
                }
                let value = S::min(high, S::max(low, value));
                S::store(job.y.at(output.at(y, x) + c, S::WIDTH), value);
            }
        }
    }
}

/// `Bᵀ d`, the points being 0, 1, -1, 2, -2 and infinity.
///
/// # Safety
/// The machine must have the instructions of `S`.
#[inline(always)]
unsafe fn bt<S: Simd>(d: [S::V; IN]) -> [S::V; IN] {
    // SAFETY: handed on to the caller.
    unsafe {
        let k = |x: f32| S::splat(x);
        let fma = |a, b, c| S::fma(a, b, c);
        let (minus, four) = (k(-1.0), k(4.0));
        let a = fma(d[2], k(-4.0), d[4]);
        let b = fma(d[1], k(-4.0), d[3]);
        let e = fma(d[2], minus, d[4]);
        let f = fma(d[1], minus, d[3]);
        [
            fma(d[0], four, fma(d[2], k(-5.0), d[4])),
            S::add(a, b),
            fma(b, minus, a),
            fma(f, k(2.0), e),
            fma(f, k(-2.0), e),
            fma(d[1], four, fma(d[3], k(-5.0), d[5])),
        ]
    }
}

/// `Aᵀ m`.
///
/// # Safety
/// The machine must have the instructions of `S`.
#[inline(always)]
unsafe fn at<S: Simd>(m: [S::V; IN]) -> [S::V; OUT] {
    // SAFETY: handed on to the caller.
    unsafe {
        let minus = S::splat(-1.0);
        let (a, b) = (S::add(m[1], m[2]), S::fma(m[2], minus, m[1]));
        let (e, f) = (S::add(m[3], m[4]), S::fma(m[4], minus, m[3]));
        [
            S::add(m[0], S::add(a, e)),
            S::fma(f, S::splat(2.0), b),
            S::fma(e, S::splat(4.0), a),
            S::add(m[5], S::fma(f, S::splat(8.0), b)),
        ]
    }
}

/// `G g Gᵀ` of a kernel `[3, 3]`, times a scale.
fn transformed(kernel: &[f32], scale: f32) -> [f32; POINTS] {
    let line = |[a, b, c]: [f64; 3]| {
        [
            a / 4.0,
            -(a + b + c) / 6.0,
            -(a - b + c) / 6.0,
            (a + 2.0 * b + 4.0 * c) / 24.0,
            (a - 2.0 * b + 4.0 * c) / 24.0,
            c,
        ]
    };
    let g = |y: usize, x: usize| f64::from(kernel[y * 3 + x]) * f64::from(scale);
    let columns = [0, 1, 2].map(|x| line([g(0, x), g(1, x), g(2, x)]));
    let mut out = [0.0; POINTS];
    for y in 0..IN {
        for (x, value) in line([columns[0][y], columns[1][y], columns[2][y]]).iter().enumerate() {
            out[y * IN + x] = *value as f32;
        }
    }
    out
}
