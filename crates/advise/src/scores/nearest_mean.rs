use faer::{Mat, MatRef};
use rayon::prelude::*;

use crate::linalg::{dot, product_here};
use crate::moments::Second;
use crate::{AdviseError, Moments};

/// What [`nearest_mean`] gives.
#[derive(Debug, Clone, PartialEq)]
pub struct NearestMean {
    /// Share of images predicted rightly, 0 to 1.
    pub top1: f64,
    /// Whether each image was, `[n]`.
    pub right: Vec<bool>,
}

/// Leave-one-out accuracy of the classifier by the nearest class mean (Mensink, Verbeek, Perronnin,
/// Csurka, Distance-based image classification, PAMI 2013, equation 1; Euclidean).
///
/// An image's own class has its mean without it: its distance grows by `n_c/(n_c - 1)`. The only image of
/// a class leaves none behind and is always wrong.
pub fn nearest_mean(moments: &Moments<'_>) -> Result<NearestMean, AdviseError> {
    let counts = moments.labels.counts();
    let labels = moments.labels.values();
    let (centres, products) = products(moments)?;
    let one = |(i, row): (usize, &[f64])| {
        let label = labels[i];
        let distance = |c: usize| {
            let plain = (moments.norms[i] - 2.0 * row[c] + centres[c]).max(0.0);
            let count = counts[c] as f64;
            match (c == label, counts[c]) {
                (true, 1) => f64::INFINITY,
                (true, _) => plain * (count / (count - 1.0)).powi(2),
                (false, _) => plain,
            }
        };
        let own = distance(label);
        (0..counts.len()).all(|c| c == label || distance(c) > own)
    };
    let right: Vec<bool> = products.par_chunks(counts.len()).enumerate().map(one).collect();
    let hits = right.iter().filter(|&&r| r).count();
    Ok(NearestMean { top1: hits as f64 / labels.len() as f64, right })
}

/// Squared lengths of the centred class means, `[C]`, and their products with the centred features,
/// `[n, C]`.
fn products(moments: &Moments<'_>) -> Result<(Vec<f64>, Vec<f64>), AdviseError> {
    let counts = moments.labels.counts();
    let labels = moments.labels.values();
    match &moments.second {
        Second::Gram { gram, .. } => {
            let n = labels.len();
            let mut products = vec![0.0; n * counts.len()];
            for i in 0..n {
                for (j, &label) in labels.iter().enumerate() {
                    products[i * counts.len() + label] += gram[(i, j)] / counts[label] as f64;
                }
            }
            let mut centres = vec![0.0; counts.len()];
            for (i, &label) in labels.iter().enumerate() {
                centres[label] += products[i * counts.len() + label] / counts[label] as f64;
            }
            Ok((centres, products))
        }
        Second::Scatter { sums, .. } => {
            let d = moments.columns();
            let means = Mat::from_fn(d, counts.len(), |j, c| sums[(j, c)] / counts[c] as f64);
            let length = |c: usize| dot(means.col_as_slice(c), means.col_as_slice(c));
            let firsts: Vec<usize> = moments.table.firsts().collect();
            let one = |&first: &usize| {
                let x = moments.table.columns_of(&moments.table.block(first), &moments.mean)?;
                Ok(columns(product_here(means.transpose(), x.as_ref()).as_ref()))
            };
            let blocks: Vec<Vec<f64>> =
                firsts.par_iter().map(one).collect::<Result<_, AdviseError>>()?;
            Ok(((0..counts.len()).map(length).collect(), blocks.concat()))
        }
    }
}

/// The values column by column.
fn columns(matrix: MatRef<'_, f64>) -> Vec<f64> {
    (0..matrix.ncols()).flat_map(|j| (0..matrix.nrows()).map(move |i| matrix[(i, j)])).collect()
}
