//! A confusion matrix too large for a table.

use crate::html::{Html, Num};

/// Shades of a cell, by its share of the row.
const SHADES: usize = 4;

/// `[C, C]` counts, rows are the truth: a square for each right cell, a disc for each wrong one.
pub(crate) fn matrix(confusion: &[Vec<usize>]) -> Html {
    let size = confusion.len();
    let mut hits: [Html; SHADES] = Default::default();
    let mut misses: [Html; SHADES] = Default::default();
    for (r, row) in confusion.iter().enumerate() {
        let all: usize = row.iter().sum();
        for (c, &n) in row.iter().enumerate().filter(|(_, n)| **n > 0) {
            let shade = (n * SHADES).div_ceil(all).clamp(1, SHADES) - 1;
            if r == c {
                hits[shade].put("M{} {}h1v1h-1z", &[&c, &r]);
            } else {
                // A disc, somewhat larger than its cell, so that a lone mistake can be seen.
                let (x, y) = (Num(c as f64 - 0.1), Num(r as f64 + 0.5));
                misses[shade].put("M{} {}a.6.6 0 1 0 1.2 0a.6.6 0 1 0-1.2 0z", &[&x, &y]);
            }
        }
    }
    let mut out = Html::new();
    out.put(
        "<svg viewBox=\"-1 -1 {} {}\" role=\"img\" aria-label=\"confusion matrix of {} classes\">\
         <rect class=\"field\" x=\"0\" y=\"0\" width=\"{}\" height=\"{}\"/>",
        &[&(size + 2), &(size + 2), &size, &size, &size],
    );
    let kinds = [("hit", &hits), ("miss", &misses)];
    for (kind, shades) in kinds {
        for (i, path) in shades.iter().enumerate().filter(|(_, p)| !p.is_empty()) {
            let opacity = Num(0.4 + 0.6 * (i + 1) as f64 / SHADES as f64);
            out.put("<path class=\"{}\" fill-opacity=\"{}\" d=\"{}\"/>", &[&kind, &opacity, path]);
        }
    }
    out.raw("</svg>");
    out
}
