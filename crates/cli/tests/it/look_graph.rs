//! The layer graph, from the command line.

use std::fs;

use serde_json::Value;

use crate::support::{World, network};

const NOTATION: &str = "image = input 3x16x16
stem.conv = conv2d image out=4 size=3 pad=1
stem.relu = relu stem.conv
body.a = conv2d stem.relu out=4 size=3 pad=1
body.add = add body.a stem.relu
pool = global_avg_pool body.add
fc = linear pool out=3
-> fc
";

fn node<'a>(told: &'a Value, name: &str) -> &'a Value {
    told["nodes"].as_array().unwrap().iter().find(|n| n["name"] == name).unwrap()
}

#[test]
fn a_graph_is_a_picture_a_page_and_a_table() {
    let world = World::new();
    world.file("net.txt", NOTATION.as_bytes());
    let told = world.run(&["look", "graph", "net.txt", "--out", "seen", "--json"]).json();
    assert_eq!(told["nodes"].as_array().unwrap().len(), 7);
    let conv = node(&told, "body.a");
    assert_eq!(conv["op"], "conv2d");
    assert_eq!(conv["settings"], "conv2d out=4 size=3 pad=1");
    assert_eq!(conv["inputs"], serde_json::json!(["stem.relu"]));
    assert_eq!(conv["groups"], serde_json::json!(["body.add", "body"]), "block, then name");
    assert_eq!(told["blocks"], serde_json::json!(["body.add", "pool", "fc"]));
    assert_eq!(conv["shape"], serde_json::json!([4, 16, 16]));
    assert_eq!((conv["parameters"].as_u64(), conv["macs"].as_u64()), (Some(144), Some(36864)));
    assert_eq!(conv["bytes"], 4096);
    let field = serde_json::json!({"size": [5, 5], "stride": [1, 1], "start": [-2, -2]});
    assert_eq!(conv["receptive_field"], field);
    assert_eq!(conv["figures"]["params"], 144.0);
    assert!(node(&told, "fc")["receptive_field"].is_null());
    assert_eq!(
        (told["color"].as_str(), told["figures"].as_array().unwrap().len()),
        (Some("params"), 4)
    );
    let file = fs::read_to_string(world.path("seen/graph.json")).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&file).unwrap(), told);
    let page = fs::read_to_string(world.path("seen/graph.html")).unwrap();
    let picture = fs::read_to_string(world.path("seen/graph.svg")).unwrap();
    for name in ["image", "stem.conv", "stem.relu", "body.a", "body.add", "pool", "fc"] {
        assert_eq!(page.matches(&format!("data-testid=\"layer:{name}\"")).count(), 1, "{name}");
        assert!(picture.contains(&format!("<title>{name}\n")), "{name}");
    }
    // The same again, to the byte.
    world.run(&["look", "graph", "net.txt", "--out", "again", "--json"]).json();
    for name in ["graph.html", "graph.svg"] {
        let read = |folder: &str| fs::read(world.path(folder).join(name)).unwrap();
        assert_eq!(read("seen"), read("again"), "{name}");
    }
    let text = world.run(&["look", "graph", "net.txt", "--color", "field"]).stdout();
    assert!(text.contains("field*") && text.contains("look/net.txt/graph.html"), "{text}");
}

