use regraft_advise::scores::{Evidence, logme};

use crate::support::{Set, near};

/// `ln N(t; 0, FFᵀ/α + I/β)` by a dense Cholesky factor of the `[n, n]` covariance.
fn exact(set: &Set, class: usize, at: &Evidence) -> f64 {
    let (n, d) = (set.n, set.d);
    let row = |i: usize| &set.x[i * d..][..d];
    let mut factor = vec![vec![0.0; n]; n];
    for i in 0..n {
        for j in 0..=i {
            let dot: f64 = row(i).iter().zip(row(j)).map(|(a, b)| a * b).sum();
            let mut v = dot / at.alpha + if i == j { 1.0 / at.beta } else { 0.0 };
            for k in 0..j {
                v -= factor[i][k] * factor[j][k];
            }
            factor[i][j] = if i == j { v.sqrt() } else { v / factor[j][j] };
        }
    }
    let mut half = Vec::with_capacity(n);
    for i in 0..n {
        let t = if set.y[i] == class { 1.0 } else { 0.0 };
        let known: f64 = (0..i).map(|k| factor[i][k] * half[k]).sum();
        half.push((t - known) / factor[i][i]);
    }
    let square: f64 = half.iter().map(|v| v * v).sum();
    let determinant: f64 = (0..n).map(|i| factor[i][i].ln()).sum();
    -0.5 * square - determinant - 0.5 * n as f64 * std::f64::consts::TAU.ln()
}

#[test]
fn logme_is_the_exact_log_marginal_likelihood() {
    // More features than images, as many, fewer.
    let cases = [
        (100, 2048, 3.0),
        (60, 512, 1.0),
        (40, 500, 6.0),
        (12, 13, 1.0),
        (30, 30, 1.0),
        (80, 9, 1.0),
    ];
    for (n, d, spread) in cases {
        let set = Set::new(n, d, 3, spread, (n + d) as u64);
        let out = logme(&set.moments()).unwrap();
        for (c, e) in out.classes.iter().enumerate() {
            let wanted = exact(&set, c, e);
            near(e.log_evidence, wanted, 1e-6 * (1.0 + wanted.abs()));
        }
        let mean = out.classes.iter().map(|e| e.log_evidence / n as f64).sum::<f64>() / 3.0;
        near(out.score, mean, 1e-12);
    }
}

#[test]
fn logme_is_at_a_maximum_of_the_marginal_likelihood() {
    for (n, d) in [(60, 8), (40, 120)] {
        let set = Set::new(n, d, 3, 4.0, 3);
        for (c, e) in logme(&set.moments()).unwrap().classes.iter().enumerate() {
            let at = |a: f64, b: f64| {
                exact(&set, c, &Evidence { alpha: e.alpha * a, beta: e.beta * b, ..*e })
            };
            let top = at(1.0, 1.0);
            for (a, b) in [(1.05, 1.0), (0.95, 1.0), (1.0, 1.05), (1.0, 0.95), (1.05, 1.05)] {
                assert!(at(a, b) < top + 1e-9, "class {c} of {n} x {d}: {a} {b}");
            }
        }
    }
}
