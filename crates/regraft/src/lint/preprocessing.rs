//! Whether the card prepares pictures as the network was trained: tried against the usual other ways.

use std::path::{Path, PathBuf};

use rayon::prelude::*;
use regraft_data::Picture;
use regraft_net::card::{Channels, Preprocess};
use regraft_net::lint::{Finding, Severity, norm_distance};
use regraft_net::{Network, Op};
use regraft_run::wilson;
use serde::Serialize;

use super::{run, tell};
use crate::verify::truths;
use crate::{Error, Observer};

/// Most images on which ways are compared.
pub(super) const IMAGES: usize = 200;

/// How the network does with one way of preparing pictures.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PreprocessingRow {
    /// The way, in words.
    pub name: String,
    /// Whether it is the card's.
    pub card: bool,
    /// Share of images whose class came first, where classes are known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top1: Option<f64>,
    /// 95 % interval of `top1` (Wilson 1927).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval: Option<[f64; 2]>,
    /// Mean negative log likelihood of the right class, where classes are known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_loss: Option<f64>,
    /// Mean probability of the first class.
    pub confidence: f64,
    /// Mean entropy of the probabilities, in nats.
    pub entropy: f64,
    /// How far the images are from what the batch norms keep; none without batch norms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub norm_distance: Option<f64>,
    /// How many standard errors the mean gain over the card's is: of the right class's log likelihood
    /// where classes are known, of the first class's log probability else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gain: Option<f64>,
}

/// What the trials say.
pub(super) struct Verdict {
    pub(super) words: String,
    pub(super) finding: Option<Finding>,
}

/// The usual ways, by name.
fn usual(card: &Preprocess) -> Vec<(String, Preprocess)> {
    let byte = 1.0 / 255.0;
    let rgb = Preprocess { channels: Channels::Rgb, scale: byte, ..*card };
    let caffe = Preprocess {
        channels: Channels::Bgr,
        scale: 1.0,
        mean: [103.939, 116.779, 123.68],
        std: [1.0; 3],
        ..*card
    };
    let imagenet = Preprocess { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225], ..rgb };
    let channels = match card.channels {
        Channels::Rgb => Channels::Bgr,
        Channels::Bgr => Channels::Rgb,
    };
    let turned = |[r, g, b]: [f32; 3]| [b, g, r];
    // Each colour keeps its own mean and deviation.
    let swapped = Preprocess { channels, mean: turned(card.mean), std: turned(card.std), ..*card };
    let all = [
        ("0 to 1", Preprocess { mean: [0.0; 3], std: [1.0; 3], ..rgb }),
        ("ImageNet's mean and deviation", imagenet),
        (
            "-1 to 1, which is (x - 127) / 128 too",
            Preprocess { mean: [0.5; 3], std: [0.5; 3], ..rgb },
        ),
        ("0 to 255 less the mean, blue first (Caffe)", caffe),
        ("the card's with red and blue swapped", swapped),
    ];
    let others = all.into_iter().filter(|(_, way)| !same(card, way));
    let card = std::iter::once(("the card's".to_owned(), *card));
    card.chain(others.map(|(name, way)| (name.to_owned(), way))).collect()
}

/// Whether two ways give the same up to 2 % of the range.
fn same(a: &Preprocess, b: &Preprocess) -> bool {
    let ends =
        |p: &Preprocess, c: usize| [0.0, 255.0].map(|v: f32| (v * p.scale - p.mean[c]) / p.std[c]);
    a.channels == b.channels
        && (0..3).all(|c| {
            let ([a0, a1], [b0, b1]) = (ends(a, c), ends(b, c));
            (a0 - b0).abs().max((a1 - b1).abs()) <= 0.02 * (a1 - a0).abs()
        })
}

/// One image's outcome.
#[derive(Clone, Copy)]
struct Outcome {
    /// Whether the right class came first; of no meaning without classes.
    right: bool,
    /// Log probability of the right class.
    truth: f64,
    /// Log probability of the first class.
    first: f64,
    entropy: f64,
}

