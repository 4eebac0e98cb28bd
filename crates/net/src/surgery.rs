//! Cutting and grafting. All other surgery is made of these three functions.
//!
//! Names stay, nothing is copied: parameters go by name.

use std::collections::BTreeMap;

use crate::facts::facts;
use crate::{Graph, LayerId, NetError, Op};

/// The part of `graph` that leads to `layer`, which becomes the output.
///
/// # Errors
/// When there is no such layer; the error has the nearest names.
pub fn cut(graph: &Graph, layer: &str) -> Result<Graph, NetError> {
    let last = graph.find(layer)?;
    let keep = graph.ancestors(&[last]);
    let mut trunk = Graph::new();
    copy(graph, &mut trunk, |id| keep[id.index()], &mut BTreeMap::new())?;
    trunk.set_outputs(&[layer])?;
    Ok(trunk)
}

/// `trunk` with `head` on top: the head's input layer is replaced by the trunk's output.
///
/// # Errors
/// When either has not exactly one input or output, shapes differ, or a name is in both. The head's
/// input may have the name of the trunk's last layer: that is how [`split`] writes it.
pub fn graft(trunk: &Graph, head: &Graph) -> Result<Graph, NetError> {
    let last = trunk.output()?;
    let head_input = head.input()?;
    let trunk_shape = facts(trunk)?.layer(last).shape.clone();
    let head_shape = facts(head)?.layer(head_input).shape.clone();
    if trunk_shape != head_shape {
        return Err(NetError::Graft {
            layer: trunk.layer(last).name.clone(),
            trunk: trunk_shape,
            head: head_shape,
        });
    }
    let mut whole = trunk.clone();
    let mut ids = BTreeMap::from([(head_input, last)]);
    copy(head, &mut whole, |id| id != head_input, &mut ids)?;
    let outputs: Vec<String> =
        head.outputs().iter().map(|id| whole.layer(ids[id]).name.clone()).collect();
    whole.set_outputs(&outputs.iter().map(String::as_str).collect::<Vec<_>>())?;
    Ok(whole)
}

/// The part up to and with `frontier`, and the part above it, whose input layer has the frontier's
/// name. `graft(trunk, crown)` gives the graph back.
///
/// # Errors
/// When there is no such layer, or a layer above also reads something below: then the value at the
/// frontier alone does not determine the rest. The error names the nearest layers that work.
pub fn split(graph: &Graph, frontier: &str) -> Result<(Graph, Graph), NetError> {
    let at = graph.find(frontier)?;
    let below = graph.ancestors(&[at]);
    let needed = graph.needed();
    for (id, layer) in graph.layers().filter(|(id, _)| needed[id.index()] && !below[id.index()]) {
        debug_assert_ne!(id, at);
        if let Some(around) = layer.inputs.iter().find(|i| **i != at && below[i.index()]) {
            return Err(NetError::NotADominator {
                frontier: frontier.to_owned(),
                user: layer.name.clone(),
                value: graph.layer(*around).name.clone(),
                near: possible_near(graph, at),
            });
        }
    }
    let trunk = cut(graph, frontier)?;
    let shape = facts(&trunk)?.output().shape.clone();
    let mut crown = Graph::new();
    let input = crown.push(frontier, Op::Input { shape }, &[])?;
    let mut ids = BTreeMap::from([(at, input)]);
    let above = |id: LayerId| needed[id.index()] && !below[id.index()];
    copy(graph, &mut crown, above, &mut ids)?;
    let names: Vec<&str> =
        graph.outputs().iter().map(|id| graph.layer(*id).name.as_str()).collect();
    crown.set_outputs(&names)?;
    Ok((trunk, crown))
}

/// Layers at which [`split`] works, in order.
pub fn split_points(graph: &Graph) -> Vec<&str> {
    let needed = graph.needed();
    let mut last_use = vec![0; graph.len()];
    for (id, layer) in graph.layers().filter(|(id, _)| needed[id.index()]) {
        for input in &layer.inputs {
            last_use[input.index()] = id.index();
        }
    }
    let mut reach = 0;
    let mut points = Vec::new();
    for (id, layer) in graph.layers().filter(|(id, _)| needed[id.index()]) {
        // No value older than this layer may be read after it.
        if reach <= id.index() {
            points.push(layer.name.as_str());
        }
        reach = reach.max(last_use[id.index()]);
    }
    points
}

/// Layers where a part of the network ends, for a graph of which nobody says so: among the layers where it can be split,
/// those where branches or a resolution end; where those are fewer than two, its convolutions and matrices.
pub fn block_ends(graph: &Graph) -> Vec<String> {
    let ends = |op: &Op| {
        matches!(
            op,
            Op::Add
                | Op::Concat
                | Op::MaxPool(_)
                | Op::GlobalAvgPool
                | Op::Tokens { .. }
                | Op::Token { .. }
        )
    };
    let points = split_points(graph);
    let ended: Vec<String> = points
        .iter()
        .filter(|n| graph.find(n).is_ok_and(|id| ends(&graph.layer(id).op)))
        .map(|n| (*n).to_owned())
        .collect();
    if ended.len() >= 2 {
        return ended;
    }
    let counts = |op: &Op| matches!(op, Op::Conv2d(_) | Op::Linear { .. });
    points
        .iter()
        .filter(|n| graph.find(n).is_ok_and(|id| counts(&graph.layer(id).op)))
        .map(|n| (*n).to_owned())
        .collect()
}

fn possible_near(graph: &Graph, at: LayerId) -> Vec<String> {
    let points = split_points(graph);
    let place = |n: &&str| graph.find(n).map_or(usize::MAX, LayerId::index);
    let before = points.iter().rev().find(|n| place(n) < at.index());
    let after = points.iter().find(|n| place(n) > at.index());
    before.into_iter().chain(after).map(|n| (*n).to_owned()).collect()
}

/// Copies the layers of `from` that `keep` wants into `to`, mapping ids.
fn copy(
    from: &Graph,
    to: &mut Graph,
    keep: impl Fn(LayerId) -> bool,
    ids: &mut BTreeMap<LayerId, LayerId>,
) -> Result<(), NetError> {
    for (id, layer) in from.layers().filter(|(id, _)| keep(*id)) {
        let inputs: Vec<LayerId> = layer.inputs.iter().map(|i| ids[i]).collect();
        ids.insert(id, to.push(layer.name.clone(), layer.op.clone(), &inputs)?);
    }
    Ok(())
}
