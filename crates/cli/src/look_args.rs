//! What `look` is asked for.

mod explain;
mod top;

use clap::Subcommand;

pub(crate) use explain::ExplainArgs;
pub(crate) use top::TopArgs;

/// A look inside.
#[derive(Debug, Subcommand)]
pub(crate) enum LookCommand {
    /// Show what an answer on one picture rests on: class maps, signals, occlusion.
    Explain(ExplainArgs),
    /// Show the patches of pictures that excite units most, and what the network sends back from there.
    Top(TopArgs),
}
