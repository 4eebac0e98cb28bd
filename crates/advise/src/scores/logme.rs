use regraft_probe::{LabelSets, ProbeError, Targets};

use crate::moments::Axes;
use crate::{AdviseError, Moments, Table};

/// Steps of the fixed point, and the relative change of τ that ends it.
const STEPS: usize = 300;
const TOLERANCE: f64 = 1e-8;
/// How far τ may go from the largest eigenvalue, as a factor: beyond, noise or signal is 0 to every
/// digit.
const FARTHEST: f64 = 1e9;

/// What [`logme`] gives.
#[derive(Debug, Clone, PartialEq)]
pub struct LogMe {
    /// Mean over classes or labels of the log evidence for each image, in nats.
    pub score: f64,
    /// One class against the others, or a label against its absence, `[C]`.
    pub classes: Vec<Evidence>,
}

/// The evidence of the linear model `t = F w + ε`, `w ~ N(0, 1/α)`, `ε ~ N(0, 1/β)`, at its maximum.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Evidence {
    /// Precision of the weights.
    pub alpha: f64,
    /// Precision of the noise.
    pub beta: f64,
    /// `ln p(t | F, α, β)`, in nats.
    pub log_evidence: f64,
}

/// Logarithm of maximum evidence (You, Liu, Wang, Long, `LogME`, ICML 2021, algorithm 1; the
/// fixed point of You and others, Ranking and tuning pre-trained models, JMLR 2022).
///
/// Two things differ from the published program. The log determinant of `αI + βFᵀF` has all `d`
/// eigenvalues: the program leaves out the `(d - k) ln α` of those that are 0 and gives 89.4 for -0.6 where
/// features outnumber images. And the evidence is that of the precisions it ends with, whose α is the best
/// for their ratio. Features are not centred, as in the paper.
pub fn logme(moments: &Moments<'_>) -> Result<LogMe, AdviseError> {
    let size = (moments.rows(), moments.columns());
    Ok(of_axes(&moments.raw_axes()?, moments.labels.counts(), size))
}

/// The same where images have any number of labels: each label against its absence, from one decomposition.
///
/// Fails when there is not one set for each row, and when features cannot be read.
pub fn logme_of_sets(table: Table<'_>, sets: &LabelSets<'_>) -> Result<LogMe, AdviseError> {
    let (got, wanted) = (sets.sets().len(), table.rows());
    if got != wanted {
        return Err(ProbeError::LabelCount { got, wanted }.into());
    }
    let axes = Axes::raw(table, &Targets::from(sets))?;
    Ok(of_axes(&axes, sets.counts(), (wanted, table.columns())))
}

/// From the axes of `n` images with `d` features, and images of each class or label.
fn of_axes(axes: &Axes, counts: &[usize], (n, d): (usize, usize)) -> LogMe {
    let classes: Vec<Evidence> = (0..counts.len())
        .map(|c| {
            let squares =
                (0..axes.values.len()).map(|j| axes.sums[(j, c)].powi(2) / axes.values[j]);
            Spectrum::new(&axes.values, squares.collect(), counts[c] as f64, n, d).maximum()
        })
        .collect();
    let score = classes.iter().map(|e| e.log_evidence).sum::<f64>() / (counts.len() * n) as f64;
    LogMe { score, classes }
}

/// All that the evidence of one class needs.
struct Spectrum<'a> {
    /// σ: squared singular values of the features, `[k]`.
    values: &'a [f64],
    /// `x²`: squares of `Uᵀt`, `[k]`.
    squares: Vec<f64>,
    /// `‖t‖² - ‖x‖²`.
    rest: f64,
    n: f64,
    d: f64,
}

impl<'a> Spectrum<'a> {
    fn new(values: &'a [f64], squares: Vec<f64>, length: f64, n: usize, d: usize) -> Self {
        let rest = (length - squares.iter().sum::<f64>()).max(0.0);
        Self { values, squares, rest, n: n as f64, d: d as f64 }
    }

    /// `γ`, `‖m‖²` and `‖t - F m‖²` at `τ = α/β`.
    fn at(&self, tau: f64) -> (f64, f64, f64) {
        let (mut gamma, mut m2, mut r2) = (0.0, 0.0, self.rest);
        for (s, x) in self.values.iter().zip(&self.squares) {
            gamma += s / (s + tau);
            m2 += s * x / (s + tau).powi(2);
            r2 += x / (1.0 + s / tau).powi(2);
        }
        (gamma, m2, r2)
    }

