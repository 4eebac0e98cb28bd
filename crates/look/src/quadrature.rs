//! Points and weights of Gauss and Legendre.

const STEPS: usize = 100;

/// The `n` points and weights on `[0, 1]` that integrate polynomials up to degree `2n - 1` exactly; points ascend.
pub(crate) fn gauss_legendre(n: usize) -> Vec<(f64, f64)> {
    let of = |i: usize| {
        // Close to the root, from where Newton's method goes straight to it.
        let mut x = (std::f64::consts::PI * (i as f64 + 0.75) / (n as f64 + 0.5)).cos();
        let mut slope = 1.0;
        for _ in 0..STEPS {
            let (value, derivative) = legendre(n, x);
            slope = derivative;
            let step = value / derivative;
            x -= step;
            if step.abs() < 1e-15 {
                break;
            }
        }
        let weight = 2.0 / ((1.0 - x * x) * slope * slope);
        (f64::midpoint(1.0, x), weight / 2.0)
    };
    (0..n).rev().map(of).collect()
}

/// The Legendre polynomial of degree `n` at `x`, and its derivative.
fn legendre(n: usize, x: f64) -> (f64, f64) {
    let (mut before, mut here) = (1.0, x);
    for k in 2..=n {
        let k = k as f64;
        (before, here) = (here, ((2.0 * k - 1.0) * x * here - (k - 1.0) * before) / k);
    }
    if n == 0 {
        return (1.0, 0.0);
    }
    (here, n as f64 * (x * here - before) / (x * x - 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn polynomials_are_integrated_exactly() {
        for n in [1, 2, 5, 50] {
            let points = gauss_legendre(n);
            for degree in [0, 1, 2 * n as i32 - 1] {
                let got: f64 = points.iter().map(|(x, w)| w * x.powi(degree)).sum();
                let wanted = 1.0 / f64::from(degree + 1);
                assert!((got - wanted).abs() < 1e-13, "{n} points, degree {degree}: {got}");
            }
            assert!(points.windows(2).all(|p| p[0].0 < p[1].0));
        }
    }
}
