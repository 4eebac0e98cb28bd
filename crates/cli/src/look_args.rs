//! What `look` is asked for.

mod explain;

use clap::Subcommand;

pub(crate) use explain::ExplainArgs;

/// A look inside.
#[derive(Debug, Subcommand)]
pub(crate) enum LookCommand {
    /// Show what an answer on one picture rests on: class maps, signals, occlusion.
    Explain(ExplainArgs),
}
