//! The learning-rate finder: a short training whose rate grows from step to step (Smith 2017, section
//! 3.3), read as fastai 2 reads it by default.

use regraft_data::order;
use regraft_net::Network;

use crate::tune::{Run, Step};
use crate::{Inputs, Recipe, Table, TrainError, Truth};

/// First and last rate, and steps from one to the other: fastai's.
const FIRST: f64 = 1e-7;
const LAST: f64 = 10.0;
const STEPS: usize = 100;
/// Share of the smoothed loss that a step keeps.
const SMOOTH: f64 = 0.98;

/// What the finder saw.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// The rate of each step.
    pub rates: Vec<f64>,
    /// The loss before it, smoothed.
    pub losses: Vec<f64>,
    /// The rate in the middle of the longest way down; none when the loss went nowhere.
    pub rate: Option<f64>,
}

/// Trains a copy of `crown` for up to 100 steps on the examples `learn`, with one rate for every layer that
/// `table` lets learn, which grows from 1e-7 to 10, until the loss is four times its least.
///
/// # Errors
/// As [`crate::tune()`], but for a loss that is not finite, which is what is looked for.
pub fn find_rate(
    crown: &Network,
    table: &Table,
    recipe: &Recipe,
    inputs: &Inputs,
    (truth, learn): (Truth<'_>, &[usize]),
) -> Result<Found, TrainError> {
    let mut table = table.clone();
    table.set_rate(1.0, &[]);
    // Every step as it is: no mean of weights, no block that waits.
    let recipe = Recipe { average: None, gradual: false, patience: None, ..recipe.clone() };
    let mut run = Run::new(crown, &table, &recipe, learn.len())?;
    let (mut rates, mut losses, mut values) = (Vec::new(), Vec::new(), Vec::new());
    let (mut mean, mut least) = (0.0, f64::INFINITY);
    for number in 0..STEPS as u64 {
        let (epoch, batch) = (number / run.batches, number % run.batches);
        let order = order(recipe.seed, epoch, learn.len());
        let of = |batch: u64| (batch as usize * learn.len()) / run.batches as usize;
        let examples: Vec<usize> =
            order[of(batch)..of(batch + 1)].iter().map(|i| learn[*i]).collect();
        let factor = FIRST * (LAST / FIRST).powf(number as f64 / (STEPS - 1) as f64);
        let step = Step { epoch, number, examples: &examples, factor };
        let loss = match run.step(&step, inputs, truth, &mut values) {
            Ok(loss) => loss,
            Err(TrainError::Diverged { .. }) => break,
            Err(error) => return Err(error),
        };
        mean = SMOOTH * mean + (1.0 - SMOOTH) * loss;
        let loss = mean / (1.0 - SMOOTH.powi(number as i32 + 1));
        least = loss.min(least);
        rates.push(factor);
        losses.push(loss);
        if loss > 4.0 * least {
            break;
        }
    }
    // The first tenth and the last five say little, as in fastai.
    let from = (STEPS / 10).min(rates.len());
    let to = rates.len().saturating_sub(5).max(from);
    let rate = valley(&losses[from..to]).map(|at| rates[from + at]);
    Ok(Found { rates, losses, rate })
}

/// The middle of the middle third of the longest descent (the longest decreasing subsequence, as steps
/// from its first to its last): fastai's `valley`. None for fewer than two losses or none that falls.
pub fn valley(losses: &[f64]) -> Option<usize> {
    // How long the longest descent is that ends at each loss.
    let mut lengths = vec![1usize; losses.len()];
    let (mut start, mut end) = (0isize, 0);
    for i in 1..losses.len() {
        for j in 0..i {
            if losses[i] < losses[j] && lengths[i] < lengths[j] + 1 {
                lengths[i] = lengths[j] + 1;
            }
            if lengths[end] < lengths[i] {
                end = i;
                // One before the first, as in fastai.
                start = end as isize - lengths[end] as isize;
            }
        }
    }
    let third = (end as isize - start) as f64 / 3.0;
    let middle = start + third as isize + (third / 2.0) as isize;
    (end > 0).then(|| middle.max(0) as usize)
}
