//! Whether weights look as they were drawn: training leaves filters of one layer unlike in size.

use crate::Params;

use super::context::Context;
use super::{Found, Severity};

/// Share of the layers looked at that must look so.
const NEARLY_ALL: f64 = 0.9;
/// Filters and values a filter below which nothing can be told.
const FEWEST: [usize; 2] = [8, 16];

/// Whether the filters are draws of one distribution, uniform or normal: then the mean squares of
/// filters of `n` values differ by chance only, with a relative variance of `(kurtosis + 2) / n`,
/// where the excess kurtosis is -1.2 (uniform) to 0 (normal).
fn drawn(filters: &[f32], len: usize) -> bool {
    let squares = |row: &[f32]| row.iter().map(|w| f64::from(*w).powi(2)).sum::<f64>() / len as f64;
    let each: Vec<f64> = filters.chunks_exact(len).map(squares).collect();
    let count = each.len() as f64;
    let mean = each.iter().sum::<f64>() / count;
    if !(mean > 0.0 && mean.is_finite()) {
        return false;
    }
    let fourth = filters.iter().map(|w| f64::from(*w).powi(4)).sum::<f64>() / filters.len() as f64;
    let kurtosis = fourth / mean.powi(2) - 3.0;
    let spread = each.iter().map(|m| (m - mean).powi(2)).sum::<f64>() / (count - 1.0);
    let wanted = mean.powi(2) * (kurtosis + 2.0).max(0.5) / len as f64;
    // A variance from `count` draws is off by √(2 / count), more where tails are long; three of these.
    let room = 1.0 + 3.0 * (3.0 / count).sqrt();
    (-1.5..=0.4).contains(&kurtosis) && spread <= room * wanted
}

/// Names of the usual recipes by which a layer's variance is drawn.
fn recipe(variance: f64, fan_in: f64, fan_out: f64) -> Option<&'static str> {
    let known = [
        ("He, fan in", 2.0 / fan_in),
        ("He, fan out", 2.0 / fan_out),
        ("Glorot", 2.0 / (fan_in + fan_out)),
        ("LeCun", 1.0 / fan_in),
        ("PyTorch's default", 1.0 / (3.0 * fan_in)),
        ("normal of deviation 0.01", 1e-4),
        ("normal of deviation 0.02", 4e-4),
        ("normal of deviation 0.02 cut at two", 4e-4 * 0.774),
    ];
    known.iter().find(|(_, v)| (variance / v - 1.0).abs() < 0.06).map(|(name, _)| *name)
}

pub(super) fn untrained(net: &Context<'_>, params: &Params) -> Vec<Found> {
    let (mut looked, mut fresh, mut first) = (0usize, 0usize, None);
    for (id, layer) in net.live() {
        let Some((len, filters)) = net.filters(params, id) else { continue };
        let count = filters.len() / len;
        if count < FEWEST[0] || len < FEWEST[1] {
            continue;
        }
        looked += 1;
        if !drawn(filters, len) {
            continue;
        }
        fresh += 1;
        let variance =
            filters.iter().map(|w| f64::from(*w).powi(2)).sum::<f64>() / filters.len() as f64;
        let taps = net.conv(id).map_or(1, |c| c.size[0] * c.size[1]);
        if first.is_none() {
            first =
                Some((layer.name.as_str(), recipe(variance, len as f64, (count * taps) as f64)));
        }
    }
    let Some((name, recipe)) = first else { return Vec::new() };
    if (fresh as f64) < NEARLY_ALL * looked as f64 {
        return Vec::new();
    }
    let by = recipe.map(|r| format!(", by the variance of {r} in the first")).unwrap_or_default();
    let figures = format!(
        "in {fresh} of {looked} layers all filters are alike in size and shape of distribution, as \
         freshly drawn{by}"
    );
    vec![Found::new(Severity::Warning, name, figures)]
}
