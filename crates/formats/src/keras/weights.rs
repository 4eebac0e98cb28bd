//! Weights by layer, out of both layouts that Keras has used.
//!
//! The older one (`.h5`): a group for each layer, listed in `layer_names`; in it the data sets that
//! `weight_names` lists, by paths such as `conv1/conv1/kernel:0`. The newer one (`.weights.h5`):
//! `layers/CLASS_N/vars/0`, where `N` counts the layers of a class and the attribute `name` of `vars`
//! says what the layer is called.

use std::collections::{BTreeMap, BTreeSet};

use regraft_tensor::Tensor;

use super::KerasFault;
use super::hdf5::{File, Hdf5Fault, Object};
use crate::{Format, FormatError};

/// Deepest nesting of models in models.
const MAX_DEPTH: usize = 24;
/// Names under which the newer layout keeps the layers; the second is of Keras 2.12 to 2.15.
const LAYERS: [&str; 2] = ["layers", "_layer_checkpoint_dependencies"];

/// The weights of one layer.
#[derive(Debug, Clone)]
pub(crate) struct Held {
    /// Names of the models around it and its own, outermost first.
    pub(crate) path: Vec<String>,
    /// Where the newer layout has it, `layers/conv2d_1`; empty in the older.
    pub(crate) group: String,
    /// The weights in the file's order, by the last part of their names (`kernel`).
    pub(crate) parts: Vec<(String, Tensor)>,
}

/// All weights of a file, in its order.
#[derive(Debug)]
pub(crate) struct Store {
    pub(crate) layers: Vec<Held>,
    pub(crate) format: Format,
    /// What was left aside.
    pub(crate) skipped: Vec<String>,
}

/// Reads all weights of an HDF5 file.
pub(crate) fn read(file: &File<'_>) -> Result<Store, FormatError> {
    let root = file.root()?;
    if names(&root, "layer_names")?.is_some() {
        return older(&root);
    }
    if let Some(weights) = root.find("model_weights")? {
        let mut store = older(&weights)?;
        if root.find("optimizer_weights")?.is_some() {
            store.skipped.push("optimizer_weights".to_owned());
        }
        return Ok(store);
    }
    newer(&root)
}

/// The strings of an attribute that may be split into `name0`, `name1`, and so on, because an object's
/// header has room for 64 kB only.
pub(crate) fn names(object: &Object<'_, '_>, name: &str) -> Result<Option<Vec<String>>, Hdf5Fault> {
    if let Some(all) = object.strings(name)? {
        return Ok(Some(all));
    }
    let mut all = None;
    for n in 0.. {
        let Some(part) = object.strings(&format!("{name}{n}"))? else { break };
        all.get_or_insert_with(Vec::new).extend(part);
    }
    Ok(all)
}

fn older(group: &Object<'_, '_>) -> Result<Store, FormatError> {
    let layers = names(group, "layer_names")?.unwrap_or_default();
    let mut store = Store { layers: Vec::new(), format: Format::KerasH5, skipped: Vec::new() };
    let members = group.members()?;
    let by_name: BTreeMap<&str, _> = members.iter().map(|m| (m.name(), m)).collect();
    let mut seen = BTreeSet::new();
    for layer in layers {
        // A name that is listed twice holds the same values twice.
        if !seen.insert(layer.clone()) {
            continue;
        }
        let object = match by_name.get(layer.as_str()) {
            Some(member) => group.open(member)?,
            None => group.at(&layer)?,
        };
        older_layer(&object, &layer, &mut store)?;
    }
    if let Some(top) = by_name.get("top_level_model_weights") {
        older_layer(&group.open(top)?, "top_level_model_weights", &mut store)?;
    }
    Ok(store)
}

fn older_layer(object: &Object<'_, '_>, layer: &str, store: &mut Store) -> Result<(), FormatError> {
    let weights = names(object, "weight_names")?.unwrap_or_default();
    // What surrounds the last part of each name, without the models around.
    let owner = |name: &str| {
        let mut parts = name.rsplit('/').skip(1);
        parts.next().unwrap_or(layer).to_owned()
    };
    let owners: BTreeSet<String> = weights.iter().map(|n| owner(n)).collect();
    // TensorFlow 1 called the weights of `conv` also `conv_1/kernel:0`.
    let same = |o: &String| o.starts_with(layer) && numbered(o).0 == layer;
    let single = owners.len() == 1 && owners.iter().all(same);
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    for name in weights {
        let tensor = object.at(&name)?.tensor()?;
        let owner = owner(&name);
        let leaf = name.rsplit('/').next().unwrap_or(&name);
        let leaf = leaf.strip_suffix(":0").unwrap_or(leaf).to_owned();
        let place = *places.entry(owner.clone()).or_insert_with(|| {
            let mut path = vec![layer.to_owned()];
            if !single && owner != layer {
                path.push(owner);
            }
            store.layers.push(Held { path, group: String::new(), parts: Vec::new() });
            store.layers.len() - 1
        });
        if let Some(held) = store.layers.get_mut(place) {
            held.parts.push((leaf, tensor));
        }
    }
    for place in places.into_values() {
        let Some(held) = store.layers.get_mut(place) else { continue };
        // A depthwise layer's own kernel is `kernel` in Keras 3; separable layers have two.
        let separable = held.parts.iter().any(|(leaf, _)| leaf == "pointwise_kernel");
        for (leaf, _) in &mut held.parts {
            if !separable && leaf == "depthwise_kernel" {
                "kernel".clone_into(leaf);
            }
        }
    }
    Ok(())
}

