use faer::{Mat, MatRef};

use super::factor::Factor;
use super::products::{Products, shrunk};
use crate::AdviseError;
use crate::linalg::{add_scatter, dot, mirror, product_here};

/// Classes as normal distributions with one covariance for all (Lee, Lee, Lee, Shin, A simple unified
/// framework for detecting out-of-distribution samples, 2018, section 2, on the last features and without
/// input noise), shrunk as Ledoit and Wolf say, so that there may be more features than images.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Tied {
    pub(super) features: usize,
    /// Means of the classes that had images, `[classes, d]`.
    pub(super) means: Vec<f32>,
    /// `[k, d]`. With `rest`, what the directions of the images take off the distance by `rest` alone; without,
    /// the inverse of the covariance's Cholesky factor.
    pub(super) axes: Vec<f32>,
    /// Variance of every direction that no image has.
    pub(super) rest: Option<f64>,
}

/// A [`Tied`] ready to judge many images.
pub(super) struct Judge<'a> {
    tied: &'a Tied,
    axes: Mat<f64>,
    means: Mat<f64>,
    /// The means on the axes, `[k, classes]`.
    along: Mat<f64>,
}

impl Tied {
    /// From all images of `products`.
    pub(super) fn fit(products: &Products) -> Result<Self, AdviseError> {
        let d = products.features();
        let (_, means, centred) = products.centred();
        let (axes, rest) = if centred.ncols() <= d {
            let spread = products.spread()?;
            let mut axes = centred.transpose().to_owned();
            spread.factor.solve_lower(axes.as_mut());
            let scale = spread.share.sqrt() / spread.least.sqrt();
            for j in 0..axes.ncols() {
                axes.col_as_slice_mut(j).iter_mut().for_each(|v| *v *= scale);
            }
            (axes, Some(spread.least))
        } else {
            let mut scatter = Mat::zeros(d, d);
            add_scatter(&mut scatter, centred.as_ref());
            mirror(&mut scatter);
            let length = |i: usize| dot(centred.col_as_slice(i), centred.col_as_slice(i));
            let norms: Vec<f64> = (0..centred.ncols()).map(length).collect();
            let square = |j: usize| dot(scatter.col_as_slice(j), scatter.col_as_slice(j));
            let square = (0..d).map(square).sum();
            let [least, share] = shrunk(norms.iter().sum(), square, &norms, d);
            for j in 0..d {
                scatter.col_as_slice_mut(j).iter_mut().for_each(|v| *v *= share);
                scatter[(j, j)] += least;
            }
            let mut axes = Mat::identity(d, d);
            Factor::new(scatter)?.solve_lower(axes.as_mut());
            (axes, None)
        };
        let mean = |c: usize| {
            let column = means.col_as_slice(c).iter();
            column.zip(&products.mean).map(|(v, m)| (v + m) as f32).collect::<Vec<f32>>()
        };
        let rows = |m: MatRef<'_, f64>| -> Vec<f32> {
            let row = |i: usize| (0..m.ncols()).map(move |j| m[(i, j)] as f32);
            (0..m.nrows()).flat_map(row).collect()
        };
        Ok(Self {
            features: d,
            means: (0..means.ncols()).flat_map(mean).collect(),
            axes: rows(axes.as_ref()),
            rest,
        })
    }

    /// Whether the parts have the sizes that they say.
    pub(super) fn is_whole(&self) -> bool {
        let d = self.features;
        let finite = |list: &[f32]| list.iter().all(|v| v.is_finite());
        d > 0
            && !self.means.is_empty()
            && self.means.len().is_multiple_of(d)
            && self.axes.len().is_multiple_of(d)
            && self.rest.is_none_or(|rest| rest > 0.0 && rest.is_finite())
            && finite(&self.means)
            && finite(&self.axes)
    }

    /// Makes ready to judge.
    pub(super) fn judge(&self) -> Judge<'_> {
        let d = self.features;
        let wide =
            |list: &[f32]| Mat::from_fn(d, list.len() / d, |j, c| f64::from(list[c * d + j]));
        let (axes, means) = (wide(&self.axes), wide(&self.means));
        let along = product_here(axes.transpose(), means.as_ref());
        Judge { tied: self, axes, means, along }
    }
}

impl Judge<'_> {
    /// Squared distances of the columns of `x`, `[d, b]`, to their nearest class means,
    /// `(x - m)ᵀ Σ⁻¹ (x - m)`.
    pub(super) fn distances(&self, x: MatRef<'_, f64>) -> Vec<f64> {
        let along = product_here(self.axes.transpose(), x);
        let one = |i: usize| {
            let image: Vec<f64> = (0..x.nrows()).map(|j| x[(j, i)]).collect();
            let to = |c: usize| {
                let (a, b) = (along.col_as_slice(i), self.along.col_as_slice(c));
                let inner: f64 = a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum();
                let Some(rest) = self.tied.rest else { return inner };
                let plain = image.iter().zip(self.means.col_as_slice(c));
                let plain: f64 = plain.map(|(v, m)| (v - m).powi(2)).sum();
                (plain / rest - inner).max(0.0)
            };
            (0..self.means.ncols()).map(to).fold(f64::INFINITY, f64::min)
        };
        (0..x.ncols()).map(one).collect()
    }
}
