//! A slope below zero for each channel, that is learned (He et al. 2015), and its gradients.

use crate::dispatch::{Kernel, on};
use crate::simd::{Number, Simd};
use crate::slice::typed;
use crate::team::{Out, Team};
use crate::{Isa, LANES, Map, Slice, SliceMut};

/// `x` above zero, `weight · x` below; `weight` is `[C]`. Spare channels of `y` become zero.
///
/// # Panics
/// When slices or channels do not fit the maps.
pub fn prelu(
    run_on: (Isa, Team<'_>),
    weight: &[f32],
    x: Slice<'_>,
    input: &Map,
    y: SliceMut<'_>,
    output: &Map,
) {
    let shape = |m: &Map| (m.channels, m.height, m.width);
    assert_eq!(shape(input), shape(output), "maps of one shape");
    assert_eq!(weight.len(), output.channels, "a slope for each channel");
    typed!(x, y, |x, y| rows(run_on, weight, x, input, y, output));
}

fn rows<X: Number, Y: Number>(
    (isa, team): (Isa, Team<'_>),
    weight: &[f32],
    x: &[X],
    input: &Map,
    y: &mut [Y],
    output: &Map,
) {
    assert_eq!((x.len(), y.len()), (input.len(), output.len()), "values fill their maps");
    let out = Out::new(y);
    team.run(output.height, &|row| {
        let x = &x[input.at(row, 0)..][..input.width * input.stride];
        let len = output.width * output.stride;
        // SAFETY: `at` saw the room; each row belongs to one part.
        let y = unsafe { std::slice::from_raw_parts_mut(out.at(output.at(row, 0), len), len) };
        on(isa, Forward { weight, x, y, strides: [input.stride, output.stride] });
    });
}

struct Forward<'a, X, Y> {
    weight: &'a [f32],
    x: &'a [X],
    y: &'a mut [Y],
    strides: [usize; 2],
}

impl<X: Number, Y: Number> Kernel for Forward<'_, X, Y> {
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let pixels = self.x.chunks_exact(self.strides[0]);
        for (x, y) in pixels.zip(self.y.chunks_exact_mut(self.strides[1])) {
            let (own, spare) = y.split_at_mut(self.weight.len());
            for ((y, x), w) in own.iter_mut().zip(x).zip(self.weight) {
                let x = x.value();
                *y = Y::of(if x < 0.0 { w * x } else { x });
            }
            spare.fill(Y::of(0.0));
        }
    }
}

/// In place, from the gradient of [`prelu`] to that of its input `x`. Returns the gradient of the
/// slopes, `[C]`: the sum of `dy · x` over all images and pixels where `x` is below zero.
///
/// # Panics
/// When slices or channels do not fit the maps.
pub fn prelu_backward(
    (isa, team): (Isa, Team<'_>),
    images: usize,
    weight: &[f32],
    (x, input): (&[f32], &Map),
    (dy, map): (&mut [f32], &Map),
) -> Vec<f32> {
    assert_eq!(x.len(), images * input.len(), "values fill their maps");
    assert_eq!(dy.len(), images * map.len(), "gradients fill their maps");
    assert_eq!(weight.len(), map.channels, "a slope for each channel");
    let lanes = map.channels.next_multiple_of(LANES);
    // A row of sums for each image: which thread has which does not change a bit.
    let mut sums = vec![0.0f32; images * lanes];
    let (out, parts) = (Out::new(dy), Out::new(&mut sums));
    team.run(images, &|image| {
        // SAFETY: `at` saw the room; each image belongs to one part.
        let sums = unsafe { std::slice::from_raw_parts_mut(parts.at(image * lanes, lanes), lanes) };
        for row in 0..input.height {
            let x = &x[image * input.len() + input.at(row, 0)..][..input.width * input.stride];
            let len = map.width * map.stride;
            let at = out.at(image * map.len() + map.at(row, 0), len);
            // SAFETY: as above.
            let dy = unsafe { std::slice::from_raw_parts_mut(at, len) };
            on(isa, Backward { weight, x, dy, sums, strides: [input.stride, map.stride] });
        }
    });
    let of = |c: usize| sums.chunks_exact(lanes).map(|s| f64::from(s[c])).sum::<f64>() as f32;
    (0..map.channels).map(of).collect()
}

struct Backward<'a> {
    weight: &'a [f32],
    x: &'a [f32],
    dy: &'a mut [f32],
    sums: &'a mut [f32],
    strides: [usize; 2],
}

impl Kernel for Backward<'_> {
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let pixels = self.x.chunks_exact(self.strides[0]);
        for (x, dy) in pixels.zip(self.dy.chunks_exact_mut(self.strides[1])) {
            let slopes = self.sums.iter_mut().zip(self.weight);
            for ((d, x), (sum, w)) in dy.iter_mut().zip(x).zip(slopes) {
                *sum += if *x < 0.0 { *d * x } else { 0.0 };
                *d *= if *x < 0.0 { *w } else { 1.0 };
            }
        }
    }
}
