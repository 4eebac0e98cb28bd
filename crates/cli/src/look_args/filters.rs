use std::path::PathBuf;

use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct FiltersArgs {
    /// A run folder, or a network of `zoo list`.
    pub(crate) network: String,
    /// Folder of pictures that show which units answer.
    #[arg(long, value_name = "DIR")]
    pub(crate) images: Option<PathBuf>,
    /// Folder for what is made [default: look/filters].
    #[arg(long, short, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
}
