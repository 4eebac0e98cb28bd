//! The patches of pictures that excite units most, and what of them comes back from the unit.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use regraft_data::{Picture, Scratch, decode_file, preprocess, to_png};
use regraft_look::{LookError, Patch, ReluRule, Signalled, Signals, Target, strongest};
use regraft_net::Network;
use regraft_net::card::Preprocess;
use regraft_net::facts::ReceptiveField;
use regraft_report::{LookPage, LookRow, LookSection, write_look};
use regraft_run::{Skipped, atomic_write};
use regraft_tensor::Tensor;
use serde::Serialize;

use super::asked::{Asked, read_at, stages};
use super::draw::{self, restored};
use super::files;
use super::grid::{grid, square};
use super::survey::Survey;
use crate::{Error, LoadOptions, Observer, VERSION, load};

/// Rules, and the word for what they give.
const RULES: [(ReluRule, &str); 3] = [
    (ReluRule::Deconvnet, "deconvnet"),
    (ReluRule::Guided, "guided"),
    (ReluRule::Gradient, "gradient"),
];
/// What the patches themselves are called.
const PATCHES: &str = "patches";
/// Most pictures for a unit: they go back through the network together.
const MOST: usize = 100;
/// Side of a patch on a sheet, in pixels.
const TILE: usize = 72;
/// A unit that stays below this part of the layer's largest value is not chosen.
const SILENT: f32 = 1e-6;

/// What is asked for.
#[derive(Debug, Clone)]
pub struct TopOptions {
    /// A run folder, or a network of the zoo.
    pub network: String,
    /// Layers, each `LAYER` or `LAYER:UNIT,UNIT`; empty takes one for each size that maps have on the way up.
    pub layers: Vec<String>,
    /// Folder of pictures.
    pub images: PathBuf,
    /// Pictures for a unit.
    pub count: usize,
    /// Units of a layer where it is left open which.
    pub units: usize,
    /// Folder for what is made.
    pub out: PathBuf,
    /// Whether the signals themselves are written too.
    pub raw: bool,
    /// Where weights may come from; its cache folder also holds what was seen.
    pub load: LoadOptions,
}

/// A picture that excites a unit.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Hit {
    /// Its name below the folder.
    pub file: String,
    /// The unit's largest value in it.
    pub value: f32,
    /// Row and column of that value in the layer's map.
    pub at: [usize; 2],
    /// What it sees of the network's input: top, left, height, width in pixels. It may reach over the border.
    pub patch: [isize; 4],
}

/// A unit and what excites it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TopUnit {
    /// Its number, from 0.
    pub unit: usize,
    /// The pictures, the strongest first.
    pub hits: Vec<Hit>,
    /// Names of the PNG files in the folder, by what they show: `patches`, `deconvnet`, `guided`, `gradient`.
    pub files: BTreeMap<&'static str, String>,
    /// The most that a value differs, in parts of it, when its picture is run again by the code that goes back.
    pub differs: f64,
}

/// A layer and its units.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TopLayer {
    /// Its name.
    pub layer: String,
    /// Where its values were read: of a `ReLU` before it, where a `ReLU6` is not yet at its limit.
    pub read_at: String,
    /// Shape of its output without the batch.
    pub shape: Vec<usize>,
    /// Input pixels `[height, width]` that one value sees; none means the whole picture.
    pub receptive_field: Option<[usize; 2]>,
    /// Units that no picture excites, as far as these tell.
    pub silent: usize,
    /// Rules that are not defined for it, and why.
    pub refused: BTreeMap<&'static str, String>,
    /// The units shown.
    pub units: Vec<TopUnit>,
}

/// What excites the units of some layers.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Top {
    /// The network.
    pub network: String,
    /// The folder of pictures.
    pub images: String,
    /// How many were looked at.
    pub seen: usize,
    /// Files that could not be read.
    pub skipped: Vec<Skipped>,
    /// The folder of what was made.
    pub out: String,
    /// All in one picture: a line for each unit, its patches, then one square for each rule.
    pub sheet: String,
    /// The same as a page, with names and values.
    pub page: String,
    /// The layers, in the order of the network.
    pub layers: Vec<TopLayer>,
}

