//! Graphs of operators, as ONNX and `TFLite` files hold them, and how they become networks.
//!
//! A reader of files makes a light picture of the graph (`ir`). Whatever does not depend on the image is
//! computed (`fold`), and the rest becomes layers of ours (`lower`). Operations that only move values
//! (transpose, reshape, slice) make no layers: a value knows how its axes lie in the output of a layer
//! (`layout`). So a network with channels last, or one that computes its shapes while it runs, is the same
//! here as any other.

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

use regraft_net::Network;

pub(crate) use budget::Budget;
pub(crate) use consts::Store;
pub use fault::{OnnxFault, UnknownOp};

use crate::{FormatError, Model};

/// The network that a graph is.
pub(crate) fn network(ir: &ir::Ir<'_>, store: Store<'_>) -> Result<Model, FormatError> {
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
