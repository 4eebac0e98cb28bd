//! None of these: images of no known class, told by their features.
//!
//! Three scores, the higher the less known: the Mahalanobis distance to the nearest class, the distance to the
//! k-th nearest training image, and the [`energy`] of the head's logits. The first two rest on a *bank* of
//! training images, a share of each class, and which of them is taken is measured, not believed: each class in turn is left out and has to be told from the
//! others ([`auroc`]). The threshold keeps a stated rate of false alarms on images like the training ones,
//! with a stated certainty: it is one of the scores that training images got from models without them
//! (conformal prediction: Vovk, Gammerman, Shafer, Algorithmic learning in a random world, 2005), so the
//! promise asks nothing of the shape of the scores, only that new images of the known classes come from
//! where the training images came from.

mod auroc;
mod bank;
mod choose;
mod energy;
mod factor;
mod parts;
mod products;
mod threshold;
mod tied;

use faer::Mat;
use rayon::prelude::*;
use regraft_probe::{Features, Labels, ProbeError};
use serde::{Deserialize, Serialize};

pub use auroc::auroc;
use bank::Bank;
pub use bank::Near;
use choose::{held_out, left_out};
pub use energy::energy;
pub use parts::{Settings, TiedSettings, Values};
use products::Products;
use threshold::{Pooled, Threshold, pooled, threshold, wanted};
use tied::Tied;

use crate::{AdviseError, Table};

/// Nearest training images that a judgement names.
const NAMED: usize = 5;
/// Of the mean class, so many images are the k of the k-th nearest; and not more than so many.
const SHARE: usize = 10;
const MOST_NEIGHBOURS: usize = 50;
/// Images judged together.
const TOGETHER: usize = 64;
/// Standard errors by which another score must beat the neighbours.
const ERRORS_TO_WIN: f64 = 2.0;

/// How unknown images are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// Distance to the k-th nearest training image, of features of length 1.
    Neighbours,
    /// Mahalanobis distance to the nearest class mean.
    Mahalanobis,
    /// Energy of the head's logits.
    Energy,
}

impl Method {
    /// All of them, in the order in which a tie is broken.
    pub const ALL: [Self; 3] = [Self::Neighbours, Self::Mahalanobis, Self::Energy];

    /// The word used in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Neighbours => "nearest neighbours",
            Self::Mahalanobis => "Mahalanobis distance",
            Self::Energy => "energy of logits",
        }
    }
}

/// What [`fit_unknown`] is told.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct UnknownOptions<'a> {
    /// Share of known images that may be called unknown, 0 to 1 and neither.
    pub alarms: f64,
    /// How sure that is to be, 0 to 1 and neither: with 0.95, one fit in twenty gives more false alarms.
    pub sure: f64,
    /// Seed of folds and choices.
    pub seed: u64,
    /// Most training images that the model keeps.
    pub bank: usize,
    /// The k of the k-th nearest; `None`: [`neighbours`] of the bank.
    pub neighbours: Option<usize>,
    /// Which score; `None`: whichever tells left-out classes best, the neighbours where none is better by more
    /// than two standard errors.
    pub method: Option<Method>,
    /// The group of each image, `[n]` (one patient, one film): images of a group never judge one another.
    pub groups: Option<&'a [usize]>,
    /// Logits of the head, `[n, C]`, each row from a head that was not fitted on it: for `Method::Energy`, which
    /// is taken only when it is asked for. To leave a class out, heads would have to be fitted without it: the
    /// logits of one that knows all of them told ants and bees left out nearly always (area 0.996, neighbours
    /// 0.908), and then not one of 600 hand signs.
    pub logits: Option<&'a [f64]>,
    /// Scores of known images by models that have not seen them, which set the threshold instead of those of
    /// the training images: for features that have learned the training images. No class can then be left
    /// out, so the method must be given; `None` takes the neighbours.
    pub judged: Option<Judged<'a>>,
}

/// Scores of known images by models that have not seen them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Judged<'a> {
    /// The scores.
    pub scores: &'a [f64],
    /// Which training image each is of, where the features have learned these like the others: then all
    /// training images have a say in the threshold, by what the model says of them and how that goes with what
    /// was said of those held out.
    pub rows: Option<&'a [usize]>,
}

impl Default for UnknownOptions<'_> {
    fn default() -> Self {
        Self {
            alarms: 0.05,
            sure: 0.95,
            seed: 0,
            bank: 1000,
            neighbours: None,
            method: None,
            groups: None,
            logits: None,
            judged: None,
        }
    }
}

