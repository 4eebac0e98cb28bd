//! Which network to take, and whether and how to transfer it, from one pass of each over the images.

use std::collections::BTreeMap;
use std::path::PathBuf;

use regraft_advise::facts::Depth;
use regraft_advise::rank::{Assessment, RankOptions, Score, assess, rank};
use regraft_advise::scores::{Outputs, ridge_out};
use regraft_advise::{Advice, Facts, facts::certainty, resolve};
use regraft_data::{Dataset, OpenOptions, Split};
use regraft_probe::{Features, Labels};
use regraft_zoo::{Reach, reach};
use serde::Serialize;

use crate::gather::{Gathered, gather};
use crate::zoo::overlap;
use crate::{Error, FitOptions, LoadOptions, Observer, Progress};

mod command;

/// What is asked for.
#[derive(Debug, Clone)]
pub struct AdviseOptions {
    /// Folder of class folders, folder with `train/` and a test part, or CSV table.
    pub data: PathBuf,
    /// Networks to compare; empty takes those of the catalogue whose weights are on this machine.
    pub networks: Vec<String>,
    /// Seed of splits and resamples.
    pub seed: u64,
    /// Share of each class kept for testing when the data has no split of its own.
    pub test_share: f64,
    /// Where weights may come from; its cache folder also holds the features.
    pub load: LoadOptions,
}

/// A network that was compared.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Candidate {
    /// Its name.
    pub network: String,
    /// Learned parameters.
    pub parameters: u64,
    /// Multiply-adds for an image, up to the cut.
    pub macs: u64,
    /// Features of the cut.
    pub features: usize,
    /// Leave-one-out accuracy of a ridge head on them, 0..=1: what a probe is expected to get.
    pub expected_top1: f64,
    /// Its standard error.
    pub error: f64,
    /// Combined score, 0 is the mean of all.
    pub combined: f64,
    /// Where that lies in 95 % of the resamples of the images.
    pub interval: (f64, f64),
    /// Share of the resamples in which it is the best, 0..=1.
    pub best: f64,
    /// 0 for those equal to the best within noise, 1 for the next, ….
    pub group: usize,
    /// Whether no other is both cheaper and expected to be at least as good.
    pub front: bool,
    /// Every score by its name.
    pub scores: BTreeMap<&'static str, f64>,
    /// Licence of the weights.
    pub licence: String,
}

/// How two scores agree on the order of the networks.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ScoreAgreement {
    /// Both scores.
    pub scores: [&'static str; 2],
    /// Kendall's rank correlation, -1 to 1.
    pub tau: Option<f64>,
}

/// What is advised.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Advised {
    /// The data.
    pub data: String,
    /// Training images that were looked at; test images are not.
    pub images: usize,
    /// How many classes there are.
    pub classes: usize,
    /// The networks, best first.
    pub candidates: Vec<Candidate>,
    /// Where the scores agree and where not.
    pub agreements: Vec<ScoreAgreement>,
    /// The network advised.
    pub network: String,
    /// What was measured with it.
    pub facts: Facts,
    /// What to do with it, and why.
    pub advice: Advice,
    /// The advice as a command.
    pub command: String,
    /// The nearest rivals as commands.
    pub rivals: Vec<String>,
    /// Networks that could not be used, and why.
    pub left_out: Vec<String>,
}

/// One network's figures.
struct Seen {
    name: String,
    parameters: u64,
    macs: u64,
    licence: String,
    assessment: Assessment,
    depths: Vec<Depth>,
    output_top1: Option<f64>,
    certainty: Option<regraft_advise::facts::Certainty>,
    /// The next block above each layer that the network could be cut at.
    above: BTreeMap<String, String>,
}

