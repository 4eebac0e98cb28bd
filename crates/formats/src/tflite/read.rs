//! From the bytes of a file to the light picture of its graph, which ONNX files become too.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::flat::{Flat, Table, Vector, ints};
use super::names::operator_name;
use super::schema::{buffer, code, dtype, graph, model, quantization, tensor};
use super::{TfliteFault, schema};
use crate::FormatError;
use crate::dtype::Dtype;
use crate::operators::OnnxFault;
use crate::operators::budget::Budget;
use crate::operators::ir::{Dialect, Input, Ir, Node, Setting, ValueId};
use crate::operators::raw::{Payload, Raw};

/// Bytes that a node costs in all that is made of it.
const NODE: u64 = 640;
/// Bytes that a value or a tensor costs beside its numbers.
const ENTRY: u64 = 256;
/// Most axes of a tensor.
pub(super) const MAX_RANK: usize = 8;
/// Most numbers of a constant that says how something is done: axes, paddings, shapes.
const FEW: usize = 4096;

/// Number and place of a tensor's values on the line of integers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scales<'a> {
    /// `f32` each, one for all or one for each step of `axis`.
    pub(super) scale: &'a [u8],
    /// `i64` each, as many, or none.
    pub(super) zero: &'a [u8],
    pub(super) axis: i64,
}

impl Scales<'_> {
    /// Scale and zero point when there is one of each.
    pub(super) fn one(&self) -> Option<(f32, i64)> {
        let scale = self.scale.as_array().map(|b| f32::from_le_bytes(*b))?;
        let zero = if self.zero.is_empty() {
            0
        } else {
            self.zero.as_array().map(|b| i64::from_le_bytes(*b))?
        };
        Some((scale, zero))
    }
}

/// A tensor of the graph.
#[derive(Debug)]
pub(super) struct Tensor<'a> {
    pub(super) name: &'a str,
    /// Extents in the file.
    pub(super) dims: Vec<usize>,
    /// Those that the file leaves open.
    open: Vec<bool>,
    pub(super) kind: &'static str,
    pub(super) dtype: Option<Dtype>,
    /// The bytes of a constant.
    data: Option<&'a [u8]>,
    pub(super) scales: Option<Scales<'a>>,
    /// Where its table lies.
    table: Table<'a>,
    /// The value that it is so far.
    value: Option<ValueId>,
    /// Whether an operator reads it.
    pub(super) used: bool,
}

impl Tensor<'_> {
    pub(super) fn is_constant(&self) -> bool {
        self.data.is_some()
    }

    fn fault(&self, (field, _): super::flat::Field, problem: impl Into<String>) -> TfliteFault {
        TfliteFault::Tensor { name: self.name.to_owned(), field, problem: problem.into() }
    }
}

/// What a file says, on its way to the picture.
pub(super) struct Reader<'a, 'b> {
    flat: Flat<'a>,
    buffers: Vector<'a>,
    pub(super) tensors: Vec<Tensor<'a>>,
    pub(super) ir: Ir<'a>,
    pub(super) budget: &'b mut Budget,
    /// Buffers whose numbers were allowed for.
    seen: BTreeSet<usize>,
    /// Bytes of those.
    held: u64,
    /// Operators by the names of layers.
    pub(super) operators: BTreeMap<String, String>,
    /// How many constants are small integers.
    pub(super) quantised: usize,
    /// The network's own name, with which those of its tensors begin.
    pub(super) network: Option<&'a str>,
}

/// The picture, and what else is needed of the file.
pub(super) struct Read<'a> {
    pub(super) ir: Ir<'a>,
    /// Operators by the names of layers.
    pub(super) operators: BTreeMap<String, String>,
    /// Constants that no operator reads.
    pub(super) unused: Vec<String>,
    /// How many constants are small integers.
    pub(super) quantised: usize,
    /// What the input's numbers are in the file: number type, scale, zero point.
    pub(super) input: Option<(&'static str, f32, i64)>,
}