/// Tells unknown images. Small: at most the bank's rows and, for Mahalanobis, `min(m, d)` axes.
#[derive(Debug, Clone, PartialEq)]
pub struct UnknownModel(Parts);

#[derive(Debug, Clone, PartialEq)]
struct Parts {
    method: Method,
    /// Scores above it are unknown.
    threshold: f64,
    /// Share of known images above the threshold, at most.
    alarms: f64,
    /// The k of the k-th nearest.
    neighbours: usize,
    bank: Bank,
    tied: Option<Tied>,
}

/// How well a method told classes that were left out in turn.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LeftOut {
    /// The method.
    pub method: Method,
    /// Area under the curve of hits against false alarms, 0.5 (not at all) to 1, mean over classes.
    pub auroc: f64,
    /// Its standard error.
    pub error: f64,
}

/// What [`fit_unknown`] gives.
#[derive(Debug, Clone, PartialEq)]
pub struct UnknownFit {
    /// The model.
    pub model: UnknownModel,
    /// How well each method told classes that were left out. Empty when there are too few images to leave a
    /// class out.
    pub left_out: Vec<LeftOut>,
    /// Scores of training images by models without them, ascending.
    pub held_out: Vec<f64>,
    /// The rate that is kept: the one asked for, or a higher one where there are fewer scores than `wanted`.
    pub alarms: f64,
    /// How many held-out scores it takes to keep the rate that was asked for.
    pub wanted: usize,
    /// How many held-out scores the threshold is worth: more than there are where other training images had a
    /// say.
    pub worth: usize,
}

/// What is said of an image.
#[derive(Debug, Clone, PartialEq)]
pub struct Judgement {
    /// Whether it is like no known class.
    pub unknown: bool,
    /// Its score: the higher, the less known.
    pub score: f64,
    /// Scores above this one are unknown.
    pub threshold: f64,
    /// The nearest training images of the bank, the nearest first.
    pub nearest: Vec<Near>,
}

/// Fits a model that tells unknown images from features `[n, d]`.
///
/// Fails for options out of range, for a list that has not one item for each image, and for `Method::Energy`
/// without logits. One image alone in its class, or in its group, cannot say what is usual; such images take
/// no part in the threshold.
pub fn fit_unknown(
    features: Features<'_>,
    labels: &Labels<'_>,
    options: &UnknownOptions<'_>,
) -> Result<UnknownFit, AdviseError> {
    check(features, labels, options)?;
    let table = Table::from(features);
    let bank = Bank::fit(table, labels, options.bank, options.seed)?;
    let own = neighbours(bank.rows.len(), labels.classes());
    let neighbours = options.neighbours.unwrap_or(own).clamp(1, bank.rows.len());
    let products = Products::new(table, &bank.rows, bank.labels.clone())?;
    let alone = options.judged.is_some_and(|j| j.rows.is_none());
    let sorted = if alone { Vec::new() } else { bank.among_themselves() };
    let task = choose::Task { labels, options, bank: &bank, neighbours, sorted, products };
    let left_out = if options.judged.is_some() { Vec::new() } else { left_out(&task)? };
    let method = options.method.unwrap_or_else(|| best(&left_out));
    let mut scores = match options.judged {
        Some(judged) => judged.scores.to_vec(),
        None => held_out(&task, method)?,
    };
    scores.retain(|s| s.is_finite());
    scores.sort_by(f64::total_cmp);
    if scores.is_empty() {
        let (name, value) = ("images whose class and group have others", 0.0);
        return Err(AdviseError::Option { name, value, wanted: "at least 1" });
    }
    let Pooled { scores: pooled, worth } = match options.judged {
        Some(Judged { scores: held, rows: Some(rows) }) => all_say(&task, method, held, rows)?,
        Some(Judged { rows: None, .. }) | None => None,
    }
    .filter(|pooled| pooled.worth > scores.len())
    .unwrap_or_else(|| Pooled { scores: scores.clone(), worth: scores.len() });
    let Threshold { value, alarms } = threshold(&pooled, worth, options.alarms, options.sure);
    let held_out = scores;
    let tied = match method {
        Method::Mahalanobis => Some(Tied::fit(&task.products)?),
        Method::Neighbours | Method::Energy => None,
    };
    let model = Parts { method, threshold: value, alarms, neighbours, bank, tied }.whole()?;
    Ok(UnknownFit {
        model,
        left_out,
        held_out,
        alarms,
        wanted: wanted(options.alarms, options.sure),
        worth,
    })
}

