//! What can be wrong with a file of Keras, beyond its container.

/// Why the network or the weights in a file of Keras could not be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KerasFault {
    /// An HDF5 file of something else.
    #[error(
        "this HDF5 file is not from Keras: no `layer_names`, `model_weights` or `layers` in it, found \
         {found}; give a file of `model.save` or `model.save_weights`",
        found = list(found)
    )]
    NotKeras {
        /// Names at the top, at most twenty.
        found: Vec<String>,
    },
    /// A network is wanted and there are weights only.
    #[error(
        "this file of Keras holds weights only, no network; say which architecture they are for \
         (`keras/NAME@file:PATH`, `regraft zoo list --framework keras` has the names), or save the \
         whole model with `model.save`"
    )]
    WeightsOnly,
    /// The description of the network is no JSON.
    #[error("`{member}` is not JSON ({problem}); the file is damaged, save the model again")]
    Json {
        /// Where it is in the file.
        member: String,
        /// What the reader said.
        problem: String,
    },
    /// The description of the network is far larger than the weights it is for.
    #[error("`{member}` has {values} values, at most {limit} go with a file of this size")]
    LongConfig {
        /// Where it is in the file.
        member: String,
        /// Values counted.
        values: usize,
        /// Values allowed.
        limit: usize,
    },
    /// A field that is missing or not as Keras writes it.
    #[error("layer `{layer}`, field `{field}`: {wanted} wanted, got {got}")]
    Field {
        /// The layer, or the model.
        layer: String,
        /// The field.
        field: String,
        /// What was wanted.
        wanted: &'static str,
        /// What was there, shortened.
        got: String,
    },
    /// Layers that are not known here; all of them.
    #[error(
        "{} of layers that are not read: {}; a custom layer or one of another kind has to be replaced, \
         or the model exported to ONNX",
        kinds(layers),
        pairs(layers)
    )]
    UnknownLayers {
        /// Name and class of each.
        layers: Vec<(String, String)>,
    },
    /// Layers that are Python code; all of them.
    #[error(
        "layers that are Python code, and code in a file is never run: {}; write them as layers, or \
         export the model to ONNX",
        list(layers)
    )]
    Code {
        /// Their names.
        layers: Vec<String>,
    },
    /// A use of a layer that cannot be expressed.
    #[error("layer `{layer}` ({class}): {what} is not read")]
    Unsupported {
        /// The layer.
        layer: String,
        /// Its class in Keras.
        class: String,
        /// What it does.
        what: String,
    },
    /// A layer whose weights are not in the file.
    #[error(
        "layer `{layer}` wants the weights {}, the file has {}; does the file belong to this model?",
        list(wanted),
        list(got)
    )]
    Weights {
        /// The layer.
        layer: String,
        /// Weights wanted.
        wanted: Vec<String>,
        /// Weights of this layer in the file.
        got: Vec<String>,
    },
    /// Layers whose inputs are never made.
    #[error(
        "the inputs of {} are never made: a layer is missing, or they wait for each other",
        list(layers)
    )]
    Circle {
        /// The layers, at most twenty.
        layers: Vec<String>,
    },
    /// Constants or repeated weights far beyond the file's size.
    #[error("layer `{layer}`: more values than go with a file of this size; is it damaged?")]
    TooManyValues {
        /// The layer.
        layer: String,
    },
    /// More than goes with the file.
    #[error("more than {limit} layers, which do not go with a file of this size; is it damaged?")]
    TooManyLayers {
        /// Layers allowed.
        limit: usize,
    },
}

fn kinds(layers: &[(String, String)]) -> String {
    let mut kinds: Vec<&str> = layers.iter().map(|(_, class)| class.as_str()).collect();
    kinds.sort_unstable();
    kinds.dedup();
    match kinds.len() {
        1 => "1 kind".to_owned(),
        n => format!("{n} kinds"),
    }
}

/// Most layers named in one message.
const SHOWN: usize = 40;

fn pairs(layers: &[(String, String)]) -> String {
    let all = layers.iter().take(SHOWN).map(|(name, class)| format!("`{name}` ({class})"));
    rest(all.collect(), layers.len())
}

fn list(names: &[String]) -> String {
    if names.is_empty() {
        return "none".to_owned();
    }
    rest(names.iter().take(SHOWN).map(|n| format!("`{n}`")).collect(), names.len())
}

fn rest(mut shown: Vec<String>, all: usize) -> String {
    if all > SHOWN {
        shown.push(format!("{} more", all - SHOWN));
    }
    shown.join(", ")
}
