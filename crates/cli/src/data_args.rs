//! What can be typed after `audit` and `advise`, which look at the data first.

use std::path::PathBuf;

use clap::Args;

use crate::words::share;

#[derive(Debug, Args)]
pub(crate) struct AuditArgs {
    /// A folder of class folders; or one with `train` and `val` or `test`; or a CSV table with
    /// columns `path,label[,split]`.
    pub(crate) data: PathBuf,
    /// Network whose features find altered copies and wrong labels [default: efficientnet-lite0].
    #[arg(long, short, value_name = "NETWORK")]
    pub(crate) network: Option<String>,
    /// Look at the files only: no network, so no wrong labels and no accuracy.
    #[arg(long, conflicts_with = "network")]
    pub(crate) files_only: bool,
    /// What of a file's name says which files belong together (one patient, one video): a regular
    /// expression with a group, for instance `patient(\d+)` [default: patterns found in the names].
    #[arg(long, value_name = "REGEX")]
    pub(crate) group_by: Option<String>,
    /// Write a page with the pictures of every finding.
    #[arg(long, value_name = "FILE.html")]
    pub(crate) report: Option<PathBuf>,
    /// Write the names of files to drop, with reasons. Nothing is deleted.
    #[arg(long, value_name = "FILE")]
    pub(crate) fix_list: Option<PathBuf>,
    /// Share of each class kept for testing when the data has no split of its own.
    #[arg(long, default_value_t = 0.2, value_name = "SHARE", value_parser = share)]
    pub(crate) test_share: f64,
}

#[derive(Debug, Args)]
pub(crate) struct AdviseArgs {
    /// A folder of class folders; or one with `train` and `val` or `test`; or a CSV table with
    /// columns `path,label[,split]`.
    pub(crate) data: PathBuf,
    /// Networks to compare, with commas between [default: those of `zoo list` whose weights are on
    /// this machine].
    #[arg(long, short, value_name = "NETWORKS", value_delimiter = ',')]
    pub(crate) networks: Vec<String>,
    /// Share of each class kept for testing when the data has no split of its own.
    #[arg(long, default_value_t = 0.2, value_name = "SHARE", value_parser = share)]
    pub(crate) test_share: f64,
}
