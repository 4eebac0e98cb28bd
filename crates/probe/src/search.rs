//! The search for a penalty, one function per kind of head.

use rayon::prelude::*;

use crate::calibrate::{each_nll, fit_beta};
use crate::fit::{Method, PenaltyRow};
use crate::heldout::without_groups;
use crate::logistic::{Problem, Solution};
use crate::ridge::{RidgePath, RidgeRow};
use crate::softmax::count_top1;
use crate::{Features, Labels, ProbeError};

/// Tolerance of the fits inside the cross-validation: their scores are stable well before.
const FOLD_TOLERANCE: f64 = 1e-5;
const FOLD_STEPS: usize = 200;
/// Multiplications of one pass over all examples above which the penalty is sought on one fold.
pub(crate) const LARGE: f64 = 2e8;
/// A path ends after this many penalties in a row that were worse than the best: a decade and a
/// half for logistic regression, two decades for ridge.
pub(crate) const LOGISTIC_PATIENCE: usize = 3;
pub(crate) const RIDGE_PATIENCE: usize = 8;

/// How good a set of held-out scores is.
pub(crate) struct Judged {
    /// `1/T` of the smoothed fit.
    pub(crate) beta: f64,
    /// Mean negative log-likelihood at that temperature.
    pub(crate) nll: f64,
    pub(crate) top1: f64,
}

/// Fits a temperature and counts.
pub(crate) fn judge(scores: &[f64], classes: usize, labels: &[usize], smoothing: f64) -> Judged {
    let beta = fit_beta(scores, classes, labels, smoothing);
    let n = labels.len() as f64;
    Judged {
        beta,
        nll: each_nll(scores, classes, labels, beta).iter().sum::<f64>() / n,
        top1: count_top1(scores, classes, labels) as f64 / n,
    }
}

/// A kind of head with its best penalty.
pub(crate) struct Candidate {
    pub(crate) index: usize,
    pub(crate) penalty: f64,
    /// Held-out scores `[n, C]` at that penalty.
    pub(crate) scores: Vec<f64>,
    pub(crate) judged: Judged,
}

/// What all searches share.
pub(crate) struct Task<'a> {
    pub(crate) labels: &'a Labels<'a>,
    pub(crate) folds: &'a [usize],
    pub(crate) smoothing: f64,
}

/// The best ridge penalty so far.
struct RidgeSearch<'s, 'a> {
    task: &'s Task<'a>,
    /// Examples that are left out together.
    shared: &'s [Vec<usize>],
    best: Option<Candidate>,
    /// Penalties since then.
    worse: usize,
}

impl<'s, 'a> RidgeSearch<'s, 'a> {
    fn new(task: &'s Task<'a>, shared: &'s [Vec<usize>]) -> Self {
        Self { task, shared, best: None, worse: 0 }
    }

    /// Takes what a penalty gave on examples left out, and says whether to go on.
    fn hear(
        &mut self,
        index: usize,
        row: &RidgeRow,
        mut scores: Vec<f64>,
        observe: &mut dyn FnMut(PenaltyRow),
    ) -> bool {
        let labels = self.task.labels;
        labels.know_shares(&mut scores, self.shared);
        let judged = judge(&scores, labels.classes(), labels.values(), self.task.smoothing);
        observe(PenaltyRow {
            method: Method::Ridge,
            penalty: row.penalty,
            examples: labels.values().len(),
            top1: judged.top1,
            nll: judged.nll,
            temperature: 1.0 / judged.beta,
            df: Some(row.df),
            press: Some(row.press),
        });
        if self.best.as_ref().is_none_or(|b| judged.nll < b.judged.nll) {
            self.best = Some(Candidate { index, penalty: row.penalty, scores, judged });
            self.worse = 0;
        } else {
            self.worse += 1;
        }
        self.worse < RIDGE_PATIENCE
    }
}

/// Ridge: lowest leave-one-group-out log loss after temperature; `shared` has the groups of more than one example.
pub(crate) fn ridge_search_by_groups<'a>(
    features: Features<'a>,
    task: &Task<'a>,
    penalties: &[f64],
    shared: &[Vec<usize>],
    observe: &mut dyn FnMut(PenaltyRow),
) -> Result<(RidgePath<'a>, Candidate), ProbeError> {
    let path = crate::ridge(features, task.labels, penalties)?;
    let mut search = RidgeSearch::new(task, shared);
    for (index, row) in path.rows().iter().enumerate() {
        let mut scores = path.loo_scores(index)?;
        without_groups(&path, index, shared, &mut scores)?;
        if !search.hear(index, row, scores, observe) {
            break;
        }
    }
    search.best.map(|b| (path, b)).ok_or(ProbeError::NoPenalties)
}

/// Ridge: lowest leave-one-out log loss after temperature.
pub(crate) fn ridge_search<'a>(
    features: Features<'a>,
    task: &Task<'a>,
    penalties: &[f64],
    observe: &mut dyn FnMut(PenaltyRow),
) -> Result<(RidgePath<'a>, Candidate), ProbeError> {
    let mut search = RidgeSearch::new(task, &[]);
    let path =
        RidgePath::visit(features, &task.labels.into(), penalties, &mut |index, row, scores| {
            search.hear(index, row, scores.to_vec(), observe)
        })?;
    search.best.map(|b| (path, b)).ok_or(ProbeError::NoPenalties)
}

