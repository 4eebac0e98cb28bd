use std::io;

use crate::ProbeError;
use crate::input::{check_len, check_values};

/// Rows read, and worked on, at a time: as `f64` they fit into a core's second cache, and each is
/// long enough to keep the arithmetic busy.
pub(crate) const ROWS: usize = 256;

/// Feature rows that can be read again and again, in any order, from several threads: a file, or a
/// choice of rows and columns of one. A fit goes over them some tens of times and holds a few
/// blocks of them at a time.
pub trait Rows: Sync {
    /// Number of examples `n`.
    fn rows(&self) -> usize;

    /// Number of features `d`.
    fn columns(&self) -> usize;

    /// Rows `first..first + count`, `[count, d]` row-major: a view of what is in memory, or read
    /// into `buffer`, which is reused from call to call. The same values each time.
    ///
    /// # Errors
    /// When they cannot be read.
    fn read<'b>(
        &'b self,
        first: usize,
        count: usize,
        buffer: &'b mut Vec<f32>,
    ) -> io::Result<&'b [f32]>;
}

/// Where the rows are.
#[derive(Clone, Copy)]
enum Source<'a> {
    Slice(&'a [f32]),
    Rows(&'a dyn Rows),
}

/// A checked view of features `[n, d]`: no empty axis, every value finite.
#[derive(Clone, Copy)]
pub struct Features<'a> {
    source: Source<'a>,
    rows: usize,
    columns: usize,
}

impl std::fmt::Debug for Features<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Features [{}, {}]", self.rows, self.columns)
    }
}

impl<'a> Features<'a> {
    /// A view of `x`, `[n, d]` row-major.
    ///
    /// Fails when `n` or `d` is 0, when the length is not `n * d`, and when a value is not finite
    /// (the first such row and column are named).
    pub fn new(x: &'a [f32], n: usize, d: usize) -> Result<Self, ProbeError> {
        check_values("features", x, n, d)?;
        Ok(Self { source: Source::Slice(x), rows: n, columns: d })
    }

    /// A view of rows that are read when they are needed; reads all of them once.
    ///
    /// Fails like [`Features::new`], and when the rows cannot be read.
    pub fn from_rows(rows: &'a dyn Rows) -> Result<Self, ProbeError> {
        let (n, d) = (rows.rows(), rows.columns());
        check_len("features", n.saturating_mul(d), n, d)?;
        let all = Self { source: Source::Rows(rows), rows: n, columns: d };
        let mut buffer = Vec::new();
        for first in (0..n).step_by(ROWS) {
            let block = all.block(first, &mut buffer)?;
            if let Some(at) = block.iter().position(|v| !v.is_finite()) {
                let (row, column) = (first + at / d, at % d);
                let value = f64::from(block[at]);
                return Err(ProbeError::NotFinite { what: "features", row, column, value });
            }
        }
        Ok(all)
    }

    /// Number of examples `n`.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of features `d`.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// The block of up to `ROWS` rows that begins at `first`, `[b, d]`.
    pub(crate) fn block<'b>(
        &'b self,
        first: usize,
        buffer: &'b mut Vec<f32>,
    ) -> Result<&'b [f32], ProbeError> {
        self.span(first, ROWS.min(self.rows - first), buffer)
    }

    /// Rows `first..first + count`, `[count, d]` row-major: a view of what is in memory, or read into
    /// `buffer`. For rooms above that have sums of their own to make.
    ///
    /// Fails when the rows cannot be read.
    ///
    /// # Panics
    /// When there are no such rows.
    pub fn span<'b>(
        &'b self,
        first: usize,
        count: usize,
        buffer: &'b mut Vec<f32>,
    ) -> Result<&'b [f32], ProbeError> {
        let wanted = count * self.columns;
        match self.source {
            Source::Slice(x) => Ok(&x[first * self.columns..][..wanted]),
            Source::Rows(rows) => {
                let got = rows.read(first, count, buffer).map_err(|e| ProbeError::Read {
                    first,
                    count,
                    kind: e.kind(),
                    reason: e.to_string(),
                })?;
                check_len("features", got.len(), count, self.columns)?;
                Ok(got)
            }
        }
    }

    /// The rows `picked`, ascending, less `centre`: `out` becomes `[picked, d]` row-major. Reads from
    /// the first of them to the last.
    pub(crate) fn centred_into<T: Number>(
        &self,
        picked: &[usize],
        centre: &Centre<T>,
        buffer: &mut Vec<f32>,
        out: &mut [T],
    ) -> Result<(), ProbeError> {
        let (&[first, ..], &[.., last]) = (picked, picked) else { return Ok(()) };
        let d = self.columns;
        let rows = self.span(first, last - first + 1, buffer)?;
        for (out, i) in out.chunks_exact_mut(d).zip(picked) {
            let values = rows[(i - first) * d..][..d].iter().zip(&centre.mean);
            for (o, (&v, &m)) in out.iter_mut().zip(values) {
                *o = T::centred(v, m, centre.unit);
            }
        }
        Ok(())
    }
}

/// What is taken off each row, `[d]`, and what the rest is multiplied by.
pub(crate) struct Centre<T> {
    pub(crate) mean: Vec<T>,
    pub(crate) unit: T,
}

/// `f32` or `f64`: in which a product over all rows is made.
pub(crate) trait Number: faer::traits::ComplexField + Copy + Send + Sync {
    const ZERO: Self;
    fn narrow(value: f64) -> Self;
    fn wide(self) -> f64;
    /// `(value - mean) * unit`.
    fn centred(value: f32, mean: Self, unit: Self) -> Self;
}

impl Number for f32 {
    const ZERO: Self = 0.0;
    fn narrow(value: f64) -> Self {
        value as f32
    }
    fn wide(self) -> f64 {
        f64::from(self)
    }
    #[inline]
    fn centred(value: f32, mean: f32, unit: f32) -> f32 {
        (value - mean) * unit
    }
}

impl Number for f64 {
    const ZERO: Self = 0.0;
    fn narrow(value: f64) -> Self {
        value
    }
    fn wide(self) -> f64 {
        self
    }
    #[inline]
    fn centred(value: f32, mean: f64, unit: f64) -> f64 {
        (f64::from(value) - mean) * unit
    }
}