/// Compares networks on the training images and says which to take and how to transfer it. Nothing is
/// trained but linear heads in closed form.
///
/// # Errors
/// When the data cannot be opened, no network is in reach, or none can be used.
pub fn advise(options: &AdviseOptions, observer: &dyn Observer) -> Result<Advised, Error> {
    let open = OpenOptions {
        test_share: options.test_share,
        seed: options.seed,
        ..OpenOptions::default()
    };
    let dataset = Dataset::open(&options.data, &open)?;
    let names = networks(options)?;
    let (mut seen, mut left_out, mut labels) = (Vec::new(), Vec::new(), Vec::new());
    for name in &names {
        let fit = FitOptions {
            network: Some(name.clone()),
            seed: options.seed,
            test_share: options.test_share,
            load: options.load.clone(),
            ..FitOptions::new(&options.data)
        };
        observer.tell(&Progress::Note(&format!("looking through {name}")));
        match one(name, &fit, &dataset, observer) {
            Ok((figures, own)) => {
                seen.push(figures);
                labels = own;
            }
            Err(Error::Interrupted) => return Err(Error::Interrupted),
            // A network asked for by name must work; of the others those that do are compared.
            Err(error) if options.networks.is_empty() => left_out.push(format!("{name}: {error}")),
            Err(error) => return Err(error),
        }
    }
    if seen.is_empty() {
        return Err(Error::NoNetworks { left_out });
    }
    told(options, &dataset, &labels, &seen, left_out)
}

/// The networks to compare.
fn networks(options: &AdviseOptions) -> Result<Vec<String>, Error> {
    if !options.networks.is_empty() {
        return Ok(options.networks.clone());
    }
    let cache = options.load.cache()?;
    let here = |e: &&std::sync::Arc<regraft_zoo::Entry>| {
        e.task == "classification" && matches!(reach(e, &cache, None), Reach::Here(_))
    };
    let names: Vec<String> =
        regraft_zoo::catalogue().iter().filter(here).map(|e| e.name.clone()).collect();
    if names.is_empty() {
        return Err(Error::NoNetworks { left_out: vec![] });
    }
    Ok(names)
}

/// The figures of one network on the training images, and their labels.
fn one(
    name: &str,
    fit: &FitOptions,
    dataset: &Dataset,
    observer: &dyn Observer,
) -> Result<(Seen, Vec<usize>), Error> {
    let gathered = gather(name, fit, dataset, observer)?;
    let rows: Vec<usize> = gathered
        .readable(dataset)
        .into_iter()
        .filter(|i| dataset.examples[*i].split != Split::Test)
        .collect();
    let y: Vec<usize> = rows.iter().map(|i| dataset.examples[*i].label).collect();
    let labels = Labels::new(&y, dataset.classes.len())?;
    let n = rows.len();
    let parts = gathered.parts(&rows)?;
    let (_, cut, values) = &parts[0];
    let features = Features::new(values, n, *cut)?;
    let probabilities = gathered.outputs(values)?;
    let outputs = match &probabilities {
        Some((values, z)) => Some(Outputs::new(Features::new(values, n, *z)?.into(), &labels)?),
        None => None,
    };
    let assessment = assess(features, &labels, outputs.as_ref())?;
    let mut depths = Vec::new();
    for (layer, width, values) in parts[1..].iter().rev() {
        let ridge = ridge_out(Features::new(values, n, *width)?, &labels, PENALTIES)?;
        depths.push(Depth {
            cut: layer.clone(),
            share: gathered.share(layer),
            loo_top1: ridge.top1,
            training_top1: ridge.training_top1,
            df: ridge.df,
        });
    }
    depths.push(Depth::new(&gathered.source.cut, 1.0, &assessment));
    let output_top1 = match &probabilities {
        Some((values, z)) => {
            Some(ridge_out(Features::new(values, n, *z)?, &labels, PENALTIES)?.top1)
        }
        None => None,
    };
    let network = &gathered.loaded.network;
    let (whole, trunk) = (network.facts()?, gathered.source.network.facts()?);
    let seen = Seen {
        name: name.to_owned(),
        parameters: whole.learned(),
        macs: trunk.macs(),
        licence: network.card().licence.clone(),
        assessment,
        depths,
        output_top1,
        certainty: outputs.as_ref().map(certainty).transpose()?,
        above: above(&gathered),
    };
    Ok((seen, y))
}

/// Penalties of the ridge heads at lower depths.
const PENALTIES: usize = 10;

