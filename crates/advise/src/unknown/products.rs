use faer::Mat;

use crate::linalg::{add_scatter, dot, mirror};
use crate::scores::Shrinkage;
use crate::{AdviseError, Table};

use super::factor::Factor;

/// No direction has less than this part of the mean variance.
const LEAST: f64 = 1e-6;

/// Images less the mean of all of them, and their products with one another: classes as normal
/// distributions with one covariance follow from these alone, for any choice of the images.
pub(super) struct Products {
    /// Columns `[d, m]`.
    pub(super) images: Mat<f64>,
    /// The mean that was taken off, `[d]`.
    pub(super) mean: Vec<f64>,
    /// `[m, m]`.
    gram: Mat<f64>,
    /// Class of each.
    labels: Vec<usize>,
}

/// One covariance for all classes, of some of the images: `least·I + share·Zᵀ·Z`, with the images less the
/// means of their classes as the rows of `Z`.
pub(super) struct Spread {
    /// Variance that every direction has at the least.
    pub(super) least: f64,
    /// Share of the scatter matrix.
    pub(super) share: f64,
    /// Cholesky factor of `least·I + share·Z·Zᵀ`.
    pub(super) factor: Factor,
}

/// What the means of classes have to do with the images and with one another.
struct Means {
    /// The class of each kept image, by its place in `classes`.
    of: Vec<usize>,
    /// Products of all images with the means, `[m, classes]`.
    images: Mat<f64>,
    /// Products of the means with one another.
    among: Mat<f64>,
}

impl Products {
    /// Of the images `rows`, ascending.
    pub(super) fn new(
        table: Table<'_>,
        rows: &[usize],
        labels: Vec<usize>,
    ) -> Result<Self, AdviseError> {
        let mut images = table.columns_of(rows, &vec![0.0; table.columns()])?;
        let count = rows.len().max(1) as f64;
        let mut mean = vec![0.0; images.nrows()];
        for i in 0..images.ncols() {
            let column = images.col_as_slice(i);
            mean.iter_mut().zip(column).for_each(|(m, v)| *m += v / count);
        }
        for i in 0..images.ncols() {
            images.col_as_slice_mut(i).iter_mut().zip(&mean).for_each(|(v, m)| *v -= m);
        }
        let mut gram = Mat::zeros(rows.len(), rows.len());
        add_scatter(&mut gram, images.transpose());
        mirror(&mut gram);
        Ok(Self { images, mean, gram, labels })
    }

    /// Number of features.
    pub(super) fn features(&self) -> usize {
        self.images.nrows()
    }

    fn means(&self, kept: &[usize], classes: &[usize]) -> Means {
        let place = |i: &usize| classes.partition_point(|&c| c < self.labels[*i]);
        let of: Vec<usize> = kept.iter().map(place).collect();
        let mut counts = vec![0.0; classes.len()];
        for &c in &of {
            counts[c] += 1.0;
        }
        let mut images = Mat::zeros(self.labels.len(), classes.len());
        for (&i, &c) in kept.iter().zip(&of) {
            let column = images.col_as_slice_mut(c).iter_mut();
            let products = self.gram.col_as_slice(i);
            column.zip(products).for_each(|(m, v): (&mut f64, _)| *m += v / counts[c]);
        }
        let mut among = Mat::zeros(classes.len(), classes.len());
        for (&i, &c) in kept.iter().zip(&of) {
            for other in 0..classes.len() {
                among[(c, other)] += images[(i, other)] / counts[c];
            }
        }
        Means { of, images, among }
    }

    fn classes_of(&self, kept: &[usize]) -> Vec<usize> {
        let mut classes: Vec<usize> = kept.iter().map(|&i| self.labels[i]).collect();
        classes.sort_unstable();
        classes.dedup();
        classes
    }

    /// The covariance of all images.
    pub(super) fn spread(&self) -> Result<Spread, AdviseError> {
        let kept: Vec<usize> = (0..self.labels.len()).collect();
        let classes = self.classes_of(&kept);
        let means = self.means(&kept, &classes);
        self.spread_of(&kept, &means)
    }