/// The fits of one fold along the path.
pub(crate) struct Fold<'a> {
    problem: Problem<'a>,
    at: Solution,
    absent: Vec<usize>,
}

impl<'a> Fold<'a> {
    pub(crate) fn new(path: &'a RidgePath<'_>, folds: &'a [usize], fold: usize) -> Self {
        let problem = Problem::new(path.basis(), path.labels(), Some((folds, fold)));
        let counts = problem.counts();
        // A label that is absent has odds of its own.
        let shared = !path.labels().are_several();
        let absent = (0..counts.len()).filter(|&c| shared && counts[c] == 0).collect();
        Self { at: problem.start(), problem, absent }
    }

    /// Moves to the solution at `penalty` and writes the logits of the held-out examples to their
    /// rows of `out`, `[n, C]`.
    pub(crate) fn advance(
        &mut self,
        path: &RidgePath<'_>,
        penalty: f64,
        out: &mut [f64],
    ) -> Result<(), ProbeError> {
        let problem = &self.problem;
        let ended = problem.solve(&self.at, penalty, FOLD_TOLERANCE, FOLD_STEPS)?;
        self.at = ended.solution;
        self.at.scores_into(path.basis(), &|i| !problem.is_in(i), out)?;
        // A class this fold did not train has no score of its own: it shares the lowest.
        if !self.absent.is_empty() {
            let rows = out.chunks_exact_mut(problem.labels.classes()).enumerate();
            for (_, row) in rows.filter(|(i, _)| !problem.is_in(*i)) {
                let known = |c: &usize| !self.absent.contains(c);
                let lowest =
                    (0..row.len()).filter(known).map(|c| row[c]).fold(f64::INFINITY, f64::min);
                self.absent.iter().for_each(|&c| row[c] = lowest);
            }
        }
        Ok(())
    }
}

/// Logistic regression: lowest out-of-fold log loss after temperature, along a path with warm
/// starts that ends when it only gets worse. Gives the examples it was judged on, too: all, or one
/// fold when there are very many.
pub(crate) fn logistic_search(
    path: &RidgePath<'_>,
    task: &Task<'_>,
    penalties: &[f64],
    observe: &mut dyn FnMut(PenaltyRow),
) -> Result<(Candidate, Vec<usize>), ProbeError> {
    let classes = task.labels.classes();
    let n = task.labels.values().len();
    let count = task.folds.iter().max().map_or(0, |m| m + 1);
    let large = (n * path.basis().rank() * classes) as f64 > LARGE;
    let searched = if large { 1 } else { count };
    let mut folds: Vec<Fold<'_>> = (0..searched).map(|f| Fold::new(path, task.folds, f)).collect();
    let tested: Vec<usize> = (0..n).filter(|&i| task.folds[i] < searched).collect();
    let labels: Vec<usize> = tested.iter().map(|&i| task.labels.values()[i]).collect();
    let mut best: Option<Candidate> = None;
    let mut worse = 0;
    for (index, &penalty) in penalties.iter().enumerate() {
        let all: Vec<Vec<f64>> = folds
            .par_iter_mut()
            .map(|fold| {
                let mut scores = vec![0.0; n * classes];
                fold.advance(path, penalty, &mut scores).map(|()| scores)
            })
            .collect::<Result<_, ProbeError>>()?;
        let scores = gather(&all, &tested, task.folds, classes);
        let judged = judge(&scores, classes, &labels, task.smoothing);
        observe(PenaltyRow {
            method: Method::Logistic,
            penalty,
            examples: tested.len(),
            top1: judged.top1,
            nll: judged.nll,
            temperature: 1.0 / judged.beta,
            df: None,
            press: None,
        });
        if best.as_ref().is_none_or(|b| judged.nll < b.judged.nll) {
            best = Some(Candidate { index, penalty, scores: (scores), judged });
            worse = 0;
        } else {
            worse += 1;
            if worse == LOGISTIC_PATIENCE {
                break;
            }
        }
    }
    best.map(|b| (b, tested)).ok_or(ProbeError::NoPenalties)
}

/// The same penalty judged on all folds, when it was sought on one.
pub(crate) fn all_folds(
    path: &RidgePath<'_>,
    task: &Task<'_>,
    found: Candidate,
    tested: usize,
) -> Result<Candidate, ProbeError> {
    if tested == task.labels.values().len() {
        return Ok(found);
    }
    let count = task.folds.iter().max().map_or(0, |m| m + 1);
    let mut scores = vec![0.0; task.labels.values().len() * task.labels.classes()];
    for f in 0..count {
        Fold::new(path, task.folds, f).advance(path, found.penalty, &mut scores)?;
    }
    let judged = judge(&scores, task.labels.classes(), task.labels.values(), task.smoothing);
    Ok(Candidate { index: found.index, penalty: found.penalty, scores: (scores), judged })
}

/// Rows of the tested examples, each from the fold that did not train on it.
fn gather(all: &[Vec<f64>], tested: &[usize], folds: &[usize], classes: usize) -> Vec<f64> {
    tested.iter().flat_map(|&i| &all[folds[i]][i * classes..(i + 1) * classes]).copied().collect()
}
