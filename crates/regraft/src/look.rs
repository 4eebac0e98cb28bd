//! Looks inside a network.

mod draw;
mod explain;

pub use explain::{ExplainOptions, Explained, ExplainedMap, Method, explain};
