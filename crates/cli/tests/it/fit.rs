use std::fs;

use crate::support::World;

const CLASSES: [&str; 3] = ["blue berries", "grün", "red"];

#[test]
fn a_folder_of_class_folders_becomes_a_tested_classifier() {
    let world = World::new();
    world.pictures("data", &CLASSES, 12);
    let summary = world.fit(&["data", "--out", "run"]).json();
    assert_eq!(summary["run"], "run");
    assert_eq!(summary["network"], "torchvision/mobilenet_v2");
    assert_eq!(summary["train"]["images"], 30);
    assert_eq!(summary["test"]["images"], 6);
    assert_eq!(summary["test"]["top1"], 1.0);
    for pointer in [
        "/frontier",
        "/test/interval/0",
        "/test/ece",
        "/loo/top1",
        "/seconds/total",
        "/seconds/features",
        "/seconds/head",
        "/images_per_second",
    ] {
        assert!(summary.pointer(pointer).is_some_and(|v| !v.is_null()), "{pointer}: {summary}");
    }
    for file in [
        "plan.toml",
        "events.jsonl",
        "metrics.json",
        "predictions.csv",
        "network.txt",
        "head.safetensors",
        "trunk.safetensors",
        "report.html",
    ] {
        assert!(world.path("run").join(file).is_file(), "{file}");
    }
    let done = world.run(&["predict", "run", "data/red/003.png", "data/grün", "--json"]);
    let lines: Vec<serde_json::Value> =
        done.stdout().lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(lines.len(), 13);
    assert_eq!(lines[0]["label"], "red");
    assert_eq!(lines[1]["label"], "grün");
    assert_eq!(lines[0]["top"].as_array().unwrap().len(), 3);
    assert!(lines[0]["probability"].as_f64().unwrap() > 1.0 / 3.0);
    let evaluation = world.run(&["evaluate", "run", "data", "--json"]).json();
    assert_eq!(evaluation["images"], 36);
    assert_eq!(evaluation["per_class"].as_array().unwrap().len(), 3);
    assert!(evaluation["top1"].as_f64().unwrap() > 0.9 && evaluation["interval"][0].is_number());
    assert!(evaluation["ece"].is_number());
    fs::create_dir_all(world.path("reds")).unwrap();
    fs::rename(world.path("data/red"), world.path("reds/red")).unwrap();
    let reds = world.run(&["evaluate", "run", "reds", "--json"]).json();
    assert_eq!(reds["images"], 12, "one class will do to evaluate");
    let shown = world.run(&["show", "run", "--notation"]).stdout();
    assert!(shown.contains("head = linear") && shown.ends_with("-> head\n"), "{shown}");
}

