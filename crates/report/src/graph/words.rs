//! What a layer and a figure are, in words.

use std::fmt::Write as _;

use regraft_net::facts::{LayerFacts, ReceptiveField};
use regraft_net::{Layer, LayerId, notation};

use super::figure::Scale;
use super::{Drawing, Figure};
use crate::number::significant;

/// A count as a person reads it: `25.6 M`.
pub(super) fn count(n: f64) -> String {
    for (unit, size) in [("G", 1e9), ("M", 1e6), ("k", 1e3)] {
        if n.abs() >= size {
            return format!("{} {unit}", significant(n / size));
        }
    }
    significant(n)
}

/// A value of a figure with its unit.
pub(super) fn value(figure: &Figure, value: f64) -> String {
    if let Scale::Kinds(names) = figure.scale {
        return names[value.clamp(0.0, 2.0) as usize].to_owned();
    }
    let number = if value.abs() >= 1e4 { count(value) } else { significant(value) };
    let large = number.ends_with(char::is_alphabetic);
    match figure.unit.as_str() {
        "" => number,
        "B" if large => format!("{number}B"),
        unit => format!("{number} {unit}"),
    }
}

/// What is known of a layer, for who points at it.
pub(super) fn layer(layer: &Layer, facts: &LayerFacts) -> String {
    let mut text = format!("{}\n{}\n{}", layer.name, notation::describe(&layer.op), facts.shape);
    // Writing to a String cannot fail.
    let params = facts.param_count();
    if params > 0 {
        let _ = write!(text, ", {} parameters", count(params as f64));
    }
    if facts.macs > 0 {
        let _ = write!(text, ", {} multiply-adds", count(facts.macs as f64));
    }
    let _ = write!(text, "\nsees {}", field(facts.field));
    text
}

/// The part of the picture that a value sees.
pub(super) fn field(field: Option<ReceptiveField>) -> String {
    match field {
        None => "the whole picture".to_owned(),
        Some(ReceptiveField { size: [h, w], stride: [down, across], start: [top, left] }) => {
            format!("{h}x{w} pixels, {down}x{across} apart, the first from ({top}, {left})")
        }
    }
}

/// What is known of a group with these layers.
pub(super) fn group(drawing: &Drawing<'_>, g: usize, layers: &[LayerId]) -> String {
    let facts = || layers.iter().map(|id| drawing.side.facts.layer(*id));
    let params = facts().fold(0u64, |n, f| n.saturating_add(f.param_count()));
    let macs = facts().fold(0u64, |n, f| n.saturating_add(f.macs));
    let name = drawing.side.groups.all().get(g).map_or("", |group| group.name.as_str());
    format!(
        "{name}\n{} layers, {} parameters, {} multiply-adds",
        layers.len(),
        count(params as f64),
        count(macs as f64)
    )
}
