use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::write::TEMPORARY_PREFIX;
use crate::{
    EventLog, Events, LabelMetricsFile, LabelPredictions, MetricsFile, Plan, Predictions, RunError,
    UnknownFile, WriteStep, atomic_write, read,
};

/// Most bytes read of a plan or of metrics (a thousand classes make 10 MB of confusion matrix).
const DOCUMENT_LIMIT: u64 = 256 << 20;
/// Most bytes read of a table of predictions.
const TABLE_LIMIT: u64 = 2 << 30;

/// How names of checkpoints begin.
const CHECKPOINT: &str = "checkpoint-";
/// Folder of the curves of a training.
const CURVES: &str = "tensorboard";

/// A file of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RunFile {
    /// What was decided.
    Plan,
    /// The network as text.
    Network,
    /// The parameters of what lies below the head.
    Trunk,
    /// The new head's parameters.
    Head,
    /// How images of no known class are told.
    Unknown,
    /// The numbers of that.
    UnknownNumbers,
    /// What was measured.
    Metrics,
    /// What is wrong with the data, as `audit --json` says it.
    Audit,
    /// What was predicted.
    Predictions,
    /// What happened, when.
    Events,
    /// The page to read.
    Report,
}

impl RunFile {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Plan,
        Self::Network,
        Self::Trunk,
        Self::Head,
        Self::Unknown,
        Self::UnknownNumbers,
        Self::Metrics,
        Self::Audit,
        Self::Predictions,
        Self::Events,
        Self::Report,
    ];

    /// Those that a prediction needs; without one of them a folder is not a finished run.
    pub const NEEDED: [Self; 4] = [Self::Plan, Self::Network, Self::Trunk, Self::Head];

    /// Its name in the folder.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plan => "plan.toml",
            Self::Network => "network.txt",
            Self::Trunk => "trunk.safetensors",
            Self::Head => "head.safetensors",
            Self::Unknown => "unknown.json",
            Self::UnknownNumbers => "unknown.safetensors",
            Self::Metrics => "metrics.json",
            Self::Audit => "audit.json",
            Self::Predictions => "predictions.csv",
            Self::Events => "events.jsonl",
            Self::Report => "report.html",
        }
    }
}

impl fmt::Display for RunFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A folder with everything a fit made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunFolder {
    path: PathBuf,
}

impl RunFolder {
    /// A folder to write a run to: made when it is not there, taken when it is empty or already
    /// holds a run (finished or not). Nothing is removed; see [`RunFolder::remove_files`].
    ///
    /// # Errors
    /// When the path is a file, or a folder with anything that is not a run, or a run of a newer
    /// format: nobody's files are written over.
    pub fn create(path: impl Into<PathBuf>) -> Result<Self, RunError> {
        let folder = Self::at(path);
        folder.make()?;
        Ok(folder)
    }

    /// A folder that may not be there yet; see [`RunFolder::make`].
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Does for this folder what [`RunFolder::create`] does.
    ///
    /// # Errors
    /// As [`RunFolder::create`].
    pub fn make(&self) -> Result<(), RunError> {
        let path = self.path.clone();
        if path.exists() && !path.is_dir() {
            return Err(RunError::NotAFolder { path });
        }
        if let Err(source) = fs::create_dir_all(&path) {
            return Err(RunError::Write { path, step: WriteStep::Folder, source });
        }
        if self.file(RunFile::Plan).is_file() {
            self.check_format()
        } else {
            self.check_nothing_else()
        }
    }

    /// A finished run.
    ///
    /// # Errors
    /// When the path is not a folder, lacks a file of [`RunFile::NEEDED`] (said by name), or has a
    /// newer format.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, RunError> {
        let path = path.into();
        match fs::metadata(&path) {
            Err(source) => return Err(RunError::Read { path, source }),
            Ok(about) if !about.is_dir() => return Err(RunError::NotAFolder { path }),
            Ok(_) => {}
        }
        let folder = Self { path };
        for file in RunFile::NEEDED {
            folder.need(file)?;
            // The format before the other files: a newer run may have other ones.
            if file == RunFile::Plan {
                folder.check_format()?;
            }
        }
        Ok(folder)
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its last name, for titles.
    pub fn name(&self) -> String {
        let full = self.path.canonicalize().unwrap_or_else(|_| self.path.clone());
        full.file_name().unwrap_or(full.as_os_str()).to_string_lossy().into_owned()
    }

    /// Where a file of the run is, whether it exists or not.
    pub fn file(&self, file: RunFile) -> PathBuf {
        self.path.join(file.name())
    }

    /// Writes one file of the run, whole.
    pub fn write(&self, file: RunFile, bytes: &[u8]) -> Result<(), RunError> {
        atomic_write(self.file(file), bytes)
    }

