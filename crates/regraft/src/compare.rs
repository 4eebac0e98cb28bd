//! Transfer or not, measured: a transferred network and the same network from scratch, round by round on
//! the same test images.

mod figures;
mod parts;
mod words;

use std::path::{Path, PathBuf};

use regraft_data::order;
use regraft_report::{ComparisonInput, Curve as Drawn, Ends};
use regraft_train::{Optimiser, Rates, scores, tune};
use serde::Serialize;

use self::figures::{Right, benefit, mean};
use self::parts::{Part, Parts};
use self::words::verdict;
use crate::journal::{Log, Rows};
use crate::measure::Measure;
use crate::task::Task;
use crate::tuning::{Planned, Tuning, crown};
use crate::{Error, FitOptions, Observer, Progress, Strategy, TuneOptions};

/// Rates tried for the network from scratch (`AdamW`).
const SCRATCH_RATES: [f64; 3] = [3e-4, 1e-3, 3e-3];
/// Shares of the lower final accuracy whose times are compared.
const SHARES: [f64; 4] = [0.5, 0.75, 0.9, 0.95];

/// What a person asks of a comparison.
#[derive(Debug, Clone)]
pub struct CompareOptions {
    /// Data, network, and how the transferred network is trained. The strategy is `lp-ft`, `fine-tune`,
    /// or `probe`, which stands for `lp-ft` here.
    pub fit: FitOptions,
    /// Trainings of each kind.
    pub seeds: u64,
    /// Rounds of both kinds.
    pub epochs: u64,
    /// Rounds of a second training from scratch, which needs longer (He et al. 2018).
    pub long: u64,
    /// Other ways to train, tried beside the two.
    pub plans: Vec<ComparePlan>,
    /// Shares of the training images, between 0 and 1, that both kinds are also trained on, with as many
    /// steps: the learning curve. Each smaller set lies in the greater ones, class by class.
    pub shares: Vec<f64>,
}

/// Another way to train.
#[derive(Debug, Clone, PartialEq)]
pub struct ComparePlan {
    /// What curves and figures call it.
    pub name: String,
    /// `lp-ft`, `fine-tune` or `scratch`.
    pub strategy: Strategy,
    /// Rounds where they are given, else those of the comparison.
    pub tune: TuneOptions,
}

/// A figure with the 95 % interval of a paired bootstrap over trainings and test images.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Benefit {
    /// The figure.
    pub value: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// One kind of training.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Curve {
    /// `transferred`, `from scratch`, `from scratch, longer`, or a plan's.
    pub name: String,
    /// Mean share of test images right, or mean average precision, before training and after each round.
    pub top1: Vec<f64>,
    /// Least and greatest of the trainings, at each point.
    pub range: Vec<[f64; 2]>,
}

/// Rounds to reach a share of the lower of the two final accuracies, means over the trainings.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Reached {
    /// The share.
    pub share: f64,
    /// The accuracy that is.
    pub top1: f64,
    /// Rounds of the transferred network, mean over trainings; none when one never got there.
    pub transferred: Option<f64>,
    /// Rounds from scratch; none when a training never got there.
    pub scratch: Option<f64>,
}

/// How another plan ended.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PlanEnd {
    /// Its name.
    pub name: String,
    /// Mean share of test images right at the end.
    pub top1: f64,
    /// That less the transferred network's.
    pub to_transferred: Benefit,
    /// That less scratch with as many rounds.
    pub to_scratch: Benefit,
}

/// The ends of both kinds of training on some of the images.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ByImages {
    /// Training images.
    pub images: usize,
    /// Mean share of test images right at the end, transferred.
    pub transferred: f64,
    /// The same from scratch.
    pub scratch: f64,
    /// Transferred less scratch.
    pub benefit: Benefit,
}

/// What transfer gave.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// The data.
    pub data: String,
    /// The network.
    pub network: String,
    /// Training images.
    pub train: usize,
    /// Test images.
    pub test: usize,
    /// By what trainings are judged: figures called accuracy or `top1` are of this kind.
    pub measure: Measure,
    /// Trainings of each kind.
    pub seeds: u64,
    /// The rate chosen for scratch, on training images held out.
    pub scratch_rate: f64,
    /// Accuracy by rounds.
    pub curves: Vec<Curve>,
    /// Higher start: accuracy before training, transferred less scratch.
    pub start: Benefit,
    /// The same after the first round.
    pub after_one: Benefit,
    /// Steeper slope.
    pub reached: Vec<Reached>,
    /// Higher asymptote: final accuracy, transferred less scratch with as many rounds.
    pub end: Benefit,
    /// The same against scratch with more rounds.
    pub end_long: Benefit,
    /// Area between the curves over that below scratch (Taylor and Stone 2009, transfer ratio).
    pub area_ratio: f64,
    /// The other plans.
    pub plans: Vec<PlanEnd>,
    /// The learning curve: fewest images first, all of them last; empty when not asked for.
    pub by_images: Vec<ByImages>,
    /// All of it in a sentence or two.
    pub verdict: String,
    /// The picture.
    pub picture: String,
}

