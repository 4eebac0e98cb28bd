//! Steps from gradients to parameters.

use std::borrow::Cow;
use std::collections::BTreeMap;

use regraft_tensor::Tensor;

/// How a gradient becomes a step. Formulas are those of `torch.optim`, 2.x.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Optimiser {
    /// `v = momentum·v + g`; the step is `v`, with Nesterov `g + momentum·v` (Sutskever et al. 2013).
    Sgd {
        /// Share of the last step that is kept.
        momentum: f64,
        /// Looks ahead by the momentum.
        nesterov: bool,
    },
    /// Decoupled weight decay (Loshchilov and Hutter 2019, algorithm 2).
    AdamW {
        /// Decay of the two running means, of gradients and of their squares.
        betas: [f64; 2],
        /// Added to the root of the second mean.
        epsilon: f64,
    },
}

impl Optimiser {
    /// Momentum 0.9, looking ahead.
    pub const SGD: Self = Self::Sgd { momentum: 0.9, nesterov: true };
    /// The usual constants.
    pub const ADAMW: Self = Self::AdamW { betas: [0.9, 0.999], epsilon: 1e-8 };

    /// The word in plans and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sgd { .. } => "sgd",
            Self::AdamW { .. } => "adamw",
        }
    }
}

/// How one parameter is changed in one step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Change<'a> {
    /// Learning rate.
    pub rate: f64,
    /// Weight decay: pulls towards `anchor`, or towards zero without one.
    pub decay: f64,
    /// Where decay pulls to (L2-SP, Li et al. 2018, section 3); values of the parameter's length.
    pub anchor: Option<&'a [f32]>,
}

/// What an optimiser remembers of its parameters.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Memory {
    /// Steps taken.
    steps: u64,
    /// For each parameter the steps before its first, and its running means, one or two.
    means: BTreeMap<String, (u64, Vec<Tensor>)>,
}

impl Memory {
    /// Begins a step; every parameter is then changed once.
    pub fn begin(&mut self) {
        self.steps += 1;
    }

    /// Steps begun.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Changes the parameter `name` by its gradient.
    ///
    /// # Panics
    /// When lengths differ.
    pub fn change(
        &mut self,
        optimiser: Optimiser,
        name: &str,
        value: &mut [f32],
        gradient: &[f32],
        how: Change<'_>,
    ) {
        assert_eq!(value.len(), gradient.len(), "a gradient for each value of {name}");
        assert!(how.anchor.is_none_or(|a| a.len() == value.len()), "an anchor for each value");
        let slots = match optimiser {
            Optimiser::Sgd { .. } => 1,
            Optimiser::AdamW { .. } => 2,
        };
        let (before, means) =
            self.means.entry(name.to_owned()).or_insert((self.steps.saturating_sub(1), Vec::new()));
        let first = means.is_empty();
        means.resize_with(slots, || Tensor::zeros([value.len()]));
        let (rate, decay) = (how.rate as f32, how.decay as f32);
        let pull = |i: usize, w: f32| decay * (w - how.anchor.map_or(0.0, |a| a[i]));
        match optimiser {
            Optimiser::Sgd { momentum, nesterov } => {
                let momentum = momentum as f32;
                for (i, ((w, g), v)) in
                    value.iter_mut().zip(gradient).zip(means[0].data_mut()).enumerate()
                {
                    let g = g + pull(i, *w);
                    *v = if first { g } else { momentum * *v + g };
                    *w -= rate * if nesterov { g + momentum * *v } else { *v };
                }
            }
            Optimiser::AdamW { betas: [b1, b2], epsilon } => {
                let t = i32::try_from(self.steps - *before).unwrap_or(i32::MAX);
                let step = how.rate / (1.0 - b1.powi(t));
                let root = (1.0 - b2.powi(t)).sqrt();
                let [m, v] = &mut means[..] else { return };
                let means = m.data_mut().iter_mut().zip(v.data_mut());
                for (i, ((w, g), (m, v))) in value.iter_mut().zip(gradient).zip(means).enumerate() {
                    *w -= rate * pull(i, *w);
                    let g = f64::from(*g);
                    let mean = b1 * f64::from(*m) + (1.0 - b1) * g;
                    let square = b2 * f64::from(*v) + (1.0 - b2) * g * g;
                    (*m, *v) = (mean as f32, square as f32);
                    *w -= (step * mean / (square.sqrt() / root + epsilon)) as f32;
                }
            }
        }
    }

    /// Everything remembered, as named tensors.
    pub fn tensors(&self) -> impl Iterator<Item = (String, Cow<'_, Tensor>)> {
        self.means.iter().flat_map(|(name, (before, means))| {
            // 32 bits hold whole numbers up to 2^24, more steps than anybody waits for.
            let before = Tensor::new([1], vec![*before as f32]).ok();
            let before = before.map(|before| (format!("before/{name}"), Cow::Owned(before)));
            let means = means.iter().enumerate();
            let means = means.map(move |(i, mean)| (format!("{i}/{name}"), Cow::Borrowed(mean)));
            means.chain(before)
        })
    }

    /// A memory from what [`Memory::tensors`] gave, after `steps`.
    pub fn from_tensors(steps: u64, tensors: impl Iterator<Item = (String, Tensor)>) -> Self {
        let mut means: BTreeMap<String, (u64, Vec<Tensor>)> = BTreeMap::new();
        // `0/a` comes before `1/a`, so means arrive in their order.
        for (key, tensor) in tensors {
            let Some((kind, name)) = key.split_once('/') else { continue };
            let (before, means) = means.entry(name.to_owned()).or_default();
            match tensor.data() {
                [steps] if kind == "before" => *before = *steps as u64,
                _ => means.push(tensor),
            }
        }
        Self { steps, means }
    }
}

/// Scales gradients so that their common Euclidean length is at most `limit`, and gives the length
/// they had (Pascanu et al. 2013, algorithm 1; the `1e-6` is PyTorch's).
pub fn clip(gradients: &mut BTreeMap<String, Tensor>, limit: f64) -> f64 {
    let squares = |t: &Tensor| t.data().iter().map(|g| f64::from(*g).powi(2)).sum::<f64>();
    let length = gradients.values().map(squares).sum::<f64>().sqrt();
    let factor = limit / (length + 1e-6);
    if factor < 1.0 {
        for gradient in gradients.values_mut() {
            gradient.data_mut().iter_mut().for_each(|g| *g *= factor as f32);
        }
    }
    length
}
