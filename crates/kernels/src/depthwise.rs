//! Depthwise convolution: each channel has its own kernel, so vectors run over channels.

use crate::conv::aligned_padded;
use crate::simd::{Portable, Simd};
use crate::{Aligned, Clamp, ConvSpec, Isa, LANES, Map};

/// Neighbouring output pixels summed together, so that additions overlap.
const PIXELS: usize = 4;

/// A depthwise convolution (`groups == input == output`) with packed weights.
pub struct Depthwise {
    spec: ConvSpec,
    isa: Isa,
    clamp: Clamp,
    /// `[kh, kw, C]`, channels rounded up.
    weights: Aligned,
    bias: Aligned,
}

impl Depthwise {
    /// Whether a convolution is depthwise.
    pub fn fits(spec: &ConvSpec) -> bool {
        spec.groups == spec.input && spec.input == spec.output
    }

    /// Packs weights `[C, 1, kh, kw]`, each channel multiplied by `scale[C]`, and `bias[C]`.
    ///
    /// # Panics
    /// When lengths do not fit, or the convolution is not depthwise.
    pub fn new(
        isa: Isa,
        spec: ConvSpec,
        weight: &[f32],
        scale: &[f32],
        bias: &[f32],
        clamp: Clamp,
    ) -> Self {
        assert!(Self::fits(&spec), "one group for each channel");
        let taps = spec.size[0] * spec.size[1];
        assert_eq!(weight.len(), spec.input * taps, "weights [C, 1, kh, kw]");
        assert_eq!(scale.len(), spec.input, "one scale for each channel");
        assert_eq!(bias.len(), spec.input, "one bias for each channel");
        let lanes = spec.input.next_multiple_of(LANES);
        let mut weights = Aligned::zeros(taps * lanes);
        for (tap, row) in weights.as_mut_slice().chunks_exact_mut(lanes).enumerate() {
            for (c, w) in row[..spec.input].iter_mut().enumerate() {
                *w = weight[c * taps + tap] * scale[c];
            }
        }
        Self { spec, isa, clamp, weights, bias: aligned_padded(bias) }
    }

    /// Convolves `x` into `y`; `y`'s border is not touched.
    ///
    /// # Panics
    /// When a slice does not fit its map, or the input's border is narrower than the kernel reaches.
    pub fn run(&self, x: &[f32], input: &Map, y: &mut [f32], output: &Map) {
        let s = &self.spec;
        assert_eq!(x.len(), input.len(), "input data fills its map");
        assert_eq!(y.len(), output.len(), "output data fills its map");
        assert_eq!((input.channels, output.channels), (s.input, s.output), "channels");
        let lanes = s.input.next_multiple_of(LANES);
        assert_eq!((input.stride, output.stride), (lanes, lanes), "whole vectors of channels");
        for (axis, extent, before, after, out) in [
            (0, input.height, input.pad.top, input.pad.bottom, output.height),
            (1, input.width, input.pad.left, input.pad.right, output.width),
        ] {
            let reach = (out - 1) * s.stride[axis] + (s.size[axis] - 1) * s.dilation[axis] + 1;
            assert!(before >= s.before[axis], "border before axis {axis}");
            assert!(extent + s.before[axis] + after >= reach, "border after axis {axis}");
        }
        depthwise(self.isa, self, x, input, y, output);
    }
}

