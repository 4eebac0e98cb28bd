//! From the bytes of a `ModelProto` to the light picture of its graph.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::rc::Rc;

use super::OnnxFault;
use super::schema::{attribute, entry, graph, model, node, opset, tensor, value};
use crate::FormatError;
use crate::operators::budget::Budget;
use crate::operators::ir::{Dialect, Input, Ir, Node, Setting, ValueId};
use crate::operators::raw::{Payload, Raw, dtype};
use crate::wire::{Field, Fields};

/// Bytes that a node costs in all that is made of it.
const NODE: u64 = 512;
/// Bytes that a value, a tensor, a setting or an entry costs beside its numbers.
const ENTRY: u64 = 160;
/// Most axes of a tensor.
const MAX_RANK: usize = 32;

/// Reads a whole file.
pub(super) fn read<'a>(bytes: &'a [u8], budget: &mut Budget) -> Result<Ir<'a>, FormatError> {
    let mut reader = Reader { ir: Ir::default(), ids: BTreeMap::new(), budget };
    let mut graph = None;
    for item in Fields::of_file(bytes) {
        let item = item?;
        match item.number {
            model::PRODUCER => {
                reader.ir.producer = item.text()?.into();
                let ours = reader.ir.producer == "regraft";
                reader.ir.dialect = if ours { Dialect::Ours } else { Dialect::Onnx };
            }
            model::GRAPH => graph = Some(item),
            model::OPSET => reader.opset(&item)?,
            model::METADATA => reader.metadata(&item)?,
            _ => {}
        }
    }
    let graph = graph.ok_or(OnnxFault::NoGraph)?;
    reader.graph(&graph)?;
    if reader.ir.nodes.is_empty() || reader.ir.outputs.is_empty() {
        return Err(OnnxFault::NoGraph.into());
    }
    Ok(reader.ir)
}

/// Whether the bytes may be a `ModelProto`: nothing but its fields, each of its kind, with a graph.
pub(super) fn is_model(bytes: &[u8]) -> bool {
    let mut graph = false;
    for item in Fields::of_file(bytes) {
        let Ok(item) = item else { return false };
        let fits = match item.number {
            1 | 5 => item.int().is_ok(),
            2 | 3 | 4 | 6 => item.text().is_ok(),
            7 => item.message().is_ok_and(|inner| {
                graph = true;
                inner.take(4).all(|f| f.is_ok_and(|f| f.number <= 16))
            }),
            8 | 14 | 20 | 25 | 26 => item.bytes().is_ok(),
            _ => false,
        };
        if !fits {
            return false;
        }
    }
    graph
}

struct Reader<'a, 'b> {
    ir: Ir<'a>,
    ids: BTreeMap<&'a str, ValueId>,
    budget: &'b mut Budget,
}