/// Trains the transferred network and the same one from random weights, several times, and compares their
/// accuracy on the test images round by round.
///
/// The scratch network gets its own rate, the best of three on held-out training images, and a second,
/// longer training. Interrupted, the same call goes on behind the last training that was finished.
///
/// # Errors
/// As [`crate::fit()`].
pub fn compare(options: &CompareOptions, observer: &dyn Observer) -> Result<Comparison, Error> {
    let log = Log::new(observer);
    let mut base = options.fit.clone();
    if matches!(base.strategy, Strategy::Probe | Strategy::Auto | Strategy::Scratch) {
        base.strategy = Strategy::LpFt;
    }
    base.tune.epochs = Some(options.epochs);
    let task = Task::new(&base, &log)?;
    let mut scratch = base.clone();
    scratch.strategy = Strategy::Scratch;
    scratch.tune.unfreeze = None;
    scratch.tune.rates = None;
    scratch.tune.overrides = Vec::new();
    scratch.tune.optimiser = Some(Optimiser::ADAMW);
    let rate = scratch_rate(&task, &scratch, &log)?;
    scratch.tune.rates = Some(Rates::Same(rate));
    let mut long = scratch.clone();
    long.tune.epochs = Some(options.long.max(options.epochs));
    let mut arms = vec![
        ("transferred".to_owned(), base.clone()),
        ("from scratch".to_owned(), scratch.clone()),
        ("from scratch, longer".to_owned(), long),
    ];
    arms.extend(options.plans.iter().map(|plan| (plan.name.clone(), planned(&base, plan))));
    let mut names: Vec<String> = SCRATCH_RATES.into_iter().map(tried).collect();
    let mut right = Vec::new();
    for (name, arm) in arms {
        let mut seeds = Vec::new();
        for arm in seeded(options, &arm) {
            let name = format!("{name}, training {}", seeds.len() + 1);
            seeds.push(training(&task, &arm, task.rows(), &name, true, &log)?);
            names.push(name);
        }
        right.push(Right { name, seeds });
    }
    let fewer = fewer(options, &task, [&base, &scratch], &mut names, &log)?;
    let comparison = sum_up(options, &task, rate, &right, &fewer)?;
    Parts::beside(&page(&options.fit)).remove(names.iter().map(String::as_str))?;
    Ok(comparison)
}

/// The options of a training, with its own seed for each.
fn seeded(options: &CompareOptions, arm: &FitOptions) -> impl Iterator<Item = FitOptions> {
    let seeds = (0..options.seeds.max(1)).map(|seed| options.fit.seed + seed);
    seeds.map(|seed| FitOptions { seed, ..arm.clone() })
}

/// The options of another plan.
fn planned(base: &FitOptions, plan: &ComparePlan) -> FitOptions {
    let mut options = base.clone();
    options.strategy = plan.strategy;
    options.tune = plan.tune.clone();
    options.tune.epochs = plan.tune.epochs.or(base.tune.epochs);
    options.tune.no_flip |= base.tune.no_flip;
    options
}

/// Both kinds on some of the training images: for each share the images and how the two ended.
fn fewer(
    options: &CompareOptions,
    task: &Task,
    arms: [&FitOptions; 2],
    names: &mut Vec<String>,
    log: &Log<'_>,
) -> Result<Vec<(usize, [Right; 2])>, Error> {
    let all = task.rows().train.len();
    let mut shares: Vec<f64> = options.shares.iter().copied().filter(|s| *s < 1.0).collect();
    shares.sort_by(f64::total_cmp);
    let mut fewer = Vec::new();
    for share in shares {
        let rows =
            Rows { train: subset(task, options.fit.seed, share), test: task.rows().test.clone() };
        let images = rows.train.len();
        if images == all || fewer.iter().any(|(there, _)| *there == images) {
            continue;
        }
        // As many steps as with all images, or fewer images would also mean less training.
        let rounds = (options.epochs as f64 * all as f64 / images as f64).round().max(1.0) as u64;
        let mut both = Vec::new();
        for (kind, arm) in ["transferred", "from scratch"].into_iter().zip(arms) {
            let mut seeds = Vec::new();
            for mut arm in seeded(options, arm) {
                arm.tune.epochs = Some(rounds);
                let name = format!("{kind}, {images} images, training {}", seeds.len() + 1);
                seeds.push(training(task, &arm, &rows, &name, false, log)?);
                names.push(name);
            }
            both.push(Right { name: kind.to_owned(), seeds });
        }
        if let Ok(both) = <[Right; 2]>::try_from(both) {
            fewer.push((images, both));
        }
    }
    Ok(fewer)
}

