//! What a picture is made for.

use rayon::prelude::*;
use regraft_tensor::Shape;

use crate::LookError;

/// A number of a layer's output that is to become large.
#[derive(Debug, Clone, PartialEq)]
pub enum Objective {
    /// A unit: the entry of a vector (a class, before any softmax), or the mean of a channel of a map.
    Unit(usize),
    /// The middle of a channel of a map; the entry of a vector.
    Middle(usize),
    /// The mean over places of `a · v` times `max(0.1, cos)` to a power, `cos` being that of the angle between the
    /// activations `a` there and `v` (Carter et al. 2019, "Activation Atlas"). The direction `v` has length one or
    /// another, as many numbers as the layer has units.
    Direction {
        /// One number for each unit.
        direction: Vec<f32>,
        /// How much the angle counts beside the length; 0 for not at all.
        power: u8,
    },
    /// The mean square of all (Mordvintsev et al. 2015, `DeepDream`).
    Everything,
}

/// What keeps a length from being zero.
const TINY: f64 = 1e-6;
/// The least that an angle counts.
const LEAST: f64 = 0.1;

/// Units and places of each of a layer that gives `shape`.
pub(crate) fn units(layer: &str, shape: &Shape) -> Result<[usize; 2], LookError> {
    match shape.dims() {
        [units] => Ok([*units, 1]),
        [units, height, width] => Ok([*units, height * width]),
        _ => Err(LookError::NoMap { layer: layer.to_owned(), shape: shape.clone() }),
    }
}

impl Objective {
    /// Refuses what a layer does not have.
    pub(crate) fn check(&self, layer: &str, shape: &Shape) -> Result<(), LookError> {
        let [count, _] = units(layer, shape)?;
        let given = match self {
            Self::Unit(unit) | Self::Middle(unit) if *unit >= count => *unit,
            Self::Direction { direction, .. } if direction.len() != count => direction.len(),
            Self::Unit(_) | Self::Middle(_) | Self::Direction { .. } | Self::Everything => {
                return Ok(());
            }
        };
        Err(LookError::Unit { layer: layer.to_owned(), units: count, given })
    }

    /// The objective of one example's output in `shape`, which must have been checked; `seed` becomes its gradient.
    pub(crate) fn value(&self, shape: &Shape, output: &[f32], seed: &mut [f32]) -> f64 {
        seed.fill(0.0);
        let places = match shape.dims() {
            [_, height, width] => height * width,
            _ => 1,
        };
        match self {
            Self::Unit(unit) => {
                seed[unit * places..][..places].fill(1.0 / places as f32);
                let own = &output[unit * places..][..places];
                own.iter().map(|v| f64::from(*v)).sum::<f64>() / places as f64
            }
            Self::Middle(unit) => {
                let inner = match shape.dims() {
                    [_, height, width] => height / 2 * width + width / 2,
                    _ => 0,
                };
                seed[unit * places + inner] = 1.0;
                f64::from(output[unit * places + inner])
            }
            Self::Direction { direction, power } => {
                (0..places).map(|at| towards(direction, *power, places, at, output, seed)).sum()
            }
            Self::Everything => {
                let count = output.len().max(1) as f64;
                let pairs = seed.iter_mut().zip(output);
                pairs.for_each(|(s, v)| *s = (2.0 * f64::from(*v) / count) as f32);
                output.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>() / count
            }
        }
    }
}

/// What one place adds to a direction's objective.
fn towards(
    direction: &[f32],
    power: u8,
    places: usize,
    at: usize,
    output: &[f32],
    seed: &mut [f32],
) -> f64 {
    let (mut dot, mut square, mut own) = (0.0, 0.0, 0.0);
    for (unit, v) in direction.iter().enumerate() {
        let (a, v) = (f64::from(output[unit * places + at]), f64::from(*v));
        dot += a * v;
        square += a * a;
        own += v * v;
    }
    let (length, own) = (square.sqrt(), own.sqrt());
    let reach = (TINY + length) * own.max(TINY);
    let angle = dot / reach;
    let counted = angle.max(LEAST).powi(power.into());
    let share = 1.0 / places as f64;
    // How the angle's part changes with the dot product, and with the length.
    let slope = if angle > LEAST && power > 0 {
        f64::from(power) * angle.powi(i32::from(power) - 1) * dot
    } else {
        0.0
    };
    for (unit, v) in direction.iter().enumerate() {
        let (a, v) = (f64::from(output[unit * places + at]), f64::from(*v));
        let turn = v / reach - angle * a / ((TINY + length) * length.max(TINY));
        seed[unit * places + at] = (share * (counted * v + slope * turn)) as f32;
    }
    share * dot * counted
}

