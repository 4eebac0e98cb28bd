use faer::Mat;
use rayon::prelude::*;

use crate::ProbeError;
use crate::input::check_len;
use crate::softmax::softmax_in_place;

/// Rows of a batch handled by one task.
const ROWS: usize = 64;

/// A linear classifier on raw features: logits `W·x + b`, probabilities
/// `softmax(logits / temperature)`.
#[derive(Debug, Clone, PartialEq)]
pub struct LinearHead {
    /// Number of classes `C`.
    pub classes: usize,
    /// Number of features `d`.
    pub features: usize,
    /// Weights, `[C, d]` row-major.
    pub weight: Vec<f32>,
    /// Biases, `[C]`.
    pub bias: Vec<f32>,
    /// Divides the logits before the softmax; above 0.
    pub temperature: f32,
}

impl LinearHead {
    /// Logits of one example: `x` is `[d]`, `out` becomes `[C]`.
    ///
    /// Fails when a length does not fit.
    pub fn logits(&self, x: &[f32], out: &mut [f32]) -> Result<(), ProbeError> {
        self.check()?;
        check_len("features", x.len(), 1, self.features)?;
        check_len("logits", out.len(), 1, self.classes)?;
        self.row(x, |c, v| out[c] = v as f32);
        Ok(())
    }

    /// Probabilities of one example `[d]`: `[C]`, adding up to 1.
    pub fn probabilities(&self, x: &[f32]) -> Result<Vec<f32>, ProbeError> {
        self.check()?;
        check_len("features", x.len(), 1, self.features)?;
        self.probabilities_batch(x)
    }

    /// Logits of a batch: `x` is `[n, d]` row-major, the result `[n, C]`.
    pub fn logits_batch(&self, x: &[f32]) -> Result<Vec<f32>, ProbeError> {
        self.batch(x, |_| ())
    }

    /// Probabilities of a batch: `x` is `[n, d]` row-major, the result `[n, C]`.
    pub fn probabilities_batch(&self, x: &[f32]) -> Result<Vec<f32>, ProbeError> {
        let beta = 1.0 / f64::from(self.temperature);
        self.batch(x, |row| {
            softmax_in_place(row, beta);
        })
    }

    /// Checks that the fields fit together, as every method does before it uses them.
    pub fn check(&self) -> Result<(), ProbeError> {
        check_len("weights", self.weight.len(), self.classes, self.features)?;
        check_len("biases", self.bias.len(), 1, self.classes)?;
        if self.temperature > 0.0 && self.temperature.is_finite() {
            return Ok(());
        }
        Err(ProbeError::Option {
            name: "temperature",
            value: f64::from(self.temperature),
            wanted: "a finite number above 0",
        })
    }

    /// A head of temperature 1 from `[d, C]` weights and `[C]` biases.
    pub(crate) fn from_f64(weight: &Mat<f64>, bias: &[f64]) -> Result<Self, ProbeError> {
        let (features, classes) = (weight.nrows(), weight.ncols());
        let mut narrow = Vec::with_capacity(classes * features);
        for class in 0..classes {
            for feature in 0..features {
                narrow.push(to_f32(weight[(feature, class)], class, feature)?);
            }
        }
        let bias: Result<_, _> =
            bias.iter().enumerate().map(|(c, &b)| to_f32(b, c, features)).collect();
        Ok(Self { classes, features, weight: narrow, bias: bias?, temperature: 1.0 })
    }

    fn row(&self, x: &[f32], mut put: impl FnMut(usize, f64)) {
        for (c, (w, b)) in self.weight.chunks_exact(self.features).zip(&self.bias).enumerate() {
            put(c, dot(w, x) + f64::from(*b));
        }
    }

    fn batch(&self, x: &[f32], finish: impl Fn(&mut [f64]) + Sync) -> Result<Vec<f32>, ProbeError> {
        self.check()?;
        let n = x.len() / self.features;
        check_len("features", x.len(), n.max(1), self.features)?;
        let mut out = vec![0.0; n * self.classes];
        out.par_chunks_mut(ROWS * self.classes).zip(x.par_chunks(ROWS * self.features)).for_each(
            |(out, x)| {
                let mut logits = vec![0.0; self.classes];
                let rows = out.chunks_exact_mut(self.classes).zip(x.chunks_exact(self.features));
                for (out, x) in rows {
                    self.row(x, |c, v| logits[c] = v);
                    finish(&mut logits);
                    for (o, v) in out.iter_mut().zip(&logits) {
                        *o = *v as f32;
                    }
                }
            },
        );
        Ok(out)
    }
}

fn to_f32(value: f64, class: usize, feature: usize) -> Result<f32, ProbeError> {
    let narrow = value as f32;
    if narrow.is_finite() {
        Ok(narrow)
    } else {
        Err(ProbeError::WeightOverflow { class, feature, value })
    }
}

/// Σ aⱼ·bⱼ in `f64`, in eight running sums so that it can be vectorised; the order is fixed.
fn dot(a: &[f32], b: &[f32]) -> f64 {
    let (xs, x_rest) = a.as_chunks::<8>();
    let (ys, y_rest) = b.as_chunks::<8>();
    let mut lanes = [0.0; 8];
    for (x, y) in xs.iter().zip(ys) {
        for k in 0..8 {
            lanes[k] += f64::from(x[k]) * f64::from(y[k]);
        }
    }
    let rest: f64 = x_rest.iter().zip(y_rest).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum();
    lanes.iter().sum::<f64>() + rest
}
