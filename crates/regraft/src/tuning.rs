//! Training by gradient: the plan of it, the trial on held-out images, and the training itself.

mod aim;
mod hidden;
mod memory;
mod plan;
mod start;
mod trial;
mod unknown;

use std::path::{Path, PathBuf};

use regraft_data::{Augment, Dataset, Strength, decode_file, preview, to_png};
use regraft_infer::{Engine, Precision};
use regraft_net::Network;
use regraft_probe::HeadFit;
use regraft_run::{Event, Reason, RunFolder, Scalar, TuningFacts, TuningPlan};
use regraft_train::{
    Extracted, FeatureStore, Flow, Inputs, Optimiser, Rates, Schedule, Trunk, Unfreeze, find_rate,
    tune,
};

pub(crate) use self::aim::{Aim, HeldLabels};
pub use self::hidden::HeadLayers;
pub(crate) use self::memory::memory_wanted;
pub(crate) use self::plan::Planned;
use self::start::cooled;
pub(crate) use self::start::{crown, random};
use crate::features::Source;
use crate::journal::{Log, Rows};
use crate::measure::Answers;
use crate::reading::reason;
use crate::unknown::UnknownRun;
use crate::{Error, FitOptions, Progress, Strategy};

/// Training images in a preview.
const PREVIEWED: usize = 6;

/// How pictures are changed from round to round.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Augmentation {
    /// Light, or medium for a network from scratch.
    #[default]
    Auto,
    /// A preset.
    Preset(Strength),
    /// These steps.
    Steps(Augment),
}

/// What a person asks of training by gradient; every blank is filled by the plan.
#[derive(Debug, Clone, PartialEq, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is asked for by itself")]
pub struct TuneOptions {
    /// Which transferred layers learn.
    pub unfreeze: Option<Unfreeze>,
    /// How fast they learn.
    pub rates: Option<Rates>,
    /// Rates of single layers by pattern.
    pub overrides: Vec<(String, f64)>,
    /// Rounds over the training images.
    pub epochs: Option<u64>,
    /// Most images of a step.
    pub batch: Option<usize>,
    /// How gradients become steps; left out, gradient descent near the source and where rates are given,
    /// which are for that, else Adam with decoupled weight decay.
    pub optimiser: Option<Optimiser>,
    /// How rates move.
    pub schedule: Option<Schedule>,
    /// Weight decay.
    pub decay: Option<f64>,
    /// Weight decay pulls transferred weights to what they were (L2-SP).
    pub anchor: bool,
    /// Share of each target spread over all classes.
    pub smoothing: Option<f32>,
    /// How pictures are changed.
    pub augment: Augmentation,
    /// Whether a mirrored picture may have another class.
    pub no_flip: bool,
    /// Whether batch norms use the statistics of the batch.
    pub batch_norm: bool,
    /// Layers of a random head below its last.
    pub hidden: HeadLayers,
    /// Take the mean of the steps' weights, of which each step keeps this share.
    pub average: Option<f64>,
    /// New layers first, then block by block from the top.
    pub gradual: bool,
    /// End after so many rounds without improvement on held-out training images, and take the best.
    pub patience: Option<u64>,
    /// Every class counts the same, however many images it has; for the probe too.
    pub balance: bool,
    /// How many times a class counts, by its name; on top of `balance`, and for the probe too.
    pub class_weights: Vec<(String, f64)>,
    /// Bytes of memory that the whole program may take; the plan trains as deep as they allow.
    pub memory: Option<u64>,
    /// Where to write a picture of training images as the network will see them.
    pub preview: Option<PathBuf>,
    /// Look for one rate by a short training whose rate grows.
    pub find_rate: bool,
}

impl TuneOptions {
    /// What a probe has a use for, which trains nothing by gradient.
    pub(crate) fn for_probe(&self) -> Self {
        Self {
            no_flip: self.no_flip,
            balance: self.balance,
            class_weights: self.class_weights.clone(),
            ..Self::default()
        }
    }
}

