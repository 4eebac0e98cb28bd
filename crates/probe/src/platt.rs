//! Scores of one label to log odds (Platt: Probabilistic Outputs for Support Vector Machines, 1999; solved as in
//! Lin, Lin, Weng: A Note on Platt's Probabilistic Outputs, 2007).

use crate::softmax::{sigmoid, softplus};

const STEPS: usize = 100;
/// Gradient per example at which the search ends.
const FLAT: f64 = 1e-10;
/// Added to the diagonal of the curvature, per example.
const RIDGE: f64 = 1e-12;
/// Part of the first-order decrease that a step must bring.
const ENOUGH: f64 = 1e-4;
const HALVINGS: usize = 40;

/// Log odds `slope · score + offset`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Platt {
    pub(crate) slope: f64,
    pub(crate) offset: f64,
}

impl Platt {
    /// The line of the highest likelihood, with targets by the rule of succession: of `k` examples that have the
    /// label `(k + 1) / (k + 2)` each, of `m` that do not `1 / (m + 2)`. Scores that rise where the label falls say
    /// nothing that can be used: then the slope is 0.
    pub(crate) fn fit(scores: &[f64], has: &[bool]) -> Self {
        let n = scores.len() as f64;
        let with = has.iter().filter(|h| **h).count() as f64;
        let high = (with + 1.0) / (with + 2.0);
        let low = 1.0 / (n - with + 2.0);
        let prior = (with * high + (n - with) * low) / n;
        let level = Self { slope: 0.0, offset: (prior / (1.0 - prior)).ln() };
        let mean = scores.iter().sum::<f64>() / n;
        let spread = (scores.iter().map(|s| (s - mean).powi(2)).sum::<f64>() / n).sqrt();
        if spread <= f64::EPSILON * mean.abs() || spread == 0.0 {
            return level;
        }
        let examples: Vec<(f64, f64)> = scores
            .iter()
            .zip(has)
            .map(|(s, has)| ((s - mean) / spread, if *has { high } else { low }))
            .collect();
        let (a, b) = newton(&examples, level.offset);
        if a <= 0.0 {
            return level;
        }
        Self { slope: a / spread, offset: b - a * mean / spread }
    }

    /// Log odds of a score.
    pub(crate) fn of(self, score: f64) -> f64 {
        self.slope * score + self.offset
    }
}

/// The slope and the offset of the lowest loss of `(score, target)`, from slope 0.
fn newton(examples: &[(f64, f64)], offset: f64) -> (f64, f64) {
    let n = examples.len() as f64;
    let loss = |a: f64, b: f64| -> f64 {
        examples.iter().map(|(s, t)| softplus(a * s + b) - t * (a * s + b)).sum()
    };
    let (mut a, mut b) = (0.0, offset);
    let mut value = loss(a, b);
    for _ in 0..STEPS {
        let (mut ga, mut gb, mut haa, mut hab, mut hbb) = (0.0, 0.0, RIDGE * n, 0.0, RIDGE * n);
        for (s, t) in examples {
            let p = sigmoid(a * s + b);
            let (off, w) = (p - t, p * (1.0 - p));
            ga += off * s;
            gb += off;
            haa += w * s * s;
            hab += w * s;
            hbb += w;
        }
        if ga.abs().max(gb.abs()) < FLAT * n {
            break;
        }
        let det = haa * hbb - hab * hab;
        let (da, db) = (-(hbb * ga - hab * gb) / det, -(haa * gb - hab * ga) / det);
        let decrease = ga * da + gb * db;
        let mut step = 1.0;
        let next = (0..HALVINGS).find_map(|_| {
            let (x, y) = (step * da + a, step * db + b);
            let at = loss(x, y);
            let good = at <= value + ENOUGH * step * decrease;
            step /= 2.0;
            good.then_some((x, y, at))
        });
        let Some((x, y, at)) = next else { break };
        (a, b, value) = (x, y, at);
    }
    (a, b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_near_it_has_a_lower_loss() {
        let scores = [0.1, 0.9, 0.4, 0.7, 0.2, 0.3];
        let has = [false, true, false, true, true, false];
        let fitted = Platt::fit(&scores, &has);
        let loss = |slope: f64, offset: f64| -> f64 {
            scores
                .iter()
                .zip(has)
                .map(|(s, h)| {
                    let z = slope * s + offset;
                    softplus(z) - if h { 4.0 / 5.0 } else { 1.0 / 5.0 } * z
                })
                .sum()
        };
        let best = loss(fitted.slope, fitted.offset);
        for (a, b) in [(1e-3, 0.0), (-1e-3, 0.0), (0.0, 1e-3), (0.0, -1e-3)] {
            assert!(loss(fitted.slope + a, fitted.offset + b) > best);
        }
    }

    #[test]
    fn scores_of_the_wrong_order_or_of_no_order_leave_the_share() {
        for scores in [[0.9, 0.8, 0.1, 0.2], [0.5; 4]] {
            let fitted = Platt::fit(&scores, &[false, false, true, false]);
            // (1 * 2/3 + 3 * 1/5) / 4.
            let share = (2.0 / 3.0 + 3.0 / 5.0) / 4.0_f64;
            assert_eq!(fitted.slope, 0.0);
            assert!((fitted.offset - (share / (1.0 - share)).ln()).abs() < 1e-12);
        }
    }

    #[test]
    fn perfect_scores_do_not_give_certainty() {
        let scores: Vec<f64> = (0..20).map(f64::from).collect();
        let has: Vec<bool> = (0..20).map(|i| i >= 10).collect();
        let fitted = Platt::fit(&scores, &has);
        let surest = sigmoid(fitted.of(19.0));
        assert!(fitted.slope.is_finite() && surest < 1.0 && surest > 0.9, "{fitted:?} {surest}");
    }
}
