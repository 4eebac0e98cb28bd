//! Class shares that differ, where a network is used, from those it learned from.
//!
//! Where only the shares of the classes change and each class looks as before (prior shift), a probability
//! `p(c|x)` becomes `p(c|x) · new_c / old_c`, normalised: [`adjust`]. Unknown new shares are estimated from
//! images without labels by expectation maximisation, and a likelihood ratio says whether anything speaks
//! against the old ones: [`estimate_shares`]. A classifier that finds a rare class too seldom has old shares
//! that are not those of its training images: [`share_bias`] and [`correct`] see to that. The first two are of Saerens, Latinne, Decaestecker: Adjusting the
//! Outputs of a Classifier to New a Priori Probabilities, Neural Computation 14, 2002.
//!
//! Probabilities are `[n, C]`, row-major, calibrated; shares are `[C]`, each above 0 where they are old, and
//! add up to 1.

use rayon::prelude::*;
use regraft_probe::ProbeError;

use crate::AdviseError;

/// Rows summed together.
const ROWS: usize = 256;
/// The likeliest shares are at most so many nats likelier, over all images, than those that are given.
const TOLERANCE: f64 = 1e-6;
/// Most steps of expectation maximisation.
const STEPS: usize = 2000;
/// Most steps to a bias, and how near the shares then are.
const BIAS_STEPS: usize = 500;
const BIAS_TOLERANCE: f64 = 1e-9;
/// How far from 1 a sum of shares may be by rounding.
const ROUNDING: f64 = 1e-6;

/// Shares of classes estimated from images without labels.
#[derive(Debug, Clone, PartialEq)]
pub struct ShareEstimate {
    /// The likeliest shares, `[C]`, adding up to 1.
    pub shares: Vec<f64>,
    /// Steps taken.
    pub steps: usize,
    /// Whether no shares are likelier by more than 10⁻⁶ nats; otherwise the steps ended before.
    pub converged: bool,
    /// Twice the log of the likelihood of the images under these shares over that under the old ones; 0 or
    /// more.
    pub ratio: f64,
    /// The ratio divided by Williams' correction for few images.
    pub corrected: f64,
    /// Chance of a ratio as large when the shares are the old ones, 0 to 1: the corrected ratio is then
    /// distributed as χ² with `C - 1` degrees of freedom.
    pub chance: f64,
}

/// Turns probabilities `[n, C]` under the shares `old` into those under `new`, in place (equation 2.4).
///
/// A share of 0 in `new` makes a class impossible. Probabilities of 0 count as the least that an `f32` can
/// be, so that a row always keeps a class.
///
/// # Errors
/// When lengths do not fit, a share is not one, or a probability is negative or not finite.
pub fn adjust(probabilities: &mut [f32], old: &[f64], new: &[f64]) -> Result<(), AdviseError> {
    check(probabilities, old)?;
    check_shares("new", new, old.len())?;
    let factors: Vec<f64> = new.iter().zip(old).map(|(new, old)| new / old).collect();
    multiply(probabilities, &factors);
    Ok(())
}

/// Multiplies probabilities `[n, C]` by `exp` of the bias `[C]` and normalises them, in place.
///
/// # Errors
/// When lengths do not fit, or values are no probabilities or not finite.
pub fn correct(probabilities: &mut [f32], bias: &[f64]) -> Result<(), AdviseError> {
    check_rows(probabilities, bias.len())?;
    if let Some(&value) = bias.iter().find(|b| !b.is_finite()) {
        return Err(AdviseError::Option { name: "bias", value, wanted: "finite numbers" });
    }
    // Only differences matter; the largest must not overflow.
    let top = bias.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let factors: Vec<f64> = bias.iter().map(|b| (b - top).exp()).collect();
    multiply(probabilities, &factors);
    Ok(())
}

