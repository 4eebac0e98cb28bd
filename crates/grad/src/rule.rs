//! What of a signal passes the layers that are not linear, on the way back.

use regraft_kernels::{Clamp, Map};

use crate::unit::{Plain, Work};
use crate::{GradError, Tape};

/// What of the signal `R` from above passes a `ReLU` with the input `x` on its way back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ReluRule {
    /// `R` where `x > 0` (and `x < 6` for `ReLU6`): the gradient.
    #[default]
    Gradient,
    /// `max(R, 0)` where `x > 0` (Springenberg et al. 2015, guided backpropagation).
    Guided,
    /// `max(R, 0)` wherever it is, and local response normalisation passes it as it is (Zeiler and Fergus 2014,
    /// section 2.1).
    Deconvnet,
    /// The gradient; but of an example of which it lets nothing through, `R` everywhere except where it would push a
    /// value that was cut off further away: `R < 0` at the lower end, `R > 0` at the upper one (Olah et al. 2017, the
    /// redirected gradients of their code). `R` is the direction in which to go up. Only activations that cut off have
    /// it, all others give their gradient.
    Redirected,
}

impl ReluRule {
    /// Whether what the activation cut off is cut off from the signal.
    pub(crate) fn masks(self) -> bool {
        match self {
            Self::Gradient | Self::Guided | Self::Redirected => true,
            Self::Deconvnet => false,
        }
    }

    /// Takes away what is below zero, where the rule does.
    pub(crate) fn rectify(self, (signal, _): (&mut [f32], &Map)) {
        match self {
            Self::Gradient | Self::Redirected => {}
            Self::Guided | Self::Deconvnet => signal.iter_mut().for_each(|r| *r = r.max(0.0)),
        }
    }
}

/// What the redirected rule gives one example, from the signal as it came, where the gradient let nothing through.
pub(crate) fn redirected(
    clamp: Clamp,
    (y, from): (&[f32], &Map),
    came: &[f32],
    (signal, to): (&mut [f32], &Map),
) {
    if signal.iter().any(|r| *r != 0.0) {
        return;
    }
    let lanes = from.stride.min(to.stride);
    for row in 0..to.height {
        for column in 0..to.width {
            let y = &y[from.at(row, column)..][..lanes];
            let at = to.at(row, column);
            let pairs = signal[at..][..lanes].iter_mut().zip(&came[at..][..lanes]);
            for ((signal, came), y) in pairs.zip(y) {
                let away = (*y <= clamp.low && *came < 0.0) || (*y >= clamp.high && *came > 0.0);
                *signal = if away { 0.0 } else { *came };
            }
        }
    }
}

impl Tape {
    /// Refuses a rule for a network with layers that it is not defined for.
    pub(crate) fn check_rule(&self, rule: ReluRule) -> Result<(), GradError> {
        if matches!(rule, ReluRule::Gradient | ReluRule::Redirected) {
            return Ok(());
        }
        let undefined = |work: &Work| match work {
            Work::Plain(Plain::Curve(_)) => Some("an activation that is no ReLU"),
            Work::Plain(Plain::Prelu) => Some("a PReLU"),
            Work::Plain(Plain::Mul) => Some("a product of two values"),
            Work::Plain(Plain::Attention { .. }) => Some("attention"),
            Work::Plain(Plain::LayerNorm { .. }) => Some("a layer norm"),
            Work::Softmax => Some("a softmax"),
            Work::Input
            | Work::Conv(_)
            | Work::Norm(_)
            | Work::Clamp
            | Work::Plain(
                Plain::Affine { .. }
                | Plain::Scale { .. }
                | Plain::Slice(_)
                | Plain::Shuffle(_)
                | Plain::Move(_)
                | Plain::Tokens { .. }
                | Plain::Rearrange(_)
                | Plain::Token(_),
            )
            | Work::MaxPool(_)
            | Work::AvgPool { .. }
            | Work::Lrn { .. }
            | Work::Add
            | Work::Concat
            | Work::Flatten
            | Work::Dropout { .. } => None,
        };
        let odd =
            |clamp: Clamp| clamp != Clamp::NONE && clamp != Clamp::RELU && clamp != Clamp::RELU6;
        for unit in self.units.iter().filter(|unit| self.values[unit.output].wanted) {
            let what = if odd(unit.clamp) { Some("another clamp") } else { undefined(&unit.work) };
            if let Some(what) = what {
                return Err(GradError::NoRule { layer: unit.layer.clone(), what });
            }
        }
        Ok(())
    }
}
