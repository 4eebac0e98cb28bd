//! Heads for label sets: each label is a question of its own, all answered from one decomposition.

use rayon::prelude::*;

use crate::fit::{ERRORS_TO_WIN, Method, PenaltyRow, mean_and_error, refit, shared, short};
use crate::heldout::without_groups;
use crate::input::check_penalties;
use crate::logistic::logistic_penalties;
use crate::platt::Platt;
use crate::ridge::{RidgePath, RidgeRow, ridge_penalties};
use crate::search::{Fold, LARGE, LOGISTIC_PATIENCE, RIDGE_PATIENCE};
use crate::softmax::softplus;
use crate::targets::Targets;
use crate::{
    Features, HeadEvent, HeadKind, HeadOptions, LabelSets, LinearHead, ProbeError, Reason,
};

const RIDGE_PENALTIES: usize = 30;
const LOGISTIC_PENALTIES: usize = 11;

/// A fitted, calibrated head for label sets and how it came about.
#[derive(Debug, Clone, PartialEq)]
pub struct LabelSetsFit {
    /// The head, fitted on all examples; its logits are log odds, calibrated, and its temperature is 1.
    pub head: LinearHead,
    /// Kind of head.
    pub method: Method,
    /// Its penalty.
    pub penalty: f64,
    /// Log odds `[n, C]` of each example by a head that was not fitted on it: leave-one-out for ridge, out-of-fold
    /// for logistic regression.
    pub out_of_fold: Vec<f64>,
    /// Their mean negative log-likelihood per example, summed over labels, in nats.
    pub out_of_fold_nll: f64,
    /// Share of examples whose labels are all told right there, a half and more meaning yes.
    pub out_of_fold_exact: f64,
    /// Every penalty tried; `top1` is the share of examples with all labels right.
    pub table: Vec<PenaltyRow>,
    /// Why penalty and kind are what they are.
    pub reasons: Vec<Reason>,
}

impl LabelSetsFit {
    /// Negative log-likelihood of each example when it was held out, `[n]` in nats, summed over labels.
    pub fn losses(&self, sets: &LabelSets<'_>) -> Vec<f64> {
        losses(&self.out_of_fold, &Targets::from(sets))
    }
}

/// Of log odds `[n, C]`.
fn losses(odds: &[f64], targets: &Targets<'_>) -> Vec<f64> {
    let loss = |(i, row): (usize, &[f64])| {
        let all: f64 = row.iter().map(|z| softplus(*z)).sum();
        all - targets.of(i).iter().map(|label| row[*label]).sum::<f64>()
    };
    odds.chunks_exact(targets.classes()).enumerate().map(loss).collect()
}

/// Bounds of the temperature, and the steps to find it: each leaves 0.62 of what is between them.
const TEMPERATURES: [f64; 2] = [1e-3, 1e3];
const STEPS: usize = 60;

/// The temperature in `[1e-3, 1e3]`, one for all labels, that gives held-out log odds `[n, C]` divided by it the
/// lowest negative log-likelihood, with targets by the rule of succession: of `n` answers without a mistake the next
/// is still wrong with a chance of `1 / (n + 2)`.
///
/// # Errors
/// When there are not `n·C` finite values.
pub fn label_temperature(odds: &[f64], sets: &LabelSets<'_>) -> Result<f64, ProbeError> {
    let targets = Targets::from(sets);
    crate::input::check_values("log odds", odds, targets.rows(), targets.classes())?;
    let doubt = 1.0 / (targets.rows() as f64 + 2.0);
    let has = |k: usize| targets.of(k / targets.classes()).contains(&(k % targets.classes()));
    let wanted: Vec<f64> =
        (0..odds.len()).map(|k| if has(k) { 1.0 - doubt } else { doubt }).collect();
    // Convex in one over the temperature, so it has one valley in its logarithm too.
    let loss = |log: f64| -> f64 {
        let beta = (-log).exp();
        odds.iter().zip(&wanted).map(|(z, t)| softplus(beta * z) - t * beta * z).sum()
    };
    let golden = (5.0_f64.sqrt() - 1.0) / 2.0;
    let [mut low, mut high] = TEMPERATURES.map(f64::ln);
    for _ in 0..STEPS {
        let (a, b) = (high - golden * (high - low), low + golden * (high - low));
        if loss(a) <= loss(b) {
            high = b;
        } else {
            low = a;
        }
    }
    Ok(f64::midpoint(low, high).exp())
}

/// A kind of head with its best penalty.
struct Candidate {
    index: usize,
    penalty: f64,
    judged: Judged,
}

/// Held-out scores, calibrated.
struct Judged {
    lines: Vec<Platt>,
    /// Log odds `[n, C]`.
    odds: Vec<f64>,
    /// Of each example, summed over labels.
    losses: Vec<f64>,
    exact: f64,
}

impl Judged {
    fn nll(&self) -> f64 {
        self.losses.iter().sum::<f64>() / self.losses.len() as f64
    }
}

