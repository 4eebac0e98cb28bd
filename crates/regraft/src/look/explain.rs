//! What an answer on one picture rests on.

use std::collections::BTreeMap;
use std::path::PathBuf;

use regraft_data::{Scratch, decode_file, preprocess};
use regraft_look::{
    Cam, LookError, ReluRule, Target, Upsample, Window, activation_map, integrated_gradients,
    occlusion, signal, upsample,
};
use regraft_net::{Network, nearest};
use regraft_tensor::Tensor;
use serde::Serialize;

use super::draw::{flat, overlay, restored};
use super::files;
use super::grid::grid;
use crate::tuning::random;
use crate::{Error, LoadOptions, Observer, load};

/// Points of the mean of integrated gradients.
const STEPS: usize = 50;
/// Windows across the shorter side of the picture, and how far one moves, in parts of its side.
const ACROSS: usize = 7;
const MOVES: usize = 2;
/// A map whose largest value is below this part of the answer's own says nothing: it is drawn empty.
const NOTHING: f64 = 1e-9;

/// A way to see what an answer rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// Grad-CAM.
    GradCam,
    /// `HiResCAM`.
    HiresCam,
    /// The gradient.
    Gradient,
    /// Guided backpropagation.
    Guided,
    /// The deconvnet.
    Deconvnet,
    /// Guided Grad-CAM.
    GuidedGradCam,
    /// Integrated gradients from the mean colour.
    Integrated,
    /// Occlusion by the mean colour.
    Occlusion,
}

impl Method {
    /// All of them, the ones that trust rests on first.
    pub const ALL: [Self; 8] = [
        Self::GradCam,
        Self::HiresCam,
        Self::Occlusion,
        Self::Integrated,
        Self::Gradient,
        Self::Guided,
        Self::GuidedGradCam,
        Self::Deconvnet,
    ];

    /// The word on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::GradCam => "grad-cam",
            Self::HiresCam => "hires-cam",
            Self::Gradient => "gradient",
            Self::Guided => "guided",
            Self::Deconvnet => "deconvnet",
            Self::GuidedGradCam => "guided-grad-cam",
            Self::Integrated => "integrated",
            Self::Occlusion => "occlusion",
        }
    }

    /// The method of a word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.name() == word)
    }

    /// Whether it is quick enough to be made again with random weights: one pass forward and back.
    fn is_quick(self) -> bool {
        match self {
            Self::GradCam
            | Self::HiresCam
            | Self::Gradient
            | Self::Guided
            | Self::Deconvnet
            | Self::GuidedGradCam => true,
            Self::Integrated | Self::Occlusion => false,
        }
    }
}

/// What is asked for.
#[derive(Debug, Clone)]
pub struct ExplainOptions {
    /// A run folder, or a network of the zoo.
    pub network: String,
    /// The picture.
    pub image: PathBuf,
    /// The class to explain; none takes the most probable one.
    pub class: Option<String>,
    /// The layer of the class maps; none takes the highest map.
    pub at: Option<String>,
    /// Which ways; empty takes all.
    pub methods: Vec<Method>,
    /// Folder for the pictures.
    pub out: PathBuf,
    /// Seed of the random weights.
    pub seed: u64,
    /// Where weights may come from.
    pub load: LoadOptions,
}

/// One map.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ExplainedMap {
    /// How it was made.
    pub method: Method,
    /// The picture with the map over it, in the folder; none where the method is not defined here.
    pub file: Option<String>,
    /// The same with random weights: a map that looks alike there does not tell what was learned (Adebayo et al.
    /// 2018). Only of quick methods.
    pub random: Option<String>,
    /// Least and largest value, in units of the answer (a difference of scores, or that for each unit of a pixel).
    pub range: Option<[f64; 2]>,
    /// Whether it says nothing: all its values are as good as zero, or the picture has one colour only.
    pub empty: bool,
    /// Why it is not there.
    pub refused: Option<String>,
}

/// What an answer rests on.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Explained {
    /// The network.
    pub network: String,
    /// The picture.
    pub image: String,
    /// The class that is explained.
    pub class: String,
    /// Its score, before any softmax.
    pub score: f32,
    /// The classes with the highest scores, best first, at most 5.
    pub top: Vec<(String, f32)>,
    /// The layer of the class maps.
    pub layer: String,
    /// The folder.
    pub out: String,
    /// All in one picture: a row with the weights as they are, below it one with random weights.
    pub sheet: String,
    /// The maps.
    pub maps: Vec<ExplainedMap>,
}

