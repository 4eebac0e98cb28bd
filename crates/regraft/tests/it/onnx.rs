//! ONNX: every kind of architecture written and read again, and whole networks of the frameworks.

use std::collections::BTreeMap;
use std::path::PathBuf;

use regraft_formats::{onnx, open_model};
use regraft_infer::Engine;
use regraft_net::formula::formula_batch;
use regraft_net::{Forward, Graph, Network, Op, notation};
use regraft_tensor::Tensor;
use regraft_zoo::ArchInfo;

/// Larger ones are made by the same functions as smaller ones.
const LARGE: u64 = 30_000_000;

/// The smallest architecture of each family and framework.
fn smallest() -> Vec<&'static ArchInfo> {
    let mut best: BTreeMap<String, (u64, &ArchInfo)> = BTreeMap::new();
    for info in regraft_zoo::architectures() {
        let size = info.cost().map_or(u64::MAX, |c| c.parameters);
        let key = format!("{:?} {:?}", info.family, info.naming);
        let entry = best.entry(key).or_insert((size, info));
        if size < entry.0 {
            *entry = (size, info);
        }
    }
    best.into_values().map(|(_, info)| info).collect()
}

/// The same architecture with narrow matrices where it has wide ones.
fn narrow(info: &ArchInfo) -> Graph {
    let text = notation::print(&info.graph().unwrap());
    notation::parse(&text.replace(" out=4096", " out=48")).unwrap()
}

/// What a network computes on the formula picture.
fn output(network: &Network) -> Vec<f64> {
    let graph = network.graph();
    let name = graph.layer(graph.output().unwrap()).name.clone();
    let shape = network.facts().unwrap().layer(graph.input().unwrap()).shape.clone();
    let mut engine = Engine::compile(network, &[name.as_str()]).unwrap();
    let made: Tensor = engine.forward(&formula_batch(&shape), &[name.as_str()]).unwrap().remove(0);
    made.into_data().into_iter().map(f64::from).collect()
}

fn apart(got: &[f64], wanted: &[f64]) -> f64 {
    if got.len() != wanted.len() {
        return f64::INFINITY;
    }
    let norm = |v: &mut dyn Iterator<Item = f64>| v.map(|x| x * x).sum::<f64>().sqrt();
    norm(&mut got.iter().zip(wanted).map(|(a, b)| a - b)) / norm(&mut wanted.iter().copied())
}

/// `NAME = KIND INPUTS` of each layer that the output needs: others are not written.
fn layers(graph: &Graph) -> Vec<String> {
    let name = |id: &regraft_net::LayerId| graph.layer(*id).name.clone();
    let line = |l: &regraft_net::Layer| {
        let inputs: Vec<String> = l.inputs.iter().map(name).collect();
        format!("{} = {} {}", l.name, l.op.name(), inputs.join(" "))
    };
    let needed = graph.needed();
    graph.layers().filter(|(id, _)| needed[id.index()]).map(|(_, l)| line(l)).collect()
}

/// The operations of the layers that the output needs, with their settings.
fn ops(graph: &Graph) -> Vec<&Op> {
    let needed = graph.needed();
    graph.layers().filter(|(id, _)| needed[id.index()]).map(|(_, l)| &l.op).collect()
}

/// What is not the same after a network was written and read; empty when all is.
fn changed(network: &Network) -> String {
    let bytes = onnx::write(network).unwrap();
    let model = match onnx::from_bytes(&bytes, None) {
        Ok(model) => model,
        Err(error) => return error.to_string(),
    };
    let (was, is) = (layers(network.graph()), layers(model.network.graph()));
    if was != is {
        let first = was.iter().zip(&is).find(|(a, b)| a != b);
        return format!("{} layers became {}, first {first:?}", was.len(), is.len());
    }
    if model.network.card() != network.card() {
        return format!("{:?}", model.network.card());
    }
    if !model.notes.is_empty() || !model.unused.is_empty() {
        return format!("{:?} {:?}", model.notes, model.unused);
    }
    for (name, tensor) in network.params().iter() {
        let same = model.network.params().get(name).is_some_and(|t| t.data() == tensor.data());
        if !same {
            return format!("parameter {name} is another");
        }
    }
    if ops(model.network.graph()) == ops(network.graph()) {
        return String::new();
    }
    // Settings may come back as others that mean the same, such as paddings of a window.
    let far = apart(&output(&model.network), &output(network));
    if far > 1e-6 { format!("output is {far:.1e} off") } else { String::new() }
}

#[test]
fn every_family_comes_back_from_a_file_of_ours_as_it_was() {
    let all = smallest();
    assert!(all.len() >= 20, "{}", all.len());
    let mut wrong = Vec::new();
    let mut tried = 0;
    for info in all {
        if info.cost().is_some_and(|c| c.parameters > LARGE) && !info.name.contains("vgg") {
            continue;
        }
        tried += 1;
        let plain = regraft_testkit::with_formula_weights(narrow(info));
        let mut card = info.card(info.name, "formula weights");
        let needed = plain.graph().needed();
        // Of some the features lie beside the way to the scores.
        card.cut = card.cut.filter(|c| needed[plain.graph().find(c).unwrap().index()]);
        let network = Network::new(plain.graph().clone(), plain.params(), card).unwrap();
        let changed = changed(&network);
        if !changed.is_empty() {
            wrong.push(format!("{}: {changed}", info.name));
        }
    }
    assert!(tried >= 30 && wrong.is_empty(), "{tried} tried\n{}", wrong.join("\n"));
}

/// Files of `fixtures/make/onnx_zoo.py` and `onnx_keras.py` against their frameworks' logits, at most
/// 1e-5 off; prints a line for each.
#[test]
#[ignore = "files that are not committed: REGRAFT_ONNX_ZOO=FOLDER"]
fn whole_networks_of_a_folder_compute_what_their_frameworks_do() {
    let folder = PathBuf::from(std::env::var_os("REGRAFT_ONNX_ZOO").expect("a folder"));
    let entries = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path());
    let mut files: Vec<PathBuf> =
        entries.filter(|p| p.extension().is_some_and(|e| e == "onnx")).collect();
    files.sort();
    let mut off = Vec::new();
    for path in files.iter().filter(|p| p.with_extension("json").exists()) {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let model = match open_model(path) {
            Ok(model) => model,
            Err(error) => {
                println!("{name}: not read: {}", error.to_string().replace('\n', " "));
                continue;
            }
        };
        let text = std::fs::read(path.with_extension("json")).unwrap();
        let wanted: Vec<f64> = serde_json::from_slice(&text).unwrap();
        let far = apart(&output(&model.network), &wanted);
        println!("{name}: {far:.1e}, {} layers", model.network.graph().layers().count());
        if far.is_nan() || far > 1e-5 {
            off.push(name);
        }
    }
    assert!(off.is_empty(), "too far: {off:?}");
}
