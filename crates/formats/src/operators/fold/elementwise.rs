//! Constants number by number: arithmetic, comparison, sums, quantised weights.

use std::rc::Rc;

use super::{Fold, Trouble, axis_of, wanted};
use crate::operators::consts::{Const, Data};
use crate::operators::curve::Binary;

/// The extents that two broadcast to; `None` when they do not.
pub(in crate::operators) fn broadcast(a: &[usize], b: &[usize]) -> Option<Vec<usize>> {
    let rank = a.len().max(b.len());
    let at = |dims: &[usize], i: usize| {
        (i + dims.len()).checked_sub(rank).map_or(1, |place| dims[place])
    };
    (0..rank)
        .map(|i| match (at(a, i), at(b, i)) {
            (x, y) if x == y => Some(x),
            (1, n) | (n, 1) => Some(n),
            _ => None,
        })
        .collect()
}

/// For each number of `dims`, row-major, the place in a tensor of `from` that broadcasts to it.
pub(in crate::operators) fn places(from: &[usize], dims: &[usize]) -> Vec<usize> {
    let mut strides = vec![0; dims.len()];
    let mut step = 1;
    for (i, size) in from.iter().enumerate().rev() {
        if let Some(axis) = (dims.len() + i).checked_sub(from.len()) {
            strides[axis] = if *size == 1 { 0 } else { step };
        }
        step *= size;
    }
    strided(dims, &strides)
}

/// For each number of `dims`, row-major, the sum of its indices times the strides.
pub(in crate::operators) fn strided(dims: &[usize], strides: &[usize]) -> Vec<usize> {
    let mut all = vec![0];
    for (size, stride) in dims.iter().zip(strides) {
        all = all.iter().flat_map(|base| (0..*size).map(move |i| base + i * stride)).collect();
    }
    all
}

