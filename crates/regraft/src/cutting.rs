//! Cutting a network and keeping the lower part.

use std::path::Path;

use regraft_formats::write_model;
use regraft_net::{notation, surgery};
use serde::Serialize;

use crate::show::graph;
use crate::{Error, LoadOptions, Observer, load};

/// What a cut left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CutSummary {
    /// The network that was cut.
    pub network: String,
    /// The last layer kept.
    pub layer: String,
    /// Its output without the batch: `[C, H, W]` or `[C]`.
    pub shape: Vec<usize>,
    /// Layers kept.
    pub layers: usize,
    /// Values in learned parameters kept.
    pub parameters: u64,
    /// Multiply-adds for one image that are left.
    pub macs: u64,
    /// Multiply-adds for one image of the whole network.
    pub macs_before: u64,
    /// The lower part as text.
    pub notation: String,
    /// File with graph and weights, when one was written.
    pub written: Option<String>,
}

/// Cuts a network after `layer`. With `out`, its weights are loaded and the lower part is written
/// there as a file with its own graph ([`write_model`]).
///
/// # Errors
/// When there is no such network or layer (the nearest names are given), or the file cannot be
/// written.
pub fn cut(
    name: &str,
    layer: &str,
    out: Option<&Path>,
    options: &LoadOptions,
    observer: &dyn Observer,
) -> Result<CutSummary, Error> {
    let (whole, _) = graph(name, options, observer)?;
    let before = regraft_net::facts::facts(&whole)?;
    let trunk = surgery::cut(&whole, layer)?;
    let facts = regraft_net::facts::facts(&trunk)?;
    let text = notation::print(&trunk);
    if let Some(path) = out {
        let network = load(name, options, observer)?.network.cut(layer)?;
        write_model(path, &network)?;
    }
    Ok(CutSummary {
        network: name.to_owned(),
        layer: layer.to_owned(),
        shape: facts.output().shape.to_vec(),
        layers: trunk.len(),
        parameters: facts.learned(),
        macs: facts.macs(),
        macs_before: before.macs(),
        notation: text,
        written: out.map(|p| p.display().to_string()),
    })
}
