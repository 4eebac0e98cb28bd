//! The description of a network in JSON: which layers there are, and who reads whom.
//!
//! Keras 2 writes a call of a layer as `[["conv1", 0, 0, {}]]`, Keras 3 as `{"args": [...], "kwargs":
//! {...}}` with a `__keras_tensor__` for each value; the numbers are which call of the layer made the
//! value, and which of the call's values it is.

use serde_json::{Map, Value};

use super::KerasFault;

/// Values of JSON that every file may have.
const VALUES: usize = 1 << 11;
/// Bytes of file for each further value: a value takes about 100 bytes of memory.
const BYTES_PER_VALUE: usize = 32;

/// Reads JSON, unless it has far more values than go with a file of `file` bytes.
pub(super) fn json(text: &[u8], member: &str, file: usize) -> Result<Value, KerasFault> {
    let limit = VALUES + file / BYTES_PER_VALUE;
    let values = text.iter().filter(|b| matches!(b, b',' | b'[' | b'{')).count();
    if values > limit {
        return Err(KerasFault::LongConfig { member: member.to_owned(), values, limit });
    }
    serde_json::from_slice(text)
        .map_err(|e| KerasFault::Json { member: member.to_owned(), problem: e.to_string() })
}

/// A layer, or a model in a model.
#[derive(Debug)]
pub(super) struct Spec<'j> {
    pub(super) name: &'j str,
    pub(super) class: &'j str,
    pub(super) config: Fields<'j>,
    /// What each call of it reads.
    pub(super) calls: Vec<Call<'j>>,
}

/// One call of a layer.
#[derive(Debug, Default)]
pub(super) struct Call<'j> {
    /// What is handed over, in order; lists are laid flat.
    pub(super) args: Vec<Arg<'j>>,
}

/// What a layer is handed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Arg<'j> {
    /// The value that a call of a layer made.
    From(Source<'j>),
    /// A number.
    Number(f64),
}

/// The value that a call of a layer made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Source<'j> {
    pub(super) layer: &'j str,
    pub(super) call: usize,
}

/// A model: layers that read each other, or one after another.
#[derive(Debug)]
pub(super) struct Model<'j> {
    pub(super) name: &'j str,
    pub(super) layers: Vec<Spec<'j>>,
    /// Inputs and outputs; none for a chain.
    pub(super) ends: Option<[Vec<Source<'j>>; 2]>,
    /// The shape of the input that a chain was built for, with the batch.
    pub(super) built: Option<&'j Value>,
}

/// Classes of models.
pub(super) const MODELS: [&str; 3] = ["Functional", "Model", "Sequential"];

/// The fields of a layer's configuration.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fields<'j> {
    pub(super) layer: &'j str,
    pub(super) map: &'j Map<String, Value>,
}

impl<'j> Fields<'j> {
    /// A field; null counts as missing.
    pub(super) fn get(&self, field: &str) -> Option<&'j Value> {
        self.map.get(field).filter(|v| !v.is_null())
    }

    /// The fault that a field is not as wanted.
    pub(super) fn fault(&self, field: &str, wanted: &'static str) -> KerasFault {
        let got = match self.map.get(field) {
            None => "nothing".to_owned(),
            Some(value) => short(value),
        };
        KerasFault::Field { layer: self.layer.to_owned(), field: field.to_owned(), wanted, got }
    }

    pub(super) fn text(&self, field: &str) -> Option<&'j str> {
        self.get(field).and_then(Value::as_str)
    }

    pub(super) fn flag(&self, field: &str, usual: bool) -> bool {
        self.get(field).and_then(Value::as_bool).unwrap_or(usual)
    }

    pub(super) fn number(&self, field: &str, usual: f64) -> Result<f64, KerasFault> {
        match self.get(field) {
            None => Ok(usual),
            Some(value) => scalar(value).ok_or_else(|| self.fault(field, "a number")),
        }
    }

    /// A whole number from 1 to 2^20.
    pub(super) fn count(&self, field: &str) -> Result<usize, KerasFault> {
        let count = self.get(field).and_then(whole).filter(|n| *n > 0);
        count.ok_or_else(|| self.fault(field, "a whole number from 1 to 1048576"))
    }

    /// Two whole numbers `[height, width]`, or one for both.
    pub(super) fn pair(&self, field: &str, usual: usize) -> Result<[usize; 2], KerasFault> {
        let fault = || self.fault(field, "one or two whole numbers from 1 to 1048576");
        let Some(value) = self.get(field) else { return Ok([usual; 2]) };
        let pair = match value.as_array().map(Vec::as_slice) {
            Some([h, w]) => whole(h).zip(whole(w)).map(|(h, w)| [h, w]),
            Some(_) => None,
            None => whole(value).map(|n| [n; 2]),
        };
        pair.filter(|p| p.iter().all(|n| *n > 0)).ok_or_else(fault)
    }

    /// Numbers: one, or a list, or one of either in a list.
    pub(super) fn numbers(&self, field: &str) -> Result<Vec<f64>, KerasFault> {
        let fault = || self.fault(field, "numbers");
        let mut value = self.get(field).ok_or_else(fault)?;
        if let Some(inner) = value.get("config").and_then(|c| c.get("value")).or(value.get("value"))
        {
            value = inner;
        }
        while let Value::Array(all) = value {
            match all.as_slice() {
                [inner @ Value::Array(_)] => value = inner,
                all => {
                    let numbers: Option<Vec<f64>> = all.iter().map(Value::as_f64).collect();
                    return numbers.ok_or_else(fault);
                }
            }
        }
        value.as_f64().map(|n| vec![n]).ok_or_else(fault)
    }
}

