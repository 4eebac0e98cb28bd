use std::path::PathBuf;

use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct GraphArgs {
    /// A name of the zoo, an architecture, a run folder, a model file, or a file of notation.
    pub(crate) network: String,
    /// Another network, to be laid beside it with what differs.
    #[arg(long, value_name = "OTHER")]
    pub(crate) against: Option<String>,
    /// What colours the layers: params, macs, bytes, field (receptive field); of a run also rate, frozen and drift;
    /// with --against differs and drift; or the name of a file of figures, without its ending
    /// [default: what tells most].
    #[arg(long, value_name = "FIGURE")]
    pub(crate) color: Option<String>,
    /// A file with figures of your own: a JSON object with a number for each layer. May be given several times.
    #[arg(long, value_name = "FILE")]
    pub(crate) figures: Vec<PathBuf>,
    /// Folder for the files [default: look/ and the network's name].
    #[arg(long, short, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
}
