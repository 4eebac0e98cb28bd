//! `torch.save` before 0.1.10: a tar archive of `sys_info`, `pickle`, `tensors` and `storages`.
//!
//! `storages`: pickled count; for each a pickled `(key, location, class)`, its count of values
//! (`int64`) and the values; then a pickled list of views `(key, root key, offset, numel)`.
//! `tensors`: pickled count; for each a pickled `(key, storage key, class)`, the number of axes
//! (`int32` and four bytes), sizes, strides and offset (`int64`). The pickle names tensors by key,
//! as persistent ids in decimal.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::Cursor;

use regraft_tensor::Shape;

use super::legacy::{read_storage, refuse_big_endian};
use super::locate::{Located, Lookup};
use super::{Storages, gather_all, locate_all, select};
use crate::dtype::Dtype;
use crate::pickle::{self, Id, Node, Pickle};
use crate::view::{Budget, View};
use crate::{Format, FormatError, TensorFault, Weights};

/// Members of the archive that are read.
const MEMBERS: [&str; 4] = ["sys_info", "storages", "tensors", "pickle"];
/// Most axes of a tensor.
const MAX_AXES: i32 = 64;

/// A storage by key: where in which root, of what type. Counts are in values.
struct Part {
    root: i64,
    dtype: Option<Dtype>,
    class: String,
    start: usize,
    end: usize,
}

/// A tensor by key.
struct Entry {
    storage: i64,
    offset: usize,
    shape: Vec<usize>,
    strides: Vec<usize>,
}

/// Reads a checkpoint of this kind.
pub(crate) fn parse(bytes: &[u8]) -> Result<Weights, FormatError> {
    let members = members(bytes)?;
    let member = |name: &str| {
        let missing = || FormatError::MissingMember { member: name.to_string() };
        members.get(name).copied().ok_or_else(missing)
    };
    if let Ok(system) = member("sys_info") {
        refuse_big_endian(&Pickle::read(system, 0, "sys_info")?)?;
    }
    let (parts, storages) = read_storages(member("storages")?)?;
    let entries = read_tensors(member("tensors")?)?;
    let pickle = Pickle::read(member("pickle")?, 0, "pickle")?;
    let entry = |id: Id| entry_key(&pickle, id).and_then(|key| entries.get(&key));
    let mut selection = select::select(&pickle, "pickle", |id| entry(id).is_some())?;
    let tensors = locate_all(&mut selection, |id| {
        entry(id).ok_or(TensorFault::Call { wanted: "a tensor" }).and_then(|e| find(e, &parts))
    })?;
    let mut budget = Budget::of_file(bytes.len());
    gather_all(Format::TorchTar, selection, &tensors, &storages, &mut budget)
}

/// Slices of the members, by name. Names are only compared, never used as paths.
fn members(bytes: &[u8]) -> Result<BTreeMap<&'static str, &[u8]>, FormatError> {
    let tar_error = |source| FormatError::Tar { source };
    let mut archive = tar::Archive::new(Cursor::new(bytes));
    let mut found = BTreeMap::new();
    for entry in archive.entries_with_seek().map_err(tar_error)? {
        let entry = entry.map_err(tar_error)?;
        let path = entry.path_bytes();
        let Some(name) = MEMBERS.into_iter().find(|name| name.as_bytes() == path.as_ref()) else {
            continue;
        };
        let cut = || FormatError::MissingMember { member: name.to_string() };
        let start = usize::try_from(entry.raw_file_position()).map_err(|_| cut())?;
        let end = usize::try_from(entry.size()).ok().and_then(|size| start.checked_add(size));
        let slice = end.and_then(|end| bytes.get(start..end)).ok_or_else(cut)?;
        found.insert(name, slice);
    }
    Ok(found)
}

fn damaged(member: &'static str, offset: usize, wanted: &'static str) -> FormatError {
    FormatError::Layout { member, offset, wanted }
}

/// Reads a pickled count and its end.
fn read_count(bytes: &[u8], member: &'static str) -> Result<(usize, usize), FormatError> {
    let pickle = Pickle::read(bytes, 0, member)?;
    let count = pickle.size(pickle.root).ok_or(damaged(member, 0, "a count"))?;
    Ok((count, pickle.end))
}

type Parts = BTreeMap<i64, Part>;

