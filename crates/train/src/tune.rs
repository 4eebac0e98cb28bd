//! The loop: batch, loss, gradient, step.

mod need;
mod run;

use std::path::Path;

use regraft_net::{Network, notation};

pub use self::need::need;
pub(crate) use self::run::{Run, Step};
use crate::checkpoint::Place;
use crate::{Flow, Held, Inputs, Optimiser, Schedule, Table, TrainError, Truth};

/// How a network is trained.
#[derive(Debug, Clone, PartialEq)]
pub struct Recipe {
    /// Rounds over the training examples.
    pub epochs: u64,
    /// Examples of a step, at most; batches of a round are as even as can be.
    pub batch: usize,
    /// How gradients become steps.
    pub optimiser: Optimiser,
    /// How rates move from step to step.
    pub schedule: Schedule,
    /// Share of the steps in which rates rise from almost nothing.
    pub warm_up: f64,
    /// Weight decay of kernels and matrices; norms and biases have none.
    pub decay: f64,
    /// Whether decay pulls transferred weights to what they were instead of to zero (L2-SP).
    pub anchor: bool,
    /// Share of each target spread over all classes.
    pub smoothing: f32,
    /// What each class counts in the loss, `[C]`; none for all the same.
    pub class_weights: Option<Vec<f32>>,
    /// Longest gradient of a step; longer ones are scaled down.
    pub clip: Option<f64>,
    /// The trained network is the running mean of the steps' weights, of which each step keeps this
    /// share, less in the first steps (Polyak and Juditsky 1992; the start as in `TensorFlow`'s
    /// `ExponentialMovingAverage`).
    pub average: Option<f64>,
    /// New layers learn first, and with each round one more block from the top (Howard and Ruder 2018,
    /// section 3.3); all learn in the last round at the latest.
    pub gradual: bool,
    /// Training ends after so many rounds without a lower loss on the held-out examples, and gives the
    /// weights of the best round (Prechelt 1998).
    pub patience: Option<u64>,
    /// Whether values are made again on the way back instead of kept: less memory, about a third more
    /// time, the same bits (Chen et al. 2016).
    pub recompute: bool,
    /// Seed of order and dropout.
    pub seed: u64,
}

/// What a round over the training examples gave.
#[derive(Debug, Clone, PartialEq)]
pub struct Epoch {
    /// From 1.
    pub epoch: u64,
    /// Of how many.
    pub of: u64,
    /// Mean loss of the training examples, each as it was when its batch came.
    pub loss: f64,
    /// The schedule's factor of the last step.
    pub factor: f64,
    /// On the held-out examples, when there are some.
    pub held: Option<Held>,
}

/// A trained part.
#[derive(Debug, Clone, PartialEq)]
pub struct Tuned {
    /// The network with its learned parameters.
    pub network: Network,
    /// Of that network.
    pub held: Option<Held>,
    /// Loss of each round, those of an interrupted call too.
    pub losses: Vec<f64>,
    /// Rounds that an earlier, interrupted call had done.
    pub resumed: u64,
    /// After which round the network was like this: the last, or the best where early stopping chose.
    pub round: u64,
}

