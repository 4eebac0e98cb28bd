use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use regraft_probe::{Features, Labels};

/// Features with class means, and labels.
pub(crate) struct Set {
    pub(crate) x: Vec<f32>,
    pub(crate) y: Vec<usize>,
    pub(crate) n: usize,
    pub(crate) d: usize,
    pub(crate) classes: usize,
}

impl Set {
    pub(crate) fn new(n: usize, d: usize, classes: usize, spread: f64, seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let means: Vec<f64> = (0..classes * d).map(|_| normal(&mut rng)).collect();
        let y: Vec<usize> = (0..n).map(|i| i % classes).collect();
        let mut x = Vec::with_capacity(n * d);
        for &label in &y {
            for j in 0..d {
                x.push((0.3 + means[label * d + j] + spread * normal(&mut rng)) as f32);
            }
        }
        Self { x, y, n, d, classes }
    }

    pub(crate) fn features(&self) -> Features<'_> {
        Features::new(&self.x, self.n, self.d).unwrap()
    }

    pub(crate) fn labels(&self) -> Labels<'_> {
        Labels::new(&self.y, self.classes).unwrap()
    }

    /// The examples at `rows`, in that order.
    pub(crate) fn pick(&self, rows: &[usize]) -> Self {
        let row = |&i: &usize| self.x[i * self.d..(i + 1) * self.d].to_vec();
        Self {
            x: rows.iter().flat_map(row).collect(),
            y: rows.iter().map(|&i| self.y[i]).collect(),
            n: rows.len(),
            d: self.d,
            classes: self.classes,
        }
    }
}

/// Sum of twelve uniform numbers less six.
pub(crate) fn normal(rng: &mut ChaCha8Rng) -> f64 {
    (0..12).map(|_| f64::from(rng.next_u32()) / 4294967296.0).sum::<f64>() - 6.0
}

pub(crate) fn largest_difference(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

/// Ridge with intercept by Gaussian elimination on the normal equations of the examples that are
/// `kept`; scores `[n, C]` of all examples.
pub(crate) fn slow_ridge(set: &Set, penalty: f64, kept: &dyn Fn(usize) -> bool) -> Vec<f64> {
    let (d, classes) = (set.d, set.classes);
    let used: Vec<usize> = (0..set.n).filter(|&i| kept(i)).collect();
    let m = used.len() as f64;
    let x = |i: usize, j: usize| f64::from(set.x[i * d + j]);
    let mean: Vec<f64> = (0..d).map(|j| used.iter().map(|&i| x(i, j)).sum::<f64>() / m).collect();
    let prior: Vec<f64> =
        (0..classes).map(|c| used.iter().filter(|&&i| set.y[i] == c).count() as f64 / m).collect();
    let mut a = vec![vec![0.0; d + classes]; d];
    for (j, row) in a.iter_mut().enumerate() {
        for &i in &used {
            let v = x(i, j) - mean[j];
            for k in 0..d {
                row[k] += v * (x(i, k) - mean[k]);
            }
            for c in 0..classes {
                row[d + c] += v * (f64::from(u8::from(set.y[i] == c)) - prior[c]);
            }
        }
        row[j] += penalty;
    }
    eliminate(&mut a, d);
    let score = |i: usize, c: usize| {
        prior[c] + (0..d).map(|j| (x(i, j) - mean[j]) * a[j][d + c]).sum::<f64>()
    };
    (0..set.n * classes).map(|k| score(k / classes, k % classes)).collect()
}

/// Gauss-Jordan with pivoting on `[d, d + C]`.
fn eliminate(a: &mut [Vec<f64>], d: usize) {
    for p in 0..d {
        let best = (p..d).max_by(|&i, &j| a[i][p].abs().total_cmp(&a[j][p].abs())).unwrap();
        a.swap(p, best);
        let pivot = a[p].clone();
        for (i, row) in a.iter_mut().enumerate() {
            let factor = if i == p { 1.0 - 1.0 / pivot[p] } else { row[p] / pivot[p] };
            row.iter_mut().zip(&pivot).for_each(|(v, p)| *v -= factor * p);
        }
    }
}

/// Runs `work` on a pool of `threads`.
pub(crate) fn with_threads<T: Send>(threads: usize, work: impl FnOnce() -> T + Send) -> T {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(work)
}
