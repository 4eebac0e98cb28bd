//! Layers of Caffe to a graph of ours.
//!
//! Our layers have the names of Caffe's layers (not of the blobs, which several layers change in place).
//! Two rules make a graph that can be cut and trained:
//!
//! * A `BatchNorm` whose value only a `Scale` reads is one `batch_norm` with it, under the name of the
//!   `Scale`: the value at that name is the one Caffe has there, and training finds one scale and one
//!   offset to learn, not two. The name of the `BatchNorm` is then no layer.
//! * Maps of one pixel by average pooling are vectors, and a 1 x 1 convolution over one is a `linear`:
//!   `[N, C, 1, 1]` is what Caffe has for a vector.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use regraft_net::{Graph, LayerId, NetError, Op, nearest, surgery};
use regraft_tensor::Shape;

use super::blobs::Blobs;
use super::fault::CaffeFault;
use super::net::{Def, Net, Part};
use super::source::Source;
use super::weights::Learned;
use super::{refuse, source};
use crate::FormatError;

/// A graph and what is known beside it.
#[derive(Debug)]
pub(super) struct Built {
    /// The layers that lead to the output.
    pub(super) graph: Graph,
    /// Where the parameters come from, for each layer that has some.
    pub(super) learned: Vec<Learned>,
    /// What was left out, in sentences.
    pub(super) notes: Vec<String>,
}

/// Builds the graph. `blobs` help where the prototxt does not say how many channels the input has.
pub(super) fn build(net: &Net<'_>, blobs: Option<&Blobs<'_>>) -> Result<Built, FormatError> {
    let refused = refuse::all(net)?;
    if !refused.is_empty() {
        return Err(CaffeFault::Refused { layers: refused }.into());
    }
    let mut builder = Builder::new(net, blobs)?;
    for (i, def) in net.layers.iter().enumerate() {
        match def.part() {
            Part::Source => {}
            Part::Judge => builder.judge(def)?,
            Part::Layer => builder.layer(i, def)?,
        }
    }
    builder.finish()
}

/// A graph under construction.
pub(super) struct Builder<'n, 'a> {
    pub(super) net: &'n Net<'a>,
    pub(super) graph: Graph,
    pub(super) learned: Vec<Learned>,
    pub(super) notes: Vec<String>,
    /// The shape of each layer's value.
    shapes: Vec<Shape>,
    /// Which layer gives each blob at this point.
    blobs: BTreeMap<&'n str, LayerId>,
    /// Blobs that come from outside, until something reads them.
    sources: BTreeMap<Cow<'a, str>, Source>,
    /// Blobs of labels and losses.
    labels: BTreeSet<&'n str>,
    /// Norms waiting for their scale: its place, the norm's.
    pub(super) norms: BTreeMap<usize, usize>,
    /// What losses read, with their weight.
    scores: Vec<(LayerId, f32)>,
    weights: Option<&'n Blobs<'a>>,
    /// Names of layers, and how many wanted each.
    names: BTreeMap<String, usize>,
    left_out: Vec<&'n str>,
}

impl<'n, 'a> Builder<'n, 'a> {
    fn new(net: &'n Net<'a>, weights: Option<&'n Blobs<'a>>) -> Result<Self, FormatError> {
        let mut sources = BTreeMap::new();
        let mut labels = BTreeSet::new();
        let given = net.layers.iter().filter(|d| d.part() == Part::Source);
        for def in given.chain(&net.train_sources) {
            for (i, top) in def.tops.iter().enumerate() {
                match source::of_layer(def, i)? {
                    Some(source) => {
                        let known = sources.entry(top.clone()).or_insert_with(|| source.clone());
                        if known.is_unknown() {
                            *known = source;
                        }
                    }
                    None => {
                        labels.insert(&**top);
                    }
                }
            }
        }
        for (name, dims) in &net.inputs {
            sources.insert(name.clone(), Source::of_dims(dims.clone()));
        }
        Ok(Self {
            net,
            graph: Graph::new(),
            learned: Vec::new(),
            notes: Vec::new(),
            shapes: Vec::new(),
            blobs: BTreeMap::new(),
            sources,
            labels,
            norms: BTreeMap::new(),
            scores: Vec::new(),
            weights,
            names: BTreeMap::new(),
            left_out: Vec::new(),
        })
    }

