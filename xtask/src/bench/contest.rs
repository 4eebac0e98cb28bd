//! Who runs what: the commands of a round, as data.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::KEEP_PAGES;

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Job {
    /// A fit with no features in the cache; the weights are there.
    Cold,
    /// The same fit again.
    Warm,
    /// One picture, whole process.
    Predict,
}

impl Job {
    /// All of them, in the order they are run and shown.
    pub(super) const ALL: [Self; 3] = [Self::Cold, Self::Warm, Self::Predict];

    /// A word for files and progress.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Cold => "fit",
            Self::Warm => "fit again",
            Self::Predict => "predict",
        }
    }

    /// Whether the job prints a test accuracy.
    pub(super) fn has_accuracy(self) -> bool {
        match self {
            Self::Cold | Self::Warm => true,
            Self::Predict => false,
        }
    }
}

/// Ours, and what the others are compared with.
pub(super) const REGRAFT: &str = "regraft";

/// What the commands are made of.
#[derive(Debug, Clone)]
pub(super) struct Course {
    /// The regraft that is measured.
    pub(super) regraft: PathBuf,
    /// Python of the peers.
    pub(super) python: PathBuf,
    /// Folder of the peers' scripts.
    pub(super) scripts: PathBuf,
    /// Weights as PyTorch reads them.
    pub(super) weights: PathBuf,
    /// The same trunk as ONNX.
    pub(super) onnx: PathBuf,
    /// The pictures.
    pub(super) data: PathBuf,
    /// The picture to predict.
    pub(super) picture: PathBuf,
    /// Where caches and runs go.
    pub(super) folder: PathBuf,
    /// Threads of each contestant.
    pub(super) threads: usize,
    /// Whether the processor has bf16: else OpenVINO would run f32 under that name.
    pub(super) bf16: bool,
}

/// A command to be measured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// The job it does.
    pub(super) job: Job,
    /// The contestant.
    pub(super) who: &'static str,
    /// Program and arguments.
    pub(super) command: Vec<OsString>,
    /// Variables of its environment, beside those all have.
    pub(super) env: Vec<(&'static str, OsString)>,
}

impl Course {
    /// The cache folder of a round: `$XDG_CACHE_HOME` for regraft.
    pub(super) fn cache(&self, round: usize) -> PathBuf {
        self.folder.join(format!("cache-{round}"))
    }

    fn fit(&self, job: Job, round: usize) -> Entry {
        let name = if job == Job::Warm { "run-again" } else { "run" };
        let out = self.folder.join(format!("{name}-{round}"));
        let threads = self.threads.to_string();
        let mut command = vec![self.regraft.clone().into(), "fit".into(), self.data.clone().into()];
        command.extend(["--out".into(), out.into()]);
        command.extend(["--json", "--quiet", "--offline", "--threads"].map(OsString::from));
        command.push(threads.into());
        let env = vec![("XDG_CACHE_HOME", self.cache(round).into())];
        Entry { job, who: REGRAFT, command, env }
    }

    fn peer(&self, job: Job, who: &'static str, script: &str, words: &[&Path]) -> Entry {
        let mut command = vec![self.python.clone().into(), self.scripts.join(script).into()];
        command.extend(words.iter().map(OsString::from));
        command.extend(["--threads".into(), self.threads.to_string().into()]);
        Entry { job, who, command, env: Vec::new() }
    }