/// Fits a line from scores to log odds for each label, and counts.
fn judge(scores: &[f64], targets: &Targets<'_>) -> Judged {
    let (n, labels) = (targets.rows(), targets.classes());
    let line = |label: usize| {
        let column: Vec<f64> = scores.iter().skip(label).step_by(labels).copied().collect();
        let has: Vec<bool> = (0..n).map(|i| targets.of(i).contains(&label)).collect();
        Platt::fit(&column, &has)
    };
    let lines: Vec<Platt> = (0..labels).into_par_iter().map(line).collect();
    let odds: Vec<f64> =
        scores.iter().enumerate().map(|(k, score)| lines[k % labels].of(*score)).collect();
    let rows = || odds.chunks_exact(labels).enumerate();
    let right = |(i, row): &(usize, &[f64])| {
        row.iter().enumerate().all(|(label, z)| (*z >= 0.0) == targets.of(*i).contains(&label))
    };
    let losses = losses(&odds, targets);
    let exact = rows().filter(right).count() as f64 / n as f64;
    Judged { lines, odds, losses, exact }
}

/// Fits a calibrated linear head that says of each label whether an example has it, and how good it is on examples
/// it has not seen. `folds`, `[n]`, gives each example's fold of the cross-validation, and keeps groups whole.
///
/// - Ridge on targets of 0 and 1, and one logistic regression a label, each with one penalty for all labels, by the
///   lowest held-out negative log-likelihood, summed over labels; chosen between as in [`fit_head`](crate::fit_head),
///   but ridge is taken unseen where a pass of logistic regression has more than 2·10⁸ multiplications.
/// - Each label's scores become log odds by a line fitted to held-out scores (Platt 1999), whose slope and offset go
///   into the weights.
///
/// `options.folds` plays no role.
///
/// # Errors
/// When the input is not sound or a decomposition fails.
pub fn fit_label_sets(
    features: Features<'_>,
    sets: &LabelSets<'_>,
    folds: &[usize],
    options: &HeadOptions,
    observer: &mut dyn FnMut(HeadEvent),
) -> Result<LabelSetsFit, ProbeError> {
    let targets = Targets::from(sets);
    check(features, &targets, folds, options)?;
    observer(HeadEvent::Started {
        examples: features.rows(),
        features: features.columns(),
        classes: sets.labels(),
        folds: folds.iter().max().map_or(0, |m| m + 1),
    });
    let mut table = Vec::new();
    let mut tried = |row: PenaltyRow| {
        table.push(row);
        observer(HeadEvent::Tried(row));
    };
    let groups = shared(options.groups.as_deref().unwrap_or_default());
    let penalties = match &options.penalties {
        Some(given) => given.clone(),
        None => ridge_penalties(features, RIDGE_PENALTIES)?,
    };
    let (path, ridge) = ridge_search(features, &targets, &penalties, &groups, &mut tried)?;
    let products = (targets.rows() * path.basis().rank() * targets.classes()) as f64;
    let skipped = options.kind == HeadKind::Auto && products > LARGE;
    let logistic = if options.kind == HeadKind::Ridge || skipped {
        None
    } else {
        let penalties = match &options.penalties {
            Some(given) => given.clone(),
            None => logistic_penalties(features, LOGISTIC_PENALTIES)?,
        };
        Some(logistic_search(&path, folds, &penalties, &mut tried)?)
    };
    let (method, winner, mut reasons) = choose(options.kind, &path, folds, ridge, logistic)?;
    if skipped {
        reasons[0].because = format!(
            "with {} images, {} features and {} labels logistic regression would take too long; \
             `--head logistic` takes it",
            targets.rows(),
            features.columns(),
            targets.classes()
        );
    }
    reasons.push(Reason {
        choice: format!("penalty {}", short(winner.penalty)),
        because: format!(
            "lowest held-out log loss, summed over labels: {:.4}, with all labels right for {:.4} of the images",
            winner.judged.nll(),
            winner.judged.exact
        ),
    });
    observer(HeadEvent::Chosen { method, penalty: winner.penalty });
    let mut head = match method {
        Method::Ridge => path.fit(winner.index)?,
        Method::Logistic => refit(&path, winner.penalty)?,
    };
    let width = head.features;
    let rows = head.weight.chunks_exact_mut(width).zip(&mut head.bias);
    for ((weight, bias), line) in rows.zip(&winner.judged.lines) {
        for w in weight {
            *w = (f64::from(*w) * line.slope) as f32;
        }
        *bias = line.of(f64::from(*bias)) as f32;
    }
    Ok(LabelSetsFit {
        head,
        method,
        penalty: winner.penalty,
        out_of_fold_nll: winner.judged.nll(),
        out_of_fold_exact: winner.judged.exact,
        out_of_fold: winner.judged.odds,
        table,
        reasons,
    })
}

fn check(
    features: Features<'_>,
    targets: &Targets<'_>,
    folds: &[usize],
    options: &HeadOptions,
) -> Result<(), ProbeError> {
    targets.check_rows(features.rows())?;
    targets.check_rows(folds.len())?;
    if let Some(penalties) = &options.penalties {
        check_penalties(penalties)?;
    }
    if let Some(groups) = options.groups.as_ref().filter(|g| g.len() != features.rows()) {
        let (got, wanted) = (groups.len(), features.rows());
        return Err(ProbeError::Shape { what: "groups", rows: wanted, columns: 1, got, wanted });
    }
    Ok(())
}

