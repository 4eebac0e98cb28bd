//! Looks inside a network.

mod asked;
mod draw;
mod explain;
mod survey;
mod top;

pub use explain::{ExplainOptions, Explained, ExplainedMap, Method, explain};
pub use top::{Hit, Top, TopLayer, TopOptions, TopUnit, top};
