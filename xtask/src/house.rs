//! Rules that hold for every crate: the workspace's lints are on, no source file is too long.

use std::fs;
use std::path::{Path, PathBuf};

use crate::{Breach, Error, Workspace};

/// The most lines a source file may have.
pub const LINES: usize = 500;

/// Every crate without the lints of the workspace, and every file of a `src/` with more than
/// [`LINES`] lines; paths relative to the workspace.
///
/// # Errors
/// When a file cannot be read.
pub fn check(workspace: &Workspace) -> Result<Vec<Breach>, Error> {
    let short = |path: &Path| path.strip_prefix(&workspace.root).unwrap_or(path).to_path_buf();
    let mut breaches = Vec::new();
    for package in &workspace.packages {
        let manifest = &package.manifest;
        if !has_lints(&read(manifest)?) {
            breaches.push(Breach::Lints { manifest: short(manifest) });
        }
        let Some(folder) = manifest.parent() else { continue };
        for path in sources(&folder.join("src"))? {
            let lines = read(&path)?.lines().count();
            if lines > LINES {
                breaches.push(Breach::Long { path: short(&path), lines, limit: LINES });
            }
        }
    }
    Ok(breaches)
}

/// Whether a manifest has `workspace = true` in `[lints]`, or `lints.workspace = true` at its top.
fn has_lints(manifest: &str) -> bool {
    let mut section = "";
    manifest.lines().map(|l| l.split('#').next().unwrap_or_default().trim()).any(|line| {
        if line.starts_with('[') {
            section = line;
        }
        let words: String = line.split_whitespace().collect();
        (section == "[lints]" && words == "workspace=true")
            || (section.is_empty() && words == "lints.workspace=true")
    })
}

/// The Rust files below `folder`, sorted.
fn sources(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).map_err(Error::file("list", &folder))? {
            let path = entry.map_err(Error::file("list", &folder))?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

fn read(path: &Path) -> Result<String, Error> {
    fs::read_to_string(path).map_err(Error::file("read", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lints_count_only_where_cargo_reads_them() {
        let cases = [
            ("[package]\nname = \"a\"\n\n[lints]\nworkspace = true\n", true),
            ("[lints]\nworkspace=true # all of them\n", true),
            ("lints.workspace = true\n[package]\n", true),
            ("[package]\nedition.workspace = true\n", false),
            ("[lints]\n[dependencies]\nworkspace = true\n", false),
            ("# [lints]\n# workspace = true\n", false),
            ("[lints]\nworkspace = false\n", false),
        ];
        for (manifest, wanted) in cases {
            assert_eq!(has_lints(manifest), wanted, "{manifest}");
        }
    }
}
