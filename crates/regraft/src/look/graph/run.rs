//! What a run knows of its layers: which were trained, how fast, and how far they moved.

use std::path::Path;

use regraft_look::drifts;
use regraft_net::{Card, LayerId, Network};
use regraft_run::{Plan, RunError, RunFolder, TuningPlan};
use regraft_train::{Asked, Rates, Table, Unfreeze};

use crate::head::{HEAD, is_head};
use crate::show::graph as graph_of;
use crate::{Error, LoadOptions, Observer, Strategy, load};

/// A run, layer by layer.
#[derive(Debug, Clone)]
pub(super) struct RunFacts {
    /// Where the blocks of the network it began with end.
    pub(super) blocks: Vec<String>,
    /// Of each layer, whether it was trained.
    pub(super) learns: Vec<bool>,
    /// Of each layer that was trained by gradient, its rate; empty where none was.
    pub(super) rates: Vec<Option<f64>>,
    /// Of each layer that was trained by gradient, how far its weights moved; empty where that is not known.
    pub(super) drift: Vec<Option<f64>>,
    /// The last frozen layer.
    pub(super) frontier: Option<LayerId>,
}

impl RunFacts {
    /// Reads the plan of a run, whose network is there already, and its source's weights where they are on this
    /// machine. What cannot be had is said in `notes`.
    pub(super) fn read(
        path: &Path,
        network: &Network,
        options: &LoadOptions,
        observer: &dyn Observer,
        notes: &mut Vec<String>,
    ) -> Result<Self, Error> {
        let plan = RunFolder::open(path)?.plan()?;
        let source = &plan.network.source;
        let here = LoadOptions { offline: true, ..options.clone() };
        let blocks = graph_of(source, &here, observer).map(|(_, card)| card.blocks);
        let planned = match (&plan.tuning, &blocks) {
            (None, _) => Ok(Self::probe(network)),
            (Some(tuning), Ok(blocks)) => {
                Self::tuned(network, blocks, tuning).map_err(|error| error.to_string())
            }
            // Rates go by the blocks of the source: without them they cannot be told.
            (Some(_), Err(error)) => Err(error.to_string()),
        };
        let mut facts = planned.unwrap_or_else(|error| {
            notes.push(format!("which layers of `{source}` were trained is not known: {error}"));
            Self::unknown(network, &plan)
        });
        facts.blocks = blocks.unwrap_or_default();
        if !facts.learns.is_empty() && plan.tuning.is_some() {
            match Self::moved(&plan, network, &here, observer) {
                Ok(drift) => facts.drift = facts.of_trained(drift),
                Err(why) => notes.push(format!("how far weights have moved is not known: {why}")),
            }
        }
        Ok(facts)
    }

    /// What the plan says of a network whose blocks are known.
    pub(super) fn planned(
        network: &Network,
        plan: &Plan,
        blocks: &[String],
    ) -> Result<Self, Error> {
        let mut facts = match &plan.tuning {
            None => Self::probe(network),
            Some(tuning) => Self::tuned(network, blocks, tuning)?,
        };
        facts.blocks = blocks.to_vec();
        Ok(facts)
    }

    /// Only the frontier, which stands in the plan.
    fn unknown(network: &Network, plan: &Plan) -> Self {
        let frontier = plan.tuning.as_ref().and_then(|tuning| tuning.frontier.as_ref());
        let frontier = frontier.and_then(|name| network.graph().find(name).ok());
        let (blocks, learns, rates, drift) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Self { blocks, learns, rates, drift, frontier }
    }

    /// Only the head was fitted.
    fn probe(network: &Network) -> Self {
        let graph = network.graph();
        let learns = graph.layers().map(|(_, layer)| is_head(&layer.name)).collect();
        let head = graph.find(HEAD).ok().map(|id| graph.layer(id));
        let frontier = head.and_then(|head| head.inputs.first()).copied();
        Self { blocks: Vec::new(), learns, rates: Vec::new(), drift: Vec::new(), frontier }
    }

    /// The table of rates as it was planned.
    fn tuned(network: &Network, blocks: &[String], tuning: &TuningPlan) -> Result<Self, Error> {
        let wrong = |field, wanted, got: &String| {
            Error::Run(RunError::PlanValue { field, wanted, got: got.clone() })
        };
        let overrides = tuning.layer_rates.iter().filter_map(|text| {
            let (pattern, rate) = text.rsplit_once('=')?;
            Some((pattern.to_owned(), rate.parse().ok()?))
        });
        let asked = Asked {
            unfreeze: Unfreeze::parse(&tuning.unfreeze).map_err(|_| {
                wrong("tuning.unfreeze", "what `--unfreeze` takes", &tuning.unfreeze)
            })?,
            rates: Rates::parse(&tuning.rates)
                .map_err(|_| wrong("tuning.rates", "what `--rates` takes", &tuning.rates))?,
            overrides: overrides.collect(),
            batch_norm: tuning.batch_norm,
        };
        let card = Card { blocks: blocks.to_vec(), ..network.card().clone() };
        let network = Network::new(network.graph().clone(), network.params(), card)?;
        let table = Table::new(&network, &is_head, &asked)?;
        let graph = network.graph();
        let rate = |name: &str| table.get(name).and_then(|row| row.rate);
        let rates: Vec<Option<f64>> = graph.layers().map(|(_, l)| rate(&l.name)).collect();
        let frontier = tuning.frontier.as_ref().or(table.frontier.as_ref());
        Ok(Self {
            blocks: Vec::new(),
            learns: rates.iter().map(Option::is_some).collect(),
            rates,
            drift: Vec::new(),
            frontier: frontier.and_then(|name| graph.find(name).ok()),
        })
    }

    /// How far each layer is from the source's; in words why that is not known.
    fn moved(
        plan: &Plan,
        network: &Network,
        here: &LoadOptions,
        observer: &dyn Observer,
    ) -> Result<Vec<Option<f64>>, String> {
        if plan.strategy == Strategy::Scratch.name() {
            return Err("the run began with random weights".to_owned());
        }
        let source = &plan.network.source;
        let loaded = load(source, here, observer)
            .map_err(|error| format!("`{source}` is not on this machine ({error})"))?;
        if loaded.sha256 != plan.network.weights_sha256 {
            return Err(format!("`{source}` has other weights now than the run began with"));
        }
        let before = loaded.network;
        let pairs: Vec<Option<LayerId>> = network
            .graph()
            .layers()
            .map(|(_, layer)| before.graph().find(&layer.name).ok())
            .collect();
        drifts(&before, network, &pairs).map_err(|error| error.to_string())
    }

    /// Layers that were not trained have not moved: a zero for each would say the same in every shade.
    fn of_trained(&self, drift: Vec<Option<f64>>) -> Vec<Option<f64>> {
        drift.into_iter().zip(&self.learns).map(|(d, learns)| d.filter(|_| *learns)).collect()
    }
}
