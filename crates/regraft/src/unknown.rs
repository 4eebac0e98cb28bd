//! Images of no known class: fitted with a run, kept in its folder, told when it predicts.

use std::collections::BTreeMap;

use regraft_advise::AdviseError;
use regraft_advise::unknown::{
    Judged, Judgement, LeftOut, Method, Settings, TiedSettings, UnknownFit, UnknownModel,
    UnknownOptions, fit_unknown, neighbours,
};
use regraft_data::Dataset;
use regraft_formats::safetensors;
use regraft_net::Graph;
use regraft_probe::{Features, Labels};
use regraft_run::{
    Covariance, FORMAT, KeptImage, LeftOutClass, Plan, Reason, RunError, RunFile, RunFolder,
    UnknownFacts, UnknownFile, UnknownPlan, wilson,
};
use regraft_tensor::Tensor;
use regraft_train::Extracted;
use serde::Serialize;

use crate::features::Chosen;
use crate::grouping::together;
use crate::head::{HEAD, is_head};
use crate::journal::Rows;
use crate::{Error, FitOptions};

/// The fewest bytes that a file of numbers may have beside its numbers.
const HEADER: u64 = 1 << 20;
/// Distances are told to so many parts of 1: what is beyond depends on how many images are judged together.
const TOLD: f64 = 1e6;

/// Tells images of no known class.
pub(crate) struct Unknown {
    pub(crate) model: UnknownModel,
    /// The training images of its bank.
    pub(crate) images: Vec<KeptImage>,
}

/// What a fit says of it.
pub(crate) struct UnknownRun {
    pub(crate) unknown: Unknown,
    pub(crate) plan: UnknownPlan,
    pub(crate) reason: Reason,
    left_out: Vec<LeftOut>,
}

/// A training image near one that was judged.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NearImage {
    /// Its file, relative to the data's root.
    pub file: String,
    /// Its class.
    pub label: String,
    /// Distance of the features, each first divided by its length: 0 to 2.
    pub distance: f64,
}

/// Whether an image is like any known class.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Novelty {
    /// Whether it is like none.
    pub unknown: bool,
    /// How far it is from the known classes, by the run's method.
    pub distance: f64,
    /// Distances above it are unknown.
    pub threshold: f64,
    /// The nearest training images, the nearest first; at most 5.
    pub nearest: Vec<NearImage>,
}

/// The word for a method in files.
fn word(method: Method) -> &'static str {
    match method {
        Method::Neighbours => "neighbours",
        Method::Mahalanobis => "mahalanobis",
        Method::Energy => "energy",
    }
}

fn options<'a>(fit: &FitOptions, groups: Option<&'a [usize]>) -> UnknownOptions<'a> {
    UnknownOptions { alarms: fit.false_alarms, seed: fit.seed, groups, ..UnknownOptions::default() }
}

/// Rows as the head reads them.
struct Read<'a> {
    extracted: &'a Extracted,
    rows: &'a [usize],
    width: usize,
}

impl regraft_probe::Rows for Read<'_> {
    fn rows(&self) -> usize {
        self.rows.len()
    }

    fn columns(&self) -> usize {
        self.width
    }

    fn read<'b>(
        &'b self,
        first: usize,
        count: usize,
        buffer: &'b mut Vec<f32>,
    ) -> std::io::Result<&'b [f32]> {
        let rows = &self.rows[first..first + count];
        self.extracted.read(rows, self.width, buffer).map_err(std::io::Error::other)?;
        Ok(buffer)
    }
}

/// Of a frozen network with a linear head.
///
/// `None` when no training image has another one to be judged by.
pub(crate) fn of_probe(
    fit: &FitOptions,
    dataset: &Dataset,
    extracted: &Extracted,
    rows: &Rows,
    chosen: &Chosen,
) -> Result<Option<UnknownRun>, Error> {
    let read = Read { extracted, rows: &rows.train, width: chosen.columns.len() };
    let labels: Vec<usize> = rows.train.iter().map(|i| dataset.examples[*i].label).collect();
    let labels = Labels::new(&labels, dataset.classes.len())?;
    let groups = together(fit, dataset, extracted, &rows.train)?;
    let options = options(fit, Some(&groups));
    let features = Features::from_rows(&read)?;
    let Some(fitted) = possible(fit_unknown(features, &labels, &options))? else {
        return Ok(None);
    };
    let because = match chosen_by(&fitted) {
        Some(measured) => measured,
        None => "there are too few images to leave a class out".to_owned(),
    };
    Ok(Some(UnknownRun::new(fit, dataset, &rows.train, fitted, &because)))
}

/// Features of training images from a trained network.
pub(crate) struct Learned<'a> {
    /// Places of the images in the data set.
    pub(crate) rows: &'a [usize],
    /// Values below the head `[rows, D]`.
    pub(crate) features: &'a [f32],
    /// A number for each image, the same for those that must not judge one another.
    pub(crate) groups: &'a [usize],
}

