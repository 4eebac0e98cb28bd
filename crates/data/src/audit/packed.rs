//! Looks as rows of numbers, so that they can be kept where features are.

use super::{FINGERPRINT_SIDE, Fingerprint, Look};
use crate::Format;

/// Counts the changes to what a [`Look`] of the same bytes says, and to how it is packed; also raised with
/// [`PIXELS_VERSION`](crate::PIXELS_VERSION).
pub const LOOK_VERSION: u32 = 1;

/// Bytes of a packed look: format, flags, size of the file, sides, three measures, pixel id, fingerprint.
const BYTES: usize = 2 + 8 + 2 * 4 + 3 * 4 + 32 + FINGERPRINT_SIDE * FINGERPRINT_SIDE;

/// Bytes in a number: whole numbers below 2^24 are exact in `f32`.
const IN_A_NUMBER: usize = 3;

/// Numbers of a packed look.
pub const LOOK_NUMBERS: usize = BYTES.div_ceil(IN_A_NUMBER);

const FORMATS: [Format; 6] =
    [Format::Jpeg, Format::Png, Format::WebP, Format::Bmp, Format::Tiff, Format::Gif];

fn code(format: Format) -> u8 {
    match format {
        Format::Jpeg => 0,
        Format::Png => 1,
        Format::WebP => 2,
        Format::Bmp => 3,
        Format::Tiff => 4,
        Format::Gif => 5,
    }
}

impl Look {
    /// All but the content id as [`LOOK_NUMBERS`] whole numbers below 2^24.
    pub fn to_numbers(&self) -> Vec<f32> {
        let flags = [self.grey, self.sixteen_bit, self.exif_turned, self.alpha];
        let flags = flags.iter().enumerate().map(|(i, set)| u8::from(*set) << i).sum();
        let mut bytes = Vec::with_capacity(BYTES);
        bytes.extend([code(self.format), flags]);
        bytes.extend(self.bytes.to_le_bytes());
        bytes.extend([self.width, self.height].iter().flat_map(|n| (*n as u32).to_le_bytes()));
        let measures = [self.brightness, self.contrast, self.sharpness];
        bytes.extend(measures.iter().flat_map(|v| v.to_le_bytes()));
        bytes.extend(self.pixels);
        bytes.extend(self.fingerprint.values());
        let number = |part: &[u8]| part.iter().rev().fold(0, |n, b| n << 8 | u32::from(*b)) as f32;
        bytes.chunks(IN_A_NUMBER).map(number).collect()
    }

    /// The look at a file with the content id `content` from what [`Look::to_numbers`] made of it; `None`
    /// when it made no such numbers.
    pub fn from_numbers(content: [u8; 32], numbers: &[f32]) -> Option<Self> {
        let whole = |n: &f32| n.fract() == 0.0 && (0.0..16_777_216.0).contains(n);
        if numbers.len() != LOOK_NUMBERS || !numbers.iter().all(whole) {
            return None;
        }
        let bytes: Vec<u8> =
            numbers.iter().flat_map(|n| (*n as u32).to_le_bytes()[..3].to_vec()).collect();
        let mut rest = bytes.as_slice();
        let [format, flags] = take(&mut rest)?;
        let size = u64::from_le_bytes(take(&mut rest)?);
        let mut side = || Some(u32::from_le_bytes(take(&mut rest)?) as usize);
        let (width, height) = (side()?, side()?);
        let mut measure = || Some(f32::from_le_bytes(take(&mut rest)?)).filter(|v| v.is_finite());
        let (brightness, contrast, sharpness) = (measure()?, measure()?, measure()?);
        let flag = |i: u32| flags >> i & 1 == 1;
        Some(Self {
            format: *FORMATS.get(usize::from(format))?,
            bytes: size,
            width,
            height,
            grey: flag(0),
            sixteen_bit: flag(1),
            exif_turned: flag(2),
            alpha: flag(3),
            brightness,
            contrast,
            sharpness,
            pixels: take(&mut rest)?,
            fingerprint: Fingerprint::from_values(&take(&mut rest)?),
            content,
        })
    }
}

/// The first `N` bytes, which are then gone.
fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (first, others) = rest.split_first_chunk::<N>()?;
    *rest = others;
    Some(*first)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look() -> Look {
        let grey: Vec<u8> = (0..100 * 80).map(|i: usize| (i * i % 251) as u8).collect();
        Look {
            format: Format::Gif,
            bytes: 1 << 40 | 7,
            width: 100,
            height: 70_000,
            grey: true,
            sixteen_bit: false,
            exif_turned: true,
            alpha: false,
            brightness: 0.1,
            contrast: 0.3,
            sharpness: 1234.567,
            fingerprint: Fingerprint::of(&grey, 80, 100).unwrap(),
            content: [7; 32],
            pixels: std::array::from_fn(|i| 255 - i as u8),
        }
    }

    #[test]
    fn a_look_comes_back_as_it_was() {
        let numbers = look().to_numbers();
        assert_eq!(numbers.len(), LOOK_NUMBERS);
        assert_eq!(Look::from_numbers([7; 32], &numbers), Some(look()));
        for (place, format) in FORMATS.into_iter().enumerate() {
            assert_eq!(usize::from(code(format)), place);
        }
    }

    #[test]
    fn numbers_that_no_look_has_are_refused() {
        let numbers = look().to_numbers();
        assert_eq!(Look::from_numbers([7; 32], &numbers[1..]), None);
        for wrong in [0.5, -1.0, f32::NAN, 16_777_216.0, 6.0] {
            let mut numbers = numbers.clone();
            numbers[0] = wrong;
            assert_eq!(Look::from_numbers([7; 32], &numbers), None, "{wrong}");
        }
    }
}
