use std::path::Path;

use crate::predictions::{CLASS_PREFIX, number};
use crate::{LabelMetrics, RunError};

/// Columns before the probabilities.
const COLUMNS: [&str; 4] = ["file", "split", "truth", "predicted"];

/// What the network says of one picture's labels.
#[derive(Debug, Clone, PartialEq)]
pub struct LabelPrediction {
    /// Name of the picture, relative to the data's root.
    pub file: String,
    /// `train`, `val`, `test`.
    pub split: String,
    /// Indices of the labels it has, ascending.
    pub truth: Vec<usize>,
    /// Indices of the labels it is said to have, ascending.
    pub predicted: Vec<usize>,
    /// Probability of each label, `[C]`.
    pub probabilities: Vec<f32>,
}

impl LabelPrediction {
    /// A row; an image is said to have each label whose probability reaches its threshold.
    pub fn new(
        file: impl Into<String>,
        split: impl Into<String>,
        truth: Vec<usize>,
        probabilities: Vec<f32>,
        thresholds: &[f64],
    ) -> Self {
        let predicted = labels_of(&probabilities, thresholds);
        Self { file: file.into(), split: split.into(), truth, predicted, probabilities }
    }

    /// Whether the labels are all told right, and no other.
    pub fn is_right(&self) -> bool {
        self.predicted == self.truth
    }

    /// How surely it is wrong: the largest probability that a wrong answer was given, 0 where none is.
    pub fn worst(&self) -> f32 {
        let of = |(label, p): (usize, &f32)| match (
            self.predicted.contains(&label),
            self.truth.contains(&label),
        ) {
            (true, false) => *p,
            (false, true) => 1.0 - *p,
            (true, true) | (false, false) => 0.0,
        };
        self.probabilities.iter().enumerate().map(of).fold(0.0, f32::max)
    }
}

/// The labels whose probability reaches their threshold, ascending.
pub fn labels_of(probabilities: &[f32], thresholds: &[f64]) -> Vec<usize> {
    let pairs = probabilities.iter().zip(thresholds).enumerate();
    pairs.filter(|(_, (p, least))| f64::from(**p) >= **least).map(|(label, _)| label).collect()
}

/// `predictions.csv` where images have several labels: `file, split, truth, predicted`, with `|` between labels,
/// then a column `p:<label>` for each label. Probabilities keep their bits.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct LabelPredictions {
    /// Label names in the order of the outputs; no two alike.
    pub labels: Vec<String>,
    /// One picture a row.
    pub rows: Vec<LabelPrediction>,
}

impl LabelPredictions {
    /// Metrics over the rows of one split.
    ///
    /// # Errors
    /// As [`LabelMetrics::new`], in particular when the split has no rows.
    pub fn metrics(&self, split: &str, thresholds: &[f64]) -> Result<LabelMetrics, RunError> {
        let rows: Vec<_> = self.rows.iter().filter(|r| r.split == split).collect();
        let truth: Vec<_> = rows.iter().map(|r| r.truth.clone()).collect();
        let probabilities: Vec<_> =
            rows.iter().flat_map(|r| r.probabilities.iter().copied()).collect();
        LabelMetrics::new(&self.labels, &truth, &probabilities, thresholds)
    }

    /// The table as CSV.
    ///
    /// # Errors
    /// When a row does not fit the labels.
    pub fn to_csv(&self) -> Result<Vec<u8>, RunError> {
        let fail = |source| RunError::Csv { path: Path::new("predictions.csv").to_owned(), source };
        let mut out = csv::Writer::from_writer(Vec::new());
        let header = COLUMNS.iter().map(|c| (*c).to_owned());
        let header = header.chain(self.labels.iter().map(|l| format!("{CLASS_PREFIX}{l}")));
        out.write_record(header).map_err(fail)?;
        for (i, row) in self.rows.iter().enumerate() {
            out.write_record(self.cells(i, row)?).map_err(fail)?;
        }
        out.into_inner().map_err(|e| fail(e.into_error().into()))
    }

    fn cells(&self, i: usize, row: &LabelPrediction) -> Result<Vec<String>, RunError> {
        let classes = self.labels.len();
        let names = |set: &[usize]| -> Result<String, RunError> {
            let name = |class: &usize| {
                let found = self.labels.get(*class).map(String::as_str);
                found.ok_or(RunError::ClassRange { row: i, class: *class, classes })
            };
            Ok(set.iter().map(name).collect::<Result<Vec<_>, _>>()?.join("|"))
        };
        if row.probabilities.len() != classes {
            let got = row.probabilities.len();
            return Err(RunError::Lengths { images: 1, classes, wanted: classes, got });
        }
        let mut cells =
            vec![row.file.clone(), row.split.clone(), names(&row.truth)?, names(&row.predicted)?];
        cells.extend(row.probabilities.iter().copied().map(number));
        Ok(cells)
    }
}