/// A share of the training images, class by class; smaller shares of a seed lie in greater ones.
fn subset(task: &Task, seed: u64, share: f64) -> Vec<usize> {
    let train = &task.rows().train;
    let some = task.answers(train).share(task.outputs(), seed, share);
    some.into_iter().map(|i| train[i]).collect()
}

/// The part of each test image `rows.test` in what a training on `rows.train` gets on them (see [`Answers::judge`]);
/// kept beside the page of `options`, so that the same call does not train again.
///
/// [`Answers::judge`]: crate::measure::Answers::judge
pub(crate) fn trained(
    task: &Task,
    options: &FitOptions,
    rows: &Rows,
    name: &str,
    log: &Log<'_>,
) -> Result<Vec<f64>, Error> {
    Ok(training(task, options, rows, name, false, log)?.pop().unwrap_or_default())
}

/// One training, tried on the test images before it and at the end, or after each round when `all`.
fn training(
    task: &Task,
    options: &FitOptions,
    rows: &Rows,
    name: &str,
    all: bool,
    log: &Log<'_>,
) -> Result<Vec<Vec<f64>>, Error> {
    let tuning = task.tuning(options, log);
    let learn = rows.train.len();
    let examples: Vec<usize> = rows.train.iter().chain(&rows.test).copied().collect();
    Ok(rounds(&tuning, task, (&examples, learn), rows, name, all)?.right)
}

/// Trains on the first `learn` of the examples `all`; for the others, at each point in time or only
/// before and after, their parts in what it gets, and their mean log loss at the end.
fn rounds(
    tuning: &Tuning<'_>,
    task: &Task,
    (all, learn): (&[usize], usize),
    rows: &Rows,
    name: &str,
    each: bool,
) -> Result<Part, Error> {
    let examples = &task.dataset().examples;
    let files: Vec<PathBuf> = all.iter().map(|i| examples[*i].path.clone()).collect();
    let answers = task.answers(all);
    let planned: Planned = tuning.plan()?;
    let parts = Parts::beside(&page(tuning.options));
    let (sha256, strategy) = (&task.loaded().sha256, tuning.options.strategy.name());
    let Planned { table, recipe, augment, copies, .. } = &planned;
    let key = format!(
        "{sha256} {strategy} {table:?} {recipe:?} {augment} {copies} {learn} {files:?} {answers:?}"
    );
    if let Some(part) = parts.get(name, &key) {
        let note = format!("{name}: finished before, taken from there");
        tuning.log.observer.tell(&Progress::Note(&note));
        return Ok(part);
    }
    let inputs = tuning.inputs(&planned, files)?;
    let (start, _) = tuning.start(rows)?;
    let (crown, _) = crown(&start, &planned.table)?;
    let (learned, held): (Vec<usize>, Vec<usize>) = (0..all.len()).partition(|i| *i < learn);
    let asked = answers.of(&held);
    // Without test images only the loss of those held out is asked for.
    let judge = |scores: &[f64]| match rows.test.len() {
        0 => Ok(Vec::new()),
        _ => asked.judge(task.outputs(), scores),
    };
    let mut right = vec![Ok(judge(&scores(&crown, &inputs, &held)?)?)];
    let tried = if each { held.as_slice() } else { &[] };
    let part = (answers.truth(), learned.as_slice(), tried);
    let mut nll = None;
    let tuned = tune(&crown, &planned.table, &planned.recipe, &inputs, part, None, &mut |epoch| {
        if let Some(held) = &epoch.held {
            right.push(judge(&held.scores));
            nll = Some(held.nll).filter(|nll| nll.is_finite());
        }
        tuning.told(name, epoch)
    })?;
    if !each {
        right.push(judge(&scores(&tuned.network, &inputs, &held)?));
    }
    parts.put(name, key, right.into_iter().collect::<Result<_, Error>>()?, nll)
}

/// The name of a training that tries a rate.
fn tried(rate: f64) -> String {
    format!("from scratch, rate {rate} tried")
}

