//! Looks inside, from the command line.

use std::fs;

use image::{Rgb, RgbImage};
use regraft_net::{Card, Network, notation};

use crate::support::{World, network};

#[test]
fn explain_draws_every_map_with_its_range_and_what_random_weights_give() {
    let world = World::new();
    world.pictures("data", &["a", "b"], 6);
    world.fit(&["data", "--out", "run"]).json();
    let page = fs::read_to_string(world.path("run/report.html")).unwrap();
    assert!(page.contains("id=\"inside\"") && page.contains("data:image/svg+xml;base64,"));
    assert!(page.contains("prefers <code><bdi>a<") && page.contains("prefers <code><bdi>b<"));
    let done = world.run(&["look", "explain", "run", "data/a/000.png", "--json", "--out", "seen"]);
    let told = done.json();
    assert!(["a", "b"].contains(&told["class"].as_str().unwrap()));
    let maps = told["maps"].as_array().unwrap();
    assert_eq!(maps.len(), 8);
    for map in maps {
        let name = map["method"].as_str().unwrap();
        let [low, high] = [0, 1].map(|i| map["range"][i].as_f64().unwrap());
        assert!(low <= high && map["empty"] == (low.abs().max(high.abs()) < 1e-9), "{map}");
        let drawn = image::open(world.path("seen").join(format!("{name}.png"))).unwrap();
        assert_eq!((drawn.width(), drawn.height()), (224, 224));
        let random = map["random"].as_str();
        assert_eq!(random.is_none(), ["occlusion", "integrated"].contains(&name), "{map}");
        assert!(random.is_none_or(|file| world.path("seen").join(file).is_file()));
    }
    for file in ["sheet.png", "maps.safetensors", "explain.json"] {
        assert!(world.path("seen").join(file).is_file(), "{file}");
    }
    let file = fs::read_to_string(world.path("seen/explain.json")).unwrap();
    assert_eq!(serde_json::from_str::<serde_json::Value>(&file).unwrap(), told);

    let asked = ["look", "explain", "run", "data/a/000.png", "--method", "grad-cam"];
    let text = world.run(&[&asked[..], &["--class", "b", "--at", "features.13"]].concat());
    assert_eq!(text.code(), 0, "{}", text.stderr());
    let text = text.stdout();
    assert!(text.contains("000.png: b (score") && text.contains("`features.13`"), "{text}");
    assert!(world.path("look/000/grad-cam.png").is_file());
    world.run(&[&asked[..], &["--class", "c"]].concat()).refused(2, &["no class `c`", "2"]);
    world.run(&[&asked[..], &["--at", "features.131"]].concat()).refused(4, &["features.13"]);
    world
        .run(&["look", "explain", "run", "data/a/000.png", "--method", "cam"])
        .refused(2, &["grad-cam"]);
}

#[test]
fn a_picture_of_one_colour_gives_maps_of_nothing() {
    let world = World::new();
    RgbImage::from_pixel(64, 64, Rgb([90, 20, 200])).save(world.path("plain.png")).unwrap();
    let network = network();
    let asked = ["look", "explain", &network, "plain.png", "--out", "seen"];
    let methods = ["--method", "grad-cam,gradient,guided"];
    let told = world.run(&[&asked[..], &methods[..], &["--json"]].concat()).json();
    assert!(told["maps"].as_array().unwrap().iter().all(|m| m["empty"] == true), "{told}");
    let text = world.run(&[&asked[..], &methods[..]].concat()).stdout();
    assert!(text.contains("nothing: all zeros"), "{text}");
    // Not noise that was stretched: as grey as it came.
    let drawn = image::open(world.path("seen/gradient.png")).unwrap().to_rgb8();
    assert!(drawn.pixels().all(|p| p == drawn.get_pixel(0, 0)));
}

