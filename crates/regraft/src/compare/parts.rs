//! Finished trainings of a comparison, kept until its page is written.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::Error;

/// A folder beside the page, with a file for each finished training.
pub(super) struct Parts(PathBuf);

/// What a training gave.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Part {
    /// Everything that shapes the training.
    key: String,
    /// For each point in time, the part of each image in the figure.
    pub(super) right: Vec<Vec<f64>>,
    /// Mean log loss at the end, where it was asked for. (JSON has no infinity: a training without one could not
    /// be read again.)
    pub(super) nll: Option<f64>,
}

impl Parts {
    pub(super) fn beside(page: &Path) -> Self {
        let mut name = page.as_os_str().to_owned();
        name.push(".parts");
        Self(name.into())
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join(format!("{}.json", name.replace([',', ' '], "-")))
    }

    /// What an interrupted comparison kept of the training `name`, if that was the same training.
    pub(super) fn get(&self, name: &str, key: &str) -> Option<Part> {
        let text = std::fs::read_to_string(self.file(name)).ok()?;
        serde_json::from_str(&text).ok().filter(|part: &Part| part.key == key)
    }

    pub(super) fn put(
        &self,
        name: &str,
        key: String,
        right: Vec<Vec<f64>>,
        nll: Option<f64>,
    ) -> Result<Part, Error> {
        let part = Part { key, right, nll };
        let path = self.file(name);
        let failed = |source| Error::File { what: "write", path: path.clone(), source };
        std::fs::create_dir_all(&self.0).map_err(failed)?;
        let bytes = serde_json::to_vec(&part).map_err(|e| failed(e.into()))?;
        regraft_run::atomic_write(&path, &bytes)?;
        Ok(part)
    }

    /// Takes these trainings away, the page has them all, and the folder when nothing else is in it.
    pub(super) fn remove<'a>(&self, names: impl Iterator<Item = &'a str>) -> Result<(), Error> {
        for path in names.map(|name| self.file(name)) {
            match std::fs::remove_file(&path) {
                Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                    return Err(Error::File { what: "remove", path, source });
                }
                _ => {}
            }
        }
        // Somebody else's file in it, or a training of other options: it stays.
        let _ = std::fs::remove_dir(&self.0);
        Ok(())
    }
}
