use std::collections::BTreeMap;

use regraft_net::{Card, Forward as _, Network, notation};
use regraft_tensor::Tensor;
use regraft_testkit::{Reference, formula_values, small_networks, with_formula_weights};

use super::{MOST_BYTES, fits, write};
use crate::wire::{Field, Fields};

fn network(text: &str) -> Network {
    with_formula_weights(notation::parse(text).unwrap())
}

fn fields(message: Fields<'_>, number: u32) -> Vec<Field<'_>> {
    message.map(Result::unwrap).filter(|f| f.number == number).collect()
}

fn inner<'a>(field: &Field<'a>, number: u32) -> Vec<Field<'a>> {
    fields(field.message().unwrap(), number)
}

fn text<'a>(field: &Field<'a>, number: u32) -> &'a str {
    inner(field, number).first().map_or("", |f| f.text().unwrap())
}

fn texts<'a>(field: &Field<'a>, number: u32) -> Vec<&'a str> {
    inner(field, number).iter().map(|f| f.text().unwrap()).collect()
}

fn graph(file: &[u8]) -> Field<'_> {
    fields(Fields::of_file(file), 7)[0]
}

/// `OP input… -> output` of each node.
fn nodes(file: &[u8]) -> Vec<String> {
    let line = |n: &Field<'_>| {
        format!("{} {} -> {}", text(n, 4), texts(n, 1).join(" "), texts(n, 2).join(" "))
    };
    inner(&graph(file), 1).iter().map(line).collect()
}

/// `NAME axes` of inputs (11) or outputs (12).
fn ends(file: &[u8], number: u32) -> Vec<String> {
    let mut all = Vec::new();
    for info in inner(&graph(file), number) {
        let tensor = inner(&inner(&info, 2)[0], 1)[0];
        assert_eq!(inner(&tensor, 1)[0].int(), Ok(1), "f32");
        let axes = inner(&inner(&tensor, 2)[0], 1).iter().map(axis).collect::<Vec<_>>().join(" ");
        all.push(format!("{} {axes}", text(&info, 1)));
    }
    all
}

fn axis(dim: &Field<'_>) -> String {
    let number = inner(dim, 1).first().map(|n| n.int().unwrap().to_string());
    number.unwrap_or_else(|| text(dim, 2).to_owned())
}

/// Integers of an attribute of the node that gives `output`.
fn setting(file: &[u8], output: &str, name: &str) -> Vec<i64> {
    let node = inner(&graph(file), 1).into_iter().find(|n| text(n, 2) == output).unwrap();
    let mut values = Vec::new();
    for attribute in inner(&node, 5).iter().filter(|a| text(a, 1) == name) {
        for v in inner(attribute, 8).iter().chain(&inner(attribute, 3)) {
            v.ints(&mut values).unwrap();
        }
    }
    values
}

#[test]
fn values_keep_the_names_of_layers_and_weights_those_of_parameters() {
    let network = network(
        "image = input 3x8x6
         conv1 = conv2d image out=4 size=3 stride=2 pad=0,0,1,1
         bn1 = batch_norm conv1 eps=0.001
         pool = global_avg_pool bn1
         fc = linear pool out=2
         -> fc bn1",
    );
    let file = write(&network).unwrap();
    assert_eq!(
        nodes(&file),
        [
            "Conv image conv1.weight -> conv1",
            "BatchNormalization conv1 bn1.weight bn1.bias bn1.running_mean bn1.running_var -> bn1",
            "GlobalAveragePool bn1 -> pool/mean",
            "Flatten pool/mean -> pool",
            "Gemm pool fc.weight fc.bias -> fc",
        ]
    );
    assert_eq!(ends(&file, 11), ["image batch 3 8 6"]);
    assert_eq!(ends(&file, 12), ["fc batch 2", "bn1 batch 4 4 3"]);
    assert_eq!(setting(&file, "conv1", "pads"), [0, 0, 1, 1]);
    for (name, tensor) in network.params().iter() {
        let written = inner(&graph(&file), 5).into_iter().find(|t| text(t, 8) == name).unwrap();
        let mut dims = Vec::new();
        for d in inner(&written, 1) {
            d.ints(&mut dims).unwrap();
        }
        let wanted: Vec<i64> = tensor.shape().iter().map(|n| *n as i64).collect();
        assert_eq!(dims, wanted, "{name}");
        let raw: Vec<u8> = tensor.data().iter().flat_map(|v| v.to_le_bytes()).collect();
        assert_eq!(inner(&written, 9)[0].bytes().unwrap(), raw, "{name}");
    }
}

