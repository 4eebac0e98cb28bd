//! What differs between two networks, layer by layer.

use std::collections::BTreeMap;

use regraft_net::facts::{Facts, LayerFacts};
use regraft_net::{Graph, LayerId, Network, ParamSpec, notation};

/// Largest table of a comparison by likeness; where it would be larger, order alone decides.
const MOST: usize = 4_000_000;

/// Times that layers without a pair are paired in order.
const ROUNDS: usize = 4;

/// A difference between two layers that stand for one another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// The operation or its settings, as the notation has them.
    Op {
        /// In the network asked about.
        here: String,
        /// In the other.
        there: String,
    },
    /// The shape of the output, without the batch.
    Shape {
        /// In the network asked about.
        here: String,
        /// In the other.
        there: String,
    },
    /// Values in parameters.
    Params {
        /// In the network asked about.
        here: u64,
        /// In the other.
        there: u64,
    },
    /// The layers that are read, where those do not stand for one another.
    Inputs {
        /// In the network asked about.
        here: Vec<String>,
        /// In the other.
        there: Vec<String>,
    },
}

impl std::fmt::Display for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Op { here, there } => write!(f, "{here} here, {there} there"),
            Self::Shape { here, there } => write!(f, "gives {here} here, {there} there"),
            Self::Params { here, there } => write!(f, "{here} parameters here, {there} there"),
            Self::Inputs { here, there } => {
                write!(f, "reads {} here, {} there", here.join(" and "), there.join(" and "))
            }
        }
    }
}

/// What becomes of a layer in another network.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Counterpart {
    /// The layer that stands for it there; none where there is none.
    pub other: Option<LayerId>,
    /// What differs; empty for nothing.
    pub changes: Vec<Change>,
}

/// For each layer of each of two graphs, what stands for it in the other: the layer of its name; those left
/// over are paired in order so that what is paired is most alike in operation, shape and kernel (Needleman and Wunsch
/// 1970), and again those that are left over then.
pub fn counterparts(here: (&Graph, &Facts), there: (&Graph, &Facts)) -> [Vec<Counterpart>; 2] {
    let mut pairs: Vec<Option<LayerId>> =
        here.0.layers().map(|(_, layer)| there.0.find(&layer.name).ok()).collect();
    let mut back: Vec<Option<LayerId>> =
        there.0.layers().map(|(_, layer)| here.0.find(&layer.name).ok()).collect();
    let left = |graph: &Graph, pairs: &[Option<LayerId>]| -> Vec<LayerId> {
        graph.layers().map(|(id, _)| id).filter(|id| pairs[id.index()].is_none()).collect()
    };
    // Again for what stands in another order, as long as something is found.
    for _ in 0..ROUNDS {
        let (a, b) = (left(here.0, &pairs), left(there.0, &back));
        let found = positions(here, there, &a, &b);
        if found.is_empty() {
            break;
        }
        for (x, y) in found {
            pairs[x.index()] = Some(y);
            back[y.index()] = Some(x);
        }
    }
    [side(here, there, &pairs, &back), side(there, here, &back, &pairs)]
}

fn side(
    here: (&Graph, &Facts),
    there: (&Graph, &Facts),
    pairs: &[Option<LayerId>],
    back: &[Option<LayerId>],
) -> Vec<Counterpart> {
    here.0
        .layers()
        .map(|(id, _)| {
            let other = pairs[id.index()];
            let changes = other.map(|o| changes(here, there, (id, o), pairs, back));
            Counterpart { other, changes: changes.unwrap_or_default() }
        })
        .collect()
}

fn changes(
    here: (&Graph, &Facts),
    there: (&Graph, &Facts),
    (a, b): (LayerId, LayerId),
    pairs: &[Option<LayerId>],
    back: &[Option<LayerId>],
) -> Vec<Change> {
    let (x, y) = (here.0.layer(a), there.0.layer(b));
    let (fx, fy) = (here.1.layer(a), there.1.layer(b));
    let mut all = Vec::new();
    if x.op != y.op {
        all.push(Change::Op { here: notation::describe(&x.op), there: notation::describe(&y.op) });
    }
    if fx.shape != fy.shape {
        let [here, there] = [fx, fy].map(|f| f.shape.to_string());
        all.push(Change::Shape { here, there });
    }
    if fx.param_count() != fy.param_count() {
        all.push(Change::Params { here: fx.param_count(), there: fy.param_count() });
    }
    // A layer that is only in one of them is a difference of its own, not one of those that read it.
    let known = |inputs: &[LayerId], pairs: &[Option<LayerId>]| -> Vec<LayerId> {
        inputs.iter().copied().filter(|i| pairs[i.index()].is_some()).collect()
    };
    let (ins, outs) = (known(&x.inputs, pairs), known(&y.inputs, back));
    let same = |i: &LayerId| pairs[i.index()].is_some_and(|o| outs.contains(&o));
    if ins.len() == outs.len() && !ins.iter().all(same) {
        let names = |graph: &Graph, inputs: &[LayerId]| -> Vec<String> {
            inputs.iter().map(|i| graph.layer(*i).name.clone()).collect()
        };
        all.push(Change::Inputs {
            here: names(here.0, &x.inputs),
            there: names(there.0, &y.inputs),
        });
    }
    all
}

