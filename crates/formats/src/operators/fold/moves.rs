//! Constants turned, cut, joined and spread.

use std::rc::Rc;

use super::elementwise::{broadcast, places, strided};
use super::{Fold, MAX_RANK, Trouble, axis_of, reshape_dims, wanted};
use crate::operators::consts::{Const, Data, Numbers};
use crate::operators::ir::Setting;

/// A part of an axis: first step, count, distance.
pub(in crate::operators) type Part = (usize, usize, usize);

/// The part of an axis of `size` that a slice asks for; `None` for a step that is not forward.
pub(in crate::operators) fn part(size: usize, start: i64, end: i64, step: i64) -> Option<Part> {
    let place = |v: i64| {
        let v = if v < 0 { v.saturating_add(size as i64) } else { v };
        v.clamp(0, size as i64) as usize
    };
    let step = usize::try_from(step).ok().filter(|s| *s > 0)?;
    let (start, end) = (place(start), place(end));
    Some((start, end.saturating_sub(start).div_ceil(step), step))
}

impl<'a> Fold<'_, 'a, '_, '_> {
    fn with_dims(&self, dims: Option<Vec<usize>>, words: &str) -> Result<Const<'a>, Trouble> {
        let x = self.input(0)?;
        let fits = |d: &Vec<usize>| d.iter().product::<usize>() == x.count();
        let dims = dims.filter(fits).ok_or_else(|| wanted(words))?;
        Ok(Const { dims, data: x.data.clone(), origin: x.origin })
    }

    pub(super) fn reshape(&mut self) -> Result<Const<'a>, Trouble> {
        let asked = match self.node.ints("shape") {
            Some(asked) => asked.to_vec(),
            None => self.ints(1)?.ok_or_else(|| wanted("a shape"))?.to_vec(),
        };
        let zero = self.node.int("allowzero") == Some(1);
        let dims = reshape_dims(&self.input(0)?.dims, &asked, zero);
        self.with_dims(dims, "a shape of as many values")
    }

    pub(super) fn flatten(&mut self) -> Result<Const<'a>, Trouble> {
        let dims = &self.input(0)?.dims;
        let axis = self.node.int("axis").unwrap_or(1);
        let axis = axis_of(axis, dims.len() + 1).ok_or_else(|| wanted("an axis of the input"))?;
        let (a, b) = dims.split_at(axis);
        let flat = vec![a.iter().product(), b.iter().product()];
        self.with_dims(Some(flat), "a shape of as many values")
    }

    pub(super) fn squeeze(&mut self) -> Result<Const<'a>, Trouble> {
        let dims = self.input(0)?.dims.clone();
        let axes = self.axes(1, dims.len())?;
        let gone = |i: usize| axes.as_ref().map_or(dims[i] == 1, |a| a.contains(&i));
        let left = (0..dims.len()).filter(|i| !gone(*i)).map(|i| dims[i]).collect();
        self.with_dims(Some(left), "axes of extent 1")
    }

    pub(super) fn unsqueeze(&mut self) -> Result<Const<'a>, Trouble> {
        let dims = self.input(0)?.dims.clone();
        let count = self.node.ints("axes").map(<[i64]>::len);
        let count = count.or(self.maybe(1).map(Const::count)).unwrap_or(0);
        if dims.len() + count > MAX_RANK {
            return Err(wanted("fewer axes"));
        }
        let axes = self.axes(1, dims.len() + count)?.ok_or_else(|| wanted("axes"))?;
        let mut left = dims.iter();
        let spread = (0..dims.len() + count)
            .map(|i| if axes.contains(&i) { Some(1) } else { left.next().copied() })
            .collect();
        self.with_dims(spread, "axes that differ")
    }

    pub(super) fn transpose(&mut self) -> Result<Const<'a>, Trouble> {
        let x = self.input(0)?.clone();
        let rank = x.dims.len();
        let order: Vec<i64> = match self.node.ints("perm") {
            Some(order) => order.to_vec(),
            None => (0..rank as i64).rev().collect(),
        };
        let order = super::axes_of(&order, rank).filter(|o| o.len() == rank);
        let order = order.filter(|o| (0..rank).all(|i| o.contains(&i)));
        let order = order.ok_or_else(|| wanted("an order of all axes"))?;
        let mut strides = vec![1; rank];
        for i in (1..rank).rev() {
            strides[i - 1] = strides[i] * x.dims[i];
        }
        let dims: Vec<usize> = order.iter().map(|i| x.dims[*i]).collect();
        let steps: Vec<usize> = order.iter().map(|i| strides[*i]).collect();
        if dims.iter().filter(|d| **d != 1).eq(x.dims.iter().filter(|d| **d != 1))
            && order.is_sorted()
        {
            return Ok(Const { dims, ..x });
        }
        self.pick(&x, dims, &Order::Strides(&steps))
    }

    /// The numbers of `x` at places, as a tensor of `dims`.
    fn pick(
        &mut self,
        x: &Const<'a>,
        dims: Vec<usize>,
        order: &Order<'_>,
    ) -> Result<Const<'a>, Trouble> {
        let float = x.is_float();
        // Places cost as much as numbers where the innermost axis is short.
        let len = self.room(&dims, if float { 1 } else { 2 })?;
        let places = dims.split_last().map_or(1, |(_, outer)| outer.iter().product());
        self.store.budget.numbers(2 * places, "constants")?;
        let mut walk = order.walk(&dims);
        let data = if float {
            let values = x.floats(self.store)?;
            Data::Floats(Rc::new(walk.gather(&values, len).into()))
        } else {
            let values = x.ints(self.store)?;
            Data::Ints(Rc::new(walk.gather(&values, len).into()))
        };
        Ok(Const { dims, data, origin: x.origin })
    }

    pub(super) fn concat(&mut self) -> Result<Const<'a>, Trouble> {
        let first = self.input(0)?.clone();
        let rank = first.dims.len();
        let axis = axis_of(self.node.int("axis").unwrap_or(1), rank)
            .ok_or_else(|| wanted("an axis of the inputs"))?;
        let mut dims = first.dims.clone();
        dims[axis] = 0;
        let inputs: Vec<Const<'a>> = self.inputs.iter().flatten().cloned().collect();
        for input in &inputs {
            let alike = |i: usize| i == axis || input.dims.get(i) == first.dims.get(i);
            if input.dims.len() != rank || !(0..rank).all(alike) {
                return Err(wanted("inputs that differ along the axis only"));
            }
            dims[axis] = dims[axis].saturating_add(input.dims[axis]);
        }
        self.room(&dims, 2)?;
        let outer: usize = dims[..axis].iter().product();
        if inputs.iter().any(Const::is_float) {
            let parts: Vec<Rc<Numbers<f32>>> =
                inputs.iter().map(|c| c.floats(self.store)).collect::<Result<_, _>>()?;
            return Ok(Const::floats_of(dims, joined(&parts, outer)));
        }
        let parts: Vec<Rc<Numbers<i64>>> =
            inputs.iter().map(|c| c.ints(self.store)).collect::<Result<_, _>>()?;
        Ok(Const::ints_of(dims, joined(&parts, outer)))
    }

    pub(super) fn gather(&mut self) -> Result<Const<'a>, Trouble> {
        let x = self.input(0)?.clone();
        let index = self.input(1)?.clone();
        let axis = axis_of(self.node.int("axis").unwrap_or(0), x.dims.len())
            .ok_or_else(|| wanted("an axis of the input"))?;
        let size = x.dims[axis];
        let at: Option<Vec<usize>> =
            index.ints(self.store)?.iter().map(|i| axis_of(*i, size)).collect();
        let at = at.ok_or_else(|| wanted(format!("indices below {size}")))?;
        let mut dims = x.dims[..axis].to_vec();
        dims.extend(&index.dims);
        dims.extend(&x.dims[axis + 1..]);
        if dims.len() > MAX_RANK {
            return Err(wanted("fewer axes"));
        }
        let outer: usize = x.dims[..axis].iter().product();
        let inner: usize = x.dims[axis + 1..].iter().product();
        self.pick(&x, dims, &Order::Rows { at: &at, outer, inner, size })
    }

    pub(super) fn slice(&mut self) -> Result<Const<'a>, Trouble> {
        let x = self.input(0)?.clone();
        let Some(parts) = self.parts(&x.dims)? else { return self.backward(x) };
        let mut strides = vec![1; x.dims.len()];
        for i in (1..x.dims.len()).rev() {
            strides[i - 1] = strides[i] * x.dims[i];
        }
        let dims: Vec<usize> = parts.iter().map(|p| p.1).collect();
        let first: usize = parts.iter().zip(&strides).map(|(p, s)| p.0 * s).sum();
        let steps: Vec<usize> = parts.iter().zip(&strides).map(|(p, s)| p.2 * s).collect();
        self.pick(&x, dims, &Order::From(first, &steps))
    }

    /// A slice with a step of -1 over whole axes: their order turned.
    fn backward(&mut self, mut x: Const<'a>) -> Result<Const<'a>, Trouble> {
        let not =
            || wanted("starts, ends, axes and steps of one length, backwards only whole axes");
        let lists = [self.ints(1)?, self.ints(2)?, self.ints(3)?, self.ints(4)?];
        let [Some(starts), Some(ends), Some(axes), Some(steps)] = lists else { return Err(not()) };
        for (i, axis) in axes.iter().enumerate() {
            let axis = axis_of(*axis, x.dims.len()).ok_or_else(not)?;
            let size = x.dims[axis];
            let ends = [starts.get(i), ends.get(i), steps.get(i)].map(|v| v.copied().unwrap_or(0));
            let first = ends[0] == -1 || ends[0] >= size as i64 - 1;
            // The end lies before the first, which only a number far below zero can say.
            if !first || ends[1] >= -(size as i64) || ends[2] != -1 {
                return Err(not());
            }
            self.room(&[size], 4)?;
            let at: Vec<usize> = (0..size).rev().collect();
            let outer: usize = x.dims[..axis].iter().product();
            let inner: usize = x.dims[axis + 1..].iter().product();
            x = self.pick(&x, x.dims.clone(), &Order::Rows { at: &at, outer, inner, size })?;
        }
        Ok(x)
    }

    /// For each axis, the part that a `Slice` keeps; `None` when it goes backwards.
    fn parts(&mut self, dims: &[usize]) -> Result<Option<Vec<Part>>, Trouble> {
        let old = self.node.ints("starts").is_some();
        let list = |fold: &mut Self, i: usize, name: &str| -> Result<Option<Vec<i64>>, Trouble> {
            if old {
                return Ok(fold.node.ints(name).map(<[i64]>::to_vec));
            }
            Ok(fold.ints(i)?.map(|v| v.to_vec()))
        };
        let starts = list(self, 1, "starts")?.ok_or_else(|| wanted("starts"))?;
        let ends = list(self, 2, "ends")?.ok_or_else(|| wanted("ends"))?;
        let axes = list(self, 3, "axes")?;
        let steps = list(self, 4, "steps")?;
        if steps.as_ref().is_some_and(|s| s.iter().any(|s| *s < 0)) {
            return Ok(None);
        }
        slice_parts(dims, &starts, &ends, axes.as_deref(), steps.as_deref())
            .map(Some)
            .ok_or_else(|| wanted("starts, ends, axes and forward steps of one length"))
    }

    pub(super) fn split(&mut self) -> Result<Vec<Const<'a>>, Trouble> {
        let x = self.input(0)?.clone();
        let axis = axis_of(self.node.int("axis").unwrap_or(0), x.dims.len())
            .ok_or_else(|| wanted("an axis of the input"))?;
        let asked = self.ints(1)?;
        let sizes = split_sizes(self.node, x.dims[axis], asked.as_ref().map(|v| v.as_slice()))
            .ok_or_else(|| wanted("sizes that fill the axis"))?;
        let mut strides = vec![1; x.dims.len()];
        for i in (1..x.dims.len()).rev() {
            strides[i - 1] = strides[i] * x.dims[i];
        }
        let mut start = 0;
        let mut made = Vec::new();
        for size in sizes {
            let mut dims = x.dims.clone();
            dims[axis] = size;
            made.push(self.pick(&x, dims, &Order::From(start * strides[axis], &strides))?);
            start += size;
        }
        Ok(made)
    }

    pub(super) fn expand(&mut self) -> Result<Const<'a>, Trouble> {
        let x = self.input(0)?.clone();
        let asked = self.ints(1)?.ok_or_else(|| wanted("a shape"))?;
        let asked: Option<Vec<usize>> = asked.iter().map(|d| usize::try_from(*d).ok()).collect();
        let asked = asked.filter(|d| d.len() <= MAX_RANK);
        let dims = asked.and_then(|asked| broadcast(&x.dims, &asked));
        let dims = dims.ok_or_else(|| wanted("a shape that the input broadcasts to"))?;
        if dims == x.dims {
            return Ok(x);
        }
        self.room(&dims, 4)?;
        let at = places(&x.dims, &dims);
        Ok(if x.is_float() {
            let values = x.floats(self.store)?;
            Const::floats_of(dims, at.into_iter().map(|i| values[i]).collect())
        } else {
            let values = x.ints(self.store)?;
            Const::ints_of(dims, at.into_iter().map(|i| values[i]).collect())
        })
    }

    pub(super) fn range(&mut self) -> Result<Const<'a>, Trouble> {
        let mut ends = [0i64; 3];
        for (i, end) in ends.iter_mut().enumerate() {
            *end = *self.ints(i)?.and_then(|v| v.first().copied().map(Rc::new)).unwrap_or_default();
        }
        let float = self.input(0)?.is_float();
        let [start, limit, step] = ends;
        let span = i128::from(limit) - i128::from(start);
        if step == 0 || float {
            return Err(wanted("integers, and a step other than 0"));
        }
        let len = (span / i128::from(step) + i128::from(span % i128::from(step) != 0)).max(0);
        let len = usize::try_from(len).map_err(|_| wanted("a shorter range"))?;
        self.store.budget.numbers(len.saturating_mul(2), "constants")?;
        Ok(Const::row(
            (0..len).map(|i| start.wrapping_add((i as i64).wrapping_mul(step))).collect(),
        ))
    }

    pub(super) fn constant_of_shape(&mut self) -> Result<Const<'a>, Trouble> {
        let asked = self.ints(0)?.ok_or_else(|| wanted("a shape"))?;
        let dims: Option<Vec<usize>> = asked.iter().map(|d| usize::try_from(*d).ok()).collect();
        let dims = dims.filter(|d| d.len() <= MAX_RANK).ok_or_else(|| wanted("a shape"))?;
        let len = self.room(&dims, 2)?;
        let Some(Setting::Tensor(raw)) = self.node.setting("value") else {
            return Ok(Const::floats_of(dims, vec![0.0; len]));
        };
        if raw.is_float() {
            let value = raw.floats(&mut self.store.budget, None)?.first().copied();
            return Ok(Const::floats_of(dims, vec![value.unwrap_or(0.0); len]));
        }
        let value = raw.ints(&mut self.store.budget, None)?.first().copied();
        Ok(Const::ints_of(dims, vec![value.unwrap_or(0); len]))
    }
}

