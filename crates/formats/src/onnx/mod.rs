//! ONNX: networks with their graph, as any framework exports them.
//!
//! A file is read in three steps: the messages become a light picture of the graph (`read`), whatever
//! does not depend on the picture is computed (`fold`), and the rest becomes layers of ours (`lower`).
//! Operations that only move values (transpose, reshape, slice) make no layers: a value knows how its
//! axes lie in the output of a layer (`layout`). So a network with channels last, or one that computes
//! its shapes while it runs, is the same here as any other.

pub(crate) mod budget;
pub(crate) mod build;
mod card;
pub(crate) mod consts;
mod curve;
mod fault;
mod fold;
pub(crate) mod ir;
mod layout;
mod lower;
pub(crate) mod raw;
mod read;
pub(crate) mod schema;
mod write;

use std::path::Path;

use regraft_net::Network;

pub use fault::{OnnxFault, UnknownOp};
pub use write::{WriteFault, write};

use crate::{FormatError, Model};
use budget::Budget;
use consts::Store;

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
    import(&ir, Store { budget, folder })
}

/// Whether the bytes look like an ONNX model.
pub(crate) fn is_model(bytes: &[u8]) -> bool {
    read::is_model(bytes)
}

/// A network from the picture of a graph.
pub(crate) fn import(ir: &ir::Ir<'_>, store: Store<'_>) -> Result<Model, FormatError> {
    let mut outcome = lower::lower(ir, store, card::size(ir))?;
    let (graph, params) = outcome.drafts.finish(outcome.output)?;
    outcome.drafts = build::Drafts::default();
    let card = card::card(ir, &graph, &mut outcome.notes);
    let network = Network::new(graph, &params, card)?;
    let mut unused: Vec<String> =
        outcome.unused.iter().map(|id| ir.values[*id].to_string()).collect();
    unused.sort();
    Ok(Model { network, unused, notes: outcome.notes })
}
