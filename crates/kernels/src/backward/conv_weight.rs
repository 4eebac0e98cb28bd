//! Gradient of a convolution for its weights: for every tap, the product of what the tap saw, `[C]`,
//! and the output's gradient, `[K]`, summed over all pixels of all images.
//!
//! A tile of input channels times vectors of output channels is summed in registers over a chunk of
//! pixels, as in the forward tile with the roles changed. Chunks are small enough for the second-level
//! cache; threads share out output channels, so sums run in one order whatever their number.

use crate::conv::join;
use crate::dispatch::{Kernel, on};
use crate::simd::Simd;
use crate::team::{Out, Team};
use crate::tile::each_row;
use crate::{Aligned, ConvSpec, Isa, LANES, Map};

/// Bytes of input and gradient in one chunk of pixels.
const CHUNK_BYTES: usize = 384 * 1024;
/// Fewest pixels in a chunk: enough that loading and storing sums is small beside the products.
const CHUNK_PIXELS: usize = 128;

/// Output channels that are turned round together, so that neither side is read or written a cache
/// line for a number.
const SIDE: usize = 16;

/// Neighbouring output pixels of one row: where they and what they saw begin.
#[derive(Clone, Copy)]
struct Span {
    x: usize,
    dy: usize,
    len: usize,
}

/// The gradient of a convolution for its weights.
#[derive(Debug)]
pub struct ConvWeight {
    isa: Isa,
    spec: ConvSpec,
}

struct Job<'a> {
    isa: Isa,
    x: &'a [f32],
    dy: &'a [f32],
    /// From a pixel to the next, in numbers.
    x_step: usize,
    dy_step: usize,
    chunks: &'a [Vec<Span>],
    /// First input channel and first output channel of the group.
    first: [usize; 2],
    /// Runs of neighbouring input values: where each begins from a pixel's first, and its first row of
    /// `sums`.
    runs: &'a [(usize, usize)],
    /// Values in a run.
    run: usize,
    /// Output channels of the group, rounded up.
    lanes: usize,
    /// `[rows, lanes]`.
    sums: Out<f32>,
}

impl ConvWeight {
    /// For one convolution.
    pub fn new(isa: Isa, spec: ConvSpec) -> Self {
        Self { isa, spec }
    }

    /// The gradient `[out, in / groups, kh, kw]`, into `out`, from the inputs and the outputs'
    /// gradients of `images` images.
    ///
    /// # Panics
    /// When slices or maps do not fit, or the input's border is narrower than the kernel reaches.
    pub fn run(
        &self,
        team: Team<'_>,
        images: usize,
        (x, input): (&[f32], &Map),
        (dy, gradient): (&[f32], &Map),
        out: &mut [f32],
    ) {
        let s = &self.spec;
        assert_eq!(x.len(), images * input.len(), "inputs fill their maps");
        assert_eq!(dy.len(), images * gradient.len(), "gradients fill their maps");
        assert_eq!((input.channels, gradient.channels), (s.input, s.output), "channels");
        assert_eq!(gradient.stride % LANES, 0, "whole vectors of output channels");
        let taps = s.size[0] * s.size[1];
        assert_eq!(out.len(), s.output * (s.input / s.groups) * taps, "one for each weight");
        s.check_border(input, gradient);
        let spans = self.spans(images, input, gradient);
        let joined = join(s);
        let (ins, outs) = (s.input / s.groups * joined, s.output / s.groups * joined);
        let lanes = outs.next_multiple_of(LANES);
        let per_pixel = 4 * (ins * s.stride[0] * s.stride[1] + lanes);
        let (x_step, dy_step) = (s.stride[1] * input.stride, gradient.stride);
        let pixels = (CHUNK_BYTES / per_pixel).max(CHUNK_PIXELS);
        let chunks = chunks(&spans, pixels, [x_step, dy_step]);
        let (runs, run) = self.runs(input, ins);
        let mut sums = Aligned::zeros(taps * ins * lanes);
        for g in 0..s.groups / joined {
            sums.as_mut_slice().fill(0.0);
            let job = Job {
                isa: self.isa,
                x,
                dy,
                x_step,
                dy_step,
                chunks: &chunks,
                first: [g * ins, g * outs],
                runs: &runs,
                run,
                lanes,
                sums: Out::new(sums.as_mut_slice()),
            };
            job.shared(team);
            self.unpack(g * joined, joined, lanes, sums.as_slice(), out);
        }
    }

