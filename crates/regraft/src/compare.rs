//! Transfer or not, measured: a transferred network and the same network from scratch, round by round on
//! the same test images.

mod parts;

use std::path::PathBuf;

use regraft_data::{order, uniform};
use regraft_report::{ComparisonInput, Curve as Drawn};
use regraft_train::{Optimiser, Rates, most_probable, scores, tune};
use serde::Serialize;

use self::parts::{Part, Parts};
use crate::fit::{Prepared, prepare};
use crate::journal::{Log, Rows};
use crate::tuning::{Planned, Tuning, crown};
use crate::{Error, FitOptions, Observer, Progress, Strategy};

/// Resamples of the bootstrap.
const RESAMPLES: usize = 2000;
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
    /// `transferred`, `from scratch`, `from scratch, longer`.
    pub name: &'static str,
    /// Mean share of test images right before training and after each round.
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
    /// All of it in a sentence or two.
    pub verdict: String,
    /// The picture.
    pub picture: String,
}

/// For each training and each point in time, which test images were right.
struct Right {
    name: &'static str,
    seeds: Vec<Vec<Vec<bool>>>,
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
    let prepared = prepare(&base, None, &log)?;
    let mut scratch = base.clone();
    scratch.strategy = Strategy::Scratch;
    scratch.tune.unfreeze = None;
    scratch.tune.rates = None;
    scratch.tune.overrides = Vec::new();
    scratch.tune.optimiser = Some(Optimiser::ADAMW);
    let rate = scratch_rate(&prepared, &scratch, &log)?;
    scratch.tune.rates = Some(Rates::Same(rate));
    let mut long = scratch.clone();
    long.tune.epochs = Some(options.long.max(options.epochs));
    let arms =
        [("transferred", &base), ("from scratch", &scratch), ("from scratch, longer", &long)];
    let mut names: Vec<String> = SCRATCH_RATES.into_iter().map(tried).collect();
    let mut right = Vec::new();
    for (name, arm) in arms {
        let mut seeds = Vec::new();
        for seed in 0..options.seeds.max(1) {
            let mut arm = (*arm).clone();
            arm.seed = options.fit.seed + seed;
            let name = format!("{name}, training {}", seed + 1);
            seeds.push(training(&prepared, &arm, &name, &log)?);
            names.push(name);
        }
        right.push(Right { name, seeds });
    }
    let comparison = sum_up(options, &prepared, rate, &right)?;
    Parts::beside(&page(&options.fit)).remove(names.iter().map(String::as_str))?;
    Ok(comparison)
}

/// One training, tried on the test images before it and after each round.
fn training(
    prepared: &Prepared,
    options: &FitOptions,
    name: &str,
    log: &Log<'_>,
) -> Result<Vec<Vec<bool>>, Error> {
    let tuning = prepared.tuning(options, log);
    let rows = &prepared.rows;
    let learn = rows.train.len();
    let all: Vec<usize> = rows.train.iter().chain(&rows.test).copied().collect();
    Ok(rounds(&tuning, prepared, &all, learn, &prepared.rows, name)?.right)
}

