use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use regraft_advise::{Moments, Table};
use regraft_probe::Labels;

/// The worked example of the reference notes: eight images, four features, three classes.
pub(crate) const F: [f64; 32] = [
    1.0, 0.0, 0.5, 2.0, 0.9, 0.1, 0.4, 1.0, 0.0, 1.0, 0.2, 0.5, 0.2, 0.8, 0.1, 0.0, //
    0.1, 0.2, 1.0, 1.5, 0.3, 0.1, 0.9, 2.0, 0.1, 1.1, 0.3, 1.0, 0.8, 0.2, 0.6, 0.0,
];
pub(crate) const Y: [usize; 8] = [0, 0, 1, 1, 2, 2, 1, 0];
/// Probabilities of three source classes.
pub(crate) const THETA: [f64; 24] = [
    0.7, 0.2, 0.1, 0.6, 0.3, 0.1, 0.1, 0.8, 0.1, 0.2, 0.5, 0.3, //
    0.1, 0.2, 0.7, 0.3, 0.3, 0.4, 0.25, 0.6, 0.15, 0.4, 0.1, 0.5,
];

/// Normal features around a mean for each class, and labels.
#[derive(Clone)]
pub(crate) struct Set {
    pub(crate) x: Vec<f64>,
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
                x.push(0.3 + means[label * d + j] + spread * normal(&mut rng));
            }
        }
        Self { x, y, n, d, classes }
    }

    pub(crate) fn table(&self) -> Table<'_> {
        Table::double(&self.x, self.n, self.d).unwrap()
    }

    pub(crate) fn labels(&self) -> Labels<'_> {
        Labels::new(&self.y, self.classes).unwrap()
    }

    pub(crate) fn moments(&self) -> Moments<'_> {
        Moments::new(self.table(), &self.labels()).unwrap()
    }

    pub(crate) fn single(&self) -> Vec<f32> {
        self.x.iter().map(|&v| v as f32).collect()
    }

    /// The images at `rows`, in that order.
    pub(crate) fn pick(&self, rows: &[usize]) -> Self {
        let row = |&i: &usize| self.x[i * self.d..(i + 1) * self.d].to_vec();
        Self {
            x: rows.iter().flat_map(row).collect(),
            y: rows.iter().map(|&i| self.y[i]).collect(),
            n: rows.len(),
            ..*self
        }
    }

    /// The features turned by a chain of plane rotations.
    pub(crate) fn turned(&self) -> Self {
        let mut all = self.clone();
        for (step, angle) in [(1, 0.7_f64), (2, 1.9), (3, 0.4)] {
            for j in 0..self.d - 1 {
                let k = (j + step) % self.d;
                if k == j {
                    continue;
                }
                let (sine, cosine) = (angle + j as f64).sin_cos();
                for row in all.x.chunks_mut(self.d) {
                    (row[j], row[k]) =
                        (cosine * row[j] - sine * row[k], sine * row[j] + cosine * row[k]);
                }
            }
        }
        all
    }
}

/// Sum of twelve uniform numbers less six.
pub(crate) fn normal(rng: &mut ChaCha8Rng) -> f64 {
    (0..12).map(|_| f64::from(rng.next_u32()) / 4294967296.0).sum::<f64>() - 6.0
}

pub(crate) fn rng(seed: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(seed)
}

#[track_caller]
pub(crate) fn near(got: f64, wanted: f64, slack: f64) {
    assert!((got - wanted).abs() <= slack, "{got} is not {wanted} within {slack:e}");
}

/// Runs `work` on a pool of `threads`.
pub(crate) fn with_threads<T: Send>(threads: usize, work: impl FnOnce() -> T + Send) -> T {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(work)
}
