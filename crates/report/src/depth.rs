//! A page that shows how far up a network serves a task.

use std::path::Path;

use regraft_run::atomic_write;

use crate::html::{Html, Name, Prose};
use crate::number::percent;
use crate::plot::by_depth;
use crate::{ReportError, page};

/// A probe on one layer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DepthPoint<'a> {
    /// The layer.
    pub layer: &'a str,
    /// Share of the network's multiply-adds up to it, 0..=1.
    pub cost: f64,
    /// Share right when left out, 0..=1.
    pub top1: f64,
    /// Its standard error.
    pub error: f64,
    /// Alignment with the same layer before training (debiased linear CKA); none where nothing was trained.
    pub alignment: Option<f64>,
    /// Whether it is where to cut.
    pub chosen: bool,
}

/// Everything the page tells.
#[derive(Debug, Clone, Copy)]
pub struct DepthInput<'a> {
    /// The network.
    pub network: &'a str,
    /// The data.
    pub data: &'a str,
    /// All in a sentence or two.
    pub verdict: &'a str,
    /// The layers, lowest first.
    pub points: &'a [DepthPoint<'a>],
    /// Version of regraft.
    pub version: &'a str,
}

/// Makes the page and writes it to `path`, whole or not at all.
///
/// # Errors
/// When the file cannot be written.
pub fn write_depths(path: &Path, input: &DepthInput<'_>) -> Result<(), ReportError> {
    Ok(atomic_write(path, render(input).as_bytes())?)
}

fn render(input: &DepthInput<'_>) -> String {
    let mut out = Html::new();
    page::opening(&format!("Where to cut {}", input.network), &mut out);
    out.put(
        "<body>\n<header class=\"top\"><div class=\"wrap\">\n<p class=\"eyebrow\">regraft look probe-curve</p>\n\
         <h1>Where to cut</h1>\n<p class=\"sub\"><b>{}</b> on {}</p>\n<p class=\"verdict\">{}</p>\n</div></header>\n\
         <main class=\"wrap\">\n<section><h2>A probe at each block</h2><figure>{}</figure>\
         <p class=\"hint\">Each point is a ridge classifier on the means of a layer's channels, tested on images left \
         out one by one; bars are one standard error. The marked layer is the lowest whose probe is no more than a \
         standard error behind the best.</p></section>\n<section><h2>Figures</h2>",
        &[&Name(input.network), &Name(input.data), &Prose(input.verdict), &by_depth(input.points)],
    );
    let aligned = input.points.iter().any(|p| p.alignment.is_some());
    out.raw("<div class=\"scroll\"><table><thead><tr><th>layer</th><th>cost</th><th>right</th><th>error</th>");
    out.raw(if aligned {
        "<th>like before training</th></tr></thead><tbody>\n"
    } else {
        "</tr></thead><tbody>\n"
    });
    for point in input.points {
        out.put(
            "<tr><td><code>{}</code>{}</td><td>{}</td><td>{}</td><td>{}</td>",
            &[
                &Name(point.layer),
                &if point.chosen { " (cut here)" } else { "" },
                &percent(point.cost),
                &percent(point.top1),
                &percent(point.error),
            ],
        );
        if aligned {
            let alignment = point.alignment.map_or_else(String::new, |a| format!("{a:.3}"));
            out.put("<td>{}</td>", &[&alignment]);
        }
        out.raw("</tr>\n");
    }
    out.put(
        "</tbody></table></div></section>\n</main>\n<footer class=\"wrap\"><p>Made by regraft {}.</p></footer>\n\
         </body>\n</html>\n",
        &[&input.version],
    );
    out.into_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_layer_is_in_table_and_plot_and_names_are_escaped() {
        let point = |layer, cost, top1, chosen| DepthPoint {
            layer,
            cost,
            top1,
            error: 0.02,
            alignment: Some(0.5),
            chosen,
        };
        let points = [point("low<1>", 0.25, 0.5, true), point("high", 1.0, 0.51, false)];
        let page = render(&DepthInput {
            network: "net",
            data: "pets<script>",
            verdict: "cut at `low<1>`",
            points: &points,
            version: "1",
        });
        assert!(!page.contains("<script>") && !page.contains("low<1>"), "{page}");
        assert_eq!(page.matches("<circle").count(), 2);
        for part in
            ["low&lt;1&gt;</bdi></code> (cut here)", "50.0 %", "0.500", "like before training"]
        {
            assert!(page.contains(part), "{part} in {page}");
        }
    }
}
