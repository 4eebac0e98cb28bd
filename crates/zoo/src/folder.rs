//! Weights of the user's own: a file, a folder as `save_pretrained` leaves it, or the index of shards.

use std::fs;
use std::path::{Path, PathBuf};

use crate::fetch::{Fetched, local as one};
use crate::{Expected, ZooError, checksum};

/// Names of weights files in folders, the one that is taken first in front.
const NAMES: [&str; 4] = [
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
];

/// The weights at `path`. The checksum of an index is that of the index and then of all files in its
/// folder that end as the shards do, by name.
pub(crate) fn local(
    path: &Path,
    wanted: Option<&Expected>,
    what: &str,
) -> Result<Fetched, ZooError> {
    let path = if path.is_dir() {
        let found = NAMES.into_iter().map(|name| path.join(name)).find(|file| file.is_file());
        found.ok_or_else(|| ZooError::NoWeightsIn {
            path: path.to_owned(),
            wanted: NAMES.map(|name| format!("`{name}`")).join(", "),
        })?
    } else {
        path.to_owned()
    };
    let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
    let ending = match name {
        _ if name.ends_with(".safetensors.index.json") => ".safetensors",
        _ if name.ends_with(".bin.index.json") => ".bin",
        _ => return one(&path, wanted, what),
    };
    let unreadable = |source| ZooError::Read { path: path.clone(), source };
    let files = shards(&path, ending);
    let (sums, bytes) = checksum::of_files(&files, wanted).map_err(unreadable)?;
    match wanted {
        Some(wanted) if !wanted.fits(&sums) => Err(ZooError::Checksum {
            what: what.to_owned(),
            got: wanted.got(&sums),
            wanted: wanted.clone(),
            bytes,
        }),
        _ => Ok(Fetched { path, sha256: sums.sha256, bytes }),
    }
}

/// The index, and the files beside it that end so, by name.
fn shards(index: &Path, ending: &str) -> Vec<PathBuf> {
    let folder = index.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let entries = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.path())
        .filter(|p| p.file_name().and_then(|n| n.to_str()).is_some_and(|n| n.ends_with(ending)))
        .filter(|p| p.is_file())
        .collect();
    files.sort();
    files.insert(0, index.to_owned());
    files
}
