//! What a network says of examples that it does not learn from.

use rayon::prelude::*;
use regraft_infer::{Engine, Precision};
use regraft_net::Network;

use crate::{Inputs, TrainError};

/// What a network says of examples it did not learn from.
#[derive(Debug, Clone, PartialEq)]
pub struct Held {
    /// Logits `[n, C]`.
    pub scores: Vec<f64>,
    /// Share right, 0 to 1.
    pub top1: f64,
    /// Mean negative log-likelihood in nats.
    pub nll: f64,
}

impl Held {
    /// Tries a network on the examples `held`, by their places in `inputs`, of which `labels` has all.
    pub(crate) fn of(
        network: &Network,
        inputs: &Inputs,
        labels: &[usize],
        held: &[usize],
    ) -> Result<Self, TrainError> {
        let scores = scores(network, inputs, held)?;
        let classes = scores.len() / held.len().max(1);
        let (mut right, mut nll) = (0, 0.0);
        for (row, i) in scores.chunks_exact(classes).zip(held) {
            let label = labels[*i];
            let top = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let sum: f64 = row.iter().map(|s| (s - top).exp()).sum();
            nll += sum.ln() + top - row[label];
            right += usize::from(most_probable(row) == label);
        }
        let n = held.len().max(1) as f64;
        Ok(Self { scores, top1: f64::from(right as u32) / n, nll: nll / n })
    }
}

/// The place of the largest score, the first of equals.
pub fn most_probable(scores: &[f64]) -> usize {
    let best = (0..scores.len()).max_by(|a, b| scores[*a].total_cmp(&scores[*b]).then(b.cmp(a)));
    best.unwrap_or_default()
}

/// What a crown says of examples as they are: `[n, C]`.
///
/// # Errors
/// When the network cannot be run or an input cannot be read.
pub fn scores(
    crown: &Network,
    inputs: &Inputs,
    examples: &[usize],
) -> Result<Vec<f64>, TrainError> {
    let graph = crown.graph();
    let output = graph.layer(graph.output()?).name.clone();
    let engine = Engine::compile_in(crown, &[&output], Precision::F32)?;
    let mut scores = vec![0.0f32; examples.len() * engine.results_len()];
    let rows = scores.par_chunks_exact_mut(engine.results_len()).zip(examples).with_max_len(1);
    rows.try_for_each_init(
        || (engine.scratch(), Vec::new()),
        |(scratch, input), (row, example)| {
            inputs.read(None, &[*example], input)?;
            engine.run(input, scratch, row);
            Ok::<(), TrainError>(())
        },
    )?;
    Ok(scores.into_iter().map(f64::from).collect())
}
