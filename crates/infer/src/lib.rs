//! Compiles a frozen network to a schedule and runs it.
//!
//! [`Engine::compile`] keeps only what leads to the outputs asked for, folds batch norms into
//! convolutions, fuses residual additions and activations into their last step, drops identity and
//! dropout, gives every value a place in one arena (values whose lives do not overlap share places),
//! and packs the weights for the kernels that will read them.

mod arena;
mod compile;
mod engine;
mod error;
mod fuse;
mod step;

pub use engine::{Engine, Precision, Scratch, Threads};
pub use error::InferError;
pub use regraft_kernels::Isa;
pub use step::StepInfo;
