//! Whether a network of the zoo does on pictures what it should: preprocessing, weights and
//! arithmetic together.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use regraft_data::list_images;
use regraft_infer::Engine;
use regraft_net::Forward;
use regraft_net::formula::formula_batch;
use regraft_run::wilson;
use regraft_train::{Flow, Trunk, extract};
use regraft_zoo::{NetworkSpec, labels};
use serde::Serialize;

use crate::precision::untried;
use crate::{Error, LoadOptions, Observer, PrecisionChoice, Progress, load};

/// What a check of a network found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Verified {
    /// The network.
    pub network: String,
    /// Checksum of its weights, just computed.
    pub sha256: String,
    /// Pictures it was tried on; none when only weights were checked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub images: Option<usize>,
    /// Share of pictures whose class came first, 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top1: Option<f64>,
    /// 95 % interval of `top1` (Wilson 1927).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval: Option<[f64; 2]>,
    /// Share of pictures whose class was among the first five, 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top5: Option<f64>,
    /// Files that could not be read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unreadable: Vec<String>,
}

/// What a network computes on a formula picture (see [`regraft_net::formula`]).
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FormulaLogits {
    /// The network.
    pub name: String,
    /// Height and width of the picture.
    pub size: [usize; 2],
    /// The first three values of its output.
    pub logits: Vec<f32>,
    /// Values there are.
    pub outputs: usize,
    /// Their sum.
    pub sum: f64,
    /// Root of the sum of their squares.
    pub l2: f64,
    /// The place of the largest.
    pub argmax: usize,
    /// Learned values that the framework has.
    pub parameters: u64,
    /// All values of its output, when asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub all: Option<Vec<f32>>,
}

/// Runs a network on a formula picture: an architecture with formula weights, anything else with its
/// own.
///
/// # Errors
/// When there is no such network, or it cannot be loaded.
pub fn verify_formula(
    name: &str,
    precision: PrecisionChoice,
    options: &LoadOptions,
    observer: &dyn Observer,
) -> Result<FormulaLogits, Error> {
    let spec = crate::network::spec(name)?;
    let (network, picture, output, parameters) = if let NetworkSpec::Architecture(info) = &spec {
        let network = info.formula_network()?;
        let sources = info.sources(network.graph())?;
        let theirs = sources.iter().filter(|(spec, from)| spec.role.learned() && from.is_some());
        let parameters = theirs.map(|(spec, _)| spec.shape.count() as u64).sum();
        (network, info.formula_picture(), info.logits.to_owned(), parameters)
    } else {
        let network = load(name, options, observer)?.network;
        let facts = network.facts()?;
        let graph = network.graph();
        let picture = formula_batch(&facts.layer(graph.input()?).shape);
        let output = graph.layer(graph.output()?).name.clone();
        let parameters = facts.learned();
        (network, picture, output, parameters)
    };
    let mut engine = Engine::compile_in(&network, &[&output], untried(precision))?;
    let logits = engine.forward(&picture, &[&output])?.swap_remove(0).into_data();
    let wide = || logits.iter().map(|x| f64::from(*x));
    let argmax = (0..logits.len()).max_by(|a, b| logits[*a].total_cmp(&logits[*b]));
    Ok(FormulaLogits {
        name: name.to_owned(),
        size: [picture.shape()[2], picture.shape()[3]],
        logits: logits.iter().copied().take(3).collect(),
        outputs: logits.len(),
        sum: wide().sum(),
        l2: wide().map(|x| x * x).sum::<f64>().sqrt(),
        argmax: argmax.unwrap_or_default(),
        parameters,
        all: Some(logits),
    })
}

/// Loads a network (its checksum is checked and all parameters must fit), and tries it on pictures
/// of its own source classes when a folder is given: files whose name begins with their synset, or
/// folders named by synset or class name.
///
/// # Errors
/// When the network cannot be loaded, or no class can be told from names.
pub fn verify(
    name: &str,
    images: Option<&Path>,
    precision: PrecisionChoice,
    options: &LoadOptions,
    observer: &dyn Observer,
) -> Result<Verified, Error> {
    let loaded = load(name, options, observer)?;
    let mut verified = Verified {
        network: loaded.network.card().name.clone(),
        sha256: loaded.sha256.clone(),
        images: None,
        top1: None,
        interval: None,
        top5: None,
        unreadable: Vec::new(),
    };
    let Some(folder) = images else { return Ok(verified) };
    let files = list_images(folder)?;
    if files.is_empty() {
        let looked = "files that end in jpg, png, webp, bmp, tiff or gif";
        return Err(Error::EmptyFolder { path: folder.to_owned(), looked });
    }
    let truths = truths(folder, &files)?;
    let card = loaded.network.card();
    let logits = card.logits.clone().ok_or_else(|| Error::NoLogits { name: card.name.clone() })?;
    let network = loaded.network.cut(&logits)?;
    let engine = Engine::compile_in(&network, &[&logits], untried(precision))?;
    let trunk = Trunk::new(&network, engine)?;
    let total = files.len();
    let progress = |done| {
        observer.tell(&Progress::Features { done, total });
        if observer.stop() { Flow::Stop } else { Flow::Continue }
    };
    let scores = extract(&trunk, &files, None, &progress)?;
    let (mut seen, mut first, mut five) = (0, 0, 0);
    for (i, row) in scores.rows()?.chunks_exact(trunk.feature_len()).enumerate() {
        if scores.failed.iter().any(|f| f.index == i) {
            verified.unreadable.push(files[i].display().to_string());
            continue;
        }
        let better = row.iter().filter(|v| **v > row[truths[i]]).count();
        seen += 1;
        first += usize::from(better == 0);
        five += usize::from(better < 5);
    }
    verified.images = Some(seen);
    if seen > 0 {
        verified.top1 = Some(f64::from(first as u32) / seen as f64);
        verified.top5 = Some(f64::from(five as u32) / seen as f64);
        verified.interval = wilson(first, seen);
    }
    Ok(verified)
}

/// The source class of each file.
pub(crate) fn truths(folder: &Path, files: &[PathBuf]) -> Result<Vec<usize>, Error> {
    let labels = labels("imagenet-1k")?;
    let mut by_word: BTreeMap<String, usize> = BTreeMap::new();
    for (i, label) in labels.iter().enumerate() {
        by_word.insert(label.synset.clone(), i);
        by_word.insert(label.name.to_lowercase(), i);
        by_word.insert(label.name.to_lowercase().replace(' ', "_"), i);
    }
    let known = |word: Option<&std::ffi::OsStr>| {
        let word = word?.to_str()?.to_lowercase();
        let synset = word.split('_').next().unwrap_or_default();
        by_word.get(synset).or_else(|| by_word.get(&word)).copied()
    };
    // A folder says more than a file's own name, but only a folder below the one given.
    let class = |file: &PathBuf| {
        let parent = file.parent().filter(|p| *p != folder);
        known(parent.and_then(Path::file_name)).or_else(|| known(file.file_stem()))
    };
    files
        .iter()
        .map(|file| {
            class(file).ok_or_else(|| Error::NoSynset {
                path: folder.to_owned(),
                first: file.strip_prefix(folder).unwrap_or(file).display().to_string(),
            })
        })
        .collect()
}
