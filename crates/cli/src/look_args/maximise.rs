use std::path::PathBuf;

use clap::{Args, ValueEnum};
use regraft::{MaximiseBy, MaximiseOf};

#[derive(Debug, Args)]
pub(crate) struct MaximiseArgs {
    /// A run folder, or a network of `zoo list`.
    pub(crate) network: String,
    /// Layers, or LAYER:UNIT; `show NETWORK` lists them. Of a layer without a unit some are taken evenly.
    #[arg(value_name = "LAYER[:UNIT]")]
    pub(crate) layers: Vec<String>,
    /// Class to make a picture for, by name or place; may be given several times.
    #[arg(long, value_name = "CLASS")]
    pub(crate) class: Vec<String>,
    /// Units of the layers given without one, with commas between, from 0.
    #[arg(long, value_name = "UNIT", value_delimiter = ',')]
    pub(crate) unit: Vec<usize>,
    /// How pictures are made.
    #[arg(long, value_enum, default_value_t = Way::Fourier)]
    pub(crate) by: Way,
    /// Which of the four published sets of rules keeps pixels in bounds; for `--by pixels`.
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub(crate) set: usize,
    /// What of a unit of a map is to become large [default: channel; neuron for pixels].
    #[arg(long, value_enum)]
    pub(crate) of: Option<Of>,
    /// Steps [default: 256; for pixels as published, 500 to 1000].
    #[arg(long, value_name = "N")]
    pub(crate) steps: Option<usize>,
    /// Side of a picture, in pixels [default: 128 for units of a map, else the network's own].
    #[arg(long, value_name = "PIXELS")]
    pub(crate) side: Option<usize>,
    /// Pictures of each unit, made to differ from each other.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) diversity: usize,
    /// Views of a picture at each step, moved, scaled and turned: more are slower and less noisy.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) views: usize,
    /// Another network that is asked what the pictures of classes show; may be given several times.
    #[arg(long, value_name = "NETWORK")]
    pub(crate) judge: Vec<String>,
    /// Folder for the pictures [default: look/maximise].
    #[arg(long, short, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
}

/// How pictures are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Way {
    /// By their waves, decorrelated in space and colour, seen from views that differ.
    Fourier,
    /// By their pixels, kept in bounds by decay, blur and clipping; the files are stretched for the eye.
    Pixels,
}

/// What of a unit is to become large.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Of {
    /// The mean of its map.
    Channel,
    /// The middle of its map.
    Neuron,
}

impl From<Of> for MaximiseOf {
    fn from(of: Of) -> Self {
        match of {
            Of::Channel => Self::Channel,
            Of::Neuron => Self::Neuron,
        }
    }
}

impl MaximiseArgs {
    pub(crate) fn way(&self) -> MaximiseBy {
        match self.by {
            Way::Fourier => MaximiseBy::Fourier,
            Way::Pixels => MaximiseBy::Pixels(self.set),
        }
    }
}
