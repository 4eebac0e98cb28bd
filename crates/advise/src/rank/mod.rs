//! Many networks, many scores, one order, and how sure it is.
//!
//! The combined score of a network is a weighted mean of three standardised scores, all from images that a ridge
//! head has not seen: how sure it is of their labels (½), how much of their targets it explains (¼), and how many
//! it has right (¼). The accuracy is the thing itself, but few images leave many ties and much luck in it; the
//! other two still tell networks apart there. Measured on 19 tasks with 12 draws each, ridge heads: the first of the
//! ranking lost 1.2 points against the best network; 1.6 with accuracy and `LogME` alone. A
//! score is standardised over the networks: less its mean, divided by its standard deviation or, where that is
//! smaller, by the standard error that the images leave it. So a score that only sees noise cannot decide.
//!
//! Of label sets the same three are taken label by label, with mean average precision for the accuracy; the weights
//! are those of classes, there was no such study of label sets.
//!
//! The other scores are shown beside it with Kendall's τ between each pair: where they disagree, no order
//! is to be trusted.

mod assess;
mod bootstrap;
mod kendall;

use std::cmp::Ordering;

use regraft_probe::Targets;

pub use assess::{Assessment, Score, assess, assess_sets};
use bootstrap::replicates;
pub use kendall::{kendall, weighted_kendall};

use crate::AdviseError;

/// Weight of each of [`Score::LEADING`].
const WEIGHTS: [f64; 3] = [0.5, 0.25, 0.25];

/// What [`rank`] is told.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RankOptions {
    /// Resamples of the images.
    pub replicates: usize,
    /// Their seed.
    pub seed: u64,
    /// Share of resamples inside an interval, 0 to 1.
    pub level: f64,
}

impl Default for RankOptions {
    fn default() -> Self {
        Self { replicates: 1000, seed: 0, level: 0.95 }
    }
}

/// A network's place.
#[derive(Debug, Clone, PartialEq)]
pub struct Place {
    /// Index among the candidates given.
    pub candidate: usize,
    /// Its combined score: 0 is the mean of all.
    pub combined: f64,
    /// Where the combined score lies in the middle share of the resamples.
    pub interval: (f64, f64),
    /// Share of resamples in which it is the best, ties shared, 0 to 1.
    pub best: f64,
    /// Its group: networks of a group are equal to its first within noise.
    pub group: usize,
    /// Its rank from 1 by each of [`Score::LEADING`]; ties have their mean.
    pub ranks: [f64; 3],
}

/// How two scores agree on the order.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Agreement {
    /// One.
    pub a: Score,
    /// The other.
    pub b: Score,
    /// Kendall's `τ_b`, -1 to 1, over the networks that have both; `None` where one does not tell any two of
    /// them apart.
    pub tau: Option<f64>,
}

/// What [`rank`] gives.
#[derive(Debug, Clone, PartialEq)]
pub struct Ranking {
    /// Best first.
    pub places: Vec<Place>,
    /// Each pair of scores that two networks at least have.
    pub agreements: Vec<Agreement>,
    /// Standard error of each of [`Score::LEADING`], `[candidates]` each, in its own unit.
    pub errors: Vec<[f64; 3]>,
}

impl Ranking {
    /// Candidates equal to the best within noise, the best first.
    pub fn equal_to_best(&self) -> Vec<usize> {
        self.places.iter().filter(|p| p.group == 0).map(|p| p.candidate).collect()
    }

    /// Whether there is more than one candidate and none is told from another: an answer, too.
    pub fn all_equal(&self) -> bool {
        self.places.len() > 1 && self.places.iter().all(|p| p.group == 0)
    }
}

/// Ranks networks that were assessed on the same images with the same classes or labels.
///
/// The images are drawn again `replicates` times, within each class (of label sets, of which most may be there once,
/// among all), the same ones for all networks; each
/// image's share of a score then gives the score without computing it again. Differences from the mean are
/// stretched by `√(n_c/(n_c-1))`, because a class drawn from its own `n_c` images varies that much too
/// little. Two networks are equal within noise when the interval of their difference holds 0. Groups are
/// made from the top: the first network not yet in one, and all below that are equal to it.
///
/// Fails for no candidates, for an assessment of other images, and for options out of range.
pub fn rank<'a>(
    candidates: &[Assessment],
    targets: impl Into<Targets<'a>>,
    options: &RankOptions,
) -> Result<Ranking, AdviseError> {
    let targets = targets.into();
    check(candidates, targets.rows(), options)?;
    let points: Vec<[f64; 3]> =
        candidates.iter().map(|a| Score::LEADING.map(|s| a.scores[&s])).collect();
    let shares: Vec<&[Vec<f64>; 3]> = candidates.iter().map(|a| &a.contributions).collect();
    let moves = replicates(&shares, &targets, options.replicates, options.seed);
    let errors = bootstrap::errors(&moves, candidates.len());
    let scales = [0, 1, 2].map(|s| Scale::new(&points, &errors, s));
    let combine =
        |values: [f64; 3]| -> f64 { (0..3).map(|s| WEIGHTS[s] * scales[s].of(values[s])).sum() };
    let combined: Vec<f64> = points.iter().map(|&p| combine(p)).collect();
    // What each resample adds to the combined score: [replicates][candidates].
    let moved: Vec<Vec<f64>> = moves
        .iter()
        .map(|all| {
            let one = |(c, m): (usize, &[f64; 3])| combine([0, 1, 2].map(|s| points[c][s] + m[s]));
            all.iter().enumerate().map(one).collect()
        })
        .collect();
    let mut order: Vec<usize> = (0..candidates.len()).collect();
    order.sort_by(|&a, &b| combined[b].total_cmp(&combined[a]).then(a.cmp(&b)));
    let groups = groups(&order, &moved, options.level);
    let best = chance_of_best(&moved, candidates.len());
    let ranks = [0, 1, 2].map(|s| mean_ranks(&points.iter().map(|p| p[s]).collect::<Vec<f64>>()));
    let place = |&c: &usize| Place {
        candidate: c,
        combined: combined[c],
        interval: interval(moved.iter().map(|m| m[c]).collect(), options.level),
        best: best[c],
        group: groups[c],
        ranks: [0, 1, 2].map(|s| ranks[s][c]),
    };
    Ok(Ranking {
        places: order.iter().map(place).collect(),
        agreements: agreements(candidates),
        errors,
    })
}

