//! The operations and magnitudes of `RandAugment` and `TrivialAugmentWide`, torchvision's tables
//! (`torchvision/transforms/autoaugment.py`).

use super::change::Change;
use crate::chance::Chance;

/// Magnitudes are numbered 0 to 30.
pub(super) const BINS: usize = 31;

/// Which table of magnitudes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// `RandAugment`: narrow ranges, translations by a share of the picture.
    Rand,
    /// `TrivialAugmentWide`: wide ranges, translations up to 32 pixels.
    TrivialWide,
}

/// An operation both policies choose from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// Nothing.
    Identity,
    /// [`Change::ShearX`].
    ShearX,
    /// [`Change::ShearY`].
    ShearY,
    /// [`Change::TranslateX`].
    TranslateX,
    /// [`Change::TranslateY`].
    TranslateY,
    /// [`Change::Rotate`].
    Rotate,
    /// [`Change::Brightness`].
    Brightness,
    /// [`Change::Saturation`].
    Color,
    /// [`Change::Contrast`].
    Contrast,
    /// [`Change::Sharpness`].
    Sharpness,
    /// [`Change::Posterize`].
    Posterize,
    /// [`Change::Solarize`].
    Solarize,
    /// [`Change::AutoContrast`].
    AutoContrast,
    /// [`Change::Equalize`].
    Equalize,
}

impl Operation {
    /// All, in torchvision's order.
    pub const ALL: [Self; 14] = [
        Self::Identity,
        Self::ShearX,
        Self::ShearY,
        Self::TranslateX,
        Self::TranslateY,
        Self::Rotate,
        Self::Brightness,
        Self::Color,
        Self::Contrast,
        Self::Sharpness,
        Self::Posterize,
        Self::Solarize,
        Self::AutoContrast,
        Self::Equalize,
    ];
}

impl Policy {
    /// What an operation does to a picture of `[height, width]` pixels at a magnitude, 0 to 30
    /// (larger counts as 30); `negative` turns the direction of those that have one. `None` for
    /// [`Operation::Identity`].
    pub fn change(
        self,
        operation: Operation,
        magnitude: usize,
        negative: bool,
        [height, width]: [usize; 2],
    ) -> Option<Change> {
        let bin = magnitude.min(BINS - 1);
        let wide = self == Self::TrivialWide;
        let signed = |most: f64| {
            let value = f64::from(linspace(0.0, most as f32, bin));
            if negative { -value } else { value }
        };
        let shear = || signed(if wide { 0.99 } else { 0.3 });
        let pixels = |side: usize| signed(if wide { 32.0 } else { 150.0 / 331.0 * side as f64 });
        let factor = || 1.0 + signed(if wide { 0.99 } else { 0.9 });
        Some(match operation {
            Operation::Identity => return None,
            Operation::ShearX => Change::ShearX(shear()),
            Operation::ShearY => Change::ShearY(shear()),
            Operation::TranslateX => Change::TranslateX(pixels(width) as i32),
            Operation::TranslateY => Change::TranslateY(pixels(height) as i32),
            Operation::Rotate => Change::Rotate(signed(if wide { 135.0 } else { 30.0 })),
            Operation::Brightness => Change::Brightness(factor()),
            Operation::Color => Change::Saturation(factor()),
            Operation::Contrast => Change::Contrast(factor()),
            Operation::Sharpness => Change::Sharpness(factor()),
            Operation::Posterize => {
                // torchvision divides by 30 / 4 or 30 / 6 and rounds a half to even, in f32.
                let lost = bin as f32 / if wide { 5.0 } else { 7.5 };
                Change::Posterize(8 - lost.round_ties_even() as u8)
            }
            Operation::Solarize => Change::Solarize(f64::from(linspace(255.0, 0.0, bin))),
            Operation::AutoContrast => Change::AutoContrast,
            Operation::Equalize => Change::Equalize,
        })
    }

    /// A random operation with the magnitude given, or a random one.
    pub(super) fn draw(
        self,
        magnitude: Option<usize>,
        size: [usize; 2],
        chance: &mut Chance,
    ) -> Option<Change> {
        let operation = Operation::ALL[chance.below(Operation::ALL.len())];
        let magnitude = magnitude.unwrap_or_else(|| chance.below(BINS));
        let negative = chance.below(2) == 1;
        self.change(operation, magnitude, negative, size)
    }
}

/// Value `bin` of `torch.linspace(from, to, 31)` in `f32`: counted from the nearer end, and rounded
/// once, as torch does with AVX2 and better. (On lesser instruction sets one in thirty of its own
/// values differs in the last bit.)
fn linspace(from: f32, to: f32, bin: usize) -> f32 {
    let step = (to - from) / (BINS - 1) as f32;
    if bin < BINS / 2 {
        step.mul_add(bin as f32, from)
    } else {
        (-step).mul_add((BINS - 1 - bin) as f32, to)
    }
}
