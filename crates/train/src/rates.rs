//! Which layers learn, and how fast: one table over the layers of a network.

use regraft_net::{Network, Op, nearest, surgery};

use crate::TrainError;

/// Which transferred layers learn; new ones always do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unfreeze {
    /// None.
    None,
    /// The last blocks of the network.
    Last(usize),
    /// This layer and every one above it.
    From(String),
    /// All.
    All,
    /// Those whose names match one of these patterns, in which `*` stands for anything.
    Matching(Vec<String>),
}

impl Unfreeze {
    /// From `none`, `last:N`, `from:LAYER`, `all`, or patterns with commas between them.
    ///
    /// # Errors
    /// When a number is missing, or the text is empty.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            Some(("last", n)) => {
                let n = n.parse().map_err(|_| format!("`{text}`: wants a number, like last:3"))?;
                return Ok(Self::Last(n));
            }
            Some(("from", layer)) if !layer.is_empty() => return Ok(Self::From(layer.to_owned())),
            _ => {}
        }
        match text {
            "none" => Ok(Self::None),
            "all" => Ok(Self::All),
            _ => {
                let patterns: Vec<String> = text.split(',').map(|p| p.trim().to_owned()).collect();
                if patterns.iter().any(String::is_empty) {
                    return Err("wants none, last:N, from:LAYER, all, or layer names".to_owned());
                }
                Ok(Self::Matching(patterns))
            }
        }
    }
}

impl std::fmt::Display for Unfreeze {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Last(n) => write!(f, "last:{n}"),
            Self::From(layer) => write!(f, "from:{layer}"),
            Self::All => f.write_str("all"),
            Self::Matching(patterns) => f.write_str(&patterns.join(",")),
        }
    }
}

/// Learning rates of the tuned layers.
#[derive(Debug, Clone, PartialEq)]
pub enum Rates {
    /// `a:b:…:z`, each `e` standing for 10^(e - 8): the first for the lowest block, the last for new
    /// layers, the others spread over the blocks between. `2:4:6` is 1e-6, 1e-4, 1e-2.
    Spread(Vec<f64>),
    /// New layers and the highest block have `top`, each block below `factor` times the one above.
    Decay {
        /// Rate of the new layers.
        top: f64,
        /// From one block to the one below it.
        factor: f64,
    },
    /// One rate for all.
    Same(f64),
}

/// From one layer group to the one below it (Howard and Ruder 2018, section 3.2).
const ULMFIT: f64 = 1.0 / 2.6;
/// Largest rate of that preset, and of `layer-decay` (ibid., section 4.1).
const TOP: f64 = 0.01;

impl Rates {
    /// From `2:4:6` and the like, `layer-decay=0.9`, `ulmfit`, or one number; and from what it is as text.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wanted = "wants exponents like 2:4:6, layer-decay=0.9, ulmfit, or one rate like 0.001";
        let number = |t: &str| match t.parse::<f64>() {
            Ok(n) if n.is_finite() && n > 0.0 => Ok(n),
            _ => Err(format!("`{t}`: {wanted}")),
        };
        if text == "ulmfit" {
            return Ok(Self::Decay { top: TOP, factor: ULMFIT });
        }
        // As a plan has it.
        if let Some((top, factor)) = text.split_once(" above, layer-decay=") {
            return Ok(Self::Decay { top: number(top)?, factor: number(factor)? });
        }
        if let Some(factor) = text.strip_prefix("layer-decay=") {
            let factor = number(factor)?;
            if factor > 1.0 {
                return Err(format!("layer-decay={factor}: wants a factor of at most 1"));
            }
            return Ok(Self::Decay { top: TOP, factor });
        }
        if text.contains(':') {
            return Ok(Self::Spread(text.split(':').map(number).collect::<Result<_, _>>()?));
        }
        Ok(Self::Same(number(text)?))
    }

    /// The rate of group `at` of `groups`, where 0 is the lowest block and `groups` the new layers.
    fn of(&self, at: usize, groups: usize) -> f64 {
        match self {
            Self::Same(rate) => *rate,
            Self::Decay { top, factor } => {
                top * factor.powi(groups.saturating_sub(at + 1).try_into().unwrap_or(i32::MAX))
            }
            Self::Spread(exponents) => {
                let last = exponents.len() - 1;
                let exponent = if at >= groups {
                    exponents[last]
                } else if at == 0 || last <= 1 {
                    exponents[0]
                } else {
                    // Between the lowest block and the new layers, in even shares.
                    exponents[1 + (at - 1) * (last - 1) / (groups - 1)]
                };
                10f64.powf(exponent - 8.0)
            }
        }
    }
}

impl std::fmt::Display for Rates {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Same(rate) => write!(f, "{rate}"),
            Self::Decay { top, factor } => write!(f, "{top} above, layer-decay={factor}"),
            Self::Spread(exponents) => {
                let words: Vec<String> = exponents.iter().map(ToString::to_string).collect();
                f.write_str(&words.join(":"))
            }
        }
    }
}

/// What becomes of one layer with parameters.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct LayerRate {
    /// Its name.
    pub layer: String,
    /// The block it is in; none for a new layer.
    pub block: Option<usize>,
    /// Its learned values.
    pub params: u64,
    /// Its learning rate; none when frozen.
    pub rate: Option<f64>,
    /// For a batch norm: whether it uses the statistics of the batch. Otherwise it is frozen,
    /// statistics and affine.
    pub batch_norm: Option<bool>,
}

