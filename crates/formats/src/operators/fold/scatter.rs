//! Parts of constants at indices: read, or written over.

use std::rc::Rc;

use super::{Fold, Trouble, wanted};
use crate::operators::consts::{Const, Data};

impl<'a> Fold<'_, 'a, '_, '_> {
    /// `ScatterND`: parts of the first input, at the indices of the second, replaced by the third.
    pub(super) fn scatter(&mut self) -> Result<Const<'a>, Trouble> {
        if self.node.text("reduction").is_some_and(|r| r != "none") {
            return Err(wanted("parts that are replaced, not added to"));
        }
        let (x, index) = (self.input(0)?.clone(), self.input(1)?.clone());
        let updates = self.input(2)?.clone();
        let (starts, part, dims) = self.indexed(&x, &index)?;
        if updates.dims != dims {
            return Err(wanted("as many parts as indices"));
        }
        self.room(&x.dims, 2)?;
        let float = x.is_float();
        let data = if float {
            let mut values = x.floats(self.store)?.to_vec();
            written(&mut values, &updates.floats(self.store)?, &starts, part);
            Data::Floats(Rc::new(values.into()))
        } else {
            let mut values = x.ints(self.store)?.to_vec();
            written(&mut values, &updates.ints(self.store)?, &starts, part);
            Data::Ints(Rc::new(values.into()))
        };
        Ok(Const { dims: x.dims, data, origin: None })
    }

    /// `GatherND`: the parts of the first input at the indices of the second.
    pub(super) fn gather_parts(&mut self) -> Result<Const<'a>, Trouble> {
        if self.node.int("batch_dims").unwrap_or(0) != 0 {
            return Err(wanted("indices for all axes, without a batch (batch_dims)"));
        }
        let (x, index) = (self.input(0)?.clone(), self.input(1)?.clone());
        let (starts, part, dims) = self.indexed(&x, &index)?;
        self.room(&dims, 2)?;
        let data = if x.is_float() {
            Data::Floats(Rc::new(read(&x.floats(self.store)?, &starts, part).into()))
        } else {
            Data::Ints(Rc::new(read(&x.ints(self.store)?, &starts, part).into()))
        };
        Ok(Const { dims, data, origin: x.origin })
    }

    /// Where the parts begin that indices `[.., k]` say, how long each is, and the extents of all.
    fn indexed(
        &mut self,
        x: &Const<'a>,
        index: &Const<'a>,
    ) -> Result<(Vec<usize>, usize, Vec<usize>), Trouble> {
        let not = || wanted("indices [.., k] of parts");
        let (depth, many) = index.dims.split_last().ok_or_else(not)?;
        let (outer, inner) = x.dims.split_at_checked(*depth).ok_or_else(not)?;
        if *depth == 0 {
            return Err(not());
        }
        let part: usize = inner.iter().product();
        let at = index.ints(self.store)?;
        self.store.budget.numbers(2 * at.len(), "constants")?;
        let mut starts = Vec::with_capacity(at.len() / depth);
        for place in at.chunks_exact(*depth) {
            let mut start = 0;
            for (i, size) in place.iter().zip(outer) {
                let i = super::axis_of(*i, *size).ok_or_else(not)?;
                start = start * size + i;
            }
            starts.push(start * part);
        }
        Ok((starts, part, [many, inner].concat()))
    }
}

fn read<T: Copy>(values: &[T], starts: &[usize], part: usize) -> Vec<T> {
    starts.iter().filter_map(|start| values.get(*start..start + part)).flatten().copied().collect()
}

fn written<T: Copy>(values: &mut [T], updates: &[T], starts: &[usize], part: usize) {
    for (start, update) in starts.iter().zip(updates.chunks_exact(part.max(1))) {
        if let Some(place) = values.get_mut(*start..start + part) {
            place.copy_from_slice(update);
        }
    }
}
