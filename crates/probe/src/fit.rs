use std::collections::BTreeMap;

use crate::calibrate::{each_nll, succession_smoothing};
use crate::input::check_penalties;
use crate::logistic::{Problem, logistic_penalties};
use crate::ridge::{RidgePath, ridge_penalties};
use crate::search::{
    Candidate, Task, all_folds, judge, logistic_search, ridge_search, ridge_search_by_groups,
};
use crate::{Features, Labels, LinearHead, ProbeError, folds};

const RIDGE_PENALTIES: usize = 30;
const LOGISTIC_PENALTIES: usize = 11;
const FINAL_TOLERANCE: f64 = 1e-8;
const FINAL_STEPS: usize = 500;
/// Standard errors of the paired difference by which logistic regression must win.
pub(crate) const ERRORS_TO_WIN: f64 = 1.0;

/// Which heads [`fit_head`] tries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HeadKind {
    /// Both, and the better one is taken.
    #[default]
    Auto,
    /// Ridge regression to one-hot targets.
    Ridge,
    /// Multinomial logistic regression.
    Logistic,
}

/// How a head was fitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Ridge regression to one-hot targets.
    Ridge,
    /// Multinomial logistic regression.
    Logistic,
}

impl Method {
    /// The word used in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ridge => "ridge",
            Self::Logistic => "logistic",
        }
    }
}

/// What [`fit_head`] is told.
#[derive(Debug, Clone, PartialEq)]
pub struct HeadOptions {
    /// Which heads to try.
    pub kind: HeadKind,
    /// Seed of the folds.
    pub seed: u64,
    /// Folds of the cross-validation, 2 or more; see [`folds`] for small classes.
    pub folds: usize,
    /// Penalties to try, for both kinds of head; `None` takes [`ridge_penalties`] (30) and
    /// [`logistic_penalties`] (11), which follow the scale of the features. A path ends early once it
    /// has got worse for long, so the order matters: small to large for ridge, large to small for
    /// logistic regression.
    pub penalties: Option<Vec<f64>>,
    /// The group of each example, `[n]` (one patient, one film, copies of one picture): a group is held out
    /// whole, so that its examples do not vouch for one another. `None`: all are independent.
    pub groups: Option<Vec<usize>>,
}

impl Default for HeadOptions {
    fn default() -> Self {
        Self { kind: HeadKind::Auto, seed: 0, folds: 5, penalties: None, groups: None }
    }
}

/// One penalty that was tried.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PenaltyRow {
    /// Kind of head.
    pub method: Method,
    /// The penalty.
    pub penalty: f64,
    /// Examples it was judged on: all, or those of one fold when there are very many.
    pub examples: usize,
    /// Share of them predicted rightly when held out, 0 to 1.
    pub top1: f64,
    /// Mean negative log-likelihood of the held-out labels after temperature, in nats.
    pub nll: f64,
    /// That temperature.
    pub temperature: f64,
    /// Effective degrees of freedom; ridge only.
    pub df: Option<f64>,
    /// Sum of squared leave-one-out residuals; ridge only.
    pub press: Option<f64>,
}

/// What happens during [`fit_head`], in order.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum HeadEvent {
    /// The input is sound and the work begins.
    Started {
        /// Examples.
        examples: usize,
        /// Features of each.
        features: usize,
        /// Classes.
        classes: usize,
        /// Folds of the cross-validation, after shrinking for small classes.
        folds: usize,
    },
    /// A penalty was tried.
    Tried(PenaltyRow),
    /// The choice is made; the final head is being fitted.
    Chosen {
        /// Kind of head.
        method: Method,
        /// Its penalty.
        penalty: f64,
    },
}

/// A choice and why it was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// What was chosen.
    pub choice: String,
    /// The facts it rests on.
    pub because: String,
}

/// A fitted, calibrated head and how it came about.
#[derive(Debug, Clone, PartialEq)]
pub struct HeadFit {
    /// The head, fitted on all examples, with its temperature.
    pub head: LinearHead,
    /// Kind of head.
    pub method: Method,
    /// Its penalty.
    pub penalty: f64,
    /// Leave-one-out accuracy, 0 to 1, of the best ridge head (closed form), whatever was chosen.
    pub loo_top1: f64,
    /// Accuracy, 0 to 1, of the chosen head on examples it was not fitted on.
    pub out_of_fold_top1: f64,
    /// Its scores there, `[n, C]`, before temperature: leave-one-out for ridge, out-of-fold for
    /// logistic regression.
    pub out_of_fold_scores: Vec<f64>,
    /// Their mean negative log-likelihood after temperature, in nats.
    pub out_of_fold_nll: f64,
    /// The fold of each example, `[n]`.
    pub folds: Vec<usize>,
    /// Every penalty tried.
    pub table: Vec<PenaltyRow>,
    /// Why penalty and kind are what they are.
    pub reasons: Vec<Reason>,
}

