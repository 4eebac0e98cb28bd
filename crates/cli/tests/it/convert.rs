//! Networks from files with their own graph, and into them.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use crate::support::{ARCHITECTURE, World, network};

#[test]
fn a_converted_network_computes_the_same_and_can_be_fitted_shown_and_cut() {
    let world = World::new();
    let done = world.run(&["convert", &network(), "net.safetensors", "--json"]).json();
    assert_eq!(done["difference"], 0.0);
    assert_eq!(done["network"], ARCHITECTURE);
    let logits = |name: &str| world.run(&["zoo", "verify", name, "--formula", "--json"]).json();
    assert_eq!(logits("net.safetensors")["logits"], logits(&network())["logits"]);
    let shown = world.run(&["show", "net.safetensors", "--json"]).json();
    assert_eq!(shown["parameters"], 3_504_872);
    assert_eq!(shown["cut"], "pool");
    let cut = world.run(&["cut", "net.safetensors", "features.7", "--out", "low.safetensors"]);
    assert_eq!(cut.code(), 0, "{}", cut.stderr());
    let low = world.run(&["show", "low.safetensors", "--json"]).json();
    assert_eq!(
        low["layers"].as_array().and_then(|l| l.last()).map(|l| &l["name"]),
        Some(&"features.7".into())
    );
    world.pictures("data", &["one", "two"], 6);
    let fit = ["fit", "data", "--network", "net.safetensors", "--out", "run", "--json"];
    let summary = world.run(&fit).json();
    assert_eq!(summary["network"], ARCHITECTURE);
    // A run is a network too: with probabilities for whoever wants them.
    world.run(&["convert", "run", "run.safetensors", "--softmax", "--json"]).json();
    let both =
        world.run(&["zoo", "verify", "run.safetensors", "--formula", "--all-logits", "--json"]);
    let sum: f64 =
        both.json()["all"].as_array().unwrap().iter().filter_map(serde_json::Value::as_f64).sum();
    assert!((sum - 1.0).abs() < 1e-5, "{sum}");
    let again = world.run(&["fit", "data", "--network", "run", "--out", "second", "--json"]).json();
    assert_eq!(again["frontier"], "pool");
}

#[test]
fn caffe_gets_layers_and_weights_and_computes_the_same() {
    let world = World::new();
    let done = world.run(&["convert", &network(), "out.caffemodel", "--json"]).json();
    assert!(done["difference"].as_f64().is_some_and(|d| d < 1e-5), "{done}");
    let text = std::fs::read_to_string(world.path("out.prototxt")).unwrap();
    assert!(text.contains("type: \"Convolution\""), "{text}");
    let logits = |name: &str| world.run(&["zoo", "verify", name, "--formula", "--json"]).json();
    let (ours, theirs) = (logits(&network()), logits("out.caffemodel"));
    assert_eq!(ours["argmax"], theirs["argmax"]);
    let left: Vec<_> = std::fs::read_dir(world.folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .filter(|name| name.starts_with('.'))
        .collect();
    assert!(left.is_empty(), "{left:?}");
    // Caffe has no layer norm: every layer it cannot say is named, and nothing is written.
    let vit = "timm/vit_tiny_patch16_224";
    let graph = regraft_zoo::graph(vit).unwrap();
    let params = regraft_testkit::formula_params(&graph).unwrap();
    let tensors: BTreeMap<String, _> =
        params.iter().map(|(n, t)| (n.to_owned(), regraft_tensor::Tensor::clone(t))).collect();
    let file = world.path("vit.safetensors");
    regraft_formats::safetensors::write(&file, &tensors, &BTreeMap::new()).unwrap();
    let name = format!("{vit}@file:{}", file.display());
    world.run(&["convert", &name, "vit.caffemodel"]).refused(4, &["layer_norm", "attention"]);
    assert!(!world.path("vit.caffemodel").exists() && !world.path("vit.prototxt").exists());
}

#[test]
fn a_file_that_is_no_network_is_refused_with_what_to_do() {
    let world = World::new();
    world.file("notes.safetensors", b"shopping list");
    world.run(&["show", "notes.safetensors"]).refused(4, &["notes.safetensors", "right file"]);
    world.run(&["convert", &network(), "net.docx"]).refused(2, &["net.docx", ".onnx"]);
    let (_, weights) =
        network().split_once("file:").map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    world.run(&["fit", "data", "--network", &weights]).refused(3, &["data"]);
    world.pictures("data", &["one", "two"], 2);
    world
        .run(&["fit", "data", "--network", &weights])
        .refused(4, &["weights without a graph", "@file:"]);
    let done = world.run(&["convert", &weights, "same.safetensors", "--json"]).json();
    assert!(done["difference"].is_null());
}

/// A narrow `CaffeNet` in the older generation of files, with groups, local response norm and pooling
/// that rounds up.
#[test]
fn a_caffenet_is_cut_where_one_likes_and_trained_with_a_new_head() {
    let world = World::new();
    let fixtures =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../formats/tests/caffe/fixtures/caffenet_v1");
    for kind in ["prototxt", "caffemodel"] {
        let bytes = std::fs::read(fixtures.with_extension(kind)).unwrap();
        world.file(&format!("net.{kind}"), &bytes);
    }
    world.pictures("data", &["one", "two"], 12);
    let shown = world.run(&["show", "net.caffemodel", "--json"]).json();
    let shapes: BTreeMap<&str, &Value> = shown["layers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|layer| (layer["name"].as_str().unwrap(), &layer["shape"]))
        .collect();
    for cut in ["conv5", "fc6", "fc7"] {
        let fit = ["fit", "data", "--network", "net.caffemodel", "--cut", cut, "--json"];
        let out = format!("run-{cut}");
        let probe = world.run(&[&fit[..], &["--out", &out]].concat()).json();
        assert_eq!(probe["frontier"], cut);
        let out = format!("tuned-{cut}");
        let more = ["--strategy", "lp-ft", "--unfreeze", "last:1", "--epochs", "2", "--out", &out];
        let tuned = world.run(&[&fit[..], &more[..]].concat()).json();
        // The head has two classes and whatever the cut gives; the layer before it learned too.
        let width = shapes[cut].as_array().unwrap().iter().filter_map(Value::as_u64);
        let width = if cut == "conv5" { width.clone().next().unwrap() } else { width.product() };
        let learned = tuned["tuning"]["learned"].as_u64().unwrap();
        assert!(learned > 2 * width + 2, "{cut}: {learned} of {width}");
    }
    world
        .run(&["fit", "data", "--network", "net.caffemodel", "--cut", "fc9", "--out", "none"])
        .refused(4, &["fc9", "fc8"]);
}
