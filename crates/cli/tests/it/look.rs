//! Looks inside, from the command line.

use std::fs;

use image::{Rgb, RgbImage};

use crate::support::{World, network};

#[test]
fn explain_draws_every_map_with_its_range_and_what_random_weights_give() {
    let world = World::new();
    world.pictures("data", &["a", "b"], 6);
    world.fit(&["data", "--out", "run"]).json();
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