/// Tries the usual ways; `None` when the network has no scores of classes.
pub(super) fn tried(
    network: &Network,
    folder: &Path,
    files: &[PathBuf],
    pictures: &[Picture],
    few: &[&Picture],
    observer: &dyn Observer,
) -> Result<Option<(Vec<PreprocessingRow>, Verdict)>, Error> {
    let graph = network.graph();
    let scores = match network.card().logits.as_deref() {
        Some(logits) => graph.find(logits)?,
        None => graph.output()?,
    };
    let shape = network.facts()?.layer(scores).shape.clone();
    if shape.count() < 2 || shape.iter().skip(1).any(|n| *n != 1) {
        return Ok(None);
    }
    let truths = classes(network, folder, files, shape.count());
    let soft = matches!(graph.layer(scores).op, Op::Softmax);
    let engine = run::engine(network, &[&graph.layer(scores).name])?;
    let before_norms = run::before_norms(network);
    let ways = usual(&network.card().preprocess);
    let mut all: Vec<Vec<Outcome>> = Vec::new();
    let mut rows = Vec::new();
    for (w, (name, way)) in ways.iter().enumerate() {
        tell(observer, w * pictures.len(), ways.len() * pictures.len())?;
        let one = |(i, picture): (usize, &Picture)| -> Result<Outcome, Error> {
            let image = run::input(picture, way)?;
            let mut scratch = engine.scratch();
            let mut values = vec![0.0; engine.results_len()];
            engine.run(&image, &mut scratch, &mut values);
            Ok(outcome(&values, soft, truths.as_ref().map(|t| t[i])))
        };
        let outcomes: Vec<Outcome> =
            pictures.par_iter().enumerate().map(one).collect::<Result<_, _>>()?;
        let distance = if before_norms.is_empty() {
            None
        } else {
            let seen = run::layers(network, few, way, Some(&before_norms), observer)?;
            norm_distance(graph, network.params(), &seen)?
        };
        rows.push(row(name, &outcomes, all.first(), truths.is_some(), distance));
        all.push(outcomes);
    }
    let verdict = if truths.is_some() { by_class(&rows, &all) } else { by_confidence(&rows) };
    Ok(Some((rows, verdict)))
}

/// The class of each file, where its name or folder says it.
fn classes(
    network: &Network,
    folder: &Path,
    files: &[PathBuf],
    outputs: usize,
) -> Option<Vec<usize>> {
    let labels = &network.card().labels;
    let own = |file: &PathBuf| {
        let parent = file.parent()?.file_name()?.to_str()?;
        labels.iter().position(|l| l.eq_ignore_ascii_case(parent))
    };
    let own: Option<Vec<usize>> = files.iter().map(own).collect();
    own.filter(|list| list.iter().all(|c| *c < outputs)).or_else(|| {
        let source = outputs == 1000 && (labels.is_empty() || labels.len() == 1000);
        if source { truths(folder, files).ok() } else { None }
    })
}

fn outcome(values: &[f32], soft: bool, truth: Option<usize>) -> Outcome {
    let wide = |v: &f32| f64::from(*v);
    let top = values.iter().map(wide).fold(f64::NEG_INFINITY, f64::max);
    let logs: Vec<f64> = if soft {
        values.iter().map(|v| wide(v).max(1e-30).ln()).collect()
    } else {
        let sum: f64 = values.iter().map(|v| (wide(v) - top).exp()).sum();
        values.iter().map(|v| wide(v) - top - sum.ln()).collect()
    };
    let truth = truth.and_then(|t| logs.get(t).copied()).unwrap_or(f64::NEG_INFINITY);
    let first = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let entropy = -logs.iter().map(|l| if *l > -700.0 { l.exp() * l } else { 0.0 }).sum::<f64>();
    Outcome { right: truth >= first, truth, first, entropy }
}

fn row(
    name: &str,
    outcomes: &[Outcome],
    card: Option<&Vec<Outcome>>,
    known: bool,
    norm_distance: Option<f64>,
) -> PreprocessingRow {
    let n = outcomes.len();
    let mean = |f: fn(&Outcome) -> f64| outcomes.iter().map(f).sum::<f64>() / n.max(1) as f64;
    let right = outcomes.iter().filter(|o| o.right).count();
    let of = |o: &Outcome| if known { o.truth } else { o.first };
    PreprocessingRow {
        name: name.to_owned(),
        card: card.is_none(),
        top1: known.then(|| right as f64 / n.max(1) as f64),
        interval: if known { wilson(right, n) } else { None },
        log_loss: known.then(|| -mean(|o| o.truth)),
        confidence: mean(|o| o.first.exp()),
        entropy: mean(|o| o.entropy),
        norm_distance,
        gain: card.map(|card| {
            let gains: Vec<f64> = outcomes.iter().zip(card).map(|(a, b)| of(a) - of(b)).collect();
            standard_errors(&gains)
        }),
    }
}

/// The mean in standard errors.
fn standard_errors(values: &[f64]) -> f64 {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n.max(1.0);
    let spread = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0).max(1.0);
    let error = (spread / n.max(1.0)).sqrt();
    if error > 0.0 { mean / error } else { 0.0 }
}

/// Probability that of `n` images on which two ways differ, so few or fewer go to the worse one when
/// both are as good: the exact two-sided sign test (`McNemar` 1947).
fn sign_test(better: usize, worse: usize) -> f64 {
    let n = better + worse;
    let (mut term, mut sum) = (0.5f64.powi(n.min(1000) as i32), 0.0);
    for k in 0..=better.min(worse) {
        sum += term;
        term *= (n - k) as f64 / (k + 1) as f64;
    }
    (2.0 * sum).min(1.0)
}

