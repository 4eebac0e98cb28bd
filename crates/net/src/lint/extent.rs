//! What layers see of the picture, and how wide they are.

use crate::op::{Conv2d, Window};
use crate::surgery::split_points;
use crate::{LayerId, Op};

use super::context::{Context, Kind};
use super::{Found, Severity, gathered};

/// How many times the picture's extent a value may see where the last map is tiny.
const FAR: f64 = 4.0;
/// Rows or columns up to which a last map is tiny: networks are made for 7 or more.
const TINY: usize = 2;

pub(super) fn receptive_field(net: &Context<'_>) -> Vec<Found> {
    let mut found: Vec<Found> = Vec::new();
    let Ok(input) = net.graph.input() else { return found };
    let Some([height, width]) = net.extent(input) else { return found };
    // The last map before its pixels are put together; a gate's mean is beside the way.
    let gates = net.gates();
    let means = |(id, layer): &(LayerId, &crate::Layer)| {
        matches!(layer.op, Op::GlobalAvgPool) && !gates[id.index()]
    };
    for (id, layer) in net.live().filter(means) {
        let Some(last) = net.before(id) else { continue };
        let (Some(field), Some([rows, columns])) = (net.of(last).field, net.extent(last)) else {
            continue;
        };
        let [h, w] = field.size;
        let sees = format!("a value sees {h}x{w} pixels of a picture of {height}x{width}");
        let share = (h as f64 / height as f64).min(w as f64 / width as f64);
        if share < 1.0 {
            // Half a picture holds most objects; less, and the network counts patches.
            let severity = if share < 0.5 { Severity::Warning } else { Severity::Note };
            let figures = format!("{sees}, and `{}` only takes the mean of them", layer.name);
            found.push(Found::new(severity, net.name(last), figures));
        } else if share > FAR && rows.max(columns) <= TINY {
            // Depth alone makes fields large (that of EfficientNet-B7 is 59 pictures wide); together
            // with a map of a pixel or two the picture is too small for the network.
            let figures = format!("{sees}, {share:.0} times its extent; {rows}x{columns} are left");
            found.push(Found::new(Severity::Note, net.name(last), figures));
        }
    }
    // Side branches for features see as much as the last map.
    found.truncate(1);
    found
}

/// Steps of a window: size, stride, dilation.
fn steps(op: &Op) -> Option<[[usize; 2]; 3]> {
    if let Op::Conv2d(Conv2d { size, stride, dilation, .. }) = op {
        return Some([*size, *stride, *dilation]);
    }
    if let Op::MaxPool(window) | Op::AvgPool { window, .. } = op {
        let Window { size, stride, .. } = window;
        return Some([*size, *stride, [1, 1]]);
    }
    None
}

/// Share of its input's pixels that a window never reads.
fn skipped(op: &Op) -> f64 {
    let Some([size, stride, dilation]) = steps(op) else { return 0.0 };
    let read = |axis: usize| {
        let (step, reach) = (stride[axis].max(1), dilation[axis] % stride[axis].max(1));
        // Offsets within a step that some tap lands on; more taps than steps land nowhere new.
        let mut seen = vec![false; step.min(4096)];
        for tap in 0..size[axis].min(seen.len()) {
            // Wide enough for any stride that a text can ask for.
            let place = (tap as u128 * reach as u128 % step as u128) as usize;
            if let Some(place) = seen.get_mut(place) {
                *place = true;
            }
        }
        let taps = seen.iter().filter(|s| **s).count();
        // With a stride, a kernel of one tap still reads one offset; without one, all.
        taps as f64 / step as f64
    };
    1.0 - read(0) * read(1)
}

