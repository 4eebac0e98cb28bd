//! Every sound fixture gives the values torch gives.

use std::collections::BTreeMap;

use regraft_formats::{Format, Weights, open};
use serde_json::Value;

use crate::{fixture, fixtures};

/// What `expected.json` says about each file.
fn expected() -> BTreeMap<String, Value> {
    let mut all = BTreeMap::new();
    for file in ["expected.json", "expected_numpy.json"] {
        let text = std::fs::read_to_string(fixture(file)).unwrap();
        let mut part: BTreeMap<String, Value> = serde_json::from_str(&text).unwrap();
        all.append(&mut part);
    }
    all
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
}

fn assert_equal(file: &str, weights: &Weights, wanted: &Value) {
    let tensors = wanted["tensors"].as_object().unwrap();
    let names: Vec<_> = weights.tensors.keys().collect();
    let wanted_names: BTreeMap<_, _> = tensors.iter().collect();
    assert_eq!(names, wanted_names.keys().copied().collect::<Vec<_>>(), "{file}");
    for (name, tensor) in &weights.tensors {
        let want = &tensors[name];
        let shape: Vec<f64> = tensor.shape().iter().map(|&n| n as f64).collect();
        assert_eq!(shape, numbers(&want["shape"]), "{file}: {name}");
        // Decimal text goes through f64, whose last bit the JSON reader does not promise.
        let values: Vec<f32> = numbers(&want["data"]).into_iter().map(|v| v as f32).collect();
        assert_eq!(tensor.data(), values, "{file}: {name}");
    }
    let skipped: Vec<_> =
        wanted["skipped"].as_array().unwrap().iter().map(|v| v.as_str().unwrap()).collect();
    assert_eq!(weights.skipped, skipped, "{file}");
    let metadata: BTreeMap<String, String> =
        serde_json::from_value(wanted["metadata"].clone()).unwrap();
    assert_eq!(weights.metadata, metadata, "{file}");
}

#[test]
fn every_fixture_gives_the_values_torch_gives() {
    let expected = expected();
    assert!(expected.len() > 22);
    for (file, wanted) in &expected {
        let weights = open(&fixture(file)).unwrap_or_else(|e| panic!("{e}"));
        assert_equal(file, &weights, wanted);
    }
}

#[test]
fn the_format_is_known_by_content() {
    let cases = [
        ("zip.pth", Format::TorchZip),
        ("legacy.pth", Format::TorchLegacy),
        ("tar.pth", Format::TorchTar),
        ("dtypes.safetensors", Format::Safetensors),
        ("numpy_protocol0.pkl", Format::NumpyPickle),
        ("numpy_protocol5.pkl", Format::NumpyPickle),
        ("arrays.npz", Format::Npz),
        ("object.npy", Format::Npy),
    ];
    let folder = tempfile::tempdir().unwrap();
    for (file, format) in cases {
        let elsewhere = folder.path().join("weights.jpg");
        std::fs::copy(fixture(file), &elsewhere).unwrap();
        assert_eq!(open(&elsewhere).unwrap().format, format, "{file}");
    }
}

#[test]
fn every_fixture_is_either_expected_or_refused() {
    let expected = expected();
    for (file, bytes) in fixtures() {
        let opens = regraft_formats::from_bytes(&bytes).is_ok();
        assert_eq!(opens, expected.contains_key(&file), "{file}");
    }
}

#[test]
fn a_counter_is_a_scalar() {
    let weights = open(&fixture("zip.pth")).unwrap();
    let counter = &weights.tensors["bn.num_batches_tracked"];
    assert_eq!(counter.shape().dims(), [0usize; 0]);
    assert_eq!(counter.data(), [7.0]);
}
