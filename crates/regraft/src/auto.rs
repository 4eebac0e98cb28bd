//! `--strategy auto`: the plan that the advisor has for the network, tried beside its rivals.

use regraft_run::{Reason, RunFolder};

use crate::advise::{Until, counsel_for, kept_in_cache, line, verify};
use crate::images::TrainingImages;
use crate::measure::Measure;
use crate::reading::check_folder;
use crate::{Error, FitOptions, Observer, Progress, Strategy, Verification};

/// What was decided.
pub(crate) struct Decided {
    /// A fit whose strategy is no longer open.
    pub(crate) options: FitOptions,
    pub(crate) reasons: Vec<Reason>,
}

/// The strategy of a fit where it is open, for training images as `open` gives them; none where it is not.
///
/// # Errors
/// As [`auto`], and for a folder that holds a run on other data.
pub(crate) fn decided(
    options: &FitOptions,
    folder: &RunFolder,
    open: impl FnOnce(&FitOptions) -> Result<TrainingImages, Error>,
    observer: &dyn Observer,
) -> Result<Option<Decided>, Error> {
    match options.strategy {
        Strategy::Auto => {
            check_folder(options, Some(folder))?;
            auto(options, &open(options)?, observer).map(Some)
        }
        Strategy::Probe | Strategy::LpFt | Strategy::FineTune | Strategy::Scratch => Ok(None),
    }
}

/// Looks the training images over, and tries the plan that suits them, its rivals and the plain probe on thirds
/// of them left out in turn, as far as `options.budget` allows. Taken is the advised plan unless another is better
/// by more than a standard error; where there was no time to try it, what was tried.
///
/// # Errors
/// As [`fit`](crate::fit).
fn auto(
    options: &FitOptions,
    images: &TrainingImages,
    observer: &dyn Observer,
) -> Result<Decided, Error> {
    let started = observer.now();
    let base = FitOptions { strategy: Strategy::Probe, ..options.clone() };
    observer.tell(&Progress::Note("which plan: a look at the training images"));
    let counsel = counsel_for(&base, images, observer)?;
    let mut reasons: Vec<Reason> = counsel
        .advice
        .reasons
        .into_iter()
        .map(|r| Reason { choice: r.choice, because: r.because, rule: r.rule, source: r.source })
        .collect();
    let advised = counsel.plans[0].clone();
    let plans = to_try(&base, counsel.plans);
    let place = plans.iter().position(|plan| line(plan) == line(&advised)).unwrap_or(0);
    if plans.len() < 2 {
        return Ok(Decided { options: advised, reasons });
    }
    let until = Until { observer, time: started + options.budget };
    let tried = verify(&kept_in_cache(&plans)?, place, &until)?;
    let taken = tried.outcomes.get(tried.take).map(|o| &o.command);
    let chosen = plans.into_iter().find(|plan| taken.is_some_and(|t| line(plan) == *t));
    let chosen = chosen.unwrap_or_else(|| plain(&base));
    if !tried.right {
        // They speak for a plan that is not taken.
        reasons.clear();
    }
    reasons.push(reason(&chosen, &tried, options.budget));
    Ok(Decided { options: FitOptions { out: options.out.clone(), ..chosen }, reasons })
}

/// The probe without more.
fn plain(base: &FitOptions) -> FitOptions {
    FitOptions { tune: base.tune.for_probe(), ..base.clone() }
}

/// The plans, those without training by gradient first, since they take no time, and the plain probe among them.
fn to_try(base: &FitOptions, plans: Vec<FitOptions>) -> Vec<FitOptions> {
    let mut all: Vec<FitOptions> = Vec::new();
    for plan in plans.into_iter().chain([plain(base)]) {
        if all.iter().all(|other| line(other) != line(&plan)) {
            all.push(plan);
        }
    }
    all.sort_by_key(|plan| plan.strategy != Strategy::Probe);
    all
}

fn reason(chosen: &FitOptions, tried: &Verification, budget: f64) -> Reason {
    let plain =
        line(&FitOptions { network: chosen.network.clone(), ..FitOptions::new(&chosen.data) });
    let each = tried.outcomes.iter().map(|o| {
        let words = o.command.strip_prefix(&plain).unwrap_or(&o.command).trim();
        format!("{} {:.1} %", if words.is_empty() { "probe" } else { words }, 100.0 * o.top1)
    });
    let each = each.collect::<Vec<String>>().join("; ");
    let left = match tried.untried.len() {
        0 => String::new(),
        n => format!("; {n} more did not fit into {budget:.0} s (`--budget`)"),
    };
    let judged = match tried.measure {
        Measure::Accuracy => "left-out images right",
        Measure::MeanAveragePrecision => "mean average precision on left-out images",
    };
    Reason {
        choice: format!("plan: {}", chosen.strategy.name()),
        because: format!("{}; {judged}: {each}{left}", tried.verdict),
        rule: "the advised plan unless another is better by more than a standard error".to_owned(),
        source: format!("{} training images, a third of them left out in turn", tried.images),
    }
}
