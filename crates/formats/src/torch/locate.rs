//! From the call that rebuilds a tensor to where its values are.

use regraft_tensor::Shape;

use super::Storages;
use crate::TensorFault;
use crate::dtype::Dtype;
use crate::pickle::{self, Id, Node, Pickle, Rebuild};
use crate::view::View;

/// Most axes of a tensor; torch itself stops at 64.
const MAX_AXES: usize = 64;

/// A view, and how many bytes of the storage it may look at.
pub(super) struct Located {
    pub(super) view: View,
    pub(super) extent: u64,
}

impl Located {
    /// The bytes of the storage.
    pub(super) fn bytes<'s>(&self, storages: &'s Storages<'_>) -> Result<&'s [u8], TensorFault> {
        let key = &self.view.storage;
        let all = storages.get(key).ok_or_else(|| TensorFault::NoStorage { key: key.clone() })?;
        let cut = usize::try_from(self.extent).ok().and_then(|extent| all.get(..extent));
        let (wanted, got) = (self.extent, all.len());
        cut.ok_or_else(|| TensorFault::StorageLength { key: key.clone(), wanted, got })
    }
}

/// A tensor, or one whose number type has no `f32`, with the name of the type.
pub(super) enum Lookup {
    Found(Located),
    NoF32(String),
}

/// What the persistent id of a storage says:
/// `('storage', class, key, location, numel[, (view key, offset, numel)])`.
pub(super) struct StorageId<'a> {
    pub(super) class: (&'a str, &'a str),
    /// `None` for a class that is not known.
    pub(super) dtype: Option<Dtype>,
    pub(super) key: &'a str,
    /// Values before the storage in its root, and values up to its end in the root.
    start: usize,
    end: usize,
}

/// Reads the persistent id of a storage.
pub(super) fn storage_id<'a>(pickle: &Pickle<'a>, id: Id) -> Option<StorageId<'a>> {
    let Node::Persistent(pid) = pickle.node(id) else { return None };
    let [kind, class, key, _location, numel, rest @ ..] = pickle.seq(*pid)? else { return None };
    if pickle.str(*kind) != Some("storage") {
        return None;
    }
    let class = pickle.global(*class)?;
    let numel = pickle.size(*numel)?;
    let (start, end) = match rest.first().and_then(|view| pickle.seq(*view)) {
        Some([_, offset, len]) => {
            let start = pickle.size(*offset)?;
            (start, start.checked_add(pickle.size(*len)?)?)
        }
        Some(_) => return None,
        None => (0, numel),
    };
    let dtype = pickle::storage_dtype(class.0, class.1);
    let key = pickle.str(*key)?;
    (end <= numel).then_some(StorageId { class, dtype, key, start, end })
}

/// The tensor that a call rebuilds.
pub(super) fn rebuilt(pickle: &Pickle<'_>, id: Id) -> Result<Lookup, TensorFault> {
    let call = |wanted| TensorFault::Call { wanted };
    let Node::Tensor { rebuild, args } = pickle.node(id) else { return Err(call("a tensor")) };
    let args = pickle.seq(*args).unwrap_or_default();
    let [storage, offset, size, stride, rest @ ..] = args else {
        return Err(call("storage, offset, size and stride"));
    };
    let storage = storage_id(pickle, *storage).ok_or(call("a storage"))?;
    let Some(stored) = storage.dtype else {
        return Ok(Lookup::NoF32(pickle::full_name(storage.class.0, storage.class.1)));
    };
    let (dtype, metadata) = match rebuild {
        Rebuild::ByStorage => (Some(stored), rest.get(2)),
        Rebuild::ByDtype => {
            let (module, name) =
                rest.get(2).and_then(|id| pickle.global(*id)).ok_or(call("a dtype"))?;
            let dtype = pickle::dtype(module, name);
            if dtype.is_none() {
                return Ok(Lookup::NoF32(pickle::full_name(module, name)));
            }
            (dtype, rest.get(3))
        }
    };
    let dtype = dtype.unwrap_or(stored);
    if matches!(dtype, Dtype::Opaque(_)) {
        return Ok(Lookup::NoF32(pickle::full_name(storage.class.0, storage.class.1)));
    }
    if metadata.and_then(|id| pickle.dict(*id)).is_some_and(|pairs| !pairs.is_empty()) {
        return Ok(Lookup::NoF32("conjugated or negated view".to_string()));
    }
    let offset = pickle.size(*offset).ok_or(call("an offset"))?;
    let shape = sizes(pickle, *size).ok_or(call("a size"))?;
    let strides = sizes(pickle, *stride).ok_or(call("a stride"))?;
    if shape.len() != strides.len() {
        return Err(call("one stride for each axis"));
    }
    let offset = offset.checked_add(storage.start).ok_or(call("an offset inside the storage"))?;
    let extent = (storage.end as u64).saturating_mul(stored.size() as u64);
    let shape = Shape::new(shape);
    let view = View { storage: storage.key.to_string(), dtype, offset, shape, strides };
    Ok(Lookup::Found(Located { view, extent }))
}

/// A tuple of whole numbers, not negative, not too many.
fn sizes(pickle: &Pickle<'_>, id: Id) -> Option<Vec<usize>> {
    let items = pickle.seq(id)?;
    if items.len() > MAX_AXES {
        return None;
    }
    items.iter().map(|item| pickle.size(*item)).collect()
}
