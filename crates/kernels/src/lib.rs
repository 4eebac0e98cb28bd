//! Arithmetic of each layer on slices, and the project's only `unsafe` code.
//!
//! Inside, maps are stored pixel by pixel with the channels together (`[H, W, C]`), channels rounded
//! up to [`LANES`] with zeros behind the last real one, and with a border of zeros as wide as the
//! convolution that reads the map wants (see [`Map`]). So no kernel has a tail or a bounds test.
//!
//! Every function exists once, generic over the vector instructions, and is compiled for AVX-512,
//! AVX2 and plain Rust; [`Isa::detect`] picks at run time.

#![allow(unsafe_code, reason = "SIMD intrinsics; each block says why it is sound")]
#![allow(
    clippy::inline_always,
    reason = "generic code must melt into the function that has the instructions"
)]

mod aligned;
mod attention;
mod backward;
mod conv;
mod curve;
mod depthwise;
mod dispatch;
mod elementwise;
mod gate;
mod isa;
mod layer_norm;
mod layout;
mod map;
mod pool;
mod prelu;
mod rearrange;
mod simd;
mod slice;
mod team;
mod tile;
mod tokens;
mod winograd;

pub use aligned::Aligned;
pub use attention::{Attention, AttentionGradients};
pub use backward::conv_input::ConvInput;
pub use backward::conv_weight::ConvWeight;
pub use backward::depthwise_weight::depthwise_weight;
pub use backward::norm::{BatchStats, NormBackward, norm_backward, norm_forward, norm_stats};
pub use backward::pixelwise::{
    accumulate, channel_sums, concat_backward, lrn_backward, mask, scale_channels, softmax_backward,
};
pub use conv::{Conv, ConvSpec, Residual};
pub use curve::{Curve, curve, curve_backward};
pub use depthwise::Depthwise;
pub use elementwise::{
    Affine, add, clamp, copy_channels, lrn, shuffle_channels, slice_channels, softmax,
};
pub use gate::{Factors, channel_products, moved, product};
pub use isa::Isa;
pub use layer_norm::{LayerNorm, LayerNormBackward};
pub use layout::{from_chw, to_chw};
pub use map::{Map, PadSides};
pub use pool::Pool;
pub use prelu::{prelu, prelu_backward};
pub use rearrange::Rearrange;
pub use slice::{Kind, Slice, SliceMut};
pub use team::{Each, Team};
pub use tokens::{Tokens, tokens_backward};
pub use winograd::Winograd;

/// Channels are stored in multiples of this.
pub const LANES: usize = 16;

/// What is done to a value before it is stored: `min(max(x, low), high)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Clamp {
    /// Smallest value, minus infinity for none.
    pub low: f32,
    /// Largest value, infinity for none.
    pub high: f32,
}

impl Clamp {
    /// Stores the value as it is.
    pub const NONE: Self = Self { low: f32::NEG_INFINITY, high: f32::INFINITY };
    /// `max(x, 0)`.
    pub const RELU: Self = Self { low: 0.0, high: f32::INFINITY };
    /// `min(max(x, 0), 6)`.
    pub const RELU6: Self = Self { low: 0.0, high: 6.0 };
}
