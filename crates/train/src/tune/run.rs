//! A training under way.

use std::collections::BTreeMap;

use regraft_data::order;
use regraft_grad::{GradError, Tape, Tuning};
use regraft_net::{Network, Params};
use regraft_tensor::Tensor;

use super::{Recipe, opened};
use crate::checkpoint::{Best, Checkpoint, State};
use crate::{Change, Inputs, Memory, Table, TrainError, Truth, clip};

/// What changes from step to step, and what the steps need.
pub(crate) struct Run<'a> {
    table: &'a Table,
    recipe: &'a Recipe,
    tape: Tape,
    memory: Memory,
    /// The running mean of everything that changes, where one is asked for.
    average: Option<BTreeMap<String, Tensor>>,
    best: Option<Best>,
    /// Parameters that learn: name, rate, decay.
    learned: Vec<(String, f64, f64)>,
    /// What transferred weights were, where decay pulls there.
    anchors: BTreeMap<String, Tensor>,
    classes: usize,
    shape: Vec<usize>,
    /// Most examples of a step.
    room: usize,
    /// Steps of a round.
    pub(crate) batches: u64,
    /// The lowest block that the tape trains.
    lowest: usize,
}

/// The examples of one step and the rate's factor in it.
pub(crate) struct Step<'a> {
    pub(crate) epoch: u64,
    /// From 0 over all rounds.
    pub(crate) number: u64,
    pub(crate) examples: &'a [usize],
    pub(crate) factor: f64,
}

/// The tape for the blocks from `lowest` up.
pub(super) fn tape(
    network: &Network,
    table: &Table,
    (room, lowest): (usize, usize),
    recompute: bool,
) -> Result<Tape, TrainError> {
    let row = |layer: &str| {
        let row = table.get(layer)?;
        row.block.is_none_or(|block| block >= lowest).then_some(row)
    };
    let tuned = |layer: &str| row(layer).is_some_and(|l| l.rate.is_some());
    let batch_norm = |layer: &str| row(layer).is_some_and(|l| l.batch_norm == Some(true));
    let tuning =
        Tuning { tuned: &tuned, batch_norm: &batch_norm, input_gradient: false, recompute };
    Ok(Tape::new(network, room, &tuning)?)
}

