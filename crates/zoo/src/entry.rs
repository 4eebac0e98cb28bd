//! A trained network that can be had by name: what a file of the catalogue or a card says of it.

use regraft_net::card::{Channels, Interpolation, Preprocess, Resize};
use regraft_net::{Card, Graph};
use serde::Deserialize;

use crate::error::CatalogueProblem;
use crate::{ArchInfo, Expected, LicenceClass, Source, ZooError, architecture, labels};

/// Where an entry's graph is from.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Structure {
    /// An architecture of ours, whose names the weights have.
    Architecture(&'static ArchInfo),
    /// The weights file has its own, or a file beside it (Caffe's prototxt).
    File,
}

/// Size of a weights file in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
    /// As it is.
    Exact(u64),
    /// As published, rounded.
    About(u64),
}

impl Size {
    /// The number.
    pub fn bytes(self) -> u64 {
        match self {
            Self::Exact(n) | Self::About(n) => n,
        }
    }
}

/// A trained network that can be had by name.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Entry {
    /// Its name, unique in the catalogue.
    pub name: String,
    /// Who has it: `torchvision`, `timm`, `keras`, `caffe`, `onnx`, `gan`, `pypi`; `own` for the user's.
    pub zoo: String,
    /// The graph that its weights fit.
    pub structure: Structure,
    /// Kind of architecture, as [`Family::name`](crate::Family::name) says it.
    pub family: String,
    /// Framework that the weights were trained in.
    pub framework: String,
    /// What it was trained to do: `classification`, `features`, `generation`, `detection`.
    pub task: String,
    /// Data set it was trained on.
    pub dataset: String,
    /// SPDX expression, or a word.
    pub licence: String,
    /// What else is to be known of the licence.
    pub licence_note: Option<String>,
    /// Who made it and where it was published.
    pub origin: String,
    /// The paper behind it.
    pub paper: String,
    /// How it was trained, as its publisher calls that.
    pub recipe: Option<String>,
    /// Top-1 accuracy on its data set's validation part, in percent, as published.
    pub published_top1: Option<f64>,
    /// Top-5 accuracy, likewise.
    pub published_top5: Option<f64>,
    /// Who published these figures.
    pub published_top1_source: String,
    /// Height and width in pixels at which they were measured, where that is not the input's.
    pub published_at: Option<usize>,
    /// Learned values, as published.
    pub parameters: Option<u64>,
    /// How a picture becomes its input.
    pub preprocess: Preprocess,
    /// Whether that was said: of a file with its own graph, the file may know better than what is usual.
    pub preprocess_said: bool,
    /// Name of the list of its classes, see [`labels`]; none where that is not known here.
    pub labels: Option<String>,
    /// Names of its classes, where they are no list of ours.
    pub classes: Vec<String>,
    /// Size of the weights file.
    pub size: Option<Size>,
    /// What is known of its bytes; none means that the first file is trusted, and its checksum kept.
    pub checksum: Option<Expected>,
    /// Where the weights file is.
    pub source: Source,
    /// The weights file's name, where the address is that of an archive around it.
    pub file: Option<String>,
    /// Where the file with the graph is, when it is another one.
    pub graph_url: Option<String>,
    /// Names of known pitfalls, see [`pitfall`](crate::pitfall()).
    pub pitfalls: Vec<String>,
    /// What else is to be known of this one, a sentence each.
    pub notes: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawEntry {
    name: String,
    #[serde(default)]
    zoo: String,
    architecture: Option<String>,
    graph: Option<String>,
    family: Option<String>,
    framework: Option<String>,
    task: Option<String>,
    dataset: Option<String>,
    licence: Option<String>,
    licence_note: Option<String>,
    origin: Option<String>,
    paper: Option<String>,
    recipe: Option<String>,
    published_top1: Option<f64>,
    published_top5: Option<f64>,
    published_top1_source: Option<String>,
    published_at: Option<usize>,
    parameters: Option<u64>,
    labels: Option<String>,
    #[serde(default)]
    classes: Vec<String>,
    size_bytes: Option<u64>,
    size_about: Option<u64>,
    sha256: Option<String>,
    sha256_prefix: Option<String>,
    md5: Option<String>,
    sha1: Option<String>,
    source: Option<String>,
    file: Option<String>,
    graph_url: Option<String>,
    #[serde(default)]
    pitfalls: Vec<String>,
    #[serde(default)]
    notes: Vec<String>,
    preprocess: Option<RawPreprocess>,
}

/// Square input; pixel values between 0 and 1 before `mean` and `std`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPreprocess {
    resize_shorter: Option<usize>,
    /// `[height, width]`.
    resize_exact: Option<[usize; 2]>,
    interpolation: String,
    crop: usize,
    #[serde(default)]
    channels: Option<String>,
    /// The value of a white pixel in the units of `mean` and `std`: 1 or 255.
    white: f64,
    mean: [f64; 3],
    std: [f64; 3],
}

