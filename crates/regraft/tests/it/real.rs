//! The journey on real weights, fetched once through the zoo. Offline these tests say that they are
//! skipped. With `REGRAFT_TEST_DATA` they also judge accuracy on real pictures.

use std::path::PathBuf;

use regraft::{
    Card, Error, ErrorKind, FeatureKind, FitOptions, LoadOptions, Loaded, Network, PrecisionChoice,
    Quiet, evaluate, fit, lint_network, load, verify,
};
use regraft_infer::{Engine, Precision};
use regraft_net::Forward;
use regraft_net::card::{Channels, Preprocess};
use regraft_testkit::{formula_input, relative_l2};
use regraft_train::{Flow, Trunk, extract};
use serde_json::Value;

/// The network, or `None` (and a word on stderr) when it cannot be had here.
fn network(name: &str) -> Option<Loaded> {
    match load(name, &LoadOptions::default(), &Quiet) {
        Ok(loaded) => Some(loaded),
        Err(Error::Zoo(error)) if matches!(*error, regraft_zoo::ZooError::Misfit { .. }) => {
            panic!("{name}: {error}")
        }
        Err(error @ Error::Zoo(_)) if error.kind() == ErrorKind::Network => {
            say(&format!("the weights of {name} are out of reach: {error}"));
            None
        }
        Err(error) => panic!("{name}: {error}"),
    }
}

/// Written past the test harness, which would swallow it: a skipped test says so.
fn say(why: &str) {
    let _ = std::io::Write::write_fmt(&mut std::io::stderr(), format_args!("skipped: {why}\n"));
}

/// A folder of real pictures, or `None` and a word on stderr.
fn pictures(name: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("REGRAFT_TEST_DATA").map(|d| PathBuf::from(d).join(name));
    let found = folder.filter(|f| f.is_dir());
    if found.is_none() {
        say(&format!("no {name} in REGRAFT_TEST_DATA"));
    }
    found
}

#[test]
fn real_weights_give_the_logits_that_pytorch_gives() {
    let goldens: Vec<Value> =
        serde_json::from_str(include_str!("../../../../fixtures/lite0_real.json")).unwrap();
    for golden in goldens {
        let name = golden["name"].as_str().unwrap();
        let Some(loaded) = network(name) else { return };
        assert!(loaded.unused.is_empty(), "{name}: {:?}", loaded.unused);
        let output = loaded.network.card().logits.clone().unwrap();
        let mut engine = Engine::compile(&loaded.network, &[&output]).unwrap();
        let size = golden["size"].as_u64().unwrap() as usize;
        let logits =
            engine.forward(&formula_input(size), &[&output]).unwrap().remove(0).into_data();
        let numbers = |key: &str| -> Vec<f32> {
            let list = golden[key].as_array().cloned().unwrap_or_default();
            list.iter().map(|v| v.as_f64().unwrap() as f32).collect()
        };
        let (first, all) = (numbers("first"), numbers("logits"));
        let wanted = if all.is_empty() { &first } else { &all };
        let off = relative_l2(&logits[..wanted.len()], wanted);
        assert!(off < 1e-4, "{name}: {off:e}");
    }
}

#[test]
fn the_default_network_recognises_its_own_classes() {
    let (Some(folder), Some(_)) = (pictures("imagenet-samples"), network("efficientnet-lite0"))
    else {
        return;
    };
    for precision in [PrecisionChoice::F32, PrecisionChoice::Bf16] {
        let load = LoadOptions::default();
        let verified =
            verify("efficientnet-lite0", Some(&folder), precision, &load, &Quiet).unwrap();
        assert_eq!(verified.images, Some(100));
        assert!(verified.top1.unwrap() >= 0.87, "{precision:?}: {verified:?}");
    }
}