#[test]
fn figures_of_a_file_colour_the_graph_and_mistakes_in_it_are_named() {
    let world = World::new();
    world.file("net.txt", NOTATION.as_bytes());
    world.file("dead.json", br#"{"stem.relu": 0.25, "body.add": null}"#);
    let asked = ["look", "graph", "net.txt", "--out", "seen", "--figures"];
    let told = world.run(&[&asked[..], &["dead.json", "--json"]].concat()).json();
    assert_eq!(told["color"], "dead");
    assert_eq!(node(&told, "stem.relu")["figures"]["dead"], 0.25);
    assert!(node(&told, "body.add")["figures"].get("dead").is_none());
    let wrong: [(&str, &[u8], &[&str]); 4] = [
        (
            "slip.json",
            br#"{"stem.rellu": 1}"#,
            &["no layer `stem.rellu`", "did you mean `stem.relu`"],
        ),
        ("word.json", br#"{"fc": "much"}"#, &["word.json", "a number for each layer"]),
        ("list.json", b"[1, 2]", &["list.json", "JSON object"]),
        ("none.json", b"{}", &["no layer has a number"]),
    ];
    for (name, bytes, words) in wrong {
        world.file(name, bytes);
        world.run(&[&asked[..], &[name]].concat()).refused(2, words);
    }
    world.run(&[&asked[..], &["missing.json"]].concat()).refused(1, &["missing.json"]);
    let asked = ["look", "graph", "net.txt", "--out", "other", "--color"];
    world.run(&[&asked[..], &["parms"]].concat()).refused(2, &["`params`", "macs, params"]);
    world.run(&[&asked[..], &["drift"]].concat()).refused(2, &["no figure `drift`"]);
    assert!(!world.path("other").exists(), "nothing half-written");
    world.run(&["look", "graph", "resnet5"]).refused(4, &["resnet5"]);
}

#[test]
fn a_run_shows_what_was_trained_how_fast_and_how_far_it_moved() {
    let world = World::new();
    world.pictures("data", &["a", "b"], 10);
    let short = ["--strategy", "lp-ft", "--unfreeze", "last:2", "--epochs", "1", "--batch", "6"];
    let rates = ["--rates", "4:6", "--rate", "features.18.0=0.002"];
    let fit = [&["data", "--out", "run"][..], &short, &rates].concat();
    world.fit(&fit).json();
    let told = world.run(&["look", "graph", "run", "--out", "seen", "--json"]).json();
    let frontier = told["frontier"].as_str().unwrap().to_owned();
    let plan = fs::read_to_string(world.path("run/plan.toml")).unwrap();
    assert!(plan.contains(&format!("frontier = \"{frontier}\"")), "{frontier}: {plan}");
    assert!(plan.contains("layer_rates = [\"features.18.0=0.002\"]"), "{plan}");
    assert_eq!(told["color"], "rate");
    assert_eq!(told["blocks"].as_array().unwrap().len(), 20, "{}", told["blocks"]);
    let figure = |layer: &str, key: &str| node(&told, layer)["figures"].get(key).cloned();
    assert_eq!(figure("head", "rate"), Some(0.01.into()));
    assert_eq!(figure("features.18.0", "rate"), Some(0.002.into()), "a rate of its own");
    assert_eq!(figure("features.17.conv.2", "rate"), Some(1e-4.into()));
    assert_eq!(figure("features.0.0", "rate"), None);
    assert_eq!(figure("features.0.0", "frozen"), Some(0.0.into()));
    assert_eq!(figure("head", "frozen"), Some(2.0.into()));
    let moved = figure("features.18.0", "drift").unwrap().as_f64().unwrap();
    assert!(moved > 1e-7 && moved < 0.5, "{moved}");
    assert_eq!(figure("features.0.0", "drift"), None, "it was frozen");
    let picture = fs::read_to_string(world.path("seen/graph.svg")).unwrap();
    assert!(picture.contains("trained below"));

    // Against the network that it began with: names tell what is new, weights how far the rest is.
    let network = network();
    let asked = ["look", "graph", &network, "--against", "run", "--out", "both", "--json"];
    let told = world.run(&asked).json();
    let other = &told["against"];
    assert_eq!(node(other, "head")["against"]["layer"], "classifier.1");
    assert!(node(&told, "classifier.0")["against"]["layer"].is_null());
    let same = node(&told, "features.0.0");
    assert_eq!(same["against"]["changes"], serde_json::json!([]));
    assert_eq!(same["figures"]["drift"], 0.0);
    let pair =
        ["features.18.0"].map(|n| [&told, other].map(|t| node(t, n)["figures"]["drift"].clone()));
    assert_eq!(pair[0][0], pair[0][1]);
    assert_eq!(pair[0][0].as_f64(), Some(moved));
    assert!(world.path("both/against.svg").is_file());

    // Where the source is gone, what the plan alone does not say is not made up.
    let gone = plan.replace(&network, "file:gone.onnx");
    assert_ne!(gone, plan);
    fs::create_dir(world.path("lost")).unwrap();
    for name in ["network.txt", "trunk.safetensors", "head.safetensors"] {
        fs::copy(world.path("run").join(name), world.path("lost").join(name)).unwrap();
    }
    world.file("lost/plan.toml", gone.as_bytes());
    let told = world.run(&["look", "graph", "lost", "--out", "seen", "--json"]).json();
    assert_eq!(
        (told["color"].as_str(), told["frontier"].as_str()),
        (Some("params"), Some(&*frontier))
    );
    let note = told["notes"][0].as_str().unwrap();
    assert!(note.contains("which layers") && note.contains("gone.onnx"), "{note}");
    assert!(node(&told, "head")["figures"].get("rate").is_none());

    // A probe trains its head only.
    world.fit(&["data", "--out", "probe"]).json();
    let told = world.run(&["look", "graph", "probe", "--out", "seen", "--json"]).json();
    assert_eq!(told["color"], "frozen");
    let figures = &node(&told, "head")["figures"];
    assert_eq!(figures["frozen"], 2.0);
    assert!(figures.get("rate").is_none() && figures.get("drift").is_none());
    assert_eq!(node(&told, "features.18.0")["figures"]["frozen"], 0.0);
}
