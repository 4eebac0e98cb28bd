use crate::support::{World, network};

/// Two convolutions in a row, and a norm with another family's eps.
const BROKEN: &str = "image = input 3x32x32
conv1 = conv2d image out=16 size=5 pad=2
conv2 = conv2d conv1 out=16 size=3 pad=1
layer1.0.bn1 = batch_norm conv2 eps=0.001
relu = relu layer1.0.bn1
wide = max_pool relu size=8 stride=4
conv3 = conv2d wide out=16 size=5 pad=2
relu3 = relu conv3
pool = global_avg_pool relu3
fc = linear pool out=10
-> fc
";

#[test]
fn lint_says_what_is_wrong_where_and_what_to_do_and_ends_with_four() {
    let world = World::new();
    world.file("net.txt", BROKEN.as_bytes());
    let done = world.run(&["lint", "net.txt"]);
    assert_eq!(done.code(), 4, "{}", done.stderr());
    let text = done.stdout();
    for words in [
        "warning missing-nonlinearity `conv1`",
        "warning wrong-epsilon `layer1.0.bn1`: eps 1e-3",
        "why: ",
        "do: ",
        "net.txt: not sound, 2 warnings",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    let done = world.run(&["lint", "net.txt", "--json"]);
    assert_eq!(done.code(), 4);
    let json: serde_json::Value = serde_json::from_str(&done.stdout()).unwrap();
    assert_eq!(json["findings"][0]["check"], "missing-nonlinearity");
    assert_eq!(json["findings"][0]["severity"], "warning");
    assert_eq!(json["findings"][0]["layer"], "conv1");
    for key in ["figures", "why", "fix"] {
        assert!(!json["findings"][0][key].as_str().unwrap().is_empty(), "{key}");
    }
    world.run(&["lint", "net.txt", "--images", "."]).refused(2, &["has no weights"]);
    world.run(&["lint", "net.text"]).refused(4, &["net.text"]);
}

#[test]
fn a_standard_architecture_is_sound_and_ends_with_zero() {
    let world = World::new();
    let json = world.run(&["lint", "torchvision/resnet50", "--json"]).json();
    assert_eq!(json["findings"], serde_json::json!([]));
    assert_eq!(json["looked_at"], serde_json::json!(["structure"]));
}

#[test]
fn with_images_every_layer_has_its_scale_and_random_weights_are_called_random() {
    let world = World::new();
    world.pictures("mine", &["a", "b"], 2);
    let done = world.run(&["lint", &network(), "--images", "mine", "--json"]);
    assert_eq!(done.code(), 4, "{}", done.stderr());
    let json: serde_json::Value = serde_json::from_str(&done.stdout()).unwrap();
    let found = json["findings"].as_array().unwrap();
    assert!(found.iter().any(|f| f["check"] == "untrained"), "{found:?}");
    assert_eq!(json["images"], 4);
    let layers = json["layers"].as_array().unwrap();
    assert_eq!(layers[0]["ratio"], 1.0);
    assert!(layers.iter().all(|l| l["rms"].as_f64().unwrap() > 0.0), "{layers:?}");
    let graph = regraft_zoo::graph(crate::support::ARCHITECTURE).unwrap();
    assert_eq!(layers.len(), graph.len(), "one row a layer");
    let ways = json["preprocessing"].as_array().unwrap();
    assert!(ways[0]["card"] == true && ways.len() >= 4, "{ways:?}");
}
