//! Which layers become one step: a convolution takes in the batch norms and scales, residual addition
//! and activation behind it when nobody else wants the values in between.

use regraft_kernels::Clamp;
use regraft_net::op::Activation;
use regraft_net::{Graph, LayerId, Op};

/// Layers that run as one step.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    /// The layer that does the work.
    pub(crate) main: LayerId,
    /// Batch norms and scales folded into it, the first first.
    pub(crate) scales: Vec<LayerId>,
    /// What is added before the clamp.
    pub(crate) residual: Option<LayerId>,
    /// The activation.
    pub(crate) clamp: Clamp,
    /// The layer whose value comes out.
    pub(crate) end: LayerId,
}

impl Node {
    fn plain(id: LayerId) -> Self {
        Self { main: id, scales: Vec::new(), residual: None, clamp: Clamp::NONE, end: id }
    }
}

/// All steps that lead to the outputs, in the order in which they can run.
pub(crate) fn fuse(graph: &Graph) -> Vec<Node> {
    let needed = graph.needed();
    let mut users = graph.users();
    for list in &mut users {
        list.retain(|u| needed[u.index()]);
    }
    let chains = Chains { graph, users };
    let mut taken = vec![false; graph.len()];
    let mut at_end: Vec<Option<Node>> = vec![None; graph.len()];
    for (id, _) in graph.layers().filter(|(id, _)| needed[id.index()]) {
        if taken[id.index()] {
            continue;
        }
        let (node, members) = chains.from(id, &taken);
        for member in members {
            taken[member.index()] = true;
        }
        let end = node.end.index();
        at_end[end] = Some(node);
    }
    at_end.into_iter().flatten().collect()
}

struct Chains<'a> {
    graph: &'a Graph,
    users: Vec<Vec<LayerId>>,
}

impl Chains<'_> {
    /// The one layer that reads `id`, when its value is needed for nothing else.
    fn only_user(&self, id: LayerId) -> Option<LayerId> {
        match self.users[id.index()][..] {
            [user] if !self.graph.outputs().contains(&id) => Some(user),
            _ => None,
        }
    }

    /// The step that begins with `id`, and all layers in it.
    fn from(&self, id: LayerId, taken: &[bool]) -> (Node, Vec<LayerId>) {
        let mut node = Node::plain(id);
        let mut members = vec![id];
        let op = &self.graph.layer(id).op;
        let takes_residual = match op {
            Op::Conv2d(conv) => conv.groups == 1,
            Op::Linear { .. } | Op::BatchNorm { .. } | Op::Scale { .. } | Op::Affine { .. } => {
                false
            }
            Op::Input { .. }
            | Op::Relu
            | Op::Relu6
            | Op::Activate(_)
            | Op::Prelu
            | Op::Slice { .. }
            | Op::Shuffle { .. }
            | Op::LayerNorm { .. }
            | Op::Pad { .. }
            | Op::Mul
            | Op::Tokens { .. }
            | Op::Rearrange(_)
            | Op::Attention { .. }
            | Op::Token { .. }
            | Op::MaxPool(_)
            | Op::AvgPool { .. }
            | Op::GlobalAvgPool
            | Op::Lrn { .. }
            | Op::Add
            | Op::Concat
            | Op::Flatten
            | Op::Softmax
            | Op::Dropout { .. }
            | Op::Identity => return (node, members),
        };
        while let Some(next) = self.only_user(node.end).filter(|n| !taken[n.index()]) {
            let layer = self.graph.layer(next);
            if let Some(clamp) = limits(&layer.op) {
                node.clamp = clamp;
                node.end = next;
                members.push(next);
                break;
            }
            match &layer.op {
                Op::BatchNorm { .. } | Op::Scale { .. } | Op::Affine { .. }
                    if node.residual.is_none() =>
                {
                    node.scales.push(next);
                }
                Op::Add if takes_residual && node.residual.is_none() => {
                    let [a, b] = layer.inputs[..] else { break };
                    node.residual = Some(if a == node.end { b } else { a });
                }
                Op::Input { .. }
                | Op::Conv2d(_)
                | Op::BatchNorm { .. }
                | Op::Relu
                | Op::Relu6
                | Op::Activate(_)
                | Op::Affine { .. }
                | Op::Scale { .. }
                | Op::Prelu
                | Op::Slice { .. }
                | Op::Shuffle { .. }
                | Op::LayerNorm { .. }
                | Op::Pad { .. }
                | Op::Mul
                | Op::Tokens { .. }
                | Op::Rearrange(_)
                | Op::Attention { .. }
                | Op::Token { .. }
                | Op::MaxPool(_)
                | Op::AvgPool { .. }
                | Op::GlobalAvgPool
                | Op::Linear { .. }
                | Op::Lrn { .. }
                | Op::Add
                | Op::Concat
                | Op::Flatten
                | Op::Softmax
                | Op::Dropout { .. }
                | Op::Identity => break,
            }
            node.end = next;
            members.push(next);
        }
        (node, members)
    }
}

/// The limits of an activation that the step before can keep. Zero lies between them, for spare
/// channels stay zero.
fn limits(op: &Op) -> Option<Clamp> {
    match op {
        Op::Relu => Some(Clamp::RELU),
        Op::Relu6 => Some(Clamp::RELU6),
        Op::Activate(Activation::Clip { min, max }) if *min <= 0.0 && *max >= 0.0 => {
            Some(Clamp { low: *min, high: *max })
        }
        Op::Input { .. }
        | Op::Conv2d(_)
        | Op::BatchNorm { .. }
        | Op::Activate(_)
        | Op::Affine { .. }
        | Op::Scale { .. }
        | Op::Prelu
        | Op::Slice { .. }
        | Op::Shuffle { .. }
        | Op::LayerNorm { .. }
        | Op::Pad { .. }
        | Op::Mul
        | Op::Tokens { .. }
        | Op::Rearrange(_)
        | Op::Attention { .. }
        | Op::Token { .. }
        | Op::MaxPool(_)
        | Op::AvgPool { .. }
        | Op::GlobalAvgPool
        | Op::Linear { .. }
        | Op::Lrn { .. }
        | Op::Add
        | Op::Concat
        | Op::Flatten
        | Op::Softmax
        | Op::Dropout { .. }
        | Op::Identity => None,
    }
}
