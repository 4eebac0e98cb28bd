//! Files of `TFLite`, whole networks: values as its interpreter computes them.
//!
//! `fixtures/make/tflite_files.py` makes them; `REGRAFT_TFLITE_FILES` is their folder.

use std::path::{Path, PathBuf};

use regraft::{LoadOptions, Quiet};
use regraft_infer::Engine;
use regraft_net::Forward as _;
use regraft_net::Network;
use regraft_net::formula::formula_input;

fn run(network: &Network, size: usize) -> Vec<f64> {
    let graph = network.graph();
    let name = graph.layer(graph.output().unwrap()).name.clone();
    let mut engine = Engine::compile(network, &[&name]).unwrap();
    let out = engine.forward(&formula_input(size), &[&name]).unwrap();
    out[0].data().iter().map(|v| f64::from(*v)).collect()
}

fn distance(got: &[f64], wanted: &[f64]) -> f64 {
    assert_eq!(got.len(), wanted.len());
    let sum = |f: &dyn Fn(usize) -> f64| (0..got.len()).map(f).sum::<f64>().sqrt();
    sum(&|i| (got[i] - wanted[i]).powi(2)) / sum(&|i| wanted[i].powi(2))
}

/// Values of a golden, `None` when it has none of them.
fn values(json: &serde_json::Value, field: &str) -> Option<Vec<f64>> {
    let all = json.get(field)?.as_array()?;
    Some(all.iter().map(|v| v.as_f64().unwrap()).collect())
}

#[test]
fn a_file_of_tflite_is_loaded_cut_and_converted_as_any_network_is() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../formats/tests/fixtures/tflite/mobile.tflite")
        .display()
        .to_string();
    let options = LoadOptions::default();
    let loaded = regraft::load(&file, &options, &Quiet).unwrap();
    let cut = loaded.network.card().cut.clone().unwrap();
    assert!(loaded.network.cut(&cut).is_ok(), "{cut}");
    let folder = tempfile::tempdir().unwrap();
    for name in ["net.onnx", "net.safetensors"] {
        let made = folder.path().join(name);
        let done = regraft::convert(&file, &made, false, &options, &Quiet).unwrap();
        assert!(done.difference.is_some_and(|d| d < 1e-5), "{name}: {:?}", done.difference);
        regraft::load(&made.display().to_string(), &options, &Quiet).unwrap();
    }
}

#[test]
fn networks_in_files_of_tflite_compute_what_its_interpreter_computes() {
    let Some(folder) = std::env::var_os("REGRAFT_TFLITE_FILES") else {
        println!("skipped: REGRAFT_TFLITE_FILES is not set");
        return;
    };
    let mut goldens: Vec<PathBuf> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "json"))
        .collect();
    goldens.sort();
    let mut wrong = Vec::new();
    for golden in goldens {
        let name = golden.file_stem().unwrap().to_string_lossy().into_owned();
        let json = std::fs::read_to_string(&golden).unwrap();
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        match judge(&golden.with_extension("tflite"), &json) {
            Ok(text) => println!("{name}: {text}"),
            Err(text) => {
                println!("{name}: WRONG {text}");
                wrong.push(format!("{name}: {text}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn judge(path: &Path, json: &serde_json::Value) -> Result<String, String> {
    let size = json["size"].as_u64().unwrap() as usize;
    let model = regraft_formats::open_model(path).map_err(|e| e.to_string())?;
    if !model.unused.is_empty() {
        return Err(format!("left over: {:?}", &model.unused[..model.unused.len().min(3)]));
    }
    let card = model.network.card();
    card.logits.as_ref().ok_or("no logits in the card")?;
    card.cut.as_ref().ok_or("no cut in the card")?;
    let got = run(&model.network, size);
    let output = values(json, "output").ok_or("no output in the golden")?;
    let from_file = distance(&got, &output);
    // Where the file computes with small integers, the same network in floats is the judge.
    if let Some(reference) = values(json, "reference") {
        let (ours, theirs) = (distance(&got, &reference), distance(&output, &reference));
        let text = format!(
            "reference {ours:.1e}, interpreter {from_file:.1e} (from the reference {theirs:.1e})"
        );
        return if ours <= 1e-5 { Ok(text) } else { Err(text) };
    }
    let keras = distance(&got, &values(json, "keras").ok_or("no keras in the golden")?);
    let text = format!("interpreter {from_file:.1e}, keras {keras:.1e}");
    if from_file <= 1e-5 && keras <= 1e-5 { Ok(text) } else { Err(text) }
}
