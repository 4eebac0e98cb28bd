//! Which units of which layers are asked for.

use regraft_look::LookError;
use regraft_net::{LayerId, Network, Op, surgery};
use regraft_tensor::Shape;

use crate::Error;

/// A layer and its units.
pub(super) struct Asked {
    pub(super) layer: String,
    /// Empty where it is left open which.
    pub(super) units: Vec<usize>,
}

impl Asked {
    /// `LAYER`, or `LAYER:UNIT,UNIT`; a name may hold a colon itself.
    pub(super) fn parse(network: &Network, text: &str) -> Result<Self, Error> {
        let graph = network.graph();
        let Err(unknown) = graph.find(text) else {
            return Ok(Self { layer: text.to_owned(), units: Vec::new() });
        };
        let Some((layer, units)) = text.rsplit_once(':') else { return Err(unknown.into()) };
        let id = graph.find(layer)?;
        let units: Result<Vec<usize>, _> = units.split(',').map(str::parse).collect();
        let Ok(units) = units else {
            let wanted = "LAYER:UNIT with the unit's number, from 0";
            return Err(Error::Unit { given: text.to_owned(), wanted });
        };
        let count = channels(network, id)?;
        match units.iter().find(|unit| **unit >= count) {
            Some(unit) => {
                let (layer, units, given) = (layer.to_owned(), count, *unit);
                Err(LookError::Unit { layer, units, given }.into())
            }
            None => Ok(Self { layer: layer.to_owned(), units }),
        }
    }
}

/// The units of a layer: channels of a map, or entries of a vector.
pub(super) fn channels(network: &Network, id: LayerId) -> Result<usize, Error> {
    let shape = network.facts()?.layer(id).shape.clone();
    match *shape.dims() {
        [count] | [count, _, _] => Ok(count),
        _ => {
            let layer = network.graph().layer(id).name.clone();
            Err(LookError::NoMap { layer, shape }.into())
        }
    }
}

/// Where the values of a layer are read: of a `ReLU` before it. What it lets pass is the same there, in the same order,
/// and a `ReLU6` is not yet at its limit, where nothing would come back from it.
pub(super) fn read_at(network: &Network, layer: &str) -> Result<String, Error> {
    let graph = network.graph();
    let layer = graph.layer(graph.find(layer)?);
    let below = match (&layer.op, &layer.inputs[..]) {
        (Op::Relu | Op::Relu6, [input]) => graph.layer(*input),
        _ => layer,
    };
    Ok(below.name.clone())
}

/// One layer for each size that maps have on the way up: the last of that size in which values meet or are bent,
/// where there is one; of blocks that give tokens, which are all of one size, three.
pub(super) fn stages(network: &Network) -> Result<Vec<String>, Error> {
    let facts = network.facts()?;
    let mut stages: Vec<(usize, bool, String)> = Vec::new();
    for (id, layer) in network.graph().layers() {
        let shape = &facts.layer(id).shape;
        let [_, height, width] = *shape.dims() else { continue };
        if matches!(layer.op, Op::Input { .. }) || height * width <= 1 || are_tokens(shape) {
            continue;
        }
        let bent = matches!(
            layer.op,
            Op::Relu | Op::Relu6 | Op::Prelu | Op::Activate(_) | Op::Add | Op::Concat
        );
        match stages.iter_mut().find(|(pixels, ..)| *pixels == height * width) {
            Some((_, known, name)) if bent || !*known => {
                (*known, *name) = (bent, layer.name.clone());
            }
            Some(_) => {}
            None => stages.push((height * width, bent, layer.name.clone())),
        }
    }
    let mut named: Vec<String> = stages.into_iter().map(|(.., name)| name).collect();
    named.extend(of_tokens(network)?);
    Ok(named)
}

/// Whether a layer gives tokens, one below the other: `[C, T, 1]`.
fn are_tokens(shape: &Shape) -> bool {
    matches!(shape.dims(), [_, tokens, 1] if *tokens > 1)
}

/// A low, a middle and the highest block that gives tokens.
fn of_tokens(network: &Network) -> Result<Vec<String>, Error> {
    let (graph, facts) = (network.graph(), network.facts()?);
    let card = &network.card().blocks;
    let ends = if card.is_empty() { surgery::block_ends(graph) } else { card.clone() };
    let tokens =
        |name: &String| graph.find(name).is_ok_and(|id| are_tokens(&facts.layer(id).shape));
    let ends: Vec<String> = ends.into_iter().filter(tokens).collect();
    let mut places = vec![ends.len() / 3, 2 * ends.len() / 3, ends.len().saturating_sub(1)];
    places.dedup();
    Ok(places.into_iter().filter_map(|i| ends.get(i).cloned()).collect())
}
