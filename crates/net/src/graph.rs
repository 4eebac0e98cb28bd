use std::collections::BTreeMap;

use crate::{NetError, Op, nearest};

/// A layer's place in its own graph. Never written down: names are the identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LayerId(usize);

impl LayerId {
    /// Position in [`Graph::layers`].
    pub fn index(self) -> usize {
        self.0
    }
}

/// A named operation and where its inputs come from.
#[derive(Debug, Clone, PartialEq)]
pub struct Layer {
    /// The name it came with, for instance `layer4.1.conv2`; its parameters are `NAME.weight` and so on.
    pub name: String,
    /// What it does.
    pub op: Op,
    /// The layers it reads.
    pub inputs: Vec<LayerId>,
}

/// Named layers in an order in which they can be run.
///
/// Kept by [`Graph::push`]: names are unique, inputs come before their users. So a `for` over
/// [`Graph::layers`] is a schedule.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Graph {
    layers: Vec<Layer>,
    outputs: Vec<LayerId>,
    by_name: BTreeMap<String, LayerId>,
}

impl Graph {
    /// An empty graph.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a layer and makes it the only output.
    ///
    /// # Errors
    /// When the name is taken or cannot be written, or the number of inputs does not fit the operation.
    pub fn push(
        &mut self,
        name: impl Into<String>,
        op: Op,
        inputs: &[LayerId],
    ) -> Result<LayerId, NetError> {
        let name = name.into();
        if name.is_empty()
            || name.starts_with("->")
            || name.chars().any(|c| c.is_whitespace() || c.is_control() || "=#,".contains(c))
        {
            return Err(NetError::BadName { name });
        }
        if self.by_name.contains_key(&name) {
            return Err(NetError::DuplicateLayer { name });
        }
        check_arity(&name, &op, inputs.len())?;
        debug_assert!(inputs.iter().all(|i| i.0 < self.layers.len()), "an id of another graph");
        let id = LayerId(self.layers.len());
        self.by_name.insert(name.clone(), id);
        self.layers.push(Layer { name, op, inputs: inputs.to_vec() });
        self.outputs = vec![id];
        Ok(id)
    }

    /// All layers, inputs before users.
    pub fn layers(&self) -> impl ExactSizeIterator<Item = (LayerId, &Layer)> + DoubleEndedIterator {
        self.layers.iter().enumerate().map(|(i, l)| (LayerId(i), l))
    }

    /// How many layers there are.
    pub fn len(&self) -> usize {
        self.layers.len()
    }

    /// Whether there are no layers.
    pub fn is_empty(&self) -> bool {
        self.layers.is_empty()
    }

    /// One layer.
    pub fn layer(&self, id: LayerId) -> &Layer {
        &self.layers[id.0]
    }

    /// The layer of that name.
    ///
    /// # Errors
    /// When there is none, with the nearest names.
    pub fn find(&self, name: &str) -> Result<LayerId, NetError> {
        self.by_name.get(name).copied().ok_or_else(|| NetError::NoLayer {
            name: name.to_owned(),
            near: nearest(name, self.by_name.keys().map(String::as_str)),
        })
    }

    /// The layers whose values are the result.
    pub fn outputs(&self) -> &[LayerId] {
        &self.outputs
    }

    /// Chooses the outputs by name.
    ///
    /// # Errors
    /// When a name does not exist, or the list is empty.
    pub fn set_outputs(&mut self, names: &[&str]) -> Result<(), NetError> {
        if names.is_empty() {
            return Err(NetError::NoOutput);
        }
        self.outputs = names.iter().map(|n| self.find(n)).collect::<Result<_, _>>()?;
        Ok(())
    }

    /// The single output.
    ///
    /// # Errors
    /// When there is none or more than one.
    pub fn output(&self) -> Result<LayerId, NetError> {
        match self.outputs[..] {
            [id] => Ok(id),
            [] => Err(NetError::NoOutput),
            _ => Err(NetError::NotSingle { what: "output", got: self.outputs.len() }),
        }
    }

    /// The single input layer.
    ///
    /// # Errors
    /// When there is none or more than one.
    pub fn input(&self) -> Result<LayerId, NetError> {
        let mut inputs =
            self.layers().filter(|(_, l)| matches!(l.op, Op::Input { .. })).map(|(id, _)| id);
        match (inputs.next(), inputs.count()) {
            (Some(id), 0) => Ok(id),
            (first, more) => {
                Err(NetError::NotSingle { what: "input", got: usize::from(first.is_some()) + more })
            }
        }
    }

    /// For each layer, whether the outputs depend on it.
    pub fn needed(&self) -> Vec<bool> {
        self.ancestors(&self.outputs)
    }

    /// For each layer, whether one of `of` is it or depends on it.
    pub(crate) fn ancestors(&self, of: &[LayerId]) -> Vec<bool> {
        let mut needed = vec![false; self.layers.len()];
        for id in of {
            needed[id.0] = true;
        }
        for i in (0..self.layers.len()).rev() {
            if needed[i] {
                for input in &self.layers[i].inputs {
                    needed[input.0] = true;
                }
            }
        }
        needed
    }

    /// For each layer, the layers that read it.
    pub fn users(&self) -> Vec<Vec<LayerId>> {
        let mut users = vec![Vec::new(); self.layers.len()];
        for (id, layer) in self.layers() {
            for input in &layer.inputs {
                users[input.0].push(id);
            }
        }
        users
    }
}

fn check_arity(layer: &str, op: &Op, got: usize) -> Result<(), NetError> {
    let (fits, wanted) = match op {
        Op::Input { .. } => (got == 0, "none"),
        Op::Add | Op::Concat => (got >= 1, "at least 1"),
        Op::Mul => (got == 2, "2"),
        Op::Attention { .. } => (got == 1 || got == 3, "1 or 3"),
        Op::Conv2d(_)
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
        | Op::Tokens { .. }
        | Op::Rearrange(_)
        | Op::Token { .. }
        | Op::MaxPool(_)
        | Op::AvgPool { .. }
        | Op::GlobalAvgPool
        | Op::Linear { .. }
        | Op::Lrn { .. }
        | Op::Flatten
        | Op::Softmax
        | Op::Dropout { .. }
        | Op::Identity => (got == 1, "1"),
    };
    if fits {
        Ok(())
    } else {
        Err(NetError::Arity { layer: layer.to_owned(), op: op.name(), got, wanted })
    }
}
