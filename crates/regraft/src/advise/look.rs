//! What one network makes of the training images.

use std::collections::BTreeMap;

use regraft_advise::Table;
use regraft_advise::facts::{Certainty, Depth, certainty};
use regraft_advise::rank::{Assessment, Score, assess, assess_sets};
use regraft_advise::scores::{Outputs, ridge_out};
use regraft_probe::{Features, LabelSets, Labels};

use crate::gather::{Gathered, gather};
use crate::grouping::together;
use crate::images::TrainingImages;
use crate::lint::distance;
use crate::measure::Answers;
use crate::tuning::memory_wanted;
use crate::{Error, FitOptions, Observer, Progress};

/// Penalties of the ridge heads at lower depths.
const PENALTIES: usize = 10;

/// One network's figures on some of the training images.
pub(super) struct Seen {
    pub(super) name: String,
    pub(super) parameters: u64,
    pub(super) macs: u64,
    pub(super) licence: String,
    pub(super) assessment: Assessment,
    /// What the images are.
    pub(super) answers: Answers,
    pub(super) depths: Vec<Depth>,
    /// What a probe gets on all depths joined, where that is what it reads.
    pub(super) joined_top1: Option<f64>,
    /// The part of each image in what the probe gets when it is left out, `[n]`: 1 for those right.
    pub(super) right: Vec<f64>,
    /// Standard error of what it gets.
    pub(super) error: f64,
    pub(super) output_top1: Option<f64>,
    pub(super) certainty: Option<Certainty>,
    /// The next block above each layer that the network could be cut at.
    pub(super) above: BTreeMap<String, String>,
    /// Images that went through the network now.
    pub(super) computed: usize,
    /// Seconds they took.
    pub(super) seconds: f64,
    /// Seconds that the figures of all images took.
    pub(super) after: f64,
}

impl Seen {
    /// What a probe is expected to get.
    pub(super) fn top1(&self) -> f64 {
        self.assessment.scores.get(&Score::RidgeOut).copied().unwrap_or(0.0)
    }
}

/// An observer that also stops at a time. It runs within something larger, which has told of the data.
pub(crate) struct Until<'a> {
    pub(crate) observer: &'a dyn Observer,
    /// The time by that observer's clock.
    pub(crate) time: f64,
}

impl Observer for Until<'_> {
    fn tell(&self, progress: &Progress<'_>) {
        if !matches!(progress, Progress::Data { .. }) {
            self.observer.tell(progress);
        }
    }

    fn now(&self) -> f64 {
        self.observer.now()
    }

    fn wall(&self) -> f64 {
        self.observer.wall()
    }

    fn stop(&self) -> bool {
        self.observer.stop() || self.observer.now() >= self.time
    }
}

/// The figures of one network on some images.
pub(super) fn look(
    name: &str,
    fit: &FitOptions,
    images: &TrainingImages,
    observer: &dyn Observer,
) -> Result<Seen, Error> {
    let dataset = &images.dataset;
    let gathered = gather(name, fit, dataset, observer)?;
    let before = observer.now();
    let rows = gathered.readable(dataset);
    let answers = images.answers(&rows);
    let (n, names) = (rows.len(), images.names().len());
    let targets = answers.targets(names)?;
    let groups = together(fit, dataset, &gathered.extracted, &rows)?;
    let ridge = |features| ridge_out(features, &targets, PENALTIES, &groups);
    let parts = gathered.parts(&rows)?;
    let (_, cut, values) = &parts[0];
    let trunk = Features::new(values, n, *cut)?;
    let joined = joined(&parts, n);
    let long = Features::new(&joined, n, joined.len() / n.max(1))?;
    let last = ridge(trunk)?;
    // The features that the probe of `fit` reads: all depths where they are better by a standard error.
    let all = if parts.len() > 1 { Some(ridge(long)?) } else { None };
    let all = all.filter(|all| clearly_better(&all.right, &last.right));
    let features = if all.is_some() { long } else { trunk };
    let probabilities = gathered.outputs(values)?;
    let outputs = match &probabilities {
        Some((values, z)) => Some(Table::from(Features::new(values, n, *z)?)),
        None => None,
    };
    let assessment = match &answers {
        Answers::Classes(y) => {
            let labels = Labels::new(y, names)?;
            let outputs = outputs.map(|table| Outputs::new(table, &labels)).transpose()?;
            assess(features, &labels, outputs.as_ref(), &groups)?
        }
        Answers::Labels(sets) => assess_sets(features, &LabelSets::new(sets, names)?, &groups)?,
    };
    let mut depths = Vec::new();
    for (layer, width, values) in parts[1..].iter().rev() {
        let ridge = ridge(Features::new(values, n, *width)?)?;
        depths.push(Depth {
            cut: layer.clone(),
            share: gathered.share(layer),
            loo_top1: ridge.top1,
            training_top1: ridge.training_top1,
            df: ridge.df,
        });
    }
    depths.push(Depth {
        cut: gathered.source.cut.clone(),
        share: 1.0,
        loo_top1: last.top1,
        training_top1: last.training_top1,
        df: last.df,
    });
    let output_top1 = match &probabilities {
        Some((values, z)) => Some(ridge(Features::new(values, n, *z)?)?.top1),
        None => None,
    };
    let network = &gathered.loaded.network;
    let (whole, trunk) = (network.facts()?, gathered.source.network.facts()?);
    Ok(Seen {
        name: name.to_owned(),
        parameters: whole.learned(),
        macs: trunk.macs(),
        licence: network.card().licence.clone(),
        joined_top1: all.as_ref().map(|all| all.top1),
        error: all.as_ref().unwrap_or(&last).error(),
        right: all.map_or(last.right, |all| all.right),
        assessment,
        depths,
        output_top1,
        certainty: outputs.map(certainty).transpose()?,
        above: above(&gathered),
        answers,
        computed: gathered.extracted.computed,
        seconds: gathered.seconds,
        after: observer.now() - before,
    })
}

