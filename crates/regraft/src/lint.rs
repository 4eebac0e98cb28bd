//! Whether a network is sound: its structure, its weights, and what it does on pictures.

mod preprocessing;
mod run;

use std::path::{Path, PathBuf};

use regraft_data::list_images;
use regraft_formats::FormatError;
use regraft_formats::caffe::CaffeFault;
use regraft_net::card::Preprocess;
use regraft_net::lint::{self, Activity, Finding, Severity};
use regraft_net::{Card, Graph, Network, Params};
use regraft_zoo::NetworkSpec;
use serde::Serialize;

use crate::network::{get, is_path, spec};
use crate::show::graph;
use crate::{Error, LoadOptions, Observer, Progress, load};

pub use preprocessing::PreprocessingRow;

/// Rows of a table of weights that a person still reads.
const TABLE: usize = 20;
/// Images on which every layer is measured.
const IMAGES: usize = 16;

/// One finding, for tables.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LintFinding {
    /// The check's name.
    pub check: &'static str,
    /// `problem`, `warning` or `note`.
    pub severity: &'static str,
    /// The layer, or the first of several.
    pub layer: Option<String>,
    /// What was seen.
    pub figures: String,
    /// Why it matters.
    pub why: &'static str,
    /// What to do.
    pub fix: &'static str,
}

/// What one layer gave on the images.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LayerScale {
    /// Its name.
    pub layer: String,
    /// Its operation.
    pub op: &'static str,
    /// Its output without the batch.
    pub shape: Vec<usize>,
    /// Root of the mean square of its values.
    pub rms: f64,
    /// The same divided by the picture's.
    pub ratio: f64,
    /// The least value; none when no value is finite.
    pub least: Option<f32>,
    /// The largest.
    pub most: Option<f32>,
    /// Values that were NaN or infinite.
    pub not_finite: u64,
    /// Channels of an activation that answered to none of the images.
    pub silent: Option<usize>,
}

/// What was looked at and found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Lint {
    /// The network.
    pub network: String,
    /// What was looked at: `structure`, `weights`, `images`.
    pub looked_at: Vec<&'static str>,
    /// Findings, the worst first.
    pub findings: Vec<LintFinding>,
    /// Images on which layers were measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub images: Option<usize>,
    /// Images that could not be read, with the reason.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unreadable: Vec<String>,
    /// Layers in order, with images.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub layers: Vec<LayerScale>,
    /// Layers where a part of the network ends, for a short table.
    #[serde(skip)]
    pub ends: Vec<String>,
    /// The card's preprocessing first, then the usual others, with images.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub preprocessing: Vec<PreprocessingRow>,
    /// What that says of the card's preprocessing, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preprocessing_verdict: Option<String>,
}

impl Lint {
    /// Findings of a severity (`problem`, `warning`, `note`).
    pub fn of<'l>(&'l self, severity: &'l str) -> impl Iterator<Item = &'l LintFinding> {
        self.findings.iter().filter(move |f| f.severity == severity)
    }

    /// Whether there is nothing worse than notes.
    pub fn sound(&self) -> bool {
        self.findings.iter().all(|f| f.severity == Severity::Note.name())
    }
}

/// What is known of a network that may not be whole.
struct Subject {
    graph: Graph,
    card: Card,
    /// Parameters, where the name says any.
    params: Option<Params>,
    /// Whether they are all there.
    complete: bool,
    findings: Vec<Finding>,
}

/// Checks a network: a catalogue name, an architecture (structure only), `ARCHITECTURE@SOURCE`, a run
/// folder, a model file, or a file of notation (structure only); with `images` also on pictures.
///
/// # Errors
/// When the name means nothing, a file cannot be read, or there are no pictures.
pub fn lint(
    name: &str,
    images: Option<&Path>,
    options: &LoadOptions,
    observer: &dyn Observer,
) -> Result<Lint, Error> {
    examine(subject(name, options, observer)?, images, observer)
}

/// Checks a network that is loaded.
///
/// # Errors
/// When there are no pictures, or none can be read.
pub fn lint_network(
    network: &Network,
    images: Option<&Path>,
    observer: &dyn Observer,
) -> Result<Lint, Error> {
    examine(of_network(network, &[]), images, observer)
}

