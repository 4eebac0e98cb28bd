use regraft_probe::{Features, Labels, RidgeRow, ridge, ridge_penalties};

use crate::AdviseError;

/// Scores this close (targets are 0 and 1) are the same.
const TIE: f64 = 1e-9;

/// What [`ridge_out`] gives.
#[derive(Debug, Clone, PartialEq)]
pub struct RidgeOut {
    /// Share of images predicted rightly by the head fitted on all others, 0 to 1.
    pub top1: f64,
    /// Share predicted rightly by the head fitted on all of them, 0 to 1.
    pub training_top1: f64,
    /// The penalty, in squared units of the features times images.
    pub penalty: f64,
    /// Effective degrees of freedom of the head, `1 + Σ σ/(σ+λ)`: how many images it could fit by heart.
    pub df: f64,
    /// Whether each image was predicted rightly when left out, `[n]`.
    pub right: Vec<bool>,
    /// How far the score of its label is above the largest other one when the image is left out, `[n]`.
    pub margins: Vec<f64>,
    /// Squared distance of its scores from its label's target when the image is left out, `[n]`.
    pub losses: Vec<f64>,
    /// The same for scores that are the shares of the classes among the others, `[n]`.
    pub guesses: Vec<f64>,
}

impl RidgeOut {
    /// Mean over standard deviation of the margins: how sure the head is, in a figure that still tells networks
    /// apart that have the same images right. Were margins normal, `Φ` of it would be the accuracy.
    pub fn sureness(&self) -> f64 {
        let (mean, deviation) = self.margin();
        mean / deviation
    }

    /// Share of the squared error of guessing that the head takes away on images left out, at most 1.
    pub fn explained(&self) -> f64 {
        1.0 - self.losses.iter().sum::<f64>() / self.guesses.iter().sum::<f64>()
    }

    /// Mean and standard deviation of the margins.
    fn margin(&self) -> (f64, f64) {
        let n = self.margins.len() as f64;
        let mean = self.margins.iter().sum::<f64>() / n;
        let spread = self.margins.iter().map(|m| (m - mean).powi(2)).sum::<f64>() / n;
        // Margins that are all alike are alike to a rounding error.
        (mean, spread.sqrt().max(1e-6 * mean.abs()).max(f64::MIN_POSITIVE))
    }

    /// What each image adds to [`Self::sureness`], [`Self::explained`] and the accuracy, `[n]` each: with weights
    /// `w` on the images a score is about `score + 1/n Σ (w_i - 1) a_i`.
    ///
    /// To first order, and times `1 + df/n`: an image is not only judged but also teaches the heads that judge the
    /// others, the more so the more freedom they have. Measured (a test does): without the factor the spread of
    /// scores from one set of images to another is foretold right for far more images than features, and 0.6 to
    /// 0.75 of it otherwise; with it, 0.9 to 1.5.
    pub fn contributions(&self) -> [Vec<f64>; 3] {
        let (mean, deviation) = self.margin();
        let sure = self.margins.iter().map(|m| {
            let z = (m - mean) / deviation;
            z - 0.5 * mean / deviation * (z * z - 1.0)
        });
        let n = self.losses.len() as f64;
        let whole = self.guesses.iter().sum::<f64>();
        let left = 1.0 - self.explained();
        let explained = self
            .losses
            .iter()
            .zip(&self.guesses)
            .map(|(loss, guess)| n * (left * guess - loss) / whole);
        let right = self.right.iter().map(|&r| f64::from(u8::from(r)));
        let teaches = 1.0 + self.df / n;
        let all = |each: &mut dyn Iterator<Item = f64>| each.map(|a| teaches * a).collect();
        [all(&mut { sure }), all(&mut { explained }), all(&mut { right })]
    }
}

/// Exact leave-one-out scores of a ridge head, from one decomposition (see `regraft_probe::ridge`), at
/// the penalty with the smallest squared leave-one-out error among `penalties` of a grid over seven
/// powers of ten. The penalty is not chosen by the accuracy itself, which would flatter it.
///
/// For accuracy and margins the shares of the classes count as known: the image that is left out makes its own
/// class the rarer one, and a head without a clue would then be wrong every time instead of now and then.
///
/// Fails for 0 penalties, and like the probe.
pub fn ridge_out(
    features: Features<'_>,
    labels: &Labels<'_>,
    penalties: usize,
) -> Result<RidgeOut, AdviseError> {
    let grid = ridge_penalties(features, penalties)?;
    let path = ridge(features, labels, &grid)?;
    let rows = path.rows();
    let best = (1..rows.len()).fold(0, |b, i| if rows[i].press < rows[b].press { i } else { b });
    let RidgeRow { penalty, df, .. } = rows[best];
    let (n, classes) = (features.rows(), labels.classes());
    let counts = labels.counts();
    let (mut right, mut margins) = (Vec::with_capacity(n), Vec::with_capacity(n));
    let (mut losses, mut guesses) = (Vec::with_capacity(n), Vec::with_capacity(n));
    let scores = path.loo_scores(best)?;
    let mut known = scores.clone();
    labels.know_shares(&mut known, &[]);
    let rows = scores.chunks_exact(classes).zip(known.chunks_exact(classes));
    for ((row, known), &label) in rows.zip(labels.values()) {
        let target = |c: usize| f64::from(u8::from(c == label));
        // Among the others.
        let share = |c: usize| (counts[c] as f64 - target(c)) / (n as f64 - 1.0).max(1.0);
        let error = |score: &dyn Fn(usize) -> f64| -> f64 {
            (0..classes).map(|c| (target(c) - score(c)).powi(2)).sum()
        };
        losses.push(error(&|c| row[c]));
        guesses.push(error(&share));
        let largest = known.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        // Equal but for rounding: the first of them, as everywhere.
        right.push(known.iter().position(|v| *v >= largest - TIE) == Some(label));
        let others = (0..classes).filter(|c| *c != label).map(|c| known[c]);
        let margin = known[label] - others.fold(f64::NEG_INFINITY, f64::max);
        margins.push(if margin.abs() < TIE { 0.0 } else { margin });
    }
    let head = path.fit(best)?;
    let mut hits = 0;
    let mut buffer = Vec::new();
    for first in (0..n).step_by(crate::table::ROWS) {
        let count = crate::table::ROWS.min(n - first);
        let rows = features.span(first, count, &mut buffer)?;
        let logits = head.logits_batch(rows)?;
        let labels = &labels.values()[first..first + count];
        hits += logits
            .chunks_exact(classes)
            .zip(labels)
            .filter(|(row, label)| first_of_largest(row) == **label)
            .count();
    }
    Ok(RidgeOut {
        top1: right.iter().filter(|&&r| r).count() as f64 / n as f64,
        training_top1: hits as f64 / n as f64,
        penalty,
        df,
        right,
        margins,
        losses,
        guesses,
    })
}

fn first_of_largest<T: PartialOrd>(row: &[T]) -> usize {
    (1..row.len()).fold(0, |best, c| if row[c] > row[best] { c } else { best })
}