/// Who wrote the text: a card of the user's may leave out what only the catalogue must have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Author {
    Catalogue,
    User,
}

type Problem = CatalogueProblem;

fn wrong(key: &'static str, got: &(impl ToString + ?Sized), wanted: &'static str) -> Problem {
    Problem::Value { key, got: got.to_string(), wanted }
}

fn unknown(error: ZooError) -> Problem {
    Problem::Unknown(Box::new(error))
}

impl Entry {
    /// Reads the one entry of a file of the catalogue; `file` is its name, for errors.
    ///
    /// # Errors
    /// When a key is missing, unknown or empty, a checksum is not one, a size is 0, or the
    /// architecture or the labels do not exist.
    pub fn parse(file: &str, text: &str) -> Result<Self, ZooError> {
        Self::parse_as(file, text, Author::Catalogue)
    }

    pub(crate) fn parse_as(file: &str, text: &str, author: Author) -> Result<Self, ZooError> {
        let wrong = |problem| ZooError::Catalogue { file: file.to_owned(), problem };
        let raw: RawEntry = toml::from_str(text).map_err(|e| wrong(Problem::Toml(Box::new(e))))?;
        Self::check(raw, author).map_err(wrong)
    }

    /// Reads all entries of a file: one whose keys are at the top, or each `[[network]]` with what
    /// `[common]` says. Lists are joined, everything else of an entry counts before what is common.
    ///
    /// # Errors
    /// As [`Entry::parse`]; the error names the entry.
    pub fn parse_all(file: &str, text: &str) -> Result<Vec<Self>, ZooError> {
        let wrong = |file: String| move |problem| ZooError::Catalogue { file, problem };
        let toml = |e| Problem::Toml(Box::new(e));
        let mut whole: toml::Table =
            toml::from_str(text).map_err(toml).map_err(wrong(file.to_owned()))?;
        let Some(toml::Value::Array(networks)) = whole.remove("network") else {
            return Ok(vec![Self::parse(file, text)?]);
        };
        let common = match whole.remove("common") {
            Some(toml::Value::Table(common)) => common,
            Some(_) | None => toml::Table::new(),
        };
        let entry = |network: toml::Value| {
            let mut table = common.clone();
            let mut place = file.to_owned();
            if let toml::Value::Table(network) = network {
                if let Some(name) = network.get("name").and_then(toml::Value::as_str) {
                    place = format!("{file}, `{name}`");
                }
                for (key, value) in network {
                    merge(&mut table, key, value);
                }
            }
            let raw: RawEntry = table.try_into().map_err(toml).map_err(wrong(place.clone()))?;
            Self::check(raw, Author::Catalogue).map_err(wrong(place))
        };
        networks.into_iter().map(entry).collect()
    }

