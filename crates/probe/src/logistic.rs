use faer::{Mat, MatMut};
use rayon::prelude::*;

use crate::basis::{Basis, scaled_product, total_variance};
use crate::input::check_penalties;
use crate::lbfgs::minimise;
use crate::linalg::{blocks, product_into};
use crate::ridge::grid;
use crate::softmax::softmax_in_place;
use crate::{Features, Labels, LinearHead, ProbeError};

/// How a logistic regression is fitted.
#[derive(Debug, Clone)]
pub struct LogisticOptions<'a> {
    /// λ of the objective `Σᵢ nllᵢ + ½·λ·‖W‖²`, with the intercepts not penalised. It is
    /// scikit-learn's `C = 1/λ` for three and more classes; for two, scikit-learn has one weight
    /// vector instead of two opposite ones, and the same solution is at `C = 2/λ`.
    pub penalty: f64,
    /// Ends when the estimated decrease still to be had is this part of the objective.
    pub tolerance: f64,
    /// Ends, not converged, after this many steps.
    pub max_iterations: usize,
    /// Where to start; the part of its weights outside the span of the examples plays no role.
    /// `None` starts from zero weights and the class frequencies.
    pub start: Option<&'a LinearHead>,
}

impl Default for LogisticOptions<'_> {
    fn default() -> Self {
        Self { penalty: 1.0, tolerance: 1e-10, max_iterations: 1000, start: None }
    }
}

/// A fitted logistic regression.
#[derive(Debug, Clone, PartialEq)]
pub struct LogisticFit {
    /// The head, with temperature 1.
    pub head: LinearHead,
    /// `Σᵢ nllᵢ + ½·λ·‖W‖²` at the end, in nats.
    pub objective: f64,
    /// Steps taken.
    pub iterations: usize,
    /// Whether the tolerance was met.
    pub converged: bool,
}

/// Multinomial logistic regression with L2 penalty, by L-BFGS.
///
/// Solved in principal coordinates: with fewer examples than features the `n - 1` that the
/// examples span (exact for an L2 penalty, and much smaller), each scaled by the curvature there,
/// so that some tens of steps are enough. Directions with less than 10⁻¹³ of the largest
/// eigenvalue are left out.
pub fn logistic(
    features: Features<'_>,
    labels: &Labels<'_>,
    options: &LogisticOptions<'_>,
) -> Result<LogisticFit, ProbeError> {
    let mut fits = logistic_path(features, labels, &[options.penalty], options)?;
    fits.pop().ok_or(ProbeError::NoPenalties)
}

/// [`logistic`] for each of `penalties`, in the order given, each started from the one before; one
/// decomposition for all. `options.penalty` is not used. From large to small is fastest.
pub fn logistic_path(
    features: Features<'_>,
    labels: &Labels<'_>,
    penalties: &[f64],
    options: &LogisticOptions<'_>,
) -> Result<Vec<LogisticFit>, ProbeError> {
    labels.check_rows(features.rows())?;
    check_penalties(penalties)?;
    check_options(options)?;
    let basis = Basis::new(features)?;
    let problem = Problem::new(&basis, labels, None);
    let mut at = match options.start {
        None => problem.start(),
        Some(head) => started(&basis, labels, head)?,
    };
    let mut fits = Vec::with_capacity(penalties.len());
    for &penalty in penalties {
        let ended = problem.solve(&at, penalty, options.tolerance, options.max_iterations);
        at = ended.solution;
        fits.push(LogisticFit {
            head: at.head(&basis)?,
            objective: ended.objective,
            iterations: ended.iterations,
            converged: ended.converged,
        });
    }
    Ok(fits)
}

/// `count` penalties, each √10 smaller than the one before (the order in which warm starts help),
/// from √10 times the mean squared distance of an example from the mean.
pub fn logistic_penalties(features: Features<'_>, count: usize) -> Vec<f64> {
    let last = 0.5 - 0.5 * count.saturating_sub(1) as f64;
    grid(total_variance(features) / features.rows() as f64, 0.5, last, count)
}

fn check_options(options: &LogisticOptions<'_>) -> Result<(), ProbeError> {
    if options.tolerance.is_finite() && options.tolerance >= 0.0 {
        return Ok(());
    }
    Err(ProbeError::Option {
        name: "tolerance",
        value: options.tolerance,
        wanted: "a finite number, 0 or more",
    })
}

