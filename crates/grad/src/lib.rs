//! Training by gradient: a network run forward with everything kept that backward needs, and
//! backward to the gradients of its tuned parameters, and of its input where that is asked for.
//!
//! A [`Tape`] is compiled once for a network, or for what lies above the frontier of a frozen trunk,
//! and run once for each batch. Frozen batch norms are folded into their convolutions; norms in batch
//! mode use the statistics of the batch and move the running ones. Parameters stay in the network's
//! own names and shapes; an optimiser changes them between steps.
//!
//! The same batch gives the same bits at any number of threads: threads share out images, or output
//! channels, and every sum runs in one order.

mod backward;
mod buffers;
mod build;
mod error;
mod forward;
pub mod loss;
mod plain;
mod rule;
mod stretches;
mod tap;
mod tape;
mod unit;

pub use error::GradError;
pub use rule::ReluRule;
pub use tape::{Gradients, Tape, Tuning};
