//! What a person asks for.

use std::path::{Path, PathBuf};

use regraft_probe::HeadKind;
use regraft_run::RunFile;

use crate::LoadOptions;
use crate::tuning::TuneOptions;

/// What of the network the head reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FeatureKind {
    /// The output of the cut, or several depths when they are clearly better on held-out images.
    #[default]
    Auto,
    /// The output of the cut.
    Trunk,
    /// The output of the cut and the means of the last layers of lower stages.
    Depths,
    /// The source task's output probabilities.
    Logits,
}

impl FeatureKind {
    /// The word in plans and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Trunk => "trunk",
            Self::Depths => "depths",
            Self::Logits => "logits",
        }
    }
}

/// How the network is transferred.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Strategy {
    /// The network stays frozen; a linear head learns on its features.
    #[default]
    Probe,
    /// The probe's head first, then gradient from there (Kumar et al. 2022).
    LpFt,
    /// Gradient from a random head.
    FineTune,
    /// Gradient from random weights everywhere: what the network does without transfer.
    Scratch,
    /// The probe or `LpFt`, whichever is better on held-out training images.
    Auto,
}

impl Strategy {
    /// The word in plans and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Probe => "probe",
            Self::LpFt => "lp-ft",
            Self::FineTune => "fine-tune",
            Self::Scratch => "scratch",
            Self::Auto => "auto",
        }
    }

    /// Whether training starts from a random head.
    pub(crate) fn begins_random(self) -> bool {
        match self {
            Self::FineTune | Self::Scratch => true,
            Self::Probe | Self::LpFt | Self::Auto => false,
        }
    }
}

/// How values between the layers of the frozen network are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PrecisionChoice {
    /// `bf16` where the processor has it natively and it agrees with `f32` on the user's images.
    #[default]
    Auto,
    /// 32 bits.
    F32,
    /// 16 bits with 8 bits of precision.
    Bf16,
}

/// What a person asks for; every blank is filled by the plan, with a reason.
#[derive(Debug, Clone)]
pub struct FitOptions {
    /// Folder of class folders, folder with `train/` and a test part, or CSV table.
    pub data: PathBuf,
    /// Run folder; none takes [`default_run`].
    pub out: Option<PathBuf>,
    /// How the network is transferred.
    pub strategy: Strategy,
    /// How it is trained by gradient, where the strategy does so.
    pub tune: TuneOptions,
    /// Network; none takes the default of the catalogue.
    pub network: Option<String>,
    /// Layer to cut at; none takes the card's.
    pub cut: Option<String>,
    /// What the head reads.
    pub features: FeatureKind,
    /// Kind of head.
    pub head: HeadKind,
    /// In which precision the network runs.
    pub precision: PrecisionChoice,
    /// Seed of everything random.
    pub seed: u64,
    /// Share of each class kept for testing when the data has no split, between 0 and 1.
    pub test_share: f64,
    /// What of a file's name says which files belong together, a regular expression with a group: a drawn
    /// split keeps them on one side.
    pub group_by: Option<String>,
    /// Look the data over first, as [`audit`](crate::audit()) does: altered copies and groups that names tell
    /// are held out together, and the run says what spoils its accuracy.
    pub audit: bool,
    /// Share of images of known classes that a run may call unknown, between 0 and 1.
    pub false_alarms: f64,
    /// Seconds that trying plans may take where the strategy is [`Strategy::Auto`].
    pub budget: f64,
    /// Where weights may come from; its cache folder also holds the features.
    pub load: LoadOptions,
}

impl FitOptions {
    /// No option set.
    pub fn new(data: impl Into<PathBuf>) -> Self {
        Self {
            data: data.into(),
            out: None,
            strategy: Strategy::default(),
            tune: TuneOptions::default(),
            network: None,
            cut: None,
            features: FeatureKind::default(),
            head: HeadKind::Auto,
            precision: PrecisionChoice::default(),
            seed: 0,
            test_share: 0.2,
            group_by: None,
            audit: true,
            false_alarms: 0.05,
            budget: 600.0,
            load: LoadOptions::default(),
        }
    }
}

/// Where a run goes when nobody says: `runs/NAME` after the data's name; when a finished run is
/// there, `runs/NAME-2` and so on.
pub fn default_run(data: &Path) -> PathBuf {
    let full = data.canonicalize().unwrap_or_else(|_| data.to_owned());
    let name = full.file_stem().map_or_else(|| "run".into(), |n| n.to_string_lossy().into_owned());
    let numbered = (2..).map(|i| format!("{name}-{i}"));
    std::iter::once(name.clone())
        .chain(numbered)
        .map(|n| Path::new("runs").join(n))
        .find(|path| !path.join(RunFile::Plan.name()).exists())
        .unwrap_or_else(|| Path::new("runs").join(name))
}
