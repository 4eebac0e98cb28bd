//! `PyTorch` checkpoints: three containers, one pickle inside.
//!
//! The layouts are those of `torch/serialization.py`.

mod legacy;
mod locate;
mod select;
mod tar;
mod zip;

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::view::Budget;
use crate::{Format, FormatError, TensorFault, WRAPPER_KEY, Weights};
pub(crate) use legacy::parse as parse_legacy;
use locate::{Located, Lookup};
use select::Selection;
pub(crate) use select::WRAPPERS;
pub(crate) use tar::parse as parse_tar;
pub(crate) use zip::{Archive, parse as parse_zip};

/// Bytes of each storage, by key.
type Storages<'a> = BTreeMap<String, Cow<'a, [u8]>>;

/// Names the tensor that a fault is about.
fn in_tensor(name: &str) -> impl FnOnce(TensorFault) -> FormatError {
    let name = name.to_string();
    move |fault| FormatError::Tensor { name, fault }
}

/// Tensors by name, with where their values are; those that have no `f32` are left aside.
fn locate_all<'n>(
    selection: &mut Selection<'n>,
    find: impl Fn(crate::pickle::Id) -> Result<Lookup, TensorFault>,
) -> Result<Vec<(&'n str, Located)>, FormatError> {
    let mut found = Vec::new();
    for (name, id) in &selection.entries {
        match find(*id).map_err(in_tensor(name))? {
            Lookup::Found(located) => found.push((*name, located)),
            Lookup::NoF32(kind) => selection.skipped.push(format!("{name} ({kind})")),
        }
    }
    Ok(found)
}

/// Gathers all tensors from their storages.
fn gather_all(
    format: Format,
    selection: Selection<'_>,
    tensors: &[(&str, Located)],
    storages: &Storages<'_>,
    budget: &mut Budget,
) -> Result<Weights, FormatError> {
    let mut weights = Weights {
        tensors: BTreeMap::new(),
        metadata: BTreeMap::new(),
        format,
        skipped: selection.skipped,
    };
    for (name, located) in tensors {
        let storage = located.bytes(storages).map_err(in_tensor(name))?;
        match located.view.gather(storage, budget).map_err(in_tensor(name))? {
            Some(tensor) => drop(weights.tensors.insert((*name).to_string(), tensor)),
            None => weights.skipped.push(format!("{name} (no f32)")),
        }
    }
    if !selection.wrapper.is_empty() {
        weights.metadata.insert(WRAPPER_KEY.to_string(), selection.wrapper.join("/"));
    }
    Ok(weights)
}
