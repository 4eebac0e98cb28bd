//! Which pixels a unit sees.

use regraft_net::facts::ReceptiveField;

/// A rectangle of pixels, which may reach over the border of the picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patch {
    /// Row of its first pixel, negative above the picture.
    pub top: isize,
    /// Column of its first pixel, negative left of the picture.
    pub left: isize,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
}

impl Patch {
    /// What a unit in `[row, column]` of a map sees of a picture of `[height, width]` pixels: its receptive field, at
    /// its own size so that patches at the border lie as those within, or the whole picture where the field is at
    /// least as large, or none is known.
    pub fn of(
        field: Option<ReceptiveField>,
        [row, column]: [usize; 2],
        [height, width]: [usize; 2],
    ) -> Self {
        match field {
            Some(field) if field.size[0] < height || field.size[1] < width => Self {
                top: field.start[0] + (row * field.stride[0]) as isize,
                left: field.start[1] + (column * field.stride[1]) as isize,
                height: field.size[0],
                width: field.size[1],
            },
            Some(_) | None => Self { top: 0, left: 0, height, width },
        }
    }

    /// The patch of a plane `[H, W]`, row-major, with `outside` where it reaches over the border.
    pub fn cut<T: Copy>(&self, plane: &[T], [height, width]: [usize; 2], outside: T) -> Vec<T> {
        let mut out = Vec::with_capacity(self.height * self.width);
        for y in (self.top..).take(self.height) {
            for x in (self.left..).take(self.width) {
                let inside =
                    |at: isize, length: usize| usize::try_from(at).ok().filter(|i| *i < length);
                let pixel = inside(y, height).zip(inside(x, width));
                out.push(pixel.map_or(outside, |(y, x)| plane[y * width + x]));
            }
        }
        out
    }
}
