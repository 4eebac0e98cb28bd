//! Gradients of the layers. Maps of a batch lie one after another: image `i` begins at
//! `i * map.len()`. All in `f32`; borders and spare channels of gradients are zero, like those of
//! values.

pub(crate) mod conv_input;
pub(crate) mod conv_weight;
pub(crate) mod depthwise_weight;
pub(crate) mod norm;
pub(crate) mod pixelwise;
pub(crate) mod pool;
