//! What a comparison says.

use super::{Benefit, Comparison};
use crate::measure::Measure;

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
    // What a figure is of, in the words of people.
    let right = match c.measure {
        Measure::Accuracy => "right",
        Measure::MeanAveragePrecision => "mean average precision",
    };
    for r in &c.reached {
        let words = |rounds: Option<f64>| {
            rounds.map_or_else(|| "never in every training".to_owned(), |n| format!("{n:.1}"))
        };
        facts.push((
            format!(
                "Rounds to {:.1} % {right} ({:.0} % of the lower end)",
                100.0 * r.top1,
                100.0 * r.share
            ),
            format!("{} transferred, {} from scratch", words(r.transferred), words(r.scratch)),
        ));
    }
    for plan in &c.plans {
        facts.push((
            format!("{}, at the end", plan.name),
            format!(
                "{:.1} % {right}; {} to transferred, {} to scratch",
                100.0 * plan.top1,
                points(plan.to_transferred),
                points(plan.to_scratch)
            ),
        ));
    }
    for at in &c.by_images {
        facts.push((
            format!("{} training images", at.images),
            format!(
                "{:.1} % transferred, {:.1} % from scratch: {}",
                100.0 * at.transferred,
                100.0 * at.scratch,
                points(at.benefit)
            ),
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
pub(super) fn verdict(end: Benefit, long: Benefit, measure: Measure) -> String {
    let intervals = format!("{} with as many rounds, {} with more", points(end), points(long));
    if end.low > 0.0 && long.low > 0.0 {
        format!("Transfer paid: it ends higher than scratch by {intervals}.")
    } else if end.high < 0.0 || long.high < 0.0 {
        format!("Transfer did not pay: scratch ends higher; transfer is ahead by {intervals}.")
    } else if end.low > 0.0 {
        format!(
            "Transfer paid in time, not clearly in {}: it is ahead by {intervals}; the second \
             interval holds zero.",
            measure.words()
        )
    } else {
        format!("Transfer did not pay: no clear difference at the end ({intervals}).")
    }
}
