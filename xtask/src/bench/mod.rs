//! Regraft and the Python peers side by side: whole processes, the same pictures, the same number
//! of threads, one after the other and round after round (A B A B), so that a slow minute of the
//! machine hits all of them.

mod contest;
mod machine;
mod setup;
mod table;

use std::io::Write;
use std::path::PathBuf;

use crate::{Error, Workspace};
use contest::{Entry, Job, round};
use setup::Ground;
use table::{Sample, agreement, render};

/// The largest difference in test top-1 between contestants that is let pass: about two standard
/// errors of an accuracy of 90 % on 150 pictures.
const TOLERANCE: f64 = 0.05;

/// What a person may choose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
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

/// Sets everything up, runs the rounds, writes the table to `out` and every single measurement to
/// `bench/result.json` in the target folder.
///
/// # Errors
/// When something cannot be set up, a contestant fails, or their accuracies are too far apart.
pub fn run(
    workspace: &Workspace,
    options: &Options,
    out: &mut dyn Write,
    progress: &mut dyn Write,
) -> Result<(), Error> {
    let ground = Ground::prepare(workspace, options, progress)?;
    let mut samples = Vec::new();
    for number in 0..options.rounds {
        ground.fresh_cache(number)?;
        for entry in round(&ground.course, number) {
            let who = format!("round {}: {} {}", number + 1, entry.job.name(), entry.who);
            let sample = machine::measure(&ground, entry, &who)?;
            say(progress, &format!("{who}: {:.2} s", sample.wall))?;
            samples.push(sample);
        }
    }
    setup::write(&ground.folder.join("result.json"), &table::json(&samples))?;
    let data = options.data.file_name().map(|n| n.display().to_string()).unwrap_or_default();
    let head = format!(
        "{}; {} threads; medians of {} rounds; {} pictures in `{data}`\n\n",
        machine::processor(),
        options.threads,
        options.rounds,
        ground.pictures,
    );
    write!(out, "{head}{}", render(&samples)).map_err(Error::output)?;
    if let Some((low, high)) = agreement(&samples) {
        if high - low > TOLERANCE {
            return Err(Error::Disagree { low, high, limit: TOLERANCE });
        }
        let apart = (high - low) * 100.0;
        writeln!(out, "\ntest top-1 agrees to {apart:.1} points").map_err(Error::output)?;
    }
    Ok(())
}

fn say(progress: &mut dyn Write, line: &str) -> Result<(), Error> {
    writeln!(progress, "{line}").map_err(Error::file("write", "standard error"))
}
