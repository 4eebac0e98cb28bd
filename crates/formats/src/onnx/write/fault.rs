use regraft_tensor::Shape;

/// Why a network cannot be written as an ONNX file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WriteFault {
    /// Protocol buffers end at 2 GB.
    #[error(
        "the weights have {bytes} bytes, an ONNX file holds {limit}; cut the network after a lower \
         layer, or write safetensors"
    )]
    TooLarge {
        /// Bytes of the weights.
        bytes: u64,
        /// Bytes that fit.
        limit: u64,
    },
    /// A value that is neither a vector nor a map.
    #[error("layer `{layer}` gives {shape}, only vectors [N] and maps [C, H, W] can be written")]
    Rank {
        /// The layer.
        layer: String,
        /// Its shape for one example.
        shape: Shape,
    },
}
