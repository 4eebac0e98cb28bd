//! The loop: batch, loss, gradient, step.

use std::collections::BTreeMap;
use std::path::Path;

use rayon::prelude::*;
use regraft_data::order;
use regraft_grad::{Tape, Tuning, loss};
use regraft_infer::{Engine, Precision};
use regraft_net::{Network, Op, notation};
use regraft_tensor::Tensor;

use crate::checkpoint::{Checkpoint, Place};
use crate::{Change, Flow, Inputs, Memory, Optimiser, Schedule, Table, TrainError, clip};

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
    /// Longest gradient of a step; longer ones are scaled down.
    pub clip: Option<f64>,
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
    /// On the held-out examples, when there are some.
    pub held: Option<Held>,
}

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

/// A trained part.
#[derive(Debug, Clone, PartialEq)]
pub struct Tuned {
    /// The network with its learned parameters.
    pub network: Network,
    /// After the last round.
    pub held: Option<Held>,
    /// Loss of each round, those of an interrupted call too.
    pub losses: Vec<f64>,
    /// Rounds that an earlier, interrupted call had done.
    pub resumed: u64,
}

/// Examples by their places in [`Inputs`], with the labels of all.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Examples<'a> {
    pub(crate) labels: &'a [usize],
    pub(crate) held: &'a [usize],
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
    (labels, learn, held): (&[usize], &[usize], &[usize]),
    checkpoint: Option<&Path>,
    hear: &mut dyn FnMut(&Epoch) -> Flow,
) -> Result<Tuned, TrainError> {
    let key = key(crown, table, recipe, inputs, learn, labels);
    let place = checkpoint.map(|path| Place::new(path, key));
    let tuned = |layer: &str| table.get(layer).is_some_and(|l| l.rate.is_some());
    let batch_norm = |layer: &str| table.get(layer).is_some_and(|l| l.batch_norm == Some(true));
    let tuning = Tuning { tuned: &tuned, batch_norm: &batch_norm, input_gradient: false };
    let batches = learn.len().div_ceil(recipe.batch.max(1)).max(1);
    let tape = Tape::new(crown, learn.len().div_ceil(batches), &tuning)?;
    let examples = Examples { labels, held };
    let mut run = Run::new(crown, table, recipe, tape, batches as u64)?;
    let mut all = Tuned { network: crown.clone(), held: None, losses: Vec::new(), resumed: 0 };
    if let Some(there) = place.as_ref().and_then(Place::read)
        && run.restore(&there)
    {
        all.resumed = there.losses.len() as u64;
        all.losses = there.losses;
    }
    for epoch in all.resumed..recipe.epochs {
        let loss = run.round(epoch, inputs, labels, learn)?;
        let network = || run.network(crown);
        let held = if held.is_empty() { None } else { Some(examples.held(&network()?, inputs)?) };
        all.losses.push(loss);
        if let Some(place) = &place {
            place.write(&run.checkpoint(&all.losses))?;
        }
        let told = Epoch { epoch: epoch + 1, of: recipe.epochs, loss, held };
        if hear(&told) == Flow::Stop {
            return Err(TrainError::Stopped);
        }
        all.held = told.held;
    }
    all.network = run.network(crown)?;
    if all.held.is_none() && !held.is_empty() {
        all.held = Some(examples.held(&all.network, inputs)?);
    }
    Ok(all)
}

/// Everything that shapes a training, but for the bytes of the pictures.
fn key(
    crown: &Network,
    table: &Table,
    recipe: &Recipe,
    inputs: &Inputs,
    learn: &[usize],
    labels: &[usize],
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
    hash.update(format!("{table:?} {recipe:?} {learn:?} {labels:?}").as_bytes());
    hash.update(inputs.name().as_bytes());
    hash.finalize().to_hex().to_string()
}

/// A training under way.
struct Run<'a> {
    table: &'a Table,
    recipe: &'a Recipe,
    tape: Tape,
    memory: Memory,
    /// Parameters that learn: name, rate, decay.
    learned: Vec<(String, f64, f64)>,
    /// What transferred weights were, where decay pulls there.
    anchors: BTreeMap<String, Tensor>,
    classes: usize,
    shape: Vec<usize>,
    batches: u64,
}

impl<'a> Run<'a> {
    fn new(
        crown: &Network,
        table: &'a Table,
        recipe: &'a Recipe,
        tape: Tape,
        batches: u64,
    ) -> Result<Self, TrainError> {
        let graph = crown.graph();
        let mut learned = Vec::new();
        let mut anchors = BTreeMap::new();
        for name in tape.tuned() {
            let (layer, role) = name.rsplit_once('.').unwrap_or((&name, ""));
            let norm = matches!(graph.layer(graph.find(layer)?).op, Op::BatchNorm { .. });
            let row = table.get(layer);
            let rate = row.and_then(|row| row.rate).unwrap_or(0.0);
            let decay = if norm || role == "bias" { 0.0 } else { recipe.decay };
            if recipe.anchor
                && decay > 0.0
                && row.is_some_and(|row| row.block.is_some())
                && let Some(value) = crown.params().get(&name)
            {
                anchors.insert(name.clone(), Tensor::clone(value));
            }
            learned.push((name, rate, decay));
        }
        let facts = crown.facts()?;
        Ok(Self {
            table,
            recipe,
            tape,
            memory: Memory::default(),
            learned,
            anchors,
            classes: facts.output().shape.count(),
            shape: facts.layer(graph.input()?).shape.to_vec(),
            batches,
        })
    }

