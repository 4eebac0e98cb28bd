//! What a run says of new pictures.

use std::path::{Path, PathBuf};

use regraft_advise::unknown::Judgement;
use regraft_data::list_images;
use regraft_infer::Engine;
use regraft_net::Network;
use regraft_run::{EnginePlan, Plan, RunFolder};
use regraft_train::{Failed, Flow, Trunk, extract};
use serde::Serialize;

use crate::head::{HEAD, open, softmax};
use crate::labels;
use crate::precision::of_run;
use crate::prior::Shares;
use crate::reading::reason;
use crate::unknown::{Unknown, below_head};
use crate::{Error, Novelty, Observer, Prior, PriorFacts, Progress};

/// Classes named in an answer, most probable first.
const TOP: usize = 5;
/// Files run before those that follow are read: what is held of each is its features.
const CHUNK: usize = 4096;

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
        /// Most probable class, were it one of them.
        label: String,
        /// Its calibrated probability, 0 to 1.
        probability: f32,
        /// The most probable classes, best first, at most 5.
        top: Vec<Candidate>,
        /// Whether it is like any class; none where the run cannot tell, or was not asked.
        #[serde(flatten)]
        novelty: Option<Novelty>,
    },
    /// A picture that was read, by a run on images with several labels.
    Labels {
        /// The file.
        file: String,
        /// Labels it is said to have, most probable first; none is an answer too.
        labels: Vec<Candidate>,
        /// The most probable labels, said or not, best first, at most 5.
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

/// How to predict.
#[derive(Debug, Clone, PartialEq)]
pub struct PredictOptions {
    /// Tell images that are like no known class, where the run can.
    pub unknown: bool,
    /// How frequent each class is among the images.
    pub prior: Prior,
}

impl Default for PredictOptions {
    fn default() -> Self {
        Self { unknown: true, prior: Prior::Training }
    }
}

/// What a run says of pictures.
#[derive(Debug, Clone, PartialEq)]
pub struct Predicted {
    /// Which class shares the probabilities are for; none where they are those of training.
    pub prior: Option<PriorFacts>,
    /// An answer for each file.
    pub answers: Vec<Answer>,
}

/// [`predict_with`] what is usual.
///
/// # Errors
/// As [`predict_with`].
pub fn predict(
    run: &Path,
    images: &[PathBuf],
    observer: &dyn Observer,
) -> Result<Vec<Answer>, Error> {
    Ok(predict_with(run, images, &PredictOptions::default(), observer)?.answers)
}

/// Predicts the classes of pictures, and tells those that are like none; a folder stands for all images in
/// it, at any depth.
///
/// Answers come in the order of `images`, those of a folder sorted by path. A file that cannot be
/// read has an answer that says so. A run from before unknown images could be told says it as a note.
/// Class shares are estimated, where that is asked for, from the images that were read and are not called
/// unknown.
///
/// # Errors
/// When the run is not usable, a path does not exist, a folder has no images, or class shares are not
/// sound.
pub fn predict_with(
    run: &Path,
    images: &[PathBuf],
    options: &PredictOptions,
    observer: &dyn Observer,
) -> Result<Predicted, Error> {
    let folder = RunFolder::open(run)?;
    let plan = folder.plan()?;
    let several = plan.has_label_sets();
    if several && options.prior != Prior::Training {
        let why = "labels are told one by one, not shared out among images";
        return Err(Error::Options { what: "`--prior` for a run on several labels", why });
    }
    let shares = Shares::of(&options.prior, &folder, &plan)?;
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
    let unknown = if options.unknown && !several { told(&folder, &plan, observer)? } else { None };
    let network = open(&folder, &plan)?;
    let teller = Teller::new(&network, &plan.engine, Link::of(&plan), unknown.as_ref())?;
    let mut scores = teller.scores(&files, observer)?;
    let classes = &plan.data.classes;
    let prior = shares.map(|shares| scores.turn(&shares, classes)).transpose()?;
    let failed = |i: usize| scores.failed.iter().find(|f| f.index == i);
    let answers = files.iter().zip(scores.rows.chunks_exact(classes.len())).enumerate().map(
        |(i, (file, row))| {
            let file = file.display().to_string();
            let told = unknown.as_ref().zip(scores.judged.get(i));
            let novelty = told.map(|(unknown, judged)| unknown.tell(judged, classes));
            match failed(i) {
                Some(f) => Answer::Unreadable { file, error: reason(&f.error) },
                None if several => labels::answer(file, row, classes, &plan.head.thresholds),
                None => answer(file, row, classes, novelty),
            }
        },
    );
    let answers = answers.collect();
    Ok(Predicted { prior, answers })
}

/// How a run tells unknown images, and a note where it cannot.
pub(crate) fn told(
    folder: &RunFolder,
    plan: &Plan,
    observer: &dyn Observer,
) -> Result<Option<Unknown>, Error> {
    let unknown = Unknown::open(folder, plan)?;
    if unknown.is_none() {
        observer.tell(&Progress::Note(
            "this run cannot tell images of no known class: it has no unknown.json; fit again to have it",
        ));
    }
    Ok(unknown)
}

/// What a run says of files.
pub(crate) struct Scores {
    /// Calibrated probabilities `[files, C]`; rows of unreadable files mean nothing.
    pub(crate) rows: Vec<f32>,
    /// Whether each file is like any class, where that is told; of unreadable files it means nothing.
    pub(crate) judged: Vec<Judgement>,
    /// Files that could not be read.
    pub(crate) failed: Vec<Failed>,
}

impl Scores {
    /// Turns the probabilities to other class shares.
    pub(crate) fn turn(
        &mut self,
        shares: &Shares,
        classes: &[String],
    ) -> Result<PriorFacts, Error> {
        let Self { rows, judged, failed } = self;
        let read = |i: usize| !failed.iter().any(|f| f.index == i);
        let known = |i: usize| judged.get(i).is_none_or(|j| !j.unknown);
        shares.turn(rows, classes, |i| read(i) && known(i))
    }
}

/// What becomes of the head's outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Link {
    /// One choice: the softmax of all.
    Classes,
    /// Questions of their own: a sigmoid each.
    Labels,
}

