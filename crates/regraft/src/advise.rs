//! Which network to take, and whether and how to transfer it, from one pass of each over the images.

use std::collections::BTreeMap;
use std::path::PathBuf;

use regraft_advise::rank::{Assessment, RankOptions, rank};
use regraft_advise::{Advice, Facts, facts::Labelled, resolve};
use serde::Serialize;

pub(crate) use self::command::line;
pub(crate) use self::look::{Until, clearly_better};
pub use self::race::Dropped as DroppedNetwork;
pub(crate) use self::verify::verify;
pub use self::verify::{PlanOutcome, Verification};

use self::look::{Closer, Seen, closer, look};
use self::race::{Ended, Entrant, Look, Race, rounds};
use crate::images::TrainingImages;
use crate::measure::Measure;
use crate::zoo::overlap;
use crate::{Error, FitOptions, LoadOptions, Observer, Progress, ZooFilter, zoo_list};

mod command;
mod look;
mod race;
mod verify;

/// What is asked for.
#[derive(Debug, Clone)]
pub struct AdviseOptions {
    /// Folder of class folders, folder with `train/` and a test part, or CSV table.
    pub data: PathBuf,
    /// Networks to compare; empty takes those of the zoo that `filter` keeps.
    pub networks: Vec<String>,
    /// Networks of the zoo to compare, fetched where they can be; none takes those whose weights are on this
    /// machine.
    pub filter: Option<ZooFilter>,
    /// Seconds that the comparison may take.
    pub budget: f64,
    /// Bytes of memory that training may take.
    pub memory: Option<u64>,
    /// Whether the plan and its rivals are tried on parts of the training images left out in turn.
    pub verify: bool,
    /// What of a file's name says which files belong together: a regular expression with a group. They are left
    /// out together, as exact copies are.
    pub group_by: Option<String>,
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
    /// Leave-one-out accuracy of a ridge head on them, 0..=1, or mean average precision: what a probe is expected to
    /// get.
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
    /// Every score by its name; those that several labels an image leave undefined are not there.
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
    /// Training images that the networks were compared on; test images are not looked at.
    pub images: usize,
    /// Training images there are.
    pub of: usize,
    /// How many classes, or labels, there are.
    pub classes: usize,
    /// By what networks and plans are judged.
    pub measure: Measure,
    /// The networks, best first.
    pub candidates: Vec<Candidate>,
    /// Where the scores agree and where not.
    pub agreements: Vec<ScoreAgreement>,
    /// The network advised.
    pub network: String,
    /// Why this one.
    pub network_because: String,
    /// What was measured with it.
    pub facts: Facts,
    /// What to do with it, and why.
    pub advice: Advice,
    /// The advice as a command.
    pub command: String,
    /// The nearest rivals as commands.
    pub rivals: Vec<String>,
    /// How the plan and its rivals did on images left out, where that was asked for.
    pub verification: Option<Verification>,
    /// Networks that fell out before the last round of images.
    pub dropped: Vec<DroppedNetwork>,
    /// Networks that could not be used, and why.
    pub left_out: Vec<String>,
}

/// Compares networks on the training images and says which to take and how to transfer it. Nothing is
/// trained but linear heads in closed form.
///
/// # Errors
/// When the data cannot be opened, no network is in reach, or none can be used.
pub fn advise(options: &AdviseOptions, observer: &dyn Observer) -> Result<Advised, Error> {
    let images = TrainingImages::open(&fit_options(options, regraft_zoo::DEFAULT))?;
    let mut left_out = Vec::new();
    let entrants = entrants(options)?;
    let ended = raced(options, &images, entrants, &mut left_out, observer)?;
    if ended.seen.is_empty() {
        return Err(Error::NoNetworks { left_out });
    }
    told(options, &images, ended, left_out, observer)
}

