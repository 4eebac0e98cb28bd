//! Functions of single values.

use regraft_net::Op;
use regraft_net::op::Activation;
use regraft_tensor::Tensor;
use serde_json::Value;

use super::KerasFault;
use super::build::{At, Build, Val};
use crate::FormatError;

/// A function of Keras, as a table knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    Linear,
    Relu,
    Relu6,
    Softmax,
    Sigmoid,
    Silu,
    Gelu,
    Elu,
    HardSigmoid,
    HardSwish,
    Tanh,
    LeakyRelu,
}

/// Names of functions, in lower case without `_`; functions of TensorFlow have the same.
const NAMES: [(&str, Act); 14] = [
    ("linear", Act::Linear),
    ("relu", Act::Relu),
    ("relu6", Act::Relu6),
    ("softmax", Act::Softmax),
    ("sigmoid", Act::Sigmoid),
    ("swish", Act::Silu),
    ("silu", Act::Silu),
    ("gelu", Act::Gelu),
    ("elu", Act::Elu),
    ("hardsigmoid", Act::HardSigmoid),
    ("hardswish", Act::HardSwish),
    ("hardsilu", Act::HardSwish),
    ("tanh", Act::Tanh),
    ("leakyrelu", Act::LeakyRelu),
];

impl Act {
    /// The function of that name, of an activation or an operation.
    pub(super) fn of(name: &str) -> Option<Self> {
        let name: String = name.chars().filter(|c| *c != '_').collect::<String>().to_lowercase();
        NAMES.iter().find(|(n, _)| *n == name).map(|(_, act)| *act)
    }

    fn word(self) -> &'static str {
        match self {
            Self::Linear => "linear",
            Self::Relu | Self::Relu6 => "relu",
            Self::Softmax => "softmax",
            Self::Sigmoid => "sigmoid",
            Self::Silu => "silu",
            Self::Gelu => "gelu",
            Self::Elu => "elu",
            Self::HardSigmoid => "hard_sigmoid",
            Self::HardSwish => "hard_swish",
            Self::Tanh => "tanh",
            Self::LeakyRelu => "leaky_relu",
        }
    }
}

/// The function that a field names; none for `linear` or when there is no such field.
fn named(at: &At<'_, '_>) -> Result<Option<Act>, FormatError> {
    let config = &at.spec.config;
    let Some(value) = config.get("activation") else { return Ok(None) };
    // A function as Keras 3 may spell it out.
    let spelled = || {
        let inner = value.get("config").and_then(Value::as_str);
        inner.or_else(|| value.get("class_name")?.as_str())
    };
    let name = value.as_str().or_else(spelled);
    let name = name.ok_or_else(|| config.fault("activation", "the name of a function"))?;
    let name = name.rsplit('>').next().unwrap_or(name);
    match Act::of(name) {
        Some(Act::Linear) => Ok(None),
        Some(act) => Ok(Some(act)),
        None => Err(at.unsupported(format!("the function `{name}`"))),
    }
}

/// Adds the function that a layer has in itself, as a layer `NAME_relu`.
pub(super) fn behind(b: &mut Build, at: &At<'_, '_>, x: Val) -> Result<Val, FormatError> {
    let Some(act) = named(at)? else { return Ok(x) };
    let name = b.free_name(&format!("{}_{}", at.name, act.word()), &[]);
    one(b, &name, act, x)
}

/// `Activation`.
pub(super) fn activation(b: &mut Build, at: &At<'_, '_>, x: Val) -> Result<Val, FormatError> {
    match named(at)? {
        Some(act) => one(b, &at.name, act, x),
        None => b.push(&at.name, Op::Identity, &[x]),
    }
}

/// Adds a function called `name`.
pub(super) fn one(b: &mut Build, name: &str, act: Act, x: Val) -> Result<Val, FormatError> {
    let op = match act {
        Act::Linear => Op::Identity,
        Act::Relu => Op::Relu,
        Act::Relu6 => Op::Relu6,
        Act::Softmax => Op::Softmax,
        Act::Sigmoid => Op::Activate(Activation::Sigmoid),
        Act::Silu => Op::Activate(Activation::Silu),
        Act::Gelu => Op::Activate(Activation::Gelu),
        Act::Elu => Op::Activate(Activation::Elu { alpha: 1.0 }),
        Act::HardSigmoid if b.second => {
            // Keras 2: clip(0.2 x + 0.5, 0, 1), which is the newer function of 1.2 x.
            let scaled = b.free_name(&format!("{name}.slope"), &[]);
            let x = b.affine(&scaled, x, &[1.2], &[0.0])?;
            return b.push(name, Op::Activate(Activation::HardSigmoid), &[x]);
        }
        Act::HardSigmoid => Op::Activate(Activation::HardSigmoid),
        Act::HardSwish => Op::Activate(Activation::HardSwish),
        Act::Tanh => Op::Activate(Activation::Tanh),
        Act::LeakyRelu => Op::Activate(Activation::LeakyRelu { slope: 0.2 }),
    };
    b.push(name, op, &[x])
}