/// A whole number up to 2^20.
pub(super) fn whole(value: &Value) -> Option<usize> {
    value.as_u64().filter(|n| *n <= 1 << 20).map(|n| n as usize)
}

/// A number, also as `NumPy`'s scalars are written.
fn scalar(value: &Value) -> Option<f64> {
    value.as_f64().or_else(|| {
        let inner = value.get("config").and_then(|c| c.get("value")).or(value.get("value"))?;
        inner.as_f64()
    })
}

/// The beginning of a value as JSON.
pub(super) fn short(value: &Value) -> String {
    let text = match value {
        Value::Array(all) if all.len() > 20 => format!("a list of {}", all.len()),
        Value::Object(all) => {
            format!("an object with {:?}", all.keys().take(5).collect::<Vec<_>>())
        }
        Value::Array(_) | Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            value.to_string()
        }
    };
    text.chars().take(80).collect()
}

/// Reads a model from `{"class_name": ..., "config": {...}}`.
pub(super) fn model(map: &Map<String, Value>) -> Result<Model<'_>, KerasFault> {
    let whole = Fields { layer: "model", map };
    let config = whole.get("config").ok_or_else(|| whole.fault("config", "a description"))?;
    let chain = whole.text("class_name") == Some("Sequential");
    // The oldest chains are a mere list.
    if let Value::Array(list) = config {
        let layers = list.iter().map(layer).collect::<Result<_, _>>()?;
        return Ok(Model { name: "sequential", layers, ends: None, built: None });
    }
    let map = object(config, "model")?;
    let name = map.get("name").and_then(Value::as_str).unwrap_or("model");
    let fields = Fields { layer: name, map };
    let list = fields.get("layers").and_then(Value::as_array);
    let list = list.ok_or_else(|| fields.fault("layers", "a list of layers"))?;
    let layers = list.iter().map(layer).collect::<Result<Vec<_>, _>>()?;
    let ends = if chain {
        None
    } else {
        Some([sources(&fields, "input_layers")?, sources(&fields, "output_layers")?])
    };
    let built = whole.get("build_config").and_then(|b| b.get("input_shape"));
    let built = fields.get("build_input_shape").or(built.filter(|v| !v.is_null()));
    Ok(Model { name, layers, ends, built })
}

pub(super) fn object<'j>(
    value: &'j Value,
    what: &str,
) -> Result<&'j Map<String, Value>, KerasFault> {
    value.as_object().ok_or_else(|| KerasFault::Field {
        layer: what.to_owned(),
        field: "config".to_owned(),
        wanted: "an object",
        got: short(value),
    })
}

