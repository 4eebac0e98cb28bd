//! The page as a whole: head, title, verdict, tiles, then the sections.

use regraft_run::WithoutLeaks;

use crate::html::{Html, Name};
use crate::number::{distance, duration, percent, range, significant};
use crate::verdict::{baseline, verdict};
use crate::{
    About, ReportInput, calibration, classes, confusion, data, decisions, inside, mistakes,
    provenance, unknown,
};

/// A section of a page: its id, a short title, the whole one, and the body; left out when that is empty.
pub(crate) type Section = (&'static str, &'static str, &'static str, Html);

/// A tile: label, value and what it means.
pub(crate) type Tile = (&'static str, String, String);

/// What stands at the head of a page.
pub(crate) struct Top {
    /// The figure that counts.
    pub(crate) figure: String,
    /// The result in a sentence.
    pub(crate) verdict: String,
    /// What to hold it against.
    pub(crate) baseline: String,
}

pub(crate) fn page(input: &ReportInput<'_>) -> String {
    let (about, test) = (&input.about, &input.metrics.test);
    // In the order a practitioner asks.
    let sections = vec![
        decided(about),
        data(about),
        ("confusion", "Confusion", "What was taken for what", confusion::body(input)),
        ("classes", "Classes", "How often each class is found", classes::body(input)),
        trusted(calibration::reliability(input)),
        head(about),
        ("unknown", "Unknown", "Images of none of these classes", unknown::body(input)),
        ("mistakes", "Mistakes", "Worst mistakes", mistakes::body(input)),
        inside(about),
        used(about),
        from(about),
    ];
    let top = Top { figure: percent(test.top1), verdict: verdict(test), baseline: baseline(test) };
    whole(about, &top, tiles(input), sections)
}

pub(crate) fn decided(about: &About<'_>) -> Section {
    ("decisions", "Decisions", "What was decided, and why", decisions::body(about))
}

pub(crate) fn data(about: &About<'_>) -> Section {
    ("data", "Data", "Things to know about the data", data::body(about))
}

pub(crate) fn trusted(body: Html) -> Section {
    ("calibration", "Probabilities", "Can the probabilities be trusted?", body)
}

pub(crate) fn head(about: &About<'_>) -> Section {
    ("penalty", "Head", "How the head was chosen", calibration::penalties(about))
}

pub(crate) fn inside(about: &About<'_>) -> Section {
    ("inside", "Inside", "Where it looks, and its layers", inside::body(about))
}

pub(crate) fn used(about: &About<'_>) -> Section {
    ("use", "Use", "How to use it", provenance::usage(about))
}

pub(crate) fn from(about: &About<'_>) -> Section {
    ("provenance", "Provenance", "Where everything comes from", provenance::body(about))
}

/// The page.
pub(crate) fn whole(
    about: &About<'_>,
    top: &Top,
    tiles: Vec<Tile>,
    mut sections: Vec<Section>,
) -> String {
    sections.retain(|(.., body)| !body.is_empty());
    let mut out = Html::new();
    opening(&format!("{}: {}", about.name, top.figure), &mut out);
    out.raw("<body>\n<header class=\"top\"><div class=\"wrap\">\n");
    title(about, top, &mut out);
    out.raw("<nav aria-label=\"Sections\"><ul>");
    for (id, short, ..) in &sections {
        out.put("<li><a href=\"#{}\">{}</a></li>", &[id, short]);
    }
    out.raw("</ul></nav>\n</div></header>\n<main class=\"wrap\">\n");
    out.put("<dl class=\"tiles\">\n{}</dl>\n", &[&cards(tiles)]);
    for (id, _, title, body) in &sections {
        out.put(
            "<section id=\"{}\" aria-labelledby=\"{}-title\">\n<h2 id=\"{}-title\">{}</h2>\n\
             {}</section>\n",
            &[id, id, id, title, body],
        );
    }
    let version = &about.plan.regraft_version;
    out.put("</main>\n<footer class=\"wrap\"><p>Made by regraft {}.</p></footer>\n", &[version]);
    out.raw("</body>\n</html>\n");
    out.into_string()
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

fn title(about: &About<'_>, top: &Top, out: &mut Html) {
    out.put(
        "<p class=\"eyebrow\">regraft run</p>\n<h1>{}</h1>\n\
         <p class=\"sub\">{} with a new head for <b>{}</b>, {}</p>\n",
        &[
            &Name(about.name),
            &Name(about.network.name),
            &Name(last_part(&about.plan.data.root)),
            &data::of_classes(about.plan),
        ],
    );
    out.put(
        "<p class=\"verdict\">{}</p>\n<p class=\"baseline\">{}</p>\n",
        &[&top.verdict, &top.baseline],
    );
}

/// The folder's own name: the path in front of it is in the provenance.
fn last_part(root: &str) -> &str {
    let trimmed = root.trim_end_matches(['/', '\\']);
    let last = trimmed.rsplit(['/', '\\']).next().unwrap_or(trimmed);
    if last.is_empty() || last == "." || last == ".." { root } else { last }
}

fn cards(tiles: Vec<Tile>) -> Html {
    let mut cards = Html::new();
    for (label, value, more) in tiles {
        cards.put(
            "<div class=\"tile\"><dt>{}</dt><dd><b>{}</b><span>{}</span></dd></div>\n",
            &[&label, &value, &more],
        );
    }
    cards
}

fn tiles(input: &ReportInput<'_>) -> Vec<Tile> {
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
    facts.extend(common(&input.about, input.metrics.train.images, test.images));
    facts
}

/// Tiles of every run: images and time.
pub(crate) fn common(about: &About<'_>, train: usize, tested: usize) -> Vec<Tile> {
    let images = format!("{train} to train on, {tested} to test on");
    let mut facts = vec![("Images", (train + tested).to_string(), images)];
    if let Some(t) = about.timings {
        let speed = if t.images_per_second > 0.0 {
            format!("{} images a second", significant(t.images_per_second))
        } else {
            "features came from the cache".to_owned()
        };
        facts.push(("Time", duration(t.seconds.total), speed));
    }
    facts
}
