use std::collections::BTreeMap;

use regraft_probe::{Features, Labels, LinearHead, RidgeRow, ridge, ridge_penalties};

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
/// `groups`, `[n]`, has the same number for images that must be left out together (copies, one patient); empty,
/// each is left out alone.
///
/// For accuracy and margins the shares of the classes count as known: the image that is left out makes its own
/// class the rarer one, and a head without a clue would then be wrong every time instead of now and then.
///
/// Fails for 0 penalties, for groups of another length, and like the probe.
pub fn ridge_out(
    features: Features<'_>,
    labels: &Labels<'_>,
    penalties: usize,
    groups: &[usize],
) -> Result<RidgeOut, AdviseError> {
    let grid = ridge_penalties(features, penalties)?;
    let path = ridge(features, labels, &grid)?;
    let shared = shared(groups);
    let (best, scores) = if shared.is_empty() {
        let rows = path.rows();
        let best =
            (1..rows.len()).fold(0, |b, i| if rows[i].press < rows[b].press { i } else { b });
        (best, path.loo_scores(best)?)
    } else {
        let mut best: Option<(f64, usize, Vec<f64>)> = None;
        for i in 0..path.rows().len() {
            let scores = path.fold_scores(i, groups)?;
            let press = losses(&scores, labels).iter().sum();
            if best.as_ref().is_none_or(|(least, _, _)| press < *least) {
                best = Some((press, i, scores));
            }
        }
        best.map(|(_, i, scores)| (i, scores)).unwrap_or_default()
    };
    let RidgeRow { penalty, df, .. } = path.rows()[best];
    let classes = labels.classes();
    let mut known = scores.clone();
    labels.know_shares(&mut known, &shared);
    // Scores that know the shares among all, less those among the others: what is left is a guess among these.
    let guess = |(i, c): (usize, usize)| {
        let all = labels.counts()[c] as f64 / features.rows() as f64;
        all - (known[i * classes + c] - scores[i * classes + c])
    };
    let guessed: Vec<f64> =
        (0..known.len()).map(|at| guess((at / classes, at % classes))).collect();
    let (mut right, mut margins) = (Vec::new(), Vec::new());
    for (row, &label) in known.chunks_exact(classes).zip(labels.values()) {
        let largest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        // Equal but for rounding: the first of them, as everywhere.
        right.push(row.iter().position(|v| *v >= largest - TIE) == Some(label));
        let others = (0..classes).filter(|c| *c != label).map(|c| row[c]);
        let margin = row[label] - others.fold(f64::NEG_INFINITY, f64::max);
        margins.push(if margin.abs() < TIE { 0.0 } else { margin });
    }
    Ok(RidgeOut {
        top1: right.iter().filter(|&&r| r).count() as f64 / features.rows() as f64,
        training_top1: on_all(&path.fit(best)?, features, labels)?,
        penalty,
        df,
        right,
        margins,
        losses: losses(&scores, labels),
        guesses: losses(&guessed, labels),
    })
}

/// Images that are left out together, where there are more than one.
fn shared(groups: &[usize]) -> Vec<Vec<usize>> {
    let mut members: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    groups.iter().enumerate().for_each(|(i, group)| members.entry(*group).or_default().push(i));
    members.into_values().filter(|m| m.len() > 1).collect()
}

/// Squared distance of scores `[n, C]` from the labels' targets, `[n]`.
fn losses(scores: &[f64], labels: &Labels<'_>) -> Vec<f64> {
    let rows = scores.chunks_exact(labels.classes()).zip(labels.values());
    rows.map(|(row, &label)| {
        let error = |(c, v): (usize, &f64)| (f64::from(u8::from(c == label)) - v).powi(2);
        row.iter().enumerate().map(error).sum()
    })
    .collect()
}

/// Share of the images that a head is right on.
fn on_all(
    head: &LinearHead,
    features: Features<'_>,
    labels: &Labels<'_>,
) -> Result<f64, AdviseError> {
    let (n, mut hits, mut buffer) = (features.rows(), 0, Vec::new());
    for first in (0..n).step_by(crate::table::ROWS) {
        let count = crate::table::ROWS.min(n - first);
        let rows = features.span(first, count, &mut buffer)?;
        let logits = head.logits_batch(rows)?;
        let labels_here = &labels.values()[first..first + count];
        hits += logits
            .chunks_exact(labels.classes())
            .zip(labels_here)
            .filter(|(row, label)| first_of_largest(row) == **label)
            .count();
    }
    Ok(hits as f64 / n as f64)
}

fn first_of_largest<T: PartialOrd>(row: &[T]) -> usize {
    (1..row.len()).fold(0, |best, c| if row[c] > row[best] { c } else { best })
}
