//! One concrete change of a picture, all of its numbers known.

use super::frame::Frame;
use super::{colour, warp};
use crate::{DataError, Picture};

/// A change with its numbers, as torchvision makes it on Pillow pictures. The size stays; pixels
/// from beyond the edge are black.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Change {
    /// `hflip`.
    HorizontalFlip,
    /// `vflip`.
    VerticalFlip,
    /// Row `y` moves left by this times `y`.
    ShearX(f64),
    /// Column `x` moves up by this times `x`.
    ShearY(f64),
    /// To the right by pixels.
    TranslateX(i32),
    /// Down by pixels.
    TranslateY(i32),
    /// `rotate`, degrees counter-clockwise about the centre.
    Rotate(f64),
    /// `adjust_brightness`, factor.
    Brightness(f64),
    /// `adjust_contrast`, factor.
    Contrast(f64),
    /// `adjust_saturation`, factor.
    Saturation(f64),
    /// `adjust_sharpness`, factor.
    Sharpness(f64),
    /// `adjust_hue`, part of the circle, -0.5 to 0.5.
    Hue(f64),
    /// `posterize`, bits kept, 1 to 8.
    Posterize(u8),
    /// `solarize`, first value inverted.
    Solarize(f64),
    /// `autocontrast`.
    AutoContrast,
    /// `equalize`.
    Equalize,
}

impl Change {
    /// Changes a picture.
    ///
    /// # Errors
    /// [`DataError::PictureLength`] when `picture.rgb` does not have the length its size says.
    pub fn apply(self, picture: &mut Picture) -> Result<(), DataError> {
        let (height, width) = (picture.height, picture.width);
        let wanted = height.checked_mul(width).and_then(|n| n.checked_mul(3));
        if wanted != Some(picture.rgb.len()) {
            return Err(DataError::PictureLength { width, height, given: picture.rgb.len() });
        }
        let mut spare = Vec::new();
        self.run(&mut Frame { height, width, rgb: &mut picture.rgb, spare: &mut spare });
        Ok(())
    }

    pub(super) fn run(self, frame: &mut Frame<'_>) {
        match self {
            Self::HorizontalFlip => warp::mirror_columns(frame),
            Self::VerticalFlip => warp::mirror_rows(frame),
            Self::ShearX(share) => warp::shear_x(frame, share),
            Self::ShearY(share) => warp::shear_y(frame, share),
            Self::TranslateX(pixels) => warp::translate(frame, pixels, 0),
            Self::TranslateY(pixels) => warp::translate(frame, 0, pixels),
            Self::Rotate(degrees) => warp::rotate(frame, degrees),
            Self::Brightness(factor) => colour::brightness(frame, factor),
            Self::Contrast(factor) => colour::contrast(frame, factor),
            Self::Saturation(factor) => colour::saturation(frame, factor),
            Self::Sharpness(factor) => colour::sharpness(frame, factor),
            Self::Hue(turn) => colour::hue(frame, turn),
            Self::Posterize(bits) => colour::posterize(frame, bits),
            Self::Solarize(threshold) => colour::solarize(frame, threshold),
            Self::AutoContrast => colour::autocontrast(frame),
            Self::Equalize => colour::equalize(frame),
        }
    }
}
