//! What a fit leaves behind: plan, events, metrics, predictions and the run folder.
//!
//! A run is a folder with these files ([`RunFile`]); each has a struct and a text form here, so that
//! who writes a run and who reads one need not know each other:
//!
//! | file | struct | form |
//! |---|---|---|
//! | `plan.toml` | [`Plan`] | TOML |
//! | `events.jsonl` | [`Record`] a line | JSON lines, the only file that holds times |
//! | `metrics.json` | [`MetricsFile`] | JSON, the same bytes for the same seed |
//! | `predictions.csv` | [`Predictions`] | CSV |
//! | `unknown.json` | [`UnknownFile`] | JSON; its numbers are in `unknown.safetensors` |
//! | `network.txt`, `trunk.safetensors`, `head.safetensors`, `report.html` | made elsewhere | |
//! | `tensorboard/PART/events.…` | [`Scalar`]s | `TFRecord`, only where layers were trained |
//!
//! Nothing in here reads a clock, and every whole file goes through [`atomic_write`].

mod error;
mod event;
mod folder;
mod json;
mod label_metrics;
mod label_predictions;
mod metrics;
mod plan;
mod predictions;
mod read;
mod summary;
mod tensorboard;
mod unknown;
mod write;

pub use error::{RunError, WriteStep};
pub use event::{Event, EventLog, Events, Record, Seconds, Timings, parse_events};
pub use folder::{RunFile, RunFolder};
pub use label_metrics::{LabelFigures, LabelMetrics};
pub use label_predictions::{LabelPrediction, LabelPredictions, labels_of};
pub use metrics::{ClassMetrics, Metrics, RELIABILITY_BINS, ReliabilityBin, top_class, wilson};
pub use plan::{
    DataPlan, EnginePlan, HeadPlan, NetworkPlan, Plan, PreprocessPlan, Provenance, Reason,
    ResizePlan, TuningPlan,
};
pub use predictions::{Prediction, Predictions};
pub use summary::{
    LabelMetricsFile, LabelSummary, Loo, MetricsFile, Skipped, Summary, TrainFacts, TuningFacts,
    WithoutLeaks,
};
pub use tensorboard::{Scalar, append_scalars};
pub use unknown::{Covariance, KeptImage, LeftOutClass, UnknownFacts, UnknownFile, UnknownPlan};
pub use write::atomic_write;

/// Version of the files in a run folder. A reader refuses a newer one.
pub const FORMAT: u32 = 1;
