//! What layers do on images: scale, values that are not finite, units that never answer, gates that
//! never move, norms whose statistics are of other data.

use crate::op::Activation;
use crate::surgery::split_points;
use crate::{Graph, LayerId, NetError, Op, Params};

use super::context::{Context, Kind};
use super::filters::by_share;
use super::{Found, Severity, gathered};

/// One channel of a layer on all images, or one value of a vector.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Channel {
    /// Finite values seen.
    pub count: u64,
    /// Their sum.
    pub sum: f64,
    /// The sum of their squares.
    pub squares: f64,
    /// The least.
    pub least: f32,
    /// The largest.
    pub most: f32,
}

impl Channel {
    const NONE: Self =
        Self { count: 0, sum: 0.0, squares: 0.0, least: f32::INFINITY, most: f32::NEG_INFINITY };

    /// Their mean.
    pub fn mean(&self) -> f64 {
        self.sum / self.count.max(1) as f64
    }

    /// Their variance.
    pub fn variance(&self) -> f64 {
        (self.squares / self.count.max(1) as f64 - self.mean().powi(2)).max(0.0)
    }
}

/// What one layer gave on all images.
#[derive(Debug, Clone, PartialEq)]
pub struct Activity {
    /// Its channels, or its values when it is a vector.
    pub channels: Vec<Channel>,
    /// Values that were NaN or infinite.
    pub not_finite: u64,
    /// Values at either end of the layer's range, where it has one.
    pub at_ends: u64,
    /// Images seen.
    pub images: usize,
    ends: Option<[f32; 2]>,
}

impl Activity {
    /// Nothing seen yet of a layer with so many channels.
    pub fn new(op: &Op, channels: usize) -> Self {
        let gate = matches!(op, Op::Activate(Activation::Sigmoid | Activation::HardSigmoid));
        let ends = if gate {
            Some([0.01, 0.99])
        } else if matches!(op, Op::Activate(Activation::Tanh)) {
            Some([-0.99, 0.99])
        } else if matches!(op, Op::Relu6) {
            Some([f32::NEG_INFINITY, 5.999])
        } else {
            None
        };
        let channels = vec![Channel::NONE; channels];
        Self { channels, not_finite: 0, at_ends: 0, images: 0, ends }
    }

    /// Takes in the values of one image, `[C, H, W]` or `[N]`.
    pub fn see(&mut self, values: &[f32]) {
        self.images += 1;
        let len = (values.len() / self.channels.len().max(1)).max(1);
        for (channel, values) in self.channels.iter_mut().zip(values.chunks_exact(len)) {
            for v in values {
                if !v.is_finite() {
                    self.not_finite += 1;
                    continue;
                }
                channel.count += 1;
                channel.sum += f64::from(*v);
                channel.squares += f64::from(*v).powi(2);
                channel.least = channel.least.min(*v);
                channel.most = channel.most.max(*v);
                self.at_ends +=
                    u64::from(self.ends.is_some_and(|[low, high]| *v < low || *v > high));
            }
        }
    }

    /// Values seen, not finite ones too.
    pub fn count(&self) -> u64 {
        self.channels.iter().map(|c| c.count).sum::<u64>() + self.not_finite
    }

    /// Root of the mean square of all finite values.
    pub fn rms(&self) -> f64 {
        let squares: f64 = self.channels.iter().map(|c| c.squares).sum();
        (squares / self.channels.iter().map(|c| c.count).sum::<u64>().max(1) as f64).sqrt()
    }

    /// Share of the channels that never answer: a rectifier's that are never above 0, another curve's
    /// that always give the same. `None` for other layers.
    pub fn silent(&self, op: &Op) -> Option<usize> {
        let rectifies = matches!(op, Op::Relu | Op::Relu6);
        if !rectifies && !matches!(op, Op::Activate(_)) {
            return None;
        }
        let small = 1e-6 * self.rms() as f32;
        let silent = |c: &&Channel| {
            if rectifies { c.most <= 0.0 } else { c.most - c.least <= small }
        };
        Some(self.channels.iter().filter(silent).count())
    }
}

