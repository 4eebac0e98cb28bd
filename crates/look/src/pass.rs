//! Passes of one picture, forward and back.

use std::fmt;

use regraft_grad::{GradError, ReluRule, Tape, Tuning};
use regraft_net::Network;
use regraft_tensor::Tensor;

use crate::LookError;

/// A number among the outputs of a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// An entry of a vector: a class, by its place.
    Class(usize),
    /// A unit of a map: channel, row, column.
    Unit(usize, usize, usize),
    /// The mean of a channel of a map.
    Channel(usize),
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Class(class) => write!(f, "output {class}"),
            Self::Unit(channel, row, column) => {
                write!(f, "unit of channel {channel} in row {row}, column {column}")
            }
            Self::Channel(channel) => write!(f, "channel {channel}"),
        }
    }
}

/// Only the input's gradient.
const NOTHING_TUNED: Tuning<'_> =
    Tuning { tuned: &|_| false, batch_norm: &|_| false, input_gradient: true, recompute: false };

/// A network ready for pictures of up to `room` at a time.
pub(crate) struct Pass {
    tape: Tape,
    layer: String,
    input: Vec<usize>,
    output: Vec<usize>,
}

impl Pass {
    pub(crate) fn new(network: &Network, room: usize) -> Result<Self, LookError> {
        Self::around(network, Tape::new(network, room, &NOTHING_TUNED)?)
    }

    /// For one picture, with what `layer` gives and gets.
    pub(crate) fn tapped(network: &Network, layer: &str) -> Result<Self, LookError> {
        let tuning = Tuning { input_gradient: false, ..NOTHING_TUNED };
        let output = || network.graph().output().map(|id| network.graph().layer(id).name.clone());
        match Tape::with_tap(network, 1, &tuning, layer) {
            Err(GradError::NothingTuned) => {
                Err(LookError::Nowhere { layer: layer.to_owned(), output: output()? })
            }
            tape => Self::around(network, tape?),
        }
    }

    fn around(network: &Network, tape: Tape) -> Result<Self, LookError> {
        let (facts, graph) = (network.facts()?, network.graph());
        Ok(Self {
            tape,
            layer: graph.layer(graph.output()?).name.clone(),
            input: facts.layer(graph.input()?).shape.to_vec(),
            output: facts.output().shape.to_vec(),
        })
    }

    /// Refuses what is not one picture.
    pub(crate) fn check(&self, picture: &Tensor) -> Result<(), LookError> {
        let one = [&[1], self.input.as_slice()].concat();
        if picture.shape().dims() == one {
            return Ok(());
        }
        let (wanted, got) = (self.input.clone().into(), picture.shape().clone());
        Err(LookError::Picture { wanted, got })
    }

    /// Outputs `[N, …]` of pictures `[N, C, H, W]`.
    pub(crate) fn forward(&mut self, pictures: &Tensor) -> Result<Tensor, LookError> {
        Ok(self.tape.forward(pictures, 0)?)
    }

    /// The gradient of the target in the outputs, for each of `n` pictures: `[n, …]`.
    pub(crate) fn seed(&self, target: Target, n: usize) -> Result<Tensor, LookError> {
        let places = self.places(target).ok_or_else(|| LookError::Target {
            layer: self.layer.clone(),
            shape: self.output.clone().into(),
            target: target.to_string(),
        })?;
        let len: usize = self.output.iter().product();
        let mut seed = vec![0.0; n * len];
        let share = 1.0 / places.len().max(1) as f32;
        for row in seed.chunks_exact_mut(len) {
            row[places.clone()].fill(share);
        }
        Ok(Tensor::new([&[n], self.output.as_slice()].concat(), seed)?)
    }

    /// The target's number of each picture.
    pub(crate) fn values(&self, target: Target, outputs: &Tensor) -> Result<Vec<f64>, LookError> {
        let seed = self.seed(target, 1)?;
        let value = |row: &[f32]| {
            row.iter().zip(seed.data()).map(|(v, s)| f64::from(*v) * f64::from(*s)).sum()
        };
        Ok(outputs.data().chunks_exact(seed.data().len()).map(value).collect())
    }

    fn places(&self, target: Target) -> Option<std::ops::Range<usize>> {
        match (target, self.output.as_slice()) {
            (Target::Class(class), [classes]) if class < *classes => Some(class..class + 1),
            (Target::Unit(channel, row, column), [channels, height, width])
                if channel < *channels && row < *height && column < *width =>
            {
                let at = (channel * height + row) * width + column;
                Some(at..at + 1)
            }
            (Target::Channel(channel), [channels, height, width]) if channel < *channels => {
                Some(channel * height * width..(channel + 1) * height * width)
            }
            (Target::Class(_) | Target::Unit(..) | Target::Channel(_), _) => None,
        }
    }

    /// What of the seed arrives at the inputs, `[N, …]`, after [`Pass::forward`].
    pub(crate) fn back(&mut self, seed: &Tensor, rule: ReluRule) -> Result<Tensor, LookError> {
        let input = self.tape.backward_by(seed, rule)?.input;
        // The tape was made with the input's gradient asked for.
        Ok(input.unwrap_or_else(|| Tensor::zeros([0])))
    }

    /// What the tapped layer gave, and its gradient, `[1, …]` both.
    pub(crate) fn at_tap(
        &mut self,
        seed: &Tensor,
        layer: &str,
    ) -> Result<(Tensor, Tensor), LookError> {
        let gradient = self.tape.backward_by(seed, ReluRule::Gradient)?.tap;
        let nowhere = || LookError::Nowhere { layer: layer.to_owned(), output: self.layer.clone() };
        self.tape.tapped().zip(gradient).ok_or_else(nowhere)
    }
}

/// A tensor `[1, …]` without its first axis.
pub(crate) fn alone(one: Tensor) -> Result<Tensor, LookError> {
    let dims = one.shape().dims().iter().skip(1).copied().collect::<Vec<usize>>();
    Ok(Tensor::new(dims, one.into_data())?)
}

/// All outputs of a network for one picture, `[1, C, H, W]`, as they lie.
///
/// # Errors
/// When the picture does not fit.
pub fn outputs(network: &Network, picture: &Tensor) -> Result<Vec<f32>, LookError> {
    let mut pass = Pass::new(network, 1)?;
    pass.check(picture)?;
    Ok(pass.forward(picture)?.into_data())
}
