//! Networks of the user's own, and files that a person downloaded for the catalogue's.

use std::path::{Path, PathBuf};

use regraft_zoo::{Keep, NetworkSpec, OwnCard, OwnZoo, Source, bring, find};
use serde::Serialize;

use crate::network::network_of;
use crate::{Error, LoadOptions, Observer};

/// Longest card that is read, in bytes.
const MAX_CARD: u64 = 64 << 20;

/// A network that can be used by name now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Added {
    /// Its name.
    pub name: String,
    /// Its weights file.
    pub path: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// Its checksum, kept from now on.
    pub sha256: String,
    /// Whether it is an entry of the catalogue whose file was brought.
    pub catalogue: bool,
    /// Whether the bytes were checked against a published checksum.
    pub checked: bool,
    /// Tensors of the file that no layer uses.
    pub unused: Vec<String>,
}

/// What goes with a file that is added.
#[derive(Debug, Clone, Default)]
pub struct AddOptions {
    /// The card, a TOML file.
    pub card: Option<PathBuf>,
    /// The architecture, where the card names none.
    pub architecture: Option<String>,
    /// Leave the file where it is and link to it.
    pub link: bool,
}

/// Adds `file` under a name: as the weights of the catalogue's entry of that name, or as a network of the
/// user's own. It is read and must fit before anything is kept.
///
/// # Errors
/// When the file cannot be read, does not fit, or has other bytes than the entry's; when the card is
/// wrong; when the name is taken; or when the disk refuses.
pub fn zoo_add(
    name: &str,
    file: &Path,
    add: &AddOptions,
    options: &LoadOptions,
    observer: &dyn Observer,
) -> Result<Added, Error> {
    let keep = if add.link { Keep::Link } else { Keep::Copy };
    if let Ok(entry) = find(name) {
        if add.card.is_some() || add.architecture.is_some() {
            return Err(Error::Options {
                what: "--card and --architecture",
                why: "the name is of the catalogue, which knows both; leave them out to bring its \
                      weights, or choose another name for a network of your own",
            });
        }
        let cache = options.cache()?;
        // A wrong sum says more than weights that do not fit.
        if entry.checksum.is_none() {
            check(&NetworkSpec::Catalogue(entry.clone()), file, observer)?;
        }
        let fetched = bring(&entry, file, &cache, keep)?;
        return Ok(Added {
            name: name.to_owned(),
            path: fetched.path.display().to_string(),
            bytes: fetched.bytes,
            sha256: fetched.sha256.to_string(),
            catalogue: true,
            checked: entry.checksum.is_some(),
            unused: Vec::new(),
        });
    }
    let own = OwnZoo::open(None)?;
    own.free(name)?;
    let (place, text) = match &add.card {
        None => (PathBuf::from("--architecture"), String::new()),
        Some(path) => (path.clone(), read(path)?),
    };
    if add.card.is_none() && add.architecture.is_none() {
        return Err(Error::Options {
            what: "zoo add",
            why: "a network of your own needs a card or an architecture: give `--card CARD.toml` (an \
                  example is in docs/zoo.md), `--architecture ARCH`, or `--architecture file` for a \
                  file with its own graph",
        });
    }
    let architecture = add.architecture.as_deref();
    let card = OwnCard::parse(&place.display().to_string(), &text, name, architecture)?;
    let mut entry = card.entry()?;
    entry.source = Source::File { path: file.to_owned() };
    let named = entry.class_names().len();
    let spec = NetworkSpec::Catalogue(std::sync::Arc::new(entry));
    let (scores, unused) = check(&spec, file, observer)?;
    if let Some(scores) = scores.filter(|s| named > 0 && *s != named) {
        return Err(Error::Classes { path: place, classes: named, scores });
    }
    let kept = own.add(name, &card, file, keep)?;
    let sum = kept.checksum.as_ref().and_then(regraft_zoo::Expected::sha256);
    let path = if let Source::File { path } = &kept.source {
        path.display().to_string()
    } else {
        kept.source.to_string()
    };
    Ok(Added {
        name: name.to_owned(),
        path,
        bytes: kept.size.map(regraft_zoo::Size::bytes).unwrap_or_default(),
        sha256: sum.map(|s| s.to_string()).unwrap_or_default(),
        catalogue: false,
        checked: false,
        unused,
    })
}

/// Removes a network of the user's own, and returns where it was.
///
/// # Errors
/// When there is none of that name, or the disk refuses.
pub fn zoo_remove(name: &str) -> Result<PathBuf, Error> {
    Ok(OwnZoo::open(None)?.remove(name)?)
}

/// Reads the file as the network that it is to be: its scores, where it has any, and what of it no
/// layer uses.
fn check(
    spec: &NetworkSpec,
    file: &Path,
    observer: &dyn Observer,
) -> Result<(Option<usize>, Vec<String>), Error> {
    let (network, unused) = network_of(spec, file, observer)?;
    let scores = match spec.architecture() {
        Some(architecture) if architecture.headless() => None,
        Some(architecture) => {
            let facts = network.facts()?;
            let id = network.graph().find(architecture.logits)?;
            facts.layer(id).shape.dims().first().copied()
        }
        None => network.facts()?.output().shape.dims().first().copied(),
    };
    Ok((scores, unused))
}

fn read(path: &Path) -> Result<String, Error> {
    use std::io::Read;
    let unread = |source| Error::File { what: "read", path: path.to_owned(), source };
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(unread)?;
    file.take(MAX_CARD).read_to_string(&mut text).map_err(unread)?;
    Ok(text)
}
