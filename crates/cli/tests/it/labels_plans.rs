//! Advice, tried plans and comparisons where images have several labels.

use std::fs;

use serde_json::Value;

use crate::labels::world;
use crate::support::network;

const MEASURE: &str = "mean-average-precision";

#[test]
fn advice_on_labels_ranks_by_precision_and_gives_a_command_that_runs() {
    let (world, name) = (world(), network());
    let words = ["advise", "data", "--networks", &name];
    let json = world.run(&[&words[..], &["--json"]].concat()).json();
    assert_eq!((&json["measure"], &json["classes"]), (&MEASURE.into(), &2.into()));
    let images = json["images"].as_u64().unwrap();
    assert_eq!(json["facts"]["several"]["images"], images);
    let counts = json["facts"]["images_per_class"].as_array().unwrap();
    let positives: u64 = counts.iter().map(|c| c.as_u64().unwrap()).sum();
    assert!((36..=40).contains(&images) && (36..=42).contains(&positives), "{json}");
    let candidate = &json["candidates"][0];
    let precision = candidate["expected_top1"].as_f64().unwrap();
    assert!(precision > 0.75 && precision <= 1.0, "{candidate}");
    let scores: Vec<&str> =
        candidate["scores"].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(scores, ["LOO explained", "LOO margin", "LogME", "probe LOO"]);
    // What is advised is a command that can be run, and what it measures is of that size.
    let command = json["command"].as_str().unwrap();
    let done = world.run(&command.split(' ').skip(1).collect::<Vec<_>>());
    assert_eq!(done.code(), 0, "{command}: {}", done.stderr());
    let text = world.run(&words).stdout();
    for words in ["images have several labels", "are left out", "images per label", command] {
        assert!(text.contains(words), "{words}: {text}");
    }
    // Labels dealt out anew have nothing to do with the pictures, and the figure says so.
    let table = fs::read_to_string(world.path("data/labels.csv")).unwrap();
    let lines: Vec<&str> = table.lines().skip(1).collect();
    let dealt = lines.iter().enumerate().map(|(i, line)| {
        let (file, (_, labels)) =
            (line.split_once(',').unwrap().0, lines[i / 12].split_once(',').unwrap());
        format!("{file},{labels}\n")
    });
    let dealt = dealt.collect::<String>();
    world.file("data/labels.csv", format!("file,labels\n{dealt}").as_bytes());
    let json = world.run(&[&words[..], &["--json"]].concat()).json();
    let luck = json["candidates"][0]["expected_top1"].as_f64().unwrap();
    assert!(luck < precision - 0.15, "{luck} against {precision}");
}

#[test]
fn plans_for_labels_are_tried_on_images_left_out_and_kept() {
    let (world, name) = (world(), network());
    let words = ["advise", "data", "--networks", &name, "--verify", "--json"];
    let json = world.run(&words).json();
    let tried = &json["verification"];
    assert_eq!((&tried["measure"], &tried["parts"]), (&MEASURE.into(), &3.into()));
    assert_eq!(tried["images"], json["images"]);
    let outcomes = tried["outcomes"].as_array().unwrap();
    assert_eq!((outcomes.len(), &outcomes[0]["command"]), (3, &json["command"]));
    for outcome in outcomes {
        let precision = outcome["top1"].as_f64().unwrap();
        assert!((0.2..=1.0).contains(&precision), "{outcome}");
    }
    let verdict = tried["verdict"].as_str().unwrap();
    assert!(verdict.contains("the advice was"), "{verdict}");
    let again = world.run(&words);
    assert!(again.stderr().contains("finished before"), "{}", again.stderr());
    assert_eq!(again.json()["verification"], *tried, "what was kept is what was measured");
}

#[test]
fn auto_takes_a_plan_for_labels_that_was_tried() {
    let world = world();
    world.fit(&["data", "--strategy", "auto", "--epochs", "1", "--out", "run"]).json();
    let plan = fs::read_to_string(world.path("run/plan.toml")).unwrap();
    for words in ["plan: ", "mean average precision on left-out images: ", "thresholds = ["] {
        assert!(plan.contains(words), "{words}: {plan}");
    }
    let short = ["data", "--strategy", "auto", "--budget", "0.001s", "--out", "short"];
    world.fit(&short).json();
    let plan = fs::read_to_string(world.path("short/plan.toml")).unwrap();
    assert!(plan.contains("plan: probe") && plan.contains("(`--budget`)"), "{plan}");
    world.fit(&["data", "--strategy", "auto", "--balance"]).refused(2, &["leave them out"]);
}

#[test]
fn transfer_and_scratch_are_compared_by_the_precision_that_a_fit_measures() {
    let (world, name) = (world(), network());
    let arguments = ["compare", "data", "--network", &name, "--seeds", "1", "--epochs", "1"];
    let more = ["--long", "1", "--unfreeze", "last:1", "--shares", "0.5", "--out", "page.html"];
    let words = [&arguments[..], &more].concat();
    let told = world.run(&[&words[..], &["--json"]].concat()).json();
    assert_eq!(told["measure"], MEASURE);
    let curve = |i: usize| -> Vec<f64> {
        let points = told["curves"][i]["top1"].as_array().unwrap().iter();
        points.map(|v| v.as_f64().unwrap()).collect()
    };
    for (low, value, high) in ["start", "end"].map(|figure| {
        let of = |key: &str| told[figure][key].as_f64().unwrap();
        (of("low"), of("value"), of("high"))
    }) {
        assert!(low <= value && value <= high, "{told}");
    }
    // Before training the transferred network has the probe's head, and at the end it is what `fit` trains.
    let measured = |arguments: &[&str]| -> f64 {
        let summary: Value = world.fit(arguments).json();
        summary["test"]["mean_average_precision"].as_f64().unwrap()
    };
    let probe = measured(&["data", "--features", "trunk", "--out", "probe"]);
    assert!((curve(0)[0] - probe).abs() < 1e-3, "{} {probe}", curve(0)[0]);
    let tuned = ["data", "--strategy", "lp-ft", "--unfreeze", "last:1", "--epochs", "1"];
    let tuned = measured(&[&tuned[..], &["--out", "tuned"]].concat());
    assert!((curve(0)[1] - tuned).abs() < 1e-3, "{} {tuned}", curve(0)[1]);
    let page = fs::read_to_string(world.path("page.html")).unwrap();
    for words in [
        "Mean average precision by rounds",
        "Mean average precision at the end",
        "% mean average precision (",
    ] {
        assert!(page.contains(words), "{words}");
    }
    assert!(!page.contains("NaN") && !page.contains("Accuracy"));
}
