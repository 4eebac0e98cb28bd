//! What `look` is asked for.

mod dream;
mod explain;
mod filters;
mod graph;
mod maximise;
mod probe_curve;
mod top;

use clap::Subcommand;

pub(crate) use dream::{DreamArgs, InvertArgs};
pub(crate) use explain::ExplainArgs;
pub(crate) use filters::FiltersArgs;
pub(crate) use graph::GraphArgs;
pub(crate) use maximise::MaximiseArgs;
pub(crate) use probe_curve::ProbeCurveArgs;
pub(crate) use top::TopArgs;

/// A look inside.
#[derive(Debug, Subcommand)]
pub(crate) enum LookCommand {
    /// Show what an answer on one picture rests on: class maps, signals, occlusion.
    Explain(ExplainArgs),
    /// Draw the first kernels; find copies among filters, and units that never answer.
    Filters(FiltersArgs),
    /// Fit a probe at each block: where to cut, and whether looking for that place pays.
    ProbeCurve(ProbeCurveArgs),
    /// Show the patches of pictures that excite units most, and what the network sends back from there.
    Top(TopArgs),
    /// Draw the layers: a picture, and a page whose groups open and close, coloured by any figure.
    Graph(GraphArgs),
    /// Make pictures that units or classes answer to most, from noise.
    Maximise(MaximiseArgs),
    /// Make more of what a layer sees in a picture, at several sizes.
    Dream(DreamArgs),
    /// Find a picture again from what a layer knows of it.
    Invert(InvertArgs),
}