/// Explains one answer: maps over the picture as the network sees it, each a PNG, red for what speaks for the class
/// and blue for what speaks against it, one sheet of all, the raw values, and `explain.json` with their ranges.
///
/// # Errors
/// When network, picture, class or layer are not usable, or something cannot be written.
pub fn explain(options: &ExplainOptions, observer: &dyn Observer) -> Result<Explained, Error> {
    let loaded = load(&options.network, &options.load, observer)?;
    let card = loaded.network.card().clone();
    let logits = card.logits.clone().ok_or_else(|| Error::NoLogits { name: card.name.clone() })?;
    let network = loaded.network.cut(&logits)?;
    let p = card.preprocess;
    let mut input = vec![0.0; 3 * p.crop[0] * p.crop[1]];
    preprocess(&decode_file(&options.image)?, &p, &mut Scratch::default(), &mut input)?;
    let seen = restored(&input, &p);
    let picture = Tensor::new([1, 3, p.crop[0], p.crop[1]], input)?;
    let layer = match &options.at {
        Some(layer) => layer.clone(),
        None => highest_map(&network)?,
    };
    let scores = regraft_look::outputs(&network, &picture)?;
    let class = class(options, &card.labels, &scores)?;
    let asked =
        if options.methods.is_empty() { Method::ALL.to_vec() } else { options.methods.clone() };
    let chance = random(&network, options.seed)?;
    let (target, size) = (Target::Class(class), p.crop);
    let view = View { layer: &layer, picture: &picture, target, size, plain: is_plain(&picture) };
    let (mut maps, mut raw) = (Vec::new(), BTreeMap::new());
    let (mut rows, mut kept) = ([vec![seen.clone()], vec![seen.clone()]], Vec::new());
    for method in asked {
        let made = match view.map(&network, method) {
            Ok(map) => map,
            Err(Error::Look(error)) if is_refusal(&error) => {
                maps.push(ExplainedMap::refused(method, error.to_string()));
                continue;
            }
            Err(error) => return Err(error),
        };
        let name = format!("{}.png", method.name());
        let drawn = overlay(&seen, &made.plane, made.empty);
        rows[0].push(drawn.clone());
        kept.push((name.clone(), drawn));
        let mut random = None;
        if method.is_quick() {
            let other = view.map(&chance, method)?;
            let drawn = overlay(&seen, &other.plane, other.empty);
            let name = format!("{}-random.png", method.name());
            rows[1].push(drawn.clone());
            kept.push((name.clone(), drawn));
            random = Some(name);
        } else {
            rows[1].push(flat(&seen));
        }
        raw.insert(method.name().to_owned(), made.raw);
        let (range, empty) = (Some(made.range), made.empty);
        maps.push(ExplainedMap { method, file: Some(name), random, range, empty, refused: None });
        if observer.stop() {
            return Err(Error::Stopped);
        }
    }
    let name = |i: usize| card.labels.get(i).cloned().unwrap_or_else(|| format!("output {i}"));
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]).then(a.cmp(b)));
    let explained = Explained {
        network: loaded.source.clone(),
        image: options.image.display().to_string(),
        class: name(class),
        score: scores[class],
        top: order.iter().take(5).map(|i| (name(*i), scores[*i])).collect(),
        layer,
        out: options.out.display().to_string(),
        sheet: "sheet.png".to_owned(),
        maps,
    };
    kept.push((explained.sheet.clone(), grid(&rows)));
    files::write(&options.out, "explain", "maps", &explained, &kept, &raw)?;
    Ok(explained)
}

impl ExplainedMap {
    fn refused(method: Method, why: String) -> Self {
        Self { method, file: None, random: None, range: None, empty: false, refused: Some(why) }
    }
}

/// Whether a method is merely not defined for this network.
fn is_refusal(error: &LookError) -> bool {
    matches!(error, LookError::Grad(regraft_look::GradError::NoRule { .. }))
}

/// The highest layer with a map of more than one pixel.
pub(super) fn highest_map(network: &Network) -> Result<String, Error> {
    let facts = network.facts()?;
    let is_map = |shape: &[usize]| shape.len() == 3 && shape[1] * shape[2] > 1;
    let mut layers = network.graph().layers();
    let found = layers.rfind(|(id, _)| is_map(facts.layer(*id).shape.dims()));
    // A network without maps has its input.
    let input = network.graph().input()?;
    Ok(found.map_or_else(|| network.graph().layer(input).name.clone(), |(_, l)| l.name.clone()))
}