    fn check(raw: RawEntry, author: Author) -> Result<Self, Problem> {
        check_words(&raw)?;
        check_figures(&raw)?;
        let own = author == Author::User;
        let checksum = checksum(&raw)?;
        let structure = structure(&raw)?;
        let family = match structure {
            Structure::Architecture(info) => info.family.name().to_owned(),
            Structure::File => raw.family.clone().unwrap_or_else(|| "unknown".to_owned()),
        };
        if let Some(list) = &raw.labels {
            labels(list).map_err(unknown)?;
        }
        for name in &raw.pitfalls {
            crate::pitfall(name).map_err(unknown)?;
        }
        let needed = |key: &'static str, value: Option<String>, of_own: &str| match value {
            Some(value) => Ok(value),
            None if own => Ok(of_own.to_owned()),
            None => Err(Problem::Missing { key }),
        };
        let source = match &raw.source {
            Some(text) => Source::parse(text).map_err(unknown)?,
            None if own => Source::File { path: std::path::PathBuf::new() },
            None => return Err(Problem::Missing { key: "source" }),
        };
        let preprocess = match (&raw.preprocess, structure) {
            (Some(raw), _) => preprocess(raw)?,
            (None, Structure::Architecture(info)) if own => info.card("", "").preprocess,
            (None, Structure::File) if own => Card::blank("").preprocess,
            (None, _) => return Err(Problem::Missing { key: "preprocess" }),
        };
        fits_the_input(&preprocess, structure)?;
        let size = raw.size_bytes.map(Size::Exact).or_else(|| raw.size_about.map(Size::About));
        let paper = raw.paper.or_else(|| crate::family(&family).map(|f| f.paper.clone()));
        let top1_source = raw.published_top1_source.unwrap_or_default();
        Ok(Self {
            zoo: zoo(author, raw.zoo, &source),
            framework: needed("framework", raw.framework, "unknown")?,
            task: task(needed("task", raw.task, "classification")?),
            dataset: needed("dataset", raw.dataset, "unknown")?,
            licence: needed("licence", raw.licence, "unknown")?,
            licence_note: raw.licence_note,
            origin: needed("origin", raw.origin, "the user's own")?,
            paper: needed("paper", paper, "unknown")?,
            recipe: raw.recipe,
            published_top1: raw.published_top1,
            published_top5: raw.published_top5,
            published_top1_source: top1_source,
            published_at: raw.published_at,
            parameters: raw.parameters,
            preprocess,
            preprocess_said: raw.preprocess.is_some(),
            labels: raw.labels,
            classes: raw.classes,
            size,
            checksum,
            source,
            file: raw.file,
            graph_url: raw.graph_url,
            pitfalls: raw.pitfalls,
            notes: raw.notes,
            structure,
            family,
            name: raw.name,
        })
    }

    /// The architecture, where it is one of ours.
    pub fn architecture(&self) -> Option<&'static ArchInfo> {
        match self.structure {
            Structure::Architecture(info) => Some(info),
            Structure::File => None,
        }
    }

    /// The weights file's name.
    pub fn file_name(&self) -> &str {
        self.file.as_deref().unwrap_or_else(|| self.source.file_name())
    }

    /// What the licence permits.
    pub fn licence_class(&self) -> LicenceClass {
        LicenceClass::of(&self.licence)
    }

    /// Names of its classes in the order of the outputs; empty when not known.
    pub fn class_names(&self) -> Vec<String> {
        if !self.classes.is_empty() {
            return self.classes.clone();
        }
        let list = self.labels.as_deref().and_then(|list| labels(list).ok());
        list.unwrap_or_default().into_iter().map(|l| l.name).collect()
    }

    /// The card, with labels, default cut and logits.
    pub fn card(&self) -> Card {
        let info = self.architecture();
        Card {
            name: self.name.clone(),
            framework: self.framework.clone(),
            dataset: self.dataset.clone(),
            licence: self.licence.clone(),
            origin: self.origin.clone(),
            preprocess: self.preprocess,
            labels: self.class_names(),
            cut: info.map(|a| a.penultimate.to_owned()),
            logits: info.filter(|a| !a.headless()).map(|a| a.logits.to_owned()),
            blocks: info.map(ArchInfo::blocks).unwrap_or_default(),
        }
    }

    /// The graph that its weights fit.
    ///
    /// # Errors
    /// When the graph is in the weights file.
    pub fn graph(&self) -> Result<Graph, ZooError> {
        match self.structure {
            Structure::Architecture(info) if self.classes.is_empty() => info.graph(),
            Structure::Architecture(info) => info.graph_for(self.classes.len()),
            Structure::File => Err(ZooError::GraphInFile { name: self.name.clone() }),
        }
    }
}

/// Puts an entry's value over the common one.
fn merge(table: &mut toml::Table, key: String, value: toml::Value) {
    use toml::Value::Array;
    match (table.get_mut(&key), value) {
        // Pitfalls and notes of the zoo hold for each of its networks too.
        (Some(Array(common)), Array(more)) => common.extend(more),
        (_, value) => {
            table.insert(key, value);
        }
    }
}

