//! Activations that are more than a clamp, value by value, and their slopes.

use crate::dispatch::{Kernel, on};
use crate::simd::{Number, Simd};
use crate::slice::typed;
use crate::team::{Out, Team};
use crate::{Clamp, Isa, Map, Slice, SliceMut};

/// A function of one value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Curve {
    /// `1 / (1 + exp(-x))`.
    Sigmoid,
    /// `min(max(x + 3, 0), 6) / 6` (Howard et al. 2019).
    HardSigmoid,
    /// `x · hard_sigmoid(x)` (Howard et al. 2019).
    HardSwish,
    /// `x · sigmoid(x)` (Ramachandran et al. 2017).
    Silu,
    /// `x · Φ(x)` (Hendrycks and Gimpel 2016).
    Gelu,
    /// The same paper's approximation by a hyperbolic tangent.
    GeluTanh,
    /// Hyperbolic tangent.
    Tanh,
    /// `x` above zero, `slope · x` below (Maas et al. 2013).
    LeakyRelu(f32),
    /// `x` above zero, this times `exp(x) - 1` below (Clevert et al. 2015).
    Elu(f32),
    /// `min(max(x, low), high)`; nothing passes back at an end itself.
    Clip(Clamp),
}

/// `curve` of every value. Spare channels of `y` become zero.
///
/// # Panics
/// When slices do not fit the maps.
pub fn curve(
    (isa, team): (Isa, Team<'_>),
    curve: Curve,
    x: Slice<'_>,
    input: &Map,
    y: SliceMut<'_>,
    output: &Map,
) {
    let shape = |m: &Map| (m.channels, m.height, m.width);
    assert_eq!(shape(input), shape(output), "maps of one shape");
    typed!(x, y, |x, y| run((isa, team), curve, x, input, y, output));
}

fn run<X: Number, Y: Number>(
    (isa, team): (Isa, Team<'_>),
    curve: Curve,
    x: &[X],
    input: &Map,
    y: &mut [Y],
    output: &Map,
) {
    assert_eq!(x.len(), input.len(), "input data fills its map");
    assert_eq!(y.len(), output.len(), "output data fills its map");
    let out = Out::new(y);
    team.run(input.height, &|row| {
        let x = &x[input.at(row, 0)..][..input.width * input.stride];
        let len = output.width * output.stride;
        // SAFETY: `at` saw the room; each row belongs to one part.
        let y = unsafe { std::slice::from_raw_parts_mut(out.at(output.at(row, 0), len), len) };
        let strides = [input.stride, output.stride];
        on(isa, Forward { curve, x, y, strides, channels: input.channels });
    });
}

/// In place, from the gradient of `curve` to that of its input `x`.
///
/// # Panics
/// When slices do not fit the maps.
pub fn curve_backward(
    (isa, team): (Isa, Team<'_>),
    images: usize,
    curve: Curve,
    (x, input): (&[f32], &Map),
    (dy, map): (&mut [f32], &Map),
) {
    assert_eq!(x.len(), images * input.len(), "values fill their maps");
    assert_eq!(dy.len(), images * map.len(), "gradients fill their maps");
    let out = Out::new(dy);
    team.run(images, &|image| {
        for row in 0..input.height {
            let x = &x[image * input.len() + input.at(row, 0)..][..input.width * input.stride];
            let len = map.width * map.stride;
            let at = out.at(image * map.len() + map.at(row, 0), len);
            // SAFETY: `at` saw the room; each image belongs to one part.
            let dy = unsafe { std::slice::from_raw_parts_mut(at, len) };
            let strides = [input.stride, map.stride];
            on(isa, Backward { curve, x, dy, strides, channels: input.channels });
        }
    });
}

struct Forward<'a, X, Y> {
    curve: Curve,
    x: &'a [X],
    y: &'a mut [Y],
    strides: [usize; 2],
    channels: usize,
}

impl<X: Number, Y: Number> Kernel for Forward<'_, X, Y> {
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        match self.curve {
            Curve::Sigmoid => self.each(sigmoid),
            Curve::HardSigmoid => self.each(|x| clamped(x + 3.0, 6.0) / 6.0),
            Curve::HardSwish => self.each(|x| x * (clamped(x + 3.0, 6.0) / 6.0)),
            Curve::Silu => self.each(|x| x * sigmoid(x)),
            Curve::Gelu => self.each(|x| x * normal(x)),
            Curve::GeluTanh => self.each(|x| 0.5 * x * (1.0 + tanh(inner(x)))),
            Curve::Tanh => self.each(tanh),
            Curve::LeakyRelu(slope) => self.each(|x| if x < 0.0 { slope * x } else { x }),
            Curve::Elu(alpha) => self.each(|x| if x < 0.0 { alpha * exp_m1(x) } else { x }),
            Curve::Clip(Clamp { low, high }) => self.each(|x| {
                let x = if x < low { low } else { x };
                if x > high { high } else { x }
            }),
        }
    }
}