fn class(options: &ExplainOptions, labels: &[String], scores: &[f32]) -> Result<usize, Error> {
    let Some(asked) = &options.class else {
        let best =
            (0..scores.len()).max_by(|a, b| scores[*a].total_cmp(&scores[*b]).then(b.cmp(a)));
        return Ok(best.unwrap_or_default());
    };
    let place = labels.iter().position(|label| label == asked);
    place.or_else(|| asked.parse().ok().filter(|i| *i < scores.len())).ok_or_else(|| {
        Error::NoSuchClass {
            class: asked.clone(),
            data: options.network.clone().into(),
            classes: scores.len(),
            near: nearest(asked, labels.iter().map(String::as_str)),
        }
    })
}

/// Whether a picture has one colour only: nothing in it can be what an answer rests on.
fn is_plain(picture: &Tensor) -> bool {
    let pixels = picture.shape().dims()[2..].iter().product::<usize>().max(1);
    picture.data().chunks_exact(pixels).all(|plane| plane.iter().all(|v| *v == plane[0]))
}

/// What is looked at, and from where.
struct View<'a> {
    layer: &'a str,
    picture: &'a Tensor,
    target: Target,
    /// Height and width.
    size: [usize; 2],
    /// Whether it has one colour only.
    plain: bool,
}

/// A map at the size of the picture.
struct Made {
    /// As it came.
    raw: Tensor,
    /// Summed over channels, or grown: `[H, W]`.
    plane: Vec<f32>,
    range: [f64; 2],
    empty: bool,
}

impl View<'_> {
    fn map(&self, network: &Network, method: Method) -> Result<Made, Error> {
        let Self { layer, picture, target, size, plain } = *self;
        let of = |rule| signal(network, picture, target, rule);
        let cam = |cam| activation_map(network, layer, picture, target, cam);
        let raw = match method {
            Method::GradCam => cam(Cam::Grad)?,
            Method::HiresCam => cam(Cam::HiRes)?,
            Method::Gradient => of(ReluRule::Gradient)?,
            Method::Guided => of(ReluRule::Guided)?,
            Method::Deconvnet => of(ReluRule::Deconvnet)?,
            Method::GuidedGradCam => {
                let mut guided = of(ReluRule::Guided)?;
                let map = upsample(&cam(Cam::Grad)?, size, Upsample::Nearest)?;
                let pixels = map.data().len();
                for plane in guided.data_mut().chunks_exact_mut(pixels) {
                    plane.iter_mut().zip(map.data()).for_each(|(g, m)| *g *= m.max(0.0));
                }
                guided
            }
            Method::Integrated => {
                let baseline = Tensor::zeros(picture.shape().clone());
                integrated_gradients(network, picture, &baseline, target, STEPS)?.attribution
            }
            Method::Occlusion => {
                let side = (size[0].min(size[1]) / ACROSS).max(1);
                let window = Window { side, stride: side.div_ceil(MOVES), cover: 0.0 };
                occlusion(network, picture, target, window)?
            }
        };
        let shape = raw.shape().clone();
        self.made(if plain { Tensor::zeros(shape) } else { raw }, method)
    }

    fn made(&self, raw: Tensor, method: Method) -> Result<Made, Error> {
        let pixels = self.size[0] * self.size[1];
        let plane: Vec<f32> = match method {
            Method::GradCam | Method::HiresCam => {
                upsample(&raw, self.size, Upsample::Bilinear)?.into_data()
            }
            // The same for all channels.
            Method::Occlusion => raw.data()[..pixels].to_vec(),
            Method::Gradient
            | Method::Guided
            | Method::Deconvnet
            | Method::GuidedGradCam
            | Method::Integrated => {
                let mut plane = vec![0.0; pixels];
                for channel in raw.data().chunks_exact(pixels) {
                    plane.iter_mut().zip(channel).for_each(|(p, c)| *p += c);
                }
                plane
            }
        };
        let low = raw.data().iter().copied().fold(f32::INFINITY, f32::min);
        let high = raw.data().iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let range = [f64::from(low), f64::from(high)];
        let empty = range[0].abs().max(range[1].abs()) < NOTHING;
        Ok(Made { raw, plane, range, empty })
    }
}
