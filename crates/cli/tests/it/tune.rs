//! Training by gradient, from the command line.

use std::fs;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::support::{World, network};

/// Arguments for a training that is short, and yet trains more than the head.
const SHORT: [&str; 8] =
    ["--strategy", "lp-ft", "--unfreeze", "last:2", "--epochs", "2", "--batch", "6"];

fn world() -> World {
    let world = World::new();
    world.pictures("data", &["a", "b"], 10);
    world
}

#[test]
fn lp_ft_makes_a_run_that_predicts_and_says_how_it_was_trained() {
    let world = world();
    let done = world.fit(&[&["data", "--out", "run"], &SHORT[..]].concat());
    let summary = done.json();
    let held_out = summary["tuning"]["held_out"].as_u64().unwrap();
    assert!((2..=8).contains(&held_out), "{held_out}");
    assert!(summary["tuning"]["learned"].as_u64().unwrap() > 400_000, "{summary}");
    let plan = fs::read_to_string(world.path("run/plan.toml")).unwrap();
    for line in ["strategy = \"lp-ft\"", "unfreeze = \"last:2\"", "epochs = 2", "frontier = "] {
        assert!(plan.contains(line), "{line}: {plan}");
    }
    let events = fs::read_to_string(world.path("run/events.jsonl")).unwrap();
    assert_eq!(events.matches("\"event\":\"epoch\"").count(), 4, "{events}");
    for part in ["held-out-1", "all"] {
        let curves = world.path("run/tensorboard").join(part).join("events.out.tfevents.0.regraft");
        assert!(fs::read(curves).unwrap().windows(13).any(|w| w == b"loss/training"), "{part}");
    }
    let report = fs::read_to_string(world.path("run/report.html")).unwrap();
    assert!(report.contains("After training") && report.contains("Batch norms"));
    let left = fs::read_dir(world.path("run")).unwrap().map(|e| e.unwrap().file_name());
    assert!(left.into_iter().all(|n| !n.to_string_lossy().contains("checkpoint")));
    // What the run says of a test image is what the fit wrote down.
    let table = fs::read_to_string(world.path("run/predictions.csv")).unwrap();
    let file = table.lines().nth(1).unwrap().split(',').next().unwrap().to_owned();
    let said = world.run(&["predict", "run", &format!("data/{file}"), "--json"]).json();
    let probability = said["probability"].as_f64().unwrap();
    let stated: f64 = table
        .lines()
        .nth(1)
        .unwrap()
        .split(',')
        .filter_map(|c| c.parse::<f64>().ok())
        .filter(|p| (0.0..1.0).contains(p))
        .fold(0.0, f64::max);
    assert!((probability - stated).abs() < 1e-5, "{probability} {stated}: {table}");
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_scratch_and_random_heads_differ() {
    let world = world();
    let mut heads = Vec::new();
    for (out, strategy) in [("one", "lp-ft"), ("two", "lp-ft"), ("three", "fine-tune")] {
        let mut arguments = vec!["data", "--out", out];
        arguments.extend(SHORT);
        arguments.extend(["--strategy", strategy]);
        let arguments: Vec<&str> = arguments
            .iter()
            .enumerate()
            .filter(|(i, _)| *i != 3 && *i != 4)
            .map(|(_, a)| *a)
            .collect();
        let done = world.fit(&arguments);
        assert_eq!(done.code(), 0, "{}", done.stderr());
        heads.push(fs::read(world.path(&format!("{out}/head.safetensors"))).unwrap());
    }
    assert_eq!(heads[0], heads[1]);
    assert_ne!(heads[0], heads[2]);
}

#[test]
fn auto_tries_the_advised_plan_and_its_rivals_and_says_how_they_did() {
    let world = world();
    let arguments = ["data", "--strategy", "auto", "--epochs", "1", "--out"];
    let done = world.fit(&[&arguments[..], &["tried"]].concat());
    assert_eq!(done.code(), 0, "{}", done.stderr());
    let plan = fs::read_to_string(world.path("tried/plan.toml")).unwrap();
    for words in ["plan: ", "left-out images right: ", "unless another is better by more"] {
        assert!(plan.contains(words), "{words}: {plan}");
    }
    // Each plan is tried once; the second time finds what was kept.
    let again = world.fit(&[&arguments[..], &["again"]].concat());
    assert!(again.stderr().contains("finished before, taken from there"), "{}", again.stderr());
    let heads = ["tried", "again"].map(|run| world.path(&format!("{run}/head.safetensors")));
    assert_eq!(fs::read(&heads[0]).unwrap(), fs::read(&heads[1]).unwrap());
    // Without time it takes what needs none, and says so.
    let short = world.fit(&[&arguments[..], &["short", "--budget", "0.001s"]].concat());
    assert_eq!(short.code(), 0, "{}", short.stderr());
    let plan = fs::read_to_string(world.path("short/plan.toml")).unwrap();
    assert!(plan.contains("plan: probe") && plan.contains("(`--budget`)"), "{plan}");
    let dry = world.fit(&["data", "--strategy", "auto", "--dry-run"]);
    assert_eq!(dry.code(), 2);
    assert!(dry.stderr().contains("regraft advise"), "{}", dry.stderr());
}

#[test]
fn a_dry_run_lists_every_layer_with_its_rate_and_writes_nothing() {
    let world = world();
    let arguments =
        ["data", "--out", "run", "--strategy", "lp-ft", "--rates", "2:4:6", "--unfreeze", "all"];
    let json = world.fit(&[&arguments[..], &["--dry-run"]].concat()).json();
    let layers = json["layers"].as_array().unwrap();
    let rate = |layer: &str| layers.iter().find(|l| l["layer"] == layer).unwrap()["rate"].as_f64();
    assert_eq!(rate("features.0.0"), Some(1e-6));
    assert_eq!(rate("features.18.0"), Some(1e-4));
    assert_eq!(rate("features.18.1"), None);
    assert_eq!(rate("head"), Some(1e-2));
    let network = network();
    let arguments = [&["fit", "--network", &network, "--dry-run"], &arguments[..]].concat();
    let text = world.run(&arguments).stdout();
    let line = |layer: &str| text.lines().find(|l| l.starts_with(&format!("{layer} "))).unwrap();
    assert!(line("features.0.0").contains("1.00e-6"), "{text}");
    assert!(line("features.18.1").contains("frozen"), "{text}");
    assert!(line("head").contains("new"), "{text}");
    assert!(!world.path("run").exists());
}

#[test]
fn what_cannot_be_is_said_before_the_first_round() {
    let world = world();
    for (arguments, code, words) in [
        (&["--unfreeze", "from:features.19.0"][..], 4, "features.18.0"),
        (&["--unfreeze", "last:99"], 2, "the network has"),
        (&["--rates", "1:2:3:4:5:6:7:8:1:2:3:4:5:6:7:8:1:2:3:4:5:6:7"], 2, "learning rates"),
        (&["--rate", "nothing.*=0.1"], 4, "nothing.*"),
        (&["--features", "depths"], 2, "--features"),
        (&["--class-weight", "bb=2"], 2, "did you mean `b`"),
        (&["--augment", "mixup(alpha=0)"], 2, "mixup"),
        (&["--strategy", "probe", "--dry-run"], 2, "lp-ft"),
    ] {
        let mut all = vec!["data", "--out", "run"];
        if !arguments.contains(&"probe") {
            all.extend(["--strategy", "lp-ft"]);
        }
        all.extend(arguments);
        let done = world.fit(&all);
        assert_eq!(done.code(), code, "{arguments:?}: {}", done.stderr());
        assert!(done.stderr().contains(words), "{arguments:?}: {}", done.stderr());
        assert!(!done.stderr().contains("round 1"), "{}", done.stderr());
    }
    for arguments in [
        ["--rates", "2:x"],
        ["--unfreeze", "last:x"],
        ["--augment", "flip(p=7)"],
        ["--schedule", "sine"],
        ["--rate", "layer"],
        ["--epochs", "0"],
        ["--class-weight", "b=0"],
    ] {
        let done = world.fit(&[&["data"], &arguments[..]].concat());
        assert_eq!(done.code(), 2, "{arguments:?}: {}", done.stderr());
    }
    let done = world.fit(&[
        "data",
        "--out",
        "run",
        "--strategy",
        "lp-ft",
        "--rates",
        "1e30",
        "--epochs",
        "3",
        "--unfreeze",
        "last:2",
        "--schedule",
        "constant",
    ]);
    assert_eq!(done.code(), 4, "{}", done.stderr());
    assert!(done.stderr().contains("the loss became"), "{}", done.stderr());
    assert!(!world.path("run/plan.toml").exists());
}

#[test]
fn a_comparison_has_three_benefits_with_intervals_and_a_picture() {
    let world = World::new();
    world.pictures("data", &["a", "b"], 4);
    let network = network();
    let arguments = ["compare", "data", "--network", &network, "--seeds", "2", "--epochs", "1"];
    let plan = "fine-tune --unfreeze last:1 --epochs 3";
    let more = ["--long", "2", "--unfreeze", "last:2", "--json", "--out", "page.html"];
    let more = [&more[..], &["--shares", "1,0.6", "--plan", plan]].concat();
    let told = world.run(&[&arguments[..], &more].concat()).json();
    let curves = told["curves"].as_array().unwrap();
    let points: Vec<usize> = curves.iter().map(|c| c["top1"].as_array().unwrap().len()).collect();
    assert_eq!(points, [2, 2, 3, 4]);
    let (ended, plans) = (&curves[3], told["plans"].as_array().unwrap());
    assert_eq!((&ended["name"], &plans[0]["name"]), (&plan.into(), &plan.into()));
    assert_eq!(plans[0]["top1"], ended["top1"][3]);
    let sizes: Vec<_> = told["by_images"].as_array().unwrap().iter().collect();
    let train = told["train"].as_u64().unwrap();
    assert_eq!(sizes.len(), 2, "{told}");
    assert_eq!(sizes[0]["images"].as_u64().unwrap(), 4, "60 % of 3 in each of two classes");
    assert_eq!(sizes[1]["images"].as_u64().unwrap(), train);
    assert_eq!(sizes[1]["transferred"], curves[0]["top1"][1]);
    assert_eq!(sizes[1]["benefit"], told["end"]);
    for figure in ["start", "after_one", "end", "end_long"] {
        let of = |key: &str| told[figure][key].as_f64().unwrap();
        assert!(of("low") <= of("value") && of("value") <= of("high"), "{figure}: {told}");
    }
    let first = |i: usize| curves[i]["top1"][0].as_f64().unwrap();
    assert!((told["start"]["value"].as_f64().unwrap() - (first(0) - first(1))).abs() < 1e-12);
    assert_eq!(told["reached"].as_array().unwrap().len(), 4);
    let page = fs::read_to_string(world.path("page.html")).unwrap();
    assert!(
        page.contains("<svg") && page.contains("from scratch, longer") && !page.contains("NaN")
    );
    assert!(page.contains("Accuracy at the end by training images") && page.contains(plan));
    assert!(told["verdict"].as_str().unwrap().starts_with("Transfer "));
    // The same again, to the last bit.
    let again = world.run(&[&arguments[..], &more].concat()).json();
    assert_eq!(told, again);
    // Killed as soon as two trainings are kept, it goes on behind them to the same figures.
    let parts = world.path("page.html.parts");
    assert!(!parts.exists());
    let all = [&arguments[..], &more].concat();
    let kept = || {
        fs::read_dir(&parts).map_or(0, |d| {
            d.filter(|e| {
                e.as_ref().is_ok_and(|e| e.path().extension().is_some_and(|x| x == "json"))
            })
            .count()
        })
    };
    let mut child =
        world.command(&all).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let start = Instant::now();
    while kept() < 2 && child.try_wait().unwrap().is_none() {
        assert!(start.elapsed() < Duration::from_mins(5), "no training was kept");
        std::thread::sleep(Duration::from_millis(5));
    }
    fs::File::create(parts.join("mine.txt")).unwrap();
    let killed = child.kill().is_ok() && !child.wait().unwrap().success();
    let done = world.run(&all);
    assert_eq!(done.json(), told);
    assert!(!killed || done.stderr().matches("taken from there").count() >= 2, "{}", done.stderr());
    let left: Vec<_> = fs::read_dir(&parts).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left, ["mine.txt"], "only what the comparison put there is removed");
}

