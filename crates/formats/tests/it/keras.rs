//! Files of Keras against what Keras computes.
//!
//! The fixtures and `expected.json` are made by `fixtures/make/keras_small.py`.

use std::collections::BTreeMap;

use regraft_formats::{Format, FormatError, Hdf5Fault, KerasFault, keras};
use regraft_net::formula::formula_input;
use regraft_net::{Network, Op};
use regraft_testkit::Reference;

use crate::fixture;

/// What both networks are written as, whole.
const WHOLE: [&str; 3] = ["keras", "h5", "keras2.h5"];
/// What both are written as, weights only.
const WEIGHTS: [&str; 2] = ["weights.h5", "legacy.h5"];

fn bytes(name: &str) -> Vec<u8> {
    std::fs::read(fixture("keras").join(name)).unwrap()
}

fn expected() -> BTreeMap<String, Vec<f64>> {
    let json: serde_json::Value = serde_json::from_slice(&bytes("expected.json")).unwrap();
    let numbers =
        |v: &serde_json::Value| v.as_array().unwrap().iter().map(|n| n.as_f64().unwrap()).collect();
    json.as_object().unwrap().iter().map(|(k, v)| (k.clone(), numbers(v))).collect()
}

fn run(network: &Network) -> Vec<f64> {
    let picture: Vec<f64> =
        formula_input(13).data().iter().map(|v| 100.0 * f64::from(*v)).collect();
    Reference::new(network).unwrap().output(&picture, 1)
}

fn assert_near(what: &str, got: &[f64], wanted: &[f64]) {
    assert_eq!(got.len(), wanted.len(), "{what}");
    let sum = |f: &dyn Fn(usize) -> f64| (0..got.len()).map(f).sum::<f64>().sqrt();
    let far = sum(&|i| (got[i] - wanted[i]).powi(2)) / sum(&|i| wanted[i].powi(2));
    // Parameters are f32, constants of the configuration too.
    assert!(far < 1e-6, "{what}: {far:.1e}");
}

#[test]
fn whole_models_compute_what_keras_computes() {
    let expected = expected();
    for network in ["gated", "chain"] {
        for kind in WHOLE {
            let file = format!("{network}.{kind}");
            let model = keras::model(&bytes(&file)).unwrap_or_else(|e| panic!("{file}: {e}"));
            assert_near(&file, &run(&model.network), &expected[network]);
            assert_eq!(model.unused, Vec::<String>::new(), "{file}");
            assert!(regraft_formats::open_model(&fixture("keras").join(&file)).is_ok());
        }
    }
}

#[test]
fn layers_have_the_names_of_keras_and_the_card_knows_logits_and_cut() {
    let model = keras::model(&bytes("gated.keras")).unwrap();
    let graph = model.network.graph();
    for name in ["stem", "sep.depthwise", "sep.pointwise", "sep_relu", "inner_conv", "scores"] {
        assert!(graph.find(name).is_ok(), "{name}");
    }
    assert!(matches!(graph.layer(graph.find("scores_softmax").unwrap()).op, Op::Softmax));
    let card = model.network.card();
    assert_eq!(card.logits.as_deref(), Some("scores"));
    assert_eq!(card.cut.as_deref(), Some("hidden_tanh"));
    assert_eq!((card.name.as_str(), card.framework.as_str()), ("gated", "keras"));
    // It begins with a `Rescaling`, so pictures come as bytes.
    assert_eq!((card.preprocess.scale, card.preprocess.crop), (1.0, [13, 13]));
}

#[test]
fn a_hard_sigmoid_of_keras_2_has_the_slope_of_keras_2() {
    let model = keras::model(&bytes("hard.keras2.h5")).unwrap();
    assert_near("hard", &run(&model.network), &expected()["hard"]);
}

#[test]
fn weights_come_by_the_names_of_their_layers_whatever_the_layout() {
    let mut all = Vec::new();
    for kind in WEIGHTS.into_iter().chain(["keras", "h5", "keras2.h5"]) {
        let weights = regraft_formats::from_bytes(&bytes(&format!("gated.{kind}"))).unwrap();
        assert_eq!(weights.tensors["stem/kernel"].shape().dims(), [3, 3, 3, 8], "{kind}");
        assert_eq!(weights.tensors["inner_conv/bias"].shape().dims(), [16], "{kind}");
        assert_eq!(weights.tensors["dw/kernel"].shape().dims(), [3, 3, 8, 2], "{kind}");
        all.push(weights.tensors);
    }
    all.push(regraft_formats::from_bytes(&bytes("latest.h5")).unwrap().tensors);
    for other in &all[1..] {
        assert_eq!(other, &all[0]);
    }
    let format =
        |kind: &str| regraft_formats::from_bytes(&bytes(&format!("chain.{kind}"))).unwrap().format;
    // What is read decides, not what the file is called.
    assert_eq!(format("weights.h5"), Format::KerasWeights);
    assert_eq!(format("legacy.h5"), Format::KerasH5);
    assert_eq!(format("keras"), Format::KerasArchive);
}

#[test]
fn weights_without_a_network_say_that_an_architecture_must_be_named() {
    for kind in WEIGHTS {
        let error = keras::model(&bytes(&format!("gated.{kind}"))).unwrap_err();
        assert!(matches!(error, FormatError::Keras(KerasFault::WeightsOnly)), "{error}");
        assert!(error.to_string().contains("keras/NAME@file:PATH"));
    }
}

#[test]
fn a_file_that_points_into_another_is_refused_by_name() {
    for (file, named) in [("external_link.h5", "secret.h5"), ("external_data.h5", "secret.bin")] {
        let error = regraft_formats::from_bytes(&bytes(file)).unwrap_err();
        assert!(matches!(&error, FormatError::Hdf5(Hdf5Fault::External { .. })), "{file}: {error}");
        assert!(error.to_string().contains(named), "{error}");
    }
}

/// The archive with its description changed: both texts of one length, the checksum left out.
fn changed(from: &str, to: &str) -> FormatError {
    let mut file = bytes("gated.h5");
    assert_eq!(from.len(), to.len());
    let places: Vec<usize> =
        (0..file.len() - from.len()).filter(|i| file[*i..].starts_with(from.as_bytes())).collect();
    assert!(!places.is_empty());
    for place in places {
        file[place..place + to.len()].copy_from_slice(to.as_bytes());
    }
    keras::model(&file).unwrap_err()
}

#[test]
fn all_layers_that_are_not_known_are_named_at_once() {
    let error = changed("\"ZeroPadding2D\"", "\"ZeroPudding2D\"").to_string();
    for part in ["`border` (ZeroPudding2D)", "`fill` (ZeroPudding2D)", "1 kind"] {
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn code_in_a_file_is_never_run() {
    let error = changed("\"class_name\": \"LeakyReLU\"", "\"class_name\": \"Lambda\"   ");
    assert!(
        matches!(&error, FormatError::Keras(KerasFault::Code { layers }) if layers == &["inner_act"])
    );
}

#[test]
fn what_cannot_be_expressed_names_the_layer_and_the_field() {
    let error = changed("\"channels_last\"", "\"channels_firs\"").to_string();
    assert!(error.contains("layer `stem` (Conv2D)"), "{error}");
    let error = changed("\"filters\": 12,", "\"filters\": 0, ").to_string();
    assert!(error.contains("layer `sep`, field `filters`: a whole number"), "{error}");
    let error = changed("\"filters\": 12,", "\"filters\": 11,").to_string();
    assert!(error.contains("sep.pointwise.weight"), "{error}");
}