/// The networks to compare.
fn entrants(options: &AdviseOptions) -> Result<Vec<Entrant>, Error> {
    let all = options.networks.is_empty();
    let mut filter = options.filter.clone().unwrap_or_default();
    filter.available = all;
    let listing = zoo_list(&filter, &options.load)?;
    let macs = |name: &str| listing.rows.iter().find(|r| r.name == name).and_then(|r| r.macs);
    let names: Vec<String> = if all {
        let wanted = |r: &&crate::ZooRow| {
            r.task == "classification" && (options.filter.is_some() || r.weights == "here")
        };
        listing.rows.iter().filter(wanted).map(|r| r.name.clone()).collect()
    } else {
        options.networks.clone()
    };
    if names.is_empty() {
        return Err(Error::NoNetworks { left_out: vec![] });
    }
    Ok(names.into_iter().map(|name| Entrant { macs: macs(&name), name }).collect())
}

/// The options of a fit with a network.
fn fit_options(options: &AdviseOptions, network: &str) -> FitOptions {
    FitOptions {
        network: Some(network.to_owned()),
        seed: options.seed,
        test_share: options.test_share,
        group_by: options.group_by.clone(),
        load: options.load.clone(),
        ..FitOptions::new(&options.data)
    }
}

fn raced(
    options: &AdviseOptions,
    all: &TrainingImages,
    entrants: Vec<Entrant>,
    left_out: &mut Vec<String>,
    observer: &dyn Observer,
) -> Result<Ended<Seen>, Error> {
    let started = observer.now();
    let (n, classes) = (all.len(), all.names().len());
    let mut one = |name: &str, images: usize, until: f64| {
        let words = if images < n {
            format!("looking through {name} at {images} of {n} images")
        } else {
            format!("looking through {name}")
        };
        observer.tell(&Progress::Note(&words));
        let some = all.some(options.seed, images);
        let until = Until { observer, time: started + until };
        match look(name, &fit_options(options, name), &some, &until) {
            Ok(seen) => {
                let Seen { computed, seconds, after, .. } = seen;
                Ok(Some(Look { seen, computed, seconds, after }))
            }
            Err(error) if error.kind() == crate::ErrorKind::Interrupted => {
                if observer.stop() {
                    Err(Error::Interrupted)
                } else {
                    Ok(None)
                }
            }
            Err(error) => Err(error),
        }
    };
    let order = |seen: &[(String, Seen)]| {
        let ranking = ranked(options, classes, seen)?;
        Ok(ranking.places.iter().map(|place| place.candidate).collect())
    };
    // A network asked for by name must work; of the others those that do are compared.
    let mut failed = |name: &str, error: Error| {
        if !options.networks.is_empty() || error.kind() == crate::ErrorKind::Interrupted {
            return Err(error);
        }
        left_out.push(format!("{name}: {error}"));
        Ok(())
    };
    Race {
        rounds: &rounds(n, classes),
        budget: options.budget,
        now: &|| observer.now() - started,
        look: &mut one,
        order: &order,
        top1: &Seen::top1,
        failed: &mut failed,
    }
    .run(entrants)
}

fn ranked(
    options: &AdviseOptions,
    classes: usize,
    seen: &[(String, Seen)],
) -> Result<regraft_advise::rank::Ranking, Error> {
    let Some((_, first)) = seen.first() else {
        return Err(Error::NoNetworks { left_out: vec![] });
    };
    let assessments: Vec<Assessment> = seen.iter().map(|(_, s)| s.assessment.clone()).collect();
    let how = RankOptions { seed: options.seed, ..RankOptions::default() };
    Ok(rank(&assessments, first.answers.targets(classes)?, &how)?)
}

