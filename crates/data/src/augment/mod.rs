//! Augmentation: a picture a little different each time training sees it.
//!
//! An [`Augment`] is data: a list of [`Step`]s for each picture and of [`Mix`]es for each batch, one
//! of the [presets](Strength) or written by a person ([`Augment::parse`]). A [`Visit`] of a picture
//! makes concrete numbers of it ([`Augment::draw`], the only place with chance), and [`augmented`]
//! applies them. Operations and magnitudes are torchvision's on Pillow pictures, its default
//! backend, and are compared with it value for value.

mod change;
mod colour;
mod draw;
mod frame;
mod mix;
mod notation;
mod policy;
mod preset;
mod preview;
mod step;
mod warp;

use regraft_net::card::Preprocess;

use crate::pixels::{Scratch, area_resized, check_length, cropped, normalise};
use crate::{DataError, Picture};
pub use change::Change;
pub use draw::Drawn;
use frame::Frame;
pub use mix::Mixed;
pub use policy::{Operation, Policy};
pub use preset::{Advice, Strength, advise};
pub use preview::{preview, restored, to_png};
pub use step::{Mix, Step};

/// What is done to the pictures of a training set, sound by construction. The default does nothing.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Augment {
    steps: Vec<Step>,
    mixes: Vec<Mix>,
}

/// Which picture in which round: with an [`Augment`] it decides every random number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Visit {
    /// The run's seed.
    pub seed: u64,
    /// The round over the training set, from 0.
    pub epoch: u64,
    /// The picture's number in the training set, not its place in a batch.
    pub index: u64,
}

impl Augment {
    /// Steps in the order they are done, and mixtures, one of which each batch gets.
    ///
    /// # Errors
    /// [`DataError::AugmentValue`] for a number out of its range, [`DataError::AugmentOrder`] when
    /// a `RandomResizedCrop` is not the first step or a `RandomErasing` not the last.
    pub fn new(steps: Vec<Step>, mixes: Vec<Mix>) -> Result<Self, DataError> {
        for (at, mut step) in steps.iter().copied().enumerate() {
            let name = step.name();
            let crops = matches!(step, Step::RandomResizedCrop { .. });
            let erases = matches!(step, Step::RandomErasing { .. });
            if crops && at > 0 {
                let reason = "it reads the picture as it was decoded";
                return Err(DataError::AugmentOrder { step: name, wanted: "first", reason });
            }
            if erases && at + 1 < steps.len() {
                let reason = "it changes the normalised input";
                return Err(DataError::AugmentOrder { step: name, wanted: "last", reason });
            }
            step.fields().iter().try_for_each(|field| field.check(name))?;
        }
        for mut mix in mixes.iter().copied() {
            let name = mix.name();
            mix.fields().iter().try_for_each(|field| field.check(name))?;
        }
        Ok(Self { steps, mixes })
    }

    /// The steps, in order.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// The mixtures.
    pub fn mixes(&self) -> &[Mix] {
        &self.mixes
    }

    /// Whether every visit gives what [`preprocess`](crate::preprocess()) gives.
    pub fn is_nothing(&self) -> bool {
        self.steps.is_empty() && self.mixes.is_empty()
    }

    /// The same without mirroring, for pictures whose class depends on left and right or on what
    /// is up: letters, signs, hands.
    #[must_use]
    pub fn without_flips(mut self) -> Self {
        let flips = |s: &Step| matches!(s, Step::HorizontalFlip { .. } | Step::VerticalFlip { .. });
        self.steps.retain(|step| !flips(step));
        self
    }
}

/// [`preprocess`](crate::preprocess()) for training: the network's input `[3, H, W]` from a picture
/// as this visit shows it. Same arguments, same values, on any thread. Mixtures are not applied;
/// they need a batch ([`Augment::draw_mix`]).
///
/// A `RandomResizedCrop` takes the place of the card's resize and centre crop; other steps work on
/// the card's crop. Resized values differ from Pillow's as [`preprocess`](crate::preprocess()) says,
/// changes not at all.
///
/// # Errors
/// As [`preprocess`](crate::preprocess()).
pub fn augmented(
    picture: &Picture,
    p: &Preprocess,
    augment: &Augment,
    visit: Visit,
    scratch: &mut Scratch,
    out: &mut [f32],
) -> Result<(), DataError> {
    let drawn = augment.draw(visit, [picture.height, picture.width], p.crop);
    drawn.apply(picture, p, scratch, out)
}

impl Drawn {
    /// The network's input `[3, H, W]` from a picture with these changes; see [`augmented`].
    ///
    /// # Errors
    /// As [`preprocess`](crate::preprocess()), and [`DataError::AreaOutside`].
    pub fn apply(
        &self,
        picture: &Picture,
        p: &Preprocess,
        scratch: &mut Scratch,
        out: &mut [f32],
    ) -> Result<(), DataError> {
        check_length(p, out)?;
        let [height, width] = p.crop;
        if let Some(area) = self.erased.filter(|area| !area.lies_in(height, width)) {
            return Err(DataError::AreaOutside { area, height, width });
        }
        let (mut rgb, mut spare) = scratch.lend();
        let pixels = match self.area {
            Some(area) => area_resized(picture, area, p, scratch)?,
            None => cropped(picture, p, scratch)?,
        };
        if self.changes.is_empty() {
            normalise(pixels, p, out);
        } else {
            rgb.clear();
            rgb.extend_from_slice(pixels);
            let mut frame = Frame { height, width, rgb: &mut rgb, spare: &mut spare };
            self.changes.iter().for_each(|change| change.run(&mut frame));
            normalise(&rgb, p, out);
        }
        scratch.take_back(rgb, spare);
        if let Some(area) = self.erased {
            for plane in out.chunks_exact_mut(height * width) {
                for row in plane.chunks_exact_mut(width).skip(area.top).take(area.height) {
                    row[area.left..area.left + area.width].fill(0.0);
                }
            }
        }
        Ok(())
    }
}
