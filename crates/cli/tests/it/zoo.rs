use crate::support::{ARCHITECTURE, World, network};

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

/// Names that a list gives, in its order.
fn names(world: &World, arguments: &[&str]) -> Vec<String> {
    let list = world.run(&[&["zoo"], arguments, &["--json"]].concat()).json();
    list.as_array().unwrap().iter().map(|r| r["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn the_list_is_narrowed_and_sorted_as_asked() {
    let world = World::new();
    let best = names(
        &world,
        &[
            "list",
            "--task",
            "classification",
            "--max-params",
            "10M",
            "--licence",
            "permissive",
            "--sort",
            "accuracy",
        ],
    );
    let place = |name: &str| best.iter().position(|n| n == name);
    assert_eq!(best[0], "efficientnet_b2.imagenet1k_v1");
    assert!(place("efficientnet_b1.imagenet1k_v2") < place("efficientnet_b0.imagenet1k_v1"));
    assert!(place("resnet50.imagenet1k_v1").is_none() && place("dcgan-cifar10.csinva").is_none());
    let caffe = names(&world, &["list", "--framework", "Caffe", "--max-macs", "1G"]);
    assert_eq!(
        caffe,
        ["caffenet.bvlc", "squeezenet-1.1"],
        "what is not known does not fit a limit"
    );
    let kept = names(&world, &["list", "--licence", "noncommercial"]);
    assert!(kept.iter().any(|n| n == "vit_b_16.imagenet1k_swag_linear_v1") && kept.len() == 6);
    assert!(names(&world, &["list", "--licence", "MIT"]).contains(&"resnet50.msra".to_owned()));
    assert_eq!(names(&world, &["list", "--task", "generation"]), ["dcgan-cifar10.csinva"]);
    let here = names(&world, &["list", "--available"]);
    assert!(
        here.iter().all(|n| n.starts_with("efficientnet-lite")
            || ["mobilenet-v2", "squeezenet-1.1"].contains(&n.as_str())),
        "{here:?}"
    );
    let up = names(&world, &["list", "--family", "inception-v3", "--sort", "size"]);
    let mut down =
        names(&world, &["list", "--family", "inception v3", "--sort", "size", "--reverse"]);
    down.reverse();
    assert_eq!(up, down);
    world
        .run(&["zoo", "list", "--framework", "kaffe"])
        .refused(2, &["did you mean `caffe`", "pytorch"]);
    world.run(&["zoo", "list", "--max-params", "ten"]).refused(2, &["10M"]);
    let none = world.run(&["zoo", "list", "--min-top1", "99"]).stdout();
    assert!(none.starts_with("none of "), "{none}");
    let narrow = world.command(&["zoo", "list"]).env("COLUMNS", "80").output().unwrap().stdout;
    let narrow = String::from_utf8(narrow).unwrap();
    assert!(narrow.lines().all(|l| l.chars().count() <= 80), "{narrow}");
}

#[test]
fn a_search_looks_everywhere_and_puts_the_best_fit_first() {
    let world = World::new();
    let found = names(&world, &["search", "resnet50"]);
    assert!(found[0].to_lowercase().starts_with("resnet50"), "{found:?}");
    let skin = names(&world, &["search", "dermatologists"]);
    assert!(
        skin.iter().all(|n| n.to_lowercase().starts_with("inception")) && skin.len() == 6,
        "{skin:?}"
    );
    let both = names(&world, &["search", "keras", "bgr"]);
    assert!(
        both.contains(&"ResNet50.keras".to_owned()) && !both.contains(&"Xception.keras".to_owned())
    );
    assert_eq!(names(&world, &["list", "radford"]), ["dcgan-cifar10.csinva"]);
    let none = world.run(&["zoo", "search", "desnenet121"]).stdout();
    assert!(none.contains("densenet121"), "{none}");
}

#[test]
fn a_model_card_tells_what_one_must_know() {
    let world = World::new();
    let card = world.run(&["zoo", "show", "resnet50.imagenet1k_v2", "--json"]).json();
    assert_eq!(card["parameters"], 25_557_032);
    assert_eq!(card["published_top1"], 80.858);
    assert_eq!(card["checksum"], "sha256 11ad3fa6…");
    assert_eq!(card["cut"]["layer"], "avgpool");
    assert_eq!(card["cut"]["shape"], serde_json::json!([2048]));
    let pitfalls = card["pitfalls"].as_array().unwrap();
    assert!(pitfalls.iter().any(|p| p["name"] == "mixed-pictures"));
    let text = world.run(&["zoo", "show", "ResNet50.keras"]).stdout();
    for wanted in [
        "blue, green, red",
        "less 103.939, 116.779, 123.68",
        "md5 2cb95161",
        "Kornblith",
        "conv4_block6_out",
    ] {
        assert!(text.contains(wanted), "{wanted}: {text}");
    }
    let text = world.run(&["zoo", "show", "torchvision/inception_v3"]).stdout();
    for wanted in ["299", "torchvision/inception_v3@file:PATH", "inception_v3.imagenet1k_v1"] {
        assert!(text.contains(wanted), "{wanted}: {text}");
    }
    let text = world.run(&["zoo", "show", "alexnet.bvlc"]).stdout();
    assert!(text.contains("in its own file") && text.contains("deploy.prototxt"), "{text}");
    world.pictures("data", &["ants", "bees", "Warbler", "sign"], 1);
    let card =
        world.run(&["zoo", "show", "efficientnet-lite0", "--classes", "data", "--json"]).json();
    let overlap = &card["overlap"];
    assert_eq!(overlap["exact"][0]["labels"], serde_json::json!(["ant"]));
    assert_eq!(overlap["none"], serde_json::json!(["Warbler"]));
    let text =
        world.run(&["zoo", "show", "caffenet.bvlc", "--classes", "ant,man-eater,fox"]).stdout();
    for wanted in ["2 of 3 classes", "great white shark", "red fox"] {
        assert!(text.contains(wanted), "{wanted}: {text}");
    }
    let sideways = ["zoo", "show", "torchvision/resnet18", "--classes", "ant"];
    world.run(&sideways).refused(2, &["an architecture has no classes"]);
}

#[test]
fn a_network_of_ones_own_is_added_used_by_name_and_removed() {
    let world = World::new();
    let file = network().split("@file:").nth(1).unwrap().to_owned();
    let run = |arguments: &[&str]| world.run(arguments);
    run(&["zoo", "add", "mine", &file]).refused(2, &["--card", "--architecture"]);
    run(&["zoo", "add", "mine", &file, "--architecture", "torchvision/resnet18"])
        .refused(4, &["parameters are missing"]);
    world.file(
        "card.toml",
        format!("architecture = \"{ARCHITECTURE}\"\nlicence = \"MIT\"\nclases = []\n").as_bytes(),
    );
    run(&["zoo", "add", "mine", &file, "--card", "card.toml"]).refused(4, &["card.toml", "clases"]);
    world.file("card.toml", format!("architecture = \"{ARCHITECTURE}\"\nlicence = \"MIT\"\nnotes = [\"formula weights of birds\"]\nclasses = [\"a\", \"b\"]\n").as_bytes());
    run(&["zoo", "add", "mine", &file, "--card", "card.toml"])
        .refused(2, &["card.toml", "2 classes", "1000 scores"]);
    let text = format!(
        "architecture = \"{ARCHITECTURE}\"\nlicence = \"MIT\"\nlabels = \"imagenet-1k\"\nnotes = [\"formula weights of birds\"]\n"
    );
    world.file("card.toml", text.as_bytes());
    let added =
        run(&["zoo", "add", "mine", &file, "--card", "card.toml", "--link", "--json"]).json();
    assert_eq!(added["checked"], false);
    assert!(added["path"].as_str().unwrap().contains("data-home/regraft/zoo/mine"));
    assert_eq!(names(&world, &["list", "--zoo", "own"]), ["mine"]);
    assert_eq!(names(&world, &["search", "formula", "birds"]), ["mine"]);
    let card = run(&["zoo", "show", "mine", "--json"]).json();
    assert_eq!((card["licence"].as_str(), card["weights"].as_str()), (Some("MIT"), Some("here")));
    assert_eq!(card["sha256"], added["sha256"]);
    world.pictures("data", &["a", "b"], 4);
    let fit = run(&["fit", "data", "--network", "mine", "--out", "run", "--json"]).json();
    assert!(fit["test"]["top1"].is_number(), "{fit}");
    run(&["zoo", "add", "mine", &file, "--card", "card.toml"]).refused(4, &["taken"]);
    run(&["zoo", "add", "resnet50.imagenet1k_v1", &file]).refused(4, &["sha256 0676ba61"]);
    run(&["zoo", "add", "resnet50.imagenet1k_v1", &file, "--card", "card.toml"])
        .refused(2, &["the catalogue"]);
    run(&["zoo", "pull", "resnet50.imagenet1k_v1"]).refused(4, &["download https://", "zoo add"]);
    run(&["zoo", "remove", "min"]).refused(4, &["did you mean `mine`"]);
    assert_eq!(run(&["zoo", "remove", "mine"]).code(), 0);
    run(&["zoo", "show", "mine"]).refused(4, &["no network `mine`"]);
}

#[test]
fn a_file_with_its_own_graph_gets_pictures_of_its_own_size() {
    let world = World::new();
    world.pictures("data", &["a", "b"], 6);
    let file = crate::maximise::small(&world);
    world.run(&["zoo", "add", "mine", file, "--architecture", "file"]).stdout();
    // Not of the usual 224 x 224 pixels.
    let told = world.run(&["look", "top", "mine", "relu2:1", "--images", "data", "--json"]).json();
    assert_eq!(told["layers"][0]["shape"], serde_json::json!([8, 16, 16]));
    world.file(
        "card.toml",
        b"graph = \"file\"\n[preprocess]\nresize_shorter = 64\ncrop = 64\n\
        interpolation = \"bilinear\"\nwhite = 1.0\nmean = [0, 0, 0]\nstd = [1, 1, 1]\n",
    );
    world.run(&["zoo", "remove", "mine"]).stdout();
    world.run(&["zoo", "add", "mine", file, "--card", "card.toml"]).stdout();
    let asked = ["look", "top", "mine", "relu2:1", "--images", "data"];
    world.run(&asked).refused(4, &["3x32x32", "3x64x64"]);
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
