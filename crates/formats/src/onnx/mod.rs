//! ONNX: networks with their graph, as any framework exports them.
//!
//! The messages become a light picture of the graph (`read`), which becomes layers of ours in
//! `crate::operators`. Networks of ours are written by `write`.

mod read;
pub(crate) mod schema;
mod write;

use std::path::Path;

pub use crate::operators::{OnnxFault, UnknownOp};
pub use write::{WriteFault, write};

use crate::operators::{self, Budget, Store};
use crate::{FormatError, Model};

/// Reads an ONNX file. Tensors kept in other files are read from its folder.
///
/// # Errors
/// [`FormatError::InFile`] with the path and the reason: the file cannot be read, is damaged, or has
/// operations that are not understood (all of them are named).
pub fn open(path: &Path) -> Result<Model, FormatError> {
    crate::read_file(path)
        .and_then(|bytes| from_bytes(&bytes, path.parent()))
        .map_err(|fault| fault.in_file(path))
}

/// [`open`] for a file that is already in memory; `folder` is where other files of the model are.
///
/// # Errors
/// As [`open`], without the path.
pub fn from_bytes(bytes: &[u8], folder: Option<&Path>) -> Result<Model, FormatError> {
    let mut budget = Budget::of_file(bytes.len());
    let ir = read::read(bytes, &mut budget)?;
    operators::network(&ir, Store { budget, folder })
}

/// Whether the bytes look like an ONNX model.
pub(crate) fn is_model(bytes: &[u8]) -> bool {
    read::is_model(bytes)
}
