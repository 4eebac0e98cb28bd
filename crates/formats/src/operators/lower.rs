//! From ONNX nodes to our layers, node by node.
//!
//! A value is a constant, or lies in the output of a layer in some [`Layout`]; a layer is made where
//! something is computed. What several nodes compute together (an activation, a layer norm, attention,
//! a sequence of tokens) is kept as what it is so far until it is whole or somebody wants it as it is.

use std::collections::BTreeMap;
use std::rc::Rc;

use regraft_net::op::Pad;
use regraft_net::{NetError, Op};
use regraft_tensor::Shape;

use super::build::{Drafts, Name, clean, layer_of_node, layer_of_param};
use super::consts::{Const, Store};
use super::curve::Curve;
use super::fault::{OnnxFault, UnknownOp};
use super::fold::{Fold, Trouble, shape_part, wanted};
use super::ir::{Dialect, Input, Ir, Node, ValueId};
use super::layout::{Layout, extent};

mod args;
mod arithmetic;
mod attention;
mod matrix;
mod moments;
mod norm;
mod ours;
mod rearrange;
mod scores;
mod settle;
mod shape;
mod supported;
mod tokens;
mod window;

use self::args::Args;
use self::norm::Stat;
use self::scores::Scores;
use self::supported::SUPPORTED;
use self::tokens::Tokens;

/// A value in the output of a layer.
#[derive(Debug, Clone)]
pub(super) struct Live {
    /// The layer.
    pub(super) layer: usize,
    /// Where the axes of the value are in its output.
    pub(super) layout: Layout,
    /// What is still to be computed of each number.
    pub(super) curve: Rc<Curve>,
    /// The node that computed the last of that.
    by: usize,
}

/// A value of the graph.
#[derive(Debug, Clone)]
enum Value<'a> {
    Const(Const<'a>),
    Live(Live),
    /// A sequence that may still get tokens and positions.
    Tokens(Tokens),
    /// Products of queries and keys on the way to attention.
    Scores(Scores),
    /// A part of a layer norm.
    Stat(Stat),
    /// What a node computes that is not understood.
    Unknown,
}

/// Result of lowering a node.
type Lowered<T> = Result<T, Trouble>;

impl From<NetError> for Trouble {
    fn from(error: NetError) -> Self {
        if let NetError::Shape { wanted, .. } = error {
            return Self::Wanted(wanted);
        }
        Self::Wanted(error.to_string())
    }
}

/// The network as layers, and what was noted on the way.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) drafts: Drafts,
    /// The layer whose output is the result.
    pub(super) output: usize,
    /// Tensors of the file that nothing needs.
    pub(super) unused: Vec<ValueId>,
    pub(super) notes: Vec<String>,
}

/// A graph being lowered.
struct Lower<'i, 'a, 'p> {
    ir: &'i Ir<'a>,
    store: Store<'p>,
    values: Vec<Option<Value<'a>>>,
    /// How many needed nodes read each value.
    uses: Vec<usize>,
    /// How many of them are still to come.
    left: Vec<usize>,
    drafts: Drafts,
    /// Layers made of a layer before, by what they do.
    made: BTreeMap<(usize, String), Live>,
    /// Layer norms that still have no weight (`false`) or only no bias (`true`).
    open_norms: BTreeMap<usize, bool>,
    /// Borders of minus infinity, which only a maximum may read.
    lowest: BTreeMap<usize, Pad>,
    unknown: BTreeMap<String, UnknownOp>,
    notes: Vec<String>,
    /// The node in hand.
    node: usize,
    /// Whether our own exporter wrote the file: each layer is called as its node, and stands there.
    ours: bool,
}

