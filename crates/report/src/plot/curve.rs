//! Held-out score against penalty.

use super::axis::{Axis, ticks};
use crate::PenaltyPoint;
use crate::html::{Html, Num};

const X: [f64; 2] = [50.0, 366.0];
const Y: [f64; 2] = [200.0, 14.0];

/// What is drawn over the penalty.
pub(crate) struct Curve {
    /// For those who cannot see it.
    pub(crate) title: &'static str,
    /// Whether values are shares, to be written in per cent.
    pub(crate) percent: bool,
    /// The value of a point.
    pub(crate) value: fn(&PenaltyPoint<'_>) -> f64,
}

/// A line for each kind of head, the chosen point ringed. Points hold penalties above zero.
pub(crate) fn curve(what: &Curve, points: &[PenaltyPoint<'_>], chosen: (&str, f64)) -> Html {
    let place = |p: &PenaltyPoint<'_>| p.penalty.log10();
    let scale = if what.percent { 100.0 } else { 1.0 };
    let value = |p: &PenaltyPoint<'_>| (what.value)(p) * scale;
    let points: Vec<_> = points.iter().filter(|p| value(p).is_finite()).collect();
    let x = Axis { from: ends(points.iter().map(|p| place(p)), 0.02, 1.0), to: X };
    // A point of a per cent, or a hundredth of a nat: differences below that are noise.
    let least = if what.percent { 1.0 } else { 0.01 };
    let y = Axis { from: ends(points.iter().map(|p| value(p)), 0.08, least), to: Y };

    let mut out = Html::new();
    out.put("<svg viewBox=\"0 0 380 262\" role=\"img\" aria-label=\"{}\">", &[&what.title]);
    frame(x, y, &mut out);
    let mut kinds: Vec<&str> = points.iter().map(|p| p.kind).collect();
    kinds.sort_unstable();
    kinds.dedup();
    // The chosen kind is drawn as the first.
    kinds.sort_by_key(|kind| *kind != chosen.0);
    for (i, kind) in kinds.iter().enumerate() {
        let mut line: Vec<_> = points.iter().filter(|p| p.kind == *kind).collect();
        line.sort_by(|a, b| a.penalty.total_cmp(&b.penalty));
        let style = if i == 0 { "first" } else { "second" };
        let (mut path, mut marks) = (Html::new(), Html::new());
        for (j, p) in line.iter().enumerate() {
            let (px, py) = (Num(x.at(place(p))), Num(y.at(value(p))));
            path.put("{}{} {}", &[&if j == 0 { "M" } else { "L" }, &px, &py]);
            mark(style, px, py, &mut marks);
            if (*kind, p.penalty) == chosen {
                marks.put("<circle class=\"chosen\" cx=\"{}\" cy=\"{}\" r=\"7\"/>", &[&px, &py]);
            }
        }
        out.put("<path class=\"line {}\" d=\"{}\"/>{}", &[&style, &path, &marks]);
    }
    legend(&kinds, &mut out);
    out.raw("</svg>");
    out
}

/// The least and the greatest value, with some room, `least` at the narrowest.
fn ends(values: impl Iterator<Item = f64>, room: f64, least: f64) -> [f64; 2] {
    let (low, high) =
        values.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
    if low > high {
        return [0.0, 1.0];
    }
    let room = ((high - low) * room).max(least / 2.0);
    [low - room, high + room]
}

fn frame(x: Axis, y: Axis, out: &mut Html) {
    let (values, decimals) = ticks(y.from, 5.0);
    for tick in values {
        let at = y.at(tick);
        out.put(
            "<path class=\"grid\" d=\"M{} {}H{}\"/>\
             <text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>",
            &[
                &Num(X[0]),
                &Num(at),
                &Num(X[1]),
                &Num(X[0] - 6.0),
                &Num(at + 4.0),
                &format!("{tick:.decimals$}"),
            ],
        );
    }
    let (powers, _) = ticks(x.from, 6.0);
    for power in powers.into_iter().filter(|p| p.fract().abs() < 1e-9) {
        let at = Num(x.at(power));
        out.put(
            "<path class=\"axis\" d=\"M{} {}v4\"/><text x=\"{}\" y=\"218\" \
             text-anchor=\"middle\">10<tspan class=\"power\" dy=\"-5\">{}</tspan></text>",
            &[&at, &Num(Y[0]), &at, &Num(power)],
        );
    }
    out.put(
        "<path class=\"axis\" d=\"M{} {}H{}\"/><text class=\"label\" x=\"208\" y=\"236\" \
         text-anchor=\"middle\">penalty</text>",
        &[&Num(X[0]), &Num(Y[0]), &Num(X[1])],
    );
}

/// A disc for the first kind, a square for the others: not told apart by colour alone.
fn mark(style: &'static str, x: Num, y: Num, out: &mut Html) {
    if style == "first" {
        out.put("<circle class=\"mark first\" cx=\"{}\" cy=\"{}\" r=\"3\"/>", &[&x, &y]);
    } else {
        let (left, top) = (Num(x.0 - 3.0), Num(y.0 - 3.0));
        out.put(
            "<rect class=\"mark second\" x=\"{}\" y=\"{}\" width=\"6\" height=\"6\"/>",
            &[&left, &top],
        );
    }
}

fn legend(kinds: &[&str], out: &mut Html) {
    let mut at = X[0];
    for (i, kind) in kinds.iter().enumerate() {
        mark(if i == 0 { "first" } else { "second" }, Num(at + 4.0), Num(252.0), out);
        out.put("<text x=\"{}\" y=\"256\">{}</text>", &[&Num(at + 12.0), kind]);
        at += 32.0 + 7.0 * kind.chars().count() as f64;
    }
    out.put("<circle class=\"chosen\" cx=\"{}\" cy=\"252\" r=\"6\"/>", &[&Num(at + 6.0)]);
    out.put("<text x=\"{}\" y=\"256\">chosen</text>", &[&Num(at + 17.0)]);
}
