//! Values moved to other places, nothing computed.

use crate::simd::Number;
use crate::slice::typed;
use crate::{Map, Slice, SliceMut};

/// Where each value of a map comes from.
#[derive(Debug, Clone)]
pub struct Rearrange {
    /// For each value, its place in the map read and in the map written.
    moves: Vec<[u32; 2]>,
    input: Map,
    output: Map,
}

impl Rearrange {
    /// `places` has, for each value of the output, row-major `[C, H, W]`, the place of the value in the
    /// input, row-major `[C, H, W]`.
    ///
    /// # Panics
    /// When the places are not as many as either map has values, or one lies outside.
    pub fn new(places: &[usize], input: &Map, output: &Map) -> Self {
        let (from, to) = (offsets(input), offsets(output));
        assert_eq!((places.len(), places.len()), (from.len(), to.len()), "a place for each value");
        let mut moves: Vec<[u32; 2]> =
            places.iter().zip(&to).map(|(place, to)| [from[*place], *to]).collect();
        // Written in order.
        moves.sort_unstable_by_key(|[_, to]| *to);
        Self { moves, input: *input, output: *output }
    }

    /// The values of `x` in their places in `y`.
    ///
    /// # Panics
    /// When slices do not fit the maps.
    pub fn run(&self, x: Slice<'_>, y: SliceMut<'_>) {
        typed!(x, y, |x, y| self.typed(x, y));
    }

    fn typed<X: Number, Y: Number>(&self, x: &[X], y: &mut [Y]) {
        let lengths = (self.input.len(), self.output.len());
        assert_eq!((x.len(), y.len()), lengths, "values fill their maps");
        y.fill(Y::of(0.0));
        for [from, to] in &self.moves {
            y[*to as usize] = Y::of(x[*from as usize].value());
        }
    }
}

/// Where each value of a map lies, row-major `[C, H, W]`.
fn offsets(map: &Map) -> Vec<u32> {
    assert!(u32::try_from(map.len()).is_ok(), "a map below 2^32 numbers");
    let mut all = Vec::with_capacity(map.channels * map.pixels());
    for c in 0..map.channels {
        for y in 0..map.height {
            all.extend((0..map.width).map(|x| (map.at(y, x) + c) as u32));
        }
    }
    all
}
