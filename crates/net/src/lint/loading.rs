//! Whether a file's parameters are those that a graph asks for: told as findings, where
//! [`crate::Network::new`] would refuse.

use std::collections::BTreeSet;

use crate::facts::facts;
use crate::{Graph, NetError, Params, nearest};

use super::{Finding, Severity, named};

/// How parameters fit a graph.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Fit {
    /// What was found.
    pub findings: Vec<Finding>,
    /// Whether every layer has its parameters, in its shape.
    pub complete: bool,
}

/// Parameters of a file that are there for training only, or for a part of the network that is left
/// out on purpose: heads beside the main one.
const ASIDE: &[&str] = &["AuxLogits.", "aux1.", "aux2.", "aux_logits."];

/// How PyTorch calls the batches that a norm has seen: every file has them, and nobody needs them.
const COUNTER: &str = ".num_batches_tracked";

/// Layers without parameters, parameters of another shape, and parameters that no layer uses.
///
/// # Errors
/// When shapes do not fit along the graph.
pub fn fit(graph: &Graph, params: &Params) -> Result<Fit, NetError> {
    let facts = facts(graph)?;
    let used: BTreeSet<&str> = facts.params().map(|p| p.name.as_str()).collect();
    let strange = |n: &&str| !used.contains(n) && !n.ends_with(COUNTER);
    let left: Vec<&str> = params.names().filter(strange).collect();
    let mut found = Vec::new();
    let (mut missing, mut shapes) = (Vec::new(), Vec::new());
    for (id, layer) in graph.layers() {
        for spec in &facts.layer(id).params {
            match params.get(&spec.name) {
                None => missing.push((layer.name.as_str(), spec.name.as_str())),
                Some(t) if t.shape() != &spec.shape => {
                    let figures =
                        format!("`{}` is {}, the layer wants {}", spec.name, t.shape(), spec.shape);
                    shapes.push((layer.name.clone(), figures));
                }
                Some(_) => {}
            }
        }
    }
    let complete = missing.is_empty() && shapes.is_empty();
    if let Some((first, _)) = missing.first() {
        let rows: Vec<String> =
            missing.iter().take(TABLE).map(|(_, name)| with_near(name, &left)).collect();
        let more = missing.len().saturating_sub(TABLE);
        let more = if more > 0 { format!("; and {more} more") } else { String::new() };
        let figures = format!(
            "{} of {} parameters are missing: {}{more}",
            missing.len(),
            used.len(),
            rows.join("; ")
        );
        let layer = Some((*first).to_owned());
        found.extend(Finding::of("missing-parameter", Severity::Problem, layer, figures));
    }
    for (layer, figures) in shapes.into_iter().take(TABLE) {
        found.extend(Finding::of("parameter-shape", Severity::Problem, Some(layer), figures));
    }
    let aside = |name: &&str| ASIDE.iter().any(|a| name.starts_with(a) || name.ends_with(a));
    let (known, strange): (Vec<&str>, Vec<&str>) = left.iter().partition(|n| aside(n));
    for (names, severity) in [(known, Severity::Note), (strange, Severity::Warning)] {
        if !names.is_empty() {
            let figures = format!("{} parameters of the file: {}", names.len(), named(&names));
            found.extend(Finding::of("unused-parameter", severity, None, figures));
        }
    }
    Ok(Fit { findings: found, complete })
}

/// Rows of a table that a person still reads.
const TABLE: usize = 8;

fn with_near(name: &str, left: &[&str]) -> String {
    // Names of other networks are all far; of near ones the first says enough.
    match nearest(name, left.iter().copied()).first() {
        Some(near) => format!("`{name}` (the file has `{near}`)"),
        None => format!("`{name}`"),
    }
}
