//! Whether the probabilities mean what they say, and how the head was chosen.

use regraft_run::{Metrics, ReliabilityBin, wilson};

use crate::html::{Html, Name};
use crate::number::{distance, percent, range, significant};
use crate::{About, PenaltyPoint, ReportInput, plot};

/// Calibration error up to which probabilities can be taken as they are.
const GOOD: f64 = 0.05;
/// Fewer images than this say nothing about the probabilities: the error is mostly chance.
const TOO_FEW: usize = 100;
/// Fewer images than this leave much of the error to chance.
const FEW: usize = 1000;

pub(crate) fn reliability(input: &ReportInput<'_>) -> Html {
    let test = &input.metrics.test;
    let mut out = Html::new();
    out.put("<p>{}</p>\n", &[&sentence(test)]);
    let caption = "Each bar holds the test images whose answer came with that probability; its height is the share \
                   that is right, the line across it the range in which the true share likely lies. On the dashed \
                   diagonal, probabilities are exact. Below: how many images.";
    figure(&test.reliability, caption, ["Images", "Right"], &mut out);
    out
}

/// The diagram with its numbers; `words` are what is counted and what its share is.
pub(crate) fn figure(
    bins: &[ReliabilityBin],
    caption: &'static str,
    words: [&'static str; 2],
    out: &mut Html,
) {
    out.put(
        "<figure class=\"side\">{}<figcaption><p>{}</p>\n",
        &[&plot::reliability(bins, words), &caption],
    );
    out.put(
        "<details><summary>The numbers</summary>\n<div class=\"scroll\">\n<table class=\"pairs\">\n\
         <thead><tr><th scope=\"col\">Probability</th><th scope=\"col\">{}</th>\
         <th scope=\"col\">Mean probability</th><th scope=\"col\">{}</th>\
         <th scope=\"col\">Likely</th></tr></thead>\n<tbody>\n",
        &[&words[0], &words[1]],
    );
    for bin in bins {
        if let (Some(confidence), Some(accuracy)) = (bin.confidence, bin.accuracy) {
            out.put(
                "<tr><th scope=\"row\">{}</th><td class=\"n\">{}</td><td class=\"n\">{}</td>\
                 <td class=\"n\">{}</td><td class=\"n\">{}</td></tr>\n",
                &[
                    &range([bin.low, bin.high]),
                    &bin.count,
                    &percent(confidence),
                    &percent(accuracy),
                    &interval(bin).map_or_else(String::new, range),
                ],
            );
        }
    }
    out.raw("</tbody>\n</table>\n</div>\n</details></figcaption></figure>\n");
}

/// The interval of a bin's share of right answers.
pub(crate) fn interval(bin: &ReliabilityBin) -> Option<[f64; 2]> {
    let right = (bin.accuracy? * bin.count as f64).round() as usize;
    wilson(right, bin.count)
}

fn sentence(test: &Metrics) -> String {
    let total = test.reliability.iter().filter_map(|b| Some(b.confidence? * b.count as f64));
    let stated = total.sum::<f64>() / test.images.max(1) as f64;
    let judgement = if test.images < TOO_FEW {
        "There are too few test images to judge the probabilities"
    } else if test.ece <= GOOD {
        "The probabilities can be taken as they are"
    } else if stated > test.top1 {
        "The network is surer than it should be"
    } else {
        "The network is less sure than it could be"
    };
    let chance = if (TOO_FEW..FEW).contains(&test.images) {
        " With few images part of that distance is chance."
    } else {
        ""
    };
    format!(
        "{judgement}: on average it states {} and is right {} of the time; over the bars of the \
         figure the mean distance (expected calibration error) is {}.{chance}",
        percent(stated),
        percent(test.top1),
        distance(test.ece),
    )
}

pub(crate) fn penalties(about: &About<'_>) -> Html {
    let mut out = Html::new();
    let head = &about.plan.head;
    if about.plan.has_label_sets() {
        out.put(
            "<p>A <b>{}</b> head with penalty <b>{}</b> for all labels; the scores of each label become \
             probabilities by a line of its own. All were chosen on training images that were held out; the test \
             images had no part in it.</p>\n",
            &[&Name(&head.kind), &significant(head.penalty)],
        );
    } else {
        out.put(
            "<p>A <b>{}</b> head with penalty <b>{}</b>; its scores are divided by the temperature \
             <b>{}</b> before they become probabilities. Both were chosen on training images that were \
             held out; the test images had no part in it.</p>\n",
            &[&Name(&head.kind), &significant(head.penalty), &significant(head.temperature)],
        );
    }
    let drawn: Vec<PenaltyPoint<'_>> = about
        .penalties
        .iter()
        .filter(|p| p.penalty > 0.0 && p.penalty.is_finite() && p.top1.is_finite())
        .copied()
        .collect();
    if drawn.len() < 2 {
        return out;
    }
    let chosen = (head.kind.as_str(), head.penalty);
    let title = if about.plan.has_label_sets() {
        "Held-out images with all labels right against penalty"
    } else {
        "Held-out top-1 against penalty"
    };
    let right = plot::Curve { title, percent: true, value: |p| p.top1 };
    let loss = plot::Curve {
        title: "Held-out log loss against penalty",
        percent: false,
        value: |p| p.nll,
    };
    out.put(
        "<div class=\"pair\">\n<figure>{}<figcaption>Held-out images right, in per cent, against \
         the penalty. Higher is better.</figcaption></figure>\n\
         <figure>{}<figcaption>Held-out log loss, in nats, against the penalty. Lower is better.\
         </figcaption></figure>\n</div>\n",
        &[&plot::curve(&right, &drawn, chosen), &plot::curve(&loss, &drawn, chosen)],
    );
    out
}