    fn spread_of(&self, kept: &[usize], means: &Means) -> Result<Spread, AdviseError> {
        let n = kept.len();
        // Products of the images less the means of their classes.
        let mut inner = Mat::zeros(n, n);
        for (b, (&j, &of_j)) in kept.iter().zip(&means.of).enumerate() {
            let (products, others) = (self.gram.col_as_slice(j), means.images.col_as_slice(of_j));
            let column = inner.col_as_slice_mut(b);
            for (a, (&i, &of_i)) in kept.iter().zip(&means.of).enumerate() {
                let mean = means.among[(of_i, of_j)];
                column[a] = products[i] - means.images[(j, of_i)] - others[i] + mean;
            }
        }
        let norms: Vec<f64> = (0..n).map(|i| inner[(i, i)].max(0.0)).collect();
        let square = (0..n).map(|j| dot(inner.col_as_slice(j), inner.col_as_slice(j))).sum();
        let [least, share] = shrunk(norms.iter().sum(), square, &norms, self.features());
        for j in 0..n {
            inner.col_as_slice_mut(j).iter_mut().for_each(|v| *v *= share);
            inner[(j, j)] += least;
        }
        Ok(Spread { least, share, factor: Factor::new(inner)? })
    }

    /// Squared Mahalanobis distances of the images `judged` to the nearest class mean of the images `kept`,
    /// at least one.
    pub(super) fn distances(
        &self,
        kept: &[usize],
        judged: &[usize],
    ) -> Result<Vec<f64>, AdviseError> {
        let classes = self.classes_of(kept);
        let means = self.means(kept, &classes);
        let spread = self.spread_of(kept, &means)?;
        let count = means.among.ncols();
        // Products of the judged images, then of the means, with the rows of Z.
        let mut along = Mat::zeros(kept.len(), judged.len() + count);
        for (at, &x) in judged.iter().enumerate() {
            let column = along.col_as_slice_mut(at).iter_mut();
            for ((v, &i), &c) in column.zip(kept).zip(&means.of) {
                *v = self.gram[(i, x)] - means.images[(x, c)];
            }
        }
        for mean in 0..count {
            let column = along.col_as_slice_mut(judged.len() + mean).iter_mut();
            for ((v, &i), &c) in column.zip(kept).zip(&means.of) {
                *v = means.images[(i, mean)] - means.among[(mean, c)];
            }
        }
        spread.factor.solve_lower(along.as_mut());
        let one = |(at, &x): (usize, &usize)| {
            let to = |c: usize| {
                let plain = self.gram[(x, x)] - 2.0 * means.images[(x, c)] + means.among[(c, c)];
                let (own, mean) = (along.col_as_slice(at), along.col_as_slice(judged.len() + c));
                let less: f64 = own.iter().zip(mean).map(|(a, b)| (a - b).powi(2)).sum();
                ((plain - spread.share * less) / spread.least).max(0.0)
            };
            (0..count).map(to).fold(f64::INFINITY, f64::min)
        };
        Ok(judged.iter().enumerate().map(one).collect())
    }

    /// The classes there are, their means less the mean of all images, `[d, classes]`, and the images less the
    /// means of their classes, `Zᵀ`, `[d, m]`.
    pub(super) fn centred(&self) -> (Vec<usize>, Mat<f64>, Mat<f64>) {
        let classes = self.classes_of(&(0..self.labels.len()).collect::<Vec<usize>>());
        let place = |i: usize| classes.partition_point(|&c| c < self.labels[i]);
        let mut counts = vec![0.0; classes.len()];
        (0..self.labels.len()).for_each(|i| counts[place(i)] += 1.0);
        let mut means = Mat::zeros(self.features(), classes.len());
        for i in 0..self.labels.len() {
            let (c, image) = (place(i), self.images.col_as_slice(i));
            let mean = means.col_as_slice_mut(c).iter_mut();
            mean.zip(image).for_each(|(m, v): (&mut f64, _)| *m += v / counts[c]);
        }
        let mut centred = self.images.clone();
        for i in 0..self.labels.len() {
            let column = centred.col_as_slice_mut(i).iter_mut();
            column.zip(means.col_as_slice(place(i))).for_each(|(v, m)| *v -= m);
        }
        (classes, means, centred)
    }
}

/// The variance that every direction has at the least, and the share of the scatter matrix, from the matrix's
/// trace and sum of squares and the squared lengths of the images in it; shrunk as Ledoit and Wolf say.
pub(super) fn shrunk(trace: f64, square: f64, norms: &[f64], d: usize) -> [f64; 2] {
    let shrinkage = Shrinkage::of(trace, square, norms, d);
    let (alpha, mean) = (shrinkage.alpha.min(1.0), shrinkage.mean);
    // Images that are all the same have no variance: any distance from them is far.
    let least = (alpha * mean).max(LEAST * mean).max(f64::from(f32::MIN_POSITIVE));
    [least, (1.0 - alpha) / norms.len() as f64]
}
