//! Strided views of storages, gathered into row-major tensors.

use regraft_tensor::{Shape, Tensor};

use crate::TensorFault;
use crate::dtype::{Dtype, Pick};

/// Bytes of tensors allowed per byte of file: a view of stride 0 may expand, within reason.
const EXPANSION: u64 = 64;
/// Bytes of tensors allowed whatever the size of the file.
const ALLOWANCE: u64 = 1 << 20;

/// Bytes counted for each tensor beside its values: many empty tensors fill memory too.
const ENTRY: u64 = 64;
/// Bytes counted for each extent of a shape.
const EXTENT: u64 = 8;

/// Bytes that one file may still fill in memory.
pub(crate) struct Budget {
    left: u64,
}

impl Budget {
    /// The budget of a file of `len` bytes.
    pub(crate) fn of_file(len: usize) -> Self {
        Self { left: (len as u64).saturating_mul(EXPANSION).saturating_add(ALLOWANCE) }
    }

    /// A budget of `left` bytes.
    pub(crate) fn new(left: u64) -> Self {
        Self { left }
    }

    /// Takes `bytes` from the budget, or says how many are left.
    pub(crate) fn take(&mut self, bytes: u64) -> Result<(), u64> {
        self.left = self.left.checked_sub(bytes).ok_or(self.left)?;
        Ok(())
    }
}

/// A tensor of the file: where its values are in a storage. Counts are in values, not bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct View {
    pub(crate) storage: String,
    pub(crate) dtype: Dtype,
    pub(crate) offset: usize,
    pub(crate) shape: Shape,
    pub(crate) strides: Vec<usize>,
}

impl View {
    /// Strides of a dense row-major tensor.
    pub(crate) fn dense_strides(shape: &[usize]) -> Vec<usize> {
        let mut strides = vec![1usize; shape.len()];
        for axis in (1..shape.len()).rev() {
            strides[axis - 1] = strides[axis].saturating_mul(shape[axis]);
        }
        strides
    }

    /// The tensor, row-major, from the bytes of its storage. `None` when its number type has no
    /// `f32`.
    pub(crate) fn gather(
        &self,
        storage: &[u8],
        budget: &mut Budget,
    ) -> Result<Option<Tensor>, TensorFault> {
        let count = self.check(storage.len() / self.dtype.size())?;
        let bytes = (count as u64).saturating_mul(size_of::<f32>() as u64);
        let bytes = bytes.saturating_add(ENTRY + EXTENT * self.shape.len() as u64);
        budget.take(bytes).map_err(|left| TensorFault::Expansion { bytes, left })?;
        let Some(values) = self.dtype.read(storage, self) else { return Ok(None) };
        Ok(Some(Tensor::new(self.shape.clone(), values)?))
    }

    /// How many values the view has; an error when one of them is outside a storage of `len`.
    fn check(&self, len: usize) -> Result<usize, TensorFault> {
        let outside = || TensorFault::OutOfStorage {
            shape: self.shape.clone(),
            strides: self.strides.clone(),
            offset: self.offset,
            len,
        };
        // An empty tensor with absurd other extents would overflow later arithmetic on its shape.
        let padded = Shape::new(self.shape.iter().map(|&n| n.max(1)).collect::<Vec<_>>());
        padded.checked_len().ok_or_else(outside)?;
        let count = self.shape.count();
        if count == 0 {
            return Ok(0);
        }
        let last =
            self.shape.iter().zip(&self.strides).try_fold(self.offset, |at, (&n, &stride)| {
                at.checked_add((n - 1).checked_mul(stride)?)
            });
        match last {
            Some(last) if last < len && self.strides.len() == self.shape.len() => Ok(count),
            Some(_) | None => Err(outside()),
        }
    }

    /// Whether the values lie in row-major order without gaps.
    fn is_dense(&self) -> bool {
        let dense = Self::dense_strides(&self.shape);
        self.shape.iter().zip(self.strides.iter().zip(&dense)).all(|(&n, (s, d))| n == 1 || s == d)
    }
}

impl Pick for View {
    fn values<const N: usize>(&self, all: &[[u8; N]], turn: impl Fn([u8; N]) -> f32) -> Vec<f32> {
        let count = self.shape.count();
        if count == 0 {
            return Vec::new();
        }
        if self.is_dense() {
            return all[self.offset..self.offset + count].iter().map(|&b| turn(b)).collect();
        }
        let mut values = Vec::with_capacity(count);
        let mut index = vec![0usize; self.shape.len()];
        let mut at = self.offset;
        loop {
            values.push(turn(all[at]));
            let mut axis = self.shape.len();
            loop {
                if axis == 0 {
                    return values;
                }
                axis -= 1;
                index[axis] += 1;
                if index[axis] < self.shape[axis] {
                    at += self.strides[axis];
                    break;
                }
                at -= self.strides[axis] * (index[axis] - 1);
                index[axis] = 0;
            }
        }
    }
}