/// The parts of each row behind one another, `[n, d]`, each part with the same mean square distance from its
/// mean, as `fit` joins them.
fn joined(parts: &[(String, usize, Vec<f32>)], n: usize) -> Vec<f32> {
    let width: usize = parts.iter().map(|(_, len, _)| len).sum();
    let mut all = vec![0.0; n * width];
    let mut from = 0;
    for (_, len, values) in parts {
        let mut variance = 0.0;
        for j in 0..*len {
            let column = || values.iter().skip(j).step_by(*len).map(|v| f64::from(*v));
            let mean = column().sum::<f64>() / n.max(1) as f64;
            variance += column().map(|v| (v - mean).powi(2)).sum::<f64>() / n.max(1) as f64;
        }
        let scale = if variance > 0.0 { (1.0 / variance.sqrt()) as f32 } else { 1.0 };
        for (row, of) in all.chunks_exact_mut(width).zip(values.chunks_exact(*len)) {
            row[from..from + len].iter_mut().zip(of).for_each(|(to, v)| *to = v * scale);
        }
        from += len;
    }
    all
}

/// Whether one head gets more than another by more than a standard error of the difference, by the part of each image
/// in what they get.
pub(crate) fn clearly_better(one: &[f64], other: &[f64]) -> bool {
    let n = one.len().max(2) as f64;
    let gains = || one.iter().zip(other).map(|(a, b)| a - b);
    let mean = gains().sum::<f64>() / n;
    let spread = gains().map(|g| (g - mean).powi(2)).sum::<f64>() / (n - 1.0);
    // One image more is a gain of exactly one error, whichever way that is rounded.
    mean > (1.0 + 1e-9) * (spread / n).sqrt()
}

/// For each block the next one.
fn above(gathered: &Gathered) -> BTreeMap<String, String> {
    let blocks = &gathered.loaded.network.card().blocks;
    blocks.windows(2).map(|w| (w[0].clone(), w[1].clone())).collect()
}

/// What only the network that is advised is asked.
pub(super) struct Closer {
    /// How far its batch norms' statistics are from those of the images.
    pub(super) distance: Option<f64>,
    /// Bytes that training all of it takes.
    pub(super) memory: Option<u64>,
}

/// A closer look at one network; the memory only where there is a limit.
pub(super) fn closer(
    name: &str,
    fit: &FitOptions,
    images: &TrainingImages,
    limited: bool,
    observer: &dyn Observer,
) -> Result<Closer, Error> {
    let loaded = crate::load(name, &fit.load, observer)?;
    let distance = distance(&loaded.network, &images.files(), observer)?;
    let memory = if limited {
        let trunk = crate::features::source(&loaded.network, fit)?;
        let trunk = trunk.chosen(crate::FeatureKind::Trunk)?;
        Some(memory_wanted(&trunk, images.names(), images.len())?)
    } else {
        None
    };
    Ok(Closer { distance, memory })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joined_parts_weigh_the_same_whatever_their_size() {
        let small = ("a".to_owned(), 1, vec![0.0, 2.0]);
        let large = ("b".to_owned(), 2, vec![10.0, 0.0, 30.0, 0.0]);
        assert_eq!(joined(&[small, large], 2), [0.0, 1.0, 0.0, 2.0, 3.0, 0.0]);
    }

    #[test]
    fn a_head_is_better_by_more_than_luck() {
        let one = |more: usize| -> Vec<f64> {
            (0..100).map(|i| f64::from(u8::from(i < 50 + more))).collect()
        };
        let other = one(0);
        assert!(clearly_better(&one(5), &other));
        assert!(!clearly_better(&one(1), &other));
        assert!(!clearly_better(&other, &other));
    }
}