    /// All rows of all images; one span for each image, or for all, where nothing lies between rows.
    fn spans(&self, images: usize, input: &Map, gradient: &Map) -> Vec<Span> {
        let s = &self.spec;
        let flat = s.size == [1, 1] && s.stride == [1, 1] && s.before == [0, 0];
        let alike = (input.height, input.width) == (gradient.height, gradient.width);
        let gapless = flat && alike && input.gapless() && gradient.gapless();
        let place = |image: usize, row: usize| {
            let (y, x) =
                (row * s.stride[0] + input.pad.top - s.before[0], input.pad.left - s.before[1]);
            let x = image * input.len() + y * input.row() + x * input.stride;
            (x, image * gradient.len() + gradient.at(row, 0))
        };
        let mut spans: Vec<Span> = Vec::new();
        for image in 0..images {
            let (rows, len) =
                if gapless { (1, gradient.pixels()) } else { (gradient.height, gradient.width) };
            for row in 0..rows {
                let (x, dy) = place(image, row);
                match spans.last_mut() {
                    // Images without border follow each other like rows.
                    Some(last)
                        if gapless
                            && last.x + last.len * input.stride == x
                            && last.dy + last.len * gradient.stride == dy =>
                    {
                        last.len += len;
                    }
                    Some(_) | None => spans.push(Span { x, dy, len }),
                }
            }
        }
        spans
    }

    /// See [`Job::runs`]; and how long each is.
    fn runs(&self, input: &Map, ins: usize) -> (Vec<(usize, usize)>, usize) {
        let s = &self.spec;
        let [kh, kw] = s.size;
        // With nothing between neighbours' channels, a kernel row is one run.
        if ins == input.stride && s.dilation[1] == 1 {
            let row = |y: usize| (y * s.dilation[0] * input.row(), y * kw * ins);
            return ((0..kh).map(row).collect(), kw * ins);
        }
        let tap = |i: usize| {
            let (y, x) = (i / kw * s.dilation[0], i % kw * s.dilation[1]);
            (y * input.row() + x * input.stride, i * ins)
        };
        ((0..kh * kw).map(tap).collect(), ins)
    }

    /// From `[taps * ins, lanes]` of joined groups to `[out, in / groups, taps]`.
    fn unpack(&self, first: usize, joined: usize, lanes: usize, sums: &[f32], out: &mut [f32]) {
        let s = &self.spec;
        let (ins, outs) = (s.input / s.groups, s.output / s.groups);
        let taps = s.size[0] * s.size[1];
        for g in 0..joined {
            let to = &mut out[(first + g) * outs * ins * taps..][..outs * ins * taps];
            for (block, to) in to.chunks_mut(SIDE * ins * taps).enumerate() {
                for i in 0..ins {
                    for tap in 0..taps {
                        let row = &sums[((tap * joined + g) * ins + i) * lanes..][..lanes];
                        let from = &row[g * outs + block * SIDE..];
                        for (to, from) in
                            to[i * taps + tap..].iter_mut().step_by(ins * taps).zip(from)
                        {
                            *to = *from;
                        }
                    }
                }
            }
        }
    }
}

/// Spans cut and gathered into chunks of at most so many pixels; `steps` lead from a pixel to the next.
fn chunks(spans: &[Span], pixels: usize, steps: [usize; 2]) -> Vec<Vec<Span>> {
    let mut chunks = Vec::new();
    let (mut chunk, mut room) = (Vec::new(), pixels);
    for span in spans {
        let mut rest = *span;
        while rest.len > 0 {
            let len = rest.len.min(room);
            chunk.push(Span { len, ..rest });
            rest.x += len * steps[0];
            rest.dy += len * steps[1];
            rest.len -= len;
            room -= len;
            if room == 0 {
                chunks.push(std::mem::take(&mut chunk));
                room = pixels;
            }
        }
    }
    if !chunk.is_empty() {
        chunks.push(chunk);
    }
    chunks
}

