//! Regraft and the Python peers side by side: the same pictures, weights and number of threads, one
//! after the other and round after round (A B A B), so that a slow minute of the machine hits all of
//! them.

mod contest;
mod engine;
mod fit;
mod heat;
mod machine;
mod pipeline;
mod player;
mod probe;
mod score;
mod setup;
mod table;
mod train;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;

use crate::{Error, Workspace};
use contest::{Entry, Job};
pub(crate) use machine::{parse, run as said};
use player::Call;
pub(crate) use score::Likeness;
pub(crate) use setup::build;
use table::Sample;

/// What is compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bench {
    /// Whole fits and predictions.
    Fit(FitOptions),
    /// Forward passes alone.
    Engine(EngineOptions),
    /// Picture files to features.
    Pipeline(PipelineOptions),
    /// Linear heads on features.
    Probe(ProbeOptions),
    /// Training steps.
    Train(TrainOptions),
}

/// What a person may choose for `fit`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FitOptions {
    /// A folder of class folders, or of `train/` and `val/`.
    pub data: PathBuf,
    /// How often each contestant runs.
    pub rounds: usize,
    /// Threads of each.
    pub threads: usize,
    /// A Python virtual environment with the peers; made when not given.
    pub peers: Option<PathBuf>,
    /// A built regraft; built when not given.
    pub regraft: Option<PathBuf>,
    /// The weights for the peers; the file in regraft's cache when not given.
    pub weights: Option<PathBuf>,
}

/// What a person may choose for `engine`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineOptions {
    /// How often each contestant runs.
    pub rounds: usize,
    /// Threads of each.
    pub threads: usize,
    /// A Python virtual environment with the peers; made when not given.
    pub peers: Option<PathBuf>,
    /// Architectures of the zoo; [`EngineOptions::NETWORKS`] when empty.
    pub networks: Vec<String>,
    /// Images of a pass; [`EngineOptions::BATCHES`] when empty.
    pub batches: Vec<usize>,
    /// A built contestant of ours; built when not given.
    pub contestant: Option<PathBuf>,
}

impl EngineOptions {
    /// The networks of the contest.
    pub const NETWORKS: [&str; 3] =
        ["timm/efficientnet_lite0", "torchvision/mobilenet_v2", "torchvision/resnet50"];
    /// The batches of the contest.
    pub const BATCHES: [usize; 2] = [1, 32];
}

/// What a person may choose for `pipeline`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PipelineOptions {
    /// A folder with JPEG files at any depth.
    pub data: PathBuf,
    /// How often each contestant runs.
    pub rounds: usize,
    /// Threads of each.
    pub threads: usize,
    /// A Python virtual environment with the peers; made when not given.
    pub peers: Option<PathBuf>,
    /// A built contestant of ours; built when not given.
    pub contestant: Option<PathBuf>,
}

/// What a person may choose for `probe`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeOptions {
    /// How often each contestant runs.
    pub rounds: usize,
    /// Threads of each.
    pub threads: usize,
    /// A Python virtual environment with the peers; made when not given.
    pub peers: Option<PathBuf>,
    /// Rows of the features.
    pub rows: usize,
}

/// What a person may choose for `train`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrainOptions {
    /// How often each contestant runs.
    pub rounds: usize,
    /// Threads of each.
    pub threads: usize,
    /// A Python virtual environment with the peers; made when not given.
    pub peers: Option<PathBuf>,
    /// Architectures of the zoo; [`EngineOptions::NETWORKS`] when empty.
    pub networks: Vec<String>,
    /// Images of a step.
    pub batch: usize,
    /// A built contestant of ours; built when not given.
    pub contestant: Option<PathBuf>,
}

/// Runs a contest: the tables go to `out`, what happens to `progress`, and every single measurement
/// to a JSON file in `bench/` of the target folder.
///
/// # Errors
/// When something cannot be set up, a contestant fails, or they do not do the same work.
pub fn run(
    workspace: &Workspace,
    bench: &Bench,
    out: &mut dyn Write,
    progress: &mut dyn Write,
) -> Result<(), Error> {
    match bench {
        Bench::Fit(options) => fit::run(workspace, options, out, progress),
        Bench::Engine(options) => engine::run(workspace, options, out, progress),
        Bench::Pipeline(options) => pipeline::run(workspace, options, out, progress),
        Bench::Probe(options) => probe::run(workspace, options, out, progress),
        Bench::Train(options) => train::run(workspace, options, out, progress),
    }
}