/// All that is known before training.
pub(crate) struct Tuning<'a> {
    pub(crate) options: &'a FitOptions,
    pub(crate) dataset: &'a Dataset,
    pub(crate) network: &'a Network,
    pub(crate) source: &'a Source,
    pub(crate) extracted: &'a Extracted,
    pub(crate) rows: &'a Rows,
    pub(crate) aim: Aim<'a>,
    pub(crate) log: &'a Log<'a>,
}

/// What training made.
pub(crate) struct TunedRun {
    /// Ends with calibrated logits.
    pub(crate) network: Network,
    pub(crate) plan: TuningPlan,
    pub(crate) facts: TuningFacts,
    pub(crate) strategy: Strategy,
    /// The probe it started from; none for a random head.
    pub(crate) head: Option<HeadFit>,
    /// Of labels, what images held out of training said.
    pub(crate) held: Option<HeldLabels>,
    /// None where there are too few images to tell what is usual.
    pub(crate) unknown: Option<UnknownRun>,
    /// Length of the vector that the head reads.
    pub(crate) feature_len: usize,
}

impl Tuning<'_> {
    fn strategy(&self) -> Strategy {
        self.options.strategy
    }

    /// Trains.
    pub(crate) fn run(
        &self,
        folder: &RunFolder,
        reasons: &mut Vec<Reason>,
    ) -> Result<TunedRun, Error> {
        let mut planned = self.plan()?;
        let files: Vec<PathBuf> =
            self.rows.train.iter().map(|i| self.dataset.examples[*i].path.clone()).collect();
        if let Some(path) = &self.options.tune.preview {
            self.preview(&planned, path)?;
        }
        let inputs = self.inputs(&planned, files)?;
        let answers = self.answers();
        if self.options.tune.find_rate {
            self.find_rate(&mut planned, &inputs, &answers)?;
        }
        let mut trial = self.trial(&planned, &inputs, &answers, folder)?;
        reasons.extend(planned.reasons.iter().cloned());
        let all: Vec<usize> = (0..answers.len()).collect();
        let (start, head) = self.start(self.rows)?;
        let (crown, frozen) = crown(&start, &planned.table)?;
        let part = (answers.truth(), all.as_slice(), &[][..]);
        let stopped = trial.stopped.is_some();
        // Early stopping has chosen weights by images held out: those are the weights.
        let tuned = match trial.stopped.take() {
            Some(stopped) => stopped,
            None => tune(
                &crown,
                &planned.table,
                &planned.recipe,
                &inputs,
                part,
                Some(&folder.checkpoint("all")),
                &mut |epoch| self.heard(folder, "all", epoch),
            )?,
        };
        let unknown = self.unknown(&tuned.network, &inputs, &trial, stopped)?;
        let temperature = trial.temperature;
        let mut whole = match &frozen {
            Some(frozen) => frozen.graft(&tuned.network)?,
            None => tuned.network,
        };
        whole = cooled(&whole, temperature as f32)?;
        let [learned, _] = planned.table.learned();
        let facts = TuningFacts {
            learned,
            last_loss: tuned.losses.last().copied().unwrap_or_default(),
            rounds: tuned.round,
            ..trial.facts
        };
        let strategy = self.strategy();
        let plan = planned.plan(temperature);
        let feature_len = self.trunk()?.facts()?.output().shape.count();
        let held = trial.labels;
        Ok(TunedRun { network: whole, plan, facts, strategy, head, held, unknown, feature_len })
    }

    /// Writes a picture of some training images, as they are and as rounds will show them.
    pub(crate) fn preview(&self, planned: &Planned, path: &Path) -> Result<(), Error> {
        let train = &self.rows.train;
        let places =
            (0..PREVIEWED.min(train.len())).map(|i| i * train.len() / PREVIEWED.min(train.len()));
        let pictures = places.map(|at| decode_file(&self.dataset.examples[train[at]].path));
        let pictures: Vec<_> = pictures.collect::<Result<_, _>>()?;
        let preprocess = &self.network.card().preprocess;
        let grid = preview(&pictures, preprocess, &planned.augment, self.options.seed)?;
        Ok(regraft_run::atomic_write(path, &to_png(&grid)?)?)
    }

    /// Looks for one rate for all layers, and puts it into the plan.
    fn find_rate(
        &self,
        planned: &mut Planned,
        inputs: &Inputs,
        answers: &Answers,
    ) -> Result<(), Error> {
        let all: Vec<usize> = (0..answers.len()).collect();
        let (start, _) = self.start(self.rows)?;
        let (crown, _) = crown(&start, &planned.table)?;
        let found =
            find_rate(&crown, &planned.table, &planned.recipe, inputs, (answers.truth(), &all))?;
        planned.found(&found);
        Ok(())
    }

    /// Adds a round to the curves of the run folder.
    fn curves(
        &self,
        folder: &RunFolder,
        part: &str,
        epoch: &regraft_train::Epoch,
    ) -> Result<(), Error> {
        let mut scalars = vec![("loss/training", epoch.loss), ("rate/factor", epoch.factor)];
        if let Some(held) = &epoch.held {
            scalars.extend([("loss/held out", held.nll), ("accuracy/held out", held.top1)]);
        }
        let scalars: Vec<Scalar<'_>> =
            scalars.iter().map(|(tag, value)| Scalar { tag, value: *value as f32 }).collect();
        let at = (self.log.observer.wall(), epoch.epoch);
        let folder = folder.curves(&part.replace(' ', "-"));
        Ok(regraft_run::append_scalars(&folder, epoch.epoch == 1, at, &scalars)?)
    }

    /// Tells of a round, and draws it into the curves.
    pub(super) fn heard(
        &self,
        folder: &RunFolder,
        part: &str,
        epoch: &regraft_train::Epoch,
    ) -> Flow {
        // A curve that cannot be drawn is no reason to lose a training.
        if let Err(error) = self.curves(folder, part, epoch) {
            let why = format!("no curve for TensorBoard: {}", reason(&error));
            self.log.observer.tell(&Progress::Note(&why));
        }
        self.told(part, epoch)
    }

    pub(crate) fn told(&self, part: &str, epoch: &regraft_train::Epoch) -> Flow {
        let top1 = epoch.held.as_ref().map(|h| h.top1);
        self.log.event(Event::Epoch {
            part: part.to_owned(),
            epoch: epoch.epoch,
            loss: epoch.loss,
            top1,
        });
        self.log.observer.tell(&Progress::Epoch {
            part,
            epoch: epoch.epoch,
            of: epoch.of,
            loss: epoch.loss,
            top1,
        });
        if self.log.observer.stop() { Flow::Stop } else { Flow::Continue }
    }

    /// The training images at the frontier, or as pictures.
    pub(crate) fn inputs(&self, planned: &Planned, files: Vec<PathBuf>) -> Result<Inputs, Error> {
        let preprocess = self.network.card().preprocess;
        let (augment, seed) = (&planned.augment, self.options.seed);
        let Some(frontier) = &planned.table.frontier else {
            return Ok(Inputs::Pictures { files, preprocess, augment: augment.clone(), seed });
        };
        let frozen = self.trunk()?.cut(frontier)?;
        let engine = Engine::compile_in(&frozen, &[frontier], Precision::F32)?;
        let trunk = Trunk::new(&frozen, engine)?;
        let folder = self.options.load.cache()?.root().join("features");
        let mut store = FeatureStore::open(&folder, trunk.key(), trunk.feature_len())?;
        let total = files.len() * (planned.copies + 1);
        let progress = |done| {
            self.log.observer.tell(&Progress::Features { done, total });
            if self.log.observer.stop() { Flow::Stop } else { Flow::Continue }
        };
        Ok(Inputs::keep(&trunk, &files, (augment, seed), planned.copies, &mut store, &progress)?)
    }
}
