//! Maps multiplied with one another, and maps moved under a new border.

use crate::simd::Number;
use crate::slice::typed;
use crate::team::{Out, Team};
use crate::{LANES, Map, Slice, SliceMut};

/// `y = y · x` value by value; an `x` of one pixel counts for all pixels of `y`.
///
/// # Panics
/// When slices or channels do not fit the maps.
pub fn multiply(x: Slice<'_>, input: &Map, y: SliceMut<'_>, output: &Map) {
    typed!(x, y, |x, y| times(x, input, y, output));
}

fn times<X: Number, Y: Number>(x: &[X], input: &Map, y: &mut [Y], output: &Map) {
    assert_eq!(input.channels, output.channels, "the same channels");
    assert_eq!((x.len(), y.len()), (input.len(), output.len()), "values fill their maps");
    let one = input.pixels() == 1;
    let channels = input.channels;
    for row in 0..output.height {
        for column in 0..output.width {
            let from = if one { input.at(0, 0) } else { input.at(row, column) };
            let to = output.at(row, column);
            let pairs = y[to..to + channels].iter_mut().zip(&x[from..from + channels]);
            pairs.for_each(|(y, x)| *y = Y::of(y.value() * x.value()));
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
