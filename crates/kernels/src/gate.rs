//! Maps multiplied with one another, and maps moved under a new border.

use std::borrow::Cow;

use crate::dispatch::{Kernel, on};
use crate::simd::{Number, Simd};
use crate::slice::typed;
use crate::team::{Out, Team};
use crate::{Isa, LANES, Map, Slice, SliceMut};

/// `y = x · gate` value by value; a `gate` of one pixel counts for all pixels of `x`.
///
/// # Panics
/// When slices or channels do not fit the maps.
pub fn product(
    run_on: (Isa, Team<'_>),
    x: (Slice<'_>, &Map),
    gate: (Slice<'_>, &Map),
    y: SliceMut<'_>,
    output: &Map,
) {
    // A gate is small, or both are: as `f32` it has one kind.
    let gate_values: Cow<'_, [f32]> = match gate.0 {
        Slice::F32(values) => Cow::Borrowed(values),
        Slice::Bf16(values) => Cow::Owned(values.iter().map(|v| v.value()).collect()),
    };
    let gate = (&*gate_values, gate.1);
    typed!(x.0, y, |values, y| rows(run_on, (values, x.1), gate, y, output));
}

fn rows<X: Number, Y: Number>(
    (isa, team): (Isa, Team<'_>),
    (x, input): (&[X], &Map),
    (gate, small): (&[f32], &Map),
    y: &mut [Y],
    output: &Map,
) {
    assert!(input.channels == output.channels && small.channels == output.channels, "channels");
    assert_eq!((input.height, input.width), (output.height, output.width), "maps of one size");
    let one = small.pixels() == 1;
    assert!(one || (small.height, small.width) == (output.height, output.width), "a gate's size");
    assert_eq!((x.len(), y.len()), (input.len(), output.len()), "values fill their maps");
    let out = Out::new(y);
    team.run(output.height, &|row| {
        let x = &x[input.at(row, 0)..][..input.width * input.stride];
        let (from, step) = if one { (small.at(0, 0), 0) } else { (small.at(row, 0), small.stride) };
        let len = output.width * output.stride;
        // SAFETY: `at` saw the room; each row belongs to one part.
        let y = unsafe { std::slice::from_raw_parts_mut(out.at(output.at(row, 0), len), len) };
        let strides = [input.stride, output.stride];
        on(isa, Product { x, gate: &gate[from..], step, y, strides, channels: output.channels });
    });
}

struct Product<'a, X, Y> {
    x: &'a [X],
    gate: &'a [f32],
    /// Numbers from one pixel of the gate to the next.
    step: usize,
    y: &'a mut [Y],
    strides: [usize; 2],
    channels: usize,
}

impl<X: Number, Y: Number> Kernel for Product<'_, X, Y> {
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let pixels = self.x.chunks_exact(self.strides[0]);
        for (i, (x, y)) in pixels.zip(self.y.chunks_exact_mut(self.strides[1])).enumerate() {
            let gate = &self.gate[i * self.step..];
            let (own, spare) = y.split_at_mut(self.channels);
            for ((y, x), g) in own.iter_mut().zip(x).zip(gate) {
                *y = Y::of(x.value() * g);
            }
            spare.fill(Y::of(0.0));
        }
    }
}

/// `y = y · x` in place, as [`product`].
fn times(x: &[f32], input: &Map, y: &mut [f32], output: &Map) {
    assert_eq!(input.channels, output.channels, "the same channels");
    let one = input.pixels() == 1;
    let channels = input.channels;
    for row in 0..output.height {
        for column in 0..output.width {
            let from = if one { input.at(0, 0) } else { input.at(row, column) };
            let to = output.at(row, column);
            let pairs = y[to..to + channels].iter_mut().zip(&x[from..from + channels]);
            pairs.for_each(|(y, x)| *y *= x);
        }
    }
}

/// Two factors of a product and their gradients; one has a single pixel, or both have the same.
pub struct Factors<'a> {
    /// Values of the larger, `[N]` maps.
    pub x: (&'a [f32], &'a Map),
    /// Values of the other.
    pub gate: (&'a [f32], &'a Map),
}

