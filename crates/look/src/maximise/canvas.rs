//! The numbers that a picture is made of, and how they learn.

use regraft_net::card::{Channels, Preprocess};

use super::chance::Chance;
use super::pixels::{self, PixelRules};
use super::spectrum::{Spectrum, from_colours, to_colours};

/// Deviation of the numbers that a spectrum starts from.
const START: f64 = 0.01;
/// Of Adam (Kingma and Ba 2015).
const MOMENTS: [f64; 2] = [0.9, 0.999];
const TINY: f64 = 1e-8;

/// A picture under way.
pub(crate) struct Canvas {
    size: [usize; 2],
    kind: Kind,
    steps: i32,
}

enum Kind {
    Waves {
        values: Vec<f64>,
        /// Means of gradients and of their squares.
        means: [Vec<f64>; 2],
        rate: f64,
    },
    Pixels {
        /// `[3, h, w]`: red, green, blue less the network's mean, in units of 0 to 255.
        values: Vec<f64>,
        mean: [f64; 3],
        rules: PixelRules,
    },
}

impl Canvas {
    /// Waves of chance.
    pub(crate) fn waves(
        spectrum: &Spectrum,
        size: [usize; 2],
        rate: f64,
        chance: &mut Chance,
    ) -> Self {
        let values = chance.normal(spectrum.count(), START);
        let means = [vec![0.0; values.len()], vec![0.0; values.len()]];
        Self { size, kind: Kind::Waves { values, means, rate }, steps: 0 }
    }

    /// The mean colour with noise of 10 of 255.
    pub(crate) fn pixels(
        size: [usize; 2],
        card: &Preprocess,
        rules: PixelRules,
        chance: &mut Chance,
    ) -> Self {
        let mean = |colour: usize| {
            let channel = match card.channels {
                Channels::Rgb => colour,
                Channels::Bgr => 2 - colour,
            };
            f64::from(card.mean[channel]) / f64::from(card.scale)
        };
        let values = chance.normal(3 * size[0] * size[1], 10.0);
        let kind = Kind::Pixels { values, mean: [mean(0), mean(1), mean(2)], rules };
        Self { size, kind, steps: 0 }
    }

    /// The colours, `[3, h, w]` in `0..1`.
    pub(crate) fn colours(&mut self, spectrum: &Spectrum) -> Vec<f64> {
        let plane = (self.size[0] * self.size[1]).max(1);
        match &mut self.kind {
            Kind::Waves { values, .. } => {
                let mut picture = spectrum.picture(values);
                to_colours(&mut picture);
                picture
            }
            Kind::Pixels { values, mean, .. } => {
                let mut colours = Vec::with_capacity(values.len());
                for (plane, mean) in values.chunks_exact_mut(plane).zip(mean) {
                    for value in plane {
                        let level = (*value + *mean).clamp(0.0, 255.0);
                        *value = level - *mean;
                        colours.push(level / 255.0);
                    }
                }
                colours
            }
        }
    }

    /// One step up along the gradient of the colours that were there.
    pub(crate) fn step(&mut self, spectrum: &Spectrum, colours: &[f64], mut gradient: Vec<f64>) {
        self.steps += 1;
        match &mut self.kind {
            Kind::Waves { values, means: [first, second], rate } => {
                from_colours(colours, &mut gradient);
                let gradient = spectrum.gradient(&gradient);
                let [a, b] = MOMENTS;
                let (one, two) = (1.0 - a.powi(self.steps), 1.0 - b.powi(self.steps));
                let means = first.iter_mut().zip(second);
                for ((value, g), (m, v)) in values.iter_mut().zip(gradient).zip(means) {
                    *m = a * *m + (1.0 - a) * g;
                    *v = b * *v + (1.0 - b) * g * g;
                    *value += *rate * (*m / one) / ((*v / two).sqrt() + TINY);
                }
            }
            Kind::Pixels { values, rules, .. } => {
                for g in &mut gradient {
                    *g /= 255.0;
                }
                pixels::step(values, self.size, &gradient, rules, self.steps);
            }
        }
    }
}