pub(super) fn skipped_pixels(net: &Context<'_>) -> Vec<Found> {
    let (mut wrong, mut known) = (Vec::new(), Vec::new());
    for (id, layer) in net.live() {
        let share = skipped(&layer.op);
        if share <= 0.0 || read_elsewhere(net, id) {
            continue;
        }
        let Some([size, stride, _]) = steps(&layer.op) else { continue };
        let figures = format!(
            "a window of {}x{} moves by {}x{}: {:.0} % of the pixels are never read",
            size[0],
            size[1],
            stride[0],
            stride[1],
            100.0 * share
        );
        let from_picture = net.before(id).is_some_and(|i| net.kind(i) == Kind::Source);
        let usual = size == [1, 1] && stride == [2, 2] && !from_picture;
        if usual { &mut known } else { &mut wrong }.push((layer.name.clone(), figures));
    }
    let mut found = gathered(Severity::Warning, wrong);
    // He et al. 2015 step with kernels of one pixel; it costs a little and is no slip.
    if let Some((layer, figures)) = known.first() {
        let figures = format!("{figures}; {} such layers", known.len());
        found.push(Found::new(Severity::Note, layer, figures));
    }
    found
}

/// Whether another layer reads all pixels of the same map, as beside a shortcut.
fn read_elsewhere(net: &Context<'_>, id: LayerId) -> bool {
    let aside = |i: LayerId| matches!(net.kind(i), Kind::BatchNorm | Kind::Pass | Kind::Curve);
    let mut origin = net.before(id);
    while let Some(at) = origin.filter(|at| aside(*at) && skipped(&net.graph.layer(*at).op) <= 0.0)
    {
        origin = net.before(at);
    }
    let Some(origin) = origin else { return false };
    let mut open = vec![origin];
    let mut seen = vec![false; net.graph.len()];
    while let Some(at) = open.pop() {
        for user in net.users[at.index()].iter().filter(|u| **u != id && net.needed[u.index()]) {
            if std::mem::replace(&mut seen[user.index()], true) {
                continue;
            }
            if skipped(&net.graph.layer(*user).op) > 0.0 {
                continue;
            }
            match net.kind(*user) {
                Kind::BatchNorm | Kind::Curve | Kind::Pass => open.push(*user),
                Kind::Source
                | Kind::Linear
                | Kind::LayerNorm
                | Kind::Bend
                | Kind::Add
                | Kind::Concat
                | Kind::Mul => return true,
            }
        }
    }
    false
}

pub(super) fn dead_resolution(net: &Context<'_>) -> Vec<Found> {
    let mut found = Vec::new();
    for (id, layer) in net.live() {
        let (Some(conv), Some(extent)) = (net.conv(id), net.before(id).and_then(|i| net.extent(i)))
        else {
            continue;
        };
        let wasted = (0..2).any(|axis| extent[axis] == 1 && conv.size[axis] > 1);
        if wasted {
            let [kh, kw] = conv.size;
            let figures = format!(
                "a kernel of {kh}x{kw} on a map of {}x{}: the rest of it meets padding only",
                extent[0], extent[1]
            );
            found.push((layer.name.clone(), figures));
        }
    }
    gathered(Severity::Warning, found)
}

/// How many times narrower than what is before and after a layer may be. `SqueezeNet` and `MobileNetV2`
/// stay within 8 and 6.
const NARROW: usize = 8;

pub(super) fn channel_bottleneck(net: &Context<'_>) -> Vec<Found> {
    // Only where everything goes through: beside a shortcut a narrow branch holds nothing back.
    let points = split_points(net.graph);
    let through: Vec<(LayerId, usize)> = points
        .iter()
        .filter_map(|name| net.graph.find(name).ok())
        .filter(|id| net.kind(*id) == Kind::Linear)
        .map(|id| (id, net.channels(id)))
        .collect();
    let mut after = vec![0; through.len() + 1];
    for (i, (_, channels)) in through.iter().enumerate().rev() {
        after[i] = after[i + 1].max(*channels);
    }
    let (mut before, mut found) = (0, Vec::new());
    let mut narrowest: Option<(usize, LayerId, usize, usize)> = None;
    for (i, (id, channels)) in through.iter().enumerate() {
        let narrow = channels.saturating_mul(NARROW) < before.min(after[i + 1]);
        if narrow && narrowest.is_none_or(|(c, ..)| *channels < c) {
            narrowest = Some((*channels, *id, before, after[i + 1]));
        }
        if !narrow {
            found.extend(narrowest.take());
            before = before.max(*channels);
        }
    }
    let found = found.into_iter().map(|(channels, id, before, after)| {
        let figures = format!(
            "everything goes through {channels} channels, after {before} and before {after}"
        );
        (net.name(id).to_owned(), figures)
    });
    gathered(Severity::Warning, found.collect())
}
