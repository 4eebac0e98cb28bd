//! The audit as the first step of a fit.

use std::fs;
use std::io::Write;

use image::RgbImage;
use image::imageops::FilterType;
use serde_json::Value;

use crate::audit::{planted, scene};
use crate::support::{World, network};

/// The run's `audit.json`.
fn audit(world: &World, run: &str) -> Value {
    let text = fs::read_to_string(world.path(run).join("audit.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

#[test]
fn a_fit_says_what_spoils_its_accuracy_and_what_it_is_without() {
    let world = World::new();
    planted(&world);
    let done = world.fit(&["data", "--out", "run"]);
    assert_eq!(done.code(), 0, "{}", done.stderr());
    for words in [
        "2 images (`val/ants/same.png = train/ants/train-ants-0.png`, `val/bees/again.jpg ~ \
         train/bees/train-bees-1.png`) to test with that are learned from: the accuracy is too high\n",
        "1 image (`train/bees/other.png = train/ants/train-ants-2.png`) with two labels: one is wrong\n",
    ] {
        assert!(done.stderr().contains(words), "{words}: {}", done.stderr());
    }
    assert!(done.stderr().matches("note: ").count() <= 6, "a handful: {}", done.stderr());
    let summary = done.json();
    assert_eq!(summary["test"]["images"], 14);
    assert_eq!(summary["without_leaks"]["images"], 12);
    let page = fs::read_to_string(world.path("run/report.html")).unwrap();
    let words = ["id=\"audit-leak\"", "id=\"audit-conflict\"", "of the 12 that have no copy"];
    for words in words {
        assert!(page.contains(words), "{words}");
    }
    let leak = page.split_once("id=\"audit-leak\"").unwrap().1;
    assert!(leak.split_once("</section>").unwrap().0.matches("data:image/").count() >= 4);
    let plan = fs::read_to_string(world.path("run/plan.toml")).unwrap();
    assert!(plan.contains("the audit found 3 sets of copies"), "{plan}");
    // The same document as that of the command, which has a head of its own for labels and accuracy.
    let (ours, theirs) =
        (audit(&world, "run"), world.run(&["audit", "data", "-n", &network(), "--json"]).json());
    let keys = |v: &Value| v.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&ours), keys(&theirs));
    for key in [
        "images",
        "class_counts",
        "unreadable",
        "duplicates",
        "conflicts",
        "leaks",
        "pairs",
        "groups",
    ] {
        assert_eq!(ours[key], theirs[key], "{key}");
    }
    assert_eq!(ours["leaks"].as_array().unwrap().len(), 2);
    assert_eq!(ours["effect"]["without_leaks"][0], 12);
}

#[test]
fn a_fit_is_told_to_do_without_the_audit() {
    let world = World::new();
    planted(&world);
    let done = world.fit(&["data", "--out", "run", "--no-audit"]);
    let said = "1 image (`val/ants/same.png = train/ants/train-ants-0.png`) to test with that is learned \
                from: the accuracy is too high; `regraft audit` names altered copies too";
    assert!(done.stderr().contains(said), "{}", done.stderr());
    assert!(done.json()["without_leaks"].is_null());
    assert!(!world.path("run/audit.json").exists());
    let page = fs::read_to_string(world.path("run/report.html")).unwrap();
    assert!(!page.contains("id=\"audit-"));
    world.fit(&["data", "--out", "run"]).json();
    assert!(world.path("run/audit.json").is_file());
    world.fit(&["data", "--out", "run", "--no-audit"]).json();
    assert!(!world.path("run/audit.json").exists(), "files of two fits never mix");
}

/// The share of training images right that are left out in turn.
fn left_out(world: &World, more: &[&str]) -> f64 {
    let run = format!("run{}", more.len());
    let head = ["data", "--head", "ridge", "--out", run.as_str()];
    let summary = world.fit(&[&head[..], more].concat()).json();
    summary["loo"]["top1"].as_f64().unwrap()
}

/// Pictures under classes that they do not show, `more` beside each.
fn senseless(world: &World, more: impl Fn(usize, &RgbImage) -> Vec<(String, RgbImage)>) {
    for i in 0..24 {
        let folder = world.path("data").join(["a", "b"][i * 7 / 3 % 2]);
        fs::create_dir_all(&folder).unwrap();
        for (name, picture) in more(i, &scene(i, 0)) {
            picture.save(folder.join(name)).unwrap();
        }
    }
}

#[test]
fn an_altered_copy_is_not_learned_from_where_the_other_is_judged() {
    let world = World::new();
    senseless(&world, |i, picture| {
        let again = image::imageops::resize(picture, 130, 130, FilterType::Triangle);
        vec![(format!("x{i}q.png"), picture.clone()), (format!("y{i}q.png"), again)]
    });
    let (with, without) = (left_out(&world, &[]), left_out(&world, &["--no-audit"]));
    assert!(with < without - 0.2, "{with} {without}");
    let found = audit(&world, "run0");
    assert_eq!(found["duplicates"].as_array().unwrap().len(), 24);
}

#[test]
fn groups_that_a_word_in_file_names_says_are_held_out_together() {
    let world = World::new();
    // Pictures of a patient have a tint in common and no details.
    senseless(&world, |i, _| {
        let tint = [0.618, 0.755, 0.57].map(|t: f32| 0.4 + 1.2 * (t * i as f32).fract());
        let shot = |shot: usize| {
            let mut picture = scene(100 + 3 * i + shot, 0);
            for pixel in picture.pixels_mut() {
                let lit = pixel.0.iter().zip(tint).map(|(v, t)| (f32::from(*v) * t) as u8);
                pixel.0 = lit.collect::<Vec<_>>().try_into().unwrap();
            }
            (format!("patient{i:02}_{shot}.png"), picture)
        };
        (0..3).map(shot).collect()
    });
    let (with, without) = (left_out(&world, &[]), left_out(&world, &["--no-audit"]));
    let found = audit(&world, "run0");
    assert_eq!(found["duplicates"], serde_json::json!([]));
    assert!(with < without - 0.15, "{with} {without}");
    let done = world.fit(&["data", "--out", "told"]);
    assert!(done.stderr().contains("on both sides of the split"), "{}", done.stderr());
    assert!(done.stderr().contains("--group-by '"), "{}", done.stderr());
    let plan = fs::read_to_string(world.path("told/plan.toml")).unwrap();
    assert!(plan.contains("24 groups by file names like"), "{plan}");
}

#[test]
fn a_class_that_is_one_group_is_still_learned() {
    let world = World::new();
    for (class, first, groups) in [("a", 10, 6), ("b", 20, 2)] {
        let folder = world.path("data").join(class);
        fs::create_dir_all(&folder).unwrap();
        for i in 0..12 {
            let name = format!("patient{}_{i}.png", first + i % groups);
            scene(i + 20 * first, usize::from(class == "b")).save(folder.join(name)).unwrap();
        }
    }
    let done = world.fit(&["data", "--out", "run"]);
    let said = "are not held out together: class `b` would have fewer than 3 sets to learn from";
    assert!(done.stderr().contains(said), "{}", done.stderr());
    assert!(done.json()["loo"]["top1"].as_f64().unwrap() > 0.5);
}

#[test]
fn what_was_looked_at_is_kept_and_not_looked_at_again() {
    let world = World::new();
    planted(&world);
    world.fit(&["data", "--out", "run"]).json();
    let kept = |folder: &str| {
        let files = fs::read_dir(world.path("cache/regraft").join(folder)).unwrap();
        let mut files: Vec<_> =
            files.map(|f| f.unwrap()).map(|f| (f.path(), f.metadata().unwrap().len())).collect();
        files.sort();
        files
    };
    let (features, pairs) = (kept("features"), kept("audit"));
    assert_eq!((features.len(), pairs.len()), (3, 1), "features, looks and units; pairs");
    world.fit(&["data", "--out", "again"]).json();
    assert_eq!((kept("features"), kept("audit")), (features, pairs.clone()));
    assert_eq!(audit(&world, "run"), audit(&world, "again"));
    // Pairs that are none of these files are searched again.
    fs::File::create(&pairs[0].0).unwrap().write_all(b"[[0,99,0,1.0]]").unwrap();
    world.fit(&["data", "--out", "third"]).json();
    assert_eq!(audit(&world, "run"), audit(&world, "third"));
    assert_eq!(kept("audit"), pairs);
}

/// A table of full paths: each class learned from so many pictures, four tested, the first `copied` of these as
/// copies of pictures to learn from.
fn table(world: &World, learned: [usize; 2], copied: usize) {
    let mut rows = "path,label,split\n".to_owned();
    for (class, learned) in learned.into_iter().enumerate() {
        let folder = world.path("some pictures").join(["a", "b"][class]);
        fs::create_dir_all(&folder).unwrap();
        for i in 0..learned + 4 {
            let of = if (learned..learned + copied).contains(&i) { i - learned } else { i };
            let path = folder.join(format!("{i}q.png"));
            scene(40 * class + of, 0).save(&path).unwrap();
            let split = if i < learned { "train" } else { "test" };
            rows += &format!("{},{},{split}\n", path.display(), ["a", "b"][class]);
        }
    }
    world.file("table.csv", rows.as_bytes());
}

#[test]
fn notes_name_three_files_of_a_table_without_the_folder_of_all() {
    let world = World::new();
    table(&world, [12, 12], 4);
    let done = world.fit(&["table.csv", "--out", "run"]);
    let said = "8 images (`a/12q.png = a/0q.png`, `a/13q.png = a/1q.png`, `a/14q.png = a/2q.png` and 5 more; \
                `regraft audit table.csv --json` names all) to test with that are learned from: the accuracy is \
                too high\n";
    assert!(done.stderr().contains(said), "{}", done.stderr());
    for file in ["metrics.json", "plan.toml"] {
        let text = fs::read_to_string(world.path("run").join(file)).unwrap();
        assert!(text.contains(said.trim_end()), "{file}: {text}");
    }
    assert_eq!(audit(&world, "run")["leaks"].as_array().unwrap().len(), 8);
}

#[test]
fn classes_of_five_to_nine_training_images_are_said_to_have_rough_figures() {
    for (learned, said) in [
        (
            [12, 8],
            "note: 1 class has 8 training images (`b`: 8): figures of such a class are rough, ",
        ),
        (
            [9, 6],
            "note: each of the 2 classes has 6 to 9 training images: go by the figures for all, ",
        ),
    ] {
        let world = World::new();
        table(&world, learned, 0);
        let done = world.fit(&["table.csv", "--out", "run"]);
        assert_eq!(done.stderr().matches("training images").count(), 1, "{}", done.stderr());
        assert!(done.stderr().contains(said), "{}", done.stderr());
        let metrics = fs::read_to_string(world.path("run/metrics.json")).unwrap();
        assert!(metrics.contains(&said[6..]), "{metrics}");
    }
    let world = World::new();
    table(&world, [12, 10], 0);
    let done = world.fit(&["table.csv", "--out", "run"]);
    assert!(!done.stderr().contains("training images"), "{}", done.stderr());
}
