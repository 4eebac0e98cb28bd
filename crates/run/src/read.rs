use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::{FORMAT, RunError};

/// All bytes of a file, at most `limit`.
pub(crate) fn bytes(path: &Path, limit: u64) -> Result<Vec<u8>, RunError> {
    let fail = |source| RunError::Read { path: path.to_owned(), source };
    let file = File::open(path).map_err(fail)?;
    let mut out = Vec::new();
    // The size a file claims is not trusted: read at most one byte too many.
    file.take(limit + 1).read_to_end(&mut out).map_err(fail)?;
    if out.len() as u64 > limit {
        return Err(RunError::TooLarge { path: path.to_owned(), limit });
    }
    Ok(out)
}

/// All text of a file, at most `limit` bytes.
pub(crate) fn text(path: &Path, limit: u64) -> Result<String, RunError> {
    String::from_utf8(bytes(path, limit)?).map_err(|e| RunError::NotText {
        path: path.to_owned(),
        offset: e.utf8_error().valid_up_to(),
    })
}

/// Refuses a format newer than ours, or none.
pub(crate) fn check_format(path: &Path, format: Option<u64>) -> Result<(), RunError> {
    match format {
        None | Some(0) => Err(RunError::NoFormat { path: path.to_owned() }),
        Some(got) if got > u64::from(FORMAT) => {
            Err(RunError::NewerFormat { path: path.to_owned(), got, known: FORMAT })
        }
        Some(_) => Ok(()),
    }
}

/// The least of a document: what any version of it has.
#[derive(Deserialize)]
struct Version {
    format: Option<u64>,
}

/// A document from JSON; `path` is for the messages only.
pub(crate) fn document<T: DeserializeOwned>(text: &str, path: &Path) -> Result<T, RunError> {
    let fail = |source: serde_json::Error| RunError::Json {
        path: path.to_owned(),
        line: source.line(),
        source,
    };
    // The format comes first: a newer file may have other keys.
    let version: Version = serde_json::from_str(text).map_err(fail)?;
    check_format(path, version.format)?;
    serde_json::from_str(text).map_err(fail)
}