/// Lowers a graph. `size` is the height and width of pictures where the file leaves it open.
pub(super) fn lower(ir: &Ir<'_>, store: Store<'_>, size: usize) -> Result<Outcome, OnnxFault> {
    let needed = needed(ir)?;
    let mut uses = vec![0; ir.values.len()];
    for (node, _) in ir.nodes.iter().zip(&needed).filter(|(_, n)| **n) {
        node.inputs.iter().flatten().for_each(|v| uses[*v] += 1);
    }
    for output in &ir.outputs {
        uses[*output] += 1;
    }
    let mut lower = Lower {
        ir,
        store,
        values: vec![None; ir.values.len()],
        left: uses.clone(),
        uses,
        drafts: Drafts::default(),
        made: BTreeMap::new(),
        open_norms: BTreeMap::new(),
        lowest: BTreeMap::new(),
        unknown: BTreeMap::new(),
        notes: Vec::new(),
        node: 0,
        ours: ir.dialect == Dialect::Ours,
    };
    for (id, raw) in &ir.tensors {
        let data = super::consts::Data::Raw(Rc::clone(raw));
        let value = Const { dims: raw.dims.clone(), data, origin: Some(*id) };
        lower.values[*id] = Some(Value::Const(value));
    }
    lower.input(size)?;
    for (i, _) in needed.iter().enumerate().filter(|(_, n)| **n) {
        lower.node = i;
        lower.step()?;
    }
    lower.outcome()
}

/// Which nodes the first output needs.
fn needed(ir: &Ir<'_>) -> Result<Vec<bool>, OnnxFault> {
    let mut wanted = vec![false; ir.values.len()];
    let output = *ir.outputs.first().ok_or(OnnxFault::NoOutput)?;
    wanted[output] = true;
    let mut needed = vec![false; ir.nodes.len()];
    for (i, node) in ir.nodes.iter().enumerate().rev() {
        if node.outputs.iter().flatten().any(|v| wanted[*v]) {
            needed[i] = true;
            node.inputs.iter().flatten().for_each(|v| wanted[*v] = true);
        }
    }
    Ok(needed)
}

