//! What can be typed after `audit` and `advise`, which look at the data first.

use std::path::PathBuf;

use clap::Args;
use regraft::ZooFilter;

use crate::words::{bytes, duration, share, zoo_filter};

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
    /// columns `path,label[,split]`, where `a|b` are several labels.
    pub(crate) data: PathBuf,
    /// Networks to compare, with commas between [default: those of `zoo list` whose weights are on
    /// this machine].
    #[arg(long, short, value_name = "NETWORKS", value_delimiter = ',')]
    pub(crate) networks: Vec<String>,
    /// Compare the networks that `zoo list` shows with these words and options, for instance
    /// "mobilenet --max-params 10M"; what is not on this machine is fetched.
    #[arg(long, value_name = "FILTER", value_parser = zoo_filter, conflicts_with = "networks",
        allow_hyphen_values = true)]
    pub(crate) zoo: Option<ZooFilter>,
    /// Time for the comparison: networks race on growing numbers of images, and the worse half falls
    /// out where it would not do for all. Such as 90s, 2min or 1h.
    #[arg(long, default_value = "2min", value_name = "TIME", value_parser = duration)]
    pub(crate) budget: f64,
    /// What of a file's name says which files belong together (one patient, one video): a regular
    /// expression with a group, for instance `patient(\d+)`. They are left out together.
    #[arg(long, value_name = "REGEX")]
    pub(crate) group_by: Option<String>,
    /// Memory that training may take, for instance 4GiB.
    #[arg(long, value_name = "SIZE", value_parser = bytes)]
    pub(crate) memory: Option<u64>,
    /// Try the plan and its two nearest rivals on thirds of the training images left out in turn, and
    /// say whether the advice was right. Takes nine trainings at most.
    #[arg(long)]
    pub(crate) verify: bool,
    /// Share of each class kept for testing when the data has no split of its own.
    #[arg(long, default_value_t = 0.2, value_name = "SHARE", value_parser = share)]
    pub(crate) test_share: f64,
}
