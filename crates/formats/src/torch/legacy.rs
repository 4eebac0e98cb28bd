//! `torch.save` from 0.1.10 to 1.5: pickles in a row (magic number, protocol, system, object, keys
//! of storages), then for each key its count of values (`int64`) and the values.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::{Storages, gather_all, locate, locate_all, select};
use crate::pickle::{Id, Node, Pickle};
use crate::view::Budget;
use crate::{Format, FormatError, Weights};

/// `0x1950a86a20f9469cfc6c`, little-endian.
const MAGIC: [u8; 10] = [0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];
/// The only protocol torch ever wrote.
const PROTOCOL: i64 = 1001;

/// Reads a checkpoint of this kind.
pub(crate) fn parse(bytes: &[u8]) -> Result<Weights, FormatError> {
    let magic = Pickle::read(bytes, 0, "pickle")?;
    if !matches!(magic.node(magic.root), Node::Long(number) if **number == MAGIC) {
        return crate::numpy::parse_pickle(bytes);
    }
    let protocol = Pickle::read(bytes, magic.end, "protocol")?;
    if protocol.int(protocol.root) != Some(PROTOCOL) {
        let wanted = "protocol number 1001";
        return Err(FormatError::Layout { member: "protocol", offset: magic.end, wanted });
    }
    let system = Pickle::read(bytes, protocol.end, "system")?;
    refuse_big_endian(&system)?;
    let object = Pickle::read(bytes, system.end, "object")?;
    let keys = Pickle::read(bytes, object.end, "storage keys")?;
    let storages = read_storages(bytes, &object, &keys)?;
    let mut selection = select::select(&object, "object", |id| select::is_rebuilt(&object, id))?;
    let tensors = locate_all(&mut selection, |id| locate::rebuilt(&object, id))?;
    let mut budget = Budget::of_file(bytes.len());
    gather_all(Format::TorchLegacy, selection, &tensors, &storages, &mut budget)
}

/// Refuses what a big-endian machine wrote, by the `sys_info` of the file.
pub(super) fn refuse_big_endian(system: &Pickle<'_>) -> Result<(), FormatError> {
    let little = system.get(system.root, "little_endian").map(|id| system.node(id));
    if matches!(little, Some(Node::Bool(false))) {
        return Err(FormatError::BigEndian);
    }
    Ok(())
}

/// One storage in a stream: its count of values, then the values.
pub(super) fn read_storage<'a>(
    bytes: &'a [u8],
    at: &mut usize,
    value_size: usize,
    member: &'static str,
) -> Result<&'a [u8], FormatError> {
    let offset = *at;
    let short = |wanted| FormatError::Layout { member, offset, wanted };
    let rest = bytes.get(offset..).unwrap_or_default();
    let (count, rest) = rest.split_first_chunk::<8>().ok_or(short("a count of values"))?;
    let count = usize::try_from(i64::from_le_bytes(*count)).ok();
    let length = count.and_then(|count| count.checked_mul(value_size));
    let values = length.and_then(|length| rest.get(..length)).ok_or(short("all values"))?;
    *at = offset + 8 + values.len();
    Ok(values)
}

/// Storages after the pickles, in the order of `keys`. The object says how long their values are;
/// where it uses a storage under two number types, the first one counts, as in torch.
fn read_storages<'a>(
    bytes: &'a [u8],
    object: &Pickle<'_>,
    keys: &Pickle<'_>,
) -> Result<Storages<'a>, FormatError> {
    let mut types = BTreeMap::new();
    for index in object.ids() {
        if let Some(id) = locate::storage_id(object, index) {
            types.entry(id.key).or_insert(id.dtype);
        }
    }
    let member = "storages";
    let mut at = keys.end;
    let mut storages = Storages::new();
    let wanted = |offset, wanted| FormatError::Layout { member, offset, wanted };
    let list: &[Id] = keys.seq(keys.root).ok_or(wanted(at, "a list of storage keys"))?;
    for key in list {
        let key = keys.str(*key).ok_or(wanted(at, "a storage key"))?;
        let dtype = types.get(key).copied().flatten();
        let dtype = dtype.ok_or(wanted(at, "a storage of a known number type"))?;
        let values = read_storage(bytes, &mut at, dtype.size(), member)?;
        storages.insert(key.to_string(), Cow::Borrowed(values));
    }
    Ok(storages)
}
