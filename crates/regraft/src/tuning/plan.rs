//! The plan of a training, and why it is so.

use std::path::Path;

use regraft_data::{Augment, advise};
use regraft_run::{Reason, TuningPlan};
use regraft_train::{Asked, Found, Optimiser, Rates, Recipe, Schedule, Table, Unfreeze};

use super::aim::Aim;
use super::{Augmentation, HeadLayers, Tuning};
use crate::balance::counted;
use crate::head::is_head;
use crate::{Error, FeatureKind, Strategy};

/// Images of a step, unless told otherwise.
pub(super) const BATCH: usize = 32;
/// Longest gradient of a step.
const CLIP: f64 = 5.0;
/// Changed copies kept of each image, at most.
const COPIES: usize = 4;

/// The plan of a training.
pub(crate) struct Planned {
    pub(crate) table: Table,
    pub(super) asked: Asked,
    pub(crate) recipe: Recipe,
    pub(crate) augment: Augment,
    pub(crate) copies: usize,
    hidden: HeadLayers,
    pub(crate) reasons: Vec<Reason>,
}

/// Collects choices with their reasons.
#[derive(Default)]
struct Reasons(Vec<Reason>);

impl Reasons {
    fn add(&mut self, choice: String, because: String, rule: &str, source: &str) {
        let (rule, source) = (rule.to_owned(), source.to_owned());
        self.0.push(Reason { choice, because, rule, source });
    }
}

