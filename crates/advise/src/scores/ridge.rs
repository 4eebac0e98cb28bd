use std::collections::BTreeMap;

use regraft_probe::{Features, LinearHead, RidgeRow, Targets, ridge, ridge_penalties};

use super::precision::{TIE, mean_average_precision};
use crate::AdviseError;

/// What [`ridge_out`] gives.
#[derive(Debug, Clone, PartialEq)]
pub struct RidgeOut {
    /// Share of images predicted rightly by the head fitted on all others, 0 to 1; of label sets the mean average
    /// precision of these predictions.
    pub top1: f64,
    /// The same of the head fitted on all of them, 0 to 1.
    pub training_top1: f64,
    /// The penalty, in squared units of the features times images.
    pub penalty: f64,
    /// Effective degrees of freedom of the head, `1 + Σ σ/(σ+λ)`: how many images it could fit by heart.
    pub df: f64,
    /// The part of each image in `top1`, `[n]`, which is their mean: 1 where it was predicted rightly when left out,
    /// else 0; of label sets those of [`MeanPrecision`](super::MeanPrecision).
    pub right: Vec<f64>,
    /// How far the score of its label is above the largest other one when the image is left out, `[n]`; of label sets
    /// how far the score of having each label is above that of not having it, or below where it has not, `[n, C]`.
    pub margins: Vec<f64>,
    /// Squared distance of its scores from its label's target when the image is left out, `[n]`.
    pub losses: Vec<f64>,
    /// The same for scores that are the shares of the classes among the others, `[n]`.
    pub guesses: Vec<f64>,
}

impl RidgeOut {
    /// Standard error of `top1`, from the parts of the images.
    pub fn error(&self) -> f64 {
        let n = self.right.len() as f64;
        let spread = self.right.iter().map(|part| (part - self.top1).powi(2)).sum::<f64>();
        (spread / (n - 1.0).max(1.0) / n).sqrt()
    }

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

    /// What each image adds to [`Self::sureness`], [`Self::explained`] and `top1`, `[n]` each: with weights
    /// `w` on the images a score is about `score + 1/n Σ (w_i - 1) a_i`.
    ///
    /// To first order, and times `1 + df/n`: an image is not only judged but also teaches the heads that judge the
    /// others, the more so the more freedom they have. Measured (a test does): without the factor the spread of
    /// scores from one set of images to another is foretold right for far more images than features, and 0.6 to
    /// 0.75 of it otherwise; with it, 0.9 to 1.5.
    pub fn contributions(&self) -> [Vec<f64>; 3] {
        let (mean, deviation) = self.margin();
        let each = (self.margins.len() / self.losses.len().max(1)).max(1);
        let sure = self.margins.chunks_exact(each).map(|of_image| {
            let one = |m: &f64| {
                let z = (m - mean) / deviation;
                z - 0.5 * mean / deviation * (z * z - 1.0)
            };
            of_image.iter().map(one).sum::<f64>() / each as f64
        });
        let n = self.losses.len() as f64;
        let whole = self.guesses.iter().sum::<f64>();
        let left = 1.0 - self.explained();
        let explained = self
            .losses
            .iter()
            .zip(&self.guesses)
            .map(|(loss, guess)| n * (left * guess - loss) / whole);
        let teaches = 1.0 + self.df / n;
        let all = |each: &mut dyn Iterator<Item = f64>| each.map(|a| teaches * a).collect();
        [all(&mut { sure }), all(&mut { explained }), all(&mut self.right.iter().copied())]
    }
}