/// Standard errors above which a gain is clear.
const CLEAR: f64 = 3.0;

fn by_class(rows: &[PreprocessingRow], all: &[Vec<Outcome>]) -> Verdict {
    let images = all[0].len();
    let best = (1..rows.len()).max_by(|a, b| {
        let loss = |i: usize| rows[i].log_loss.unwrap_or(f64::INFINITY);
        loss(*b).total_cmp(&loss(*a))
    });
    let right = |i: usize| rows[i].top1.unwrap_or_default();
    let card = format!("the card's has {:.0} % of {images} images right", 100.0 * right(0));
    let Some(best) = best else {
        return Verdict { words: card, finding: None };
    };
    let won = all[best].iter().zip(&all[0]).filter(|(b, c)| b.right && !c.right).count();
    let lost = all[best].iter().zip(&all[0]).filter(|(b, c)| !b.right && c.right).count();
    let chance = sign_test(won, lost);
    let gain = rows[best].gain.unwrap_or_default();
    let figures = format!(
        "{card}, `{}` {:.0} % ({won} images won, {lost} lost; by chance {chance:.3}), and the right \
         class is likelier by {gain:.1} standard errors",
        rows[best].name,
        100.0 * right(best)
    );
    if gain > CLEAR {
        let sure = won > lost && chance < 0.05;
        let severity = if sure { Severity::Problem } else { Severity::Warning };
        let word = if sure { "wrong" } else { "probably wrong" };
        let words = format!("the card's preprocessing is {word}: {figures}");
        let finding = Finding::of("preprocessing", severity, None, figures);
        return Verdict { words, finding };
    }
    let words = if gain < -CLEAR {
        format!(
            "right: {card}, the best other (`{}`) {:.0} %, and is clearly less likely",
            rows[best].name,
            100.0 * right(best)
        )
    } else {
        format!("cannot be told from `{}` on {images} images: {figures}", rows[best].name)
    };
    Verdict { words, finding: None }
}

/// Without classes only a doubt can be raised: a network may be surer of what it sees wrongly.
fn by_confidence(rows: &[PreprocessingRow]) -> Verdict {
    let card = &rows[0];
    let closer = |row: &PreprocessingRow| match (row.norm_distance, card.norm_distance) {
        (Some(row), Some(card)) => row < 0.8 * card,
        (Some(_) | None, None) | (None, Some(_)) => true,
    };
    let better = rows[1..]
        .iter()
        .filter(|row| {
            row.gain.is_some_and(|g| g > CLEAR) && row.entropy < card.entropy && closer(row)
        })
        .min_by(|a, b| a.entropy.total_cmp(&b.entropy));
    let Some(better) = better else {
        let words = "no usual other one makes the network surer and fits its norms better (classes of \
                     the images are not known, so this is weak evidence)";
        return Verdict { words: words.to_owned(), finding: None };
    };
    let fits = match (better.norm_distance, card.norm_distance) {
        (Some(b), Some(c)) => {
            format!("; distance to the norms' statistics {b:.2}, the card's {c:.2}")
        }
        (Some(_) | None, None) | (None, Some(_)) => String::new(),
    };
    let figures = format!(
        "with `{}` the network is surer: mean probability of its first class {:.2}, {:.2} with the \
         card's ({:.1} standard errors){fits}",
        better.name,
        better.confidence,
        card.confidence,
        better.gain.unwrap_or_default()
    );
    let words = format!("perhaps wrong: {figures}; labelled images would tell");
    let finding = Finding::of("preprocessing", Severity::Warning, None, figures);
    Verdict { words, finding }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sign_test_gives_the_exact_chances() {
        assert!((sign_test(0, 5) - 0.0625).abs() < 1e-12);
        assert!((sign_test(9, 1) - 22.0 / 1024.0).abs() < 1e-12);
        assert_eq!(sign_test(3, 3), 1.0);
        assert_eq!(sign_test(0, 0), 1.0);
    }

    #[test]
    fn ways_that_give_the_same_numbers_are_tried_once() {
        let way = |mean, std| Preprocess {
            mean: [mean; 3],
            std: [std; 3],
            ..Preprocess::imagenet(256, 224, regraft_net::card::Interpolation::Bilinear)
        };
        let card = way(127.0 / 255.0, 128.0 / 255.0);
        assert!(same(&card, &way(0.5, 0.5)) && !same(&card, &way(0.0, 1.0)));
        let names: Vec<String> = usual(&card).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names.len(), 5, "{names:?}");
        assert_eq!(names[0], "the card's");
    }
}
