//! How much memory a training takes, before it begins.

use regraft_infer::{Engine, Precision};
use regraft_net::Network;
use regraft_tensor::Tensor;

use super::Recipe;
use super::run::tape;
use crate::{Optimiser, Table, TrainError};

/// The most bytes that [`crate::tune()`] takes beyond what the network given takes already, for `examples`
/// training examples; with `held` some more are held out.
///
/// Values and gradients of a step are measured on one example and counted for each of a batch: they take
/// the same for every example. Weights, what the optimiser remembers, and copies of both are counted.
///
/// # Errors
/// When the network cannot be trained as the table says.
pub fn need(
    crown: &Network,
    table: &Table,
    recipe: &Recipe,
    examples: usize,
    held: bool,
) -> Result<u64, TrainError> {
    let batches = examples.div_ceil(recipe.batch.max(1)).max(1);
    let room = examples.div_ceil(batches).max(1) as u64;
    let mut tape = tape(crown, table, (1, 0), recipe.recompute)?;
    let graph = crown.graph();
    let facts = crown.facts()?;
    let shape = &facts.layer(graph.input()?).shape;
    let input_bytes = 4 * shape.count() as u64;
    let mut dims = vec![1];
    dims.extend_from_slice(shape.dims());
    let output = tape.forward(&Tensor::zeros(dims), 0)?;
    let gradients = tape.backward(&Tensor::zeros(output.shape().clone()))?.params;
    let learned: u64 = gradients.values().map(|g| 4 * g.data().len() as u64).sum();
    let slots = match recipe.optimiser {
        Optimiser::Sgd { .. } => 1,
        Optimiser::AdamW { .. } => 2,
    };
    let copies = [recipe.anchor, recipe.average.is_some(), recipe.patience.is_some()];
    let copies = copies.into_iter().filter(|asked| *asked).count() as u64;
    // The weights that learn are the tape's own; so is what it packed of all.
    let kept = room * tape.peak_bytes() as u64
        + tape.packed_bytes() as u64
        + learned * (1 + slots + copies);
    // A batch as read and its copy for the tape, and the gradients of the weights …
    let step = 2 * room * input_bytes + learned;
    // … or, after a round, an engine that tries the held-out examples; it packs weights as the tape does
    // for the way forth, and makes its plan on a folded copy.
    let name = graph.layer(graph.output()?).name.clone();
    let tried = if held {
        let engine = Engine::compile_in(crown, &[&name], Precision::F32)?;
        let threads = rayon::current_num_threads() as u64;
        let weights: u64 = crown.params().iter().map(|(_, v)| 4 * v.data().len() as u64).sum();
        threads * (engine.scratch_bytes() as u64 + input_bytes) + 2 * weights
    } else {
        0
    };
    Ok(kept + step.max(tried))
}
