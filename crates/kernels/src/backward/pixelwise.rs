//! Gradients of layers that look at one pixel at a time, and what all backward steps share.

use crate::dispatch::{Kernel, on};
use crate::simd::Simd;
use crate::team::{Out, Team};
use crate::{Clamp, Isa, LANES, Map};

use super::norm::rows;

/// Two maps of a batch, row by row.
struct Pair<'a> {
    x: &'a [f32],
    input: &'a Map,
    y: Out<f32>,
    output: &'a Map,
}

impl<'a> Pair<'a> {
    fn new(
        images: usize,
        (x, input): (&'a [f32], &'a Map),
        (y, output): (&mut [f32], &'a Map),
    ) -> Self {
        assert_eq!(x.len(), images * input.len(), "values fill their maps");
        assert_eq!(y.len(), images * output.len(), "values fill their maps");
        let size = |m: &Map| (m.height, m.width);
        assert_eq!(size(input), size(output), "maps of one height and width");
        Self { x, input, y: Out::new(y), output }
    }

    /// A row to read and the same row to write.
    ///
    /// # Safety
    /// Nobody else may hold the row.
    #[expect(clippy::mut_from_ref, reason = "the caller has the row alone")]
    unsafe fn row(&self, image: usize, row: usize) -> (&[f32], &mut [f32]) {
        let (input, output) = (self.input, self.output);
        let x = &self.x[image * input.len() + input.at(row, 0)..][..input.width * input.stride];
        let len = output.width * output.stride;
        let y = self.y.at(image * output.len() + output.at(row, 0), len);
        // SAFETY: `at` saw the room; the caller has the row alone.
        (x, unsafe { std::slice::from_raw_parts_mut(y, len) })
    }
}

/// Keeps of a gradient what passes a clamp whose result was `y`: zero where `y` is at or beyond an
/// end. At an end itself nothing passes, as in PyTorch.
///
/// # Panics
/// When slices do not fit the maps.
pub fn mask(
    (isa, team): (Isa, Team<'_>),
    images: usize,
    clamp: Clamp,
    y: (&[f32], &Map),
    gradient: (&mut [f32], &Map),
) {
    let (input, output) = (y.1, gradient.1);
    let pair = Pair::new(images, y, gradient);
    rows(team, images, input, &|image, row| {
        // SAFETY: each row belongs to one part.
        let (y, dy) = unsafe { pair.row(image, row) };
        on(isa, Mask { clamp, y, dy, strides: [input.stride, output.stride] });
    });
}

struct Mask<'a> {
    clamp: Clamp,
    y: &'a [f32],
    dy: &'a mut [f32],
    strides: [usize; 2],
}

impl Kernel for Mask<'_> {
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let Clamp { low, high } = self.clamp;
        let pixels = self.y.chunks_exact(self.strides[0]);
        for (y, dy) in pixels.zip(self.dy.chunks_exact_mut(self.strides[1])) {
            for (dy, y) in dy.iter_mut().zip(y) {
                *dy = if *y > low && *y < high { *dy } else { 0.0 };
            }
        }
    }
}

/// `y = a·y + x` with `a` 0 or 1: copies or adds a map onto another of its shape.
///
/// # Panics
/// When slices do not fit the maps.
pub fn accumulate(
    (isa, team): (Isa, Team<'_>),
    images: usize,
    keep: bool,
    x: (&[f32], &Map),
    y: (&mut [f32], &Map),
) {
    let (input, output) = (x.1, y.1);
    let pair = Pair::new(images, x, y);
    rows(team, images, input, &|image, row| {
        // SAFETY: each row belongs to one part.
        let (x, y) = unsafe { pair.row(image, row) };
        on(isa, Add { keep, x, y, strides: [input.stride, output.stride] });
    });
}

struct Add<'a> {
    keep: bool,
    x: &'a [f32],
    y: &'a mut [f32],
    strides: [usize; 2],
}

impl Kernel for Add<'_> {
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let pixels = self.x.chunks_exact(self.strides[0]);
        for (x, y) in pixels.zip(self.y.chunks_exact_mut(self.strides[1])) {
            if self.keep {
                y.iter_mut().zip(x).for_each(|(y, x)| *y += x);
            } else {
                y.iter_mut().zip(x).for_each(|(y, x)| *y = *x);
            }
        }
    }
}

/// Sum of each channel over all images and pixels, `[C]` rounded up to whole vectors: the gradient of
/// a bias.
///
/// # Panics
/// When the slice does not fit the maps.
pub fn channel_sums(images: usize, (dy, map): (&[f32], &Map)) -> Vec<f32> {
    assert_eq!(dy.len(), images * map.len(), "gradients fill their maps");
    let lanes = map.channels.next_multiple_of(LANES);
    let mut all = vec![0.0f64; lanes];
    let mut line = vec![0.0f32; lanes];
    for image in dy.chunks_exact(map.len()) {
        for row in 0..map.height {
            line.fill(0.0);
            for pixel in image[map.at(row, 0)..][..map.width * map.stride].chunks_exact(map.stride)
            {
                line.iter_mut().zip(pixel).for_each(|(s, v)| *s += v);
            }
            all.iter_mut().zip(&line).for_each(|(a, v)| *a += f64::from(*v));
        }
    }
    all.into_iter().map(|v| v as f32).collect()
}