impl Learned<'_> {
    fn fit(
        &self,
        fit: &FitOptions,
        dataset: &Dataset,
        judged: Option<Judged<'_>>,
        neighbours: Option<usize>,
    ) -> Result<Option<UnknownFit>, Error> {
        let n = self.rows.len();
        let labels: Vec<usize> = self.rows.iter().map(|i| dataset.examples[*i].label).collect();
        let labels = Labels::new(&labels, dataset.classes.len())?;
        let features = Features::new(self.features, n, self.features.len() / n.max(1))?;
        let method = Some(Method::Neighbours);
        let options =
            UnknownOptions { method, judged, neighbours, ..options(fit, Some(self.groups)) };
        possible(fit_unknown(features, &labels, &options))
    }

    /// Scores of images `[n, D]` that the network has not learned from, by as many neighbours as a network will
    /// be asked that has learned from `all` images: of small classes a fifth fewer images would ask for half as many.
    pub(crate) fn score(
        &self,
        fit: &FitOptions,
        dataset: &Dataset,
        held: &[f32],
        all: usize,
    ) -> Result<Vec<f64>, Error> {
        let bank = all.min(UnknownOptions::default().bank);
        let k = neighbours(bank, dataset.classes.len());
        let Some(fitted) = self.fit(fit, dataset, None, Some(k))? else { return Ok(Vec::new()) };
        Ok(fitted.model.judge_all(held, None)?.iter().map(|j| j.score).collect())
    }

    /// Of a trained network, with the scores of images held out of a training like it.
    pub(crate) fn of_tuned(
        &self,
        fit: &FitOptions,
        dataset: &Dataset,
        held_out: Judged<'_>,
    ) -> Result<Option<UnknownRun>, Error> {
        let Some(fitted) = self.fit(fit, dataset, Some(held_out), None)? else { return Ok(None) };
        let because =
            "the layers have learned all classes, so none can be left out to compare scores";
        Ok(Some(UnknownRun::new(fit, dataset, self.rows, fitted, because)))
    }
}