fn read_storages(bytes: &[u8]) -> Result<(Parts, Storages<'_>), FormatError> {
    let member = "storages";
    let mut parts = Parts::new();
    let mut storages = Storages::new();
    let (count, mut at) = read_count(bytes, member)?;
    for _ in 0..count {
        let head = Pickle::read(bytes, at, member)?;
        let wrong = || damaged(member, at, "key, location and class of a storage");
        let Some([key, _location, class]) = head.seq(head.root) else { return Err(wrong()) };
        let key = head.int(*key).ok_or_else(wrong)?;
        let (module, class) = head.global(*class).ok_or_else(wrong)?;
        let dtype = pickle::storage_dtype(module, class);
        let size = dtype.ok_or(damaged(member, at, "a storage of a known number type"))?.size();
        at = head.end;
        let values = read_storage(bytes, &mut at, size, member)?;
        let class = pickle::full_name(module, class);
        parts.insert(key, Part { root: key, dtype, class, start: 0, end: values.len() / size });
        storages.insert(key.to_string(), Cow::Borrowed(values));
    }
    let views = Pickle::read(bytes, at, member)?;
    for view in views.seq(views.root).ok_or(damaged(member, at, "a list of views"))? {
        let (key, part) =
            read_view(&views, *view, &parts).ok_or(damaged(member, at, "a view of a storage"))?;
        parts.insert(key, part);
    }
    Ok((parts, storages))
}

/// `(key, root key, offset, numel)`: a storage that is a stretch of another.
fn read_view(views: &Pickle<'_>, id: Id, parts: &Parts) -> Option<(i64, Part)> {
    let [key, root, offset, numel] = views.seq(id)? else { return None };
    let whole = parts.get(&views.int(*root)?)?;
    let start = whole.start.checked_add(views.size(*offset)?)?;
    let end = start.checked_add(views.size(*numel)?)?;
    let class = whole.class.clone();
    let part = Part { root: whole.root, dtype: whole.dtype, class, start, end };
    (end <= whole.end).then_some((views.int(*key)?, part))
}

fn read_tensors(bytes: &[u8]) -> Result<BTreeMap<i64, Entry>, FormatError> {
    let member = "tensors";
    let mut entries = BTreeMap::new();
    let (count, mut at) = read_count(bytes, member)?;
    for _ in 0..count {
        let head = Pickle::read(bytes, at, member)?;
        let wrong = || damaged(member, at, "key, storage and class of a tensor");
        let Some([key, storage, _class]) = head.seq(head.root) else { return Err(wrong()) };
        let key = head.int(*key).ok_or_else(wrong)?;
        let storage = head.int(*storage).ok_or_else(wrong)?;
        let (entry, end) = read_shape(bytes, head.end, storage).ok_or(damaged(
            member,
            head.end,
            "axes, sizes, strides and offset",
        ))?;
        entries.insert(key, entry);
        at = end;
    }
    Ok(entries)
}

/// Axes, sizes, strides and offset; and where they end.
fn read_shape(bytes: &[u8], at: usize, storage: i64) -> Option<(Entry, usize)> {
    let rest = bytes.get(at..)?;
    let (axes, rest) = rest.split_first_chunk::<4>()?;
    let axes = i32::from_le_bytes(*axes);
    let axes = (0..=MAX_AXES).contains(&axes).then_some(axes as usize)?;
    // Axes were written as eight bytes; the upper half means nothing.
    let words = rest.get(4..4 + 8 * (2 * axes + 1))?;
    let numbers = words.as_chunks::<8>().0.iter();
    let numbers: Option<Vec<usize>> =
        numbers.map(|word| usize::try_from(i64::from_le_bytes(*word)).ok()).collect();
    let numbers = numbers?;
    let (shape, rest) = numbers.split_at(axes);
    let (strides, offset) = rest.split_at(axes);
    let entry = Entry {
        storage,
        offset: *offset.first()?,
        shape: shape.to_vec(),
        strides: strides.to_vec(),
    };
    Some((entry, at + 8 + words.len()))
}

/// The key in a persistent id.
fn entry_key(pickle: &Pickle<'_>, id: Id) -> Option<i64> {
    let Node::Persistent(pid) = pickle.node(id) else { return None };
    pickle.int(*pid).or_else(|| pickle.str(*pid)?.parse().ok())
}

fn find(entry: &Entry, parts: &Parts) -> Result<Lookup, TensorFault> {
    let missing = || TensorFault::NoStorage { key: entry.storage.to_string() };
    let part = parts.get(&entry.storage).ok_or_else(missing)?;
    let Some(dtype) = part.dtype.filter(|dtype| !matches!(dtype, Dtype::Opaque(_))) else {
        return Ok(Lookup::NoF32(part.class.clone()));
    };
    let wanted = "an offset inside the storage";
    let offset = entry.offset.checked_add(part.start).ok_or(TensorFault::Call { wanted })?;
    let view = View {
        storage: part.root.to_string(),
        dtype,
        offset,
        shape: Shape::new(entry.shape.clone()),
        strides: entry.strides.clone(),
    };
    let extent = (part.end as u64).saturating_mul(dtype.size() as u64);
    Ok(Lookup::Found(Located { view, extent }))
}