/// `ReLU`: a slope below a threshold, and a largest value.
pub(super) fn relu(b: &mut Build, at: &At<'_, '_>, x: Val) -> Result<Val, FormatError> {
    let config = &at.spec.config;
    let most = config.get("max_value").map(|_| config.number("max_value", 0.0)).transpose()?;
    let slope = config.number("negative_slope", 0.0)?;
    let threshold = config.number("threshold", 0.0)?;
    let op = match (most, slope, threshold) {
        (None, 0.0, 0.0) => Op::Relu,
        (Some(6.0), 0.0, 0.0) => Op::Relu6,
        (None, slope, 0.0) => Op::Activate(Activation::LeakyRelu { slope: slope as f32 }),
        (Some(most), 0.0, 0.0) if most > 0.0 => {
            Op::Activate(Activation::Clip { min: 0.0, max: most as f32 })
        }
        _ => {
            return Err(at.unsupported(format!(
                "a largest value of {most:?} with slope {slope} and threshold {threshold}"
            )));
        }
    };
    b.push(&at.name, op, &[x])
}

/// `LeakyReLU`.
pub(super) fn leaky(b: &mut Build, at: &At<'_, '_>, x: Val) -> Result<Val, FormatError> {
    let config = &at.spec.config;
    let field = if config.get("alpha").is_some() { "alpha" } else { "negative_slope" };
    let slope = config.number(field, 0.3)? as f32;
    b.push(&at.name, Op::Activate(Activation::LeakyRelu { slope }), &[x])
}

/// `ELU`.
pub(super) fn elu(b: &mut Build, at: &At<'_, '_>, x: Val) -> Result<Val, FormatError> {
    let alpha = at.spec.config.number("alpha", 1.0)? as f32;
    b.push(&at.name, Op::Activate(Activation::Elu { alpha }), &[x])
}

/// `PReLU` whose slopes are shared over the pixels of a map.
pub(super) fn prelu(b: &mut Build, at: &At<'_, '_>, x: Val) -> Result<Val, FormatError> {
    let n = b.channels(x);
    let [slope, ..] = b.weights::<1>(at, &["alpha"])?;
    let slope = slope.unwrap_or_else(|| Tensor::zeros([0]));
    // `[1, 1, C]` over a map, `[C]` over a vector.
    if slope.data().len() != n || x.flat.is_some() {
        return Err(at.unsupported("a slope for each pixel"));
    }
    let mut ours = Tensor::zeros([n]);
    ours.data_mut().copy_from_slice(slope.data());
    b.keep(format!("{}.weight", at.name), ours);
    b.push(&at.name, Op::Prelu, &[x])
}

/// `Softmax` over the last axis.
pub(super) fn softmax(b: &mut Build, at: &At<'_, '_>, x: Val) -> Result<Val, FormatError> {
    last_axis(at, x)?;
    b.push(&at.name, Op::Softmax, &[x])
}

/// Refuses any axis but the last, which has the channels.
pub(super) fn last_axis(at: &At<'_, '_>, x: Val) -> Result<(), FormatError> {
    let config = &at.spec.config;
    let axis = match config.get("axis") {
        None => return Ok(()),
        Some(Value::Array(all)) => match all.as_slice() {
            [one] => one.as_i64(),
            _ => None,
        },
        Some(one) => one.as_i64(),
    };
    let axis = axis.ok_or_else(|| KerasFault::Unsupported {
        layer: at.path.join("/"),
        class: at.spec.class.to_owned(),
        what: "several axes".to_owned(),
    })?;
    if axis == -1 || axis == x.rank as i64 - 1 {
        return Ok(());
    }
    Err(at.unsupported(format!("axis {axis}, which is not that of the channels,")))
}
