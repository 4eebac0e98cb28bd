use crate::support::World;

#[test]
fn the_catalogue_lists_shows_and_marks_its_default() {
    let world = World::new();
    let list = world.run(&["zoo", "list", "--json"]).json();
    let names: Vec<&str> =
        list.as_array().unwrap().iter().map(|r| r["name"].as_str().unwrap()).collect();
    assert!(names.contains(&"efficientnet-lite0"), "{names:?}");
    let default: Vec<_> =
        list.as_array().unwrap().iter().filter(|r| r["default"] == true).collect();
    assert_eq!(default.len(), 1);
    let one = world.run(&["zoo", "show", "efficientnet-lite0", "--json"]).json();
    assert_eq!(one["parameters"], 4_652_008);
    assert_eq!(one["licence"], "Apache-2.0");
    let text = world.run(&["zoo", "list"]).stdout();
    assert!(text.contains("efficientnet-lite0 (default)") && text.contains("18.8 MB"), "{text}");
    world.run(&["zoo", "show", "efficientnet-light0"]).refused(4, &["efficientnet-lite0"]);
    world.run(&["zoo", "pull", "efficientnet-lite0", "--offline"]).refused(4, &["offline"]);
}

#[test]
fn show_lists_layers_and_cut_keeps_the_lower_part() {
    let world = World::new();
    let shown = world.run(&["show", "torchvision/resnet18", "--json"]).json();
    assert_eq!(shown["parameters"], 11_689_512);
    let layers = shown["layers"].as_array().unwrap();
    let conv1 = layers.iter().find(|l| l["name"] == "conv1").unwrap();
    assert_eq!(conv1["shape"], serde_json::json!([64, 112, 112]));
    assert_eq!(conv1["macs"], 118_013_952);
    assert_eq!(conv1["receptive_field"], serde_json::json!([7, 7]));
    let text = world.run(&["show", "torchvision/resnet18"]).stdout();
    assert!(text.contains("layer4") && text.contains("11.7 M parameters"), "{text}");
    let cut = world.run(&["cut", "torchvision/resnet18", "layer2", "--json"]).json();
    assert_eq!(cut["shape"], serde_json::json!([128, 28, 28]));
    assert!(cut["notation"].as_str().unwrap().ends_with("-> layer2\n"));
    let notation = world.run(&["cut", "torchvision/resnet18", "layer2"]).stdout();
    world.file("net.txt", notation.as_bytes());
    let again = world.run(&["show", "net.txt", "--json"]).json();
    assert_eq!(again["macs"], cut["macs"]);
    world
        .run(&["cut", "torchvision/resnet18", "layer1.ad"])
        .refused(4, &["no layer `layer1.ad`", "did you mean"]);
    world.file("bad.txt", b"x = input 3x4x4\ny = convolve x\n-> y\n");
    world.run(&["show", "bad.txt"]).refused(4, &["line 2", "convolve"]);
}

#[test]
fn completions_are_printed_for_the_usual_shells() {
    let world = World::new();
    for shell in ["bash", "zsh", "fish"] {
        let done = world.run(&["completions", shell]);
        assert_eq!(done.code(), 0);
        assert!(done.stdout().contains("regraft"), "{shell}");
    }
}
