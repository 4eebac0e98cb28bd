//! Recall of each class with its interval, as bars, the worst first.

use regraft_run::ClassMetrics;

use crate::ReportInput;
use crate::html::{Html, Name, Num};
use crate::number::{count, percent, range};

/// Classes shown before the rest is folded away.
const SHOWN: usize = 20;

pub(crate) fn body(input: &ReportInput<'_>) -> Html {
    let mut out = Html::new();
    let test = &input.metrics.test;
    let train = &input.metrics.train.images_per_class;
    let mut classes: Vec<(&ClassMetrics, Option<usize>)> = test
        .per_class
        .iter()
        .zip(train.iter().copied().map(Some).chain(std::iter::repeat(None)))
        .collect();
    // Untested classes go last; equal ones keep their order.
    classes.sort_by(|(a, _), (b, _)| {
        let key = |c: &ClassMetrics| c.recall.unwrap_or(2.0);
        key(a).total_cmp(&key(b))
    });
    out.raw(
        "<p class=\"hint\">Share of the test images of each class that is recognised (recall), the \
         worst first. The line across a bar is the range in which the true share likely lies: the \
         fewer images, the longer the line.</p>\n",
    );
    let (first, rest) = classes.split_at(classes.len().min(SHOWN));
    list(first, &mut out);
    if !rest.is_empty() {
        out.put("<details><summary>The other {} classes</summary>\n", &[&rest.len()]);
        list(rest, &mut out);
        out.raw("</details>\n");
    }
    out
}

fn list(classes: &[(&ClassMetrics, Option<usize>)], out: &mut Html) {
    out.raw("<ul class=\"bars\">\n");
    for (class, train) in classes {
        out.put("<li><span class=\"name\">{}</span>", &[&Name(&class.class)]);
        let mut more = Vec::new();
        if let (Some(recall), Some([low, high])) = (class.recall, class.recall_interval) {
            out.put(
                "<span class=\"track\" aria-hidden=\"true\"><i style=\"width:{}%\"></i>\
                 <b style=\"left:{}%;width:{}%\"></b></span><span class=\"value\">{}</span>",
                &[
                    &Num(recall * 100.0),
                    &Num(low * 100.0),
                    &Num((high - low) * 100.0),
                    &percent(recall),
                ],
            );
            more.push(format!("{} of {}", class.correct, class.images));
            more.push(format!("likely {}", range([low, high])));
        } else {
            out.raw(
                "<span class=\"track\" aria-hidden=\"true\"></span><span class=\"value\">–</span>",
            );
            more.push("no test images".to_owned());
        }
        if let Some(precision) = class.precision {
            more.push(format!("precision {}", percent(precision)));
        }
        if let Some(n) = train {
            more.push(format!("{} to train on", count(*n, "image")));
        }
        out.raw("<span class=\"more\">");
        for (i, part) in more.iter().enumerate() {
            out.put("{}<span>{}</span>", &[&if i == 0 { "" } else { " · " }, part]);
        }
        out.raw("</span></li>\n");
    }
    out.raw("</ul>\n");
}
