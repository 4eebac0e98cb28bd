//! Dreams on a picture, and a picture found again from a layer.

use std::collections::BTreeMap;
use std::path::PathBuf;

use regraft_data::{Picture, decode_file};
use regraft_look::{DreamSettings, InvertSettings, Objective};
use regraft_net::card::{Interpolation, Preprocess, Resize};
use regraft_tensor::Tensor;
use serde::Serialize;

use super::asked::Asked;
use super::files;
use super::grid::{drawn, grid};
use super::kept::{Kept, kept_one};
use crate::{Error, LoadOptions, Observer, Progress, load};

/// What is asked for of a dream.
#[derive(Debug, Clone)]
pub struct DreamOptions {
    /// A run folder, or a network of the zoo.
    pub network: String,
    /// The picture.
    pub image: PathBuf,
    /// The layer, with or without `:UNIT`.
    pub at: String,
    /// Longer side of the dream, in pixels; none takes 384, or the picture's own where that is less.
    pub side: Option<usize>,
    /// Sizes it is dreamt at.
    pub octaves: usize,
    /// Steps at each.
    pub steps: usize,
    /// Folder for the pictures.
    pub out: PathBuf,
    /// Seed of everything random.
    pub seed: u64,
    /// Where weights may come from.
    pub load: LoadOptions,
}

/// What is asked for of a picture that is to be found again.
#[derive(Debug, Clone)]
pub struct InvertOptions {
    /// A run folder, or a network of the zoo.
    pub network: String,
    /// The picture.
    pub image: PathBuf,
    /// The layer.
    pub at: String,
    /// Steps.
    pub steps: usize,
    /// Folder for the pictures.
    pub out: PathBuf,
    /// Seed of everything random.
    pub seed: u64,
    /// Where weights may come from.
    pub load: LoadOptions,
}

/// A dream.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Dreamt {
    /// The network.
    pub network: String,
    /// The picture.
    pub image: String,
    /// The layer: the tap.
    pub layer: String,
    /// The unit that is made more of; none for all, by their mean square.
    pub unit: Option<usize>,
    /// The objective of the picture at the last size.
    pub before: f64,
    /// The same of the dream.
    pub after: f64,
    /// Sizes `[height, width]` it was dreamt at.
    pub sizes: Vec<[usize; 2]>,
    /// Steps at each.
    pub steps: usize,
    /// The seed.
    pub seed: u64,
    /// The folder.
    pub out: String,
    /// The dream.
    pub file: String,
    /// The picture and the dream side by side.
    pub sheet: String,
}

/// A picture found again.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FoundAgain {
    /// The network.
    pub network: String,
    /// The picture.
    pub image: String,
    /// The layer: the tap.
    pub layer: String,
    /// Relative error at the layer of the picture that it began with.
    pub before: f64,
    /// Relative error that is left: `‖φ(x) - φ(x₀)‖ / ‖φ(x₀)‖`.
    pub after: f64,
    /// Pearson's correlation of its colours with the picture's.
    pub alike: f64,
    /// Steps.
    pub steps: usize,
    /// The seed.
    pub seed: u64,
    /// The folder.
    pub out: String,
    /// The picture found.
    pub file: String,
    /// The picture as the network sees it, and the one found, side by side.
    pub sheet: String,
}

/// Longer side of a dream.
const SIDE: usize = 384;

