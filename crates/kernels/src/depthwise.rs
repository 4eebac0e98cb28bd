//! Depthwise convolution: each channel has its own kernel, so vectors run over channels.

use crate::conv::aligned_padded;
use crate::dispatch::{Kernel, on};
use crate::simd::{Number, Simd};
use crate::slice::typed;
use crate::team::{Out, Team};
use crate::{Aligned, Clamp, ConvSpec, Isa, LANES, Map, Slice, SliceMut};

/// Neighbouring output pixels summed together: inputs are loaded once for all windows they are in.
/// Seven divides the widths of most networks' maps.
const PIXELS: usize = 7;

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
    /// Bytes of the packed weights.
    pub fn bytes(&self) -> usize {
        4 * (self.weights.as_slice().len() + self.bias.as_slice().len())
    }

    /// Whether a convolution is depthwise.
    pub fn fits(spec: &ConvSpec) -> bool {
        spec.groups == spec.input && spec.input == spec.output
    }

    /// Packs weights `[C, 1, kh, kw]`, each channel multiplied by `scale[C]`, and `bias[C]`. They
    /// stay `f32` whatever the maps are.
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
        spec.check_params(weight, scale, bias);
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
    pub fn run(&self, team: Team<'_>, x: Slice<'_>, input: &Map, y: SliceMut<'_>, output: &Map) {
        typed!(x, y, |x, y| self.typed(team, x, input, y, output));
    }

    fn typed<X: Number, Y: Number>(
        &self,
        team: Team<'_>,
        x: &[X],
        input: &Map,
        y: &mut [Y],
        output: &Map,
    ) {
        let s = &self.spec;
        assert_eq!(x.len(), input.len(), "input data fills its map");
        assert_eq!(y.len(), output.len(), "output data fills its map");
        assert_eq!((input.channels, output.channels), (s.input, s.output), "channels");
        let lanes = s.input.next_multiple_of(LANES);
        assert!(input.stride >= lanes && output.stride >= lanes, "whole vectors of channels");
        s.check_border(input, output);
        let maps = Maps { x, input, y: Out::new(y), output };
        let tall = output.height.div_ceil(team.threads());
        team.run(output.height.div_ceil(tall), &|part| {
            for row in part * tall..output.height.min((part + 1) * tall) {
                on(self.isa, Row { depthwise: self, maps: &maps, oy: row });
            }
        });
    }
}

struct Maps<'a, X, Y> {
    x: &'a [X],
    input: &'a Map,
    y: Out<Y>,
    output: &'a Map,
}

struct Row<'a, X, Y> {
    depthwise: &'a Depthwise,
    maps: &'a Maps<'a, X, Y>,
    oy: usize,
}

impl<X: Number, Y: Number> Kernel for Row<'_, X, Y> {
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let Self { depthwise: d, maps, oy } = self;
        let s = &d.spec;
        // SAFETY (all): handed on to the caller.
        match (s.size, s.stride[1], s.dilation[1]) {
            ([3, 3], 1, 1) => unsafe { row::<S, X, Y, 3, 3, 1>(d, maps, oy) },
            ([3, 3], 2, 1) => unsafe { row::<S, X, Y, 3, 3, 2>(d, maps, oy) },
            ([5, 5], 1, 1) => unsafe { row::<S, X, Y, 5, 5, 1>(d, maps, oy) },
            ([5, 5], 2, 1) => unsafe { row::<S, X, Y, 5, 5, 2>(d, maps, oy) },
            _ => unsafe { row::<S, X, Y, 0, 0, 0>(d, maps, oy) },
        }
    }
}