/// For each axis of `dims`, the part that a slice keeps.
pub(in crate::operators) fn slice_parts(
    dims: &[usize],
    starts: &[i64],
    ends: &[i64],
    axes: Option<&[i64]>,
    steps: Option<&[i64]>,
) -> Option<Vec<Part>> {
    let mut parts: Vec<Part> = dims.iter().map(|d| (0, *d, 1)).collect();
    if starts.len() != ends.len() {
        return None;
    }
    for (i, (start, end)) in starts.iter().zip(ends).enumerate() {
        let axis = match axes {
            Some(axes) => axis_of(*axes.get(i)?, dims.len())?,
            None => i,
        };
        let step = steps.map_or(Some(1), |s| s.get(i).copied())?;
        *parts.get_mut(axis)? = part(*dims.get(axis)?, *start, *end, step)?;
    }
    Some(parts)
}

/// The extents that a `Split` asks for along its axis.
pub(in crate::operators) fn split_sizes(
    node: &crate::operators::ir::Node<'_>,
    size: usize,
    asked: Option<&[i64]>,
) -> Option<Vec<usize>> {
    let count = node.outputs.len();
    let sizes: Vec<usize> = if let Some(asked) = asked.or_else(|| node.ints("split")) {
        asked.iter().map(|s| usize::try_from(*s).ok()).collect::<Option<_>>()?
    } else {
        let each = size.div_ceil(count.max(1));
        (0..count).map(|i| size.saturating_sub(i * each).min(each)).collect()
    };
    let sum = sizes.iter().try_fold(0usize, |n, s| n.checked_add(*s))?;
    (sizes.len() == count && sum == size).then_some(sizes)
}

