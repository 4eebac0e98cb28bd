//! The objective of logistic regression and its gradient, in one reading of the features.

use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, MatMut, MatRef, Par};
use rayon::prelude::*;

use crate::ProbeError;
use crate::blocks::{Buffers, picked};
use crate::linalg::product_here;
use crate::logistic::Problem;
use crate::rows::{Centre, Number, ROWS};
use crate::softmax::{sigmoids_in_place, softmax_in_place};

/// Sums are made in this many stripes of consecutive blocks, each by one thread, and then added in
/// order: the same for any number of threads.
const STRIPES: usize = 16;

/// In which numbers the products over all examples are made.
#[derive(Clone, Copy)]
pub(crate) enum Precision {
    Single,
    Double,
}

/// The objective of a [`Problem`] as a function of scaled parameters: for each class weights on
/// the principal axes in units of the metric, `[C, rank]`, then the biases, `[C]`.
pub(crate) struct Likelihood<'a> {
    problem: &'a Problem<'a>,
    penalty: f64,
    /// Unit of each parameter, `[rank + 1]`.
    metric: &'a [f64],
    /// Weight on coordinates for a parameter of 1, `[rank]`.
    slope: Vec<f64>,
    double: Centre<f64>,
    single: Centre<f32>,
    /// What the rounded mean of `single` leaves on each coordinate.
    left: Vec<f64>,
}

/// Sums over examples.
struct Sums {
    nll: f64,
    /// Residuals by class, `[C]`.
    bias: Vec<f64>,
    /// Residuals times coordinates, `[len, C]`.
    gradient: Mat<f64>,
}

impl<'a> Likelihood<'a> {
    pub(crate) fn new(problem: &'a Problem<'a>, penalty: f64, metric: &'a [f64]) -> Self {
        let (single, left) = problem.basis.centre_single();
        Self {
            problem,
            penalty,
            metric,
            slope: metric.iter().zip(&problem.stretch).map(|(m, s)| m * s).collect(),
            double: problem.basis.centre(),
            single,
            left,
        }
    }

    /// The objective at `x`; fills its gradient.
    pub(crate) fn evaluate(
        &self,
        precision: Precision,
        x: &[f64],
        gradient: &mut [f64],
    ) -> Result<f64, ProbeError> {
        let classes = self.problem.labels.classes();
        let rank = self.slope.len();
        let (weights, bias) = x.split_at(classes * rank);
        let scaled = Mat::from_fn(rank, classes, |j, c| weights[c * rank + j] * self.slope[j]);
        let scaled = self.problem.basis.on_coordinates(scaled);
        let bias: Vec<f64> = bias.iter().map(|b| b * self.metric[rank]).collect();
        let sums = match precision {
            Precision::Double => self.sums(&self.double, &scaled, &bias)?,
            Precision::Single => self.single(scaled, &bias)?,
        };
        let turned = self.problem.basis.on_axes(sums.gradient.as_ref());
        let mut value = sums.nll;
        let (to_weights, to_bias) = gradient.split_at_mut(classes * rank);
        for c in 0..classes {
            let turned = turned.col_as_slice(c);
            for (j, g) in to_weights[c * rank..][..rank].iter_mut().enumerate() {
                let shrink = self.penalty * self.metric[j] * self.metric[j];
                let v = weights[c * rank + j];
                *g = self.slope[j] * turned[j] + shrink * v;
                value += 0.5 * shrink * v * v;
            }
        }
        for (g, s) in to_bias.iter_mut().zip(&sums.bias) {
            *g = self.metric[rank] * s;
        }
        Ok(value)
    }

    /// Sums by `f32` products. Coordinates have a unit and a rounded mean there; what that leaves
    /// off is put back.
    fn single(&self, mut scaled: Mat<f64>, bias: &[f64]) -> Result<Sums, ProbeError> {
        let unit = self.single.unit.wide();
        let mut bias = bias.to_vec();
        for (c, b) in bias.iter_mut().enumerate() {
            for (w, left) in scaled.col_as_slice_mut(c).iter_mut().zip(&self.left) {
                *w /= unit;
                *b -= *w * left;
            }
        }
        let mut sums = self.sums(&self.single, &scaled, &bias)?;
        for (c, residual) in sums.bias.iter().enumerate() {
            let column = sums.gradient.col_as_slice_mut(c).iter_mut().zip(&self.left);
            column.for_each(|(g, left)| *g = (*g - residual * left) / unit);
        }
        Ok(sums)
    }

