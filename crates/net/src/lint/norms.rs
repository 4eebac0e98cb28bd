//! Where norms stand.

use crate::{LayerId, Op};

use super::context::{Context, Kind};
use super::{Found, Severity, few_among, gathered, named};

fn is_norm(net: &Context<'_>, id: LayerId) -> bool {
    matches!(net.kind(id), Kind::BatchNorm | Kind::LayerNorm)
}

/// What a layer reads, past layers that do nothing at inference.
fn source(net: &Context<'_>, id: LayerId) -> Option<LayerId> {
    let mut at = net.before(id)?;
    while matches!(net.graph.layer(at).op, Op::Identity | Op::Dropout { .. }) {
        at = net.before(at)?;
    }
    Some(at)
}

pub(super) fn norm_twice(net: &Context<'_>) -> Vec<Found> {
    let norms = net.live().filter(|(id, _)| is_norm(net, *id));
    let found = norms.filter_map(|(id, layer)| {
        let first = source(net, id).filter(|first| is_norm(net, *first))?;
        Some((layer.name.clone(), format!("it normalises what `{}` gives", net.name(first))))
    });
    gathered(Severity::Warning, found.collect())
}

pub(super) fn norm_order(net: &Context<'_>) -> Vec<Found> {
    let (mut behind, mut before) = (Vec::new(), Vec::new());
    for (id, layer) in net.live().filter(|(id, _)| net.kind(*id) == Kind::BatchNorm) {
        let Some(from) = source(net, id) else { continue };
        match net.kind(from) {
            Kind::Curve => behind.push((
                layer.name.clone(),
                format!("it follows the activation `{}`", net.name(from)),
            )),
            Kind::Linear => before.push((
                layer.name.clone(),
                format!("it follows `{}`, before the activation", net.name(from)),
            )),
            Kind::Source
            | Kind::BatchNorm
            | Kind::LayerNorm
            | Kind::Pass
            | Kind::Bend
            | Kind::Add
            | Kind::Concat
            | Kind::Mul => {}
        }
    }
    let all = behind.len() + before.len();
    let odd = few_among(behind, all).into_iter().chain(few_among(before, all));
    let words = odd.map(|(layer, figures)| (layer, format!("{figures}; others do otherwise")));
    gathered(Severity::Warning, words.collect())
}

pub(super) fn bias_before_norm(net: &Context<'_>) -> Vec<Found> {
    let needless = |id: LayerId| {
        let bias = net.conv(id).is_some_and(|c| c.bias);
        let users = &net.users[id.index()];
        bias && !users.is_empty() && users.iter().all(|u| net.kind(*u) == Kind::BatchNorm)
    };
    let layers: Vec<LayerId> = net.live().map(|(id, _)| id).filter(|id| needless(*id)).collect();
    let Some(first) = layers.first() else { return Vec::new() };
    let values: usize = layers.iter().map(|id| net.channels(*id)).sum();
    let names: Vec<&str> = layers.iter().map(|id| net.name(*id)).collect();
    let figures = format!("{} biases of {} layers ({})", values, layers.len(), named(&names));
    vec![Found::new(Severity::Note, net.name(*first), figures)]
}