fn depthwise(isa: Isa, d: &Depthwise, x: &[f32], input: &Map, y: &mut [f32], output: &Map) {
    match isa {
        // SAFETY: an `Isa` is granted only when the machine has it.
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 => unsafe { depthwise_avx512(d, x, input, y, output) },
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => unsafe { depthwise_avx2(d, x, input, y, output) },
        #[cfg(not(target_arch = "x86_64"))]
        Isa::Avx2 | Isa::Avx512 => depthwise_generic::<Portable>(d, x, input, y, output),
        Isa::Portable => depthwise_generic::<Portable>(d, x, input, y, output),
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
fn depthwise_avx512(d: &Depthwise, x: &[f32], input: &Map, y: &mut [f32], output: &Map) {
    depthwise_generic::<crate::simd::Avx512>(d, x, input, y, output);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn depthwise_avx2(d: &Depthwise, x: &[f32], input: &Map, y: &mut [f32], output: &Map) {
    depthwise_generic::<crate::simd::Avx2>(d, x, input, y, output);
}

#[inline(always)]
fn depthwise_generic<S: Simd>(d: &Depthwise, x: &[f32], input: &Map, y: &mut [f32], output: &Map) {
    match d.spec.size {
        [3, 3] => rows::<S, 3, 3>(d, x, input, y, output),
        [5, 5] => rows::<S, 5, 5>(d, x, input, y, output),
        _ => rows::<S, 0, 0>(d, x, input, y, output),
    }
}

/// `KH`, `KW` of 0 stand for a size known only at run time.
#[inline(always)]
fn rows<S: Simd, const KH: usize, const KW: usize>(
    d: &Depthwise,
    x: &[f32],
    input: &Map,
    y: &mut [f32],
    output: &Map,
) {
    for oy in 0..output.height {
        let mut ox = 0;
        while ox < output.width {
            let at = Pixels { oy, ox };
            let n = (output.width - ox).min(PIXELS);
            match n {
                PIXELS => pixels::<S, KH, KW, PIXELS>(d, x, input, y, output, at),
                3 => pixels::<S, KH, KW, 3>(d, x, input, y, output, at),
                2 => pixels::<S, KH, KW, 2>(d, x, input, y, output, at),
                _ => pixels::<S, KH, KW, 1>(d, x, input, y, output, at),
            }
            ox += n;
        }
    }
}

#[derive(Clone, Copy)]
struct Pixels {
    oy: usize,
    ox: usize,
}

#[inline(always)]
fn pixels<S: Simd, const KH: usize, const KW: usize, const P: usize>(
    d: &Depthwise,
    x: &[f32],
    input: &Map,
    y: &mut [f32],
    output: &Map,
    at: Pixels,
) {
    let s = &d.spec;
    let (kh, kw) = if KH == 0 { (s.size[0], s.size[1]) } else { (KH, KW) };
    let lanes = input.stride;
    let row = at.oy * s.stride[0] + input.pad.top - s.before[0];
    let column = at.ox * s.stride[1] + input.pad.left - s.before[1];
    let from = x[row * input.row() + column * lanes..].as_ptr();
    let to = y[output.at(at.oy, at.ox)..].as_mut_ptr();
    let step = s.stride[1] * lanes;
    let weights = d.weights.as_slice().as_ptr();
    let bias = d.bias.as_slice().as_ptr();
    let (down, across) = (s.dilation[0] * input.row(), s.dilation[1] * lanes);
    // SAFETY: `run` saw that the input's border holds the kernel around every output pixel, that
    // slices fill their maps, and that both maps and the packed weights hold `lanes` channels, a
    // multiple of the vector; the caller of `depthwise` chose `S` by what the machine has.
    unsafe {
        let (low, high) = (S::splat(d.clamp.low), S::splat(d.clamp.high));
        for c in (0..lanes).step_by(S::WIDTH) {
            let mut sums = [S::load(bias.add(c)); P];
            for ky in 0..kh {
                for kx in 0..kw {
                    let w = S::load(weights.add((ky * kw + kx) * lanes + c));
                    let p = from.add(ky * down + kx * across + c);
                    for (i, sum) in sums.iter_mut().enumerate() {
                        *sum = S::fma(S::load(p.add(i * step)), w, *sum);
                    }
                }
            }
            for (i, sum) in sums.into_iter().enumerate() {
                S::store(to.add(i * lanes + c), S::min(high, S::max(low, sum)));
            }
        }
    }
}
