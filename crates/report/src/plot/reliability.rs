//! The reliability diagram of Guo et al. 2017, with intervals and the number of images.

use regraft_run::ReliabilityBin;

use super::axis::Axis;
use crate::calibration::interval;
use crate::html::{Html, Num, Show};

const X: [f64; 2] = [46.0, 366.0];
const Y: [f64; 2] = [270.0, 10.0];
/// The histogram below.
const COUNTS: [f64; 2] = [340.0, 286.0];

/// Share of right answers against stated probability; the words are what is counted and what its share is.
pub(crate) fn reliability(bins: &[ReliabilityBin], [counted, right]: [&'static str; 2]) -> Html {
    let x = Axis { from: [0.0, 1.0], to: X };
    let y = Axis { from: [0.0, 1.0], to: Y };
    let mut out = Html::new();
    out.raw(
        "<svg viewBox=\"0 0 380 386\" role=\"img\" aria-label=\"reliability diagram: share of right \
         answers against stated probability\">",
    );
    for tick in [0.0, 0.25, 0.5, 0.75, 1.0] {
        let (tx, ty) = (Num(x.at(tick)), Num(y.at(tick)));
        let label = Num(tick * 100.0);
        out.put(
            "<path class=\"grid\" d=\"M{} {}H{}\"/><text x=\"{}\" y=\"{}\" \
             text-anchor=\"end\">{}</text><text x=\"{}\" y=\"358\" text-anchor=\"middle\">{}</text>",
            &[&Num(X[0]), &ty, &Num(X[1]), &Num(X[0] - 6.0), &Num(ty.0 + 4.0), &label, &tx, &label],
        );
    }
    let most = bins.iter().map(|b| b.count).max().unwrap_or(0).max(1);
    let counts = Axis { from: [0.0, most as f64], to: COUNTS };
    for bin in bins {
        bar(bin, x, y, counts, &mut out);
    }
    out.put(
        "<path class=\"ideal\" d=\"M{} {}L{} {}\"/>",
        &[&Num(X[0]), &Num(Y[0]), &Num(X[1]), &Num(Y[1])],
    );
    for bin in bins {
        whisker(bin, x, y, &mut out);
    }
    out.put(
        "<path class=\"axis\" d=\"M{} {}H{}\"/><text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>",
        &[&Num(X[0]), &Num(COUNTS[0]), &Num(X[1]), &Num(X[0] - 6.0), &Num(COUNTS[1] + 8.0), &most],
    );
    out.put(
        "<text class=\"label\" x=\"206\" y=\"378\" text-anchor=\"middle\">stated probability, %</text>\
         <text class=\"label\" transform=\"translate(12 140) rotate(-90)\" \
         text-anchor=\"middle\">{}, %</text>\
         <text class=\"label\" transform=\"translate(12 313) rotate(-90)\" \
         text-anchor=\"middle\">{}</text></svg>",
        &[&right.to_lowercase(), &counted.to_lowercase()],
    );
    out
}

fn bar(bin: &ReliabilityBin, x: Axis, y: Axis, counts: Axis, out: &mut Html) {
    let Some(accuracy) = bin.accuracy else { return };
    let (left, right) = (x.at(bin.low) + 1.0, x.at(bin.high) - 1.0);
    let mut rect = |class: &'static str, top: f64, foot: f64| {
        let values: [&dyn Show; 5] =
            [&class, &Num(left), &Num(top), &Num(right - left), &Num(foot - top)];
        out.put("<rect class=\"{}\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"/>", &values);
    };
    rect("bar", y.at(accuracy), Y[0]);
    rect("count", counts.at(bin.count as f64), COUNTS[0]);
}

/// The interval of a bar, where its images lie on average.
fn whisker(bin: &ReliabilityBin, x: Axis, y: Axis, out: &mut Html) {
    let (Some(confidence), Some([low, high])) = (bin.confidence, interval(bin)) else { return };
    let (at, low, high) = (x.at(confidence), y.at(low), y.at(high));
    let (left, right) = (Num(at - 4.0), Num(at + 4.0));
    out.put(
        "<path class=\"whisker\" d=\"M{} {}H{}M{} {}V{}M{} {}H{}\"/>",
        &[&left, &Num(low), &right, &Num(at), &Num(low), &Num(high), &left, &Num(high), &right],
    );
}
