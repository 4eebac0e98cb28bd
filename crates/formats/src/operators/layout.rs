//! How the axes of an ONNX value lie in the output of one of our layers.
//!
//! Each axis is a product of [`Atom`]s, outermost first, and an atom runs along one dimension of the
//! layer's output with a step. So a transposition permutes axes, a reshape regroups atoms, a slice
//! shortens one, and none of them computes anything. An axis of extent 1 has no atoms.

/// A run along one dimension of a layer's output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Atom {
    /// Dimension of the layer's output: 0 channels, 1 rows or tokens, 2 columns.
    pub(super) dim: usize,
    /// Steps.
    pub(super) size: usize,
    /// Distance between steps along the dimension.
    pub(super) stride: usize,
}

/// The axes of a value in the output of a layer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Layout {
    /// First index along each dimension.
    pub(super) offset: [usize; 3],
    /// The axes of the ONNX value.
    pub(super) axes: Vec<Vec<Atom>>,
}

/// The extent of an axis.
pub(super) fn extent(axis: &[Atom]) -> usize {
    axis.iter().map(|a| a.size).product()
}

impl Layout {
    /// A layout from axes.
    pub(super) fn new(axes: Vec<Vec<Atom>>) -> Self {
        let mut layout = Self { offset: [0; 3], axes };
        layout.tidy();
        layout
    }

    /// The same from other first indices.
    pub(super) fn with_offset(self, offset: [usize; 3]) -> Self {
        Self { offset, ..self }
    }

    /// One axis for the whole of dimension `dim`.
    pub(super) fn whole(dim: usize, size: usize) -> Vec<Atom> {
        if size == 1 { Vec::new() } else { vec![Atom { dim, size, stride: 1 }] }
    }

    /// The usual axes: a batch of 1, then each dimension of `shape`.
    pub(super) fn natural(shape: &[usize]) -> Self {
        let axes = shape.iter().enumerate().map(|(dim, size)| Self::whole(dim, *size));
        Self::new(std::iter::once(Vec::new()).chain(axes).collect())
    }

    /// Extents of the axes.
    pub(super) fn dims(&self) -> Vec<usize> {
        self.axes.iter().map(|a| extent(a)).collect()
    }

    /// Joins atoms that lie behind one another in their axis and in their dimension.
    fn tidy(&mut self) {
        for axis in &mut self.axes {
            let mut joined: Vec<Atom> = Vec::with_capacity(axis.len());
            for atom in axis.iter().filter(|a| a.size != 1) {
                match joined.last_mut() {
                    Some(last)
                        if last.dim == atom.dim && last.stride == atom.stride * atom.size =>
                    {
                        last.size *= atom.size;
                        last.stride = atom.stride;
                    }
                    Some(_) | None => joined.push(*atom),
                }
            }
            *axis = joined;
        }
    }

    /// All atoms, in the order of the axes.
    pub(super) fn atoms(&self) -> impl Iterator<Item = &Atom> {
        self.axes.iter().flatten()
    }

    /// Whether every value of an output of `shape` is in it.
    pub(super) fn covers(&self, shape: &[usize]) -> bool {
        let all: usize = shape.iter().product();
        self.offset == [0; 3] && self.atoms().map(|a| a.size).product::<usize>() == all
    }

    /// The axes in another order; `None` when it is none.
    pub(super) fn transposed(&self, order: &[usize]) -> Option<Self> {
        let mut seen = vec![false; self.axes.len()];
        for axis in order {
            if std::mem::replace(seen.get_mut(*axis)?, true) {
                return None;
            }
        }
        if order.len() != self.axes.len() {
            return None;
        }
        let axes = order.iter().filter_map(|a| self.axes.get(*a).cloned()).collect();
        Some(Self { offset: self.offset, axes })
    }

    /// Other extents over the same values in the same order; `None` when an atom would be torn
    /// otherwise than in equal parts.
    pub(super) fn reshaped(&self, dims: &[usize]) -> Option<Self> {
        // What lies in one run is one atom, wherever axes end.
        let all = Self::new(vec![self.atoms().copied().collect()]);
        let mut left: Vec<Atom> = all.axes.concat();
        left.reverse();
        let mut axes = Vec::with_capacity(dims.len());
        for dim in dims {
            let mut need = *dim;
            let mut axis = Vec::new();
            if need == 0 {
                return None;
            }
            while need > 1 {
                let atom = left.pop()?;
                if need.is_multiple_of(atom.size) {
                    need /= atom.size;
                    axis.push(atom);
                } else if atom.size.is_multiple_of(need) {
                    let inner = atom.size / need;
                    axis.push(Atom { size: need, stride: atom.stride * inner, ..atom });
                    left.push(Atom { size: inner, ..atom });
                    need = 1;
                } else {
                    return None;
                }
            }
            axes.push(axis);
        }
        let mut layout = Self { offset: self.offset, axes };
        layout.tidy();
        left.is_empty().then_some(layout)
    }

