//! The closed list of layers.
//!
//! A new variant stops every crate that must learn it from compiling; the compiler's errors are the
//! list of things to write. No `match` over [`Op`] has a `_ =>` arm.

use regraft_tensor::Shape;

/// Zeros (or, for max pooling, minus infinity) put around a map before a window moves over it, in
/// pixels. Four-sided, because TensorFlow's "same" puts the odd pixel at the bottom right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Pad {
    /// Rows above.
    pub top: usize,
    /// Columns to the left.
    pub left: usize,
    /// Rows below.
    pub bottom: usize,
    /// Columns to the right.
    pub right: usize,
}

impl Pad {
    /// The same padding on all four sides.
    pub const fn all(n: usize) -> Self {
        Self { top: n, left: n, bottom: n, right: n }
    }

    /// TensorFlow's "same": the output is `ceil(input / stride)`, the odd pixel goes after.
    ///
    /// All extents are `[height, width]`. Nothing is padded where an extent or a stride is 0, which no
    /// network may have.
    pub fn same(
        input: [usize; 2],
        size: [usize; 2],
        stride: [usize; 2],
        dilation: [usize; 2],
    ) -> Self {
        let total = |i: usize| {
            if input[i] == 0 || size[i] == 0 || stride[i] == 0 {
                return 0;
            }
            let last = (input[i].div_ceil(stride[i]) - 1).saturating_mul(stride[i]);
            let window = (size[i] - 1).saturating_mul(dilation[i]).saturating_add(1);
            last.saturating_add(window).saturating_sub(input[i])
        };
        let (h, w) = (total(0), total(1));
        Self { top: h / 2, left: w / 2, bottom: h - h / 2, right: w - w / 2 }
    }
}

/// How the number of window positions is rounded when the window does not fit evenly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Rounding {
    /// Positions that would reach past the padded map are dropped (PyTorch's default).
    #[default]
    Floor,
    /// A last position may reach past the padded map (Caffe), but not start in the padding.
    Ceil,
}

/// A two-dimensional convolution (cross-correlation, as in every framework).
///
/// Weights are `[out, in / groups, kh, kw]`, whatever the source had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Conv2d {
    /// Output channels.
    pub out: usize,
    /// Kernel `[kh, kw]` in pixels.
    pub size: [usize; 2],
    /// Step `[sh, sw]` in pixels.
    pub stride: [usize; 2],
    /// Padding with zeros.
    pub pad: Pad,
    /// Distance between kernel taps, 1 for a dense kernel.
    pub dilation: [usize; 2],
    /// Channel groups; equal to the input channels for a depthwise convolution.
    pub groups: usize,
    /// Whether there is a bias `[out]`.
    pub bias: bool,
}

impl Conv2d {
    /// A square convolution with stride 1, no padding, no bias.
    pub const fn new(out: usize, size: usize) -> Self {
        Self {
            out,
            size: [size, size],
            stride: [1, 1],
            pad: Pad::all(0),
            dilation: [1, 1],
            groups: 1,
            bias: false,
        }
    }

    /// The same with another stride.
    #[must_use]
    pub const fn stride(mut self, stride: usize) -> Self {
        self.stride = [stride, stride];
        self
    }

    /// The same with another padding.
    #[must_use]
    pub const fn pad(mut self, pad: Pad) -> Self {
        self.pad = pad;
        self
    }

    /// The same with channel groups.
    #[must_use]
    pub const fn groups(mut self, groups: usize) -> Self {
        self.groups = groups;
        self
    }

    /// The same with a bias.
    #[must_use]
    pub const fn bias(mut self) -> Self {
        self.bias = true;
        self
    }
}

/// The window of a pooling layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Window {
    /// Extent `[kh, kw]` in pixels.
    pub size: [usize; 2],
    /// Step `[sh, sw]` in pixels.
    pub stride: [usize; 2],
    /// Padding: minus infinity for the maximum, zeros for the mean.
    pub pad: Pad,
    /// Whether a last, partial window counts.
    pub rounding: Rounding,
}

impl Window {
    /// A square window.
    pub const fn new(size: usize, stride: usize, pad: usize) -> Self {
        Self {
            size: [size, size],
            stride: [stride, stride],
            pad: Pad::all(pad),
            rounding: Rounding::Floor,
        }
    }
}

/// What [`Op::Rearrange`] does with places.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Rearrange {
    /// Extents that the input is seen with, row-major.
    pub view: Vec<usize>,
    /// Which of them comes where, outermost first.
    pub order: Vec<usize>,
    /// Shape of the result.
    pub to: Shape,
}

impl Rearrange {
    /// The most extents in `view`.
    pub const MAX_RANK: usize = 16;

    /// For each value of the result, row-major, the place of the value in the input, row-major. `None` when
    /// `order` has not each axis once, or the extents are not of one count.
    pub fn places(&self) -> Option<Vec<usize>> {
        let strides = self.strides()?;
        let mut places = vec![0];
        for axis in &self.order {
            let step = strides[*axis];
            let run = |base: &usize| {
                let base = *base;
                (0..self.view[*axis]).map(move |i| base + i * step)
            };
            places = places.iter().flat_map(run).collect();
        }
        (places.len() == self.to.count()).then_some(places)
    }

