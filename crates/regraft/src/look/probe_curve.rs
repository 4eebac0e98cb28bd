//! How far up a network serves a task: a probe at each block.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use regraft_advise::scores::{RidgeOut, ridge_out};
use regraft_data::{Dataset, OpenOptions, Split};
use regraft_look::debiased_cka;
use regraft_net::{Network, surgery};
use regraft_probe::{Features, Labels};
use regraft_report::{DepthInput, DepthPoint, write_depths};
use regraft_run::{RunFolder, Skipped};
use serde::Serialize;

use super::asked::channels;
use super::files;
use super::survey::Survey;
use crate::advise::clearly_better;
use crate::{Error, LoadOptions, Observer, Progress, VERSION, load};

/// Penalties of the ridge heads.
const PENALTIES: usize = 20;
/// Most pictures whose views are compared before and after training: that takes their number squared.
const ALIGNED: usize = 1000;
/// Above this share of the cost a lower cut saves nothing to speak of.
const WORTH: f64 = 0.98;
/// Fewest for a figure that is not all noise.
const FEWEST: usize = 10;

/// What is asked for.
#[derive(Debug, Clone)]
pub struct ProbeCurveOptions {
    /// A run folder, or a network of the zoo.
    pub network: String,
    /// Pictures with classes.
    pub data: PathBuf,
    /// Seed of a drawn split, whose test images are left alone.
    pub seed: u64,
    /// Folder for what is made.
    pub out: PathBuf,
    /// Where weights may come from; its cache folder also holds what was seen.
    pub load: LoadOptions,
}

/// A probe on one layer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ProbePoint {
    /// The layer.
    pub layer: String,
    /// Values that the probe reads: the mean of each channel.
    pub values: usize,
    /// Multiply-adds up to the layer, for one image.
    pub macs: u64,
    /// Share of the whole network's, 0..=1.
    pub cost: f64,
    /// Share right when each image is left out, 0..=1.
    pub top1: f64,
    /// Its standard error.
    pub error: f64,
    /// Share right of the images learned from, 0..=1: far above `top1` it knows them by heart.
    pub training_top1: f64,
    /// How like the layer before training it sees the images: debiased linear CKA, 1 for the same, about 0 for nothing
    /// in common; none where nothing was trained.
    pub alignment: Option<f64>,
}

/// Where to cut.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ProbeCurve {
    /// The network.
    pub network: String,
    /// The data.
    pub data: String,
    /// Images that the probes learned from.
    pub images: usize,
    /// How many classes.
    pub classes: usize,
    /// The blocks, lowest first.
    pub points: Vec<ProbePoint>,
    /// The layer with the most right.
    pub best: String,
    /// The lowest layer not behind it by more than a standard error of the paired difference.
    pub cut: String,
    /// Where the network is cut by itself.
    pub usual: Option<String>,
    /// Points of accuracy of the best over the usual cut, 0..=1.
    pub gain: Option<f64>,
    /// Whether that gain is more than a standard error.
    pub pays: bool,
    /// What to make of it.
    pub verdict: String,
    /// Files that could not be read.
    pub skipped: Vec<Skipped>,
    /// Folder of `probe-curve.json`, `.html` and `figures.json`, which colours a graph.
    pub out: String,
}

