//! The page of a run whose images may have several labels.

use regraft_run::{LabelFigures, LabelMetrics, LabelPrediction};

use crate::html::{Html, Name, Num};
use crate::number::{count, distance, percent, range};
use crate::page::{Tile, Top, common, data, decided, from, head, inside, trusted, used, whole};
use crate::picture::thumbnail;
use crate::{LabelReportInput, calibration};

/// Labels shown before the rest is folded away.
const SHOWN: usize = 30;
/// Pictures shown among mistakes.
const MISTAKES: usize = 12;
/// Calibration error up to which probabilities can be taken as they are, and answers below which nothing is said.
const GOOD: f64 = 0.05;
const TOO_FEW: usize = 100;

pub(crate) fn page(input: &LabelReportInput<'_>) -> String {
    let (about, test) = (&input.about, &input.metrics.test);
    let sections = vec![
        decided(about),
        data(about),
        ("labels", "Labels", "How well each label is told", labels(input)),
        trusted(reliability(test)),
        head(about),
        ("mistakes", "Mistakes", "Worst mistakes", mistakes(input)),
        inside(about),
        used(about),
        from(about),
    ];
    let top = Top {
        figure: test.mean_average_precision.map_or_else(|| percent(test.exact), percent),
        verdict: label_verdict(test),
        baseline: baseline(test),
    };
    whole(about, &top, tiles(input), sections)
}

/// The result in one plain sentence.
pub fn label_verdict(test: &LabelMetrics) -> String {
    let [low, high] = test.interval;
    let exact = format!(
        "All labels are right for {} of {}, likely between {} and {}",
        percent(test.exact),
        count(test.images, "test image"),
        percent(low),
        percent(high)
    );
    match test.mean_average_precision {
        Some(map) => format!("Mean average precision {}. {exact}.", percent(map)),
        None => format!("{exact}."),
    }
}

/// What to hold it against: answers that need no network.
fn baseline(test: &LabelMetrics) -> String {
    let none = test.per_label.iter().map(|l| l.images).sum::<usize>() as f64;
    let wrong = none / (test.images * test.per_label.len()).max(1) as f64;
    let never = format!(
        "never naming a label would be wrong in {} of all answers, this run is in {}",
        percent(wrong),
        percent(test.hamming)
    );
    match test.chance_average_precision {
        Some(chance) => {
            format!(
                "For comparison, a guess has a mean average precision of {}; {never}.",
                percent(chance)
            )
        }
        None => format!("For comparison, {never}."),
    }
}

fn tiles(input: &LabelReportInput<'_>) -> Vec<Tile> {
    let (test, held_out) = (&input.metrics.test, &input.metrics.held_out);
    let chance = share(test.chance_average_precision);
    let left_out =
        format!("{} on training images held out", share(held_out.mean_average_precision));
    let likely = format!("{} of {}, likely {}", test.correct, test.images, range(test.interval));
    let mut tiles = vec![
        (
            "Mean average precision",
            share(test.mean_average_precision),
            format!("a guess has {chance}; {left_out}"),
        ),
        ("Micro F1", percent(test.micro_f1), "over all answers of all labels".to_owned()),
        ("Macro F1", percent(test.macro_f1), "mean over the labels".to_owned()),
        ("All labels right", percent(test.exact), likely),
        (
            "Calibration error",
            distance(test.ece),
            "mean distance of stated and true share (ECE)".to_owned(),
        ),
    ];
    if let Some(t) = input.metrics.tuning {
        let before = percent(t.top1_before);
        let more = format!(
            "all labels right, of {} training images held out of it; {before} before it",
            t.held_out
        );
        tiles.push(("After training", percent(t.top1_after), more));
    }
    tiles.extend(common(&input.about, input.metrics.train.images, test.images));
    tiles
}

fn labels(input: &LabelReportInput<'_>) -> Html {
    let mut out = Html::new();
    let train = &input.metrics.train.images_per_class;
    let mut rows: Vec<(&LabelFigures, usize)> = input
        .metrics
        .test
        .per_label
        .iter()
        .zip(train.iter().copied().chain(std::iter::repeat(0)))
        .collect();
    // Labels that cannot be ranked go last; equal ones keep their order.
    let key = |l: &LabelFigures| l.average_precision.unwrap_or(2.0);
    rows.sort_by(|(a, _), (b, _)| key(a).total_cmp(&key(b)));
    out.raw(
        "<p class=\"hint\">The worst first. Average precision is the mean share of right images when a label's test \
         images are searched from the most probable down: 100 % puts all that have it in front, a guess has the \
         share of images that have it (the mark on the bar). An image is said to have a label from its \
         threshold on.</p>\n",
    );
    let (first, rest) = rows.split_at(rows.len().min(SHOWN));
    table(first, input.metrics.test.images, &mut out);
    if !rest.is_empty() {
        out.put("<details><summary>The other {} labels</summary>\n", &[&rest.len()]);
        table(rest, input.metrics.test.images, &mut out);
        out.raw("</details>\n");
    }
    out
}