/// Reads a whole file.
pub(super) fn read<'a>(bytes: &'a [u8], budget: &mut Budget) -> Result<Read<'a>, FormatError> {
    let flat = Flat::new(bytes);
    let root = flat.root("Model")?;
    let version = root.index(model::VERSION)?;
    if version != schema::VERSION {
        return Err(TfliteFault::Version { got: version }.into());
    }
    let missing = |field| root.fault(field, "it is left out");
    let buffers = root.vector(model::BUFFERS, 4)?.ok_or_else(|| missing(model::BUFFERS))?;
    let graphs = root.vector(model::SUBGRAPHS, 4)?.ok_or(TfliteFault::NoGraph)?;
    let graph = graphs.table("SubGraph", 0).ok_or(TfliteFault::NoGraph)??;
    let codes = root.vector(model::CODES, 4)?.ok_or_else(|| missing(model::CODES))?;
    let ir = Ir { opset: 18, dialect: Dialect::Tflite, producer: "tflite".into(), ..Ir::default() };
    let mut reader = Reader {
        flat,
        buffers,
        tensors: Vec::new(),
        ir,
        budget,
        seen: BTreeSet::new(),
        held: 0,
        operators: BTreeMap::new(),
        quantised: 0,
        network: None,
    };
    reader.ir.name = root.text(model::DESCRIPTION).unwrap_or_default().into();
    reader.graph(&graph, codes)?;
    let Reader { ir, operators, quantised, tensors, .. } = reader;
    let left = tensors.iter().filter(|t| !t.used && t.is_constant());
    let unused = left.map(|t| t.name.to_owned()).collect();
    let first = ints(graph.bytes(graph::INPUTS, 4)?).next().and_then(|i| usize::try_from(i).ok());
    let input = first.and_then(|i| tensors.get(i)).and_then(|t| {
        let (scale, zero) = t.scales?.one()?;
        Some((t.kind, scale, zero))
    });
    Ok(Read { ir, operators, unused, quantised, input })
}

