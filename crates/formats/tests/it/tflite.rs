//! `TFLite` files against what the interpreter computes.
//!
//! The fixtures, `expected.json` and `interpreter.json` are made by `fixtures/make/tflite_small.py`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use regraft_formats::{FormatError, Model, TfliteFault, open_model, tflite};
use regraft_net::formula::formula_batch;
use regraft_net::{Op, notation};
use regraft_testkit::Reference;

use crate::fixture;

fn file(name: &str) -> PathBuf {
    fixture("tflite").join(name)
}

fn open(name: &str) -> Model {
    open_model(&file(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
}

fn goldens(name: &str) -> BTreeMap<String, Vec<f64>> {
    serde_json::from_slice(&std::fs::read(file(name)).unwrap()).unwrap()
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

fn words(model: &Model) -> Vec<&str> {
    model.network.graph().layers().map(|(_, l)| l.op.name()).collect()
}

#[test]
fn files_of_the_converter_compute_what_the_interpreter_does() {
    let expected = goldens("expected.json");
    assert!(expected.len() >= 12, "fixtures are missing");
    let mut wrong = Vec::new();
    for (name, wanted) in expected {
        let model = match open_model(&file(&name)) {
            Ok(model) => model,
            Err(error) => {
                wrong.push(error.to_string());
                continue;
            }
        };
        let apart = difference(&output(&model), &wanted);
        let graph = notation::print(model.network.graph());
        if apart >= 2e-6 || !model.unused.is_empty() {
            wrong.push(format!("{name} is {apart:.1e} off, {:?}:\n{graph}", model.unused));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn files_with_small_integers_are_near_what_their_interpreter_gives() {
    for (name, wanted) in goldens("interpreter.json") {
        let model = open(&name);
        let apart = difference(&output(&model), &wanted);
        assert!(apart < 0.02, "{name} is {apart:.1e} from its interpreter");
        let noted = model.notes.iter().any(|n| n.contains("small integers"));
        assert_eq!(noted, name != "halves.tflite", "{name}: {:?}", model.notes);
    }
    // The file takes bytes: their scale and zero point are the card's preprocessing.
    let model = open("int8.tflite");
    let wanted = &model.network.card().preprocess;
    assert!((wanted.scale - 2.0 / 255.0).abs() < 1e-3, "{wanted:?}");
    assert!((wanted.mean[0] - 1.0).abs() < 2e-2 && wanted.std == [1.0; 3], "{wanted:?}");
}

#[test]
fn channels_last_make_no_layers_and_names_are_those_of_what_was_fused() {
    let model = open("mobile.tflite");
    let words = words(&model);
    assert_eq!(words.iter().filter(|w| **w == "conv2d").count(), 4, "{words:?}");
    for word in ["flatten", "shuffle", "affine", "scale"] {
        assert!(!words.contains(&word), "{words:?}");
    }
    let card = model.network.card();
    assert_eq!(card.framework, "tensorflow");
    assert_eq!(card.preprocess.crop, [20, 17]);
    let graph = model.network.graph();
    for name in ["picture", "Conv2D", "Relu6", "depthwise"] {
        assert!(graph.find(name).is_ok(), "{name}: {}", notation::print(graph));
    }
    let logits = graph.layer(graph.find(card.logits.as_deref().unwrap()).unwrap());
    assert_eq!(logits.op, Op::Linear { out: 6, bias: true });
    assert!(card.cut.is_some());
}

#[test]
fn a_network_without_a_name_of_its_own_is_called_as_its_file() {
    assert_eq!(open("mobile.tflite").network.card().name, "mobile");
    let inside = tflite::from_bytes(&std::fs::read(file("mobile.tflite")).unwrap()).unwrap();
    assert_eq!(inside.network.card().name, "MLIR Converted.");
}

#[test]
fn a_size_that_is_left_open_is_that_of_most_pictures() {
    let model = open("open.tflite");
    assert_eq!(model.network.card().preprocess.crop, [224, 224]);
}

#[test]
fn labels_and_preprocessing_are_read_from_the_metadata() {
    let model = open("described.tflite");
    let card = model.network.card();
    assert_eq!(card.labels, ["ant", "bee", "cat", "dog", "eel", "fox"]);
    let p = &card.preprocess;
    assert_eq!((p.scale, p.mean, p.std), (1.0, [127.5; 3], [120.0, 121.0, 122.0]));
    assert!(open("mobile.tflite").network.card().labels.is_empty());
}

/// A file with the first place of some bytes changed.
fn changed(name: &str, from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut bytes = std::fs::read(file(name)).unwrap();
    let at = bytes.windows(from.len()).position(|w| w == from).unwrap();
    bytes[at..at + to.len()].copy_from_slice(to);
    bytes
}

#[test]
fn a_place_that_leaves_the_file_is_named_with_its_field_and_byte() {
    let bytes = std::fs::read(file("vector.tflite")).unwrap();
    let error = tflite::from_bytes(&bytes[..8]).unwrap_err().to_string();
    assert!(error.contains("`Model`, byte 0: the distance"), "{error}");
    let mut far = bytes.clone();
    far[..4].copy_from_slice(&0xffff_fff0_u32.to_le_bytes());
    let error = tflite::from_bytes(&far).unwrap_err().to_string();
    assert!(error.contains("leads out of the file") && error.contains("fetch it again"), "{error}");
    // Cut anywhere it is refused, never read half: the weights lie at the end.
    for end in (8..bytes.len() - 64).step_by(37) {
        assert!(tflite::from_bytes(&bytes[..end]).is_err(), "{end}");
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    std::io::Write::write_all(&mut file.as_file(), &bytes[..200]).unwrap();
    let error = open_model(file.path()).unwrap_err().to_string();
    assert!(error.starts_with(&file.path().display().to_string()), "{error}");
}

#[test]
fn buffers_behind_the_tables_must_lie_in_the_file() {
    let bytes = std::fs::read(file("behind.tflite")).unwrap();
    let error = tflite::from_bytes(&bytes[..bytes.len() - 512]).unwrap_err().to_string();
    assert!(error.contains("`Buffer.offset`") && error.contains("bytes from"), "{error}");
}

#[test]
fn a_version_that_is_not_known_is_refused() {
    let bytes = std::fs::read(file("vector.tflite")).unwrap();
    let root = u32::from_le_bytes(bytes[..4].try_into().unwrap()) as usize;
    let back = i32::from_le_bytes(bytes[root..root + 4].try_into().unwrap());
    let vtable = (root as i64 - i64::from(back)) as usize;
    let place = usize::from(u16::from_le_bytes(bytes[vtable + 4..vtable + 6].try_into().unwrap()));
    let mut new = bytes;
    assert_eq!(new[root + place], 3);
    new[root + place] = 4;
    match tflite::from_bytes(&new) {
        Err(FormatError::Tflite(TfliteFault::Version { got: 4 })) => {}
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_network_given_as_weights_alone_is_told_what_it_is() {
    let error = regraft_formats::open(&file("vector.tflite")).unwrap_err().to_string();
    assert!(error.contains("TFLite file") && error.contains("give the file alone"), "{error}");
}

#[test]
fn operators_that_are_not_understood_are_all_named_at_once() {
    // With layers of ours between them, and transpositions and activations behind.
    match open_model(&file("refused.tflite")) {
        Err(FormatError::InFile { fault, .. }) => match *fault {
            FormatError::Tflite(TfliteFault::Operators { list }) => {
                let names: Vec<(&str, usize)> = list.iter().map(|o| (&*o.op, o.count)).collect();
                assert_eq!(names, [("SIN", 2), ("CUMSUM", 1), ("RESIZE_BILINEAR", 1)]);
                assert!(list[2].first == "resize", "{list:?}");
            }
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_operator_that_is_not_understood_is_named_with_what_it_got() {
    let beta = changed("vector.tflite", &1f32.to_le_bytes(), &2f32.to_le_bytes());
    let error = tflite::from_bytes(&beta).unwrap_err().to_string();
    assert!(error.contains("(SOFTMAX) got SoftmaxOptions.beta = 2, wants 1"), "{error}");
}