impl<'a> Run<'a> {
    pub(crate) fn new(
        crown: &Network,
        table: &'a Table,
        recipe: &'a Recipe,
        examples: usize,
    ) -> Result<Self, TrainError> {
        let batches = examples.div_ceil(recipe.batch.max(1)).max(1);
        let room = examples.div_ceil(batches);
        let tape = tape(crown, table, (room, 0), recipe.recompute)?;
        let graph = crown.graph();
        let mut learned = Vec::new();
        let mut anchors = BTreeMap::new();
        for name in tape.tuned() {
            let (layer, role) = name.rsplit_once('.').unwrap_or((&name, ""));
            // Kernels and matrices, not norms, scales or tokens.
            let matrix = tape.params().get(&name).is_some_and(|value| value.shape().len() > 1);
            let row = table.get(layer);
            let rate = row.and_then(|row| row.rate).unwrap_or(0.0);
            let decay = if role == "weight" && matrix { recipe.decay } else { 0.0 };
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
        let mut run = Self {
            table,
            recipe,
            tape,
            memory: Memory::default(),
            average: None,
            best: None,
            learned,
            anchors,
            classes: facts.output().shape.count(),
            shape: facts.layer(graph.input()?).shape.to_vec(),
            room,
            batches: batches as u64,
            lowest: 0,
        };
        run.average = recipe.average.map(|_| run.values(run.tape.params()));
        Ok(run)
    }

    /// One round over the training examples; the mean loss.
    pub(crate) fn round(
        &mut self,
        crown: &Network,
        epoch: u64,
        inputs: &Inputs,
        truth: Truth<'_>,
        learn: &[usize],
    ) -> Result<f64, TrainError> {
        let recipe = self.recipe;
        let lowest = opened(self.table, recipe, epoch);
        if lowest != self.lowest {
            let network = self.latest(crown)?;
            self.tape = tape(&network, self.table, (self.room, lowest), recipe.recompute)?;
            self.lowest = lowest;
        }
        let order: Vec<usize> =
            order(recipe.seed, epoch, learn.len()).into_iter().map(|i| learn[i]).collect();
        let (mut values, mut sum, mut done) = (Vec::new(), 0.0, 0);
        for batch in 0..self.batches {
            let left = (self.batches - batch) as usize;
            let examples = &order[done..done + (order.len() - done).div_ceil(left)];
            done += examples.len();
            let number = epoch * self.batches + batch;
            let factor = recipe.factor(number, self.batches);
            let step = Step { epoch, number, examples, factor };
            sum += self.step(&step, inputs, truth, &mut values)? * examples.len() as f64;
        }
        Ok(sum / order.len().max(1) as f64)
    }

    /// One step; the loss before it. `values` is lent for the batch.
    pub(crate) fn step(
        &mut self,
        step: &Step<'_>,
        inputs: &Inputs,
        truth: Truth<'_>,
        values: &mut Vec<f32>,
    ) -> Result<f64, TrainError> {
        let recipe = self.recipe;
        let Step { epoch, number, examples, factor } = *step;
        inputs.read(Some(epoch), examples, values)?;
        let mut targets = truth.targets(examples, self.classes, recipe.smoothing)?;
        if let Some(mix) = inputs.mix(epoch, number % self.batches, values)? {
            targets = mix.blend(&targets, self.classes);
        }
        let mut shape = vec![examples.len()];
        shape.extend_from_slice(&self.shape);
        let Ok(input) = Tensor::new(shape, std::mem::take(values)) else {
            let (wanted, got) = (self.shape.clone().into(), vec![values.len()].into());
            return Err(GradError::Batch { wanted, got }.into());
        };
        let logits = self.tape.forward(&input, recipe.seed.wrapping_add(number))?;
        *values = input.into_data();
        let weights = recipe.class_weights.as_deref();
        let loss = truth.loss(&logits, &targets, weights)?;
        if !loss.value.is_finite() {
            let layer = self.tape.first_not_finite().map(str::to_owned);
            return Err(TrainError::Diverged { loss: loss.value, epoch: epoch + 1, layer });
        }
        let mut gradients = self.tape.backward(&loss.gradient)?.params;
        if let Some(limit) = recipe.clip {
            clip(&mut gradients, limit);
        }
        self.change(&gradients, factor);
        Ok(loss.value)
    }

    fn change(&mut self, gradients: &BTreeMap<String, Tensor>, factor: f64) {
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
        let (Some(average), Some(keep)) = (&mut self.average, self.recipe.average) else { return };
        // Early on the mean is of few steps, and must not be held back by where it began.
        let steps = self.memory.steps() as f64;
        let keep = keep.min((1.0 + steps) / (10.0 + steps));
        for (name, mean) in average {
            let Some(now) = self.tape.params().get(name) else { continue };
            for (mean, now) in mean.data_mut().iter_mut().zip(now.data()) {
                *mean = (keep * f64::from(*mean) + (1.0 - keep) * f64::from(*now)) as f32;
            }
        }
    }

    /// The network as the last step left it.
    fn latest(&self, crown: &Network) -> Result<Network, TrainError> {
        Ok(Network::new(crown.graph().clone(), self.tape.params(), crown.card().clone())?)
    }

    /// The network that training gives: the mean of the last steps, where that is asked for.
    pub(crate) fn network(&self, crown: &Network) -> Result<Network, TrainError> {
        match &self.average {
            Some(average) => self.with(crown, average),
            None => self.latest(crown),
        }
    }

    fn with(
        &self,
        crown: &Network,
        values: &BTreeMap<String, Tensor>,
    ) -> Result<Network, TrainError> {
        let mut params = self.tape.params().clone();
        for (name, value) in values {
            params.insert(name.clone(), value.clone());
        }
        Ok(Network::new(crown.graph().clone(), &params, crown.card().clone())?)
    }

    /// Keeps what there is now when it is the best so far by its held-out loss.
    pub(crate) fn judge(&mut self, epoch: u64, nll: f64) {
        if self.recipe.patience.is_some() && self.best.as_ref().is_none_or(|b| nll < b.nll) {
            let params = self.average.clone();
            let params = params.unwrap_or_else(|| self.values(self.tape.params()));
            self.best = Some(Best { epoch, nll, params });
        }
    }

    /// Whether after `epochs` rounds nothing better is to be hoped for.
    pub(crate) fn is_over(&self, epochs: u64) -> bool {
        let waited = |best: &Best| epochs.saturating_sub(best.epoch);
        let best = self.best.as_ref().zip(self.recipe.patience);
        best.is_some_and(|(best, patience)| waited(best) >= patience)
    }

    /// The best network so far, and after which round, where early stopping is asked for.
    pub(crate) fn best(&self, crown: &Network) -> Result<Option<(Network, u64)>, TrainError> {
        let best = self.best.as_ref();
        best.map(|b| Ok((self.with(crown, &b.params)?, b.epoch))).transpose()
    }

    /// Names of all that training changes: learned parameters and moving statistics.
    fn changing(&self) -> impl Iterator<Item = String> {
        let norms = self.table.layers.iter().filter(|l| l.batch_norm == Some(true));
        let statistics =
            norms.flat_map(|l| ["running_mean", "running_var"].map(|r| format!("{}.{r}", l.layer)));
        self.learned.iter().map(|(name, ..)| name.clone()).chain(statistics)
    }

    fn values(&self, params: &Params) -> BTreeMap<String, Tensor> {
        let value = |name: String| {
            let value = Tensor::clone(params.get(&name)?);
            Some((name, value))
        };
        self.changing().filter_map(value).collect()
    }

    pub(crate) fn state<'b>(&'b self, losses: &'b [f64]) -> State<'b> {
        let params = self.tape.params();
        State {
            losses,
            params: self
                .changing()
                .filter_map(|name| Some((name.clone(), &**params.get(&name)?)))
                .collect(),
            memory: &self.memory,
            average: self.average.as_ref(),
            best: self.best.as_ref(),
        }
    }

    /// Goes back to a checkpoint; `false`, and nothing changed, when it is not of this network.
    pub(crate) fn restore(&mut self, there: Checkpoint) -> bool {
        let names: Vec<String> = self.changing().collect();
        let fits = |values: &BTreeMap<String, Tensor>| {
            names.iter().all(|name| {
                let (old, new) = (self.tape.params().get(name), values.get(name));
                old.zip(new).is_some_and(|(old, new)| old.shape() == new.shape())
            })
        };
        let averaged = self.average.is_none() || fits(&there.average);
        let best = there.best.as_ref().is_none_or(|best| fits(&best.params));
        if !(fits(&there.params) && averaged && best) {
            return false;
        }
        for name in names {
            if let (Some(to), Some(from)) = (self.tape.param_mut(&name), there.params.get(&name)) {
                to.copy_from_slice(from.data());
            }
        }
        self.memory = there.memory;
        self.average = self.average.take().map(|_| there.average);
        self.best = there.best;
        true
    }
}