    /// A loss or the like: left out; what it judges are the scores.
    fn judge(&mut self, def: &'n Def<'a>) -> Result<(), FormatError> {
        if !self.left_out.contains(&&*def.name) {
            self.left_out.push(&def.name);
        }
        self.labels.extend(def.tops.iter().map(|t| &**t));
        if def.kind.contains("Loss")
            && let Some(id) = def.bottoms.first().and_then(|b| self.blobs.get(&**b))
        {
            let weight = def.body.floats("loss_weight")?.first().copied().unwrap_or(1.0);
            self.scores.push((*id, weight));
        }
        Ok(())
    }

    fn layer(&mut self, place: usize, def: &'n Def<'a>) -> Result<(), FormatError> {
        let from_labels = def.bottoms.iter().all(|b| self.labels.contains(&**b));
        if from_labels && !def.bottoms.is_empty() {
            self.left_out.push(&def.name);
            self.labels.extend(def.tops.iter().map(|t| &**t));
            return Ok(());
        }
        let inputs: Vec<LayerId> =
            def.bottoms.iter().map(|b| self.read(def, b)).collect::<Result<_, _>>()?;
        let id = if def.kind == "Split" {
            let [id] = inputs[..] else {
                return Err(self.refused(def, "wants one bottom"));
            };
            id
        } else {
            self.take(place, def, &inputs)?
        };
        // Later tops of a layer with several are its other results, except for these two types.
        let tops = match &*def.kind {
            "Split" => &def.tops[..],
            "Slice" => &[],
            _ => def.tops.get(..1).unwrap_or_default(),
        };
        for top in tops {
            self.blobs.insert(top, id);
            self.labels.remove(&**top);
        }
        Ok(())
    }

    /// Makes `id` the value of a blob.
    pub(super) fn give(&mut self, blob: &'n str, id: LayerId) {
        self.blobs.insert(blob, id);
    }

    /// The layer that gives a blob; an input layer is made when the blob comes from outside.
    fn read(&mut self, def: &Def<'_>, blob: &'n str) -> Result<LayerId, FormatError> {
        if let Some(id) = self.blobs.get(blob) {
            return Ok(*id);
        }
        let Some(source) = self.sources.get(blob) else {
            let given = self.blobs.keys().copied().chain(self.sources.keys().map(|k| &**k));
            return Err(CaffeFault::NoBlob {
                at: def.at.spot(),
                layer: def.name.to_string(),
                blob: blob.to_owned(),
                near: nearest(blob, given),
            }
            .into());
        };
        let shape = source.shape(blob, def, self.weights)?;
        let id = self.push(def, blob, Op::Input { shape }, &[])?;
        self.blobs.insert(blob, id);
        Ok(id)
    }

    /// The shape of a layer's value.
    pub(super) fn shape(&self, id: LayerId) -> &Shape {
        &self.shapes[id.index()]
    }

    /// Adds a layer called `name`, or nearly so where that cannot be.
    pub(super) fn push(
        &mut self,
        def: &Def<'_>,
        name: &str,
        op: Op,
        inputs: &[LayerId],
    ) -> Result<LayerId, FormatError> {
        let name = self.free(name, &def.kind);
        let at = def.at;
        let fit = |fault| FormatError::from(CaffeFault::Layer { at: at.spot(), fault });
        // The shape comes from a graph of this layer alone, so that a network costs one pass.
        let shape = self.alone(&name, &op, inputs).map_err(fit)?;
        let id = self.graph.push(name, op, inputs).map_err(fit)?;
        self.shapes.push(shape);
        Ok(id)
    }

    fn alone(&self, name: &str, op: &Op, inputs: &[LayerId]) -> Result<Shape, NetError> {
        let mut graph = Graph::new();
        let mut ids = Vec::with_capacity(inputs.len());
        for (i, id) in inputs.iter().enumerate() {
            let shape = self.shape(*id).clone();
            ids.push(graph.push(format!("{name}.input{i}"), Op::Input { shape }, &[])?);
        }
        let id = graph.push(name, op.clone(), &ids)?;
        Ok(regraft_net::facts::facts(&graph)?.layer(id).shape.clone())
    }

