//! What can be typed after `zoo`.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use regraft::ZooFilter;

use crate::args::Precision;
use crate::words::{bytes, count, percents};

#[derive(Debug, Subcommand)]
pub(crate) enum ZooCommand {
    /// List networks, all or those that fit.
    List {
        /// Words that all must be found in what is known of a network.
        words: Vec<String>,
        /// Which, and in which order.
        #[command(flatten)]
        filter: FilterArgs,
    },
    /// Search in names, families, papers, data sets, origins and pitfalls; the best fit first.
    Search {
        /// Words that all must be found.
        #[arg(required = true)]
        words: Vec<String>,
        /// Which, and in which order.
        #[command(flatten)]
        filter: FilterArgs,
    },
    /// Tell what is known of a network: its model card.
    Show {
        /// A name of `zoo list`, or an architecture such as torchvision/resnet50.
        name: String,
        /// Say which of these classes are among those it was trained on: a folder of images or a table,
        /// as for `fit`; a file with a class on each line; or names with commas between.
        #[arg(long, value_name = "DIR|FILE|LIST")]
        classes: Option<String>,
    },
    /// Add a network of your own, or a file that you downloaded for one of the catalogue.
    Add(AddArgs),
    /// Remove a network of your own.
    Remove {
        /// Its name.
        name: String,
    },
    /// Fetch weights now, for use offline.
    Pull {
        /// Names of the catalogue, or ARCHITECTURE@SOURCE.
        #[arg(required = true)]
        names: Vec<String>,
    },
    /// Check weights, and with images preprocessing and arithmetic too.
    Verify {
        /// A name of the catalogue, ARCHITECTURE@SOURCE, or a model file.
        name: String,
        /// Pictures of the source's classes: files named by synset (`n01440764_tench.JPEG`), or
        /// folders named by synset or class.
        #[arg(long, value_name = "DIR")]
        images: Option<PathBuf>,
        /// Run it on a picture made by a formula, and print what comes out, to compare with the
        /// framework. An architecture (torchvision/densenet121) runs with weights of a formula too, of
        /// the parameters' names and places: what comes out is known. Anything else runs with its own.
        #[arg(long, conflicts_with = "images")]
        formula: bool,
        /// With `--formula`: print every value of the output.
        #[arg(long, requires = "formula")]
        all_logits: bool,
        /// How values between the network's layers are stored; auto is f32 here.
        #[arg(long, value_enum, default_value_t = Precision::F32)]
        precision: Precision,
    },
}

#[derive(Debug, Args)]
pub(crate) struct FilterArgs {
    /// Framework they were trained in: pytorch, tensorflow, jax, mxnet, keras, caffe, onnx.
    #[arg(long, value_name = "NAME")]
    pub(crate) framework: Option<String>,
    /// Who has them: torchvision, timm, keras, caffe, onnx, gan, or own for yours.
    #[arg(long, value_name = "NAME")]
    pub(crate) zoo: Option<String>,
    /// What they were trained to do: classification, features, generation, detection.
    #[arg(long, value_name = "TASK")]
    pub(crate) task: Option<String>,
    /// Data set, or a part of its name.
    #[arg(long, value_name = "NAME")]
    pub(crate) dataset: Option<String>,
    /// Kind of architecture, such as ResNet.
    #[arg(long, value_name = "NAME")]
    pub(crate) family: Option<String>,
    /// permissive, non-commercial or unknown; or an SPDX identifier, such as MIT.
    #[arg(long, value_name = "LICENCE")]
    pub(crate) licence: Option<String>,
    /// Most parameters, for instance 10M.
    #[arg(long, value_name = "N", value_parser = count)]
    pub(crate) max_params: Option<u64>,
    /// Most multiply-adds for an image, for instance 500M.
    #[arg(long, value_name = "N", value_parser = count)]
    pub(crate) max_macs: Option<u64>,
    /// Largest weights file, for instance 50MB.
    #[arg(long, value_name = "SIZE", value_parser = bytes)]
    pub(crate) max_size: Option<u64>,
    /// Least published top-1 accuracy in percent.
    #[arg(long, value_name = "PERCENT", value_parser = percents)]
    pub(crate) min_top1: Option<f64>,
    /// Only those whose weights are on this machine or can be fetched without you.
    #[arg(long)]
    pub(crate) available: bool,
    /// What the list is sorted by; the best or smallest first [default: name, or how well words fit].
    #[arg(long, value_enum, value_name = "BY")]
    pub(crate) sort: Option<Sort>,
    /// The other way round.
    #[arg(long)]
    pub(crate) reverse: bool,
}

/// What may stand in `advise --zoo`.
#[derive(Debug, Parser)]
#[command(no_binary_name = true, disable_help_flag = true)]
pub(crate) struct FilterWords {
    pub(crate) words: Vec<String>,
    #[command(flatten)]
    pub(crate) filter: FilterArgs,
}

impl FilterArgs {
    /// Networks that fit, and have the words.
    pub(crate) fn filter(&self, words: &[String]) -> ZooFilter {
        ZooFilter {
            framework: self.framework.clone(),
            zoo: self.zoo.clone(),
            task: self.task.clone(),
            dataset: self.dataset.clone(),
            family: self.family.clone(),
            licence: self.licence.clone(),
            max_parameters: self.max_params,
            max_macs: self.max_macs,
            max_bytes: self.max_size,
            min_top1: self.min_top1,
            available: self.available,
            words: words.to_vec(),
            sort: self.sort.map(Into::into),
            reverse: self.reverse,
        }
    }
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Sort {
    /// Published top-1.
    Accuracy,
    /// Parameters.
    Params,
    /// Multiply-adds for an image.
    Cost,
    /// Size of the weights file.
    Size,
    /// Name.
    Name,
}

impl From<Sort> for regraft::SortBy {
    fn from(sort: Sort) -> Self {
        match sort {
            Sort::Accuracy => Self::Accuracy,
            Sort::Params => Self::Params,
            Sort::Cost => Self::Cost,
            Sort::Size => Self::Size,
            Sort::Name => Self::Name,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct AddArgs {
    /// A name for it; or one of the catalogue, whose weights the file then must be.
    pub(crate) name: String,
    /// The weights or model file.
    pub(crate) file: PathBuf,
    /// What is known of it, as TOML; docs/zoo.md has an example.
    #[arg(long, value_name = "CARD.toml")]
    pub(crate) card: Option<PathBuf>,
    /// Architecture that the weights fit, or `file` when the file has its own graph; counts before the
    /// card's.
    #[arg(long, value_name = "ARCH")]
    pub(crate) architecture: Option<String>,
    /// Leave the file where it is and link to it.
    #[arg(long)]
    pub(crate) link: bool,
}
