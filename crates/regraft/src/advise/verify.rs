//! Whether the advice was right: the plan and its rivals on parts of the training images left out in turn.

use serde::Serialize;

use super::command::line;
use super::look::Until;
use crate::compare::trained;
use crate::journal::{Log, Rows};
use crate::measure::Measure;
use crate::task::Task;
use crate::{Error, ErrorKind, FitOptions, Observer, Progress, Strategy};

/// Parts the training images are cut into; each is left out once.
const PARTS: usize = 3;

/// How one plan did on the images left out.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PlanOutcome {
    /// The plan as a command.
    pub command: String,
    /// Share of the images right when they were left out, 0..=1; of labels mean average precision within each part,
    /// the mean over the images.
    pub top1: f64,
    /// That less the advised plan's, or less the first one's where the advised plan was not tried.
    pub gain: f64,
    /// Standard error of the gain, from what each image says of the two.
    pub error: f64,
}

/// The advice and its rivals, tried.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Verification {
    /// By what they were judged.
    pub measure: Measure,
    /// Training images, each left out once.
    pub images: usize,
    /// Parts that were left out in turn.
    pub parts: usize,
    /// The plans that were tried.
    pub outcomes: Vec<PlanOutcome>,
    /// The place of the advised plan among them; none where there was no time for it.
    pub advised: Option<usize>,
    /// Plans for which there was no time.
    pub untried: Vec<String>,
    /// Whether the advised plan was tried and no rival is better by more than a standard error.
    pub right: bool,
    /// The place of the plan to take: the advised one unless a rival is clearly better.
    pub take: usize,
    /// All of it in a sentence.
    pub verdict: String,
}