impl<'a> Reader<'a, '_> {
    fn graph(&mut self, table: &Table<'a>, codes: Vector<'a>) -> Result<(), FormatError> {
        let missing = |field| table.fault(field, "it is left out");
        let all = table.vector(graph::TENSORS, 4)?.ok_or_else(|| missing(graph::TENSORS))?;
        for one in all.tables("Tensor") {
            let tensor = self.tensor(one?)?;
            self.tensors.push(tensor);
        }
        let made = self.tensors.iter().filter(|t| !t.is_constant()).map(|t| t.name);
        self.network = super::name::common(made);
        for input in ints(table.bytes(graph::INPUTS, 4)?) {
            let tensor = self.index(table, graph::INPUTS, input)?;
            self.budget.take(ENTRY, "inputs")?;
            if !self.tensors[tensor].is_constant() {
                let value = self.fresh(self.tensors[tensor].name)?;
                self.tensors[tensor].value = Some(value);
                let t = &self.tensors[tensor];
                let dims = t.dims.iter().zip(&t.open).map(|(d, open)| (!open).then_some(*d));
                let input = Input { value, dims: dims.collect() };
                self.ir.inputs.push(input);
            }
        }
        let operators = table.vector(graph::OPERATORS, 4)?.ok_or(TfliteFault::NoGraph)?;
        for operator in operators.tables("Operator") {
            let operator = operator?;
            let index = operator.index(schema::operator::CODE)?;
            let code = codes.table("OperatorCode", index).ok_or_else(|| {
                let problem = format!("{index} is wanted, there are {} codes", codes.count);
                operator.fault(schema::operator::CODE, problem)
            })??;
            self.operator(&operator, &name_of(&code)?)?;
        }
        for output in ints(table.bytes(graph::OUTPUTS, 4)?) {
            let tensor = self.index(table, graph::OUTPUTS, output)?;
            self.budget.take(ENTRY, "outputs")?;
            let value = self.value(tensor)?;
            self.ir.outputs.push(value);
        }
        if self.ir.nodes.is_empty() || self.ir.outputs.is_empty() {
            return Err(TfliteFault::NoGraph.into());
        }
        Ok(())
    }

    /// A tensor's number, checked.
    pub(super) fn index(
        &self,
        table: &Table<'a>,
        field: super::flat::Field,
        index: i32,
    ) -> Result<usize, TfliteFault> {
        let count = self.tensors.len();
        usize::try_from(index).ok().filter(|i| *i < count).ok_or_else(|| {
            table.fault(field, format!("tensor {index} is wanted, there are {count}"))
        })
    }

    fn tensor(&mut self, table: Table<'a>) -> Result<Tensor<'a>, FormatError> {
        self.budget.take(ENTRY, "tensors")?;
        let name = table.text(tensor::NAME)?;
        let shape = table.bytes(tensor::SHAPE, 4)?;
        let signature = table.bytes(tensor::SIGNATURE, 4)?;
        let fault = |(field, _): super::flat::Field, problem: String| TfliteFault::Tensor {
            name: name.to_owned(),
            field,
            problem,
        };
        if shape.len() > 4 * MAX_RANK || signature.len() > 4 * MAX_RANK {
            let problem = format!("{} axes, at most {MAX_RANK} are read", shape.len() / 4);
            return Err(fault(tensor::SHAPE, problem).into());
        }
        let dims: Option<Vec<usize>> = ints(shape).map(|d| usize::try_from(d).ok()).collect();
        let count = |d: &Vec<usize>| d.iter().try_fold(1usize, |n, d| n.checked_mul((*d).max(1)));
        let dims = dims.filter(|d| count(d).is_some_and(|n| n <= isize::MAX as usize / 8));
        let dims = dims.ok_or_else(|| {
            let all: Vec<i32> = ints(shape).collect();
            fault(tensor::SHAPE, format!("{all:?} are extents that no tensor has"))
        })?;
        let mut open: Vec<bool> = ints(signature).map(|d| d < 1).collect();
        open.resize(dims.len(), false);
        let (kind, dtype) = dtype(table.byte(tensor::TYPE)?);
        let data = self.data(&table)?;
        let mut scales = None;
        if let Some(q) = table.table("QuantizationParameters", tensor::QUANTIZATION)? {
            let (scale, zero) = (q.bytes(quantization::SCALE, 4)?, q.bytes(quantization::ZERO, 8)?);
            if q.byte(quantization::DETAILS)? != 0 {
                let words = "quantised in a way of its own; convert it with scales and zero points";
                return Err(fault(tensor::QUANTIZATION, words.to_owned()).into());
            }
            let axis = i64::from(q.int(quantization::AXIS, 0)?);
            scales = (!scale.is_empty()).then_some(Scales { scale, zero, axis });
        }
        let made =
            Tensor { name, dims, open, kind, dtype, data, scales, table, value: None, used: false };
        if table.table("SparsityParameters", tensor::SPARSITY)?.is_some() {
            let words = "its numbers are kept as a sparse tensor; convert it without sparsity";
            return Err(made.fault(tensor::SPARSITY, words).into());
        }
        if table.index(tensor::EXTERNAL)? != 0 {
            let words = "its numbers are in another file; convert it as one file";
            return Err(made.fault(tensor::EXTERNAL, words).into());
        }
        Ok(made)
    }

    /// The bytes of a tensor's buffer; `None` when it has none.
    fn data(&self, table: &Table<'a>) -> Result<Option<&'a [u8]>, TfliteFault> {
        let index = table.index(tensor::BUFFER)?;
        let found = self.buffers.table("Buffer", index).ok_or_else(|| {
            let problem = format!("{index} is wanted, there are {} buffers", self.buffers.count);
            table.fault(tensor::BUFFER, problem)
        })??;
        buffer_bytes(self.flat, &found)
    }

    /// A new value.
    pub(super) fn fresh(&mut self, name: &'a str) -> Result<ValueId, OnnxFault> {
        self.budget.take(ENTRY, "values")?;
        self.ir.values.push(name.into());
        Ok(self.ir.values.len() - 1)
    }

    /// The value that a tensor is; one that nothing computes when it is none yet.
    pub(super) fn value(&mut self, index: usize) -> Result<ValueId, FormatError> {
        self.tensors[index].used = true;
        if let Some(value) = self.tensors[index].value {
            return Ok(value);
        }
        let value = match self.tensors[index].data {
            Some(data) => self.constant(index, data)?,
            None if self.tensors[index].dims.contains(&0) => self.constant(index, &[])?,
            None => self.fresh(self.tensors[index].name)?,
        };
        self.tensors[index].value = Some(value);
        Ok(value)
    }

    /// A tensor is the value from here on.
    pub(super) fn set(&mut self, index: usize, value: ValueId) {
        self.tensors[index].value = Some(value);
    }

    /// Adds a constant, multiplied out where it is kept as small integers.
    fn constant(&mut self, index: usize, data: &'a [u8]) -> Result<ValueId, FormatError> {
        let t = &self.tensors[index];
        let (name, scales, kind) = (t.name, t.scales, t.kind);
        let Some(dtype) = t.dtype else {
            let problem =
                format!("numbers of type {kind} are not read; convert it with INT8 weights");
            return Err(t.fault(tensor::TYPE, problem).into());
        };
        let raw =
            Raw { name: name.into(), dims: t.dims.clone(), dtype, payload: Payload::Raw(data) };
        let buffer = t.table.index(tensor::BUFFER)?;
        let count: u64 = raw.count() as u64;
        let held: u64 = data.len() as u64;
        if count.checked_mul(dtype.size() as u64) == Some(held)
            && self.seen.insert(buffer)
            && self.held + held <= self.flat.len() as u64
        {
            // Numbers as `f32`, turned, and in their layer.
            self.held += held;
            self.budget.grow((12 * count).saturating_sub(2 * held));
        }
        let value = self.fresh(name)?;
        self.ir.tensors.push((value, Rc::new(raw)));
        let integers = matches!(dtype, Dtype::I8 | Dtype::U8 | Dtype::I16 | Dtype::I32);
        let Some(scales) = scales.filter(|_| integers) else { return Ok(value) };
        self.quantised += 1;
        let row = |bytes: &'a [u8], dtype: Dtype| Raw {
            name: name.into(),
            dims: vec![bytes.len() / dtype.size()],
            dtype,
            payload: Payload::Raw(bytes),
        };
        let mut inputs = vec![Some(value)];
        for (bytes, dtype) in [(scales.scale, Dtype::F32), (scales.zero, Dtype::I64)] {
            if !bytes.is_empty() {
                let part = self.fresh(name)?;
                self.ir.tensors.push((part, Rc::new(row(bytes, dtype))));
                inputs.push(Some(part));
            }
        }
        let settings = vec![("axis", Setting::Int(scales.axis))];
        self.node("DequantizeLinear", name, inputs, settings)
    }

    /// Adds a node with one output, which it gives.
    pub(super) fn node(
        &mut self,
        op: &'static str,
        name: &str,
        inputs: Vec<Option<ValueId>>,
        settings: Vec<(&'static str, Setting<'a>)>,
    ) -> Result<ValueId, FormatError> {
        Ok(self.nodes(op, name, inputs, settings, 1)?[0])
    }

    /// Adds a node with several outputs.
    pub(super) fn nodes(
        &mut self,
        op: &str,
        name: &str,
        inputs: Vec<Option<ValueId>>,
        settings: Vec<(&'static str, Setting<'a>)>,
        count: usize,
    ) -> Result<Vec<ValueId>, FormatError> {
        let lists =
            settings.iter().map(|(_, s)| if let Setting::Ints(v) = s { v.len() } else { 1 });
        let more = 24 * (inputs.len() + lists.sum::<usize>()) + 2 * name.len() + op.len();
        self.budget.take(NODE + more as u64, "operators")?;
        let mut outputs = Vec::with_capacity(count.min(FEW));
        for _ in 0..count {
            outputs.push(self.fresh("")?);
        }
        self.ir.nodes.push(Node {
            op: op.to_owned().into(),
            name: name.to_owned().into(),
            inputs,
            outputs: outputs.iter().copied().map(Some).collect(),
            settings: settings.into_iter().map(|(n, s)| (n.into(), s)).collect(),
        });
        Ok(outputs)
    }

    /// The few integers of a constant tensor; `None` when it is no constant or has many.
    pub(super) fn few(&self, index: usize) -> Option<Vec<i64>> {
        let t = self.tensors.get(index)?;
        let data = match t.data {
            Some(data) => data,
            None if t.dims.contains(&0) => &[],
            None => return None,
        };
        if data.len() > FEW {
            return None;
        }
        match t.dtype {
            Some(Dtype::I32) => Some(ints(data).map(i64::from).collect()),
            Some(Dtype::I64) => {
                Some(data.as_chunks().0.iter().map(|b| i64::from_le_bytes(*b)).collect())
            }
            Some(
                Dtype::F64
                | Dtype::F32
                | Dtype::F16
                | Dtype::Bf16
                | Dtype::I16
                | Dtype::I8
                | Dtype::U64
                | Dtype::U32
                | Dtype::U16
                | Dtype::U8
                | Dtype::Bool
                | Dtype::Opaque(_),
            )
            | None => None,
        }
    }
}