    /// `count` steps of an axis from `start`, `step` apart; `None` when the axis is of several atoms
    /// and the part is no run of whole ones.
    pub(super) fn sliced(
        &self,
        axis: usize,
        start: usize,
        count: usize,
        step: usize,
    ) -> Option<Self> {
        let atoms = self.axes.get(axis)?;
        let size = extent(atoms);
        let last = count.checked_sub(1)?.checked_mul(step)?.checked_add(start)?;
        if step == 0 || last >= size {
            return None;
        }
        if count == size {
            return Some(self.clone());
        }
        let mut made = self.clone();
        let mut rest = size;
        let mut at = start;
        if count == 1 {
            for atom in atoms {
                rest /= atom.size;
                made.offset[atom.dim] += at / rest * atom.stride;
                at %= rest;
            }
            made.axes[axis].clear();
            return Some(made);
        }
        let outer = *atoms.first()?;
        rest /= outer.size;
        let aligned = step == 1 && start.is_multiple_of(rest) && count.is_multiple_of(rest);
        if rest > 1 && !aligned {
            return None;
        }
        made.offset[outer.dim] += start / rest * outer.stride;
        made.axes[axis][0] = Atom { size: count / rest, stride: outer.stride * step, ..outer };
        made.tidy();
        Some(made)
    }

    /// For each step along an axis, its index along dimension 0, offset included; `None` when the axis
    /// runs along another dimension too.
    pub(super) fn channels(&self, axis: usize) -> Option<Vec<usize>> {
        let atoms = self.axes.get(axis)?;
        if atoms.iter().any(|a| a.dim != 0) {
            return None;
        }
        Some(walk(atoms, |_| Some(1)).into_iter().map(|i| i + self.offset[0]).collect())
    }
}

/// For each step along an axis, the sum of the index along each dimension times its `weight`; a
/// dimension without weight does not count.
pub(super) fn walk(axis: &[Atom], weight: impl Fn(usize) -> Option<usize>) -> Vec<usize> {
    let mut all = vec![0];
    for atom in axis {
        let step = weight(atom.dim).unwrap_or(0) * atom.stride;
        all = all.iter().flat_map(|base| (0..atom.size).map(move |i| base + i * step)).collect();
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transposition_there_and_back_is_nothing() {
        let map = Layout::natural(&[6, 4, 5]);
        let last = map.transposed(&[0, 2, 3, 1]).unwrap();
        assert_eq!(last.dims(), [1, 4, 5, 6]);
        assert_eq!(last.transposed(&[0, 3, 1, 2]).unwrap(), map);
        assert_eq!(map.transposed(&[0, 1, 1, 2]), None);
    }

    #[test]
    fn a_reshape_and_back_is_nothing() {
        let map = Layout::natural(&[6, 4, 5]);
        let split = map.reshaped(&[1, 2, 3, 20]).unwrap();
        assert_eq!(split.axes[1], [Atom { dim: 0, size: 2, stride: 3 }]);
        assert_eq!(split.reshaped(&[1, 6, 4, 5]).unwrap(), map);
        assert_eq!(map.reshaped(&[1, 4, 30]), None, "6 is not in parts of 4");
    }

    #[test]
    fn a_shuffle_is_two_runs_along_the_channels() {
        let map = Layout::natural(&[6, 4, 5]);
        let shuffled = map.reshaped(&[1, 2, 3, 4, 5]).unwrap().transposed(&[0, 2, 1, 3, 4]);
        let shuffled = shuffled.unwrap().reshaped(&[1, 6, 4, 5]).unwrap();
        assert_eq!(shuffled.channels(1), Some(vec![0, 3, 1, 4, 2, 5]));
        assert!(shuffled.covers(&[6, 4, 5]));
    }

    #[test]
    fn a_part_of_an_axis_begins_behind_the_offset() {
        let map = Layout::natural(&[6, 4, 5]);
        let part = map.sliced(1, 2, 3, 1).unwrap();
        assert_eq!(part.channels(1), Some(vec![2, 3, 4]));
        let heads = map.reshaped(&[1, 3, 2, 20]).unwrap().sliced(1, 1, 1, 1).unwrap();
        assert_eq!((heads.offset[0], heads.channels(2)), (2, Some(vec![2, 3])));
        assert_eq!(map.sliced(1, 5, 2, 1), None);
        assert_eq!(map.sliced(1, 0, 0, 1), None);
    }
}
