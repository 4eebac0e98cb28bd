//! Where in a checkpoint the state dict is, and what lies beside it.

use std::collections::BTreeMap;

use crate::FormatError;
use crate::pickle::{Id, Node, Pickle};

/// Keys under which training scripts keep the state dict, in the order of preference. Averages over the
/// training come first, as in timm: they are what a script that keeps them means to be used.
pub(crate) const WRAPPERS: [&str; 13] = [
    "state_dict_ema",
    "model_ema",
    "ema_state_dict",
    "params_ema",
    "ema",
    "state_dict",
    "model_state_dict",
    "model",
    "model_state",
    "net",
    "params",
    "teacher",
    "module",
];
/// How many wrappers may be inside one another.
const MAX_WRAPPERS: usize = 3;
/// Most keys repeated in a message.
const KEYS_SHOWN: usize = 20;

/// The entries of the state dict.
pub(super) struct Selection<'a> {
    /// Keys of the wrappers taken off, outermost first.
    pub(super) wrapper: Vec<&'static str>,
    /// Tensors by name.
    pub(super) entries: BTreeMap<&'a str, Id>,
    /// What is no tensor, as in [`crate::Weights::skipped`].
    pub(super) skipped: Vec<String>,
}

/// Finds the tensors: in the first wrapper that holds some, else at the top.
///
/// A wrapper wins over tensors at the top, because training scripts keep scores such as
/// `best_acc1` as tensors beside the `state_dict`.
pub(super) fn select<'a>(
    pickle: &Pickle<'a>,
    member: &str,
    is_tensor: impl Fn(Id) -> bool,
) -> Result<Selection<'a>, FormatError> {
    let mut wrapper = Vec::new();
    let mut skipped = Vec::new();
    let mut dict = pickle.root;
    while let Some((key, inner)) = wrapped(pickle, dict, MAX_WRAPPERS - wrapper.len(), &is_tensor) {
        let (_, mut beside) = split(pickle, dict, |id| id == inner);
        skipped.append(&mut beside);
        wrapper.push(key);
        dict = inner;
    }
    let (entries, mut beside) = split(pickle, dict, &is_tensor);
    skipped.append(&mut beside);
    if entries.is_empty() {
        return Err(nothing(pickle, member));
    }
    Ok(Selection { wrapper, entries, skipped })
}

/// The first wrapper in `dict` that holds tensors, itself or through `depth - 1` further wrappers.
fn wrapped(
    pickle: &Pickle<'_>,
    dict: Id,
    depth: usize,
    is_tensor: &impl Fn(Id) -> bool,
) -> Option<(&'static str, Id)> {
    let depth = depth.checked_sub(1)?;
    WRAPPERS.into_iter().find_map(|key| {
        let inner = pickle.get(dict, key)?;
        let direct = pickle.dict(inner)?.iter().any(|(_, value)| is_tensor(*value));
        let holds = direct || wrapped(pickle, inner, depth, is_tensor).is_some();
        holds.then_some((key, inner))
    })
}

/// Entries of a dict that are wanted, and labels of the others. Text keys are kept once, so that a
/// key shared by many entries costs nothing.
fn split<'a>(
    pickle: &Pickle<'a>,
    dict: Id,
    wanted: impl Fn(Id) -> bool,
) -> (BTreeMap<&'a str, Id>, Vec<String>) {
    let mut all = BTreeMap::new();
    let mut unnamed = 0usize;
    for (key, value) in pickle.dict(dict).unwrap_or_default() {
        match pickle.str(*key) {
            Some(name) => drop(all.insert(name, *value)),
            None => unnamed += 1,
        }
    }
    let (taken, left): (BTreeMap<_, _>, BTreeMap<_, _>) =
        all.into_iter().partition(|(_, value)| wanted(*value));
    let mut labels: Vec<_> = left.into_iter().map(|(name, id)| label(pickle, name, id)).collect();
    if unnamed > 0 {
        labels.push(format!("{unnamed} entries whose key is not text"));
    }
    (taken, labels)
}

fn label(pickle: &Pickle<'_>, name: &str, id: Id) -> String {
    match pickle.foreign(id) {
        Some((global, _)) => format!("{name} ({global})"),
        None => name.to_string(),
    }
}

/// Why there are no tensors: they are inside a foreign object, or nowhere.
fn nothing(pickle: &Pickle<'_>, member: &str) -> FormatError {
    let named = WRAPPERS.into_iter().filter_map(|key| pickle.get(pickle.root, key));
    let values = pickle.dict(pickle.root).unwrap_or_default().iter().map(|(_, value)| *value);
    let mut suspects = std::iter::once(pickle.root).chain(named).chain(values);
    if let Some((global, offset)) = suspects.find_map(|id| pickle.foreign(id)) {
        return FormatError::ForeignObject { member: member.to_string(), offset, global };
    }
    let keys = pickle.dict(pickle.root).unwrap_or_default().iter();
    let keys = keys.filter_map(|(key, _)| pickle.str(*key)).take(KEYS_SHOWN);
    FormatError::NoTensors { keys: keys.map(|key| key.chars().take(80).collect()).collect() }
}

/// Whether a value is the call that rebuilds a tensor.
pub(super) fn is_rebuilt(pickle: &Pickle<'_>, id: Id) -> bool {
    matches!(pickle.node(id), Node::Tensor { .. })
}
