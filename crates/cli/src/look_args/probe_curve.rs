use std::path::PathBuf;

use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct ProbeCurveArgs {
    /// A run folder, or a network of `zoo list`.
    pub(crate) network: String,
    /// Folder of class folders, folder with `train/` and a test part, or CSV table; test images are left alone.
    pub(crate) data: PathBuf,
    /// Folder for what is made [default: look/probe-curve].
    #[arg(long, short, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
}
