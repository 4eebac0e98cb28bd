//! Networks against their frameworks' numbers, and the journey on real weights.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod goldens;
mod keras;
mod lint;
mod looks;
mod onnx;
mod real;
mod tflite;
