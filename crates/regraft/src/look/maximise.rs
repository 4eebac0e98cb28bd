//! Pictures made for units and classes of a network.

mod judge;
mod tasks;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use regraft_data::Picture;
use regraft_look::{By, LookError, MaximiseSettings, Maximised, Objective, PixelRules, Sway, Wish};
use regraft_net::Network;
use regraft_net::card::Channels;
use regraft_tensor::Tensor;
use serde::Serialize;

use super::files;
use super::grid::{drawn, grid};
use super::kept::{Kept, Recipe, kept};
use crate::{Error, LoadOptions, Observer, Progress, load};
use judge::Judge;
use tasks::{Task, tasks};

pub use judge::Judged;

/// Steps of pictures made by their waves.
const STEPS: usize = 256;
/// Side of pictures for units of a map.
const SIDE: usize = 128;
/// What it counts that pictures of one unit differ, in parts of the objective's own size.
const DIVERSITY: f64 = 3.0;

/// How pictures are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MaximiseBy {
    /// By their waves, decorrelated, seen from views that differ (Olah et al. 2017).
    Fourier,
    /// By their pixels, with a set of rules, 1 to 4 (Yosinski et al. 2015).
    Pixels(usize),
}

/// What of a unit is to become large.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum MaximiseOf {
    /// Its mean over the map.
    Channel,
    /// The middle of its map.
    Neuron,
}

/// What is asked for.
#[derive(Debug, Clone)]
pub struct MaximiseOptions {
    /// A run folder, or a network of the zoo.
    pub network: String,
    /// Layers, each with or without `:UNIT`.
    pub layers: Vec<String>,
    /// Classes, by name or place.
    pub classes: Vec<String>,
    /// Units of the layers given without one; none takes some evenly.
    pub units: Vec<usize>,
    /// How.
    pub by: MaximiseBy,
    /// What of a unit; none takes the channel's mean for waves, its middle for pixels, as published.
    pub of: Option<MaximiseOf>,
    /// Steps; none takes 256 for waves, and what is published for a set of pixels.
    pub steps: Option<usize>,
    /// Side in pixels; none takes 128 for units of a map, the network's own for the others.
    pub side: Option<usize>,
    /// Pictures of each unit, made to differ.
    pub diversity: usize,
    /// Views of a picture at each step.
    pub views: usize,
    /// Other networks that are asked what the pictures of classes show.
    pub judges: Vec<String>,
    /// Folder for the pictures.
    pub out: PathBuf,
    /// Seed of everything random.
    pub seed: u64,
    /// Where weights may come from.
    pub load: LoadOptions,
}

/// One picture.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MaximisedUnit {
    /// The layer whose output is read: the tap.
    pub layer: String,
    /// The unit, from 0.
    pub unit: usize,
    /// The class it stands for.
    pub class: Option<String>,
    /// Which of the unit's pictures, from 0.
    pub picture: usize,
    /// The file in the folder.
    pub file: String,
    /// The objective at the start, the picture seen whole.
    pub before: f64,
    /// The same at the end.
    pub after: f64,
    /// The mean over the views at evenly spaced steps.
    pub curve: Vec<f64>,
    /// Steps at which no gradient reached the picture.
    pub silent: usize,
    /// What differences from the mean colour are multiplied by in the file, for the eye: pixels stay close to it, and
    /// were published so. 1 for pictures made by waves.
    pub stretched: f64,
    /// Of a class: what networks say is on the picture, not stretched, first the one it was made for.
    pub seen: Vec<Judged>,
}

/// A layer that pictures were made for.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MaximisedLayer {
    /// Its name.
    pub layer: String,
    /// Units it has.
    pub units: usize,
    /// Those that pictures were made for.
    pub made: Vec<usize>,
    /// Side of the pictures.
    pub side: usize,
    /// What was to become large.
    pub of: MaximiseOf,
}

