//! What of the network the head reads, and the choice between features by held-out likelihood.

use std::fmt::Write;
use std::io;
use std::ops::Range;
use std::sync::OnceLock;

use regraft_data::Dataset;
use regraft_net::{NetError, Network, notation, surgery};
use regraft_probe::{
    Features, HeadEvent, HeadFit, HeadKind, HeadOptions, Labels, LinearHead, ProbeError, fit_head,
};
use regraft_run::Event;
use regraft_train::{Extracted, TrainError};

use crate::balance::{self, Counted, counted};
use crate::grouping::together;
use crate::journal::{Log, Rows};
use crate::{Error, FeatureKind, FitOptions, Strategy};

/// Lower layers that join the cut's output in [`FeatureKind::Depths`].
const DEPTHS: usize = 3;
/// Standard errors of the paired difference by which the longer features must win.
pub(crate) const ERRORS_TO_WIN: f64 = 1.0;
/// Rows in memory at a time, where the head does not ask for a number of its own.
const BLOCK: usize = 256;

/// The network that gives every feature that may be used, as one vector.
pub(crate) struct Source {
    /// Ends with the vector.
    pub(crate) network: Network,
    /// The layer it is cut at.
    pub(crate) cut: String,
    /// Names and lengths of the vector's parts; the cut's own comes first.
    parts: Vec<(String, usize)>,
    kind: FeatureKind,
}

impl Source {
    /// The layer that gives the vector.
    pub(crate) fn output(&self) -> Result<&str, Error> {
        let graph = self.network.graph();
        Ok(&graph.layer(graph.output()?).name)
    }

    /// Names and lengths of the vector's parts; the cut's own comes first.
    pub(crate) fn part_list(&self) -> &[(String, usize)] {
        &self.parts
    }

    /// Why the vector is taken as it is; none where shorter features may do.
    pub(crate) fn no_choice(&self, options: &FitOptions) -> Option<&'static str> {
        match self.kind {
            FeatureKind::Auto => None,
            FeatureKind::Logits => Some(
                "you asked for the source's class probabilities: few, dense and hard to overfit when its classes \
                 are near yours",
            ),
            FeatureKind::Depths => Some("you asked for several depths"),
            FeatureKind::Trunk if options.cut.is_some() => Some("you asked for this layer"),
            FeatureKind::Trunk => {
                Some("you asked for the output of the cut, or no lower stages are known to join it")
            }
        }
    }

    /// What it was made for.
    pub(crate) fn kind(&self) -> FeatureKind {
        self.kind
    }

    /// How many of the vector's values are the cut's own; they come first.
    pub(crate) fn cut_len(&self) -> usize {
        self.parts.first().map_or(0, |(_, len)| *len)
    }

    /// The network up to the features that were chosen.
    pub(crate) fn chosen(&self, kind: FeatureKind) -> Result<Network, Error> {
        match (self.kind, kind) {
            (FeatureKind::Auto, FeatureKind::Trunk) => Ok(self.network.cut(&self.parts[0].0)?),
            _ => Ok(self.network.clone()),
        }
    }
}

/// The part of the network that gives the features, as a vector.
///
/// # Errors
/// When the layer to cut at is not known or does not exist.
pub(crate) fn source(network: &Network, options: &FitOptions) -> Result<Source, Error> {
    let card = network.card();
    if options.features == FeatureKind::Logits && options.cut.is_none() {
        let logits = card.logits.clone();
        let cut = logits.ok_or_else(|| Error::NoLogits { name: card.name.clone() })?;
        let trunk = with_tail(&network.cut(&cut)?, &cut, "probabilities", "softmax")?;
        let parts = vec![("probabilities".to_owned(), trunk.facts()?.output().shape.count())];
        return Ok(Source { network: trunk, cut, parts, kind: FeatureKind::Logits });
    }
    let asked = options.cut.clone().or_else(|| card.cut.clone());
    let cut = asked.ok_or_else(|| Error::NoCut { name: card.name.clone() })?;
    let mut trunk = network.cut(&cut)?;
    let mut top = cut.clone();
    if trunk.facts()?.output().shape.len() == 3 {
        // A map becomes a vector by its mean over height and width.
        "features".clone_into(&mut top);
        trunk = with_tail(&trunk, &cut, &top, "global_avg_pool")?;
    }
    let mut parts = vec![(top, trunk.facts()?.output().shape.count())];
    let several = match options.features {
        FeatureKind::Auto => options.cut.is_none(),
        FeatureKind::Depths => true,
        FeatureKind::Trunk | FeatureKind::Logits => false,
    };
    let depths = if several { depths(&trunk, parts[0].1)? } else { Vec::new() };
    if depths.is_empty() {
        return Ok(Source { network: trunk, cut, parts, kind: FeatureKind::Trunk });
    }
    let mut text = notation::print(trunk.graph());
    text.truncate(text.find("->").unwrap_or(text.len()));
    let mut inputs = parts[0].0.clone();
    for (layer, channels) in depths {
        let name = format!("{layer}.mean");
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{name} = global_avg_pool {layer}");
        inputs = format!("{inputs} {name}");
        parts.push((name, channels));
    }
    let _ = writeln!(text, "depths = concat {inputs}\n-> depths");
    let network = Network::new(notation::parse(&text)?, trunk.params(), trunk.card().clone())?;
    Ok(Source { network, cut, parts, kind: options.features })
}