/// Too few images to tell what is usual is no fault of the fit.
fn possible(fitted: Result<UnknownFit, AdviseError>) -> Result<Option<UnknownFit>, Error> {
    match fitted {
        Ok(fitted) => Ok(Some(fitted)),
        Err(AdviseError::Option { value: 0.0, .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// How well each score told classes left out, in words.
fn chosen_by(fitted: &UnknownFit) -> Option<String> {
    let one = |l: &LeftOut| format!("{} {:.3} (± {:.3})", l.method.name(), l.auroc, l.error);
    let each: Vec<String> = fitted.left_out.iter().map(one).collect();
    let words = "classes left out in turn are told from the others (area under the curve) by";
    (!each.is_empty()).then(|| format!("{words} {}", each.join(", ")))
}

impl UnknownRun {
    fn new(
        fit: &FitOptions,
        dataset: &Dataset,
        rows: &[usize],
        fitted: UnknownFit,
        because: &str,
    ) -> Self {
        let UnknownFit { model, left_out, held_out, alarms, wanted, worth } = fitted;
        let (mut also, mut cited) = (String::new(), "");
        let mut threshold = "a score that a training image got from a model without it";
        if worth > held_out.len() {
            also = format!(
                " and what the trained layers say of {} training images, together worth {worth},",
                model.rows().len()
            );
            threshold = "among the scores that training images would get from a model without them, by a line \
                         through those that did";
            cited = "; Cochran 1977 (double sampling)";
        }
        let kept = if worth < wanted {
            format!(
                "{} held-out images{also} promise {:.1} % false alarms, {wanted} would promise {:.1} %",
                held_out.len(),
                100.0 * alarms,
                100.0 * fit.false_alarms,
            )
        } else {
            format!(
                "the scores of {} held-out images{also} keep false alarms at {:.1} %, 19 times of 20",
                held_out.len(),
                100.0 * alarms
            )
        };
        let reason = Reason {
            choice: format!(
                "unknown images: {}, above {:.3}",
                model.method().name(),
                model.threshold()
            ),
            because: format!("{because}; {kept}"),
            rule: format!(
                "neighbours, unless another score tells classes left out better by two standard errors; the \
                 threshold is {threshold}"
            ),
            source: format!("Sun et al. 2022; Lee et al. 2018; Vovk 2012{cited}"),
        };
        let image = |row: &usize| {
            let example = &dataset.examples[rows[*row]];
            KeptImage { file: example.name.clone(), class: example.label }
        };
        let images: Vec<KeptImage> = model.rows().iter().map(image).collect();
        let plan = UnknownPlan {
            method: word(model.method()).to_owned(),
            false_alarms: fit.false_alarms,
            kept: alarms,
            threshold: model.threshold(),
            held_out: held_out.len(),
            images: images.len(),
        };
        Self { unknown: Unknown { model, images }, plan, reason, left_out }
    }

    /// What was measured on test images.
    pub(crate) fn facts(&self, judged: &[Judgement]) -> UnknownFacts {
        let left_out = self.left_out.iter().map(|l| LeftOutClass {
            method: word(l.method).to_owned(),
            auroc: l.auroc,
            error: l.error,
        });
        UnknownFacts { left_out: left_out.collect(), ..counted(judged.iter()) }
    }
}

/// How many of these, whose classes are known, are called unknown.
pub(crate) fn counted<'a>(judged: impl Iterator<Item = &'a Judgement>) -> UnknownFacts {
    let (mut images, mut unknown) = (0, 0);
    for judgement in judged {
        images += 1;
        unknown += usize::from(judgement.unknown);
    }
    UnknownFacts {
        images,
        unknown,
        rate: unknown as f64 / images.max(1) as f64,
        interval: wilson(unknown, images).unwrap_or([0.0, 1.0]),
        left_out: Vec::new(),
    }
}

impl Unknown {
    /// Writes it into a run folder.
    pub(crate) fn save(&self, folder: &RunFolder) -> Result<(), Error> {
        let settings = self.model.settings();
        let mut tensors = BTreeMap::new();
        for part in self.model.values() {
            let tensor = Tensor::new(part.shape, part.values.to_vec())?;
            tensors.insert(part.name.to_owned(), tensor);
        }
        let metadata = BTreeMap::from([("regraft.format".to_owned(), FORMAT.to_string())]);
        safetensors::write(&folder.file(RunFile::UnknownNumbers), &tensors, &metadata)?;
        let covariance =
            settings.tied.map(|t| Covariance { classes: t.classes, axes: t.axes, rest: t.rest });
        Ok(folder.write_unknown(&UnknownFile {
            format: FORMAT,
            method: word(settings.method).to_owned(),
            threshold: settings.threshold,
            kept: settings.alarms,
            neighbours: settings.neighbours,
            features: settings.features,
            covariance,
            images: self.images.clone(),
        })?)
    }

    /// That of a run; none for a run that has none.
    pub(crate) fn open(folder: &RunFolder, plan: &Plan) -> Result<Option<Self>, Error> {
        let Some(file) = folder.unknown()? else { return Ok(None) };
        let path = folder.file(RunFile::Unknown);
        let method = Method::ALL.into_iter().find(|m| word(*m) == file.method);
        let method = method.ok_or_else(|| Error::Head {
            path: path.clone(),
            wanted: "`method` to be neighbours, mahalanobis or energy",
        })?;
        let classes = plan.data.classes.len();
        if file.images.iter().any(|image| image.class >= classes) {
            return Err(Error::Head { path, wanted: "classes of plan.toml only" });
        }
        let settings = Settings {
            method,
            threshold: file.threshold,
            alarms: file.kept,
            neighbours: file.neighbours,
            features: file.features,
            labels: file.images.iter().map(|image| image.class).collect(),
            tied: file.covariance.map(|c| TiedSettings {
                classes: c.classes,
                axes: c.axes,
                rest: c.rest,
            }),
        };
        let numbers = folder.file(RunFile::UnknownNumbers);
        let about = std::fs::metadata(&numbers).map_err(|source| Error::File {
            what: "read",
            path: numbers.clone(),
            source,
        })?;
        let values = |[rows, columns]: [usize; 2]| (rows as u64).saturating_mul(columns as u64);
        let shapes = UnknownModel::shapes(&settings);
        let count = shapes.iter().fold(0, |sum: u64, s| sum.saturating_add(values(s.1)));
        let limit = count.saturating_mul(4).saturating_add(HEADER);
        if about.len() > limit {
            return Err(RunError::TooLarge { path: numbers, limit }.into());
        }
        let mut tensors = regraft_formats::open(&numbers)?.tensors;
        let model =
            UnknownModel::from_parts(settings, |name| Some(tensors.remove(name)?.into_data()))?;
        Ok(Some(Self { model, images: file.images }))
    }

    /// What is told of an image.
    pub(crate) fn tell(&self, judgement: &Judgement, classes: &[String]) -> Novelty {
        let told = |distance: f64| (distance * TOLD).round() / TOLD;
        let near = |near: &regraft_advise::unknown::Near| NearImage {
            file: self.images[near.row].file.clone(),
            label: classes[near.class].clone(),
            distance: told(near.distance),
        };
        Novelty {
            unknown: judgement.unknown,
            distance: told(judgement.score),
            threshold: told(judgement.threshold),
            nearest: judgement.nearest.iter().map(near).collect(),
        }
    }
}

/// The layer whose values the head of a run's network reads.
pub(crate) fn below_head(graph: &Graph) -> Option<&str> {
    let mut layer = graph.layer(graph.find(HEAD).ok()?);
    while is_head(&layer.name) {
        layer = graph.layer(*layer.inputs.first()?);
    }
    Some(&layer.name)
}
