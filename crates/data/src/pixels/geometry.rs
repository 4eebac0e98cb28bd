//! Which pixels a resize and centre crop show: torchvision's rules, one axis at a time.

use regraft_net::card::{Preprocess, Resize};

use crate::{DataError, MAX_SIDE, Picture};

/// Longest side of a crop, in pixels: with the longest picture, some 700 MiB between the passes.
const MAX_CROP: usize = 8_192;

/// A rectangle of a picture, in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Area {
    /// First row.
    pub top: usize,
    /// First column.
    pub left: usize,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
}

impl Area {
    /// Whether all of it lies in a picture of this size, and it has a pixel.
    pub(crate) fn lies_in(&self, height: usize, width: usize) -> bool {
        let fits = |start: usize, n: usize, of: usize| n >= 1 && n <= of && start <= of - n;
        fits(self.top, self.height, height) && fits(self.left, self.width, width)
    }
}

/// One axis of a resize followed by a crop, in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Axis {
    /// Size of the whole resized picture.
    pub(super) resized: usize,
    /// First resized pixel that the crop shows.
    pub(super) start: usize,
    /// Resized pixels that the crop shows.
    pub(super) shown: usize,
    /// Black pixels before them.
    pub(super) pad: usize,
    /// Size of the crop; what is not shown before or after is black.
    pub(super) crop: usize,
}

impl Axis {
    /// All of the resized picture.
    pub(super) fn whole(size: usize) -> Self {
        Self { resized: size, start: 0, shown: size, pad: 0, crop: size }
    }

    /// torchvision's `center_crop`: padding rounds down before the picture, the start of the crop
    /// is Python's `int(round((resized - crop) / 2.0))`, which rounds a half to even.
    fn centred(resized: usize, crop: usize) -> Self {
        if crop >= resized {
            return Self { resized, start: 0, shown: resized, pad: (crop - resized) / 2, crop };
        }
        let twice = resized - crop;
        let half = twice / 2;
        let start = half + (twice % 2) * (half % 2);
        Self { resized, start, shown: crop, pad: 0, crop }
    }
}

/// Both axes of a resize and crop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Geometry {
    pub(super) height: Axis,
    pub(super) width: Axis,
}

impl Geometry {
    /// What the card makes of a picture of this size.
    pub(super) fn of(picture: &Picture, p: &Preprocess) -> Result<Self, DataError> {
        let [height, width] = match p.resize {
            Resize::Exact(size) => size,
            Resize::Shorter(size) => {
                let shorter = picture.width.min(picture.height).max(1);
                // int(size * long / short): the quotient of integers this small is never rounded
                // up to the next one, so the integer division gives the same.
                let side = |n: usize| n.saturating_mul(size) / shorter;
                [side(picture.height), side(picture.width)]
            }
        };
        Self::checked(picture, [Axis::centred(height, p.crop[0]), Axis::centred(width, p.crop[1])])
    }

    /// Both axes, height first, if the picture is what it says and the result is not empty or
    /// larger than a picture may be. The resized picture itself may be longer: only what the crop
    /// shows is ever computed.
    pub(super) fn checked(picture: &Picture, axes: [Axis; 2]) -> Result<Self, DataError> {
        let [height, width] = axes;
        let wanted = picture.width.checked_mul(picture.height).and_then(|n| n.checked_mul(3));
        let side = |n: usize| (1..=MAX_SIDE as usize).contains(&n);
        if wanted != Some(picture.rgb.len()) || !side(picture.width) || !side(picture.height) {
            let (width, height) = (picture.width, picture.height);
            return Err(DataError::PictureLength { width, height, given: picture.rgb.len() });
        }
        // The shorter side bounds what a size may ask for, the longer follows from the picture.
        let shorter = height.resized.min(width.resized);
        let crop = |n: usize| (1..=MAX_CROP).contains(&n);
        if !side(shorter) || !crop(height.crop) || !crop(width.crop) {
            return Err(DataError::InputSize {
                resized: [height.resized, width.resized],
                crop: [height.crop, width.crop],
            });
        }
        Ok(Self { height, width })
    }
}

#[cfg(test)]
mod tests {
    use super::Axis;

    #[test]
    fn the_crop_starts_where_torchvision_says() {
        // (resized, crop) -> (start, shown, pad); starts by Python's int(round((r - c) / 2.0)).
        let cases = [
            ((256, 224), (16, 224, 0)),
            ((33, 32), (0, 32, 0)),
            ((35, 32), (2, 32, 0)),
            ((37, 32), (2, 32, 0)),
            ((39, 32), (4, 32, 0)),
            ((32, 32), (0, 32, 0)),
            ((21, 28), (0, 21, 3)),
            ((21, 24), (0, 21, 1)),
        ];
        for ((resized, crop), (start, shown, pad)) in cases {
            let wanted = Axis { resized, start, shown, pad, crop };
            assert_eq!(Axis::centred(resized, crop), wanted);
        }
    }
}
