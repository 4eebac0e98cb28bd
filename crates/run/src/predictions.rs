use std::collections::BTreeMap;
use std::path::Path;

use crate::{Metrics, RunError, top_class};

/// Columns before the probabilities.
const COLUMNS: [&str; 6] =
    ["file", "split", "truth", "predicted", "probability", "truth_probability"];

/// What begins the name of a probability column.
pub(crate) const CLASS_PREFIX: &str = "p:";

/// What the network says of one picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Prediction {
    /// Name of the picture, relative to the data's root.
    pub file: String,
    /// `train`, `val`, `test`.
    pub split: String,
    /// Index of the true class.
    pub truth: usize,
    /// Index of the most probable class.
    pub predicted: usize,
    /// Probability of each class, `[C]`.
    pub probabilities: Vec<f32>,
}

impl Prediction {
    /// A row; the predicted class is the most probable one.
    pub fn new(
        file: impl Into<String>,
        split: impl Into<String>,
        truth: usize,
        probabilities: Vec<f32>,
    ) -> Self {
        let predicted = top_class(&probabilities);
        Self { file: file.into(), split: split.into(), truth, predicted, probabilities }
    }

    /// Probability of the predicted class; 0 without one.
    pub fn probability(&self) -> f32 {
        self.probabilities.get(self.predicted).copied().unwrap_or(0.0)
    }

    /// Probability of the true class; 0 without one.
    pub fn truth_probability(&self) -> f32 {
        self.probabilities.get(self.truth).copied().unwrap_or(0.0)
    }

    /// Whether the predicted class is the true one.
    pub fn is_right(&self) -> bool {
        self.predicted == self.truth
    }
}

/// `predictions.csv`: `file, split, truth, predicted, probability, truth_probability`, then a
/// column `p:<class>` for each class. Probabilities keep their bits.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Predictions {
    /// Class names in the order of the outputs; no two alike.
    pub classes: Vec<String>,
    /// One picture a row.
    pub rows: Vec<Prediction>,
}

impl Predictions {
    /// Metrics over the rows of one split.
    ///
    /// # Errors
    /// As [`Metrics::new`], in particular when the split has no rows.
    pub fn metrics(&self, split: &str) -> Result<Metrics, RunError> {
        let rows: Vec<_> = self.rows.iter().filter(|r| r.split == split).collect();
        let truth: Vec<_> = rows.iter().map(|r| r.truth).collect();
        let probabilities: Vec<_> =
            rows.iter().flat_map(|r| r.probabilities.iter().copied()).collect();
        Metrics::new(&self.classes, &truth, &probabilities)
    }

    /// The test images that were answered wrongly, the surest answer first, by name where equally sure.
    pub fn mistakes(&self) -> Vec<&Prediction> {
        let tested = self.rows.iter().filter(|r| r.split == "test");
        let mut wrong: Vec<&Prediction> = tested.filter(|r| !r.is_right()).collect();
        wrong.sort_by(|a, b| {
            b.probability().total_cmp(&a.probability()).then_with(|| a.file.cmp(&b.file))
        });
        wrong
    }

    /// The table as CSV.
    ///
    /// # Errors
    /// When two classes have one name, or a row does not fit the classes.
    pub fn to_csv(&self) -> Result<Vec<u8>, RunError> {
        self.index()?;
        let path = Path::new("predictions.csv");
        let fail = |source| RunError::Csv { path: path.to_owned(), source };
        let mut out = csv::Writer::from_writer(Vec::new());
        let header = COLUMNS.iter().map(|c| (*c).to_owned());
        let header = header.chain(self.classes.iter().map(|c| format!("{CLASS_PREFIX}{c}")));
        out.write_record(header).map_err(fail)?;
        for (i, row) in self.rows.iter().enumerate() {
            out.write_record(self.cells(i, row)?).map_err(fail)?;
        }
        out.into_inner().map_err(|e| fail(e.into_error().into()))
    }

