//! What `look` is asked for.

mod explain;
mod filters;
mod top;

use clap::Subcommand;

pub(crate) use explain::ExplainArgs;
pub(crate) use filters::FiltersArgs;
pub(crate) use top::TopArgs;

/// A look inside.
#[derive(Debug, Subcommand)]
pub(crate) enum LookCommand {
    /// Show what an answer on one picture rests on: class maps, signals, occlusion.
    Explain(ExplainArgs),
    /// Draw the first kernels; find copies among filters, and units that never answer.
    Filters(FiltersArgs),
    /// Show the patches of pictures that excite units most, and what the network sends back from there.
    Top(TopArgs),
}