impl<X: Number, Y: Number> Forward<'_, X, Y> {
    #[inline(always)]
    fn each(self, f: impl Fn(f32) -> f32) {
        let pixels = self.x.chunks_exact(self.strides[0]);
        for (x, y) in pixels.zip(self.y.chunks_exact_mut(self.strides[1])) {
            let (own, spare) = y.split_at_mut(self.channels);
            own.iter_mut().zip(x).for_each(|(y, x)| *y = Y::of(f(x.value())));
            spare.fill(Y::of(0.0));
        }
    }
}

struct Backward<'a> {
    curve: Curve,
    x: &'a [f32],
    dy: &'a mut [f32],
    strides: [usize; 2],
    channels: usize,
}

impl Kernel for Backward<'_> {
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        match self.curve {
            Curve::Sigmoid => self.each(|x| {
                let s = sigmoid(x);
                s * (1.0 - s)
            }),
            Curve::HardSigmoid => self.each(|x| if x > -3.0 && x < 3.0 { 1.0 / 6.0 } else { 0.0 }),
            Curve::HardSwish => self.each(|x| {
                let inside = x / 3.0 + 0.5;
                let above = if x < 3.0 { inside } else { 1.0 };
                if x <= -3.0 { 0.0 } else { above }
            }),
            Curve::Silu => self.each(|x| {
                let s = sigmoid(x);
                s * (1.0 + x * (1.0 - s))
            }),
            Curve::Gelu => self.each(|x| {
                let density = exp(-0.5 * x * x) * 0.398_942_3;
                normal(x) + x * density
            }),
            Curve::GeluTanh => self.each(|x| {
                let t = tanh(inner(x));
                let slope = ROOT * (1.0 + 3.0 * CUBE * x * x);
                0.5 * (1.0 + t) + 0.5 * x * (1.0 - t * t) * slope
            }),
            Curve::Tanh => self.each(|x| {
                let t = tanh(x);
                1.0 - t * t
            }),
            Curve::LeakyRelu(slope) => self.each(|x| if x < 0.0 { slope } else { 1.0 }),
            Curve::Elu(alpha) => self.each(|x| if x < 0.0 { alpha * exp(x) } else { 1.0 }),
            Curve::Clip(Clamp { low, high }) => {
                self.each(|x| if x > low && x < high { 1.0 } else { 0.0 });
            }
        }
    }
}

impl Backward<'_> {
    #[inline(always)]
    fn each(self, slope: impl Fn(f32) -> f32) {
        let pixels = self.x.chunks_exact(self.strides[0]);
        for (x, dy) in pixels.zip(self.dy.chunks_exact_mut(self.strides[1])) {
            dy[..self.channels].iter_mut().zip(x).for_each(|(d, x)| *d *= slope(*x));
        }
    }
}

/// `√(2 / π)`, and the weight of the cube.
const ROOT: f32 = 0.797_884_6;
const CUBE: f32 = 0.044_715;

#[inline(always)]
fn inner(x: f32) -> f32 {
    ROOT * (x + CUBE * x * x * x)
}

/// `min(max(x, 0), high)`; NaN stays.
#[inline(always)]
fn clamped(x: f32, high: f32) -> f32 {
    let x = if x < 0.0 { 0.0 } else { x };
    if x > high { high } else { x }
}

/// 1.5 · 2^23: adding it rounds to a whole number, whose bits are then the last ones.
const SHIFT: f32 = 12_582_912.0;

/// `e^x` to 1e-7, without branches, so that loops become vectors: `2^n` times a polynomial (Cephes,
/// Moshier 1989, `expf`). Zero and infinity are not reached; NaN stays.
#[inline(always)]
pub(crate) fn exp(x: f32) -> f32 {
    let (less_one, power) = exp_parts(x);
    (less_one + 1.0) * power
}

/// `e^x - 1`, exact near zero too.
#[inline(always)]
fn exp_m1(x: f32) -> f32 {
    let (less_one, power) = exp_parts(x);
    less_one * power + (power - 1.0)
}

/// `e^r - 1` and `2^n`, whose product (the first plus one) is `e^x`.
#[inline(always)]
fn exp_parts(x: f32) -> (f32, f32) {
    let x = if x < -87.3 { -87.3 } else { x };
    let x = if x > 88.3 { 88.3 } else { x };
    let shifted = x * std::f32::consts::LOG2_E + SHIFT;
    let n = shifted - SHIFT;
    let r = x - n * 0.693_359_4 + n * 2.121_944_4e-4;
    let mut p = 1.987_569_1e-4;
    for c in [1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5] {
        p = p * r + c;
    }
    let power = f32::from_bits((shifted.to_bits() << 23).wrapping_add(0x3f80_0000));
    (p * r * r + r, power)
}

