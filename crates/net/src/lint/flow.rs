//! Where values go: layers that lead nowhere, maps in a row without a curve between, softmax and
//! dropout in odd places.

use crate::{LayerId, Op};

use super::context::{Context, Kind};
use super::{Found, Severity, few_among, gathered};

pub(super) fn unused_layer(net: &Context<'_>) -> Vec<Found> {
    let (mut with, mut without) = (Vec::new(), Vec::new());
    for (id, layer) in net.graph.layers().filter(|(id, _)| !net.needed[id.index()]) {
        let params = net.of(id).param_count();
        let figures = if params > 0 {
            format!("no output depends on it; {params} values in its parameters")
        } else {
            "no output depends on it".to_owned()
        };
        let list = if params > 0 { &mut with } else { &mut without };
        list.push((layer.name.clone(), figures));
    }
    let reads = |(_, layer): &(LayerId, &crate::Layer)| matches!(layer.op, Op::Input { .. });
    if net.live().any(|l| reads(&l)) {
        let mut found = gathered(Severity::Warning, with);
        found.extend(gathered(Severity::Note, without));
        found
    } else {
        let inputs: Vec<_> = net.graph.layers().filter(reads).collect();
        let name = inputs.first().map(|(_, layer)| layer.name.as_str()).unwrap_or_default();
        vec![Found::new(Severity::Problem, name, "no output depends on the input")]
    }
}

/// What a value meets next, when nothing that bends it lies between.
#[derive(Clone, Copy, Default)]
struct Next {
    /// A linear map, straight on.
    straight: Option<LayerId>,
    /// A linear map behind a sum with something else.
    summed: Option<LayerId>,
}

/// For each layer, the linear maps that its value reaches unbent. Gates are left out: they squeeze
/// what comes, bent or not (Hu et al. 2018).
fn next(net: &Context<'_>, gates: &[bool]) -> Vec<Next> {
    let mut all = vec![Next::default(); net.graph.len()];
    for (id, _) in net.graph.layers().rev() {
        let mut here = Next::default();
        for user in net.users[id.index()].iter().filter(|u| net.needed[u.index()]) {
            let there = all[user.index()];
            match net.kind(*user) {
                Kind::Linear if gates[user.index()] && !gates[id.index()] => {}
                Kind::Linear => here.straight = here.straight.or(Some(*user)),
                Kind::BatchNorm | Kind::Pass | Kind::Concat => {
                    here.straight = here.straight.or(there.straight);
                    here.summed = here.summed.or(there.summed);
                }
                Kind::Add => here.summed = here.summed.or(there.straight).or(there.summed),
                Kind::Source | Kind::LayerNorm | Kind::Curve | Kind::Bend | Kind::Mul => {}
            }
        }
        all[id.index()] = here;
    }
    all
}

/// Linear maps that are linear on purpose in some families; alone among others of their kind they are
/// a slip all the same.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Habit {
    /// The depthwise half of a separable convolution (Chollet 2016, section 4.7).
    Depthwise,
    /// A linear bottleneck (Sandler et al. 2018, section 3.2), or a matrix in two factors.
    Bottleneck,
    /// The two halves of a kernel, `1xN` and `Nx1`.
    Halves,
    /// The beginning of a stream that depthwise blocks read and add to (Liu et al. 2022).
    Stream,
}

/// Why `from`, followed by `to`, may be linear; `summed` when something is also added to its value.
fn habit(net: &Context<'_>, from: LayerId, to: LayerId, summed: bool) -> Option<Habit> {
    if net.depthwise(from) {
        return Some(Habit::Depthwise);
    }
    if summed && net.depthwise(to) {
        return Some(Habit::Stream);
    }
    if net.pointwise(from) {
        let (channels, before) = (net.channels(from), net.channels_in(from));
        let projects = net.linear_before(from).is_some_and(|b| net.depthwise(b));
        let narrows = channels < before && (channels < net.channels(to) || net.depthwise(to));
        return (projects || narrows).then_some(Habit::Bottleneck);
    }
    let (a, b) = (net.conv(from)?, net.conv(to)?);
    let lies = |size: [usize; 2]| size[0] == 1 && size[1] > 1;
    let stands = |size: [usize; 2]| size[0] > 1 && size[1] == 1;
    let halves = lies(a.size) && stands(b.size) || stands(a.size) && lies(b.size);
    halves.then_some(Habit::Halves)
}