    fn sums<T: Number>(
        &self,
        centre: &Centre<T>,
        weights: &Mat<f64>,
        bias: &[f64],
    ) -> Result<Sums, ProbeError> {
        let narrow =
            Mat::from_fn(weights.nrows(), weights.ncols(), |j, c| T::narrow(weights[(j, c)]));
        let blocks = self.problem.labels.rows().div_ceil(ROWS);
        let stripes = STRIPES.min(blocks);
        let stripe = |s: usize| {
            let range = s * blocks / stripes..(s + 1) * blocks / stripes;
            self.stripe(range, centre, narrow.as_ref(), bias)
        };
        let all: Vec<Sums> = (0..stripes).into_par_iter().map(stripe).collect::<Result<_, _>>()?;
        let mut all = all.into_iter();
        let mut sums = all.next().unwrap_or_else(|| Sums::zero(weights.nrows(), bias.len()));
        for more in all {
            sums.nll += more.nll;
            sums.bias.iter_mut().zip(&more.bias).for_each(|(a, b)| *a += b);
            sums.gradient += more.gradient;
        }
        Ok(sums)
    }

    fn stripe<T: Number>(
        &self,
        blocks: std::ops::Range<usize>,
        centre: &Centre<T>,
        weights: MatRef<'_, T>,
        bias: &[f64],
    ) -> Result<Sums, ProbeError> {
        let problem = self.problem;
        let (len, classes) = (weights.nrows(), bias.len());
        let mut sums = Sums::zero(len, classes);
        let mut buffers = Buffers::new();
        let mut logits = vec![T::ZERO; ROWS * classes];
        let mut part = vec![T::ZERO; len * classes];
        for block in blocks {
            let n = problem.labels.rows();
            let picked = picked(block * ROWS, n, &|i| problem.is_in(i));
            let columns = problem.basis.columns(&picked, centre, &mut buffers)?;
            let logits = &mut logits[..picked.len() * classes];
            let view = MatMut::from_column_major_slice_mut(&mut *logits, classes, picked.len());
            product_here(view, weights.transpose(), columns);
            self.residuals(&picked, bias, logits, &mut sums);
            let residuals = MatRef::from_column_major_slice(&*logits, classes, picked.len());
            let view = MatMut::from_column_major_slice_mut(&mut part, len, classes);
            let one = T::narrow(1.0);
            matmul(view, Accum::Replace, columns, residuals.transpose(), one, Par::Seq);
            for (c, part) in part.chunks_exact(len).enumerate() {
                let column = sums.gradient.col_as_slice_mut(c).iter_mut().zip(part);
                column.for_each(|(g, p)| *g += p.wide());
            }
        }
        Ok(sums)
    }

    /// Turns logits `[b, C]` into probabilities less the targets.
    fn residuals<T: Number>(
        &self,
        picked: &[usize],
        bias: &[f64],
        logits: &mut [T],
        sums: &mut Sums,
    ) {
        let mut row = vec![0.0; bias.len()];
        for (i, logits) in picked.iter().zip(logits.chunks_exact_mut(bias.len())) {
            let labels = self.problem.labels.of(*i);
            row.iter_mut().zip(&*logits).zip(bias).for_each(|((v, l), b)| *v = l.wide() + b);
            let wanted: f64 = labels.iter().map(|label| row[*label]).sum();
            sums.nll += if self.problem.labels.are_several() {
                sigmoids_in_place(&mut row) - wanted
            } else {
                softmax_in_place(&mut row, 1.0) - wanted
            };
            for label in labels {
                row[*label] -= 1.0;
            }
            for ((v, l), s) in row.iter().zip(logits).zip(&mut sums.bias) {
                *l = T::narrow(*v);
                *s += v;
            }
        }
    }
}

impl Sums {
    fn zero(len: usize, classes: usize) -> Self {
        Self { nll: 0.0, bias: vec![0.0; classes], gradient: Mat::zeros(len, classes) }
    }
}
