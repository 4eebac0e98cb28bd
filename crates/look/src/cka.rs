//! How alike two layers' views of the same pictures are (Kornblith et al. 2019, "Similarity of neural network
//! representations revisited").

use rayon::prelude::*;

use crate::LookError;

/// Linear centred kernel alignment of `x` and `y`, features of the same `n` pictures, row-major `[n, p]` and `[n, q]`
/// (section 3): 1 where one is the other turned and scaled. With more features than pictures it tends to 1 whatever
/// they are; see [`debiased_cka`].
///
/// # Errors
/// When there are fewer than two pictures, or the values are not `n` rows.
pub fn cka(x: &[f64], y: &[f64], n: usize) -> Result<f64, LookError> {
    check(x, y, n, 2)?;
    let (x, y) = (centred(gram(x, n), n), centred(gram(y, n), n));
    let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    Ok(product(&x, &y) / (product(&x, &x) * product(&y, &y)).sqrt())
}

/// The same from unbiased estimates (Song et al. 2012, equation 5; Nguyen et al. 2021, equation 3): 0 on average for
/// views that have nothing in common, however many features they have; it may be below.
///
/// # Errors
/// When there are fewer than four pictures, or the values are not `n` rows.
pub fn debiased_cka(x: &[f64], y: &[f64], n: usize) -> Result<f64, LookError> {
    check(x, y, n, 4)?;
    let hollow = |values: &[f64]| {
        let mut gram = gram(values, n);
        gram.iter_mut().step_by(n + 1).for_each(|own| *own = 0.0);
        gram
    };
    let (x, y) = (hollow(x), hollow(y));
    Ok(hsic(&x, &y, n) / (hsic(&x, &x, n) * hsic(&y, &y, n)).sqrt())
}

/// The unbiased Hilbert-Schmidt independence criterion of two Gram matrices with zero diagonals.
fn hsic(k: &[f64], l: &[f64], n: usize) -> f64 {
    let sums = |m: &[f64]| m.chunks_exact(n).map(|row| row.iter().sum()).collect::<Vec<f64>>();
    let (rows_k, rows_l) = (sums(k), sums(l));
    let trace: f64 = k.iter().zip(l).map(|(k, l)| k * l).sum();
    let both: f64 = rows_k.iter().zip(&rows_l).map(|(k, l)| k * l).sum();
    let [all_k, all_l] = [&rows_k, &rows_l].map(|rows| rows.iter().sum::<f64>());
    let n = n as f64;
    (trace + all_k * all_l / ((n - 1.0) * (n - 2.0)) - 2.0 / (n - 2.0) * both) / (n * (n - 3.0))
}

fn check(x: &[f64], y: &[f64], n: usize, least: usize) -> Result<(), LookError> {
    let refuse =
        |given, wanted| Err(LookError::Option { what: "the number of pictures", given, wanted });
    if n < least {
        return refuse(n, if least > 2 { "at least 4" } else { "at least 2" });
    }
    if x.is_empty() || y.is_empty() || !x.len().is_multiple_of(n) || !y.len().is_multiple_of(n) {
        return refuse(n, "as many as there are rows of both");
    }
    Ok(())
}

/// `[n, n]`: each row times each.
fn gram(values: &[f64], n: usize) -> Vec<f64> {
    let rows: Vec<&[f64]> = values.chunks_exact(values.len() / n).collect();
    let row = |a: &&[f64]| -> Vec<f64> {
        rows.iter().map(|b| a.iter().zip(*b).map(|(a, b)| a * b).sum()).collect()
    };
    rows.par_iter().flat_map_iter(row).collect()
}

/// A Gram matrix of centred rows.
fn centred(mut gram: Vec<f64>, n: usize) -> Vec<f64> {
    let means: Vec<f64> =
        gram.chunks_exact(n).map(|row| row.iter().sum::<f64>() / n as f64).collect();
    let mean = means.iter().sum::<f64>() / n as f64;
    for (row, a) in gram.chunks_exact_mut(n).zip(&means) {
        row.iter_mut().zip(&means).for_each(|(value, b)| *value += mean - a - b);
    }
    gram
}

#[cfg(test)]
mod tests {
    use super::*;

    fn formula(n: usize, seed: f64) -> Vec<f64> {
        (0..n).map(|i| ((i + 1) as f64 * 12.9898 + seed * 78.233).sin()).collect()
    }

    /// Figures of the published code, double precision.
    #[test]
    fn the_golden_values_are_met() {
        let (x, y) = (formula(140, 11.0), formula(100, 12.0));
        let near = |got: f64, wanted: f64| assert!((got - wanted).abs() < 1e-14, "{got} {wanted}");
        near(cka(&x, &y, 20).unwrap(), 0.014903220525856967);
        near(debiased_cka(&x, &y, 20).unwrap(), -0.09117448287502129);
        near(cka(&x, &x, 20).unwrap(), 1.0);
    }

    #[test]
    fn turning_and_scaling_change_nothing() {
        let x = formula(140, 11.0);
        let (sin, cos) = 0.7_f64.sin_cos();
        let turned: Vec<f64> = x
            .chunks_exact(7)
            .flat_map(|r| {
                [cos * r[0] - sin * r[1], sin * r[0] + cos * r[1], r[2], r[3], r[4], r[5], r[6]]
            })
            .map(|v| 3.0 * v)
            .collect();
        assert!((cka(&x, &turned, 20).unwrap() - 1.0).abs() < 1e-12);
        assert!((debiased_cka(&x, &turned, 20).unwrap() - 1.0).abs() < 1e-12);
    }

    #[test]
    fn what_is_too_little_or_does_not_fit_is_refused() {
        assert!(debiased_cka(&[1.0; 6], &[1.0; 6], 3).is_err());
        assert!(cka(&[1.0; 7], &[1.0; 6], 3).is_err());
    }
}