#[test]
fn the_second_fit_reads_the_cache_and_gives_the_same_bytes_at_any_number_of_threads() {
    let world = World::new();
    world.pictures("data", &CLASSES, 8);
    world.fit(&["data", "--out", "one", "--seed", "7", "--threads", "1"]).json();
    world.fit(&["data", "--out", "two", "--seed", "7", "--threads", "2"]).json();
    for file in [
        "head.safetensors",
        "trunk.safetensors",
        "metrics.json",
        "audit.json",
        "predictions.csv",
        "network.txt",
        "unknown.json",
        "unknown.safetensors",
        "plan.toml",
    ] {
        let read = |run: &str| fs::read(world.path(run).join(file)).unwrap();
        assert_eq!(read("one"), read("two"), "{file}");
    }
    let events = fs::read_to_string(world.path("two/events.jsonl")).unwrap();
    assert!(events.contains(r#""computed":0,"cached":24"#), "{events}");
    fs::remove_dir_all(world.path("cache")).unwrap();
    world.fit(&["data", "--out", "three", "--seed", "7", "--threads", "2"]).json();
    let read = |run: &str| fs::read(world.path(run).join("head.safetensors")).unwrap();
    assert_eq!(read("one"), read("three"), "computed anew with two threads");
    world.fit(&["data", "--out", "four", "--seed", "8"]).json();
    assert_ne!(read("one"), read("four"), "another seed draws another split");
}

#[test]
fn splits_and_tables_are_taken_as_given() {
    let world = World::new();
    world.pictures("data/train", &CLASSES, 6);
    world.pictures("data/Valid", &CLASSES, 2);
    let summary = world.fit(&["data", "--out", "run"]).json();
    assert_eq!(
        (summary["train"]["images"].as_u64(), summary["test"]["images"].as_u64()),
        (Some(18), Some(6))
    );
    let mut table = "Path,Label,Split\n".to_owned();
    for (c, class) in CLASSES.iter().enumerate() {
        for i in 0..6 {
            let split = if i < 4 { "train" } else { "test" };
            table.push_str(&format!("train/{class}/{i:03}.png,class {c},{split}\n"));
        }
    }
    world.file("data/table.csv", table.as_bytes());
    let summary = world.fit(&["data/table.csv", "--out", "table"]).json();
    assert_eq!(summary["train"]["images"], 12);
    assert_eq!(summary["test"]["per_class"][1]["class"], "class 1");
}

#[test]
fn a_cut_in_the_middle_the_source_probabilities_and_each_head_all_work() {
    let world = World::new();
    world.pictures("data", &CLASSES[..2], 24);
    let cases: &[&[&str]] = &[
        &["--cut", "features.7"],
        &["--features", "logits"],
        &["--features", "depths", "--head", "ridge"],
        &["--features", "trunk", "--head", "logistic"],
    ];
    for case in cases {
        let run = format!("run{}", case.join(""));
        let mut arguments = vec!["data", "--out", &run];
        arguments.extend_from_slice(case);
        let summary = world.fit(&arguments).json();
        assert!(summary["test"]["top1"].as_f64().unwrap() >= 0.75, "{case:?}: {summary}");
        let predicted = world.run(&["predict", &run, "data/grün/001.png"]);
        assert_eq!(predicted.code(), 0, "{case:?}: {}", predicted.stderr());
    }
}

#[test]
fn a_run_folder_of_other_data_or_of_other_files_is_not_written_over() {
    let world = World::new();
    world.pictures("data", &CLASSES[..2], 4);
    world.pictures("more", &CLASSES[..2], 4);
    world.fit(&["data", "--out", "run"]).json();
    world.fit(&["more", "--out", "run"]).refused(2, &["run holds a run on data", "--out"]);
    world.file("notes/thesis.txt", b"years of work");
    world.fit(&["data", "--out", "notes"]).refused(1, &["notes"]);
    assert!(world.path("notes/thesis.txt").is_file());
    world.fit(&["data"]).json();
    world.fit(&["data"]).json();
    assert!(world.path("runs/data/plan.toml").is_file());
    assert!(world.path("runs/data-2/plan.toml").is_file());
}

#[test]
fn groups_by_a_pattern_are_held_out_together() {
    // Two pictures of each thing, alike but for a pixel, and classes without sense.
    let world = World::new();
    for (i, class) in ["a", "b"].iter().cycle().take(24).enumerate() {
        fs::create_dir_all(world.path("data").join(class)).unwrap();
        let mut picture = crate::support::picture(i * 7 / 5, i * 13);
        for shot in 0..2 {
            picture.put_pixel(shot, 0, image::Rgb([9, 9, 9]));
            let name = format!("thing{i:02}-{shot}.png");
            picture.save(world.path("data").join(class).join(name)).unwrap();
        }
    }
    let loo = |more: &[&str]| {
        let run = format!("run{}", more.len());
        let head = ["data", "--head", "ridge", "--out", run.as_str()];
        let summary = world.fit(&[&head[..], more].concat()).json();
        summary["loo"]["top1"].as_f64().unwrap()
    };
    let (alone, together) = (loo(&["--no-audit"]), loo(&["--group-by", r"(thing\d+)"]));
    assert!(together < alone - 0.1, "{together} {alone}");
}
