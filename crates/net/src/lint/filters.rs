//! Weights filter by filter: not finite, zero, constant, twice the same, read by nobody.

use crate::{LayerId, Op, Params};

use super::context::{Context, Kind};
use super::{Found, Severity, gathered};

/// Share of a layer's channels above which what is otherwise usual is worth a warning.
const MANY: f64 = 0.25;

pub(super) fn not_finite(net: &Context<'_>, params: &Params) -> Vec<Found> {
    let mut found = Vec::new();
    for (id, layer) in net.graph.layers() {
        for spec in &net.of(id).params {
            let Some(tensor) = params.get(&spec.name) else { continue };
            let bad = tensor.data().iter().filter(|v| !v.is_finite()).count();
            if bad > 0 {
                let nan = tensor.data().iter().filter(|v| v.is_nan()).count();
                let all = tensor.data().len();
                let figures = format!(
                    "`{}`: {bad} of {all} values ({nan} NaN, {} infinite)",
                    spec.name,
                    bad - nan
                );
                found.push((layer.name.clone(), figures));
            }
        }
    }
    gathered(Severity::Problem, found)
}

/// A finding for layers by the share of their channels that is odd: warnings where it is many, one
/// note for all the rest.
pub(super) fn by_share(rows: Vec<(String, usize, usize)>, what: &str, many: f64) -> Vec<Found> {
    let words = |odd: usize, all: usize| {
        format!("{odd} of {all} {what} ({:.0} %)", 100.0 * odd as f64 / all as f64)
    };
    let (high, low): (Vec<_>, Vec<_>) =
        rows.into_iter().partition(|(_, odd, all)| *odd as f64 > many * *all as f64);
    let high = high.into_iter().map(|(layer, odd, all)| (layer, words(odd, all)));
    let mut found = gathered(Severity::Warning, high.collect());
    if let Some((layer, odd, all)) = low.iter().max_by(|a, b| (a.1 * b.2).cmp(&(b.1 * a.2))) {
        let total: usize = low.iter().map(|(_, odd, _)| odd).sum();
        let most = words(*odd, *all);
        let figures = if low.len() == 1 {
            most
        } else {
            format!("{total} in {} layers; most: {most}", low.len())
        };
        found.push(Found::new(Severity::Note, layer, figures));
    }
    found
}

/// Length of each filter, `√Σ w²`; infinite where a value is.
fn lengths(filters: &[f32], len: usize) -> Vec<f64> {
    let square = |row: &[f32]| row.iter().map(|w| f64::from(*w).powi(2)).sum::<f64>();
    filters.chunks_exact(len).map(|row| square(row).sqrt()).collect()
}

/// Below this share of the layer's median length a filter is zero: what it adds is lost in the noise
/// of single precision.
const ZERO: f64 = 1e-7;

/// Which filters are zero.
fn zeros(filters: &[f32], len: usize) -> Vec<bool> {
    let lengths = lengths(filters, len);
    let mut sorted: Vec<f64> = lengths.iter().copied().filter(|l| *l > 0.0).collect();
    sorted.sort_unstable_by(f64::total_cmp);
    let middle = sorted.get(sorted.len() / 2).copied().unwrap_or_default();
    lengths.iter().map(|l| *l <= ZERO * middle).collect()
}

pub(super) fn dead_filter(net: &Context<'_>, params: &Params) -> Vec<Found> {
    let mut rows = Vec::new();
    for (id, layer) in net.live() {
        let Some((len, filters)) = net.filters(params, id) else { continue };
        let dead = zeros(filters, len).iter().filter(|z| **z).count();
        if dead > 0 {
            rows.push((layer.name.clone(), dead, net.channels(id)));
        }
    }
    by_share(rows, "filters are zero", MANY)
}

pub(super) fn constant_filter(net: &Context<'_>, params: &Params) -> Vec<Found> {
    let mut rows = Vec::new();
    for (id, layer) in net.live() {
        let Some((len, filters)) = net.filters(params, id) else { continue };
        if len == 1 {
            continue;
        }
        let constant = |row: &&[f32]| row[0] != 0.0 && row.iter().all(|w| *w == row[0]);
        let odd = filters.chunks_exact(len).filter(constant).count();
        if odd > 0 {
            rows.push((layer.name.clone(), odd, net.channels(id)));
        }
    }
    by_share(rows, "filters hold one value only", MANY)
}

/// Squared distance of two filters of length 1 whose cosine is 0.9999: `2 (1 - cos)`.
const ALIKE: f32 = 2e-4;
/// Filters of a layer that are compared; the rest of wider layers is passed over, for time.
const COMPARED: usize = 4096;

/// Whether two filters of length 1 are alike. Unlike ones differ within the first values.
fn alike(a: &[f32], b: &[f32]) -> bool {
    let mut sum = 0.0;
    for (a, b) in a.chunks(8).zip(b.chunks(8)) {
        sum += a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum::<f32>();
        // NaN is unlike everything.
        if sum > ALIKE || sum.is_nan() {
            return false;
        }
    }
    true
}

