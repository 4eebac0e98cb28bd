//! Data sets: type, shape, and values in whatever storage, as `f32`.

use std::borrow::Cow;
use std::io::Read as _;

use regraft_tensor::{Shape, Tensor};

use super::cursor::Cursor;
use super::object::kind;
use super::{File, Hdf5Fault, NOWHERE, Object};
use crate::dtype::{Dtype, Pick};

/// Most axes of a data set, as in HDF5 itself.
const MAX_RANK: usize = 32;
/// Deepest index of chunks.
const MAX_DEPTH: usize = 16;
/// Bytes counted for each tensor beside its values.
const ENTRY: u64 = 64;

/// What the values are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A number.
    Number(Dtype),
    /// A string of `size` bytes.
    Text {
        /// Bytes.
        size: usize,
    },
    /// A string in the global heap.
    LongText,
    /// Something else.
    Other,
}

impl Kind {
    /// Reads a type.
    pub(super) fn read(mut at: Cursor<'_>) -> Result<Self, Hdf5Fault> {
        let start = at;
        let class = at.u8()? & 15;
        let bits = at.uint(3)?;
        let size = at.u32()? as usize;
        let number = |dtype: Option<Dtype>| match dtype {
            Some(_) if bits & 1 != 0 && size > 1 => {
                Err(start.unsupported("numbers with the big end first"))
            }
            Some(dtype) => Ok(Self::Number(dtype)),
            None => Ok(Self::Other),
        };
        match class {
            0 => number(match (size, bits & 8 != 0) {
                (8, true) => Some(Dtype::I64),
                (4, true) => Some(Dtype::I32),
                (2, true) => Some(Dtype::I16),
                (1, true) => Some(Dtype::I8),
                (8, false) => Some(Dtype::U64),
                (4, false) => Some(Dtype::U32),
                (2, false) => Some(Dtype::U16),
                (1, false) => Some(Dtype::U8),
                _ => None,
            }),
            1 => {
                at.skip(4)?;
                let exponent = [at.u8()?, at.u8()?];
                number(match (size, exponent) {
                    (8, [52, 11]) => Some(Dtype::F64),
                    (4, [23, 8]) => Some(Dtype::F32),
                    (2, [10, 5]) => Some(Dtype::F16),
                    (2, [7, 8]) => Some(Dtype::Bf16),
                    _ => None,
                })
            }
            3 if size > 0 => Ok(Self::Text { size }),
            9 if bits & 15 == 1 && size == 16 => Ok(Self::LongText),
            _ => Ok(Self::Other),
        }
    }

    /// Bytes of one value.
    pub(super) fn size(self) -> usize {
        match self {
            Self::Number(dtype) => dtype.size(),
            Self::Text { size } => size,
            Self::LongText => 16,
            Self::Other => 0,
        }
    }
}

/// The shape of a data set or attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Space(Vec<usize>);

impl Space {
    /// Reads a shape.
    pub(super) fn read(mut at: Cursor<'_>) -> Result<Self, Hdf5Fault> {
        let version = at.version(&[1, 2])?;
        let rank = usize::from(at.u8()?);
        at.skip(1)?;
        let kind = at.u8()?;
        if version == 1 {
            at.skip(4)?;
        }
        if rank > MAX_RANK {
            return Err(at.fault());
        }
        // Version 2 knows a shape without any value.
        if version == 2 && kind == 2 {
            return Ok(Self(vec![0]));
        }
        let extents: Result<Vec<usize>, _> = (0..rank).map(|_| at.length()).collect();
        Ok(Self(extents?))
    }

    /// The number of values.
    pub(super) fn count(&self) -> Option<u64> {
        self.0.iter().try_fold(1u64, |n, &extent| n.checked_mul(extent as u64))
    }
}

/// All values, one after another.
struct All;

impl Pick for All {
    fn values<const N: usize>(&self, all: &[[u8; N]], turn: impl Fn([u8; N]) -> f32) -> Vec<f32> {
        all.iter().map(|&b| turn(b)).collect()
    }
}

