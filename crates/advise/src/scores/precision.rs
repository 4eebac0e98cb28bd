use regraft_probe::Targets;

use crate::AdviseError;

/// Scores this close (targets are 0 and 1) are the same.
pub(super) const TIE: f64 = 1e-9;

/// How well scores put the images that have a label before those that do not.
#[derive(Debug, Clone, PartialEq)]
pub struct MeanPrecision {
    /// Mean average precision over the labels that some images have and some not, 0 to 1.
    pub value: f64,
    /// The part that each image has in it, `[n]`: `value` is their mean, and with weights `w` on the images it would
    /// be about the mean of `w_i` times the `i`-th. Where an image pulls it down, that may be below 0.
    pub parts: Vec<f64>,
}

/// Mean average precision of scores `[n, C]`: for each label the area under precision over recall, as steps, equal
/// scores counting together (as scikit-learn); the mean over labels. Labels that all images have, or none, are left
/// out.
///
/// A mean over labels is none over images, so how sure it is cannot be told from right and wrong images; the parts
/// are its derivatives by the weights of the images (the influence function; Efron 1982, chapter 6), from which
/// bootstrap and paired differences follow to first order.
///
/// Fails for another number of scores, and when no label is left.
pub fn mean_average_precision(
    scores: &[f64],
    targets: &Targets<'_>,
) -> Result<MeanPrecision, AdviseError> {
    let (n, labels) = (targets.rows(), targets.classes());
    if scores.len() != n * labels {
        let (what, got, wanted) = ("scores of labels", scores.len(), n * labels);
        return Err(AdviseError::Length { what, got, wanted });
    }
    let (mut parts, mut value, mut judged) = (vec![0.0; n], 0.0, 0.0);
    let mut has = vec![false; n];
    for label in (0..labels).filter(|c| (1..n).contains(&targets.counts()[*c])) {
        has.iter_mut().enumerate().for_each(|(i, has)| *has = targets.of(i).contains(&label));
        let column = scores.iter().skip(label).step_by(labels).copied();
        let scored: Vec<(f64, bool)> = column.zip(has.iter().copied()).collect();
        value += of_label(&scored, &mut parts);
        judged += 1.0;
    }
    if judged == 0.0 {
        return Err(AdviseError::NothingToRank { images: n });
    }
    value /= judged;
    for part in &mut parts {
        *part = value + *part / judged;
    }
    Ok(MeanPrecision { value, parts })
}

/// Average precision of one label; adds to `parts` what each image's weight would add to it, times their number.
fn of_label(scored: &[(f64, bool)], parts: &mut [f64]) -> f64 {
    let mut order: Vec<usize> = (0..scored.len()).collect();
    order.sort_by(|&a, &b| scored[b].0.total_cmp(&scored[a].0).then(a.cmp(&b)));
    let positive = scored.iter().filter(|(_, has)| *has).count() as f64;
    // For each run of equal scores, from the top: images that have it, images so far, precision there.
    let runs: Vec<&[usize]> = order.chunk_by(|&a, &b| scored[a].0 - scored[b].0 < TIE).collect();
    let (mut hits, mut seen) = (0.0, 0.0);
    let steps: Vec<[f64; 3]> = runs
        .iter()
        .map(|run| {
            let new = run.iter().filter(|i| scored[**i].1).count() as f64;
            hits += new;
            seen += run.len() as f64;
            [new, seen, hits / seen]
        })
        .collect();
    let area = steps.iter().map(|[new, _, precision]| new * precision).sum::<f64>() / positive;
    // An image is among those seen at its own run and at all below.
    let (mut counted, mut taken) = (0.0, 0.0);
    let scale = scored.len() as f64 / positive;
    for (run, [new, seen, precision]) in runs.iter().zip(&steps).rev() {
        counted += new / seen;
        taken += new * precision / seen;
        for &i in *run {
            let own = if scored[i].1 { precision - area + counted } else { 0.0 };
            parts[i] += scale * (own - taken);
        }
    }
    area
}

/// Mean average precision of scores in random order: the mean over labels, those with `positives` among `images`.
/// It is above their share, the more so the fewer images there are: `1/n (H + (n - H)(P - 1)/(n - 1))` with
/// `H = 1 + 1/2 + … + 1/n` (a mean over all orders). None where no label is on some images only.
pub fn random_precision(positives: &[usize], images: usize) -> Option<f64> {
    let n = images as f64;
    let harmonic: f64 = (1..=images).map(|k| 1.0 / k as f64).sum();
    let of = |p: usize| (harmonic + (n - harmonic) * (p as f64 - 1.0) / (n - 1.0)) / n;
    let judged: Vec<f64> =
        positives.iter().filter(|p| (1..images).contains(*p)).map(|p| of(*p)).collect();
    (!judged.is_empty()).then(|| judged.iter().sum::<f64>() / judged.len() as f64)
}
