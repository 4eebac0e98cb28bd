//! A name typed by a person to a network with weights.

use std::path::{Path, PathBuf};

use regraft_net::Network;
use regraft_zoo::{Cache, FetchEvent, FetchOptions, Fetched, Flow, NetworkSpec, fetch};

use crate::{Error, Observer, Progress};

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

/// Loads a network: a catalogue name, or `ARCHITECTURE@SOURCE`.
///
/// # Errors
/// When the name means nothing, the weights cannot be had or do not fit, or the observer stops.
pub fn load(name: &str, options: &LoadOptions, observer: &dyn Observer) -> Result<Loaded, Error> {
    let spec = NetworkSpec::parse(name)?;
    let fetched = get(&spec, options, observer)?;
    let weights = regraft_formats::open(&fetched.path)?;
    let params = spec.architecture().adopt(weights.tensors.into_iter().collect())?;
    let graph = spec.architecture().graph()?;
    // Counters of batches seen are bookkeeping of the source framework.
    let unused = regraft_net::unused(&graph, &params)?
        .into_iter()
        .filter(|n| !n.ends_with("num_batches_tracked"))
        .collect();
    let network = Network::new(graph, &params, spec.card())?;
    Ok(Loaded { network, source: name.to_owned(), sha256: fetched.sha256.to_string(), unused })
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

/// What a fit, `show` or `cut` may be given: also a run folder or a file of notation.
pub(crate) fn is_path(name: &str) -> bool {
    !name.contains('@') && (Path::new(name).is_dir() || Path::new(name).is_file())
}
