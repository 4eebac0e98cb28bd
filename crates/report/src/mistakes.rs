//! The test images the network was surest of, and wrong.

use regraft_run::Prediction;

use crate::ReportInput;
use crate::html::{Html, Name};
use crate::number::percent;
use crate::picture::thumbnail;

/// Pictures shown.
const SHOWN: usize = 12;

pub(crate) fn body(input: &ReportInput<'_>) -> Html {
    let mut out = Html::new();
    let wrong = input.predictions.mistakes();
    if wrong.is_empty() {
        out.raw("<p>No test image was answered wrongly.</p>\n");
        return out;
    }
    let shown = wrong.len().min(SHOWN);
    let lead = match (shown, wrong.len()) {
        (1, 1) => "The only mistake.".to_owned(),
        (s, all) if s == all => format!("All {all} mistakes, the surest first."),
        (s, all) => format!("The {s} surest of {all} mistakes."),
    };
    out.put(
        "<p class=\"hint\">{} Look for wrong labels, odd pictures and classes that overlap.</p>\n",
        &[&lead],
    );
    out.raw("<ul class=\"mistakes\">\n");
    for row in &wrong[..shown] {
        card(input, row, &mut out);
    }
    out.raw("</ul>\n");
    out
}

fn card(input: &ReportInput<'_>, row: &Prediction, out: &mut Html) {
    let class = |i: usize| input.predictions.classes.get(i).map_or("", String::as_str);
    let (truth, predicted) = (class(row.truth), class(row.predicted));
    let alt = format!("{}: {truth}, taken for {predicted}", row.file);
    out.put(
        "<li>{}<p class=\"said\"><span class=\"truth\">{}</span> \
         <span class=\"arrow\">taken for</span> <span class=\"wrong\">{}</span></p>\
         <p class=\"sure\">{} sure; {} for the truth</p><p class=\"file\"><code>{}</code></p></li>\n",
        &[
            &thumbnail(input.about.thumbnail, &row.file, &alt),
            &Name(truth),
            &Name(predicted),
            &percent(f64::from(row.probability())),
            &percent(f64::from(row.truth_probability())),
            &Name(&row.file),
        ],
    );
}
