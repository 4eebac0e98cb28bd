//! Networks from files with their own graph, and into them.

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
