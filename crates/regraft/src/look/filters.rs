//! What a network's filters are: first kernels as pictures, norms, copies, and units that never answer.

use std::path::{Path, PathBuf};

use regraft_data::{Picture, PictureFacts, to_png};
use regraft_look::{Patch, alike, norm, silent};
use regraft_net::card::Preprocess;
use regraft_net::{LayerId, Network, Op};
use regraft_run::{Skipped, atomic_write};
use regraft_tensor::Tensor;
use serde::Serialize;

use super::draw;
use super::files;
use super::grid::square;
use super::survey::Survey;
use crate::{Error, LoadOptions, Observer, Progress, load};

/// Cosine from which on two filters are called copies.
const ALIKE: f64 = 0.95;
/// A filter whose norm is below this part of the layer's mean does nothing.
const BLANK: f64 = 1e-3;
/// Most multiplications for comparing the filters of a layer with each other: a few seconds.
const COMPARED: usize = 4_000_000_000;
/// Side of a kernel on the picture, in pixels, at least.
const SIDE: usize = 24;

/// What is asked for.
#[derive(Debug, Clone)]
pub struct FiltersOptions {
    /// A run folder, or a network of the zoo.
    pub network: String,
    /// Folder of pictures that show which units answer; none leaves that out.
    pub images: Option<PathBuf>,
    /// Folder for what is made.
    pub out: PathBuf,
    /// Where weights may come from.
    pub load: LoadOptions,
}

/// Two filters that do the same.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Copies {
    /// Both, from 0.
    pub filters: [usize; 2],
    /// The cosine between them; below zero they are opposites.
    pub cosine: f64,
}

/// The filters of one layer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LayerFilters {
    /// The layer.
    pub layer: String,
    /// Its operation.
    pub op: &'static str,
    /// How many filters it has.
    pub filters: usize,
    /// Values of each.
    pub values: usize,
    /// Euclidean norm of each filter.
    pub norms: Vec<f64>,
    /// Filters with as good as no weights.
    pub blank: Vec<usize>,
    /// Pairs that read the same channels with a cosine above 0.95 or below -0.95, the surest first; none where there
    /// are too many to compare, or each reads a channel of its own.
    pub copies: Option<Vec<Copies>>,
}

/// What the units of a layer behind its `ReLU` do.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LayerUnits {
    /// The layer.
    pub layer: String,
    /// How many units it has.
    pub units: usize,
    /// Units that no picture excites.
    pub dead: Vec<usize>,
    /// Share of pictures in which each unit is silent, 0 to 1.
    pub silent: Vec<f64>,
    /// Share of places above zero, mean over units and pictures, 0 to 1 (one minus the mean of `APoZ`, Hu et al. 2016).
    pub active: f64,
}

/// What a network's filters are.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Filters {
    /// The network.
    pub network: String,
    /// The folder.
    pub out: String,
    /// The layer whose kernels are drawn, and the picture; none where no convolution reads the picture.
    pub first: Option<(String, String)>,
    /// Every layer with filters.
    pub layers: Vec<LayerFilters>,
    /// Every layer behind a `ReLU`, where pictures were given.
    pub units: Vec<LayerUnits>,
    /// Pictures looked at.
    pub seen: usize,
    /// Files that could not be read.
    pub skipped: Vec<Skipped>,
}

/// Draws the kernels that read the picture, and says of all filters how large they are, which are copies of others, and,
/// over a folder of pictures, which units never answer; `filters.png`, and `filters.json` with every figure.
///
/// # Errors
/// When network or folder are not usable, or something cannot be written.
pub fn filters(options: &FiltersOptions, observer: &dyn Observer) -> Result<Filters, Error> {
    let loaded = load(&options.network, &options.load, observer)?;
    let network = &loaded.network;
    let mut layers = Vec::new();
    for (_, layer) in network.graph().layers() {
        if observer.stop() {
            return Err(Error::Stopped);
        }
        if matches!(layer.op, Op::Conv2d(_) | Op::Linear { .. }) {
            layers.extend(of_layer(network, &layer.name, &layer.op));
        }
    }
    let mut first = None;
    let mut drawn = Vec::new();
    if let Some((name, kernels)) = first_kernels(network) {
        drawn = to_png(&kernel_sheet(kernels, &network.card().preprocess)?)?;
        first = Some((name, "filters.png".to_owned()));
    }
    let mut told = Filters {
        network: loaded.source.clone(),
        out: options.out.display().to_string(),
        first,
        layers,
        units: Vec::new(),
        seen: 0,
        skipped: Vec::new(),
    };
    if let Some(folder) = &options.images {
        answers(network, folder, &options.load, &mut told, observer)?;
    }
    files::folder(&options.out)?;
    if let Some((_, file)) = &told.first {
        atomic_write(options.out.join(file), &drawn)?;
    }
    files::json(&options.out.join("filters.json"), &told)?;
    Ok(told)
}