impl<'a> Lower<'_, 'a, '_> {
    fn here(&self) -> &Node<'a> {
        &self.ir.nodes[self.node]
    }

    /// The name of the node in hand: its own, or its output's.
    fn node_name(&self) -> String {
        self.name_of(self.node)
    }

    fn name_of(&self, index: usize) -> String {
        let node = &self.ir.nodes[index];
        if !node.name.is_empty() {
            return node.name.to_string();
        }
        let output = node.outputs.iter().flatten().next();
        output.map_or_else(|| format!("node {index}"), |v| self.ir.values[*v].to_string())
    }

    /// The name for a layer: that of its parameters in the file, else that of the node.
    fn name(&self, origin: Option<ValueId>) -> Name {
        match self.ir.dialect {
            Dialect::Ours => self.own_name(origin),
            Dialect::Tflite => Name { own: origin.is_some(), ..self.name_at(self.node) },
            Dialect::Onnx => {
                let own = origin.and_then(|v| layer_of_param(&self.ir.values[v]));
                let named = own.map(|text| Name { text, own: true });
                named.unwrap_or_else(|| self.name_at(self.node))
            }
        }
    }

    /// The name for a layer that stands for a node.
    fn name_at(&self, index: usize) -> Name {
        let text = self.name_of(index);
        match self.ir.dialect {
            Dialect::Ours => Name { text: clean(&text), own: true },
            Dialect::Tflite => Name { text, own: false },
            Dialect::Onnx => {
                Name { text: layer_of_node(&text, &self.ir.nodes[index].op), own: false }
            }
        }
    }

    /// Makes the input layer.
    fn input(&mut self, size: usize) -> Result<(), OnnxFault> {
        let free: Vec<&Input> =
            self.ir.inputs.iter().filter(|i| self.values[i.value].is_none()).collect();
        let read: Vec<&&Input> = free.iter().filter(|i| self.uses[i.value] > 0).collect();
        let [input] = read[..] else {
            let list = if read.is_empty() { free.iter().collect() } else { read };
            let names = list.iter().map(|i| self.ir.values[i.value].to_string()).collect();
            return Err(OnnxFault::Inputs { names });
        };
        let fault = || {
            let got: Vec<usize> = input.dims.iter().map(|d| d.unwrap_or(0)).collect();
            OnnxFault::InputShape {
                name: self.ir.values[input.value].to_string(),
                got: Shape::from(got).to_string(),
            }
        };
        if input.dims.first().is_some_and(|d| d.is_some_and(|n| n > 1)) {
            self.notes.push(format!(
                "the file is made for batches of {}; it is read for one picture",
                input.dims[0].unwrap_or(1)
            ));
        }
        let (shape, layout) = input_layout(&input.dims, size, self.ir.dialect).ok_or_else(fault)?;
        if layout.axes.len() == 4 && layout.axes[1].first().is_some_and(|a| a.dim != 0) {
            self.notes.push("the file has channels last; they come first here".to_owned());
        }
        let name = Name { text: clean(&self.ir.values[input.value]), own: true };
        let op = Op::Input { shape };
        let layer = self.drafts.push(name, op, &[], vec![]).map_err(|_| fault())?;
        let live = Live::of(layer, layout);
        self.values[input.value] = Some(Value::Live(live));
        Ok(())
    }

    /// Lowers the node in hand.
    fn step(&mut self) -> Result<(), OnnxFault> {
        let node = self.here();
        let mut inputs = Vec::with_capacity(node.inputs.len());
        for id in &node.inputs {
            let value = id.map(|v| self.values[v].clone().ok_or_else(|| self.undefined(v)));
            inputs.push(value.transpose()?);
        }
        let shapes = Self::shapes(&inputs);
        let known = inputs.iter().flatten().all(|v| !matches!(v, Value::Unknown));
        // Values are let go before they are used a last time, so that their numbers can be moved.
        for id in node.inputs.clone().into_iter().flatten() {
            self.left[id] = self.left[id].saturating_sub(1);
            if self.left[id] == 0 {
                self.values[id] = None;
            }
        }
        let outputs = if known { self.lowered(inputs) } else { Ok(None) };
        let outputs = outputs.and_then(|all| self.settled(all));
        let outputs = outputs.map_err(|trouble| match trouble {
            Trouble::Fault(fault) => fault,
            Trouble::Wanted(wanted) => OnnxFault::Node {
                node: self.node_name(),
                op: self.here().op.to_string(),
                got: shapes,
                wanted,
            },
        })?;
        let node = self.here();
        if outputs.is_none() && (known || !SUPPORTED.contains(&&*node.op)) {
            self.unknown();
        }
        let mut outputs = outputs.unwrap_or_default().into_iter();
        for id in self.here().outputs.clone() {
            let value = outputs.next().unwrap_or(Value::Unknown);
            if let Some(id) = id {
                self.values[id] = Some(value);
            }
        }
        Ok(())
    }

    fn undefined(&self, value: ValueId) -> OnnxFault {
        OnnxFault::Undefined {
            node: self.node_name(),
            op: self.here().op.to_string(),
            value: self.ir.values[value].to_string(),
        }
    }

    fn unknown(&mut self) {
        let node = self.node_name();
        let op = self.here().op.to_string();
        let seen = self.unknown.entry(op.clone()).or_insert(UnknownOp { op, count: 0, node });
        seen.count += 1;
    }

    /// The outputs of the node in hand; `None` when its operation is not understood.
    fn lowered(&mut self, inputs: Vec<Option<Value<'a>>>) -> Lowered<Option<Vec<Value<'a>>>> {
        let constant = |v: &Option<Value<'a>>| match v {
            Some(Value::Const(c)) => Some(Some(c.clone())),
            None => Some(None),
            Some(
                Value::Live(_)
                | Value::Tokens(_)
                | Value::Scores(_)
                | Value::Stat(_)
                | Value::Unknown,
            ) => None,
        };
        if let Some(constants) = inputs.iter().map(constant).collect::<Option<Vec<_>>>() {
            drop(inputs);
            let node = &self.ir.nodes[self.node];
            let folded = Fold { node, inputs: constants, store: &mut self.store }.run()?;
            return Ok(folded.map(|all| all.into_iter().map(Value::Const).collect()));
        }
        let args = Args { values: inputs };
        let node = &self.ir.nodes[self.node];
        let one = |value: Value<'a>| Ok(Some(vec![value]));
        match &*node.op {
            "Identity" | "Dropout" if self.ours => one(self.passed(&args)?),
            "Identity" | "Dropout" | "Cast" | "CastLike" => one(args.value(0)?.clone()),
            "Shape" => {
                let dims: Vec<i64> = dims_of(args.value(0)?)?.iter().map(|d| *d as i64).collect();
                let part =
                    shape_part(node, &dims).ok_or_else(|| wanted("a part of the extents"))?;
                one(Value::Const(Const::row(part)))
            }
            "Size" => {
                let count = dims_of(args.value(0)?)?.iter().product::<usize>();
                one(Value::Const(Const::ints_of(vec![], vec![count as i64])))
            }
            "Reshape" | "Flatten" | "Squeeze" | "Unsqueeze" | "Transpose" | "Expand" | "Gather"
            | "GatherND" | "Slice" => one(self.moved(&args)?),
            "Split" => Ok(Some(self.split(&args)?)),
            "Concat" => one(self.concat(&args)?),
            "Conv" => one(Value::Live(self.conv(&args)?)),
            "MaxPool" | "AveragePool" | "GlobalAveragePool" | "GlobalMaxPool" | "LRN" | "Pad" => {
                one(Value::Live(self.windowed(&args)?))
            }
            "ReduceMean" | "ReduceMax" | "ReduceSum" => one(self.reduce(&args)?),
            "BatchNormalization" => one(Value::Live(self.batch_norm(&args)?)),
            "LayerNormalization" => one(Value::Live(self.layer_norm(&args)?)),
            "InstanceNormalization" => one(Value::Live(self.group_norm(&args)?)),
            "Softmax" => one(self.softmax(&args)?),
            "Gemm" => one(Value::Live(self.gemm(&args)?)),
            "MatMul" => one(self.matmul(&args)?),
            "Einsum" => one(self.einsum(&args)?),
            "Add" | "Sum" | "Sub" | "Mul" | "Div" | "Pow" | "Min" | "Max" => {
                one(self.arithmetic(&args)?)
            }
            "Relu" | "Sigmoid" | "HardSigmoid" | "HardSwish" | "Tanh" | "Erf" | "Exp" | "Sqrt"
            | "Softplus" | "Clip" | "Neg" | "Reciprocal" | "Gelu" | "LeakyRelu" | "Elu"
            | "PRelu" | "Swish" => one(self.function(&args)?),
            _ => Ok(None),
        }
    }

    fn shapes(inputs: &[Option<Value<'a>>]) -> String {
        let one = |v: &Option<Value<'a>>| match v {
            None => "nothing".to_owned(),
            Some(v) => dims_of(v).map_or("?".to_owned(), |d| Shape::from(d).to_string()),
        };
        let all: Vec<String> = inputs.iter().take(8).map(one).collect();
        if all.is_empty() { "no inputs".to_owned() } else { all.join(" and ") }
    }

    /// Adds a layer with `inputs` for the node in hand.
    fn push(&mut self, name: Name, op: Op, inputs: &[usize], params: Vec<Param>) -> Lowered<usize> {
        if inputs.iter().any(|i| self.lowest.contains_key(i)) {
            return Err(wanted("a maximum behind a border of minus infinity"));
        }
        let layer = self.drafts.push(name, op, inputs, params)?;
        let count = self.drafts.at(layer).shape.checked_len();
        if count.is_none_or(|n| n > MOST_VALUES) {
            return Err(wanted("a smaller map"));
        }
        Ok(layer)
    }

    /// Takes room for `factor` numbers for each of `count`.
    fn room(&mut self, count: usize, factor: usize) -> Lowered<()> {
        Ok(self.store.budget.numbers(count.saturating_mul(factor), "layers")?)
    }

    /// For each step along an axis, its channel; `None` when the axis is not channels only.
    fn channels(&mut self, layout: &Layout, axis: usize) -> Lowered<Option<Vec<usize>>> {
        self.room(layout.axes.get(axis).map_or(0, |a| extent(a)), 4)?;
        Ok(layout.channels(axis))
    }

    /// Shape of a layer's output.
    fn shape(&self, layer: usize) -> &[usize] {
        self.drafts.at(layer).shape.dims()
    }

    /// The result.
    fn outcome(mut self) -> Result<Outcome, OnnxFault> {
        if !self.unknown.is_empty() {
            let mut list: Vec<UnknownOp> = self.unknown.into_values().collect();
            list.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.op.cmp(&b.op)));
            return Err(OnnxFault::Ops { list });
        }
        let output = *self.ir.outputs.first().ok_or(OnnxFault::NoOutput)?;
        let value = self.values[output].take().ok_or(OnnxFault::NoOutput)?;
        let shape = dims_of(&value).map_or_else(|_| String::new(), |d| Shape::from(d).to_string());
        let layer = self.result(value).map_err(|trouble| match trouble {
            Trouble::Fault(fault) => fault,
            Trouble::Wanted(wanted) => OnnxFault::Node {
                node: self.ir.values[output].to_string(),
                op: "output".to_owned(),
                got: shape,
                wanted,
            },
        })?;
        if let [_, more @ ..] = &self.ir.outputs[..]
            && !more.is_empty()
        {
            let names: Vec<&str> = more.iter().take(8).map(|v| &*self.ir.values[*v]).collect();
            self.notes.push(format!("only the first output is read, not `{}`", names.join("`, `")));
        }
        let Self { ir, drafts, uses, notes, .. } = self;
        let unused = ir.tensors.iter().map(|(id, _)| *id).filter(|id| uses[*id] == 0).collect();
        Ok(Outcome { drafts, output: layer, unused, notes })
    }

    /// The layer whose output is the value, channels first.
    fn result(&mut self, value: Value<'a>) -> Lowered<usize> {
        let live = self.live(value)?;
        let live = self.plain(&live)?;
        let live = self.whole(&live)?;
        if self.lowest.contains_key(&live.layer) {
            return Err(wanted("a maximum behind a border of minus infinity"));
        }
        if live.layout.axes.len() <= 2 && self.shape(live.layer).len() == 3 {
            return Ok(self.flat(&live)?.layer);
        }
        if live.layout.axes.len() == 4 && live.layout != Layout::natural(self.shape(live.layer)) {
            self.notes.push("the output has channels first here, unlike in the file".to_owned());
        }
        Ok(live.layer)
    }
}

