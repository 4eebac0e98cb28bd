//! Pictures made for units, from the command line.

use std::fs;

use regraft_net::{Card, Network, notation};
use serde_json::Value;

use crate::support::{World, picture};

const TEXT: &str = "x = input 3x32x32
    conv1 = conv2d x out=6 size=3 pad=1 bias=yes
    relu1 = relu conv1
    pool = max_pool relu1 size=2 stride=2
    conv2 = conv2d pool out=8 size=3 pad=1 bias=yes
    relu2 = relu conv2
    mean = global_avg_pool relu2
    fc = linear mean out=4
    -> fc";

/// A small network of our own, in a file with its own graph.
pub(crate) fn small(world: &World) -> &'static str {
    let graph = notation::parse(TEXT).unwrap();
    let params = regraft_testkit::formula_params(&graph).unwrap();
    let mut card = Card::blank("small");
    card.preprocess.crop = [32, 32];
    card.logits = Some("fc".to_owned());
    let network = Network::new(graph, &params, card).unwrap();
    regraft_formats::write_model(&world.path("small.safetensors"), &network).unwrap();
    "small.safetensors"
}

const FEW: [&str; 5] = ["--steps", "24", "--side", "24", "--json"];

#[test]
fn maximise_makes_a_picture_for_each_unit_and_says_how_far_it_came() {
    let world = World::new();
    let network = small(&world);
    let asked = ["look", "maximise", network, "conv2", "relu1:3", "--class", "2", "--out", "made"];
    let told = world.run(&[&asked[..], &FEW[..]].concat()).json();
    let pictures = told["pictures"].as_array().unwrap();
    // All 8 of conv2, one of relu1, one class.
    assert_eq!(pictures.len(), 10);
    assert_eq!(told["layers"][0]["units"], 8);
    for picture in pictures {
        let [before, after] = ["before", "after"].map(|key| picture[key].as_f64().unwrap());
        assert!(after > before, "{picture}");
        let drawn = image::open(world.path("made").join(picture["file"].as_str().unwrap()));
        let drawn = drawn.unwrap();
        assert_eq!((drawn.width(), drawn.height()), (24, 24));
    }
    assert_eq!(pictures[8]["file"], "relu1-3.png");
    assert_eq!(pictures[9]["layer"], "fc");
    // Weights of chance do not know what they like.
    assert!(pictures[9]["seen"][0]["rank"].as_u64().is_some_and(|rank| (1..=4).contains(&rank)));
    let sheet = image::open(world.path("made/sheet.png")).unwrap();
    assert_eq!((sheet.width(), sheet.height()), (8 * 30 - 6, 3 * 30 - 6));
    let raw = regraft_formats::open(&world.path("made/maximise.safetensors")).unwrap();
    assert_eq!(raw.tensors.len(), 10);
    let file = fs::read_to_string(world.path("made/maximise.json")).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&file).unwrap(), told);
    let text = world.run(&[&asked[..], &FEW[..4]].concat()).stdout();
    assert!(text.contains("`conv2`: 8 units") && text.contains("relu1-3.png"), "{text}");
}

#[test]
fn the_same_seed_makes_the_same_bytes_on_any_number_of_threads() {
    let world = World::new();
    let network = small(&world);
    let kept = world.path("cache/regraft/looks");
    let make = |out: &str, more: &[&str]| {
        // Or the others would be taken from there.
        let _ = fs::remove_dir_all(&kept);
        let asked = ["look", "maximise", network, "relu2:1", "--diversity", "3", "--out", out];
        let done = world.run(&[&asked[..], &FEW[..], more].concat());
        assert_eq!(done.code(), 0, "{}", done.stderr());
        let files = ["relu2-1-0.png", "relu2-1-2.png", "sheet.png", "maximise.safetensors"];
        files.map(|file| fs::read(world.path(out).join(file)).unwrap())
    };
    let first = make("a", &[]);
    assert_eq!(first, make("b", &["--threads", "1"]));
    assert_eq!(first, make("c", &["--threads", "3"]));
    assert_ne!(first, make("d", &["--seed", "1"]));
    assert_ne!(first[0], first[1], "pictures of one unit differ");
    assert_ne!(first, make("e", &["--by", "pixels", "--set", "2"]));
}

#[test]
fn what_was_made_is_not_made_again() {
    let world = World::new();
    let network = small(&world);
    picture(1, 3).save(world.path("a.png")).unwrap();
    let all: [&[&str]; 3] = [
        &["maximise", network, "relu2:1", "--side", "24", "--steps", "4"],
        &[
            "dream",
            "a.png",
            "--network",
            network,
            "--at",
            "relu2",
            "--octaves",
            "1",
            "--steps",
            "2",
        ],
        &["invert", "a.png", "--network", network, "--at", "relu1", "--steps", "4"],
    ];
    for (i, asked) in all.into_iter().enumerate() {
        let look = |out: &str, more: &[&str]| {
            let asked = [&["look"], asked, &["--json", "--out", out], more].concat();
            let mut told = world.run(&asked).json();
            told["out"] = Value::Null;
            (told, fs::read(world.path(out).join("sheet.png")).unwrap())
        };
        let files = || {
            let kept = fs::read_dir(world.path("cache/regraft/looks")).unwrap();
            let mut files: Vec<_> = kept
                .map(|f| (f.as_ref().unwrap().path(), f.unwrap().metadata().unwrap()))
                .collect();
            files.sort_by(|a, b| a.0.cmp(&b.0));
            files.into_iter().map(|(path, m)| (path, m.modified().unwrap())).collect::<Vec<_>>()
        };
        let first = look("a", &[]);
        let kept = files();
        assert_eq!(kept.len(), 2 * i + 1, "{asked:?}");
        assert_eq!(first, look("b", &[]));
        assert_eq!(kept, files(), "{asked:?}");
        assert_ne!(first, look("c", &["--seed", "1"]), "{asked:?}");
        assert_eq!(files().len(), 2 * i + 2, "{asked:?}");
    }
}

