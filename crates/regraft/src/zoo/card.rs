//! All that is known of one network.

use regraft_net::card::{Channels, Preprocess, Resize};
use regraft_net::facts::{Facts, facts};
use regraft_net::{Card, Graph};
use regraft_zoo::{
    ArchInfo, Entry, FamilyCard, LicenceClass, NetworkSpec, catalogue, family, labels, pitfall,
};
use serde::Serialize;

use super::overlap::Overlap;
use super::{ZooRow, place, row};
use crate::{Error, LoadOptions};

/// A layer and what it gives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BlockRow {
    /// The layer.
    pub layer: String,
    /// Its output without the batch: `[C, H, W]` or `[C]`.
    pub shape: Vec<usize>,
}

/// Something that goes wrong easily.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PitfallRow {
    /// A short name.
    pub name: String,
    /// What happens and what to do.
    pub text: String,
    /// Who found it.
    pub source: String,
}

/// A model card. Of an architecture without weights, what its framework usually does.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ZooCard {
    /// What tables show.
    #[serde(flatten)]
    pub row: ZooRow,
    /// Whether it is an architecture without weights.
    pub without_weights: bool,
    /// How it was trained, as its publisher calls that.
    pub recipe: Option<String>,
    /// How widely its kind has been used and reviewed.
    pub used: String,
    /// Who said so.
    pub used_source: String,
    /// What its licence permits.
    pub licence_meaning: &'static str,
    /// What else is to be known of the licence.
    pub licence_note: Option<String>,
    /// How a picture becomes its input, step by step.
    pub preprocessing: Vec<String>,
    /// Where a part of the network ends, lowest first.
    pub blocks: Vec<BlockRow>,
    /// Where it is cut by default.
    pub cut: Option<BlockRow>,
    /// The layer with the scores.
    pub logits: Option<String>,
    /// Classes it was trained on, by number.
    pub classes: usize,
    /// What goes wrong easily.
    pub pitfalls: Vec<PitfallRow>,
    /// What else is to be known.
    pub notes: Vec<String>,
    /// Where the file with the graph is.
    pub graph_url: Option<String>,
    /// The weights file, when it is on this machine.
    pub path: Option<String>,
    /// Networks of the catalogue with this architecture.
    pub same_architecture: Vec<String>,
    /// What the classes asked about have in common with its own.
    pub overlap: Option<Overlap>,
}

/// What is known of a network: a name of the catalogue, of the user's own, or an architecture. With
/// `classes`, also which of them it was trained on.
///
/// # Errors
/// When there is none of that name (the nearest are given), or nothing is known of its classes.
pub fn zoo_card(
    name: &str,
    classes: Option<&[String]>,
    options: &LoadOptions,
) -> Result<ZooCard, Error> {
    let spec = NetworkSpec::parse(name)?;
    let cache = options.cache()?;
    if let NetworkSpec::Catalogue(entry) = &spec {
        let graph = entry.architecture().map(|_| entry.graph()).transpose()?;
        let mut card = fill(&entry.card(), graph.as_ref(), row(entry, &cache), &entry.pitfalls)?;
        card.path = place(entry, &cache);
        of_entry(&mut card, entry);
        if let Some(classes) = classes {
            card.overlap = Some(overlap(entry, classes)?);
        }
        return Ok(card);
    }
    let Some(info) = spec.architecture() else {
        return Err(regraft_zoo::ZooError::GraphInFile { name: name.to_owned() }.into());
    };
    if classes.is_some() {
        return Err(Error::Options {
            what: "--classes",
            why: "an architecture has no classes of its own; name an entry with weights",
        });
    }
    let graph = info.graph()?;
    let row = of_architecture(info);
    let same = catalogue().iter().filter(|e| e.architecture().map(|a| a.name) == Some(info.name));
    let same = same.map(|e| e.name.clone()).collect();
    let card = fill(&info.card(info.name, ""), Some(&graph), row, &[])?;
    Ok(ZooCard { without_weights: true, classes: 0, same_architecture: same, ..card })
}

fn of_entry(card: &mut ZooCard, entry: &Entry) {
    card.recipe.clone_from(&entry.recipe);
    card.licence_note.clone_from(&entry.licence_note);
    card.notes.clone_from(&entry.notes);
    card.graph_url.clone_from(&entry.graph_url);
    let same = |e: &Entry| {
        e.name != entry.name && e.architecture().map(|a| a.name) == card.row.architecture
    };
    if card.row.architecture.is_some() {
        card.same_architecture =
            catalogue().iter().filter(|e| same(e)).map(|e| e.name.clone()).collect();
    }
}

/// Which classes the task of a network of the catalogue has too.
///
/// # Errors
/// When the names of its classes are not known.
pub(crate) fn overlap(entry: &Entry, classes: &[String]) -> Result<Overlap, Error> {
    let list = entry.labels.as_deref().map(labels).transpose()?;
    let own = || {
        let label = |name: &String| regraft_zoo::Label {
            synset: String::new(),
            name: name.clone(),
            others: Vec::new(),
        };
        entry.classes.iter().map(label).collect::<Vec<_>>()
    };
    let known = list.unwrap_or_else(own);
    if known.is_empty() {
        return Err(Error::Options {
            what: "--classes",
            why: "the names of this network's own classes are not known here",
        });
    }
    Ok(Overlap::of(classes, &known))
}

