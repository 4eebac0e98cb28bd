use std::path::PathBuf;

use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct DreamArgs {
    /// The picture.
    pub(crate) image: PathBuf,
    /// A run folder, or a network of `zoo list`. It is built for each size; where a layer or parameter does not allow
    /// that, it sees the picture at its own size.
    #[arg(long, short, value_name = "NETWORK", default_value = "efficientnet-lite0")]
    pub(crate) network: String,
    /// The layer, or one of its units: of a layer without unit the mean square of all becomes large.
    #[arg(long, value_name = "LAYER[:UNIT]")]
    pub(crate) at: String,
    /// Longer side of the dream, in pixels [default: 384, or the picture's own where that is less].
    #[arg(long, value_name = "PIXELS", value_parser = clap::value_parser!(u64).range(16..=4096))]
    pub(crate) side: Option<u64>,
    /// Sizes it is dreamt at, each 1.4 times the one before.
    #[arg(long, value_name = "N", default_value_t = 4)]
    pub(crate) octaves: usize,
    /// Steps at each size.
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub(crate) steps: usize,
    /// Folder for the pictures [default: look/dream-NAME after the picture].
    #[arg(long, short, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct InvertArgs {
    /// The picture.
    pub(crate) image: PathBuf,
    /// A run folder, or a network of `zoo list`.
    #[arg(long, short, value_name = "NETWORK", default_value = "efficientnet-lite0")]
    pub(crate) network: String,
    /// The layer.
    #[arg(long, value_name = "LAYER")]
    pub(crate) at: String,
    /// Steps.
    #[arg(long, value_name = "N", default_value_t = 256)]
    pub(crate) steps: usize,
    /// Folder for the pictures [default: look/invert-NAME after the picture].
    #[arg(long, short, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
}
