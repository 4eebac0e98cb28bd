//! Input that contradicts itself is refused before anything is drawn.

use crate::{LabelReportInput, ReportError, ReportInput};

pub(crate) fn check(input: &ReportInput<'_>) -> Result<(), ReportError> {
    let test = &input.metrics.test;
    let (classes, rows) = (test.per_class.len(), test.confusion.len());
    let odd = test.confusion.iter().find(|row| row.len() != classes);
    if rows != classes || odd.is_some() {
        let columns = odd.or(test.confusion.first()).map_or(0, Vec::len);
        return Err(ReportError::Confusion { classes, rows, columns });
    }
    let classes = input.predictions.classes.len();
    for row in &input.predictions.rows {
        let class = row.truth.max(row.predicted);
        if class >= classes {
            return Err(ReportError::Class { file: row.file.clone(), class, classes });
        }
    }
    Ok(())
}

/// The same of a run on images with several labels.
pub(crate) fn check_labels(input: &LabelReportInput<'_>) -> Result<(), ReportError> {
    let classes = input.predictions.labels.len();
    for row in &input.predictions.rows {
        let labels = row.truth.iter().chain(&row.predicted);
        if let Some(&class) = labels.max().filter(|label| **label >= classes) {
            return Err(ReportError::Class { file: row.file.clone(), class, classes });
        }
    }
    Ok(())
}
