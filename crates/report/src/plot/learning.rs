//! Accuracy by rounds, a line for each kind of training, with a band from the worst to the best.

use super::axis::{Axis, ticks};
use crate::comparison::Curve;
use crate::html::{Html, Num};

const X: [f64; 2] = [50.0, 700.0];
const Y: [f64; 2] = [300.0, 14.0];
const STYLES: [&str; 3] = ["first", "second", "third"];

/// The curves of a comparison, points from before training on.
pub(crate) fn learning(curves: &[Curve<'_>]) -> Html {
    let rounds = curves.iter().map(|c| c.values.len()).max().unwrap_or(1).saturating_sub(1).max(1);
    let x = Axis { from: [0.0, rounds as f64], to: X };
    let y = Axis { from: [0.0, 100.0], to: Y };
    let mut out = Html::new();
    out.raw("<svg viewBox=\"0 0 720 376\" role=\"img\" aria-label=\"Accuracy by rounds\">");
    for tick in [0.0, 20.0, 40.0, 60.0, 80.0, 100.0] {
        let at = y.at(tick);
        out.put(
            "<path class=\"grid\" d=\"M{} {}H{}\"/>\
             <text x=\"{}\" y=\"{}\" text-anchor=\"end\">{} %</text>",
            &[&Num(X[0]), &Num(at), &Num(X[1]), &Num(X[0] - 6.0), &Num(at + 4.0), &Num(tick)],
        );
    }
    let (values, _) = ticks(x.from, 8.0);
    for tick in values.into_iter().filter(|t| t.fract().abs() < 1e-9) {
        let at = Num(x.at(tick));
        out.put(
            "<path class=\"axis\" d=\"M{} {}v4\"/><text x=\"{}\" y=\"318\" text-anchor=\"middle\">{}\
             </text>",
            &[&at, &Num(Y[0]), &at, &Num(tick)],
        );
    }
    out.put(
        "<path class=\"axis\" d=\"M{} {}H{}\"/><text class=\"label\" x=\"375\" y=\"338\" \
         text-anchor=\"middle\">rounds over the training images</text>",
        &[&Num(X[0]), &Num(Y[0]), &Num(X[1])],
    );
    let mut legend = X[0];
    for (curve, style) in curves.iter().zip(STYLES) {
        let place = |(i, v): (usize, f64)| (Num(x.at(i as f64)), Num(y.at(100.0 * v)));
        let (mut band, mut line) = (Html::new(), Html::new());
        let up = curve.range.iter().map(|r| r[1]).enumerate();
        let down = curve.range.iter().map(|r| r[0]).enumerate();
        for (i, point) in up.chain(down.rev()).map(place).enumerate() {
            band.put("{}{} {}", &[&if i == 0 { "M" } else { "L" }, &point.0, &point.1]);
        }
        for (i, point) in curve.values.iter().copied().enumerate().map(place).enumerate() {
            line.put("{}{} {}", &[&if i == 0 { "M" } else { "L" }, &point.0, &point.1]);
        }
        out.put(
            "<path class=\"band {}\" d=\"{}Z\"/><path class=\"line {}\" d=\"{}\"/>",
            &[&style, &band, &style, &line],
        );
        out.put(
            "<path class=\"line {}\" d=\"M{} 360h22\"/><text x=\"{}\" y=\"364\">{}</text>",
            &[&style, &Num(legend), &Num(legend + 28.0), &curve.name],
        );
        legend += 60.0 + 7.0 * curve.name.chars().count() as f64;
    }
    out.raw("</svg>");
    out
}