    /// Removes the files a run has, and only those: files of two fits never mix.
    pub fn remove_files(&self) -> Result<(), RunError> {
        for file in RunFile::ALL {
            let path = self.file(file);
            match fs::remove_file(&path) {
                Err(source) if source.kind() != io::ErrorKind::NotFound => {
                    return Err(RunError::Write { path, step: WriteStep::Remove, source });
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The folder of the curves of a part of a training, for `TensorBoard`.
    pub fn curves(&self, part: &str) -> PathBuf {
        self.path.join(CURVES).join(part)
    }

    /// Removes the curves of an earlier fit, unless a training that was interrupted goes on with them.
    pub fn begin_curves(&self) -> Result<(), RunError> {
        if !self.checkpoints()?.is_empty() {
            return Ok(());
        }
        let path = self.path.join(CURVES);
        match fs::remove_dir_all(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                Err(RunError::Write { path, step: WriteStep::Remove, source })
            }
            _ => Ok(()),
        }
    }

    /// Where the checkpoint of a part of a training is, whether it exists or not.
    pub fn checkpoint(&self, part: &str) -> PathBuf {
        self.path.join(format!("{CHECKPOINT}{part}.safetensors"))
    }

    /// Removes all checkpoints.
    pub fn remove_checkpoints(&self) -> Result<(), RunError> {
        for path in self.checkpoints()? {
            let step = WriteStep::Remove;
            fs::remove_file(&path).map_err(|source| RunError::Write { path, step, source })?;
        }
        Ok(())
    }

    fn checkpoints(&self) -> Result<Vec<PathBuf>, RunError> {
        let fail = |source| RunError::Read { path: self.path.clone(), source };
        let mut paths = Vec::new();
        for entry in fs::read_dir(&self.path).map_err(fail)? {
            let path = entry.map_err(fail)?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if name.starts_with(CHECKPOINT) && name.ends_with(".safetensors") {
                paths.push(path);
            }
        }
        Ok(paths)
    }

    /// Writes `plan.toml`.
    pub fn write_plan(&self, plan: &Plan) -> Result<(), RunError> {
        self.write(RunFile::Plan, plan.to_toml()?.as_bytes())
    }

    /// Reads `plan.toml`.
    pub fn plan(&self) -> Result<Plan, RunError> {
        let path = self.need(RunFile::Plan)?;
        Plan::from_toml(&read::text(&path, DOCUMENT_LIMIT)?, &path)
    }

    /// Writes `metrics.json`.
    pub fn write_metrics(&self, metrics: &MetricsFile) -> Result<(), RunError> {
        self.write(RunFile::Metrics, metrics.to_json()?.as_bytes())
    }

    /// Reads `metrics.json`.
    pub fn metrics(&self) -> Result<MetricsFile, RunError> {
        let path = self.need(RunFile::Metrics)?;
        MetricsFile::from_json(&read::text(&path, DOCUMENT_LIMIT)?, &path)
    }

    /// Writes `predictions.csv`.
    pub fn write_predictions(&self, predictions: &Predictions) -> Result<(), RunError> {
        self.write(RunFile::Predictions, &predictions.to_csv()?)
    }

    /// Writes `metrics.json` of a run on images with several labels.
    pub fn write_label_metrics(&self, metrics: &LabelMetricsFile) -> Result<(), RunError> {
        self.write(RunFile::Metrics, metrics.to_json()?.as_bytes())
    }

    /// Writes `predictions.csv` of such a run.
    pub fn write_label_predictions(&self, predictions: &LabelPredictions) -> Result<(), RunError> {
        self.write(RunFile::Predictions, &predictions.to_csv()?)
    }

    /// Reads `predictions.csv`.
    pub fn predictions(&self) -> Result<Predictions, RunError> {
        let path = self.need(RunFile::Predictions)?;
        Predictions::from_csv(&read::bytes(&path, TABLE_LIMIT)?, &path)
    }

    /// Writes `unknown.json`.
    pub fn write_unknown(&self, unknown: &UnknownFile) -> Result<(), RunError> {
        self.write(RunFile::Unknown, unknown.to_json()?.as_bytes())
    }

    /// Reads `unknown.json`; none for a run that cannot tell unknown images.
    pub fn unknown(&self) -> Result<Option<UnknownFile>, RunError> {
        let path = self.file(RunFile::Unknown);
        if !path.is_file() {
            return Ok(None);
        }
        UnknownFile::from_json(&read::text(&path, DOCUMENT_LIMIT)?, &path).map(Some)
    }

    /// Starts `events.jsonl` anew.
    pub fn event_log(&self) -> Result<EventLog, RunError> {
        EventLog::create(self.file(RunFile::Events))
    }

    /// Reads `events.jsonl`.
    pub fn events(&self) -> Result<Events, RunError> {
        EventLog::read(self.need(RunFile::Events)?)
    }

    fn need(&self, file: RunFile) -> Result<PathBuf, RunError> {
        let path = self.file(file);
        if path.is_file() {
            Ok(path)
        } else {
            Err(RunError::Missing { path: self.path.clone(), file })
        }
    }

    fn check_format(&self) -> Result<(), RunError> {
        let path = self.file(RunFile::Plan);
        let text = read::text(&path, DOCUMENT_LIMIT)?;
        let table: toml::Table = toml::from_str(&text)
            .map_err(|e| RunError::Toml { path: path.clone(), source: Box::new(e) })?;
        let format = table.get("format").and_then(toml::Value::as_integer);
        read::check_format(&path, format.and_then(|f| u64::try_from(f).ok()))
    }

    /// An interrupted fit may leave files of a run, or temporary ones, without a plan.
    fn check_nothing_else(&self) -> Result<(), RunError> {
        let fail = |source| RunError::Read { path: self.path.clone(), source };
        let mut strangers = Vec::new();
        for entry in fs::read_dir(&self.path).map_err(fail)? {
            let name = entry.map_err(fail)?.file_name().to_string_lossy().into_owned();
            let ours = RunFile::ALL.iter().any(|f| f.name() == name)
                || name.starts_with(TEMPORARY_PREFIX)
                || name.starts_with(CHECKPOINT)
                || name == CURVES;
            if !ours {
                strangers.push(name);
            }
        }
        // The first by name, so that the message does not depend on the file system.
        match strangers.into_iter().min() {
            Some(entry) => Err(RunError::NotARun { path: self.path.clone(), entry }),
            None => Ok(()),
        }
    }
}