    /// One round over the training examples; the mean loss.
    fn round(
        &mut self,
        epoch: u64,
        inputs: &Inputs,
        labels: &[usize],
        learn: &[usize],
    ) -> Result<f64, TrainError> {
        let recipe = self.recipe;
        let order: Vec<usize> =
            order(recipe.seed, epoch, learn.len()).into_iter().map(|i| learn[i]).collect();
        let (total, warm_up) = (recipe.epochs * self.batches, self.warm_up());
        let (mut values, mut sum, mut done) = (Vec::new(), 0.0, 0);
        for batch in 0..self.batches {
            let left = (self.batches - batch) as usize;
            let examples = &order[done..done + (order.len() - done).div_ceil(left)];
            done += examples.len();
            inputs.read(Some(epoch), examples, &mut values)?;
            let mut shape = vec![examples.len()];
            shape.extend_from_slice(&self.shape);
            let Ok(input) = Tensor::new(shape, std::mem::take(&mut values)) else {
                let (wanted, got) = (self.shape.clone().into(), vec![values.len()].into());
                return Err(regraft_grad::GradError::Batch { wanted, got }.into());
            };
            let step = epoch * self.batches + batch;
            let logits = self.tape.forward(&input, recipe.seed.wrapping_add(step))?;
            values = input.into_data();
            let truth: Vec<usize> = examples.iter().map(|i| labels[*i]).collect();
            let targets = loss::smoothed(&truth, self.classes, recipe.smoothing)?;
            let loss = loss::cross_entropy(&logits, &targets, None)?;
            if !loss.value.is_finite() {
                let layer = self.tape.first_not_finite().map(str::to_owned);
                return Err(TrainError::Diverged { loss: loss.value, epoch: epoch + 1, layer });
            }
            sum += loss.value * examples.len() as f64;
            let mut gradients = self.tape.backward(&loss.gradient)?.params;
            if let Some(limit) = recipe.clip {
                clip(&mut gradients, limit);
            }
            self.step(&gradients, recipe.schedule.factor(step, total, warm_up));
        }
        Ok(sum / order.len().max(1) as f64)
    }

    fn warm_up(&self) -> u64 {
        (self.recipe.warm_up * (self.recipe.epochs * self.batches) as f64).round() as u64
    }

    fn step(&mut self, gradients: &BTreeMap<String, Tensor>, factor: f64) {
        self.memory.begin();
        for (name, rate, decay) in &self.learned {
            let (Some(gradient), Some(value)) = (gradients.get(name), self.tape.param_mut(name))
            else {
                continue;
            };
            let anchor = self.anchors.get(name).map(Tensor::data);
            let how = Change { rate: rate * factor, decay: *decay, anchor };
            self.memory.change(self.recipe.optimiser, name, value, gradient.data(), how);
        }
    }

    /// The network as it is now.
    fn network(&self, crown: &Network) -> Result<Network, TrainError> {
        Ok(Network::new(crown.graph().clone(), self.tape.params(), crown.card().clone())?)
    }

    /// Names of all that training changes: learned parameters and moving statistics.
    fn changing(&self) -> impl Iterator<Item = String> {
        let norms = self.table.layers.iter().filter(|l| l.batch_norm == Some(true));
        let statistics =
            norms.flat_map(|l| ["running_mean", "running_var"].map(|r| format!("{}.{r}", l.layer)));
        self.learned.iter().map(|(name, ..)| name.clone()).chain(statistics)
    }

    fn checkpoint(&self, losses: &[f64]) -> Checkpoint {
        let value = |name: String| {
            let value = Tensor::clone(self.tape.params().get(&name)?);
            Some((name, value))
        };
        let params = self.changing().filter_map(value).collect();
        Checkpoint { losses: losses.to_vec(), params, memory: self.memory.clone() }
    }

    /// Goes back to a checkpoint; `false`, and nothing changed, when it is not of this network.
    fn restore(&mut self, there: &Checkpoint) -> bool {
        let names: Vec<String> = self.changing().collect();
        let fits = |name: &String| {
            let (old, new) = (self.tape.params().get(name), there.params.get(name));
            old.zip(new).is_some_and(|(old, new)| old.shape() == new.shape())
        };
        if !names.iter().all(fits) {
            return false;
        }
        for name in names {
            if let (Some(to), Some(from)) = (self.tape.param_mut(&name), there.params.get(&name)) {
                to.copy_from_slice(from.data());
            }
        }
        self.memory = there.memory.clone();
        true
    }
}

impl Examples<'_> {
    fn held(&self, network: &Network, inputs: &Inputs) -> Result<Held, TrainError> {
        let scores = scores(network, inputs, self.held)?;
        let classes = scores.len() / self.held.len().max(1);
        let (mut right, mut nll) = (0, 0.0);
        for (row, i) in scores.chunks_exact(classes).zip(self.held) {
            let label = self.labels[*i];
            let top = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let sum: f64 = row.iter().map(|s| (s - top).exp()).sum();
            nll += sum.ln() + top - row[label];
            right += usize::from(most_probable(row) == label);
        }
        let n = self.held.len().max(1) as f64;
        Ok(Held { scores, top1: f64::from(right as u32) / n, nll: nll / n })
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
