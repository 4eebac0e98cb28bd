use regraft_net::NetError;
use regraft_tensor::Shape;

/// What can go wrong when a network is compiled or run.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum InferError {
    /// The network itself is not right, or a layer name is not.
    #[error(transparent)]
    Net(#[from] NetError),
    /// A batch that does not fit the network's input.
    #[error("the network wants images of {wanted}, got a batch of {got}")]
    Batch {
        /// Shape of one image.
        wanted: Shape,
        /// Shape of the batch.
        got: Shape,
    },
    /// A layer that the engine was not compiled to give.
    #[error("layer `{name}` is not among the outputs this engine was compiled for: {compiled:?}")]
    NotCompiled {
        /// The layer asked for.
        name: String,
        /// The outputs there are.
        compiled: Vec<String>,
    },
    /// An operation on a shape that the engine has no kernel for.
    #[error("layer `{layer}`: the engine wants its input to be a map or vector, got {shape}")]
    Rank {
        /// The layer.
        layer: String,
        /// The shape that reaches it.
        shape: Shape,
    },
}
