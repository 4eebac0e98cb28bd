//! A graph under construction, with the weights that its layers take out of the file.

use std::collections::BTreeMap;

use regraft_net::facts::facts;
use regraft_net::{Graph, LayerId, NetError, Op, Params};
use regraft_tensor::{Shape, Tensor};

use super::KerasFault;
use super::config::Spec;
use super::weights::{Held, Store};
use crate::FormatError;

/// Layers that every file may have, and bytes of file for each further one: a description and a group
/// of weights take more, unless models are called again and again.
const LAYERS: usize = 256;
const BYTES_PER_LAYER: usize = 256;

/// A value of the network.
#[derive(Debug, Clone, Copy)]
pub(super) struct Val {
    pub(super) id: LayerId,
    /// Axes in Keras, the batch included: 4 for a map, also one of a single pixel, which is a vector
    /// here; 2 for a vector.
    pub(super) rank: usize,
    /// The map `[C, H, W]` that a vector was before it was laid flat: Keras has its values pixel by
    /// pixel, `[H, W, C]`.
    pub(super) flat: Option<[usize; 3]>,
}

/// A layer that is being added.
#[derive(Debug)]
pub(super) struct At<'s, 'j> {
    pub(super) spec: &'s Spec<'j>,
    /// Its name in the graph.
    pub(super) name: String,
    /// Names of the models around it and its own.
    pub(super) path: Vec<String>,
    /// Where the newer layout has its weights.
    pub(super) group: String,
    /// Whether it is called several times, so that its weights must be kept.
    pub(super) again: bool,
}

impl At<'_, '_> {
    /// The fault that this use of the layer cannot be expressed.
    pub(super) fn unsupported(&self, what: impl Into<String>) -> FormatError {
        KerasFault::Unsupported {
            layer: self.path.join("/"),
            class: self.spec.class.to_owned(),
            what: what.into(),
        }
        .into()
    }
}

/// The graph so far.
pub(super) struct Build {
    pub(super) graph: Graph,
    shapes: Vec<Shape>,
    pub(super) params: Params,
    pub(super) notes: Vec<String>,
    /// Whether Keras 2 wrote the file.
    pub(super) second: bool,
    /// Extent of pictures where the file leaves it open.
    pub(super) usual: usize,
    /// Constants that may still be written down.
    constants: usize,
    /// Values of parameters that may still be kept: a layer that is called twice has its weights twice.
    room: usize,
    /// Most layers.
    most: usize,
    held: Vec<Option<Held>>,
    by_path: BTreeMap<Vec<String>, usize>,
    by_group: BTreeMap<String, usize>,
}

impl Build {
    /// Begins with the weights of a file of `file` bytes.
    pub(super) fn new(store: Store, file: usize, second: bool, usual: usize) -> Self {
        let (mut by_path, mut by_group) = (BTreeMap::new(), BTreeMap::new());
        for (n, held) in store.layers.iter().enumerate() {
            by_path.entry(held.path.clone()).or_insert(n);
            // The older layout may leave out models between the outermost and the layer.
            if let (Some(first), Some(last)) = (held.path.first(), held.path.last())
                && held.path.len() > 2
            {
                by_path.entry(vec![first.clone(), last.clone()]).or_insert(n);
            }
            by_group.entry(held.group.clone()).or_insert(n);
        }
        Self {
            graph: Graph::new(),
            shapes: Vec::new(),
            params: Params::new(),
            notes: Vec::new(),
            second,
            usual,
            constants: (1 << 13) + file / 32,
            room: (1 << 13) + file / 2,
            most: LAYERS + file / BYTES_PER_LAYER,
            held: store.layers.into_iter().map(Some).collect(),
            by_path,
            by_group,
        }
    }

    /// The shape of a value, `[C, H, W]` or `[N]`.
    pub(super) fn shape(&self, value: Val) -> &[usize] {
        self.shapes.get(value.id.index()).map(Shape::dims).unwrap_or_default()
    }

    /// The channels of a value.
    pub(super) fn channels(&self, value: Val) -> usize {
        self.shape(value).first().copied().unwrap_or_default()
    }

    /// Height and width of a map.
    pub(super) fn extent(&self, value: Val) -> Option<[usize; 2]> {
        match self.shape(value) {
            &[_, h, w] => Some([h, w]),
            _ => None,
        }
    }

    /// A name that no layer has: this one, or one that says more.
    pub(super) fn free_name(&self, name: &str, path: &[String]) -> String {
        let clean = |name: &str| -> String {
            let odd = |c: char| c.is_whitespace() || c.is_control() || "=#,".contains(c);
            name.chars().map(|c| if odd(c) { '_' } else { c }).collect()
        };
        let mut free = clean(name);
        if self.graph.find(&free).is_ok() && path.len() > 1 {
            free = clean(&path.join("/"));
        }
        let first = free.clone();
        for n in 2.. {
            if self.graph.find(&free).is_err() {
                break;
            }
            free = format!("{first}.{n}");
        }
        free
    }

