//! What is wrong with a data set, before anything learns from it.
//!
//! [`look`] reads each file once and keeps a [`Look`] of it, or says why it cannot be read.
//! [`duplicates`] finds copies among the looks, exact and altered ones. [`find_groups`] reads from file
//! names what must not be split, and [`split_by_groups`] splits without it.
//! Nothing here runs a network or writes a file: features and probabilities come from the caller.

mod duplicates;
mod groups;
mod look;

use crate::DataError;
pub use duplicates::{Pair, PairKind, copy_sets, duplicates};
pub use groups::{Groups, NameGroups, find_groups, group_by, groups_of_copies, split_by_groups};
pub use look::{FINGERPRINT_SIDE, Fingerprint, Look, Reason, Unreadable, look, look_at};

fn check_length(what: &'static str, given: usize, wanted: usize) -> Result<(), DataError> {
    if given == wanted { Ok(()) } else { Err(DataError::AuditLength { what, given, wanted }) }
}