fn ridge_search<'a>(
    features: Features<'a>,
    targets: &Targets<'a>,
    penalties: &[f64],
    groups: &[Vec<usize>],
    observe: &mut dyn FnMut(PenaltyRow),
) -> Result<(RidgePath<'a>, Candidate), ProbeError> {
    let (mut best, mut worse): (Option<Candidate>, usize) = (None, 0);
    // Takes what a penalty gave on examples left out, and says whether to go on.
    let mut hear = |index: usize, row: &RidgeRow, mut scores: Vec<f64>| {
        targets.know_shares(&mut scores, groups);
        let judged = judge(&scores, targets);
        observe(tried(Method::Ridge, row.penalty, &judged, (Some(row.df), Some(row.press))));
        worse += 1;
        if best.as_ref().is_none_or(|b| judged.nll() < b.judged.nll()) {
            best = Some(Candidate { index, penalty: row.penalty, judged });
            worse = 0;
        }
        worse < RIDGE_PATIENCE
    };
    let path = if groups.is_empty() {
        RidgePath::visit(features, targets, penalties, &mut |index, row, scores| {
            hear(index, row, scores.to_vec())
        })?
    } else {
        let path = RidgePath::visit(features, targets, penalties, &mut |_, _, _| true)?;
        for (index, row) in path.rows().iter().enumerate() {
            let mut scores = path.loo_scores(index)?;
            without_groups(&path, index, groups, &mut scores)?;
            if !hear(index, row, scores) {
                break;
            }
        }
        path
    };
    best.map(|b| (path, b)).ok_or(ProbeError::NoPenalties)
}

fn tried(
    method: Method,
    penalty: f64,
    judged: &Judged,
    (df, press): (Option<f64>, Option<f64>),
) -> PenaltyRow {
    let (examples, top1, nll) = (judged.losses.len(), judged.exact, judged.nll());
    PenaltyRow { method, penalty, examples, top1, nll, temperature: 1.0, df, press }
}

fn logistic_search(
    path: &RidgePath<'_>,
    folds: &[usize],
    penalties: &[f64],
    observe: &mut dyn FnMut(PenaltyRow),
) -> Result<Candidate, ProbeError> {
    let targets = path.labels();
    let size = targets.rows() * targets.classes();
    let count = folds.iter().max().map_or(0, |m| m + 1);
    let mut parts: Vec<Fold<'_>> = (0..count).map(|f| Fold::new(path, folds, f)).collect();
    let (mut best, mut worse): (Option<Candidate>, usize) = (None, 0);
    for (index, &penalty) in penalties.iter().enumerate() {
        let each: Vec<Vec<f64>> = parts
            .par_iter_mut()
            .map(|fold| {
                let mut scores = vec![0.0; size];
                fold.advance(path, penalty, &mut scores).map(|()| scores)
            })
            .collect::<Result<_, ProbeError>>()?;
        let of = |k: usize| each[folds[k / targets.classes()]][k];
        let judged = judge(&(0..size).map(of).collect::<Vec<f64>>(), targets);
        observe(tried(Method::Logistic, penalty, &judged, (None, None)));
        worse += 1;
        if best.as_ref().is_none_or(|b| judged.nll() < b.judged.nll()) {
            best = Some(Candidate { index, penalty, judged });
            worse = 0;
        }
        if worse == LOGISTIC_PATIENCE {
            break;
        }
    }
    best.ok_or(ProbeError::NoPenalties)
}

fn choose(
    kind: HeadKind,
    path: &RidgePath<'_>,
    folds: &[usize],
    ridge: Candidate,
    logistic: Option<Candidate>,
) -> Result<(Method, Candidate, Vec<Reason>), ProbeError> {
    let reason = |method: Method, because: String| {
        vec![Reason { choice: format!("{} head", method.name()), because }]
    };
    let asked = || "it was asked for".to_owned();
    let Some(logistic) = logistic else {
        return Ok((Method::Ridge, ridge, reason(Method::Ridge, asked())));
    };
    if kind == HeadKind::Logistic {
        return Ok((Method::Logistic, logistic, reason(Method::Logistic, asked())));
    }
    let same = judge(&path.fold_scores(ridge.index, folds)?, path.labels());
    let pairs = same.losses.iter().zip(&logistic.judged.losses);
    let (gain, error) = mean_and_error(&pairs.map(|(a, b)| a - b).collect::<Vec<f64>>());
    let wins = gain > ERRORS_TO_WIN * error;
    let facts = format!(
        "on the same folds logistic has log loss {:.4}, summed over labels, ridge {:.4}; the difference of \
         {gain:.4} is {} one standard error ({error:.4})",
        logistic.judged.nll(),
        same.nll(),
        if wins { "more than" } else { "not more than" },
    );
    let (method, winner) = if wins { (Method::Logistic, logistic) } else { (Method::Ridge, ridge) };
    Ok((method, winner, reason(method, facts)))
}
