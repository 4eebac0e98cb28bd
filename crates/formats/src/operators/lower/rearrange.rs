//! Values put where a layer wants them, when no layout will do: channels and places turned about,
//! windows, sequences as maps.

use std::rc::Rc;

use regraft_net::op::Rearrange;
use regraft_net::{Op, Role};
use regraft_tensor::Shape;

use super::window::tensor;
use super::{Live, Lower, Lowered, wanted};
use crate::operators::build::Name;
use crate::operators::curve::{Binary, Curve};
use crate::operators::layout::{Atom, Layout, extent};

/// Most values of one picture that are moved about.
const MOST_MOVED: usize = 1 << 26;

const NOT_EVEN: &str = "axes that can be regrouped without tearing them";

impl Lower<'_, '_, '_> {
    /// The same with some axes as channels, and the others as rows and columns where they are two, else
    /// as rows.
    pub(super) fn with_channels(&mut self, live: &Live, channels: &[usize]) -> Lowered<Live> {
        let axes = &live.layout.axes;
        let rest: Vec<usize> =
            (0..axes.len()).filter(|i| !channels.contains(i) && !axes[*i].is_empty()).collect();
        match rest[..] {
            [rows, columns] => self.laid(live, [channels, &[rows], &[columns]]),
            _ => self.laid(live, [channels, &rest, &[]]),
        }
    }

    /// The same with axes as channels, rows and columns of a map.
    pub(super) fn laid(&mut self, live: &Live, groups: [&[usize]; 3]) -> Lowered<Live> {
        let mut axes = vec![vec![]; live.layout.axes.len()];
        let mut to = [1; 3];
        for (dim, group) in groups.into_iter().enumerate() {
            for axis in group.iter().rev() {
                let size = live.layout.axes.get(*axis).map_or(1, |a| extent(a));
                axes[*axis] =
                    if size == 1 { vec![] } else { vec![Atom { dim, size, stride: to[dim] }] };
                to[dim] *= size;
            }
        }
        self.put(live, &Layout::new(axes), &to)
    }

    /// A vector with its numbers in the order of axes, outermost first.
    pub(super) fn in_order(&mut self, live: &Live, order: &[usize]) -> Lowered<Live> {
        let mut axes = vec![vec![]; live.layout.axes.len()];
        let mut stride = 1;
        for axis in order.iter().rev() {
            let size = extent(&live.layout.axes[*axis]);
            axes[*axis] = vec![Atom { dim: 0, size, stride }];
            stride *= size;
        }
        self.put(live, &Layout::new(axes), &[stride])
    }

    /// A sequence of which parts are taken that are not evenly apart along it, as a map in which they are:
    /// every other pixel of every other row. `None` when it is none.
    pub(super) fn as_rows(&mut self, live: &Live) -> Lowered<Option<Live>> {
        let &[c, t, 1] = self.shape(live.layer) else { return Ok(None) };
        let Some(width) = row_of(&live.layout, t) else { return Ok(None) };
        let made = self.once(live.layer, format!("rows of {width}"), |lower| {
            let (view, order) = (vec![c * t], vec![0]);
            let how = Rearrange { view, order, to: Shape::from([c, t / width, width]) };
            let name = lower.helper("rows");
            lower.pointwise(live, name, Op::Rearrange(how))
        })?;
        let mut layout = live.layout.clone();
        for atom in layout.axes.iter_mut().flatten().filter(|a| a.dim == 1) {
            if atom.stride.is_multiple_of(width) {
                atom.stride /= width;
            } else {
                atom.dim = 2;
            }
        }
        let start = layout.offset[1];
        layout.offset[1..].copy_from_slice(&[start / width, start % width]);
        Ok(Some(Live { layout, layer: made.layer, ..live.clone() }))
    }

    /// Two values that lie otherwise, put alike: shuffled channels straight, the second where the first
    /// has its axes, a factor for each channel as a vector, one channel spread over all.
    pub(super) fn made_alike(&mut self, f: Binary, x: Live, y: Live) -> Lowered<(Live, Live)> {
        let (mut x, mut y) = (x, y);
        let dims = [x.layout.dims(), y.layout.dims()];
        if dims[0] == dims[1] {
            let shuffled = |live: &Live| live.layout.axes.get(1).is_some_and(|a| a.len() == 2);
            if shuffled(&x) && !shuffled(&y) {
                std::mem::swap(&mut x, &mut y);
            }
            y = self.like(&y, &x)?;
            return Ok((x, y));
        }
        if dims[0].iter().zip(&dims[1]).all(|(a, b)| a <= b) {
            std::mem::swap(&mut x, &mut y);
        }
        if f == Binary::Mul
            && let Some(gate) = self.gate_like(&y, &x)?
        {
            return Ok((x, gate));
        }
        // Of one channel, where the other has many.
        let c = self.shape(x.layer)[0];
        let places = |live: &Live, dim: usize| {
            let of = |a: &Vec<Atom>| a.iter().all(|a| a.dim == dim);
            live.layout.axes.iter().map(|a| if of(a) { a.clone() } else { vec![] }).collect()
        };
        let all: [Vec<Vec<Atom>>; 2] = [places(&x, 1), places(&x, 2)];
        if self.shape(y.layer).first() == Some(&1)
            && [1, 2].into_iter().zip(all).all(|(dim, x)| x == places(&y, dim))
        {
            self.room(c, 1)?;
            let name = Name { text: format!("{}.spread", self.name(None).text), own: false };
            let op = Op::Linear { out: c, bias: false };
            let params = vec![tensor(Role::Weight, [c, 1], vec![1.0; c])?];
            let layer = self.push(name, op, &[y.layer], params)?;
            if self.shape(layer) == self.shape(x.layer) {
                return Ok((x.clone(), Live { layer, ..x }));
            }
        }
        Err(wanted("two values that lie alike, or a map and a factor for each channel"))
    }

    /// A value with its axes where another has them.
    pub(super) fn like(&mut self, live: &Live, other: &Live) -> Lowered<Live> {
        let shape = self.shape(other.layer).to_vec();
        self.put(live, &other.layout, &shape)
    }

    /// A vector whose axes lie along the channels as those of a map do; `None` when it is none.
    pub(super) fn gate_like(&mut self, gate: &Live, map: &Live) -> Lowered<Option<Live>> {
        let c = self.shape(map.layer)[0];
        let mut axes = Vec::new();
        for (own, of) in gate.layout.axes.iter().zip(&map.layout.axes) {
            if own.is_empty() {
                axes.push(vec![]);
            } else if extent(own) == extent(of) && of.iter().all(|a| a.dim == 0) {
                axes.push(of.clone());
            } else {
                return Ok(None);
            }
        }
        let layout = Layout::new(axes);
        let whole = layout.atoms().map(|a| a.size).product::<usize>() == c;
        if !whole || gate.layout.axes.len() != map.layout.axes.len() {
            return Ok(None);
        }
        self.put(gate, &layout, &[c]).map(Some)
    }

    /// The same values with the axes of `target` in a layer of shape `to`.
    fn put(&mut self, live: &Live, target: &Layout, to: &[usize]) -> Lowered<Live> {
        let live = self.plain(live)?;
        let live = self.whole(&live)?;
        let shape = self.shape(live.layer).to_vec();
        if live.layout == *target && shape == to {
            return Ok(live);
        }
        let pairs = refined(&live.layout, target).ok_or_else(|| wanted(NOT_EVEN))?;
        let not = || wanted(NOT_EVEN);
        let (from, view) = outermost(pairs.iter().map(|(a, _)| *a), &shape).ok_or_else(not)?;
        let (into, _) = outermost(pairs.iter().map(|(_, b)| *b), to).ok_or_else(not)?;
        let mut place = vec![0; pairs.len()];
        from.iter().enumerate().for_each(|(at, pair)| place[*pair] = at);
        let order: Vec<usize> = into.iter().map(|pair| place[*pair]).collect();
        if order.is_sorted() && shape == to {
            return Ok(Live { layout: target.clone(), ..live });
        }
        let count: usize = view.iter().product();
        if count > MOST_MOVED || view.len() > Rearrange::MAX_RANK {
            return Err(wanted("a smaller map, to be put in another order"));
        }
        let how = joined(&view, &order, to);
        let key = format!("rearrange {how:?}");
        let made = self.once(live.layer, key, |lower| {
            let name = lower.helper("rearrange");
            lower.pointwise(&live, name, Op::Rearrange(how))
        })?;
        Ok(Live {
            layer: made.layer,
            layout: target.clone(),
            curve: Rc::new(Curve::X),
            by: live.by,
        })
    }
}