impl Tuning<'_> {
    /// Decides everything that was left open.
    pub(crate) fn plan(&self) -> Result<Planned, Error> {
        let o = &self.options.tune;
        let scratch = self.strategy() == Strategy::Scratch;
        let mut reasons = Reasons::default();
        let unfreeze = self.unfreeze(&mut reasons);
        let mut recipe = self.recipe(&mut reasons)?;
        let augment = self.augment(&mut reasons);
        let mut asked = Asked {
            unfreeze,
            rates: o.rates.clone().unwrap_or(Rates::Same(self.rate(recipe.optimiser))),
            overrides: o.overrides.clone(),
            batch_norm: o.batch_norm || scratch,
        };
        if let Some(limit) = o.memory {
            let mixes = !augment.mixes().is_empty();
            reasons.0.push(self.within(limit, &mut asked, &mut recipe, mixes)?);
        }
        let mut table = Table::new(&self.start_shape()?, &is_head, &asked)?;
        let mut copies = 0;
        if !augment.mixes().is_empty() && table.frontier.take().is_some() {
            reasons.add(
                "run the frozen part in every round".to_owned(),
                "pictures are mixed with one another, anew each time".to_owned(),
                "values of mixed pictures cannot be kept",
                "this program",
            );
        }
        if let Some(frontier) = table.frontier.clone() {
            if !augment.is_nothing() {
                copies = COPIES.min(recipe.epochs as usize);
            }
            let kept = self.keep(&frontier, copies, recipe.epochs, &mut reasons)?;
            copies = kept.unwrap_or_default();
            if kept.is_none() {
                table.frontier = None;
            }
        }
        Ok(Planned {
            table,
            asked,
            recipe,
            augment,
            copies,
            hidden: o.hidden.clone(),
            reasons: reasons.0,
        })
    }

    /// How many of `copies` changed copies of each image are kept at the frontier; none when the disk
    /// has no room even for one, or for the images as they are.
    fn keep(
        &self,
        frontier: &str,
        copies: usize,
        rounds: u64,
        reasons: &mut Reasons,
    ) -> Result<Option<usize>, Error> {
        let graph = self.network.graph();
        let values = self.network.facts()?.layer(graph.find(frontier)?).shape.count();
        let images = self.rows.train.len() as u64;
        let once = images * values as u64 * 4;
        let folder = self.options.load.cache()?.root().to_owned();
        let free = free_space(&folder);
        let kept = fitting(copies, once, free.map(|free| free / 2));
        let megabytes = |bytes: u64| format!("{:.0} MB", (bytes as f64 / 1e6).max(1.0));
        let rule = "the frozen part runs once for each copy, not once for each round; half of the free \
                    disk may go to it";
        if let Some(kept) = kept {
            let passes = kept + 1;
            reasons.add(
                format!("keep the values at `{frontier}`, {kept} changed copies of each image"),
                format!(
                    "nothing below it learns: {passes} passes through the frozen part for {rounds} rounds, \
                     {} on disk",
                    megabytes(once * passes as u64)
                ),
                rule,
                "this program",
            );
        } else {
            // Said only here: the plan of a fit that has room does not depend on the day.
            let free = free.map_or_else(String::new, |n| format!(" of {} free", megabytes(n)));
            reasons.add(
                "run the frozen part in every round".to_owned(),
                format!(
                    "its values at `{frontier}` would take {} on disk{free}",
                    megabytes(once * (copies.min(1) as u64 + 1))
                ),
                rule,
                "this program",
            );
        }
        Ok(kept)
    }

    /// Whether training starts from a probe that does well: depths win only when parts seen halfway
    /// up tell classes apart that the last layer does not.
    fn near(&self) -> bool {
        self.strategy() == Strategy::LpFt && self.aim.kind() != FeatureKind::Depths
    }

    /// The rate of all layers where none is given. Near the source there is little to learn and much
    /// to lose: with `AdamW` at 3e-4 or 1e-4 ants and bees lose one to three points against the probe.
    fn rate(&self, optimiser: Optimiser) -> f64 {
        let scratch = self.strategy() == Strategy::Scratch;
        match optimiser {
            Optimiser::AdamW { .. } if scratch => 1e-3,
            Optimiser::AdamW { .. } if self.near() => 3e-5,
            Optimiser::AdamW { .. } => 3e-4,
            Optimiser::Sgd { .. } if scratch => 0.05,
            Optimiser::Sgd { .. } if self.near() => 1e-3,
            Optimiser::Sgd { .. } => 0.01,
        }
    }

    fn unfreeze(&self, reasons: &mut Reasons) -> Unfreeze {
        if self.memory_decides() {
            return Unfreeze::All;
        }
        let blocks = self.network.card().blocks.len();
        let probed = self.strategy() == Strategy::LpFt;
        let (unfreeze, because) = match &self.options.tune.unfreeze {
            Some(asked) => (asked.clone(), "you asked for it".to_owned()),
            None if self.near() && blocks >= 3 => {
                (Unfreeze::Last(blocks / 3), self.aim.because().to_owned())
            }
            None if probed => (Unfreeze::All, self.aim.because().to_owned()),
            None => (Unfreeze::All, format!("the strategy is {}", self.strategy().name())),
        };
        reasons.add(
            format!("unfreeze {unfreeze}"),
            because,
            "near the source the last third of the blocks, far from it (lower stages help the probe) \
             all",
            "Yosinski et al. 2014; Lee et al. 2022",
        );
        unfreeze
    }

    fn recipe(&self, reasons: &mut Reasons) -> Result<Recipe, Error> {
        let o = &self.options.tune;
        let scratch = self.strategy() == Strategy::Scratch;
        let optimiser = match (o.optimiser, &o.rates) {
            (Some(asked), _) => asked,
            (None, Some(_)) => Optimiser::SGD,
            (None, None) if self.near() => Optimiser::SGD,
            (None, None) => Optimiser::ADAMW,
        };
        let images = self.rows.train.len();
        let batch = o.batch.unwrap_or(BATCH);
        let steps = images.div_ceil(batch.max(1)).max(1) as u64;
        // Steps wanted, and the least and most rounds they may take.
        let (wanted, least, most) = match (scratch, self.near()) {
            (true, _) => (1500, 20, 100),
            (false, true) => (50, 3, 10),
            (false, false) => (150, 8, 20),
        };
        let epochs = o.epochs.unwrap_or_else(|| (wanted / steps).clamp(least, most));
        reasons.add(
            format!("{epochs} rounds in steps of {batch} images by {}", optimiser.name()),
            format!("{images} training images"),
            "a number of steps, not of rounds, within limits: more from scratch and far from the \
             source",
            "Kolesnikov et al. 2020 (BiT-HyperRule), scaled down; measured on two small data sets",
        );
        Ok(Recipe {
            epochs,
            batch,
            optimiser,
            schedule: o.schedule.unwrap_or(Schedule::Cosine),
            warm_up: 0.1,
            decay: o.decay.unwrap_or(if scratch { 5e-4 } else { 1e-4 }),
            anchor: o.anchor,
            smoothing: o.smoothing.unwrap_or(0.0),
            class_weights: self.class_weights(reasons)?,
            clip: Some(CLIP),
            average: o.average,
            gradual: o.gradual,
            patience: o.patience,
            recompute: false,
            seed: self.options.seed,
        })
    }

    /// How much each class counts, where that was asked for.
    fn class_weights(&self, reasons: &mut Reasons) -> Result<Option<Vec<f32>>, Error> {
        if matches!(self.aim, Aim::Labels(..)) {
            return Ok(None);
        }
        let rule = ["the loss of its images is weighed", "King and Zeng 2001"];
        let counted = counted(self.options, self.dataset, self.rows, rule)?;
        reasons.0.extend(counted.reasons);
        Ok(counted.weights)
    }

    fn augment(&self, reasons: &mut Reasons) -> Augment {
        let o = &self.options.tune;
        match &o.augment {
            Augmentation::Steps(augment) => augment.clone(),
            Augmentation::Preset(strength) => strength.augment(!o.no_flip),
            Augmentation::Auto => {
                let advice = advise(self.strategy() == Strategy::Scratch, !o.no_flip);
                reasons.add(
                    format!("{} augmentation", advice.strength.name()),
                    advice.reason,
                    "the more often a picture is seen, the more it should change",
                    "measured on hand signs, 480 training images",
                );
                advice.augment
            }
        }
    }
}

