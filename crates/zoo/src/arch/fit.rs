//! From the tensors of a file to the graph and parameters of an architecture, however the file was
//! wrapped and however many classes it has.

use std::collections::{BTreeMap, BTreeSet};

use regraft_net::{Graph, LayerId, NetError, Op, Params, nearest};
use regraft_tensor::Tensor;

use super::source::SourceParam;
use super::{ArchInfo, Naming, listed};
use crate::ZooError;

/// Prefixes that training code, models around a backbone and self-supervised methods put before names.
const PREFIXES: [&str; 14] = [
    "module.",
    "_orig_mod.",
    "model.",
    "backbone.",
    "net.",
    "encoder.",
    "student.",
    "teacher.",
    "base_model.",
    "resnet.",
    "vit.",
    "convnext.",
    "dinov2.",
    "n_averaged.",
];
/// Prefixes inside one another.
const MAX_PREFIXES: usize = 3;
/// Rows of a table of what does not fit, of each kind.
const ROWS: usize = 20;
/// Names of the file that are looked at for near ones.
const LOOKED_AT: usize = 5000;

/// What became of the tensors of a file.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Fitted {
    /// The graph; its last layer has as many classes as the file.
    pub graph: Graph,
    /// Its parameters, and what no layer uses.
    pub params: Params,
    /// Classes in the file, when they are not the architecture's own number.
    pub classes: Option<usize>,
    /// The prefix that was taken off the names; empty for none.
    pub prefix: String,
}

type Tensors = BTreeMap<String, Tensor>;

impl ArchInfo {
    /// Fits the tensors of a file to the architecture: takes prefixes of wrappers off where that
    /// brings the names the architecture wants, and gives the last layer as many classes as the file has.
    ///
    /// # Errors
    /// [`ZooError::Misfit`] with a table when parameters are missing or of another shape.
    pub fn fitted(&self, tensors: Tensors) -> Result<Fitted, ZooError> {
        self.fit(tensors, true)
    }

    /// The same without a look at whether all parameters are there and of the right shape: for who wants
    /// to tell of it.
    ///
    /// # Errors
    /// When shapes do not fit along the graph.
    pub fn fitted_as_is(&self, tensors: Tensors) -> Result<Fitted, ZooError> {
        self.fit(tensors, false)
    }

    fn fit(&self, mut tensors: Tensors, whole: bool) -> Result<Fitted, ZooError> {
        let mut graph = self.graph()?;
        listed::adopt(&graph, &mut tensors)?;
        let wanted = self.names(&graph)?;
        let prefix = unwrap(&mut tensors, &wanted);
        let classes = self.classes(&graph, &tensors)?;
        if let Some(classes) = classes {
            graph = with_classes(&graph, self.scores(&graph)?, classes)?;
        }
        if whole {
            self.check(&graph, &tensors)?;
        }
        let params = self.adopt_to(&graph, tensors)?;
        Ok(Fitted { graph, params, classes, prefix })
    }

    /// Every name that a file should have.
    fn names(&self, graph: &Graph) -> Result<BTreeSet<String>, ZooError> {
        let sources = self.sources(graph)?;
        let named = sources.iter().filter_map(|(_, source)| source.as_ref());
        let names = named.flat_map(SourceParam::names).map(str::to_owned);
        Ok(names.collect())
    }

    /// The layer whose matrix gives the scores: the last one below the logits that has parameters.
    fn scores(&self, graph: &Graph) -> Result<LayerId, ZooError> {
        let mut at = graph.find(self.logits).map_err(ZooError::Net)?;
        while let ([below], false) = (&graph.layer(at).inputs[..], has_classes(&graph.layer(at).op))
        {
            at = *below;
        }
        Ok(at)
    }

    /// Classes in the file, when they differ and everything else of the last layer fits.
    fn classes(&self, graph: &Graph, tensors: &Tensors) -> Result<Option<usize>, ZooError> {
        if self.headless() {
            return Ok(None);
        }
        let layer = graph.layer(self.scores(graph)?);
        let name = format!("{}.weight", layer.name);
        let sources = self.sources(graph)?;
        let found = sources.iter().find(|(spec, _)| spec.name == name);
        let Some((_, Some(source))) = found else { return Ok(None) };
        let Some(tensor) = tensors.get(&source.name) else { return Ok(None) };
        let (got, wanted) = (tensor.shape().dims(), source.shape.dims());
        if got.len() != wanted.len() || got == wanted {
            return Ok(None);
        }
        let axis = if self.naming == Naming::Keras { got.len() - 1 } else { 0 };
        let same = |i: usize| i == axis || got[i] == wanted[i];
        Ok((got[axis] > 0 && (0..got.len()).all(same)).then_some(got[axis]))
    }

