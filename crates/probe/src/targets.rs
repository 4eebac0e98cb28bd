//! What each example is: one class of several, or any number of labels.

use crate::{Labels, ProbeError};

/// A checked view of label sets, `n` of them: which of `C` labels each example has, none to all.
#[derive(Debug, Clone)]
pub struct LabelSets<'a> {
    sets: &'a [Vec<usize>],
    counts: Vec<usize>,
}

impl<'a> LabelSets<'a> {
    /// A view of `sets`, `[n]`, each with values in `0..labels`, ascending, none twice.
    ///
    /// # Errors
    /// Without labels, and for one out of range or out of order.
    pub fn new(sets: &'a [Vec<usize>], labels: usize) -> Result<Self, ProbeError> {
        if labels == 0 {
            return Err(ProbeError::NoLabels);
        }
        let mut counts = vec![0; labels];
        for (row, set) in sets.iter().enumerate() {
            if set.windows(2).any(|pair| pair[0] >= pair[1]) {
                return Err(ProbeError::LabelOrder { row });
            }
            for &label in set {
                let range = ProbeError::LabelRange { row, label, classes: labels };
                *counts.get_mut(label).ok_or(range)? += 1;
            }
        }
        Ok(Self { sets, counts })
    }

    /// The sets, `[n]`.
    pub fn sets(&self) -> &'a [Vec<usize>] {
        self.sets
    }

    /// Number of labels `C`.
    pub fn labels(&self) -> usize {
        self.counts.len()
    }

    /// Examples that have each label, `[C]`.
    pub fn counts(&self) -> &[usize] {
        &self.counts
    }
}

/// What a linear head is to tell of `n` examples: one class each, or any number of labels.
#[derive(Debug, Clone)]
pub struct Targets<'a> {
    members: Members<'a>,
    counts: Vec<usize>,
}

#[derive(Debug, Clone)]
enum Members<'a> {
    One(&'a [usize]),
    Several(&'a [Vec<usize>]),
}

impl<'a> From<&Labels<'a>> for Targets<'a> {
    fn from(labels: &Labels<'a>) -> Self {
        Self { members: Members::One(labels.values()), counts: labels.counts().to_vec() }
    }
}

impl<'a> From<&LabelSets<'a>> for Targets<'a> {
    fn from(sets: &LabelSets<'a>) -> Self {
        Self { members: Members::Several(sets.sets), counts: sets.counts.clone() }
    }
}

impl<'a> From<&Targets<'a>> for Targets<'a> {
    fn from(targets: &Targets<'a>) -> Self {
        targets.clone()
    }
}

impl Targets<'_> {
    /// Number of examples `n`.
    pub fn rows(&self) -> usize {
        match self.members {
            Members::One(values) => values.len(),
            Members::Several(sets) => sets.len(),
        }
    }

    /// Number of classes or labels `C`.
    pub fn classes(&self) -> usize {
        self.counts.len()
    }

    /// Examples of each, `[C]`.
    pub fn counts(&self) -> &[usize] {
        &self.counts
    }

    /// What example `i` of `0..n` is: its class, or its labels, ascending.
    pub fn of(&self, i: usize) -> &[usize] {
        match self.members {
            Members::One(values) => &values[i..=i],
            Members::Several(sets) => &sets[i],
        }
    }

    /// Whether labels are independent questions, and not one choice.
    pub fn are_several(&self) -> bool {
        matches!(self.members, Members::Several(_))
    }

    /// See [`Labels::know_shares`]; of labels each share is one of its own.
    pub fn know_shares(&self, scores: &mut [f64], groups: &[Vec<usize>]) {
        let (n, classes) = (self.rows(), self.classes());
        let mut shift = |members: &[usize]| {
            let mut others = self.counts.clone();
            for &i in members {
                self.of(i).iter().for_each(|label| others[*label] -= 1);
            }
            let left = (n - members.len()).max(1) as f64;
            for &i in members {
                let row = scores[i * classes..][..classes].iter_mut();
                row.zip(self.counts.iter().zip(&others)).for_each(|(score, (&all, &others))| {
                    *score += all as f64 / n as f64 - others as f64 / left;
                });
            }
        };
        let mut alone = vec![true; n];
        for group in groups {
            for &i in group {
                alone[i] = false;
            }
            shift(group);
        }
        (0..n).filter(|&i| alone[i]).for_each(|i| shift(&[i]));
    }

    pub(crate) fn check_rows(&self, rows: usize) -> Result<(), ProbeError> {
        if self.rows() == rows {
            Ok(())
        } else {
            Err(ProbeError::LabelCount { got: self.rows(), wanted: rows })
        }
    }
}
