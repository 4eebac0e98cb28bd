use crate::{LANES, SliceMut};

/// A border around a map, in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PadSides {
    /// Rows above.
    pub top: usize,
    /// Columns to the left.
    pub left: usize,
    /// Rows below.
    pub bottom: usize,
    /// Columns to the right.
    pub right: usize,
}

impl PadSides {
    /// The wider border on each side.
    #[must_use]
    pub fn max(self, other: Self) -> Self {
        Self {
            top: self.top.max(other.top),
            left: self.left.max(other.left),
            bottom: self.bottom.max(other.bottom),
            right: self.right.max(other.right),
        }
    }
}

/// How a map `[C, H, W]` lies in memory: rows of pixels, each pixel its channels together, with a
/// border of zeros. A vector `[C]` is a map of one pixel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Map {
    /// Channels.
    pub channels: usize,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// Numbers from one pixel to the next, at least `channels`; what lies behind them is zero.
    pub stride: usize,
    /// Border of zeros.
    pub pad: PadSides,
}

impl Map {
    /// A map without border, channels rounded up to [`LANES`].
    pub fn new(channels: usize, height: usize, width: usize) -> Self {
        let stride = channels.next_multiple_of(LANES);
        Self { channels, height, width, stride, pad: PadSides::default() }
    }

    /// Numbers from one row to the next.
    pub fn row(&self) -> usize {
        (self.pad.left + self.width + self.pad.right) * self.stride
    }

    /// Numbers in all, border and rounding included.
    pub fn len(&self) -> usize {
        (self.pad.top + self.height + self.pad.bottom) * self.row()
    }

    /// Whether there are no pixels.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Where the first channel of a pixel lies. `y` and `x` count from the map's corner.
    pub fn at(&self, y: usize, x: usize) -> usize {
        (self.pad.top + y) * self.row() + (self.pad.left + x) * self.stride
    }

    /// Pixels without border.
    pub fn pixels(&self) -> usize {
        self.height * self.width
    }

    /// Whether pixels follow each other without gaps between rows.
    pub(crate) fn gapless(&self) -> bool {
        self.pad.left == 0 && self.pad.right == 0
    }

    /// Writes zeros into the border.
    ///
    /// # Panics
    /// When `data` is not [`Map::len`] long.
    pub fn clear_border(&self, data: SliceMut<'_>) {
        match data {
            SliceMut::F32(data) => self.clear(data),
            SliceMut::Bf16(data) => self.clear(data),
        }
    }

    fn clear<T: Copy + Default>(&self, data: &mut [T]) {
        assert_eq!(data.len(), self.len(), "a map's data");
        if self.pad == PadSides::default() {
            return;
        }
        let row = self.row();
        data[..self.pad.top * row].fill(T::default());
        data[(self.pad.top + self.height) * row..].fill(T::default());
        for y in 0..self.height {
            let line = &mut data[(self.pad.top + y) * row..][..row];
            line[..self.pad.left * self.stride].fill(T::default());
            line[(self.pad.left + self.width) * self.stride..].fill(T::default());
        }
    }
}