fn say(progress: &mut dyn Write, line: &str) -> Result<(), Error> {
    writeln!(progress, "{line}").map_err(Error::file("write", "standard error"))
}

/// The allocator keeps what it has: without this, PyTorch spends much of its time in the kernel,
/// asking for the same pages again.
const KEEP_PAGES: [(&str, &str); 2] =
    [("MALLOC_MMAP_THRESHOLD_", "4294967296"), ("MALLOC_TRIM_THRESHOLD_", "8589934592")];

/// A peer that stays alive: its name in tables, and the word by which the scripts know it.
struct Peer {
    who: &'static str,
    word: &'static str,
}

/// The peers of `engine` and `pipeline`, in the order they run.
const PEERS: [Peer; 6] = [
    Peer { who: "pytorch eager", word: "torch" },
    Peer { who: "pytorch channels_last", word: "torch-channels-last" },
    Peer { who: "torch.compile", word: "torch-compile" },
    Peer { who: score::YARDSTICK, word: "onnxruntime" },
    Peer { who: "openvino f32", word: "openvino" },
    Peer { who: "openvino bf16", word: "openvino-bf16" },
];

/// Ours, in each precision.
const OURS: [Peer; 2] =
    [Peer { who: "regraft f32", word: "f32" }, Peer { who: "regraft bf16", word: "bf16" }];

/// A Python script as a contestant whose libraries have `threads` threads.
fn python(field: &setup::Field, peer: &Peer, words: Vec<OsString>, threads: usize) -> Call {
    let mut env = vec![
        // The scripts live in the repository: no compiled files beside them.
        ("PYTHONDONTWRITEBYTECODE", "1".into()),
        ("TORCHINDUCTOR_CACHE_DIR", field.bench.join("inductor").into()),
        // Else a pool of compilers stays.
        ("TORCHINDUCTOR_COMPILE_THREADS", "1".into()),
    ];
    env.extend(machine::THREADS.map(|name| (name, threads.to_string().into())));
    if peer.word.starts_with("torch-channels-last") || peer.word == "torch-compile" {
        env.extend(KEEP_PAGES.map(|(name, value)| (name, value.into())));
    }
    Call { who: peer.who, program: field.python.clone(), words, env }
}

/// Our contestant: `job` on `what`, a batch or a list of files.
fn ours(field: &setup::Field, peer: &Peer, job: [&str; 2], what: OsString, threads: usize) -> Call {
    let mut words: Vec<OsString> = job.map(OsString::from).to_vec();
    words.extend([what, threads.to_string().into(), peer.word.into()]);
    Call { who: peer.who, program: field.contestant.clone(), words, env: Vec::new() }
}

/// The line above the tables: machine, threads, load, rounds, versions.
fn head(
    threads: usize,
    rounds: usize,
    load: [&str; 2],
    versions: &BTreeMap<String, String>,
) -> String {
    let plural = |n: usize| if n == 1 { "" } else { "s" };
    let versions: Vec<_> = versions.iter().map(|(name, v)| format!("{name} {v}")).collect();
    let [start, end] = load;
    format!(
        "{}; {threads} thread{}; load average {start} at the start, {end} at the end; medians of \
         {rounds} round{}; {}\n",
        machine::processor(),
        plural(threads),
        plural(rounds),
        versions.join(", "),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_head_names_the_machine_its_load_and_the_versions() {
        let versions = BTreeMap::from(
            [("torch", "2"), ("openvino", "1")].map(|(a, b)| (a.to_owned(), b.to_owned())),
        );
        let text = head(1, 3, ["0.10", "1.20"], &versions);
        let wanted = "; 1 thread; load average 0.10 at the start, 1.20 at the end; medians of 3 \
                      rounds; openvino 1, torch 2\n";
        assert!(text.ends_with(wanted), "{text}");
        assert!(text.len() > wanted.len(), "{text}");
    }
}