/// The pictures below a folder that excite units most, one place of each, beside what the deconvnet, guided
/// backpropagation and the gradient send back from there; a PNG for each, one sheet, a page, and `top.json`.
///
/// # Errors
/// When network, layer, unit or folder are not usable, or something cannot be written.
pub fn top(options: &TopOptions, observer: &dyn Observer) -> Result<Top, Error> {
    if !(1..=MOST).contains(&options.count) || options.units == 0 {
        let why = "a unit takes from 1 to 100 pictures, a layer at least one unit";
        return Err(Error::Options { what: "`--count` or `--units` out of bounds", why });
    }
    let loaded = load(&options.network, &options.load, observer)?;
    let network = &loaded.network;
    let named = if options.layers.is_empty() { stages(network)? } else { options.layers.clone() };
    let asked: Result<Vec<Asked>, Error> =
        named.iter().map(|text| Asked::parse(network, text)).collect();
    let asked = asked?;
    let read: Result<Vec<String>, Error> =
        asked.iter().map(|asked| read_at(network, &asked.layer)).collect();
    let read = read?;
    let places: Vec<&str> = read.iter().map(String::as_str).collect();
    let survey = Survey::take(network, &places, &options.images, &options.load, observer)?;
    let (mut layers, mut made) = (Vec::new(), Made::default());
    for (i, (asked, read)) in asked.iter().zip(&read).enumerate() {
        let layer = Layer::new(network, [&asked.layer, read], options, (&survey, i))?;
        layers.push(layer.top(&asked.units, &mut made, observer)?);
    }
    let told = Top {
        network: loaded.source.clone(),
        images: options.images.display().to_string(),
        seen: survey.read.len(),
        skipped: survey.skipped(),
        out: options.out.display().to_string(),
        sheet: "sheet.png".to_owned(),
        page: "top.html".to_owned(),
        layers,
    };
    made.files.push((told.sheet.clone(), to_png(&grid(&made.lines))?));
    write(options, &told, &made)?;
    Ok(told)
}

/// What is to be written.
#[derive(Default)]
struct Made {
    files: Vec<(String, Vec<u8>)>,
    /// A line of the sheet for each unit.
    lines: Vec<Vec<Picture>>,
    raw: BTreeMap<String, Tensor>,
}

/// A layer, ready to be looked into.
struct Layer<'a> {
    name: &'a str,
    read: &'a str,
    options: &'a TopOptions,
    survey: &'a Survey,
    /// Its place in the survey.
    at: usize,
    preprocess: Preprocess,
    shape: Vec<usize>,
    field: Option<ReceptiveField>,
    below: Network,
}