fn layer(value: &Value) -> Result<Spec<'_>, KerasFault> {
    let outer = Fields { layer: "?", map: object(value, "?")? };
    let config = outer.get("config").ok_or_else(|| outer.fault("config", "an object"))?;
    let name = outer.text("name").or_else(|| config.get("name").and_then(Value::as_str));
    let name = name.ok_or_else(|| outer.fault("name", "a name"))?;
    let outer = Fields { layer: name, ..outer };
    let class = outer.text("class_name").ok_or_else(|| outer.fault("class_name", "a name"))?;
    // A custom class is registered as `package>Name`.
    let class = class.rsplit('>').next().unwrap_or(class);
    // A chain's description may be a list; it is read by `model` once more.
    let map = config.as_object().unwrap_or(outer.map);
    let calls = match outer.get("inbound_nodes") {
        None => Vec::new(),
        Some(Value::Array(nodes)) => calls(&outer, nodes)?,
        Some(_) => return Err(outer.fault("inbound_nodes", "a list")),
    };
    let config = Fields { layer: name, map: if MODELS.contains(&class) { outer.map } else { map } };
    Ok(Spec { name, class, config, calls })
}

fn calls<'j>(outer: &Fields<'j>, nodes: &'j [Value]) -> Result<Vec<Call<'j>>, KerasFault> {
    let fault = || outer.fault("inbound_nodes", "calls as Keras writes them");
    let mut calls = Vec::with_capacity(nodes.len());
    for node in nodes {
        let mut call = Call::default();
        match node {
            Value::Object(node) => {
                for part in ["args", "kwargs"] {
                    if let Some(value) = node.get(part) {
                        lay_flat(value, &mut call.args);
                    }
                }
            }
            // One value, where Keras 2 left out a list: `["x", 0, 0, {"y": 3.0}]`.
            Value::Array(parts) if parts.first().is_some_and(Value::is_string) => {
                second(parts, &mut call.args).ok_or_else(fault)?;
            }
            Value::Array(all) => {
                for one in all {
                    let parts = one.as_array().ok_or_else(fault)?;
                    second(parts, &mut call.args).ok_or_else(fault)?;
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
                return Err(fault());
            }
        }
        calls.push(call);
    }
    Ok(calls)
}

/// `["conv1", 0, 0, {"y": 3.0}]` of Keras 2.
fn second<'j>(parts: &'j [Value], args: &mut Vec<Arg<'j>>) -> Option<()> {
    args.push(Arg::From(source(parts)?));
    for value in parts.get(3..)?.iter().filter_map(Value::as_object).flat_map(Map::values) {
        match value {
            Value::Number(n) => args.push(Arg::Number(n.as_f64()?)),
            // Another value by name: `{"y": ["conv2", 0, 0]}`.
            Value::Array(parts) => args.extend(source(parts).map(Arg::From)),
            Value::Null | Value::Bool(_) | Value::String(_) | Value::Object(_) => {}
        }
    }
    Some(())
}

fn source(parts: &[Value]) -> Option<Source<'_>> {
    match parts {
        [layer, call, _, ..] => Some(Source { layer: layer.as_str()?, call: whole(call)? }),
        _ => None,
    }
}

/// Values of Keras 3 and numbers, wherever they are in lists and objects.
fn lay_flat<'j>(value: &'j Value, args: &mut Vec<Arg<'j>>) {
    match value {
        Value::Object(map) => {
            let history = map.get("config").and_then(|c| c.get("keras_history"));
            if let Some(source) = history.and_then(Value::as_array).and_then(|p| source(p)) {
                args.push(Arg::From(source));
            } else {
                map.values().for_each(|v| lay_flat(v, args));
            }
        }
        Value::Array(all) => all.iter().for_each(|v| lay_flat(v, args)),
        Value::Number(n) => args.extend(n.as_f64().map(Arg::Number)),
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}

/// `["input", 0, 0]`, or a list or object of such.
fn sources<'j>(fields: &Fields<'j>, field: &str) -> Result<Vec<Source<'j>>, KerasFault> {
    let fault = || fields.fault(field, "layers as `[\"NAME\", 0, 0]`");
    let value = fields.get(field).ok_or_else(fault)?;
    let list: Vec<&Value> = match value {
        Value::Array(parts) if parts.first().is_some_and(Value::is_string) => vec![value],
        Value::Array(all) => all.iter().collect(),
        Value::Object(all) => all.values().collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => return Err(fault()),
    };
    let one = |v: &'j Value| v.as_array().and_then(|p| source(p)).ok_or_else(fault);
    list.into_iter().map(one).collect()
}
