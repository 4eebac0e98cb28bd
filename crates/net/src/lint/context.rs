//! A graph seen through the eyes of the checks.

use std::collections::BTreeSet;

use crate::facts::{Facts, LayerFacts};
use crate::op::Conv2d;
use crate::{Card, Graph, Layer, LayerId, Op, Params};

use super::read_from_outside;

/// What a layer does to the map from input to output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Where a batch comes in.
    Source,
    /// Learned weights that mix channels or pixels: convolutions and matrices.
    Linear,
    /// A batch norm: linear when it does not learn.
    BatchNorm,
    /// A layer norm, which is not linear.
    LayerNorm,
    /// Linear, without learned mixing.
    Pass,
    /// A curve on each value.
    Curve,
    /// Not linear in another way.
    Bend,
    /// Sum of several.
    Add,
    /// One after another.
    Concat,
    /// Product of two.
    Mul,
}

/// The kind of an operation.
pub(super) fn kind(op: &Op) -> Kind {
    match op {
        Op::Input { .. } => Kind::Source,
        Op::Conv2d(_) | Op::Linear { .. } => Kind::Linear,
        Op::BatchNorm { .. } => Kind::BatchNorm,
        Op::LayerNorm { .. } => Kind::LayerNorm,
        Op::Affine { .. }
        | Op::Scale { .. }
        | Op::Slice { .. }
        | Op::Shuffle { .. }
        | Op::Rearrange(_)
        | Op::Pad { .. }
        | Op::Tokens { .. }
        | Op::Token { .. }
        | Op::AvgPool { .. }
        | Op::GlobalAvgPool
        | Op::Flatten
        | Op::Dropout { .. }
        | Op::Identity => Kind::Pass,
        Op::Relu | Op::Relu6 | Op::Prelu | Op::Activate(_) => Kind::Curve,
        Op::MaxPool(_) | Op::Lrn { .. } | Op::Softmax | Op::Attention { .. } => Kind::Bend,
        Op::Add => Kind::Add,
        Op::Concat => Kind::Concat,
        Op::Mul => Kind::Mul,
    }
}

/// A graph with what several checks ask of it.
pub(super) struct Context<'a> {
    pub(super) graph: &'a Graph,
    pub(super) facts: &'a Facts,
    pub(super) card: &'a Card,
    /// Layers that read each layer.
    pub(super) users: Vec<Vec<LayerId>>,
    /// Whether an output, or a layer that the card names, depends on each layer.
    pub(super) needed: Vec<bool>,
}

impl<'a> Context<'a> {
    pub(super) fn new(graph: &'a Graph, facts: &'a Facts, card: &'a Card) -> Self {
        let named: BTreeSet<&str> = read_from_outside(card);
        let mut ends = graph.outputs().to_vec();
        ends.extend(named.into_iter().filter_map(|name| graph.find(name).ok()));
        Self { graph, facts, card, users: graph.users(), needed: graph.ancestors(&ends) }
    }

    /// Layers that something depends on, in order.
    pub(super) fn live(&self) -> impl DoubleEndedIterator<Item = (LayerId, &'a Layer)> + '_ {
        self.graph.layers().filter(|(id, _)| self.needed[id.index()])
    }

    pub(super) fn name(&self, id: LayerId) -> &'a str {
        &self.graph.layer(id).name
    }

    pub(super) fn kind(&self, id: LayerId) -> Kind {
        kind(&self.graph.layer(id).op)
    }

    pub(super) fn of(&self, id: LayerId) -> &'a LayerFacts {
        self.facts.layer(id)
    }

    /// Channels of a layer's output.
    pub(super) fn channels(&self, id: LayerId) -> usize {
        self.of(id).shape.first().copied().unwrap_or_default()
    }

    /// The first layer that `id` reads.
    pub(super) fn before(&self, id: LayerId) -> Option<LayerId> {
        self.graph.layer(id).inputs.first().copied()
    }

    /// Channels of a layer's first input.
    pub(super) fn channels_in(&self, id: LayerId) -> usize {
        self.before(id).map_or(0, |i| self.channels(i))
    }

    /// Extent `[h, w]` of a map; `None` for other shapes.
    pub(super) fn extent(&self, id: LayerId) -> Option<[usize; 2]> {
        match *self.of(id).shape.dims() {
            [_, h, w] => Some([h, w]),
            _ => None,
        }
    }

    pub(super) fn conv(&self, id: LayerId) -> Option<&'a Conv2d> {
        if let Op::Conv2d(conv) = &self.graph.layer(id).op { Some(conv) } else { None }
    }

    /// Whether each channel is convolved by itself.
    pub(super) fn depthwise(&self, id: LayerId) -> bool {
        self.conv(id).is_some_and(|c| c.groups > 1 && c.groups == self.channels_in(id))
    }

    /// Whether a layer mixes channels only: a matrix, or a dense convolution of one pixel.
    pub(super) fn pointwise(&self, id: LayerId) -> bool {
        self.conv(id).is_none_or(|c| c.size == [1, 1] && !self.depthwise(id))
            && self.kind(id) == Kind::Linear
    }

    /// The convolution or matrix whose values reach `id` through norms, curves, gates and the like.
    pub(super) fn linear_before(&self, id: LayerId) -> Option<LayerId> {
        let mut at = self.before(id)?;
        loop {
            match self.kind(at) {
                Kind::Linear => return Some(at),
                Kind::BatchNorm | Kind::LayerNorm | Kind::Pass | Kind::Curve | Kind::Mul => {
                    at = self.before(at)?;
                }
                Kind::Source | Kind::Bend | Kind::Add | Kind::Concat => return None,
            }
        }
    }

    /// For each layer, whether its value ends up as a factor of a product and nowhere else: it is part
    /// of a gate, such as squeeze-and-excitation.
    pub(super) fn gates(&self) -> Vec<bool> {
        let mut gates = vec![false; self.graph.len()];
        for (id, _) in self.graph.layers().rev() {
            let single = self.of(id).shape.iter().skip(1).all(|n| *n == 1);
            let users = &self.users[id.index()];
            let leads = |user: &LayerId| match self.kind(*user) {
                Kind::Mul => single && self.before(*user) != Some(id),
                Kind::Linear | Kind::Curve | Kind::Pass | Kind::BatchNorm | Kind::LayerNorm => {
                    gates[user.index()]
                }
                Kind::Source | Kind::Bend | Kind::Add | Kind::Concat => false,
            };
            gates[id.index()] = single && !users.is_empty() && users.iter().all(leads);
        }
        gates
    }

    /// The values of a parameter, when they are there in the right shape.
    pub(super) fn values<'p>(
        &self,
        params: &'p Params,
        id: LayerId,
        role: &str,
    ) -> Option<&'p [f32]> {
        let name = format!("{}.{role}", self.name(id));
        let spec = self.of(id).params.iter().find(|p| p.name == name)?;
        let tensor = params.get(&name)?;
        (tensor.shape() == &spec.shape).then(|| tensor.data())
    }

    /// The rows of a layer's weight, one for each output channel: their length and values.
    pub(super) fn filters<'p>(
        &self,
        params: &'p Params,
        id: LayerId,
    ) -> Option<(usize, &'p [f32])> {
        if self.kind(id) != Kind::Linear {
            return None;
        }
        let weight = self.values(params, id, "weight")?;
        let len = weight.len().checked_div(self.channels(id))?;
        (len > 0).then_some((len, weight))
    }
}
