//! What can go wrong, and what a check can find.

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::PathBuf;

use crate::bench::Likeness;

/// A rule of the house that a crate does not keep.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Breach {
    /// A crate without a floor.
    Unknown {
        /// Its name.
        name: String,
    },
    /// A crate uses one that is not on a lower floor.
    Edge {
        /// Who uses, with its place.
        from: (String, String),
        /// What is used, with its place.
        to: (String, String),
    },
    /// A crate without `[lints] workspace = true`.
    Lints {
        /// Its manifest.
        manifest: PathBuf,
    },
    /// A source file that asks to be split.
    Long {
        /// The file.
        path: PathBuf,
        /// Its lines.
        lines: usize,
        /// The most a file may have.
        limit: usize,
    },
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown { name } => {
                write!(f, "`{name}` has no floor: give it one in the table of xtask/src/floors.rs")
            }
            Self::Edge { from: (from, there), to: (to, here) } => write!(
                f,
                "`{from}` ({there}) uses `{to}` ({here}); only lower floors may be used: move what \
                 both need down, or what uses both up"
            ),
            Self::Lints { manifest } => write!(
                f,
                "{}: the lints of the workspace are not on; add `[lints]` with `workspace = true`",
                manifest.display()
            ),
            Self::Long { path, lines, limit } => {
                write!(f, "{}: {lines} lines, at most {limit}; split it", path.display())
            }
        }
    }
}

/// Why a chore stopped.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The command line makes no sense.
    Usage(Misuse),
    /// A check found something.
    Breaches(Vec<Breach>),
    /// A file or folder could not be used.
    File {
        /// What was tried: `read`, `write`, `copy`, ...
        action: &'static str,
        /// Where.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A program could not be started.
    Start {
        /// The program.
        program: OsString,
        /// What the system said.
        source: io::Error,
    },
    /// A program ended with a failure.
    Failed {
        /// What it was to do.
        what: String,
        /// Its exit code; none after a signal.
        code: Option<i32>,
        /// The last lines of its stderr.
        said: String,
    },
    /// Text is not the JSON that was wanted.
    Json {
        /// Whose text.
        what: String,
        /// What was missing or wrong, and where.
        wanted: String,
        /// The beginning of the text.
        given: String,
    },
    /// No weights where they are looked for.
    NoWeights {
        /// The folder that was searched.
        folder: PathBuf,
    },
    /// No table in the folder of tasks.
    NoTables {
        /// The folder that was searched.
        folder: PathBuf,
    },
    /// No picture in the data folder.
    NoPictures {
        /// The folder that was searched.
        folder: PathBuf,
    },
    /// The contestants' accuracies are too far apart to compare their speed.
    Disagree {
        /// The lowest test top-1, 0 to 1.
        low: f64,
        /// The highest.
        high: f64,
        /// The largest difference that is let pass.
        limit: f64,
    },
    /// A contestant made other features than the first.
    OtherData {
        /// What it did, and who.
        what: String,
    },
    /// A contestant does not compute what the reference does.
    Unlike {
        /// Where.
        heat: String,
        /// The contestant.
        who: &'static str,
        /// Relative L2 distance to the reference.
        distance: f64,
        /// The largest that is let pass.
        limit: f64,
        /// Images with the same top-1 as the reference, and all.
        top1: (usize, usize),
    },
}

/// What is wrong with a command line.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Misuse {
    /// Not a subcommand.
    Command(OsString),
    /// Not an option of this subcommand.
    Option(OsString),
    /// An option at the end, without its value.
    NoValue(&'static str),
    /// Not a number in the range.
    Number {
        /// The option.
        option: &'static str,
        /// What was given.
        given: OsString,
        /// The least and the most it may be.
        range: (usize, usize),
    },
    /// An option that must be there, and is not.
    Missing(&'static str),
    /// `bench` without data; with what kind of folder is wanted.
    NoData(&'static str),
}

impl fmt::Display for Misuse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Command(word) => {
                write!(
                    f,
                    "no chore `{}`; there are `advice-study`, `bench` and `floors`",
                    word.display()
                )
            }
            Self::Option(word) => {
                write!(f, "no option `{}`; `cargo xtask help` lists them", word.display())
            }
            Self::NoValue(option) => write!(f, "`{option}` wants a value after it"),
            Self::Number { option, given, range: (low, high) } => write!(
                f,
                "`{option}` wants a number from {low} to {high}, not `{}`",
                given.display()
            ),
            Self::Missing(option) => {
                write!(f, "`advice-study` wants `{option} DIR`; `cargo xtask help` says more")
            }
            Self::NoData(kind) => write!(f, "`bench` wants `--data DIR`: {kind}"),
        }
    }
}

