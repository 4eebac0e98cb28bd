use std::ffi::OsString;
use std::fs::{File, Permissions};
use std::io::{self, Write};
use std::path::Path;

use crate::{RunError, WriteStep};

/// Prefix of the temporary files, so that a crash leaves something one can tell.
pub(crate) const TEMPORARY_PREFIX: &str = ".regraft-";

/// Writes a file whole or not at all: a temporary file beside it, forced to the disk, renamed over
/// the target, and the folder forced to the disk. A reader sees the old bytes or the new ones.
///
/// A symbolic link at `path` is replaced, not followed. The folder must exist. The file gets the
/// permissions a newly made file has.
///
/// # Errors
/// [`RunError::Write`] with the path and the step that failed; the old file is then untouched
/// unless the step is [`WriteStep::SyncFolder`].
pub fn atomic_write(path: impl AsRef<Path>, bytes: &[u8]) -> Result<(), RunError> {
    let path = path.as_ref();
    let fail =
        |step| move |source: io::Error| RunError::Write { path: path.to_owned(), step, source };
    let folder = match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => return Err(fail(WriteStep::Temporary)(io::ErrorKind::IsADirectory.into())),
    };
    let mut prefix = OsString::from(TEMPORARY_PREFIX);
    prefix.push(path.file_name().unwrap_or_default());
    let mut builder = tempfile::Builder::new();
    builder.prefix(&prefix);
    if let Some(permissions) = new_file_permissions() {
        builder.permissions(permissions);
    }
    let mut file = builder.tempfile_in(folder).map_err(fail(WriteStep::Temporary))?;
    file.write_all(bytes).map_err(fail(WriteStep::Bytes))?;
    file.as_file().sync_all().map_err(fail(WriteStep::Sync))?;
    file.persist(path).map_err(|e| fail(WriteStep::Rename)(e.error))?;
    sync_folder(folder).map_err(fail(WriteStep::SyncFolder))
}

/// Temporary files are private by default; a result should be as readable as any other file.
#[cfg(unix)]
#[expect(clippy::unnecessary_wraps, reason = "other systems have no mode")]
fn new_file_permissions() -> Option<Permissions> {
    use std::os::unix::fs::PermissionsExt;
    Some(Permissions::from_mode(0o666))
}

#[cfg(not(unix))]
fn new_file_permissions() -> Option<Permissions> {
    None
}

#[cfg(unix)]
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    match File::open(folder)?.sync_all() {
        // Some network and container file systems cannot sync a folder; the rename still holds.
        Err(e) if matches!(e.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => {
            Ok(())
        }
        done => done,
    }
}

#[cfg(not(unix))]
pub(crate) fn sync_folder(_folder: &Path) -> io::Result<()> {
    Ok(())
}