/// The best rate for scratch on a fifth of the training images, held out.
fn scratch_rate(task: &Task, scratch: &FitOptions, log: &Log<'_>) -> Result<f64, Error> {
    let train = &task.rows().train;
    let shuffled: Vec<usize> =
        order(scratch.seed, u64::MAX, train.len()).into_iter().map(|i| train[i]).collect();
    let learn = (train.len() * 4 / 5).max(1);
    let rows = Rows { train: shuffled[..learn].to_vec(), test: Vec::new() };
    let mut best = (f64::INFINITY, SCRATCH_RATES[0]);
    for rate in SCRATCH_RATES {
        let mut options = scratch.clone();
        options.tune.rates = Some(Rates::Same(rate));
        let tuning = task.tuning(&options, log);
        let part = rounds(&tuning, task, (&shuffled, learn), &rows, &tried(rate), true);
        let nll = match part {
            Ok(part) => part.nll.unwrap_or(f64::INFINITY),
            // A rate too high is a rate not chosen.
            Err(Error::Train(regraft_train::TrainError::Diverged { .. })) => f64::INFINITY,
            Err(error) => return Err(error),
        };
        if nll < best.0 {
            best = (nll, rate);
        }
    }
    Ok(best.1)
}

/// The page that is written.
fn page(options: &FitOptions) -> PathBuf {
    options.out.clone().unwrap_or_else(|| PathBuf::from("compare.html"))
}

fn sum_up(
    options: &CompareOptions,
    task: &Task,
    scratch_rate: f64,
    right: &[Right],
    fewer: &[(usize, [Right; 2])],
) -> Result<Comparison, Error> {
    let [transferred, scratch, long, others @ ..] = right else { return Err(Error::NothingToTest) };
    let curves: Vec<Curve> = right.iter().map(Right::curve).collect();
    let last = |curve: &Curve| curve.top1.last().copied().unwrap_or_default();
    let lower = last(&curves[0]).min(last(&curves[2]));
    let seeds = transferred.seeds.len();
    let reached = SHARES.map(|part| {
        let rounds = |arm: &Right| {
            let all: Option<Vec<f64>> =
                (0..seeds).map(|s| arm.rounds_to(s, part * lower)).collect();
            all.map(|all| mean(all.into_iter()))
        };
        Reached {
            share: part,
            top1: part * lower,
            transferred: rounds(transferred),
            scratch: rounds(long),
        }
    });
    let area = |curve: &Curve| mean(curve.top1.iter().copied());
    let (end, end_long) =
        (benefit(transferred, scratch, [None; 2]), benefit(transferred, long, [None; 2]));
    let plans = others.iter().map(|plan| PlanEnd {
        name: plan.name.clone(),
        top1: last(&plan.curve()),
        to_transferred: benefit(plan, transferred, [None; 2]),
        to_scratch: benefit(plan, scratch, [None; 2]),
    });
    let ends = |images: usize, transferred: &Right, scratch: &Right| ByImages {
        images,
        transferred: last(&transferred.curve()),
        scratch: last(&scratch.curve()),
        benefit: benefit(transferred, scratch, [None; 2]),
    };
    let mut by_images: Vec<ByImages> = fewer
        .iter()
        .map(|(images, [transferred, scratch])| ends(*images, transferred, scratch))
        .collect();
    if !by_images.is_empty() {
        by_images.push(ends(task.rows().train.len(), transferred, scratch));
    }
    let picture = page(&options.fit);
    let comparison = Comparison {
        data: options.fit.data.display().to_string(),
        network: task.loaded().network.card().name.clone(),
        train: task.rows().train.len(),
        test: task.rows().test.len(),
        measure: task.answers(&[]).measure(),
        seeds: seeds as u64,
        scratch_rate,
        start: benefit(transferred, scratch, [Some(0); 2]),
        after_one: benefit(transferred, scratch, [Some(1); 2]),
        reached: reached.to_vec(),
        end,
        end_long,
        area_ratio: (area(&curves[0]) - area(&curves[1])) / area(&curves[1]).max(1e-9),
        plans: plans.collect(),
        by_images,
        verdict: verdict(end, end_long, task.answers(&[]).measure()),
        curves,
        picture: picture.display().to_string(),
    };
    draw(&picture, &comparison)?;
    Ok(comparison)
}

/// Writes the page.
fn draw(picture: &Path, comparison: &Comparison) -> Result<(), Error> {
    let drawn: Vec<Drawn<'_>> = comparison
        .curves
        .iter()
        .map(|c| Drawn { name: &c.name, values: &c.top1, range: &c.range })
        .collect();
    let by_images: Vec<Ends> = comparison
        .by_images
        .iter()
        .map(|at| Ends { images: at.images, top1: [at.transferred, at.scratch] })
        .collect();
    let input = ComparisonInput {
        title: &comparison.data,
        measure: comparison.measure.words(),
        network: &comparison.network,
        verdict: &comparison.verdict,
        facts: &comparison.facts(),
        curves: &drawn,
        by_images: &by_images,
        version: crate::VERSION,
    };
    Ok(regraft_report::write_comparison(picture, &input)?)
}
