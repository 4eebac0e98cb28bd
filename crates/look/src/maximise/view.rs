//! What the network sees of a picture: moved, scaled and turned a little, so that what it answers to is not a pattern
//! of single pixels (Olah et al. 2017, section "Transformation robustness").

use regraft_net::card::{Channels, Preprocess};

use super::chance::Chance;

/// Beyond the picture all is grey.
const BEYOND: f64 = 0.5;

/// How far views differ from the picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Sway {
    /// Pixels of the picture that the view may move before it is scaled and turned, from one side to the other.
    pub before: usize,
    /// Factors of its size, one of which is drawn; empty for none.
    pub scales: Vec<f64>,
    /// Degrees it is turned by, one of which is drawn; empty for none.
    pub degrees: Vec<f64>,
    /// Pixels of the view that it may move afterwards.
    pub after: usize,
}

impl Sway {
    /// As published: 8 pixels, 0.9 to 1.1, -10 to 10 degrees with 0 more often, 4 pixels.
    pub fn usual() -> Self {
        Self {
            before: 8,
            scales: (0..11).map(|i| 0.9 + 0.02 * f64::from(i)).collect(),
            degrees: (-10..=10).chain([0; 5]).map(f64::from).collect(),
            after: 4,
        }
    }

    /// Twice as far and more: 16 pixels, 0.7 to 1.2, -15 to 15 degrees, 16 pixels. Of the pictures of ten classes made
    /// for EfficientNet-Lite0 with 256 steps, MobileNetV2 had seven among its first five; of three made with
    /// [`Sway::usual`] none came before the 24th place there.
    pub fn wide() -> Self {
        Self {
            before: 16,
            scales: (0..11).map(|i| 0.7 + 0.05 * f64::from(i)).collect(),
            degrees: (-10..=10).chain([0; 5]).map(|i| 1.5 * f64::from(i)).collect(),
            after: 16,
        }
    }

    /// None: the picture as it is.
    pub fn none() -> Self {
        Self { before: 0, scales: Vec::new(), degrees: Vec::new(), after: 0 }
    }
}

/// Where each pixel of a window comes from.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct View {
    picture: [usize; 2],
    window: [usize; 2],
    /// Source row and column are `[a, b, c] · [row, column, 1]` of the pixel.
    rows: [f64; 3],
    columns: [f64; 3],
}

impl View {
    /// The whole picture in a window of a size that may be another: `[height, width]` each.
    pub(crate) fn whole(picture: [usize; 2], window: [usize; 2]) -> Self {
        Self::new(picture, window, [0.0; 2], 1.0, 0.0, [0.0; 2])
    }

    /// One of the views that `sway` allows.
    pub(crate) fn drawn(
        picture: [usize; 2],
        window: [usize; 2],
        sway: &Sway,
        chance: &mut Chance,
    ) -> Self {
        let mut shift = |range: usize| {
            let mut one = || chance.below(range + 1) as f64 - (range / 2) as f64;
            [one(), one()]
        };
        let (before, after) = (shift(sway.before), shift(sway.after));
        let mut one = |of: &[f64], none: f64| {
            let at = chance.below(of.len());
            of.get(at).copied().unwrap_or(none)
        };
        let (scale, degrees) = (one(&sway.scales, 1.0), one(&sway.degrees, 0.0));
        Self::new(picture, window, before, scale, degrees, after)
    }

    fn new(
        picture: [usize; 2],
        window: [usize; 2],
        before: [f64; 2],
        scale: f64,
        degrees: f64,
        after: [f64; 2],
    ) -> Self {
        let (sin, cos) = if degrees == 0.0 { (0.0, 1.0) } else { degrees.to_radians().sin_cos() };
        let ratio = |axis: usize| picture[axis] as f64 / window[axis] as f64 / scale;
        // Of the centres of pixels, seen from the middle of the window.
        let middle = |axis: usize| 0.5 - window[axis] as f64 / 2.0 + after[axis];
        let place = |axis: usize, [a, b]: [f64; 2]| {
            let (a, b) = (a * ratio(axis), b * ratio(axis));
            let from = picture[axis] as f64 / 2.0 - 0.5 + before[axis];
            [a, b, a * middle(0) + b * middle(1) + from]
        };
        Self { picture, window, rows: place(0, [cos, -sin]), columns: place(1, [sin, cos]) }
    }

    /// Calls `each` with every pixel of the window and the four of the picture that it lies between: their places,
    /// none beyond the picture, and weights that add up to one.
    fn pixels(&self, mut each: impl FnMut(usize, [(Option<usize>, f64); 4])) {
        let [height, width] = self.picture;
        let inside = |y: f64, x: f64| {
            let there = y >= 0.0 && x >= 0.0 && y < height as f64 && x < width as f64;
            there.then(|| y as usize * width + x as usize)
        };
        for row in 0..self.window[0] {
            for column in 0..self.window[1] {
                let at = |[a, b, c]: [f64; 3]| a * row as f64 + b * column as f64 + c;
                let (y, x) = (at(self.rows), at(self.columns));
                let (top, left) = (y.floor(), x.floor());
                let (down, across) = (y - top, x - left);
                let corners = [
                    (inside(top, left), (1.0 - down) * (1.0 - across)),
                    (inside(top, left + 1.0), (1.0 - down) * across),
                    (inside(top + 1.0, left), down * (1.0 - across)),
                    (inside(top + 1.0, left + 1.0), down * across),
                ];
                each(row * self.window[1] + column, corners);
            }
        }
    }

