use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::{RunError, WriteStep, read};

/// Most bytes of an event log that are read: some million events.
const LIMIT: u64 = 512 << 20;

/// Where the time of a fit went, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Seconds {
    /// From the start to the last file written.
    pub total: f64,
    /// Decoding and the trunk.
    pub features: f64,
    /// Choosing and fitting the head.
    pub head: f64,
}

/// How fast a fit was. Never in `metrics.json`, whose bytes depend on the seed only.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Timings {
    /// Where the time went.
    pub seconds: Seconds,
    /// Images through decoding and trunk per second; 0 when all came from the cache.
    pub images_per_second: f64,
}

/// Something that happened during a fit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Event {
    /// The fit began.
    Started {
        /// Version of the run's files, [`crate::FORMAT`].
        format: u32,
        /// Version of regraft.
        regraft_version: String,
        /// As in the plan.
        strategy: String,
        /// As in the plan.
        seed: u64,
    },
    /// The data was found.
    DataFound {
        /// The folder or table.
        root: String,
        /// Number of classes.
        classes: usize,
        /// Number of images in each split.
        images: BTreeMap<String, usize>,
    },
    /// A file was left out.
    SkippedFile {
        /// Name as in the report.
        file: String,
        /// Why, and what was done.
        reason: String,
    },
    /// Some features are there.
    FeaturesProgress {
        /// Images done.
        done: usize,
        /// Images to do.
        total: usize,
    },
    /// All features are there.
    FeaturesDone {
        /// Images that went through the network.
        computed: usize,
        /// Images whose features were in the cache.
        cached: usize,
        /// Time it took.
        seconds: f64,
    },
    /// One penalty was tried.
    HeadPenalty {
        /// `ridge` or `logistic`.
        kind: String,
        /// The penalty.
        penalty: f64,
        /// Share of training images right when held out, 0..=1.
        top1: f64,
        /// Mean negative log likelihood of held-out images, in nats.
        nll: f64,
    },
    /// The head is fitted.
    HeadDone {
        /// `ridge` or `logistic`.
        kind: String,
        /// Penalty chosen.
        penalty: f64,
        /// Temperature chosen.
        temperature: f64,
        /// Leave-one-out share of training images right, 0..=1.
        loo_top1: f64,
        /// Time it took.
        seconds: f64,
    },
    /// A round of training by gradient is done.
    Epoch {
        /// `held-out 1`, … when it was to judge the plan, `all` when on all training images.
        part: String,
        /// From 1.
        epoch: u64,
        /// Mean loss of the round.
        loss: f64,
        /// Share of held-out images right, 0..=1.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        top1: Option<f64>,
    },
    /// A split was evaluated.
    Evaluated {
        /// `test`, `val`, `train`.
        split: String,
        /// Share right, 0..=1.
        top1: f64,
    },
    /// The fit is over and every file is written.
    Finished(Timings),
}

/// A line of `events.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Seconds since the start, measured by the caller.
    pub at: f64,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

/// What an event log holds.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Events {
    /// The lines, in order.
    pub records: Vec<Record>,
    /// Whether a half-written last line was dropped.
    pub truncated: bool,
}

impl Events {
    /// The timings of the last finished fit, if there is one.
    pub fn timings(&self) -> Option<Timings> {
        self.records.iter().rev().find_map(|r| match &r.event {
            Event::Finished(timings) => Some(*timings),
            Event::Started { .. }
            | Event::DataFound { .. }
            | Event::SkippedFile { .. }
            | Event::FeaturesProgress { .. }
            | Event::FeaturesDone { .. }
            | Event::HeadPenalty { .. }
            | Event::HeadDone { .. }
            | Event::Epoch { .. }
            | Event::Evaluated { .. } => None,
        })
    }
}

/// Reads the lines of an event log; `path` is for the messages only.
///
/// A last line without its newline that cannot be read is dropped: the machine stopped while it was
/// written. Anything else that cannot be read is an error.
pub fn parse_events(bytes: &[u8], path: &Path) -> Result<Events, RunError> {
    let mut out = Events::default();
    for (i, line) in bytes.split_inclusive(|&b| b == b'\n').enumerate() {
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        match serde_json::from_slice(line) {
            Ok(record) => out.records.push(record),
            Err(_) if !line.ends_with(b"\n") => out.truncated = true,
            Err(source) => {
                return Err(RunError::Json { path: path.to_owned(), line: i + 1, source });
            }
        }
    }
    Ok(out)
}

/// `events.jsonl`, open to append to. Each line reaches the system before `append` returns.
#[derive(Debug)]
pub struct EventLog {
    file: File,
    path: PathBuf,
}

impl EventLog {
    /// An empty log; an older one is emptied.
    pub fn create(path: impl Into<PathBuf>) -> Result<Self, RunError> {
        let path = path.into();
        match File::create(&path) {
            Ok(file) => Ok(Self { file, path }),
            Err(source) => Err(RunError::Write { path, step: WriteStep::Bytes, source }),
        }
    }

    /// The log that is there, to go on with, or an empty one. A half-written last line is cut off.
    pub fn resume(path: impl Into<PathBuf>) -> Result<Self, RunError> {
        let path = path.into();
        let whole = if path.exists() {
            let bytes = read::bytes(&path, LIMIT)?;
            bytes.iter().rposition(|&b| b == b'\n').map_or(0, |end| end as u64 + 1)
        } else {
            0
        };
        let open = || {
            let mut file =
                OpenOptions::new().create(true).write(true).truncate(false).open(&path)?;
            file.set_len(whole)?;
            file.seek(SeekFrom::End(0))?;
            Ok(file)
        };
        match open() {
            Ok(file) => Ok(Self { file, path }),
            Err(source) => Err(RunError::Write { path, step: WriteStep::Bytes, source }),
        }
    }

    /// Appends one line. `at` is in seconds since the start, and finite.
    pub fn append(&mut self, at: f64, event: &Event) -> Result<(), RunError> {
        if !at.is_finite() {
            return Err(RunError::Time { seconds: at });
        }
        let mut line = serde_json::to_vec(&Record { at, event: event.clone() })
            .map_err(|source| RunError::JsonOut { source })?;
        line.push(b'\n');
        // One call a line, so that a crash can cut a line short but never mix two.
        let done = self.file.write_all(&line).and_then(|()| self.file.flush());
        done.map_err(|source| RunError::Write {
            path: self.path.clone(),
            step: WriteStep::Bytes,
            source,
        })
    }

    /// Reads a log whole.
    pub fn read(path: impl AsRef<Path>) -> Result<Events, RunError> {
        let path = path.as_ref();
        parse_events(&read::bytes(path, LIMIT)?, path)
    }
}
