//! Files that Keras wrote, whole networks: values as Keras computes them.
//!
//! `fixtures/make/keras_files.py` makes them; `REGRAFT_KERAS_FILES` is their folder.

use std::path::{Path, PathBuf};

use regraft::{LoadOptions, Quiet};
use regraft_infer::Engine;
use regraft_net::Forward as _;
use regraft_net::Network;
use regraft_net::card::Preprocess;
use regraft_net::formula::formula_input;
use regraft_tensor::Tensor;

/// Kinds of files: what is behind the network's name, and whether they bring their own graph.
const KINDS: [(&str, bool); 5] = [
    (".keras", true),
    (".h5", true),
    (".keras2.h5", true),
    (".weights.h5", false),
    (".legacy.h5", false),
];

fn run(network: &Network, picture: &Tensor) -> Vec<f64> {
    let graph = network.graph();
    let name = graph.layer(graph.output().unwrap()).name.clone();
    let mut engine = Engine::compile(network, &[&name]).unwrap();
    let out = engine.forward(picture, &[&name]).unwrap();
    out[0].data().iter().map(|v| f64::from(*v)).collect()
}

fn distance(got: &[f64], wanted: &[f64]) -> f64 {
    assert_eq!(got.len(), wanted.len());
    let sum = |f: &dyn Fn(usize) -> f64| (0..got.len()).map(f).sum::<f64>().sqrt();
    sum(&|i| (got[i] - wanted[i]).powi(2)) / sum(&|i| wanted[i].powi(2))
}

fn values(json: &serde_json::Value, field: &str) -> Vec<f64> {
    json[field].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
}

#[test]
fn networks_in_files_of_keras_compute_what_keras_computes() {
    let Some(folder) = std::env::var_os("REGRAFT_KERAS_FILES") else {
        println!("skipped: REGRAFT_KERAS_FILES is not set");
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
        let text = std::fs::read_to_string(&golden).unwrap();
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        let size = json["size"].as_u64().unwrap() as usize;
        let name = golden.file_stem().unwrap().to_string_lossy().into_owned();
        for (kind, whole) in KINDS {
            let path = Path::new(&folder).join(format!("{name}{kind}"));
            match judge(&path, &name, whole, size, &json) {
                Ok(text) => println!("{name}{kind}: {text}"),
                Err(text) => {
                    println!("{name}{kind}: WRONG {text}");
                    wrong.push(format!("{name}{kind}: {text}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What networks of Keras that take bytes do with them first: the zoo's begin behind it.
fn coloured(picture: &mut Tensor, preprocess: &Preprocess) {
    let pixels = picture.shape().dims()[2] * picture.shape().dims()[3];
    for (i, value) in picture.data_mut().iter_mut().enumerate() {
        let channel = i / pixels;
        *value = (*value / 255.0 - preprocess.mean[channel]) / preprocess.std[channel];
    }
}

fn judge(
    path: &Path,
    name: &str,
    whole: bool,
    size: usize,
    json: &serde_json::Value,
) -> Result<String, String> {
    let mut picture = formula_input(size);
    let network = if whole {
        let model = regraft_formats::open_model(path).map_err(|e| e.to_string())?;
        if !model.unused.is_empty() {
            return Err(format!("left over: {:?}", &model.unused[..model.unused.len().min(3)]));
        }
        let out = distance(&run(&model.network, &picture), &values(json, "output"));
        if out > 1e-5 {
            return Err(format!("output {out:.1e}"));
        }
        let card = model.network.card();
        let logits = card.logits.clone().ok_or("no logits in the card")?;
        card.cut.as_ref().ok_or("no cut in the card")?;
        model.network.cut(&logits).map_err(|e| e.to_string())?
    } else {
        if regraft_zoo::architecture(&format!("keras/{name}")).is_err() {
            return Ok("no such architecture".to_owned());
        }
        // The zoo's networks have the size that Keras has by default.
        if regraft_zoo::architecture(&format!("keras/{name}")).unwrap().size != size {
            return Ok("another size".to_owned());
        }
        let spec = format!("keras/{name}@file:{}", path.display());
        let loaded = regraft::load(&spec, &LoadOptions::default(), &Quiet);
        let loaded = loaded.map_err(|e| e.to_string())?;
        if !loaded.unused.is_empty() {
            return Err(format!("left over: {:?}", &loaded.unused[..loaded.unused.len().min(3)]));
        }
        if ["MobileNetV3", "EfficientNetB", "ConvNeXt"].iter().any(|f| name.starts_with(f)) {
            coloured(&mut picture, &loaded.network.card().preprocess);
        }
        loaded.network
    };
    let far = distance(&run(&network, &picture), &values(json, "logits"));
    let text = format!("logits {far:.1e}");
    if far <= 1e-5 { Ok(text) } else { Err(text) }
}