fn with_tail(trunk: &Network, from: &str, name: &str, op: &str) -> Result<Network, NetError> {
    let shape = trunk.facts()?.output().shape.clone();
    let text = format!("{from} = input {shape}\n{name} = {op} {from}\n-> {name}\n");
    let graph = surgery::graft(trunk.graph(), &notation::parse(&text)?)?;
    Network::new(graph, trunk.params(), trunk.card().clone())
}

/// The last layer of each of the highest stages below the cut, highest first, with its channels.
///
/// A stage is a run of blocks whose outputs have one shape. The highest one is left out when it is as
/// wide as the cut's vector: then it is what the cut pools.
fn depths(trunk: &Network, cut_len: usize) -> Result<Vec<(String, usize)>, Error> {
    let facts = trunk.facts()?;
    let mut stages: Vec<(String, Vec<usize>)> = Vec::new();
    for block in &trunk.card().blocks {
        let Ok(id) = trunk.graph().find(block) else { continue };
        let shape = facts.layer(id).shape.to_vec();
        if shape.len() != 3 {
            continue;
        }
        if stages.last().is_some_and(|(_, last)| *last == shape) {
            stages.pop();
        }
        stages.push((block.clone(), shape));
    }
    if stages.last().is_some_and(|(_, shape)| shape[0] == cut_len) {
        stages.pop();
    }
    Ok(stages.into_iter().rev().take(DEPTHS).map(|(name, shape)| (name, shape[0])).collect())
}

/// The features chosen and the head on them.
pub(crate) struct Chosen {
    /// `trunk`, `depths` or `logits`; never `auto`.
    pub(crate) kind: FeatureKind,
    /// The layer the network is cut at.
    pub(crate) cut: String,
    /// Values of the extracted vector that the head reads: the first of them.
    pub(crate) columns: Range<usize>,
    /// Its held-out figures are those before classes were weighed.
    pub(crate) fitted: HeadFit,
    /// Why these features.
    pub(crate) because: String,
    /// What each class counts in the head.
    pub(crate) counted: Counted,
    /// See [`regraft_run::HeadPlan`].
    pub(crate) share_bias: Vec<f64>,
}

/// A head on the cut's own output, from the training images `rows`.
pub(crate) fn start_head(
    options: &FitOptions,
    dataset: &Dataset,
    extracted: &Extracted,
    source: &Source,
    rows: &Rows,
    log: &Log<'_>,
) -> Result<HeadFit, Error> {
    head(options, options.head, dataset, extracted, source, rows, 1, log)
}

/// [`unweighed`], and what each class counts, where the probe may be what is asked for.
pub(crate) fn choose(
    options: &FitOptions,
    dataset: &Dataset,
    extracted: &Extracted,
    source: &Source,
    rows: &Rows,
    log: &Log<'_>,
) -> Result<Chosen, Error> {
    let mut chosen = unweighed(options, dataset, extracted, source, rows, log)?;
    if matches!(options.strategy, Strategy::Probe | Strategy::Auto) {
        let rule = [
            "the log of its weight is added to the head's calibrated score: it answers as if each class had \
             that many times the images",
            "Menon et al. 2021 (logit adjustment); weighing the examples instead was measured no better",
        ];
        chosen.counted = counted(options, dataset, rows, rule)?;
        let labels: Vec<usize> = rows.train.iter().map(|i| dataset.examples[*i].label).collect();
        chosen.share_bias = balance::bias(&chosen.fitted, &labels)?;
        if let Some(weights) = &chosen.counted.weights {
            let bias = std::mem::take(&mut chosen.share_bias);
            balance::adjust(&mut chosen.fitted.head, weights, &bias);
        }
    }
    Ok(chosen)
}