/// The most copies, up to `copies`, of which one more than their number fits into `room`; at least one
/// where one is wanted. `once` is what one takes; all fit where the room is not known.
fn fitting(copies: usize, once: u64, room: Option<u64>) -> Option<usize> {
    let fits = |n: &usize| room.is_none_or(|room| once.saturating_mul(*n as u64 + 1) <= room);
    (copies.min(1)..=copies).rev().find(fits)
}

/// Bytes that the disk of a folder, or of the nearest above it, has left; `None` where that is not known.
#[cfg(unix)]
fn free_space(folder: &Path) -> Option<u64> {
    let there = folder.ancestors().find(|path| path.is_dir())?;
    let disk = rustix::fs::statvfs(there).ok()?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize))
}

#[cfg(not(unix))]
fn free_space(_: &Path) -> Option<u64> {
    None
}

impl Planned {
    /// Takes the rate that was found for every layer that learns, or says that none was.
    pub(super) fn found(&mut self, found: &Found) {
        let (Some(first), Some(last)) = (found.rates.first(), found.rates.last()) else { return };
        let because = format!(
            "the loss of {} steps, their rate rising from {first:.1e} to {last:.1e}",
            found.rates.len()
        );
        let choice = match found.rate {
            None => "no rate found: the loss never fell; the plan's own is kept".to_owned(),
            Some(rate) => {
                // Two digits are all that the finder knows.
                let digits = 10f64.powf(1.0 - rate.log10().floor());
                let rate = (rate * digits).round() / digits;
                self.asked.rates = Rates::Same(rate);
                self.table.set_rate(rate, &self.asked.overrides);
                format!("learning rate {rate}")
            }
        };
        self.reasons.push(Reason {
            choice,
            because,
            rule: "the middle of the longest way down".to_owned(),
            source: "Smith 2017, section 3.3; fastai's `valley`".to_owned(),
        });
    }

    pub(super) fn plan(&self, temperature: f64) -> TuningPlan {
        TuningPlan {
            unfreeze: self.asked.unfreeze.to_string(),
            rates: self.asked.rates.to_string(),
            layer_rates: self.asked.overrides.iter().map(|(p, r)| format!("{p}={r}")).collect(),
            frontier: self.table.frontier.clone(),
            batch_norm: self.asked.batch_norm,
            optimiser: self.recipe.optimiser.name().to_owned(),
            schedule: self.recipe.schedule.name().to_owned(),
            warm_up: self.recipe.warm_up,
            epochs: self.recipe.epochs,
            batch: self.recipe.batch,
            decay: self.recipe.decay,
            smoothing: f64::from(self.recipe.smoothing),
            augment: self.augment.to_string(),
            copies: self.copies,
            hidden: self.hidden.to_string(),
            average: self.recipe.average,
            gradual: self.recipe.gradual,
            patience: self.recipe.patience,
            recompute: self.recipe.recompute,
            class_weights: self.recipe.class_weights.clone().unwrap_or_default(),
            temperature,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_copies_are_kept_as_fit() {
        assert_eq!(fitting(4, 10, None), Some(4));
        assert_eq!(fitting(4, 10, Some(50)), Some(4));
        assert_eq!(fitting(4, 10, Some(49)), Some(3));
        assert_eq!(fitting(4, 10, Some(20)), Some(1));
        assert_eq!(fitting(4, 10, Some(19)), None, "pictures are to change, and do not fit");
        assert_eq!(fitting(0, 10, Some(10)), Some(0));
        assert_eq!(fitting(0, 10, Some(9)), None);
    }

    #[cfg(unix)]
    #[test]
    fn a_folder_yet_to_come_is_on_the_disk_of_those_above_it() {
        let free = free_space(&std::env::temp_dir().join("not/yet"));
        assert!(free.is_some_and(|free| free > 0), "{free:?}");
    }
}
