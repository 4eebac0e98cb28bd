//! What a layer sees in a picture, made stronger (Mordvintsev, Olah, Tyka 2015, "Inceptionism"; steps and octaves of
//! their `DeepDream` notebook).

use regraft_grad::ReluRule;
use regraft_net::Network;
use regraft_tensor::Tensor;

use crate::LookError;
use crate::maximise::{Chance, Lens, Objective, View, Window};

/// How a picture is dreamt on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DreamSettings {
    /// Sizes that it is dreamt at, from the smallest.
    pub octaves: usize,
    /// From one size to the next.
    pub scale: f64,
    /// Steps at each size.
    pub steps: usize,
    /// Length of a step: the mean change of a value, in units of 0 to 255.
    pub step: f64,
    /// Pixels that the picture is rolled by at most before each step, around its borders.
    pub jitter: usize,
    /// Seed of the rolls.
    pub seed: u64,
}

impl Default for DreamSettings {
    /// As published: 4 octaves of 1.4, 10 steps of 1.5, 32 pixels.
    fn default() -> Self {
        Self { octaves: 4, scale: 1.4, steps: 10, step: 1.5, jitter: 32, seed: 0 }
    }
}

/// A dream.
#[derive(Debug, Clone, PartialEq)]
pub struct Dream {
    /// Red, green and blue in `0..1`, `[3, H, W]`, as large as the picture.
    pub colours: Tensor,
    /// The objective of the picture, at its own size.
    pub before: f64,
    /// The same of the dream.
    pub after: f64,
    /// Sizes `[height, width]` that it was dreamt at.
    pub sizes: Vec<[usize; 2]>,
}

/// Smallest side of an octave: below it there is nothing to see.
const LEAST: usize = 16;

/// Dreams on a picture of colours in `0..1`, `[3, H, W]`, with the layer that `network` ends with. At each size the
/// network is built for that size; where it cannot be, it sees the picture at its own. Details of a size are added
/// to the picture at the next.
///
/// # Errors
/// When the network reads no colour pictures, lacks what the objective names, a number is out of bounds, or `watch`,
/// which hears steps done and in all, gives `false`.
pub fn dream(
    network: &Network,
    picture: &Tensor,
    objective: &Objective,
    settings: &DreamSettings,
    watch: &mut dyn FnMut(usize, usize) -> bool,
) -> Result<Dream, LookError> {
    let [3, height, width] = *picture.shape().dims() else {
        let (wanted, got) = (vec![3, LEAST, LEAST].into(), picture.shape().clone());
        return Err(LookError::Picture { wanted, got });
    };
    check(settings, [height, width])?;
    let scaled = |n: usize, octave: usize| {
        (n as f64 / settings.scale.powi(octave as i32)).round().max(1.0) as usize
    };
    let sizes: Vec<[usize; 2]> = (0..settings.octaves)
        .rev()
        .map(|octave| [scaled(height, octave), scaled(width, octave)])
        .filter(|size| size.iter().all(|n| *n >= LEAST))
        .collect();
    let total = sizes.len() * settings.steps;
    let whole: Vec<f64> = picture.data().iter().map(|v| f64::from(*v).clamp(0.0, 1.0)).collect();
    let (mut detail, mut from) = (vec![0.0; 0], [0; 2]);
    let (mut last, mut before, mut after) = (whole.clone(), 0.0, 0.0);
    for (octave, size) in sizes.iter().enumerate() {
        let base = resampled(&whole, [height, width], *size);
        let mut now = base.clone();
        if octave > 0 {
            let grown = resampled(&detail, from, *size);
            now.iter_mut().zip(grown).for_each(|(v, d)| *v = (*v + d).clamp(0.0, 1.0));
        }
        let mut lens = Lens::new(network, *size, Window::Picture, 1)?;
        objective.check(lens.layer(), lens.output())?;
        for step in 0..settings.steps {
            if !watch(octave * settings.steps + step, total) {
                return Err(LookError::Stopped);
            }
            let mut chance = Chance::new([settings.seed, octave as u64, step as u64, 2]);
            let by = size.map(|n| chance.below(settings.jitter.min(n - 1) + 1));
            let rolled = roll(&now, *size, by);
            let (_, gradient) = slope(&mut lens, rolled, objective)?;
            let gradient = roll(&gradient, *size, [size[0] - by[0], size[1] - by[1]]);
            let mean = gradient.iter().map(|g| g.abs()).sum::<f64>() / gradient.len() as f64;
            if mean > 0.0 {
                let length = settings.step / 255.0 / mean;
                now.iter_mut()
                    .zip(&gradient)
                    .for_each(|(v, g)| *v = (*v + length * g).clamp(0.0, 1.0));
            }
        }
        if octave + 1 == sizes.len() {
            before = slope(&mut lens, whole.clone(), objective)?.0;
            after = slope(&mut lens, now.clone(), objective)?.0;
        }
        detail = now.iter().zip(&base).map(|(v, b)| v - b).collect();
        (from, last) = (*size, now);
    }
    watch(total, total);
    let data = last.into_iter().map(|v| v as f32).collect();
    Ok(Dream { colours: Tensor::new([3, height, width], data)?, before, after, sizes })
}

