//! Pretrained networks: a catalogue, architectures, and the way to weights whose bytes are known.
//!
//! - [`architectures`] and [`graph`]: an architecture is a function that returns a graph. Its
//!   parameters have the names of the framework, so that a checkpoint fits as it is.
//! - [`catalogue`], [`find`], [`card`], [`labels`]: trained networks as data; [`family`], [`pitfall`]: what
//!   is known of their kind.
//! - [`OwnZoo`]: networks that the user added.
//! - [`NetworkSpec`]: what a person types, a name of the catalogue or an architecture with weights.
//! - [`fetch`] with a [`Cache`]: the weights file, downloaded once, its SHA-256 checked every time.
//!
//! Reading the file is the room of the formats; whoever uses both puts them together:
//! `fetch`, then read the parameters, then [`network`].

mod arch;
mod cache;
mod catalogue;
mod checksum;
mod dataset;
mod entry;
mod error;
mod error_text;
mod family;
mod fetch;
mod folder;
mod here;
mod hub;
#[cfg(feature = "hub")]
mod hub_download;
mod labels;
mod licence;
mod own;
mod pip;
mod sdist;
mod spec;

pub use arch::{
    ArchInfo, Cost, Family, Fitted, Naming, SourceParam, architecture, architectures, graph,
};
pub use cache::Cache;
pub use catalogue::{DEFAULT, card, catalogue, catalogue_files, find};
pub use checksum::{Checksum, Expected};
pub use dataset::{PackagedFolder, fetch_folder};
pub use entry::{Entry, Size, Structure};
pub use error::{CatalogueProblem, PipReason, SpecProblem, ZooError};
pub use family::{FamilyCard, Pitfall, families, family, pitfall, pitfalls};
pub use fetch::{FetchEvent, FetchOptions, Fetched, Flow, fetch};
pub use here::{Reach, bring, reach};
pub use labels::{Label, labels};
pub use licence::LicenceClass;
pub use own::{Card as OwnCard, Keep, OwnZoo};
pub use spec::{NetworkSpec, Source};

use regraft_net::{Card, Network, Params};

/// A network of an architecture of the zoo with the parameters given.
///
/// # Errors
/// When there is no such architecture, or parameters are missing or of the wrong shape.
pub fn network(architecture: &str, params: &Params, card: Card) -> Result<Network, ZooError> {
    Ok(Network::new(graph(architecture)?, params, card)?)
}
