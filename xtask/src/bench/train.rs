//! Training steps of all layers: the same formula weights and images for all, in memory.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::Write;

use super::heat::{self, Outcome, Plan};
use super::player::Call;
use super::score::{Likeness, is_bf16, json, likeness};
use super::setup::{self, Field};
use super::table::{median, put};
use super::{Peer, TrainOptions, head, machine, ours, python};
use crate::{Error, Workspace};

/// Processor seconds of one run, at least.
const SECONDS: f64 = 5.0;

/// The largest relative L2 distance of f32 gradients of the first layer to those of [`PEERS`]' first:
/// they pass all layers twice, where rounding turns the sign of a value before a `ReLU` here and there
/// (`PyTorch`'s two orders of memory are 5e-2 apart on `ResNet-50`).
const CLOSE: f64 = 1e-1;

/// Eager `PyTorch`, as it is and tuned; the first is the reference.
const PEERS: [Peer; 4] = [
    Peer { who: "pytorch eager", word: "torch" },
    Peer { who: "pytorch channels_last", word: "torch-channels-last" },
    Peer { who: "pytorch bf16", word: "torch-bf16" },
    Peer { who: "pytorch channels_last bf16", word: "torch-channels-last-bf16" },
];

const OURS: Peer = Peer { who: "regraft f32", word: "f32" };

pub(super) fn run(
    workspace: &Workspace,
    options: &TrainOptions,
    out: &mut dyn Write,
    progress: &mut dyn Write,
) -> Result<(), Error> {
    let before = machine::load();
    let field = Field::prepare(
        workspace,
        [options.peers.as_deref(), options.contestant.as_deref()],
        "train",
        progress,
    )?;
    let (mut text, mut heats) = (String::new(), Vec::new());
    let (mut versions, mut unlike) = (BTreeMap::new(), None);
    let networks: Vec<String> = match &options.networks[..] {
        [] => super::EngineOptions::NETWORKS.map(str::to_owned).to_vec(),
        some => some.to_vec(),
    };
    for network in networks {
        let name = format!("{network}, batch {}", options.batch);
        let calls = calls(&field, &network, options);
        let folder = &field.folder;
        let plan = Plan { name: name.clone(), rounds: options.rounds, seconds: SECONDS, folder };
        let outcome = heat::race(&calls, &plan, progress)?;
        let alike = compare(&outcome);
        text.extend(["\n### ", &name, "\n\n", &render(&outcome, &alike, options.batch)]);
        let far = |(who, l): &&(&'static str, Likeness)| !is_bf16(who) && l.distance > CLOSE;
        if let Some((who, like)) = alike.iter().find(far) {
            unlike = unlike.or(Some((name.clone(), *who, *like)));
        }
        heats.push(json(&name, &outcome));
        versions.extend(outcome.versions);
    }
    setup::write_json(&field.bench.join("train.json"), &heats)?;
    let head = head(options.threads, options.rounds, [&before, &machine::load()], &versions);
    write!(out, "{head}{text}").map_err(Error::output)?;
    match unlike {
        Some((heat, who, like)) => Err(Error::unlike(&heat, who, like, CLOSE)),
        None => Ok(()),
    }
}

fn calls(field: &Field, network: &str, options: &TrainOptions) -> Vec<Call> {
    let (batch, threads) = (options.batch.to_string(), options.threads);
    let peers = PEERS.iter().map(|peer| {
        let mut words: Vec<OsString> = vec![field.scripts.join("peer_train.py").into()];
        words.extend([peer.word, network, "--batch", &batch, "--threads"].map(OsString::from));
        words.push(threads.to_string().into());
        python(field, peer, words, threads)
    });
    let ours = ours(field, &OURS, ["train", network], batch.clone().into(), threads);
    peers.chain([ours]).collect()
}

/// Everyone's gradient beside that of the first peer that ran.
fn compare(outcome: &Outcome) -> Vec<(&'static str, Likeness)> {
    let Some((_, reference)) = outcome.answers.iter().find(|(who, _)| *who == PEERS[0].who) else {
        return Vec::new();
    };
    outcome.answers.iter().map(|(who, answer)| (*who, likeness(answer, reference, 1))).collect()
}

/// A Markdown table of one heat.
fn render(outcome: &Outcome, alike: &[(&'static str, Likeness)], batch: usize) -> String {
    let pace = |who: &str, of: fn(&heat::Lap) -> f64| {
        let own = outcome.laps.iter().filter(|lap| lap.who == who);
        median(own.map(|lap| of(lap) / lap.images * batch as f64))
    };
    let [cpu, wall]: [fn(&heat::Lap) -> f64; 2] = [|lap| lap.cpu, |lap| lap.wall];
    let own = [cpu, wall].map(|of| pace(OURS.who, of));
    let mut text = String::from(
        "| | CPU s/step | wall s/step | regraft is, CPU | regraft is, wall | rel. L2 |\n\
         |---|---:|---:|---:|---:|---:|\n",
    );
    for (who, like) in alike {
        let (Some(c), Some(w)) = (pace(who, cpu), pace(who, wall)) else { continue };
        let times = |theirs: f64, own: Option<f64>| match own {
            Some(own) if *who != OURS.who => format!("{:.2}x", theirs / own),
            Some(_) | None => "-".to_owned(),
        };
        let (by_cpu, by_wall) = (times(c, own[0]), times(w, own[1]));
        let apart = like.distance;
        put(
            &mut text,
            format_args!("| {who} | {c:.2} | {w:.2} | {by_cpu} | {by_wall} | {apart:.1e} |\n"),
        );
    }
    for (who, why) in &outcome.absent {
        put(&mut text, format_args!("\nleft out: {who}: {why}\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::heat::Lap;
    use crate::bench::player::line;

    #[test]
    fn everyone_gets_the_same_network_batch_and_threads() {
        let options = TrainOptions {
            rounds: 1,
            threads: 2,
            peers: None,
            networks: Vec::new(),
            batch: 8,
            contestant: None,
        };
        let calls = calls(&Field::for_tests("f"), "a/b", &options);
        let lines: Vec<_> = calls.iter().map(|call| line(call, "f")).collect();
        assert_eq!(
            lines[3],
            "python peer_train.py torch-channels-last-bf16 a/b --batch 8 --threads 2"
        );
        assert_eq!(lines[4], "contestant train a/b 8 2 f32");
        assert_eq!(lines.len(), 5);
    }

    #[test]
    fn the_table_says_how_many_times_as_fast_a_step_is() {
        let lap = |(who, cpu)| Lap { who, cpu, wall: cpu / 2.0, images: 8.0 };
        let laps = [("pytorch eager", 6.0), ("regraft f32", 2.0), ("pytorch eager", 10.0)];
        let outcome = Outcome {
            laps: laps.map(lap).to_vec(),
            answers: vec![("pytorch eager", vec![3.0, 4.0]), ("regraft f32", vec![3.0, 4.5])],
            ..Outcome::default()
        };
        let alike = compare(&outcome);
        assert!((alike[1].1.distance - 0.1).abs() < 1e-9, "{alike:?}");
        let text = render(&outcome, &alike, 4);
        assert!(text.contains("| pytorch eager | 4.00 | 2.00 | 4.00x | 4.00x | 0.0e0 |"), "{text}");
        assert!(text.contains("| regraft f32 | 1.00 | 0.50 | - | - | 1.0e-1 |"), "{text}");
    }
}
