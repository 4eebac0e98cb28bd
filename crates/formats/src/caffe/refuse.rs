//! Layers that cannot be taken over, found before anything is built so that all can be named at once.

use super::fault::RefusedLayer;
use super::net::{Def, Net, Part};
use crate::FormatError;

/// All types that are taken over, as the second generation calls them.
pub(super) const TYPES: [&str; 26] = [
    "BatchNorm",
    "Bias",
    "Clip",
    "Concat",
    "Convolution",
    "ConvolutionDepthwise",
    "DepthwiseConvolution",
    "Dropout",
    "ELU",
    "Eltwise",
    "Flatten",
    "InnerProduct",
    "LRN",
    "PReLU",
    "Pooling",
    "Power",
    "ReLU",
    "ReLU6",
    "Reshape",
    "Scale",
    "ShuffleChannel",
    "Sigmoid",
    "Slice",
    "Softmax",
    "Split",
    "TanH",
];

/// Every layer that must be refused whatever reaches it.
pub(super) fn all(net: &Net<'_>) -> Result<Vec<RefusedLayer>, FormatError> {
    let mut refused = Vec::new();
    for def in net.layers.iter().filter(|d| d.part() == Part::Layer) {
        if let Some(why) = why(def)? {
            refused.push(layer(def, why));
        }
    }
    Ok(refused)
}

/// The layer with a reason.
pub(super) fn layer(def: &Def<'_>, why: impl Into<String>) -> RefusedLayer {
    let kind = if def.kind.is_empty() { "no type" } else { &def.kind };
    RefusedLayer {
        at: def.at.spot(),
        name: def.name.to_string(),
        kind: kind.to_owned(),
        why: why.into(),
    }
}

fn why(def: &Def<'_>) -> Result<Option<String>, FormatError> {
    let kind = &*def.kind;
    if !TYPES.contains(&kind) {
        return Ok(Some("there is nothing like it here".to_owned()));
    }
    let other = |what: &str| Ok(Some(what.to_owned()));
    match kind {
        "Eltwise" => {
            let param = def.param("eltwise_param")?;
            match param.text("operation")?.as_deref() {
                None | Some("SUM" | "1") if param.floats("coeff")?.iter().any(|c| *c != 1.0) => {
                    other("sums with coefficients other than 1")
                }
                None | Some("SUM" | "1" | "PROD" | "0" | "MAX" | "2") => Ok(None),
                Some(_) => other("is neither SUM nor PROD nor MAX"),
            }
        }
        "Pooling" => match def.param("pooling_param")?.text("pool")?.as_deref() {
            None | Some("MAX" | "AVE" | "0" | "1") => Ok(None),
            Some(_) => other("pools at random; only MAX and AVE are known here"),
        },
        "Power" => match def.param("power_param")?.float("power")? {
            None | Some(1.0 | 2.0 | 3.0 | 4.0) => Ok(None),
            Some(power) => {
                Ok(Some(format!("raises to the power {power}; only 1, 2, 3 and 4 are known here")))
            }
        },
        "BatchNorm" => match def.param("batch_norm_param")?.flag("use_global_stats")? {
            Some(false) => other("uses the statistics of the batch, also when it is tested"),
            Some(true) | None => Ok(None),
        },
        "Convolution" => match def.param("convolution_param")?.int("axis")? {
            None | Some(1 | -3) => Ok(None),
            Some(_) => other("runs along another axis than height and width"),
        },
        _ => Ok(None),
    }
}