/// Filters that equal an earlier one of their group, each with that one.
fn twins(filters: &[f32], len: usize, groups: usize) -> Vec<(usize, usize)> {
    let zero = zeros(filters, len);
    let lengths = lengths(filters, len);
    let unit: Vec<f32> = filters
        .chunks_exact(len)
        .zip(&lengths)
        .flat_map(|(row, l)| row.iter().map(move |w| (f64::from(*w) / l) as f32))
        .collect();
    let row = |i: usize| &unit[i * len..(i + 1) * len];
    let each = (lengths.len() / groups.max(1)).max(1);
    let mut twin = zero;
    let mut found = Vec::new();
    for first in (0..lengths.len()).step_by(each) {
        let end = (first + each).min(lengths.len()).min(first + COMPARED);
        for i in first..end {
            if twin[i] {
                continue;
            }
            for j in i + 1..end {
                if !twin[j] && alike(row(i), row(j)) {
                    twin[j] = true;
                    found.push((j, i));
                }
            }
        }
    }
    found
}

pub(super) fn duplicate_filter(net: &Context<'_>, params: &Params) -> Vec<Found> {
    let mut rows = Vec::new();
    let mut example = None;
    for (id, layer) in net.live() {
        let Some((len, filters)) = net.filters(params, id) else { continue };
        // With few values a filter, many are alike by chance.
        if len < 8 {
            continue;
        }
        let twins = twins(filters, len, net.conv(id).map_or(1, |c| c.groups));
        if let Some((j, i)) = twins.first() {
            example.get_or_insert_with(|| format!("for example {i} and {j} of `{}`", layer.name));
            rows.push((layer.name.clone(), twins.len(), net.channels(id)));
        }
    }
    let mut found = by_share(rows, "filters repeat another (cosine above 0.9999)", MANY);
    if let (Some(first), Some(example)) = (found.first_mut(), example) {
        first.figures = format!("{}; {example}", first.figures);
    }
    found
}

/// For each layer the channels of its output that reach something; `None` where that is not known to
/// be channel by channel.
fn used(net: &Context<'_>, params: &Params) -> Vec<Option<Vec<bool>>> {
    let mut all: Vec<Option<Vec<bool>>> = vec![None; net.graph.len()];
    for (id, _) in net.graph.layers().rev() {
        let channels = net.channels(id);
        let users = &net.users[id.index()];
        let end = net.graph.outputs().contains(&id) || users.is_empty();
        let mut reaches = Some(vec![end; channels]);
        for user in users.iter().filter(|u| net.needed[u.index()]) {
            let by = reads(net, params, *user, channels, all[user.index()].as_deref());
            reaches = reaches.zip(by).map(|(mut reaches, by)| {
                reaches.iter_mut().zip(by).for_each(|(r, b)| *r |= b);
                reaches
            });
        }
        all[id.index()] = reaches;
    }
    all
}

/// Which of its input's channels a layer makes something of.
fn reads(
    net: &Context<'_>,
    params: &Params,
    id: LayerId,
    channels: usize,
    on: Option<&[bool]>,
) -> Option<Vec<bool>> {
    match net.kind(id) {
        Kind::Linear if net.depthwise(id) => {
            let (len, filters) = net.filters(params, id)?;
            let zero = zeros(filters, len);
            // Only where each channel has one filter.
            let one = on.filter(|on| on.len() == channels && zero.len() == channels)?;
            Some(zero.iter().zip(one).map(|(zero, on)| !zero && *on).collect())
        }
        Kind::Linear => {
            let dense = net.conv(id).is_none_or(|c| c.groups == 1);
            let (len, filters) = net.filters(params, id).filter(|_| dense)?;
            let taps = len.checked_div(channels).filter(|t| t * channels == len)?;
            let mut sums = vec![0.0; channels];
            for row in filters.chunks_exact(len) {
                for (sum, w) in sums.iter_mut().zip(row.chunks_exact(taps)) {
                    *sum += w.iter().map(|w| f64::from(w.abs())).sum::<f64>();
                }
            }
            let mut sorted = sums.clone();
            sorted.sort_unstable_by(f64::total_cmp);
            let middle = sorted[channels / 2];
            Some(sums.iter().map(|s| *s > ZERO * middle).collect())
        }
        Kind::BatchNorm | Kind::Curve => on.map(<[bool]>::to_vec),
        Kind::Pass if matches!(net.graph.layer(id).op, Op::Shuffle { .. } | Op::Rearrange(_)) => {
            None
        }
        // Of these some keep channels apart and some do not; the shape tells.
        Kind::Pass => on.filter(|on| on.len() == channels).map(<[bool]>::to_vec),
        Kind::Source | Kind::LayerNorm | Kind::Bend | Kind::Add | Kind::Concat | Kind::Mul => None,
    }
}

pub(super) fn unused_channel(net: &Context<'_>, params: &Params) -> Vec<Found> {
    let all = used(net, params);
    let mut rows = Vec::new();
    for (id, layer) in net.live().filter(|(id, _)| net.kind(*id) == Kind::Linear) {
        let Some(used) = &all[id.index()] else { continue };
        let idle = used.iter().filter(|u| !**u).count();
        if idle > 0 {
            rows.push((layer.name.clone(), idle, used.len()));
        }
    }
    by_share(rows, "channels are multiplied by zero by all that read them", MANY)
}
