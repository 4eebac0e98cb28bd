//! JPEG files on disk to features, end to end: each peer with its own decoder and workers.

use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::heat::{self, Outcome, Plan};
use super::player::Call;
use super::score::{Likeness, json, likeness, render, strangers};
use super::setup::{self, Field};
use super::{OURS, PEERS, Peer, PipelineOptions, head, machine, ours, python, say};
use crate::{Error, Workspace};

/// The network, with formula weights.
const NETWORK: &str = "timm/efficientnet_lite0";

/// The largest distance of f32 features to those of PyTorch with Pillow. Decoders and resizers
/// differ by a level of 255 here and there, which formula weights make larger.
const FAR: f64 = 5e-2;

/// Pictures that a thread of each peer takes at a time: of 1, 8 and 32 the one with the least
/// processor time when it was chosen, on two threads of an EPYC; `torch.compile` is left out, since it is not for calls from several threads.
const BATCHES: [(&str, usize); 5] = [
    ("torch", 1),
    ("torch-channels-last", 8),
    ("onnxruntime", 8),
    ("openvino", 1),
    ("openvino-bf16", 8),
];

pub(super) fn run(
    workspace: &Workspace,
    options: &PipelineOptions,
    out: &mut dyn Write,
    progress: &mut dyn Write,
) -> Result<(), Error> {
    let before = machine::load();
    let data = std::path::absolute(&options.data).map_err(Error::file("find", &options.data))?;
    let files = jpegs(setup::pictures(&data)?);
    if files.is_empty() {
        return Err(Error::NoPictures { folder: data });
    }
    let field = Field::prepare(
        workspace,
        [options.peers.as_deref(), options.contestant.as_deref()],
        "pipeline",
        progress,
    )?;
    // So that the disk is in no figure.
    files.iter().try_for_each(|path| setup::drain(path))?;
    let list = field.folder.join("pictures.txt");
    let lines: Vec<_> = files.iter().map(|path| path.display().to_string()).collect();
    setup::write(&list, &(lines.join("\n") + "\n"))?;
    let onnx = field.folder.join("features.onnx");
    say(progress, "exporting the trunk to ONNX")?;
    let mut export = Command::new(&field.python);
    export.env("PYTHONDONTWRITEBYTECODE", "1").arg(field.scripts.join("make_engine.py"));
    export.arg(NETWORK).arg(&onnx).arg("--features");
    machine::run(&mut export, "make_engine.py (has Python benches/requirements.txt?)")?;

    let calls = calls(&field, &list, &onnx, options.threads);
    let name = format!("{} pictures to features, {NETWORK}", files.len());
    let folder = &field.folder;
    // One pass over all pictures is long enough.
    let plan = Plan { name: name.clone(), rounds: options.rounds, seconds: 0.0, folder };
    let outcome = heat::race(&calls, &plan, progress)?;
    let alike = compare(&outcome, files.len());
    setup::write_json(&field.bench.join("pipeline.json"), &[json(&name, &outcome)])?;
    let load = [&*before, &machine::load()];
    let head = head(options.threads, options.rounds, load, &outcome.versions);
    let text = render(&outcome, &alike, None);
    write!(out, "{head}\n### {name}\n\n{text}").map_err(Error::output)?;
    // The largest of the features says nothing: only the distance counts.
    let alike: Vec<_> = alike.iter().map(|(w, l)| (*w, Likeness { same: l.rows, ..*l })).collect();
    match strangers(&alike, FAR).first() {
        Some((who, like)) => Err(Error::unlike(&name, who, *like, FAR)),
        None => Ok(()),
    }
}

fn jpegs(files: Vec<PathBuf>) -> Vec<PathBuf> {
    let jpeg = |path: &PathBuf| {
        path.extension()
            .is_some_and(|e| e.eq_ignore_ascii_case("jpg") || e.eq_ignore_ascii_case("jpeg"))
    };
    files.into_iter().filter(jpeg).collect()
}

/// How far everyone is from the first, which is PyTorch with Pillow.
fn compare(outcome: &Outcome, rows: usize) -> Vec<(&'static str, Likeness)> {
    let Some((_, reference)) = outcome.answers.first() else { return Vec::new() };
    outcome.answers.iter().map(|(who, a)| (*who, likeness(a, reference, rows))).collect()
}

fn calls(field: &Field, list: &Path, onnx: &Path, threads: usize) -> Vec<Call> {
    let batch = |peer: &Peer| BATCHES.iter().find(|(word, _)| *word == peer.word).map(|b| b.1);
    let peer = |peer: &Peer| {
        let script = field.scripts.join("peer_pipeline.py");
        let mut words: Vec<OsString> = vec![script.into(), peer.word.into(), list.into()];
        words.extend(["--network".into(), NETWORK.into(), "--onnx".into(), onnx.into()]);
        words.extend(["--threads".into(), threads.to_string().into()]);
        words.extend(["--batch".into(), batch(peer)?.to_string().into()]);
        // Its own threads are the parallel ones.
        Some(python(field, peer, words, 1))
    };
    let peers = PEERS.iter().filter_map(peer);
    let job = ["pipeline", NETWORK];
    let ours = OURS.iter().map(|peer| ours(field, peer, job, list.into(), threads));
    peers.chain(ours).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::player::line;

    #[test]
    fn everyone_gets_the_same_files_and_as_many_threads() {
        let field = Field::for_tests("f");
        let calls = calls(&field, Path::new("l.txt"), Path::new("m.onnx"), 2);
        let lines: Vec<_> = calls.iter().map(|call| line(call, "f")).collect();
        let peer = |(word, batch)| {
            format!(
                "python peer_pipeline.py {word} l.txt --network {NETWORK} --onnx m.onnx --threads 2 \
                 --batch {batch}"
            )
        };
        let mut wanted = BATCHES.map(peer).to_vec();
        wanted.push(format!("contestant pipeline {NETWORK} l.txt 2 f32"));
        wanted.push(format!("contestant pipeline {NETWORK} l.txt 2 bf16"));
        assert_eq!(lines, wanted);
        assert!(calls[0].env.contains(&("OMP_NUM_THREADS", "1".into())));
    }

    #[test]
    fn only_jpeg_files_count_and_the_first_is_the_reference() {
        let files = ["a.png", "b.JPG", "c.jpeg", "jpg"].map(PathBuf::from).to_vec();
        assert_eq!(jpegs(files), ["b.JPG", "c.jpeg"].map(PathBuf::from));
        let answers = vec![("pytorch eager", vec![3.0, 4.0]), ("regraft f32", vec![3.0, 3.0])];
        let found = compare(&Outcome { answers, ..Outcome::default() }, 2);
        assert_eq!(found[0].1.distance, 0.0);
        assert!((found[1].1.distance - 0.2).abs() < 1e-12);
        assert_eq!(compare(&Outcome::default(), 2), []);
    }
}
