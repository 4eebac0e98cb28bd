//! How deep a training may go within a limit of memory.

use regraft_net::Network;
use regraft_run::Reason;
use regraft_train::{Asked, Optimiser, Rates, Recipe, Schedule, Table, Unfreeze, need};

use super::hidden::with_random_head;
use super::plan::BATCH;
use super::start::crown;
use super::{HeadLayers, Tuning};
use crate::head::is_head;
use crate::{Error, Strategy};

/// A choice must fit with so much to spare: its estimate is good to about as much.
const SPARE: f64 = 1.1;

/// What a process takes that nobody told of how much, when the system does not say.
const UNKNOWN: u64 = 128 << 20;

/// Bytes this process has now, and the most it had so far.
fn taken() -> [u64; 2] {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let of = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()
    };
    ["VmRSS:", "VmHWM:"].map(|name| of(name).map_or(UNKNOWN, |kib| 1024 * kib))
}

/// A size with its unit.
pub(crate) fn size(bytes: u64) -> String {
    let bytes = bytes as f64;
    if bytes < 1e9 { format!("{:.0} MB", bytes / 1e6) } else { format!("{:.2} GB", bytes / 1e9) }
}

/// Bytes that this process takes when it trains every layer of `trunk` and a new head on `images` images with
/// the usual steps, all values kept.
pub(crate) fn memory_wanted(
    trunk: &Network,
    classes: &[String],
    images: usize,
) -> Result<u64, Error> {
    let start = with_random_head(trunk, &HeadLayers::default(), classes, 0)?;
    let asked = Asked {
        unfreeze: Unfreeze::All,
        rates: Rates::Same(1e-3),
        overrides: Vec::new(),
        batch_norm: false,
    };
    let table = Table::new(&start, &is_head, &asked)?;
    let (crown, _) = crown(&start, &table)?;
    let recipe = Recipe {
        epochs: 1,
        batch: BATCH,
        optimiser: Optimiser::SGD,
        schedule: Schedule::Cosine,
        warm_up: 0.0,
        decay: 0.0,
        anchor: false,
        smoothing: 0.0,
        class_weights: None,
        clip: None,
        average: None,
        gradual: false,
        patience: None,
        recompute: false,
        seed: 0,
    };
    let [now, most] = taken();
    Ok(most.max(now + need(&crown, &table, &recipe, images, true)?))
}

impl Tuning<'_> {
    /// Whether a limit of memory decides which layers learn, and nobody else did.
    pub(super) fn memory_decides(&self) -> bool {
        let o = &self.options.tune;
        o.memory.is_some() && o.unfreeze.is_none() && self.strategy() != Strategy::Scratch
    }

    /// The deepest choice of layers to train that fits `limit` bytes, at first with all values kept, else
    /// with values made again; only what was asked for when something was.
    pub(super) fn within(
        &self,
        limit: u64,
        asked: &mut Asked,
        recipe: &mut Recipe,
        mixes: bool,
    ) -> Result<Reason, Error> {
        let choices = if self.memory_decides() {
            let blocks = self.network.card().blocks.len();
            let last = (1..=blocks).rev().map(Unfreeze::Last);
            std::iter::once(Unfreeze::All).chain(last).chain([Unfreeze::None]).collect()
        } else {
            vec![asked.unfreeze.clone()]
        };
        let start = self.start_shape()?;
        let [now, most] = taken();
        let mut refused = Vec::new();
        for unfreeze in choices {
            let tried = Asked { unfreeze, ..asked.clone() };
            let mut table = Table::new(&start, &is_head, &tried)?;
            if mixes {
                table.frontier = None;
            }
            let (crown, _) = crown(&start, &table)?;
            for recompute in [false, true] {
                let how = Recipe { recompute, ..recipe.clone() };
                let bytes = need(&crown, &table, &how, self.rows.train.len(), true)?;
                let bytes = most.max(now + bytes);
                let way = if recompute { "with values made again" } else { "with all values kept" };
                if (SPARE * bytes as f64) as u64 > limit {
                    refused.push((bytes, format!("{} {way} {}", tried.unfreeze, size(bytes))));
                    continue;
                }
                let deeper = match refused.last() {
                    None => String::new(),
                    Some((_, what)) => format!("; {what} would be too much"),
                };
                let reason = Reason {
                    choice: format!("train {} {way}: about {}", tried.unfreeze, size(bytes)),
                    because: format!("you gave {} of memory{deeper}", size(limit)),
                    rule: "the deepest choice that fits with a tenth to spare".to_owned(),
                    source: "counted on the graph and a step of one image; Chen et al. 2016"
                        .to_owned(),
                };
                recipe.recompute = recompute;
                *asked = tried;
                return Ok(reason);
            }
        }
        let least = refused.iter().map(|(bytes, _)| *bytes).min().unwrap_or(most);
        Err(Error::Memory {
            limit: size(limit),
            least: size((SPARE * least as f64) as u64),
            batch: recipe.batch,
        })
    }
}