    fn check(&self, graph: &Graph, tensors: &Tensors) -> Result<(), ZooError> {
        let mut used = BTreeSet::new();
        let (mut rows, mut missing, mut wrong) = (Vec::new(), 0, 0);
        let sources = self.sources(graph)?;
        // A name that has its place already is not the one that is missing.
        let wanted = self.names(graph)?;
        let strangers = tensors.keys().filter(|n| !wanted.contains(*n)).map(String::as_str);
        let names: Vec<&str> = strangers.take(LOOKED_AT).collect();
        let near = |name: &str| {
            let near = nearest(name, names.iter().copied().filter(|n| n.len() < 200));
            near.first().map(|n| format!("; did you mean `{n}` {}?", tensors[n].shape()))
        };
        for (spec, source) in &sources {
            let Some(source) = source else { continue };
            for name in source.names() {
                let ours = (name != spec.name).then(|| tensors.get(&spec.name)).flatten();
                match tensors.get(name) {
                    Some(tensor) if *tensor.shape() == source.shape => used.insert(name.to_owned()),
                    Some(tensor) if *tensor.shape() == spec.shape => used.insert(name.to_owned()),
                    Some(tensor) => {
                        wrong += 1;
                        row(&mut rows, || {
                            let (has, wants) = (tensor.shape(), &source.shape);
                            format!("`{name}` has shape {has}, wanted {wants}")
                        });
                        used.insert(name.to_owned())
                    }
                    None if ours.is_some() => used.insert(spec.name.clone()),
                    None => {
                        missing += 1;
                        row(&mut rows, || {
                            let near = near(name).unwrap_or_default();
                            format!("`{name}` {} is missing{near}", source.shape)
                        });
                        false
                    }
                };
            }
        }
        if rows.is_empty() {
            return Ok(());
        }
        let left: Vec<&String> = tensors
            .keys()
            .filter(|n| !used.contains(*n) && !n.ends_with("num_batches_tracked"))
            .collect();
        let shown = left.iter().take(ROWS);
        rows.extend(shown.map(|n| format!("`{}` {} is left over", cut(n), tensors[*n].shape())));
        let architecture = self.name.to_owned();
        Err(ZooError::Misfit { architecture, missing, wrong, left: left.len(), rows })
    }
}

fn cut(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(200).collect()
}

/// Adds a row while there is room.
fn row(rows: &mut Vec<String>, text: impl FnOnce() -> String) {
    if rows.len() < ROWS {
        rows.push(text());
    }
}

fn has_classes(op: &Op) -> bool {
    matches!(op, Op::Linear { .. } | Op::Conv2d(_))
}

/// Takes off the prefixes that bring names the architecture wants; gives what was taken off.
fn unwrap(tensors: &mut Tensors, wanted: &BTreeSet<String>) -> String {
    let mut taken = String::new();
    for _ in 0..MAX_PREFIXES {
        let have = |name: &str| wanted.contains(name);
        let now = tensors.keys().filter(|n| have(n)).count();
        let brings = |prefix: &str| {
            // Another prefix may lie below this one.
            let inner = |n: &str| {
                let mut n = n;
                while let Some(rest) = PREFIXES.iter().find_map(|p| n.strip_prefix(p)) {
                    if have(n) {
                        break;
                    }
                    n = rest;
                }
                have(n)
            };
            tensors.keys().filter_map(|n| n.strip_prefix(prefix)).filter(|n| inner(n)).count()
        };
        let best = PREFIXES.into_iter().map(|p| (brings(p), p)).max_by_key(|(count, _)| *count);
        let Some((_, prefix)) = best.filter(|(count, _)| *count > now) else { break };
        let all = std::mem::take(tensors);
        let (inside, outside): (Vec<_>, Vec<_>) =
            all.into_iter().partition(|(name, _)| name.starts_with(prefix));
        tensors.extend(outside);
        tensors.extend(inside.into_iter().map(|(name, t)| (name[prefix.len()..].to_owned(), t)));
        taken.push_str(prefix);
    }
    taken
}

/// The graph with another number of classes.
fn with_classes(graph: &Graph, scores: LayerId, classes: usize) -> Result<Graph, NetError> {
    let mut new = Graph::new();
    let mut places: Vec<LayerId> = Vec::new();
    for (id, layer) in graph.layers() {
        let mut op = layer.op.clone();
        if id == scores {
            if let Op::Linear { out, .. } = &mut op {
                *out = classes;
            } else if let Op::Conv2d(conv) = &mut op {
                conv.out = classes;
            }
        }
        let inputs: Vec<LayerId> = layer.inputs.iter().map(|i| places[i.index()]).collect();
        places.push(new.push(&layer.name, op, &inputs)?);
    }
    let outputs: Vec<&str> =
        graph.outputs().iter().map(|id| graph.layer(*id).name.as_str()).collect();
    new.set_outputs(&outputs)?;
    Ok(new)
}
