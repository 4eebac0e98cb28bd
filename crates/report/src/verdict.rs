//! The run in a sentence or two.

use regraft_run::Metrics;

use crate::number::{count, percent};

/// The result in one plain sentence with the interval that the number of images allows.
pub fn verdict(test: &Metrics) -> String {
    let [low, high] = test.interval;
    format!(
        "{} of {} right; with this many images the true accuracy is likely between {} and {}.",
        percent(test.top1),
        count(test.images, "test image"),
        percent(low),
        percent(high),
    )
}

/// What to hold the verdict against: the answer that needs no network.
pub(crate) fn baseline(test: &Metrics) -> String {
    let tested = test.per_class.iter().filter(|c| c.images > 0).count();
    // Of equally large classes the first, so that the sentence is the same each time.
    let largest = test.per_class.iter().rev().max_by_key(|c| c.images);
    let Some(largest) = largest.filter(|_| tested > 1) else {
        return "All test images are of one class, so this says nothing about telling classes \
                apart."
            .to_owned();
    };
    let share = largest.images as f64 / test.images.max(1) as f64;
    let always = format!("always answering \u{201c}{}\u{201d}", largest.class);
    let right = format!("would be right for {}", percent(share));
    if test.interval[0] > share {
        format!("For comparison, {always} {right}.")
    } else {
        format!("That is not clearly better than {always}, which {right}.")
    }
}