fn check_words(raw: &RawEntry) -> Result<(), Problem> {
    for (key, value) in [
        ("name", Some(&raw.name)),
        ("framework", raw.framework.as_ref()),
        ("task", raw.task.as_ref()),
        ("dataset", raw.dataset.as_ref()),
        ("licence", raw.licence.as_ref()),
        ("origin", raw.origin.as_ref()),
        ("paper", raw.paper.as_ref()),
        ("published_top1_source", raw.published_top1_source.as_ref()),
    ] {
        if value.is_some_and(|v| v.trim().is_empty()) {
            return Err(Problem::Empty { key });
        }
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let first = raw.name.chars().next().is_some_and(|c| c.is_ascii_alphanumeric());
    if !first || !raw.name.chars().all(plain) || raw.name.len() > 100 {
        return Err(wrong("name", &raw.name, "letters, digits and `._-`, a letter or digit first"));
    }
    Ok(())
}

fn check_figures(raw: &RawEntry) -> Result<(), Problem> {
    for (key, figure) in
        [("published_top1", raw.published_top1), ("published_top5", raw.published_top5)]
    {
        if figure.is_some_and(|p| !(p > 0.0 && p <= 100.0)) {
            return Err(wrong(key, &figure.unwrap_or_default(), "percent"));
        }
    }
    if raw.published_top1.is_some() && raw.published_top1_source.is_none() {
        return Err(Problem::Missing { key: "published_top1_source" });
    }
    for (key, size) in [("size_bytes", raw.size_bytes), ("size_about", raw.size_about)] {
        if size == Some(0) {
            return Err(wrong(key, &0, "at least 1"));
        }
    }
    if raw.classes.len() > 1_000_000 {
        return Err(wrong("classes", &raw.classes.len(), "at most a million names"));
    }
    Ok(())
}

fn checksum(raw: &RawEntry) -> Result<Option<Expected>, Problem> {
    let mut found = None;
    for (key, text, wanted) in [
        ("sha256", &raw.sha256, "64 hexadecimal digits"),
        ("sha256_prefix", &raw.sha256_prefix, "8 to 63 hexadecimal digits"),
        ("md5", &raw.md5, "32 hexadecimal digits"),
        ("sha1", &raw.sha1, "40 hexadecimal digits"),
    ] {
        let Some(text) = text else { continue };
        let sum = Expected::parse(key, text).ok_or_else(|| wrong(key, text, wanted))?;
        if found.replace(sum).is_some() {
            return Err(wrong(key, text, "to be the only checksum"));
        }
    }
    Ok(found)
}

fn structure(raw: &RawEntry) -> Result<Structure, Problem> {
    match (raw.architecture.as_deref(), raw.graph.as_deref()) {
        (Some(name), None) => architecture(name).map(Structure::Architecture).map_err(unknown),
        (None, Some("file")) => Ok(Structure::File),
        (None, Some(other)) => Err(wrong("graph", other, "`file`")),
        (None, None) => Err(Problem::Missing { key: "architecture" }),
        (Some(_), Some(graph)) => Err(wrong("graph", graph, "no `architecture` beside it")),
    }
}

/// Who has it. Files of one entry do not say so when a package is all there is.
fn zoo(author: Author, said: String, source: &Source) -> String {
    if author == Author::User {
        return "own".to_owned();
    }
    if said.is_empty() && matches!(source, Source::Pypi { .. }) { "pypi".to_owned() } else { said }
}

/// One word for what the first files called otherwise.
fn task(word: String) -> String {
    if word == "image classification" { "classification".to_owned() } else { word }
}

fn fits_the_input(preprocess: &Preprocess, structure: Structure) -> Result<(), Problem> {
    if let Structure::Architecture(info) = structure
        && preprocess.crop != [info.size; 2]
    {
        let wanted = "the size of the architecture's input";
        return Err(wrong("crop", &preprocess.crop[0], wanted));
    }
    Ok(())
}

fn preprocess(raw: &RawPreprocess) -> Result<Preprocess, Problem> {
    let Some(interpolation) = Interpolation::parse(&raw.interpolation) else {
        let wanted = "`nearest`, `bilinear`, `bicubic` or `lanczos`";
        return Err(wrong("interpolation", &raw.interpolation, wanted));
    };
    let (resize, least, most) = match (raw.resize_shorter, raw.resize_exact) {
        (Some(side), None) => (Resize::Shorter(side), side, side),
        (None, Some(sides)) => {
            (Resize::Exact(sides), sides[0].min(sides[1]), sides[0].max(sides[1]))
        }
        (None, None) => return Err(Problem::Missing { key: "resize_shorter" }),
        (Some(_), Some(sides)) => {
            return Err(wrong("resize_exact", &sides[0], "no `resize_shorter` beside it"));
        }
    };
    if raw.crop == 0 || least < raw.crop || most > 1 << 14 {
        let got = format!("{least} and {}", raw.crop);
        return Err(wrong("resize_shorter", &got, "at least the crop, both in pixels"));
    }
    let channels = match raw.channels.as_deref() {
        None | Some("rgb") => Channels::Rgb,
        Some("bgr") => Channels::Bgr,
        Some(other) => return Err(wrong("channels", other, "`rgb` or `bgr`")),
    };
    if raw.white != 1.0 && raw.white != 255.0 {
        return Err(wrong("white", &raw.white, "1 or 255"));
    }
    if raw.std.iter().chain(&raw.mean).any(|v| !v.is_finite()) || raw.std.iter().any(|s| *s <= 0.0)
    {
        return Err(wrong("std", &format!("{:?}", raw.std), "positive numbers"));
    }
    // Bytes that are not divided stay bytes, to the last bit.
    let bytes = raw.white == 255.0 && raw.std == [1.0; 3];
    let white = if bytes { 1.0 } else { raw.white };
    let usual = Preprocess::imagenet(most, raw.crop, interpolation);
    Ok(Preprocess {
        resize,
        channels,
        scale: if bytes { 1.0 } else { usual.scale },
        mean: raw.mean.map(|m| (m / white) as f32),
        std: raw.std.map(|s| (s / white) as f32),
        ..usual
    })
}
