//! The steps of an augmentation and what their numbers may be.

use crate::DataError;

/// One random change of a training picture. Names, definitions and defaults are torchvision's
/// (`torchvision.transforms`, on Pillow pictures: nearest pixel, black beyond the edge).
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Step {
    /// A part of the picture, resized to the card's crop with the card's filter: it replaces the
    /// card's resize and centre crop (Szegedy et al., arXiv 1409.4842).
    RandomResizedCrop {
        /// Share of the picture's area.
        scale: [f32; 2],
        /// Width divided by height, its logarithm uniform.
        ratio: [f32; 2],
    },
    /// Left and right change places.
    HorizontalFlip {
        /// Probability.
        p: f32,
    },
    /// Top and bottom change places.
    VerticalFlip {
        /// Probability.
        p: f32,
    },
    /// A turn about the centre by an angle between `-degrees` and `degrees`.
    Rotation {
        /// Largest angle.
        degrees: f32,
    },
    /// Brightness, contrast and saturation times a factor between `1 - value` (at least 0) and
    /// `1 + value`, hue turned by up to `hue` of the circle, in random order.
    ColorJitter {
        /// Range of the brightness factor about 1.
        brightness: f32,
        /// Range of the contrast factor about 1.
        contrast: f32,
        /// Range of the saturation factor about 1.
        saturation: f32,
        /// Largest turn of the hue, 0.5 for half the circle.
        hue: f32,
    },
    /// `ops` of the fourteen operations, all of one magnitude (Cubuk et al., arXiv 1909.13719).
    RandAugment {
        /// Operations a picture.
        ops: usize,
        /// 0 to 30.
        magnitude: usize,
    },
    /// One of the fourteen operations with a random magnitude, wide ranges (Müller and Hutter,
    /// arXiv 2103.10158).
    TrivialAugment,
    /// A rectangle of the normalised input set to 0, the mean colour of the network's source
    /// (Zhong et al., arXiv 1708.04896).
    RandomErasing {
        /// Probability.
        p: f32,
        /// Share of the input's area.
        scale: [f32; 2],
        /// Height divided by width, its logarithm uniform.
        ratio: [f32; 2],
    },
}

/// A mixture of each input of a batch with another one of it, and of their targets.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Mix {
    /// The weighted mean of both (Zhang et al., arXiv 1710.09412).
    Mixup {
        /// Both parameters of the beta distribution of the weight.
        alpha: f32,
    },
    /// A rectangle of one in the other (Yun et al., arXiv 1905.04899).
    CutMix {
        /// Both parameters of the beta distribution of the area kept.
        alpha: f32,
    },
}

/// Every step once, with the numbers it has when a text gives none.
pub(super) const STEPS: [Step; 8] = [
    Step::RandomResizedCrop { scale: [0.08, 1.0], ratio: RATIO },
    Step::HorizontalFlip { p: 0.5 },
    Step::VerticalFlip { p: 0.5 },
    Step::Rotation { degrees: 15.0 },
    Step::ColorJitter { brightness: 0.2, contrast: 0.2, saturation: 0.2, hue: 0.0 },
    Step::RandAugment { ops: 2, magnitude: 9 },
    Step::TrivialAugment,
    Step::RandomErasing { p: 0.5, scale: [0.02, 0.33], ratio: [0.3, 3.3] },
];

/// Every mixture once, as [`STEPS`].
pub(super) const MIXES: [Mix; 2] = [Mix::Mixup { alpha: 1.0 }, Mix::CutMix { alpha: 1.0 }];

/// The usual range of a crop's width divided by its height.
pub(super) const RATIO: [f32; 2] = [3.0 / 4.0, 4.0 / 3.0];

/// A number of a step, by name, and its smallest and largest value.
pub(super) struct Field<'s> {
    pub(super) name: &'static str,
    pub(super) slot: Slot<'s>,
    pub(super) limits: [f32; 2],
}