/// Fits a calibrated linear head and says how good it is on examples it has not seen.
///
/// Features are centred but not scaled one by one: dividing each by its deviation was tried on
/// pooled convolutional features and cost accuracy, because the rarely active ones carry noise.
///
/// - Ridge: the penalty with the lowest leave-one-out negative log-likelihood after temperature.
///   Accuracy as the criterion jumps between neighbouring penalties; the likelihood does not.
/// - Logistic: the same with stratified k-fold cross-validation, from large penalties to small,
///   until three in a row are worse than the best. With very many examples (more than 2·10⁸
///   weight-example products) the penalty is sought on one fold, and the others give scores only
///   for the penalty found, and only when logistic regression is taken.
/// - `Auto`: both on the same folds, or the one (ridge exactly). Logistic regression is taken
///   when its negative log-likelihood is lower by more than one standard error of the paired
///   difference, otherwise ridge, which is simpler.
///
/// Temperatures are fitted to held-out scores of the chosen head, smoothed by the rule of succession, so that a
/// small set without mistakes does not promise certainty. A class with one example is held out
/// like any other; the fold that lacks it gives it the lowest of the other classes' scores, and
/// the example counts as a mistake.
///
/// Examples that are not independent (copies, frames of a film, one patient) make every held-out number too
/// good, unless [`HeadOptions::groups`] says so: then leave-one-out leaves out groups, exactly, and folds keep
/// them whole.
pub fn fit_head(
    features: Features<'_>,
    labels: &Labels<'_>,
    options: &HeadOptions,
    observer: &mut dyn FnMut(HeadEvent),
) -> Result<HeadFit, ProbeError> {
    check(features, labels, options)?;
    let mut folds = folds(labels, options.folds, options.seed);
    let shared = shared(options.groups.as_deref().unwrap_or_default());
    for group in &shared {
        let fold = folds[group[0]];
        for &i in group {
            folds[i] = fold;
        }
    }
    observer(HeadEvent::Started {
        examples: features.rows(),
        features: features.columns(),
        classes: labels.classes(),
        folds: folds.iter().max().map_or(0, |m| m + 1),
    });
    let task = Task { labels, folds: &folds, smoothing: succession_smoothing(labels) };
    let mut table = Vec::new();
    let mut tried = |row: PenaltyRow| {
        table.push(row);
        observer(HeadEvent::Tried(row));
    };
    let penalties = match &options.penalties {
        Some(given) => given.clone(),
        None => ridge_penalties(features, RIDGE_PENALTIES)?,
    };
    let (path, ridge) = if shared.is_empty() {
        ridge_search(features, &task, &penalties, &mut tried)?
    } else {
        ridge_search_by_groups(features, &task, &penalties, &shared, &mut tried)?
    };
    let loo_top1 = ridge.judged.top1;
    let logistic = if options.kind == HeadKind::Ridge {
        None
    } else {
        let penalties = match &options.penalties {
            Some(given) => given.clone(),
            None => logistic_penalties(features, LOGISTIC_PENALTIES)?,
        };
        Some(logistic_search(&path, &task, &penalties, &mut tried)?)
    };
    let (method, winner, mut reasons) = choose(options.kind, &path, &task, ridge, logistic)?;
    reasons.push(penalty_reason(method, &winner));
    observer(HeadEvent::Chosen { method, penalty: winner.penalty });
    let mut head = match method {
        Method::Ridge => path.fit(winner.index)?,
        Method::Logistic => refit(&path, winner.penalty)?,
    };
    head.temperature = (1.0 / winner.judged.beta) as f32;
    Ok(HeadFit {
        head,
        method,
        penalty: winner.penalty,
        loo_top1,
        out_of_fold_top1: winner.judged.top1,
        out_of_fold_nll: winner.judged.nll,
        out_of_fold_scores: winner.scores,
        folds,
        table,
        reasons,
    })
}

