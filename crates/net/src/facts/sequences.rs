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

pub(super) fn attention(
    at: &At<'_>,
    heads: usize,
    biases: usize,
    talking: bool,
) -> Result<LayerFacts, NetError> {
    let fits = |[e, d, _, _, w]: &[usize; 5]| {
        let even = heads > 0 && e % heads == 0 && d % heads == 0;
        let each = Some(biases) == heads.checked_mul(*w);
        even && (biases == 0 || biases == heads || each) && !(talking && biases > 0)
    };
    let Some([e, d, s, t, w]) = asked(at.inputs).filter(fits) else {
        return Err(at.wants(format!(
            "sequences [3·D, T, W], or queries [E, S, W], keys [E, T, W] and values [D, T, W], with D and \
             E in {heads} heads; biases none, {heads}, or {heads} for each of W, and none where heads are \
             mixed"
        )));
    };
    let mut params = vec![];
    if biases > 0 {
        params.push(at.param(Role::Position, [biases, s, t]));
    }
    let mut each = e.saturating_add(d);
    if talking {
        let shape = [heads, heads.saturating_add(1)];
        params.extend([Role::Products, Role::Shares].map(|role| at.param(role, shape)));
        each = each.saturating_add(heads.saturating_mul(2).saturating_mul(heads));
    }
    let macs = s.saturating_mul(t).saturating_mul(w).saturating_mul(each) as u64;
    let vector = at.inputs.len() == 3 && at.inputs[0].shape.len() == 1;
    let shape = if vector { [d].into() } else { [d, s, w].into() };
    Ok(LayerFacts { params, macs, field: None, ..at.plain(shape) })
}

/// Numbers of a query and of a value, queries, keys, and columns; `None` when inputs do not fit one
/// another.
fn asked(inputs: &[&LayerFacts]) -> Option<[usize; 5]> {
    let dims = |i: usize| match *inputs[i].shape.dims() {
        [c, h, w] => Some([c, h, w]),
        [c] if i == 0 && inputs.len() == 3 => Some([c, 1, 1]),
        _ => None,
    };
    let [all, s, w] = dims(0)?;
    if inputs.len() == 1 {
        return (all % 3 == 0).then_some([all / 3, all / 3, s, s, w]);
    }
    let [keys, values] = [dims(1)?, dims(2)?];
    let fits = keys[0] == all && keys[1..] == values[1..] && keys[2] == w;
    fits.then_some([all, values[0], s, keys[1], w])
}

pub(super) fn token(at: &At<'_>, index: usize) -> Result<LayerFacts, NetError> {
    match at.inputs[0].shape.dims() {
        &[d, t, 1] if index < t => Ok(LayerFacts { field: None, ..at.plain([d].into()) }),
        _ => Err(at.wants(format!("a sequence [D, T, 1] of more than {index} tokens"))),
    }
}