/// Fits a head; when the choice of features is open, one on each, and takes the shorter features
/// unless the longer ones are better on held-out images by more than one standard error.
fn unweighed(
    options: &FitOptions,
    dataset: &Dataset,
    extracted: &Extracted,
    source: &Source,
    rows: &Rows,
    log: &Log<'_>,
) -> Result<Chosen, Error> {
    let fit =
        |parts: usize, kind| head(options, kind, dataset, extracted, source, rows, parts, log);
    let chosen = |kind, parts: usize, fitted, because| Chosen {
        kind,
        cut: source.cut.clone(),
        columns: 0..source.parts[..parts].iter().map(|(_, len)| len).sum(),
        fitted,
        because,
        counted: Counted::default(),
        share_bias: Vec::new(),
    };
    let all = source.parts.len();
    if let Some(because) = source.no_choice(options) {
        return Ok(chosen(source.kind, all, fit(all, options.head)?, because.to_owned()));
    }
    // Ridge judges: its held-out scores are exact and cost one decomposition.
    let (short, long) = (fit(1, HeadKind::Ridge)?, fit(all, HeadKind::Ridge)?);
    let labels: Vec<usize> = rows.train.iter().map(|i| dataset.examples[*i].label).collect();
    let gains: Vec<f64> =
        losses(&short, &labels).zip(losses(&long, &labels)).map(|(s, l)| s - l).collect();
    let (mean, error) = mean_and_error(&gains);
    let figures = |word: &str| {
        format!(
            "leave-one-out log loss of a ridge head {:.3} with `{}` alone, {:.3} with {} joined ({:.1} % and {:.1} % \
             right); the gain of {mean:.3} is {word} than one standard error ({error:.3})",
            short.out_of_fold_nll,
            source.parts[0].0,
            long.out_of_fold_nll,
            source.parts[1..].iter().map(|(n, _)| format!("`{n}`")).collect::<Vec<_>>().join(", "),
            100.0 * short.out_of_fold_top1,
            100.0 * long.out_of_fold_top1,
        )
    };
    if mean > ERRORS_TO_WIN * error {
        Ok(chosen(FeatureKind::Depths, all, fit(all, options.head)?, figures("more")))
    } else {
        Ok(chosen(FeatureKind::Trunk, 1, fit(1, options.head)?, figures("not more")))
    }
}

/// Mean, and the standard error of the mean.
pub(crate) fn mean_and_error(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let spread = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0).max(1.0);
    (mean, (spread / n).sqrt())
}

/// Negative log likelihood of each training image when it was held out.
fn losses(fit: &HeadFit, labels: &[usize]) -> impl Iterator<Item = f64> {
    let temperature = f64::from(fit.head.temperature);
    fit.out_of_fold_scores.chunks_exact(fit.head.classes).zip(labels).map(move |(scores, label)| {
        let top = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = scores.iter().map(|s| ((s - top) / temperature).exp()).sum();
        sum.ln() - (scores[*label] - top) / temperature
    })
}

/// Calls `see` with the first `width` values of `rows`, a block of rows after the other.
pub(crate) fn blocks(
    extracted: &Extracted,
    rows: &[usize],
    width: usize,
    mut see: impl FnMut(&[f32]) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut block = Vec::new();
    for rows in rows.chunks(BLOCK) {
        extracted.read(rows, width, &mut block)?;
        see(&block)?;
    }
    Ok(())
}

/// Scores `[rows, C]` of a head on the first values of `rows`.
pub(crate) fn scored(
    extracted: &Extracted,
    rows: &[usize],
    head: &LinearHead,
) -> Result<Vec<f64>, Error> {
    let mut scores = Vec::new();
    blocks(extracted, rows, head.features, |block| {
        scores.extend(head.logits_batch(block)?.into_iter().map(f64::from));
        Ok(())
    })?;
    Ok(scores)
}

/// What the head learns from: some rows, their first values, each column times its scale. Read from
/// where the features are kept, every time.
struct Training<'a> {
    extracted: &'a Extracted,
    rows: &'a [usize],
    scales: &'a [f32],
    /// Why rows could not be read.
    broken: OnceLock<TrainError>,
}

