//! Keras: whole models (`.keras`, `.h5`) as networks, and weights (`.weights.h5`, `.h5`) as tensors.
//!
//! Weights come out as the file has them, under `LAYER/kernel`; kernels are `[kh, kw, in, out]` and
//! matrices `[in, out]`. A whole model is turned into a graph whose layers have Keras's names; its
//! weights are then in our order. A `SeparableConv2D` becomes two layers, `NAME.depthwise` and
//! `NAME.pointwise`; an activation inside a layer becomes a layer behind it, `NAME_relu`.
//!
//! Code in a file (`Lambda`) is never run.

mod acts;
mod build;
mod card;
mod config;
mod convs;
mod fault;
pub(crate) mod hdf5;
mod layers;
mod norms;
mod run;
mod shapes;
mod weights;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;

use regraft_net::Network;

use crate::torch::Archive;
use crate::{Format, FormatError, Model, Weights};
use build::Build;
pub use fault::KerasFault;
use hdf5::File;
pub use hdf5::Hdf5Fault;
use run::Run;

/// The member of an archive that has the weights.
pub(crate) const WEIGHTS_MEMBER: &str = "model.weights.h5";
const CONFIG_MEMBER: &str = "config.json";
const METADATA_MEMBER: &str = "metadata.json";

/// Reads a whole model, a `.keras` archive or a `.h5` of `model.save`.
///
/// # Errors
/// [`FormatError::InFile`] with the path and the reason: the file cannot be read, is damaged, has layers
/// that are not known (all of them are named), or weights only.
pub fn open(path: &Path) -> Result<Model, FormatError> {
    crate::read_file(path).and_then(|bytes| model(&bytes)).map_err(|fault| fault.in_file(path))
}

/// [`open`] for a file that is already in memory.
///
/// # Errors
/// As [`open`], without the path.
pub fn model(bytes: &[u8]) -> Result<Model, FormatError> {
    if bytes.starts_with(hdf5::MAGIC) {
        let file = File::open(bytes)?;
        let root = file.root()?;
        let Some(text) = root.string("model_config")? else {
            // Whatever else is wrong with the file is said first.
            weights::read(&file)?;
            return Err(KerasFault::WeightsOnly.into());
        };
        let mut version = root.string("keras_version")?;
        if version.is_none()
            && let Some(weights) = root.find("model_weights")?
        {
            version = weights.string("keras_version")?;
        }
        return whole(&file, bytes.len(), text.as_bytes(), "model_config", version.as_deref());
    }
    let mut archive = Archive::within(bytes, bytes.len() as u64 * 2)?;
    let config = archive.member(CONFIG_MEMBER)?;
    let version = version(&mut archive, bytes.len())?;
    let weights = archive.member(WEIGHTS_MEMBER)?;
    let file = File::open(&weights)?;
    whole(&file, bytes.len(), &config, CONFIG_MEMBER, version.as_deref())
}

fn version(archive: &mut Archive<'_>, len: usize) -> Result<Option<String>, FormatError> {
    if !archive.has(METADATA_MEMBER) {
        return Ok(None);
    }
    let metadata = config::json(&archive.member(METADATA_MEMBER)?, METADATA_MEMBER, len)?;
    Ok(metadata.get("keras_version").and_then(|v| v.as_str()).map(str::to_owned))
}

fn whole(
    file: &File<'_>,
    len: usize,
    text: &[u8],
    member: &str,
    version: Option<&str>,
) -> Result<Model, FormatError> {
    let description = config::json(text, member, len)?;
    let model = config::model(config::object(&description, "model")?)?;
    run::known(&model)?;
    let store = weights::read(file)?;
    let skipped = store.skipped.clone();
    let second = version.is_some_and(|v| v.starts_with("2.") || v.starts_with("1."));
    let application = card::application(&model);
    let usual = application.map_or(224, |a| a.size);
    let mut run = Run::new(Build::new(store, len, second, usual));
    run.whole(&model)?;
    let unused = run.b.unused();
    let Build { graph, params, mut notes, .. } = run.b;
    if !skipped.is_empty() {
        notes.push(format!("left aside: {}", skipped.join(", ")));
    }
    let card = card::card(model.name, &graph, application, &mut notes)?;
    let network = Network::new(graph, &params, card)?;
    Ok(Model { network, unused, notes })
}

/// Reads weights out of HDF5, whole model or not.
pub(crate) fn weights_of_hdf5(bytes: &[u8]) -> Result<Weights, FormatError> {
    let store = weights::read(&File::open(bytes)?)?;
    Ok(named(store))
}

/// Reads the weights of a `.keras` archive.
pub(crate) fn weights_of_archive(bytes: &[u8]) -> Result<Weights, FormatError> {
    let mut archive = Archive::within(bytes, bytes.len() as u64 * 2)?;
    let member: Cow<'_, [u8]> = archive.member(WEIGHTS_MEMBER)?;
    let mut store = weights::read(&File::open(&member)?)?;
    store.format = Format::KerasArchive;
    Ok(named(store))
}

fn named(store: weights::Store) -> Weights {
    let (format, skipped) = (store.format, store.skipped.clone());
    Weights { tensors: store.into_tensors(), metadata: BTreeMap::new(), format, skipped }
}