/// Pairs among layers that no name joins: those in order, of one operation each, that are most alike together.
fn positions(
    here: (&Graph, &Facts),
    there: (&Graph, &Facts),
    a: &[LayerId],
    b: &[LayerId],
) -> Vec<(LayerId, LayerId)> {
    let like = |i: usize, j: usize| likeness(here, there, a[i], b[j]);
    let width = b.len() + 1;
    let (mut i, mut j, mut pairs) = (0, 0, Vec::new());
    if (a.len() + 1).saturating_mul(width) > MOST {
        // By operation and order alone.
        for x in 0..a.len() {
            if let Some(y) = (j..b.len()).find(|y| like(x, *y) > 0) {
                pairs.push((a[x], b[y]));
                j = y + 1;
            }
        }
        return pairs;
    }
    // The best that can still be had from each place in both lists.
    let mut table = vec![0u32; (a.len() + 1) * width];
    for i in (0..a.len()).rev() {
        for j in (0..b.len()).rev() {
            let both = match like(i, j) {
                0 => 0,
                likeness => table[(i + 1) * width + j + 1] + likeness,
            };
            let skip = table[(i + 1) * width + j].max(table[i * width + j + 1]);
            table[i * width + j] = skip.max(both);
        }
    }
    while i < a.len() && j < b.len() {
        let best = table[i * width + j];
        let likeness = like(i, j);
        if likeness > 0 && best == table[(i + 1) * width + j + 1] + likeness {
            pairs.push((a[i], b[j]));
            (i, j) = (i + 1, j + 1);
        } else if best == table[(i + 1) * width + j] {
            i += 1;
        } else {
            j += 1;
        }
    }
    pairs
}

/// How alike two layers are: 0 when they do different things.
fn likeness(here: (&Graph, &Facts), there: (&Graph, &Facts), a: LayerId, b: LayerId) -> u32 {
    let (fa, fb) = (here.1.layer(a), there.1.layer(b));
    if here.0.layer(a).op.name() != there.0.layer(b).op.name() {
        return 0;
    }
    let kernel = |facts: &LayerFacts| facts.params.first().map(|p| p.shape.clone());
    1 + 2 * u32::from(fa.shape == fb.shape) + 3 * u32::from(kernel(fa) == kernel(fb))
}

/// How far the learned parameters of each layer of `network` are from those of its counterpart in `source`:
/// `‖W - W₀‖ / ‖W₀‖` over all of the layer's together (Frobenius norm). None where a layer has no counterpart or learns
/// nothing, parameters are not of one shape, or `W₀` is all zeros. Statistics of norms do not count.
///
/// # Errors
/// Never for networks that [`Network::new`] accepted.
pub fn drifts(
    source: &Network,
    network: &Network,
    pairs: &[Option<LayerId>],
) -> Result<Vec<Option<f64>>, crate::LookError> {
    let (before, after) = (source.facts()?, network.facts()?);
    let of = |(id, _): (LayerId, _)| {
        let other = pairs.get(id.index()).copied().flatten()?;
        drift_of((source, before.layer(other)), (network, after.layer(id)))
    };
    Ok(network.graph().layers().map(of).collect())
}

fn drift_of(
    (source, before): (&Network, &LayerFacts),
    (network, after): (&Network, &LayerFacts),
) -> Option<f64> {
    let learned = |facts: &LayerFacts| -> BTreeMap<&'static str, ParamSpec> {
        let specs = facts.params.iter().filter(|p| p.role.learned());
        specs.map(|p| (p.role.suffix(), p.clone())).collect()
    };
    let (old, new) = (learned(before), learned(after));
    if new.is_empty() || !old.keys().eq(new.keys()) {
        return None;
    }
    let (mut moved, mut size) = (0.0, 0.0);
    for (a, b) in old.values().zip(new.values()) {
        let (a, b) = (source.params().get(&a.name)?, network.params().get(&b.name)?);
        if a.shape() != b.shape() {
            return None;
        }
        for (a, b) in a.data().iter().zip(b.data()) {
            moved += (f64::from(*b) - f64::from(*a)).powi(2);
            size += f64::from(*a).powi(2);
        }
    }
    let drift = (moved / size).sqrt();
    drift.is_finite().then_some(drift)
}