    /// The name itself, without marks that a name cannot have, and with a number when it is taken.
    fn free(&mut self, name: &str, kind: &str) -> String {
        let plain = |c: char| {
            if c.is_whitespace() || c.is_control() || "=#,".contains(c) { '_' } else { c }
        };
        let mut free: String = name.trim_start_matches("->").chars().map(plain).collect();
        if free.is_empty() {
            free = kind.to_lowercase();
        }
        while let Some(taken) = self.names.get_mut(&free) {
            *taken += 1;
            free = format!("{free}.{taken}");
        }
        self.names.insert(free.clone(), 1);
        if free != name {
            self.notes.push(format!("layer `{}` is called `{free}`", name.escape_debug()));
        }
        free
    }

    /// The value as a vector: a map is written out row by row.
    pub(super) fn vector(&mut self, def: &Def<'_>, id: LayerId) -> Result<LayerId, FormatError> {
        if self.shape(id).len() == 1 {
            return Ok(id);
        }
        self.push(def, &format!("{}.flatten", def.name), Op::Flatten, &[id])
    }

    /// Maps of one pixel as vectors, where some of the inputs are vectors.
    pub(super) fn alike(
        &mut self,
        def: &Def<'_>,
        inputs: &[LayerId],
    ) -> Result<Vec<LayerId>, FormatError> {
        if inputs.iter().all(|id| self.shape(*id).len() == 3) {
            return Ok(inputs.to_vec());
        }
        let pixel = |shape: &Shape| matches!(shape.dims(), [_, 1, 1]);
        let mut alike = Vec::with_capacity(inputs.len());
        for id in inputs {
            let id = if pixel(self.shape(*id)) { self.vector(def, *id)? } else { *id };
            alike.push(id);
        }
        Ok(alike)
    }

    /// The error that one layer cannot be taken over.
    #[expect(clippy::unused_self, reason = "reads as the other steps of building do")]
    pub(super) fn refused(&self, def: &Def<'_>, why: impl Into<String>) -> FormatError {
        CaffeFault::Refused { layers: vec![refuse::layer(def, why)] }.into()
    }

    /// Chooses the output, and keeps what leads to it.
    fn finish(mut self) -> Result<Built, FormatError> {
        let users = self.graph.users();
        let ends: Vec<LayerId> = self
            .graph
            .layers()
            .map(|(id, _)| id)
            .filter(|id| users[id.index()].is_empty())
            .collect();
        // The loss with the largest weight, the last of several, reads the scores that count.
        let best = self.scores.iter().max_by(|a, b| a.1.total_cmp(&b.1)).map(|s| s.0);
        let Some(output) = best.or(ends.last().copied()) else {
            return Err(CaffeFault::NoLayers.into());
        };
        let name = |id: LayerId| self.graph.layer(id).name.clone();
        let output_name = name(output);
        let others: Vec<String> = ends.into_iter().filter(|id| *id != output).map(name).collect();
        let graph = surgery::cut(&self.graph, &output_name)?;
        graph.input()?;
        let kept: BTreeSet<&str> = graph.layers().map(|(_, l)| l.name.as_str()).collect();
        self.learned.retain(|l| kept.contains(l.layer.as_str()));
        if !others.is_empty() {
            self.notes.push(format!(
                "`{output_name}` is the output; what leads only to {} is left out",
                words(&others)
            ));
        }
        if !self.left_out.is_empty() {
            self.notes.push(format!("losses and measures left out: {}", words(&self.left_out)));
        }
        match self.net.train_only {
            0 => {}
            1 => self.notes.push("1 layer is for training only and left out".to_owned()),
            n => self.notes.push(format!("{n} layers are for training only and left out")),
        }
        Ok(Built { graph, learned: self.learned, notes: self.notes })
    }
}

/// A list of names, the first ten of them.
fn words(names: &[impl AsRef<str>]) -> String {
    let shown: Vec<String> = names.iter().take(10).map(|n| format!("`{}`", n.as_ref())).collect();
    let more = names.len().saturating_sub(10);
    let end = if more > 0 { format!(" and {more} more") } else { String::new() };
    shown.join(", ") + &end
}