/// Those equal to the best by their combined scores whose probe is not clearly behind the best probe's among
/// them: on the same images, so that a difference is sure sooner than either accuracy.
fn equal<'a>(seen: &[&'a Seen], places: &[usize]) -> Vec<&'a Seen> {
    let all: Vec<&Seen> = places.iter().map(|i| seen[*i]).collect();
    let Some(best) = all.iter().max_by(|a, b| a.top1().total_cmp(&b.top1())).copied() else {
        return all;
    };
    all.into_iter().filter(|s| !clearly_better(&best.right, &s.right)).collect()
}

/// Why the first of the ranking is taken.
fn because(compared: usize, equal: &[&Seen], chosen: &Seen) -> String {
    if compared < 2 {
        return "no other was compared".to_owned();
    }
    if equal.len() < 2 {
        return "none of the others is as good within noise".to_owned();
    }
    // Measured on 16 tasks: among equals the cheapest, or the one with the best published accuracy,
    // loses a point more than the one that seems best.
    let cheapest = equal.iter().min_by_key(|s| s.macs).filter(|s| s.macs < chosen.macs);
    let cheaper = cheapest.map_or_else(String::new, |s| {
        let share = 100.0 * s.macs as f64 / chosen.macs.max(1) as f64;
        format!("; where cost counts take {}, at {share:.0} % of the products", s.name)
    });
    format!(
        "{} are equal within noise on these images; of them the best so far{cheaper}",
        equal.len()
    )
}

fn told(
    options: &AdviseOptions,
    images: &TrainingImages,
    ended: Ended<Seen>,
    left_out: Vec<String>,
    observer: &dyn Observer,
) -> Result<Advised, Error> {
    let ranking = ranked(options, images.names().len(), &ended.seen)?;
    let seen: Vec<&Seen> = ended.seen.iter().map(|(_, s)| s).collect();
    let equal = equal(&seen, &ranking.equal_to_best());
    let first = ranking.places.first().map_or(0, |place| place.candidate);
    let chosen = seen[first];
    let fit = fit_options(options, &chosen.name);
    let Counsel { facts, advice, plans } =
        counsel(&fit, options.memory, images, chosen, &equal, observer)?;
    let candidates = ranking.places.iter().map(|place| {
        let s = &seen[place.candidate];
        Candidate {
            network: s.name.clone(),
            parameters: s.parameters,
            macs: s.macs,
            features: s.assessment.features,
            expected_top1: s.top1(),
            error: if facts.several.is_some() { s.error } else { facts.error(s.top1()) },
            combined: place.combined,
            interval: place.interval,
            best: place.best,
            group: place.group,
            front: !seen.iter().any(|o| {
                let better = o.macs < s.macs || o.top1() > s.top1();
                o.macs <= s.macs && o.top1() >= s.top1() && better
            }),
            scores: s.assessment.scores.iter().map(|(k, v)| (k.name(), *v)).collect(),
            licence: s.licence.clone(),
        }
    });
    let verification = if options.verify { Some(verified(&plans, observer)?) } else { None };
    Ok(Advised {
        data: options.data.display().to_string(),
        images: chosen.answers.len(),
        of: images.len(),
        classes: images.names().len(),
        measure: images.measure(),
        candidates: candidates.collect(),
        agreements: ranking
            .agreements
            .iter()
            .map(|a| ScoreAgreement { scores: [a.a.name(), a.b.name()], tau: a.tau })
            .collect(),
        network: chosen.name.clone(),
        network_because: because(seen.len(), &equal, chosen),
        command: command::line(&plans[0]),
        rivals: plans[1..].iter().map(command::line).collect(),
        verification,
        facts,
        advice,
        dropped: ended.dropped,
        left_out,
    })
}

/// The plans tried; what their trainings gave is kept in the cache, so that the same call does not train again.
fn verified(plans: &[FitOptions], observer: &dyn Observer) -> Result<Verification, Error> {
    let kept = kept_in_cache(plans)?;
    verify(&kept, 0, &Until { observer, time: f64::INFINITY })
}