impl regraft_probe::Rows for Training<'_> {
    fn rows(&self) -> usize {
        self.rows.len()
    }

    fn columns(&self) -> usize {
        self.scales.len()
    }

    fn read<'b>(
        &'b self,
        first: usize,
        count: usize,
        buffer: &'b mut Vec<f32>,
    ) -> io::Result<&'b [f32]> {
        let rows = &self.rows[first..first + count];
        if let Err(error) = self.extracted.read(rows, self.columns(), buffer) {
            // Of several threads' errors one is enough.
            let _ = self.broken.set(error);
            return Err(io::Error::other("the kept features cannot be read"));
        }
        for row in buffer.chunks_exact_mut(self.columns()) {
            row.iter_mut().zip(self.scales).for_each(|(v, s)| *v *= s);
        }
        Ok(buffer)
    }
}

/// A head on the first `parts` of the vector.
fn head(
    options: &FitOptions,
    kind: HeadKind,
    dataset: &Dataset,
    extracted: &Extracted,
    source: &Source,
    rows: &Rows,
    parts: usize,
    log: &Log<'_>,
) -> Result<HeadFit, Error> {
    let parts = &source.parts[..parts];
    let y: Vec<usize> = rows.train.iter().map(|i| dataset.examples[*i].label).collect();
    let labels = Labels::new(&y, dataset.classes.len())?;
    let groups = Some(together(options, dataset, extracted, &rows.train)?);
    let head_options = HeadOptions { kind, seed: options.seed, groups, ..HeadOptions::default() };
    let (mut fitted, scales) = on_parts(extracted, &rows.train, parts, |features| {
        fit_head(features, &labels, &head_options, &mut |event| heard(log, &event))
    })?;
    unscale(&mut fitted.head, &scales);
    Ok(fitted)
}

/// Tells of a penalty that was tried.
pub(crate) fn heard(log: &Log<'_>, event: &HeadEvent) {
    if let HeadEvent::Tried(row) = event {
        log.event(Event::HeadPenalty {
            kind: row.method.name().to_owned(),
            penalty: row.penalty,
            top1: row.top1,
            nll: row.nll,
        });
    }
}

/// What `fit` makes of some `parts` of the vector of `rows`, the first ones, each column times its scale; those come
/// with it.
pub(crate) fn on_parts<T>(
    extracted: &Extracted,
    rows: &[usize],
    parts: &[(String, usize)],
    fit: impl FnOnce(Features<'_>) -> Result<T, ProbeError>,
) -> Result<(T, Vec<f32>), Error> {
    let width = parts.iter().map(|(_, len)| len).sum();
    let scales = scales(extracted, rows, width, parts)?;
    let training = Training { extracted, rows, scales: &scales, broken: OnceLock::new() };
    let fitted = Features::from_rows(&training).and_then(fit);
    match (fitted, training.broken.into_inner()) {
        (Ok(fitted), _) => Ok((fitted, scales)),
        // The cause, not the head's word that rows are missing.
        (Err(_), Some(cause)) => Err(cause.into()),
        (Err(error), None) => Err(error.into()),
    }
}

/// Scales go into the weights, so that the head reads features as they come.
pub(crate) fn unscale(head: &mut LinearHead, scales: &[f32]) {
    for row in head.weight.chunks_exact_mut(scales.len()) {
        row.iter_mut().zip(scales).for_each(|(w, s)| *w *= s);
    }
}

/// One factor for each column: with several parts, each part gets the same mean square distance
/// from its mean, so that no depth outweighs another by the size of its numbers.
fn scales(
    extracted: &Extracted,
    rows: &[usize],
    width: usize,
    parts: &[(String, usize)],
) -> Result<Vec<f32>, Error> {
    if parts.len() == 1 {
        return Ok(vec![1.0; width]);
    }
    let mut sums = vec![(0.0f64, 0.0f64); width];
    blocks(extracted, rows, width, |block| {
        for row in block.chunks_exact(width) {
            for ((sum, squares), v) in sums.iter_mut().zip(row) {
                *sum += f64::from(*v);
                *squares += f64::from(*v).powi(2);
            }
        }
        Ok(())
    })?;
    let rows = rows.len().max(1) as f64;
    let variance = |(sum, squares): &(f64, f64)| (squares / rows - (sum / rows).powi(2)).max(0.0);
    let mut scales = Vec::with_capacity(width);
    for (_, len) in parts {
        let part = &sums[scales.len()..scales.len() + len];
        let size = part.iter().map(variance).sum::<f64>().sqrt();
        let scale = if size > 0.0 { (1.0 / size) as f32 } else { 1.0 };
        scales.resize(scales.len() + len, scale);
    }
    Ok(scales)
}
