//! Files of our own exporter: what stands in them comes back as it was.
//!
//! There each layer's last node, or the one that does the work, is called as the layer, and parameters
//! are called `LAYER.ROLE`.

use regraft_net::Op;
use regraft_net::op::Rearrange;
use regraft_tensor::Shape;

use super::{Args, Live, Lower, Lowered, Value, wanted};
use crate::operators::build::{Name, clean};
use crate::operators::ir::ValueId;
use crate::operators::layout::Layout;

/// Nodes that only move values: what is still to be computed of them was computed before.
const MOVES: [&str; 13] = [
    "Cast",
    "CastLike",
    "Dropout",
    "Expand",
    "Flatten",
    "Gather",
    "Identity",
    "Reshape",
    "Slice",
    "Split",
    "Squeeze",
    "Transpose",
    "Unsqueeze",
];

impl<'a> Lower<'_, 'a, '_> {
    /// The name of a layer in a file of ours: of its parameter, else of its node.
    pub(super) fn own_name(&self, origin: Option<ValueId>) -> Name {
        let param = origin.and_then(|v| self.ir.values[v].rsplit_once('.'));
        match param.filter(|(layer, _)| !layer.starts_with("constant/")) {
            Some((layer, _)) => Name { text: clean(layer), own: true },
            None => self.name_at(self.node),
        }
    }

    /// The role of a parameter in a file of ours.
    fn role(&self, value: ValueId) -> Option<&str> {
        let (_, role) = self.ir.values[value].rsplit_once('.').filter(|_| self.ours)?;
        role.split('/').next()
    }

    /// Whether a constant is the positions of a sequence; `None` when the file is not ours.
    pub(super) fn is_position(&self, origin: Option<ValueId>) -> Option<bool> {
        self.ours.then(|| origin.and_then(|v| self.role(v)) == Some("position"))
    }

    /// Whether the constants of the node in hand do not learn; `None` when the file does not say.
    pub(super) fn is_fixed(&self) -> Option<bool> {
        self.here().inputs.iter().flatten().find_map(|v| match self.role(*v)? {
            "weight" | "bias" => Some(false),
            "scale" | "shift" => Some(true),
            _ => None,
        })
    }

    /// What a sequence of tokens is called.
    pub(super) fn tokens_name(&self, origin: Option<ValueId>) -> Name {
        if self.ours {
            self.own_name(origin)
        } else {
            Name { text: "tokens".to_owned(), own: true }
        }
    }

    /// `Dropout` and `Identity`, which are layers in a file of ours.
    pub(super) fn passed(&mut self, args: &Args<'a>) -> Lowered<Value<'a>> {
        let name = self.name(None);
        let op = if self.here().op == "Dropout" {
            let rate = args.maybe_constant(1, "a rate")?;
            let rate = rate.map(|r| r.scalar(&mut self.store)).transpose()?.flatten();
            let rate = rate.unwrap_or(0.5) as f32;
            if !(0.0..1.0).contains(&rate) {
                return Err(wanted("a rate from 0 to below 1"));
            }
            Op::Dropout { rate }
        } else if name.text.ends_with("/map") || name.text.ends_with("/vector") {
            return Ok(args.value(0)?.clone());
        } else {
            Op::Identity
        };
        let live = self.solid(args.value(0)?)?;
        Ok(Value::Live(self.pointwise(&live, name, op)?))
    }

    /// What the node in hand gives: it is noted where curves end, and in a file of ours layers are made
    /// where their nodes are.
    pub(super) fn settled(
        &mut self,
        outputs: Option<Vec<Value<'a>>>,
    ) -> Lowered<Option<Vec<Value<'a>>>> {
        let Some(outputs) = outputs else { return Ok(None) };
        let moves = MOVES.contains(&&*self.here().op);
        let mut made = Vec::with_capacity(outputs.len());
        for output in outputs {
            made.push(match output {
                Value::Live(mut live) => {
                    if !moves {
                        live.by = self.node;
                    }
                    Value::Live(if self.ours { self.in_place(live)? } else { live })
                }
                Value::Tokens(tokens) if self.ours && tokens.is_placed() => {
                    Value::Live(self.tokens(&tokens)?)
                }
                other @ (Value::Const(_)
                | Value::Tokens(_)
                | Value::Scores(_)
                | Value::Stat(_)
                | Value::Unknown) => other,
            });
        }
        Ok(Some(made))
    }

    /// Parts, shuffles and vectors made where they stand, not where they are read.
    fn in_place(&mut self, live: Live) -> Lowered<Live> {
        let rank = live.layout.axes.len();
        let shape = self.shape(live.layer).to_vec();
        match &*self.here().op {
            "Slice" => self.settle(&live),
            "Gather" if rank == 2 => self.settle(&live),
            "Flatten" if shape.len() == 3 && !self.node_name().ends_with("/gate") => {
                self.flat(&live)
            }
            "Reshape" if rank == shape.len() + 1 && self.is_shuffled(&live) => {
                self.ordered(&live, 1)
            }
            _ => Ok(live),
        }
    }

    /// The layer that the last of three nodes of ours stands for: a view, its axes turned, `dims`.
    pub(super) fn own_rearrange(&mut self, live: &Live, dims: &[usize]) -> Lowered<Option<Live>> {
        let (Some(input), true) = (self.here().inputs.first().copied().flatten(), self.ours) else {
            return Ok(None);
        };
        let from = (0..self.node).rev().find(|i| self.ir.nodes[*i].outputs.contains(&Some(input)));
        let Some(from) = from.filter(|i| self.ir.nodes[*i].op == "Transpose") else {
            return Ok(None);
        };
        if self.name_of(from) != format!("{}/order", self.node_name()) {
            return Ok(None);
        }
        let perm = self.ir.nodes[from].ints("perm").unwrap_or_default();
        let turned = live.layout.dims();
        let order: Option<Vec<usize>> =
            perm.iter().skip(1).map(|p| usize::try_from(p - 1).ok()).collect();
        let order = order.filter(|o| o.len() + 1 == turned.len() && !dims.is_empty());
        let order = order.ok_or_else(|| wanted("an order of the axes behind the batch"))?;
        let mut view = vec![1; order.len()];
        for (axis, size) in order.iter().zip(&turned[1..]) {
            *view.get_mut(*axis).ok_or_else(|| wanted("each axis once"))? = *size;
        }
        let live = self.settle(live)?;
        let how = Rearrange { view, order, to: Shape::from(dims[1..].to_vec()) };
        let name = self.name(None);
        let layer = self.push(name, Op::Rearrange(how), &[live.layer], vec![])?;
        let layout = Layout::natural(self.shape(layer));
        Ok(Some(Live::of(layer, layout)))
    }

    fn settle(&mut self, live: &Live) -> Lowered<Live> {
        let live = self.plain(live)?;
        self.whole(&live)
    }

    fn is_shuffled(&self, live: &Live) -> bool {
        let channels = Layout::whole(0, self.shape(live.layer)[0]);
        let turned = live.layout.axes.get(1).is_some_and(|a| a.len() == 2 && *a != channels);
        turned && live.layout.axes[1].iter().all(|a| a.dim == 0)
    }
}