    /// Adds a layer.
    pub(super) fn push(&mut self, name: &str, op: Op, inputs: &[Val]) -> Result<Val, FormatError> {
        if self.graph.len() >= self.most {
            return Err(KerasFault::TooManyLayers { limit: self.most }.into());
        }
        let mut small = Graph::new();
        let mut ids = Vec::with_capacity(inputs.len());
        for (n, input) in inputs.iter().enumerate() {
            let shape = Shape::new(self.shape(*input).to_vec());
            ids.push(small.push(format!("{n}"), Op::Input { shape }, &[])?);
        }
        // The graph of this layer alone knows its shape, at the cost of one layer.
        small.push(name, op.clone(), &ids)?;
        let shape = facts(&small)?.output().shape.clone();
        let ids: Vec<LayerId> = inputs.iter().map(|v| v.id).collect();
        let id = self.graph.push(name, op, &ids)?;
        let rank = if shape.len() == 3 { 4 } else { inputs.first().map_or(2, |v| v.rank) };
        let flat = inputs.first().and_then(|v| v.flat).filter(|_| shape.len() == 1);
        self.shapes.push(shape);
        Ok(Val { id, rank, flat })
    }

    /// A factor and an offset for each channel.
    pub(super) fn affine(
        &mut self,
        name: &str,
        value: Val,
        scale: &[f64],
        shift: &[f64],
    ) -> Result<Val, FormatError> {
        let channels = self.channels(value);
        self.constants = self
            .constants
            .checked_sub(channels)
            .ok_or(KerasFault::TooManyValues { layer: name.to_owned() })?;
        let spread = |all: &[f64]| -> Vec<f32> {
            match all {
                [one] => vec![*one as f32; channels],
                all => all.iter().map(|v| *v as f32).collect(),
            }
        };
        let op = Op::Affine { scale: spread(scale), shift: spread(shift) };
        self.push(name, op, &[value])
    }

    /// Asks for room for the values of a parameter.
    pub(super) fn room(&mut self, layer: &str, values: usize) -> Result<(), FormatError> {
        let full = || KerasFault::TooManyValues { layer: layer.to_owned() };
        self.room = self.room.checked_sub(values).ok_or_else(full)?;
        Ok(())
    }

    /// Keeps a parameter for which there is room.
    pub(super) fn keep(&mut self, name: String, tensor: Tensor) {
        self.params.insert(name, tensor);
    }

    /// The weights of a layer, in the order of `words`, which are their names in Keras.
    pub(super) fn weights<const N: usize>(
        &mut self,
        at: &At<'_, '_>,
        words: &[&str],
    ) -> Result<[Option<Tensor>; N], FormatError> {
        let none = || std::array::from_fn(|_| None);
        if words.is_empty() {
            return Ok(none());
        }
        let short = [at.path.first(), at.path.last()].map(|n| n.cloned().unwrap_or_default());
        let place = self
            .by_path
            .get(&at.path)
            .or_else(|| self.by_path.get(&short[..]))
            .or_else(|| self.by_group.get(&at.group).filter(|_| !at.group.is_empty()));
        let slot = place.and_then(|n| self.held.get_mut(*n));
        let missing = |got: &[(String, Tensor)]| {
            FormatError::from(KerasFault::Weights {
                layer: at.path.join("/"),
                wanted: words.iter().map(|w| (*w).to_owned()).collect(),
                got: got.iter().map(|(w, t)| format!("{w} {}", t.shape())).collect(),
            })
        };
        let Some(slot) = slot else { return Err(missing(&[])) };
        let held = if at.again { slot.clone() } else { slot.take() };
        let Some(mut held) = held else { return Err(missing(&[])) };
        let by_word: Option<Vec<usize>> =
            words.iter().map(|w| held.parts.iter().position(|(leaf, _)| leaf == w)).collect();
        let places = match by_word {
            Some(places) => places,
            // The newer layout only counts.
            None if held.parts.len() == words.len() => (0..words.len()).collect(),
            None => return Err(missing(&held.parts)),
        };
        let mut taken = none();
        for (slot, place) in taken.iter_mut().zip(places) {
            let part = held.parts.get_mut(place);
            *slot = part.map(|(_, t)| std::mem::replace(t, Tensor::zeros([0])));
        }
        let values = taken.iter().flatten().map(|t| t.data().len()).sum();
        self.room(&at.name, values)?;
        Ok(taken)
    }

    /// What no layer took, `LAYER/kernel`.
    pub(super) fn unused(&self) -> Vec<String> {
        let left = self.held.iter().flatten();
        let mut unused: Vec<String> = left
            .flat_map(|h| h.parts.iter().map(|(leaf, _)| format!("{}/{leaf}", h.path.join("/"))))
            .collect();
        unused.sort();
        unused
    }
}

/// The tensor, when its shape is as wanted.
pub(super) fn fits(
    tensor: Option<Tensor>,
    name: &str,
    wanted: &[usize],
) -> Result<Tensor, FormatError> {
    let got = tensor.unwrap_or_else(|| Tensor::zeros([0]));
    if got.shape().dims() == wanted {
        return Ok(got);
    }
    Err(NetError::ParamShape {
        name: name.to_owned(),
        wanted: Shape::new(wanted.to_vec()),
        got: got.shape().clone(),
    }
    .into())
}

/// Values in another order: place `n` of the result has the value at `order(n)`.
pub(super) fn reorder(tensor: &Tensor, shape: &[usize], order: impl Fn(usize) -> usize) -> Tensor {
    let mut to = Tensor::zeros(shape.to_vec());
    let from = tensor.data();
    for (n, value) in to.data_mut().iter_mut().enumerate() {
        *value = from[order(n)];
    }
    to
}
