//! Whether a network is sound: checks of its structure, its weights, and of what its layers do on
//! images, each a small function over the network as data.
//!
//! [`CHECKS`] is the list. [`structure`] needs the graph only, [`weights`] the parameters too, and
//! [`activity`] what was measured of each layer on some images. Nothing here runs a network.

mod activity;
mod checks;
mod context;
mod epsilon;
mod extent;
mod filters;
mod flow;
mod initial;
mod loading;
mod norms;
mod statistics;

use std::collections::BTreeSet;

use crate::facts::facts;
use crate::{Card, Graph, NetError, Params};

pub use activity::{Activity, Channel, norm_distance};
pub use checks::{CHECKS, Check};
pub use loading::{Fit, fit};

use checks::Looks;
use context::Context;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Worth knowing; many good networks have it.
    Note,
    /// Probably not meant, or it costs something.
    Warning,
    /// The network does not do what it should.
    Problem,
}

impl Severity {
    /// The word for people and programs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Problem => "problem",
        }
    }
}

/// Something a check found.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// The check, which says why it matters and what to do.
    pub check: &'static Check,
    /// How bad it is.
    pub severity: Severity,
    /// The layer (or the first of several), where there is one.
    pub layer: Option<String>,
    /// What was seen, with its numbers.
    pub figures: String,
}

impl Finding {
    /// A finding of the check called `id`; for checks whose measurements are made elsewhere.
    /// `None` when the list has no such check.
    pub fn of(
        id: &str,
        severity: Severity,
        layer: Option<String>,
        figures: String,
    ) -> Option<Self> {
        let check = CHECKS.iter().find(|c| c.id == id)?;
        Some(Self { check, severity, layer, figures })
    }
}

/// What a check returns; the list adds which one it was.
#[derive(Debug, Clone, PartialEq)]
struct Found {
    severity: Severity,
    layer: Option<String>,
    figures: String,
}

impl Found {
    fn new(severity: Severity, layer: &str, figures: impl Into<String>) -> Self {
        Self { severity, layer: Some(layer.to_owned()), figures: figures.into() }
    }
}

/// Findings in the structure of a graph. The card says which layers are read from outside (its cut,
/// scores and blocks); those are in use even where no output depends on them.
///
/// # Errors
/// When shapes do not fit along the graph.
pub fn structure(graph: &Graph, card: &Card) -> Result<Vec<Finding>, NetError> {
    let facts = facts(graph)?;
    let context = Context::new(graph, &facts, card);
    Ok(all(|looks| match looks {
        Looks::Graph(check) => check(&context),
        Looks::Weights(_) | Looks::Images(_) | Looks::Outside => Vec::new(),
    }))
}

/// Findings in the weights. Layers whose parameters are not all there, or of another shape, are passed
/// over: [`fit`] tells of those.
///
/// # Errors
/// When shapes do not fit along the graph.
pub fn weights(graph: &Graph, params: &Params, card: &Card) -> Result<Vec<Finding>, NetError> {
    let facts = facts(graph)?;
    let context = Context::new(graph, &facts, card);
    Ok(all(|looks| match looks {
        Looks::Weights(check) => check(&context, params),
        Looks::Graph(_) | Looks::Images(_) | Looks::Outside => Vec::new(),
    }))
}

/// Findings in what the layers did on images: one entry for each layer of the graph, none for those
/// that did not run.
///
/// # Errors
/// When shapes do not fit along the graph.
pub fn activity(
    graph: &Graph,
    params: &Params,
    card: &Card,
    layers: &[Option<Activity>],
) -> Result<Vec<Finding>, NetError> {
    let facts = facts(graph)?;
    let context = Context::new(graph, &facts, card);
    Ok(all(|looks| match looks {
        Looks::Images(check) => check(&context, params, layers),
        Looks::Graph(_) | Looks::Weights(_) | Looks::Outside => Vec::new(),
    }))
}

fn all(run: impl Fn(&Looks) -> Vec<Found>) -> Vec<Finding> {
    let found = CHECKS.iter().flat_map(|check| {
        let findings = run(&check.looks).into_iter();
        findings.map(move |Found { severity, layer, figures }| Finding {
            check,
            severity,
            layer,
            figures,
        })
    });
    found.collect()
}

/// One finding a layer while they are few, else one with the first and how many more there are.
fn gathered(severity: Severity, found: Vec<(String, String)>) -> Vec<Found> {
    const FEW: usize = 3;
    if found.len() <= FEW {
        return found.into_iter().map(|(l, figures)| Found::new(severity, &l, figures)).collect();
    }
    let others: Vec<&str> = found[1..].iter().map(|(layer, _)| layer.as_str()).collect();
    let figures = format!("{}; also {}", found[0].1, named(&others));
    vec![Found::new(severity, &found[0].0, figures)]
}

/// `` `a`, `b`, `c` and 14 more ``.
fn named(names: &[&str]) -> String {
    const SHOWN: usize = 3;
    let shown: Vec<String> = names.iter().take(SHOWN).map(|n| format!("`{n}`")).collect();
    match names.len().saturating_sub(SHOWN) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// Those of `odd` when they are so few among `all` that a slip is more likely than a habit: at most one
/// in ten, and at least five do otherwise.
fn few_among<T>(odd: Vec<T>, all: usize) -> Vec<T> {
    let most = (all / 10).max(1);
    if odd.len() <= most && all >= odd.len() + 5 { odd } else { Vec::new() }
}

/// Layers that a card names.
fn read_from_outside(card: &Card) -> BTreeSet<&str> {
    let names = card.cut.iter().chain(&card.logits).chain(&card.blocks);
    names.map(String::as_str).collect()
}
