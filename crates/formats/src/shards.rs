//! Checkpoints in several files: an index in JSON says which tensor is in which
//! (`model.safetensors.index.json`, `pytorch_model.bin.index.json`).

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;

use crate::{FormatError, Weights, parse, read_file};

/// Largest index, in bytes.
const MAX_INDEX: u64 = 64 << 20;
/// Most files that one index may name.
const MAX_SHARDS: usize = 1000;
/// Most names repeated in a message.
const NAMES_SHOWN: usize = 10;

/// What is wrong with the index of a checkpoint in several files.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ShardFault {
    /// No text that says where tensors are.
    #[error("no `weight_map` of tensor names and file names; is this the index of a checkpoint?")]
    NoMap,
    /// A file that does not lie beside the index.
    #[error(
        "tensor `{tensor}` is said to be in {file:?}; wants the name of a file in the same folder"
    )]
    Elsewhere {
        /// The tensor.
        tensor: String,
        /// What the index says.
        file: String,
    },
    /// More files than any checkpoint.
    #[error("names {files} files, the limit is {limit}")]
    TooMany {
        /// Files named.
        files: usize,
        /// Files allowed.
        limit: usize,
    },
    /// Tensors that are not where the index says.
    #[error(
        "{count} tensors are not in the files that it names, for instance {}; fetch all files again",
        names.join(", ")
    )]
    Missing {
        /// How many.
        count: usize,
        /// Some of them, `NAME (FILE)`.
        names: Vec<String>,
    },
}

/// Whether the file is small enough for an index and says so of itself by its name.
pub(crate) fn is_index(path: &Path) -> bool {
    path.file_name().and_then(|n| n.to_str()).is_some_and(|n| n.ends_with(".index.json"))
}

/// Reads all files of an index and puts them together.
pub(crate) fn open(path: &Path) -> Result<Weights, FormatError> {
    let size = std::fs::metadata(path)
        .map_err(|source| FormatError::Io { action: "read the file", source })?
        .len();
    if size > MAX_INDEX {
        return Err(FormatError::FileTooLarge { bytes: size, limit: MAX_INDEX });
    }
    let map = map(&read_file(path)?)?;
    let files: BTreeSet<&str> = map.values().map(String::as_str).collect();
    if files.len() > MAX_SHARDS {
        let fault = ShardFault::TooMany { files: files.len(), limit: MAX_SHARDS };
        return Err(fault.into());
    }
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut whole: Option<Weights> = None;
    let mut missing = Vec::new();
    let mut count = 0;
    for file in files {
        let shard = folder.join(file);
        let mut part = read_file(&shard)
            .and_then(|bytes| parse(&bytes))
            .map_err(|fault| FormatError::InFile { path: shard, fault: Box::new(fault) })?;
        for name in map.iter().filter(|(_, f)| *f == file).map(|(name, _)| name) {
            if !part.tensors.contains_key(name) {
                count += 1;
                if missing.len() < NAMES_SHOWN {
                    missing.push(format!("`{name}` ({file})"));
                }
            }
        }
        // A tensor that the index has elsewhere, or not at all, is not this file's to give.
        let strangers: Vec<String> = part
            .tensors
            .keys()
            .filter(|name| map.get(*name).is_none_or(|f| f != file))
            .cloned()
            .collect();
        for name in strangers {
            part.tensors.remove(&name);
            part.skipped.push(format!("{name} (in {file}, not in the index)"));
        }
        match &mut whole {
            None => whole = Some(part),
            Some(whole) => {
                whole.tensors.append(&mut part.tensors);
                whole.skipped.append(&mut part.skipped);
                whole.metadata.append(&mut part.metadata);
            }
        }
    }
    if count > 0 {
        return Err(ShardFault::Missing { count, names: missing }.into());
    }
    whole.ok_or_else(|| ShardFault::NoMap.into())
}

/// Tensor to file, each the name of a file beside the index.
fn map(bytes: &[u8]) -> Result<BTreeMap<String, String>, FormatError> {
    let json: Value = serde_json::from_slice(bytes).map_err(|_| ShardFault::NoMap)?;
    let pairs = json.get("weight_map").and_then(Value::as_object).ok_or(ShardFault::NoMap)?;
    let mut map = BTreeMap::new();
    for (tensor, file) in pairs {
        let file = file.as_str().ok_or(ShardFault::NoMap)?;
        if !is_plain(file) {
            let shown = |text: &str| text.chars().take(200).collect();
            return Err(ShardFault::Elsewhere { tensor: shown(tensor), file: shown(file) }.into());
        }
        map.insert(tensor.clone(), file.to_owned());
    }
    Ok(map)
}

/// Whether a name stays in its folder, on any system.
fn is_plain(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 255
        && !name.starts_with('.')
        && !name.contains(['/', '\\', ':', '\0'])
}
