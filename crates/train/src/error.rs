use std::path::PathBuf;

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
}
