//! Weights that are not those of their network are findings, not the end.

use std::collections::BTreeMap;
use std::path::Path;

use regraft::{Lint, LoadOptions, Quiet, lint, load};
use regraft_formats::{caffe, safetensors};
use regraft_net::notation;
use regraft_tensor::Tensor;
use regraft_testkit::with_formula_weights;

fn found(name: &str) -> Vec<(&'static str, &'static str, Option<String>, String)> {
    let lint: Lint = lint(name, None, &LoadOptions::default(), &Quiet).unwrap();
    let row = |f: regraft::LintFinding| (f.check, f.severity, f.layer, f.figures);
    let asked = |check: &str| check.ends_with("-parameter") || check == "parameter-shape";
    lint.findings.into_iter().map(row).filter(|(check, ..)| asked(check)).collect()
}

#[test]
fn parameters_missing_and_left_over_are_findings_where_other_commands_refuse() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.safetensors");
    let name = "torchvision/squeezenet1_1";
    let network = regraft_zoo::architecture(name).unwrap().formula_network().unwrap();
    // Wrapped, of seven classes, one layer called otherwise.
    let put = |(name, tensor): (&str, &std::sync::Arc<Tensor>)| {
        let name = name.replace("features.3.squeeze", "features.3.squeezed");
        let mut dims = tensor.shape().to_vec();
        let mut data = tensor.data().to_vec();
        if name.starts_with("classifier.1") {
            data.truncate(data.len() / dims[0] * 7);
            dims[0] = 7;
        }
        (format!("backbone.{name}"), Tensor::new(dims, data).unwrap())
    };
    let mut tensors: BTreeMap<String, Tensor> = network.params().iter().map(put).collect();
    let spec = format!("{name}@file:{}", path.display());
    safetensors::write(&path, &tensors, &BTreeMap::new()).unwrap();
    let rows = found(&spec);
    assert_eq!(rows.len(), 2, "{rows:?}");
    assert_eq!((rows[0].0, rows[0].1), ("missing-parameter", "problem"));
    assert_eq!(rows[0].2.as_deref(), Some("features.3.squeeze"));
    assert!(rows[0].3.starts_with("2 of 52 parameters are missing"), "{}", rows[0].3);
    assert!(rows[0].3.contains("(the file has `features.3.squeezed.weight`)"), "{}", rows[0].3);
    assert_eq!((rows[1].0, rows[1].1), ("unused-parameter", "warning"));
    let refused = load(&spec, &LoadOptions::default(), &Quiet).unwrap_err().to_string();
    assert!(refused.contains("features.3.squeeze.weight"), "{refused}");
    for part in ["weight", "bias"] {
        let tensor = tensors.remove(&format!("backbone.features.3.squeezed.{part}")).unwrap();
        tensors.insert(format!("backbone.features.3.squeeze.{part}"), tensor);
    }
    safetensors::write(&path, &tensors, &BTreeMap::new()).unwrap();
    assert_eq!(found(&spec), []);
}

#[expect(clippy::disallowed_methods, reason = "a file for a test")]
fn put(path: &Path, bytes: &[u8]) {
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn a_prototxt_whose_weights_are_of_another_network_is_looked_at_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let text = "data = input 3x8x8\nconv1 = conv2d data out=8 size=3\nact = relu conv1\n\
                fc = linear flat out=4\n-> fc";
    let text = text.replace("fc =", "flat = flatten act\nfc =");
    let network = with_formula_weights(notation::parse(&text).unwrap());
    let written = caffe::write(&network).unwrap();
    let path = folder.path().join("net.prototxt");
    put(&path, written.prototxt.replace("\"conv1\"", "\"conv2\"").as_bytes());
    let name = path.to_str().unwrap();
    // No weights at all: its structure.
    assert_eq!(found(name), []);
    put(&folder.path().join("net.caffemodel"), &written.caffemodel);
    let rows = found(name);
    assert_eq!(rows.len(), 2, "{rows:?}");
    assert_eq!((rows[0].0, rows[0].2.as_deref()), ("missing-parameter", Some("conv2")));
    assert!(rows[0].3.contains("near: `conv1`"), "{}", rows[0].3);
    assert!(rows[1].3.contains("`conv1`"), "{}", rows[1].3);
    assert!(load(name, &LoadOptions::default(), &Quiet).is_err());
}