impl<'a> Object<'a, '_> {
    /// The values of a data set, row-major.
    pub(crate) fn tensor(&self) -> Result<Tensor, Hdf5Fault> {
        let missing = |wanted| Hdf5Fault::Layout { offset: self.at, wanted };
        if let Some(at) = self.message(kind::EXTERNAL)? {
            return Err(self.stored_elsewhere(at));
        }
        let kind = self.message(kind::TYPE)?.ok_or_else(|| missing("a type of numbers"))?;
        let Kind::Number(dtype) = Kind::read(kind)? else {
            let what = format!("`{}`, which holds no numbers,", self.path);
            return Err(kind.unsupported(what));
        };
        let space = self.message(kind::SPACE)?.ok_or_else(|| missing("a shape"))?;
        let Space(shape) = Space::read(space)?;
        let mut padded = shape.iter().map(|n| n.max(&1));
        let count = padded.try_fold(1usize, |n, extent| n.checked_mul(*extent));
        let count = count.filter(|n| n.checked_mul(8).is_some()).ok_or_else(|| space.fault())?;
        let count = if shape.contains(&0) { 0 } else { count };
        let bytes = (count as u64).saturating_mul(4).saturating_add(ENTRY);
        self.file.spend(bytes, "a data set", self.at)?;
        let layout = self.message(kind::LAYOUT)?.ok_or_else(|| missing("a storage of values"))?;
        let values = self.values(layout, dtype, &shape, count)?;
        Tensor::new(Shape::new(shape), values).map_err(|_| layout.fault())
    }

    fn values(
        &self,
        mut at: Cursor<'a>,
        dtype: Dtype,
        shape: &[usize],
        count: usize,
    ) -> Result<Vec<f32>, Hdf5Fault> {
        let version = at.version(&[3, 4])?;
        let class = at.u8()?;
        let wanted = count * dtype.size();
        let all = |bytes: &[u8]| dtype.read(bytes, &All).unwrap_or_default();
        match class {
            0 => {
                let size = at.u16()?;
                let bytes = at.take(size)?;
                bytes.get(..wanted).map(all).ok_or_else(|| at.fault())
            }
            1 => {
                let start = at.u64()?;
                if wanted == 0 {
                    return Ok(Vec::new());
                }
                if start == NOWHERE {
                    return Err(at.unsupported(format!("`{}`, which was never filled,", self.path)));
                }
                Ok(all(self.file.at(start, "the values of a data set")?.take(wanted)?))
            }
            2 => self.chunked(at, version, dtype, shape, count),
            _ => Err(at.unsupported(format!("a storage of class {class}"))),
        }
    }

    fn chunked(
        &self,
        mut at: Cursor<'a>,
        version: u8,
        dtype: Dtype,
        shape: &[usize],
        count: usize,
    ) -> Result<Vec<f32>, Hdf5Fault> {
        let flags = if version == 4 { at.u8()? } else { 0 };
        let rank = usize::from(at.u8()?);
        if rank != shape.len() + 1 {
            return Err(at.fault());
        }
        let wide = if version == 4 { usize::from(at.u8()?) } else { 4 };
        let tree = if version == 3 { at.u64()? } else { NOWHERE };
        let mut chunk = Vec::new();
        for _ in 0..rank {
            chunk.push(at.uint(wide)? as usize);
        }
        let size = chunk.pop();
        let bytes = chunk.iter().try_fold(dtype.size(), |n, extent| n.checked_mul(*extent));
        let bytes = bytes.filter(|n| *n > 0 && size == Some(dtype.size()));
        let bytes = bytes.ok_or_else(|| at.fault())?;
        let filters = self.filters()?;
        let mut into =
            Chunks { file: self.file, filters, dtype, shape, chunk, bytes, values: Vec::new() };
        // A chunk may be larger than what is in it, but not by much.
        self.file.spend(bytes as u64, "a chunk", at.offset())?;
        into.values.resize(count, 0.0);
        if count == 0 {
            return Ok(into.values);
        }
        if version == 3 {
            if tree != NOWHERE {
                into.tree(tree, MAX_DEPTH)?;
            }
            return Ok(into.values);
        }
        match at.u8()? {
            1 => {
                let (size, mask) =
                    if flags & 2 != 0 { (at.length()?, at.u32()?) } else { (bytes, 0) };
                let place = vec![0; shape.len()];
                into.chunk(at.u64()?, size, mask, &place)?;
                Ok(into.values)
            }
            index => Err(at.unsupported(format!("an index of chunks of kind {index}"))),
        }
    }

    /// The filters that chunks went through, in order.
    fn filters(&self) -> Result<Vec<Filter>, Hdf5Fault> {
        let Some(mut at) = self.message(kind::FILTERS)? else { return Ok(Vec::new()) };
        let version = at.version(&[1, 2])?;
        let count = at.u8()?;
        if version == 1 {
            at.skip(6)?;
        }
        let mut filters = Vec::new();
        for _ in 0..count {
            let id = at.u16()?;
            let name = if version == 1 || id >= 256 { at.u16()? } else { 0 };
            at.skip(2)?;
            let numbers = at.u16()?;
            let name = at.take(if version == 1 { name.next_multiple_of(8) } else { name })?;
            let name = String::from_utf8_lossy(name).trim_end_matches('\0').to_owned();
            let mut first = 0;
            for i in 0..numbers {
                let number = at.u32()?;
                first = if i == 0 { number } else { first };
            }
            if version == 1 && numbers % 2 == 1 {
                at.skip(4)?;
            }
            filters.push(match id {
                1 => Filter::Gzip,
                2 => Filter::Shuffle(first as usize),
                3 => Filter::Checksum,
                _ => return Err(at.unsupported(format!("the filter {id} `{name}`"))),
            });
        }
        Ok(filters)
    }

    fn stored_elsewhere(&self, mut at: Cursor<'a>) -> Hdf5Fault {
        let offset = at.offset();
        let mut name = || {
            at.version(&[1])?;
            at.skip(3 + 4)?;
            let heap = at.u64()?;
            let place = at.length()?;
            let mut heap = self.file.at(heap, "a heap of names")?;
            heap.skip(24)?;
            let start = heap.u64()?;
            let mut text = self.file.at(start, "the name of a file")?;
            text.skip(place)?;
            let text = text.take(text.left().min(1 << 10))?;
            let text = text.split(|b| *b == 0).next().unwrap_or_default();
            Ok::<_, Hdf5Fault>(String::from_utf8_lossy(text).into_owned())
        };
        // Whatever the name says: it is another file.
        let file = name().unwrap_or_else(|_| "?".to_owned());
        Hdf5Fault::External { offset, what: format!("the data set `{}`", self.path), file }
    }
}