#[test]
fn maximise_refuses_what_is_not_there() {
    let world = World::new();
    let network = small(&world);
    let ask =
        |more: &[&str]| world.run(&[&["look", "maximise", network, "--out", "no"], more].concat());
    ask(&[]).refused(2, &["name a layer", "--class"]);
    ask(&["relu3"]).refused(4, &["no layer `relu3`", "relu2"]);
    ask(&["relu3:1"]).refused(4, &["no layer `relu3`", "relu2"]);
    ask(&["relu2:8"]).refused(2, &["`relu2` has 8 units", "0 to 7", "8"]);
    ask(&["relu2", "--unit", "3,99"]).refused(2, &["8 units", "99"]);
    ask(&["relu2:x"]).refused(2, &["relu2:x", "LAYER:UNIT"]);
    ask(&["--class", "zebra"]).refused(2, &["no class `zebra`", "4"]);
    ask(&["relu2:1", "--side", "0"]).refused(2, &["side", "8 to 2048"]);
    ask(&["relu2:1", "--steps", "0"]).refused(2, &["steps"]);
    ask(&["relu2:1", "--views", "99"]).refused(2, &["views"]);
    ask(&["relu2:1", "--diversity", "99"]).refused(2, &["pictures of a unit"]);
    ask(&["relu2:1", "--by", "pixels", "--set", "5"]).refused(2, &["1 to 4"]);
    assert!(!world.path("no").exists(), "nothing half-written");
}

#[test]
fn dream_and_invert_tell_what_they_reached() {
    let world = World::new();
    let network = small(&world);
    picture(1, 3).save(world.path("a.png")).unwrap();
    let few = ["--octaves", "2", "--steps", "4", "--json", "--out", "dream"];
    let asked = ["look", "dream", "a.png", "--network", network, "--at"];
    let told = world.run(&[&asked[..], &["conv2:3"], &few[..]].concat()).json();
    assert!(told["after"].as_f64() > told["before"].as_f64(), "{told}");
    assert_eq!(told["sizes"], serde_json::json!([[43, 50], [60, 70]]));
    let drawn = image::open(world.path("dream/dream.png")).unwrap();
    assert_eq!((drawn.width(), drawn.height()), (70, 60));
    let all = world.run(&[&asked[..], &["relu2", "--side", "40"], &few[..]].concat()).json();
    assert_eq!((&all["unit"], &all["sizes"][1]), (&Value::Null, &serde_json::json!([34, 40])));
    let asked = ["look", "invert", "a.png", "--network", network, "--at"];
    let told = world
        .run(&[&asked[..], &["relu1", "--steps", "60", "--json", "--out", "invert"]].concat())
        .json();
    assert!(told["after"].as_f64() < told["before"].as_f64(), "{told}");
    for file in ["dream/sheet.png", "dream/dream.json", "dream/dream.safetensors"] {
        assert!(world.path(file).is_file(), "{file}");
    }
    for file in ["invert/inverted.png", "invert/sheet.png", "invert/invert.json"] {
        assert!(world.path(file).is_file(), "{file}");
    }
    let text = world.run(&[&asked[..], &["relu1", "--steps", "2"]].concat());
    assert!(text.stdout().contains("left unexplained"), "{}", text.stderr());
    assert!(world.path("look/invert-a/sheet.png").is_file());
}

#[test]
fn dream_and_invert_refuse_what_is_not_there() {
    let world = World::new();
    let network = small(&world);
    picture(1, 3).save(world.path("a.png")).unwrap();
    world.file("b.png", b"not a picture");
    let ask = |what: &str, image: &str, more: &[&str]| {
        world.run(&[&["look", what, image, "--network", network, "--out", "no"], more].concat())
    };
    for what in ["dream", "invert"] {
        ask(what, "a.png", &["--at", "relu3"]).refused(4, &["no layer `relu3`", "relu2"]);
        ask(what, "b.png", &["--at", "relu2"]).refused(3, &["b.png"]);
        ask(what, "c.png", &["--at", "relu2"]).refused(3, &["c.png"]);
        ask(what, "a.png", &["--at", "relu2", "--steps", "0"]).refused(2, &["steps"]);
    }
    ask("dream", "a.png", &["--at", "relu2:8"]).refused(2, &["8 units", "0 to 7"]);
    ask("dream", "a.png", &["--at", "relu2", "--side", "0"]).refused(2, &["side"]);
    ask("dream", "a.png", &["--at", "relu2", "--octaves", "0"]).refused(2, &["octaves"]);
    assert!(!world.path("no").exists(), "nothing half-written");
}
