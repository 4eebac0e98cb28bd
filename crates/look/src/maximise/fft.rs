//! A transform of Fourier for any length: sides of pictures are small, and a crate for it would take longer to build
//! than this takes in all its runs.

use std::f64::consts::TAU;

/// A complex number, real part first.
pub(crate) type Complex = [f64; 2];

/// The transform of one length, by its prime factors (Cooley and Tukey 1965).
#[derive(Debug, Clone)]
pub(crate) struct Fft {
    n: usize,
    factors: Vec<usize>,
    /// `exp(-2πi k / n)`.
    roots: Vec<Complex>,
}

impl Fft {
    pub(crate) fn new(n: usize) -> Self {
        let (mut factors, mut rest, mut p) = (Vec::new(), n, 2);
        while rest > 1 {
            if rest.is_multiple_of(p) {
                factors.push(p);
                rest /= p;
            } else if p * p > rest {
                p = rest;
            } else {
                p += 1;
            }
        }
        let root = |k: usize| {
            let angle = -TAU * k as f64 / n as f64;
            [angle.cos(), angle.sin()]
        };
        Self { n, factors, roots: (0..n).map(root).collect() }
    }

    /// `Σ x[j] exp(∓2πi jk / n)` into `out`: the sign is `-`, or `+` for the inverse, which is not divided by `n`.
    /// Both hold `n` numbers.
    pub(crate) fn run(&self, x: &[Complex], out: &mut [Complex], inverse: bool) {
        debug_assert!(x.len() == self.n && out.len() == self.n, "as long as the transform");
        let mut few = vec![[0.0; 2]; self.factors.iter().copied().max().unwrap_or(1)];
        self.part(x, 1, out, &self.factors, inverse, &mut few);
    }

    fn root(&self, k: usize, inverse: bool) -> Complex {
        let [re, im] = self.roots[k % self.n];
        if inverse { [re, -im] } else { [re, im] }
    }

    /// The transform of every `stride`-th number.
    fn part(
        &self,
        x: &[Complex],
        stride: usize,
        out: &mut [Complex],
        factors: &[usize],
        inverse: bool,
        few: &mut [Complex],
    ) {
        let Some((&p, rest)) = factors.split_first() else {
            out[0] = x[0];
            return;
        };
        let m = out.len() / p;
        for (r, out) in out.chunks_exact_mut(m).enumerate() {
            self.part(&x[r * stride..], stride * p, out, rest, inverse, few);
        }
        for k in 0..m {
            if p == 2 {
                let (a, b) = (out[k], times(out[m + k], self.root(k * stride, inverse)));
                out[k] = [a[0] + b[0], a[1] + b[1]];
                out[m + k] = [a[0] - b[0], a[1] - b[1]];
                continue;
            }
            for r in 0..p {
                few[r] = times(out[r * m + k], self.root(r * k * stride, inverse));
            }
            for q in 0..p {
                let mut sum = few[0];
                for (r, value) in few.iter().enumerate().take(p).skip(1) {
                    let [re, im] = times(*value, self.root(r * q * (self.n / p), inverse));
                    sum = [sum[0] + re, sum[1] + im];
                }
                out[q * m + k] = sum;
            }
        }
    }
}

fn times(a: Complex, b: Complex) -> Complex {
    [a[0] * b[0] - a[1] * b[1], a[0] * b[1] + a[1] * b[0]]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_gives_the_sums_it_stands_for() {
        for n in [1, 2, 3, 5, 8, 12, 15, 28, 49, 97] {
            let x: Vec<Complex> =
                (0..n).map(|i| [(i as f64 * 1.7).sin(), (i as f64 * 0.3).cos()]).collect();
            for (inverse, sign) in [(false, -1.0), (true, 1.0)] {
                let mut got = vec![[0.0; 2]; n];
                Fft::new(n).run(&x, &mut got, inverse);
                for (k, got) in got.iter().enumerate() {
                    let wanted = x.iter().enumerate().fold([0.0; 2], |sum, (j, x)| {
                        let angle = sign * TAU * (j * k) as f64 / n as f64;
                        let [re, im] = times(*x, [angle.cos(), angle.sin()]);
                        [sum[0] + re, sum[1] + im]
                    });
                    assert!((got[0] - wanted[0]).abs() + (got[1] - wanted[1]).abs() < 1e-10, "{n}");
                }
            }
        }
    }
}