fn subject(name: &str, options: &LoadOptions, observer: &dyn Observer) -> Result<Subject, Error> {
    let bare =
        |graph, card| Subject { graph, card, params: None, complete: false, findings: Vec::new() };
    if is_path(name) {
        if Path::new(name).is_file()
            && let Some(text) = crate::show::notation_of(Path::new(name))?
        {
            return Ok(bare(text, Card::blank(name)));
        }
        let loaded = match load(name, options, observer) {
            Ok(loaded) => loaded,
            Err(error) => return of_definition(Path::new(name), error),
        };
        return Ok(of_network(&loaded.network, &loaded.unused));
    }
    let spec = spec(name)?;
    let Some(architecture) = spec.architecture() else {
        let loaded = load(name, options, observer)?;
        return Ok(of_network(&loaded.network, &loaded.unused));
    };
    if matches!(spec, NetworkSpec::Architecture(_)) {
        let (graph, card) = graph(name, options, observer)?;
        return Ok(bare(graph, card));
    }
    let fetched = get(&spec, options, observer)?;
    let weights = regraft_formats::open(&fetched.path)?;
    let mut tensors = weights.tensors;
    architecture.renumber(&mut tensors)?;
    let mut card = spec.card();
    if let Some([mean, std]) = architecture.colours(&mut tensors) {
        card.preprocess = Preprocess { mean, std, ..card.preprocess };
    }
    let fitted = architecture.fitted_as_is(tensors)?;
    let (graph, params) = (fitted.graph, fitted.params);
    let fit = lint::fit(&graph, &params)?;
    let (complete, findings) = (fit.complete, fit.findings);
    Ok(Subject { graph, card, params: Some(params), complete, findings })
}

/// A prototxt whose weights are not all there, or not at all: its structure, and what is wrong with them;
/// the error itself for all else.
fn of_definition(path: &Path, error: Error) -> Result<Subject, Error> {
    let Error::Format(format) = &error else { return Err(error) };
    let mut format = &**format;
    while let FormatError::InFile { fault, .. } = format {
        format = fault;
    }
    let FormatError::Caffe(fault) = format else { return Err(error) };
    let mut findings = Vec::new();
    if let CaffeFault::Weights { faults, unused } = &**fault {
        for fault in faults.iter().take(TABLE) {
            let figures = format!("blob {} of {}: {}", fault.blob, faults.len(), fault.why);
            let layer = Some(fault.layer.clone());
            findings.extend(Finding::of("missing-parameter", Severity::Problem, layer, figures));
        }
        if !unused.is_empty() {
            let names: Vec<String> = unused.iter().take(TABLE).map(|n| format!("`{n}`")).collect();
            let figures = format!("of {} layers in the file: {}", unused.len(), names.join(", "));
            findings.extend(Finding::of("unused-parameter", Severity::Warning, None, figures));
        }
    } else if !matches!(**fault, CaffeFault::NoWeights { .. }) {
        return Err(error);
    }
    let Some(found) = regraft_formats::caffe::definition(path)? else { return Err(error) };
    Ok(Subject { graph: found.graph, card: found.card, params: None, complete: false, findings })
}

fn of_network(network: &Network, unused: &[String]) -> Subject {
    let mut findings = Vec::new();
    if let Some(first) = unused.first() {
        let figures = format!("{} parameters of the file, first `{first}`", unused.len());
        findings.extend(Finding::of("unused-parameter", Severity::Warning, None, figures));
    }
    Subject {
        graph: network.graph().clone(),
        card: network.card().clone(),
        params: Some(network.params().clone()),
        complete: true,
        findings,
    }
}

fn examine(
    subject: Subject,
    images: Option<&Path>,
    observer: &dyn Observer,
) -> Result<Lint, Error> {
    let Subject { graph, card, params, complete, mut findings } = subject;
    let mut lint = Lint {
        network: card.name.clone(),
        looked_at: vec!["structure"],
        findings: Vec::new(),
        images: None,
        unreadable: Vec::new(),
        layers: Vec::new(),
        ends: card.blocks.clone(),
        preprocessing: Vec::new(),
        preprocessing_verdict: None,
    };
    findings.extend(lint::structure(&graph, &card)?);
    if let Some(params) = &params {
        lint.looked_at.push("weights");
        findings.extend(lint::weights(&graph, params, &card)?);
    }
    if let Some(folder) = images {
        let params = params.filter(|_| complete).ok_or(Error::Options {
            what: "--images",
            why: "the network has no weights (or not all of them) to run with; give a name of `zoo \
                  list`, ARCHITECTURE@SOURCE, a run folder or a model file",
        })?;
        lint.looked_at.push("images");
        let network = Network::new(graph, &params, card)?;
        on_images(&network, folder, observer, &mut lint, &mut findings)?;
    }
    findings.sort_by_key(|f| std::cmp::Reverse(f.severity));
    lint.findings = findings.into_iter().map(row).collect();
    Ok(lint)
}

