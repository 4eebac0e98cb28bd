use std::path::PathBuf;

use regraft_advise::AdviseError;
use regraft_data::DataError;
use regraft_formats::FormatError;
use regraft_infer::InferError;
use regraft_look::LookError;
use regraft_net::NetError;
use regraft_probe::ProbeError;
use regraft_report::ReportError;
use regraft_run::RunError;
use regraft_tensor::TensorError;
use regraft_train::TrainError;
use regraft_zoo::ZooError;

use crate::prior::ShareFault;

/// What kind of thing went wrong: programs turn it into an exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// Files or disk of this machine.
    System,
    /// What was asked for does not exist or does not fit together.
    Usage,
    /// The images or their table.
    Data,
    /// The network, its weights, or fetching them.
    Network,
    /// A person asked to stop.
    Interrupted,
}

/// Anything that can go wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The images or their table.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The zoo: an unknown name, or fetching.
    #[error(transparent)]
    Zoo(Box<ZooError>),
    /// A weights file.
    #[error(transparent)]
    Format(Box<FormatError>),
    /// The graph or a surgery on it.
    #[error(transparent)]
    Net(#[from] NetError),
    /// The compiled network.
    #[error(transparent)]
    Infer(#[from] InferError),
    /// The head.
    #[error(transparent)]
    Probe(#[from] ProbeError),
    /// The run folder.
    #[error(transparent)]
    Run(#[from] RunError),
    /// Features and their cache.
    #[error(transparent)]
    Train(#[from] TrainError),
    /// The report.
    #[error(transparent)]
    Report(#[from] ReportError),
    /// A look inside a network.
    #[error(transparent)]
    Look(LookError),
    /// A layer and unit that cannot be told apart.
    #[error("`{given}`: wants {wanted}")]
    Unit {
        /// What was given.
        given: String,
        /// What would do.
        wanted: &'static str,
    },
    /// A tensor that does not fit its shape.
    #[error(transparent)]
    Tensor(#[from] TensorError),
    /// A class that has no usable training image left.
    #[error(
        "no training image of class `{class}` could be read: all {images} failed, first {file}: \
         {reason}; put good images there or remove the class"
    )]
    ClassUnreadable {
        /// The class.
        class: String,
        /// Its training images.
        images: usize,
        /// The first of them.
        file: String,
        /// What is wrong with it.
        reason: String,
    },
    /// No test image could be read.
    #[error("none of the {images} test images could be read, first {file}: {reason}")]
    NoTestImages {
        /// Test images there are.
        images: usize,
        /// The first of them.
        file: String,
        /// What is wrong with it.
        reason: String,
    },
    /// No test images at all.
    #[error(
        "there is nothing to test on: no class has an image to spare; give at least one class a \
         second image, or a `test` folder; if what you want to tell apart is not what the folders \
         are, name the folder that holds one folder for each class"
    )]
    NothingToTest,
    /// An option names a class that the data does not have.
    #[error(
        "no class `{class}` among the {classes} of {}{}",
        data.display(),
        near.first().map(|n| format!("; did you mean `{n}`?")).unwrap_or_default()
    )]
    NoSuchClass {
        /// The class.
        class: String,
        /// The data.
        data: PathBuf,
        /// Classes there are.
        classes: usize,
        /// Classes with names like it.
        near: Vec<String>,
    },
    /// Classes of a data set that a run does not know.
    #[error(
        "class `{class}` of {data} is not one of the {known} classes of this run{}; rename it \
         there, or evaluate on images of the same classes",
        near.first().map(|n| format!("; did you mean `{n}`?")).unwrap_or_default()
    )]
    UnknownClass {
        /// The class.
        class: String,
        /// Where it is.
        data: PathBuf,
        /// Classes the run has.
        known: usize,
        /// Names that are close.
        near: Vec<String>,
    },
    /// A network without a layer for class scores, where they are wanted.
    #[error("the network `{name}` has no class scores; use `--features trunk`")]
    NoLogits {
        /// The network.
        name: String,
    },
    /// A network whose layer to cut at is not known.
    #[error("give the layer to cut `{name}` at with `--cut`; `regraft show {name}` lists them")]
    NoCut {
        /// The network.
        name: String,
    },
    /// A folder that holds a run on other data.
    #[error(
        "{path} holds a run on {there}, not on {asked}; choose another `--out`, or remove that \
         folder if you do not need it"
    )]
    OtherRun {
        /// The folder.
        path: PathBuf,
        /// The data of the run there.
        there: String,
        /// The data asked for.
        asked: String,
    },
    /// A run whose head file lacks something.
    #[error("{path}: wants {wanted}; fit the run again")]
    Head {
        /// The file.
        path: PathBuf,
        /// What is missing or wrong.
        wanted: &'static str,
    },
    /// A picture to predict that could not be read, and no other.
    #[error("none of the {images} images could be read, first {file}: {reason}")]
    NoImages {
        /// How many there were.
        images: usize,
        /// The first.
        file: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A folder without images.
    #[error("no images in {path}: looked for {looked}")]
    EmptyFolder {
        /// The folder.
        path: PathBuf,
        /// What was looked for.
        looked: &'static str,
    },
    /// Images whose class cannot be told.
    #[error(
        "cannot tell the classes of {path}: wants files named by their synset, like \
         `n01440764_tench.JPEG`, or folders named by synset or class name; first without: {first}"
    )]
    NoSynset {
        /// The folder.
        path: PathBuf,
        /// The first file or folder without a known name.
        first: String,
    },
    /// A file to write whose ending says no format.
    #[error("{}: the ending says the format to write; give one of .onnx, .safetensors, .caffemodel", path.display())]
    Target {
        /// The file.
        path: PathBuf,
    },
    /// What was written computes something else than the network.
    #[error(
        "{}: not kept: read back, its outputs differ by {difference:.1e} of their size, {limit:.0e} is \
         allowed; please report this with the network's name",
        path.display()
    )]
    Converted {
        /// The file.
        path: PathBuf,
        /// Difference of the outputs, relative.
        difference: f64,
        /// Largest allowed.
        limit: f64,
    },
    /// A file that cannot be read or written.
    #[error("cannot {what} {path}")]
    File {
        /// What was tried.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The demo's table of labels is not as expected.
    #[error("line {line} of the demo's labels: wants `FILE PROBABILITY TYPE`, got {got:?}")]
    DemoData {
        /// Line number from 1.
        line: usize,
        /// The line.
        got: String,
    },
    /// Threads could not be started.
    #[error("cannot start worker threads; try fewer with `--threads`")]
    Threads {
        /// Why.
        source: rayon::ThreadPoolBuildError,
    },
    /// A word for which the zoo has nothing.
    #[error(
        "no network of the zoo has the {what} `{given}`{}; there are: {}",
        near.first().map(|n| format!("; did you mean `{n}`?")).unwrap_or_default(),
        known.join(", ")
    )]
    NoSuchValue {
        /// What was asked for: a framework, a task.
        what: &'static str,
        /// The word.
        given: String,
        /// Words like it.
        near: Vec<String>,
        /// All words there are.
        known: Vec<String>,
    },
    /// A graph is to be coloured by what is not known of it.
    #[error(
        "`{network}` has no figure `{figure}`{}; there are: {}",
        near.first().map(|n| format!("; did you mean `{n}`?")).unwrap_or_default(),
        known.join(", ")
    )]
    NoFigure {
        /// The figure.
        figure: String,
        /// The network.
        network: String,
        /// Figures with names like it.
        near: Vec<String>,
        /// All figures there are.
        known: Vec<String>,
    },
    /// A file of figures that cannot be used.
    #[error(
        "{}: {problem}; wants a JSON object with a number for each layer, like {{\"conv1\": 0.5}}",
        path.display()
    )]
    Figures {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// Weights whose scores are not as many as the card's classes.
    #[error(
        "{}: the card names {classes} classes and the network has {scores} scores; correct `classes` in \
         the card",
        path.display()
    )]
    Classes {
        /// The card.
        path: PathBuf,
        /// Classes in it.
        classes: usize,
        /// Scores of the network.
        scores: usize,
    },
    /// A list of classes without a class.
    #[error(
        "no classes in {given}: wants a folder of class folders, a file with a class on each line, or names with commas between"
    )]
    NoClassNames {
        /// What was given.
        given: String,
    },
    /// Options that do not go together.
    #[error("{what}: {why}")]
    Options {
        /// The options.
        what: &'static str,
        /// Why they do not go together, and what to do.
        why: &'static str,
    },
    /// Nothing fits the memory given.
    #[error(
        "{limit} of memory are too little to train in steps of {batch} images; the least is {least}. \
         Give more with `--memory`, or take smaller steps with `--batch`"
    )]
    Memory {
        /// Given.
        limit: String,
        /// Needed.
        least: String,
        /// Images of a step.
        batch: usize,
    },
    /// No network could be compared.
    #[error(
        "no network is at hand to compare{}; name some with `--networks efficientnet-lite0,mobilenetv2-imagenet` \
         (`regraft zoo list`), or fetch one with `regraft zoo pull efficientnet-lite0`",
        if left_out.is_empty() { String::new() } else { format!(": {}", left_out.join("; ")) }
    )]
    NoNetworks {
        /// Those that could not be used, and why.
        left_out: Vec<String>,
    },
    /// The advice could not be worked out.
    #[error(transparent)]
    Advise(#[from] AdviseError),
    /// All of a class belongs together.
    #[error(
        "all {files} files of class `{class}` are one group: they cannot be both learned from and tested \
         with; give more groups of this class, a finer pattern for `--group-by`, or leave the class out"
    )]
    OneGroup {
        /// The class.
        class: String,
        /// Its files.
        files: usize,
    },
    /// A pattern for groups is no regular expression.
    #[error(
        "the pattern `{pattern}` for groups is no regular expression: {reason}. Give one with a group, for \
         instance `patient(\\d+)`"
    )]
    Pattern {
        /// Given.
        pattern: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Class shares that cannot be used.
    #[error("{}: {why}", path.display())]
    Shares {
        /// The file.
        path: PathBuf,
        /// What is wrong with them.
        why: ShareFault,
    },
    /// A person asked to stop.
    #[error("interrupted; whatever was finished is kept, and the same command goes on from there")]
    Interrupted,
    /// A person asked to stop what keeps nothing until it is done.
    #[error("interrupted; nothing was written")]
    Stopped,
}