fn started(
    basis: &Basis<'_>,
    labels: &Labels<'_>,
    head: &LinearHead,
) -> Result<Solution, ProbeError> {
    head.check()?;
    let (wanted_classes, wanted_features) = (labels.classes(), basis.features().columns());
    if (head.classes, head.features) != (wanted_classes, wanted_features) {
        return Err(ProbeError::Start {
            classes: head.classes,
            features: head.features,
            wanted_classes,
            wanted_features,
        });
    }
    let (weights, shift) = basis.principal_weights(&head.weight);
    let bias = head.bias.iter().zip(shift).map(|(&b, s)| f64::from(b) + s).collect();
    Ok(Solution { weights, bias })
}

/// A head on principal axes: weights `[C, rank]`, biases `[C]` for centred features.
#[derive(Clone)]
pub(crate) struct Solution {
    weights: Mat<f64>,
    bias: Vec<f64>,
}

impl Solution {
    pub(crate) fn head(&self, basis: &Basis<'_>) -> Result<LinearHead, ProbeError> {
        let stretch = basis.stretch();
        let weights = Mat::from_fn(self.weights.nrows(), self.weights.ncols(), |c, j| {
            if stretch[j] > 0.0 { self.weights[(c, j)] / stretch[j] } else { 0.0 }
        });
        let (weight, bias) = basis.raw_weights(&weights, &self.bias);
        LinearHead::from_f64(&weight, &bias)
    }

    /// Logits `[n, C]` of all examples.
    pub(crate) fn scores(&self, basis: &Basis<'_>) -> Vec<f64> {
        let (classes, n) = (self.bias.len(), basis.coords.ncols());
        let mut out = vec![0.0; classes * n];
        let view = MatMut::from_column_major_slice_mut(&mut out, classes, n);
        scaled_product(view, &self.weights, &basis.stretch(), &basis.coords);
        for row in out.chunks_exact_mut(classes) {
            for (v, b) in row.iter_mut().zip(&self.bias) {
                *v += b;
            }
        }
        out
    }
}

/// Where a fit ended.
pub(crate) struct Ended {
    pub(crate) solution: Solution,
    pub(crate) objective: f64,
    pub(crate) iterations: usize,
    pub(crate) converged: bool,
}

/// The regression of the examples outside one fold (or of all).
pub(crate) struct Problem<'a> {
    basis: &'a Basis<'a>,
    labels: &'a Labels<'a>,
    stretch: Vec<f64>,
    /// Folds of the examples, and the one held out.
    held_out: Option<(&'a [usize], usize)>,
}

impl<'a> Problem<'a> {
    pub(crate) fn new(
        basis: &'a Basis<'a>,
        labels: &'a Labels<'a>,
        held_out: Option<(&'a [usize], usize)>,
    ) -> Self {
        Self { basis, labels, stretch: basis.stretch(), held_out }
    }

    fn is_in(&self, i: usize) -> bool {
        self.held_out.is_none_or(|(folds, fold)| folds[i] != fold)
    }

    /// Examples of each class that take part, `[C]`.
    pub(crate) fn counts(&self) -> Vec<usize> {
        let mut counts = vec![0; self.labels.classes()];
        for (i, &label) in self.labels.values().iter().enumerate() {
            counts[label] += usize::from(self.is_in(i));
        }
        counts
    }

    /// Zero weights, and the logarithms of the class frequencies (half an example added to each,
    /// so that a class that is absent from this fold starts finite).
    pub(crate) fn start(&self) -> Solution {
        let counts = self.counts();
        let weights = Mat::zeros(counts.len(), self.basis.rank());
        Solution { weights, bias: counts.iter().map(|&k| (k as f64 + 0.5).ln()).collect() }
    }

    pub(crate) fn solve(
        &self,
        from: &Solution,
        penalty: f64,
        tolerance: f64,
        max_iterations: usize,
    ) -> Ended {
        let classes = self.labels.classes();
        let rank = self.basis.rank();
        let mut metric = self.metric(penalty);
        let mut x = vec![0.0; classes * (rank + 1)];
        let mean = from.bias.iter().sum::<f64>() / classes as f64;
        for (j, column) in x.chunks_exact_mut(classes).enumerate() {
            for (c, v) in column.iter_mut().enumerate() {
                let at = if j == rank { from.bias[c] - mean } else { from.weights[(c, j)] };
                *v = at / metric[j];
            }
        }
        let mut work = Work::new(self, penalty, &metric);
        let ended = minimise(x, tolerance, max_iterations, &mut |x, g| work.evaluate(x, g));
        let bias_unit = metric.pop().unwrap_or(1.0);
        let (weights, bias) = ended.x.split_at(classes * rank);
        Ended {
            solution: Solution {
                weights: Mat::from_fn(classes, rank, |c, j| weights[j * classes + c] * metric[j]),
                bias: bias.iter().map(|b| b * bias_unit).collect(),
            },
            objective: ended.value,
            iterations: ended.iterations,
            converged: ended.converged,
        }
    }

    /// Unit of each coordinate's weights and, last, of the biases: one over the root of the
    /// objective's curvature there, at even probabilities.
    fn metric(&self, penalty: f64) -> Vec<f64> {
        let classes = self.labels.classes() as f64;
        let curvature = self.basis.sigma.iter().map(|s| s / classes + penalty);
        let intercept = self.labels.values().len() as f64 / classes;
        curvature.chain([intercept]).map(|c| 1.0 / c.sqrt()).collect()
    }
}

/// Buffers and constants of one minimisation.
struct Work<'a> {
    problem: &'a Problem<'a>,
    penalty: f64,
    /// Unit of each parameter column, `[rank + 1]`.
    metric: Vec<f64>,
    /// Logit per parameter and coordinate, `[rank]`.
    slope: Vec<f64>,
    scaled: Mat<f64>,
    logits: Mat<f64>,
    back: Mat<f64>,
}

