use regraft_grad::GradError;
use regraft_net::NetError;
use regraft_tensor::{Shape, TensorError};

/// What can go wrong when one looks.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LookError {
    /// The network, or a layer name.
    #[error(transparent)]
    Net(#[from] NetError),
    /// The pass through the network.
    #[error(transparent)]
    Grad(#[from] GradError),
    /// A tensor that does not fit its shape.
    #[error(transparent)]
    Tensor(#[from] TensorError),
    /// Not one picture.
    #[error("one picture of {wanted} is wanted, got a batch of {got}")]
    Picture {
        /// Shape of a picture.
        wanted: Shape,
        /// Shape given.
        got: Shape,
    },
    /// A target that the layer does not have.
    #[error("layer `{layer}` gives {shape}; it has no {target}")]
    Target {
        /// The layer.
        layer: String,
        /// Shape of its output.
        shape: Shape,
        /// What was asked for.
        target: String,
    },
    /// A layer that gives no map.
    #[error(
        "layer `{layer}` gives {shape}; a map of height and width is wanted, take a layer below"
    )]
    NoMap {
        /// The layer.
        layer: String,
        /// Shape of its output.
        shape: Shape,
    },
    /// A unit that the layer does not have.
    #[error("layer `{layer}` has {units} units, 0 to {}; there is no {given}", units.saturating_sub(1))]
    Unit {
        /// The layer.
        layer: String,
        /// Its units.
        units: usize,
        /// The one asked for; of a direction, how many numbers it has.
        given: usize,
    },
    /// A layer that plays no role.
    #[error("layer `{layer}` does not lead to `{output}`, so nothing comes back to it")]
    Nowhere {
        /// The layer.
        layer: String,
        /// The output asked about.
        output: String,
    },
    /// A network that reads something else than pictures of three colours.
    #[error("the network reads {shape}; pictures are made for networks that read colours, 3xHxW")]
    Colours {
        /// What it reads.
        shape: Shape,
    },
    /// A layer that gives nothing for a picture, so that there is nothing to find again.
    #[error("layer `{layer}` gives only zeros for this picture; take another layer")]
    Silent {
        /// The layer.
        layer: String,
    },
    /// Whoever watches asked to stop.
    #[error("stopped")]
    Stopped,
    /// A number that makes no sense.
    #[error("{what} is {given}; {wanted}")]
    Option {
        /// Its name.
        what: &'static str,
        /// The number.
        given: usize,
        /// What would do.
        wanted: &'static str,
    },
}