/// Fits a probe on the channel means of each block's output, all from one pass, and says where cutting loses nothing and
/// whether looking for that place pays; of a run also how training moved each block.
///
/// # Errors
/// When network or data are not usable, there are too few images, or something cannot be written.
pub fn probe_curve(
    options: &ProbeCurveOptions,
    observer: &dyn Observer,
) -> Result<ProbeCurve, Error> {
    let loaded = load(&options.network, &options.load, observer)?;
    let network = &loaded.network;
    let first = beginning(options, observer)?;
    // A run does not know its blocks.
    let card = first.as_ref().map_or(network.card(), Network::card);
    let layers = blocks(network, &card.blocks)?;
    let open = OpenOptions { seed: options.seed, ..OpenOptions::default() };
    let dataset = Dataset::open(&options.data, &open)?;
    let learned: Vec<usize> =
        (0..dataset.examples.len()).filter(|i| dataset.examples[*i].split != Split::Test).collect();
    let files: Vec<PathBuf> = learned.iter().map(|i| dataset.examples[*i].path.clone()).collect();
    let survey = |network: &Network| -> Result<Survey, Error> {
        let layers: Vec<&str> = layers.iter().map(String::as_str).collect();
        Survey::of(network, &layers, (&options.data, files.clone()), &options.load, observer)
    };
    let seen = survey(network)?;
    let y: Vec<usize> = seen.read.iter().map(|i| dataset.examples[learned[*i]].label).collect();
    let labels = Labels::new(&y, dataset.classes.len())?;
    let now = means(&seen)?;
    let before = match first.filter(|first| has_moved(network, first, &layers)) {
        Some(first) => Some(means(&survey(&first)?)?),
        None => None,
    };
    let groups = seen.copies();
    let whole = network.facts()?.macs().max(1);
    let (mut points, mut rights): (Vec<ProbePoint>, Vec<RidgeOut>) = (Vec::new(), Vec::new());
    for (i, (layer, now)) in layers.iter().zip(&now).enumerate() {
        if observer.stop() {
            return Err(Error::Interrupted);
        }
        let (n, values) = (y.len(), seen.channels[i]);
        let ridge = ridge_out(Features::new(now, n, values)?, &labels, PENALTIES, &groups)?;
        let alignment = match &before {
            Some(before) => aligned(&before[i], now, n)?,
            None => None,
        };
        let macs = network.cut(layer)?.facts()?.macs();
        points.push(ProbePoint {
            layer: layer.clone(),
            values,
            macs,
            cost: macs as f64 / whole as f64,
            top1: ridge.top1,
            error: (ridge.top1 * (1.0 - ridge.top1) / n as f64).sqrt(),
            training_top1: ridge.training_top1,
            alignment,
        });
        rights.push(ridge);
    }
    let judged = Judged::new(&points, &rights, network.card().cut.as_deref());
    let told = ProbeCurve {
        network: loaded.source.clone(),
        data: options.data.display().to_string(),
        images: y.len(),
        classes: dataset.classes.len(),
        best: points[judged.best].layer.clone(),
        cut: points[judged.cut].layer.clone(),
        usual: judged.usual.map(|u| points[u].layer.clone()),
        gain: judged.gain,
        pays: judged.pays,
        verdict: judged.verdict(&points),
        points,
        skipped: seen.skipped(),
        out: options.out.display().to_string(),
    };
    write(options, &told)?;
    Ok(told)
}

/// The layers asked about: where blocks end, and where the network is cut.
fn blocks(network: &Network, ends: &[String]) -> Result<Vec<String>, Error> {
    let (card, graph) = (network.card(), network.graph());
    let named = if ends.is_empty() { surgery::block_ends(graph) } else { ends.to_vec() };
    let mut ids = Vec::new();
    for name in named.iter().chain(&card.cut) {
        let Ok(id) = graph.find(name) else { continue };
        channels(network, id)?;
        ids.push(id);
    }
    ids.sort_unstable();
    ids.dedup();
    if ids.is_empty() {
        return Err(Error::NoCut { name: card.name.clone() });
    }
    Ok(ids.into_iter().map(|id| graph.layer(id).name.clone()).collect())
}

/// The mean of each channel, `[N, C]` for each layer.
fn means(survey: &Survey) -> Result<Vec<Vec<f32>>, Error> {
    let mut means = vec![Vec::new(); survey.channels.len()];
    survey.each(|layers| {
        for (means, channels) in means.iter_mut().zip(layers) {
            means.extend(channels.iter().map(|c| c.mean));
        }
    })?;
    Ok(means)
}

/// The network that a run began with; none for a network of the zoo, or where it is not to be had.
fn beginning(
    options: &ProbeCurveOptions,
    observer: &dyn Observer,
) -> Result<Option<Network>, Error> {
    let run = Path::new(&options.network);
    if !run.is_dir() {
        return Ok(None);
    }
    let source = RunFolder::open(run)?.plan()?.network.source;
    match load(&source, &options.load, observer) {
        Ok(first) => Ok(Some(first.network)),
        Err(error) => {
            observer.tell(&Progress::Note(&format!(
                "nothing said of what training moved: `{source}`, where the run began, is not to be had: {error}"
            )));
            Ok(None)
        }
    }
}

/// Whether a run has other weights than it began with, in layers that both have.
fn has_moved(network: &Network, first: &Network, layers: &[String]) -> bool {
    let shared = layers.iter().all(|layer| first.graph().find(layer).is_ok());
    shared
        && network.params().iter().any(|(name, now)| {
            first.params().get(name).is_some_and(|then| then.data() != now.data())
        })
}

