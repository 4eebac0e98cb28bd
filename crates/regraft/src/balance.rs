//! Classes of very different size: what each counts, and what a person should know.

use regraft_advise::shift::share_bias;
use regraft_data::Dataset;
use regraft_net::nearest;
use regraft_probe::{HeadFit, LinearHead};
use regraft_run::Reason;

use crate::head::softmax;
use crate::journal::Rows;
use crate::{Error, FitOptions};

/// The largest class has so many times the images of the smallest before anything is said.
const UNEVEN: usize = 10;
/// Classes named in a reason.
const NAMED: usize = 6;

/// What each class counts, and why.
#[derive(Default)]
pub(crate) struct Counted {
    /// The weight of each class, `[C]`; none for all the same.
    pub(crate) weights: Option<Vec<f32>>,
    pub(crate) reasons: Vec<Reason>,
}

/// Training images of each class.
fn counts(dataset: &Dataset, rows: &Rows) -> Vec<usize> {
    let mut counts = vec![0; dataset.classes.len()];
    for i in &rows.train {
        counts[dataset.examples[*i].label] += 1;
    }
    counts
}

/// What each class counts, where that was asked for; `rule` says what is done with it.
///
/// Balanced weights are `n / (C n_c)`, as scikit-learn's "balanced": each class weighs as if it had as many
/// images as the others.
///
/// # Errors
/// When an option names a class that the data does not have.
pub(crate) fn counted(
    options: &FitOptions,
    dataset: &Dataset,
    rows: &Rows,
    [rule, source]: [&str; 2],
) -> Result<Counted, Error> {
    let (o, classes) = (&options.tune, &dataset.classes);
    let mut counted = Counted::default();
    let mut add = |choice, because: &str| {
        let [because, rule, source] = [because, rule, source].map(str::to_owned);
        counted.reasons.push(Reason { choice, because, rule, source });
    };
    let mut weights = None;
    if o.balance {
        let counts = counts(dataset, rows);
        let all = rows.train.len() as f64;
        let weight = |n: &usize| (all / (classes.len() * (*n).max(1)) as f64) as f32;
        let balanced: Vec<f32> = counts.iter().map(weight).collect();
        let each = classes.iter().zip(&counts).zip(&balanced).take(NAMED);
        let shown: Vec<String> =
            each.map(|((class, n), w)| format!("{class} {w:.2} ({n} images)")).collect();
        let more = if classes.len() > NAMED { ", …" } else { "" };
        let choice = format!("class weights {}{more}", shown.join(", "));
        add(choice, "you asked for classes that count the same");
        weights = Some(balanced);
    }
    for (class, weight) in &o.class_weights {
        let Some(at) = classes.iter().position(|c| c == class) else {
            let near = nearest(class, classes.iter().map(String::as_str));
            let (class, data) = (class.clone(), options.data.clone());
            return Err(Error::NoSuchClass { class, data, classes: classes.len(), near });
        };
        weights.get_or_insert_with(|| vec![1.0; classes.len()])[at] *= *weight as f32;
        add(format!("class `{class}` counts {weight} times"), "you asked for it");
    }
    counted.weights = weights;
    Ok(counted)
}

/// The bias with which a head's held-out probabilities have the shares of the `labels` `[n]` it was fitted on.
pub(crate) fn bias(fitted: &HeadFit, labels: &[usize]) -> Result<Vec<f64>, Error> {
    let classes = fitted.head.classes;
    let mut shares = vec![0.0; classes];
    for label in labels {
        shares[*label] += 1.0 / labels.len() as f64;
    }
    let temperature = f64::from(fitted.head.temperature);
    let scores = fitted.out_of_fold_scores.iter();
    let mut held: Vec<f32> = scores.map(|s| (s / temperature) as f32).collect();
    held.chunks_exact_mut(classes).for_each(softmax);
    Ok(share_bias(&held, &shares)?)
}

/// Makes a fitted head answer as if each class had its weight times as many images: the log of the weight, and
/// the bias of [`bias`], are added to its calibrated logit (Menon et al., Long-tail Learning via Logit
/// Adjustment, 2021, section 4.1; Saerens et al. 2002, equation 2.4).
pub(crate) fn adjust(head: &mut LinearHead, weights: &[f32], bias: &[f64]) {
    for ((value, weight), bias) in head.bias.iter_mut().zip(weights).zip(bias) {
        *value += head.temperature * (weight.ln() + *bias as f32);
    }
}

/// What a person should know of classes of very different size; none where the largest has less than 10
/// times the images of the smallest, or weights were asked for.
pub(crate) fn uneven(options: &FitOptions, dataset: &Dataset, rows: &Rows) -> Option<Reason> {
    if options.tune.balance || !options.tune.class_weights.is_empty() {
        return None;
    }
    let counts = counts(dataset, rows);
    let ((least, few), (most, many)) = ends(&counts)?;
    let [least, most] = [least, most].map(|c| &dataset.classes[c]);
    Some(Reason {
        choice: "classes count as often as they occur".to_owned(),
        because: format!(
            "class `{most}` has {many} training images, class `{least}` {few}: a picture that could be \
             either is called `{most}`, which is right where classes are as frequent as in training"
        ),
        rule: "probabilities stay true to the training images; where classes are as frequent as one \
               another, `predict --prior uniform` (or `estimate`) turns them, or `fit --balance` does so \
               for good"
            .to_owned(),
        source: "measured: 100 ants and 10 bees, or 10 and 100, tested on as many of each; Saerens et al. \
                 2002; Menon et al. 2021"
            .to_owned(),
    })
}

/// The smallest and the largest of very uneven classes, each with its images.
fn ends(counts: &[usize]) -> Option<((usize, usize), (usize, usize))> {
    let counted = || counts.iter().copied().enumerate();
    let least = counted().min_by_key(|(_, n)| *n)?;
    // The first of equal ones, as for the least.
    let most = counted().rev().max_by_key(|(_, n)| *n)?;
    (most.1 >= UNEVEN * least.1.max(1)).then_some((least, most))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_times_as_many_images_are_uneven() {
        assert_eq!(ends(&[10, 99]), None);
        assert_eq!(ends(&[10, 100, 50, 100, 10]), Some(((0, 10), (1, 100))));
        assert_eq!(ends(&[100, 9, 10]), Some(((1, 9), (0, 100))));
        assert_eq!(ends(&[]), None);
    }

    #[test]
    fn an_adjusted_head_turns_its_probabilities() {
        let mut head = LinearHead {
            classes: 2,
            features: 1,
            weight: vec![1.0, -1.0],
            bias: vec![0.5, 0.25],
            temperature: 2.0,
        };
        let before = head.probabilities(&[0.7]).unwrap();
        adjust(&mut head, &[0.5, 2.0], &[0.0, 2f64.ln()]);
        let after = head.probabilities(&[0.7]).unwrap();
        let (a, b) = (before[0] * 0.5, before[1] * 4.0);
        assert!((after[0] - a / (a + b)).abs() < 1e-6, "{before:?} {after:?}");
    }
}
