use std::fs;

use crate::support::{ARCHITECTURE, World, picture};

#[test]
fn bad_files_are_left_out_named_and_counted() {
    let world = World::new();
    world.pictures("data", &["a", "b"], 8);
    let good = fs::read(world.path("data/a/000.png")).unwrap();
    let mut huge = good.clone();
    // Width and height of a PNG lie at bytes 16 to 23.
    huge[16..24].copy_from_slice(&[0, 0, 234, 96, 0, 0, 234, 96]);
    let mut jpeg = std::io::Cursor::new(Vec::new());
    picture(0, 3).write_to(&mut jpeg, image::ImageFormat::Jpeg).unwrap();
    let jpeg = jpeg.into_inner();
    world.file("data/a/empty.jpg", b"");
    world.file("data/a/text.jpg", b"this is not a picture");
    world.file("data/b/cut.png", &good[..good.len() / 2]);
    world.file("data/b/cut.jpg", &jpeg[..jpeg.len() / 2]);
    world.file("data/b/huge.png", &huge);
    world.file("data/.ipynb_checkpoints/x.png", &good);
    world.file("data/__MACOSX/x.png", &good);
    let done = world.fit(&["data", "--out", "run"]);
    let summary = done.json();
    let skipped = summary["skipped"].to_string();
    for name in ["a/empty.jpg", "a/text.jpg", "b/cut.png", "b/cut.jpg", "b/huge.png"] {
        assert!(skipped.contains(name), "{name}: {skipped}");
        assert!(done.stderr().contains(name), "{name} on stderr");
        let report = fs::read_to_string(world.path("run/report.html")).unwrap();
        assert!(report.contains(name), "{name} in the report");
    }
    assert_eq!(summary["skipped"].as_array().unwrap().len(), 5);
    assert_eq!(summary["test"]["per_class"].as_array().unwrap().len(), 2);
}

#[test]
fn data_that_cannot_be_used_says_why_and_what_to_do() {
    let world = World::new();
    fs::create_dir_all(world.path("empty")).unwrap();
    world.fit(&["empty"]).refused(3, &["empty"]);
    world.fit(&["nowhere"]).refused(3, &["nowhere"]);
    world.pictures("one", &["only"], 4);
    world.fit(&["one"]).refused(3, &["only"]);
    world.pictures("split/train", &["a"], 4);
    world.pictures("split/val", &["a", "b"], 2);
    world.fit(&["split"]).refused(3, &["`b`"]);
    world.pictures("singles", &["a", "b"], 1);
    world.fit(&["singles"]).refused(3, &["nothing to test on"]);
    world.pictures("bad", &["a", "b"], 3);
    for i in 0..3 {
        world.file(&format!("bad/b/00{i}.png"), b"");
    }
    world.fit(&["bad"]).refused(3, &["no training image of class `b`", "b/00"]);
    world.file("t/no.csv", b"file,colour\nx.png,red\n");
    world.fit(&["t/no.csv"]).refused(3, &["no.csv", "colour"]);
    world.file("t/gone.csv", b"path,label\nx.png,red\ny.png,blue\n");
    world.fit(&["t/gone.csv"]).refused(3, &["x.png"]);
}

#[test]
fn a_network_that_cannot_be_used_says_why_and_what_to_do() {
    let world = World::new();
    world.pictures("data", &["a", "b"], 4);
    let fit = |network: &str| world.run(&["fit", "data", "--offline", "--network", network]);
    fit("efficientnet-lite").refused(4, &["efficientnet-lite0"]);
    fit("efficientnet-lite0").refused(4, &["offline"]);
    fit(ARCHITECTURE).refused(4, &[ARCHITECTURE, "file:"]);
    world.file("w.pth", b"<!DOCTYPE html><html>not found</html>");
    fit(&format!("{ARCHITECTURE}@file:w.pth")).refused(4, &["w.pth", "web page"]);
    fit(&format!("{ARCHITECTURE}@file:w.pth#sha256={}", "0".repeat(64))).refused(4, &["0000"]);
    fit(&format!("{ARCHITECTURE}@file:none.pth")).refused(4, &["none.pth"]);
    let done = world.fit(&["data", "--cut", "features.99"]);
    done.refused(4, &["no layer `features.99`", "did you mean"]);
}

#[test]
fn a_run_that_is_none_or_is_damaged_is_refused() {
    let world = World::new();
    world.pictures("data", &["a", "b"], 4);
    let predict = |run: &str| world.run(&["predict", run, "data/a/000.png"]);
    predict("nothing").refused(1, &["nothing"]);
    predict("data").refused(1, &["data", "plan.toml"]);
    world.fit(&["data", "--out", "run"]).json();
    let head = world.path("run/head.safetensors");
    let bytes = fs::read(&head).unwrap();
    world.file("run/head.safetensors", &bytes[..bytes.len() - 3]);
    predict("run").refused(4, &["head.safetensors"]);
    world.file("run/head.safetensors", &bytes);
    let plan = fs::read_to_string(world.path("run/plan.toml")).unwrap();
    world.file("run/plan.toml", plan.replace("format = 1", "format = 99").as_bytes());
    predict("run").refused(1, &["99"]);
    world.file("run/plan.toml", plan.as_bytes());
    world.file("odd.jpg", b"no picture");
    let done = world.run(&["predict", "run", "data/a/000.png", "odd.jpg", "--json"]);
    assert_eq!(done.code(), 3);
    assert!(done.stdout().contains(r#""label":"a""#) && done.stdout().contains(r#""error":"#));
    world.pictures("other", &["a", "c"], 2);
    world.run(&["evaluate", "run", "other"]).refused(3, &["class `c`"]);
}

#[test]
fn a_wrong_command_line_ends_with_2() {
    let world = World::new();
    for arguments in [
        &["fit"][..],
        &["dance"],
        &["fit", "x", "--threads", "0"],
        &["fit", "x", "--test-share", "2"],
    ] {
        assert_eq!(world.run(arguments).code(), 2, "{arguments:?}");
    }
}

#[test]
fn a_cache_that_cannot_be_written_is_named() {
    let world = World::new();
    world.pictures("data", &["a", "b"], 4);
    world.file("cache", b"a file where a folder should be");
    world.fit(&["data", "--out", "run"]).refused(1, &["cache", "XDG_CACHE_HOME"]);
    assert!(!world.path("run/plan.toml").exists(), "nothing half-written");
}
