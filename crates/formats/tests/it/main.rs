//! Tests of the formats against values that torch and safetensors themselves gave.
//!
//! The fixtures, `expected.json` and `expected_numpy.json` are made by
//! `fixtures/make/torch_checkpoints.py` and `numpy_arrays.py`.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]
#![expect(clippy::wildcard_enum_match_arm, reason = "any other error fails the test")]

mod damage;
mod folders;
mod hostile;
mod keras;
mod onnx;
mod onnx_ours;
mod tflite;
mod values;
mod writing;

use std::path::PathBuf;

/// The path of a fixture.
fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

/// All fixtures with weights or pickles in them, by name, sorted.
fn fixtures() -> Vec<(String, Vec<u8>)> {
    let mut all: Vec<_> = std::fs::read_dir(fixture(""))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e != "json") && path.is_file())
        .map(|path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name, std::fs::read(path).unwrap())
        })
        .collect();
    all.sort();
    assert!(all.len() > 20, "fixtures are missing");
    all
}