/// The shortest row of a sequence of `t` tokens, such that the steps of a layout along it are even steps from
/// row to row and within a row.
fn row_of(layout: &Layout, t: usize) -> Option<usize> {
    let mut atoms: Vec<Atom> = layout.atoms().filter(|a| a.dim == 1).copied().collect();
    atoms.sort_by_key(|a| a.stride);
    let even = |atoms: &[Atom]| {
        atoms.windows(2).all(|pair| pair[1].stride == pair[0].stride * pair[0].size)
    };
    let fits = |width: &usize| {
        let rows = |a: &Atom| a.stride.is_multiple_of(*width);
        let (outer, inner): (Vec<Atom>, Vec<Atom>) = atoms.iter().partition(|a| rows(a));
        let start = layout.offset[1] % width;
        let last = inner.iter().fold(start, |at, a| at + (a.size - 1) * a.stride);
        last < *width && !outer.is_empty() && even(&outer) && even(&inner)
    };
    (2..t).filter(|width| t.is_multiple_of(*width)).find(fits)
}

/// The axes of two layouts in steps that both have.
fn refined(a: &Layout, b: &Layout) -> Option<Vec<(Atom, Atom)>> {
    if a.axes.len() != b.axes.len() {
        return None;
    }
    let mut pairs = Vec::new();
    for (left, right) in a.axes.iter().zip(&b.axes) {
        // From the innermost.
        let (mut left, mut right) = (left.clone(), right.clone());
        while let (Some(x), Some(y)) = (left.last().copied(), right.last().copied()) {
            let size = x.size.min(y.size);
            let parts = [(x, &mut left), (y, &mut right)].map(|(atom, list)| {
                list.pop();
                if !atom.size.is_multiple_of(size) {
                    return None;
                }
                if atom.size > size {
                    let stride = atom.stride * size;
                    list.push(Atom { size: atom.size / size, stride, ..atom });
                }
                Some(Atom { size, ..atom })
            });
            let [Some(x), Some(y)] = parts else { return None };
            pairs.push((x, y));
        }
        if !left.is_empty() || !right.is_empty() {
            return None;
        }
    }
    Some(pairs)
}