/// Pictures made for units of a network.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Maximisation {
    /// The network.
    pub network: String,
    /// SHA-256 of its weights file.
    pub sha256: String,
    /// `fourier`, or `pixels` and the number of the set.
    pub by: String,
    /// Steps.
    pub steps: usize,
    /// Views at each step.
    pub views: usize,
    /// Pictures of each unit.
    pub diversity: usize,
    /// The seed.
    pub seed: u64,
    /// The folder.
    pub out: String,
    /// All in one picture, a row for each layer.
    pub sheet: String,
    /// The layers, in the order of the sheet.
    pub layers: Vec<MaximisedLayer>,
    /// The pictures, in the order of the sheet.
    pub pictures: Vec<MaximisedUnit>,
}

/// Makes a picture for each unit or class asked for, from noise: each a PNG, one sheet of all, the raw values, and
/// `maximise.json`. Nothing is written there before all are made; each layer's pictures are kept in the cache, so that
/// the same call, or one that was interrupted, makes none of them twice.
///
/// # Errors
/// When the network, a layer, a unit or a class is not there, a number is out of bounds, something cannot be written,
/// or the observer stops.
pub fn maximise(options: &MaximiseOptions, observer: &dyn Observer) -> Result<Maximisation, Error> {
    let loaded = load(&options.network, &options.load, observer)?;
    let tasks = tasks(&loaded.network, options)?;
    let steps = steps(options)?;
    let mut judges = Vec::new();
    if tasks.iter().any(|task| task.class) {
        judges.push(Judge::new(&loaded.source, &loaded.network)?);
        for name in &options.judges {
            judges.push(Judge::new(name, &load(name, &options.load, observer)?.network)?);
        }
    }
    let each = options.diversity.max(1);
    let total: usize = tasks.iter().map(|task| task.wanted.len() * each * steps).sum();
    let (mut done, mut rows, mut raw) = (0, Vec::new(), BTreeMap::new());
    let (mut pictures, mut files, mut names) = (Vec::new(), Vec::new(), BTreeSet::new());
    for task in &tasks {
        let own = task.wanted.len() * each * steps;
        let mut watch = |at: usize, of: usize| {
            observer.tell(&Progress::Steps { done: done + own * at / of.max(1), total });
            !observer.stop()
        };
        let made = make(task, options, steps, &mut watch)?;
        done += own;
        let mut row = Vec::new();
        for (unit, made) in task.wanted.iter().zip(made) {
            for (n, made) in made.into_iter().enumerate() {
                let name = task.file(*unit, n, each, &mut names);
                let picture = drawn(&made.colours);
                let mut seen = Vec::new();
                for judge in judges.iter_mut().filter(|_| task.class) {
                    seen.push(judge.asked(&picture, task.label(*unit), *unit)?);
                }
                let (picture, stretched) = match options.by {
                    MaximiseBy::Fourier => (picture, 1.0),
                    MaximiseBy::Pixels(_) => seen_by_eye(&made.colours, &loaded.network)?,
                };
                pictures.push(MaximisedUnit {
                    stretched,
                    ..told(task, (*unit, n), &name, &made, seen)
                });
                raw.insert(name.trim_end_matches(".png").to_owned(), made.colours);
                row.push(picture.clone());
                files.push((name, picture));
            }
        }
        rows.push(row);
    }
    let by = match options.by {
        MaximiseBy::Fourier => "fourier".to_owned(),
        MaximiseBy::Pixels(set) => format!("pixels {set}"),
    };
    let layer = |task: &Task| MaximisedLayer {
        layer: task.layer.clone(),
        units: task.units,
        made: task.wanted.clone(),
        side: task.side,
        of: task.of,
    };
    let result = Maximisation {
        network: loaded.source.clone(),
        sha256: loaded.sha256.clone(),
        by,
        steps,
        views: options.views,
        diversity: each,
        seed: options.seed,
        out: options.out.display().to_string(),
        sheet: "sheet.png".to_owned(),
        layers: tasks.iter().map(layer).collect(),
        pictures,
    };
    files.push((result.sheet.clone(), grid(&rows)));
    files::write(&options.out, "maximise", "maximise", &result, &files, &raw)?;
    Ok(result)
}

fn told(
    task: &Task,
    (unit, picture): (usize, usize),
    file: &str,
    made: &Maximised,
    seen: Vec<Judged>,
) -> MaximisedUnit {
    MaximisedUnit {
        layer: task.layer.clone(),
        unit,
        class: task.label(unit).map(str::to_owned),
        picture,
        file: file.to_owned(),
        before: made.before,
        after: made.after,
        curve: made.curve.clone(),
        silent: made.silent,
        stretched: 1.0,
        seen,
    }
}

