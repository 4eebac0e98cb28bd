//! Images with several labels, or none, from the command line.

use std::fs;

use image::{RgbImage, imageops};
use serde_json::Value;

use crate::support::{World, network, picture};

/// Three in four of 48 pictures have a reddish half, or a bluish one, or both; the rest is green.
pub(crate) fn world() -> World {
    let world = World::new();
    fs::create_dir_all(world.path("data")).unwrap();
    let mut table = "file,labels\n".to_owned();
    for i in 0..48 {
        let (red, blue) = (i % 2 == 0, i % 4 < 2);
        let half = |class: usize, left: bool| {
            let whole = picture(class, i);
            imageops::crop_imm(&whole, if left { 0 } else { 35 }, 0, 35, 60).to_image()
        };
        let mut both = RgbImage::new(70, 60);
        imageops::replace(&mut both, &half(if red { 0 } else { 2 }, true), 0, 0);
        imageops::replace(&mut both, &half(if blue { 1 } else { 2 }, false), 35, 0);
        both.save(world.path("data").join(format!("{i:02}.png"))).unwrap();
        let labels = [(red, "red"), (blue, "blue")];
        let labels: Vec<&str> = labels.iter().filter(|(has, _)| *has).map(|(_, l)| *l).collect();
        table = format!("{table}{i:02}.png,{}\n", labels.join("|"));
    }
    world.file("data/labels.csv", table.as_bytes());
    world
}

#[test]
fn labels_are_fitted_predicted_and_evaluated_one_by_one() {
    let world = world();
    let summary = world.fit(&["data", "--out", "run"]).json();
    let test = &summary["test"];
    assert_eq!(summary["train"]["images"].as_u64().unwrap() + test["images"].as_u64().unwrap(), 48);
    let precision = test["mean_average_precision"].as_f64().unwrap();
    let chance = test["chance_average_precision"].as_f64().unwrap();
    assert!(precision > chance + 0.2, "{precision} against {chance}");
    assert_eq!(test["per_label"][0]["label"], "blue");
    let plan = fs::read_to_string(world.path("run/plan.toml")).unwrap();
    assert!(plan.contains("thresholds = [") && plan.contains("of each label"), "{plan}");
    let table = fs::read_to_string(world.path("run/predictions.csv")).unwrap();
    assert!(table.starts_with("file,split,truth,predicted,p:blue,p:red\n"), "{table}");
    let page = fs::read_to_string(world.path("run/report.html")).unwrap();
    assert!(page.contains("How well each label is told") && !page.contains("What was taken"));

    // What is predicted is what was measured, and what evaluation says.
    let done = world.run(&["predict", "run", "data", "--json"]);
    assert_eq!(done.code(), 0, "{}", done.stderr());
    let answers: Vec<Value> =
        done.stdout().lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(answers.len(), 48);
    let said = |file: &str| -> String {
        let answer = answers.iter().find(|a| a["file"].as_str().unwrap().ends_with(file)).unwrap();
        let mut labels: Vec<&str> = answer["labels"]
            .as_array()
            .unwrap()
            .iter()
            .map(|l| l["label"].as_str().unwrap())
            .collect();
        labels.sort_unstable();
        labels.join("|")
    };
    let tested: Vec<Vec<&str>> = table.lines().skip(1).map(|l| l.split(',').collect()).collect();
    for row in &tested {
        assert_eq!(said(row[0]), row[3], "{row:?}");
    }
    let truth = fs::read_to_string(world.path("data/labels.csv")).unwrap();
    let header = truth.replacen("file,labels", "file,labels,split", 1);
    let rows = header.lines().enumerate().map(|(i, line)| {
        let split = tested.iter().any(|row| line.starts_with(row[0]));
        let word = if split { "test" } else { "train" };
        if i == 0 { format!("{line}\n") } else { format!("{line},{word}\n") }
    });
    world.file("data/labels.csv", rows.collect::<String>().as_bytes());
    let evaluated = world.run(&["evaluate", "run", "data", "--json"]).json();
    assert_eq!(evaluated["part"], "test");
    assert_eq!(evaluated["mean_average_precision"], test["mean_average_precision"]);
    assert_eq!(evaluated["correct"], test["correct"]);

    let text = world.run(&["predict", "run", "data/00.png", "data/03.png"]).stdout();
    assert!(text.contains(" %") && text.lines().count() == 2, "{text}");
    let text = world.run(&["evaluate", "run", "data"]).stdout();
    assert!(text.contains("mean average precision") && text.contains("AUROC"), "{text}");
}