/// Numbers of the atoms, outermost first along a row-major `shape`, and their sizes; `None` when they do
/// not fill it.
fn outermost(
    atoms: impl Iterator<Item = Atom>,
    shape: &[usize],
) -> Option<(Vec<usize>, Vec<usize>)> {
    let mut all: Vec<(usize, Atom)> = atoms.enumerate().collect();
    all.sort_by_key(|(_, atom)| (atom.dim, std::cmp::Reverse(atom.stride)));
    for (dim, size) in shape.iter().enumerate() {
        let mut filled = 1;
        for (_, atom) in all.iter().rev().filter(|(_, a)| a.dim == dim) {
            if atom.stride != filled {
                return None;
            }
            filled *= atom.size;
        }
        if filled != *size {
            return None;
        }
    }
    let fits = all.iter().all(|(_, a)| a.dim < shape.len());
    fits.then(|| all.into_iter().map(|(i, a)| (i, a.size)).unzip())
}

/// The same with axes that stay behind one another joined.
fn joined(view: &[usize], order: &[usize], to: &[usize]) -> Rearrange {
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for axis in order {
        match runs.last_mut() {
            Some((first, count)) if *first + *count == *axis => *count += 1,
            Some(_) | None => runs.push((*axis, 1)),
        }
    }
    let mut sorted = runs.clone();
    sorted.sort_unstable();
    let size = |(first, count): &(usize, usize)| view[*first..first + count].iter().product();
    let place = |run: &(usize, usize)| sorted.binary_search(run).unwrap_or(0);
    Rearrange {
        view: sorted.iter().map(size).collect(),
        order: runs.iter().map(place).collect(),
        to: Shape::from(to.to_vec()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_other_pixel_of_every_other_row_tells_how_long_a_row_is() {
        let sequence = Layout::natural(&[6, 196, 1]).reshaped(&[1, 6, 14, 14]).unwrap();
        let every =
            |start| sequence.sliced(2, start, 6, 2).unwrap().sliced(3, start, 6, 2).unwrap();
        assert_eq!(row_of(&every(0), 196), Some(14));
        assert_eq!(row_of(&every(1), 196), Some(14));
        // Of a row that begins in the middle of one.
        let part = Layout::natural(&[6, 15, 1]).reshaped(&[1, 6, 3, 5]).unwrap();
        let part = part.sliced(2, 0, 2, 2).unwrap().sliced(3, 1, 2, 3).unwrap();
        assert_eq!(row_of(&part, 15), Some(5));
        assert_eq!(row_of(&part, 13), None);
    }
}