fn joined<T: Copy>(parts: &[Rc<Numbers<T>>], outer: usize) -> Vec<T> {
    let mut all = Vec::with_capacity(parts.iter().map(|p| p.len()).sum());
    for i in 0..outer {
        for part in parts {
            let row = part.len() / outer;
            all.extend_from_slice(&part[i * row..(i + 1) * row]);
        }
    }
    all
}

/// Where numbers are picked.
enum Order<'o> {
    /// By a stride for each axis.
    Strides(&'o [usize]),
    /// The same from a first place on.
    From(usize, &'o [usize]),
    /// Rows of `inner` numbers at indices of an axis of `size`.
    Rows { at: &'o [usize], outer: usize, inner: usize, size: usize },
}

impl Order<'_> {
    fn walk(&self, dims: &[usize]) -> Walk {
        // The innermost axes run in a loop, so that places cost little beside the numbers.
        match self {
            Self::Strides(strides) => Walk::new(0, dims, strides),
            Self::From(first, strides) => Walk::new(*first, dims, strides),
            Self::Rows { at, outer, inner, size } => {
                let starts = (0..*outer)
                    .flat_map(|o| at.iter().map(move |i| (o * size + i) * inner))
                    .collect();
                Walk { starts, count: *inner, step: 1 }
            }
        }
    }
}

/// Runs of places.
struct Walk {
    starts: Vec<usize>,
    count: usize,
    step: usize,
}

impl Walk {
    fn new(first: usize, dims: &[usize], strides: &[usize]) -> Self {
        let (Some((count, outer)), Some((step, steps))) = (dims.split_last(), strides.split_last())
        else {
            return Self { starts: vec![first], count: 1, step: 1 };
        };
        let starts = strided(outer, steps).into_iter().map(|s| s + first).collect();
        Self { starts, count: *count, step: *step }
    }

    fn gather<T: Copy>(&mut self, values: &[T], len: usize) -> Vec<T> {
        let mut all = Vec::with_capacity(len);
        for start in &self.starts {
            all.extend((0..self.count).map(|i| values[start + i * self.step]));
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::slice_parts;

    #[test]
    fn a_slice_of_more_axes_than_there_are_is_none() {
        assert_eq!(slice_parts(&[4], &[1], &[3], None, None), Some(vec![(1, 2, 1)]));
        assert_eq!(slice_parts(&[4], &[1, 0], &[3, 1], None, None), None);
        assert_eq!(slice_parts(&[4], &[1], &[3], Some(&[1]), None), None);
    }
}
