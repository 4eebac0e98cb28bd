use faer::{Mat, MatRef};
use regraft_probe::{Features, ProbeError, Targets};

use crate::AdviseError;

/// Rows read, and worked on, at a time.
pub(crate) const ROWS: usize = 256;

/// Numbers `[n, d]`, row-major and finite, read block by block: a row for each image.
#[derive(Debug, Clone, Copy)]
pub struct Table<'a>(Source<'a>);

#[derive(Debug, Clone, Copy)]
enum Source<'a> {
    Single(Features<'a>),
    Double { x: &'a [f64], n: usize, d: usize },
}

impl<'a> From<Features<'a>> for Table<'a> {
    fn from(features: Features<'a>) -> Self {
        Self(Source::Single(features))
    }
}

impl<'a> Table<'a> {
    /// A view of `x`, `[n, d]` row-major.
    ///
    /// Fails like [`Features::new`].
    pub fn double(x: &'a [f64], n: usize, d: usize) -> Result<Self, AdviseError> {
        let wanted = n.saturating_mul(d);
        if x.len() != wanted || wanted == 0 {
            let (got, wanted) = (x.len(), wanted.max(1));
            let what = "features";
            return Err(ProbeError::Shape { what, rows: n, columns: d, got, wanted }.into());
        }
        if let Some(at) = x.iter().position(|v| !v.is_finite()) {
            let (row, column, value) = (at / d, at % d, x[at]);
            return Err(ProbeError::NotFinite { what: "features", row, column, value }.into());
        }
        Ok(Self(Source::Double { x, n, d }))
    }

    /// Number of images `n`.
    pub fn rows(&self) -> usize {
        match self.0 {
            Source::Single(features) => features.rows(),
            Source::Double { n, .. } => n,
        }
    }

    /// Numbers of each, `d`.
    pub fn columns(&self) -> usize {
        match self.0 {
            Source::Single(features) => features.columns(),
            Source::Double { d, .. } => d,
        }
    }

    /// The first rows of each block.
    pub(crate) fn firsts(&self) -> impl Iterator<Item = usize> + use<> {
        (0..self.rows()).step_by(ROWS)
    }

    /// The rows of the block that begins at `first`.
    pub(crate) fn block(&self, first: usize) -> Vec<usize> {
        (first..self.rows().min(first + ROWS)).collect()
    }

    /// The rows `picked` less `mean`, as the columns of a matrix `[d, picked]`; rows that follow one
    /// another are read together.
    pub(crate) fn columns_of(
        &self,
        picked: &[usize],
        mean: &[f64],
    ) -> Result<Mat<f64>, AdviseError> {
        let mut out = Mat::zeros(self.columns(), picked.len());
        self.each(picked, |at, row| {
            let values = out.col_as_slice_mut(at).iter_mut().zip(row).zip(mean);
            values.for_each(|((o, v), m)| *o = v - m);
        })?;
        Ok(out)
    }

    /// Calls `see` with each of the rows `picked`: its place in `picked`, and its values `[d]`.
    pub(crate) fn each(
        &self,
        picked: &[usize],
        mut see: impl FnMut(usize, &[f64]),
    ) -> Result<(), AdviseError> {
        let d = self.columns();
        let (mut buffer, mut wide) = (Vec::new(), vec![0.0; d]);
        let mut at = 0;
        while at < picked.len() {
            let first = picked[at];
            let run = (at..picked.len()).take_while(|&k| picked[k] == first + k - at).count();
            match &self.0 {
                Source::Single(features) => {
                    for row in features.span(first, run, &mut buffer)?.chunks_exact(d) {
                        wide.iter_mut().zip(row).for_each(|(w, &v)| *w = f64::from(v));
                        see(at, &wide);
                        at += 1;
                    }
                }
                Source::Double { x, .. } => {
                    for row in x[first * d..(first + run) * d].chunks_exact(d) {
                        see(at, row);
                        at += 1;
                    }
                }
            }
        }
        Ok(())
    }

    /// Calls `see` with every row and its values `[d]`, in order.
    pub(crate) fn every(&self, mut see: impl FnMut(usize, &[f64])) -> Result<(), AdviseError> {
        for first in self.firsts() {
            self.each(&self.block(first), |at, row| see(first + at, row))?;
        }
        Ok(())
    }

    /// Mean of each column, `[d]`.
    pub(crate) fn means(&self) -> Result<Vec<f64>, AdviseError> {
        let mut sums = vec![0.0; self.columns()];
        self.every(|_, row| sums.iter_mut().zip(row).for_each(|(s, v)| *s += v))?;
        let n = self.rows() as f64;
        Ok(sums.into_iter().map(|s| s / n).collect())
    }
}

/// Adds columns, those of the images from `first` on, to the sums of their classes or labels, `[len, C]`.
pub(crate) fn class_sums(
    columns: MatRef<'_, f64>,
    first: usize,
    targets: &Targets<'_>,
    sums: &mut Mat<f64>,
) {
    for i in 0..columns.ncols() {
        for &label in targets.of(first + i) {
            let sum = sums.col_as_slice_mut(label);
            for (j, s) in sum.iter_mut().enumerate() {
                *s += columns[(j, i)];
            }
        }
    }
}
