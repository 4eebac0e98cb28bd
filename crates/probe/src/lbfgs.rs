//! Limited-memory BFGS (Nocedal and Wright, Numerical Optimization, 2nd ed., algorithm 7.4) with
//! a bisection search for the weak Wolfe conditions (Lewis and Overton 2013).

use std::collections::VecDeque;

use crate::ProbeError;

const HISTORY: usize = 10;
const SEARCH_STEPS: usize = 40;
const SUFFICIENT_DECREASE: f64 = 1e-4;
const CURVATURE: f64 = 0.9;

/// Where a minimisation ended.
pub(crate) struct Minimum {
    pub(crate) x: Vec<f64>,
    pub(crate) value: f64,
    pub(crate) iterations: usize,
    pub(crate) converged: bool,
}

struct Point {
    x: Vec<f64>,
    gradient: Vec<f64>,
    value: f64,
}

/// What the last steps taught about the curvature; a later minimisation of the same function can go
/// on with it.
#[derive(Default)]
pub(crate) struct Curvature {
    pairs: VecDeque<Pair>,
}

struct Pair {
    s: Vec<f64>,
    y: Vec<f64>,
    rho: f64,
}

/// When a minimisation ends.
#[derive(Clone, Copy)]
pub(crate) struct Ends {
    /// Converged when half the squared gradient is at most this part of the value: in a well-scaled
    /// metric that is the decrease still to be had.
    pub(crate) tolerance: f64,
    /// Not converged after this many steps.
    pub(crate) max_iterations: usize,
    /// Relative rounding of the value: converged when no step lowers it by more.
    pub(crate) rounding: f64,
}

/// A function that fills the gradient and returns the value.
pub(crate) type Objective<'a> = &'a mut dyn FnMut(&[f64], &mut [f64]) -> Result<f64, ProbeError>;

/// Minimises a smooth convex function from `x`.
pub(crate) fn minimise(
    x: Vec<f64>,
    ends: Ends,
    curvature: &mut Curvature,
    objective: Objective<'_>,
) -> Result<Minimum, ProbeError> {
    let pairs = &mut curvature.pairs;
    let mut gradient = vec![0.0; x.len()];
    let value = objective(&x, &mut gradient)?;
    let mut at = Point { x, gradient, value };
    let done =
        |at: &Point| 0.5 * dot(&at.gradient, &at.gradient) <= ends.tolerance * at.value.abs();
    let mut iterations = 0;
    let mut converged = false;
    while iterations < ends.max_iterations {
        if done(&at) {
            converged = true;
            break;
        }
        let mut direction = descent(&at.gradient, pairs);
        let mut slope = dot(&at.gradient, &direction);
        if slope >= 0.0 || !slope.is_finite() {
            pairs.clear();
            direction = at.gradient.iter().map(|g| -g).collect();
            slope = -dot(&at.gradient, &at.gradient);
        }
        let Some(next) = search(&at, &direction, slope, ends.rounding, objective)? else {
            converged = true;
            break;
        };
        iterations += 1;
        remember(pairs, &at, &next);
        at = next;
    }
    converged |= done(&at);
    Ok(Minimum { x: at.x, value: at.value, iterations, converged })
}

/// A step along `direction` that satisfies the weak Wolfe conditions; none when rounding hides
/// every decrease.
fn search(
    from: &Point,
    direction: &[f64],
    slope: f64,
    rounding: f64,
    objective: Objective<'_>,
) -> Result<Option<Point>, ProbeError> {
    let (mut low, mut high, mut step) = (0.0, f64::INFINITY, 1.0);
    let rounding = rounding * from.value.abs();
    let mut best: Option<Point> = None;
    for _ in 0..SEARCH_STEPS {
        let x: Vec<f64> = from.x.iter().zip(direction).map(|(x, d)| x + step * d).collect();
        let mut gradient = vec![0.0; x.len()];
        let value = objective(&x, &mut gradient)?;
        let enough = value <= from.value + SUFFICIENT_DECREASE * step * slope;
        let here = Point { x, gradient, value };
        if enough {
            let flat = dot(&here.gradient, direction) >= CURVATURE * slope;
            best = Some(here);
            if flat {
                break;
            }
            low = step;
        } else {
            high = step;
        }
        step = if high.is_finite() { 0.5 * (low + high) } else { 2.0 * low };
        if -step * slope <= rounding {
            break;
        }
    }
    Ok(best.filter(|b| b.value < from.value))
}

/// `-H·g` by the two-loop recursion.
fn descent(gradient: &[f64], pairs: &VecDeque<Pair>) -> Vec<f64> {
    let mut q: Vec<f64> = gradient.iter().map(|g| -g).collect();
    let mut alphas = Vec::with_capacity(pairs.len());
    for pair in pairs.iter().rev() {
        let alpha = pair.rho * dot(&pair.s, &q);
        add(&mut q, -alpha, &pair.y);
        alphas.push(alpha);
    }
    if let Some(last) = pairs.back() {
        let gamma = 1.0 / (last.rho * dot(&last.y, &last.y));
        for v in &mut q {
            *v *= gamma;
        }
    }
    for (pair, alpha) in pairs.iter().zip(alphas.into_iter().rev()) {
        let beta = pair.rho * dot(&pair.y, &q);
        add(&mut q, alpha - beta, &pair.s);
    }
    q
}

fn remember(pairs: &mut VecDeque<Pair>, from: &Point, to: &Point) {
    let s: Vec<f64> = to.x.iter().zip(&from.x).map(|(a, b)| a - b).collect();
    let y: Vec<f64> = to.gradient.iter().zip(&from.gradient).map(|(a, b)| a - b).collect();
    let sy = dot(&s, &y);
    if sy > f64::EPSILON * dot(&y, &y) {
        if pairs.len() == HISTORY {
            pairs.pop_front();
        }
        pairs.push_back(Pair { s, y, rho: 1.0 / sy });
    }
}

fn add(x: &mut [f64], factor: f64, y: &[f64]) {
    for (x, y) in x.iter_mut().zip(y) {
        *x += factor * y;
    }
}

/// Σ aⱼ·bⱼ in eight running sums so that it can be vectorised; the order is fixed.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let (xs, x_rest) = a.as_chunks::<8>();
    let (ys, y_rest) = b.as_chunks::<8>();
    let mut lanes = [0.0; 8];
    for (x, y) in xs.iter().zip(ys) {
        for k in 0..8 {
            lanes[k] += x[k] * y[k];
        }
    }
    let rest: f64 = x_rest.iter().zip(y_rest).map(|(x, y)| x * y).sum();
    lanes.iter().sum::<f64>() + rest
}
