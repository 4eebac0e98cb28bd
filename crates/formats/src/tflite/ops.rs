//! From `TFLite`'s operators to nodes of the picture: one operator is one node or a few.
//!
//! Maps have their channels last in `TFLite`. Where a node wants them first, it gets them through a
//! transposition, which makes no layer.

use super::flat::{Field, Table, ints};
use super::name::layer;
use super::read::{Reader, Tensor};
use super::schema::operator;
use super::{TfliteFault, options};
use crate::FormatError;
use crate::dtype::Dtype;
use crate::operators::ir::{Setting, ValueId};

mod arithmetic;
mod matrix;
mod moves;
mod window;

/// An operator being translated.
pub(super) struct Operator<'a, 't> {
    /// What it is called in the schema.
    kind: &'t str,
    /// Its options; a table without fields when it has none of its kind.
    options: Option<Table<'a>>,
    /// Tensors that it reads; `None` for one that is not given.
    inputs: Vec<Option<usize>>,
    outputs: Vec<usize>,
    /// What its layer is called.
    name: String,
}

/// What a fused activation is.
const ACTIVATIONS: [&str; 6] = ["NONE", "RELU", "RELU_N1_TO_1", "RELU6", "TANH", "SIGN_BIT"];

/// A setting of a node.
type Settings<'a> = Vec<(&'static str, Setting<'a>)>;

impl Operator<'_, '_> {
    /// Words for what is not understood of it.
    fn wants(&self, got: impl Into<String>, wanted: impl Into<String>) -> FormatError {
        TfliteFault::Operator {
            node: self.name.clone(),
            op: self.kind.to_owned(),
            got: got.into(),
            wanted: wanted.into(),
        }
        .into()
    }

    /// The tensor of an input that must be there.
    fn input(&self, i: usize) -> Result<usize, FormatError> {
        let given = self.inputs.get(i).copied().flatten();
        given.ok_or_else(|| {
            self.wants(format!("{} inputs", self.inputs.len()), format!("an input {}", i + 1))
        })
    }

    fn flag(&self, field: Field) -> Result<bool, TfliteFault> {
        self.options.map_or(Ok(false), |o| o.flag(field))
    }

    fn int(&self, field: Field, usual: i32) -> Result<i32, TfliteFault> {
        self.options.map_or(Ok(usual), |o| o.int(field, usual))
    }

    fn float(&self, field: Field, usual: f32) -> Result<f32, TfliteFault> {
        self.options.map_or(Ok(usual), |o| o.float(field))
    }
}