fn table(rows: &[(&LabelFigures, usize)], images: usize, out: &mut Html) {
    out.raw("<ul class=\"bars\">\n");
    for (label, _) in rows {
        bar(label, images, out);
    }
    out.raw(
        "</ul>\n<details><summary>The numbers</summary>\n<div class=\"scroll\">\n<table class=\"pairs\">\n\
         <thead><tr><th scope=\"col\">Label</th>\
         <th scope=\"col\">Learned from</th><th scope=\"col\">Test images</th>\
         <th scope=\"col\">Average precision</th><th scope=\"col\">AUROC</th>\
         <th scope=\"col\">Threshold</th><th scope=\"col\">Precision</th><th scope=\"col\">Recall</th>\
         <th scope=\"col\">Likely</th><th scope=\"col\">F1</th></tr></thead>\n<tbody>\n",
    );
    for (label, train) in rows {
        let likely = label.recall_interval.map_or_else(|| "-".to_owned(), range);
        out.put(
            "<tr><th scope=\"row\">{}</th><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td>\
             <td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td>\
             <td class=\"n\">{}</td><td class=\"n\">{}</td></tr>\n",
            &[
                &Name(&label.label),
                train,
                &label.images,
                &share(label.average_precision),
                &share(label.auroc),
                &percent(label.threshold),
                &share(label.precision),
                &share(label.recall),
                &likely,
                &share(label.f1),
            ],
        );
    }
    out.raw("</tbody>\n</table>\n</div>\n</details>\n");
}

fn bar(label: &LabelFigures, images: usize, out: &mut Html) {
    out.put("<li><span class=\"name\">{}</span>", &[&Name(&label.label)]);
    if let Some(precision) = label.average_precision {
        let chance = label.images as f64 / images.max(1) as f64;
        out.put(
            "<span class=\"track\" aria-hidden=\"true\"><i style=\"width:{}%\"></i>\
             <b style=\"left:{}%;width:1%\"></b></span><span class=\"value\">{}</span>",
            &[&Num(100.0 * precision), &Num(99.0 * chance), &percent(precision)],
        );
    } else {
        out.raw("<span class=\"track\" aria-hidden=\"true\"></span><span class=\"value\">–</span>");
    }
    let found = format!("{} of {} found", label.correct, count(label.images, "image"));
    let said = format!("{} said to have it", label.predicted);
    out.put(
        "<span class=\"more\"><span>{}</span> · <span>{}</span> · <span>F1 {}</span></span></li>\n",
        &[&found, &said, &share(label.f1)],
    );
}

/// A share, or a dash where there is none.
fn share(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), percent)
}

fn reliability(test: &LabelMetrics) -> Html {
    let mut out = Html::new();
    let answers = test.images * test.per_label.len();
    let judgement = if test.images < TOO_FEW {
        "There are too few test images to judge the probabilities"
    } else if test.ece <= GOOD {
        "The probabilities can be taken as they are"
    } else {
        "The probabilities are off"
    };
    out.put(
        "<p>{}: over the bars of the figure, which hold {}, the mean distance of the probability of a label and the \
         share of images that have it (expected calibration error) is {}.</p>\n",
        &[&judgement, &count(answers, "answer"), &distance(test.ece)],
    );
    let caption = "Each bar holds the answers, one for each test image and label, with that probability; its height \
                   is the share of images that have the label, the line across it the range in which the true share \
                   likely lies. On the dashed diagonal, probabilities are exact. Below: how many answers.";
    calibration::figure(&test.reliability, caption, ["Answers", "Have it"], &mut out);
    out
}

fn mistakes(input: &LabelReportInput<'_>) -> Html {
    let mut out = Html::new();
    let rows = &input.predictions.rows;
    let mut wrong: Vec<&LabelPrediction> =
        rows.iter().filter(|r| r.split == "test" && !r.is_right()).collect();
    if wrong.is_empty() {
        out.raw("<p>No test image has a label too many or too few.</p>\n");
        return out;
    }
    // By name where equally sure, so that the page does not depend on the order of the rows.
    wrong.sort_by(|a, b| b.worst().total_cmp(&a.worst()).then_with(|| a.file.cmp(&b.file)));
    let shown = wrong.len().min(MISTAKES);
    out.put(
        "<p class=\"hint\">{} of {} with a label too many or too few, the surest first. Look for labels that were \
         forgotten, and for labels that overlap.</p>\n<ul class=\"mistakes\">\n",
        &[&shown, &count(wrong.len(), "image")],
    );
    for row in &wrong[..shown] {
        card(input, row, &mut out);
    }
    out.raw("</ul>\n");
    out
}

fn card(input: &LabelReportInput<'_>, row: &LabelPrediction, out: &mut Html) {
    let name = |label: usize| input.predictions.labels.get(label).map_or("", String::as_str);
    let sure = |label: usize| {
        let p = row.probabilities.get(label).copied().unwrap_or_default();
        format!("{} ({})", name(label), percent(f64::from(p)))
    };
    let listed = |labels: Vec<String>| {
        if labels.is_empty() { "nothing".to_owned() } else { labels.join(", ") }
    };
    let without = |some: &[usize], others: &[usize]| -> String {
        listed(some.iter().filter(|l| !others.contains(l)).map(|l| sure(*l)).collect())
    };
    let truth = listed(row.truth.iter().map(|l| name(*l).to_owned()).collect());
    let (extra, missed) =
        (without(&row.predicted, &row.truth), without(&row.truth, &row.predicted));
    let alt = format!("{}: {truth}; too many: {extra}; missed: {missed}", row.file);
    out.put(
        "<li>{}<p class=\"said\"><span class=\"truth\">{}</span></p><p class=\"sure\">too many: \
         <span class=\"wrong\">{}</span><br>missed: <span class=\"wrong\">{}</span></p>\
         <p class=\"file\"><code>{}</code></p></li>\n",
        &[
            &thumbnail(input.about.thumbnail, &row.file, &alt),
            &Name(&truth),
            &Name(&extra),
            &Name(&missed),
            &Name(&row.file),
        ],
    );
}