impl Error {
    /// An error of writing our own output.
    pub fn output(source: io::Error) -> Self {
        Self::File { action: "write", path: "standard output".into(), source }
    }

    /// A contestant that is too far from the reference.
    pub(crate) fn unlike(heat: &str, who: &'static str, like: Likeness, limit: f64) -> Self {
        let Likeness { distance, same, rows } = like;
        Self::Unlike { heat: heat.to_owned(), who, distance, limit, top1: (same, rows) }
    }

    /// For `map_err` after a file operation.
    pub(crate) fn file<P: Into<PathBuf>>(
        action: &'static str,
        path: P,
    ) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::File { action, path: path.into(), source }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(misuse) => misuse.fmt(f),
            Self::Breaches(breaches) => {
                write!(f, "{} breaches of the house rules", breaches.len())?;
                breaches.iter().try_for_each(|b| write!(f, "\n  {b}"))
            }
            Self::File { action, path, source } => {
                write!(f, "cannot {action} {}: {source}", path.display())
            }
            Self::Start { program, source } => {
                write!(f, "cannot start `{}`: {source}", program.display())
            }
            Self::Failed { what, code, said } => {
                let code = code.map_or("a signal".to_owned(), |c| format!("exit code {c}"));
                write!(f, "{what} ended with {code}:\n{said}")
            }
            Self::Json { what, wanted, given } => write!(f, "{what}: {wanted}; it began `{given}`"),
            Self::NoWeights { folder } => write!(
                f,
                "no file `*efficientnet-lite0*.pth` in {}; run `regraft zoo pull \
                 efficientnet-lite0`, or pass `--weights FILE`",
                folder.display()
            ),
            Self::NoTables { folder } => write!(
                f,
                "no `.csv` table in {}; `python fixtures/make/study_sets.py OUT ...` makes OUT/tasks",
                folder.display()
            ),
            Self::NoPictures { folder } => write!(
                f,
                "no picture in {}; pass a folder with one folder of pictures per class, or with \
                 such folders in `train/` and `val/`",
                folder.display()
            ),
            Self::OtherData { what } => write!(
                f,
                "{what}: the features have another sum than the first program's, so the times are \
                 not of the same work; are benches/peer_probe.py and crates/probe/examples/bench.rs \
                 of one version?"
            ),
            Self::Unlike { heat, who, distance, limit, top1: (same, all) } => write!(
                f,
                "{heat}: `{who}` does not compute what the others do, so its times say nothing: \
                 relative L2 distance {distance:.1e} (at most {limit:.0e}), the same top-1 on {same} \
                 of {all} images"
            ),
            Self::Disagree { low, high, limit } => write!(
                f,
                "test top-1 lies between {:.1} % and {:.1} %, more than {:.0} points apart: the \
                 contestants do not do the same work, so their times say nothing",
                low * 100.0,
                high * 100.0,
                limit * 100.0
            ),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::File { source, .. } | Self::Start { source, .. } => Some(source),
            Self::Usage(_)
            | Self::Breaches(_)
            | Self::Failed { .. }
            | Self::Json { .. }
            | Self::NoWeights { .. }
            | Self::NoTables { .. }
            | Self::NoPictures { .. }
            | Self::Disagree { .. }
            | Self::OtherData { .. }
            | Self::Unlike { .. } => None,
        }
    }
}