impl Factors<'_> {
    /// From the gradient of the product to that of the larger factor, in place.
    ///
    /// # Panics
    /// When slices do not fit the maps.
    pub fn gradient(&self, team: Team<'_>, images: usize, (dy, map): (&mut [f32], &Map)) {
        let (gate, other) = self.gate;
        assert_eq!(dy.len(), images * map.len(), "gradients fill their maps");
        let out = Out::new(dy);
        team.run(images, &|image| {
            let at = out.at(image * map.len(), map.len());
            // SAFETY: `at` saw the room; each image belongs to one part.
            let dy = unsafe { std::slice::from_raw_parts_mut(at, map.len()) };
            times(&gate[image * other.len()..][..other.len()], other, dy, map);
        });
    }

    /// From the gradient of the product to that of the other factor, into `ds`.
    ///
    /// # Panics
    /// When slices do not fit the maps.
    pub fn gate_gradient(
        &self,
        team: Team<'_>,
        images: usize,
        (dy, map): (&[f32], &Map),
        (ds, to): (&mut [f32], &Map),
    ) {
        let (x, input) = self.x;
        assert_eq!(dy.len(), images * map.len(), "gradients fill their maps");
        assert_eq!(ds.len(), images * to.len(), "gradients fill their maps");
        let (one, channels) = (to.pixels() == 1, to.channels);
        let out = Out::new(ds);
        team.run(images, &|image| {
            let at = out.at(image * to.len(), to.len());
            // SAFETY: `at` saw the room; each image belongs to one part.
            let ds = unsafe { std::slice::from_raw_parts_mut(at, to.len()) };
            ds.fill(0.0);
            for row in 0..input.height {
                for column in 0..input.width {
                    let x = &x[image * input.len() + input.at(row, column)..][..channels];
                    let dy = &dy[image * map.len() + map.at(row, column)..][..channels];
                    let at = if one { to.at(0, 0) } else { to.at(row, column) };
                    let sums = ds[at..at + channels].iter_mut();
                    sums.zip(x.iter().zip(dy)).for_each(|(s, (x, d))| *s += x * d);
                }
            }
        });
    }
}

/// Sum of `x · dy` for each channel over all images and pixels, `[C]` rounded up to whole vectors: the
/// gradient of a factor for each channel.
///
/// # Panics
/// When slices do not fit the maps.
pub fn channel_products(
    images: usize,
    (x, input): (&[f32], &Map),
    (dy, map): (&[f32], &Map),
) -> Vec<f32> {
    assert_eq!(x.len(), images * input.len(), "values fill their maps");
    assert_eq!(dy.len(), images * map.len(), "gradients fill their maps");
    let lanes = map.channels.next_multiple_of(LANES);
    let (mut all, mut line) = (vec![0.0f64; lanes], vec![0.0f32; lanes]);
    for (x, dy) in x.chunks_exact(input.len()).zip(dy.chunks_exact(map.len())) {
        for row in 0..map.height {
            line.fill(0.0);
            for column in 0..map.width {
                let (x, dy) = (&x[input.at(row, column)..], &dy[map.at(row, column)..]);
                let sums = line[..map.channels].iter_mut();
                sums.zip(x.iter().zip(dy)).for_each(|(s, (x, d))| *s += x * d);
            }
            all.iter_mut().zip(&line).for_each(|(a, v)| *a += f64::from(*v));
        }
    }
    all.into_iter().map(|v| v as f32).collect()
}

/// `y[r, c] = x[r - down, c - right]`, zero where `x` has no such pixel.
///
/// # Panics
/// When slices or channels do not fit the maps.
pub fn moved([down, right]: [isize; 2], x: Slice<'_>, input: &Map, y: SliceMut<'_>, output: &Map) {
    assert_eq!(input.channels, output.channels, "the same channels");
    typed!(x, y, |x, y| shift([down, right], x, input, y, output));
}

fn shift<X: Number, Y: Number>(
    [down, right]: [isize; 2],
    x: &[X],
    input: &Map,
    y: &mut [Y],
    output: &Map,
) {
    assert_eq!((x.len(), y.len()), (input.len(), output.len()), "values fill their maps");
    let source =
        |at: usize, by: isize, end: usize| at.checked_add_signed(-by).filter(|from| *from < end);
    for row in 0..output.height {
        let from_row = source(row, down, input.height);
        for column in 0..output.width {
            let y = &mut y[output.at(row, column)..][..output.stride];
            let (own, spare) = y.split_at_mut(output.channels);
            match from_row.zip(source(column, right, input.width)) {
                Some((row, column)) => {
                    let x = &x[input.at(row, column)..];
                    own.iter_mut().zip(x).for_each(|(y, x)| *y = Y::of(x.value()));
                }
                None => own.fill(Y::of(0.0)),
            }
            spare.fill(Y::of(0.0));
        }
    }
}
