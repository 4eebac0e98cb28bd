//! Transfer learning: cut a trained network, graft a new head on, measure what it gave.
//!
//! This is the one public surface; programs use nothing below it.
//!
//! ```no_run
//! use regraft::{FitOptions, Quiet, fit, predict};
//!
//! let summary = fit(&FitOptions::new("flowers/"), &Quiet)?;
//! println!("{:.1} % of the test images right", 100.0 * summary.metrics.test.top1);
//! for answer in predict(summary.run.as_ref(), &["rose.jpg".into()], &Quiet)? {
//!     println!("{answer:?}");
//! }
//! # Ok::<(), regraft::Error>(())
//! ```

mod advise;
mod audit;
mod auto;
mod balance;
mod bench;
mod compare;
mod convert;
mod cutting;
mod demo;
mod error;
mod evaluate;
mod features;
mod fit;
mod gather;
mod grouping;
mod head;
mod images;
mod journal;
mod labels;
mod lint;
mod look;
mod measure;
mod network;
mod notes;
mod observer;
mod options;
mod plan;
mod precision;
mod predict;
mod prior;
mod reading;
mod sampling;
mod show;
mod task;
mod tuning;
mod unknown;
mod verify;
mod write;
mod zoo;

pub use advise::{
    AdviseOptions, Advised, Candidate as AdvisedNetwork, DroppedNetwork, PlanOutcome,
    ScoreAgreement, Verification, advise,
};
pub use audit::{
    Audit, AuditFinding, AuditOptions, ClassCount, CopyPair, LabelSuspect, LeakEffect, NamedGroups,
    UnreadableFile, audit,
};
pub use bench::{Bench, BenchOptions, LayerTime, MAX_BATCH, Peak, Speed, bench};
pub use compare::{
    Benefit, ByImages, CompareOptions, ComparePlan, Comparison, Curve, PlanEnd, Reached, compare,
};
pub use convert::{Converted, Target, convert};
pub use cutting::{CutSummary, cut};
pub use demo::{DEMO, Demo, demo_data};
pub use error::{Error, ErrorKind};
pub use evaluate::{Evaluation, evaluate, evaluate_with};
pub use fit::{RateTable, fit, rate_table};
pub use labels::{Evaluated, Fitted, LabelEvaluation, evaluate_any, fit_any};
pub use lint::{LayerScale, Lint, LintFinding, PreprocessingRow, lint, lint_network};
pub use look::{
    Copies, DreamOptions, Dreamt, ExplainOptions, Explained, ExplainedMap, Field, FigureRow,
    Filters, FiltersOptions, FoundAgain, GraphDrawn, GraphNetwork, GraphNode, GraphOptions, Hit,
    InvertOptions, Judged, LayerFilters, LayerUnits, Maximisation, MaximiseBy, MaximiseOf,
    MaximiseOptions, MaximisedLayer, MaximisedUnit, Method, NodeDifference, ProbeCurve,
    ProbeCurveOptions, ProbePoint, Top, TopLayer, TopOptions, TopUnit, dream, explain, filters,
    graph, invert, maximise, probe_curve, top,
};
pub use measure::Measure;
pub use network::{LoadOptions, Loaded, load};
pub use observer::{Observer, Progress, Quiet};
pub use options::{FeatureKind, FitOptions, PrecisionChoice, Strategy, default_run};
pub use predict::{Answer, Candidate, PredictOptions, Predicted, predict, predict_with};
pub use prior::{ClassShare, Prior, PriorFacts, ShareFault, ShareTest};
pub use regraft_advise::resolve::{
    Advice, Confidence as AdviceConfidence, Reason as AdviceReason, Verdict as AdviceVerdict,
};
pub use regraft_data::{Augment, Dataset, Split, Strength};
pub use regraft_net::lint::{CHECKS, Check};
pub use regraft_net::{Card, Graph, NetError, Network, notation};
pub use regraft_probe::HeadKind;
pub use regraft_run::{
    ClassMetrics, LabelFigures, LabelMetrics, LabelMetricsFile, LabelSummary, Metrics, MetricsFile,
    Plan, Reason, Skipped, Summary, Timings, UnknownFacts, atomic_write,
};
pub use regraft_train::{LayerRate, Optimiser, Rates, Schedule, Unfreeze};
pub use show::{LayerRow, Shown, show};
pub use tuning::{Augmentation, HeadLayers, TuneOptions};
pub use unknown::{NearImage, Novelty};
pub use verify::{FormulaLogits, Verified, verify, verify_formula};
pub use zoo::{
    AddOptions, Added, BlockRow, Match, Overlap, PitfallRow, Pulled, SortBy, ZooCard, ZooFilter,
    ZooListing, ZooRow, class_names, pull, zoo_add, zoo_card, zoo_list, zoo_remove,
};

/// This program's version.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Runs `work` on a pool of `threads` threads; none means one for each core.
///
/// # Errors
/// When the threads cannot be started, or `work` fails.
pub fn with_threads<T: Send>(
    threads: Option<usize>,
    work: impl FnOnce() -> Result<T, Error> + Send,
) -> Result<T, Error> {
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads.unwrap_or(0))
        .build()
        .map_err(|source| Error::Threads { source })?;
    pool.install(work)
}
