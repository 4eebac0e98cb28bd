//! Class shares in words.

use std::fmt::Write;

use regraft::PriorFacts;
use serde::Serialize;

use crate::units::{percent, plural};

/// Classes named; the others are counted.
const NAMED: usize = 10;

/// The line of JSON before the answers.
#[derive(Serialize)]
pub(crate) struct PriorLine<'a> {
    /// Which class shares the answers are for.
    pub(crate) prior: &'a PriorFacts,
}

/// Which class shares the probabilities are for, and how sure an estimate is.
pub(crate) fn shares_text(facts: &PriorFacts) -> String {
    let mut text = match &facts.test {
        None => format!("class shares: {}\n", facts.prior),
        Some(test) => {
            let images = plural(test.images, "image");
            let chance = if test.chance < 0.001 {
                "less than 0.1 %".to_owned()
            } else {
                percent(test.chance)
            };
            let words = if test.shifted {
                "they are taken"
            } else {
                "nothing speaks for a shift, so those of training are kept"
            };
            format!(
                "class shares estimated from {images}; without a shift they would be as far off with a \
                 chance of {chance}: {words}\n"
            )
        }
    };
    for share in facts.shares.iter().take(NAMED) {
        let estimate =
            share.estimate.map_or_else(String::new, |e| format!(", estimated {}", percent(e)));
        let (class, used, trained) = (&share.class, percent(share.share), percent(share.training));
        let _ = writeln!(text, "  {class} {used} (training {trained}{estimate})");
    }
    if let Some(more) = facts.shares.len().checked_sub(NAMED).filter(|more| *more > 0) {
        let _ = writeln!(text, "  and {more} more");
    }
    if facts.test.as_ref().is_some_and(|test| !test.converged) {
        text.push_str("the estimate has not settled; take it as a rough one\n");
    }
    text
}