type Layers<'l> = &'l [Option<Activity>];

fn seen(layers: Layers<'_>, id: LayerId) -> Option<&Activity> {
    layers.get(id.index())?.as_ref()
}

pub(super) fn not_finite(net: &Context<'_>, _: &Params, layers: Layers<'_>) -> Vec<Found> {
    let bad = |id: LayerId| seen(layers, id).filter(|a| a.not_finite > 0);
    let found = net.graph.layers().find_map(|(id, layer)| Some((layer, bad(id)?)));
    let after = net.graph.layers().filter(|(id, _)| bad(*id).is_some()).count();
    let words = found.map(|(layer, activity)| {
        let share = 100.0 * activity.not_finite as f64 / activity.count() as f64;
        let figures = format!(
            "{share:.2} % of its values are NaN or infinite, the first of {after} layers where some \
             are"
        );
        Found::new(Severity::Problem, &layer.name, figures)
    });
    words.into_iter().collect()
}

/// How many times larger or smaller than the picture values may get on the way.
const GROWN: f64 = 1e4;

pub(super) fn scale(net: &Context<'_>, _: &Params, layers: Layers<'_>) -> Vec<Found> {
    let Ok(input) = net.graph.input() else { return Vec::new() };
    let Some(start) = seen(layers, input).map(Activity::rms).filter(|rms| *rms > 0.0) else {
        return Vec::new();
    };
    // Only where everything goes through: a branch may be small on purpose, beside a shortcut.
    let points = split_points(net.graph);
    let through = points.iter().filter_map(|name| net.graph.find(name).ok());
    let (mut large, mut small) = (Vec::<(LayerId, f64)>::new(), Vec::<(LayerId, f64)>::new());
    for id in through.filter(|id| !matches!(net.graph.layer(*id).op, Op::Softmax)) {
        let Some(activity) = seen(layers, id).filter(|a| a.not_finite == 0) else { continue };
        let ratio = activity.rms() / start;
        if ratio > GROWN {
            large.push((id, ratio));
        } else if ratio < 1.0 / GROWN {
            small.push((id, ratio));
        }
    }
    let mut found = Vec::new();
    for (list, word) in [(large, "larger"), (small, "smaller")] {
        let Some((first, ratio)) = list.first() else { continue };
        let times = if word == "larger" { *ratio } else { 1.0 / ratio };
        let figures = if times.is_finite() {
            format!(
                "its values are {times:.1e} times {word} than the picture's (root mean square), the \
                 first of {} such layers",
                list.len()
            )
        } else {
            format!("all its values are 0, the first of {} such layers", list.len())
        };
        let severity = if times.is_finite() { Severity::Warning } else { Severity::Problem };
        found.push(Found::new(severity, net.name(*first), figures));
    }
    found
}

/// Share of a layer's channels that may be silent on a handful of images: the upper layers of good
/// networks have many that answer to few pictures.
const SILENT: f64 = 0.5;

pub(super) fn dead_unit(net: &Context<'_>, _: &Params, layers: Layers<'_>) -> Vec<Found> {
    let mut rows = Vec::new();
    for (id, layer) in net.live() {
        let Some(activity) = seen(layers, id) else { continue };
        // A value of a vector is seen once an image, too rarely to tell.
        let map = net.extent(id).is_some_and(|[h, w]| h * w > 1);
        let silent = activity.silent(&layer.op).filter(|n| *n > 0 && map);
        rows.extend(silent.map(|silent| (layer.name.clone(), silent, activity.channels.len())));
    }
    by_share(rows, "channels answer to none of the images", SILENT)
}

/// Share of values at the ends of their range, of gates and of `ReLU6`.
const SATURATED: [f64; 2] = [0.95, 0.5];