impl<'a> Fold<'_, 'a, '_, '_> {
    /// Extents of the result of inputs, and the place in each for each number.
    fn spread(&mut self, count: usize) -> Result<(Vec<usize>, Vec<Vec<usize>>), Trouble> {
        let mut dims = self.input(0)?.dims.clone();
        for i in 1..count {
            dims = broadcast(&dims, &self.input(i)?.dims)
                .ok_or_else(|| wanted("inputs that broadcast to one shape"))?;
        }
        self.room(&dims, 2 * (count + 1))?;
        let all = (0..count).map(|i| Ok(places(&self.input(i)?.dims, &dims)));
        let all = all.collect::<Result<_, Trouble>>()?;
        Ok((dims, all))
    }

    pub(super) fn arithmetic(&mut self, f: Binary) -> Result<Const<'a>, Trouble> {
        let (x, y) = (self.input(0)?.clone(), self.input(1)?.clone());
        if x.count() == 1 && y.count() == 1 && y.dims.is_empty() && x.is_float() {
            let (a, b) = (x.floats(self.store)?, y.floats(self.store)?);
            let value = f.of(f64::from(a[0]), f64::from(b[0])) as f32;
            return Ok(Const::floats_of(x.dims.clone(), vec![value]).from(&x));
        }
        let (dims, at) = self.spread(2)?;
        let origin = if x.count() >= y.count() { &x } else { &y };
        let pairs = at[0].iter().zip(&at[1]);
        if x.is_float() || y.is_float() {
            let (a, b) = (x.floats(self.store)?, y.floats(self.store)?);
            let one = |(i, j): (&usize, &usize)| f.of(f64::from(a[*i]), f64::from(b[*j])) as f32;
            return Ok(Const::floats_of(dims, pairs.map(one).collect()).from(origin));
        }
        let (a, b) = (x.ints(self.store)?, y.ints(self.store)?);
        let one = |(i, j): (&usize, &usize)| integers(f, a[*i], b[*j]);
        let values: Option<Vec<i64>> = pairs.map(one).collect();
        let values = values.ok_or_else(|| wanted("integers that can be computed with"))?;
        Ok(Const::ints_of(dims, values).from(origin))
    }

    /// Comparison, logic and remainders.
    pub(super) fn integral(&mut self) -> Result<Const<'a>, Trouble> {
        let (x, y) = (self.input(0)?.clone(), self.input(1)?.clone());
        let (dims, at) = self.spread(2)?;
        let (a, b) = (x.floats(self.store)?, y.floats(self.store)?);
        let truth = |f: fn(f64, f64) -> bool| -> Vec<i64> {
            let one = |(i, j): (&usize, &usize)| f(f64::from(a[*i]), f64::from(b[*j]));
            at[0].iter().zip(&at[1]).map(|p| i64::from(one(p))).collect()
        };
        let values = match &*self.node.op {
            "Equal" if !x.is_float() => {
                let (a, b) = (x.ints(self.store)?, y.ints(self.store)?);
                at[0].iter().zip(&at[1]).map(|(i, j)| i64::from(a[*i] == b[*j])).collect()
            }
            "Equal" => truth(|a, b| a == b),
            "Greater" => truth(|a, b| a > b),
            "GreaterOrEqual" => truth(|a, b| a >= b),
            "Less" => truth(|a, b| a < b),
            "LessOrEqual" => truth(|a, b| a <= b),
            "And" => truth(|a, b| a != 0.0 && b != 0.0),
            "Or" => truth(|a, b| a != 0.0 || b != 0.0),
            _ => {
                let (a, b) = (x.ints(self.store)?, y.ints(self.store)?);
                let one = |(i, j): (&usize, &usize)| a[*i].checked_rem_euclid(b[*j]);
                let values: Option<Vec<i64>> = at[0].iter().zip(&at[1]).map(one).collect();
                values.ok_or_else(|| wanted("a divisor other than 0"))?
            }
        };
        Ok(Const::ints_of(dims, values))
    }

    pub(super) fn choose(&mut self) -> Result<Const<'a>, Trouble> {
        let (x, y) = (self.input(1)?.clone(), self.input(2)?.clone());
        let (dims, at) = self.spread(3)?;
        let test = self.input(0)?.clone().ints(self.store)?;
        let place = |i: usize| (test[at[0][i]] != 0, at[1][i], at[2][i]);
        if x.is_float() {
            let (a, b) = (x.floats(self.store)?, y.floats(self.store)?);
            let pick = |i| match place(i) {
                (true, i, _) => a[i],
                (false, _, j) => b[j],
            };
            return Ok(Const::floats_of(dims, (0..at[0].len()).map(pick).collect()));
        }
        let (a, b) = (x.ints(self.store)?, y.ints(self.store)?);
        let pick = |i| match place(i) {
            (true, i, _) => a[i],
            (false, _, j) => b[j],
        };
        Ok(Const::ints_of(dims, (0..at[0].len()).map(pick).collect()))
    }

    pub(super) fn each(&mut self) -> Result<Const<'a>, Trouble> {
        let x = self.input(0)?.clone();
        self.store.budget.numbers(2 * x.count(), "constants")?;
        if !x.is_float() {
            let f: fn(i64) -> i64 = match &*self.node.op {
                "Not" => |v| i64::from(v == 0),
                "Neg" => i64::wrapping_neg,
                "Abs" => i64::wrapping_abs,
                "Sign" => i64::signum,
                _ => return Err(wanted("fractions")),
            };
            let values = x.ints(self.store)?.iter().map(|v| f(*v)).collect();
            return Ok(Const::ints_of(x.dims.clone(), values));
        }
        let f: fn(f32) -> f32 = match &*self.node.op {
            "Neg" => |v| -v,
            "Abs" => f32::abs,
            "Floor" => f32::floor,
            "Ceil" => f32::ceil,
            "Round" => f32::round_ties_even,
            "Sqrt" => f32::sqrt,
            "Exp" => f32::exp,
            "Reciprocal" => |v| 1.0 / v,
            "Sign" => |v| if v == 0.0 { 0.0 } else { v.signum() },
            _ => return Err(wanted("truth values")),
        };
        let values = x.floats(self.store)?.iter().map(|v| f(*v)).collect();
        Ok(Const::floats_of(x.dims.clone(), values).from(&x))
    }

    /// `Clip`: limits are inputs, or settings of old files.
    pub(super) fn limited(&mut self) -> Result<Const<'a>, Trouble> {
        let x = self.input(0)?.clone();
        self.store.budget.numbers(2 * x.count(), "constants")?;
        let mut limits = [None; 2];
        for (i, name) in ["min", "max"].into_iter().enumerate() {
            limits[i] = match (self.node.float(name), self.maybe(i + 1).cloned()) {
                (Some(limit), _) => Some(f64::from(limit)),
                (None, Some(limit)) => {
                    let limit = limit.scalar(self.store)?;
                    Some(limit.ok_or_else(|| wanted("one number as a limit"))?)
                }
                (None, None) => None,
            };
        }
        let [min, max] = limits;
        if x.is_float() {
            let (min, max) = (min.unwrap_or(f64::MIN) as f32, max.unwrap_or(f64::MAX) as f32);
            let values = x.floats(self.store)?.iter().map(|v| v.max(min).min(max)).collect();
            return Ok(Const::floats_of(x.dims.clone(), values).from(&x));
        }
        let min = min.map_or(i64::MIN, |v| v as i64);
        let max = max.map_or(i64::MAX, |v| v as i64);
        let values = x.ints(self.store)?.iter().map(|v| (*v).max(min).min(max)).collect();
        Ok(Const::ints_of(x.dims.clone(), values))
    }

    pub(super) fn reduce(&mut self) -> Result<Const<'a>, Trouble> {
        let x = self.input(0)?.clone();
        let axes = self.axes(1, x.dims.len())?;
        let axes = match axes {
            None if self.node.int("noop_with_empty_axes") == Some(1) => return Ok(x),
            None => (0..x.dims.len()).collect(),
            Some(axes) => axes,
        };
        let kept: Vec<usize> = x
            .dims
            .iter()
            .enumerate()
            .map(|(i, d)| if axes.contains(&i) { 1 } else { *d })
            .collect();
        let len = self.room(&kept, 2)?;
        self.room(&x.dims, 4)?;
        let to = places(&kept, &x.dims);
        let values = x.floats(self.store)?;
        let op = &*self.node.op;
        let start = match op {
            "ReduceProd" => 1.0,
            "ReduceMax" => f64::NEG_INFINITY,
            "ReduceMin" => f64::INFINITY,
            _ => 0.0,
        };
        let mut sums = vec![start; len];
        for (i, v) in to.into_iter().zip(values.iter()) {
            let v = f64::from(*v);
            match op {
                "ReduceProd" => sums[i] *= v,
                "ReduceMax" => sums[i] = sums[i].max(v),
                "ReduceMin" => sums[i] = sums[i].min(v),
                _ => sums[i] += v,
            }
        }
        if op == "ReduceMean" {
            let share = len as f64 / x.count().max(1) as f64;
            for sum in &mut sums {
                *sum *= share;
            }
        }
        let mut dims = kept;
        if self.node.int("keepdims").unwrap_or(1) == 0 {
            let left = dims.iter().enumerate().filter(|(i, _)| !axes.contains(i));
            dims = left.map(|(_, d)| *d).collect();
        }
        Ok(if x.is_float() {
            Const::floats_of(dims, sums.into_iter().map(|s| s as f32).collect())
        } else {
            Const::ints_of(dims, sums.into_iter().map(|s| s as i64).collect())
        })
    }

    /// Weights kept as small integers: `(x - zero) · scale`, for all or along an axis.
    pub(super) fn dequantize(&mut self) -> Result<Const<'a>, Trouble> {
        let x = self.input(0)?.clone();
        let scale = self.input(1)?.clone();
        if self.node.int("block_size").is_some_and(|b| b != 0) {
            return Err(wanted("one scale for all, or one along an axis"));
        }
        let scales = scale.floats(self.store)?;
        let zeros = match self.maybe(2).cloned() {
            Some(zero) => zero.floats(self.store)?,
            None => Rc::new(vec![0.0; scales.len()].into()),
        };
        let axis = if scales.len() == 1 {
            0
        } else {
            axis_of(self.node.int("axis").unwrap_or(1), x.dims.len())
                .filter(|a| x.dims[*a] == scales.len())
                .ok_or_else(|| wanted("one scale for all, or one along an axis"))?
        };
        if zeros.len() != scales.len() {
            return Err(wanted("as many zeros as scales"));
        }
        let inner: usize = x.dims.iter().skip(axis + 1).product();
        let mut values = x.clone().into_floats(self.store)?;
        for (i, v) in values.iter_mut().enumerate() {
            let at = i / inner.max(1) % scales.len();
            *v = (*v - zeros[at]) * scales[at];
        }
        Ok(Const {
            dims: x.dims.clone(),
            data: Data::Floats(Rc::new(values.into())),
            origin: x.origin,
        })
    }
}

fn integers(f: Binary, a: i64, b: i64) -> Option<i64> {
    match f {
        Binary::Add => a.checked_add(b),
        Binary::Sub => a.checked_sub(b),
        Binary::Mul => a.checked_mul(b),
        Binary::Div => a.checked_div(b),
        Binary::Pow => a.checked_pow(u32::try_from(b).ok()?),
        Binary::Min => Some(a.min(b)),
        Binary::Max => Some(a.max(b)),
    }
}