impl<'a> Layer<'a> {
    fn new(
        network: &Network,
        [name, read]: [&'a str; 2],
        options: &'a TopOptions,
        (survey, at): (&'a Survey, usize),
    ) -> Result<Self, Error> {
        let below = network.cut(read)?;
        let facts = below.facts()?;
        let (shape, field) = (facts.output().shape.to_vec(), facts.output().field);
        let preprocess = network.card().preprocess;
        Ok(Self { name, read, options, survey, at, preprocess, shape, field, below })
    }

    /// Row and column of a place in the map.
    fn place(&self, at: usize) -> [usize; 2] {
        match self.shape[..] {
            [_, _, width] => [at / width.max(1), at % width.max(1)],
            _ => [0, 0],
        }
    }

    fn target(&self, unit: usize, [row, column]: [usize; 2]) -> Target {
        match self.shape[..] {
            [_, _, _] => Target::Unit(unit, row, column),
            _ => Target::Class(unit),
        }
    }

    fn top(
        &self,
        asked: &[usize],
        made: &mut Made,
        observer: &dyn Observer,
    ) -> Result<TopLayer, Error> {
        let mut peaks = vec![f32::NEG_INFINITY; self.survey.channels[self.at]];
        self.survey.each(|layers| {
            peaks.iter_mut().zip(layers[self.at]).for_each(|(peak, c)| *peak = peak.max(c.max));
        })?;
        let most = peaks.iter().copied().fold(0.0, f32::max);
        let alive: Vec<usize> =
            (0..peaks.len()).filter(|unit| peaks[*unit] > SILENT * most).collect();
        let units: Vec<usize> = if asked.is_empty() {
            let some = self.options.units.min(alive.len());
            (0..some).map(|i| alive[i * alive.len() / some]).collect()
        } else {
            asked.to_vec()
        };
        let mut values = vec![(Vec::new(), Vec::new()); units.len()];
        self.survey.each(|layers| {
            for ((peaks, places), unit) in values.iter_mut().zip(&units) {
                peaks.push(layers[self.at][*unit].max);
                places.push(layers[self.at][*unit].at);
            }
        })?;
        let together = self.options.count.min(self.survey.read.len());
        let mut signals = Signals::new(&self.below, together)?;
        let mut layer = TopLayer {
            layer: self.name.to_owned(),
            read_at: self.read.to_owned(),
            shape: self.shape.clone(),
            receptive_field: self.field.map(|f| f.size),
            silent: peaks.len() - alive.len(),
            refused: BTreeMap::new(),
            units: Vec::new(),
        };
        for ((peaks, places), unit) in values.iter().zip(units) {
            if observer.stop() {
                return Err(Error::Interrupted);
            }
            let hits = strongest(peaks, self.options.count);
            let hits: Vec<(usize, f32, [usize; 2])> = hits
                .into_iter()
                .map(|i| (self.survey.read[i], peaks[i], self.place(places[i])))
                .collect();
            // A unit may give no numbers at all.
            if !hits.is_empty() {
                let shown = self.unit(unit, &hits, &mut signals, made, &mut layer.refused)?;
                layer.units.push(shown);
            }
        }
        Ok(layer)
    }

    /// Draws what excites one unit.
    fn unit(
        &self,
        unit: usize,
        hits: &[(usize, f32, [usize; 2])],
        signals: &mut Signals,
        made: &mut Made,
        refused: &mut BTreeMap<&'static str, String>,
    ) -> Result<TopUnit, Error> {
        let p = &self.preprocess;
        let mut inputs = Vec::with_capacity(hits.len() * 3 * p.crop[0] * p.crop[1]);
        let mut tiles = Vec::new();
        let mut shown = TopUnit { unit, hits: Vec::new(), files: BTreeMap::new(), differs: 0.0 };
        for (file, value, at) in hits {
            let mut input = vec![0.0; 3 * p.crop[0] * p.crop[1]];
            let picture = decode_file(&self.survey.files[*file])?;
            preprocess(&picture, p, &mut Scratch::default(), &mut input)?;
            let patch = Patch::of(self.field, *at, p.crop);
            tiles.push(draw::patch(&restored(&input, p), &patch, TILE)?);
            inputs.extend(input);
            let size = [patch.height, patch.width].map(|n| n as isize);
            shown.hits.push(Hit {
                file: self.survey.name(*file),
                value: *value,
                at: *at,
                patch: [patch.top, patch.left, size[0], size[1]],
            });
        }
        let inputs = Tensor::new([hits.len(), 3, p.crop[0], p.crop[1]], inputs)?;
        let targets: Vec<Target> = hits.iter().map(|(.., at)| self.target(unit, *at)).collect();
        let rules = RULES.map(|(rule, _)| rule);
        let Signalled { values, signals } = signals.of(&inputs, &targets, &rules)?;
        for (value, (_, seen, _)) in values.iter().zip(hits) {
            let least = f64::from(f32::MIN_POSITIVE);
            let off = (value - f64::from(*seen)).abs() / f64::from(seen.abs()).max(least);
            shown.differs = shown.differs.max(off);
        }
        let mut line = vec![square(&tiles)];
        self.keep(&mut shown, PATCHES, &line[0], made)?;
        for ((_, name), signal) in RULES.iter().zip(signals) {
            let signal = match signal {
                Ok(signal) => signal,
                Err(LookError::Grad(error @ regraft_look::GradError::NoRule { .. })) => {
                    refused.insert(name, error.to_string());
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            let mut tiles = Vec::new();
            for (i, (one, hit)) in
                signal.data().chunks_exact(signal.row_len()).zip(hits).enumerate()
            {
                let patch = Patch::of(self.field, hit.2, p.crop);
                let planes = draw::planes(one, &patch, p);
                tiles.push(draw::signal(&planes, &patch, TILE)?);
                if self.options.raw {
                    let name = format!("{}.{unit}.{name}.{i}", self.name);
                    made.raw.insert(name, Tensor::new([3, patch.height, patch.width], planes)?);
                }
            }
            let panel = square(&tiles);
            self.keep(&mut shown, name, &panel, made)?;
            line.push(panel);
        }
        made.lines.push(line);
        Ok(shown)
    }

    fn keep(
        &self,
        unit: &mut TopUnit,
        what: &'static str,
        square: &Picture,
        made: &mut Made,
    ) -> Result<(), Error> {
        let plain = |c: char| if c.is_alphanumeric() || c == '.' || c == '_' { c } else { '-' };
        let layer: String = self.name.chars().map(plain).collect();
        let file = format!("{layer}-{}-{what}.png", unit.unit);
        made.files.push((file.clone(), to_png(square)?));
        unit.files.insert(what, file);
        Ok(())
    }
}

fn write(options: &TopOptions, told: &Top, made: &Made) -> Result<(), Error> {
    let out = &options.out;
    files::folder(out)?;
    for (name, bytes) in &made.files {
        atomic_write(out.join(name), bytes)?;
    }
    if options.raw {
        let path = out.join("signals.safetensors");
        regraft_formats::safetensors::write(&path, &made.raw, &BTreeMap::new())?;
    }
    page(&out.join(&told.page), told, made)?;
    files::json(&out.join("top.json"), told)
}

fn page(path: &Path, told: &Top, made: &Made) -> Result<(), Error> {
    let section = |(i, layer): (usize, &TopLayer)| {
        let size = layer.shape.iter().map(ToString::to_string).collect::<Vec<_>>().join(" x ");
        let sees = match layer.receptive_field {
            Some([h, w]) => format!("a unit sees {h} x {w} pixels"),
            None => "a unit sees the whole picture".to_owned(),
        };
        let refused = layer.refused.iter().map(|(rule, why)| format!("; no {rule}: {why}"));
        LookSection {
            id: format!("layer-{i}"),
            title: layer.layer.clone(),
            said: format!(
                "Gives {size}; {sees}; {} of {} units answer to none of these pictures{}.",
                layer.silent,
                layer.shape.first().copied().unwrap_or_default(),
                refused.collect::<String>()
            ),
            rows: layer.units.iter().map(row).collect(),
        }
    };
    let sections: Vec<LookSection> = told.layers.iter().enumerate().map(section).collect();
    let skipped: Vec<String> =
        told.skipped.iter().map(|s| format!("`{}`: {}", s.file, s.reason)).collect();
    let picture = |name: &str| made.files.iter().find(|(n, _)| n == name).map(|(_, b)| b.clone());
    let lead = format!(
        "For each unit the pictures, of {} below `{}`, that excite it most: what it sees of them, and beside it what the \
         deconvnet (Zeiler and Fergus 2014), guided backpropagation and the gradient send back from its value. Grey is \
         nothing; each small picture is stretched by itself. The first two show much of the picture whatever was \
         learned: trust them as far as the gradient agrees.",
        told.seen, told.images
    );
    let title = format!("What excites {}", told.network);
    let page = LookPage {
        title: &title,
        command: "regraft look top",
        lead: &lead,
        sections: &sections,
        notes: &skipped,
        version: VERSION,
        picture: &picture,
    };
    Ok(write_look(path, &page)?)
}

fn row(unit: &TopUnit) -> LookRow {
    let first = unit.hits.iter().take(3).map(|h| format!("`{}` {:.3}", h.file, h.value));
    let order = std::iter::once(PATCHES).chain(RULES.map(|(_, name)| name));
    LookRow {
        title: format!("unit {}", unit.unit),
        said: first.collect::<Vec<_>>().join(", "),
        pictures: order
            .filter_map(|what| unit.files.get(what).map(|f| (f.clone(), what.to_owned())))
            .collect(),
    }
}