impl<'a> Reader<'a, '_> {
    /// Translates an operator.
    pub(super) fn operator(&mut self, table: &Table<'a>, kind: &str) -> Result<(), FormatError> {
        let mut inputs = Vec::new();
        let read = table.bytes(operator::INPUTS, 4)?;
        let made = table.bytes(operator::OUTPUTS, 4)?;
        self.budget.take((read.len() + made.len()) as u64 * 12, "operators")?;
        for index in ints(read) {
            let given = (index != -1).then(|| self.index(table, operator::INPUTS, index));
            inputs.push(given.transpose()?);
        }
        let outputs: Vec<usize> = ints(made)
            .map(|i| self.index(table, operator::OUTPUTS, i))
            .collect::<Result<_, _>>()?;
        let called = outputs.first().map_or("", |o| self.tensors[*o].name);
        let mut name = layer(called, kind, self.network);
        // The name of a layer says which operator it is, so another operator has another one.
        if self.operators.get(&name).is_some_and(|k| k != kind) {
            name = format!("{name}.{}", kind.to_lowercase().replace(char::is_whitespace, "_"));
        }
        let known = options::kind(kind);
        let own = known != 0 && table.byte(operator::KIND)? == known;
        let options = if own { table.table("Options", operator::OPTIONS)? } else { None };
        self.budget.take((name.len() + kind.len() + 96) as u64, "operators")?;
        self.operators.entry(name.clone()).or_insert_with(|| kind.to_owned());
        let op = Operator { kind, options, inputs, outputs, name };
        for tensor in op.inputs.iter().flatten() {
            self.tensors[*tensor].used = true;
        }
        let values = self.translated(&op)?;
        for (tensor, value) in op.outputs.iter().zip(values) {
            self.set(*tensor, value);
        }
        Ok(())
    }

    /// The outputs of an operator.
    fn translated(&mut self, op: &Operator<'a, '_>) -> Result<Vec<ValueId>, FormatError> {
        let one = |value: Result<ValueId, FormatError>| value.map(|v| vec![v]);
        match op.kind {
            "CONV_2D" => one(self.conv(op)),
            "DEPTHWISE_CONV_2D" => one(self.depthwise(op)),
            "AVERAGE_POOL_2D" => one(self.pool(op, "AveragePool")),
            "MAX_POOL_2D" => one(self.pool(op, "MaxPool")),
            "LOCAL_RESPONSE_NORMALIZATION" => one(self.local_norm(op)),
            "PAD" | "PADV2" => one(self.pad(op)),
            "FULLY_CONNECTED" => one(self.fully_connected(op)),
            "BATCH_MATMUL" => one(self.product(op)),
            "MEAN" => one(self.reduced(op, "ReduceMean")),
            "SUM" => one(self.reduced(op, "ReduceSum")),
            "REDUCE_MAX" => one(self.reduced(op, "ReduceMax")),
            "REDUCE_MIN" => one(self.reduced(op, "ReduceMin")),
            "REDUCE_PROD" => one(self.reduced(op, "ReduceProd")),
            "ADD" | "SUB" | "MUL" | "DIV" => one(self.fused_arithmetic(op)),
            "RESHAPE" => one(self.reshape(op)),
            "SQUEEZE" | "EXPAND_DIMS" | "TRANSPOSE" | "SLICE" | "STRIDED_SLICE" | "GATHER"
            | "CONCATENATION" | "PACK" | "CAST" | "BROADCAST_TO" => one(self.moved(op)),
            "SPLIT" | "SPLIT_V" | "UNPACK" => self.parts(op),
            _ => self.plain(op),
        }
    }

    /// Operators that are a node each, and those that are not known.
    fn plain(&mut self, op: &Operator<'a, '_>) -> Result<Vec<ValueId>, FormatError> {
        let (node, settings): (&'static str, Settings<'a>) = match op.kind {
            "RELU" => ("Relu", vec![]),
            "RELU6" => ("Clip", limits(0.0, 6.0)),
            "RELU_N1_TO_1" => ("Clip", limits(-1.0, 1.0)),
            "RELU_0_TO_1" => ("Clip", limits(0.0, 1.0)),
            "LOGISTIC" => ("Sigmoid", vec![]),
            "TANH" => ("Tanh", vec![]),
            "EXP" => ("Exp", vec![]),
            "SQRT" => ("Sqrt", vec![]),
            "NEG" => ("Neg", vec![]),
            "ABS" => ("Abs", vec![]),
            "HARD_SWISH" => ("HardSwish", vec![]),
            "ELU" => ("Elu", vec![]),
            "PRELU" => ("PRelu", vec![]),
            "POW" => ("Pow", vec![]),
            "MAXIMUM" => ("Max", vec![]),
            "MINIMUM" => ("Min", vec![]),
            "ADD_N" => ("Sum", vec![]),
            "SHAPE" => ("Shape", vec![]),
            "DEQUANTIZE" | "QUANTIZE" => ("Identity", vec![]),
            "LEAKY_RELU" => {
                let alpha = op.float(options::leaky::ALPHA, 0.0)?;
                ("LeakyRelu", vec![("alpha", Setting::Float(alpha))])
            }
            "GELU" => {
                let way = if op.flag(options::gelu::APPROXIMATE)? { "tanh" } else { "none" };
                ("Gelu", vec![("approximate", Setting::Text(way.into()))])
            }
            "RSQRT" => {
                let root = self.of_inputs(op, "Sqrt", vec![])?;
                return Ok(vec![self.node("Reciprocal", &op.name, vec![Some(root)], vec![])?]);
            }
            "SQUARE" => {
                let value = self.input(op, 0)?;
                return Ok(vec![self.squared(op, value)?]);
            }
            "SQUARED_DIFFERENCE" => {
                let difference = self.of_inputs(op, "Sub", vec![])?;
                return Ok(vec![self.squared(op, difference)?]);
            }
            "SOFTMAX" => return Ok(vec![self.softmax(op)?]),
            // Named by the lowering, together with all others.
            _ => return self.unknown(op),
        };
        Ok(vec![self.of_inputs(op, node, settings)?])
    }

    fn unknown(&mut self, op: &Operator<'a, '_>) -> Result<Vec<ValueId>, FormatError> {
        let inputs = self.values(op)?;
        self.nodes(op.kind, &op.name, inputs, vec![], op.outputs.len())
    }

    /// The value of an input that must be there.
    fn input(&mut self, op: &Operator<'a, '_>, i: usize) -> Result<ValueId, FormatError> {
        self.value(op.input(i)?)
    }

    /// The values of all inputs.
    fn values(&mut self, op: &Operator<'a, '_>) -> Result<Vec<Option<ValueId>>, FormatError> {
        op.inputs.iter().map(|i| i.map(|i| self.value(i)).transpose()).collect()
    }

    /// A node that reads what the operator reads.
    fn of_inputs(
        &mut self,
        op: &Operator<'a, '_>,
        node: &'static str,
        settings: Settings<'a>,
    ) -> Result<ValueId, FormatError> {
        let inputs = self.values(op)?;
        self.node(node, &op.name, inputs, settings)
    }

    /// A map of `TFLite` with its channels before rows and columns.
    fn first(&mut self, op: &Operator<'a, '_>, value: ValueId) -> Result<ValueId, FormatError> {
        self.turned(op, value, &[0, 3, 1, 2])
    }

    /// A map with its channels behind rows and columns.
    fn last(&mut self, op: &Operator<'a, '_>, value: ValueId) -> Result<ValueId, FormatError> {
        self.turned(op, value, &[0, 2, 3, 1])
    }

    fn turned(
        &mut self,
        op: &Operator<'a, '_>,
        value: ValueId,
        order: &[i64],
    ) -> Result<ValueId, FormatError> {
        let settings = vec![("perm", Setting::Ints(order.to_vec()))];
        self.node("Transpose", &op.name, vec![Some(value)], settings)
    }

    /// The fused activation in `field` of a value.
    fn fused(
        &mut self,
        op: &Operator<'a, '_>,
        value: ValueId,
        field: Field,
    ) -> Result<ValueId, FormatError> {
        let number = op.options.map_or(Ok(0), |o| o.byte(field))?;
        let kind = ACTIVATIONS.get(usize::from(number)).copied();
        let (node, settings) = match kind {
            Some("NONE") => match self.bent(op) {
                None => return Ok(value),
                Some(bent) => bent,
            },
            Some("RELU") => ("Relu", vec![]),
            Some("RELU6") => ("Clip", limits(0.0, 6.0)),
            Some("RELU_N1_TO_1") => ("Clip", limits(-1.0, 1.0)),
            Some("TANH") => ("Tanh", vec![]),
            other => {
                let got = other.map_or_else(|| number.to_string(), str::to_owned);
                let known = "NONE, RELU, RELU6, RELU_N1_TO_1 or TANH";
                return Err(op.wants(format!("{} = {got}", field.0), known));
            }
        };
        let called = op.outputs.first().map_or("", |o| self.tensors[*o].name);
        let name = super::name::activation(called, &op.name, self.network);
        self.budget.take((op.kind.len() + name.len() + 96) as u64, "operators")?;
        self.operators.entry(name.clone()).or_insert_with(|| op.kind.to_owned());
        self.node(node, &name, vec![Some(value)], settings)
    }

    /// The activation that quantisation hides: old converters leave a RELU away where no number below
    /// zero can be written.
    fn bent(&self, op: &Operator<'a, '_>) -> Option<(&'static str, Settings<'a>)> {
        if !matches!(op.kind, "CONV_2D" | "DEPTHWISE_CONV_2D" | "FULLY_CONNECTED" | "ADD") {
            return None;
        }
        let tensor: &Tensor<'a> = self.tensors.get(*op.outputs.first()?)?;
        let (scale, zero) = tensor.scales?.one()?;
        let (least, most) = match tensor.dtype? {
            Dtype::U8 => (0, 255),
            Dtype::I8 => (-128, 127),
            Dtype::F64
            | Dtype::F32
            | Dtype::F16
            | Dtype::Bf16
            | Dtype::I64
            | Dtype::I32
            | Dtype::I16
            | Dtype::U64
            | Dtype::U32
            | Dtype::U16
            | Dtype::Bool
            | Dtype::Opaque(_) => return None,
        };
        if zero != least {
            return None;
        }
        let top = (most - zero) as f32 * scale;
        Some(if (top - 6.0).abs() < 0.05 { ("Clip", limits(0.0, 6.0)) } else { ("Relu", vec![]) })
    }
}

/// Limits of a `Clip`.
fn limits<'a>(min: f32, max: f32) -> Settings<'a> {
    vec![("min", Setting::Float(min)), ("max", Setting::Float(max))]
}