fn newer(root: &Object<'_, '_>) -> Result<Store, FormatError> {
    let mut store = Store { layers: Vec::new(), format: Format::KerasWeights, skipped: Vec::new() };
    let mut found = Vec::new();
    let mut keras = false;
    for member in root.members()? {
        match member.name() {
            "optimizer" => store.skipped.push("optimizer".to_owned()),
            name if LAYERS.contains(&name) => {
                keras = true;
                layers(&root.open(&member)?, &[], name, MAX_DEPTH, &mut store)?;
            }
            name => found.push(name.to_owned()),
        }
    }
    if !keras {
        found.truncate(20);
        return Err(KerasFault::NotKeras { found }.into());
    }
    Ok(store)
}

/// The layers of a model.
fn layers(
    group: &Object<'_, '_>,
    path: &[String],
    at: &str,
    depth: usize,
    store: &mut Store,
) -> Result<(), FormatError> {
    let depth = depth.checked_sub(1).ok_or(Hdf5Fault::Circles)?;
    let mut members = group.members()?;
    // By class and number: the order in which the model lists the layers of a class.
    members.sort_by_cached_key(|m| numbered(m.name()));
    for member in members {
        let at = format!("{at}/{}", member.name());
        layer(&group.open(&member)?, path, member.name(), &at, depth, store)?;
    }
    Ok(())
}

fn layer(
    object: &Object<'_, '_>,
    path: &[String],
    name: &str,
    at: &str,
    depth: usize,
    store: &mut Store,
) -> Result<(), FormatError> {
    let depth = depth.checked_sub(1).ok_or(Hdf5Fault::Circles)?;
    if object.is_data() {
        return Ok(());
    }
    let members = object.members()?;
    let mut own = name.to_owned();
    let mut parts = Vec::new();
    for member in &members {
        if member.name() == "vars" {
            let vars = object.open(member)?;
            if let Some(said) = vars.string("name")? {
                own = said;
            }
            parts = variables(&vars, name)?;
        }
    }
    let mut inner = path.to_vec();
    inner.push(own);
    if !parts.is_empty() {
        store.layers.push(Held { path: inner.clone(), group: at.to_owned(), parts });
    }
    for member in &members {
        match member.name() {
            // What random layers keep is not needed to run a network.
            "vars" | "seed_generator" => {}
            name if LAYERS.contains(&name) => {
                layers(&object.open(member)?, &inner, &format!("{at}/{name}"), depth, store)?;
            }
            name => {
                let at = format!("{at}/{name}");
                layer(&object.open(member)?, &inner, name, &at, depth, store)?;
            }
        }
    }
    Ok(())
}

fn variables(vars: &Object<'_, '_>, name: &str) -> Result<Vec<(String, Tensor)>, FormatError> {
    let mut members = vars.members()?;
    members.sort_by_cached_key(|m| numbered(m.name()));
    let mut tensors = Vec::new();
    for member in &members {
        let object = vars.open(member)?;
        if object.is_data() {
            tensors.push(object.tensor()?);
        }
    }
    let words = words(&numbered(name).0, tensors.len());
    let word = |n: usize| words.get(n).map_or_else(|| format!("var{n}"), |w| (*w).to_owned());
    Ok(tensors.into_iter().enumerate().map(|(n, t)| (word(n), t)).collect())
}

/// What Keras calls the weights of a class of layers, in their order; the newer layout only counts.
fn words(class: &str, count: usize) -> &'static [&'static str] {
    match (class, count) {
        ("batch_normalization", 4) => &["gamma", "beta", "moving_mean", "moving_variance"],
        // Without a scale: Keras's own networks do that, none is without a centre.
        ("batch_normalization", 3) => &["beta", "moving_mean", "moving_variance"],
        ("batch_normalization", _) => &["moving_mean", "moving_variance"],
        ("layer_normalization", _) => &["gamma", "beta"],
        ("separable_conv2d", _) => &["depthwise_kernel", "pointwise_kernel", "bias"],
        ("normalization", _) => &["mean", "variance", "count"],
        ("layer_scale", _) => &["gamma"],
        ("p_re_lu", _) => &["alpha"],
        _ => &["kernel", "bias"],
    }
}

/// `conv2d_12` as its class and number; a number alone too.
pub(crate) fn numbered(name: &str) -> (String, u64) {
    if let Ok(n) = name.parse() {
        return (String::new(), n);
    }
    match name.rsplit_once('_') {
        Some((class, n)) if n.bytes().all(|b| b.is_ascii_digit()) && !n.is_empty() => {
            (class.to_owned(), n.parse().unwrap_or(u64::MAX))
        }
        Some(_) | None => (name.to_owned(), 0),
    }
}

impl Store {
    /// Tensors by name, `LAYER/kernel`, with the models around where a name would be taken twice.
    pub(crate) fn into_tensors(self) -> BTreeMap<String, Tensor> {
        let mut tensors = BTreeMap::new();
        for held in self.layers {
            for (leaf, tensor) in held.parts {
                let layer = held.path.last().map(String::as_str).unwrap_or_default();
                let mut name = format!("{layer}/{leaf}");
                if tensors.contains_key(&name) {
                    name = format!("{}/{leaf}", held.path.join("/"));
                }
                for n in 1.. {
                    if !tensors.contains_key(&name) {
                        break;
                    }
                    name = format!("{}/{leaf}_{n}", held.path.join("/"));
                }
                tensors.insert(name, tensor);
            }
        }
        tensors
    }
}
