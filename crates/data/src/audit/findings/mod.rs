//! What looks, classes, splits and pairs of copies mean for a person: findings.

mod copies;
mod kind;
mod odd;

use super::{Look, Pair, Unreadable};
use crate::{DataError, Dataset, Split};
pub use kind::FindingKind;

/// A class with fewer pictures to learn from is tiny.
pub const TINY_CLASS: usize = 10;

/// Classes are out of balance from this ratio of the largest to the smallest on.
pub const IMBALANCE: f64 = 3.0;

/// One thing that is wrong, or may be.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// What.
    pub kind: FindingKind,
    /// The files it is about, places in [`Dataset::examples`]; none when it is about a class.
    pub files: Vec<usize>,
    /// The class it is about, an index into [`Dataset::classes`].
    pub class: Option<usize>,
    /// How much of it there is; the kind says in which unit. 0 where there is no measure.
    pub figure: f64,
    /// What the others have: the median of the data set, where the figure is compared with it.
    pub usual: Option<f64>,
}

impl Finding {
    fn of(kind: FindingKind, files: Vec<usize>, figure: f64) -> Self {
        Self { kind, files, class: None, figure, usual: None }
    }
}

/// Everything that is wrong with a data set, by kind, the gravest kind first, then by file.
///
/// `looks` has a look or its failure for each of `dataset.examples`, `pairs` is about places in
/// them ([`duplicates`](super::duplicates())). Conflicts, leaks and copies are made of pairs alone: two
/// files in a row of copies of which the first is not like the last are no leak.
///
/// # Errors
/// [`DataError::AuditLength`] when there are more or fewer looks than examples, or a pair is about
/// none of them.
pub fn findings(
    dataset: &Dataset,
    looks: &[Result<Look, Unreadable>],
    pairs: &[Pair],
) -> Result<Vec<Finding>, DataError> {
    let n = dataset.examples.len();
    super::check_length("looks", looks.len(), n)?;
    let needed = pairs.iter().map(|pair| pair.a.max(pair.b) + 1).max().unwrap_or(0);
    super::check_length("examples", n, needed.max(n))?;
    let unread = (0..n).filter(|i| looks[*i].is_err());
    let mut findings: Vec<Finding> =
        unread.map(|file| Finding::of(FindingKind::Unreadable, vec![file], 0.0)).collect();
    findings.extend(copies::find(&dataset.examples, pairs));
    findings.extend(balance(dataset, looks));
    findings.extend(odd::find(dataset, looks));
    findings.sort_by(|a, b| (a.kind, a.class, &a.files).cmp(&(b.kind, b.class, &b.files)));
    Ok(findings)
}

/// Readable training files of each class.
pub fn class_counts(dataset: &Dataset, looks: &[Result<Look, Unreadable>]) -> Vec<usize> {
    let mut counts = vec![0; dataset.classes.len()];
    for (example, look) in dataset.examples.iter().zip(looks) {
        if look.is_ok() && example.split == Split::Train {
            counts[example.label] += 1;
        }
    }
    counts
}

fn balance(dataset: &Dataset, looks: &[Result<Look, Unreadable>]) -> Vec<Finding> {
    let counts = class_counts(dataset, looks);
    let about = |kind, class, figure| Finding {
        class: Some(class),
        ..Finding::of(kind, Vec::new(), figure)
    };
    let tiny = counts.iter().enumerate().filter(|(_, n)| **n < TINY_CLASS);
    let mut findings: Vec<Finding> =
        tiny.map(|(class, n)| about(FindingKind::TinyClass, class, *n as f64)).collect();
    let most = counts.iter().max().copied().unwrap_or(0);
    let least = counts.iter().enumerate().min_by_key(|(_, n)| **n);
    if let Some((class, least)) = least {
        let ratio = most as f64 / (*least).max(1) as f64;
        if ratio >= IMBALANCE {
            findings.push(about(FindingKind::Imbalance, class, ratio));
        }
    }
    findings
}
