//! `torch.save` since 1.6: a zip archive of `<root>/data.pkl` and `<root>/data/<key>`, not
//! compressed, little-endian unless `<root>/byteorder` says otherwise.

use std::borrow::Cow;
use std::io::{self, Cursor, Read as _};

use zip::ZipArchive;
use zip::read::ZipReadOptions;

use super::{Storages, gather_all, locate, locate_all, select};
use crate::pickle::Pickle;
use crate::view::Budget;
use crate::{Format, FormatError, NotWeights, Weights};

/// Most members of an archive.
const MAX_MEMBERS: usize = 1 << 18;
/// Where the pickle is, under the root.
const PICKLE: &str = "/data.pkl";

/// Reads a checkpoint of this kind.
pub(crate) fn parse(bytes: &[u8]) -> Result<Weights, FormatError> {
    let mut archive = Archive::open(bytes)?;
    let root = match archive.root() {
        Err(FormatError::NotWeights(NotWeights::OtherZip)) if archive.has_suffix(".npy") => {
            return crate::numpy::parse_npz(archive);
        }
        root => root?,
    };
    if archive.has(&format!("{root}/constants.pkl")) {
        return Err(NotWeights::TorchScript.into());
    }
    let byteorder = format!("{root}/byteorder");
    if archive.has(&byteorder) && archive.member(&byteorder)?.trim_ascii() == b"big" {
        return Err(FormatError::BigEndian);
    }
    let member = format!("{root}{PICKLE}");
    let data = archive.member(&member)?;
    let pickle = Pickle::read(&data, 0, &member)?;
    let mut selection = select::select(&pickle, &member, |id| select::is_rebuilt(&pickle, id))?;
    let tensors = locate_all(&mut selection, |id| locate::rebuilt(&pickle, id))?;
    let mut storages = Storages::new();
    for (_, located) in &tensors {
        let key = &located.view.storage;
        if !storages.contains_key(key) {
            let member = archive.member(&format!("{root}/data/{key}"))?;
            storages.insert(key.clone(), member);
        }
    }
    gather_all(Format::TorchZip, selection, &tensors, &storages, &mut archive.budget)
}

/// A zip archive in memory; compressed members are unpacked within a budget.
pub(crate) struct Archive<'a> {
    bytes: &'a [u8],
    zip: ZipArchive<Cursor<&'a [u8]>>,
    budget: Budget,
}

impl<'a> Archive<'a> {
    fn open(bytes: &'a [u8]) -> Result<Self, FormatError> {
        Self::with(bytes, Budget::of_file(bytes.len()))
    }

    /// Opens an archive of which at most `limit` bytes may be unpacked.
    pub(crate) fn within(bytes: &'a [u8], limit: u64) -> Result<Self, FormatError> {
        Self::with(bytes, Budget::new(limit))
    }

    fn with(bytes: &'a [u8], budget: Budget) -> Result<Self, FormatError> {
        let zip =
            ZipArchive::new(Cursor::new(bytes)).map_err(|source| FormatError::Zip { source })?;
        if zip.len() > MAX_MEMBERS {
            return Err(FormatError::TooManyMembers { members: zip.len(), limit: MAX_MEMBERS });
        }
        Ok(Self { bytes, zip, budget })
    }

    /// Bytes of the file.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    fn has_suffix(&self, suffix: &str) -> bool {
        self.zip.file_names().any(|name| name.is_ok_and(|name| name.ends_with(suffix)))
    }

    /// Names of the members that end so, sorted.
    pub(crate) fn names_with(&self, suffix: &str) -> Result<Vec<String>, FormatError> {
        let mut names = Vec::new();
        for name in self.zip.file_names() {
            let name = name.map_err(|source| FormatError::Zip { source })?;
            if name.ends_with(suffix) {
                names.push(name.to_string());
            }
        }
        names.sort();
        Ok(names)
    }

    /// Whether there is such a member.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.zip.index_for_name(name).is_some()
    }

    /// The folder of the archive that holds the pickle.
    fn root(&self) -> Result<String, FormatError> {
        for name in self.zip.file_names() {
            let name = name.map_err(|source| FormatError::Zip { source })?;
            if let Some(root) = name.strip_suffix(PICKLE)
                && !root.contains('/')
            {
                return Ok(root.to_string());
            }
        }
        Err(NotWeights::OtherZip.into())
    }

    /// The bytes of a member: a slice of the file when it is stored as torch stores it.
    pub(crate) fn member(&mut self, name: &str) -> Result<Cow<'a, [u8]>, FormatError> {
        let missing = || FormatError::MissingMember { member: name.to_string() };
        let broken = |source| FormatError::Member { member: name.to_string(), source };
        let index = self.zip.index_for_name(name).ok_or_else(missing)?;
        // `torch.serialization.set_crc32_options(False)` leaves zeros in place of the checksums.
        let entry = self.zip.by_index_raw(index).map_err(|source| FormatError::Zip { source })?;
        let unchecked = entry.crc32() == 0;
        drop(entry);
        let options = ZipReadOptions::new().ignore_crc32(unchecked);
        let mut entry = self
            .zip
            .by_index_with_options(index, options)
            .map_err(|source| FormatError::Zip { source })?;
        let size = entry.size();
        if entry.compression() == zip::CompressionMethod::Stored {
            let start = entry.data_start();
            // Read once to check the checksum; the slice itself is not copied.
            io::copy(&mut entry, &mut io::sink()).map_err(broken)?;
            return slice(self.bytes, start, size).map(Cow::Borrowed).ok_or_else(|| {
                broken(io::Error::new(io::ErrorKind::UnexpectedEof, "it leaves the file"))
            });
        }
        self.budget.take(size).map_err(|left| FormatError::MemberTooLarge {
            member: name.to_string(),
            bytes: size,
            left,
        })?;
        let mut unpacked = Vec::new();
        entry.by_ref().take(size).read_to_end(&mut unpacked).map_err(broken)?;
        // One more read lets the checksum be compared, and catches a member that is longer.
        if entry.read(&mut [0]).map_err(broken)? != 0 || unpacked.len() as u64 != size {
            return Err(broken(io::Error::new(io::ErrorKind::InvalidData, "its length is wrong")));
        }
        Ok(Cow::Owned(unpacked))
    }
}

fn slice(bytes: &[u8], start: Option<u64>, size: u64) -> Option<&[u8]> {
    let start = start?;
    let end = start.checked_add(size)?;
    bytes.get(usize::try_from(start).ok()?..usize::try_from(end).ok()?)
}