fn row(finding: Finding) -> LintFinding {
    LintFinding {
        check: finding.check.id,
        severity: finding.severity.name(),
        layer: finding.layer,
        figures: finding.figures,
        why: finding.check.why,
        fix: finding.check.fix,
    }
}

/// `count` of `files`, spread over all of them.
fn spread(files: &[PathBuf], count: usize) -> Vec<PathBuf> {
    files.iter().step_by(files.len().div_ceil(count).max(1)).cloned().collect()
}

/// How far some pictures of `files` are from those that the network was trained on, by the statistics its
/// batch norms keep; `None` without such norms, or when no picture can be read.
pub(crate) fn distance(
    network: &Network,
    files: &[PathBuf],
    observer: &dyn Observer,
) -> Result<Option<f64>, Error> {
    let before = run::before_norms(network);
    if before.is_empty() {
        return Ok(None);
    }
    let (card, mut unreadable) = (network.card(), Vec::new());
    let (pictures, _) = match run::pictures(card, &spread(files, IMAGES), observer, &mut unreadable)
    {
        Err(Error::NoImages { .. }) => return Ok(None),
        other => other?,
    };
    let pictures: Vec<&regraft_data::Picture> = pictures.iter().collect();
    let seen = run::layers(network, &pictures, &card.preprocess, Some(&before), observer)?;
    Ok(lint::norm_distance(network.graph(), network.params(), &seen)?)
}

fn on_images(
    network: &Network,
    folder: &Path,
    observer: &dyn Observer,
    lint: &mut Lint,
    findings: &mut Vec<Finding>,
) -> Result<(), Error> {
    let files = list_images(folder)?;
    if files.is_empty() {
        let looked = "files that end in jpg, png, webp, bmp, tiff or gif";
        return Err(Error::EmptyFolder { path: folder.to_owned(), looked });
    }
    let files = spread(&files, preprocessing::IMAGES);
    let (pictures, kept) = run::pictures(network.card(), &files, observer, &mut lint.unreadable)?;
    let few = pictures.len().div_ceil(IMAGES).max(1);
    let some: Vec<&regraft_data::Picture> = pictures.iter().step_by(few).collect();
    let card = network.card().preprocess;
    let seen = run::layers(network, &some, &card, None, observer)?;
    lint.images = Some(some.len());
    lint.layers = scales(network, &seen)?;
    findings.extend(lint::activity(network.graph(), network.params(), network.card(), &seen)?);
    let tried = preprocessing::tried(network, folder, &kept, &pictures, &some, observer)?;
    if let Some((rows, verdict)) = tried {
        findings.extend(verdict.finding);
        lint.preprocessing = rows;
        lint.preprocessing_verdict = Some(verdict.words);
    }
    Ok(())
}

fn scales(network: &Network, seen: &[Option<Activity>]) -> Result<Vec<LayerScale>, Error> {
    let facts = network.facts()?;
    let input = network.graph().input()?;
    let start = seen[input.index()].as_ref().map_or(1.0, Activity::rms);
    let rows = network.graph().layers().filter_map(|(id, layer)| {
        let activity = seen[id.index()].as_ref()?;
        let least = activity.channels.iter().map(|c| c.least).fold(f32::INFINITY, f32::min);
        let most = activity.channels.iter().map(|c| c.most).fold(f32::NEG_INFINITY, f32::max);
        Some(LayerScale {
            layer: layer.name.clone(),
            op: layer.op.name(),
            shape: facts.layer(id).shape.to_vec(),
            rms: activity.rms(),
            ratio: if start > 0.0 { activity.rms() / start } else { 0.0 },
            least: least.is_finite().then_some(least),
            most: most.is_finite().then_some(most),
            not_finite: activity.not_finite,
            silent: activity.silent(&layer.op),
        })
    });
    Ok(rows.collect())
}

/// Tells how many images are done, and stops where a person asked to.
fn tell(observer: &dyn Observer, done: usize, total: usize) -> Result<(), Error> {
    observer.tell(&Progress::Features { done, total });
    if observer.stop() { Err(Error::Interrupted) } else { Ok(()) }
}