#[test]
fn a_plan_of_a_comparison_is_checked_before_anything_runs() {
    let world = World::new();
    for (plan, says) in [
        ("probe", "the probe is lp-ft before training"),
        ("fine-tune --unfroze all", "unexpected argument '--unfroze'"),
        ("finetune", "invalid value 'finetune'"),
        ("lp-ft --memory 4GiB", "are for `fit`"),
    ] {
        let done = world.run(&["compare", "nowhere", "--plan", plan]);
        assert_eq!(done.code(), 2, "{plan}");
        assert!(done.stderr().contains(says), "{plan}: {}", done.stderr());
    }
    let done = world.run(&["compare", "nowhere", "--shares", "0.5,1.5"]);
    assert!(done.stderr().contains("wants shares of all images"), "{}", done.stderr());
}

/// A killed fit, whenever that was, ends with the bytes of one that was not.
#[test]
fn killed_at_any_moment_the_same_command_ends_with_the_same_bytes() {
    let world = world();
    let network = network();
    let mut arguments = vec!["fit", "data", "--network", &network, "--out", "whole"];
    arguments.extend(SHORT);
    assert_eq!(world.run(&arguments).code(), 0);
    arguments[5] = "killed";
    for moment in [40, 150, 300, 450, 600, 800, 1000, 1300] {
        let mut child =
            world.command(&arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let started = Instant::now();
        while started.elapsed() < Duration::from_millis(moment) {
            std::thread::sleep(Duration::from_millis(5));
        }
        // May be over already; then there was nothing to kill.
        let _ = child.kill();
        child.wait().unwrap();
    }
    let done = world.run(&arguments);
    assert_eq!(done.code(), 0, "{}", done.stderr());
    for file in ["head.safetensors", "trunk.safetensors", "metrics.json", "predictions.csv"] {
        let read = |run: &str| fs::read(world.path(run).join(file)).unwrap();
        assert!(read("whole") == read("killed"), "{file} differs");
    }
}

#[test]
fn everything_asked_of_a_training_is_in_its_plan_and_report() {
    let world = world();
    let asked = [
        "data",
        "--out",
        "run",
        "--strategy",
        "fine-tune",
        "--unfreeze",
        "last:2",
        "--epochs",
        "3",
        "--batch",
        "6",
        "--head",
        "8,relu,dropout=0.25",
        "--average",
        "0.9",
        "--gradual",
        "--patience",
        "2",
        "--balance",
        "--class-weight",
        "b=2.5",
        "--find-rate",
        "--augment",
        "light",
        "--preview",
        "look.png",
    ];
    let summary = world.fit(&asked).json();
    let rounds = summary["tuning"]["rounds"].as_u64().unwrap();
    assert!((1..=3).contains(&rounds), "{summary}");
    let plan = fs::read_to_string(world.path("run/plan.toml")).unwrap();
    for line in [
        "hidden = \"8,relu,dropout=0.25\"",
        "average = 0.9",
        "gradual = true",
        "patience = 2",
        "class_weights = [1.0, 2.5]",
    ] {
        assert!(plan.contains(line), "{line}: {plan}");
    }
    let network = fs::read_to_string(world.path("run/network.txt")).unwrap();
    assert!(
        network.contains("head_1 = linear") && network.contains("head_3 = dropout"),
        "{network}"
    );
    let events = fs::read_to_string(world.path("run/events.jsonl")).unwrap();
    assert_eq!(events.matches("\"part\":\"all\"").count(), 0, "the best weights are the weights");
    let report = fs::read_to_string(world.path("run/report.html")).unwrap();
    for words in ["Hidden layers", "early stopping after 2", "blocks joined one by one"] {
        assert!(report.contains(words), "{words}");
    }
    let png = fs::read(world.path("look.png")).unwrap();
    assert!(png.starts_with(b"\x89PNG"));
    assert!(world.run(&["evaluate", "run", "data", "--json"]).json().is_object());
}

#[test]
fn mixed_pictures_train_what_a_frozen_part_cannot_be_kept_for() {
    let world = world();
    let mixed = ["--strategy", "fine-tune", "--augment", "mixup(alpha=0.2)"];
    let asked = [&["data", "--out", "run", "--unfreeze", "last:1", "--epochs", "1"], &mixed[..]];
    world.fit(&asked.concat()).json();
    let plan = fs::read_to_string(world.path("run/plan.toml")).unwrap();
    assert!(plan.contains("copies = 0") && plan.contains("mixed with one another"), "{plan}");
}

#[test]
fn heads_and_rates_that_cannot_be_are_refused_before_any_work() {
    let world = world();
    let cases: [(&[&str], &str); 8] = [
        (&["--head", "256,tanh"], "`tanh`: wants a width"),
        (&["--head", "dropout=1"], "from 0 to below 1"),
        (&["--head", "64,relu"], "fine-tune"),
        (&["--head", "64,relu", "--strategy", "lp-ft"], "fine-tune"),
        (&["--find-rate", "--rates", "2:4:6", "--strategy", "lp-ft"], "not both"),
        (&["--find-rate", "--strategy", "lp-ft", "--dry-run"], "trains nothing"),
        (&["--patience", "3"], "--strategy lp-ft"),
        (&["--epochs", "5"], "--strategy lp-ft"),
    ];
    for (arguments, words) in cases {
        world.fit(&[&["data"], arguments].concat()).refused(2, &[words]);
    }
}

#[test]
fn a_limit_of_memory_decides_how_deep_training_goes() {
    let world = world();
    let tuned = |memory: &str| {
        let asked = ["--strategy", "lp-ft", "--dry-run", "--batch", "8", "--memory", memory];
        world.fit(&[&["data"], &asked[..]].concat())
    };
    let unfrozen = |memory: &str| {
        let rates = tuned(memory).json();
        rates["layers"].as_array().unwrap().iter().filter(|l| !l["rate"].is_null()).count()
    };
    let (deep, shallow) = (unfrozen("100GiB"), unfrozen("200MB"));
    assert!(deep > shallow && shallow >= 1, "{deep} layers learn with much, {shallow} with little");
    tuned("5MB").refused(2, &["too little", "the least is", "--batch"]);
    tuned("5 apples").refused(2, &["wants a size like 4GiB"]);
}