/// What all images of the bank say of the scores of new ones, with the scores `held` of the images `rows`.
fn all_say(
    task: &choose::Task<'_>,
    method: Method,
    held: &[f64],
    rows: &[usize],
) -> Result<Option<Pooled>, AdviseError> {
    let own = held_out(task, method)?;
    let place = |row: &usize| task.bank.rows.binary_search(row).ok();
    let pair = |(row, held): (&usize, &f64)| Some((*own.get(place(row)?)?, *held));
    let pairs = rows.iter().zip(held).filter_map(pair);
    let pairs: Vec<(f64, f64)> = pairs.filter(|p| p.0.is_finite() && p.1.is_finite()).collect();
    let own: Vec<f64> = own.iter().copied().filter(|s| s.is_finite()).collect();
    Ok(pooled(&pairs, &own))
}

/// The k of the k-th nearest among `bank` images of `classes` classes.
pub fn neighbours(bank: usize, classes: usize) -> usize {
    (bank / classes.max(1) / SHARE).clamp(1, MOST_NEIGHBOURS)
}

/// The first method, unless a later one is better by more than two standard errors: the neighbours ask
/// nothing of the shape of classes, and the few classes there are say little about all that may come.
fn best(left_out: &[LeftOut]) -> Method {
    let better = |best: Option<LeftOut>, one: &LeftOut| match best {
        Some(b) if one.auroc <= b.auroc + ERRORS_TO_WIN * b.error.max(one.error) => Some(b),
        Some(_) | None => Some(*one),
    };
    left_out.iter().fold(None, better).map_or(Method::Neighbours, |b| b.method)
}

fn check(
    features: Features<'_>,
    labels: &Labels<'_>,
    options: &UnknownOptions<'_>,
) -> Result<(), AdviseError> {
    let n = features.rows();
    if labels.values().len() != n {
        return Err(ProbeError::LabelCount { got: labels.values().len(), wanted: n }.into());
    }
    for (name, value) in [("alarms", options.alarms), ("sure", options.sure)] {
        if !(value > 0.0 && value < 1.0) {
            let wanted = "a share between 0 and 1";
            return Err(AdviseError::Option { name, value, wanted });
        }
    }
    if options.bank == 0 {
        return Err(AdviseError::Option { name: "bank", value: 0.0, wanted: "at least 1" });
    }
    if let Some(groups) = options.groups.filter(|g| g.len() != n) {
        return Err(AdviseError::Length { what: "groups", got: groups.len(), wanted: n });
    }
    if let Some(Judged { scores, rows: Some(rows) }) = options.judged
        && rows.len() != scores.len()
    {
        let (what, got, wanted) = ("rows of images judged elsewhere", rows.len(), scores.len());
        return Err(AdviseError::Length { what, got, wanted });
    }
    if let Some(at) = options.judged.and_then(|j| j.scores.iter().position(|v| v.is_nan())) {
        let what = "scores of images judged elsewhere";
        return Err(ProbeError::NotFinite { what, row: at, column: 0, value: f64::NAN }.into());
    }
    let wanted = n * labels.classes();
    match options.logits {
        Some(logits) if logits.len() != wanted => {
            Err(AdviseError::Length { what: "logits", got: logits.len(), wanted })
        }
        Some(logits) => match logits.iter().position(|v| !v.is_finite()) {
            Some(at) => {
                let (row, column) = (at / labels.classes(), at % labels.classes());
                let value = logits[at];
                Err(ProbeError::NotFinite { what: "logits", row, column, value }.into())
            }
            None => Ok(()),
        },
        None if options.method == Some(Method::Energy) => {
            Err(AdviseError::Length { what: "logits", got: 0, wanted })
        }
        None => Ok(()),
    }
}

impl UnknownModel {
    /// How unknown images are told.
    pub fn method(&self) -> Method {
        self.0.method
    }

    /// Scores above this one are unknown.
    pub fn threshold(&self) -> f64 {
        self.0.threshold
    }

    /// Share of known images that is called unknown, at most, as far as one can be sure.
    pub fn alarms(&self) -> f64 {
        self.0.alarms
    }

    /// The rows of the training set that are in the bank, in its order.
    pub fn rows(&self) -> &[usize] {
        &self.0.bank.rows
    }

    /// Number of features `d`.
    pub fn features(&self) -> usize {
        self.0.bank.features
    }

