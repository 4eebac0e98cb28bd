//! Images of no known class, from the command line.

use std::fs;

use image::{Rgb, RgbImage};

use crate::support::World;

const TRAINED: [&str; 8] =
    ["--strategy", "lp-ft", "--unfreeze", "last:2", "--epochs", "2", "--batch", "6"];

/// Two classes, and a folder of pictures that are like neither: one colour all over, with a dark corner.
fn world(each: usize) -> World {
    let world = World::new();
    world.pictures("data", &["a", "b"], each);
    fs::create_dir_all(world.path("other")).unwrap();
    for i in 0..6 {
        let plain = RgbImage::from_fn(70, 60, |x, y| {
            let dark = x + y < 20 + 5 * i;
            if dark { Rgb([0, 0, 0]) } else { Rgb([250, 250, 40 + 8 * i as u8]) }
        });
        plain.save(world.path("other").join(format!("{i}.png"))).unwrap();
    }
    world
}

fn lines(text: &str) -> Vec<serde_json::Value> {
    text.lines().map(|l| serde_json::from_str(l).unwrap()).collect()
}

#[test]
fn a_picture_like_no_class_is_called_unknown_with_the_nearest_training_images() {
    let world = world(24);
    for (run, more) in [("run", &[][..]), ("trained", &TRAINED[..])] {
        let summary = world.fit(&[&["data", "--out", run], more].concat()).json();
        let facts = &summary["unknown"];
        assert!(facts["unknown"].as_u64() < facts["images"].as_u64(), "{summary}");
        let done = world.run(&["predict", run, "other", "data/a", "--json"]);
        let told = lines(&done.stdout());
        assert_eq!(told.len(), 30);
        let unknown = |l: &&serde_json::Value| l["unknown"] == true;
        assert!(told[..6].iter().filter(unknown).count() >= 5, "{run}: {}", done.stdout());
        assert!(told[6..].iter().filter(unknown).count() <= 3, "{run}: {}", done.stdout());
        for line in &told {
            let above = line["distance"].as_f64() > line["threshold"].as_f64();
            assert_eq!(line["unknown"], above, "{line}");
            let near = line["nearest"].as_array().unwrap();
            assert_eq!(near.len(), 5);
            assert!(near[0]["distance"].as_f64() <= near[1]["distance"].as_f64());
            assert!(world.path("data").join(near[0]["file"].as_str().unwrap()).is_file());
        }
        // A picture that was learned from is its own nearest.
        let own = told[6..].iter().find(|l| l["nearest"][0]["distance"].as_f64() < Some(1e-3));
        let own = own.unwrap_or_else(|| panic!("{run}: {}", done.stdout()));
        assert!(
            own["file"].as_str().unwrap().ends_with(own["nearest"][0]["file"].as_str().unwrap())
        );
        assert_eq!(own["nearest"][0]["label"], "a");
        let text = world.run(&["predict", run, "other/0.png"]).stdout();
        assert!(text.contains("\tunknown\tnot ") && text.contains("nearest "), "{text}");
        let text = world.run(&["predict", run, "other/0.png", "--no-unknown"]).stdout();
        assert!(!text.contains("unknown"), "{text}");
        let plan = fs::read_to_string(world.path(run).join("plan.toml")).unwrap();
        assert!(plan.contains("[unknown]") && plan.contains("false_alarms = 0.05"), "{plan}");
        let report = fs::read_to_string(world.path(run).join("report.html")).unwrap();
        assert!(report.contains("Images of none of these classes"), "{run}");
        let counted = world.run(&["evaluate", run, "data", "--json"]).json();
        assert_eq!(counted["unknown"]["images"], 48);
    }
    let text = world.run(&["evaluate", "run", "data"]).stdout();
    assert!(text.contains("called unknown"), "{text}");
}

#[test]
fn more_false_alarms_allowed_make_a_lower_threshold_and_nonsense_is_refused() {
    let world = world(16);
    let threshold = |share: &str| {
        world.fit(&["data", "--out", share, "--false-alarms", share]).json();
        let text = fs::read_to_string(world.path(share).join("unknown.json")).unwrap();
        let file: serde_json::Value = serde_json::from_str(&text).unwrap();
        file["threshold"].as_f64().unwrap()
    };
    assert!(threshold("0.5") < threshold("0.05"));
    assert_eq!(world.fit(&["data", "--false-alarms", "0"]).code(), 2);
}

#[test]
fn a_run_without_it_predicts_and_says_so_and_a_damaged_one_is_refused() {
    let world = world(8);
    world.fit(&["data", "--out", "run"]).json();
    let predict = || world.run(&["predict", "run", "data/a/000.png", "--json"]);
    assert!(predict().stdout().contains("\"unknown\":"));
    let at = |file: &str| world.path("run").join(file);
    let numbers = fs::read(at("unknown.safetensors")).unwrap();
    let text = fs::read_to_string(at("unknown.json")).unwrap();
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    let features = format!("\"features\": {}", value["features"]);
    let broken = |from: &str, to: &str, words: &[&str]| {
        assert!(text.contains(from), "{from}: {text}");
        world.file("run/unknown.json", text.replacen(from, to, 1).as_bytes());
        predict().refused(1, words);
    };
    broken("\"format\": 1", "\"format\": 9", &["unknown.json", "9"]);
    broken("\"method\": \"neighbours\"", "\"method\": \"oracle\"", &["unknown.json", "neighbours"]);
    broken(
        "\"method\": \"neighbours\"",
        "\"method\": \"mahalanobis\"",
        &["covariance", "fit it again"],
    );
    broken("\"class\": 0", "\"class\": 7", &["unknown.json", "plan.toml"]);
    broken(&features, "\"features\": 64", &["its bank", "fit it again"]);
    broken(&features, "\"features\": 18446744073709551615", &["bank"]);
    broken("\"neighbours\": 1", "\"neighbours\": 0", &["neighbours"]);
    broken("\"format\"", "\"moon\": 1, \"format\"", &["unknown field"]);
    world.file("run/unknown.json", text.as_bytes());
    world.file("run/unknown.safetensors", &[numbers.as_slice(), &vec![0; 2 << 20]].concat());
    predict().refused(1, &["unknown.safetensors is larger than"]);
    world.file("run/unknown.safetensors", &numbers[..numbers.len() - 5]);
    predict().refused(4, &["unknown.safetensors"]);
    fs::remove_file(at("unknown.safetensors")).unwrap();
    predict().refused(1, &["unknown.safetensors"]);
    fs::remove_file(at("unknown.json")).unwrap();
    let done = predict();
    assert_eq!(done.code(), 0, "{}", done.stderr());
    assert!(done.stderr().contains("cannot tell images of no known class"), "{}", done.stderr());
    assert!(done.stdout().contains("\"label\":\"a\"") && !done.stdout().contains("\"unknown\""));
    assert!(world.run(&["evaluate", "run", "data", "--json"]).json()["unknown"].is_null());
}