/// Of views `[n, C]` before and after; none of too few pictures, or where all look the same to a layer.
fn aligned(before: &[f32], after: &[f32], n: usize) -> Result<Option<f64>, Error> {
    let some = n.min(ALIGNED);
    if some < FEWEST {
        return Ok(None);
    }
    let first = |values: &[f32]| -> Vec<f64> {
        let width = values.len() / n.max(1);
        // Spread over all classes, which lie one after the other.
        let rows = (0..some).flat_map(|i| &values[i * n / some * width..][..width]);
        rows.map(|v| f64::from(*v)).collect()
    };
    Ok(Some(debiased_cka(&first(before), &first(after), some)?).filter(|a| a.is_finite()))
}

/// Where the curve says to cut.
struct Judged {
    best: usize,
    cut: usize,
    usual: Option<usize>,
    gain: Option<f64>,
    pays: bool,
    images: usize,
}

impl Judged {
    fn new(points: &[ProbePoint], rights: &[RidgeOut], usual: Option<&str>) -> Self {
        // The lowest of equals: it costs least.
        let better =
            |best: usize, i: usize| if points[i].top1 > points[best].top1 { i } else { best };
        let best = (0..points.len()).fold(0, better);
        let usual = points.iter().position(|p| Some(p.layer.as_str()) == usual);
        // A map and its means are one to the probe.
        let equal = |u: &usize| points[*u].top1 >= points[best].top1;
        let best = usual.filter(equal).unwrap_or(best);
        let behind = |i: usize| clearly_better(&rights[best].right, &rights[i].right);
        let cut = (0..=best).find(|i| !behind(*i)).unwrap_or(best);
        let gain = usual.map(|u| points[best].top1 - points[u].top1);
        let images = rights.first().map_or(0, |r| r.right.len());
        Self { best, cut, usual, gain, pays: usual.is_none_or(behind), images }
    }

    fn verdict(&self, points: &[ProbePoint]) -> String {
        let (best, cut) = (&points[self.best], &points[self.cut]);
        if self.images < FEWEST {
            return format!(
                "{} images are too few to tell layers apart; {FEWEST} would be a beginning, 100 do",
                self.images
            );
        }
        let percent = |share: f64| format!("{:.0} %", 100.0 * share);
        let saved = percent(1.0 - cut.cost);
        let cheap = if cut.cost > WORTH {
            "no lower layer is as good within a standard error".to_owned()
        } else {
            format!(
                "`{}` is as good within a standard error and saves {saved} of the multiply-adds",
                cut.layer
            )
        };
        match (self.usual, self.gain) {
            (Some(usual), Some(gain)) if self.pays => format!(
                "cutting lower pays: `{}` is right {:.1} points more often than the usual cut `{}`; {cheap}",
                best.layer,
                100.0 * gain,
                points[usual].layer
            ),
            (Some(usual), _) if self.best >= usual => format!(
                "the curve rises to the end: hunting for a place to cut gains no accuracy, so cut at `{}` and give \
                 lower layers lower learning rates; {cheap}",
                points[usual].layer
            ),
            (Some(usual), _) => format!(
                "hunting for a place to cut gains no accuracy that can be told from chance: the usual cut `{}` is as \
                 good as the best, `{}`; {cheap}",
                points[usual].layer, best.layer
            ),
            (None, _) => format!("the best is `{}`; {cheap}", best.layer),
        }
    }
}

fn write(options: &ProbeCurveOptions, told: &ProbeCurve) -> Result<(), Error> {
    let out = &options.out;
    files::folder(out)?;
    let points: Vec<DepthPoint<'_>> = told
        .points
        .iter()
        .map(|p| DepthPoint {
            layer: &p.layer,
            cost: p.cost,
            top1: p.top1,
            error: p.error,
            alignment: p.alignment,
            chosen: p.layer == told.cut,
        })
        .collect();
    let page = DepthInput {
        network: &told.network,
        data: &told.data,
        verdict: &told.verdict,
        points: &points,
        version: VERSION,
    };
    write_depths(&out.join("probe-curve.html"), &page)?;
    let figures: BTreeMap<&str, f64> =
        told.points.iter().map(|p| (p.layer.as_str(), p.top1)).collect();
    files::json(&out.join("figures.json"), &figures)?;
    files::json(&out.join("probe-curve.json"), told)
}
