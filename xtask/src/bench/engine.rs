//! Forward passes alone: the same formula weights and images for all, in memory.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::Write;
use std::process::Command;

use super::heat::{self, Outcome, Plan};
use super::player::Call;
use super::score::{CLOSE, Likeness, SGEMM, Work, is_measure, json, likeness, render, strangers};
use super::setup::{self, Field};
use super::{EngineOptions, OURS, PEERS, Peer, head, machine, ours, python, say};
use crate::{Error, Workspace};

/// Processor seconds of one run, at least.
const SECONDS: f64 = 0.5;

pub(super) fn run(
    workspace: &Workspace,
    options: &EngineOptions,
    out: &mut dyn Write,
    progress: &mut dyn Write,
) -> Result<(), Error> {
    let before = machine::load();
    let field = Field::prepare(
        workspace,
        [options.peers.as_deref(), options.contestant.as_deref()],
        "engine",
        progress,
    )?;
    let (mut text, mut heats) = (String::new(), Vec::new());
    let (mut versions, mut unlike) = (BTreeMap::new(), Vec::new());
    let batches = match &options.batches[..] {
        [] => &EngineOptions::BATCHES[..],
        some => some,
    };
    for network in networks(options) {
        let model = Model::make(&field, &network, batches, progress)?;
        for batch in batches {
            let name = format!("{network}, batch {batch}");
            let calls = calls(&field, &model, *batch, options.threads);
            let plan = Plan {
                name: name.clone(),
                rounds: options.rounds,
                seconds: SECONDS,
                folder: &field.folder,
            };
            let outcome = heat::race(&calls, &plan, progress)?;
            let alike = model.compare(&outcome, *batch);
            let table = render(&outcome, &alike, Work::of(&outcome).as_ref());
            text.extend(["\n### ", &name, "\n\n", &table]);
            unlike.extend(
                strangers(&alike, CLOSE).into_iter().map(|(who, l)| (name.clone(), who, l)),
            );
            heats.push(json(&name, &outcome));
            versions.extend(outcome.versions);
        }
    }
    setup::write_json(&field.bench.join("engine.json"), &heats)?;
    let head = head(options.threads, options.rounds, [&before, &machine::load()], &versions);
    write!(out, "{head}{text}").map_err(Error::output)?;
    match unlike.into_iter().next() {
        Some((heat, who, like)) => Err(Error::unlike(&heat, who, like, CLOSE)),
        None => Ok(()),
    }
}

fn networks(options: &EngineOptions) -> Vec<String> {
    if options.networks.is_empty() {
        EngineOptions::NETWORKS.map(str::to_owned).to_vec()
    } else {
        options.networks.clone()
    }
}

/// A network for the peers, and what it must compute.
struct Model {
    network: String,
    onnx: OsString,
    /// Logits `[images, classes]` of as many images as the largest batch.
    logits: Vec<f32>,
    images: usize,
}

impl Model {
    fn make(
        field: &Field,
        network: &str,
        batches: &[usize],
        progress: &mut dyn Write,
    ) -> Result<Self, Error> {
        say(progress, &format!("{network}: weights, ONNX, and logits in f64"))?;
        let images = batches.iter().copied().max().unwrap_or(1);
        let (onnx, logits) = (field.folder.join("model.onnx"), field.folder.join("logits.f32"));
        let mut command = Command::new(&field.python);
        command.env("PYTHONDONTWRITEBYTECODE", "1");
        command.arg(field.scripts.join("make_engine.py")).arg(network).arg(&onnx);
        command.arg("--logits").arg(&logits).arg("--images").arg(images.to_string());
        machine::run(&mut command, "make_engine.py (has Python benches/requirements.txt?)")?;
        let logits = heat::floats(&logits)?;
        Ok(Self { network: network.to_owned(), onnx: onnx.into(), logits, images })
    }

    fn compare(&self, outcome: &Outcome, batch: usize) -> Vec<(&'static str, Likeness)> {
        let wanted = &self.logits[..self.logits.len() / self.images * batch];
        let known = outcome.answers.iter().filter(|(who, _)| !is_measure(who));
        known.map(|(who, answer)| (*who, likeness(answer, wanted, batch))).collect()
    }
}

/// Everyone on one network and batch, and the measures for all.
fn calls(field: &Field, model: &Model, batch: usize, threads: usize) -> Vec<Call> {
    let measures = SGEMM.map(|(word, _)| Peer { who: word, word });
    let peers = PEERS.iter().chain(&measures).map(|peer| {
        let script = field.scripts.join("peer_engine.py");
        let mut words: Vec<OsString> = vec![script.into(), peer.word.into()];
        words.extend([model.network.clone().into(), "--batch".into(), batch.to_string().into()]);
        words.extend(["--threads".into(), threads.to_string().into()]);
        words.extend(["--onnx".into(), model.onnx.clone()]);
        python(field, peer, words, threads)
    });
    let job = ["engine", &model.network];
    let ours = OURS.iter().map(|peer| ours(field, peer, job, batch.to_string().into(), threads));
    peers.chain(ours).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::player::line;

    #[test]
    fn everyone_gets_the_same_network_batch_and_threads() {
        let field = Field::for_tests("f");
        let logits = vec![1.0, 0.0, 2.0, 9.0];
        let model = Model { network: "a/b".into(), onnx: "m.onnx".into(), logits, images: 2 };
        let calls = calls(&field, &model, 32, 2);
        let lines: Vec<_> = calls.iter().map(|call| line(call, "f")).collect();
        let peer =
            |word| format!("python peer_engine.py {word} a/b --batch 32 --threads 2 --onnx m.onnx");
        let words = [
            "torch",
            "torch-channels-last",
            "torch-compile",
            "onnxruntime",
            "openvino",
            "openvino-bf16",
            SGEMM[0].0,
            SGEMM[1].0,
            SGEMM[2].0,
        ];
        let mut wanted = words.map(peer).to_vec();
        wanted.push("contestant engine a/b 32 2 f32".to_owned());
        wanted.push("contestant engine a/b 32 2 bf16".to_owned());
        assert_eq!(lines, wanted);
        let threads = |call: &Call| call.env.contains(&("OMP_NUM_THREADS", "2".into()));
        assert!(calls[..9].iter().all(threads));
        let kept: Vec<_> = calls
            .iter()
            .filter(|c| c.env.iter().any(|e| e.0 == "MALLOC_TRIM_THRESHOLD_"))
            .collect();
        assert_eq!(kept.len(), 2, "the tuned ones keep their pages");
    }

    #[test]
    fn a_small_batch_is_compared_with_the_first_logits() {
        let logits = vec![1.0, 0.0, 2.0, 9.0];
        let model = Model { network: String::new(), onnx: OsString::new(), logits, images: 2 };
        let answers = vec![("regraft f32", vec![1.0, 0.0]), (SGEMM[0].0, vec![7.0])];
        let outcome = Outcome { answers, ..Outcome::default() };
        let same = Likeness { distance: 0.0, same: 1, rows: 1 };
        assert_eq!(model.compare(&outcome, 1), [("regraft f32", same)]);
        assert_eq!(model.compare(&outcome, 2)[0].1.same, 0);
    }
}
