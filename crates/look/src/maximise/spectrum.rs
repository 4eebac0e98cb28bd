//! A picture by its waves, and colours that do not go together (Olah, Mordvintsev, Schubert 2017, "Feature
//! Visualization", section "Preconditioning and Parameterization"; numbers of their code).

use rayon::prelude::*;

use super::fft::{Complex, Fft};

/// What brings waves of usual size to colours of usual size.
const SIZE: f64 = 0.25;

/// Square root of the covariance of colours of ImageNet: a row is red, green or blue, a column an axis that goes
/// with no other.
const COLOURS: [[f64; 3]; 3] = [[0.26, 0.09, 0.02], [0.27, 0.0, -0.05], [0.27, -0.09, 0.03]];

/// The waves of pictures of one size.
#[derive(Debug, Clone)]
pub struct Spectrum {
    height: usize,
    width: usize,
    /// `width`, and one more when it is odd.
    even: usize,
    rows: Fft,
    columns: Fft,
    /// What each wave is multiplied by: small ones with large weight, as in photographs.
    scales: Vec<f64>,
}

impl Spectrum {
    /// For pictures of `height` x `width` pixels, with waves weighted by one over their frequency to the power of
    /// `decay`: 1 as published, more for softer pictures.
    pub fn new(height: usize, width: usize, decay: f64) -> Self {
        let even = width + width % 2;
        let across = even / 2 + 1;
        let least = 1.0 / height.max(width).max(1) as f64;
        let frequency = |k: usize, n: usize| k.min(n - k.min(n)) as f64 / n as f64;
        let mut scales = Vec::with_capacity(height * across);
        for y in 0..height {
            for x in 0..across {
                // The last of an odd width is the one before it, turned about.
                let (fy, fx) = (frequency(y, height), frequency(x, width));
                let f = (fx * fx + fy * fy).sqrt().max(least);
                scales.push(SIZE / f.powf(decay) / ((height * even) as f64).sqrt());
            }
        }
        Self { height, width, even, rows: Fft::new(even), columns: Fft::new(height), scales }
    }

    /// Numbers that a picture of three channels has: `[3, height, ⌈width / 2⌉ + 1, 2]`, real parts first.
    pub fn count(&self) -> usize {
        6 * self.scales.len()
    }

    /// The picture `[3, height, width]` of a spectrum: the real inverse transform, with weights.
    ///
    /// # Panics
    /// When there are not [`Spectrum::count`] numbers.
    pub fn picture(&self, spectrum: &[f64]) -> Vec<f64> {
        assert_eq!(spectrum.len(), self.count(), "a spectrum of this size");
        let pixels = self.height * self.width;
        let mut picture = vec![0.0; 3 * pixels];
        let planes = picture.par_chunks_exact_mut(pixels);
        planes.zip(spectrum.par_chunks_exact(2 * self.scales.len())).for_each(|(plane, waves)| {
            let across = self.even / 2 + 1;
            let mut down = vec![[0.0; 2]; self.height * across];
            let (mut one, mut other) = (vec![[0.0; 2]; self.height], vec![[0.0; 2]; self.height]);
            for x in 0..across {
                for (y, one) in one.iter_mut().enumerate() {
                    let at = y * across + x;
                    let scale = self.scales[at] * self.twice(x);
                    *one = [waves[2 * at] * scale, waves[2 * at + 1] * scale];
                }
                self.columns.run(&one, &mut other, true);
                other.iter().enumerate().for_each(|(y, v)| down[y * across + x] = *v);
            }
            let (mut row, mut out) = (vec![[0.0; 2]; self.even], vec![[0.0; 2]; self.even]);
            for (plane, down) in plane.chunks_exact_mut(self.width).zip(down.chunks_exact(across)) {
                row[..across].copy_from_slice(down);
                self.rows.run(&row, &mut out, true);
                plane.iter_mut().zip(&out).for_each(|(p, v)| *p = v[0]);
            }
        });
        picture
    }

