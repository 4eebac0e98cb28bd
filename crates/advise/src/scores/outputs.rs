use regraft_probe::{Labels, ProbeError};

use crate::{AdviseError, Table};

/// How far a row may add up to something else than 1: outputs in half precision are off by so much.
const SLACK: f64 = 1e-2;

/// Probabilities that the network gives each image for its own (the source's) classes, `[n, Z]`,
/// beside the image's label.
#[derive(Debug, Clone)]
pub struct Outputs<'a> {
    pub(crate) table: Table<'a>,
    pub(crate) labels: Labels<'a>,
}

impl<'a> Outputs<'a> {
    /// Checks that each row is a distribution: nothing below 0, a sum of 1 within 0.01.
    pub fn new(table: Table<'a>, labels: &Labels<'a>) -> Result<Self, AdviseError> {
        let (got, wanted) = (labels.values().len(), table.rows());
        if got != wanted {
            return Err(ProbeError::LabelCount { got, wanted }.into());
        }
        distributions(table)?;
        Ok(Self { table, labels: labels.clone() })
    }

    /// Number of images.
    pub fn rows(&self) -> usize {
        self.table.rows()
    }

    /// Number of the source's classes `Z`.
    pub fn classes(&self) -> usize {
        self.table.columns()
    }
}

/// Checks that each row is a distribution.
pub(crate) fn distributions(table: Table<'_>) -> Result<(), AdviseError> {
    let mut wrong = None;
    table.every(|row, values| {
        let sum: f64 = values.iter().sum();
        let smallest = values.iter().copied().fold(f64::INFINITY, f64::min);
        if wrong.is_none() && (smallest < 0.0 || (sum - 1.0).abs() > SLACK) {
            wrong = Some(AdviseError::NoProbabilities { row, sum, smallest });
        }
    })?;
    wrong.map_or(Ok(()), Err)
}
