//! What the examples of a training are.

use regraft_grad::GradError;
use regraft_grad::loss::{self, Loss};
use regraft_tensor::Tensor;

use crate::{TrainError, most_probable};

/// What each example is, and so what a training minimises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Truth<'a> {
    /// One class, an index below the number of outputs: cross-entropy over a softmax.
    Classes(&'a [usize]),
    /// Any number of labels, ascending indices: binary cross-entropy, summed over the labels.
    Labels(&'a [Vec<usize>]),
}

impl Truth<'_> {
    /// Targets `[n, outputs]` of a step's examples, each spread by `smoothing` over all classes, or towards a half.
    pub(crate) fn targets(
        &self,
        examples: &[usize],
        outputs: usize,
        smoothing: f32,
    ) -> Result<Vec<f32>, TrainError> {
        match self {
            Self::Classes(classes) => {
                let truth: Vec<usize> = examples.iter().map(|i| classes[*i]).collect();
                Ok(loss::smoothed(&truth, outputs, smoothing)?)
            }
            Self::Labels(sets) => {
                let mut targets = vec![smoothing / 2.0; examples.len() * outputs];
                for (row, i) in targets.chunks_exact_mut(outputs.max(1)).zip(examples) {
                    for label in &sets[*i] {
                        let what = "a label below";
                        let error = GradError::Targets { what, wanted: outputs, got: *label };
                        *row.get_mut(*label).ok_or(error)? += 1.0 - smoothing;
                    }
                }
                Ok(targets)
            }
        }
    }

    /// The loss of logits `[n, outputs]` and its gradient, the mean over the examples. Class weights do not count
    /// for labels.
    pub(crate) fn loss(
        &self,
        logits: &Tensor,
        targets: &[f32],
        weights: Option<&[f32]>,
    ) -> Result<Loss, GradError> {
        match self {
            Self::Classes(_) => loss::cross_entropy(logits, targets, weights),
            Self::Labels(_) => {
                let mean = loss::binary_cross_entropy(logits, targets, None)?;
                let labels = logits.row_len();
                let mut gradient = mean.gradient;
                gradient.data_mut().iter_mut().for_each(|g| *g *= labels as f32);
                Ok(Loss { value: mean.value * labels as f64, gradient })
            }
        }
    }

    /// Whether an example is right by its logits, and its negative log-likelihood in nats, summed over labels. Of
    /// labels all must be right, those with positive logits being said.
    pub fn judge(&self, i: usize, logits: &[f64]) -> (bool, f64) {
        match self {
            Self::Classes(classes) => {
                let label = classes[i];
                let top = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let sum: f64 = logits.iter().map(|s| (s - top).exp()).sum();
                (most_probable(logits) == label, sum.ln() + top - logits[label])
            }
            Self::Labels(sets) => {
                let set = &sets[i];
                let right = logits.iter().enumerate().all(|(l, z)| (*z >= 0.0) == set.contains(&l));
                let all: f64 = logits.iter().map(|z| z.max(0.0) + (-z.abs()).exp().ln_1p()).sum();
                (right, all - set.iter().map(|label| logits[*label]).sum::<f64>())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_judged_and_weighed_one_by_one() -> Result<(), TrainError> {
        let sets = [vec![0, 2], vec![]];
        let truth = Truth::Labels(&sets);
        let targets = truth.targets(&[1, 0], 3, 0.2)?;
        let wanted = [0.1, 0.1, 0.1, 0.9, 0.1, 0.9];
        assert!(targets.iter().zip(wanted).all(|(t, w)| (t - w).abs() < 1e-6), "{targets:?}");
        let (right, nll) = truth.judge(0, &[2.0, -1.0, 0.5]);
        let wanted: f64 = [2.0, 1.0, 0.5].iter().map(|z: &f64| (-z).exp().ln_1p()).sum();
        assert!(right && (nll - wanted).abs() < 1e-12, "{nll} {wanted}");
        assert!(!truth.judge(1, &[2.0, -1.0, 0.5]).0);
        let wrong = Truth::Labels(&[vec![3]][..]).targets(&[0], 3, 0.0);
        assert!(matches!(wrong, Err(TrainError::Grad(GradError::Targets { got: 3, .. }))));
        Ok(())
    }

    #[test]
    fn the_loss_of_labels_is_summed_over_them() -> Result<(), Box<dyn std::error::Error>> {
        let sets = [vec![0, 2], vec![1]];
        let truth = Truth::Labels(&sets);
        let rows = [[2.0_f32, -1.0, 0.5], [0.3, 0.7, -2.0]];
        let logits = Tensor::new([2, 3], rows.concat())?;
        let targets = truth.targets(&[0, 1], 3, 0.0)?;
        let loss = truth.loss(&logits, &targets, None)?;
        let of = |i: usize| truth.judge(i, &rows[i].map(f64::from)).1;
        assert!((loss.value - f64::midpoint(of(0), of(1))).abs() < 1e-6, "{}", loss.value);
        // A half of p - t, over two examples.
        let p = 1.0 / (1.0 + (-2.0_f32).exp());
        assert!((loss.gradient.data()[0] - (p - 1.0) / 2.0).abs() < 1e-6);
        Ok(())
    }
}