/// What was done to a chunk when it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Filter {
    Gzip,
    /// Bytes of a value.
    Shuffle(usize),
    /// Four bytes at the end.
    Checksum,
}

/// A data set that is put together from chunks.
struct Chunks<'a, 'f, 's> {
    file: &'f File<'a>,
    filters: Vec<Filter>,
    dtype: Dtype,
    shape: &'s [usize],
    /// Extents of a chunk.
    chunk: Vec<usize>,
    /// Bytes of a chunk.
    bytes: usize,
    values: Vec<f32>,
}

impl Chunks<'_, '_, '_> {
    fn tree(&mut self, at: u64, depth: usize) -> Result<(), Hdf5Fault> {
        let depth = depth.checked_sub(1).ok_or(Hdf5Fault::Circles)?;
        let mut at = self.file.at(at, "an index of chunks")?;
        at.magic(b"TREE")?;
        if at.u8()? != 1 {
            return Err(at.fault());
        }
        let level = at.u8()?;
        let used = at.u16()?;
        at.skip(16)?;
        for _ in 0..used {
            let (size, mask) = (at.u32()? as usize, at.u32()?);
            let mut place = Vec::with_capacity(self.shape.len());
            for _ in self.shape {
                place.push(at.length()?);
            }
            at.skip(8)?;
            let child = at.u64()?;
            if level > 0 {
                self.tree(child, depth)?;
            } else {
                self.chunk(child, size, mask, &place)?;
            }
        }
        Ok(())
    }

    /// Unpacks a chunk and puts its values where they belong.
    fn chunk(&mut self, at: u64, size: usize, mask: u32, place: &[usize]) -> Result<(), Hdf5Fault> {
        let mut here = self.file.at(at, "a chunk of values")?;
        let fault = here.fault();
        let mut bytes = Cow::Borrowed(here.take(size)?);
        for (i, filter) in self.filters.iter().enumerate().rev() {
            if mask & 1u32.checked_shl(i as u32).unwrap_or(0) == 0 {
                bytes = filter.undo(bytes, self.bytes).ok_or_else(|| fault.clone())?;
            }
        }
        // Unpacking the same chunk again and again is work too.
        for _ in 0..self.bytes / 4096 {
            self.file.step()?;
        }
        if bytes.len() != self.bytes {
            return Err(fault);
        }
        let values = self.dtype.read(&bytes, &All).unwrap_or_default();
        self.scatter(&values, place).ok_or(fault)
    }

    fn scatter(&mut self, values: &[f32], place: &[usize]) -> Option<()> {
        let rank = self.shape.len();
        if rank == 0 {
            *self.values.first_mut()? = *values.first()?;
            return Some(());
        }
        let row = *self.chunk.last()?;
        let last = *place.last()?;
        let extent = *self.shape.last()?;
        let width = row.min(extent.checked_sub(last)?);
        for (n, from) in values.chunks_exact(row).enumerate() {
            // The place of the row, axis by axis from the last but one up.
            let (mut rest, mut at, mut stride) = (n, last, extent);
            let mut inside = true;
            for axis in (0..rank - 1).rev() {
                let index = place[axis].checked_add(rest % self.chunk[axis])?;
                rest /= self.chunk[axis];
                inside &= index < self.shape[axis];
                at = at.checked_add(index.checked_mul(stride)?)?;
                stride = stride.checked_mul(self.shape[axis])?;
            }
            if inside {
                let to = self.values.get_mut(at..at.checked_add(width)?)?;
                to.copy_from_slice(from.get(..width)?);
            }
        }
        Some(())
    }
}