impl Link {
    pub(crate) fn of(plan: &Plan) -> Self {
        if plan.has_label_sets() { Self::Labels } else { Self::Classes }
    }
}

/// A network that ends with a run's head, ready to run.
pub(crate) struct Teller<'a> {
    trunk: Trunk,
    unknown: Option<&'a Unknown>,
    /// Classes, or labels.
    classes: usize,
    link: Link,
}

impl<'a> Teller<'a> {
    pub(crate) fn new(
        network: &Network,
        engine: &EnginePlan,
        link: Link,
        unknown: Option<&'a Unknown>,
    ) -> Result<Self, Error> {
        let below = unknown.and_then(|_| below_head(network.graph()));
        let outputs: Vec<&str> = std::iter::once(HEAD).chain(below).collect();
        let engine = Engine::compile_in(network, &outputs, of_run(engine))?;
        let classes = engine.outputs().first().map_or(0, |(_, shape)| shape.count());
        Ok(Self { trunk: Trunk::new(network, engine)?, unknown, classes, link })
    }

    /// Runs files through it.
    pub(crate) fn scores(
        &self,
        files: &[PathBuf],
        observer: &dyn Observer,
    ) -> Result<Scores, Error> {
        let total = files.len();
        let mut all = Scores { rows: Vec::new(), judged: Vec::new(), failed: Vec::new() };
        for (chunk, files) in files.chunks(CHUNK).enumerate() {
            let first = chunk * CHUNK;
            let progress = |done| {
                observer.tell(&Progress::Features { done: first + done, total });
                if observer.stop() { Flow::Stop } else { Flow::Continue }
            };
            let extracted = extract(&self.trunk, files, None, &progress)?;
            let values = extracted.rows()?;
            let (mut logits, mut features) = (Vec::new(), Vec::new());
            for row in values.chunks_exact(self.trunk.feature_len().max(1)) {
                let (scores, rest) = row.split_at(self.classes);
                logits.extend_from_slice(scores);
                features.extend_from_slice(rest);
            }
            if let Some(unknown) = self.unknown {
                all.judged.extend(unknown.model.judge_all(&features, Some(&logits))?);
            }
            match self.link {
                Link::Classes => logits.chunks_exact_mut(self.classes.max(1)).for_each(softmax),
                Link::Labels => logits.iter_mut().for_each(|x| *x = labels::sigmoid(*x)),
            }
            all.rows.extend(logits);
            let failed = extracted.failed.into_iter();
            all.failed.extend(failed.map(|f| Failed { index: first + f.index, ..f }));
        }
        Ok(all)
    }
}

fn answer(file: String, row: &[f32], classes: &[String], novelty: Option<Novelty>) -> Answer {
    let mut order: Vec<usize> = (0..row.len()).collect();
    order.sort_by(|a, b| row[*b].total_cmp(&row[*a]).then(a.cmp(b)));
    let candidate = |i: &usize| Candidate { label: classes[*i].clone(), probability: row[*i] };
    let top: Vec<Candidate> = order.iter().take(TOP).map(candidate).collect();
    let (label, probability) = (top[0].label.clone(), top[0].probability);
    Answer::Known { file, label, probability, top, novelty }
}