/// Tries each plan; `advised` is the place of the advised one. Those that were not through by the time of `until`
/// are not judged.
pub(crate) fn verify(
    plans: &[FitOptions],
    advised: usize,
    until: &Until<'_>,
) -> Result<Verification, Error> {
    let log = Log::new(until);
    let (mut tried, mut right): (Vec<&FitOptions>, Vec<Vec<f64>>) = (Vec::new(), Vec::new());
    let (mut untried, mut measure) = (Vec::new(), Measure::Accuracy);
    // The place of the advised plan among those tried.
    let mut place = None;
    let mut count = PARTS;
    for (i, plan) in plans.iter().enumerate() {
        let words = line(plan);
        until.tell(&Progress::Note(&format!("plan {} of {}: {words}", i + 1, plans.len())));
        let own = Task::new(plan, &log).and_then(|task| {
            let (own, of) = left_out(&task, plan, i, &log)?;
            Ok((own, of, task.answers(&[]).measure()))
        });
        match own {
            Ok((own, of, by)) => {
                place = place.or((i == advised).then_some(tried.len()));
                tried.push(plan);
                right.push(own);
                (count, measure) = (of, by);
            }
            // The time is over, and nobody has asked to end.
            Err(error) if error.kind() == ErrorKind::Interrupted && !until.observer.stop() => {
                untried.push(words);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(judged(&tried, place, untried, &right, (count, measure)))
}

/// The part of each training image in the figure when it was left out (1 for those right, where it is accuracy), and
/// the number of parts.
fn left_out(
    task: &Task,
    plan: &FitOptions,
    index: usize,
    log: &Log<'_>,
) -> Result<(Vec<f64>, usize), Error> {
    let train = &task.rows().train;
    let part_of = task.parts(PARTS, plan)?;
    let count = part_of.iter().max().map_or(1, |most| most + 1);
    let mut right = vec![0.0; train.len()];
    for part in 0..count {
        let (held, learn): (Vec<usize>, Vec<usize>) =
            (0..train.len()).partition(|i| part_of[*i] == part);
        let of = |places: &[usize]| places.iter().map(|i| train[*i]).collect();
        let rows = Rows { train: of(&learn), test: of(&held) };
        let own = if plan.strategy == Strategy::Probe {
            let scores = task.probed(plan, &rows, log)?;
            task.answers(&rows.test).judge(task.outputs(), &scores)?
        } else {
            trained(task, plan, &rows, &format!("plan {index} part {part}"), log)?
        };
        held.iter().zip(own).for_each(|(i, ok)| right[*i] = ok);
        if log.observer.stop() {
            return Err(Error::Interrupted);
        }
    }
    Ok((right, count))
}

fn judged(
    plans: &[&FitOptions],
    advised: Option<usize>,
    untried: Vec<String>,
    right: &[Vec<f64>],
    (parts, measure): (usize, Measure),
) -> Verification {
    let share = |own: &[f64]| own.iter().sum::<f64>() / own.len().max(1) as f64;
    let base = advised.unwrap_or(0);
    let to_beat = right.get(base).map(Vec::as_slice).unwrap_or_default();
    let n = to_beat.len().max(2) as f64;
    let outcomes: Vec<PlanOutcome> = plans
        .iter()
        .zip(right)
        .map(|(plan, own)| {
            let gains = || own.iter().zip(to_beat).map(|(a, b)| a - b);
            let gain = gains().sum::<f64>() / n;
            let spread = gains().map(|g| (g - gain).powi(2)).sum::<f64>() / (n - 1.0);
            PlanOutcome { command: line(plan), top1: share(own), gain, error: (spread / n).sqrt() }
        })
        .collect();
    // One image more is a gain of exactly one error, whichever way that is rounded.
    let better = |o: &PlanOutcome| o.gain > (1.0 + 1e-9) * o.error;
    let take = (0..outcomes.len())
        .filter(|i| better(&outcomes[*i]))
        .fold(base, |best, i| if outcomes[i].gain > outcomes[best].gain { i } else { best });
    let images = to_beat.len();
    let verdict = verdict(&outcomes, advised, take, (images, measure));
    let right = advised == Some(take);
    Verification { measure, images, parts, outcomes, advised, untried, right, take, verdict }
}

fn verdict(
    outcomes: &[PlanOutcome],
    advised: Option<usize>,
    take: usize,
    (images, measure): (usize, Measure),
) -> String {
    let points = |x: f64| format!("{:.1}", 100.0 * x);
    let Some(taken) = outcomes.get(take) else { return "nothing was tried".to_owned() };
    let own = points(taken.top1);
    let Some(advised) = advised else {
        let has = match measure {
            Measure::Accuracy => format!("{own} % of {images} images left out right"),
            Measure::MeanAveragePrecision => {
                format!("a mean average precision of {own} % on {images} images left out")
            }
        };
        return format!(
            "there was no time to try the advised plan; of those tried the best has {has}"
        );
    };
    if take != advised {
        return format!(
            "the advice was wrong: a rival is {} ± {} points better on {images} images left out",
            points(taken.gain),
            points(taken.error)
        );
    }
    let rivals = outcomes.iter().enumerate().filter(|(i, _)| *i != advised);
    let closest = rivals.max_by(|(_, a), (_, b)| a.gain.total_cmp(&b.gain));
    let rival = closest.map_or_else(String::new, |(_, o)| {
        format!(" (the best of them {:+.1} ± {} points)", 100.0 * o.gain, points(o.error))
    });
    let got = match measure {
        Measure::Accuracy => format!("{own} % of {images} images left out"),
        Measure::MeanAveragePrecision => {
            format!("mean average precision {own} % on {images} images left out")
        }
    };
    format!("the advice was right: {got}, and no rival is clearly better{rival}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rival_counts_as_better_only_by_more_than_luck() {
        let plan = FitOptions::new("a");
        let of = |from: usize, to: usize| {
            (0..100).map(|i| f64::from(u8::from(i >= from && i < to))).collect()
        };
        let how = (3, Measure::Accuracy);
        let judged = |right: [Vec<f64>; 3]| judged(&[&plan; 3], Some(0), Vec::new(), &right, how);
        // One image more of a hundred is luck; ten are not.
        let luck = judged([of(0, 80), of(0, 81), of(0, 70)]);
        assert!(luck.right && luck.take == 0, "{luck:?}");
        assert!(
            luck.verdict.contains("80.0 %") && luck.verdict.contains("+1.0 ± 1.0"),
            "{}",
            luck.verdict
        );
        let wrong = judged([of(0, 80), of(0, 85), of(0, 90)]);
        assert!(!wrong.right && wrong.take == 2, "{wrong:?}");
        assert!(wrong.verdict.contains("10.0 ± 3.0 points better"), "{}", wrong.verdict);
        // No time for the advised plan: the first one stands in for it.
        let short =
            super::judged(&[&plan; 2], None, vec!["c".to_owned()], &[of(0, 80), of(0, 81)], how);
        assert!(!short.right && short.take == 0 && short.verdict.contains("no time"), "{short:?}");
        // As many right, but others: nobody is better.
        let other = judged([of(0, 80), of(20, 100), of(0, 80)]);
        assert!(other.right, "{other:?}");
    }
}
