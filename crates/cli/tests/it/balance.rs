//! Classes of very different size, from the command line.

use std::fs;

use crate::prior::bias_of_b;
use crate::support::World;

/// 20 training images of `a`, and 2 of `b`; as many of each to test on.
fn world() -> World {
    let world = World::new();
    world.pictures("data/train", &["a", "b"], 20);
    world.pictures("data/test", &["a", "b"], 24);
    for i in 2..20 {
        fs::remove_file(world.path("data/train/b").join(format!("{i:03}.png"))).unwrap();
    }
    for class in ["a", "b"] {
        for i in 0..20 {
            fs::remove_file(world.path("data/test").join(class).join(format!("{i:03}.png")))
                .unwrap();
        }
    }
    world
}

/// The probability of class `b` of each test image, by file.
fn of_b(world: &World, run: &str) -> Vec<(String, f64)> {
    let table = fs::read_to_string(world.path(run).join("predictions.csv")).unwrap();
    let row = |line: &str| {
        let cells: Vec<&str> = line.split(',').collect();
        (cells[0].to_owned(), cells[7].parse().unwrap())
    };
    assert!(table.starts_with("file,split,truth,predicted,probability,truth_probability,p:a,p:b"));
    table.lines().skip(1).map(row).collect()
}

#[test]
fn uneven_classes_are_told_and_the_probe_balances_them_when_asked() {
    let world = world();
    let fit = |run: &str, more: &[&str]| {
        let done = world.fit(&[&["data", "--out", run], more].concat());
        assert_eq!(done.code(), 0, "{}", done.stderr());
        let plan = fs::read_to_string(world.path(run).join("plan.toml")).unwrap();
        (done.stderr(), plan)
    };
    let (said, plan) = fit("plain", &[]);
    let words = "class `a` has 20 training images, class `b` 2";
    assert!(said.contains(words) && said.contains("--prior uniform"), "{said}");
    assert!(
        plan.contains(words) && !plan.contains("class_weights") && plan.contains("share_bias"),
        "{plan}"
    );
    let (said, plan) = fit("even", &["--balance"]);
    assert!(!said.contains(words), "{said}");
    assert!(plan.contains("class_weights = [0.55"), "{plan}");
    assert!(plan.contains("class weights a 0.55 (20 images), b 5.50 (2 images)"), "{plan}");
    let (_, plan) = fit("dear", &["--class-weight", "b=10"]);
    assert!(plan.contains("class_weights = [1.0, 10.0]"), "{plan}");
    let bias = bias_of_b(&world, "plain").exp();
    for run in ["even", "dear"] {
        for ((file, plain), (same, even)) in of_b(&world, "plain").iter().zip(of_b(&world, run)) {
            assert_eq!(*file, same);
            let wanted = 10.0 * bias * plain / (10.0 * bias * plain + 1.0 - plain);
            assert!((even - wanted).abs() < 1e-5, "{run} {file}: {plain} {even}");
        }
        // The run that was written answers so too, and knows which shares it stands for.
        let judged = world.run(&["evaluate", run, "data", "--json", "--prior", "uniform"]).json();
        let plain =
            world.run(&["evaluate", "plain", "data", "--json", "--prior", "uniform"]).json();
        let shares = &judged["prior"]["shares"];
        assert!((shares[0]["training"].as_f64().unwrap() - 0.5).abs() < 1e-6, "{judged}");
        let (a, b) = (judged["nll"].as_f64().unwrap(), plain["nll"].as_f64().unwrap());
        assert!((a - b).abs() < 1e-4, "{judged} {plain}");
    }
    world.fit(&["data", "--class-weight", "c=2"]).refused(2, &["no class `c`"]);
    world.fit(&["data", "--epochs", "2"]).refused(2, &["the probe trains no layer"]);
}

#[test]
fn layers_that_learned_with_class_weights_know_their_shares_as_well() {
    let world = world();
    let trained = ["--strategy", "lp-ft", "--unfreeze", "none", "--epochs", "1", "--balance"];
    world.fit(&[&["data", "--out", "run"], &trained[..]].concat()).json();
    let judged = world.run(&["evaluate", "run", "data", "--json", "--prior", "uniform"]).json();
    let training = judged["prior"]["shares"][1]["training"].as_f64().unwrap();
    assert!((training - 0.5).abs() < 1e-6, "{judged}");
}