/// Exact leave-one-out scores of a ridge head for classes or label sets, from one decomposition (see `regraft_probe::ridge`), at
/// the penalty with the smallest squared leave-one-out error among `penalties` of a grid over seven
/// powers of ten. The penalty is not chosen by the accuracy itself, which would flatter it.
///
/// `groups`, `[n]`, has the same number for images that must be left out together (copies, one patient); empty,
/// each is left out alone.
///
/// For `top1` and margins the shares of the classes or labels count as known: the image that is left out makes its own
/// class the rarer one, and a head without a clue would then be wrong every time instead of now and then.
///
/// Fails for 0 penalties, for groups of another length, where no label is on some images only, and like the probe.
pub fn ridge_out<'a>(
    features: Features<'a>,
    targets: impl Into<Targets<'a>>,
    penalties: usize,
    groups: &[usize],
) -> Result<RidgeOut, AdviseError> {
    let targets = targets.into();
    let grid = ridge_penalties(features, penalties)?;
    let path = ridge(features, &targets, &grid)?;
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
            let press = losses(&scores, &targets).iter().sum();
            if best.as_ref().is_none_or(|(least, _, _)| press < *least) {
                best = Some((press, i, scores));
            }
        }
        best.map(|(_, i, scores)| (i, scores)).unwrap_or_default()
    };
    let RidgeRow { penalty, df, .. } = path.rows()[best];
    let classes = targets.classes();
    let mut known = scores.clone();
    targets.know_shares(&mut known, &shared);
    // Scores that know the shares among all, less those among the others: what is left is a guess among these.
    let guess = |(i, c): (usize, usize)| {
        let all = targets.counts()[c] as f64 / features.rows() as f64;
        all - (known[i * classes + c] - scores[i * classes + c])
    };
    let guessed: Vec<f64> =
        (0..known.len()).map(|at| guess((at / classes, at % classes))).collect();
    let (top1, right) = judged(&known, &targets)?;
    Ok(RidgeOut {
        top1,
        training_top1: on_all(&path.fit(best)?, features, &targets)?,
        penalty,
        df,
        right,
        margins: margins(&known, &targets),
        losses: losses(&scores, &targets),
        guesses: losses(&guessed, &targets),
    })
}

/// Accuracy, or mean average precision, of scores `[n, C]`, and each image's part in it.
fn judged(scores: &[f64], targets: &Targets<'_>) -> Result<(f64, Vec<f64>), AdviseError> {
    if targets.are_several() {
        let precision = mean_average_precision(scores, targets)?;
        return Ok((precision.value, precision.parts));
    }
    let one = |(i, row): (usize, &[f64])| {
        let largest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        // Equal but for rounding: the first of them, as everywhere.
        let first = row.iter().position(|v| *v >= largest - TIE);
        f64::from(u8::from(first.is_some_and(|c| targets.of(i) == [c])))
    };
    let right: Vec<f64> = scores.chunks_exact(targets.classes()).enumerate().map(one).collect();
    Ok((right.iter().sum::<f64>() / right.len() as f64, right))
}

/// Of each image, or of each label of each image.
fn margins(scores: &[f64], targets: &Targets<'_>) -> Vec<f64> {
    let classes = targets.classes();
    let mut margins = Vec::new();
    for (i, row) in scores.chunks_exact(classes).enumerate() {
        if targets.are_several() {
            // Having a label and not having it are two classes, whose scores add up to 1.
            let margin = |(c, v): (usize, &f64)| {
                if targets.of(i).contains(&c) { 2.0 * v - 1.0 } else { 1.0 - 2.0 * v }
            };
            margins.extend(row.iter().enumerate().map(margin));
        } else {
            for &label in targets.of(i) {
                let others = (0..classes).filter(|c| *c != label).map(|c| row[c]);
                margins.push(row[label] - others.fold(f64::NEG_INFINITY, f64::max));
            }
        }
    }
    margins.into_iter().map(|m| if m.abs() < TIE { 0.0 } else { m }).collect()
}

/// Images that are left out together, where there are more than one.
fn shared(groups: &[usize]) -> Vec<Vec<usize>> {
    let mut members: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    groups.iter().enumerate().for_each(|(i, group)| members.entry(*group).or_default().push(i));
    members.into_values().filter(|m| m.len() > 1).collect()
}

/// Squared distance of scores `[n, C]` from the targets, `[n]`.
fn losses(scores: &[f64], targets: &Targets<'_>) -> Vec<f64> {
    let rows = scores.chunks_exact(targets.classes()).enumerate();
    rows.map(|(i, row)| {
        let error =
            |(c, v): (usize, &f64)| (f64::from(u8::from(targets.of(i).contains(&c))) - v).powi(2);
        row.iter().enumerate().map(error).sum()
    })
    .collect()
}

/// Accuracy or mean average precision of a head on the images it was fitted on.
fn on_all(
    head: &LinearHead,
    features: Features<'_>,
    targets: &Targets<'_>,
) -> Result<f64, AdviseError> {
    let (n, mut scores, mut buffer) = (features.rows(), Vec::new(), Vec::new());
    for first in (0..n).step_by(crate::table::ROWS) {
        let count = crate::table::ROWS.min(n - first);
        let rows = features.span(first, count, &mut buffer)?;
        scores.extend(head.logits_batch(rows)?.into_iter().map(f64::from));
    }
    Ok(judged(&scores, targets)?.0)
}
