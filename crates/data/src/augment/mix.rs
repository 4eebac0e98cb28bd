//! Inputs of a batch mixed with one another: torchvision's `v2.MixUp` and `v2.CutMix`.

use super::{Augment, Mix};
use crate::chance::Chance;
use crate::{Area, DataError};

/// A concrete mixture: input `i` of a batch of `n` and its partner, input `(i + n - 1) % n`.
///
/// Batches are shuffled, so the neighbour is as random a partner as any (torchvision does the same).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mixed {
    /// Share of the input itself in its target, 0 to 1; the partner has the rest.
    pub lambda: f64,
    /// Where the partner's values are, for `CutMix`, perhaps without a pixel; `None`: everywhere,
    /// as a weighted mean.
    pub area: Option<Area>,
}

impl Augment {
    /// The mixture of a batch, one of [`Augment::mixes`] with equal chances; `None` when there are
    /// none. `crop` is `[height, width]` of the inputs.
    ///
    /// The random numbers come from `seed ‖ "mix" ‖ epoch ‖ batch ‖ 0` as in [`Augment::draw`].
    pub fn draw_mix(&self, seed: u64, epoch: u64, batch: u64, crop: [usize; 2]) -> Option<Mixed> {
        let mut chance = Chance::new(seed, "mix", [epoch, batch, 0]);
        let mix = self.mixes().get(chance.below(self.mixes().len()))?;
        Some(match mix {
            Mix::Mixup { alpha } => Mixed::mixup(chance.beta(f64::from(*alpha))),
            Mix::CutMix { alpha } => {
                let lambda = chance.beta(f64::from(*alpha));
                let column = chance.below(crop[1]);
                let row = chance.below(crop[0]);
                Mixed::cutmix(lambda, [row, column], crop)
            }
        })
    }
}

impl Mixed {
    /// `lambda` of the input and `1 - lambda` of its partner.
    pub fn mixup(lambda: f64) -> Self {
        Self { lambda, area: None }
    }

    /// A rectangle of the partner of about `1 - lambda` of the area `crop` (`[height, width]`),
    /// centred on a pixel (`[row, column]`) and cut off at the edges; `lambda` then becomes the
    /// share that is left.
    pub fn cutmix(lambda: f64, centre: [usize; 2], crop: [usize; 2]) -> Self {
        let half = 0.5 * (1.0 - lambda).max(0.0).sqrt();
        let side = |axis: usize| {
            let half = (half * crop[axis] as f64) as usize;
            let start = centre[axis].saturating_sub(half).min(crop[axis]);
            (start, (centre[axis] + half).min(crop[axis]) - start)
        };
        let ((top, height), (left, width)) = (side(0), side(1));
        let pixels = (crop[0] * crop[1]).max(1) as f64;
        let lambda = 1.0 - (height * width) as f64 / pixels;
        Self { lambda, area: Some(Area { top, left, height, width }) }
    }

    /// Which input of a batch of `n` is mixed into input `i`.
    pub fn partner(i: usize, n: usize) -> usize {
        if i == 0 { n.saturating_sub(1) } else { i - 1 }
    }

    /// Mixes a batch `[N, 3, H, W]` with `[H, W] = crop` in place.
    ///
    /// # Errors
    /// [`DataError::BatchLength`] when the batch does not hold whole inputs, or the area does not
    /// lie in them.
    pub fn inputs(&self, batch: &mut [f32], crop: [usize; 2]) -> Result<(), DataError> {
        let one = crop[0].saturating_mul(crop[1]).saturating_mul(3);
        let inside = |a: Area| a.top + a.height <= crop[0] && a.left + a.width <= crop[1];
        if one == 0 || !batch.len().is_multiple_of(one) || !self.area.is_none_or(inside) {
            return Err(DataError::BatchLength { given: batch.len(), crop });
        }
        let Some(first) = batch.len().checked_sub(one) else { return Ok(()) };
        // From the last to the first, so that each partner is still unmixed when it is read.
        let last = batch[first..].to_vec();
        for at in (1..batch.len() / one).rev() {
            let (before, from) = batch.split_at_mut(at * one);
            self.input(&mut from[..one], &before[(at - 1) * one..], crop);
        }
        self.input(&mut batch[..one], &last, crop);
        Ok(())
    }

    fn input(&self, own: &mut [f32], partner: &[f32], [height, width]: [usize; 2]) {
        let Some(area) = self.area else {
            return self.weigh(own, partner);
        };
        for plane in (0..own.len()).step_by(height * width) {
            for y in area.top..area.top + area.height {
                let row = plane + y * width + area.left;
                own[row..row + area.width].copy_from_slice(&partner[row..row + area.width]);
            }
        }
    }

    /// torchvision's order of operations, in `f32`.
    fn weigh(&self, own: &mut [f32], partner: &[f32]) {
        let (share, rest) = (self.lambda as f32, (1.0 - self.lambda) as f32);
        for (own, partner) in own.iter_mut().zip(partner) {
            *own = partner * rest + *own * share;
        }
    }

    /// The targets `[N, classes]` of a mixed batch, each summing to 1; `labels` has the class of
    /// each input, counted from 0.
    ///
    /// # Errors
    /// [`DataError::Label`] for a label that is no class.
    pub fn targets(&self, labels: &[usize], classes: usize) -> Result<Vec<f32>, DataError> {
        let mut targets = vec![0.0; labels.len() * classes];
        if let Some(label) = labels.iter().copied().find(|label| *label >= classes) {
            return Err(DataError::Label { label, classes });
        }
        for (row, label) in targets.chunks_exact_mut(classes.max(1)).zip(labels) {
            row[*label] = 1.0;
        }
        Ok(self.blend(&targets, classes))
    }

    /// The targets `[N, outputs]` of a mixed batch from those of its own inputs.
    pub fn blend(&self, targets: &[f32], outputs: usize) -> Vec<f32> {
        let outputs = outputs.max(1);
        let n = targets.len() / outputs;
        let (share, rest) = (self.lambda as f32, (1.0 - self.lambda) as f32);
        let of = |(at, own): (usize, &f32)| {
            let (i, output) = (at / outputs, at % outputs);
            targets[Self::partner(i, n) * outputs + output] * rest + own * share
        };
        targets.iter().enumerate().map(of).collect()
    }
}