#[test]
fn labels_are_trained_by_gradient_too() {
    let world = world();
    let few = ["--unfreeze", "last:1", "--epochs", "3", "--augment", "none"];
    let asked = ["data", "--out", "run", "--strategy", "lp-ft"];
    let summary = world.fit(&[&asked[..], &few[..]].concat()).json();
    let tuning = &summary["tuning"];
    let held_out = tuning["held_out"].as_u64().unwrap();
    assert!((6..=15).contains(&held_out), "{held_out}");
    assert_eq!(summary["held_out"]["images"].as_u64().unwrap(), held_out);
    assert_eq!(tuning["rounds"], 3);
    let plan = fs::read_to_string(world.path("run/plan.toml")).unwrap();
    assert!(plan.contains("strategy = \"lp-ft\"") && plan.contains("thresholds = ["), "{plan}");
    // What predict computes is what was measured.
    let table = fs::read_to_string(world.path("run/predictions.csv")).unwrap();
    let row: Vec<&str> = table.lines().nth(1).unwrap().split(',').collect();
    let answer = world.run(&["predict", "run", &format!("data/{}", row[0]), "--json"]).json();
    let top = answer["top"].as_array().unwrap();
    let blue = top.iter().find(|t| t["label"] == "blue").unwrap()["probability"].as_f64().unwrap();
    assert!((blue - row[4].parse::<f64>().unwrap()).abs() < 1e-6, "{answer} {row:?}");

    let scratch = ["data", "--out", "new", "--strategy", "scratch", "--epochs", "1"];
    let summary = world.fit(&scratch).json();
    assert!(summary["test"]["micro_f1"].as_f64().is_some());
    let rates = world.fit(&["data", "--strategy", "fine-tune", "--dry-run"]).json();
    assert_eq!(rates["layers"].as_array().unwrap().last().unwrap()["layer"], "head");
}

#[test]
fn what_labels_do_not_have_is_said() {
    let world = world();
    let several = "images with several labels";
    world.fit(&["data", "--balance"]).refused(2, &[several, "leave them out"]);
    let curve = ["look", "probe-curve", &network(), "data"];
    world.run(&curve).refused(3, &["several labels", "regraft fit"]);
    world.fit(&["data", "--out", "run", "--group-by", r"^(\d)"]).json();
    world.run(&["evaluate", "run", "data", "--prior", "estimate"]).refused(2, &["--prior"]);
    world.run(&["predict", "run", "data", "--prior", "uniform"]).refused(2, &["--prior"]);
    world.file("other.csv", b"path,label\ndata/00.png,green\n");
    world.run(&["evaluate", "run", "other.csv"]).refused(3, &["green", "2 classes"]);
}

#[test]
fn the_audit_judges_each_label_by_itself() {
    let world = world();
    // One picture lost its red, one is called blue that is not, and a third is there twice, with other labels.
    let table = fs::read_to_string(world.path("data/labels.csv")).unwrap();
    let wrong = table
        .replace("12.png,red|blue", "12.png,blue")
        .replace("14.png,red\n", "14.png,red|blue\n");
    assert_eq!(wrong.lines().zip(table.lines()).filter(|(a, b)| a != b).count(), 2);
    fs::copy(world.path("data/20.png"), world.path("data/copy.png")).unwrap();
    world.file("data/labels.csv", format!("{wrong}copy.png,\n").as_bytes());
    for said in [world.run(&["audit", "data", "--json"]).json(), {
        world.fit(&["data", "--out", "run"]).json();
        serde_json::from_slice(&fs::read(world.path("run/audit.json")).unwrap()).unwrap()
    }] {
        assert_eq!((&said["several_labels"], &said["classes"]), (&true.into(), &2.into()));
        let copies = serde_json::json!(["copy.png", "20.png"]);
        assert!(said["conflicts"].as_array().unwrap().contains(&copies), "{said}");
        let first: Vec<[&str; 3]> = said["label_suspects"]
            .as_array()
            .unwrap()
            .iter()
            .map(|s| ["file", "label", "suggested"].map(|key| s[key].as_str().unwrap()))
            .take(2)
            .collect();
        assert!(first.contains(&["12.png", "blue", "blue|red"]), "{first:?}");
        assert!(first.contains(&["14.png", "blue|red", "red"]), "{first:?}");
        // Red is one of two labels: each is counted by itself.
        let counts = said["class_counts"].as_array().unwrap();
        let of = |i: usize| ["train", "val", "test"].map(|s| counts[i][s].as_u64().unwrap());
        assert_eq!((counts.len(), of(0).iter().sum::<u64>()), (2, 25));
        assert!(said["effect"]["test"][0].as_u64().unwrap() > 0);
    }
    let done = world.run(&["audit", "data"]);
    assert!(done.stdout().contains("49 images with 2 labels: "), "{}", done.stdout());
}

#[test]
fn groups_of_images_with_several_labels_stay_on_one_side() {
    let world = world();
    world.fit(&["data", "--out", "run", "--group-by", r"^(\d)"]).json();
    let table = fs::read_to_string(world.path("run/predictions.csv")).unwrap();
    let first: Vec<&str> = table.lines().skip(1).map(|l| &l[..1]).collect();
    let groups: std::collections::BTreeSet<&str> = first.iter().copied().collect();
    assert!(!groups.is_empty() && groups.len() < 5, "{groups:?}");
    for group in groups {
        let tested = first.iter().filter(|g| **g == group).count();
        assert_eq!(tested, if group == "4" { 8 } else { 10 }, "group {group}");
    }
}