/// Most values in the output of a layer: 2^40 would be four terabytes.
const MOST_VALUES: usize = 1 << 40;

/// A parameter of a layer.
type Param = (regraft_net::Role, std::sync::Arc<regraft_tensor::Tensor>);

/// Extents of a value.
fn dims_of(value: &Value<'_>) -> Lowered<Vec<usize>> {
    match value {
        Value::Const(c) => Ok(c.dims.clone()),
        Value::Live(live) => Ok(live.layout.dims()),
        Value::Tokens(tokens) => Ok(tokens.dims()),
        Value::Scores(scores) => Ok(scores.dims()),
        Value::Stat(stat) => Ok(stat.dims()),
        Value::Unknown => Err(wanted("a value that is understood")),
    }
}

/// The shape of our input layer for the extents in the file, and where its axes are.
fn input_layout(dims: &[Option<usize>], size: usize, dialect: Dialect) -> Option<(Shape, Layout)> {
    let few = |d: &Option<usize>| d.is_some_and(|n| n <= 4);
    let last = |c, w| match dialect {
        Dialect::Ours => false,
        Dialect::Onnx => few(w) && !few(c),
        Dialect::Tflite => few(w) || !few(c),
    };
    match dims {
        [_, c, h, w] => {
            let (h, w, c, order): (_, _, _, &[usize]) = if last(c, w) {
                (c.unwrap_or(size), h.unwrap_or(size), w.unwrap_or(3), &[0, 2, 3, 1])
            } else {
                (h.unwrap_or(size), w.unwrap_or(size), c.unwrap_or(3), &[0, 1, 2, 3])
            };
            let shape = Shape::from([c, h, w]);
            let layout = Layout::natural(&shape).transposed(order)?;
            Some((shape, layout))
        }
        [_, Some(n)] => Some((Shape::from([*n]), Layout::natural(&[*n]))),
        _ => None,
    }
}
