use std::fs;

use image::{RgbImage, imageops};

use crate::support::{World, network, picture};

/// Two classes with a split, each picture unlike all others, and planted faults: a file copied from train to
/// val, one saved again smaller, one with two labels, one cut off, one that is no picture.
pub(crate) fn planted(world: &World) {
    for (s, split) in ["train", "val"].into_iter().enumerate() {
        for (c, class) in ["ants", "bees"].into_iter().enumerate() {
            let folder = world.path(&format!("data/{split}/{class}"));
            fs::create_dir_all(&folder).unwrap();
            for i in 0..6 {
                let number = 24 * s + 12 * c + i;
                scene(number, c).save(folder.join(format!("{split}-{class}-{i}.png"))).unwrap();
            }
        }
    }
    let at = |name: &str| world.path(&format!("data/{name}"));
    fs::copy(at("train/ants/train-ants-0.png"), at("val/ants/same.png")).unwrap();
    let again = image::open(at("train/bees/train-bees-1.png")).unwrap();
    again
        .resize_exact(120, 120, imageops::FilterType::Triangle)
        .save(at("val/bees/again.jpg"))
        .unwrap();
    fs::copy(at("train/ants/train-ants-2.png"), at("train/bees/other.png")).unwrap();
    let whole = fs::read(at("train/ants/train-ants-3.png")).unwrap();
    world.file("data/train/ants/cut.png", &whole[..whole.len() / 2]);
    world.file("data/train/bees/words.jpg", b"no picture");
}

/// Soft blobs in places that depend on the number, so that no two scenes are alike.
pub(crate) fn scene(number: usize, class: usize) -> RgbImage {
    let base = picture(class, number);
    let mut seed = 7919 * (number as u64 + 1);
    let mut next = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as f32 / (1u64 << 31) as f32
    };
    let blobs: Vec<[f32; 4]> = (0..9)
        .map(|_| [160.0 * next(), 160.0 * next(), 8.0 + 30.0 * next(), next() - 0.5])
        .collect();
    let mut scene = imageops::resize(&base, 160, 160, imageops::FilterType::Triangle);
    for (x, y, pixel) in scene.enumerate_pixels_mut() {
        let light: f32 = blobs
            .iter()
            .map(|[bx, by, r, v]| {
                let d = (x as f32 - bx).powi(2) + (y as f32 - by).powi(2);
                v * (-d / (r * r)).exp()
            })
            .sum();
        for channel in &mut pixel.0 {
            *channel = (0.3 * f32::from(*channel) + 90.0 + 160.0 * light).clamp(0.0, 255.0) as u8;
        }
    }
    scene
}

#[test]
fn planted_faults_are_found_by_name_and_nothing_is_deleted() {
    let world = World::new();
    planted(&world);
    let before = fs::read_dir(world.path("data/val/bees")).unwrap().count();
    let json = world
        .run(&[
            "audit",
            "data",
            "--files-only",
            "--report",
            "audit.html",
            "--fix-list",
            "drop.txt",
            "--json",
        ])
        .json();
    assert_eq!((json["images"].as_u64(), json["classes"].as_u64()), (Some(29), Some(2)));
    let broken: Vec<&str> = json["unreadable"]
        .as_array()
        .unwrap()
        .iter()
        .map(|u| u["file"].as_str().unwrap())
        .collect();
    assert_eq!(broken, ["train/ants/cut.png", "train/bees/words.jpg"]);
    let leaks = serde_json::json!([
        ["train/ants/train-ants-0.png", "val/ants/same.png"],
        ["train/bees/train-bees-1.png", "val/bees/again.jpg"],
    ]);
    assert_eq!(json["leaks"], leaks);
    let conflict = serde_json::json!([["train/ants/train-ants-2.png", "train/bees/other.png"]]);
    assert_eq!(json["conflicts"], conflict);
    assert_eq!(json["duplicates"].as_array().unwrap().len(), 3);
    assert_eq!(json["label_suspects"], serde_json::json!([]));
    let page = fs::read_to_string(world.path("audit.html")).unwrap();
    for words in ["id=\"leak\"", "id=\"conflict\"", "val/bees/again.jpg", "data:image/"] {
        assert!(page.contains(words), "{words}");
    }
    let list = fs::read_to_string(world.path("drop.txt")).unwrap();
    let files: Vec<&str> = list.lines().filter(|l| !l.starts_with('#')).collect();
    let wanted = [
        "train/ants/cut.png",
        "train/bees/words.jpg",
        "train/ants/train-ants-0.png",
        "train/bees/train-bees-1.png",
    ];
    assert_eq!(files, wanted);
    assert!(
        list.contains("conflict, decide which label is right: train/ants/train-ants-2.png"),
        "{list}"
    );
    assert_eq!(fs::read_dir(world.path("data/val/bees")).unwrap().count(), before);
}

#[test]
fn with_a_network_the_accuracy_is_told_with_and_without_leaks() {
    let world = World::new();
    planted(&world);
    let json = world.run(&["audit", "data", "--network", &network(), "--json"]).json();
    assert_eq!(json["effect"]["test"][0], 14);
    assert_eq!(json["effect"]["without_leaks"][0], 12);
    assert!(json["labels_wrong"].is_number());
    let done = world.run(&["audit", "data", "--network", &network()]);
    let text = done.stdout();
    for words in
        ["unreadable (2)", "leaks (2)", "conflicting labels (1)", "of the 12 that have no copy"]
    {
        assert!(text.contains(words), "{words}: {text}");
    }
}

#[test]
fn a_split_by_groups_keeps_each_on_one_side() {
    let world = World::new();
    world.pictures("mine", &["a", "b"], 10);
    // Ten groups of the same number in both classes.
    let done = world.fit(&["mine", "--group-by", r"(\d+)\.png", "--test-share", "0.3"]);
    assert_eq!(done.code(), 0, "{}", done.stderr());
    let text = fs::read_to_string(world.path("runs/mine/predictions.csv")).unwrap();
    let tested: Vec<&str> =
        text.lines().skip(1).filter_map(|l| l.split(',').next()?.rsplit('/').next()).collect();
    assert!(tested.len() >= 4, "{text}");
    for name in &tested {
        assert_eq!(
            tested.iter().filter(|t| *t == name).count(),
            2,
            "{name} is on one side only: {text}"
        );
    }
    world
        .fit(&["mine", "--group-by", "(.png)", "--out", "other"])
        .refused(3, &["class `a`", "one group"]);
}

#[test]
fn groups_are_asked_for_by_a_pattern_and_a_wrong_one_is_refused() {
    let world = World::new();
    world.pictures("mine", &["a", "b"], 4);
    let json =
        world.run(&["audit", "mine", "--files-only", "--group-by", r"(\d+)\.png", "--json"]).json();
    assert_eq!(json["groups"][0]["count"], 4);
    world
        .run(&["audit", "mine", "--files-only", "--group-by", "(a"])
        .refused(2, &["(a", "patient"]);
    world.run(&["audit", "mine", "--files-only", "--group-by", "a"]).refused(3, &["group"]);
    world.run(&["audit", "nothing-here"]).refused(3, &["nothing-here"]);
}