#[test]
fn bf16_names_the_same_class_as_f32_on_98_of_100_pictures() {
    let Some(folder) = pictures("imagenet-samples") else { return };
    for name in ["efficientnet-lite0", "efficientnet-lite2"] {
        let Some(loaded) = network(name) else { return };
        let logits = loaded.network.card().logits.clone().unwrap();
        let files = regraft_data::list_images(&folder).unwrap();
        let classes = |precision| {
            let engine = Engine::compile_in(&loaded.network, &[&logits], precision).unwrap();
            let trunk = Trunk::new(&loaded.network, engine).unwrap();
            let rows = extract(&trunk, &files, None, &|_| Flow::Continue).unwrap().rows().unwrap();
            let rows = rows.chunks_exact(trunk.feature_len()).map(<[f32]>::to_vec);
            rows.collect::<Vec<_>>()
        };
        let (exact, rounded) = (classes(Precision::F32), classes(Precision::Bf16));
        let top = |row: &[f32]| (0..row.len()).max_by(|a, b| row[*a].total_cmp(&row[*b]));
        let same = exact.iter().zip(&rounded).filter(|(a, b)| top(a) == top(b)).count();
        assert!(same >= 98, "{name}: {same} of 100");
    }
}

fn options(data: PathBuf, out: &tempfile::TempDir) -> FitOptions {
    let load = LoadOptions { cache: None, offline: false };
    FitOptions { out: Some(out.path().join("run")), load, ..FitOptions::new(data) }
}

#[test]
fn ants_and_bees_are_told_apart() {
    let (Some(data), Some(_)) = (pictures("hymenoptera"), network("efficientnet-lite0")) else {
        return;
    };
    let out = tempfile::tempdir().unwrap();
    let summary = fit(&options(data.clone(), &out), &Quiet).unwrap();
    let test = &summary.metrics.test;
    assert_eq!(test.images, 153);
    assert!(test.correct >= 144, "{} of 153", test.correct);
    let report = std::fs::read_to_string(out.path().join("run/report.html")).unwrap();
    assert!(report.contains("imageNotFound.gif"), "the stray GIF is named");
    let again = evaluate(&out.path().join("run"), &data, &Quiet).unwrap();
    assert_eq!((again.part, again.metrics.images), ("test", 153));
    assert_eq!(again.metrics.confusion, test.confusion, "the saved run answers like the fit");
}

#[test]
fn hand_signs_unlike_the_source_take_features_from_several_depths() {
    let (Some(data), Some(_)) = (pictures("sign-digits"), network("efficientnet-lite0")) else {
        return;
    };
    let out = tempfile::tempdir().unwrap();
    let summary = fit(&options(data.clone(), &out), &Quiet).unwrap();
    assert!(summary.metrics.test.top1 >= 0.88, "{}", summary.metrics.test.top1);
    let plan = std::fs::read_to_string(out.path().join("run/plan.toml")).unwrap();
    assert!(plan.contains("features = \"depths\""), "{plan}");
    let logits = FitOptions { features: FeatureKind::Logits, ..options(data, &out) };
    let summary = fit(&logits, &Quiet).unwrap();
    assert!(summary.metrics.test.top1 > 0.5, "ten classes from the source's probabilities");
}

#[test]
fn a_trained_network_is_sound_and_its_preprocessing_is_right() {
    let Some(folder) = pictures("imagenet-samples") else { return };
    let Some(loaded) = network("efficientnet-lite0") else { return };
    let lint = lint_network(&loaded.network, Some(&folder), &Quiet).unwrap();
    assert!(lint.sound(), "{:#?}", lint.findings);
    let verdict = lint.preprocessing_verdict.unwrap();
    assert!(verdict.starts_with("right"), "{verdict}");
}

#[test]
fn a_card_with_another_networks_normalisation_is_called_wrong() {
    let Some(folder) = pictures("imagenet-samples") else { return };
    let Some(loaded) = network("efficientnet-lite0") else { return };
    let whole = &loaded.network;
    let ours = whole.card().preprocess;
    let imagenet = Preprocess { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225], ..ours };
    let raw = Preprocess { scale: 1.0, mean: [0.0; 3], std: [1.0; 3], ..ours };
    let blue = Preprocess { channels: Channels::Bgr, ..ours };
    for wrong in [imagenet, raw, blue] {
        let card = Card { preprocess: wrong, ..whole.card().clone() };
        let network = Network::new(whole.graph().clone(), whole.params(), card).unwrap();
        let lint = lint_network(&network, Some(&folder), &Quiet).unwrap();
        let found = lint.findings.iter().find(|f| f.check == "preprocessing");
        let found = found.unwrap_or_else(|| panic!("{:?}", lint.preprocessing_verdict));
        assert!(found.severity != "note", "{found:?}");
    }
}
