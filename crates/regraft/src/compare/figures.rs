//! Figures of a comparison, with their intervals.

use regraft_data::uniform;

use super::{Benefit, Curve};

/// Resamples of the bootstrap.
const RESAMPLES: usize = 2000;

/// For each training and each point in time, the part of each test image in its figure: 1 for those right.
pub(super) struct Right {
    pub(super) name: String,
    pub(super) seeds: Vec<Vec<Vec<f64>>>,
}

pub(super) fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let n = values.len().max(1) as f64;
    values.sum::<f64>() / n
}

fn share(right: &[f64]) -> f64 {
    right.iter().sum::<f64>() / right.len().max(1) as f64
}

impl Right {
    pub(super) fn curve(&self) -> Curve {
        let points = self.seeds.first().map_or(0, Vec::len);
        let at = |point: usize| self.seeds.iter().map(move |seed| share(&seed[point]));
        let ends =
            |point| at(point).fold([1.0f64, 0.0], |[low, high], v| [low.min(v), high.max(v)]);
        Curve {
            name: self.name.clone(),
            top1: (0..points).map(|point| mean(at(point))).collect(),
            range: (0..points).map(ends).collect(),
        }
    }

    /// The parts of the images at a point, from the end when `None`.
    fn at(&self, seed: usize, point: Option<usize>) -> &[f64] {
        let points = &self.seeds[seed];
        &points[point.unwrap_or(points.len() - 1)]
    }

    /// Rounds of a training until it is that good; none when it never is.
    pub(super) fn rounds_to(&self, seed: usize, top1: f64) -> Option<f64> {
        let points = &self.seeds[seed];
        points.iter().position(|right| share(right) >= top1 - 1e-12).map(|at| at as f64)
    }
}

/// Difference of accuracy, or of mean average precision, with its interval: trainings and test images drawn anew together.
pub(super) fn benefit(a: &Right, b: &Right, points: [Option<usize>; 2]) -> Benefit {
    let seeds = a.seeds.len();
    let images = a.at(0, points[0]).len();
    let difference =
        |seed: usize, image: usize| a.at(seed, points[0])[image] - b.at(seed, points[1])[image];
    let mut all = Vec::with_capacity(RESAMPLES);
    for resample in 0..RESAMPLES {
        let drawn = uniform(resample as u64, "bootstrap", seeds + images);
        let pick = |u: &f64, n: usize| ((u * n as f64) as usize).min(n - 1);
        let (s, i) = drawn.split_at(seeds);
        let sum: f64 = s
            .iter()
            .map(|s| i.iter().map(|i| difference(pick(s, seeds), pick(i, images))).sum::<f64>())
            .sum();
        all.push(sum / (seeds * images) as f64);
    }
    all.sort_by(f64::total_cmp);
    let value = mean((0..seeds).map(|s| mean((0..images).map(|i| difference(s, i)))));
    Benefit { value, low: all[RESAMPLES / 40], high: all[RESAMPLES - 1 - RESAMPLES / 40] }
}
