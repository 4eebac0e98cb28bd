//! A network from a file that brings its own graph.

use regraft_net::Network;

/// A network read from a file with its own graph: no architecture of the zoo is needed.
#[derive(Debug, Clone)]
pub struct Model {
    /// The network. Its card says what the file says; the rest is `unknown`.
    pub network: Network,
    /// Tensors of the file that no layer uses, by name, sorted.
    pub unused: Vec<String>,
    /// What was left aside or taken otherwise than the file has it, each a sentence for a person.
    pub notes: Vec<String>,
}