impl Job<'_> {
    /// Shares panels of output channels out, and rows when there are fewer panels than threads.
    fn shared(&self, team: Team<'_>) {
        let vectors = self.lanes / LANES;
        let panels = vectors.div_ceil(2);
        let threads = team.threads();
        let by_panel = threads.min(panels);
        let rows: Vec<(usize, usize, usize)> = self.tiles();
        let by_row = threads.div_ceil(by_panel).min(rows.len());
        team.run(by_panel * by_row, &|part| {
            let share = |i: usize, of: usize, n: usize| i * n / of..(i + 1) * n / of;
            let panels = share(part / by_row, by_panel, panels);
            let rows = &rows[share(part % by_row, by_row, rows.len())];
            for chunk in self.chunks {
                for panel in panels.clone() {
                    let vectors = (vectors - panel * 2).min(2);
                    for &(x, row, count) in rows {
                        on(self.isa, Tile { job: self, chunk, panel, vectors, x, row, count });
                    }
                }
            }
        });
    }

    /// Tiles of rows: where their input values begin, their first row of sums, how many.
    fn tiles(&self) -> Vec<(usize, usize, usize)> {
        let mut tiles = Vec::new();
        for &(x, row) in self.runs {
            let count = self.run.div_ceil(ROWS);
            let mut done = 0;
            for i in 0..count {
                let rows = (self.run - done).div_ceil(count - i);
                tiles.push((x + done, row + done, rows));
                done += rows;
            }
        }
        tiles
    }
}

/// Rows of a tile; with two vectors of 16 that is 28 registers of sums.
const ROWS: usize = 14;

#[derive(Clone, Copy)]
struct Tile<'a> {
    job: &'a Job<'a>,
    chunk: &'a [Span],
    panel: usize,
    /// Of [`LANES`] channels.
    vectors: usize,
    x: usize,
    row: usize,
    count: usize,
}

impl Kernel for Tile<'_> {
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        // SAFETY: handed on to the caller.
        unsafe {
            if S::WIDTH == LANES {
                match self.vectors {
                    2 => self.rows::<S, 2>(0),
                    _ => self.rows::<S, 1>(0),
                }
            } else {
                // Shorter vectors have fewer registers: one piece of the panel after the other.
                for piece in 0..self.vectors * LANES / (S::WIDTH * 2) {
                    self.rows::<S, 2>(piece * S::WIDTH * 2);
                }
            }
        }
    }
}

impl Tile<'_> {
    #[inline(always)]
    unsafe fn rows<S: Simd, const V: usize>(self, lane: usize) {
        macro_rules! rows {
            ($($r:literal)*) => {
                match self.count {
                    $($r => unsafe { self.tile::<S, V, $r>(lane) },)*
                    other => unreachable!("{other} rows in a tile"),
                }
            };
        }
        // Sums of narrow vectors spill beyond six rows, but stay right.
        rows!(1 2 3 4 5 6 7 8 9 10 11 12 13 14);
    }

    #[inline(always)]
    unsafe fn tile<S: Simd, const V: usize, const R: usize>(self, lane: usize) {
        let job = self.job;
        let lane = self.panel * 2 * LANES + lane;
        let first_sum = self.row * job.lanes + lane;
        let sums_at = job.sums.at(first_sum, (R - 1) * job.lanes + V * S::WIDTH);
        // SAFETY: `run` saw that both batches fill their maps and that the input's border holds the
        // kernel around every output pixel, so every span lies inside with its run; `at` saw the room
        // for the sums, which no other part writes.
        unsafe {
            let mut sums: [[S::V; V]; R] = std::array::from_fn(|r| {
                std::array::from_fn(|v| S::load(sums_at.add(r * job.lanes + v * S::WIDTH)))
            });
            for span in self.chunk {
                let mut x = job.x.as_ptr().add(span.x + job.first[0] + self.x);
                let mut dy = job.dy.as_ptr().add(span.dy + job.first[1] + lane);
                for _ in 0..span.len {
                    let column: [S::V; V] = std::array::from_fn(|v| S::load(dy.add(v * S::WIDTH)));
                    for r in 0..R {
                        let value = S::splat(*x.add(r));
                        for v in 0..V {
                            sums[r][v] = S::fma(value, column[v], sums[r][v]);
                        }
                    }
                    x = x.add(job.x_step);
                    dy = dy.add(job.dy_step);
                }
            }
            each_row!(ROW of R in 0 1 2 3 4 5 6 7 8 9 10 11 12 13, {
                for v in 0..V {
                    S::store(sums_at.add(ROW * job.lanes + v * S::WIDTH), sums[ROW][v]);
                }
            });
        }
    }
}