impl Filter {
    /// The bytes before the filter; a chunk is `size` bytes long then.
    fn undo(self, bytes: Cow<'_, [u8]>, size: usize) -> Option<Cow<'_, [u8]>> {
        match self {
            Self::Gzip => {
                // Checksums may be inside: a few bytes more than the chunk.
                let most = size as u64 + 64;
                let mut out = Vec::new();
                out.try_reserve_exact(size + 64).ok()?;
                let mut reader = flate2::read::ZlibDecoder::new(bytes.as_ref()).take(most);
                reader.read_to_end(&mut out).ok()?;
                Some(Cow::Owned(out))
            }
            Self::Shuffle(width) if width > 1 => {
                let count = bytes.len() / width;
                let mut out = bytes.to_vec();
                for (i, value) in out.chunks_exact_mut(width).enumerate() {
                    for (j, byte) in value.iter_mut().enumerate() {
                        *byte = *bytes.get(j * count + i)?;
                    }
                }
                Some(Cow::Owned(out))
            }
            Self::Shuffle(_) => Some(bytes),
            Self::Checksum => {
                let length = bytes.len().checked_sub(4)?;
                Some(match bytes {
                    Cow::Borrowed(bytes) => Cow::Borrowed(bytes.get(..length)?),
                    Cow::Owned(mut bytes) => {
                        bytes.truncate(length);
                        Cow::Owned(bytes)
                    }
                })
            }
        }
    }
}
