//! A name typed by a person to a network with weights.

use std::path::{Path, PathBuf};

use regraft_formats::{FolderConfig, WRAPPER_KEY};
use regraft_net::card::Preprocess;
use regraft_net::{Card, Network};
use regraft_run::{RunFile, RunFolder};
use regraft_zoo::{
    ArchInfo, Cache, Checksum, Entry, FetchEvent, FetchOptions, Fetched, Flow, NetworkSpec, Source,
    fetch,
};

use crate::{Error, Observer, Progress, head};

/// Where weights may come from.
#[derive(Debug, Clone, Default)]
pub struct LoadOptions {
    /// Never reach out for weights.
    pub offline: bool,
    /// Cache folder; none means the user's own (`$XDG_CACHE_HOME/regraft`).
    pub cache: Option<PathBuf>,
}

impl LoadOptions {
    /// The cache.
    ///
    /// # Errors
    /// When there is no folder for it.
    pub(crate) fn cache(&self) -> Result<Cache, Error> {
        Ok(Cache::open(self.cache.clone())?)
    }
}

/// A network with its weights, and where they are from.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The network.
    pub network: Network,
    /// What finds it again.
    pub source: String,
    /// SHA-256 of the weights file, hexadecimal.
    pub sha256: String,
    /// Tensors of the file that no layer uses.
    pub unused: Vec<String>,
}

/// Loads a network: a catalogue name, `ARCHITECTURE@SOURCE`, a file with its own graph (a path or a
/// `SOURCE`), or a run folder.
///
/// # Errors
/// When the name means nothing, the weights cannot be had or do not fit, or the observer stops.
pub fn load(name: &str, options: &LoadOptions, observer: &dyn Observer) -> Result<Loaded, Error> {
    if is_path(name) && Path::new(name).is_dir() {
        return run(name);
    }
    let spec = spec(name)?;
    let fetched = get(&spec, options, observer)?;
    let (mut network, unused) = network_of(&spec, &fetched.path, observer)?;
    if let (None, NetworkSpec::Catalogue(entry)) = (spec.architecture(), &spec) {
        network = known(&network, entry)?;
    }
    Ok(Loaded { network, source: name.to_owned(), sha256: fetched.sha256.to_string(), unused })
}

/// The network that a file holds, and what of it no layer uses.
pub(crate) fn network_of(
    spec: &NetworkSpec,
    path: &Path,
    observer: &dyn Observer,
) -> Result<(Network, Vec<String>), Error> {
    let Some(architecture) = spec.architecture() else { return model(path, observer) };
    fill(architecture, spec, path, observer)
}

/// What a name that is no run folder means.
pub(crate) fn spec(name: &str) -> Result<NetworkSpec, Error> {
    if is_path(name) {
        return Ok(NetworkSpec::Model { source: Source::File { path: name.into() }, sha256: None });
    }
    Ok(NetworkSpec::parse(name)?)
}

/// The network of a finished run.
fn run(name: &str) -> Result<Loaded, Error> {
    let folder = RunFolder::open(Path::new(name))?;
    let network = head::open(&folder, &folder.plan()?)?;
    let path = folder.file(RunFile::Trunk);
    let trunk =
        std::fs::read(&path).map_err(|source| Error::File { what: "read", path, source })?;
    let sha256 = Checksum::of(&trunk).to_string();
    Ok(Loaded { network, source: name.to_owned(), sha256, unused: Vec::new() })
}

/// An architecture with the weights of a file, and what of them it does not use.
fn fill(
    architecture: &ArchInfo,
    spec: &NetworkSpec,
    path: &Path,
    observer: &dyn Observer,
) -> Result<(Network, Vec<String>), Error> {
    let weights = regraft_formats::open(path)?;
    if let Some(wrapper) = weights.metadata.get(WRAPPER_KEY).filter(|w| w.contains("ema")) {
        observer.tell(&Progress::Note(&format!(
            "the weights are the averages over the training, `{wrapper}` in the file"
        )));
    }
    let mut tensors = weights.tensors;
    if let Some(note) = architecture.renumber(&mut tensors)? {
        observer.tell(&Progress::Note(&note));
    }
    let mut card = spec.card();
    if let Some([mean, std]) = architecture.colours(&mut tensors) {
        card.preprocess = Preprocess { mean, std, ..card.preprocess };
    }
    let fitted = architecture.fitted(tensors)?;
    if !fitted.prefix.is_empty() {
        let note =
            format!("names in the weights file begin with `{}`, left out here", fitted.prefix);
        observer.tell(&Progress::Note(&note));
    }
    if let Some(classes) = fitted.classes
        && card.labels.len() != classes
    {
        card.labels.clear();
        let note = format!("the weights have {classes} classes, and so has the network");
        observer.tell(&Progress::Note(&note));
    }
    if let NetworkSpec::Weights { .. } = spec
        && let Some(config) = regraft_formats::folder_config(path)
    {
        // 1000 where the file does not say otherwise.
        let classes = fitted.classes.unwrap_or(1000);
        describe(&mut card, config, (architecture, classes), observer);
    }
    let (mut graph, params) = (fitted.graph, fitted.params);
    if let Some(trunk) = architecture.without_head(&params)? {
        observer.tell(&Progress::Note(&format!(
            "the file has no head (`{}`): the network ends with the features of `{}`",
            architecture.logits, architecture.penultimate
        )));
        (graph, card.logits) = (trunk, None);
    }
    // Counters of batches seen are bookkeeping of the source framework.
    let unused = regraft_net::unused(&graph, &params)?
        .into_iter()
        .filter(|n| !n.ends_with("num_batches_tracked"))
        .collect();
    Ok((Network::new(graph, &params, card)?, unused))
}