fn of_architecture(info: &ArchInfo) -> ZooRow {
    let unknown = || "unknown".to_owned();
    let card = info.card(info.name, "");
    ZooRow {
        name: info.name.to_owned(),
        zoo: info.name.split('/').next().unwrap_or_default().to_owned(),
        architecture: Some(info.name),
        family: info.family.name().to_owned(),
        framework: card.framework,
        task: if info.headless() { "features" } else { "classification" }.to_owned(),
        dataset: "nothing: it has no weights".to_owned(),
        licence: unknown(),
        licence_class: LicenceClass::Unknown.name(),
        origin: unknown(),
        paper: family(info.family.name()).map_or_else(unknown, |f| f.paper.clone()),
        published_top1: None,
        published_top5: None,
        published_top1_source: String::new(),
        published_at: None,
        parameters: info.cost().map(|c| c.parameters),
        macs: info.cost().map(|c| c.macs),
        input: [info.size; 2],
        bytes: None,
        bytes_about: false,
        sha256: None,
        checksum: None,
        source: format!("{}@file:PATH", info.name),
        weights: "none",
        default: false,
        found_in: Vec::new(),
    }
}

/// What follows from the graph, the family and the card.
fn fill(
    card: &Card,
    graph: Option<&Graph>,
    row: ZooRow,
    pitfalls: &[String],
) -> Result<ZooCard, Error> {
    let known = family(&row.family);
    let facts = graph.map(facts).transpose()?;
    let shape = |layer: &String| block(graph, facts.as_ref(), layer);
    let class = LicenceClass::ALL.into_iter().find(|c| c.name() == row.licence_class);
    let mut row = row;
    if let Some(facts) = &facts {
        (row.parameters, row.macs) = (Some(facts.learned()), Some(facts.macs()));
    }
    Ok(ZooCard {
        without_weights: false,
        recipe: None,
        used: known.map_or("unknown".to_owned(), |f| f.used.clone()),
        used_source: known.map(|f| f.used_source.clone()).unwrap_or_default(),
        licence_meaning: class.unwrap_or(LicenceClass::Unknown).meaning(),
        licence_note: None,
        preprocessing: steps(&card.preprocess),
        blocks: card.blocks.iter().filter_map(shape).collect(),
        cut: card.cut.as_ref().and_then(shape),
        logits: card.logits.clone(),
        classes: card.labels.len(),
        pitfalls: rows(pitfalls, known),
        notes: Vec::new(),
        graph_url: None,
        path: None,
        same_architecture: Vec::new(),
        overlap: None,
        row,
    })
}

fn block(graph: Option<&Graph>, facts: Option<&Facts>, layer: &str) -> Option<BlockRow> {
    let id = graph?.find(layer).ok()?;
    Some(BlockRow { layer: layer.to_owned(), shape: facts?.layer(id).shape.to_vec() })
}

/// Pitfalls of the entry and of its family, each once.
fn rows(own: &[String], family: Option<&FamilyCard>) -> Vec<PitfallRow> {
    let mut names: Vec<&String> = Vec::new();
    for name in own.iter().chain(family.iter().flat_map(|f| &f.pitfalls)) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let row = |name: &&String| {
        let p = pitfall(name).ok()?;
        let (name, text, source) = (p.name.clone(), p.text.clone(), p.source.clone());
        Some(PitfallRow { name, text, source })
    };
    names.iter().filter_map(row).collect()
}

/// The steps in words, with the numbers as they are published.
fn steps(p: &Preprocess) -> Vec<String> {
    let sampled = p.interpolation.name();
    let resized = match p.resize {
        Resize::Shorter(side) => {
            format!("the shorter side becomes {side} pixels ({sampled}), the other follows")
        }
        Resize::Exact([h, w]) => {
            format!("squeezed to {h} x {w} pixels ({sampled}), whatever its shape")
        }
    };
    let [h, w] = p.crop;
    let cropped = match p.resize {
        Resize::Exact(sides) if sides == p.crop => None,
        Resize::Shorter(_) | Resize::Exact(_) => Some(format!("the middle {h} x {w} is kept")),
    };
    let order = match p.channels {
        Channels::Rgb => "red, green, blue",
        Channels::Bgr => "blue, green, red",
    };
    // Where bytes are meant, people know the numbers in bytes.
    let unit = if p.scale == 1.0 { "0 to 255" } else { "0 to 1" };
    let list = |v: [f32; 3]| {
        let text =
            |x: f32| format!("{x:.4}").trim_end_matches('0').trim_end_matches('.').to_owned();
        if v[0] == v[1] && v[1] == v[2] { text(v[0]) } else { v.map(text).join(", ") }
    };
    let mut values = format!("values from {unit} in the order {order}, less {}", list(p.mean));
    if p.std != [1.0; 3] {
        values.extend([", divided by ", &list(p.std)]);
    }
    [Some(resized), cropped, Some(values)].into_iter().flatten().collect()
}
