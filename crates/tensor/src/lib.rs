//! Dense row-major `f32` tensors and their shapes.
//!
//! The ground floor: shapes and numbers, no arithmetic, no broadcasting.

mod shape;
mod tensor;

pub use shape::Shape;
pub use tensor::{Tensor, TensorError};
