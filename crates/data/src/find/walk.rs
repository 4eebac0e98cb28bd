//! What lies in folders.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::{DataError, Format};

/// A file or folder.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Entry {
    /// Relative to the data set's root, with `/`.
    pub(super) name: String,
    pub(super) path: PathBuf,
}

impl Entry {
    /// The name within its folder.
    pub(super) fn last(&self) -> &str {
        self.name.rsplit('/').next().unwrap_or(&self.name)
    }

    pub(super) fn is_image(&self) -> bool {
        Format::from_extension(&extension(&self.path)).is_some()
    }
}

/// One folder, without hidden entries and litter, sorted by name.
#[derive(Debug, Default)]
pub(super) struct Listing {
    pub(super) folders: Vec<Entry>,
    pub(super) files: Vec<Entry>,
    broken: Vec<String>,
}

/// What was met beside the images; becomes notes.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) ignored_files: BTreeMap<String, usize>,
    pub(super) loose_images: Vec<String>,
    pub(super) empty_folders: Vec<String>,
    pub(super) ignored_folders: Vec<String>,
    pub(super) splits_without_classes: Vec<(String, usize)>,
    pub(super) ignored_tables: Vec<String>,
    pub(super) broken_links: Vec<String>,
    pub(super) repeated_folders: Vec<String>,
    /// Repeated lines of a table and the first of them.
    pub(super) repeated_rows: Option<(usize, u64)>,
}

impl Seen {
    fn ignore(&mut self, file: &Entry) {
        *self.ignored_files.entry(extension(&file.path)).or_default() += 1;
    }

    /// Files that lie where class folders are expected.
    pub(super) fn loose(&mut self, files: &[Entry]) {
        for file in files {
            if file.is_image() {
                self.loose_images.push(file.name.clone());
            } else {
                self.ignore(file);
            }
        }
    }
}

/// In lower case, without dot; empty when there is none.
fn extension(path: &Path) -> String {
    path.extension().map(|e| e.to_string_lossy().to_ascii_lowercase()).unwrap_or_default()
}

/// What operating systems and notebooks leave behind.
fn is_litter(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    let known = ["__MACOSX", "Thumbs.db", "desktop.ini"];
    name.starts_with('.') || known.iter().any(|litter| name.eq_ignore_ascii_case(litter))
}

/// Lists `folder`; names get `prefix/` before them unless it is empty.
pub(super) fn list(folder: &Path, prefix: &str) -> Result<Listing, DataError> {
    let failed = |error| DataError::io(folder, error);
    let mut listing = Listing::default();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let own = entry.file_name();
        if is_litter(&own) {
            continue;
        }
        let path = entry.path();
        let last = own.to_string_lossy();
        let name = if prefix.is_empty() { last.into_owned() } else { format!("{prefix}/{last}") };
        // Follows links.
        match fs::metadata(&path) {
            Ok(kind) if kind.is_dir() => {
                if own.to_str().is_none() {
                    return Err(DataError::FolderName { path });
                }
                listing.folders.push(Entry { name, path });
            }
            Ok(_) => listing.files.push(Entry { name, path }),
            Err(error) if leads_nowhere(&entry, &error) => listing.broken.push(name),
            Err(error) => return Err(DataError::io(&path, error)),
        }
    }
    listing.folders.sort();
    listing.files.sort();
    listing.broken.sort();
    Ok(listing)
}

/// A link whose target is gone, or that leads to itself.
fn leads_nowhere(entry: &fs::DirEntry, error: &io::Error) -> bool {
    let link = entry.file_type().is_ok_and(|kind| kind.is_symlink());
    link && error.kind() != io::ErrorKind::PermissionDenied
}

/// Where a folder is when all links are followed.
fn real(folder: &Entry) -> Result<PathBuf, DataError> {
    fs::canonicalize(&folder.path).map_err(|error| DataError::io(&folder.path, error))
}

/// All images at any depth below `folder`, unsorted.
pub(super) fn images_below(folder: &Entry, seen: &mut Seen) -> Result<Vec<Entry>, DataError> {
    let mut images = Vec::new();
    // A link to a folder that holds this one would bring in other classes.
    let mut known: BTreeSet<PathBuf> =
        real(folder)?.ancestors().skip(1).map(Path::to_path_buf).collect();
    let mut open = vec![folder.clone()];
    while let Some(folder) = open.pop() {
        if !known.insert(real(&folder)?) {
            seen.repeated_folders.push(folder.name);
            continue;
        }
        let listing = list(&folder.path, &folder.name)?;
        for file in listing.files {
            if file.is_image() {
                images.push(file);
            } else {
                seen.ignore(&file);
            }
        }
        seen.broken_links.extend(listing.broken);
        // The first folder by name is read first: of two ways to a folder it is the one kept.
        open.extend(listing.folders.into_iter().rev());
    }
    Ok(images)
}