/// The groups of more than one example.
pub(crate) fn shared(groups: &[usize]) -> Vec<Vec<usize>> {
    let mut members: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (i, &group) in groups.iter().enumerate() {
        members.entry(group).or_default().push(i);
    }
    members.into_values().filter(|m| m.len() > 1).collect()
}

fn check(
    features: Features<'_>,
    labels: &Labels<'_>,
    options: &HeadOptions,
) -> Result<(), ProbeError> {
    labels.check_rows(features.rows())?;
    if let Some(penalties) = &options.penalties {
        check_penalties(penalties)?;
    }
    if let Some(groups) = options.groups.as_ref().filter(|g| g.len() != features.rows()) {
        let (got, wanted) = (groups.len(), features.rows());
        return Err(ProbeError::Shape { what: "groups", rows: wanted, columns: 1, got, wanted });
    }
    if options.folds < 2 {
        let value = options.folds as f64;
        return Err(ProbeError::Option { name: "folds", value, wanted: "2 or more" });
    }
    Ok(())
}

fn choose(
    kind: HeadKind,
    path: &RidgePath<'_>,
    task: &Task<'_>,
    ridge: Candidate,
    logistic: Option<(Candidate, Vec<usize>)>,
) -> Result<(Method, Candidate, Vec<Reason>), ProbeError> {
    let Some((logistic, tested)) = logistic else {
        return Ok((Method::Ridge, ridge, vec![asked("ridge")]));
    };
    if kind == HeadKind::Logistic {
        let logistic = all_folds(path, task, logistic, tested.len())?;
        return Ok((Method::Logistic, logistic, vec![asked("logistic")]));
    }
    let classes = task.labels.classes();
    let labels: Vec<usize> = tested.iter().map(|&i| task.labels.values()[i]).collect();
    let scores: Vec<f64> = {
        let all = path.fold_scores(ridge.index, task.folds)?;
        tested.iter().flat_map(|&i| &all[i * classes..(i + 1) * classes]).copied().collect()
    };
    let same = judge(&scores, classes, &labels, task.smoothing);
    let a = each_nll(&scores, classes, &labels, same.beta);
    let scores = &logistic.scores;
    let b = each_nll(scores, classes, &labels, logistic.judged.beta);
    let gains: Vec<f64> = a.iter().zip(&b).map(|(a, b)| a - b).collect();
    let (gain, error) = mean_and_error(&gains);
    let wins = gain > ERRORS_TO_WIN * error;
    let facts = format!(
        "on the same folds logistic has log loss {:.4} and accuracy {:.4}, ridge {:.4} and {:.4}; \
         the difference of {gain:.4} is {} one standard error ({error:.4})",
        logistic.judged.nll,
        logistic.judged.top1,
        same.nll,
        same.top1,
        if wins { "more than" } else { "not more than" },
    );
    let method = if wins { Method::Logistic } else { Method::Ridge };
    let reason = Reason { choice: format!("{} head", method.name()), because: facts };
    let winner = if wins { all_folds(path, task, logistic, tested.len())? } else { ridge };
    Ok((method, winner, vec![reason]))
}

fn asked(name: &str) -> Reason {
    Reason { choice: format!("{name} head"), because: "it was asked for".to_owned() }
}

fn penalty_reason(method: Method, winner: &Candidate) -> Reason {
    let held_out = match method {
        Method::Ridge => "leave-one-out",
        Method::Logistic => "out-of-fold",
    };
    Reason {
        choice: format!("penalty {}", short(winner.penalty)),
        because: format!(
            "lowest {held_out} log loss after temperature: {:.4}, with accuracy {:.4}",
            winner.judged.nll, winner.judged.top1
        ),
    }
}

pub(crate) fn refit(path: &RidgePath<'_>, penalty: f64) -> Result<LinearHead, ProbeError> {
    let problem = Problem::new(path.basis(), path.labels(), None);
    let ended = problem.solve(&problem.start(), penalty, FINAL_TOLERANCE, FINAL_STEPS)?;
    ended.solution.head(path.basis())
}

/// Mean, and the standard error of the mean.
pub(crate) fn mean_and_error(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let spread: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
    (mean, (spread / (n - 1.0).max(1.0) / n).sqrt())
}

/// Four digits, as people write them.
pub(crate) fn short(x: f64) -> String {
    if (1e-3..1e5).contains(&x) { format!("{x:.3}") } else { format!("{x:.3e}") }
}
