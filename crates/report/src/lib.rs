//! One self-contained HTML page that tells what a run did and how far to trust it.
//!
//! Style, plots and thumbnails are inside the file; it loads nothing, runs no script (the page of a
//! graph but its own), and says so in a content security policy. Names of files and classes are hostile until escaped: only text
//! written in this crate is markup, every value is escaped on its way in.

mod audit;
mod calibration;
mod check;
mod classes;
mod comparison;
mod confusion;
mod data;
mod decisions;
mod depth;
mod graph;
mod html;
mod inside;
mod labels;
mod look;
mod mistakes;
mod number;
mod page;
mod picture;
mod plot;
mod provenance;
mod unknown;
mod verdict;

use std::path::Path;

use regraft_run::{
    LabelMetricsFile, LabelPredictions, MetricsFile, Plan, Predictions, RunError, Skipped, Timings,
    atomic_write,
};

pub use audit::{AuditCard, AuditInput, AuditSection, write_audit};
pub use comparison::{ComparisonInput, Curve, Ends, write_comparison};
pub use depth::{DepthInput, DepthPoint, write_depths};
pub use graph::{
    Figure, Gather, GraphPage, GraphSide, LayerDifference, Scale, graph_page, graph_svg,
};
pub use inside::Inside;
pub use labels::label_verdict;
pub use look::{LookPage, LookRow, LookSection, write_look};
pub use picture::Thumbnail;
pub use verdict::verdict;

/// What a person should know of the network that the plan does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct NetworkFacts<'a> {
    /// Name, for titles.
    pub name: &'a str,
    /// SPDX expression, or `unknown`.
    pub licence: &'a str,
    /// Who made it and where it was published.
    pub origin: &'a str,
    /// Data set of the source task.
    pub dataset: &'a str,
}

/// Held-out scores of a head at one penalty.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PenaltyPoint<'a> {
    /// `ridge` or `logistic`.
    pub kind: &'a str,
    /// The penalty; only those above zero are drawn.
    pub penalty: f64,
    /// Share of held-out training images right, 0..=1.
    pub top1: f64,
    /// Mean negative log likelihood of held-out images, in nats.
    pub nll: f64,
}

/// What a page tells of a run whatever its images are.
pub struct About<'a> {
    /// The file to write.
    pub path: &'a Path,
    /// Name of the run, for the title.
    pub name: &'a str,
    /// The run folder as a person types it, for the commands.
    pub run: &'a str,
    /// What was decided.
    pub plan: &'a Plan,
    /// How long it took.
    pub timings: Option<Timings>,
    /// What a person should know of the data, beside the plan's notes.
    pub notes: &'a [String],
    /// Files that were not used, or not as they are.
    pub skipped: &'a [Skipped],
    /// The network.
    pub network: NetworkFacts<'a>,
    /// The penalties tried, in any order.
    pub penalties: &'a [PenaltyPoint<'a>],
    /// What an audit found in the data, the gravest first; empty where there was none.
    pub audit: &'a [AuditSection],
    /// What was seen inside the network.
    pub inside: Inside<'a>,
    /// A small JPEG or PNG of a picture by the name it has in predictions and skipped files; none
    /// when it cannot be decoded. Anything else, and anything over 256 KiB, is left out.
    pub thumbnail: Thumbnail<'a>,
}

/// Everything the page of a run on classes tells.
pub struct ReportInput<'a> {
    /// The run.
    pub about: About<'a>,
    /// What was measured.
    pub metrics: &'a MetricsFile,
    /// What was predicted; rows of split `test` are looked at.
    pub predictions: &'a Predictions,
}

/// Everything the page of a run on images with several labels tells.
pub struct LabelReportInput<'a> {
    /// The run.
    pub about: About<'a>,
    /// What was measured.
    pub metrics: &'a LabelMetricsFile,
    /// What was predicted; rows of split `test` are looked at.
    pub predictions: &'a LabelPredictions,
}

/// Why a page could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReportError {
    /// The page could not be written.
    #[error(transparent)]
    Write(#[from] RunError),
    /// The confusion matrix does not fit the classes.
    #[error(
        "the test metrics have {classes} classes, but a confusion matrix of {rows} x {columns}"
    )]
    Confusion {
        /// Classes with metrics.
        classes: usize,
        /// Rows of the matrix.
        rows: usize,
        /// Length of the first row that does not fit, or of the first one.
        columns: usize,
    },
    /// A prediction is of a class that has no name.
    #[error("the prediction of {file} is class {class}, but only {classes} classes have a name")]
    Class {
        /// The picture.
        file: String,
        /// The class index.
        class: usize,
        /// Number of names.
        classes: usize,
    },
}

/// Makes the page and writes it to [`About::path`], whole or not at all.
///
/// # Errors
/// When the input contradicts itself, or the file cannot be written.
pub fn write(input: &ReportInput<'_>) -> Result<(), ReportError> {
    Ok(atomic_write(input.about.path, render(input)?.as_bytes())?)
}

/// The same of a run on images with several labels.
///
/// # Errors
/// As [`write()`].
pub fn write_labels(input: &LabelReportInput<'_>) -> Result<(), ReportError> {
    Ok(atomic_write(input.about.path, render_labels(input)?.as_bytes())?)
}

/// That page as text. The same input gives the same text.
///
/// # Errors
/// When the input contradicts itself.
pub fn render_labels(input: &LabelReportInput<'_>) -> Result<String, ReportError> {
    check::check_labels(input)?;
    Ok(labels::page(input))
}

/// The page as text. The same input gives the same text.
///
/// # Errors
/// When the input contradicts itself.
pub fn render(input: &ReportInput<'_>) -> Result<String, ReportError> {
    check::check(input)?;
    Ok(page::page(input))
}
