//! Accuracy by rounds, a line for each kind of training, with a band from the worst to the best; and
//! accuracy at the end by training images.

use super::axis::{Axis, ticks};
use crate::comparison::{Curve, Ends};
use crate::depth::DepthPoint;
use crate::html::{Html, Name, Num};

const X: [f64; 2] = [50.0, 700.0];
const Y: [f64; 2] = [300.0, 14.0];
const STYLES: [&str; 6] = ["first", "second", "third", "fourth", "fifth", "sixth"];
/// First line of the legend, and from a line to the next.
const LEGEND: [f64; 2] = [364.0, 20.0];

/// The curves of a comparison by `measure`, points from before training on.
pub(crate) fn learning(curves: &[Curve<'_>], measure: &str) -> Html {
    let rounds = curves.iter().map(|c| c.values.len()).max().unwrap_or(1).saturating_sub(1).max(1);
    let names: Vec<&str> = curves.iter().map(|c| c.name).collect();
    let (legend, height) = legend(&names);
    let mut out = Html::new();
    out.put(
        "<svg viewBox=\"0 0 720 {}\" role=\"img\" aria-label=\"{} by rounds\">",
        &[&Num(height), &measure],
    );
    let (values, _) = ticks([0.0, rounds as f64], 8.0);
    let whole: Vec<f64> = values.into_iter().filter(|t| t.fract().abs() < 1e-9).collect();
    let (x, y) = frame([0.0, rounds as f64], &whole, "rounds over the training images", &mut out);
    for (curve, style) in curves.iter().zip(STYLES.iter().cycle()) {
        let place = |(i, v): (usize, f64)| [x.at(i as f64), y.at(100.0 * v)];
        let up = curve.range.iter().map(|r| r[1]).enumerate();
        let down = curve.range.iter().map(|r| r[0]).enumerate();
        let band = path(up.chain(down.rev()).map(place));
        let line = path(curve.values.iter().copied().enumerate().map(place));
        out.put(
            "<path class=\"band {}\" d=\"{}Z\"/><path class=\"line {}\" d=\"{}\"/>",
            &[style, &band, style, &line],
        );
    }
    out.put("{}</svg>", &[&legend]);
    out
}

/// The ends of both kinds by the number of training images, which are spread by their logarithm.
pub(crate) fn by_images(ends: &[Ends], measure: &str) -> Html {
    let images: Vec<f64> = ends.iter().map(|e| e.images as f64).collect();
    let (low, high) =
        (images.first().copied().unwrap_or(1.0), images.last().copied().unwrap_or(1.0));
    let (legend, height) = legend(&["transferred", "from scratch"]);
    let mut out = Html::new();
    out.put(
        "<svg viewBox=\"0 0 720 {}\" role=\"img\" aria-label=\"{} by training images\">",
        &[&Num(height), &measure],
    );
    let log = |images: f64| images.max(1.0).log2();
    let ends_of_axis = [log(low) - 0.2, log(high) + 0.2];
    let (x, y) = frame(ends_of_axis, &[], "training images", &mut out);
    for images in &images {
        tick(x.at(log(*images)), *images, &mut out);
    }
    for (kind, style) in STYLES.iter().take(2).enumerate() {
        let places: Vec<[f64; 2]> =
            ends.iter().map(|e| [x.at(log(e.images as f64)), y.at(100.0 * e.top1[kind])]).collect();
        out.put("<path class=\"line {}\" d=\"{}\"/>", &[style, &path(places.iter().copied())]);
        for [x, y] in places {
            out.put(
                "<circle class=\"mark {}\" cx=\"{}\" cy=\"{}\" r=\"4\"/>",
                &[style, &Num(x), &Num(y)],
            );
        }
    }
    out.put("{}</svg>", &[&legend]);
    out
}

/// Accuracies of probes by the share of the network's cost below them, with a standard error either way.
pub(crate) fn by_depth(points: &[DepthPoint<'_>]) -> Html {
    let mut out = Html::new();
    out.raw("<svg viewBox=\"0 0 720 350\" role=\"img\" aria-label=\"Accuracy by depth\">");
    let at = [0.0, 20.0, 40.0, 60.0, 80.0, 100.0];
    let (x, y) = frame([0.0, 100.0], &at, "% of the multiply-adds of the network", &mut out);
    let place = |p: &DepthPoint<'_>, by: f64| {
        [x.at(100.0 * p.cost), y.at(100.0 * (p.top1 + by).clamp(0.0, 1.0))]
    };
    let line = path(points.iter().map(|p| place(p, 0.0)));
    out.put("<path class=\"line first\" d=\"{}\"/>", &[&line]);
    for point in points {
        let ([x, y], [_, low], [_, high]) =
            (place(point, 0.0), place(point, -point.error), place(point, point.error));
        let style = if point.chosen { "second" } else { "first" };
        let radius = if point.chosen { 6.0 } else { 4.0 };
        out.put(
            "<path class=\"line {}\" d=\"M{} {}V{}\"/><circle class=\"mark {}\" cx=\"{}\" cy=\"{}\" r=\"{}\">\
             <title>{}: {} %</title></circle>",
            &[
                &style,
                &Num(x),
                &Num(low),
                &Num(high),
                &style,
                &Num(x),
                &Num(y),
                &Num(radius),
                &Name(point.layer),
                &Num(100.0 * point.top1),
            ],
        );
    }
    out.raw("</svg>");
    out
}

/// Grid, axes and their words; accuracies in percent go up.
fn frame(from: [f64; 2], at: &[f64], label: &str, out: &mut Html) -> (Axis, Axis) {
    let (x, y) = (Axis { from, to: X }, Axis { from: [0.0, 100.0], to: Y });
    for tick in [0.0, 20.0, 40.0, 60.0, 80.0, 100.0] {
        let at = y.at(tick);
        out.put(
            "<path class=\"grid\" d=\"M{} {}H{}\"/>\
             <text x=\"{}\" y=\"{}\" text-anchor=\"end\">{} %</text>",
            &[&Num(X[0]), &Num(at), &Num(X[1]), &Num(X[0] - 6.0), &Num(at + 4.0), &Num(tick)],
        );
    }
    for value in at {
        tick(x.at(*value), *value, out);
    }
    out.put(
        "<path class=\"axis\" d=\"M{} {}H{}\"/><text class=\"label\" x=\"375\" y=\"338\" \
         text-anchor=\"middle\">{}</text>",
        &[&Num(X[0]), &Num(Y[0]), &Num(X[1]), &label],
    );
    (x, y)
}

/// A mark below the axis.
fn tick(at: f64, value: f64, out: &mut Html) {
    out.put(
        "<path class=\"axis\" d=\"M{} {}v4\"/><text x=\"{}\" y=\"318\" text-anchor=\"middle\">{}\
         </text>",
        &[&Num(at), &Num(Y[0]), &Num(at), &Num(value)],
    );
}

/// A line through places.
fn path(places: impl Iterator<Item = [f64; 2]>) -> Html {
    let mut path = Html::new();
    for (i, [x, y]) in places.enumerate() {
        path.put("{}{} {}", &[&if i == 0 { "M" } else { "L" }, &Num(x), &Num(y)]);
    }
    path
}

/// Names with their lines, in as many rows as they need; and the height of the drawing.
fn legend(names: &[&str]) -> (Html, f64) {
    let mut out = Html::new();
    let (mut x, mut y) = (X[0], LEGEND[0]);
    for (name, style) in names.iter().zip(STYLES.iter().cycle()) {
        let width = 60.0 + 7.0 * name.chars().count() as f64;
        if x > X[0] && x + width > X[1] + 30.0 {
            (x, y) = (X[0], y + LEGEND[1]);
        }
        out.put(
            "<path class=\"line {}\" d=\"M{} {}h22\"/><text x=\"{}\" y=\"{}\">{}</text>",
            &[style, &Num(x), &Num(y - 4.0), &Num(x + 28.0), &Num(y), name],
        );
        x += width;
    }
    (out, y + 12.0)
}
