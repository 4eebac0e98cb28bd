#![cfg(unix)]

use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::World;

/// Bytes of the features that are kept so far.
fn kept(world: &World) -> u64 {
    let Ok(files) = fs::read_dir(world.path("cache/regraft/features")) else { return 0 };
    files.filter_map(Result::ok).filter_map(|f| f.metadata().ok()).map(|m| m.len()).sum()
}

#[test]
fn interrupted_the_same_command_goes_on_where_it_stopped() {
    let world = World::new();
    world.pictures("data", &["a", "b"], 200);
    // The first fit writes the weights file that both use.
    let network = {
        world.pictures("warm", &["a", "b"], 2);
        let done = world.fit(&["warm", "--out", "warm-run"]);
        assert_eq!(done.code(), 0, "{}", done.stderr());
        let plan = fs::read_to_string(world.path("warm-run/plan.toml")).unwrap();
        let line = plan.lines().find(|l| l.starts_with("source = ")).unwrap();
        line.trim_start_matches("source = ").trim_matches('"').to_owned()
    };
    let before = kept(&world);
    let arguments = ["fit", "data", "--out", "run", "--network", &network, "--json"];
    let child =
        world.command(&arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let patience = Instant::now();
    while kept(&world) == before && patience.elapsed() < Duration::from_mins(2) {
        std::thread::sleep(Duration::from_millis(2));
    }
    let id = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("the same command goes on"), "{said}");
    assert!(!world.path("run/plan.toml").exists(), "no half-written run");
    let done = world.run(&arguments);
    assert_eq!(done.json()["train"]["images"], 320);
    let events = fs::read_to_string(world.path("run/events.jsonl")).unwrap();
    let line = events.lines().find(|l| l.contains("features_done")).unwrap();
    let event: serde_json::Value = serde_json::from_str(line).unwrap();
    let cached = event["cached"].as_u64().unwrap();
    assert!(cached >= 100, "{cached} images were kept");
    assert_eq!(cached + event["computed"].as_u64().unwrap(), 400);
}