#[test]
fn the_card_travels_as_metadata_beside_producer_and_operator_set() {
    let text_of = "x = input 3x4x4\ny = relu x\n-> y";
    let mut card = Card::blank("ants and bees");
    card.labels = vec!["ant".to_owned(), "bee \"b\"".to_owned()];
    let plain = network(text_of);
    let network = Network::new(plain.graph().clone(), plain.params(), card.clone()).unwrap();
    let file = write(&network).unwrap();
    let entries: BTreeMap<String, String> = fields(Fields::of_file(&file), 14)
        .iter()
        .map(|e| (text(e, 1).to_owned(), text(e, 2).to_owned()))
        .collect();
    assert_eq!(entries["labels"], r#"["ant","bee \"b\""]"#);
    let mut read = Card::blank("other");
    assert!(crate::card::read_entries(&entries, &mut read).is_empty());
    assert_eq!(read, card);
    let top = |number| fields(Fields::of_file(&file), number)[0];
    assert_eq!((top(1).int(), top(2).text()), (Ok(8), Ok("regraft")));
    assert_eq!(inner(&top(8), 2)[0].int(), Ok(17));
    assert_eq!(text(&graph(&file), 2), "ants and bees");
}

#[test]
fn windows_beyond_the_padding_become_padding_that_does_not_count() {
    let file = write(&network(
        "x = input 3x7x8
         m = max_pool x size=3 stride=3 pad=1,0,0,0 rounding=ceil
         a = avg_pool x size=3 stride=3 pad=1,0,0,0 rounding=ceil
         n = avg_pool x size=3 stride=3 pad=1,0,0,0 rounding=ceil count_pad=no
         e = avg_pool x size=2 stride=2 pad=1,1,0,1
         -> m a n e",
    ))
    .unwrap();
    assert_eq!(
        nodes(&file),
        [
            "MaxPool x -> m",
            "Pad x constant/[0,0,1,0,0,0,0,0] -> a/wide",
            "AveragePool a/wide -> a",
            "AveragePool x -> n",
            "AveragePool x -> e",
        ]
    );
    let pads = ["m", "a", "n", "e"].map(|layer| setting(&file, layer, "pads"));
    assert_eq!(pads, [[1, 0, 1, 1], [0, 0, 1, 1], [1, 0, 1, 1], [1, 1, 0, 1]]);
    let counts = ["a", "n", "e"].map(|layer| setting(&file, layer, "count_include_pad"));
    assert_eq!(counts, [vec![], vec![], vec![1]]);
}

#[test]
fn names_that_clash_get_a_number_and_a_result_is_never_a_sequence() {
    let file = write(&network(
        "x = input 4x2x3
         t = tokens x first=0
         t.position = relu t
         t/sequence = relu t.position
         -> t t/sequence",
    ))
    .unwrap();
    assert_eq!(ends(&file, 12), ["t batch 4 6 1", "t/sequence batch 4 6 1"]);
    let names: Vec<String> =
        inner(&graph(&file), 5).iter().map(|t| text(t, 8).to_owned()).collect();
    assert!(names.contains(&"t.position/2".to_owned()), "{names:?}");
    let made = nodes(&file);
    let mut outputs: Vec<&str> = made.iter().map(|n| n.rsplit(' ').next().unwrap()).collect();
    assert!(outputs.contains(&"t") && outputs.contains(&"t/sequence"), "{made:?}");
    outputs.sort_unstable();
    outputs.dedup();
    assert_eq!(outputs.len(), made.len(), "{made:?}");
}

#[test]
fn what_an_onnx_file_cannot_hold_is_refused_with_the_layer_or_the_size() {
    let error = write(&network("x = input 4x5\ny = relu x\n-> y")).unwrap_err().to_string();
    assert_eq!(
        error,
        "cannot write ONNX: layer `x` gives 4x5, only vectors [N] and maps [C, H, W] can be written"
    );
    assert!(fits(MOST_BYTES).is_ok());
    let error = fits(MOST_BYTES + 1).unwrap_err().to_string();
    assert!(error.contains("have 2130706433 bytes, an ONNX file holds 2130706432"), "{error}");
}

/// FNV-1a-64, as in `fixtures/make/onnx_export.py`.
fn hash(bytes: &[u8]) -> String {
    let fold = |h: u64, b: &u8| (h ^ u64::from(*b)).wrapping_mul(0x100_0000_01b3);
    format!("{:016x}", bytes.iter().fold(0xcbf2_9ce4_8422_2325, fold))
}

/// ONNX Runtime ran these very graphs (`fixtures/make/onnx_export.py`) and computed what the reference
/// does. A writer changed on purpose must be judged again by that script.
#[test]
fn graphs_are_those_that_onnx_runtime_ran_and_agreed_with() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/onnx_export");
    let read = |name: &str| std::fs::read_to_string(format!("{folder}/{name}")).unwrap();
    let judged: serde_json::Value = serde_json::from_str(&read("judged.json")).unwrap();
    let small = small_networks().into_iter().enumerate();
    let mut all: Vec<(String, Network)> = small.map(|(i, n)| (format!("small{i}"), n.1)).collect();
    for name in ["sequences", "windows"] {
        all.push((name.to_owned(), network(&read(&format!("{name}.txt")))));
    }
    assert_eq!(judged.as_object().unwrap().len(), all.len());
    for (name, network) in all {
        let file = write(&network).unwrap();
        let of_graph = hash(graph(&file).bytes().unwrap());
        let wanted = &judged[&name];
        assert_eq!(wanted["graph"], of_graph, "{name}: judge it again by onnx_export.py");
        let facts = network.facts().unwrap();
        let input = facts.layer(network.graph().input().unwrap()).shape.clone();
        let dims: Vec<usize> = [1].into_iter().chain(input.iter().copied()).collect();
        let picture = formula_values("input", input.count()).map(|x| x as f32).collect();
        let picture = Tensor::new(dims, picture).unwrap();
        let outputs = network.graph().outputs();
        let outputs: Vec<&str> =
            outputs.iter().map(|id| network.graph().layer(*id).name.as_str()).collect();
        let values = Reference::new(&network).unwrap().forward(&picture, &outputs).unwrap();
        assert_eq!(wanted["outputs"].as_array().unwrap().len(), values.len(), "{name}");
        for ((value, output), wanted) in
            values.iter().zip(outputs).zip(wanted["outputs"].as_array().unwrap())
        {
            let number = |key: &str| wanted[key].as_f64().unwrap();
            let wide = || value.data().iter().map(|x| f64::from(*x));
            let l2 = wide().map(|x| x * x).sum::<f64>().sqrt();
            assert_eq!(wanted["count"], value.data().len(), "{name}, {output}");
            let near = |a: f64, b: f64| (a - b).abs() <= 1e-5 * l2.max(1e-3);
            assert!(near(l2, number("l2")), "{name}, {output}: {l2}, {wanted}");
            assert!(near(wide().sum(), number("sum")), "{name}, {output}: {wanted}");
            for (a, b) in wide().zip(wanted["first"].as_array().unwrap()) {
                assert!(near(a, b.as_f64().unwrap()), "{name}, {output}: {a}, {wanted}");
            }
        }
    }
}
