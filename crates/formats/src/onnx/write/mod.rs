//! A network as an ONNX file of operator set 17, which ONNX Runtime, `OpenCV` and others read.
//!
//! Values keep the names of their layers and weights those of our parameters. Maps are `[N, C, H, W]`,
//! vectors `[N, C]`, sequences inside the file `[N, T, D]`. What ONNX has no operation for (attention,
//! some activations, channel shuffles) is written as the smaller ones that `PyTorch` exports.

mod curve;
mod fault;
mod layers;
mod pool;
mod proto;
mod sequence;
#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "in a test a panic is the report")]
mod tests;

use regraft_net::Network;

use crate::wire::Writer;
use crate::{FormatError, card};

use self::layers::Export;

pub use self::fault::WriteFault;

/// Operator set, and the version of the file's layout that goes with it (ONNX 1.12, 2022).
const OPSET: i64 = 17;
const IR_VERSION: i64 = 8;

/// Largest file, in bytes: protocol buffers end at 2^31 - 1. A share is left for all that is no weight.
const MOST_BYTES: u64 = (1 << 31) - (1 << 24);

/// The bytes of an ONNX file of a network.
///
/// The input has the name of the input layer and shape `[batch, C, H, W]` (`f32`), outputs have the
/// names of their layers and shapes `[batch, N]` or `[batch, C, H, W]`; `batch` is free. Its metadata
/// are the card's ([`crate::card::entries`]).
///
/// # Errors
/// [`FormatError::OnnxWrite`] when the weights have more than 2 GB, or an input is neither vector nor map.
pub fn write(network: &Network) -> Result<Vec<u8>, FormatError> {
    fits(network.params().iter().map(|(_, t)| 4 * t.data().len() as u64).sum())?;
    let graph = Export::run(network)?;
    fits(graph.len() as u64)?;
    let mut model = Writer::new();
    model.int(1, IR_VERSION);
    model.text(2, "regraft");
    model.text(3, env!("CARGO_PKG_VERSION"));
    model.message(8, |opset| {
        opset.text(1, "");
        opset.int(2, OPSET);
    });
    for (key, value) in card::entries(network.card()) {
        model.message(14, |entry| {
            entry.text(1, &key);
            entry.text(2, &value);
        });
    }
    model.bytes(7, &graph);
    Ok(model.into_bytes())
}

/// Whether a file of so many bytes can be.
fn fits(bytes: u64) -> Result<(), FormatError> {
    let limit = MOST_BYTES;
    if bytes > limit { Err(WriteFault::TooLarge { bytes, limit }.into()) } else { Ok(()) }
}
