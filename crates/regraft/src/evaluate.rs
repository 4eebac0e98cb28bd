//! How good a run is on labelled pictures.

use std::path::{Path, PathBuf};

use regraft_data::{Dataset, OpenOptions, Split, SplitOrigin};
use regraft_net::nearest;
use regraft_run::{Metrics, Prediction, Predictions, RunFolder, Skipped, UnknownFacts};
use regraft_train::Failed;
use serde::Serialize;

use crate::head;
use crate::predict::{Link, Teller, told};
use crate::prior::Shares;
use crate::reading::reason;
use crate::unknown::counted;
use crate::{Error, Observer, Prior, PriorFacts, Progress};

/// Metrics of a run on labelled pictures.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Evaluation {
    /// The run.
    pub run: String,
    /// The pictures.
    pub data: String,
    /// Which of them: `test`, when the data has a split of its own, or `all`.
    pub part: &'static str,
    /// All figures, on the same level.
    #[serde(flatten)]
    pub metrics: Metrics,
    /// Which class shares the probabilities are for; none where they are those of training.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prior: Option<PriorFacts>,
    /// How many are called unknown, though their classes are known; none where the run cannot tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unknown: Option<UnknownFacts>,
    /// Files that could not be read.
    pub skipped: Vec<Skipped>,
}

/// [`evaluate_with`] the class shares of training.
///
/// # Errors
/// As [`evaluate_with`].
pub fn evaluate(run: &Path, data: &Path, observer: &dyn Observer) -> Result<Evaluation, Error> {
    evaluate_with(run, data, &Prior::Training, observer)
}

/// Evaluates a run on a folder of class folders, a folder with a test part, or a CSV table. When the
/// data brings a split of its own, its test part is used, otherwise everything. An estimate of class
/// shares does not see the labels.
///
/// # Errors
/// When run, data or class shares are not usable, or the data has a class that the run does not know.
pub fn evaluate_with(
    run: &Path,
    data: &Path,
    prior: &Prior,
    observer: &dyn Observer,
) -> Result<Evaluation, Error> {
    let folder = RunFolder::open(run)?;
    let plan = folder.plan()?;
    let shares = Shares::of(prior, &folder, &plan)?;
    let classes = plan.data.classes.clone();
    let open = OpenOptions { training: false, ..OpenOptions::default() };
    let dataset = Dataset::open(data, &open)?;
    let given = matches!(dataset.split_origin, SplitOrigin::Given { .. });
    let tested = dataset.split(Split::Test).next().is_some();
    let part = if given && tested { "test" } else { "all" };
    let examples: Vec<_> =
        dataset.examples.iter().filter(|e| part == "all" || e.split == Split::Test).collect();
    let place = |label: usize| {
        let class = &dataset.classes[label];
        classes.iter().position(|c| c == class).ok_or_else(|| Error::UnknownClass {
            class: class.clone(),
            data: data.to_owned(),
            known: classes.len(),
            near: nearest(class, classes.iter().map(String::as_str)),
        })
    };
    let truths = examples.iter().map(|e| place(e.label)).collect::<Result<Vec<_>, _>>()?;
    let files: Vec<PathBuf> = examples.iter().map(|e| e.path.clone()).collect();
    let unknown = told(&folder, &plan, observer)?;
    let network = head::open(&folder, &plan)?;
    let teller = Teller::new(&network, &plan.engine, Link::Classes, unknown.as_ref())?;
    let mut scores = teller.scores(&files, observer)?;
    let prior = shares.map(|shares| scores.turn(&shares, &classes)).transpose()?;
    let names: Vec<&str> = examples.iter().map(|e| e.name.as_str()).collect();
    let skipped = told_skipped(&scores.failed, &names, observer)?;
    let rows = scores
        .rows
        .chunks_exact(classes.len())
        .enumerate()
        .filter(|(i, _)| !scores.failed.iter().any(|f| f.index == *i))
        .map(|(i, p)| Prediction::new(examples[i].name.clone(), part, truths[i], p.to_vec()))
        .collect();
    let read = |(i, _): &(usize, _)| !scores.failed.iter().any(|f| f.index == *i);
    let judged = scores.judged.iter().enumerate().filter(read).map(|(_, j)| j);
    let unknown = unknown.map(|_| counted(judged));
    let predictions = Predictions { classes, rows };
    Ok(Evaluation {
        run: run.display().to_string(),
        data: data.display().to_string(),
        part,
        metrics: predictions.metrics(part)?,
        prior,
        unknown,
        skipped,
    })
}

/// Files that could not be read, told by name; an error where that is all of them.
pub(crate) fn told_skipped(
    failed: &[Failed],
    names: &[&str],
    observer: &dyn Observer,
) -> Result<Vec<Skipped>, Error> {
    let mut skipped = Vec::new();
    for failed in failed {
        let file = names[failed.index].to_owned();
        let reason = format!("left out: {}", reason(&failed.error));
        observer.tell(&Progress::File { file: &file, reason: &reason });
        skipped.push(Skipped { file, reason });
    }
    match skipped.first() {
        Some(first) if skipped.len() == names.len() => Err(Error::NoTestImages {
            images: names.len(),
            file: first.file.clone(),
            reason: first.reason.clone(),
        }),
        Some(_) | None => Ok(skipped),
    }
}
