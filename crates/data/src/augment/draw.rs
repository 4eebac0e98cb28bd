//! From an augmentation and a visit to numbers: all chance is here, and none elsewhere.

use std::collections::BTreeMap;

use super::change::Change;
use super::policy::Policy;
use super::step::Step;
use super::{Augment, Visit};
use crate::Area;
use crate::chance::Chance;

/// Rectangles tried before a fallback, torchvision's number.
const TRIES: usize = 10;

/// The concrete changes of one picture in one epoch.
#[derive(Debug, Clone, PartialEq)]
pub struct Drawn {
    /// The part of the picture that is resized to the card's crop; `None`: the card's own resize
    /// and centre crop.
    pub area: Option<Area>,
    /// What then is done to the `[H, W, 3]` pixels, in order.
    pub changes: Vec<Change>,
    /// The part of the normalised input `[3, H, W]` that becomes 0.
    pub erased: Option<Area>,
}

impl Augment {
    /// What this visit does to a picture of `picture` pixels that becomes an input of `crop`
    /// pixels, both `[height, width]`.
    ///
    /// Each step has its own stream of random numbers: `ChaCha8` keyed with the BLAKE3 hash of
    /// `seed ‖ "augment " ‖ name of the step ‖ epoch ‖ index ‖ k` for the `k`th step of that name,
    /// integers as 8 bytes, lowest first. So a step draws the same whatever other steps there are.
    pub fn draw(&self, visit: Visit, picture: [usize; 2], crop: [usize; 2]) -> Drawn {
        let mut drawn = Drawn { area: None, changes: Vec::new(), erased: None };
        let mut seen: BTreeMap<&str, u64> = BTreeMap::new();
        for step in self.steps() {
            let count = seen.entry(step.name()).or_default();
            let name = format!("augment {}", step.name());
            let numbers = [visit.epoch, visit.index, *count];
            drawn.add(step, &mut Chance::new(visit.seed, &name, numbers), picture, crop);
            *count += 1;
        }
        drawn
    }
}

impl Drawn {
    fn add(&mut self, step: &Step, chance: &mut Chance, picture: [usize; 2], crop: [usize; 2]) {
        match step {
            Step::RandomResizedCrop { scale, ratio } => {
                self.area = Some(resized_area(chance, picture, *scale, *ratio));
            }
            Step::HorizontalFlip { p } => {
                self.changes.extend(chance.happens(*p).then_some(Change::HorizontalFlip));
            }
            Step::VerticalFlip { p } => {
                self.changes.extend(chance.happens(*p).then_some(Change::VerticalFlip));
            }
            Step::Rotation { degrees } => {
                let most = f64::from(*degrees);
                self.changes.push(Change::Rotate(chance.between(-most, most)));
            }
            Step::ColorJitter { brightness, contrast, saturation, hue } => {
                self.changes.extend(jitter(chance, [*brightness, *contrast, *saturation, *hue]));
            }
            Step::RandAugment { ops, magnitude } => {
                let one = |_| Policy::Rand.draw(Some(*magnitude), crop, chance);
                self.changes.extend((0..*ops).filter_map(one));
            }
            Step::TrivialAugment => {
                self.changes.extend(Policy::TrivialWide.draw(None, crop, chance));
            }
            Step::RandomErasing { p, scale, ratio } => {
                if chance.happens(*p) {
                    self.erased = erased_area(chance, crop, *scale, *ratio);
                }
            }
        }
    }
}

/// torchvision's `RandomResizedCrop.get_params`: the largest middle part with a ratio in the range
/// when no rectangle drawn fits.
fn resized_area(
    chance: &mut Chance,
    picture: [usize; 2],
    scale: [f32; 2],
    ratio: [f32; 2],
) -> Area {
    let [height, width] = picture.map(|n| n.max(1));
    for _ in 0..TRIES {
        let (area, ratio) = area_and_ratio(chance, [height, width], scale, ratio);
        let w = (area * ratio).sqrt().round_ties_even() as usize;
        let h = (area / ratio).sqrt().round_ties_even() as usize;
        if (1..=width).contains(&w) && (1..=height).contains(&h) {
            let (top, left) = (chance.below(height - h + 1), chance.below(width - w + 1));
            return Area { top, left, height: h, width: w };
        }
    }
    let [low, high] = ratio.map(f64::from);
    let shape = width as f64 / height as f64;
    let part = |n: f64, of: usize| (n.round_ties_even() as usize).clamp(1, of);
    let (h, w) = if shape < low {
        (part(width as f64 / low, height), width)
    } else if shape > high {
        (height, part(height as f64 * high, width))
    } else {
        (height, width)
    };
    Area { top: (height - h) / 2, left: (width - w) / 2, height: h, width: w }
}

/// torchvision's `RandomErasing.get_params`: nothing when no rectangle drawn is smaller than the
/// input on both sides.
fn erased_area(
    chance: &mut Chance,
    [height, width]: [usize; 2],
    scale: [f32; 2],
    ratio: [f32; 2],
) -> Option<Area> {
    for _ in 0..TRIES {
        let (area, ratio) = area_and_ratio(chance, [height, width], scale, ratio);
        let h = (area * ratio).sqrt().round_ties_even() as usize;
        let w = (area / ratio).sqrt().round_ties_even() as usize;
        if h < height && w < width {
            let (top, left) = (chance.below(height - h + 1), chance.below(width - w + 1));
            return (h > 0 && w > 0).then_some(Area { top, left, height: h, width: w });
        }
    }
    None
}

/// Pixels, uniform as a share of the picture, and a ratio whose logarithm is uniform.
fn area_and_ratio(
    chance: &mut Chance,
    [height, width]: [usize; 2],
    scale: [f32; 2],
    ratio: [f32; 2],
) -> (f64, f64) {
    let [low, high] = scale.map(f64::from);
    let area = (height * width) as f64 * chance.between(low, high);
    let [low, high] = ratio.map(|r| f64::from(r).ln());
    (area, chance.between(low, high).exp())
}

/// The changes of `ColorJitter` that have a range, in random order.
fn jitter(chance: &mut Chance, ranges: [f32; 4]) -> Vec<Change> {
    let make: [fn(f64) -> Change; 4] =
        [Change::Brightness, Change::Contrast, Change::Saturation, Change::Hue];
    let mut changes = Vec::with_capacity(4);
    for (at, (make, range)) in make.into_iter().zip(ranges.map(f64::from)).enumerate() {
        // Only the hue is turned about 0, and 0 must not take the way through 8-bit HSV.
        let (low, high) =
            if at == 3 { (-range, range) } else { ((1.0 - range).max(0.0), 1.0 + range) };
        let value = chance.between(low, high);
        if range > 0.0 {
            changes.push(make(value));
        }
    }
    for last in (1..changes.len()).rev() {
        changes.swap(last, chance.below(last + 1));
    }
    changes
}