/// The bias `[C]` with which held-out probabilities `[n, C]` of labelled examples have the classes' own shares
/// as their mean: the likeliest one, up to a constant (0 for the first class).
///
/// Without it the shares that probabilities stand for are not those of the examples, where a class is rare:
/// one temperature for all classes cannot see to that (Alexandari, Kundaje, Shrikumar, Maximum Likelihood with
/// Bias-Corrected Calibration is Hard-To-Beat at Label Shift Adaptation, 2020, section 3). A step adds the log
/// of share over mean, which makes the labels likelier; ends when they agree to 10⁻⁹, or after 500.
///
/// # Errors
/// As [`estimate_shares`].
pub fn share_bias(probabilities: &[f32], shares: &[f64]) -> Result<Vec<f64>, AdviseError> {
    check(probabilities, shares)?;
    let n = probabilities.len() / shares.len();
    if n == 0 {
        return Err(AdviseError::Length { what: "images", got: 0, wanted: 1 });
    }
    let mut bias = vec![0.0; shares.len()];
    for _ in 0..BIAS_STEPS {
        let factors: Vec<f64> = bias.iter().map(|b: &f64| b.exp()).collect();
        let mut means = vec![0.0; shares.len()];
        for row in probabilities.chunks_exact(shares.len()) {
            let all = dot(row, &factors) * n as f64;
            for ((mean, p), factor) in means.iter_mut().zip(row).zip(&factors) {
                *mean += least(*p) * factor / all;
            }
        }
        let off = means.iter().zip(shares).map(|(mean, share)| (mean - share).abs());
        if off.fold(0.0, f64::max) <= BIAS_TOLERANCE {
            break;
        }
        for ((b, share), mean) in bias.iter_mut().zip(shares).zip(&means) {
            *b += (share / mean).ln();
        }
        let first = bias[0];
        for b in &mut bias {
            *b -= first;
        }
    }
    Ok(bias)
}

fn multiply(probabilities: &mut [f32], factors: &[f64]) {
    probabilities.par_chunks_mut(factors.len()).with_min_len(ROWS).for_each(|row| {
        let sum = dot(row, factors);
        for (p, factor) in row.iter_mut().zip(factors) {
            *p = (least(*p) * factor / sum) as f32;
        }
    });
}

/// The shares under which images without labels are likeliest, from their probabilities `[n, C]` under the
/// shares `old`: expectation maximisation from `old` (equation 2.9), and the likelihood ratio of section 3.
///
/// A step multiplies each share by `g_c`, the mean over images of `p(c|x) / old_c / Σ_j new_j p(j|x) / old_j`.
/// The likelihood is concave in the shares with gradient `n·g`, so no shares are likelier than these by more
/// than `n·(max g - 1)`: the steps end when that is at most 10⁻⁶, or after 2000.
///
/// The ratio is χ² for many images only; where a class expects few it is too large, so it is divided by
/// `1 + (Σ 1/old_c - 1) / (6 n (C - 1))` first (Williams, Improved likelihood ratio tests for complete
/// contingency tables, Biometrika 63, 1976, for one row whose shares are known).
///
/// # Errors
/// When there are no images, fewer than two classes, lengths that do not fit, or values that are no
/// probabilities.
pub fn estimate_shares(probabilities: &[f32], old: &[f64]) -> Result<ShareEstimate, AdviseError> {
    check(probabilities, old)?;
    let (classes, n) = (old.len(), probabilities.len() / old.len());
    if n == 0 {
        return Err(AdviseError::Length { what: "images", got: 0, wanted: 1 });
    }
    let mut shares = old.to_vec();
    let (mut steps, mut converged) = (0, false);
    let likelihood = loop {
        let (gradient, likelihood) = gradient(probabilities, old, &shares);
        let gap = gradient.iter().copied().fold(f64::NEG_INFINITY, f64::max) / n as f64 - 1.0;
        converged |= n as f64 * gap <= TOLERANCE;
        if converged || steps == STEPS {
            break likelihood;
        }
        for (share, g) in shares.iter_mut().zip(&gradient) {
            *share *= g / n as f64;
        }
        // Only rounding takes the sum from 1.
        let sum: f64 = shares.iter().sum();
        for share in &mut shares {
            *share /= sum;
        }
        steps += 1;
    };
    let ratio = (2.0 * likelihood).max(0.0);
    let rare: f64 = old.iter().map(|share| 1.0 / share).sum();
    let freedom = classes - 1;
    let corrected = ratio / (1.0 + (rare - 1.0) / (6.0 * n as f64 * freedom as f64));
    let chance = chi_squared_above(corrected, freedom);
    Ok(ShareEstimate { shares, steps, converged, ratio, corrected, chance })
}

/// Sum over images of `p(c|x) / old_c` over the images' likelihood, `[C]`, and the log-likelihood of all
/// images, both with `shares`, relative to `old`.
fn gradient(probabilities: &[f32], old: &[f64], shares: &[f64]) -> (Vec<f64>, f64) {
    let classes = old.len();
    let factors: Vec<f64> = shares.iter().zip(old).map(|(share, old)| share / old).collect();
    let block = |rows: &[f32]| {
        let mut sums = vec![0.0; classes];
        let mut likelihood = 0.0;
        for row in rows.chunks_exact(classes) {
            let all = dot(row, &factors);
            likelihood += all.ln() - row.iter().map(|p| least(*p)).sum::<f64>().ln();
            for ((sum, p), old) in sums.iter_mut().zip(row).zip(old) {
                *sum += least(*p) / old / all;
            }
        }
        (sums, likelihood)
    };
    let blocks: Vec<(Vec<f64>, f64)> =
        probabilities.par_chunks(ROWS * classes).map(block).collect();
    let mut total = (vec![0.0; classes], 0.0);
    for (sums, likelihood) in blocks {
        for (total, sum) in total.0.iter_mut().zip(sums) {
            *total += sum;
        }
        total.1 += likelihood;
    }
    total
}

