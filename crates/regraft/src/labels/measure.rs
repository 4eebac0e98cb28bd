//! How good a run on labels is on labelled pictures.

use std::path::{Path, PathBuf};

use regraft_data::{OpenOptions, Opened, Split, SplitOrigin};
use regraft_net::nearest;
use regraft_run::{LabelMetrics, LabelPrediction, LabelPredictions, Plan, RunFolder, Skipped};
use serde::Serialize;

use crate::evaluate::told_skipped;
use crate::predict::{Link, Teller};
use crate::{Error, Evaluation, Observer, Prior, evaluate_with, head};

/// Metrics of a run on labels.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LabelEvaluation {
    /// The run.
    pub run: String,
    /// The pictures.
    pub data: String,
    /// Which of them: `test`, when the data has a split of its own, or `all`.
    pub part: &'static str,
    /// All figures, on the same level.
    #[serde(flatten)]
    pub metrics: LabelMetrics,
    /// Files that could not be read.
    pub skipped: Vec<Skipped>,
}

/// Metrics by what the run tells.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Evaluated {
    /// Classes.
    Classes(Box<Evaluation>),
    /// Labels.
    Labels(Box<LabelEvaluation>),
}

/// [`evaluate_with`], and the same for a run on images with several labels; its pictures may have one label each.
///
/// # Errors
/// As [`evaluate_with`]; [`Error::Options`] for a prior on labels.
pub fn evaluate_any(
    run: &Path,
    data: &Path,
    prior: &Prior,
    observer: &dyn Observer,
) -> Result<Evaluated, Error> {
    let folder = RunFolder::open(run)?;
    let plan = folder.plan()?;
    if !plan.has_label_sets() {
        return Ok(Evaluated::Classes(Box::new(evaluate_with(run, data, prior, observer)?)));
    }
    if *prior != Prior::Training {
        let why = "labels are told one by one, not shared out among images";
        return Err(Error::Options { what: "`--prior` for a run on several labels", why });
    }
    Ok(Evaluated::Labels(Box::new(evaluate_labels(&folder, &plan, data, observer)?)))
}

/// A picture and the places of its labels in the run.
struct Asked {
    name: String,
    path: PathBuf,
    truth: Vec<usize>,
}

fn evaluate_labels(
    folder: &RunFolder,
    plan: &Plan,
    data: &Path,
    observer: &dyn Observer,
) -> Result<LabelEvaluation, Error> {
    let (part, asked) = asked(plan, data)?;
    let files: Vec<PathBuf> = asked.iter().map(|a| a.path.clone()).collect();
    let network = head::open(folder, plan)?;
    let scores =
        Teller::new(&network, &plan.engine, Link::Labels, None)?.scores(&files, observer)?;
    let names: Vec<&str> = asked.iter().map(|a| a.name.as_str()).collect();
    let skipped = told_skipped(&scores.failed, &names, observer)?;
    let (labels, thresholds) = (&plan.data.classes, &plan.head.thresholds);
    let row = |(a, p): (&Asked, &[f32])| {
        LabelPrediction::new(a.name.clone(), part, a.truth.clone(), p.to_vec(), thresholds)
    };
    let read = |(i, _): &(usize, (&Asked, &[f32]))| !scores.failed.iter().any(|f| f.index == *i);
    let all = asked.iter().zip(scores.rows.chunks_exact(labels.len())).enumerate();
    let rows = all.filter(read).map(|(_, pair)| row(pair)).collect();
    let predictions = LabelPredictions { labels: labels.clone(), rows };
    Ok(LabelEvaluation {
        run: folder.path().display().to_string(),
        data: data.display().to_string(),
        part,
        metrics: predictions.metrics(part, thresholds)?,
        skipped,
    })
}

/// The pictures to be told, and which part of the data they are.
fn asked(plan: &Plan, data: &Path) -> Result<(&'static str, Vec<Asked>), Error> {
    let open = OpenOptions { training: false, ..OpenOptions::default() };
    let (names, origin, examples) = match Opened::open(data, &open)? {
        Opened::Labels(d) => {
            let all = d.examples.into_iter().map(|e| (e.name, e.path, e.labels, e.split));
            (d.labels, d.split_origin, all.collect::<Vec<_>>())
        }
        Opened::Classes(d) => {
            let all = d.examples.into_iter().map(|e| (e.name, e.path, vec![e.label], e.split));
            (d.classes, d.split_origin, all.collect())
        }
    };
    let known = &plan.data.classes;
    let place = |label: &usize| {
        let class = &names[*label];
        known.iter().position(|k| k == class).ok_or_else(|| Error::UnknownClass {
            class: class.clone(),
            data: data.to_owned(),
            known: known.len(),
            near: nearest(class, known.iter().map(String::as_str)),
        })
    };
    let given = matches!(origin, SplitOrigin::Given { .. });
    let tested = given && examples.iter().any(|(.., split)| *split == Split::Test);
    let mut asked = Vec::new();
    for (name, path, labels, split) in examples {
        if tested && split != Split::Test {
            continue;
        }
        let mut truth = labels.iter().map(place).collect::<Result<Vec<usize>, Error>>()?;
        truth.sort_unstable();
        asked.push(Asked { name, path, truth });
    }
    Ok((if tested { "test" } else { "all" }, asked))
}