/// `y = x · scale` for each channel.
///
/// # Panics
/// When slices do not fit the maps.
pub fn scale_channels(
    team: Team<'_>,
    images: usize,
    scale: &[f32],
    x: (&[f32], &Map),
    y: (&mut [f32], &Map),
) {
    let (input, output) = (x.1, y.1);
    let pair = Pair::new(images, x, y);
    rows(team, images, input, &|image, row| {
        // SAFETY: each row belongs to one part.
        let (x, y) = unsafe { pair.row(image, row) };
        for (x, y) in x.chunks_exact(input.stride).zip(y.chunks_exact_mut(output.stride)) {
            y.iter_mut().zip(x.iter().zip(scale)).for_each(|(y, (x, s))| *y = x * s);
        }
    });
}

/// From the gradient of a concatenation to that of the part that begins at channel `first`.
///
/// # Panics
/// When slices or channels do not fit the maps.
pub fn concat_backward(
    team: Team<'_>,
    images: usize,
    first: usize,
    gradient: (&[f32], &Map),
    part: (&mut [f32], &Map),
) {
    let (input, output) = (gradient.1, part.1);
    let n = output.channels;
    assert!(first + n <= input.channels, "channels fit");
    let pair = Pair::new(images, gradient, part);
    rows(team, images, input, &|image, row| {
        // SAFETY: each row belongs to one part.
        let (x, y) = unsafe { pair.row(image, row) };
        for (x, y) in x.chunks_exact(input.stride).zip(y.chunks_exact_mut(output.stride)) {
            y[..n].copy_from_slice(&x[first..first + n]);
            y[n..].fill(0.0);
        }
    });
}

/// In place, from the gradient of a softmax over channels to that of its input; `y` is its result:
/// `dx = y·(dy - Σ dy·y)`.
///
/// # Panics
/// When slices do not fit the maps.
pub fn softmax_backward(
    team: Team<'_>,
    images: usize,
    y: (&[f32], &Map),
    gradient: (&mut [f32], &Map),
) {
    let (input, output) = (y.1, gradient.1);
    let pair = Pair::new(images, y, gradient);
    rows(team, images, input, &|image, row| {
        // SAFETY: each row belongs to one part.
        let (y, dy) = unsafe { pair.row(image, row) };
        for (y, dy) in y.chunks_exact(input.stride).zip(dy.chunks_exact_mut(output.stride)) {
            let dot: f32 = y.iter().zip(&*dy).map(|(y, d)| y * d).sum();
            dy.iter_mut().zip(y).for_each(|(d, y)| *d = y * (*d - dot));
        }
    });
}

/// In place, from the gradient of a local response normalisation over `size` channels to that of its
/// input `x`: with `s = k + alpha / size · Σ x²`,
/// `dx_j = dy_j·s_j^-beta - 2·alpha·beta / size · x_j · Σ dy_i·x_i·s_i^(-beta - 1)` over the channels
/// `i` whose window holds `j`.
///
/// # Panics
/// When slices do not fit the maps.
pub fn lrn_backward(
    team: Team<'_>,
    images: usize,
    (size, [alpha, beta, k]): (usize, [f32; 3]),
    x: (&[f32], &Map),
    gradient: (&mut [f32], &Map),
) {
    let (input, output) = (x.1, gradient.1);
    let channels = input.channels;
    let pair = Pair::new(images, x, gradient);
    let window = |c: usize| c.saturating_sub(size / 2)..(c + size / 2 + 1).min(channels);
    rows(team, images, input, &|image, row| {
        // SAFETY: each row belongs to one part.
        let (x, dy) = unsafe { pair.row(image, row) };
        let (mut sums, mut ratio) = (vec![0.0f32; channels], vec![0.0f32; channels]);
        for (x, dy) in x.chunks_exact(input.stride).zip(dy.chunks_exact_mut(output.stride)) {
            for c in 0..channels {
                let sum: f32 = x[window(c)].iter().map(|v| v * v).sum();
                sums[c] = k + alpha / size as f32 * sum;
                ratio[c] = dy[c] * x[c] * sums[c].powf(-beta - 1.0);
            }
            for c in 0..channels {
                let sum: f32 = ratio[window(c)].iter().sum();
                let own = dy[c] * sums[c].powf(-beta);
                dy[c] = own - 2.0 * alpha * beta / size as f32 * x[c] * sum;
            }
        }
    });
}