/// Where a field's number is.
pub(super) enum Slot<'s> {
    One(&'s mut f32),
    Range(&'s mut [f32; 2]),
    Count(&'s mut usize),
}

impl Step {
    /// The word used in files and on the command line.
    pub fn name(&self) -> &'static str {
        match self {
            Self::RandomResizedCrop { .. } => "random-resized-crop",
            Self::HorizontalFlip { .. } => "horizontal-flip",
            Self::VerticalFlip { .. } => "vertical-flip",
            Self::Rotation { .. } => "rotation",
            Self::ColorJitter { .. } => "color-jitter",
            Self::RandAugment { .. } => "rand-augment",
            Self::TrivialAugment => "trivial-augment",
            Self::RandomErasing { .. } => "random-erasing",
        }
    }

    pub(super) fn fields(&mut self) -> Vec<Field<'_>> {
        match self {
            Self::RandomResizedCrop { scale, ratio } => vec![
                Field::range("scale", scale, [0.001, 1.0]),
                Field::range("ratio", ratio, RATIO_LIMITS),
            ],
            Self::HorizontalFlip { p } | Self::VerticalFlip { p } => {
                vec![Field::one("p", p, [0.0, 1.0])]
            }
            Self::Rotation { degrees } => vec![Field::one("degrees", degrees, [0.0, 180.0])],
            Self::ColorJitter { brightness, contrast, saturation, hue } => vec![
                Field::one("brightness", brightness, FACTOR_LIMITS),
                Field::one("contrast", contrast, FACTOR_LIMITS),
                Field::one("saturation", saturation, FACTOR_LIMITS),
                Field::one("hue", hue, [0.0, 0.5]),
            ],
            Self::RandAugment { ops, magnitude } => vec![
                Field { name: "ops", slot: Slot::Count(ops), limits: [1.0, 16.0] },
                Field { name: "magnitude", slot: Slot::Count(magnitude), limits: [0.0, 30.0] },
            ],
            Self::TrivialAugment => Vec::new(),
            Self::RandomErasing { p, scale, ratio } => vec![
                Field::one("p", p, [0.0, 1.0]),
                Field::range("scale", scale, [0.0, 1.0]),
                Field::range("ratio", ratio, RATIO_LIMITS),
            ],
        }
    }
}

const RATIO_LIMITS: [f32; 2] = [0.01, 100.0];
const FACTOR_LIMITS: [f32; 2] = [0.0, 10.0];

impl Mix {
    /// The word used in files and on the command line.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Mixup { .. } => "mixup",
            Self::CutMix { .. } => "cutmix",
        }
    }

    pub(super) fn fields(&mut self) -> Vec<Field<'_>> {
        match self {
            Self::Mixup { alpha } | Self::CutMix { alpha } => {
                vec![Field::one("alpha", alpha, [0.01, 100.0])]
            }
        }
    }
}

impl<'s> Field<'s> {
    fn one(name: &'static str, value: &'s mut f32, limits: [f32; 2]) -> Self {
        Self { name, slot: Slot::One(value), limits }
    }

    fn range(name: &'static str, value: &'s mut [f32; 2], limits: [f32; 2]) -> Self {
        Self { name, slot: Slot::Range(value), limits }
    }

    /// As the notation writes it.
    pub(super) fn text(&self) -> String {
        match &self.slot {
            Slot::One(value) => value.to_string(),
            Slot::Range([low, high]) => format!("{low}..{high}"),
            Slot::Count(value) => value.to_string(),
        }
    }

    /// The error for a value of this field of `step` that cannot be.
    pub(super) fn error(&self, step: &'static str, given: &str) -> DataError {
        let [low, high] = self.limits;
        let wanted = match self.slot {
            Slot::One(_) => format!("a number from {low} to {high}"),
            Slot::Range(_) => format!("a range such as `{low}..{high}`, within these limits"),
            Slot::Count(_) => format!("a whole number from {low} to {high}"),
        };
        DataError::AugmentValue { step, field: self.name, given: given.to_owned(), wanted }
    }

    /// Whether the number lies within the limits.
    pub(super) fn check(&self, step: &'static str) -> Result<(), DataError> {
        let within = |v: f32| self.limits[0] <= v && v <= self.limits[1];
        let good = match &self.slot {
            Slot::One(value) => within(**value),
            Slot::Range([low, high]) => within(*low) && within(*high) && low <= high,
            Slot::Count(value) => within(**value as f32),
        };
        if good { Ok(()) } else { Err(self.error(step, &self.text())) }
    }
}