/// For each block the next one.
fn above(gathered: &Gathered) -> BTreeMap<String, String> {
    let blocks = &gathered.loaded.network.card().blocks;
    blocks.windows(2).map(|w| (w[0].clone(), w[1].clone())).collect()
}

fn told(
    options: &AdviseOptions,
    dataset: &Dataset,
    y: &[usize],
    seen: &[Seen],
    left_out: Vec<String>,
) -> Result<Advised, Error> {
    let labels = Labels::new(y, dataset.classes.len())?;
    let assessments: Vec<Assessment> = seen.iter().map(|s| s.assessment.clone()).collect();
    let ranking =
        rank(&assessments, &labels, &RankOptions { seed: options.seed, ..RankOptions::default() })?;
    let top1 = |s: &Seen| s.assessment.scores.get(&Score::RidgeOut).copied().unwrap_or(0.0);
    let equal: Vec<&Seen> = ranking.equal_to_best().into_iter().map(|i| &seen[i]).collect();
    // Of networks that these images cannot tell apart the cheapest.
    let chosen = equal.iter().min_by_key(|s| s.macs).copied().unwrap_or(&seen[0]);
    let facts = facts(dataset, y, chosen, &equal);
    let advice = resolve(&facts)?;
    let candidates = ranking.places.iter().map(|place| {
        let s = &seen[place.candidate];
        Candidate {
            network: s.name.clone(),
            parameters: s.parameters,
            macs: s.macs,
            features: s.assessment.features,
            expected_top1: top1(s),
            error: facts.error(top1(s)),
            combined: place.combined,
            interval: place.interval,
            best: place.best,
            group: place.group,
            front: !seen.iter().any(|o| {
                o.macs <= s.macs && top1(o) >= top1(s) && (o.macs < s.macs || top1(o) > top1(s))
            }),
            scores: s.assessment.scores.iter().map(|(k, v)| (k.name(), *v)).collect(),
            licence: s.licence.clone(),
        }
    });
    let line = |plan| command::line(&options.data, &chosen.name, plan, &chosen.above);
    Ok(Advised {
        data: options.data.display().to_string(),
        images: y.len(),
        classes: dataset.classes.len(),
        candidates: candidates.collect(),
        agreements: ranking
            .agreements
            .iter()
            .map(|a| ScoreAgreement { scores: [a.a.name(), a.b.name()], tau: a.tau })
            .collect(),
        network: chosen.name.clone(),
        command: line(&advice.plan),
        rivals: advice.rivals.iter().map(|r| line(&r.plan)).collect(),
        facts,
        advice,
        left_out,
    })
}

/// Images that the source was trained on, by its data set's name.
const SOURCES: [(&str, f64); 2] =
    // Russakovsky et al. 2015, table 2; Deng et al. 2009 with all synsets.
    [("imagenet-1k", 1_281_167.0), ("imagenet-21k", 14_197_122.0)];

fn facts(dataset: &Dataset, y: &[usize], chosen: &Seen, equal: &[&Seen]) -> Facts {
    let mut images_per_class = vec![0; dataset.classes.len()];
    for label in y {
        images_per_class[*label] += 1;
    }
    let entry = regraft_zoo::find(&chosen.name).ok();
    let source = entry.as_ref().map(|e| e.dataset.to_lowercase()).unwrap_or_default();
    let known = SOURCES.iter().find(|(name, _)| source.contains(name));
    let shared = entry.as_ref().and_then(|e| overlap(e, &dataset.classes).ok());
    let labels = entry.as_ref().and_then(|e| regraft_zoo::labels(e.labels.as_deref()?).ok());
    Facts {
        images_per_class,
        depths: chosen.depths.clone(),
        source_images: known.map(|(_, images)| *images),
        source_classes: labels.map(|l| l.len()),
        shared_classes: shared.map(|o| o.exact.len() + o.synonyms.len()),
        output_top1: chosen.output_top1,
        certainty: chosen.certainty,
        parameters: Some(chosen.parameters as f64),
        equals: equal
            .iter()
            .filter(|s| s.name != chosen.name)
            .map(|s| (s.name.clone(), s.parameters as f64))
            .collect(),
        ..Facts::default()
    }
}
