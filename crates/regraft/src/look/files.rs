//! What a look leaves in its folder.

use std::collections::BTreeMap;
use std::path::Path;

use regraft_data::{Picture, to_png};
use regraft_run::atomic_write;
use regraft_tensor::Tensor;
use serde::Serialize;

use crate::Error;

/// Makes the folder.
pub(super) fn folder(out: &Path) -> Result<(), Error> {
    let failed = |source| Error::File { what: "make", path: out.to_owned(), source };
    std::fs::create_dir_all(out).map_err(failed)
}

/// What was found, for programs.
pub(super) fn json(path: &Path, told: &impl Serialize) -> Result<(), Error> {
    let wrong = |e: serde_json::Error| Error::File {
        what: "write",
        path: path.to_owned(),
        source: e.into(),
    };
    let text = serde_json::to_string_pretty(told).map_err(wrong)? + "\n";
    Ok(atomic_write(path, text.as_bytes())?)
}

/// Pictures by the names of their files, raw values as `VALUES.safetensors`, and what was found as `NAME.json`.
pub(super) fn write(
    out: &Path,
    name: &str,
    values: &str,
    told: &impl Serialize,
    pictures: &[(String, Picture)],
    raw: &BTreeMap<String, Tensor>,
) -> Result<(), Error> {
    folder(out)?;
    for (file, picture) in pictures {
        atomic_write(out.join(file), &to_png(picture)?)?;
    }
    let path = out.join(format!("{values}.safetensors"));
    regraft_formats::safetensors::write(&path, raw, &BTreeMap::new())?;
    json(&out.join(format!("{name}.json")), told)
}
