//! The steps of a tape.

use regraft_kernels::{
    BatchStats, Clamp, Conv, ConvInput, ConvSpec, Curve, Depthwise, Map, Pool, Winograd,
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
    Plain(Plain),
    MaxPool(Pool),
    AvgPool { pool: Pool, count_pad: bool },
    Lrn { size: usize, constants: [f32; 3] },
    Add,
    Concat,
    Flatten,
    Softmax,
    Dropout { rate: f32 },
}

/// Layers that keep nothing but their input and output.
pub(crate) enum Plain {
    Curve(Curve),
    /// A factor and an offset for each channel that are not learned.
    Affine {
        scale: Vec<f32>,
        shift: Vec<f32>,
    },
    Scale {
        bias: bool,
    },
    Prelu,
    /// Channels from this one.
    Slice(usize),
    /// In so many groups.
    Shuffle(usize),
    LayerNorm {
        eps: f32,
    },
    /// Moves the map down and to the right.
    Move([isize; 2]),
    Mul,
    Tokens {
        first: usize,
    },
    /// For each value its place in the input, and for each of the input its place in the result.
    Rearrange([Vec<usize>; 2]),
    Attention {
        heads: usize,
        biases: bool,
        talking: bool,
    },
    Token(usize),
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

impl Work {
    /// Roles of the parameters that learn, in the order of the layer's.
    pub(crate) fn roles(&self) -> &'static [&'static str] {
        match self {
            Self::Conv(conv) if conv.bias => &["weight", "bias"],
            Self::Conv(_) | Self::Plain(Plain::Scale { bias: false } | Plain::Prelu) => &["weight"],
            Self::Norm(_) | Self::Plain(Plain::Scale { .. } | Plain::LayerNorm { .. }) => {
                &["weight", "bias"]
            }
            Self::Plain(Plain::Tokens { .. }) => &["token", "position"],
            Self::Plain(Plain::Attention { biases: true, .. }) => &["position"],
            Self::Plain(Plain::Attention { talking: true, .. }) => &["products", "shares"],
            Self::Input
            | Self::Clamp
            | Self::Plain(
                Plain::Curve(_)
                | Plain::Affine { .. }
                | Plain::Move(_)
                | Plain::Mul
                | Plain::Slice(_)
                | Plain::Shuffle(_)
                | Plain::Rearrange(_)
                | Plain::Attention { biases: false, talking: false, .. }
                | Plain::Token(_),
            )
            | Self::MaxPool(_)
            | Self::AvgPool { .. }
            | Self::Lrn { .. }
            | Self::Add
            | Self::Concat
            | Self::Flatten
            | Self::Softmax
            | Self::Dropout { .. } => &[],
        }
    }
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
