//! The steps of a tape.

use regraft_kernels::{
    BatchStats, Clamp, Conv, ConvInput, ConvSpec, Depthwise, Map, Pool, Winograd,
};

/// A value of the tape: how it and its gradient lie, for one example.
pub(crate) struct Value {
    /// The layer whose result it is, the last one of those fused.
    pub(crate) name: String,
    pub(crate) map: Map,
    /// With the border that the backward step of its maker wants.
    pub(crate) gradient: Map,
    /// Whether anything tuned lies below it.
    pub(crate) wanted: bool,
}

/// One layer, or a few neighbours done together.
pub(crate) struct Unit {
    /// The layer that has the parameters.
    pub(crate) layer: String,
    pub(crate) work: Work,
    /// Done to the result: an activation that was fused.
    pub(crate) clamp: Clamp,
    pub(crate) inputs: Vec<usize>,
    pub(crate) output: usize,
    /// Whether its own parameters are tuned.
    pub(crate) tuned: bool,
}

pub(crate) enum Work {
    Input,
    Conv(Box<ConvUnit>),
    Norm(NormUnit),
    Clamp,
    MaxPool(Pool),
    AvgPool { pool: Pool, count_pad: bool },
    Lrn { size: usize, constants: [f32; 3] },
    Add,
    Concat,
    Flatten,
    Softmax,
    Dropout { rate: f32 },
}

/// A convolution or linear layer.
pub(crate) struct ConvUnit {
    pub(crate) spec: ConvSpec,
    pub(crate) bias: bool,
    /// A frozen norm folded in, with its epsilon.
    pub(crate) norm: Option<(String, f32)>,
    /// Packed weights; made anew before each step when tuned.
    pub(crate) packed: Option<Packed>,
}

pub(crate) struct Packed {
    pub(crate) forward: Forward,
    /// Only where the input's gradient is wanted.
    pub(crate) input: Option<ConvInput>,
    /// Of the folded norm.
    pub(crate) scale: Vec<f32>,
}

impl Packed {
    /// Bytes of all packed weights.
    pub(crate) fn bytes(&self) -> usize {
        let forward = match &self.forward {
            Forward::Conv(conv) => conv.bytes(),
            Forward::Winograd(conv) => conv.bytes(),
            Forward::Depthwise(conv) => conv.bytes(),
        };
        forward + self.input.as_ref().map_or(0, ConvInput::bytes) + 4 * self.scale.len()
    }
}

pub(crate) enum Forward {
    Conv(Conv),
    Winograd(Winograd),
    Depthwise(Depthwise),
}

/// A batch norm that stands alone.
pub(crate) struct NormUnit {
    pub(crate) eps: f32,
    /// Whether it uses the statistics of the batch.
    pub(crate) batch: bool,
    pub(crate) stats: BatchStats,
    /// `1 / sqrt(var + eps)` of the last batch.
    pub(crate) inverse: Vec<f32>,
    /// What the last pass multiplied by and added.
    pub(crate) scale: Vec<f32>,
    pub(crate) shift: Vec<f32>,
}
