//! Class shares of where a run is used, from the command line.

use std::fs;

use serde_json::Value;

use crate::support::World;

/// A run on 16 training images of `a` and 8 of `b`.
fn world() -> World {
    let world = World::new();
    world.pictures("data", &["a", "b"], 20);
    for i in 10..20 {
        fs::remove_file(world.path("data/b").join(format!("{i:03}.png"))).unwrap();
    }
    let summary = world.fit(&["data", "--out", "run"]).json();
    assert_eq!(summary["train"]["images_per_class"], serde_json::json!([16, 8]));
    world
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|l| serde_json::from_str(l).unwrap()).collect()
}

/// The probability of class `a` in an answer.
fn of_a(answer: &Value) -> f64 {
    let top = answer["top"].as_array().unwrap();
    top.iter().find(|t| t["label"] == "a").unwrap()["probability"].as_f64().unwrap()
}

/// What the log of the probability of `b` is moved by before class shares are turned.
pub(crate) fn bias_of_b(world: &World, run: &str) -> f64 {
    let plan = fs::read_to_string(world.path(run).join("plan.toml")).unwrap();
    let line = plan.lines().find(|l| l.starts_with("share_bias = [0.0, ")).unwrap();
    line["share_bias = [0.0, ".len()..].trim_end_matches(']').parse().unwrap()
}

fn share(prior: &Value, class: usize, key: &str) -> f64 {
    prior["shares"][class][key].as_f64().unwrap()
}

#[test]
fn probabilities_are_turned_to_the_class_shares_that_are_asked_for() {
    let world = world();
    let predict = |prior: &str| {
        let done = world.run(&["predict", "run", "data", "--json", "--prior", prior]);
        assert_eq!(done.code(), 0, "{}", done.stderr());
        lines(&done.stdout())
    };
    let plain = predict("training");
    assert_eq!(plain.len(), 30, "no line of shares where none were changed");
    let usual = world.run(&["predict", "run", "data", "--json"]).stdout();
    assert_eq!(plain, lines(&usual));
    let bias = bias_of_b(&world, "run").exp();
    world.file("few.csv", b"class,share\nb,0.9\na,0.1\n");
    for (prior, a) in [("uniform", 0.5), ("few.csv", 0.1)] {
        let told = predict(prior);
        assert_eq!(told.len(), 31);
        let facts = &told[0]["prior"];
        assert_eq!(facts["prior"], prior);
        assert_eq!(facts["shares"][0]["class"], "a");
        assert!((share(facts, 0, "share") - a).abs() < 1e-12, "{facts}");
        assert!((share(facts, 0, "training") - 2.0 / 3.0).abs() < 1e-12, "{facts}");
        for (before, after) in plain.iter().zip(&told[1..]) {
            let p = of_a(before);
            let (new_a, new_b) = (p * a / (2.0 / 3.0), (1.0 - p) * bias * (1.0 - a) / (1.0 / 3.0));
            let wanted = new_a / (new_a + new_b);
            assert!((of_a(after) - wanted).abs() < 1e-5, "{before} {after}");
            assert_eq!(after["label"], if of_a(after) >= 0.5 { "a" } else { "b" });
            assert_eq!(after["file"], before["file"]);
        }
    }
    let done = world.run(&["predict", "run", "data/a/000.png", "--prior", "uniform"]);
    assert_eq!(done.stdout().lines().count(), 1, "{}", done.stdout());
    assert!(done.stderr().contains("a 50.0 % (training 66.7 %)"), "{}", done.stderr());
}

#[test]
fn shares_are_estimated_and_kept_where_nothing_speaks_for_a_shift() {
    let world = world();
    let estimate = |what: &str| {
        let done =
            world.run(&["predict", "run", what, "--json", "--no-unknown", "--prior", "estimate"]);
        assert_eq!(done.code(), 0, "{}", done.stderr());
        lines(&done.stdout())
    };
    let same = estimate("data");
    let facts = &same[0]["prior"];
    assert_eq!(facts["test"]["images"], 30);
    assert_eq!(facts["test"]["shifted"], false, "{facts}");
    assert!(facts["test"]["chance"].as_f64().unwrap() > 0.05, "{facts}");
    assert_eq!(share(facts, 0, "share"), share(facts, 0, "training"));
    let plain = lines(&world.run(&["predict", "run", "data", "--json", "--no-unknown"]).stdout());
    assert_eq!(same[1..], plain);
    let moved = estimate("data/b");
    let facts = &moved[0]["prior"];
    assert_eq!(facts["test"]["shifted"], true, "{facts}");
    assert!(share(facts, 1, "share") > 0.8, "{facts}");
    assert_eq!(share(facts, 1, "share"), share(facts, 1, "estimate"));
    let said = world.run(&["predict", "run", "data/b", "--no-unknown", "--prior", "estimate"]);
    assert!(said.stderr().contains("estimated from 10 images"), "{}", said.stderr());
    // Labels play no part in it, and the figures are those of the turned answers.
    fs::create_dir_all(world.path("only")).unwrap();
    fs::rename(world.path("data/b"), world.path("only/b")).unwrap();
    let judged = world.run(&["evaluate", "run", "only", "--prior", "estimate", "--json"]).json();
    assert_eq!(judged["prior"]["test"]["shifted"], true, "{judged}");
    let plain = world.run(&["evaluate", "run", "only", "--json"]).json();
    assert!(plain["prior"].is_null());
    assert!(judged["nll"].as_f64() < plain["nll"].as_f64(), "{judged} {plain}");
    let text = world.run(&["evaluate", "run", "only", "--prior", "estimate"]).stdout();
    assert!(text.contains("they are taken") && text.contains("  b "), "{text}");
}

#[test]
fn shares_that_cannot_be_are_refused_by_name() {
    let world = world();
    for (text, words) in [
        ("class,share\na,0.5\nc,0.5\n", "class `c` is not one of the run's"),
        ("class,share\na,1\n", "class `b` has no share"),
        ("class,share\na,1.5\nb,-0.5\n", "the share of class `a` is 1.5"),
        ("{\"a\": 0.5, \"b\": 0.1}", "add up to 0.6"),
        ("shares", "class"),
    ] {
        world.file("shares", text.as_bytes());
        for command in [["predict", "run", "data"], ["evaluate", "run", "data"]] {
            world
                .run(&[&command[..], &["--prior", "shares"]].concat())
                .refused(2, &["shares", words]);
        }
    }
    world.run(&["predict", "run", "data", "--prior", "nowhere.csv"]).refused(1, &["nowhere.csv"]);
    fs::remove_file(world.path("run/metrics.json")).unwrap();
    world.run(&["predict", "run", "data", "--prior", "uniform"]).refused(1, &["metrics.json"]);
    assert_eq!(world.run(&["predict", "run", "data"]).code(), 0);
}
