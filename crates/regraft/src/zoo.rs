//! The zoo, for tables: what there is, what is known of one network, and the user's own.

mod card;
mod list;
mod overlap;
mod own;
mod search;

use regraft_zoo::{ArchInfo, Cache, Entry, Expected, NetworkSpec, Reach, Size, reach};
use serde::Serialize;

pub(crate) use card::overlap;
pub use card::{BlockRow, PitfallRow, ZooCard, zoo_card};
pub use list::{SortBy, ZooFilter, ZooListing, zoo_list};
pub use overlap::{Match, Overlap, class_names};
pub use own::{AddOptions, Added, zoo_add, zoo_remove};

use crate::network::get;
use crate::{Error, LoadOptions, Observer};

/// One network of the catalogue, or of the user's own.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ZooRow {
    /// Its name.
    pub name: String,
    /// Who has it: `torchvision`, `timm`, `keras`, `caffe`, `onnx`, `gan`; `own` for the user's.
    pub zoo: String,
    /// Its architecture, with whose parameter names; none where its file brings the graph.
    pub architecture: Option<&'static str>,
    /// Kind of architecture.
    pub family: String,
    /// Framework the weights were trained in.
    pub framework: String,
    /// What it was trained to do.
    pub task: String,
    /// Data set it was trained on.
    pub dataset: String,
    /// SPDX expression.
    pub licence: String,
    /// `permissive`, `non-commercial` or `unknown`.
    pub licence_class: &'static str,
    /// Who made it.
    pub origin: String,
    /// The paper behind it.
    pub paper: String,
    /// Top-1 in percent, as published.
    pub published_top1: Option<f64>,
    /// Top-5 in percent, as published.
    pub published_top5: Option<f64>,
    /// Who published that.
    pub published_top1_source: String,
    /// Input in pixels at which that was measured, where it is another.
    pub published_at: Option<usize>,
    /// Values in learned parameters.
    pub parameters: Option<u64>,
    /// Multiply-adds for one image.
    pub macs: Option<u64>,
    /// Height and width of the input in pixels.
    pub input: [usize; 2],
    /// Size of the weights file in bytes.
    pub bytes: Option<u64>,
    /// Whether that is rounded, as published.
    pub bytes_about: bool,
    /// Checksum of the weights file, where all of it is known.
    pub sha256: Option<String>,
    /// What its publisher says of its bytes: a kind of checksum and its digits.
    pub checksum: Option<String>,
    /// Where the weights are.
    pub source: String,
    /// How they can be had: `here`, `download` or `by hand`.
    pub weights: &'static str,
    /// Whether it is taken when nobody names another.
    pub default: bool,
    /// Where the words of a search were found, best first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub found_in: Vec<&'static str>,
}

fn row(entry: &Entry, cache: &Cache) -> ZooRow {
    let cost = entry.architecture().and_then(ArchInfo::cost);
    // With classes of its own, the last layer is smaller than the table knows.
    let cost = cost.filter(|_| entry.classes.is_empty());
    ZooRow {
        name: entry.name.clone(),
        zoo: entry.zoo.clone(),
        architecture: entry.architecture().map(|a| a.name),
        family: entry.family.clone(),
        framework: entry.framework.clone(),
        task: entry.task.clone(),
        dataset: entry.dataset.clone(),
        licence: entry.licence.clone(),
        licence_class: entry.licence_class().name(),
        origin: entry.origin.clone(),
        paper: entry.paper.clone(),
        published_top1: entry.published_top1,
        published_top5: entry.published_top5,
        published_top1_source: entry.published_top1_source.clone(),
        published_at: entry.published_at,
        parameters: cost.map(|c| c.parameters).or(entry.parameters),
        macs: cost.map(|c| c.macs),
        input: entry.preprocess.crop,
        bytes: entry.size.map(Size::bytes),
        bytes_about: matches!(entry.size, Some(Size::About(_))),
        sha256: entry.checksum.as_ref().and_then(Expected::sha256).map(|s| s.to_string()),
        checksum: entry.checksum.as_ref().map(ToString::to_string),
        source: entry.source.to_string(),
        weights: reach(entry, cache, None).name(),
        default: entry.name == regraft_zoo::DEFAULT,
        found_in: Vec::new(),
    }
}

/// Where the weights of an entry are on this machine.
fn place(entry: &Entry, cache: &Cache) -> Option<String> {
    let Reach::Here(path) = reach(entry, cache, None) else { return None };
    Some(path.display().to_string())
}

/// Weights that are on this machine now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Pulled {
    /// The network.
    pub network: String,
    /// The weights file.
    pub path: String,
    /// Its size.
    pub bytes: u64,
    /// Its checksum, just computed.
    pub sha256: String,
}

/// Makes sure that a network's weights are on this machine.
///
/// # Errors
/// When they cannot be had or are not the right ones.
pub fn pull(name: &str, options: &LoadOptions, observer: &dyn Observer) -> Result<Pulled, Error> {
    let spec = NetworkSpec::parse(name)?;
    let fetched = get(&spec, options, observer)?;
    Ok(Pulled {
        network: name.to_owned(),
        path: fetched.path.display().to_string(),
        bytes: fetched.bytes,
        sha256: fetched.sha256.to_string(),
    })
}