/// Trains `crown`, whose output are logits `[C]`, on the examples `learn` and tries it on those of
/// `held` after each round. `table` says what learns; `hear` is told of every round and may stop.
///
/// With a `checkpoint` path every round is kept there, and a training that was interrupted goes on
/// behind its last whole round, to the same bits; one that was done is not done again. The file stays
/// until the caller removes it. A checkpoint of another
/// recipe, network, list of files or augmentation is not used.
///
/// # Errors
/// When the network cannot be trained, an input cannot be read, the loss is not finite, or `hear` says
/// stop.
pub fn tune(
    crown: &Network,
    table: &Table,
    recipe: &Recipe,
    inputs: &Inputs,
    (truth, learn, held): (Truth<'_>, &[usize], &[usize]),
    checkpoint: Option<&Path>,
    hear: &mut dyn FnMut(&Epoch) -> Flow,
) -> Result<Tuned, TrainError> {
    let key = key(crown, table, recipe, inputs, (truth, learn, held));
    let place = checkpoint.map(|path| Place::new(path, key));
    let mut run = Run::new(crown, table, recipe, learn.len())?;
    let mut all =
        Tuned { network: crown.clone(), held: None, losses: Vec::new(), resumed: 0, round: 0 };
    if let Some(there) = place.as_ref().and_then(Place::read) {
        let losses = there.losses.clone();
        if run.restore(there) {
            all.resumed = losses.len() as u64;
            all.losses = losses;
        }
    }
    let tried = |network: &Network| {
        let tried = (!held.is_empty()).then(|| Held::of(network, inputs, truth, held));
        tried.transpose()
    };
    for epoch in all.resumed..recipe.epochs {
        if run.is_over(epoch) {
            break;
        }
        let loss = run.round(crown, epoch, inputs, truth, learn)?;
        let held = tried(&run.network(crown)?)?;
        all.losses.push(loss);
        if let Some(held) = &held {
            run.judge(epoch + 1, held.nll);
        }
        if let Some(place) = &place {
            place.write(&run.state(&all.losses))?;
        }
        let factor = recipe.factor((epoch + 1) * run.batches - 1, run.batches);
        let told = Epoch { epoch: epoch + 1, of: recipe.epochs, loss, factor, held };
        if hear(&told) == Flow::Stop {
            return Err(TrainError::Stopped);
        }
        all.held = told.held;
    }
    all.round = all.losses.len() as u64;
    all.network = run.network(crown)?;
    if let Some((best, round)) = run.best(crown)? {
        if round != all.round {
            all.held = None;
        }
        (all.network, all.round) = (best, round);
    }
    if all.held.is_none() {
        all.held = tried(&all.network)?;
    }
    Ok(all)
}

impl Recipe {
    /// The schedule's factor in a step, from 0 over all rounds of `batches` steps.
    fn factor(&self, step: u64, batches: u64) -> f64 {
        let total = self.epochs * batches;
        let warm_up = (self.warm_up * total as f64).round() as u64;
        self.schedule.factor(step, total, warm_up)
    }
}

/// The lowest block that learns in a round.
pub(crate) fn opened(table: &Table, recipe: &Recipe, epoch: u64) -> usize {
    if !recipe.gradual {
        return 0;
    }
    let rows = table.layers.iter().filter(|row| row.rate.is_some());
    let mut blocks: Vec<usize> = rows.filter_map(|row| row.block).collect();
    blocks.sort_unstable_by(|a, b| b.cmp(a));
    blocks.dedup();
    // One a round, or faster when there are fewer rounds than blocks.
    let rounds = (recipe.epochs.saturating_sub(1)).min(blocks.len() as u64).max(1);
    let open = (epoch * blocks.len() as u64).div_ceil(rounds) as usize;
    match blocks.get(..open) {
        Some([.., lowest]) => *lowest,
        Some([]) if recipe.epochs > 1 => usize::MAX,
        Some([]) | None => 0,
    }
}

/// Everything that shapes a training, but for the bytes of the pictures.
fn key(
    crown: &Network,
    table: &Table,
    recipe: &Recipe,
    inputs: &Inputs,
    (truth, learn, held): (Truth<'_>, &[usize], &[usize]),
) -> String {
    let mut hash = blake3::Hasher::new();
    hash.update(notation::print(crown.graph()).as_bytes());
    for (name, tensor) in crown.params().iter() {
        hash.update(name.as_bytes());
        tensor.data().iter().for_each(|x| {
            hash.update(&x.to_le_bytes());
        });
    }
    // `Debug` of plain numbers and words prints every bit of them.
    // How much memory there is shapes nothing.
    let recipe = Recipe { recompute: false, ..recipe.clone() };
    hash.update(format!("{table:?} {recipe:?} {learn:?} {truth:?}").as_bytes());
    // Held-out examples shape a training only where they end it.
    if recipe.patience.is_some() {
        hash.update(format!("{held:?}").as_bytes());
    }
    hash.update(inputs.name().as_bytes());
    hash.finalize().to_hex().to_string()
}
