//! What a run keeps of its network: the frozen trunk and the fitted head, as one grafted network.

use std::collections::BTreeMap;
use std::path::PathBuf;

use regraft_formats::safetensors;
use regraft_net::{Card, Network, Params, notation};
use regraft_probe::LinearHead;
use regraft_run::{Plan, Provenance, RunFile, RunFolder};
use regraft_tensor::Tensor;

use crate::Error;
use crate::plan::preprocess_of;

/// Name of the layer that a linear head becomes.
pub(crate) const HEAD: &str = "head";

/// Whether a layer belongs to the head: the last one, or a hidden one below it (`head_1`, …).
pub(crate) fn is_head(layer: &str) -> bool {
    let number = |rest: &str| rest.strip_prefix('_').is_some_and(|n| n.parse::<usize>().is_ok());
    layer.strip_prefix(HEAD).is_some_and(|rest| rest.is_empty() || number(rest))
}

/// The trunk with the head on top: a linear layer called `head` whose outputs are the logits,
/// divided by the temperature.
///
/// # Errors
/// When the trunk already has a layer of that name.
pub(crate) fn grafted(
    trunk: &Network,
    head: &LinearHead,
    labels: &[String],
) -> Result<Network, Error> {
    let output = trunk.graph().layer(trunk.graph().output()?);
    let text = format!(
        "{input} = input {len}\n{HEAD} = linear {input} out={classes}\n-> {HEAD}\n",
        input = output.name,
        len = head.features,
        classes = head.classes,
    );
    let card =
        Card { labels: labels.to_vec(), logits: Some(HEAD.to_owned()), ..Card::blank("head") };
    let crown = Network::new(notation::parse(&text)?, &head_params(head)?, card)?;
    Ok(trunk.graft(&crown)?)
}

/// The head's parameters with the temperature divided in: logits are calibrated as they come out.
fn head_params(head: &LinearHead) -> Result<Params, Error> {
    let divided = |values: &[f32]| values.iter().map(|v| v / head.temperature).collect::<Vec<_>>();
    let mut params = Params::new();
    let weight = Tensor::new([head.classes, head.features], divided(&head.weight))?;
    params.insert(format!("{HEAD}.weight"), weight);
    params.insert(format!("{HEAD}.bias"), Tensor::new([head.classes], divided(&head.bias))?);
    Ok(params)
}

/// Writes `network.txt`, `trunk.safetensors` and `head.safetensors`.
pub(crate) fn save(folder: &RunFolder, network: &Network) -> Result<(), Error> {
    let text = notation::print(network.graph());
    folder.write(RunFile::Network, text.as_bytes())?;
    let mut trunk = BTreeMap::new();
    let mut head = BTreeMap::new();
    for (name, value) in network.params().iter() {
        let layer = name.rsplit_once('.').map_or(name, |(layer, _)| layer);
        let part = if is_head(layer) { &mut head } else { &mut trunk };
        part.insert(name.to_owned(), Tensor::clone(value));
    }
    let metadata = BTreeMap::from([
        ("regraft.format".to_owned(), regraft_run::FORMAT.to_string()),
        ("regraft.notation".to_owned(), text),
    ]);
    safetensors::write(&folder.file(RunFile::Trunk), &trunk, &metadata)?;
    safetensors::write(&folder.file(RunFile::Head), &head, &metadata)?;
    Ok(())
}

/// The grafted network of a finished run, with its card.
pub(crate) fn open(folder: &RunFolder, plan: &Plan) -> Result<Network, Error> {
    let path = folder.file(RunFile::Network);
    let text = std::fs::read_to_string(&path).map_err(|source| Error::File {
        what: "read",
        path,
        source,
    })?;
    let graph = notation::parse(&text)?;
    let mut params = Params::new();
    for path in [folder.file(RunFile::Trunk), folder.file(RunFile::Head)] {
        for (name, value) in regraft_formats::open(&path)?.tensors {
            params.insert(name, value);
        }
    }
    let Provenance { framework, dataset, licence, origin } = plan.network.provenance.clone();
    let card = Card {
        framework,
        dataset,
        licence,
        origin,
        preprocess: preprocess_of(plan, &folder.file(RunFile::Plan))?,
        labels: plan.data.classes.clone(),
        cut: Some(plan.network.cut.clone()),
        logits: Some(HEAD.to_owned()),
        ..Card::blank(&plan.network.name)
    };
    let network = Network::new(graph, &params, card)?;
    let head: PathBuf = folder.file(RunFile::Head);
    if network.facts()?.output().shape.dims() != [plan.data.classes.len()] {
        return Err(Error::Head { path: head, wanted: "one output for each class of plan.toml" });
    }
    Ok(network)
}

/// `exp(x) / Σ exp(x)` in place.
pub(crate) fn softmax(logits: &mut [f32]) {
    let top = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut sum = 0.0;
    for x in logits.iter_mut() {
        *x = (*x - top).exp();
        sum += *x;
    }
    for x in logits {
        *x /= sum;
    }
}