/// One row of output. Sizes of 0 stand for ones known only at run time.
///
/// # Safety
/// The machine must have the instructions of `S`.
#[inline(always)]
unsafe fn row<S: Simd, X: Number, Y: Number, const KH: usize, const KW: usize, const SW: usize>(
    d: &Depthwise,
    maps: &Maps<'_, X, Y>,
    oy: usize,
) {
    for c in (0..d.spec.input.next_multiple_of(LANES)).step_by(S::WIDTH) {
        let mut ox = 0;
        while ox < maps.output.width {
            let at = Place { oy, ox, c };
            // SAFETY: handed on to the caller.
            let n = unsafe {
                match maps.output.width - ox {
                    PIXELS.. => strip::<S, X, Y, KH, KW, SW, PIXELS>(d, maps, at),
                    4.. => strip::<S, X, Y, KH, KW, SW, 4>(d, maps, at),
                    2.. => strip::<S, X, Y, KH, KW, SW, 2>(d, maps, at),
                    _ => strip::<S, X, Y, KH, KW, SW, 1>(d, maps, at),
                }
            };
            ox += n;
        }
    }
}

#[derive(Clone, Copy)]
struct Place {
    oy: usize,
    ox: usize,
    c: usize,
}

/// `P` neighbouring output pixels, one vector of channels; returns `P`.
///
/// # Safety
/// The machine must have the instructions of `S`.
#[inline(always)]
unsafe fn strip<
    S: Simd,
    X: Number,
    Y: Number,
    const KH: usize,
    const KW: usize,
    const SW: usize,
    const P: usize,
>(
    d: &Depthwise,
    maps: &Maps<'_, X, Y>,
    Place { oy, ox, c }: Place,
) -> usize {
    let (s, input, output) = (&d.spec, maps.input, maps.output);
    let row = oy * s.stride[0] + input.pad.top - s.before[0];
    let column = ox * s.stride[1] + input.pad.left - s.before[1];
    let from = maps.x[row * input.row() + column * input.stride + c..].as_ptr();
    let to = maps.y.at(output.at(oy, ox) + c, (P - 1) * output.stride + S::WIDTH);
    let lanes = s.input.next_multiple_of(LANES);
    let weights = d.weights.as_slice()[c..].as_ptr();
    let down = s.dilation[0] * input.row();
    // SAFETY: `typed` saw that the input's border holds the kernel around every output pixel, that
    // slices fill their maps, and that maps and packed weights hold `lanes` channels, a multiple of
    // the vector. Rows of output are shared out, so nobody else writes here.
    unsafe {
        let mut sums = [S::load(d.bias.as_slice()[c..].as_ptr()); P];
        if KH == 0 {
            let (across, step) = (s.dilation[1] * input.stride, s.stride[1] * input.stride);
            for ky in 0..s.size[0] {
                for kx in 0..s.size[1] {
                    let w = S::load(weights.add((ky * s.size[1] + kx) * lanes));
                    let p = from.add(ky * down + kx * across);
                    for (i, sum) in sums.iter_mut().enumerate() {
                        *sum = S::fma(X::load::<S>(p.add(i * step)), w, *sum);
                    }
                }
            }
        } else {
            for ky in 0..KH {
                let p = from.add(ky * down);
                let w: [S::V; KW] =
                    std::array::from_fn(|kx| S::load(weights.add((ky * KW + kx) * lanes)));
                // The longest line of inputs is that of seven pixels, two apart, five taps each.
                let wanted = (P - 1) * SW + KW;
                let x: [S::V; 17] =
                    std::array::from_fn(|i| X::load::<S>(p.add(i.min(wanted - 1) * input.stride)));
                for (kx, w) in w.into_iter().enumerate() {
                    for (i, sum) in sums.iter_mut().enumerate() {
                        *sum = S::fma(x[i * SW + kx], w, *sum);
                    }
                }
            }
        }
        let (low, high) = (S::splat(d.clamp.low), S::splat(d.clamp.high));
        for (i, sum) in sums.into_iter().enumerate() {
            Y::store::<S>(to.add(i * output.stride), S::min(high, S::max(low, sum)));
        }
    }
    P
}