/// Dreams on a picture: makes more of what a layer sees in it, or one of its units. A PNG, one beside the picture, the
/// raw values, and `dream.json`.
///
/// # Errors
/// When the network, the layer, the unit or the picture is not there, a number is out of bounds, something cannot be
/// written, or the observer stops.
pub fn dream(options: &DreamOptions, observer: &dyn Observer) -> Result<Dreamt, Error> {
    let loaded = load(&options.network, &options.load, observer)?;
    let Asked { layer, units } = Asked::parse(&loaded.network, &options.at)?;
    let unit = units.first().copied();
    let network = loaded.network.cut(&layer)?;
    let picture = decode_file(&options.image)?;
    let longer = picture.width.max(picture.height);
    let side = options.side.unwrap_or(SIDE.min(longer));
    let scaled = |n: usize| ((n * side + longer / 2) / longer).max(1);
    let size = [scaled(picture.height), scaled(picture.width)];
    let given = colours(&picture, &network.card().preprocess, Resize::Exact(size), size)?;
    let objective = unit.map_or(Objective::Everything, Objective::Unit);
    let settings = DreamSettings {
        octaves: options.octaves,
        steps: options.steps,
        seed: options.seed,
        ..DreamSettings::default()
    };
    let mut watch = |done, total| {
        observer.tell(&Progress::Steps { done, total });
        !observer.stop()
    };
    let how = format!("dream {objective:?} {settings:?}");
    let Kept { colours, figures } = kept_one(&network, how, &given, &options.load, || {
        let made = regraft_look::dream(&network, &given, &objective, &settings, &mut watch)?;
        let mut figures = vec![made.before, made.after];
        figures.extend(made.sizes.iter().flatten().map(|n| *n as f64));
        Ok(Kept { colours: made.colours, figures })
    })?;
    let figure = |i: usize| figures.get(i).copied().unwrap_or_default();
    let sizes = figures.get(2..).unwrap_or_default().as_chunks::<2>().0;
    let told = Dreamt {
        network: loaded.source.clone(),
        image: options.image.display().to_string(),
        layer,
        unit,
        before: figure(0),
        after: figure(1),
        sizes: sizes.iter().map(|size| size.map(|n| n as usize)).collect(),
        steps: options.steps,
        seed: options.seed,
        out: options.out.display().to_string(),
        file: "dream.png".to_owned(),
        sheet: "sheet.png".to_owned(),
    };
    let [own, other] = [drawn(&given), drawn(&colours)];
    let files =
        [(told.file.clone(), other.clone()), (told.sheet.clone(), grid(&[vec![own, other]]))];
    let raw = BTreeMap::from([("dream".to_owned(), colours)]);
    files::write(&options.out, "dream", "dream", &told, &files, &raw)?;
    Ok(told)
}

/// Finds from noise a picture that gives the same at a layer as a picture does: what the layer still knows of it. A
/// PNG, one beside the picture as the network sees it, the raw values, and `invert.json`.
///
/// # Errors
/// When the network, the layer or the picture is not there, the layer gives only zeros, a number is out of bounds,
/// something cannot be written, or the observer stops.
pub fn invert(options: &InvertOptions, observer: &dyn Observer) -> Result<FoundAgain, Error> {
    let loaded = load(&options.network, &options.load, observer)?;
    let network = loaded.network.cut(&options.at)?;
    let picture = decode_file(&options.image)?;
    let p = network.card().preprocess;
    let given = colours(&picture, &p, p.resize, p.crop)?;
    let settings =
        InvertSettings { steps: options.steps, seed: options.seed, ..InvertSettings::default() };
    let mut watch = |done, total| {
        observer.tell(&Progress::Steps { done, total });
        !observer.stop()
    };
    let how = format!("invert {settings:?}");
    let Kept { colours, figures } = kept_one(&network, how, &given, &options.load, || {
        let made = regraft_look::invert(&network, &given, &settings, &mut watch)?;
        let figures = vec![made.before, made.after, made.alike];
        Ok(Kept { colours: made.colours, figures })
    })?;
    let figure = |i: usize| figures.get(i).copied().unwrap_or_default();
    let told = FoundAgain {
        network: loaded.source.clone(),
        image: options.image.display().to_string(),
        layer: options.at.clone(),
        before: figure(0),
        after: figure(1),
        alike: figure(2),
        steps: options.steps,
        seed: options.seed,
        out: options.out.display().to_string(),
        file: "inverted.png".to_owned(),
        sheet: "sheet.png".to_owned(),
    };
    let [own, other] = [drawn(&given), drawn(&colours)];
    let files =
        [(told.file.clone(), other.clone()), (told.sheet.clone(), grid(&[vec![own, other]]))];
    let raw = BTreeMap::from([("inverted".to_owned(), colours)]);
    files::write(&options.out, "invert", "invert", &told, &files, &raw)?;
    Ok(told)
}

/// A picture's colours in `0..1`, `[3, H, W]`, resized and cropped.
fn colours(
    picture: &Picture,
    card: &Preprocess,
    resize: Resize,
    crop: [usize; 2],
) -> Result<Tensor, Error> {
    let interpolation = Interpolation::Bicubic;
    let p = Preprocess { resize, crop, interpolation, ..*card };
    let seen = regraft_data::crop_resized(picture, &p)?;
    let [height, width] = crop;
    let mut values = Vec::with_capacity(3 * height * width);
    for channel in 0..3 {
        values.extend(seen.rgb.iter().skip(channel).step_by(3).map(|v| f32::from(*v) / 255.0));
    }
    Ok(Tensor::new([3, height, width], values)?)
}
