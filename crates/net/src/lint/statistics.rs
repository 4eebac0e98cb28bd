//! What batch norms keep: scales, means and variances.

use crate::{LayerId, Op, Params};

use super::context::{Context, Kind};
use super::filters::by_share;
use super::{Found, Severity, gathered};

fn batch_norms<'n>(net: &'n Context<'_>) -> impl Iterator<Item = (LayerId, &'n str, f32)> {
    net.live().filter_map(|(id, layer)| {
        if let Op::BatchNorm { eps } = layer.op {
            Some((id, layer.name.as_str(), eps))
        } else {
            None
        }
    })
}

pub(super) fn zero_gamma(net: &Context<'_>, params: &Params) -> Vec<Found> {
    let mut rows = Vec::new();
    for (id, name, _) in batch_norms(net) {
        let Some(gamma) = net.values(params, id, "weight") else { continue };
        let largest = gamma.iter().fold(0.0f32, |m, g| m.max(g.abs()));
        let zero = gamma.iter().filter(|g| g.abs() <= 1e-6 * largest).count();
        if zero > 0 {
            rows.push((name.to_owned(), zero, gamma.len()));
        }
    }
    by_share(rows, "channels have a scale of zero", 0.5)
}

/// Amplification by a norm above which a channel is as good as divided by zero.
const AMPLIFIED: f64 = 1e4;
/// A variance that no activation of a working network has.
const GIGANTIC: f32 = 1e12;

pub(super) fn norm_variance(net: &Context<'_>, params: &Params) -> Vec<Found> {
    let (mut broken, mut odd) = (Vec::new(), Vec::new());
    for (id, name, eps) in batch_norms(net) {
        let Some(var) = net.values(params, id, "running_var") else { continue };
        let least = var.iter().copied().fold(f32::INFINITY, f32::min);
        let negative = var.iter().filter(|v| **v < 0.0).count();
        if negative > 0 {
            let figures = format!("{negative} of {} are negative, least {least:e}", var.len());
            broken.push((name.to_owned(), figures));
            continue;
        }
        let gigantic = var.iter().filter(|v| **v > GIGANTIC).count();
        if gigantic > 0 {
            let figures = format!("{gigantic} of {} are above {GIGANTIC:e}", var.len());
            odd.push((name.to_owned(), figures));
        }
        let ones = || std::iter::repeat_n(1.0, var.len());
        let gamma: Vec<f32> =
            net.values(params, id, "weight").map_or_else(|| ones().collect(), <[f32]>::to_vec);
        let by = |(v, g): (&f32, &f32)| f64::from(g.abs()) / f64::from(*v + eps).sqrt();
        let most = var.iter().zip(&gamma).map(by).fold(0.0, f64::max);
        // A channel that gives one value only, and a scale that makes a lot of nothing.
        if most > AMPLIFIED {
            odd.push((name.to_owned(), format!("a channel is multiplied by {most:.0}")));
        }
    }
    let mut found = gathered(Severity::Problem, broken);
    found.extend(gathered(Severity::Warning, odd));
    found
}

pub(super) fn norm_untrained(net: &Context<'_>, params: &Params) -> Vec<Found> {
    let (mut fresh, mut all) = (Vec::new(), 0);
    for (id, name, _) in batch_norms(net) {
        let mean = net.values(params, id, "running_mean");
        let Some((mean, var)) = mean.zip(net.values(params, id, "running_var")) else { continue };
        all += 1;
        if mean.iter().all(|m| *m == 0.0) && var.iter().all(|v| *v == 1.0) {
            fresh.push((name.to_owned(), "mean 0 and variance 1 in all channels".to_owned()));
        }
    }
    if all > 0 && fresh.len() == all {
        let name = &fresh[0].0;
        let figures = format!("all {all} batch norms have mean 0 and variance 1 in every channel");
        return vec![Found::new(Severity::Problem, name, figures)];
    }
    gathered(Severity::Warning, fresh)
}

/// How many times larger or smaller than both neighbours, by what a filter makes of inputs of size 1.
const OUTLIER: f64 = 100.0;

pub(super) fn scale_outlier(net: &Context<'_>, params: &Params) -> Vec<Found> {
    let mut gains: Vec<(LayerId, f64)> = Vec::new();
    for (id, _) in net.live() {
        let Some((len, filters)) = net.filters(params, id) else { continue };
        let square: f64 = filters.iter().map(|w| f64::from(*w).powi(2)).sum();
        // √(Σ w² / filters): the size of a filter's answer to independent inputs of size 1.
        let gain = (square / (filters.len() / len) as f64).sqrt();
        if gain.is_finite() && gain > 0.0 {
            gains.push((id, gain));
        }
    }
    let mut found = Vec::new();
    for (i, (id, gain)) in gains.iter().enumerate() {
        let beside: Vec<f64> = [i.checked_sub(1), Some(i + 1)]
            .into_iter()
            .filter_map(|j| gains.get(j?))
            .map(|(_, g)| *g)
            .collect();
        let times = |g: &f64| gain / g;
        let far = !beside.is_empty()
            && (beside.iter().all(|g| times(g) > OUTLIER)
                || beside.iter().all(|g| times(g) < 1.0 / OUTLIER));
        if far {
            let users = &net.users[id.index()];
            let normed = !users.is_empty() && users.iter().all(|u| net.kind(*u) == Kind::BatchNorm);
            let figures = format!(
                "its filters have a length of {gain:.2e}, those beside it {}{}",
                beside.iter().map(|g| format!("{g:.2e}")).collect::<Vec<_>>().join(" and "),
                if normed { "; a norm follows, which undoes it" } else { "" }
            );
            let severity = if normed { Severity::Note } else { Severity::Warning };
            found.push(Found::new(severity, net.name(*id), figures));
        }
    }
    found
}
