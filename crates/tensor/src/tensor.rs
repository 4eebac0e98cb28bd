use std::fmt;

use crate::Shape;

/// Why a tensor could not be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TensorError {
    /// The values given do not fill the shape.
    #[error("shape {shape} wants {wanted} values, got {got}")]
    Length {
        /// The shape asked for.
        shape: Shape,
        /// Values that the shape holds.
        wanted: usize,
        /// Values given.
        got: usize,
    },
    /// The product of the extents does not fit in memory.
    #[error("shape {shape} is too large for this machine")]
    Overflow {
        /// The shape asked for.
        shape: Shape,
    },
}

/// A dense row-major tensor of `f32`.
///
/// The last extent varies fastest. A batch of images is `[N, C, H, W]`.
#[derive(Clone, PartialEq)]
pub struct Tensor {
    shape: Shape,
    data: Vec<f32>,
}

impl Tensor {
    /// A tensor from its values, row-major.
    ///
    /// # Errors
    /// When `data` does not hold exactly as many values as `shape`.
    pub fn new(shape: impl Into<Shape>, data: Vec<f32>) -> Result<Self, TensorError> {
        let shape = shape.into();
        let Some(wanted) = shape.checked_len() else {
            return Err(TensorError::Overflow { shape });
        };
        if wanted != data.len() {
            return Err(TensorError::Length { shape, wanted, got: data.len() });
        }
        Ok(Self { shape, data })
    }

    /// A tensor of zeros.
    ///
    /// # Panics
    /// When the shape does not fit in memory; check shapes from files with
    /// [`Shape::checked_len`] first.
    pub fn zeros(shape: impl Into<Shape>) -> Self {
        let shape = shape.into();
        let data = vec![0.0; shape.count()];
        Self { shape, data }
    }

    /// The shape.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// All values, row-major.
    pub fn data(&self) -> &[f32] {
        &self.data
    }

    /// All values, row-major, to write.
    pub fn data_mut(&mut self) -> &mut [f32] {
        &mut self.data
    }

    /// The values, given away.
    pub fn into_data(self) -> Vec<f32> {
        self.data
    }

    /// How many rows the outermost extent counts; 1 for a scalar.
    pub fn rows(&self) -> usize {
        self.shape.first().copied().unwrap_or(1)
    }

    /// Values in one row of the outermost extent.
    pub fn row_len(&self) -> usize {
        self.shape.get(1..).map_or(1, |rest| rest.iter().product())
    }

    /// Row `i` of the outermost extent, for instance one image of a batch.
    pub fn row(&self, i: usize) -> &[f32] {
        let n = self.row_len();
        &self.data[i * n..(i + 1) * n]
    }

    /// The same values under another shape.
    ///
    /// # Errors
    /// When the shapes hold different numbers of values.
    pub fn reshaped(self, shape: impl Into<Shape>) -> Result<Self, TensorError> {
        Self::new(shape, self.data)
    }
}

impl fmt::Debug for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = &self.data[..self.data.len().min(4)];
        write!(f, "Tensor({}, {head:?}…)", self.shape)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_must_fill_the_shape() {
        let e = Tensor::new([2, 3], vec![0.0; 5]).unwrap_err();
        assert_eq!(e.to_string(), "shape 2x3 wants 6 values, got 5");
    }

    #[test]
    fn a_row_is_one_image_of_a_batch() {
        let t = Tensor::new([2, 1, 2], vec![1.0, 2.0, 3.0, 4.0]).unwrap();
        assert_eq!(t.rows(), 2);
        assert_eq!(t.row(1), [3.0, 4.0]);
    }
}