/// A layer's filters: rows of its weight.
fn of_layer(network: &Network, layer: &str, op: &Op) -> Option<LayerFilters> {
    let weight = network.params().get(&format!("{layer}.weight"))?;
    let (filters, values) = (weight.rows(), weight.row_len());
    let norms: Vec<f64> = weight.data().chunks_exact(values.max(1)).map(norm).collect();
    let mean = norms.iter().sum::<f64>() / norms.len().max(1) as f64;
    let blank = (0..norms.len()).filter(|i| norms[*i] <= BLANK * mean).collect();
    // Only filters that read the same channels can be copies.
    let groups = if let Op::Conv2d(conv) = op { conv.groups.max(1) } else { 1 };
    let each = filters / groups;
    // A filter of one value is like every other.
    let work = filters.saturating_mul(each).saturating_mul(values) / 2;
    let comparable = each > 1 && values > 1 && work <= COMPARED;
    let copies = comparable.then(|| {
        let mut copies = Vec::new();
        for (group, rows) in weight.data().chunks_exact(each * values).enumerate() {
            let pairs = alike(rows, values, ALIKE).into_iter();
            copies.extend(pairs.map(|(a, b, cosine)| Copies {
                filters: [group * each + a, group * each + b],
                cosine,
            }));
        }
        copies.sort_by(|a, b| b.cosine.abs().total_cmp(&a.cosine.abs()));
        copies
    });
    let (layer, op) = (layer.to_owned(), op.name());
    Some(LayerFilters { layer, op, filters, values, norms, blank, copies })
}

/// The weight `[out, 3, h, w]` of the first convolution that reads colours.
fn first_kernels(network: &Network) -> Option<(String, &Tensor)> {
    let mut layers = network.graph().layers();
    layers.find_map(|(_, layer)| {
        let weight = network.params().get(&format!("{}.weight", layer.name))?;
        let is_first =
            matches!(layer.op, Op::Conv2d(_)) && weight.shape().dims().get(1) == Some(&3);
        is_first.then(|| (layer.name.clone(), &**weight))
    })
}

/// Kernels as small pictures, each stretched by itself around grey, those with the largest norm first.
fn kernel_sheet(kernels: &Tensor, p: &Preprocess) -> Result<Picture, Error> {
    let dims = kernels.shape().dims();
    let (height, width) = (dims[2], dims[3]);
    let mut rows: Vec<&[f32]> = kernels.data().chunks_exact(kernels.row_len()).collect();
    rows.sort_by(|a, b| norm(b).total_cmp(&norm(a)));
    let patch = Patch { top: 0, left: 0, height, width };
    // Of a kernel whole pixels are drawn as large as it takes.
    let times = SIDE.div_ceil(height.max(width)).max(1);
    let seen = Preprocess { crop: [height, width], ..*p };
    let tile = |row: &&[f32]| {
        let small = draw::signal(&draw::planes(row, &patch, &seen), &patch, height.max(width))?;
        Ok(enlarged(&small, times))
    };
    let tiles = rows.iter().map(tile).collect::<Result<Vec<Picture>, Error>>()?;
    Ok(square(&tiles))
}

/// Each pixel as a square.
fn enlarged(picture: &Picture, times: usize) -> Picture {
    let (width, height) = (picture.width * times, picture.height * times);
    let pixels = picture.rgb.as_chunks::<3>().0;
    let pixel = |i: usize| pixels[i / width / times * picture.width + i % width / times];
    let rgb = (0..width * height).flat_map(pixel).collect();
    Picture { width, height, rgb, facts: PictureFacts::DRAWN }
}

/// Which units behind a `ReLU` answer to the pictures of a folder.
fn answers(
    network: &Network,
    folder: &Path,
    load: &LoadOptions,
    told: &mut Filters,
    observer: &dyn Observer,
) -> Result<(), Error> {
    let facts = network.facts()?;
    let is_map = |id: LayerId| facts.layer(id).shape.len() == 3;
    let layers: Vec<&str> = network
        .graph()
        .layers()
        .filter(|(id, layer)| matches!(layer.op, Op::Relu | Op::Relu6) && is_map(*id))
        .map(|(_, layer)| layer.name.as_str())
        .collect();
    if layers.is_empty() {
        observer.tell(&Progress::Note(
            "no unit is called dead: the network has no ReLU, behind which one would stay at zero",
        ));
        return Ok(());
    }
    let survey = Survey::take(network, &layers, folder, load, observer)?;
    told.seen = survey.read.len();
    told.skipped = survey.skipped();
    let mut peaks = vec![Vec::new(); layers.len()];
    let mut active = vec![0.0; layers.len()];
    survey.each(|of| {
        for ((peaks, active), channels) in peaks.iter_mut().zip(&mut active).zip(of) {
            peaks.extend(channels.iter().map(|c| c.max));
            let shares: f64 = channels.iter().map(|c| f64::from(c.active)).sum();
            *active += shares / channels.len().max(1) as f64;
        }
    })?;
    for ((layer, peaks), active) in layers.iter().zip(&peaks).zip(active) {
        let units = peaks.len() / told.seen.max(1);
        let silent = silent(peaks, units);
        told.units.push(LayerUnits {
            layer: (*layer).to_owned(),
            units,
            dead: (0..units).filter(|unit| silent[*unit] >= 1.0).collect(),
            silent,
            active: active / told.seen.max(1) as f64,
        });
    }
    Ok(())
}