#[test]
fn top_shows_the_patches_that_excite_units_and_what_comes_back() {
    let world = World::new();
    world.pictures("data", &["a", "b"], 6);
    world.file("data/a/broken.png", b"no picture");
    let network = network();
    let asked = ["look", "top", &network, "features.4:1,5", "--images", "data", "--count", "4"];
    let done = world.run(&[&asked[..], &["--out", "seen", "--raw", "--json"]].concat());
    let told = done.json();
    assert_eq!(told["seen"], 12);
    assert!(told["skipped"][0]["file"].as_str().unwrap().ends_with("broken.png"));
    let layer = &told["layers"][0];
    assert_eq!((&layer["layer"], &layer["read_at"]), (&"features.4".into(), &"features.4".into()));
    let units = layer["units"].as_array().unwrap();
    assert_eq!(units.iter().map(|u| u["unit"].as_u64().unwrap()).collect::<Vec<_>>(), [1, 5]);
    for unit in units {
        let hits = unit["hits"].as_array().unwrap();
        assert_eq!(hits.len(), 4);
        // One place of each picture, the strongest first, and the pass that goes back agrees.
        let files: std::collections::BTreeSet<&str> =
            hits.iter().map(|h| h["file"].as_str().unwrap()).collect();
        assert_eq!(files.len(), 4);
        let values: Vec<f64> = hits.iter().map(|h| h["value"].as_f64().unwrap()).collect();
        assert!(values.is_sorted_by(|a, b| a >= b), "{values:?}");
        assert!(unit["differs"].as_f64().unwrap() < 1e-3, "{unit}");
        for what in ["patches", "deconvnet", "guided", "gradient"] {
            let file = unit["files"][what].as_str().unwrap();
            assert_eq!(image::open(world.path("seen").join(file)).unwrap().width(), 2 * 72 + 2);
        }
    }
    let raw = world.path("seen/signals.safetensors");
    assert!(fs::metadata(raw).unwrap().len() > 1000);
    let page = fs::read_to_string(world.path("seen/top.html")).unwrap();
    assert!(page.contains("unit 5: guided") && page.contains("broken.png"));
    assert!(world.path("seen/sheet.png").is_file());

    // What was seen is kept: nothing is run again, and the answer is the same to the bit.
    let again = world.run(&[&asked[..], &["--out", "seen", "--raw", "--json"]].concat());
    assert_eq!(again.json(), told);

    let text = world.run(&["look", "top", &network, "--images", "data", "--units", "1"]);
    assert_eq!(text.code(), 0, "{}", text.stderr());
    assert!(text.stdout().contains("of 12 pictures") && world.path("look/top/top.json").is_file());

    let of = |layer: &str, images: &str| {
        world.run(&["look", "top", &network, layer, "--images", images])
    };
    of("features.4:99999", "data").refused(2, &["features.4", "units", "99999"]);
    of("features.44", "data").refused(4, &["features.4"]);
    of("features.4:x", "data").refused(2, &["features.4:x", "from 0"]);
    for count in ["0", "101"] {
        let asked = ["look", "top", &network, "--images", "data", "--count", count];
        world.run(&asked).refused(2, &["--count", "from 1 to 100"]);
    }
    fs::create_dir_all(world.path("empty")).unwrap();
    of("features.4", "empty").refused(3, &["no images", "empty"]);
    fs::create_dir_all(world.path("bad")).unwrap();
    world.file("bad/x.png", b"no picture");
    of("features.4", "bad").refused(3, &["none of the 1 images", "x.png"]);
}

#[test]
fn filters_are_drawn_and_copies_and_silent_units_told() {
    let world = World::new();
    world.pictures("data", &["a"], 4);
    let network = network();
    let asked = ["look", "filters", &network, "--images", "data", "--out", "seen"];
    let told = world.run(&[&asked[..], &["--json"]].concat()).json();
    let layers = told["layers"].as_array().unwrap();
    assert_eq!(layers[0]["layer"], told["first"][0]);
    assert_eq!(layers[0]["norms"].as_array().unwrap().len(), 32);
    // Each filter of a depthwise convolution reads a channel of its own: none is a copy.
    let depthwise = layers.iter().find(|l| l["values"] == 9).unwrap();
    assert!(depthwise["copies"].is_null(), "{depthwise}");
    assert!(layers[0]["copies"].is_array());
    let units = told["units"].as_array().unwrap();
    assert!(!units.is_empty());
    for layer in units {
        let silent = layer["silent"].as_array().unwrap();
        assert_eq!(silent.len() as u64, layer["units"].as_u64().unwrap());
        let dead = silent.iter().filter(|share| share.as_f64() == Some(1.0)).count();
        assert_eq!(dead, layer["dead"].as_array().unwrap().len());
    }
    // 32 kernels of 3 x 3 pixels, each drawn as 8 x 8.
    let sheet = image::open(world.path("seen/filters.png")).unwrap();
    assert_eq!((sheet.width(), sheet.height()), (6 * 26 - 2, 6 * 26 - 2));
    let text = world.run(&asked).stdout();
    assert!(
        text.contains("dead: silent in all of 4 pictures") && text.contains("copies"),
        "{text}"
    );
}