fn check(
    candidates: &[Assessment],
    wanted: usize,
    options: &RankOptions,
) -> Result<(), AdviseError> {
    let wrong = |name, value, wanted| Err(AdviseError::Option { name, value, wanted });
    if candidates.is_empty() {
        return wrong("candidates", 0.0, "at least 1");
    }
    if options.replicates < 2 {
        return wrong("replicates", options.replicates as f64, "at least 2");
    }
    if !(options.level > 0.0 && options.level < 1.0) {
        return wrong("level", options.level, "a share between 0 and 1");
    }
    for list in candidates.iter().flat_map(|a| &a.contributions) {
        if list.len() != wanted {
            let what = "contributions of the images to a score";
            return Err(AdviseError::Length { what, got: list.len(), wanted });
        }
    }
    for score in Score::LEADING {
        let with = candidates.iter().filter(|a| a.scores.contains_key(&score)).count();
        if with != candidates.len() {
            let (what, wanted) = (score.name(), candidates.len());
            return Err(AdviseError::Length { what, got: with, wanted });
        }
    }
    Ok(())
}

/// How a score is standardised.
struct Scale {
    mean: f64,
    unit: f64,
}

impl Scale {
    fn new(points: &[[f64; 3]], errors: &[[f64; 3]], score: usize) -> Self {
        let n = points.len() as f64;
        let mean = points.iter().map(|p| p[score]).sum::<f64>() / n;
        let spread =
            points.iter().map(|p| (p[score] - mean).powi(2)).sum::<f64>() / (n - 1.0).max(1.0);
        let noise = errors.iter().map(|e| e[score]).sum::<f64>() / n;
        Self { mean, unit: spread.sqrt().max(noise) }
    }

    fn of(&self, value: f64) -> f64 {
        if self.unit > 0.0 { (value - self.mean) / self.unit } else { 0.0 }
    }
}

/// The group of each candidate.
fn groups(order: &[usize], moved: &[Vec<f64>], level: f64) -> Vec<usize> {
    let mut groups = vec![usize::MAX; order.len()];
    let mut next = 0;
    for (at, &first) in order.iter().enumerate() {
        if groups[first] != usize::MAX {
            continue;
        }
        groups[first] = next;
        for &other in &order[at + 1..] {
            let (low, _) = interval(moved.iter().map(|m| m[first] - m[other]).collect(), level);
            if groups[other] == usize::MAX && low <= 0.0 {
                groups[other] = next;
            }
        }
        next += 1;
    }
    groups
}

fn chance_of_best(moved: &[Vec<f64>], candidates: usize) -> Vec<f64> {
    let mut best = vec![0.0; candidates];
    for values in moved {
        let top = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let winners: Vec<usize> = (0..candidates).filter(|&c| values[c] == top).collect();
        for &c in &winners {
            best[c] += 1.0 / winners.len() as f64;
        }
    }
    best.into_iter().map(|b| b / moved.len() as f64).collect()
}

/// The middle share of values, between them by straight lines.
fn interval(mut values: Vec<f64>, level: f64) -> (f64, f64) {
    values.sort_by(f64::total_cmp);
    let at = |share: f64| {
        let place = share * (values.len() - 1) as f64;
        let (low, high) = (values[place.floor() as usize], values[place.ceil() as usize]);
        low + (high - low) * place.fract()
    };
    (at(0.5 * (1.0 - level)), at(0.5 * (1.0 + level)))
}

/// Ranks from 1, largest first; ties have their mean.
fn mean_ranks(values: &[f64]) -> Vec<f64> {
    let rank = |v: &f64| {
        let count = |o: Ordering| values.iter().filter(|w| w.total_cmp(v) == o).count() as f64;
        1.0 + count(Ordering::Greater) + 0.5 * (count(Ordering::Equal) - 1.0)
    };
    values.iter().map(rank).collect()
}

fn agreements(candidates: &[Assessment]) -> Vec<Agreement> {
    let mut out = Vec::new();
    for (k, &a) in Score::ALL.iter().enumerate() {
        for &b in &Score::ALL[k + 1..] {
            let both = |c: &Assessment| Some((*c.scores.get(&a)?, *c.scores.get(&b)?));
            let (x, y): (Vec<f64>, Vec<f64>) = candidates.iter().filter_map(both).unzip();
            if x.len() > 1 {
                out.push(Agreement { a, b, tau: kendall(&x, &y) });
            }
        }
    }
    out
}
