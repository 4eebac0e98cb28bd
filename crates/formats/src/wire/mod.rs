//! The wire format of protocol buffers, as Caffe and ONNX write it.
//!
//! Fields are read one after another from borrowed bytes. Nothing is kept that nobody asks for and a
//! message is entered only where the schema knows it, so neither nesting nor counts of a hostile file
//! cost anything.

mod read;
mod write;

pub use read::WireFault;
pub(crate) use read::{Field, Fields, Value};
pub(crate) use write::Writer;
