//! Whole fits and predictions: a process each, from start to end.

use std::io::Write;
use std::process::Command;

use super::contest::{REGRAFT, round};
use super::setup::{self, Ground};
use super::table::{self, agreement, render};
use super::{FitOptions, head, machine, say};
use crate::{Error, Workspace};

/// The largest difference in test top-1 between contestants that is let pass: about two standard
/// errors of an accuracy of 90 % on 150 pictures.
const TOLERANCE: f64 = 0.05;

/// Packages whose versions are shown.
const PACKAGES: [&str; 5] = ["onnxruntime", "openvino", "pillow", "scikit-learn", "torch"];

/// Sets everything up, runs the rounds, writes the table to `out` and every single measurement to
/// `bench/result.json` in the target folder.
///
/// # Errors
/// When something cannot be set up, a contestant fails, or their accuracies are too far apart.
pub(super) fn run(
    workspace: &Workspace,
    options: &FitOptions,
    out: &mut dyn Write,
    progress: &mut dyn Write,
) -> Result<(), Error> {
    let before = machine::load();
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
    let mut versions = setup::versions(&ground.course.python, &PACKAGES)?;
    let mut ours = Command::new(&ground.course.regraft);
    let said = machine::run(ours.arg("--version"), "regraft --version")?;
    let version = said.split_whitespace().last().unwrap_or_default();
    versions.insert(REGRAFT.to_owned(), version.to_owned());
    let load = [&*before, &machine::load()];
    let head = head(options.threads, options.rounds, load, &versions);
    let head = format!("{}; {} pictures in `{data}`\n\n", head.trim_end(), ground.pictures);
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
