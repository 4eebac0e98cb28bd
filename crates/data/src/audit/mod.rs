//! What is wrong with a data set, before anything learns from it.
//!
//! [`look`] reads each file once and keeps a [`Look`] of it, or says why it cannot be read.
//! Nothing here runs a network or writes a file: features and probabilities come from the caller.

mod look;

use crate::DataError;
pub use look::{FINGERPRINT_SIDE, Fingerprint, Look, Reason, Unreadable, look, look_at};

fn check_length(what: &'static str, given: usize, wanted: usize) -> Result<(), DataError> {
    if given == wanted { Ok(()) } else { Err(DataError::AuditLength { what, given, wanted }) }
}
