use std::fmt;
use std::io;
use std::path::PathBuf;

use crate::RunFile;

/// What was being done when a file could not be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum WriteStep {
    /// Making the folder.
    Folder,
    /// Making the temporary file beside the target.
    Temporary,
    /// Writing the bytes.
    Bytes,
    /// Forcing the bytes to the disk.
    Sync,
    /// Renaming the temporary file to its final name.
    Rename,
    /// Forcing the folder's entry to the disk.
    SyncFolder,
    /// Removing a file of an earlier fit.
    Remove,
}

impl fmt::Display for WriteStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Folder => "making the folder",
            Self::Temporary => "making a temporary file beside it",
            Self::Bytes => "writing the bytes",
            Self::Sync => "forcing the bytes to the disk",
            Self::Rename => "renaming the temporary file",
            Self::SyncFolder => "forcing the folder to the disk",
            Self::Remove => "removing the old file",
        })
    }
}

/// Why a document of a run could not be written, read or computed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// A file could not be written.
    #[error("cannot write {path} ({step}): {source}{}", hint(source))]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// What was being done.
        step: WriteStep,
        /// What the system said.
        source: io::Error,
    },
    /// A file could not be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file is larger than any of its kind can be.
    #[error("{path} is larger than {limit} bytes, too large for a file of a run")]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Most bytes read of such a file.
        limit: u64,
    },
    /// A text file is not UTF-8.
    #[error("{path} is not UTF-8 text (byte {offset})")]
    NotText {
        /// The file.
        path: PathBuf,
        /// First byte that is not UTF-8.
        offset: usize,
    },
    /// A plan is not the TOML wanted.
    #[error("{path} is not a plan: {source}")]
    Toml {
        /// The file.
        path: PathBuf,
        /// Where and why.
        source: Box<toml::de::Error>,
    },
    /// A plan could not be put into TOML.
    #[error("the plan cannot be written as toml: {source}")]
    TomlOut {
        /// Why.
        source: Box<toml::ser::Error>,
    },
    /// A file is not the JSON wanted.
    #[error("{path}, line {line}: {source}")]
    Json {
        /// The file.
        path: PathBuf,
        /// Line in the file, from 1.
        line: usize,
        /// Why.
        source: serde_json::Error,
    },
    /// A document could not be put into JSON.
    #[error("the document cannot be written as json: {source}")]
    JsonOut {
        /// Why.
        source: serde_json::Error,
    },
    /// A file is not the CSV wanted.
    #[error("{path}: {source}")]
    Csv {
        /// The file.
        path: PathBuf,
        /// Where and why.
        source: csv::Error,
    },
    /// The header of a table is another one.
    #[error("{path}, column {column}: wanted `{wanted}`, got `{got}`")]
    Header {
        /// The file.
        path: PathBuf,
        /// Column, from 1.
        column: usize,
        /// Name wanted there.
        wanted: String,
        /// Name found there, empty when the header ends before.
        got: String,
    },
    /// A cell of a table does not hold what its column wants.
    #[error("{path}, line {line}, column `{column}`: wanted {wanted}, got `{got}`")]
    Cell {
        /// The file.
        path: PathBuf,
        /// Line in the file, from 1.
        line: u64,
        /// Column name.
        column: String,
        /// What the column holds.
        wanted: &'static str,
        /// What was found.
        got: String,
    },
    /// A file was made by a newer regraft.
    #[error(
        "{path} has format {got}, this regraft reads up to {known}: \
         use the regraft that made it, or a newer one"
    )]
    NewerFormat {
        /// The file.
        path: PathBuf,
        /// Format of the file.
        got: u64,
        /// Newest format known here.
        known: u32,
    },
    /// A file does not begin with its format.
    #[error("{path} has no `format`: it was not made by regraft")]
    NoFormat {
        /// The file.
        path: PathBuf,
    },
    /// A value of a plan cannot be.
    #[error("plan, `{field}`: wanted {wanted}, got {got}")]
    PlanValue {
        /// Key in the plan.
        field: &'static str,
        /// What the key holds.
        wanted: &'static str,
        /// What was given.
        got: String,
    },
    /// A path that should be a folder is a file.
    #[error("{path} is a file, not a run folder")]
    NotAFolder {
        /// The path.
        path: PathBuf,
    },
    /// A folder that would be written to holds something else.
    #[error(
        "{path} holds `{entry}` and no plan.toml, so it is not a run: \
         choose an empty or new folder"
    )]
    NotARun {
        /// The folder.
        path: PathBuf,
        /// First thing in it that no run has.
        entry: String,
    },
    /// A folder lacks a file that a finished run has.
    #[error("{path} is not a finished run: it has no {file}; make one with `regraft fit`")]
    Missing {
        /// The folder.
        path: PathBuf,
        /// The file that is missing.
        file: RunFile,
    },
    /// Metrics of no images at all.
    #[error("there are no images to compute metrics of")]
    NoImages,
    /// Numbers of truths and probabilities do not go together.
    #[error("{images} images of {classes} classes want {wanted} probabilities, got {got}")]
    Lengths {
        /// Truths given.
        images: usize,
        /// Class names given.
        classes: usize,
        /// Probabilities wanted.
        wanted: usize,
        /// Probabilities given.
        got: usize,
    },
    /// A class index is too large.
    #[error("row {row}: class {class} of only {classes} classes")]
    ClassRange {
        /// Row, from 0.
        row: usize,
        /// The index.
        class: usize,
        /// Number of classes.
        classes: usize,
    },
    /// A value is not in 0..=1.
    #[error("row {row}, class {class}: {value} is not a probability")]
    NotAProbability {
        /// Row, from 0.
        row: usize,
        /// Class index.
        class: usize,
        /// The value.
        value: f32,
    },
    /// Two classes have one name.
    #[error("two classes are called `{class}`")]
    DuplicateClass {
        /// The name.
        class: String,
    },
    /// A time that is not a finite number of seconds.
    #[error("{seconds} is not a time in seconds")]
    Time {
        /// What was given.
        seconds: f64,
    },
}

/// What to do about the usual refusals of a disk.
fn hint(source: &io::Error) -> &'static str {
    let kind = source.kind();
    let table = [
        (io::ErrorKind::StorageFull, "; free some space or choose a folder on another disk"),
        (io::ErrorKind::QuotaExceeded, "; your quota is used up, choose another folder"),
        (io::ErrorKind::PermissionDenied, "; choose a folder you may write to"),
        (io::ErrorKind::ReadOnlyFilesystem, "; choose a folder you may write to"),
        (io::ErrorKind::NotFound, "; does the folder exist?"),
    ];
    table.iter().find(|(k, _)| *k == kind).map_or("", |(_, text)| text)
}
