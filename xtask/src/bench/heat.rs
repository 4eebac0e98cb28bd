//! A heat: contestants on one task, round after round, each once a round.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::Path;

use serde_json::Value;

use super::machine::number;
use super::player::{Call, Entrance, Player};
use super::say;
use crate::Error;

/// What one contestant took in one round.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Lap {
    /// Who.
    pub(super) who: &'static str,
    /// Processor seconds of all its threads.
    pub(super) cpu: f64,
    /// Seconds on the wall.
    pub(super) wall: f64,
    /// Images it did in them.
    pub(super) images: f64,
}

/// How a heat is run.
pub(super) struct Plan<'a> {
    /// What the heat is about, for files and progress.
    pub(super) name: String,
    /// How often each contestant runs.
    pub(super) rounds: usize,
    /// Processor seconds of one run, at least; a run is one pass at least.
    pub(super) seconds: f64,
    /// Where logs and answers go.
    pub(super) folder: &'a Path,
}

/// What a heat gave.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Outcome {
    /// Every run, in order.
    pub(super) laps: Vec<Lap>,
    /// What each contestant computes, row-major; in the order they were called.
    pub(super) answers: Vec<(&'static str, Vec<f32>)>,
    /// Who could not run, and why.
    pub(super) absent: Vec<(&'static str, String)>,
    /// Floating-point operations of one image, from those that know.
    pub(super) flops: BTreeMap<&'static str, f64>,
    /// Names and versions of the contestants' libraries.
    pub(super) versions: BTreeMap<String, String>,
}

/// Starts everyone, compares nothing, runs the rounds.
pub(super) fn race(
    calls: &[Call],
    plan: &Plan<'_>,
    progress: &mut dyn Write,
) -> Result<Outcome, Error> {
    let mut outcome = Outcome::default();
    let mut players = Vec::new();
    for (index, call) in calls.iter().enumerate() {
        let log = plan.folder.join(format!("{index}.log"));
        match Player::start(call, &log)? {
            Entrance::Absent(why) => {
                say(progress, &format!("{}: {} left out: {why}", plan.name, call.who))?;
                outcome.absent.push((call.who, why));
            }
            Entrance::Ready(mut player, about) => {
                outcome.introduce(call.who, &about);
                let file = plan.folder.join(format!("{index}.f32"));
                outcome.answers.push((call.who, answer(&mut player, &file)?));
                players.push(player);
            }
        }
    }
    for round in 1..=plan.rounds {
        for player in &mut players {
            let lap = lap(player, plan.seconds)?;
            let each = 1e3 * lap.cpu / lap.images;
            let what = format!("{}, round {round}: {}", plan.name, player.who);
            say(progress, &format!("{what}: {each:.2} ms of processor time an image"))?;
            outcome.laps.push(lap);
        }
    }
    Ok(outcome)
}

impl Outcome {
    fn introduce(&mut self, who: &'static str, about: &Value) {
        if let Some(flops) = about["flops"].as_f64() {
            self.flops.insert(who, flops);
        }
        for (name, version) in about["versions"].as_object().into_iter().flatten() {
            let version = version.as_str().unwrap_or_default().to_owned();
            self.versions.insert(name.clone(), version);
        }
    }
}

fn lap(player: &mut Player, seconds: f64) -> Result<Lap, Error> {
    let cost = player.ask(&format!("run {seconds}"))?;
    let field = |name: &str| number(&cost[name], player.who, name);
    Ok(Lap { who: player.who, cpu: field("cpu")?, wall: field("wall")?, images: field("images")? })
}

fn answer(player: &mut Player, file: &Path) -> Result<Vec<f32>, Error> {
    player.ask(&format!("answer {}", file.display()))?;
    floats(file)
}

/// The numbers of a file of little-endian f32.
pub(super) fn floats(file: &Path) -> Result<Vec<f32>, Error> {
    let bytes = fs::read(file).map_err(Error::file("read", file))?;
    let (values, _) = bytes.as_chunks::<4>();
    Ok(values.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::ffi::OsString;

    /// A contestant in shell that answers each word of the protocol.
    const SHELL: &str = r#"
        echo '{"ready": true, "flops": 8, "versions": {"sh": "1"}}'
        while read word rest; do case $word in
            run) echo '{"wall": 4, "cpu": 2, "images": 8}' ;;
            answer) printf '\0\0\200\077\0\0\0\300' > "$rest"; echo '{"values": 2}' ;;
        esac; done"#;

    #[test]
    fn every_contestant_runs_once_a_round_and_the_absent_are_named() {
        let folder = std::env::temp_dir().join(format!("xtask-heat-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let call = |who, script: &str| {
            let words = ["-c", script].map(OsString::from).to_vec();
            Call { who, program: "sh".into(), words, env: Vec::new() }
        };
        let calls =
            [call("a", SHELL), call("b", r#"echo '{"absent": "no package"}'"#), call("c", SHELL)];
        let plan = Plan { name: "test".into(), rounds: 2, seconds: 0.5, folder: &folder };
        let mut progress = Vec::new();
        let outcome = race(&calls, &plan, &mut progress).unwrap();
        let lap = |who| Lap { who, cpu: 2.0, wall: 4.0, images: 8.0 };
        assert_eq!(outcome.laps, ["a", "c", "a", "c"].map(lap));
        assert_eq!(outcome.answers, [("a", vec![1.0, -2.0]), ("c", vec![1.0, -2.0])]);
        assert_eq!(outcome.absent, [("b", "no package".to_owned())]);
        assert_eq!(outcome.flops["c"], 8.0);
        assert_eq!(outcome.versions["sh"], "1");
        let said = String::from_utf8(progress).unwrap();
        assert!(said.contains("test: b left out: no package"), "{said}");
        assert!(said.contains("test, round 2: c: 250.00 ms"), "{said}");
        fs::remove_dir_all(folder).unwrap();
    }
}