    /// `ln p(t | F, α, β)` with the `m2` and `r2` that belong to α and β.
    fn evidence(&self, alpha: f64, beta: f64, m2: f64, r2: f64) -> f64 {
        let known: f64 = self.values.iter().map(|s| (alpha + beta * s).ln()).sum();
        let others = (self.d - self.values.len() as f64) * alpha.ln();
        let scale = self.d * alpha.ln() + self.n * beta.ln() - self.n * std::f64::consts::TAU.ln();
        0.5 * (scale - known - others - beta * r2 - alpha * m2)
    }

    fn maximum(&self) -> Evidence {
        let largest = self.values.last().copied().unwrap_or(0.0);
        let mut tau = 1.0;
        if largest > 0.0 {
            for _ in 0..STEPS {
                let (gamma, m2, r2) = self.at(tau);
                let up = gamma * r2;
                let down = m2 * (self.n - gamma);
                let next = if down > 0.0 { up / down } else { f64::INFINITY };
                let next = next.clamp(largest / FARTHEST, largest * FARTHEST);
                let change = (next - tau).abs() / tau;
                tau = next;
                if change <= TOLERANCE {
                    break;
                }
            }
        }
        // For a given τ the best α is n / tᵀ(FFᵀ + τI)⁻¹t.
        let each = self.values.iter().zip(&self.squares).map(|(s, x)| x / (s + tau));
        let alpha = self.n / (each.sum::<f64>() + self.rest / tau);
        let beta = alpha / tau;
        let (_, m2, r2) = self.at(tau);
        Evidence { alpha, beta, log_evidence: self.evidence(alpha, beta, m2, r2) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Table;
    use crate::scores::gbc::tests::{F, Y};
    use regraft_probe::Labels;

    /// The published loop: `α = γ/(m2+ε)`, `β = (n-γ)/(r2+ε)` from α = β = 1 until τ changes by less than
    /// `tolerance`, at most 11 times. The last `m2` and `r2` belong to the α and β before the last.
    fn published(spectrum: &Spectrum<'_>, tolerance: f64, epsilon: f64) -> [f64; 4] {
        let (mut tau, mut out) = (1.0, [0.0; 4]);
        for _ in 0..11 {
            let (gamma, m2, r2) = spectrum.at(tau);
            let (alpha, beta) = (gamma / (m2 + epsilon), (spectrum.n - gamma) / (r2 + epsilon));
            out = [alpha, beta, m2, r2];
            if (alpha / beta - tau).abs() / tau <= tolerance {
                break;
            }
            tau = alpha / beta;
        }
        out
    }

    fn mean(x: &[f64], d: usize, one: impl Fn(&Spectrum<'_>) -> f64) -> f64 {
        let labels = Labels::new(&Y, 3).unwrap();
        let moments = Moments::new(Table::double(x, 8, d).unwrap(), &labels).unwrap();
        let axes = moments.raw_axes().unwrap();
        let class = |c: usize| {
            let squares =
                (0..axes.values.len()).map(|j| axes.sums[(j, c)].powi(2) / axes.values[j]);
            one(&Spectrum::new(&axes.values, squares.collect(), labels.counts()[c] as f64, 8, d))
                / 8.0
        };
        (0..3).map(class).sum::<f64>() / 3.0
    }

    fn wide() -> Vec<f64> {
        let row = |f: &[f64]| -> Vec<f64> {
            let (square, sine) = (f.iter().map(|v| v * v), f.iter().map(|v| (3.0 * v).sin()));
            f.iter().copied().chain(square).chain(sine).collect()
        };
        F.chunks(4).flat_map(row).collect()
    }

    #[test]
    fn the_published_loops_give_the_published_vectors() {
        let near = |got: f64, wanted: f64| assert!((got - wanted).abs() < 2e-10, "{got} {wanted}");
        let loop_of_icml = mean(&F, 4, |s| {
            let [a, b, m2, r2] = published(s, 0.01, 0.0);
            s.evidence(a, b, m2, r2)
        });
        near(loop_of_icml, -0.3477055684);
        let fixed_point = mean(&F, 4, |s| {
            let [a, b, m2, r2] = published(s, 1e-3, 1e-5);
            s.evidence(a, b, m2, r2)
        });
        near(fixed_point, -0.3477052226);
        let wide_with_epsilon = mean(&wide(), 12, |s| {
            let [a, b, m2, r2] = published(s, 0.01, 1e-5);
            s.evidence(a, b, m2 + 1e-5, r2 + 1e-5)
        });
        near(wide_with_epsilon, -0.4451769600);
        // The program's slip, so that we know it for what it is.
        let without_the_zeros = mean(&wide(), 12, |s| {
            let [a, b, m2, r2] = published(s, 1e-3, 1e-5);
            s.evidence(a, b, m2, r2) + 0.5 * (s.d - s.values.len() as f64) * a.ln()
        });
        near(without_the_zeros, 0.1731664323);
    }
}
