//! What a run says of new pictures.

use std::path::{Path, PathBuf};

use regraft_data::list_images;
use regraft_infer::Engine;
use regraft_net::Network;
use regraft_run::{EnginePlan, RunFolder};
use regraft_train::{Failed, Flow, Trunk, extract};
use serde::Serialize;

use crate::fit::reason;
use crate::head::{HEAD, open, softmax};
use crate::precision::of_run;
use crate::{Error, Observer, Progress};

/// Classes named in an answer, most probable first.
const TOP: usize = 5;

/// A class and how probable it is.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Candidate {
    /// Class name.
    pub label: String,
    /// Calibrated probability, 0 to 1.
    pub probability: f32,
}

/// What a run says of one picture.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Answer {
    /// A picture that was read.
    Known {
        /// The file.
        file: String,
        /// Most probable class.
        label: String,
        /// Its calibrated probability, 0 to 1.
        probability: f32,
        /// The most probable classes, best first, at most 5.
        top: Vec<Candidate>,
    },
    /// A file that could not be read as a picture.
    Unreadable {
        /// The file.
        file: String,
        /// What is wrong with it.
        error: String,
    },
}

/// Predicts the classes of pictures; a folder stands for all images in it, at any depth.
///
/// Answers come in the order of `images`, those of a folder sorted by path. A file that cannot be
/// read has an answer that says so.
///
/// # Errors
/// When the run is not usable, a path does not exist, or a folder has no images.
pub fn predict(
    run: &Path,
    images: &[PathBuf],
    observer: &dyn Observer,
) -> Result<Vec<Answer>, Error> {
    let folder = RunFolder::open(run)?;
    let plan = folder.plan()?;
    let mut files = Vec::new();
    for path in images {
        if path.is_dir() {
            let found = list_images(path)?;
            if found.is_empty() {
                let looked = "files that end in jpg, png, webp, bmp, tiff or gif";
                return Err(Error::EmptyFolder { path: path.clone(), looked });
            }
            files.extend(found);
        } else {
            files.push(path.clone());
        }
    }
    let classes = &plan.data.classes;
    let scores = scores(&folder, &files, observer)?;
    let failed = |i: usize| scores.failed.iter().find(|f| f.index == i);
    let answers = files.iter().zip(scores.rows.chunks_exact(classes.len())).enumerate().map(
        |(i, (file, row))| {
            let file = file.display().to_string();
            match failed(i) {
                Some(f) => Answer::Unreadable { file, error: reason(&f.error) },
                None => answer(file, row, classes),
            }
        },
    );
    Ok(answers.collect())
}

/// What a run says of files.
pub(crate) struct Scores {
    /// Calibrated probabilities `[files, C]`; rows of unreadable files mean nothing.
    pub(crate) rows: Vec<f32>,
    /// Files that could not be read.
    pub(crate) failed: Vec<Failed>,
}

/// Runs a run's network and head on files.
pub(crate) fn scores(
    folder: &RunFolder,
    files: &[PathBuf],
    observer: &dyn Observer,
) -> Result<Scores, Error> {
    let plan = folder.plan()?;
    scores_of(&open(folder, &plan)?, &plan.engine, files, observer)
}

/// Runs a network that ends with a run's head on files.
pub(crate) fn scores_of(
    network: &Network,
    plan: &EnginePlan,
    files: &[PathBuf],
    observer: &dyn Observer,
) -> Result<Scores, Error> {
    let engine = Engine::compile_in(network, &[HEAD], of_run(plan))?;
    let trunk = Trunk::new(network, engine)?;
    let total = files.len();
    let progress = |done| {
        observer.tell(&Progress::Features { done, total });
        if observer.stop() { Flow::Stop } else { Flow::Continue }
    };
    let extracted = extract(&trunk, files, None, &progress)?;
    let mut rows = extracted.rows()?;
    rows.chunks_exact_mut(trunk.feature_len()).for_each(softmax);
    Ok(Scores { rows, failed: extracted.failed })
}

fn answer(file: String, row: &[f32], classes: &[String]) -> Answer {
    let mut order: Vec<usize> = (0..row.len()).collect();
    order.sort_by(|a, b| row[*b].total_cmp(&row[*a]).then(a.cmp(b)));
    let candidate = |i: &usize| Candidate { label: classes[*i].clone(), probability: row[*i] };
    let top: Vec<Candidate> = order.iter().take(TOP).map(candidate).collect();
    Answer::Known { file, label: top[0].label.clone(), probability: top[0].probability, top }
}