    /// Whether each axis comes once and the extents have as many values as `to`.
    pub fn fits(&self) -> bool {
        let count = self.view.iter().try_fold(1usize, |n, v| n.checked_mul(*v));
        self.strides().is_some() && count.is_some() && count == self.to.checked_len()
    }

    fn strides(&self) -> Option<Vec<usize>> {
        let mut seen = vec![false; self.view.len()];
        for axis in &self.order {
            if std::mem::replace(seen.get_mut(*axis)?, true) {
                return None;
            }
        }
        if self.order.len() != self.view.len() || self.view.len() > Self::MAX_RANK {
            return None;
        }
        let mut strides = vec![1usize; self.view.len()];
        for i in (1..strides.len()).rev() {
            strides[i - 1] = strides[i].checked_mul(self.view[i])?;
        }
        Some(strides)
    }
}

/// A function of one value, other than the two common clamps.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Activation {
    /// `1 / (1 + exp(-x))`.
    Sigmoid,
    /// `min(max(x + 3, 0), 6) / 6` (Howard et al. 2019, section 5.2).
    HardSigmoid,
    /// `x · hard_sigmoid(x)` (Howard et al. 2019, section 5.2).
    HardSwish,
    /// `x · sigmoid(x)` (Ramachandran et al. 2017).
    Silu,
    /// `x · Φ(x)` (Hendrycks and Gimpel 2016).
    Gelu,
    /// Its approximation by a hyperbolic tangent (the same, section 2).
    GeluTanh,
    /// Hyperbolic tangent.
    Tanh,
    /// `x` above zero, `slope · x` below (Maas et al. 2013).
    LeakyRelu {
        /// Slope below zero.
        slope: f32,
    },
    /// `x` above zero, `alpha · (exp(x) - 1)` below (Clevert et al. 2015).
    Elu {
        /// What it comes to, negated, far below zero.
        alpha: f32,
    },
    /// `min(max(x, min), max)` with limits other than 0 and 6; infinite for none.
    Clip {
        /// Smallest value that comes out.
        min: f32,
        /// Largest value that comes out.
        max: f32,
    },
}

impl Activation {
    /// The word in notation.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sigmoid => "sigmoid",
            Self::HardSigmoid => "hard_sigmoid",
            Self::HardSwish => "hard_swish",
            Self::Silu => "silu",
            Self::Gelu => "gelu",
            Self::GeluTanh => "gelu_tanh",
            Self::Tanh => "tanh",
            Self::LeakyRelu { .. } => "leaky_relu",
            Self::Elu { .. } => "elu",
            Self::Clip { .. } => "clip",
        }
    }
}

