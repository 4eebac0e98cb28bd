//! One binary for all tests of the crate that go through its public door.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod audit;
mod augment;
mod augment_golden;
mod decode;
mod find;
mod hostile;
mod pixels;
mod several;
mod table;

use std::path::{Path, PathBuf};

/// A file of `tests/fixtures`.
fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

/// A fresh folder with these files; `.csv` contents come after `=`, everything else is one byte.
fn folder(files: &[&str]) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for file in files {
        let (name, content) = file.split_once('=').unwrap_or((file, "x"));
        write(&root.path().join(name), content.as_bytes());
    }
    root
}

#[expect(clippy::disallowed_methods, reason = "a test's own temporary folder")]
fn write(path: &Path, bytes: &[u8]) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
}
