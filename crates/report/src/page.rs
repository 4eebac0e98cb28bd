//! The page as a whole: head, title, verdict, tiles, then the sections.

use regraft_run::WithoutLeaks;

use crate::html::{Html, Name};
use crate::number::{distance, duration, percent, range, significant};
use crate::verdict::{baseline, verdict};
use crate::{
    ReportInput, calibration, classes, confusion, data, decisions, mistakes, provenance, unknown,
};

/// A section of the page; empty when it has nothing to tell.
struct Section {
    id: &'static str,
    short: &'static str,
    title: &'static str,
    body: fn(&ReportInput<'_>) -> Html,
}

/// In the order a practitioner asks.
const SECTIONS: [Section; 10] = [
    Section {
        id: "decisions",
        short: "Decisions",
        title: "What was decided, and why",
        body: decisions::body,
    },
    Section { id: "data", short: "Data", title: "Things to know about the data", body: data::body },
    Section {
        id: "confusion",
        short: "Confusion",
        title: "What was taken for what",
        body: confusion::body,
    },
    Section {
        id: "classes",
        short: "Classes",
        title: "How often each class is found",
        body: classes::body,
    },
    Section {
        id: "calibration",
        short: "Probabilities",
        title: "Can the probabilities be trusted?",
        body: calibration::reliability,
    },
    Section {
        id: "penalty",
        short: "Head",
        title: "How the head was chosen",
        body: calibration::penalties,
    },
    Section {
        id: "unknown",
        short: "Unknown",
        title: "Images of none of these classes",
        body: unknown::body,
    },
    Section { id: "mistakes", short: "Mistakes", title: "Worst mistakes", body: mistakes::body },
    Section { id: "use", short: "Use", title: "How to use it", body: provenance::usage },
    Section {
        id: "provenance",
        short: "Provenance",
        title: "Where everything comes from",
        body: provenance::body,
    },
];

pub(crate) fn page(input: &ReportInput<'_>) -> String {
    let bodies: Vec<(&Section, Html)> =
        SECTIONS.iter().map(|s| (s, (s.body)(input))).filter(|(_, b)| !b.is_empty()).collect();
    let mut out = Html::new();
    head(input, &mut out);
    out.raw("<body>\n<header class=\"top\"><div class=\"wrap\">\n");
    title(input, &mut out);
    out.raw("<nav aria-label=\"Sections\"><ul>");
    for (s, _) in &bodies {
        out.put("<li><a href=\"#{}\">{}</a></li>", &[&s.id, &s.short]);
    }
    out.raw("</ul></nav>\n</div></header>\n<main class=\"wrap\">\n");
    tiles(input, &mut out);
    for (s, body) in &bodies {
        out.put(
            "<section id=\"{}\" aria-labelledby=\"{}-title\">\n<h2 id=\"{}-title\">{}</h2>\n\
             {}</section>\n",
            &[&s.id, &s.id, &s.id, &s.title, body],
        );
    }
    let version = &input.plan.regraft_version;
    out.put("</main>\n<footer class=\"wrap\"><p>Made by regraft {}.</p></footer>\n", &[version]);
    out.raw("</body>\n</html>\n");
    out.into_string()
}

fn head(input: &ReportInput<'_>, out: &mut Html) {
    opening(&format!("{}: {}", input.name, percent(input.metrics.test.top1)), out);
}

/// Everything of a page before its body.
pub(crate) fn opening(title: &str, out: &mut Html) {
    out.raw(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; \
         img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <link rel=\"icon\" href=\"data:,\">\n",
    );
    out.put("<title>{}</title>\n<style>\n", &[&title]);
    out.raw(include_str!("style.css"));
    out.raw("</style>\n</head>\n");
}

fn title(input: &ReportInput<'_>, out: &mut Html) {
    let classes = input.plan.data.classes.len();
    out.put(
        "<p class=\"eyebrow\">regraft run</p>\n<h1>{}</h1>\n\
         <p class=\"sub\">{} with a new head for <b>{}</b>, {}</p>\n",
        &[
            &Name(input.name),
            &Name(input.network.name),
            &Name(last_part(&input.plan.data.root)),
            &if classes == 1 { "1 class".to_owned() } else { format!("{classes} classes") },
        ],
    );
    let test = &input.metrics.test;
    out.put(
        "<p class=\"verdict\">{}</p>\n<p class=\"baseline\">{}</p>\n",
        &[&verdict(test), &baseline(test)],
    );
}

/// The folder's own name: the path in front of it is in the provenance.
fn last_part(root: &str) -> &str {
    let trimmed = root.trim_end_matches(['/', '\\']);
    let last = trimmed.rsplit(['/', '\\']).next().unwrap_or(trimmed);
    if last.is_empty() || last == "." || last == ".." { root } else { last }
}

fn tiles(input: &ReportInput<'_>, out: &mut Html) {
    let mut cards = Html::new();
    for (label, value, more) in facts(input) {
        cards.put(
            "<div class=\"tile\"><dt>{}</dt><dd><b>{}</b><span>{}</span></dd></div>\n",
            &[&label, &value, &more],
        );
    }
    out.put("<dl class=\"tiles\">\n{}</dl>\n", &[&cards]);
}

/// Label, value and what it means, of each tile.
fn facts(input: &ReportInput<'_>) -> Vec<(&'static str, String, String)> {
    let test = &input.metrics.test;
    let likely = format!("{} of {}, likely {}", test.correct, test.images, range(test.interval));
    let likely = match input.metrics.without_leaks {
        None => likely,
        Some(WithoutLeaks { images, top1: Some(top1), .. }) => {
            let top1 = percent(top1);
            format!("{likely}; {top1} of the {images} that have no copy to learn from")
        }
        Some(_) => format!("{likely}; each of them has a copy to learn from"),
    };
    let mut facts = vec![("Test top-1", percent(test.top1), likely)];
    facts.push(match test.top5 {
        Some(top5) => ("Test top-5", percent(top5), "true class among the first five".to_owned()),
        None => (
            "Balanced accuracy",
            percent(test.balanced_accuracy),
            "mean over the classes".to_owned(),
        ),
    });
    let loo = input.metrics.loo.top1;
    let mut left_out = "on training images, each left out in turn".to_owned();
    let [low, high] = test.interval;
    if !(low..=high).contains(&loo) {
        left_out += "; outside the test interval, so the two splits may differ";
    }
    facts.push(("Leave-one-out", percent(loo), left_out));
    if let Some(t) = input.metrics.tuning {
        let more = format!(
            "of {} training images held out of it, {} before it",
            t.held_out,
            percent(t.top1_before)
        );
        facts.push(("After training", percent(t.top1_after), more));
    }
    let meaning = "mean distance of stated and true share (ECE)".to_owned();
    facts.push(("Calibration error", distance(test.ece), meaning));
    let (train, tested) = (input.metrics.train.images, test.images);
    let images = format!("{train} to train on, {tested} to test on");
    facts.push(("Images", (train + tested).to_string(), images));
    if let Some(t) = input.timings {
        let speed = if t.images_per_second > 0.0 {
            format!("{} images a second", significant(t.images_per_second))
        } else {
            "features came from the cache".to_owned()
        };
        facts.push(("Time", duration(t.seconds.total), speed));
    }
    facts
}