/// The plans with a place in the cache for what their trainings give.
pub(crate) fn kept_in_cache(plans: &[FitOptions]) -> Result<Vec<FitOptions>, Error> {
    let one = |plan: &FitOptions| {
        let data = plan.data.file_stem().map(|n| n.to_string_lossy().into_owned());
        let name = format!("{}-{}", data.unwrap_or_default(), plan.seed);
        let out = Some(plan.load.cache()?.root().join("advise").join(name));
        Ok(FitOptions { out, ..plan.clone() })
    };
    plans.iter().map(one).collect()
}

/// What to do with one network.
pub(crate) struct Counsel {
    /// What was measured with it.
    facts: Facts,
    /// What to do, and why.
    pub(crate) advice: Advice,
    /// The plan and its rivals as fits.
    pub(crate) plans: Vec<FitOptions>,
}

/// What to do with a network that was looked through; what `fit` says already stays as it is.
fn counsel(
    fit: &FitOptions,
    memory: Option<u64>,
    images: &TrainingImages,
    chosen: &Seen,
    equal: &[&Seen],
    observer: &dyn Observer,
) -> Result<Counsel, Error> {
    let closer = closer(&chosen.name, fit, images, memory.is_some(), observer)?;
    let facts = facts(memory, images, chosen, equal, &closer);
    let advice = resolve(&facts)?;
    let plans = std::iter::once(&advice.plan)
        .chain(advice.rivals.iter().map(|r| &r.plan))
        .map(|plan| command::options(fit, plan, &chosen.above, memory))
        .collect();
    Ok(Counsel { facts, advice, plans })
}

/// What to do with the network of a fit, from one look at the training images.
pub(crate) fn counsel_for(
    fit: &FitOptions,
    images: &TrainingImages,
    observer: &dyn Observer,
) -> Result<Counsel, Error> {
    let name = fit.network.as_deref().unwrap_or(regraft_zoo::DEFAULT);
    let seen = look(name, fit, images, observer)?;
    counsel(fit, fit.tune.memory, images, &seen, &[&seen], observer)
}

/// Images that the source was trained on, by its data set's name.
const SOURCES: [(&str, f64); 2] =
    // Russakovsky et al. 2015, table 2; Deng et al. 2009 with all synsets.
    [("imagenet-1k", 1_281_167.0), ("imagenet-21k", 14_197_122.0)];

fn facts(
    memory: Option<u64>,
    images: &TrainingImages,
    chosen: &Seen,
    equal: &[&Seen],
    closer: &Closer,
) -> Facts {
    let several = Labelled { images: images.len(), error: chosen.error };
    let entry = regraft_zoo::find(&chosen.name).ok();
    let source = entry.as_ref().map(|e| e.dataset.to_lowercase()).unwrap_or_default();
    let known = SOURCES.iter().find(|(name, _)| source.contains(name));
    let shared = entry.as_ref().and_then(|e| overlap(e, images.names()).ok());
    let labels = entry.as_ref().and_then(|e| regraft_zoo::labels(e.labels.as_deref()?).ok());
    Facts {
        images_per_class: images.counts(),
        several: (images.measure() == Measure::MeanAveragePrecision).then_some(several),
        depths: chosen.depths.clone(),
        joined_top1: chosen.joined_top1,
        source_images: known.map(|(_, images)| *images),
        source_classes: labels.map(|l| l.len()),
        shared_classes: shared.map(|o| o.exact.len() + o.synonyms.len()),
        output_top1: chosen.output_top1,
        certainty: chosen.certainty,
        parameters: Some(chosen.parameters as f64),
        feature_distance: closer.distance,
        memory_wanted: closer.memory.map(|bytes| bytes as f64),
        memory_given: memory.map(|bytes| bytes as f64),
        judged_on: Some(chosen.answers.len()),
        equals: equal
            .iter()
            .filter(|s| s.name != chosen.name)
            .map(|s| (s.name.clone(), s.parameters as f64))
            .collect(),
        ..Facts::default()
    }
}
