//! What was taken for what: a table for few classes, the worst pairs and a drawing for many.

use regraft_run::Metrics;

use crate::ReportInput;
use crate::html::{Html, Name, Num};
use crate::number::percent;
use crate::plot;

/// Most classes of a table that a person still reads.
const TABLE: usize = 20;
/// Pairs listed.
const PAIRS: usize = 15;
/// Characters of the longest name that stands upright over a column.
const UPRIGHT: usize = 5;

/// Images of one class taken for another.
struct Pair {
    truth: usize,
    predicted: usize,
    count: usize,
}

pub(crate) fn body(input: &ReportInput<'_>) -> Html {
    let test = &input.metrics.test;
    if test.per_class.len() <= TABLE {
        return table(test);
    }
    let mut out = Html::new();
    out.raw("<div class=\"pair\">\n");
    pairs(test, &mut out);
    out.put(
        "<figure class=\"matrix\">{}<figcaption>All {} classes, in their order: a row for each \
         true class, a column for each predicted one. Squares on the diagonal are right answers, \
         discs beside it mistakes; the fuller the colour, the larger the share of the row.\
         </figcaption></figure>\n",
        &[&plot::matrix(&test.confusion), &test.per_class.len()],
    );
    out.raw("</div>\n");
    out
}

fn table(test: &Metrics) -> Html {
    let mut out = Html::new();
    let upright = test.per_class.iter().all(|c| c.class.chars().count() <= UPRIGHT);
    let few = test.per_class.len() <= 4;
    out.put(
        "<p class=\"hint\">A row for each true class, a column for each answer; the diagonal is \
         right.</p>\n<div class=\"scroll\" tabindex=\"0\" role=\"region\" \
         aria-label=\"confusion matrix\">\n<table class=\"confusion {} {}\">\n\
         <thead><tr><td class=\"corner\">true ↓ answer →</td>",
        &[&if upright || few { "upright" } else { "turned" }, &if few { "roomy" } else { "close" }],
    );
    for class in &test.per_class {
        out.put("<th scope=\"col\"><span>{}</span></th>", &[&Name(&class.class)]);
    }
    out.raw("</tr></thead>\n<tbody>\n");
    for (r, (row, class)) in test.confusion.iter().zip(&test.per_class).enumerate() {
        out.put("<tr><th scope=\"row\">{}</th>", &[&Name(&class.class)]);
        let all: usize = row.iter().sum();
        for (c, &n) in row.iter().enumerate() {
            let kind = match (n, r == c) {
                (0, _) => "none",
                (_, true) => "hit",
                (_, false) => "miss",
            };
            let share = Num(n as f64 / all.max(1) as f64);
            out.put("<td class=\"{}\" style=\"--s:{}\">{}</td>", &[&kind, &share, &n]);
        }
        out.raw("</tr>\n");
    }
    out.raw("</tbody>\n</table>\n</div>\n");
    out
}

fn pairs(test: &Metrics, out: &mut Html) {
    let mut pairs = Vec::new();
    for (truth, row) in test.confusion.iter().enumerate() {
        for (predicted, &count) in row.iter().enumerate() {
            if count > 0 && truth != predicted {
                pairs.push(Pair { truth, predicted, count });
            }
        }
    }
    if pairs.is_empty() {
        out.raw("<p>No test image was taken for another class.</p>\n");
        return;
    }
    // A stable sort: pairs of one count stay in the order of the classes.
    pairs.sort_by_key(|p| std::cmp::Reverse(p.count));
    out.raw(
        "<div class=\"scroll\">\n<table class=\"pairs\">\n<caption>The most frequent mix-ups.\
         </caption>\n<thead><tr><th scope=\"col\">True class</th>\
         <th scope=\"col\">Taken for</th><th scope=\"col\">Images</th>\
         <th scope=\"col\">Of its images</th></tr></thead>\n<tbody>\n",
    );
    for pair in pairs.iter().take(PAIRS) {
        let (truth, predicted) = (&test.per_class[pair.truth], &test.per_class[pair.predicted]);
        let share = percent(pair.count as f64 / truth.images.max(1) as f64);
        out.put(
            "<tr><th scope=\"row\">{}</th><td>{}</td><td class=\"n\">{}</td>\
             <td class=\"n\">{}</td></tr>\n",
            &[&Name(&truth.class), &Name(&predicted.class), &pair.count, &share],
        );
    }
    out.raw("</tbody>\n</table>\n</div>\n");
}
