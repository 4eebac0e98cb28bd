//! Values that are known while the file is read.

use std::path::Path;
use std::rc::Rc;

use regraft_tensor::Shape;

use super::OnnxFault;
use super::budget::Budget;
use super::ir::ValueId;
use super::raw::Raw;

/// Numbers of a constant.
#[derive(Debug, Clone)]
pub(super) enum Data<'a> {
    /// In the file, not yet read.
    Raw(Rc<Raw<'a>>),
    /// Fractions.
    Floats(Rc<Vec<f32>>),
    /// Integers and truth values.
    Ints(Rc<Vec<i64>>),
}

/// A value that is known.
#[derive(Debug, Clone)]
pub(super) struct Const<'a> {
    pub(super) dims: Vec<usize>,
    pub(super) data: Data<'a>,
    /// The tensor of the file that it is, also when it was turned or scaled.
    pub(super) origin: Option<ValueId>,
}

/// What reading constants needs.
#[derive(Debug)]
pub(crate) struct Store<'p> {
    pub(crate) budget: Budget,
    pub(crate) folder: Option<&'p Path>,
}

impl Const<'_> {
    /// Integers along one axis.
    pub(super) fn row(values: Vec<i64>) -> Self {
        let dims = vec![values.len()];
        Self { dims, data: Data::Ints(Rc::new(values)), origin: None }
    }

    /// Fractions.
    pub(super) fn floats_of(dims: Vec<usize>, values: Vec<f32>) -> Self {
        Self { dims, data: Data::Floats(Rc::new(values)), origin: None }
    }

    /// Integers.
    pub(super) fn ints_of(dims: Vec<usize>, values: Vec<i64>) -> Self {
        Self { dims, data: Data::Ints(Rc::new(values)), origin: None }
    }

    /// The same tensor of the file as another.
    #[must_use]
    pub(super) fn from(mut self, other: &Self) -> Self {
        self.origin = other.origin;
        self
    }

    /// How many numbers there are.
    pub(super) fn count(&self) -> usize {
        Shape::from(self.dims.as_slice()).count()
    }

    /// Whether the numbers are fractions.
    pub(super) fn is_float(&self) -> bool {
        match &self.data {
            Data::Raw(raw) => raw.is_float(),
            Data::Floats(_) => true,
            Data::Ints(_) => false,
        }
    }

    /// The numbers as `f32`, row-major.
    pub(super) fn floats(&self, store: &mut Store<'_>) -> Result<Rc<Vec<f32>>, OnnxFault> {
        match &self.data {
            Data::Raw(raw) => Ok(Rc::new(raw.floats(&mut store.budget, store.folder)?)),
            Data::Floats(values) => Ok(Rc::clone(values)),
            Data::Ints(values) => {
                store.budget.numbers(values.len(), "constants")?;
                Ok(Rc::new(values.iter().map(|v| *v as f32).collect()))
            }
        }
    }

    /// The numbers as `f32`, given away; copied when somebody else may want them.
    pub(super) fn into_floats(self, store: &mut Store<'_>) -> Result<Vec<f32>, OnnxFault> {
        let values = self.floats(store)?;
        drop(self);
        Rc::try_unwrap(values).or_else(|shared| {
            store.budget.numbers(shared.len(), "constants")?;
            Ok(shared.to_vec())
        })
    }

    /// The numbers as integers; fractions are cut.
    pub(super) fn ints(&self, store: &mut Store<'_>) -> Result<Rc<Vec<i64>>, OnnxFault> {
        match &self.data {
            Data::Raw(raw) if raw.is_float() => {
                let floats = raw.floats(&mut store.budget, store.folder)?;
                store.budget.numbers(2 * floats.len(), "constants")?;
                Ok(Rc::new(floats.into_iter().map(|v| v as i64).collect()))
            }
            Data::Raw(raw) => Ok(Rc::new(raw.ints(&mut store.budget, store.folder)?)),
            Data::Ints(values) => Ok(Rc::clone(values)),
            Data::Floats(values) => {
                store.budget.numbers(2 * values.len(), "constants")?;
                Ok(Rc::new(values.iter().map(|v| *v as i64).collect()))
            }
        }
    }

    /// The number when it is the same everywhere, `None` when there are several or none.
    pub(super) fn scalar(&self, store: &mut Store<'_>) -> Result<Option<f64>, OnnxFault> {
        if self.count() == 0 {
            return Ok(None);
        }
        if self.count() > 1 && matches!(self.data, Data::Raw(_)) {
            // Weights are many and never the same: they stay unread.
            return Ok(None);
        }
        let values = self.floats(store)?;
        let first = values.first().copied();
        let same = values.iter().all(|v| Some(*v) == first);
        Ok(first.filter(|_| same).map(f64::from))
    }
}
