//! What is wrong with a data set, before anything learns from it.
//!
//! [`look`](look()) reads each file once and keeps a [`Look`] of it, or says why it cannot be read.
//! [`duplicates`](duplicates()) finds copies among the looks, exact and altered ones. [`find_groups`] reads from file
//! names what must not be split, and [`split_by_groups`] splits without it.
//! [`findings`](findings()) says what all this means, with the data set's classes and splits.
//! [`label_errors`] finds labels that are likely wrong.
//! Nothing here runs a network or writes a file: features and probabilities come from the caller.
//!
//! ```no_run
//! use regraft_data::audit::{duplicates, findings, look};
//! use regraft_data::{Dataset, OpenOptions};
//!
//! let dataset = Dataset::open("pets".as_ref(), &OpenOptions::default())?;
//! let files: Vec<_> = dataset.examples.iter().map(|example| &example.path).collect();
//! let looks = look(&files, |_done| {});
//! let pairs = duplicates(&looks, None)?;
//! for finding in findings(&dataset, &looks, &pairs)? {
//!     let names: Vec<_> = finding.files.iter().map(|i| &dataset.examples[*i].name).collect();
//!     let (why, advice) = (finding.kind.why(), finding.kind.advice());
//!     let line = format!("{} {names:?}: {why}; {advice}", finding.kind.key());
//! }
//! # Ok::<(), regraft_data::DataError>(())
//! ```

mod duplicates;
mod findings;
mod groups;
mod labels;
mod look;
mod packed;

use crate::DataError;
pub use duplicates::{DUPLICATES_VERSION, Pair, PairKind, copy_sets, duplicates};
pub use findings::{Finding, FindingKind, IMBALANCE, TINY_CLASS, class_counts, findings};
pub use groups::{Groups, NameGroups, find_groups, group_by, groups_of_copies, split_by_groups};
pub use labels::{LabelErrors, Suspect, label_errors};
pub use look::{FINGERPRINT_SIDE, Fingerprint, Look, Reason, Unreadable, look, look_at};
pub use packed::{LOOK_NUMBERS, LOOK_VERSION};

fn check_length(what: &'static str, given: usize, wanted: usize) -> Result<(), DataError> {
    if given == wanted { Ok(()) } else { Err(DataError::AuditLength { what, given, wanted }) }
}