/// The bytes of a buffer, in it or behind the tables; `None` when there are none.
pub(super) fn buffer_bytes<'a>(
    flat: Flat<'a>,
    table: &Table<'a>,
) -> Result<Option<&'a [u8]>, TfliteFault> {
    let (offset, size) = (table.long(buffer::OFFSET)?, table.long(buffer::SIZE)?);
    // 0 and 1 say that there is no place behind the tables.
    if offset > 1 {
        let place = usize::try_from(offset).ok().zip(usize::try_from(size).ok());
        let bytes = place.and_then(|(offset, size)| flat.slice(offset, size));
        let problem =
            || format!("{size} bytes from {offset} on are wanted, the file has {}", flat.len());
        return bytes.map(Some).ok_or_else(|| table.fault(buffer::OFFSET, problem()));
    }
    let bytes = table.bytes(buffer::DATA, 1)?;
    Ok((!bytes.is_empty()).then_some(bytes))
}

/// What an operator is called.
fn name_of(table: &Table<'_>) -> Result<String, TfliteFault> {
    let old = usize::from(table.byte(code::OLD)?);
    let new = usize::try_from(table.int(code::BUILTIN, 0)?).unwrap_or(usize::MAX);
    let number = old.max(new);
    Ok(match operator_name(number) {
        Some("CUSTOM") => format!("CUSTOM:{}", table.text(code::CUSTOM)?),
        Some(name) => name.to_owned(),
        None => format!("operator {number} of a later version"),
    })
}