/// Trains on the first `learn` of the examples `all`; for the others, at each point in time, whether they
/// were right, and their mean log loss at the end.
fn rounds(
    tuning: &Tuning<'_>,
    prepared: &Prepared,
    all: &[usize],
    learn: usize,
    rows: &Rows,
    name: &str,
) -> Result<Part, Error> {
    let examples = &prepared.dataset.examples;
    let files: Vec<PathBuf> = all.iter().map(|i| examples[*i].path.clone()).collect();
    let labels: Vec<usize> = all.iter().map(|i| examples[*i].label).collect();
    let planned: Planned = tuning.plan()?;
    let parts = Parts::beside(&page(tuning.options));
    let (sha256, strategy) = (&prepared.loaded.sha256, tuning.options.strategy.name());
    let Planned { table, recipe, augment, copies, .. } = &planned;
    let key = format!(
        "{sha256} {strategy} {table:?} {recipe:?} {augment} {copies} {learn} {files:?} {labels:?}"
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
    let classes = prepared.dataset.classes.len();
    let judge = |scores: &[f64]| -> Vec<bool> {
        let rows = scores.chunks_exact(classes).zip(&held);
        rows.map(|(row, i)| most_probable(row) == labels[*i]).collect()
    };
    let mut right = vec![judge(&scores(&crown, &inputs, &held)?)];
    let mut nll = f64::INFINITY;
    let part = (labels.as_slice(), learned.as_slice(), held.as_slice());
    tune(&crown, &planned.table, &planned.recipe, &inputs, part, None, &mut |epoch| {
        if let Some(held) = &epoch.held {
            right.push(judge(&held.scores));
            nll = held.nll;
        }
        tuning.told(name, epoch)
    })?;
    parts.put(name, key, right, nll)
}

/// The name of a training that tries a rate.
fn tried(rate: f64) -> String {
    format!("from scratch, rate {rate} tried")
}

/// The best rate for scratch on a fifth of the training images, held out.
fn scratch_rate(prepared: &Prepared, scratch: &FitOptions, log: &Log<'_>) -> Result<f64, Error> {
    let train = &prepared.rows.train;
    let shuffled: Vec<usize> =
        order(scratch.seed, u64::MAX, train.len()).into_iter().map(|i| train[i]).collect();
    let learn = (train.len() * 4 / 5).max(1);
    let rows = Rows { train: shuffled[..learn].to_vec(), test: Vec::new() };
    let mut best = (f64::INFINITY, SCRATCH_RATES[0]);
    for rate in SCRATCH_RATES {
        let mut options = scratch.clone();
        options.tune.rates = Some(Rates::Same(rate));
        let tuning = prepared.tuning(&options, log);
        let part = rounds(&tuning, prepared, &shuffled, learn, &rows, &tried(rate));
        let nll = match part {
            Ok(part) => part.nll,
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

fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let n = values.len().max(1) as f64;
    values.sum::<f64>() / n
}

fn share(right: &[bool]) -> f64 {
    right.iter().filter(|r| **r).count() as f64 / right.len().max(1) as f64
}

impl Right {
    fn curve(&self) -> Curve {
        let points = self.seeds.first().map_or(0, Vec::len);
        let at = |point: usize| self.seeds.iter().map(move |seed| share(&seed[point]));
        let ends =
            |point| at(point).fold([1.0f64, 0.0], |[low, high], v| [low.min(v), high.max(v)]);
        Curve {
            name: self.name,
            top1: (0..points).map(|point| mean(at(point))).collect(),
            range: (0..points).map(ends).collect(),
        }
    }

    /// Which images were right at a point, from the end when `None`.
    fn at(&self, seed: usize, point: Option<usize>) -> &[bool] {
        let points = &self.seeds[seed];
        &points[point.unwrap_or(points.len() - 1)]
    }

    /// Rounds of a training until it is that good; none when it never is.
    fn rounds_to(&self, seed: usize, top1: f64) -> Option<f64> {
        let points = &self.seeds[seed];
        points.iter().position(|right| share(right) >= top1 - 1e-12).map(|at| at as f64)
    }
}

/// Difference of accuracy with its interval: trainings and test images drawn anew together.
fn benefit(a: &Right, b: &Right, points: [Option<usize>; 2]) -> Benefit {
    let seeds = a.seeds.len();
    let images = a.at(0, points[0]).len();
    let difference = |seed: usize, image: usize| {
        f64::from(u8::from(a.at(seed, points[0])[image]))
            - f64::from(u8::from(b.at(seed, points[1])[image]))
    };
    let mut all = Vec::with_capacity(RESAMPLES);
    for resample in 0..RESAMPLES {
        let drawn = uniform(resample as u64, "bootstrap", seeds + images);
        let pick = |u: &f64, n: usize| ((u * n as f64) as usize).min(n - 1);
        let (s, i) = drawn.split_at(seeds);
        let sum: f64 = s
            .iter()
            .map(|s| i.iter().map(|i| difference(pick(s, seeds), pick(i, images))).sum::<f64>())
            .sum();
        all.push(sum / (seeds * images) as f64);
    }
    all.sort_by(f64::total_cmp);
    let value = mean((0..seeds).map(|s| mean((0..images).map(|i| difference(s, i)))));
    Benefit { value, low: all[RESAMPLES / 40], high: all[RESAMPLES - 1 - RESAMPLES / 40] }
}

fn sum_up(
    options: &CompareOptions,
    prepared: &Prepared,
    scratch_rate: f64,
    right: &[Right],
) -> Result<Comparison, Error> {
    let [transferred, scratch, long] = right else { return Err(Error::NothingToTest) };
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
    let picture = page(&options.fit);
    let comparison = Comparison {
        data: options.fit.data.display().to_string(),
        network: prepared.loaded.network.card().name.clone(),
        train: prepared.rows.train.len(),
        test: prepared.rows.test.len(),
        seeds: seeds as u64,
        scratch_rate,
        start: benefit(transferred, scratch, [Some(0); 2]),
        after_one: benefit(transferred, scratch, [Some(1); 2]),
        reached: reached.to_vec(),
        end,
        end_long,
        area_ratio: (area(&curves[0]) - area(&curves[1])) / area(&curves[1]).max(1e-9),
        verdict: verdict(end, end_long),
        curves,
        picture: picture.display().to_string(),
    };
    let drawn: Vec<Drawn<'_>> = comparison
        .curves
        .iter()
        .map(|c| Drawn { name: c.name, values: &c.top1, range: &c.range })
        .collect();
    regraft_report::write_comparison(
        &picture,
        &ComparisonInput {
            title: &comparison.data,
            network: &comparison.network,
            verdict: &comparison.verdict,
            facts: &facts(&comparison),
            curves: &drawn,
            version: crate::VERSION,
        },
    )?;
    Ok(comparison)
}

fn points(b: Benefit) -> String {
    format!("{:+.1} points ({:+.1} to {:+.1})", 100.0 * b.value, 100.0 * b.low, 100.0 * b.high)
}

/// Label and value, for terminal and page.
fn facts(c: &Comparison) -> Vec<(String, String)> {
    let mut facts = vec![
        ("Higher start, before training".to_owned(), points(c.start)),
        ("After the first round".to_owned(), points(c.after_one)),
        ("Higher end, as many rounds".to_owned(), points(c.end)),
        ("Higher end, scratch longer".to_owned(), points(c.end_long)),
        (
            "Area between the curves".to_owned(),
            format!("{:+.2} of that below scratch", c.area_ratio),
        ),
    ];
    facts.push((
        "Rate from scratch".to_owned(),
        format!("{}, the best of three on held-out training images", c.scratch_rate),
    ));
    for r in &c.reached {
        let words = |rounds: Option<f64>| {
            rounds.map_or_else(|| "never in every training".to_owned(), |n| format!("{n:.1}"))
        };
        facts.push((
            format!(
                "Rounds to {:.1} % right ({:.0} % of the lower end)",
                100.0 * r.top1,
                100.0 * r.share
            ),
            format!("{} transferred, {} from scratch", words(r.transferred), words(r.scratch)),
        ));
    }
    facts
}

impl Comparison {
    /// Label and value of each figure, for people.
    pub fn facts(&self) -> Vec<(String, String)> {
        facts(self)
    }
}

/// Words for the two ends.
fn verdict(end: Benefit, long: Benefit) -> String {
    let intervals = format!("{} with as many rounds, {} with more", points(end), points(long));
    if end.low > 0.0 && long.low > 0.0 {
        format!("Transfer paid: it ends higher than scratch by {intervals}.")
    } else if end.high < 0.0 || long.high < 0.0 {
        format!("Transfer did not pay: scratch ends higher; transfer is ahead by {intervals}.")
    } else if end.low > 0.0 {
        format!(
            "Transfer paid in time, not clearly in accuracy: it is ahead by {intervals}; the second \
             interval holds zero."
        )
    } else {
        format!("Transfer did not pay: no clear difference at the end ({intervals}).")
    }
}