fn dot(row: &[f32], factors: &[f64]) -> f64 {
    row.iter().zip(factors).map(|(p, factor)| least(*p) * factor).sum()
}

/// A probability that an `f32` could not hold is not impossible.
fn least(p: f32) -> f64 {
    f64::from(p.max(f32::MIN_POSITIVE))
}

fn check(probabilities: &[f32], old: &[f64]) -> Result<(), AdviseError> {
    check_rows(probabilities, old.len())?;
    check_shares("old", old, old.len())?;
    match old.iter().find(|share| **share == 0.0) {
        Some(&value) => Err(AdviseError::Option { name: "old", value, wanted: "shares above 0" }),
        None => Ok(()),
    }
}

fn check_rows(probabilities: &[f32], classes: usize) -> Result<(), AdviseError> {
    if classes < 2 {
        return Err(ProbeError::TooFewClasses { classes }.into());
    }
    let n = probabilities.len() / classes;
    if probabilities.len() != n * classes {
        let (got, wanted) = (probabilities.len(), (n + 1) * classes);
        return Err(AdviseError::Length { what: "probabilities", got, wanted });
    }
    let wrong = |p: &f32| !(p.is_finite() && *p >= 0.0);
    if let Some(at) = probabilities.iter().position(wrong) {
        let (row, column, value) = (at / classes, at % classes, f64::from(probabilities[at]));
        let name = "probabilities";
        return Err(if value.is_finite() {
            AdviseError::Option { name, value, wanted: "numbers from 0 to 1" }
        } else {
            ProbeError::NotFinite { what: name, row, column, value }.into()
        });
    }
    Ok(())
}

fn check_shares(name: &'static str, shares: &[f64], classes: usize) -> Result<(), AdviseError> {
    if shares.len() != classes {
        return Err(AdviseError::Length { what: "shares", got: shares.len(), wanted: classes });
    }
    let wanted = "shares from 0 to 1 that add up to 1";
    if let Some(&value) = shares.iter().find(|share| !(0.0..=1.0).contains(*share)) {
        return Err(AdviseError::Option { name, value, wanted });
    }
    let value: f64 = shares.iter().sum();
    if (value - 1.0).abs() > ROUNDING {
        return Err(AdviseError::Option { name, value, wanted });
    }
    Ok(())
}

/// The chance that χ² with `freedom` degrees of freedom, at least 1, is above `x`.
///
/// `Q(a + 1, y) = Q(a, y) + yᵃ e⁻ʸ / Γ(a + 1)` with `a = freedom / 2` and `y = x / 2`, from `Q(½, y) =
/// erfc(√y)` or `Q(1, y) = e⁻ʸ` (Abramowitz and Stegun 1964, 26.4.4 and 26.4.5).
fn chi_squared_above(x: f64, freedom: usize) -> f64 {
    let y = x / 2.0;
    if y <= 0.0 {
        return 1.0;
    }
    let (mut a, mut above) =
        if freedom % 2 == 1 { (0.5, libm::erfc(y.sqrt())) } else { (1.0, (-y).exp()) };
    while a + 0.5 < freedom as f64 / 2.0 {
        above += (a * y.ln() - y - libm::lgamma(a + 1.0)).exp();
        a += 1.0;
    }
    above.min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tail_of_chi_squared_is_that_of_the_tables() {
        // Abramowitz and Stegun 1964, table 26.8: quantiles.
        for (freedom, x, above) in [
            (1, 3.84146, 0.05),
            (1, 6.63490, 0.01),
            (2, 5.99147, 0.05),
            (3, 7.81473, 0.05),
            (9, 16.9190, 0.05),
            (10, 2.55821, 0.99),
            (30, 59.7031, 0.001),
            (100, 124.342, 0.05),
        ] {
            let got = chi_squared_above(x, freedom);
            assert!((got - above).abs() < 2e-6, "{freedom} {x}: {got}");
        }
        assert_eq!(chi_squared_above(0.0, 4), 1.0);
        assert!(chi_squared_above(1e6, 999) < 1e-300);
    }
}