/// A picture with the mean colour as grey, and its largest difference from it as far as it goes.
fn seen_by_eye(colours: &Tensor, network: &Network) -> Result<(Picture, f64), Error> {
    let p = network.card().preprocess;
    let shape = colours.shape().clone();
    let pixels = shape.iter().skip(1).product::<usize>().max(1);
    let mut values = colours.data().to_vec();
    for (colour, plane) in values.chunks_exact_mut(pixels).enumerate() {
        let channel = match p.channels {
            Channels::Rgb => colour,
            Channels::Bgr => 2 - colour,
        };
        let mean = p.mean[channel] / p.scale / 255.0;
        for value in plane {
            *value -= mean;
        }
    }
    let largest = values.iter().fold(0.0_f32, |most, v| most.max(v.abs()));
    let factor = if largest > 0.0 { 0.5 / largest } else { 1.0 };
    let values = values.into_iter().map(|v| 0.5 + factor * v).collect();
    Ok((drawn(&Tensor::new(shape, values)?), f64::from(factor)))
}

fn steps(options: &MaximiseOptions) -> Result<usize, Error> {
    let usual = match options.by {
        MaximiseBy::Fourier => STEPS,
        MaximiseBy::Pixels(set) => rules(set)?.steps,
    };
    Ok(options.steps.unwrap_or(usual))
}

fn rules(set: usize) -> Result<PixelRules, Error> {
    let found = set.checked_sub(1).and_then(|at| PixelRules::PUBLISHED.get(at)).copied();
    let wanted =
        "from 1 to 4, the published ones; most pictures of the paper were made by the third";
    Ok(found.ok_or(LookError::Option {
        what: "the set of rules for pixels",
        given: set,
        wanted,
    })?)
}

fn make(
    task: &Task,
    options: &MaximiseOptions,
    steps: usize,
    watch: &mut dyn FnMut(usize, usize) -> bool,
) -> Result<Vec<Vec<Maximised>>, Error> {
    let by = match options.by {
        // A class is to be seen by others too; a channel is to show itself as it was published.
        MaximiseBy::Fourier => {
            let sway = if task.whole { Sway::wide() } else { Sway::usual() };
            By::Waves { rate: 0.05, decay: 1.0, sway }
        }
        MaximiseBy::Pixels(set) => By::Pixels(rules(set)?),
    };
    let pictures = options.diversity.max(1);
    let wish = |unit: &usize| {
        let objective = match task.of {
            MaximiseOf::Channel => Objective::Unit(*unit),
            MaximiseOf::Neuron => Objective::Middle(*unit),
        };
        Wish { objective, pictures, key: *unit as u64 }
    };
    let wishes: Vec<Wish> = task.wanted.iter().map(wish).collect();
    let settings = MaximiseSettings {
        by,
        side: task.side,
        steps,
        views: options.views,
        diversity: if pictures > 1 { DIVERSITY } else { 0.0 },
        seed: options.seed,
    };
    let how = format!("maximise {wishes:?} {settings:?}");
    let recipe = Recipe { how, from: None, count: pictures * wishes.len() };
    let all = kept(&task.network, &recipe, &options.load, || {
        let made = regraft_look::maximise(&task.network, &wishes, &settings, watch)?;
        Ok(made.into_iter().flatten().map(to_keep).collect())
    })?;
    let mut all = all.into_iter().map(from_kept);
    Ok(wishes.iter().map(|_| all.by_ref().take(pictures).collect()).collect())
}

fn to_keep(made: Maximised) -> Kept {
    let mut figures = vec![made.before, made.after, made.silent as f64];
    figures.extend(made.curve);
    Kept { colours: made.colours, figures }
}

fn from_kept(Kept { colours, figures }: Kept) -> Maximised {
    let at = |i: usize| figures.get(i).copied().unwrap_or_default();
    let curve = figures.get(3..).unwrap_or_default().to_vec();
    Maximised { colours, before: at(0), after: at(1), curve, silent: at(2) as usize }
}