pub(super) fn saturated(net: &Context<'_>, _: &Params, layers: Layers<'_>) -> Vec<Found> {
    let mut found = Vec::new();
    for (id, layer) in net.live() {
        let Some(activity) = seen(layers, id).filter(|a| a.count() > 0) else { continue };
        let share = activity.at_ends as f64 / activity.count() as f64;
        let most = SATURATED[usize::from(matches!(layer.op, Op::Relu6))];
        if share > most {
            let figures =
                format!("{:.0} % of its values are at an end of its range", 100.0 * share);
            found.push((layer.name.clone(), figures));
        }
    }
    gathered(Severity::Warning, found)
}

/// How far what reaches a norm is from the statistics it keeps.
#[derive(Debug, Clone, PartialEq)]
struct Misfit {
    layer: String,
    /// Median over channels of the distance of the means, in deviations.
    shift: f64,
    /// Median over channels of the ratio of deviations.
    ratio: f64,
}

impl Misfit {
    /// 0 when it fits.
    fn distance(&self) -> f64 {
        self.shift + self.ratio.ln().abs()
    }
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

fn misfits(net: &Context<'_>, params: &Params, layers: Layers<'_>) -> Vec<Misfit> {
    let mut all = Vec::new();
    for (id, layer) in net.live().filter(|(id, _)| net.kind(*id) == Kind::BatchNorm) {
        let Op::BatchNorm { eps } = layer.op else { continue };
        let values = |role| net.values(params, id, role);
        let kept = values("running_mean").zip(values("running_var"));
        let Some(((means, vars), activity)) =
            kept.zip(net.before(id).and_then(|i| seen(layers, i)))
        else {
            continue;
        };
        let (mut shifts, mut ratios) = (Vec::new(), Vec::new());
        for ((channel, mean), var) in activity.channels.iter().zip(means).zip(vars) {
            let kept = f64::from(*var) + f64::from(eps);
            if kept > 0.0 {
                shifts.push((channel.mean() - f64::from(*mean)).abs() / kept.sqrt());
                ratios.push(((channel.variance() + f64::from(eps)) / kept).sqrt());
            }
        }
        if !shifts.is_empty() {
            let (shift, ratio) = (median(&mut shifts), median(&mut ratios));
            all.push(Misfit { layer: layer.name.clone(), shift, ratio });
        }
    }
    all
}

/// How far the images are from the statistics that the network's batch norms keep: the mean over norms
/// of the median over channels of the means' distance in deviations, and of the deviations' logarithmic
/// ratio. `None` without batch norms. Right preprocessing and pictures like those of the training give
/// the least.
///
/// # Errors
/// When shapes do not fit along the graph.
pub fn norm_distance(
    graph: &Graph,
    params: &Params,
    layers: &[Option<Activity>],
) -> Result<Option<f64>, NetError> {
    let facts = crate::facts::facts(graph)?;
    let card = crate::Card::blank("");
    let all = misfits(&Context::new(graph, &facts, &card), params, layers);
    let sum: f64 = all.iter().map(Misfit::distance).sum();
    Ok((!all.is_empty()).then(|| sum / all.len() as f64))
}

/// Above this a norm does not fit. Of `EfficientNet`-Lite0 the worst of 49 norms is at 0.23 on ImageNet
/// pictures, at 0.45 on photographs of ants and bees, and at 0.70 to 7 with a wrong normalisation.
const MISFIT: f64 = 0.6;

pub(super) fn norm_statistics(
    net: &Context<'_>,
    params: &Params,
    layers: Layers<'_>,
) -> Vec<Found> {
    let all = misfits(net, params, layers);
    let count = all.len();
    let off: Vec<&Misfit> =
        all.iter().filter(|m| m.distance() > MISFIT || m.distance().is_nan()).collect();
    let worst = off.iter().max_by(|a, b| a.distance().total_cmp(&b.distance()));
    let (Some(first), Some(worst)) = (off.first(), worst) else { return Vec::new() };
    let severity = if off.len() * 5 > count { Severity::Warning } else { Severity::Note };
    let figures = format!(
        "{} of {count} norms do not fit the images; most: `{}`, where the median channel's mean is \
         {:.1} deviations away and its deviation {:.2} times the kept one",
        off.len(),
        worst.layer,
        worst.shift,
        worst.ratio
    );
    vec![Found::new(severity, &first.layer, figures)]
}