#[inline(always)]
fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// `1 - 2 / (1 + e^2x)`: exact to an absolute 1e-7.
#[inline(always)]
fn tanh(x: f32) -> f32 {
    1.0 - 2.0 / (1.0 + exp(2.0 * x))
}

/// The normal distribution's share below `x`.
#[inline(always)]
fn normal(x: f32) -> f32 {
    0.5 * (1.0 + erf(x * std::f32::consts::FRAC_1_SQRT_2))
}

/// The error function to an absolute 4e-7: a ratio of polynomials in `x²`, as in Eigen's and XLA's.
#[inline(always)]
fn erf(x: f32) -> f32 {
    let x = if x < -4.0 { -4.0 } else { x };
    let x = if x > 4.0 { 4.0 } else { x };
    let s = x * x;
    let mut p = -2.726_142e-10;
    for c in [
        2.770_681_4e-8,
        -2.101_024e-6,
        -5.692_506_6e-5,
        -7.349_906_3e-4,
        -2.954_6e-3,
        -1.609_603_3e-2,
    ] {
        p = p * s + c;
    }
    let mut q = -1.456_607_2e-5;
    for c in [-2.133_740_6e-4, -1.682_827e-3, -7.373_329e-3, -1.426_473_9e-2] {
        q = q * s + c;
    }
    x * p / q
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `erf` by its series, `f64`.
    fn erf64(x: f64) -> f64 {
        let (mut term, mut sum) = (x, x);
        for n in 1..200 {
            let n = f64::from(n);
            term *= -x * x / n;
            sum += term / (2.0 * n + 1.0);
        }
        sum * 2.0 / std::f64::consts::PI.sqrt()
    }

    fn points() -> impl Iterator<Item = f32> {
        (-400..=400).map(|i| i as f32 * 0.0173)
    }

    #[test]
    fn exponentials_and_error_functions_are_near_the_true_ones() {
        for x in points() {
            let wide = f64::from(x);
            let off = (f64::from(exp(x)) / wide.exp() - 1.0).abs();
            assert!(off < 2e-7, "exp({x}): {off}");
            if x.abs() < 4.0 {
                let off = (f64::from(erf(x)) - erf64(wide)).abs();
                assert!(off < 4e-7, "erf({x}): {off}");
            }
            let off = (f64::from(exp_m1(x)) / wide.exp_m1() - 1.0).abs();
            assert!(x == 0.0 || off < 3e-7, "exp_m1({x}): {off}");
            let off = (f64::from(tanh(x)) - wide.tanh()).abs();
            assert!(off < 2e-7, "tanh({x}): {off}");
        }
        assert_eq!((exp(0.0), erf(0.0), erf(9.0) > 0.999_999), (1.0, 0.0, true));
        assert!(exp(f32::NAN).is_nan() && sigmoid(f32::NAN).is_nan());
        assert!(sigmoid(-1000.0) < 1e-37 && sigmoid(1000.0) == 1.0);
    }

    #[test]
    fn slopes_are_those_of_the_curves_and_spare_channels_stay_zero() {
        let all = [
            Curve::Sigmoid,
            Curve::HardSigmoid,
            Curve::HardSwish,
            Curve::Silu,
            Curve::Gelu,
            Curve::GeluTanh,
            Curve::Tanh,
            Curve::LeakyRelu(0.2),
            Curve::Elu(0.7),
            Curve::Clip(Clamp { low: -3.0, high: 3.0 }),
        ];
        let map = Map::new(5, 1, 1);
        for isa in Isa::available() {
            for c in all {
                let at = |x: f32| {
                    let (mut v, mut y) = ([0.0; 16], [9.0; 16]);
                    v[..5].fill(x);
                    let (from, to) = (Slice::F32(&v), SliceMut::F32(&mut y));
                    curve((isa, Team::ALONE), c, from, &map, to, &map);
                    assert_eq!(y[5..], [0.0; 11], "{c:?}");
                    y[4]
                };
                for x in points().filter(|x| x.abs() < 6.0 && (x.abs() - 3.0).abs() > 0.1) {
                    if x.abs() < 0.02 {
                        continue;
                    }
                    let (h, mut dy) = (0.01, [1.0; 16]);
                    let v = [x; 16];
                    let on = (isa, Team::ALONE);
                    curve_backward(on, 1, c, (&v, &map), (&mut dy, &map));
                    let wanted = (at(x + h) - at(x - h)) / (2.0 * h);
                    assert!((dy[4] - wanted).abs() < 2e-4, "{c:?} at {x}: {} {wanted}", dy[4]);
                    assert_eq!(dy[5], 1.0, "spare channels are not touched");
                }
            }
        }
    }
}
