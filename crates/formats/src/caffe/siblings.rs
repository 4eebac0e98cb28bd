//! The other files of a network, in the folder of the one given.

use std::path::{Path, PathBuf};

use super::fault::CaffeFault;
use crate::FormatError;

/// Files looked at in a folder.
const MOST: usize = 10_000;

/// The weights that belong to a prototxt: of the same name, or the only ones in the folder.
pub(super) fn weights(prototxt: &Path) -> Result<PathBuf, FormatError> {
    let same = prototxt.with_extension("caffemodel");
    if same.is_file() {
        return Ok(same);
    }
    let folder = folder(prototxt);
    let mut found = with_extension(&folder, "caffemodel");
    match (found.pop(), found.len()) {
        (Some(only), 0) => Ok(only),
        (last, more) => {
            let found = more + usize::from(last.is_some());
            Err(CaffeFault::NoWeights { folder, found }.into())
        }
    }
}

/// The prototxt that belongs to weights: of the same name, `deploy.prototxt`, the only one with
/// `deploy` in its name, or the only one that is no solver.
pub(super) fn prototxt(weights: &Path) -> Option<PathBuf> {
    let folder = folder(weights);
    let same = weights.with_extension("prototxt");
    if let Some(path) = [same, folder.join("deploy.prototxt")].into_iter().find(|p| p.is_file()) {
        return Some(path);
    }
    let all = with_extension(&folder, "prototxt");
    let named = |word: &str, path: &Path| {
        path.file_name().is_some_and(|n| n.to_string_lossy().to_lowercase().contains(word))
    };
    let only = |wanted: &dyn Fn(&Path) -> bool| {
        let mut found = all.iter().filter(|p| wanted(p));
        found.next().filter(|_| found.next().is_none()).cloned()
    };
    only(&|p| named("deploy", p)).or_else(|| only(&|p| !named("solver", p)))
}

/// The mean picture in a folder: the only one, or the only one with `mean` in its name.
pub(super) fn mean(folder: &Path) -> Option<PathBuf> {
    let all = with_extension(folder, "binaryproto");
    match &all[..] {
        [only] => Some(only.clone()),
        _ => None,
    }
}

/// The folder of a file.
pub(super) fn folder(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent.to_path_buf(),
        Some(_) | None => PathBuf::from("."),
    }
}

fn with_extension(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut found: Vec<PathBuf> = entries
        .take(MOST)
        .filter_map(|entry| entry.ok().map(|e| e.path()))
        .filter(|p| p.extension().is_some_and(|e| e.eq_ignore_ascii_case(extension)) && p.is_file())
        .collect();
    found.sort();
    found
}