    /// The gradient of the spectrum from that of the picture.
    ///
    /// # Panics
    /// When the picture does not have three channels of this size.
    pub fn gradient(&self, picture: &[f64]) -> Vec<f64> {
        let pixels = self.height * self.width;
        assert_eq!(picture.len(), 3 * pixels, "a picture of this size");
        let mut spectrum = vec![0.0; self.count()];
        let planes = spectrum.par_chunks_exact_mut(2 * self.scales.len());
        planes.zip(picture.par_chunks_exact(pixels)).for_each(|(waves, plane)| {
            let across = self.even / 2 + 1;
            let mut down: Vec<Complex> = Vec::with_capacity(self.height * across);
            let (mut row, mut out) = (vec![[0.0; 2]; self.even], vec![[0.0; 2]; self.even]);
            for plane in plane.chunks_exact(self.width) {
                row.iter_mut().zip(plane).for_each(|(r, p)| *r = [*p, 0.0]);
                self.rows.run(&row, &mut out, false);
                down.extend_from_slice(&out[..across]);
            }
            let (mut one, mut other) = (vec![[0.0; 2]; self.height], vec![[0.0; 2]; self.height]);
            for x in 0..across {
                one.iter_mut().enumerate().for_each(|(y, v)| *v = down[y * across + x]);
                self.columns.run(&one, &mut other, false);
                for (y, v) in other.iter().enumerate() {
                    let at = y * across + x;
                    let scale = self.scales[at] * self.twice(x);
                    waves[2 * at] = v[0] * scale;
                    waves[2 * at + 1] = v[1] * scale;
                }
            }
        });
        spectrum
    }

    /// A wave stands for itself and for the one that goes the other way, where that is another.
    fn twice(&self, x: usize) -> f64 {
        if x == 0 || 2 * x == self.even { 1.0 } else { 2.0 }
    }
}

/// `COLOURS`, so that its longest column has length one.
fn colours() -> [[f64; 3]; 3] {
    let length = |c: usize| COLOURS.iter().map(|row| row[c] * row[c]).sum::<f64>().sqrt();
    let longest = (0..3).map(length).fold(0.0, f64::max);
    COLOURS.map(|row| row.map(|v| v / longest))
}

/// Axes that do not go together, `[3, …]`, in place to red, green and blue in `(0, 1)`.
pub fn to_colours(picture: &mut [f64]) {
    let matrix = colours();
    let [a, b, c] = thirds(picture);
    for ((a, b), c) in a.iter_mut().zip(b).zip(c) {
        let axes = [*a, *b, *c];
        [*a, *b, *c] = matrix.map(|row| {
            let sum: f64 = row.iter().zip(axes).map(|(m, v)| m * v).sum();
            1.0 / (1.0 + (-sum).exp())
        });
    }
}

/// In place the gradient of the axes from that of the colours, which [`to_colours`] gave.
pub fn from_colours(colours_there: &[f64], gradient: &mut [f64]) {
    let matrix = colours();
    let pixels = colours_there.len() / 3;
    let [a, b, c] = thirds(gradient);
    for (i, ((a, b), c)) in a.iter_mut().zip(b).zip(c).enumerate() {
        let mut back = [0.0; 3];
        for (channel, (g, row)) in [*a, *b, *c].into_iter().zip(matrix).enumerate() {
            let v = colours_there[channel * pixels + i];
            let inner = g * v * (1.0 - v);
            back.iter_mut().zip(row).for_each(|(b, m)| *b += inner * m);
        }
        [*a, *b, *c] = back;
    }
}

fn thirds(values: &mut [f64]) -> [&mut [f64]; 3] {
    let pixels = values.len() / 3;
    let (a, rest) = values.split_at_mut(pixels);
    let (b, c) = rest.split_at_mut(pixels);
    [a, b, c]
}

/// How much neighbours differ in a picture of planes of `height` x `width`: the sum of absolute differences, and that
/// of their squares.
pub fn total_variation(picture: &[f64], [height, width]: [usize; 2]) -> [f64; 2] {
    let mut sums = [0.0; 2];
    neighbours(picture.len(), [height, width], |a, b| {
        let difference = picture[b] - picture[a];
        sums[0] += difference.abs();
        sums[1] += difference * difference;
    });
    sums
}

/// Adds `weight` times the gradient of the sum of squares of [`total_variation`].
pub(crate) fn add_variation(
    picture: &[f64],
    [height, width]: [usize; 2],
    weight: f64,
    gradient: &mut [f64],
) {
    neighbours(picture.len(), [height, width], |a, b| {
        let slope = 2.0 * weight * (picture[b] - picture[a]);
        gradient[b] += slope;
        gradient[a] -= slope;
    });
}

fn neighbours(len: usize, [height, width]: [usize; 2], mut each: impl FnMut(usize, usize)) {
    for at in 0..len {
        let (y, x) = (at / width % height, at % width);
        if x + 1 < width {
            each(at, at + 1);
        }
        if y + 1 < height {
            each(at, at + width);
        }
    }
}
