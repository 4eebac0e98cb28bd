//! Values that are known while the file is read.

use std::path::Path;
use std::rc::Rc;

use regraft_tensor::Shape;

use super::OnnxFault;
use super::budget::{Budget, Held};
use super::ir::ValueId;
use super::raw::Raw;

/// Numbers that are known, and their part of the budget.
#[derive(Debug)]
pub(super) struct Numbers<T> {
    values: Vec<T>,
    held: Option<Held>,
}

impl<T> Numbers<T> {
    /// The numbers, given away; their room stays taken.
    fn kept(self) -> Vec<T> {
        if let Some(held) = self.held {
            held.keep();
        }
        self.values
    }
}

impl<T> From<Vec<T>> for Numbers<T> {
    fn from(values: Vec<T>) -> Self {
        Self { values, held: None }
    }
}

impl<T> std::ops::Deref for Numbers<T> {
    type Target = Vec<T>;

    fn deref(&self) -> &Vec<T> {
        &self.values
    }
}

/// Numbers of a constant.
#[derive(Debug, Clone)]
pub(super) enum Data<'a> {
    /// In the file, not yet read.
    Raw(Rc<Raw<'a>>),
    /// Fractions.
    Floats(Rc<Numbers<f32>>),
    /// Integers and truth values.
    Ints(Rc<Numbers<i64>>),
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
        Self { dims, data: Data::Ints(Rc::new(values.into())), origin: None }
    }

    /// Fractions.
    pub(super) fn floats_of(dims: Vec<usize>, values: Vec<f32>) -> Self {
        Self { dims, data: Data::Floats(Rc::new(values.into())), origin: None }
    }

    /// Integers.
    pub(super) fn ints_of(dims: Vec<usize>, values: Vec<i64>) -> Self {
        Self { dims, data: Data::Ints(Rc::new(values.into())), origin: None }
    }

    /// Its numbers, where nobody else has them, with their part of what the budget spent: given back when
    /// they are dropped. How many bytes that is.
    pub(super) fn hold(&mut self, budget: &Budget) -> u64 {
        fn held<T>(numbers: &mut Rc<Numbers<T>>, budget: &Budget) -> u64 {
            let Some(numbers) = Rc::get_mut(numbers).filter(|n| n.held.is_none()) else { return 0 };
            let bytes = size_of_val(&numbers.values[..]) as u64;
            numbers.held = Some(budget.held(bytes));
            bytes
        }
        match &mut self.data {
            Data::Raw(_) => 0,
            Data::Floats(numbers) => held(numbers, budget),
            Data::Ints(numbers) => held(numbers, budget),
        }
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
    pub(super) fn floats(&self, store: &mut Store<'_>) -> Result<Rc<Numbers<f32>>, OnnxFault> {
        match &self.data {
            Data::Raw(raw) => read(store, |s| raw.floats(&mut s.budget, s.folder)),
            Data::Floats(values) => Ok(Rc::clone(values)),
            Data::Ints(values) => read(store, |store| {
                store.budget.numbers(values.len(), "constants")?;
                Ok(values.iter().map(|v| *v as f32).collect())
            }),
        }
    }

    /// The numbers as `f32`, given away; copied when somebody else may want them.
    pub(super) fn into_floats(self, store: &mut Store<'_>) -> Result<Vec<f32>, OnnxFault> {
        let values = self.floats(store)?;
        drop(self);
        Rc::try_unwrap(values).map(Numbers::kept).or_else(|shared| {
            store.budget.numbers(shared.len(), "constants")?;
            Ok(shared.to_vec())
        })
    }

    /// The numbers as integers; fractions are cut.
    pub(super) fn ints(&self, store: &mut Store<'_>) -> Result<Rc<Numbers<i64>>, OnnxFault> {
        match &self.data {
            Data::Raw(raw) if raw.is_float() => read(store, |store| {
                let floats = raw.floats(&mut store.budget, store.folder)?;
                store.budget.numbers(2 * floats.len(), "constants")?;
                Ok(floats.into_iter().map(|v| v as i64).collect())
            }),
            Data::Raw(raw) => read(store, |s| raw.ints(&mut s.budget, s.folder)),
            Data::Ints(values) => Ok(Rc::clone(values)),
            Data::Floats(values) => read(store, |store| {
                store.budget.numbers(2 * values.len(), "constants")?;
                Ok(values.iter().map(|v| *v as i64).collect())
            }),
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

/// Numbers that are read, with what that cost; given back when they are dropped.
fn read<'p, T>(
    store: &mut Store<'p>,
    numbers: impl FnOnce(&mut Store<'p>) -> Result<Vec<T>, OnnxFault>,
) -> Result<Rc<Numbers<T>>, OnnxFault> {
    let before = store.budget.spent();
    let values = numbers(store)?;
    let held = store.budget.held(store.budget.spent() - before);
    Ok(Rc::new(Numbers { values, held: Some(held) }))
}