    /// Judges an image by its features `[d]`, and its logits `[C]` where the method asks for them.
    ///
    /// Fails like [`UnknownModel::judge_all`].
    pub fn judge(&self, x: &[f32], logits: Option<&[f32]>) -> Result<Judgement, AdviseError> {
        let wanted = self.features();
        if x.len() != wanted {
            return Err(AdviseError::Length { what: "features of an image", got: x.len(), wanted });
        }
        let mut all = self.judge_all(x, logits)?;
        all.pop().ok_or(AdviseError::Length { what: "images", got: 0, wanted: 1 })
    }

    /// Judges images by their features `[n, d]`, and their logits `[n, C]` where the method asks for them.
    ///
    /// Fails for a length that is no multiple of `d`, for values that are not finite, and for logits that are
    /// missing.
    pub fn judge_all(
        &self,
        x: &[f32],
        logits: Option<&[f32]>,
    ) -> Result<Vec<Judgement>, AdviseError> {
        let (d, n) = (self.features(), x.len() / self.features());
        if x.len() != n * d {
            return Err(AdviseError::Length {
                what: "features",
                got: x.len(),
                wanted: (n + 1) * d,
            });
        }
        if n == 0 {
            return Ok(Vec::new());
        }
        let logits = logits.unwrap_or(&[]);
        let classes = logits.len() / n;
        for (what, list, columns) in [("features", x, d), ("logits", logits, classes)] {
            if let Some(at) = list.iter().position(|v| !v.is_finite()) {
                let (row, column, value) = (at / columns, at % columns, f64::from(list[at]));
                return Err(ProbeError::NotFinite { what, row, column, value }.into());
            }
        }
        let energies: Option<Vec<f64>> = match self.0.method {
            Method::Energy if classes == 0 || logits.len() != n * classes => {
                let (what, got, wanted) = ("logits of an image", logits.len(), n * classes.max(1));
                return Err(AdviseError::Length { what, got, wanted });
            }
            Method::Energy => {
                let one = |row: &[f32]| energy(row.iter().map(|&l| f64::from(l)));
                Some(logits.chunks_exact(classes).map(one).collect())
            }
            Method::Neighbours | Method::Mahalanobis => None,
        };
        let (nearest, tied) = (self.0.bank.judge(), self.0.tied.as_ref().map(Tied::judge));
        let block = |(at, rows): (usize, &[f32])| {
            let x = Mat::from_fn(d, rows.len() / d, |j, i| f64::from(rows[i * d + j]));
            let near = nearest.nearest(x.as_ref(), self.0.neighbours.max(NAMED));
            let scores = match (&energies, &tied) {
                (Some(all), _) => all[at * TOGETHER..][..near.len()].to_vec(),
                (None, Some(tied)) => {
                    tied.distances(x.as_ref()).into_iter().map(f64::sqrt).collect()
                }
                (None, None) => near.iter().map(|n| n[self.0.neighbours - 1].0).collect(),
            };
            near.into_iter().zip(scores).map(|(n, s)| self.judgement(&n, s)).collect()
        };
        let blocks: Vec<Vec<Judgement>> =
            x.par_chunks(TOGETHER * d).enumerate().map(block).collect();
        Ok(blocks.into_iter().flatten().collect())
    }

    fn judgement(&self, near: &[(f64, usize)], score: f64) -> Judgement {
        Judgement {
            unknown: score > self.0.threshold,
            score,
            threshold: self.0.threshold,
            nearest: near.iter().take(NAMED).map(|one| self.0.bank.near(one)).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_score_wins_by_more_than_two_of_the_larger_errors() {
        let of = |list: &[(f64, f64)]| {
            let one = |(&method, &(auroc, error)): (&Method, &(f64, f64))| LeftOut {
                method,
                auroc,
                error,
            };
            best(&Method::ALL.iter().zip(list).map(one).collect::<Vec<LeftOut>>())
        };
        assert_eq!(of(&[(0.80, 0.02), (0.83, 0.01)]), Method::Neighbours);
        assert_eq!(of(&[(0.80, 0.01), (0.83, 0.02)]), Method::Neighbours);
        assert_eq!(of(&[(0.80, 0.02), (0.85, 0.01)]), Method::Mahalanobis);
        assert_eq!(of(&[(0.80, 0.02), (0.85, 0.01), (0.86, 0.01)]), Method::Mahalanobis);
        assert_eq!(of(&[(0.80, 0.02), (0.85, 0.01), (0.90, 0.01)]), Method::Energy);
        assert_eq!(of(&[]), Method::Neighbours);
    }
}