/// What a layer does. Shapes leave out the batch: `[C, H, W]` for maps, `[N]` for vectors.
#[derive(Debug, Clone, PartialEq)]
pub enum Op {
    /// Where a batch comes in; the shape of one example, `[C, H, W]`.
    Input {
        /// Shape of one example.
        shape: Shape,
    },
    /// Convolution over maps.
    Conv2d(Conv2d),
    /// `(x - running_mean) / sqrt(running_var + eps) * weight + bias` per channel
    /// (Ioffe and Szegedy 2015). Each norm has its own `eps`: it is not in the weights file.
    BatchNorm {
        /// Added to the variance.
        eps: f32,
    },
    /// `max(x, 0)`.
    Relu,
    /// `min(max(x, 0), 6)` (Howard et al. 2017).
    Relu6,
    /// A function of each value.
    Activate(Activation),
    /// Largest value in each window.
    MaxPool(Window),
    /// Mean of each window.
    AvgPool {
        /// The window.
        window: Window,
        /// Whether padding counts in the divisor (PyTorch's default and Caffe: yes; TensorFlow: no).
        /// Pixels that ceil rounding adds beyond the padding never count.
        count_pad: bool,
    },
    /// Mean over height and width, `[C, H, W]` to `[C]` (Lin et al. 2013, section 3.2).
    GlobalAvgPool,
    /// `weight · x + bias` on a vector, or on the channels of each pixel of a map; weight `[out, in]`.
    Linear {
        /// Output features.
        out: usize,
        /// Whether there is a bias `[out]`.
        bias: bool,
    },
    /// `x / (k + alpha / size · Σ x²)^beta` over `size` neighbouring channels
    /// (Krizhevsky et al. 2012, section 3.3, with Caffe's and PyTorch's `alpha / size`).
    Lrn {
        /// Neighbouring channels, the own included.
        size: usize,
        /// Strength.
        alpha: f32,
        /// Exponent.
        beta: f32,
        /// Offset.
        k: f32,
    },
    /// `x · scale + shift` for each channel, by constants that are not learned: a picture's
    /// normalisation inside the network.
    Affine {
        /// Factor of each channel.
        scale: Vec<f32>,
        /// Offset of each channel.
        shift: Vec<f32>,
    },
    /// `x · weight + bias` for each channel, weight and bias `[C]`: Caffe's Scale, and without a bias
    /// the layer scale of Touvron et al. 2021, section 2.
    Scale {
        /// Whether there is a bias.
        bias: bool,
    },
    /// `x` above zero, `weight · x` below, weight `[C]` (He et al. 2015, section 2.1).
    Prelu,
    /// Channels `from` to `to` (not included) of a map or vector.
    Slice {
        /// The first that is kept, from 0.
        from: usize,
        /// The first behind it that is not.
        to: usize,
    },
    /// Channels seen as `[groups, C / groups]` and transposed, so that each group behind it sees all
    /// before it (Zhang et al. 2017, section 3.1).
    Shuffle {
        /// Groups; divides the channels.
        groups: usize,
    },
    /// `(x - mean) / sqrt(var + eps) · weight + bias` over the channels of each pixel, or over a vector
    /// (Ba et al. 2016).
    LayerNorm {
        /// Added to the variance.
        eps: f32,
    },
    /// Rows and columns of zeros around a map, or cut off it.
    Pad {
        /// Put around.
        pad: Pad,
        /// Cut off afterwards.
        crop: Pad,
    },
    /// Product of two inputs, elementwise; the second may be a vector `[C]` that counts for every pixel
    /// of the first (squeeze-and-excitation, Hu et al. 2018).
    Mul,
    /// A map `[D, H, W]` as the sequence `[D, first + H·W, 1]` of its pixels, row by row, behind learned
    /// tokens `[first, D]`, with a learned position `[first + H·W, D]` added to each
    /// (Dosovitskiy et al. 2020, equation 1).
    Tokens {
        /// Learned tokens that come first.
        first: usize,
    },
    /// Values in other places, nothing computed: the input `[C, H, W]`, row-major, seen as an array with
    /// the extents `view`, its axes in the order `order`, and that, row-major, seen as `to`. Turns
    /// channels and places about (Tolstikhin et al. 2021, section 2), makes a map of a sequence, windows
    /// of a map (Liu et al. 2021, section 3.2).
    Rearrange(Rearrange),
    /// Attention over each column (Vaswani et al. 2017, section 3.2). A sequence is one column; windows are
    /// several. Of one input `[3·D, T, W]`, queries, keys and values one after another, to `[D, T, W]`;
    /// or of three, queries `[E, S, W]`, keys `[E, T, W]`, values `[D, T, W]`, to `[D, S, W]`: other
    /// tokens ask than answer (Touvron et al. 2021, "Going deeper with Image Transformers", section 3).
    /// Queries may be a vector `[E]`, one token; then `[D]` comes out.
    Attention {
        /// Heads; divides `D` and `E`.
        heads: usize,
        /// Learned numbers that are added to the scaled products before the softmax, `[biases, S, T]`:
        /// none (0), for each head, or for each head of each column, columns first (Liu et al. 2021,
        /// equation 4).
        biases: usize,
        /// Whether learned matrices mix the heads' products before the softmax and their shares behind it,
        /// `[heads, heads + 1]` each: for each head that comes out a factor of each that goes in, and what
        /// is added (Shazeer et al. 2020, section 3). Not together with biases.
        talking: bool,
    },
    /// One token of a sequence, `[D, T, 1]` to `[D]`.
    Token {
        /// Which, from 0.
        index: usize,
    },
    /// Sum of all inputs, elementwise.
    Add,
    /// Inputs one after another along the channels.
    Concat,
    /// `[C, H, W]` to `[C·H·W]`, row-major.
    Flatten,
    /// `exp(x) / Σ exp(x)` over a vector, or over the channels of a map.
    Softmax,
    /// Zeroes a share of the values while training; nothing at inference (Srivastava et al. 2014).
    Dropout {
        /// Share of values set to zero, in `[0, 1)`.
        rate: f32,
    },
    /// Passes its input on.
    Identity,
}

impl Op {
    /// The word for this layer in notation, tables and errors.
    pub fn name(&self) -> &'static str {
        match self {
            Op::Input { .. } => "input",
            Op::Conv2d(_) => "conv2d",
            Op::BatchNorm { .. } => "batch_norm",
            Op::Relu => "relu",
            Op::Relu6 => "relu6",
            Op::Activate(activation) => activation.name(),
            Op::Affine { .. } => "affine",
            Op::Scale { .. } => "scale",
            Op::Prelu => "prelu",
            Op::Slice { .. } => "slice",
            Op::Shuffle { .. } => "shuffle",
            Op::LayerNorm { .. } => "layer_norm",
            Op::Pad { .. } => "pad",
            Op::Mul => "mul",
            Op::Tokens { .. } => "tokens",
            Op::Rearrange(_) => "rearrange",
            Op::Attention { .. } => "attention",
            Op::Token { .. } => "token",
            Op::MaxPool(_) => "max_pool",
            Op::AvgPool { .. } => "avg_pool",
            Op::GlobalAvgPool => "global_avg_pool",
            Op::Linear { .. } => "linear",
            Op::Lrn { .. } => "lrn",
            Op::Add => "add",
            Op::Concat => "concat",
            Op::Flatten => "flatten",
            Op::Softmax => "softmax",
            Op::Dropout { .. } => "dropout",
            Op::Identity => "identity",
        }
    }
}