pub(super) fn missing_nonlinearity(net: &Context<'_>) -> Vec<Found> {
    let gates = net.gates();
    let next = next(net, &gates);
    let words = |from: LayerId, to: LayerId| {
        let figures = format!("`{}` reads it with nothing but linear steps between", net.name(to));
        (net.name(from).to_owned(), figures)
    };
    let mut wrong = Vec::new();
    let mut odd: [(Vec<(String, String)>, usize); 4] = Default::default();
    for (id, _) in net.live().filter(|(id, _)| net.kind(*id) == Kind::Linear) {
        let Next { straight, summed } = next[id.index()];
        let why = straight.and_then(|to| habit(net, id, to, summed.is_some()));
        match (straight, why) {
            (Some(to), None) => wrong.push(words(id, to)),
            (Some(to), Some(why)) => odd[why as usize].0.push(words(id, to)),
            // Behind a sum it is neither one nor the other.
            (None, _) if summed.is_some() => continue,
            (None, _) => {}
        }
        // The matrices of a gate are no projections.
        if gates[id.index()] {
            continue;
        }
        let projects = || net.linear_before(id).is_some_and(|b| net.depthwise(b));
        if net.depthwise(id) {
            odd[Habit::Depthwise as usize].1 += 1;
        } else if net.pointwise(id) && projects() {
            odd[Habit::Bottleneck as usize].1 += 1;
        } else if net.conv(id).is_some_and(|c| c.size[0] != c.size[1]) {
            odd[Habit::Halves as usize].1 += 1;
        }
    }
    for (found, all) in odd {
        for (layer, figures) in few_among(found, all) {
            wrong.push((layer, format!("{figures}; {} others of its kind have a curve", all - 1)));
        }
    }
    // Sums: networks either bend every one of them or leave them as they are.
    let sums: Vec<LayerId> =
        net.live().map(|(id, _)| id).filter(|id| net.kind(*id) == Kind::Add).collect();
    let unbent = |id: &LayerId| Some((*id, next[id.index()].straight?));
    for (id, to) in few_among(sums.iter().filter_map(unbent).collect(), sums.len()) {
        let (layer, figures) = words(id, to);
        wrong.push((layer, format!("{figures}; the other {} sums have a curve", sums.len() - 1)));
    }
    gathered(Severity::Warning, wrong)
}

pub(super) fn softmax(net: &Context<'_>) -> Vec<Found> {
    let mut found = Vec::new();
    // For each layer, whether a softmax's values reach it with no learned map between.
    let mut soft: Vec<Option<LayerId>> = vec![None; net.graph.len()];
    for (id, layer) in net.live() {
        let above = layer.inputs.iter().find_map(|i| soft[i.index()]);
        let is = matches!(layer.op, Op::Softmax);
        match (above, net.kind(id)) {
            (Some(first), _) if is => found.push(Found::new(
                Severity::Problem,
                &layer.name,
                format!("a softmax of the probabilities that `{}` gives", net.name(first)),
            )),
            (Some(first), Kind::Linear) => found.push(Found::new(
                Severity::Warning,
                net.name(first),
                format!("`{}` reads its probabilities", layer.name),
            )),
            _ => {}
        }
        if is {
            soft[id.index()] = Some(id);
        } else if net.kind(id) != Kind::Linear && net.kind(id) != Kind::Mul {
            soft[id.index()] = above;
        }
    }
    let logits = net.card.logits.as_deref().and_then(|name| net.graph.find(name).ok());
    let by_card = logits.and_then(|id| soft[id.index()]);
    if let Some(softmax) = by_card {
        let name = net.card.logits.as_deref().unwrap_or_default();
        let figures =
            format!("the card names `{name}` as the scores, and they are its probabilities");
        found.push(Found::new(Severity::Problem, net.name(softmax), figures));
    } else if net.card.logits.is_none() {
        let last = net.graph.outputs().iter().find_map(|o| soft[o.index()]);
        found.extend(last.map(|softmax| {
            let figures = "the output is probabilities, not scores";
            Found::new(Severity::Note, net.name(softmax), figures)
        }));
    }
    found
}

pub(super) fn dropout(net: &Context<'_>) -> Vec<Found> {
    // Whether a learned map is still to come.
    let mut below = vec![false; net.graph.len()];
    for (id, _) in net.graph.layers().rev() {
        below[id.index()] =
            net.users[id.index()].iter().any(|u| net.kind(*u) == Kind::Linear || below[u.index()]);
    }
    let mut found = Vec::new();
    for (id, layer) in net.live() {
        let Op::Dropout { rate } = layer.op else { continue };
        let name = &layer.name;
        if !(0.0..1.0).contains(&rate) {
            let figures = format!("a rate of {rate}, wants a share from 0 to below 1");
            found.push(Found::new(Severity::Problem, name, figures));
        } else if rate >= 0.8 {
            let figures = format!("{:.0} % of the values go at each step", 100.0 * rate);
            found.push(Found::new(Severity::Warning, name, figures));
        } else if rate > 0.0 && !below[id.index()] {
            let figures = format!("no learned layer follows; it drops {:.0} %", 100.0 * rate);
            found.push(Found::new(Severity::Warning, name, figures));
        }
    }
    found
}
