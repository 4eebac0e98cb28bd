//! Little-endian numbers out of the bytes of a file, never beyond their end.

use super::Hdf5Fault;

/// A place in the file that moves on as numbers are read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Where `bytes` begin in the file.
    base: usize,
    /// What is being read, for errors.
    what: &'static str,
}

impl<'a> Cursor<'a> {
    /// Reads `bytes`, which begin at `base` of the file.
    pub(super) fn new(bytes: &'a [u8], base: usize, what: &'static str) -> Self {
        Self { bytes, at: 0, base, what }
    }

    /// Reads the file from `offset` on.
    pub(super) fn file(file: &'a [u8], offset: u64, what: &'static str) -> Result<Self, Hdf5Fault> {
        let base = usize::try_from(offset).unwrap_or(usize::MAX);
        let bytes = file.get(base..).ok_or(Hdf5Fault::Layout { offset, wanted: what })?;
        Ok(Self { bytes, at: 0, base, what })
    }

    /// The place in the file.
    pub(super) fn offset(&self) -> u64 {
        (self.base + self.at) as u64
    }

    /// Bytes left.
    pub(super) fn left(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// The fault that what is read here is not as it should be.
    pub(super) fn fault(&self) -> Hdf5Fault {
        Hdf5Fault::Layout { offset: self.offset(), wanted: self.what }
    }

    /// The fault that what is read here is of a kind that is not known.
    pub(super) fn unsupported(&self, what: impl Into<String>) -> Hdf5Fault {
        Hdf5Fault::Unsupported { offset: self.offset(), what: what.into() }
    }

    pub(super) fn take(&mut self, n: usize) -> Result<&'a [u8], Hdf5Fault> {
        let end = self.at.checked_add(n).ok_or_else(|| self.fault())?;
        let taken = self.bytes.get(self.at..end).ok_or_else(|| self.fault())?;
        self.at = end;
        Ok(taken)
    }

    pub(super) fn skip(&mut self, n: usize) -> Result<(), Hdf5Fault> {
        self.take(n).map(|_| ())
    }

    /// Moves on to a multiple of `n` bytes after the start.
    pub(super) fn align(&mut self, n: usize) -> Result<(), Hdf5Fault> {
        self.skip(self.at.next_multiple_of(n) - self.at)
    }

    /// A number of `n` bytes, at most 8.
    pub(super) fn uint(&mut self, n: usize) -> Result<u64, Hdf5Fault> {
        let mut wide = [0; 8];
        let slot = wide.get_mut(..n).ok_or_else(|| self.fault())?;
        slot.copy_from_slice(self.take(n)?);
        Ok(u64::from_le_bytes(wide))
    }

    pub(super) fn u8(&mut self) -> Result<u8, Hdf5Fault> {
        Ok(self.uint(1)? as u8)
    }

    pub(super) fn u16(&mut self) -> Result<usize, Hdf5Fault> {
        Ok(self.uint(2)? as usize)
    }

    pub(super) fn u32(&mut self) -> Result<u32, Hdf5Fault> {
        Ok(self.uint(4)? as u32)
    }

    pub(super) fn u64(&mut self) -> Result<u64, Hdf5Fault> {
        self.uint(8)
    }

    /// A length that must fit in memory.
    pub(super) fn length(&mut self) -> Result<usize, Hdf5Fault> {
        let n = self.u64()?;
        usize::try_from(n).map_err(|_| self.fault())
    }

    /// The letters that mark a structure.
    pub(super) fn magic(&mut self, magic: &[u8]) -> Result<(), Hdf5Fault> {
        let here = *self;
        if self.take(magic.len())? == magic { Ok(()) } else { Err(here.fault()) }
    }

    /// One of the versions known.
    pub(super) fn version(&mut self, known: &[u8]) -> Result<u8, Hdf5Fault> {
        let version = self.u8()?;
        if known.contains(&version) {
            return Ok(version);
        }
        Err(self.unsupported(format!("version {version} of {}", self.what)))
    }
}
