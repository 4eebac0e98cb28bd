//! Gradient of a depthwise convolution for its weights.

use crate::dispatch::{Kernel, on};
use crate::simd::Simd;
use crate::team::{Out, Team};
use crate::{Aligned, ConvSpec, Depthwise, Isa, LANES, Map};

/// The gradient `[C, 1, kh, kw]`, into `out`, from the inputs and the outputs' gradients of `images`
/// images. Threads share out channels, so sums run in one order whatever their number.
///
/// # Panics
/// When slices or maps do not fit, the convolution is not depthwise, or the input's border is narrower
/// than the kernel reaches.
pub fn depthwise_weight(
    (isa, team): (Isa, Team<'_>),
    spec: &ConvSpec,
    images: usize,
    (x, input): (&[f32], &Map),
    (dy, gradient): (&[f32], &Map),
    out: &mut [f32],
) {
    assert!(Depthwise::fits(spec), "one group for each channel");
    assert_eq!(x.len(), images * input.len(), "inputs fill their maps");
    assert_eq!(dy.len(), images * gradient.len(), "gradients fill their maps");
    assert_eq!((input.channels, gradient.channels), (spec.input, spec.output), "channels");
    let taps = spec.size[0] * spec.size[1];
    assert_eq!(out.len(), spec.input * taps, "one for each weight");
    let lanes = spec.input.next_multiple_of(LANES);
    assert!(input.stride >= lanes && gradient.stride >= lanes, "whole vectors of channels");
    spec.check_border(input, gradient);
    let mut sums = Aligned::zeros(taps * lanes);
    let job = Job { spec, images, x, input, dy, gradient, sums: Out::new(sums.as_mut_slice()) };
    let vectors = lanes / LANES;
    let parts = team.threads().min(vectors);
    team.run(parts, &|part| {
        let mine = part * vectors / parts..(part + 1) * vectors / parts;
        on(isa, Part { job: &job, channels: mine.start * LANES..mine.end * LANES });
    });
    for (c, out) in out.chunks_exact_mut(taps).enumerate() {
        for (tap, out) in out.iter_mut().enumerate() {
            *out = sums.as_slice()[tap * lanes + c];
        }
    }
}

struct Job<'a> {
    spec: &'a ConvSpec,
    images: usize,
    x: &'a [f32],
    input: &'a Map,
    dy: &'a [f32],
    gradient: &'a Map,
    /// `[taps, lanes]`.
    sums: Out<f32>,
}

struct Part<'a> {
    job: &'a Job<'a>,
    channels: std::ops::Range<usize>,
}

impl Kernel for Part<'_> {
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let job = self.job;
        for image in 0..job.images {
            for row in 0..job.gradient.height {
                for c in self.channels.clone().step_by(S::WIDTH) {
                    for ky in 0..job.spec.size[0] {
                        // SAFETY: handed on to the caller.
                        unsafe {
                            match job.spec.size[1] {
                                3 => job.line::<S, 3>(image, row, c, ky, 0),
                                5 => job.line::<S, 5>(image, row, c, ky, 0),
                                taps => {
                                    for kx in 0..taps {
                                        job.line::<S, 1>(image, row, c, ky, kx);
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

impl Job<'_> {
    /// One row of gradients times what `K` neighbouring taps of the kernel's row `ky` saw.
    #[inline(always)]
    unsafe fn line<S: Simd, const K: usize>(
        &self,
        image: usize,
        row: usize,
        c: usize,
        ky: usize,
        kx: usize,
    ) {
        let (s, input, gradient) = (self.spec, self.input, self.gradient);
        let lanes = s.input.next_multiple_of(LANES);
        let y = row * s.stride[0] + ky * s.dilation[0] + input.pad.top - s.before[0];
        let left = kx * s.dilation[1] + input.pad.left - s.before[1];
        let from = image * input.len() + y * input.row() + left * input.stride + c;
        let to = image * gradient.len() + gradient.at(row, 0) + c;
        let (step, across) = (s.stride[1] * input.stride, s.dilation[1] * input.stride);
        let sums_at = self.sums.at((ky * s.size[1] + kx) * lanes + c, (K - 1) * lanes + S::WIDTH);
        // SAFETY: `depthwise_weight` saw that batches fill their maps, that the input's border holds
        // the kernel around every output pixel and that pixels hold `lanes` channels; no other part
        // has these channels.
        unsafe {
            let mut sums: [S::V; K] = std::array::from_fn(|k| S::load(sums_at.add(k * lanes)));
            let mut x = self.x.as_ptr().add(from);
            let mut dy = self.dy.as_ptr().add(to);
            for _ in 0..gradient.width {
                let value = S::load(dy);
                for (k, sum) in sums.iter_mut().enumerate() {
                    *sum = S::fma(S::load(x.add(k * across)), value, *sum);
                }
                x = x.add(step);
                dy = dy.add(gradient.stride);
            }
            for (k, sum) in sums.into_iter().enumerate() {
                S::store(sums_at.add(k * lanes), sum);
            }
        }
    }
}
