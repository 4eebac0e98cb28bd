use faer::{Mat, MatMut};

use crate::basis::Basis;
use crate::blocks::{column_means, over_blocks, squares};
use crate::input::check_penalties;
use crate::lbfgs::{Curvature, Ends, Minimum, minimise};
use crate::likelihood::{Likelihood, Precision};
use crate::linalg::product_here;
use crate::ridge::grid;
use crate::rows::ROWS;
use crate::targets::Targets;
use crate::{Features, Labels, LinearHead, ProbeError};

/// Products over the features are `f32` until this part of the objective is still to be had, then
/// `f64`: below it the rounding of the sums begins to hide the decrease.
const SINGLE_TOLERANCE: f64 = 1e-6;
const SINGLE_ROUNDING: f64 = 1e-7;

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
/// eigenvalue are left out. With more examples than features, the products over all examples are
/// `f32` (sums over blocks of rows `f64`) down to 10⁻⁶ of the objective, and `f64` from there on.
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
    let targets = Targets::from(labels);
    targets.check_rows(features.rows())?;
    check_penalties(penalties)?;
    check_options(options)?;
    let basis = Basis::new(features, &targets)?;
    let problem = Problem::new(&basis, &targets, None);
    let mut at = match options.start {
        None => problem.start(),
        Some(head) => started(&basis, labels, head)?,
    };
    let mut fits = Vec::with_capacity(penalties.len());
    for &penalty in penalties {
        let ended = problem.solve(&at, penalty, options.tolerance, options.max_iterations)?;
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
///
/// Fails when the features cannot be read.
pub fn logistic_penalties(features: Features<'_>, count: usize) -> Result<Vec<f64>, ProbeError> {
    let last = 0.5 - 0.5 * count.saturating_sub(1) as f64;
    let total = squares(features, &column_means(features)?)?;
    Ok(grid(total / features.rows() as f64, 0.5, last, count))
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
    let (weights, shift) = basis.principal_weights(&head.weight)?;
    let bias = head.bias.iter().zip(shift).map(|(&b, s)| f64::from(b) + s).collect();
    Ok(Solution { weights, bias })
}

/// A head on principal axes: weights `[rank, C]`, biases `[C]` for centred features.
#[derive(Clone)]
pub(crate) struct Solution {
    weights: Mat<f64>,
    bias: Vec<f64>,
}

impl Solution {
    pub(crate) fn head(&self, basis: &Basis<'_>) -> Result<LinearHead, ProbeError> {
        let stretch = basis.stretch();
        let weights = Mat::from_fn(self.weights.nrows(), self.weights.ncols(), |j, c| {
            if stretch[j] > 0.0 { self.weights[(j, c)] / stretch[j] } else { 0.0 }
        });
        let (weight, bias) = basis.raw_weights(weights, &self.bias)?;
        LinearHead::from_f64(&weight, &bias)
    }

    /// Writes the logits of the examples that are `kept` to their rows of `out`, `[n, C]`.
    pub(crate) fn scores_into(
        &self,
        basis: &Basis<'_>,
        kept: &(dyn Fn(usize) -> bool + Sync),
        out: &mut [f64],
    ) -> Result<(), ProbeError> {
        let classes = self.bias.len();
        let stretch = basis.stretch();
        let weights =
            Mat::from_fn(self.weights.nrows(), classes, |j, c| self.weights[(j, c)] * stretch[j]);
        let weights = basis.on_coordinates(weights);
        let parts = out.chunks_mut(ROWS * classes).collect();
        over_blocks(basis, kept, parts, |picked, columns, part: &mut [f64]| {
            let mut logits = vec![0.0; picked.len() * classes];
            let view = MatMut::from_column_major_slice_mut(&mut logits, classes, picked.len());
            product_here(view, weights.transpose(), columns);
            for (i, logits) in picked.iter().zip(logits.chunks_exact(classes)) {
                let row = part[(i % ROWS) * classes..][..classes].iter_mut();
                row.zip(logits).zip(&self.bias).for_each(|((s, l), b)| *s = l + b);
            }
        })?;
        Ok(())
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
    pub(crate) basis: &'a Basis<'a>,
    pub(crate) labels: &'a Targets<'a>,
    pub(crate) stretch: Vec<f64>,
    /// Folds of the examples, and the one held out.
    held_out: Option<(&'a [usize], usize)>,
}

impl<'a> Problem<'a> {
    pub(crate) fn new(
        basis: &'a Basis<'a>,
        labels: &'a Targets<'a>,
        held_out: Option<(&'a [usize], usize)>,
    ) -> Self {
        Self { basis, labels, stretch: basis.stretch(), held_out }
    }

    pub(crate) fn is_in(&self, i: usize) -> bool {
        self.held_out.is_none_or(|(folds, fold)| folds[i] != fold)
    }

    /// Examples of each class that take part, `[C]`.
    pub(crate) fn counts(&self) -> Vec<usize> {
        let mut counts = vec![0; self.labels.classes()];
        for i in (0..self.labels.rows()).filter(|&i| self.is_in(i)) {
            self.labels.of(i).iter().for_each(|label| counts[*label] += 1);
        }
        counts
    }

    /// Zero weights, and the logarithms of the class frequencies (half an example added to each,
    /// so that a class that is absent from this fold starts finite); of labels that of their odds.
    pub(crate) fn start(&self) -> Solution {
        let counts = self.counts();
        let weights = Mat::zeros(self.basis.rank(), counts.len());
        let rows = (0..self.labels.rows()).filter(|&i| self.is_in(i)).count();
        let bias = |&k: &usize| {
            let others = if self.labels.are_several() { (rows - k) as f64 + 0.5 } else { 1.0 };
            ((k as f64 + 0.5) / others).ln()
        };
        Solution { weights, bias: counts.iter().map(bias).collect() }
    }

    pub(crate) fn solve(
        &self,
        from: &Solution,
        penalty: f64,
        tolerance: f64,
        max_iterations: usize,
    ) -> Result<Ended, ProbeError> {
        let (classes, rank) = (self.labels.classes(), self.basis.rank());
        let metric = self.metric(penalty);
        let mut x = Vec::with_capacity(classes * (rank + 1));
        for c in 0..classes {
            x.extend(from.weights.col_as_slice(c).iter().zip(&metric).map(|(w, m)| w / m));
        }
        // Of one choice only differences count.
        let free = !self.labels.are_several();
        let mean = if free { from.bias.iter().sum::<f64>() / classes as f64 } else { 0.0 };
        x.extend(from.bias.iter().map(|b| (b - mean) / metric[rank]));
        let likelihood = Likelihood::new(self, penalty, &metric);
        let mut curvature = Curvature::default();
        let mut run = |x: Vec<f64>, precision, ends| {
            minimise(x, ends, &mut curvature, &mut |x, g| likelihood.evaluate(precision, x, g))
        };
        let mut ended = Minimum { x, value: f64::NAN, iterations: 0, converged: false };
        if !self.basis.is_dual() {
            let ends = Ends {
                tolerance: tolerance.max(SINGLE_TOLERANCE),
                max_iterations,
                rounding: SINGLE_ROUNDING,
            };
            ended = run(ended.x, Precision::Single, ends)?;
        }
        if self.basis.is_dual() || tolerance < SINGLE_TOLERANCE {
            let before = ended.iterations;
            let max_iterations = max_iterations - before;
            let ends = Ends { tolerance, max_iterations, rounding: f64::EPSILON };
            ended = run(ended.x, Precision::Double, ends)?;
            ended.iterations += before;
        }
        let (weights, bias) = ended.x.split_at(classes * rank);
        Ok(Ended {
            solution: Solution {
                weights: Mat::from_fn(rank, classes, |j, c| weights[c * rank + j] * metric[j]),
                bias: bias.iter().map(|b| b * metric[rank]).collect(),
            },
            objective: ended.value,
            iterations: ended.iterations,
            converged: ended.converged,
        })
    }

    /// Unit of each coordinate's weights and, last, of the biases: one over the root of the
    /// objective's curvature there, at even probabilities.
    fn metric(&self, penalty: f64) -> Vec<f64> {
        // Of a label p·(1 - p) at a half.
        let several = self.labels.are_several();
        let flat = if several { 4.0 } else { self.labels.classes() as f64 };
        let curvature = self.basis.sigma.iter().map(|s| s / flat + penalty);
        let intercept = self.labels.rows() as f64 / flat;
        curvature.chain([intercept]).map(|c| 1.0 / c.sqrt()).collect()
    }
}
