//! A page that shows what transfer gave.

use std::path::Path;

use regraft_run::atomic_write;

use crate::html::{Html, Name};
use crate::plot::{by_images, learning};
use crate::{ReportError, page};

/// Accuracy, or another figure, by rounds of one kind of training.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Curve<'a> {
    /// What was trained.
    pub name: &'a str,
    /// Mean share right before training and after each round, 0..=1.
    pub values: &'a [f64],
    /// Least and greatest of the trainings, at each point.
    pub range: &'a [[f64; 2]],
}

/// How both kinds ended with so many training images.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ends {
    /// Training images.
    pub images: usize,
    /// Share of test images right, transferred and from scratch, 0..=1.
    pub top1: [f64; 2],
}

/// Everything the page tells.
#[derive(Debug, Clone, Copy)]
pub struct ComparisonInput<'a> {
    /// The data.
    pub title: &'a str,
    /// The network.
    pub network: &'a str,
    /// By what trainings are judged: `accuracy`.
    pub measure: &'a str,
    /// All in a sentence.
    pub verdict: &'a str,
    /// Label and value of each figure.
    pub facts: &'a [(String, String)],
    /// The curves, the transferred network's first.
    pub curves: &'a [Curve<'a>],
    /// The learning curve, fewest images first; empty for none.
    pub by_images: &'a [Ends],
    /// Version of regraft.
    pub version: &'a str,
}

/// Makes the page and writes it to `path`, whole or not at all.
///
/// # Errors
/// When the file cannot be written.
pub fn write_comparison(path: &Path, input: &ComparisonInput<'_>) -> Result<(), ReportError> {
    let mut letters = input.measure.chars();
    let first = letters.next().map(|c| c.to_uppercase().to_string()).unwrap_or_default();
    let measure = first + letters.as_str();
    let mut out = Html::new();
    page::opening(&format!("What transfer gave on {}", input.title), &mut out);
    out.put(
        "<body>\n<header class=\"top\"><div class=\"wrap\">\n<p class=\"eyebrow\">regraft compare</p>\n\
         <h1>What transfer gave</h1>\n<p class=\"sub\">{}, network <b>{}</b></p>\n\
         <p class=\"verdict\">{}</p>\n</div></header>\n<main class=\"wrap\">\n\
         <section><h2>{} by rounds</h2>{}</section>\n",
        &[
            &Name(input.title),
            &Name(input.network),
            &input.verdict,
            &measure,
            &learning(input.curves, &measure),
        ],
    );
    if !input.by_images.is_empty() {
        out.put(
            "<section><h2>{} at the end by training images</h2>{}<p>Each smaller set lies in the \
             greater ones; all are trained with as many steps.</p></section>\n",
            &[&measure, &by_images(input.by_images, &measure)],
        );
    }
    out.raw("<section><h2>Figures</h2><dl class=\"facts\">");
    for (label, value) in input.facts {
        out.put("<div><dt>{}</dt><dd>{}</dd></div>\n", &[label, value]);
    }
    out.put(
        "</dl><p>Intervals are 95 %, a paired bootstrap over trainings and test images.</p></section>\
         </main>\n<footer class=\"wrap\"><p>Made by regraft {}.</p></footer>\n</body>\n</html>\n",
        &[&input.version],
    );
    Ok(atomic_write(path, out.into_string().as_bytes())?)
}
