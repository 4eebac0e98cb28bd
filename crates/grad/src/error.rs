use regraft_net::NetError;
use regraft_tensor::Shape;

/// What can go wrong when a tape is made or run.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum GradError {
    /// The network itself is not right, or a layer name is not.
    #[error(transparent)]
    Net(#[from] NetError),
    /// A batch that does not fit the network's input.
    #[error("the network wants examples of {wanted}, got a batch of {got}")]
    Batch {
        /// Shape of one example.
        wanted: Shape,
        /// Shape of the batch.
        got: Shape,
    },
    /// More examples than the tape has room for.
    #[error("the tape was made for batches of {room} examples, got {got}")]
    Room {
        /// Examples there is memory for.
        room: usize,
        /// Examples given.
        got: usize,
    },
    /// An operation on a shape that there is no kernel for.
    #[error("layer `{layer}`: training wants its input to be a map or vector, got {shape}")]
    Rank {
        /// The layer.
        layer: String,
        /// The shape that reaches it.
        shape: Shape,
    },
    /// Nothing to learn.
    #[error("nothing to train: no layer above the input has a parameter that is not frozen")]
    NothingTuned,
    /// A gradient that does not fit the output.
    #[error("the output of the last batch is {wanted}, got a gradient of {got}")]
    OutputGradient {
        /// Shape of the last output.
        wanted: Shape,
        /// Shape of the gradient.
        got: Shape,
    },
    /// A rule for the way back that is not defined for a layer.
    #[error(
        "layer `{layer}` is {what}: guided backpropagation and deconvnet are defined for ReLU networks only; take \
         the plain gradient"
    )]
    NoRule {
        /// The layer.
        layer: String,
        /// What it is.
        what: &'static str,
    },
    /// Targets that do not fit the logits.
    #[error("{what}: wanted {wanted}, got {got}")]
    Targets {
        /// What does not fit.
        what: &'static str,
        /// How many were wanted.
        wanted: usize,
        /// How many there are.
        got: usize,
    },
}
