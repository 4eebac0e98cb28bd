//! What a run's report shows of its network.

use std::collections::BTreeMap;
use std::path::Path;

use regraft_data::{Dataset, Scratch, decode_file, preprocess, to_png};
use regraft_look::{Cam, ClassMaps, Target, Upsample, upsample};
use regraft_net::Network;
use regraft_report::LookRow;
use regraft_run::{Plan, Predictions};
use regraft_tensor::Tensor;

use super::draw::{overlay, restored};
use super::explain::highest_map;
use super::graph;
use super::selective::selective;
use crate::{Error, LoadOptions, Observer};

/// Mistakes that are looked into.
const MISTAKES: usize = 4;

/// The graph, maps over the worst mistakes, and what units prefer.
#[derive(Default)]
pub(crate) struct OfRun {
    pub(crate) graph: String,
    pub(crate) mistakes: Vec<LookRow>,
    pub(crate) units: Vec<LookRow>,
    pub(crate) layer: String,
    /// PNG files by the names in the rows.
    pub(crate) pictures: BTreeMap<String, Vec<u8>>,
    /// What is not there, and why: a report is written all the same.
    pub(crate) notes: Vec<String>,
}

/// Looks into the network of a run. `blocks` are where those of the network it began with end; mistakes and units are
/// looked at where each picture is of one class.
pub(crate) fn of_run(
    network: &Network,
    plan: &Plan,
    blocks: &[String],
    classes: Option<(&Predictions, &Dataset)>,
    with: (&LoadOptions, &dyn Observer),
) -> OfRun {
    let mut seen = OfRun::default();
    match graph::of_run(network, plan, blocks) {
        Ok(graph) => seen.graph = graph,
        Err(error) => seen.notes.push(format!("no graph: {error}")),
    }
    let Some((predictions, dataset)) = classes else { return seen };
    match highest_map(network) {
        Ok(layer) => seen.layer = layer,
        Err(error) => {
            seen.notes.push(format!("no maps: {error}"));
            return seen;
        }
    }
    if let Err(error) = mistakes(network, predictions, dataset, &mut seen) {
        seen.notes.push(format!("no maps over mistakes: {error}"));
    }
    let (layer, pictures) = (&seen.layer, &mut seen.pictures);
    match selective(network, layer, dataset, with, &mut |name, png| {
        pictures.insert(name, png);
    }) {
        Ok(units) => seen.units = units,
        Err(error) => seen.notes.push(format!("no units: {error}")),
    }
    seen
}

/// Maps over the test images that the network was surest of, and wrong.
fn mistakes(
    network: &Network,
    predictions: &Predictions,
    dataset: &Dataset,
    seen: &mut OfRun,
) -> Result<(), Error> {
    let wrong = predictions.mistakes();
    if wrong.is_empty() {
        return Ok(());
    }
    let card = network.card();
    let logits = card.logits.clone().ok_or_else(|| Error::NoLogits { name: card.name.clone() })?;
    let network = network.cut(&logits)?;
    let files: BTreeMap<&str, &Path> =
        dataset.examples.iter().map(|e| (e.name.as_str(), e.path.as_path())).collect();
    let mut maps = ClassMaps::new(&network, &seen.layer)?;
    let p = network.card().preprocess;
    for row in wrong.into_iter().take(MISTAKES) {
        let Some(path) = files.get(row.file.as_str()) else { continue };
        let mut input = vec![0.0; 3 * p.crop[0] * p.crop[1]];
        preprocess(&decode_file(path)?, &p, &mut Scratch::default(), &mut input)?;
        let picture = restored(&input, &p);
        let input = Tensor::new([1, 3, p.crop[0], p.crop[1]], input)?;
        let both = [row.predicted, row.truth];
        let found = maps.of(&input, &both.map(Target::Class), Cam::Grad)?;
        let class = |i: usize| predictions.classes.get(i).map_or("", String::as_str);
        let mut shown = LookRow {
            title: row.file.clone(),
            said: format!("is `{}`, taken for `{}`", class(row.truth), class(row.predicted)),
            ..LookRow::default()
        };
        for (map, place) in found.iter().zip(both) {
            let map = upsample(map, p.crop, Upsample::Bilinear)?;
            let name = format!("{} {place}", row.file);
            seen.pictures.insert(name.clone(), to_png(&overlay(&picture, map.data(), false))?);
            shown.pictures.push((name, format!("for `{}`", class(place))));
        }
        seen.mistakes.push(shown);
    }
    Ok(())
}
