//! The catalogue, for tables.

use regraft_zoo::{Entry, NetworkSpec, catalogue, find};
use serde::Serialize;

use crate::network::get;
use crate::{Error, LoadOptions, Observer};

/// One network of the catalogue.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ZooRow {
    /// Its name.
    pub name: String,
    /// Its architecture, with whose parameter names.
    pub architecture: &'static str,
    /// Framework the weights were trained in.
    pub framework: String,
    /// What it was trained to do.
    pub task: String,
    /// Data set it was trained on.
    pub dataset: String,
    /// SPDX expression.
    pub licence: String,
    /// Who made it.
    pub origin: String,
    /// The paper behind it.
    pub paper: String,
    /// Top-1 in percent, as published.
    pub published_top1: f64,
    /// Who published that.
    pub published_top1_source: String,
    /// Values in learned parameters.
    pub parameters: u64,
    /// Multiply-adds for one image.
    pub macs: u64,
    /// Height and width of the input in pixels.
    pub input: [usize; 2],
    /// Size of the weights file in bytes.
    pub bytes: u64,
    /// Checksum of the weights file.
    pub sha256: String,
    /// Where the weights are.
    pub source: String,
    /// Whether it is taken when nobody names another.
    pub default: bool,
}

/// All networks of the catalogue.
///
/// # Errors
/// Never for the catalogue that is part of the program.
pub fn zoo_list() -> Result<Vec<ZooRow>, Error> {
    catalogue().iter().map(row).collect()
}

/// One network of the catalogue.
///
/// # Errors
/// When there is none of that name; the nearest are given.
pub fn zoo_entry(name: &str) -> Result<ZooRow, Error> {
    row(find(name)?)
}

fn row(entry: &Entry) -> Result<ZooRow, Error> {
    let facts = regraft_net::facts::facts(&entry.architecture.graph()?)?;
    Ok(ZooRow {
        name: entry.name.clone(),
        architecture: entry.architecture.name,
        framework: entry.framework.clone(),
        task: entry.task.clone(),
        dataset: entry.dataset.clone(),
        licence: entry.licence.clone(),
        origin: entry.origin.clone(),
        paper: entry.paper.clone(),
        published_top1: entry.published_top1,
        published_top1_source: entry.published_top1_source.clone(),
        parameters: facts.learned(),
        macs: facts.macs(),
        input: entry.preprocess.crop,
        bytes: entry.size_bytes,
        sha256: entry.sha256.to_string(),
        source: entry.source.to_string(),
        default: entry.name == regraft_zoo::DEFAULT,
    })
}

/// Weights that are on this machine now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Pulled {
    /// The network.
    pub network: String,
    /// The weights file.
    pub path: String,
    /// Its size.
    pub bytes: u64,
    /// Its checksum, just computed.
    pub sha256: String,
}

/// Makes sure that a network's weights are on this machine.
///
/// # Errors
/// When they cannot be had or are not the right ones.
pub fn pull(name: &str, options: &LoadOptions, observer: &dyn Observer) -> Result<Pulled, Error> {
    let spec = NetworkSpec::parse(name)?;
    let fetched = get(&spec, options, observer)?;
    Ok(Pulled {
        network: name.to_owned(),
        path: fetched.path.display().to_string(),
        bytes: fetched.bytes,
        sha256: fetched.sha256.to_string(),
    })
}
