//! How much augmentation for how much data.

use super::step::RATIO;
use super::{Augment, Step};

/// How strongly pictures are changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Strength {
    /// Not at all.
    None,
    /// Parts of at least half the picture, mirrored.
    Light,
    /// As light, and colours change a little.
    Medium,
    /// Smaller parts, any of fourteen operations, a rectangle erased.
    Strong,
}

/// A strength, what it does, and why.
#[derive(Debug, Clone, PartialEq)]
pub struct Advice {
    /// How strong.
    pub strength: Strength,
    /// The steps.
    pub augment: Augment,
    /// Why, in words for a person.
    pub reason: String,
}

/// With fewer training images a class, augmentation is strong.
const FEW: usize = 50;

/// From this many training images a class on, augmentation is light.
const MANY: usize = 500;

impl Strength {
    /// All, weakest first.
    pub const ALL: [Self; 4] = [Self::None, Self::Light, Self::Medium, Self::Strong];

    /// The word used in files and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Light => "light",
            Self::Medium => "medium",
            Self::Strong => "strong",
        }
    }

    /// The value for a word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|strength| strength.name() == word)
    }

    /// The steps, with a horizontal flip first after the crop if `flip`: whether a mirrored picture
    /// keeps its class only its owner knows.
    pub fn augment(self, flip: bool) -> Augment {
        let crop = |least| Step::RandomResizedCrop { scale: [least, 1.0], ratio: RATIO };
        let mirror = Step::HorizontalFlip { p: 0.5 };
        let steps = match self {
            Self::None => vec![],
            Self::Light => vec![crop(0.5), mirror],
            Self::Medium => vec![crop(0.5), mirror, JITTER],
            Self::Strong => vec![crop(0.25), mirror, Step::TrivialAugment, ERASING],
        };
        let augment = Augment { steps, mixes: Vec::new() };
        if flip { augment } else { augment.without_flips() }
    }
}

/// Colours of other days and cameras, without other colours: hue is left alone, for it often tells
/// classes apart.
const JITTER: Step =
    Step::ColorJitter { brightness: 0.2, contrast: 0.2, saturation: 0.2, hue: 0.0 };

/// A small rectangle in one of four pictures.
const ERASING: Step = Step::RandomErasing { p: 0.25, scale: [0.02, 0.2], ratio: [0.3, 3.3] };

/// What to do with `images_per_class` training images (the mean over the classes), for a network
/// whose weights come from a source task or start `from_scratch`.
///
/// The limits of 50 and 500 images are rules of thumb, not measurements.
pub fn advise(images_per_class: usize, from_scratch: bool, flip: bool) -> Advice {
    let (strength, reason) = if from_scratch {
        let reason = "the network starts from scratch and has no source to have learned from";
        (Strength::Strong, reason.to_owned())
    } else if images_per_class < FEW {
        let reason = "fewer than 50, which a network learns by heart";
        (Strength::Strong, format!("{images_per_class} images a class are {reason}"))
    } else if images_per_class < MANY {
        let reason = "fewer than 500, so light and colours should vary more than they show";
        (Strength::Medium, format!("{images_per_class} images a class are {reason}"))
    } else {
        let reason = "enough to show most of what varies";
        (Strength::Light, format!("{images_per_class} images a class are {reason}"))
    };
    let mirrored = if flip { "" } else { "; nothing is mirrored, as asked" };
    let reason = format!("{reason}: {} augmentation{mirrored}", strength.name());
    Advice { strength, augment: strength.augment(flip), reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fewer_images_ask_for_more_and_scratch_for_most() {
        let cases = [
            (0, false, Strength::Strong),
            (49, false, Strength::Strong),
            (50, false, Strength::Medium),
            (499, false, Strength::Medium),
            (500, false, Strength::Light),
            (usize::MAX, false, Strength::Light),
            (usize::MAX, true, Strength::Strong),
        ];
        for (images, from_scratch, wanted) in cases {
            let advice = advise(images, from_scratch, true);
            assert_eq!(advice.strength, wanted, "{images} {from_scratch}");
            assert!(advice.reason.contains(wanted.name()), "{}", advice.reason);
        }
    }

    #[test]
    fn every_strength_is_sound_and_mirrors_only_when_asked() {
        for strength in Strength::ALL {
            assert_eq!(Strength::parse(strength.name()), Some(strength));
            for flip in [false, true] {
                let augment = strength.augment(flip);
                let text = augment.to_string();
                assert_eq!(text.contains("flip"), flip && strength != Strength::None, "{text}");
                assert_eq!(Augment::parse(&text).unwrap(), augment);
            }
        }
        assert!(Strength::None.augment(true).is_nothing());
        assert!(advise(10, false, false).reason.contains("mirrored"));
    }
}