impl From<LookError> for Error {
    fn from(error: LookError) -> Self {
        if matches!(error, LookError::Stopped) { Self::Stopped } else { Self::Look(error) }
    }
}

impl From<ZooError> for Error {
    fn from(error: ZooError) -> Self {
        Self::Zoo(Box::new(error))
    }
}

impl From<FormatError> for Error {
    fn from(error: FormatError) -> Self {
        Self::Format(Box::new(error))
    }
}

impl Error {
    /// What kind of thing went wrong.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Advise(AdviseError::Model { .. }) => ErrorKind::System,
            Self::Data(_)
            | Self::Advise(_)
            | Self::ClassUnreadable { .. }
            | Self::NoTestImages { .. }
            | Self::NothingToTest
            | Self::UnknownClass { .. }
            | Self::NoImages { .. }
            | Self::EmptyFolder { .. }
            | Self::NoSynset { .. }
            | Self::DemoData { .. }
            | Self::Train(TrainError::Picture(_))
            | Self::OneGroup { .. }
            | Self::Probe(_) => ErrorKind::Data,
            Self::Zoo(error) if matches!(**error, ZooError::Stopped { .. }) => {
                ErrorKind::Interrupted
            }
            Self::Train(TrainError::Stopped) | Self::Interrupted | Self::Stopped => {
                ErrorKind::Interrupted
            }
            Self::Format(error) if error.is_write() => ErrorKind::System,
            Self::Look(LookError::Option { .. } | LookError::Unit { .. })
            | Self::Unit { .. }
            | Self::OtherRun { .. }
            | Self::Target { .. }
            | Self::Options { .. }
            | Self::Memory { .. }
            | Self::Pattern { .. }
            | Self::Shares { .. }
            | Self::NoNetworks { .. }
            | Self::NoSuchClass { .. }
            | Self::NoSuchValue { .. }
            | Self::NoFigure { .. }
            | Self::Figures { .. }
            | Self::NoClassNames { .. }
            | Self::Classes { .. }
            | Self::Train(
                TrainError::Blocks { .. } | TrainError::Rates { .. } | TrainError::NothingTuned,
            ) => ErrorKind::Usage,
            Self::Zoo(_)
            | Self::Format(_)
            | Self::Net(_)
            | Self::Infer(_)
            | Self::Tensor(_)
            | Self::Train(
                TrainError::Input { .. }
                | TrainError::Net(_)
                | TrainError::Infer(_)
                | TrainError::Grad(_)
                | TrainError::Pattern { .. }
                | TrainError::Diverged { .. },
            )
            | Self::Look(_)
            | Self::NoLogits { .. }
            | Self::NoCut { .. }
            | Self::Converted { .. } => ErrorKind::Network,
            Self::Run(_)
            | Self::Train(_)
            | Self::Report(_)
            | Self::Head { .. }
            | Self::File { .. }
            | Self::Threads { .. } => ErrorKind::System,
        }
    }
}