    /// The head a peer leaves and predicts with.
    fn head(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

/// The commands of round `round`, in the order they run.
pub(super) fn round(course: &Course, round: usize) -> Vec<Entry> {
    let path = Path::new;
    let workers = course.threads.to_string();
    let (torch, tuned, ort) = (course.head("torch"), course.head("tuned"), course.head("ort"));
    let (data, weights, onnx) = (&*course.data, &*course.weights, &*course.onnx);
    let (weighs, out) = (path("--weights"), path("--out"));

    let plain = [data, weighs, weights, out, &torch];
    let best = [data, weighs, weights, out, &tuned];
    let best = [&best[..], &[path("--channels-last"), path("--workers"), path(&workers)]].concat();
    let runtime = [data, weighs, onnx, out, &ort, path("--workers"), path(&workers)];
    let mut tuned = course.peer(Job::Cold, "pytorch tuned", "peer_fit.py", &best);
    tuned.env = KEEP_PAGES.map(|(name, value)| (name, value.into())).to_vec();

    let picture = &*course.picture;
    let words = ["predict".into(), course.folder.join(format!("run-{round}")).into()];
    let words = words.into_iter().chain([picture.into(), OsString::from("--json")]);
    let command = std::iter::once(course.regraft.clone().into()).chain(words).collect();
    let env = vec![("XDG_CACHE_HOME", course.cache(round).into())];
    let by_torch = [path("torch"), &torch, picture, weighs, weights];
    let by_ort = [path("ort"), &ort, picture, weighs, onnx];
    let vino = course.head("openvino");
    let vino = [data, weighs, onnx, out, &vino, path("--workers"), path(&workers)];
    let half = [&vino[..], &[path("--precision"), path("bf16")]].concat();
    let mut entries = vec![
        course.fit(Job::Cold, round),
        course.peer(Job::Cold, "pytorch", "peer_fit.py", &plain),
        tuned,
        course.peer(Job::Cold, "onnxruntime", "peer_fit_ort.py", &runtime),
        course.peer(Job::Cold, "openvino f32", "peer_fit_openvino.py", &vino),
    ];
    if course.bf16 {
        entries.push(course.peer(Job::Cold, "openvino bf16", "peer_fit_openvino.py", &half));
    }
    entries.extend([
        course.fit(Job::Warm, round),
        Entry { job: Job::Predict, who: REGRAFT, command, env },
        course.peer(Job::Predict, "pytorch", "peer_predict.py", &by_torch),
        course.peer(Job::Predict, "onnxruntime", "peer_predict.py", &by_ort),
    ]);
    entries
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(number: usize, bf16: bool) -> Vec<String> {
        let course = Course {
            regraft: "regraft".into(),
            python: "python".into(),
            scripts: "b".into(),
            weights: "w.pth".into(),
            onnx: "w.onnx".into(),
            data: "pics".into(),
            picture: "p.jpg".into(),
            folder: "f".into(),
            threads: 2,
            bf16,
        };
        let line = |entry: &Entry| {
            let words: Vec<_> = entry.command.iter().map(|w| w.display().to_string()).collect();
            words.join(" ").replace('\\', "/")
        };
        round(&course, number).iter().map(line).collect()
    }

    #[test]
    fn a_round_gives_every_contestant_the_same_pictures_and_threads() {
        let wanted = [
            "regraft fit pics --out f/run-1 --json --quiet --offline --threads 2",
            "python b/peer_fit.py pics --weights w.pth --out f/torch --threads 2",
            "python b/peer_fit.py pics --weights w.pth --out f/tuned --channels-last --workers 2 \
             --threads 2",
            "python b/peer_fit_ort.py pics --weights w.onnx --out f/ort --workers 2 --threads 2",
            "python b/peer_fit_openvino.py pics --weights w.onnx --out f/openvino --workers 2 \
             --threads 2",
            "python b/peer_fit_openvino.py pics --weights w.onnx --out f/openvino --workers 2 \
             --precision bf16 --threads 2",
            "regraft fit pics --out f/run-again-1 --json --quiet --offline --threads 2",
            "regraft predict f/run-1 p.jpg --json",
            "python b/peer_predict.py torch f/torch p.jpg --weights w.pth --threads 2",
            "python b/peer_predict.py ort f/ort p.jpg --weights w.onnx --threads 2",
        ];
        assert_eq!(lines(1, true), wanted);
        assert!(lines(1, false).iter().all(|line| !line.contains("bf16")));
        assert_eq!(lines(3, true)[0], wanted[0].replace("run-1", "run-3"));
    }
}
