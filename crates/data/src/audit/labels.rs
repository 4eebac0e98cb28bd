//! Which labels are likely wrong: confident learning (Northcutt, Jiang and Chuang, "Confident learning:
//! estimating uncertainty in dataset labels", JAIR 70, 2021, section 3).

use crate::DataError;

/// A file whose label a model contradicts that has not learned from it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Suspect {
    /// The file, a row of the probabilities.
    pub file: usize,
    /// Its label.
    pub given: usize,
    /// The class the model takes it for.
    pub better: usize,
    /// Probability of the label: the paper's self-confidence, 0 to 1.
    pub confidence: f32,
    /// Probability of the label less that of the likeliest other class, -1 to 1: the paper's
    /// normalised margin, by which suspects are ordered, lowest first.
    pub margin: f32,
    /// Whether the file is counted off the diagonal of the confident joint: the model is as sure
    /// of another class as it usually is of files that bear its label.
    pub confident: bool,
}

/// What confident learning says of all labels.
#[derive(Debug, Clone, PartialEq)]
pub struct LabelErrors {
    /// Files taken for another class than their label says, lowest margin first.
    pub suspects: Vec<Suspect>,
    /// Mean probability of a class over files that bear its label (equation 2); `None` for a class
    /// without files.
    pub thresholds: Vec<Option<f32>>,
    /// The confident joint `[C, C]` (equation 1): files with label `row` that are confidently of
    /// class `column`.
    pub joint: Vec<usize>,
    /// How many labels are wrong, estimated: the files off the diagonal of the joint distribution,
    /// calibrated to the files of each label (equation 3).
    pub expected: f64,
}

/// Finds suspects.
///
/// `probabilities` is `[N, C]`, each row of a model that has not seen the file: out of fold, and with
/// copies of a file in the same fold ([`groups_of_copies`](super::groups_of_copies)), lest a copy with
/// the same wrong label vouches for it. `labels` has `N` values below `C`.
///
/// # Errors
/// [`DataError::AuditLength`] when there are not `N * C` probabilities, [`DataError::Label`],
/// [`DataError::Probability`] for a value that is not between 0 and 1.
pub fn label_errors(
    probabilities: &[f32],
    labels: &[usize],
    classes: usize,
) -> Result<LabelErrors, DataError> {
    let wanted = labels.len().saturating_mul(classes);
    super::check_length("probabilities", probabilities.len(), wanted)?;
    if let Some(label) = labels.iter().find(|label| **label >= classes) {
        return Err(DataError::Label { label: *label, classes });
    }
    // Rounding of a softmax may end a little above 1.
    let fits = |p: &f32| (0.0..=1.0 + 1e-4).contains(p);
    if let Some(at) = probabilities.iter().position(|p| !fits(p)) {
        return Err(DataError::Probability { row: at / classes, given: probabilities[at] });
    }
    let rows = || probabilities.chunks_exact(classes.max(1)).zip(labels.iter().copied());
    let thresholds = thresholds(rows(), classes);
    let mut joint = vec![0; classes * classes];
    let mut suspects = Vec::new();
    for (file, (row, given)) in rows().enumerate() {
        let sure = confident_class(row, &thresholds);
        if let Some(class) = sure {
            joint[given * classes + class] += 1;
        }
        let Some(better) = likeliest(row, |class| class != given) else { continue };
        let (confidence, margin) = (row[given], row[given] - row[better]);
        let confident = sure.is_some_and(|class| class != given);
        if margin < 0.0 || confident {
            let better = sure.filter(|_| confident).unwrap_or(better);
            suspects.push(Suspect { file, given, better, confidence, margin, confident });
        }
    }
    suspects.sort_by(|a, b| a.margin.total_cmp(&b.margin).then(a.file.cmp(&b.file)));
    let expected = expected(&joint, labels, classes);
    Ok(LabelErrors { suspects, thresholds, joint, expected })
}

fn thresholds<'p>(
    rows: impl Iterator<Item = (&'p [f32], usize)>,
    classes: usize,
) -> Vec<Option<f32>> {
    let mut sums = vec![(0.0_f64, 0_usize); classes];
    for (row, given) in rows {
        sums[given].0 += f64::from(row[given]);
        sums[given].1 += 1;
    }
    let mean = |(sum, n): (f64, usize)| (n > 0).then(|| (sum / n as f64) as f32);
    sums.into_iter().map(mean).collect()
}

/// The likeliest of the classes that pass; the first of equals.
fn likeliest(row: &[f32], passes: impl Fn(usize) -> bool) -> Option<usize> {
    let passing = (0..row.len()).filter(|class| passes(*class));
    passing.reduce(|best, class| if row[class] > row[best] { class } else { best })
}

/// The likeliest of the classes whose probability reaches their threshold.
fn confident_class(row: &[f32], thresholds: &[Option<f32>]) -> Option<usize> {
    likeliest(row, |class| thresholds[class].is_some_and(|least| row[class] >= least))
}

fn expected(joint: &[usize], labels: &[usize], classes: usize) -> f64 {
    let mut files = vec![0_usize; classes];
    for label in labels {
        files[*label] += 1;
    }
    let off = |(class, row): (usize, &[usize])| {
        let all: usize = row.iter().sum();
        let wrong = all - row[class];
        if all == 0 { 0.0 } else { wrong as f64 / all as f64 * files[class] as f64 }
    };
    joint.chunks_exact(classes.max(1)).enumerate().map(off).sum()
}
