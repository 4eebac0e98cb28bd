//! Facts of layers that work on sequences, and of those that only move values.

use super::{At, LayerFacts};
use crate::op::Rearrange;
use crate::{NetError, Role};

pub(super) fn tokens(at: &At<'_>, first: usize) -> Result<LayerFacts, NetError> {
    let [d, h, w] = at.map()?;
    let all = h.saturating_mul(w).saturating_add(first);
    let params = vec![at.param(Role::Token, [first, d]), at.param(Role::Position, [all, d])];
    Ok(LayerFacts { params, field: None, ..at.plain([d, all, 1].into()) })
}

pub(super) fn rearrange(at: &At<'_>, how: &Rearrange) -> Result<LayerFacts, NetError> {
    let count = at.inputs[0].shape.checked_len();
    if how.fits() && how.to.checked_len() == count && matches!(how.to.len(), 1 | 3) {
        return Ok(LayerFacts { field: None, ..at.plain(how.to.clone()) });
    }
    Err(at.wants(format!(
        "as many values as the view and {} have, each axis of the view once in the order",
        how.to
    )))
}

pub(super) fn attention(at: &At<'_>, heads: usize, biases: usize) -> Result<LayerFacts, NetError> {
    match at.inputs[0].shape.dims() {
        &[all, t, w]
            if heads > 0
                && all % 3 == 0
                && (all / 3) % heads == 0
                && (biases == 0 || biases == heads || Some(biases) == heads.checked_mul(w)) =>
        {
            let d = all / 3;
            let params = match biases {
                0 => vec![],
                _ => vec![at.param(Role::Position, [biases, t, t])],
            };
            let columns = t.saturating_mul(w);
            let macs = t.saturating_mul(2).saturating_mul(columns).saturating_mul(d) as u64;
            Ok(LayerFacts { params, macs, field: None, ..at.plain([d, t, w].into()) })
        }
        _ => Err(at.wants(format!(
            "sequences [3·D, T, W] with D in {heads} heads; biases none, {heads}, or {heads} for each \
             of W"
        ))),
    }
}

pub(super) fn token(at: &At<'_>, index: usize) -> Result<LayerFacts, NetError> {
    match at.inputs[0].shape.dims() {
        &[d, t, 1] if index < t => Ok(LayerFacts { field: None, ..at.plain([d].into()) }),
        _ => Err(at.wants(format!("a sequence [D, T, 1] of more than {index} tokens"))),
    }
}