    /// The cells of a row, checked.
    fn cells(&self, i: usize, row: &Prediction) -> Result<Vec<String>, RunError> {
        let classes = self.classes.len();
        let name = |class: usize| {
            self.classes.get(class).ok_or(RunError::ClassRange { row: i, class, classes })
        };
        let (truth, predicted) = (name(row.truth)?, name(row.predicted)?);
        if row.probabilities.len() != classes {
            let got = row.probabilities.len();
            return Err(RunError::Lengths { images: 1, classes, wanted: classes, got });
        }
        let mut cells = vec![row.file.clone(), row.split.clone(), truth.clone(), predicted.clone()];
        cells.extend([row.probability(), row.truth_probability()].map(number));
        cells.extend(row.probabilities.iter().copied().map(number));
        Ok(cells)
    }

    /// A table from CSV; `path` is for the messages only.
    ///
    /// # Errors
    /// When the header is another one, a row has another length, a class is not in the header, or a
    /// cell is not a number.
    pub fn from_csv(bytes: &[u8], path: &Path) -> Result<Self, RunError> {
        let fail = |source| RunError::Csv { path: path.to_owned(), source };
        let mut reader = csv::Reader::from_reader(bytes);
        let classes = classes_of(reader.headers().map_err(fail)?, path)?;
        let mut table = Self { classes, rows: Vec::new() };
        let index = table.index()?;
        for record in reader.records() {
            table.rows.push(row_of(&record.map_err(fail)?, &table.classes, &index, path)?);
        }
        Ok(table)
    }

    fn index(&self) -> Result<BTreeMap<String, usize>, RunError> {
        let mut index = BTreeMap::new();
        for (i, class) in self.classes.iter().enumerate() {
            if index.insert(class.clone(), i).is_some() {
                return Err(RunError::DuplicateClass { class: class.clone() });
            }
        }
        Ok(index)
    }
}

/// The shortest text that reads back to the same bits.
pub(crate) fn number(value: f32) -> String {
    format!("{value:?}")
}

fn classes_of(header: &csv::StringRecord, path: &Path) -> Result<Vec<String>, RunError> {
    let wrong = |i: usize, wanted: &str| RunError::Header {
        path: path.to_owned(),
        column: i + 1,
        wanted: wanted.to_owned(),
        got: header.get(i).unwrap_or_default().to_owned(),
    };
    for (i, name) in COLUMNS.iter().enumerate() {
        if header.get(i) != Some(name) {
            return Err(wrong(i, name));
        }
    }
    let rest = header.iter().enumerate().skip(COLUMNS.len());
    rest.map(|(i, name)| {
        name.strip_prefix(CLASS_PREFIX).map(str::to_owned).ok_or_else(|| wrong(i, "p:<class>"))
    })
    .collect()
}

fn row_of(
    record: &csv::StringRecord,
    classes: &[String],
    index: &BTreeMap<String, usize>,
    path: &Path,
) -> Result<Prediction, RunError> {
    let line = record.position().map_or(0, csv::Position::line);
    let cell = |i: usize| record.get(i).unwrap_or_default();
    let wrong = |column: String, wanted, got: &str| RunError::Cell {
        path: path.to_owned(),
        line,
        column,
        wanted,
        got: got.to_owned(),
    };
    let class = |i: usize| {
        let found = index.get(cell(i)).copied();
        found.ok_or_else(|| wrong(COLUMNS[i].to_owned(), "a class of the header", cell(i)))
    };
    let probability = |(i, name): (usize, &String)| {
        let text = cell(COLUMNS.len() + i);
        text.parse().map_err(|_| wrong(format!("{CLASS_PREFIX}{name}"), "a number", text))
    };
    Ok(Prediction {
        file: cell(0).to_owned(),
        split: cell(1).to_owned(),
        truth: class(2)?,
        predicted: class(3)?,
        probabilities: classes.iter().enumerate().map(probability).collect::<Result<_, _>>()?,
    })
}
