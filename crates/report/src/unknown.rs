//! How images of no known class are told, and how often that goes wrong.

use crate::ReportInput;
use crate::html::Html;
use crate::number::{count, percent, range, significant};

pub(crate) fn body(input: &ReportInput<'_>) -> Html {
    let mut out = Html::new();
    let (Some(plan), Some(facts)) = (&input.about.plan.unknown, &input.metrics.unknown) else {
        return out;
    };
    out.put(
        "<p><b>{} of {}</b> ({}, likely {}) are called unknown though their classes are known: \
         false alarms. At most {} were allowed",
        &[
            &facts.unknown,
            &count(facts.images, "test image"),
            &percent(facts.rate),
            &range(facts.interval),
            &percent(plan.false_alarms),
        ],
    );
    if plan.kept > plan.false_alarms {
        out.put(
            "; with {} to judge by, {} can be promised, 19 times of 20",
            &[&count(plan.held_out, "held-out image"), &percent(plan.kept)],
        );
    }
    out.put(
        ".</p>\n<p>An image is called unknown when {} is above <b>{}</b>. {} are kept to compare with.</p>\n",
        &[&words(&plan.method), &significant(plan.threshold), &count(plan.images, "training image")],
    );
    if facts.left_out.is_empty() {
        return out;
    }
    out.raw(
        "<p>Each class in turn was left out, and had to be told from the others by a model without it \
         (area under the curve; 0.5 is chance, 1 is always):</p>\n<table class=\"pairs\">\n<thead><tr>\
         <th scope=\"col\">Score</th><th scope=\"col\">Area</th><th scope=\"col\">Error</th></tr></thead>\n\
         <tbody>\n",
    );
    for row in &facts.left_out {
        out.put(
            "<tr><th scope=\"row\">{}</th><td class=\"n\">{}</td><td class=\"n\">{}</td></tr>\n",
            &[&words(&row.method), &significant(row.auroc), &significant(row.error)],
        );
    }
    out.raw("</tbody>\n</table>\n");
    out
}

/// A method as a person reads it.
fn words(method: &str) -> String {
    match method {
        "neighbours" => "the distance to its nearest training images".to_owned(),
        "mahalanobis" => "the distance to the nearest class (Mahalanobis)".to_owned(),
        "energy" => "the energy of the head's scores".to_owned(),
        other => other.to_owned(),
    }
}
