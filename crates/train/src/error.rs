use std::path::PathBuf;

use regraft_data::DataError;
use regraft_formats::FormatError;
use regraft_grad::GradError;
use regraft_infer::InferError;
use regraft_net::NetError;

/// What can go wrong between image files and features.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainError {
    /// The feature cache could not be read or written.
    #[error(
        "cannot {what} the feature cache {path}; make room or rights there, or set XDG_CACHE_HOME \
         to another folder"
    )]
    Store {
        /// What was tried.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The observer asked to stop; finished images are in the cache.
    #[error("interrupted; whatever was finished is kept, and the same command goes on from there")]
    Stopped,
    /// The network does not take pictures of the size that its card makes.
    #[error("the network wants {wanted}, its preprocessing makes {made}")]
    Input {
        /// Shape of the network's input.
        wanted: String,
        /// Shape the card makes.
        made: String,
    },
    /// The network is not right, or has no layer of that name.
    #[error(transparent)]
    Net(#[from] NetError),
    /// The network cannot be run.
    #[error(transparent)]
    Infer(#[from] InferError),
    /// The network cannot be trained.
    #[error(transparent)]
    Grad(#[from] GradError),
    /// More blocks to unfreeze than there are.
    #[error("cannot unfreeze the last {asked} blocks: the network has {there}")]
    Blocks {
        /// Blocks asked for.
        asked: usize,
        /// Blocks there are.
        there: usize,
    },
    /// More rates than groups of layers.
    #[error(
        "{asked} learning rates, but the network has {there} groups of layers, the new ones \
         counted; give at most {there}"
    )]
    Rates {
        /// Rates given.
        asked: usize,
        /// Blocks, and the new layers.
        there: usize,
    },
    /// A pattern that no layer has.
    #[error("no layer is called `{pattern}`{}", near_words(near))]
    Pattern {
        /// The pattern.
        pattern: String,
        /// Names like it.
        near: Vec<String>,
    },
    /// Nothing to learn.
    #[error("nothing to train: no layer is unfrozen and there is no new one")]
    NothingTuned,
    /// The loss is not a number any more.
    #[error(
        "the loss became {loss} in epoch {epoch}{}; the weights before it are kept. Take lower \
         rates with `--rates`", layer.as_ref().map(|l| format!(", first at layer `{l}`")).unwrap_or_default()
    )]
    Diverged {
        /// What it became.
        loss: f64,
        /// From 1.
        epoch: u64,
        /// The lowest layer with such a value.
        layer: Option<String>,
    },
    /// A checkpoint could not be written or read back.
    #[error("cannot {what} the checkpoint {path}")]
    Checkpoint {
        /// What was tried.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: Box<FormatError>,
    },
    /// A picture that could be read when its features were made and cannot now.
    #[error("a picture that was read before cannot be read now")]
    Picture(#[source] Box<DataError>),
}

impl From<DataError> for TrainError {
    fn from(error: DataError) -> Self {
        Self::Picture(Box::new(error))
    }
}

fn near_words(near: &[String]) -> String {
    match near {
        [] => String::new(),
        near => format!("; nearest: {}", near.join(", ")),
    }
}
