use faer::{Mat, MatRef};

use crate::{AdviseError, Moments};

/// Principal axes that are kept, as in the paper.
const AXES: usize = 64;
/// No variance is smaller.
const FLOOR: f64 = 1e-4;

/// The shape of a class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Spread {
    /// A variance for each axis.
    Diagonal,
    /// One variance for all axes.
    Spherical,
}

/// Gaussian Bhattacharyya coefficient, at most 0: how much classes overlap, each taken for a normal
/// distribution (Pándy, Agostinelli, Uijlings, Ferrari, Mensink, Transferability estimation using
/// Bhattacharyya class separability, CVPR 2022), on the first 64 principal axes.
///
/// `-Σ_{i≠j} exp(-D_B)` over ordered pairs. Variances divide by the number of images and are at least
/// 10⁻⁴ (so the scale of the features matters, and a class with one image is a very small ball).
pub fn gbc(moments: &Moments<'_>, spread: Spread) -> Result<f64, AdviseError> {
    let k = moments.axes.values.len();
    let kept = k.min(AXES);
    let first = k - kept;
    let choice = Mat::from_fn(k, kept, |j, a| if j == first + a { 1.0 } else { 0.0 });
    let blocks = moments.axes.over(moments.table, choice.as_ref(), |_, z| z.to_owned())?;
    Ok(overlap(&blocks, moments.labels.values(), moments.labels.counts(), spread))
}

/// The coefficient of points `[a, b]` in blocks.
fn overlap(blocks: &[Mat<f64>], labels: &[usize], counts: &[usize], spread: Spread) -> f64 {
    let axes = blocks.first().map_or(0, Mat::nrows);
    let columns = || blocks.iter().flat_map(|b| (0..b.ncols()).map(move |i| b.col_as_slice(i)));
    let mut means = Mat::<f64>::zeros(axes, counts.len());
    for (z, &label) in columns().zip(labels) {
        let mean = means.col_as_slice_mut(label).iter_mut().zip(z);
        mean.for_each(|(m, v)| *m += v / counts[label] as f64);
    }
    let mut variances = Mat::<f64>::zeros(axes, counts.len());
    for (z, &label) in columns().zip(labels) {
        let mean = means.col_as_slice(label).iter().zip(z);
        let variance = variances.col_as_slice_mut(label).iter_mut().zip(mean);
        variance.for_each(|(s, (m, v))| *s += (v - m).powi(2) / counts[label] as f64);
    }
    for c in 0..counts.len() {
        let one = variances.col_as_slice_mut(c);
        match spread {
            Spread::Diagonal => one.iter_mut().for_each(|v| *v = v.max(FLOOR)),
            Spread::Spherical => {
                let mean = one.iter().sum::<f64>() / one.len().max(1) as f64;
                one.fill(mean.max(FLOOR));
            }
        }
    }
    let pairs = (0..counts.len()).flat_map(|i| (0..i).map(move |j| (i, j)));
    let one =
        |(i, j): (usize, usize)| (-distance([means.as_ref(), variances.as_ref()], i, j)).exp();
    // No -0 where nothing overlaps.
    0.0 - 2.0 * pairs.map(one).sum::<f64>()
}

/// Bhattacharyya's distance of two normal distributions with independent axes.
fn distance([means, variances]: [MatRef<'_, f64>; 2], i: usize, j: usize) -> f64 {
    let one = |a: usize| {
        let (vi, vj) = (variances[(a, i)], variances[(a, j)]);
        let both = 0.5 * (vi + vj);
        let apart = (means[(a, i)] - means[(a, j)]).powi(2) / both / 8.0;
        apart + 0.5 * (both.ln() - 0.5 * (vi.ln() + vj.ln()))
    };
    (0..means.nrows()).map(one).sum()
}

#[cfg(test)]
pub(in crate::scores) mod tests {
    use super::*;

    /// The worked example of the reference notes: eight images, four features, three classes.
    pub(in crate::scores) const F: [f64; 32] = [
        1.0, 0.0, 0.5, 2.0, 0.9, 0.1, 0.4, 1.0, 0.0, 1.0, 0.2, 0.5, 0.2, 0.8, 0.1, 0.0, //
        0.1, 0.2, 1.0, 1.5, 0.3, 0.1, 0.9, 2.0, 0.1, 1.1, 0.3, 1.0, 0.8, 0.2, 0.6, 0.0,
    ];
    pub(in crate::scores) const Y: [usize; 8] = [0, 0, 1, 1, 2, 2, 1, 0];

    #[test]
    fn the_overlap_of_features_not_turned_is_that_of_the_vectors() {
        let points = [Mat::from_fn(4, 8, |j, i| F[i * 4 + j])];
        let got = |spread| overlap(&points, &Y, &[3, 3, 2], spread);
        let diagonal = got(Spread::Diagonal);
        assert!((diagonal + 2.60935e-6).abs() < 5e-12, "{diagonal}");
        let spherical = got(Spread::Spherical);
        assert!((spherical + 0.3346778742).abs() < 5e-11, "{spherical}");
    }
}