fn check(settings: &DreamSettings, [height, width]: [usize; 2]) -> Result<(), LookError> {
    let refuse = |what, given, wanted| Err(LookError::Option { what, given, wanted });
    if height.min(width) < LEAST || height.max(width) > 4096 {
        return refuse("the picture's shorter side", height.min(width), "16 to 4096 pixels a side");
    }
    if !(1..=16).contains(&settings.octaves) {
        return refuse("the number of octaves", settings.octaves, "from 1 to 16; 4 are usual");
    }
    if !(1..=10_000).contains(&settings.steps) {
        return refuse("the number of steps", settings.steps, "from 1 to 10000; 10 are usual");
    }
    if !settings.scale.is_finite() || settings.scale <= 1.0 {
        let given = settings.scale.max(0.0) as usize;
        return refuse("the scale from octave to octave", given, "more than 1; 1.4 is usual");
    }
    Ok(())
}

/// The objective of a picture, and the gradient of its colours.
fn slope(
    lens: &mut Lens,
    colours: Vec<f64>,
    objective: &Objective,
) -> Result<(f64, Vec<f64>), LookError> {
    let views = [lens.whole()];
    let outputs = lens.forward(&[colours], &views)?;
    let mut seed = Tensor::zeros(outputs.shape().clone());
    let value = objective.value(lens.output(), outputs.row(0), seed.data_mut());
    let mut gradients = lens.back(&seed, ReluRule::Redirected, &views, 1)?;
    Ok((value, gradients.pop().unwrap_or_default()))
}

/// Planes of one size at another, linear between the centres of pixels, the border going on beyond itself.
pub(crate) fn resampled(planes: &[f64], from: [usize; 2], to: [usize; 2]) -> Vec<f64> {
    if from == to {
        return planes.to_vec();
    }
    View::whole(from, to).planes(planes)
}

/// Planes moved down and right, what leaves on one side coming back on the other.
fn roll(planes: &[f64], [height, width]: [usize; 2], [down, right]: [usize; 2]) -> Vec<f64> {
    let mut out = Vec::with_capacity(planes.len());
    for plane in planes.chunks_exact(height * width) {
        for y in 0..height {
            let row = &plane[(y + height - down % height) % height * width..][..width];
            let (head, tail) = row.split_at(width - right % width);
            out.extend_from_slice(tail);
            out.extend_from_slice(head);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_roll_comes_back() {
        let planes: Vec<f64> = (0..24).map(f64::from).collect();
        let moved = roll(&planes, [3, 4], [1, 3]);
        assert_eq!(moved[..4], [9.0, 10.0, 11.0, 8.0]);
        assert_eq!(roll(&moved, [3, 4], [2, 1]), planes);
    }

    #[test]
    fn a_plane_of_one_value_keeps_it_at_any_size() {
        assert!(resampled(&[0.7; 50], [5, 10], [8, 3]).iter().all(|v| (v - 0.7).abs() < 1e-12));
    }
}
