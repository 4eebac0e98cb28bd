//! The catalogue: one TOML file per entry, part of the program.

use std::sync::LazyLock;

use regraft_net::card::{Channels, Interpolation, Preprocess, Resize};
use regraft_net::{Card, nearest};
use serde::Deserialize;

use crate::error::CatalogueProblem;
use crate::{ArchInfo, Checksum, Source, ZooError, architecture, labels};

/// The network that is used when nobody says otherwise.
pub const DEFAULT: &str = "efficientnet-lite0";

/// Name and text of every file in `catalogue/`.
const FILES: &[(&str, &str)] = &[
    ("efficientnet-lite0.toml", include_str!("../catalogue/efficientnet-lite0.toml")),
    ("efficientnet-lite1.toml", include_str!("../catalogue/efficientnet-lite1.toml")),
    ("efficientnet-lite2.toml", include_str!("../catalogue/efficientnet-lite2.toml")),
    ("mobilenet-v2.toml", include_str!("../catalogue/mobilenet-v2.toml")),
    ("squeezenet-1.1.toml", include_str!("../catalogue/squeezenet-1.1.toml")),
];

/// A trained network that can be had by name.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Entry {
    /// Its name, unique in the catalogue.
    pub name: String,
    /// The graph that its weights fit.
    pub architecture: &'static ArchInfo,
    /// Framework that the weights were trained in.
    pub framework: String,
    /// What it was trained to do.
    pub task: String,
    /// Data set it was trained on.
    pub dataset: String,
    /// SPDX expression.
    pub licence: String,
    /// Who made it and where it was published.
    pub origin: String,
    /// The paper behind it.
    pub paper: String,
    /// Top-1 accuracy on its data set's validation part, in percent, as published.
    pub published_top1: f64,
    /// Who published that figure.
    pub published_top1_source: String,
    /// How a picture becomes its input.
    pub preprocess: Preprocess,
    /// Name of the list of its classes, see [`labels`].
    pub labels: String,
    /// Size of the weights file in bytes.
    pub size_bytes: u64,
    /// Checksum of the weights file.
    pub sha256: Checksum,
    /// Where the weights file is.
    pub source: Source,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawEntry {
    name: String,
    architecture: String,
    framework: String,
    task: String,
    dataset: String,
    licence: String,
    origin: String,
    paper: String,
    published_top1: f64,
    published_top1_source: String,
    labels: String,
    size_bytes: u64,
    sha256: String,
    source: String,
    preprocess: RawPreprocess,
}

/// Square input.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPreprocess {
    resize_shorter: usize,
    /// Whether both sides become `resize_shorter`, as Caffe has it.
    #[serde(default)]
    squeeze: bool,
    interpolation: String,
    /// `rgb` or `bgr`; `mean` and `std` are in this order.
    #[serde(default = "rgb")]
    channels: String,
    crop: usize,
    /// The value of a white pixel in the units of `mean` and `std`: 1 or 255.
    white: f64,
    mean: [f64; 3],
    std: [f64; 3],
}

impl Entry {
    /// Reads a file of the catalogue; `file` is its name, for errors.
    ///
    /// # Errors
    /// When a key is missing, unknown or empty, a checksum is not 64 digits, a size is 0, or the
    /// architecture or the labels do not exist.
    pub fn parse(file: &str, text: &str) -> Result<Self, ZooError> {
        let wrong = |problem| ZooError::Catalogue { file: file.to_owned(), problem };
        let raw: RawEntry =
            toml::from_str(text).map_err(|e| wrong(CatalogueProblem::Toml(Box::new(e))))?;
        Self::check(raw).map_err(wrong)
    }

