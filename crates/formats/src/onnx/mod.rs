//! ONNX: networks written as files that other runtimes read.

mod write;

pub use self::write::{WriteFault, write};
