//! `TFLite` (`LiteRT`): networks as TensorFlow's converter writes them.
//!
//! A file is a flatbuffer (`flat`) of the public schema `schema.fbs`, version 3. It becomes the same light
//! picture of a graph that an ONNX file becomes (`read`, `ops`), and takes the same way to layers from
//! there (`crate::operators`): channels last and the transpositions around them make no layers.
//!
//! # Small integers
//!
//! A file may keep weights as small integers with a scale and a zero point, and compute with them. Here
//! weights are `(q - zero) · scale` in `f32` and all values are floats, so a network computes what it did
//! before it was quantised, up to the rounding of its weights, not what the file computes step by step.
//! [`Model::notes`] says so. Where the input is a picture in bytes, the card's preprocessing is what its
//! scale and zero point say.
//!
//! # Labels
//!
//! A file may have a zip archive behind it, with its labels in a text file: see `meta`.

mod fault;
mod flat;
mod meta;
mod name;
mod names;
mod ops;
mod options;
mod read;
mod schema;

use std::path::Path;

use crate::operators::{self, Budget, Store};
use crate::{FormatError, Model};

pub use fault::{TfliteFault, UnknownOperator};

/// Reads a `TFLite` file.
///
/// # Errors
/// [`FormatError::InFile`] with the path and the reason: the file cannot be read, is damaged, or has
/// operators that are not understood (all of them are named).
pub fn open(path: &Path) -> Result<Model, FormatError> {
    crate::read_file(path).and_then(|bytes| from_bytes(&bytes)).map_err(|fault| fault.in_file(path))
}

/// [`open`] for a file that is already in memory.
///
/// # Errors
/// As [`open`], without the path.
pub fn from_bytes(bytes: &[u8]) -> Result<Model, FormatError> {
    let mut budget = Budget::of_file(bytes.len());
    let read::Read { ir, operators: names, unused, quantised, input } =
        read::read(bytes, &mut budget).map_err(|fault| named(fault, |_| None))?;
    let store = Store { budget, folder: None };
    let model = operators::network(&ir, store);
    let mut model = model.map_err(|fault| named(fault, |node| names.get(node).cloned()))?;
    model.unused.extend(unused);
    model.unused.sort();
    model.unused.dedup();
    if quantised > 0 {
        model.notes.push(format!(
            "{quantised} tensors are kept as small integers: here they are multiplied out, and all \
             values are floats"
        ));
    }
    meta::complete(bytes, input, &mut model)?;
    Ok(model)
}

/// Whether the bytes look like a `TFLite` file.
pub(crate) fn is_model(bytes: &[u8]) -> bool {
    bytes.get(4..8) == Some(schema::IDENTIFIER)
}

/// A fault of the shared steps in words of `TFLite`.
fn named(fault: FormatError, op: impl Fn(&str) -> Option<String>) -> FormatError {
    if let FormatError::Onnx(fault) = fault {
        return TfliteFault::of_graph(fault, op).into();
    }
    fault
}