/// How alike several outputs of one layer are, `[N, …]` with `units` of `places`: the mean over ordered pairs of the
/// cosine between their Gram matrices (Olah et al. 2017, section "Diversity"). Takes `weight` times its gradient from
/// `seeds`.
pub(crate) fn alike(
    [units, places]: [usize; 2],
    outputs: &[&[f32]],
    weight: f64,
    seeds: &mut [&mut [f32]],
) -> f64 {
    let count = outputs.len();
    if count < 2 {
        return 0.0;
    }
    let grams: Vec<Vec<f64>> =
        outputs.par_iter().map(|output| gram([units, places], output)).collect();
    let lengths: Vec<f64> = grams.iter().map(|gram| dot(gram, gram).sqrt().max(TINY)).collect();
    let pairs = (count * (count - 1)) as f64;
    let each = outputs.par_iter().zip(seeds.par_iter_mut()).enumerate();
    let cosines: Vec<f64> = each
        .map(|(i, (output, seed))| {
            let (own, length) = (&grams[i], lengths[i]);
            let (mut sum, mut turn) = (0.0, vec![0.0; own.len()]);
            for (j, (other, far)) in grams.iter().zip(&lengths).enumerate() {
                if j == i {
                    continue;
                }
                let cosine = dot(own, other) / (length * far);
                sum += cosine;
                for ((t, a), b) in turn.iter_mut().zip(own).zip(other) {
                    // Each unordered pair is there twice.
                    *t += 2.0 / pairs * (b / far - cosine * a / length) / length;
                }
            }
            for (unit, row) in turn.chunks_exact(units).enumerate() {
                for (other, t) in row.iter().enumerate() {
                    let by = (2.0 * weight * t / places as f64) as f32;
                    let values = &output[other * places..][..places];
                    let to = &mut seed[unit * places..][..places];
                    to.iter_mut().zip(values).for_each(|(to, v)| *to -= by * v);
                }
            }
            sum
        })
        .collect();
    cosines.iter().sum::<f64>() / pairs
}

fn gram([units, places]: [usize; 2], output: &[f32]) -> Vec<f64> {
    let mut gram = vec![0.0; units * units];
    let rows: Vec<&[f32]> = output.chunks_exact(places).collect();
    for (i, a) in rows.iter().enumerate() {
        for (j, b) in rows.iter().enumerate().take(i + 1) {
            let sum: f32 = a.iter().zip(*b).map(|(a, b)| a * b).sum();
            let value = f64::from(sum) / places as f64;
            gram[i * units + j] = value;
            gram[j * units + i] = value;
        }
    }
    gram
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(n: usize, seed: f64) -> Vec<f32> {
        (0..n).map(|i| ((i as f64 + 1.0) * 12.9898 + seed * 78.233).sin() as f32).collect()
    }

    fn agree(slope: f64, got: f32, what: &str) {
        assert!(
            (slope - f64::from(got)).abs() < 2e-3 * slope.abs().max(0.1),
            "{what}: {slope} {got}"
        );
    }

    #[test]
    fn every_objective_goes_up_along_its_seed() {
        let shape = Shape::from([4, 3, 5]);
        let output = numbers(60, 1.0);
        for objective in [
            Objective::Unit(2),
            Objective::Middle(3),
            Objective::Direction { direction: numbers(4, 2.0), power: 0 },
            Objective::Direction { direction: numbers(4, 2.0), power: 1 },
            Objective::Direction { direction: vec![1.0, -1.0, 2.0, 0.5], power: 4 },
            Objective::Everything,
        ] {
            let mut seed = vec![0.0; 60];
            objective.value(&shape, &output, &mut seed);
            for at in 0..60 {
                let moved = |by: f32| {
                    let mut other = output.clone();
                    other[at] += by;
                    objective.value(&shape, &other, &mut vec![0.0; 60])
                };
                let step = 1e-3_f32;
                agree(
                    (moved(step) - moved(-step)) / 2e-3,
                    seed[at],
                    &format!("{objective:?} {at}"),
                );
            }
        }
    }

    #[test]
    fn likeness_goes_down_along_its_seeds() {
        let outputs: Vec<Vec<f32>> = (0..3).map(|i| numbers(24, f64::from(i))).collect();
        let of = |outputs: &[Vec<f32>]| {
            let mut seeds = vec![vec![0.0_f32; 24]; 3];
            let mut seeds_of: Vec<&mut [f32]> = seeds.iter_mut().map(Vec::as_mut_slice).collect();
            let all: Vec<&[f32]> = outputs.iter().map(Vec::as_slice).collect();
            let value = alike([4, 6], &all, 1.0, &mut seeds_of);
            (value, seeds)
        };
        let (_, seeds) = of(&outputs);
        for (i, at) in [(0, 0), (1, 7), (2, 23)] {
            let moved = |by: f32| {
                let mut other = outputs.clone();
                other[i][at] += by;
                of(&other).0
            };
            agree((moved(1e-2) - moved(-1e-2)) / 2e-2, -seeds[i][at], "likeness");
        }
    }
}
