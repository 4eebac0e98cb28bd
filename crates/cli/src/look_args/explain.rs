use std::path::PathBuf;

use clap::Args;
use regraft::Method;

#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    /// A run folder, or a network of `zoo list`.
    pub(crate) network: String,
    /// The picture.
    pub(crate) image: PathBuf,
    /// Class to explain, by name or place [default: the most probable one].
    #[arg(long, value_name = "CLASS")]
    pub(crate) class: Option<String>,
    /// Layer of the class maps [default: the highest map].
    #[arg(long, value_name = "LAYER")]
    pub(crate) at: Option<String>,
    /// Which maps, with commas between: grad-cam, hires-cam, occlusion, integrated, gradient, guided,
    /// guided-grad-cam, deconvnet [default: all].
    #[arg(long, value_name = "METHOD", value_delimiter = ',', value_parser = method)]
    pub(crate) method: Vec<Method>,
    /// Folder for the pictures [default: look/NAME after the picture].
    #[arg(long, short, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
}

fn method(word: &str) -> Result<Method, String> {
    let names: Vec<&str> = Method::ALL.iter().map(|m| m.name()).collect();
    Method::parse(word).ok_or_else(|| format!("write one of {}", names.join(", ")))
}
