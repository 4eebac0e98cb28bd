//! Looks inside a network.

mod asked;
mod draw;
mod dream;
mod explain;
mod files;
mod filters;
mod graph;
mod grid;
mod kept;
mod maximise;
mod of_run;
mod probe_curve;
mod selective;
mod survey;
mod top;

pub use dream::{DreamOptions, Dreamt, FoundAgain, InvertOptions, dream, invert};
pub use explain::{ExplainOptions, Explained, ExplainedMap, Method, explain};
pub use filters::{Copies, Filters, FiltersOptions, LayerFilters, LayerUnits, filters};
pub use graph::{
    Field, FigureRow, GraphDrawn, GraphNetwork, GraphNode, GraphOptions, NodeDifference, graph,
};
pub use maximise::{
    Judged, Maximisation, MaximiseBy, MaximiseOf, MaximiseOptions, MaximisedLayer, MaximisedUnit,
    maximise,
};
pub(crate) use of_run::of_run;
pub use probe_curve::{ProbeCurve, ProbeCurveOptions, ProbePoint, probe_curve};
pub use top::{Hit, Top, TopLayer, TopOptions, TopUnit, top};
