use crate::ProbeError;
use crate::targets::Targets;

/// A checked view of labels `[n]`: each below the number of classes, each class with an example,
/// at least two classes.
#[derive(Debug, Clone)]
pub struct Labels<'a> {
    values: &'a [usize],
    counts: Vec<usize>,
}

impl<'a> Labels<'a> {
    /// A view of `y`, `[n]`, with values in `0..classes`.
    ///
    /// Fails for fewer than two classes, a label out of range and a class without examples.
    pub fn new(y: &'a [usize], classes: usize) -> Result<Self, ProbeError> {
        if classes < 2 {
            return Err(ProbeError::TooFewClasses { classes });
        }
        if let Some((row, &label)) = y.iter().enumerate().find(|&(_, &l)| l >= classes) {
            return Err(ProbeError::LabelRange { row, label, classes });
        }
        if y.len() < classes {
            // One of the first `n + 1` classes is missing; nothing of size `classes` is allocated.
            let mut seen = vec![false; y.len() + 1];
            for &label in y {
                if let Some(s) = seen.get_mut(label) {
                    *s = true;
                }
            }
            let class = seen.iter().position(|s| !s).unwrap_or(y.len());
            return Err(ProbeError::EmptyClass { class });
        }
        let mut counts = vec![0; classes];
        for &label in y {
            counts[label] += 1;
        }
        match counts.iter().position(|&n| n == 0) {
            Some(class) => Err(ProbeError::EmptyClass { class }),
            None => Ok(Self { values: y, counts }),
        }
    }

    /// The labels, `[n]`.
    pub fn values(&self) -> &'a [usize] {
        self.values
    }

    /// Number of classes `C`.
    pub fn classes(&self) -> usize {
        self.counts.len()
    }

    /// Examples of each class, `[C]`.
    pub fn counts(&self) -> &[usize] {
        &self.counts
    }

    /// Makes leave-one-out scores `[n, C]` of a ridge head those of a head that knows the shares of the classes
    /// among all examples: adds these less the shares among the others. `groups` are examples that were left out
    /// together; whoever is in none was left out alone.
    ///
    /// An example that is left out makes its own class the rarer one among the others. Where features say little,
    /// a head that only knows the others gives every example another class than its own: an accuracy of 0 where
    /// a guess has a half.
    pub fn know_shares(&self, scores: &mut [f64], groups: &[Vec<usize>]) {
        Targets::from(self).know_shares(scores, groups);
    }

    pub(crate) fn check_rows(&self, rows: usize) -> Result<(), ProbeError> {
        if self.values.len() == rows {
            Ok(())
        } else {
            Err(ProbeError::LabelCount { got: self.values.len(), wanted: rows })
        }
    }
}

/// Checks the length against `[rows, columns]`, and that every value is finite.
pub(crate) fn check_values<T: Copy + Into<f64>>(
    what: &'static str,
    values: &[T],
    rows: usize,
    columns: usize,
) -> Result<(), ProbeError> {
    check_len(what, values.len(), rows, columns)?;
    match values.iter().position(|&v| !v.into().is_finite()) {
        None => Ok(()),
        Some(at) => Err(ProbeError::NotFinite {
            what,
            row: at / columns,
            column: at % columns,
            value: values[at].into(),
        }),
    }
}

/// Checks a length against `[rows, columns]`, neither of them 0.
pub(crate) fn check_len(
    what: &'static str,
    got: usize,
    rows: usize,
    columns: usize,
) -> Result<(), ProbeError> {
    let wanted = rows.saturating_mul(columns);
    if got == wanted && wanted > 0 {
        Ok(())
    } else {
        Err(ProbeError::Shape { what, rows, columns, got, wanted: wanted.max(1) })
    }
}

pub(crate) fn check_penalties(penalties: &[f64]) -> Result<(), ProbeError> {
    if penalties.is_empty() {
        return Err(ProbeError::NoPenalties);
    }
    match penalties.iter().position(|p| !(p.is_finite() && *p > 0.0)) {
        Some(index) => Err(ProbeError::Penalty { index, value: penalties[index] }),
        None => Ok(()),
    }
}
