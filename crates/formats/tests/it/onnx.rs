//! ONNX files against what the frameworks that wrote them compute.
//!
//! The fixtures and `expected.json` are made by `fixtures/make/onnx_files.py` and `onnx_keras.py`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use regraft_formats::{FormatError, Model, OnnxFault, onnx, open_model};
use regraft_net::formula::formula_batch;
use regraft_net::op::Pad;
use regraft_net::{Op, notation};
use regraft_testkit::Reference;

use crate::fixture;

fn file(name: &str) -> PathBuf {
    fixture("onnx").join(name)
}

fn open(name: &str) -> Model {
    open_model(&file(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
}

/// What the frameworks compute, by file.
fn expected() -> BTreeMap<String, Vec<f64>> {
    serde_json::from_slice(&std::fs::read(file("expected.json")).unwrap()).unwrap()
}

/// What a network computes on the formula picture, in `f64`.
fn output(model: &Model) -> Vec<f64> {
    let graph = model.network.graph();
    let facts = model.network.facts().unwrap();
    let picture = formula_batch(&facts.layer(graph.input().unwrap()).shape);
    let wide: Vec<f64> = picture.data().iter().map(|v| f64::from(*v)).collect();
    Reference::new(&model.network).unwrap().output(&wide, 1)
}

fn difference(got: &[f64], wanted: &[f64]) -> f64 {
    assert_eq!(got.len(), wanted.len());
    let norm = |v: &mut dyn Iterator<Item = f64>| v.map(|x| x * x).sum::<f64>().sqrt();
    let apart = norm(&mut got.iter().zip(wanted).map(|(a, b)| a - b));
    apart / norm(&mut wanted.iter().copied())
}

#[test]
fn files_of_all_exporters_compute_what_their_frameworks_do() {
    let expected = expected();
    assert!(expected.len() >= 21, "fixtures are missing");
    for (name, wanted) in expected {
        let model = open(&name);
        let apart = difference(&output(&model), &wanted);
        let graph = notation::print(model.network.graph());
        assert!(apart < 2e-6, "{name} is {apart:.1e} off:\n{graph}");
        assert!(model.unused.is_empty(), "{name}: {:?}", model.unused);
    }
}

#[test]
fn moving_values_makes_no_layers() {
    for name in ["norms-13.onnx", "norms-17.onnx", "norms-dynamo.onnx"] {
        let model = open(name);
        let words: Vec<&str> = model.network.graph().layers().map(|(_, l)| l.op.name()).collect();
        let wanted = [
            "input",
            "conv2d",
            "layer_norm",
            "linear",
            "gelu",
            "linear",
            "scale",
            "add",
            "global_avg_pool",
            "linear",
        ];
        assert_eq!(words, wanted, "{name}");
    }
}

#[test]
fn layers_and_parameters_have_the_frameworks_names() {
    let model = open("residual-13-norms.onnx");
    for name in ["conv1", "bn1", "layer1.0", "layer1.1", "down", "fc"] {
        assert!(model.network.graph().find(name).is_ok(), "{name}");
    }
    let names: Vec<&str> = model.network.params().names().collect();
    assert!(names.contains(&"layer1.1.running_mean"), "{names:?}");
    let folded = open("residual-17.onnx");
    for name in ["conv1", "layer1.0", "down", "fc"] {
        assert!(folded.network.graph().find(name).is_ok(), "{name}");
    }
}

#[test]
fn the_card_knows_scores_and_features() {
    let card = open("residual-17.onnx").network.card().clone();
    assert_eq!(card.logits.as_deref(), Some("fc"));
    assert_eq!(card.framework, "pytorch");
    assert_eq!(card.preprocess.crop, [33, 40]);
    let model = open("residual-17.onnx");
    let graph = model.network.graph();
    let cut = graph.layer(graph.find(&card.cut.unwrap()).unwrap());
    assert_eq!(cut.op, Op::GlobalAvgPool);
    let card = open("external.onnx").network.card().clone();
    assert_eq!(card.labels, ["ant", "bee", "cat", "dog"]);
    assert_eq!(card.licence, "MIT");
}

#[test]
fn channels_turned_or_mixed_are_a_matrix_and_squares_are_products() {
    for name in ["channels-17.onnx", "channels-dynamo.onnx"] {
        let model = open(name);
        let graph = model.network.graph();
        let words: Vec<&str> = graph.layers().map(|(_, l)| l.op.name()).collect();
        let wanted = [
            "input",
            "affine",
            "linear",
            "conv2d",
            "global_avg_pool",
            "linear",
            "sigmoid",
            "mul",
            "conv2d",
            "relu",
            "mul",
            "affine",
            "global_avg_pool",
            "linear",
        ];
        assert_eq!(words, wanted, "{name}");
    }
}

#[test]
fn a_border_that_is_computed_from_the_pictures_shape_is_a_border() {
    let model = open("borders-13.onnx");
    let graph = model.network.graph();
    let conv = graph.layers().find_map(|(_, l)| match l.op {
        Op::Conv2d(conv) => Some(conv.pad),
        _ => None,
    });
    assert_eq!(conv, Some(Pad { top: 2, left: 0, bottom: 0, right: 2 }));
}

#[test]
fn attention_of_three_matrices_becomes_one() {
    let model = open("heads-13.onnx");
    let graph = model.network.graph();
    let attention = graph.layers().find(|(_, l)| matches!(l.op, Op::Attention { heads: 2, .. }));
    let qkv = graph.layer(attention.unwrap().1.inputs[0]);
    assert_eq!(qkv.op, Op::Linear { out: 36, bias: true });
    assert!(graph.find("tokens").is_ok());
}

#[test]
fn tensors_outside_the_models_folder_are_not_read() {
    let bytes = std::fs::read(file("external.onnx")).unwrap();
    let name = b"external.data";
    for (location, reason) in [
        ("../xternal.dt", "points out"),
        ("/etc/hostname", "points out"),
        ("external.dat_", "no such"),
    ] {
        let mut changed = bytes.clone();
        while let Some(at) = changed.windows(name.len()).position(|w| w == name) {
            changed[at..at + name.len()].copy_from_slice(location.as_bytes());
        }
        let error = onnx::from_bytes(&changed, Some(&fixture("onnx"))).unwrap_err().to_string();
        assert!(error.contains(reason) && error.contains(location), "{error}");
    }
    let error = onnx::from_bytes(&bytes, None).unwrap_err().to_string();
    assert!(error.contains("folder of the model is not known"), "{error}");
}

#[test]
fn operations_that_are_not_understood_are_all_named_at_once() {
    // The names of two operations changed in place: nothing else of the file moves.
    let mut bytes = std::fs::read(file("residual-17.onnx")).unwrap();
    for (from, to) in [("MaxPool", "MadPool"), ("Softmax", "Sofamax")] {
        let tagged = [&[0x22, 7], from.as_bytes()].concat();
        let at = bytes.windows(9).position(|w| w == tagged).unwrap();
        bytes[at + 2..at + 9].copy_from_slice(to.as_bytes());
    }
    match onnx::from_bytes(&bytes, None) {
        Err(FormatError::Onnx(OnnxFault::Ops { list })) => {
            let names: Vec<(&str, usize)> = list.iter().map(|o| (&*o.op, o.count)).collect();
            assert_eq!(names, [("MadPool", 1), ("Sofamax", 1)]);
            assert!(list[0].node.contains("MaxPool"), "{list:?}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_node_that_is_not_understood_is_named_with_its_shapes() {
    // The axis of the last softmax over rows instead of scores: a batch of one has no such layer.
    let bytes = std::fs::read(file("integers-13.onnx")).unwrap();
    let name = b"\x0a\x04perm";
    let at = bytes.windows(name.len()).position(|w| w == name).unwrap();
    let mut changed = bytes;
    changed[at + 2..at + 6].copy_from_slice(b"pern");
    let same = onnx::from_bytes(&changed, None);
    assert!(same.is_ok(), "the usual order is the turned one");
    changed[at + 2..at + 6].copy_from_slice(b"perm");
    let order = changed.windows(4).position(|w| w == [0x40, 1, 0x40, 0]).unwrap();
    changed[order + 1] = 0;
    changed[order + 3] = 1;
    let error = onnx::from_bytes(&changed, None).unwrap_err().to_string();
    assert!(error.contains("(MatMul) got 1x8 and 4x8, wants a last axis of 4"), "{error}");
}
