//! What a layer still knows of a picture (Mahendran and Vedaldi 2015, "Understanding deep image representations by
//! inverting them"): another picture, from noise, with the same output there.

use regraft_grad::ReluRule;
use regraft_net::Network;
use regraft_tensor::Tensor;

use crate::LookError;
use crate::maximise::{Canvas, Chance, Lens, Spectrum, Window, add_variation};

/// How a picture is found again.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct InvertSettings {
    /// Steps.
    pub steps: usize,
    /// Rate of Adam on the picture's waves.
    pub rate: f64,
    /// What the mean square difference of neighbouring colours costs, beside the relative square error at the layer.
    pub variation: f64,
    /// Seed of the picture that it begins with.
    pub seed: u64,
}

impl Default for InvertSettings {
    /// 256 steps of 0.05, a variation of 0.1.
    fn default() -> Self {
        Self { steps: 256, rate: 0.05, variation: 0.1, seed: 0 }
    }
}

/// A picture found again.
#[derive(Debug, Clone, PartialEq)]
pub struct Inverted {
    /// Red, green and blue in `0..1`, `[3, H, W]`.
    pub colours: Tensor,
    /// `‖φ(x) - φ(x₀)‖ / ‖φ(x₀)‖` of the picture that it begins with.
    pub before: f64,
    /// The same at the end: what is left.
    pub after: f64,
    /// How its colours go with the picture's own: Pearson's correlation over all values.
    pub alike: f64,
}

/// A picture whose output, at the layer that `network` ends with, is that of a picture of colours in `0..1`,
/// `[3, H, W]`. It is made of decorrelated waves as [`crate::maximise`] makes them, with neighbouring pixels held
/// together by their variation; H and W are even better as the network's own size, which need not be.
///
/// # Errors
/// When the network reads no colour pictures, the layer gives only zeros for the picture, a number is out of bounds, or
/// `watch`, which hears steps done and in all, gives `false`.
pub fn invert(
    network: &Network,
    picture: &Tensor,
    settings: &InvertSettings,
    watch: &mut dyn FnMut(usize, usize) -> bool,
) -> Result<Inverted, LookError> {
    let [3, height, width] = *picture.shape().dims() else {
        let (wanted, got) = (vec![3, 224, 224].into(), picture.shape().clone());
        return Err(LookError::Picture { wanted, got });
    };
    if !(1..=100_000).contains(&settings.steps) {
        let wanted = "from 1 to 100000; 256 are usual";
        return Err(LookError::Option {
            what: "the number of steps",
            given: settings.steps,
            wanted,
        });
    }
    let size = [height, width];
    let mut lens = Lens::new(network, size, Window::Picture, 1)?;
    let views = [lens.whole()];
    let own: Vec<f64> = picture.data().iter().map(|v| f64::from(*v)).collect();
    let wanted = lens.forward(std::slice::from_ref(&own), &views)?;
    let length: f64 = wanted.data().iter().map(|v| f64::from(*v).powi(2)).sum();
    if length == 0.0 {
        return Err(LookError::Silent { layer: lens.layer().to_owned() });
    }
    let spectrum = Spectrum::new(height, width, 1.0);
    let mut chance = Chance::new([settings.seed, 0, 0, 3]);
    let mut canvas = Canvas::waves(&spectrum, size, settings.rate, &mut chance);
    let (mut before, mut after) = (None, 0.0);
    for step in 0..=settings.steps {
        if !watch(step, settings.steps) {
            return Err(LookError::Stopped);
        }
        let colours = canvas.colours(&spectrum);
        let outputs = lens.forward(std::slice::from_ref(&colours), &views)?;
        let pairs = outputs.data().iter().zip(wanted.data());
        let far: f64 = pairs.clone().map(|(o, w)| (f64::from(*o) - f64::from(*w)).powi(2)).sum();
        after = (far / length).sqrt();
        before.get_or_insert(after);
        if step == settings.steps {
            break;
        }
        // Up is where the error goes down.
        let seed = pairs.map(|(o, w)| (2.0 * (f64::from(*w) - f64::from(*o)) / length) as f32);
        let seed = Tensor::new(outputs.shape().clone(), seed.collect())?;
        let mut gradients = lens.back(&seed, ReluRule::Gradient, &views, 1)?;
        let mut gradient = gradients.pop().unwrap_or_default();
        let weight = -settings.variation / (height * width) as f64;
        add_variation(&colours, size, weight, &mut gradient);
        canvas.step(&spectrum, &colours, gradient);
    }
    let colours = canvas.colours(&spectrum);
    let alike = correlation(&colours, &own);
    let data = colours.into_iter().map(|v| v as f32).collect();
    let colours = Tensor::new([3, height, width], data)?;
    Ok(Inverted { colours, before: before.unwrap_or(after), after, alike })
}

/// Pearson's; 0 where one of the two does not vary.
fn correlation(a: &[f64], b: &[f64]) -> f64 {
    let n = a.len().max(1) as f64;
    let (mean_a, mean_b) = (a.iter().sum::<f64>() / n, b.iter().sum::<f64>() / n);
    let (mut dot, mut square_a, mut square_b) = (0.0, 0.0, 0.0);
    for (a, b) in a.iter().zip(b) {
        let (a, b) = (a - mean_a, b - mean_b);
        (dot, square_a, square_b) = (dot + a * b, square_a + a * a, square_b + b * b);
    }
    let length = (square_a * square_b).sqrt();
    if length > 0.0 { dot / length } else { 0.0 }
}