impl<'a> Reader<'a, '_> {
    fn id(&mut self, name: &'a str) -> Result<ValueId, OnnxFault> {
        if let Some(id) = self.ids.get(name) {
            return Ok(*id);
        }
        self.budget.take(ENTRY, "names")?;
        let id = self.ir.values.len();
        self.ir.values.push(name.into());
        self.ids.insert(name, id);
        Ok(id)
    }

    fn opset(&mut self, item: &Field<'a>) -> Result<(), FormatError> {
        let (mut domain, mut version) = ("", 1);
        for item in item.message()? {
            let item = item?;
            match item.number {
                opset::DOMAIN => domain = item.text()?,
                opset::VERSION => version = item.int()?,
                _ => {}
            }
        }
        if own_domain(domain) {
            self.ir.opset = version;
        }
        Ok(())
    }

    fn metadata(&mut self, item: &Field<'a>) -> Result<(), FormatError> {
        let (mut key, mut text) = ("", "");
        for item in item.message()? {
            let item = item?;
            match item.number {
                entry::KEY => key = item.text()?,
                entry::VALUE => text = item.text()?,
                _ => {}
            }
        }
        self.budget.take(ENTRY, "metadata")?;
        self.ir.metadata.push((key.into(), text.into()));
        Ok(())
    }

    fn graph(&mut self, item: &Field<'a>) -> Result<(), FormatError> {
        for item in item.message()? {
            let item = item?;
            match item.number {
                graph::NAME => self.ir.name = item.text()?.into(),
                graph::NODE => {
                    let node = self.node(&item)?;
                    self.ir.nodes.push(node);
                }
                graph::INITIALIZER => {
                    let raw = self.tensor(&item)?;
                    if let Cow::Borrowed(name) = raw.name {
                        let id = self.id(name)?;
                        self.ir.tensors.push((id, Rc::new(raw)));
                    }
                }
                graph::INPUT => {
                    let input = self.value(&item)?;
                    self.ir.inputs.push(input);
                }
                graph::OUTPUT => {
                    let output = self.value(&item)?;
                    self.ir.outputs.push(output.value);
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn node(&mut self, item: &Field<'a>) -> Result<Node<'a>, FormatError> {
        self.budget.take(NODE, "nodes")?;
        let mut made = Node {
            op: "".into(),
            name: "".into(),
            inputs: Vec::new(),
            outputs: Vec::new(),
            settings: Vec::new(),
        };
        let mut domain = "";
        for item in item.message()? {
            let item = item?;
            match item.number {
                node::INPUT => {
                    let input = self.port(&item)?;
                    made.inputs.push(input);
                }
                node::OUTPUT => {
                    let output = self.port(&item)?;
                    made.outputs.push(output);
                }
                node::NAME => made.name = item.text()?.into(),
                node::OP => made.op = item.text()?.into(),
                node::DOMAIN => domain = item.text()?,
                node::ATTRIBUTE => {
                    if let Some(setting) = self.setting(&item)? {
                        made.settings.push(setting);
                    }
                }
                _ => {}
            }
        }
        if !own_domain(domain) {
            self.budget.take((domain.len() + made.op.len()) as u64, "nodes")?;
            made.op = format!("{domain}:{}", made.op).into();
        }
        Ok(made)
    }

    fn port(&mut self, item: &Field<'a>) -> Result<Option<ValueId>, FormatError> {
        // A list doubles when it is full, so a place in it may cost three times itself.
        self.budget.take(48, "nodes")?;
        let name = item.text()?;
        Ok(if name.is_empty() { None } else { Some(self.id(name)?) })
    }

    fn setting(
        &mut self,
        item: &Field<'a>,
    ) -> Result<Option<(Cow<'a, str>, Setting<'a>)>, FormatError> {
        self.budget.take(ENTRY, "settings")?;
        let (mut name, mut setting) = ("", None);
        let (mut ints, mut floats) = (Vec::new(), Vec::new());
        let mut kind = 0;
        for item in item.message()? {
            let item = item?;
            match item.number {
                attribute::NAME => name = item.text()?,
                attribute::TYPE => kind = item.int()?,
                attribute::FLOAT => setting = Some(Setting::Float(item.float()?)),
                attribute::INT => setting = Some(Setting::Int(item.int()?)),
                // Bytes that are no text are of settings that no layer has.
                attribute::TEXT => {
                    setting = item.text().ok().map(|t| Setting::Text(t.into()));
                }
                attribute::TENSOR => {
                    setting = Some(Setting::Tensor(Rc::new(self.tensor(&item)?)));
                }
                attribute::FLOATS => {
                    let bytes = item.bytes().map_or(4, <[u8]>::len);
                    self.budget.take(3 * bytes as u64, "settings")?;
                    item.floats(&mut floats)?;
                }
                attribute::INTS => {
                    let bytes = item.bytes().map_or(1, <[u8]>::len);
                    self.budget.take(24 * bytes as u64, "settings")?;
                    item.ints(&mut ints)?;
                }
                _ => {}
            }
        }
        if !ints.is_empty() || kind == attribute::TYPE_INTS {
            setting = Some(Setting::Ints(ints));
        } else if !floats.is_empty() {
            setting = Some(Setting::Floats(floats));
        }
        Ok(setting.map(|s| (name.into(), s)))
    }

    fn tensor(&mut self, item: &Field<'a>) -> Result<Raw<'a>, FormatError> {
        self.budget.take(ENTRY, "tensors")?;
        let fields = item.message()?;
        let (mut name, mut dims, mut code, mut external) = ("", Vec::new(), 0, false);
        let mut payload = None;
        let mut place = Place::default();
        for item in fields.clone() {
            let item = item?;
            match item.number {
                tensor::NAME => name = item.text()?,
                tensor::TYPE => code = item.int()?,
                tensor::RAW => payload = Some(Payload::Raw(item.bytes()?)),
                tensor::DIMS => {
                    let bytes = item.bytes().map_or(1, <[u8]>::len);
                    self.budget.take(24 * bytes as u64, "tensors")?;
                    item.ints(&mut dims)?;
                }
                number @ (tensor::FLOATS
                | tensor::INT32S
                | tensor::INT64S
                | tensor::DOUBLES
                | tensor::UINT64S)
                    if payload.is_none() =>
                {
                    payload = Some(Payload::Field(fields.clone(), number));
                }
                tensor::EXTERNAL => place.entry(&item)?,
                tensor::LOCATION => external = item.int()? == 1,
                _ => {}
            }
        }
        let fault = |problem: &str| OnnxFault::Tensor {
            name: name.to_owned(),
            shape: format!("{:?}", dims.iter().take(MAX_RANK).collect::<Vec<_>>()),
            problem: problem.to_owned(),
        };
        let sizes: Option<Vec<usize>> = dims.iter().map(|d| usize::try_from(*d).ok()).collect();
        let sizes = sizes.filter(|d| d.len() <= MAX_RANK && fits(d));
        let sizes = sizes.ok_or_else(|| fault("extents that no tensor has"))?;
        let dtype = dtype(code)
            .ok_or_else(|| fault(&format!("number type {code} is not one that is read")))?;
        let payload = if external { Some(place.payload()) } else { payload };
        let payload = payload.unwrap_or(Payload::Raw(&[]));
        let raw = Raw { name: name.into(), dims: sizes, dtype, payload };
        if raw.count() as u64 <= raw.held() {
            self.budget.grow(4 * raw.count() as u64);
        }
        Ok(raw)
    }

    fn value(&mut self, item: &Field<'a>) -> Result<Input, FormatError> {
        self.budget.take(ENTRY, "inputs")?;
        let (mut name, mut dims) = ("", Vec::new());
        for item in item.message()? {
            let item = item?;
            match item.number {
                value::NAME => name = item.text()?,
                value::TYPE => dims = self.extents(&item)?,
                _ => {}
            }
        }
        Ok(Input { value: self.id(name)?, dims })
    }

    fn extents(&mut self, item: &Field<'a>) -> Result<Vec<Option<usize>>, FormatError> {
        let mut dims = Vec::new();
        for tensor in of(item, value::TENSOR_TYPE)? {
            for shape in of(&tensor, value::SHAPE)? {
                for dim in of(&shape, value::DIM)? {
                    self.budget.take(48, "inputs")?;
                    let mut extent = None;
                    for item in of(&dim, value::DIM_VALUE)? {
                        extent = usize::try_from(item.int()?).ok();
                    }
                    dims.push(extent.filter(|n| *n > 0));
                }
            }
        }
        Ok(dims)
    }
}

/// The fields of a message that have a number.
fn of<'a>(item: &Field<'a>, number: u32) -> Result<Vec<Field<'a>>, FormatError> {
    let mut found = Vec::new();
    for item in item.message()? {
        let item = item?;
        if item.number == number && found.len() < MAX_RANK {
            found.push(item);
        }
    }
    Ok(found)
}

/// Whether the count of a tensor fits, also when its empty axes are not.
fn fits(dims: &[usize]) -> bool {
    let count = dims.iter().try_fold(1usize, |n, d| n.checked_mul((*d).max(1)));
    count.is_some_and(|n| n <= isize::MAX as usize / 8)
}

fn own_domain(domain: &str) -> bool {
    domain.is_empty() || domain == "ai.onnx"
}

/// Where external numbers lie.
#[derive(Default)]
struct Place<'a> {
    location: &'a str,
    offset: u64,
    length: Option<u64>,
}

impl<'a> Place<'a> {
    fn entry(&mut self, item: &Field<'a>) -> Result<(), FormatError> {
        let (mut key, mut text) = ("", "");
        for item in item.message()? {
            let item = item?;
            match item.number {
                entry::KEY => key = item.text()?,
                entry::VALUE => text = item.text()?,
                _ => {}
            }
        }
        // A number that cannot be read is one that no file has: the check of the length says so.
        match key {
            "location" => self.location = text,
            "offset" => self.offset = text.parse().unwrap_or(u64::MAX),
            "length" => self.length = Some(text.parse().unwrap_or(u64::MAX)),
            _ => {}
        }
        Ok(())
    }

    fn payload(self) -> Payload<'a> {
        let Self { location, offset, length } = self;
        Payload::External { location: location.into(), offset, length }
    }
}