    fn check(raw: RawEntry) -> Result<Self, CatalogueProblem> {
        let unknown = |e| CatalogueProblem::Unknown(Box::new(e));
        for (key, value) in [
            ("name", &raw.name),
            ("framework", &raw.framework),
            ("task", &raw.task),
            ("dataset", &raw.dataset),
            ("licence", &raw.licence),
            ("origin", &raw.origin),
            ("paper", &raw.paper),
            ("published_top1_source", &raw.published_top1_source),
        ] {
            if value.trim().is_empty() {
                return Err(CatalogueProblem::Empty { key });
            }
        }
        if raw.name.contains(|c: char| !c.is_ascii_alphanumeric() && !"._-".contains(c)) {
            let wanted = "letters, digits and `._-`";
            return Err(CatalogueProblem::Value { key: "name", got: raw.name, wanted });
        }
        if !(raw.published_top1 > 0.0 && raw.published_top1 <= 100.0) {
            let got = raw.published_top1.to_string();
            return Err(CatalogueProblem::Value { key: "published_top1", got, wanted: "percent" });
        }
        if raw.size_bytes == 0 {
            let got = "0".to_owned();
            return Err(CatalogueProblem::Value { key: "size_bytes", got, wanted: "at least 1" });
        }
        let Some(sha256) = Checksum::parse(&raw.sha256) else {
            let wanted = "64 hexadecimal digits";
            return Err(CatalogueProblem::Value { key: "sha256", got: raw.sha256, wanted });
        };
        labels(&raw.labels).map_err(unknown)?;
        Ok(Self {
            architecture: architecture(&raw.architecture).map_err(unknown)?,
            preprocess: preprocess(&raw.preprocess)?,
            source: Source::parse(&raw.source).map_err(unknown)?,
            name: raw.name,
            framework: raw.framework,
            task: raw.task,
            dataset: raw.dataset,
            licence: raw.licence,
            origin: raw.origin,
            paper: raw.paper,
            published_top1: raw.published_top1,
            published_top1_source: raw.published_top1_source,
            labels: raw.labels,
            size_bytes: raw.size_bytes,
            sha256,
        })
    }
}

fn rgb() -> String {
    "rgb".to_owned()
}

fn preprocess(raw: &RawPreprocess) -> Result<Preprocess, CatalogueProblem> {
    let wrong = |key, got: String, wanted| CatalogueProblem::Value { key, got, wanted };
    let Some(interpolation) = Interpolation::parse(&raw.interpolation) else {
        let wanted = "`nearest`, `bilinear`, `bicubic` or `lanczos`";
        return Err(wrong("interpolation", raw.interpolation.clone(), wanted));
    };
    if raw.crop == 0 || raw.resize_shorter < raw.crop || raw.resize_shorter > 1 << 14 {
        let got = format!("{} and {}", raw.resize_shorter, raw.crop);
        return Err(wrong("resize_shorter", got, "at least the crop, both in pixels"));
    }
    if raw.white != 1.0 && raw.white != 255.0 {
        return Err(wrong("white", raw.white.to_string(), "1 or 255"));
    }
    if raw.std.iter().chain(&raw.mean).any(|v| !v.is_finite()) || raw.std.iter().any(|s| *s <= 0.0)
    {
        return Err(wrong("std", format!("{:?}", raw.std), "positive numbers"));
    }
    let channels = match raw.channels.as_str() {
        "rgb" => Channels::Rgb,
        "bgr" => Channels::Bgr,
        _ => return Err(wrong("channels", raw.channels.clone(), "`rgb` or `bgr`")),
    };
    let side = raw.resize_shorter;
    Ok(Preprocess {
        resize: if raw.squeeze { Resize::Exact([side; 2]) } else { Resize::Shorter(side) },
        channels,
        mean: raw.mean.map(|m| (m / raw.white) as f32),
        std: raw.std.map(|s| (s / raw.white) as f32),
        ..Preprocess::imagenet(raw.resize_shorter, raw.crop, interpolation)
    })
}

/// Every entry, in the order of the catalogue's files.
pub fn catalogue() -> &'static [Entry] {
    // A test parses every file, so that nothing is left out here.
    static ENTRIES: LazyLock<Vec<Entry>> =
        LazyLock::new(|| FILES.iter().filter_map(|(f, t)| Entry::parse(f, t).ok()).collect());
    &ENTRIES
}

/// Name and text of the catalogue's files, as they are in the program.
pub fn catalogue_files() -> &'static [(&'static str, &'static str)] {
    FILES
}

/// The entry of that name.
///
/// # Errors
/// When there is none, with the nearest names.
pub fn find(name: &str) -> Result<&'static Entry, ZooError> {
    catalogue().iter().find(|e| e.name == name).ok_or_else(|| ZooError::NoNetwork {
        name: name.to_owned(),
        near: nearest(name, catalogue().iter().map(|e| e.name.as_str())),
    })
}

/// The card of an entry, with its labels, default cut and logits.
pub fn card(entry: &Entry) -> Card {
    let names = labels(&entry.labels).unwrap_or_default();
    Card {
        name: entry.name.clone(),
        framework: entry.framework.clone(),
        dataset: entry.dataset.clone(),
        licence: entry.licence.clone(),
        origin: entry.origin.clone(),
        preprocess: entry.preprocess,
        labels: names.into_iter().map(|l| l.name).collect(),
        cut: Some(entry.architecture.penultimate.to_owned()),
        logits: Some(entry.architecture.logits.to_owned()),
        blocks: entry.architecture.blocks(),
    }
}
