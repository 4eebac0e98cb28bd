//! The layers of a network as the file has them, both generations alike.

use std::borrow::Cow;

use super::fault::CaffeFault;
use super::message::{At, Msg};
use super::schema::modern;
use crate::FormatError;

/// Layers read; the largest networks have a few thousand.
const MAX_LAYERS: usize = 10_000;

/// A layer as the file has it.
#[derive(Debug, Clone)]
pub(super) struct Def<'a> {
    /// Its name.
    pub(super) name: Cow<'a, str>,
    /// Its type, as the second generation calls it.
    pub(super) kind: Cow<'a, str>,
    /// The blobs it reads.
    pub(super) bottoms: Vec<Cow<'a, str>>,
    /// The blobs it gives.
    pub(super) tops: Vec<Cow<'a, str>>,
    /// All its fields.
    pub(super) body: Msg<'a>,
    /// Where it begins.
    pub(super) at: At<'a>,
}

impl<'a> Def<'a> {
    /// The fields of a setting, for instance `convolution_param`.
    pub(super) fn param(&self, key: &str) -> Result<Msg<'a>, FormatError> {
        self.body.message(key)
    }

    /// What a layer does in this network.
    pub(super) fn part(&self) -> Part {
        match &*self.kind {
            "Data" | "ImageData" | "HDF5Data" | "WindowData" | "MemoryData" | "DummyData"
            | "AnnotatedData" | "Input" => Part::Source,
            "Python" if self.bottoms.is_empty() => Part::Source,
            "Accuracy" | "Silence" | "HDF5Output" => Part::Judge,
            kind if kind.ends_with("Loss") || kind.ends_with("_LOSS") => Part::Judge,
            _ => Part::Layer,
        }
    }
}

/// What a layer does in a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// Gives pictures and labels.
    Source,
    /// Losses and the like: nothing comes after them.
    Judge,
    /// Computes.
    Layer,
}

/// An input with its extents.
type Input<'a> = (Cow<'a, str>, Vec<i64>);

/// A network as the file has it.
#[derive(Debug)]
pub(super) struct Net<'a> {
    /// Its name, empty when it has none.
    pub(super) name: String,
    /// `input` with its shape, the batch first; empty when none is given.
    pub(super) inputs: Vec<Input<'a>>,
    /// The layers of the phase TEST.
    pub(super) layers: Vec<Def<'a>>,
    /// Sources of the phase TRAIN, for the size of the picture when TEST has none.
    pub(super) train_sources: Vec<Def<'a>>,
    /// How many other layers are for training only.
    pub(super) train_only: usize,
}

/// Reads the layers. A caffemodel holds those of the network that was trained, so that `all` of them
/// are there; of a prototxt those of the phase TEST count.
pub(super) fn read<'a>(root: &Msg<'a>, all: bool) -> Result<Net<'a>, FormatError> {
    let mut net = Net {
        name: root.text("name")?.unwrap_or_default().into_owned(),
        inputs: inputs(root)?,
        layers: Vec::new(),
        train_sources: Vec::new(),
        train_only: 0,
    };
    let mut count = 0;
    for key in ["layers", "layer"] {
        root.each_message(key, &mut |body, at| {
            count += 1;
            if count > MAX_LAYERS {
                return Err(CaffeFault::TooManyLayers { limit: MAX_LAYERS }.into());
            }
            if key == "layers" && body.has("layer")? {
                return Err(CaffeFault::Generation0 { at: at.spot() }.into());
            }
            let kept = all || included(&body)?;
            let def = def(body, at)?;
            match (kept, def.part()) {
                (true, _) => net.layers.push(def),
                (false, Part::Source) => net.train_sources.push(def),
                (false, Part::Judge | Part::Layer) => net.train_only += 1,
            }
            Ok(())
        })?;
    }
    if net.layers.is_empty() {
        return Err(CaffeFault::NoLayers.into());
    }
    Ok(net)
}

fn def<'a>(body: Msg<'a>, at: At<'a>) -> Result<Def<'a>, FormatError> {
    let kind = body.text("type")?.unwrap_or_default();
    let kind = match kind {
        Cow::Borrowed(word) => Cow::Borrowed(modern(word)),
        Cow::Owned(word) => Cow::Owned(modern(&word).to_owned()),
    };
    Ok(Def {
        name: body.text("name")?.unwrap_or_default(),
        kind,
        bottoms: body.texts("bottom")?,
        tops: body.texts("top")?,
        body,
        at,
    })
}

/// `input` with `input_shape`, or with four `input_dim` each.
fn inputs<'a>(root: &Msg<'a>) -> Result<Vec<Input<'a>>, FormatError> {
    let names = root.texts("input")?;
    let dims = root.ints("input_dim")?;
    let shapes = root.messages("input_shape")?;
    let mut inputs = Vec::with_capacity(names.len());
    for (i, name) in names.into_iter().enumerate() {
        let shape = match shapes.get(i) {
            Some(shape) => shape.ints("dim")?,
            None => dims.chunks(4).nth(i).unwrap_or_default().to_vec(),
        };
        inputs.push((name, shape));
    }
    Ok(inputs)
}

/// Whether a layer is there in the phase TEST, level 0, without stages: any `include` rule must be
/// met where there are some, and no `exclude` rule.
fn included(body: &Msg<'_>) -> Result<bool, FormatError> {
    let met = |key| -> Result<Vec<bool>, FormatError> {
        body.messages(key)?.iter().map(is_met).collect()
    };
    let (include, exclude) = (met("include")?, met("exclude")?);
    Ok((include.is_empty() || include.contains(&true)) && !exclude.contains(&true))
}

fn is_met(rule: &Msg<'_>) -> Result<bool, FormatError> {
    let phase = rule.text("phase")?;
    let phase = phase.is_none_or(|p| matches!(&*p, "TEST" | "1"));
    let level =
        rule.int("min_level")?.unwrap_or(0) <= 0 && rule.int("max_level")?.unwrap_or(0) >= 0;
    Ok(phase && level && !rule.has("stage")?)
}
