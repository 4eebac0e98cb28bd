use std::path::PathBuf;

use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct TopArgs {
    /// A run folder, or a network of `zoo list`.
    pub(crate) network: String,
    /// Layers, each with units or without, as in `features.4:3,17`; `regraft show` lists them [default: one for each
    /// size that maps have on the way up].
    #[arg(value_name = "LAYER[:UNITS]")]
    pub(crate) layers: Vec<String>,
    /// Folder of pictures.
    #[arg(long, value_name = "DIR")]
    pub(crate) images: PathBuf,
    /// Pictures for a unit.
    #[arg(long, value_name = "N", default_value_t = 9)]
    pub(crate) count: usize,
    /// Units of a layer that is given without them, taken evenly from those that answer.
    #[arg(long, value_name = "N", default_value_t = 4)]
    pub(crate) units: usize,
    /// Write the signals themselves too (signals.safetensors).
    #[arg(long)]
    pub(crate) raw: bool,
    /// Folder for the pictures [default: look/top].
    #[arg(long, short, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
}
