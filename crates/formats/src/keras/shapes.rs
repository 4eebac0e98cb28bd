//! Pooling, borders, and values that change their form only.

use regraft_net::Op;
use regraft_net::op::{Pad, Rounding, Window};
use serde_json::Value;

use super::build::{At, Build, Val};
use super::config::{Fields, whole};
use super::convs::{channels_last, same};
use crate::FormatError;

/// Which value of a window counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pool {
    Max,
    Mean,
}

/// `MaxPooling2D`, `AveragePooling2D`.
pub(super) fn pool(b: &mut Build, at: &At<'_, '_>, kind: Pool, x: Val) -> Result<Val, FormatError> {
    let config = &at.spec.config;
    channels_last(at)?;
    let size = config.pair("pool_size", 2)?;
    let stride = match config.get("strides") {
        None => size,
        Some(_) => config.pair("strides", 2)?,
    };
    let Some(extent) = b.extent(x) else {
        return Err(at.unsupported("a window over a single pixel"));
    };
    let pad = if same(config)? { Pad::same(extent, size, stride, [1, 1]) } else { Pad::all(0) };
    let window = Window { size, stride, pad, rounding: Rounding::Floor };
    let op = match kind {
        Pool::Max => Op::MaxPool(window),
        // TensorFlow leaves the padding out of the mean.
        Pool::Mean => Op::AvgPool { window, count_pad: false },
    };
    b.push(&at.name, op, &[x])
}

/// `GlobalAveragePooling2D`, `GlobalMaxPooling2D`: a vector; with `keepdims` a map of one pixel, which
/// is a vector here too.
pub(super) fn global(
    b: &mut Build,
    at: &At<'_, '_>,
    kind: Pool,
    x: Val,
) -> Result<Val, FormatError> {
    channels_last(at)?;
    let rank = if at.spec.config.flag("keepdims", false) { 4 } else { 2 };
    let Some([h, w]) = b.extent(x) else {
        // Over a single pixel.
        let value = b.push(&at.name, Op::Identity, &[x])?;
        return Ok(Val { rank, ..value });
    };
    let value = match kind {
        Pool::Mean => b.push(&at.name, Op::GlobalAvgPool, &[x])?,
        Pool::Max => {
            let window = Window { size: [h, w], stride: [1, 1], ..Window::new(1, 1, 0) };
            let name = b.free_name(&format!("{}.window", at.name), &[]);
            let value = b.push(&name, Op::MaxPool(window), &[x])?;
            b.push(&at.name, Op::Flatten, &[value])?
        }
    };
    Ok(Val { rank, flat: None, ..value })
}

/// `Flatten`: what comes after sees Keras's order of values in the weights, ours in the graph.
pub(super) fn flatten(b: &mut Build, at: &At<'_, '_>, x: Val) -> Result<Val, FormatError> {
    channels_last(at)?;
    let shape = b.shape(x).to_vec();
    let value = match *shape.as_slice() {
        [c, h, w] => {
            let value = b.push(&at.name, Op::Flatten, &[x])?;
            Val { flat: (h * w > 1).then_some([c, h, w]), ..value }
        }
        _ => b.push(&at.name, Op::Identity, &[x])?,
    };
    Ok(Val { rank: 2, ..value })
}

/// `Reshape`, where it lays flat or takes axes of a single pixel away or puts them there.
pub(super) fn reshape(b: &mut Build, at: &At<'_, '_>, x: Val) -> Result<Val, FormatError> {
    let config = &at.spec.config;
    let target = config.get("target_shape").and_then(Value::as_array);
    let target = target.ok_or_else(|| config.fault("target_shape", "a shape"))?;
    let shape = b.shape(x).to_vec();
    let count: usize = shape.iter().product();
    let is = |value: &Value, n: usize| value.as_i64() == Some(-1) || whole(value) == Some(n);
    match (target.as_slice(), shape.as_slice()) {
        ([n], _) if is(n, count) => flatten(b, at, x),
        ([h, w, c], &[n]) if is(h, 1) && is(w, 1) && is(c, n) => {
            let value = b.push(&at.name, Op::Identity, &[x])?;
            Ok(Val { rank: 4, ..value })
        }
        ([h, w, c], &[ours, height, width]) if is(h, height) && is(w, width) && is(c, ours) => {
            b.push(&at.name, Op::Identity, &[x])
        }
        _ => Err(at.unsupported(format!(
            "a change of form to {}",
            super::config::short(&Value::Array(target.clone()))
        ))),
    }
}

/// `Permute`, where it leaves everything in place.
pub(super) fn permute(b: &mut Build, at: &At<'_, '_>, x: Val) -> Result<Val, FormatError> {
    let dims = at.spec.config.get("dims").and_then(Value::as_array);
    let trivial = dims.is_some_and(|d| d.iter().zip(1u64..).all(|(v, n)| v.as_u64() == Some(n)));
    if !trivial {
        return Err(at.unsupported("another order of axes"));
    }
    b.push(&at.name, Op::Identity, &[x])
}

/// `ZeroPadding2D`.
pub(super) fn zeros(b: &mut Build, at: &At<'_, '_>, x: Val) -> Result<Val, FormatError> {
    channels_last(at)?;
    let pad = border(&at.spec.config, "padding")?;
    b.push(&at.name, Op::Pad { pad, crop: Pad::all(0) }, &[x])
}

/// `Cropping2D`.
pub(super) fn crop(b: &mut Build, at: &At<'_, '_>, x: Val) -> Result<Val, FormatError> {
    channels_last(at)?;
    let crop = border(&at.spec.config, "cropping")?;
    b.push(&at.name, Op::Pad { pad: Pad::all(0), crop }, &[x])
}

/// `n`, `[h, w]` or `[[top, bottom], [left, right]]`.
fn border(config: &Fields<'_>, field: &str) -> Result<Pad, FormatError> {
    let fault = || config.fault(field, "whole numbers, `[[top, bottom], [left, right]]`");
    let two = |value: &Value| match value.as_array().map(Vec::as_slice) {
        Some([before, after]) => whole(before).zip(whole(after)),
        Some(_) => None,
        None => whole(value).map(|n| (n, n)),
    };
    let value = config.get(field).ok_or_else(fault)?;
    let sides = match value.as_array().map(Vec::as_slice) {
        Some([rows, columns]) => two(rows).zip(two(columns)),
        Some(_) => None,
        None => two(value).map(|n| (n, n)),
    };
    let ((top, bottom), (left, right)) = sides.ok_or_else(fault)?;
    Ok(Pad { top, left, bottom, right })
}