impl<'a> Work<'a> {
    fn new(problem: &'a Problem<'a>, penalty: f64, metric: &[f64]) -> Self {
        let (classes, n) = (problem.labels.classes(), problem.labels.values().len());
        let rank = problem.basis.rank();
        Self {
            problem,
            penalty,
            metric: metric.to_vec(),
            slope: metric.iter().zip(&problem.stretch).map(|(m, s)| m * s).collect(),
            scaled: Mat::zeros(classes, rank),
            logits: Mat::zeros(classes, n),
            back: Mat::zeros(classes, rank),
        }
    }

    /// The objective at `x`, `[rank + 1, C]` in units of the metric, and its gradient.
    fn evaluate(&mut self, x: &[f64], gradient: &mut [f64]) -> f64 {
        let classes = self.problem.labels.classes();
        let rank = self.slope.len();
        let (weights, bias) = x.split_at(classes * rank);
        for (j, column) in weights.chunks_exact(classes).enumerate() {
            for (c, v) in column.iter().enumerate() {
                self.scaled[(c, j)] = v * self.slope[j];
            }
        }
        let coords = self.problem.basis.coords.as_ref();
        product_into(self.logits.as_mut(), self.scaled.as_ref(), coords);
        let bias: Vec<f64> = bias.iter().map(|b| b * self.metric[rank]).collect();
        let (mut value, mut bias_gradient) = (0.0, vec![0.0; classes]);
        for (nll, sums) in self.residuals(&bias) {
            value += nll;
            bias_gradient.iter_mut().zip(sums).for_each(|(g, s)| *g += s);
        }
        product_into(self.back.as_mut(), self.logits.as_ref(), coords.transpose());
        let (weight_gradient, last) = gradient.split_at_mut(classes * rank);
        for (j, column) in weight_gradient.chunks_exact_mut(classes).enumerate() {
            let shrink = self.penalty * self.metric[j] * self.metric[j];
            for (c, g) in column.iter_mut().enumerate() {
                let v = weights[j * classes + c];
                *g = self.slope[j] * self.back[(c, j)] + shrink * v;
                value += 0.5 * shrink * v * v;
            }
        }
        for (g, s) in last.iter_mut().zip(bias_gradient) {
            *g = self.metric[rank] * s;
        }
        value
    }

    /// Turns logits into probabilities less one-hot labels (0 for held-out examples); per block
    /// the sum of the likelihoods and of the residuals.
    fn residuals(&mut self, bias: &[f64]) -> Vec<(f64, Vec<f64>)> {
        let problem = self.problem;
        let one_block = |(first, mut block): (usize, MatMut<'_, f64>)| {
            let mut total = 0.0;
            let mut sums = vec![0.0; bias.len()];
            let mut row = vec![0.0; bias.len()];
            for i in 0..block.ncols() {
                if !problem.is_in(first + i) {
                    block.as_mut().col_mut(i).fill(0.0);
                    continue;
                }
                let label = problem.labels.values()[first + i];
                for (c, v) in row.iter_mut().enumerate() {
                    *v = block[(c, i)] + bias[c];
                }
                let wanted = row[label];
                total += softmax_in_place(&mut row, 1.0) - wanted;
                row[label] -= 1.0;
                for (c, v) in row.iter().enumerate() {
                    block[(c, i)] = *v;
                    sums[c] += v;
                }
            }
            (total, sums)
        };
        blocks(self.logits.as_mut()).into_par_iter().map(one_block).collect()
    }
}
