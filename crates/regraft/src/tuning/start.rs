//! The network as training finds it.

use regraft_net::{Network, Params, Role};
use regraft_probe::HeadFit;
use regraft_tensor::Tensor;
use regraft_train::Table;

use super::Tuning;
use super::hidden::with_random_head;
use crate::head::{HEAD, grafted};
use crate::journal::Rows;
use crate::{Error, FeatureKind, Strategy};

impl Tuning<'_> {
    /// The network up to the cut's own vector.
    pub(super) fn trunk(&self) -> Result<Network, Error> {
        self.source.chosen(FeatureKind::Trunk)
    }

    /// The whole network before training: what is transferred, and a head from the probe,
    /// what is known of that of classes comes with it, or random.
    pub(crate) fn start(&self, rows: &Rows) -> Result<(Network, Option<HeadFit>), Error> {
        let trunk = self.trunk()?;
        let labels = self.names();
        let seed = self.options.seed;
        let layers = &self.options.tune.hidden;
        match self.strategy() {
            Strategy::Probe | Strategy::LpFt | Strategy::Auto => {
                let (head, fitted) = self.probe(rows)?;
                Ok((grafted(&trunk, &head, labels)?, fitted))
            }
            Strategy::FineTune => Ok((with_random_head(&trunk, layers, labels, seed)?, None)),
            Strategy::Scratch => {
                Ok((with_random_head(&random(&trunk, seed)?, layers, labels, seed)?, None))
            }
        }
    }

    /// The network with some head: only its shapes matter.
    pub(super) fn start_shape(&self) -> Result<Network, Error> {
        with_random_head(&self.trunk()?, &self.options.tune.hidden, self.names(), 0)
    }
}

/// The part above the frontier, and the part below it.
pub(crate) fn crown(network: &Network, table: &Table) -> Result<(Network, Option<Network>), Error> {
    Ok(match &table.frontier {
        None => (network.clone(), None),
        Some(frontier) => {
            let (frozen, crown) = network.split(frontier)?;
            (crown, Some(frozen))
        }
    })
}

/// The network with its head's scores divided by a temperature.
pub(super) fn cooled(network: &Network, temperature: f32) -> Result<Network, Error> {
    let mut params = network.params().clone();
    for role in ["weight", "bias"] {
        if let Some(tensor) = params.get_mut(&format!("{HEAD}.{role}")) {
            tensor.data_mut().iter_mut().for_each(|x| *x /= temperature);
        }
    }
    Ok(Network::new(network.graph().clone(), &params, network.card().clone())?)
}

/// The same graph with random weights: kernels uniform with the variance of He et al. 2015, equation
/// 10 (fan in), norms that change nothing, no bias.
pub(crate) fn random(network: &Network, seed: u64) -> Result<Network, Error> {
    let facts = network.facts()?;
    let mut params = Params::new();
    for (id, _) in network.graph().layers() {
        for spec in &facts.layer(id).params {
            let count = spec.shape.count();
            let matrix = spec.shape.len() > 1;
            let data = match spec.role {
                Role::Weight if matrix => {
                    let fan_in = count / spec.shape.first().copied().unwrap_or(1).max(1);
                    let bound = (6.0 / fan_in.max(1) as f64).sqrt();
                    let uniform = regraft_data::uniform(seed, &spec.name, count);
                    uniform.into_iter().map(|u| ((2.0 * u - 1.0) * bound) as f32).collect()
                }
                // Heads mixed as if they were not, more or less.
                Role::Products | Role::Shares => {
                    let uniform = regraft_data::uniform(seed, &spec.name, count);
                    let row = spec.shape.last().copied().unwrap_or(1);
                    let own = |i: usize| if i / row == i % row { 1.0 } else { 0.0 };
                    let value = |(i, u): (usize, f64)| own(i) + ((2.0 * u - 1.0) * 0.02) as f32;
                    uniform.into_iter().enumerate().map(value).collect()
                }
                Role::Token | Role::Position => {
                    let uniform = regraft_data::uniform(seed, &spec.name, count);
                    uniform.into_iter().map(|u| ((2.0 * u - 1.0) * 0.02) as f32).collect()
                }
                Role::Weight | Role::RunningVar => vec![1.0; count],
                Role::Bias | Role::RunningMean => vec![0.0; count],
            };
            params.insert(spec.name.clone(), Tensor::new(spec.shape.clone(), data)?);
        }
    }
    Ok(Network::new(network.graph().clone(), &params, network.card().clone())?)
}
