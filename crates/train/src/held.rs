//! What a network says of examples that it does not learn from.

use rayon::prelude::*;
use regraft_infer::{Engine, Precision};
use regraft_net::Network;

use crate::{Inputs, TrainError, Truth};

/// What a network says of examples it did not learn from.
#[derive(Debug, Clone, PartialEq)]
pub struct Held {
    /// Logits `[n, C]`.
    pub scores: Vec<f64>,
    /// Share right, 0 to 1; of label sets those with all labels right.
    pub top1: f64,
    /// Mean negative log-likelihood in nats, summed over labels.
    pub nll: f64,
}

impl Held {
    /// Tries a network on the examples `held`, by their places in `inputs`, of which `truth` has all.
    pub(crate) fn of(
        network: &Network,
        inputs: &Inputs,
        truth: Truth<'_>,
        held: &[usize],
    ) -> Result<Self, TrainError> {
        let scores = scores(network, inputs, held)?;
        let classes = scores.len() / held.len().max(1);
        let (mut right, mut nll) = (0, 0.0);
        for (row, i) in scores.chunks_exact(classes).zip(held) {
            let (is_right, loss) = truth.judge(*i, row);
            nll += loss;
            right += usize::from(is_right);
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