#[test]
fn a_probe_at_each_block_says_where_to_cut_and_what_training_moved() {
    let world = World::new();
    world.pictures("data", &["a", "b"], 12);
    let network = network();
    let asked = ["look", "probe-curve", &network, "data", "--out", "seen"];
    let told = world.run(&[&asked[..], &["--json"]].concat()).json();
    let points = told["points"].as_array().unwrap();
    assert!(points.len() > 3);
    let of = |key: &str| points.iter().map(|p| p[key].as_f64().unwrap()).collect::<Vec<_>>();
    assert!(of("cost").is_sorted() && of("top1").iter().all(|p| (0.0..=1.0).contains(p)));
    let best = of("top1").into_iter().fold(0.0, f64::max);
    let named = |key: &str| points.iter().find(|p| p["layer"] == told[key]).unwrap();
    assert_eq!(named("best")["top1"].as_f64().unwrap(), best);
    assert!(named("cut")["cost"].as_f64() <= named("best")["cost"].as_f64());
    assert!(points.iter().all(|p| p["alignment"].is_null()));
    let figures = fs::read_to_string(world.path("seen/figures.json")).unwrap();
    let figures: std::collections::BTreeMap<String, f64> = serde_json::from_str(&figures).unwrap();
    assert_eq!(figures.len(), points.len());
    assert!(fs::read_to_string(world.path("seen/probe-curve.html")).unwrap().contains("<circle"));
    let text = world.run(&asked).stdout();
    assert!(text.contains("cut here") && text.contains("each left out in turn"), "{text}");

    // A run that trained the upper blocks: lower ones see the same as before, to the bit.
    let trained = ["data", "--out", "run", "--strategy", "lp-ft", "--unfreeze", "last:2"];
    world.fit(&[&trained[..], &["--epochs", "2"]].concat()).json();
    let told = world.run(&["look", "probe-curve", "run", "data", "--json"]).json();
    let like: Vec<f64> = told["points"]
        .as_array()
        .unwrap()
        .iter()
        .map(|p| p["alignment"].as_f64().unwrap())
        .collect();
    assert!((like[0] - 1.0).abs() < 1e-9, "{like:?}");
    assert!(*like.last().unwrap() < 1.0 - 1e-9, "{like:?}");

    world.run(&["look", "probe-curve", "run", "nowhere"]).refused(3, &["nowhere"]);
}

/// A small vision transformer of our own, in a file with its own graph.
fn transformer(world: &World) -> &'static str {
    let block = |from: &str, to: usize| {
        format!(
            "n{to} = layer_norm {from} eps=1e-5\n qkv{to} = linear n{to} out=24\n \
             m{to} = attention qkv{to} heads=2\n b{to} = add {from} m{to}\n"
        )
    };
    let text = format!(
        "x = input 3x32x32\n e = conv2d x out=8 size=8 stride=8 bias=yes\n t = tokens e\n {} {} \
         g = gelu b2\n c = token g index=0\n fc = linear c out=4\n -> fc",
        block("t", 1),
        block("b1", 2)
    );
    let graph = notation::parse(&text).unwrap();
    let params = regraft_testkit::formula_params(&graph).unwrap();
    let mut card = Card::blank("transformer");
    card.preprocess.crop = [32, 32];
    card.logits = Some("fc".to_owned());
    card.cut = Some("c".to_owned());
    card.blocks = ["b1", "b2"].map(str::to_owned).to_vec();
    let network = Network::new(graph, &params, card).unwrap();
    regraft_formats::write_model(&world.path("vit.safetensors"), &network).unwrap();
    "vit.safetensors"
}

#[test]
fn tokens_are_looked_into_as_maps_are() {
    let world = World::new();
    world.pictures("data", &["a", "b"], 12);
    let network = transformer(&world);
    let asked = ["look", "top", network, "--images", "data", "--count", "4", "--units", "2"];
    let told = world.run(&[&asked[..], &["--out", "seen", "--json"]].concat()).json();
    let layers = told["layers"].as_array().unwrap();
    let names: Vec<&str> = layers.iter().map(|l| l["layer"].as_str().unwrap()).collect();
    assert_eq!(names, ["e", "b1", "b2"]);
    for layer in &layers[1..] {
        // 16 patches, and one token that is learned.
        assert_eq!(layer["shape"], serde_json::json!([8, 17, 1]));
        assert!(layer["receptive_field"].is_null(), "attention sees all: {layer}");
        for unit in layer["units"].as_array().unwrap() {
            assert!(unit["differs"].as_f64().unwrap() < 1e-3, "{unit}");
            for hit in unit["hits"].as_array().unwrap() {
                assert!(hit["at"][0].as_u64().unwrap() < 17 && hit["at"][1] == 0, "{hit}");
            }
        }
    }
    let of = |layer: &str| world.run(&["look", "top", network, layer, "--images", "data"]);
    of("b1:8").refused(2, &["b1", "8 units", "0 to 7"]);
    let told = world.run(&["look", "top", network, "g:3", "--images", "data", "--json"]).json();
    let refused = told["layers"][0]["refused"].as_object().unwrap();
    assert!(refused.contains_key("guided") && refused.contains_key("deconvnet"), "{told}");

    let told = world.run(&["look", "probe-curve", network, "data", "--json"]).json();
    let points = told["points"].as_array().unwrap();
    let names: Vec<&str> = points.iter().map(|p| p["layer"].as_str().unwrap()).collect();
    assert_eq!(names, ["b1", "b2", "c"]);
    assert!(points.iter().all(|p| p["values"] == 8), "{told}");
}