/// What is asked of the layers.
#[derive(Debug, Clone, PartialEq)]
pub struct Asked {
    /// Which transferred layers learn.
    pub unfreeze: Unfreeze,
    /// How fast.
    pub rates: Rates,
    /// Rates of single layers by pattern, which win over the others.
    pub overrides: Vec<(String, f64)>,
    /// Whether norms use the statistics of the batch.
    pub batch_norm: bool,
}

/// The table of a training: every layer with parameters, lowest first.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// A row for each layer.
    pub layers: Vec<LayerRate>,
    /// The layer whose output feeds the part that learns; none when that is the picture itself.
    pub frontier: Option<String>,
}

impl Table {
    /// The table for `network`, of which the layers that `is_new` names are new.
    ///
    /// # Errors
    /// For a layer that does not exist, more blocks or rates than there are, or nothing to train.
    pub fn new(
        network: &Network,
        is_new: &dyn Fn(&str) -> bool,
        asked: &Asked,
    ) -> Result<Self, TrainError> {
        let graph = network.graph();
        let facts = network.facts()?;
        // Blocks end at named layers; what lies above the last is one more.
        let ends: Vec<usize> = network
            .card()
            .blocks
            .iter()
            .filter_map(|b| Some(graph.find(b).ok()?.index()))
            .collect();
        let block_of = |index: usize| ends.iter().filter(|end| **end < index).count();
        let with_params = || {
            graph
                .layers()
                .filter(|(id, _)| facts.layer(*id).params.iter().any(|p| p.role.learned()))
        };
        let old = || with_params().filter(|(_, layer)| !is_new(&layer.name));
        let groups = old().map(|(id, _)| block_of(id.index()) + 1).max().unwrap_or(0);
        let lowest = if let Unfreeze::From(layer) = &asked.unfreeze {
            graph.find(layer)?.index()
        } else {
            0
        };
        if let Unfreeze::Last(n) = asked.unfreeze
            && n > groups
        {
            return Err(TrainError::Blocks { asked: n, there: groups });
        }
        if let Rates::Spread(list) = &asked.rates
            && list.len() > groups + 1
        {
            return Err(TrainError::Rates { asked: list.len(), there: groups + 1 });
        }
        let patterns: &[String] =
            if let Unfreeze::Matching(patterns) = &asked.unfreeze { patterns } else { &[] };
        for pattern in patterns.iter().chain(asked.overrides.iter().map(|(p, _)| p)) {
            if !graph.layers().any(|(_, l)| matches(pattern, &l.name)) {
                let near = nearest(pattern, graph.layers().map(|(_, l)| l.name.as_str()));
                return Err(TrainError::Pattern { pattern: pattern.clone(), near });
            }
        }
        let mut layers = Vec::new();
        let mut lowest_tuned = None;
        for (id, layer) in with_params() {
            let new = is_new(&layer.name);
            let block = block_of(id.index());
            let tuned = new
                || match &asked.unfreeze {
                    Unfreeze::None => false,
                    Unfreeze::All => true,
                    Unfreeze::Last(n) => block + n >= groups,
                    Unfreeze::From(_) => id.index() >= lowest,
                    Unfreeze::Matching(patterns) => {
                        patterns.iter().any(|p| matches(p, &layer.name))
                    }
                };
            let norm = matches!(layer.op, Op::BatchNorm { .. });
            let learns = tuned && (!norm || asked.batch_norm);
            let set = asked.overrides.iter().rev().find(|(p, _)| matches(p, &layer.name));
            let rate = || {
                set.map_or_else(
                    || asked.rates.of(if new { groups } else { block }, groups),
                    |(_, rate)| *rate,
                )
            };
            let params = facts.layer(id).params.iter().filter(|p| p.role.learned());
            if learns && lowest_tuned.is_none() {
                lowest_tuned = Some(id.index());
            }
            layers.push(LayerRate {
                layer: layer.name.clone(),
                block: (!new).then_some(block),
                params: params.map(|p| p.shape.count() as u64).sum(),
                rate: learns.then(rate),
                batch_norm: norm.then_some(learns),
            });
        }
        let Some(lowest_tuned) = lowest_tuned else { return Err(TrainError::NothingTuned) };
        let input = graph.input()?.index();
        let below = |name: &&str| graph.find(name).is_ok_and(|id| id.index() < lowest_tuned);
        let frontier = surgery::split_points(graph)
            .into_iter()
            .take_while(below)
            .last()
            .filter(|name| graph.find(name).is_ok_and(|id| id.index() != input))
            .map(str::to_owned);
        Ok(Self { layers, frontier })
    }

    /// Gives every layer that learns this rate, but for those with one of their own in `overrides`.
    pub fn set_rate(&mut self, rate: f64, overrides: &[(String, f64)]) {
        for row in &mut self.layers {
            let own = overrides.iter().any(|(pattern, _)| matches(pattern, &row.layer));
            row.rate = row.rate.map(|old| if own { old } else { rate });
        }
    }

    /// The row of a layer.
    pub fn get(&self, layer: &str) -> Option<&LayerRate> {
        self.layers.iter().find(|row| row.layer == layer)
    }

    /// Learned values in layers that learn, and in all.
    pub fn learned(&self) -> [u64; 2] {
        let sum = |keep: &dyn Fn(&LayerRate) -> bool| {
            self.layers.iter().filter(|l| keep(l)).map(|l| l.params).sum()
        };
        [sum(&|l| l.rate.is_some()), sum(&|_| true)]
    }
}

/// Whether a name fits a pattern in which `*` stands for any text.
fn matches(pattern: &str, name: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else { return pattern == name };
    let Some(name) = name.strip_prefix(head) else { return false };
    (0..=name.len()).filter(|at| name.is_char_boundary(*at)).any(|at| matches(rest, &name[at..]))
}