/// What the catalogue or a card says of a network that came with its own graph; what it does not say
/// stays as the file has it.
fn known(network: &Network, entry: &Entry) -> Result<Network, Error> {
    let (said, mut card) = (entry.card(), network.card().clone());
    if entry.preprocess_said {
        card.preprocess = said.preprocess;
    }
    for (of_file, said) in [
        (&mut card.name, said.name),
        (&mut card.framework, said.framework),
        (&mut card.dataset, said.dataset),
        (&mut card.licence, said.licence),
        (&mut card.origin, said.origin),
    ] {
        if said != "unknown" {
            *of_file = said;
        }
    }
    if !said.labels.is_empty() {
        card.labels = said.labels;
    }
    Ok(Network::new(network.graph().clone(), network.params(), card)?)
}

/// A network of a file with its own graph.
fn model(path: &Path, observer: &dyn Observer) -> Result<(Network, Vec<String>), Error> {
    let model = regraft_formats::open_model(path)?;
    for note in &model.notes {
        observer.tell(&Progress::Note(note));
    }
    Ok((model.network, model.unused))
}

/// Puts what lies beside the weights into the card: it knows better than the habits of the framework.
fn describe(
    card: &mut Card,
    config: FolderConfig,
    (architecture, classes): (&ArchInfo, usize),
    observer: &dyn Observer,
) {
    let note = |text: String| observer.tell(&Progress::Note(&text));
    config.notes.into_iter().for_each(note);
    let bare = |name: &str| name.split('.').next().unwrap_or(name).to_owned();
    if let Some(said) = config.architecture.filter(|said| said.starts_with("timm/"))
        && bare(&said) != architecture.name
    {
        note(format!("config.json says `{said}`, you said `{}`", architecture.name));
    }
    if let Some(preprocess) = config.preprocess {
        if preprocess.crop == card.preprocess.crop {
            card.preprocess = preprocess;
        } else {
            let [height, width] = preprocess.crop;
            let size = architecture.size;
            note(format!(
                "config.json wants pictures of {height}x{width}, the network is built for {size}x{size}: \
                 its colours are taken, sizes stay as usual"
            ));
            let usual = card.preprocess;
            card.preprocess = Preprocess { resize: usual.resize, crop: usual.crop, ..preprocess };
        }
    }
    if config.labels.len() == classes {
        card.labels = config.labels;
    }
    if let Some(licence) = config.licence {
        card.licence = licence;
    }
}

/// Fetches the weights file of a spec.
pub(crate) fn get(
    spec: &NetworkSpec,
    options: &LoadOptions,
    observer: &dyn Observer,
) -> Result<Fetched, Error> {
    let cache = options.cache()?;
    let what = spec.to_string();
    let mut hear = |event: FetchEvent| {
        if let FetchEvent::Progress { bytes, total } = event {
            observer.tell(&Progress::Fetch { what: &what, bytes, total });
        } else if let FetchEvent::Waiting { .. } = event {
            observer.tell(&Progress::Waiting { what: &what });
        } else if let FetchEvent::SetAside { path } = event {
            observer.tell(&Progress::Note(&format!(
                "the weights in the cache were damaged; they are now {} and fetched again",
                path.display()
            )));
        }
        if observer.stop() { Flow::Stop } else { Flow::Continue }
    };
    let fetch_options = FetchOptions { offline: options.offline, ..FetchOptions::default() };
    Ok(fetch(spec, &cache, &fetch_options, &mut hear)?)
}

/// Whether a network is named by its file or run folder.
pub(crate) fn is_path(name: &str) -> bool {
    !name.contains('@') && (Path::new(name).is_dir() || Path::new(name).is_file())
}