    /// Planes `[…, h, w]` seen so, `[…, H, W]`; beyond the border the nearest pixels go on.
    pub(crate) fn planes(&self, planes: &[f64]) -> Vec<f64> {
        let (pixels, window) = (self.picture[0] * self.picture[1], self.window[0] * self.window[1]);
        let mut out = vec![0.0; planes.len() / pixels * window];
        self.pixels(|at, corners| {
            let inside: f64 = corners.iter().filter(|c| c.0.is_some()).map(|c| c.1).sum();
            for (plane, out) in planes.chunks_exact(pixels).zip(out.chunks_exact_mut(window)) {
                let value = |(place, weight): (Option<usize>, f64)| {
                    place.map_or(0.0, |place| weight * plane[place])
                };
                out[at] = corners.into_iter().map(value).sum::<f64>() / inside;
            }
        });
        out
    }

    /// What the network reads of colours `[3, h, w]` in `0..1`: `[3, H, W]` as its card wants it.
    pub(crate) fn seen(&self, colours: &[f64], card: &Preprocess, out: &mut [f32]) {
        let (pixels, window) = (self.picture[0] * self.picture[1], self.window[0] * self.window[1]);
        let lines: Vec<(usize, f64, f64)> = channels(card);
        self.pixels(|at, corners| {
            for (to, (from, factor, offset)) in lines.iter().enumerate() {
                let plane = &colours[from * pixels..];
                let value: f64 = corners
                    .iter()
                    .map(|(place, weight)| weight * place.map_or(BEYOND, |place| plane[place]))
                    .sum();
                out[to * window + at] = (value * factor + offset) as f32;
            }
        });
    }

    /// Adds the gradient of the colours from that of what the network read.
    pub(crate) fn back(&self, seen: &[f32], card: &Preprocess, gradient: &mut [f64]) {
        let (pixels, window) = (self.picture[0] * self.picture[1], self.window[0] * self.window[1]);
        let lines: Vec<(usize, f64, f64)> = channels(card);
        self.pixels(|at, corners| {
            for (to, (from, factor, _)) in lines.iter().enumerate() {
                let value = f64::from(seen[to * window + at]) * factor;
                for (place, weight) in corners {
                    if let Some(place) = place {
                        gradient[from * pixels + place] += weight * value;
                    }
                }
            }
        });
    }
}

/// For each channel of the network the colour it is made of, and the line from `0..1` to what it reads.
fn channels(card: &Preprocess) -> Vec<(usize, f64, f64)> {
    let line = |to: usize| {
        let from = match card.channels {
            Channels::Rgb => to,
            Channels::Bgr => 2 - to,
        };
        let std = f64::from(card.std[to]);
        (from, 255.0 * f64::from(card.scale) / std, -f64::from(card.mean[to]) / std)
    };
    (0..3).map(line).collect()
}

#[cfg(test)]
mod tests {
    use regraft_net::card::Interpolation;

    use super::*;

    fn numbers(n: usize, seed: f64) -> Vec<f64> {
        (0..n).map(|i| 0.5 + 0.5 * ((i as f64 + 1.0) * 12.9898 + seed * 78.233).sin()).collect()
    }

    #[test]
    fn a_window_of_the_pictures_size_is_the_picture() {
        let card = Preprocess::imagenet(256, 224, Interpolation::Bilinear);
        let colours = numbers(3 * 7 * 9, 1.0);
        let mut seen = vec![0.0; colours.len()];
        View::whole([7, 9], [7, 9]).seen(&colours, &card, &mut seen);
        for (i, (seen, colour)) in seen.iter().zip(&colours).enumerate() {
            let (mean, std) = (card.mean[i / 63], card.std[i / 63]);
            assert!((seen - (*colour as f32 - mean) / std).abs() < 1e-5);
        }
    }

    #[test]
    fn the_way_back_is_the_transpose_of_the_way_there() {
        let mut card = Preprocess::imagenet(256, 224, Interpolation::Bilinear);
        for channels in [Channels::Rgb, Channels::Bgr] {
            card.channels = channels;
            for draw in 0..6 {
                let mut chance = Chance::new([7, draw, 0, 0]);
                let view = View::drawn([11, 9], [8, 13], &Sway::usual(), &mut chance);
                let (colours, signal) = (numbers(3 * 99, 2.0), numbers(3 * 104, 3.0));
                let signal: Vec<f32> = signal.iter().map(|v| *v as f32).collect();
                let mut gradient = vec![0.0; colours.len()];
                view.back(&signal, &card, &mut gradient);
                let value = |colours: &[f64]| {
                    let mut seen = vec![0.0; signal.len()];
                    view.seen(colours, &card, &mut seen);
                    seen.iter()
                        .zip(&signal)
                        .map(|(a, b)| f64::from(*a) * f64::from(*b))
                        .sum::<f64>()
                };
                // The way there is a line, so that a large step has no other error than rounding.
                for at in [0, 40, 98, 150, 200, 296] {
                    let moved = |by: f64| {
                        let mut other = colours.clone();
                        other[at] += by;
                        value(&other)
                    };
                    let slope = (moved(8.0) - moved(-8.0)) / 16.0;
                    assert!((slope - gradient[at]).abs() < 1e-5 * slope.abs().max(1.0), "{at}");
                }
            }
        }
    }
}
