//! Every group by itself: what is in it, which lines run there, and the rows of both.

use std::collections::{BTreeMap, BTreeSet};

use regraft_net::facts::Facts;
use regraft_net::groups::{Groups, Item};
use regraft_net::op::{Conv2d, Window};
use regraft_net::{Graph, Layer, LayerId, Op};

use super::layered::{Layered, Wanted, layered};

/// Height of a layer's box, and of a closed group's, in pixels.
pub(super) const LAYER: f64 = 40.0;
pub(super) const GROUP: f64 = 46.0;
/// Width of a letter of a name, and of the line below it; both are set in a font of one width.
const LETTER: f64 = 7.25;
const SMALL: f64 = 6.35;
/// Letters of a name or a line that are shown at most.
const LONGEST: usize = 30;

/// A box: its two lines, and its size while it is closed.
#[derive(Debug, Clone)]
pub(super) struct Block {
    pub(super) name: String,
    pub(super) about: String,
    pub(super) width: f64,
    pub(super) height: f64,
}

/// Where a line begins or ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum End {
    /// At the upper edge of the group: a value from outside.
    In(usize),
    /// At a child.
    Child(usize),
    /// At the lower edge: a value that is read outside.
    Out(usize),
}

/// A line of one value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Line {
    pub(super) from: End,
    pub(super) to: End,
    pub(super) value: usize,
}

/// The inside of a group.
#[derive(Debug, Clone, Default)]
pub(super) struct Inside {
    pub(super) items: Vec<Item>,
    /// Layers outside whose values are read inside, and layers inside whose values are read outside.
    pub(super) ins: Vec<usize>,
    pub(super) outs: Vec<usize>,
    pub(super) lines: Vec<Line>,
    /// The route of each line, among those that [`Layered`] knows.
    pub(super) routes: Vec<usize>,
    /// Where each line begins and ends among the values that leave the group it comes from, and that enter the one it
    /// goes to.
    pub(super) ports: Vec<[Option<usize>; 2]>,
    pub(super) rows: Layered,
}

/// A graph ready to be drawn.
#[derive(Debug)]
pub(super) struct Scene {
    pub(super) layers: Vec<Block>,
    pub(super) groups: Vec<Block>,
    pub(super) insides: Vec<Inside>,
    /// Layers in each group, those of inner groups too.
    pub(super) counts: Vec<usize>,
}

impl Scene {
    pub(super) fn new(graph: &Graph, facts: &Facts, groups: &Groups) -> Self {
        let all = groups.all();
        let layers: Vec<Block> = graph
            .layers()
            .map(|(id, layer)| {
                let group = all.get(groups.of(id));
                let prefix = group.filter(|g| g.prefix).map_or("", |g| g.name.as_str());
                let shape = facts.layer(id).shape.to_string();
                Block::new(&within(&layer.name, prefix), &about(layer, &shape), LAYER)
            })
            .collect();
        let mut counts = vec![0; all.len()];
        for (id, _) in graph.layers() {
            for group in above(groups, groups.of(id)) {
                counts[group] += 1;
            }
        }
        let last = lasts(groups);
        let blocks = all.iter().enumerate().map(|(g, group)| {
            let shape = last[g].map(|id| facts.layer(id).shape.to_string()).unwrap_or_default();
            let about = format!("{} layers, {shape}", counts[g]);
            Block::new(&group.name, &about, GROUP)
        });
        let groups_drawn: Vec<Block> = blocks.collect();
        let mut insides = lines(graph, groups);
        for g in 0..insides.len() {
            let ports = insides[g].lines.iter().map(|line| ports(&insides, &insides[g], line));
            insides[g].ports = ports.collect();
            insides[g].lay(&layers, &groups_drawn);
        }
        Self { layers, groups: groups_drawn, insides, counts }
    }

    /// The block of an item.
    pub(super) fn block(&self, item: Item) -> &Block {
        match item {
            Item::Layer(id) => &self.layers[id.index()],
            Item::Group(g) => &self.groups[g],
        }
    }
}

impl Block {
    fn new(name: &str, about: &str, height: f64) -> Self {
        let (name, about) = (short(name), short(about));
        let letters = |text: &str| text.chars().count() as f64;
        // A group has a sign before its name.
        let sign = if height > LAYER { 2.0 } else { 0.0 };
        let width = ((letters(&name) + sign) * LETTER).max(letters(&about) * SMALL) + 22.0;
        Self { name, about, width: width.max(84.0).round(), height }
    }
}

impl Inside {
    /// Puts boxes and lines into rows.
    fn lay(&mut self, layers: &[Block], groups: &[Block]) {
        let before = self.ins.len();
        let width = |item: &Item| match item {
            Item::Layer(id) => layers[id.index()].width,
            Item::Group(g) => groups[*g].width,
        };
        let mut widths = vec![0.0; before];
        widths.extend(self.items.iter().map(width));
        widths.resize(widths.len() + self.outs.len(), 0.0);
        let node = |end: End| match end {
            End::In(i) => i,
            End::Child(i) => before + i,
            End::Out(i) => before + self.items.len() + i,
        };
        // Several values from one box to another share a route.
        let mut routes = BTreeMap::new();
        let mut ends = Vec::new();
        for line in &self.lines {
            let route = [node(line.from), node(line.to)];
            let place = *routes.entry(route).or_insert_with(|| {
                ends.push(route);
                ends.len() - 1
            });
            self.routes.push(place);
        }
        let last = self.outs.len();
        self.rows = layered(&Wanted { widths, first: before, last, lines: ends });
    }

    /// What stands at a place of the rows.
    pub(super) fn end(&self, node: usize) -> End {
        let before = self.ins.len();
        match node {
            i if i < before => End::In(i),
            i if i < before + self.items.len() => End::Child(i - before),
            i => End::Out(i - before - self.items.len()),
        }
    }
}

/// Groups from `from` up to the whole.
pub(super) fn above(groups: &Groups, from: usize) -> Vec<usize> {
    let parent = |g: &usize| groups.all().get(*g).and_then(|group| group.parent);
    std::iter::successors(Some(from), parent).collect()
}

/// The last layer of each group.
fn lasts(groups: &Groups) -> Vec<Option<LayerId>> {
    let mut last = vec![None; groups.all().len()];
    // Inner groups come after those they are in.
    for (g, group) in groups.all().iter().enumerate().rev() {
        last[g] = match group.items.last() {
            Some(Item::Layer(id)) => Some(*id),
            Some(Item::Group(inner)) => last[*inner],
            None => None,
        };
    }
    last
}

/// The lines of each group: a connection between two layers is one line in the group that holds both, and one in each
/// group between that and either of them.
fn lines(graph: &Graph, groups: &Groups) -> Vec<Inside> {
    let mut place = BTreeMap::new();
    let mut layer_place = vec![0; graph.len()];
    for group in groups.all() {
        for (i, item) in group.items.iter().enumerate() {
            match item {
                Item::Layer(id) => layer_place[id.index()] = i,
                Item::Group(g) => {
                    place.insert(*g, i);
                }
            }
        }
    }
    let child = |chain: &[usize], at: usize, layer: LayerId| {
        let inner = at.checked_sub(1).map(|below| chain[below]);
        inner.map_or(layer_place[layer.index()], |g| place.get(&g).copied().unwrap_or_default())
    };
    let mut found: Vec<BTreeSet<Line>> = vec![BTreeSet::new(); groups.all().len()];
    let mut ports = vec![[const { Vec::<usize>::new() }; 2]; groups.all().len()];
    let mut port = |group: usize, side: usize, value: usize| {
        let ports = &mut ports[group][side];
        ports.iter().position(|p| *p == value).unwrap_or_else(|| {
            ports.push(value);
            ports.len() - 1
        })
    };
    for (id, layer) in graph.layers() {
        let to = above(groups, groups.of(id));
        for input in &layer.inputs {
            let (from, value) = (above(groups, groups.of(*input)), input.index());
            let Some(meet) = from.iter().position(|g| to.contains(g)) else { continue };
            let Some(at) = to.iter().position(|g| *g == from[meet]) else { continue };
            let ends = [child(&from, meet, *input), child(&to, at, id)].map(End::Child);
            found[from[meet]].insert(Line { from: ends[0], to: ends[1], value });
            for (below, group) in from[..meet].iter().enumerate() {
                let out = End::Out(port(*group, 1, value));
                let from = End::Child(child(&from, below, *input));
                found[*group].insert(Line { from, to: out, value });
            }
            for (below, group) in to[..at].iter().enumerate() {
                let from = End::In(port(*group, 0, value));
                let to = End::Child(child(&to, below, id));
                found[*group].insert(Line { from, to, value });
            }
        }
    }
    let insides = groups.all().iter().zip(ports).zip(found);
    insides
        .map(|((group, [ins, outs]), lines)| Inside {
            items: group.items.clone(),
            ins,
            outs,
            lines: lines.into_iter().collect(),
            ..Inside::default()
        })
        .collect()
}

/// The places of a line among the values that leave one group and enter the other.
fn ports(insides: &[Inside], inside: &Inside, line: &Line) -> [Option<usize>; 2] {
    let group = |end: End| match end {
        End::Child(i) => match inside.items.get(i) {
            Some(Item::Group(g)) => insides.get(*g),
            Some(Item::Layer(_)) | None => None,
        },
        End::In(_) | End::Out(_) => None,
    };
    let place = |values: &[usize]| values.iter().position(|v| *v == line.value);
    let from = group(line.from).and_then(|inside| place(&inside.outs));
    [from, group(line.to).and_then(|inside| place(&inside.ins))]
}

/// A name without what all names around it begin with.
fn within(name: &str, prefix: &str) -> String {
    let rest = name.strip_prefix(prefix).map(|rest| rest.trim_start_matches(['.', '/']));
    match rest {
        Some(rest) if !rest.is_empty() => rest.to_owned(),
        Some(_) | None => name.to_owned(),
    }
}

/// What a layer does and gives, in a line.
fn about(layer: &Layer, shape: &str) -> String {
    let kernel = |size: [usize; 2], stride: [usize; 2]| {
        let pair = |[a, b]: [usize; 2]| if a == b { a.to_string() } else { format!("{a}x{b}") };
        let size = format!("{}x{}", size[0], size[1]);
        if stride == [1, 1] { size } else { format!("{size}/{}", pair(stride)) }
    };
    let name = layer.op.name();
    #[expect(clippy::wildcard_enum_match_arm, reason = "only windows are worth a word more")]
    match &layer.op {
        Op::Conv2d(Conv2d { size, stride, .. })
        | Op::MaxPool(Window { size, stride, .. })
        | Op::AvgPool { window: Window { size, stride, .. }, .. } => {
            format!("{name} {} {shape}", kernel(*size, *stride))
        }
        _ => format!("{name} {shape}"),
    }
}

/// A text that fits: the middle of a long one is left out.
fn short(text: &str) -> String {
    let letters: Vec<char> = text.chars().collect();
    if letters.len() <= LONGEST {
        return text.to_owned();
    }
    let half = LONGEST / 2;
    let start: String = letters.iter().take(half).collect();
    let end: String = letters.iter().skip(letters.len() - (LONGEST - half - 1)).collect();
    format!("{start}…{end}")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

    use regraft_net::{facts::facts, notation};

    use super::*;

    #[test]
    fn a_connection_is_a_line_in_every_group_it_passes() {
        let graph = notation::parse(
            "x = input 3x8x8\nb.0.conv = conv2d x out=4 size=3 stride=2 pad=1\nb.0.relu = relu b.0.conv\n\
             b.1.conv = conv2d b.0.relu out=4 size=1\nb.1.add = add b.1.conv b.0.relu\n-> b.1.add",
        )
        .unwrap();
        let ends = ["b.0.relu".to_owned()];
        let groups = Groups::new(&graph, &ends);
        let scene = Scene::new(&graph, &facts(&graph).unwrap(), &groups);
        let [root, first, second] = &scene.insides[..] else { panic!("{:?}", groups.all()) };
        // The input, then two blocks; the value of `b.0.relu` is read twice, and is one line.
        assert_eq!(root.lines.len(), 2);
        assert_eq!((first.ins.len(), first.outs.len(), first.lines.len()), (1, 1, 3));
        assert_eq!((second.ins.len(), second.outs.len(), second.lines.len()), (1, 0, 3));
        assert_eq!(scene.layers[1].name, "conv");
        assert_eq!(scene.layers[1].about, "conv2d 3x3/2 4x4x4");
        assert_eq!(scene.groups[1].about, "2 layers, 4x4x4");
        assert_eq!(scene.counts, [5, 2, 2]);
    }

    #[test]
    fn a_long_name_keeps_both_ends() {
        let name = "stage_1_of_a_network_with_names_like_this_one_conv";
        assert_eq!(short(name), "stage_1_of_a_ne…_this_one_conv");
        assert_eq!(within("layer1.0", "layer1.0"), "layer1.0");
        assert_eq!(within("/a/b", "/a"), "b");
        assert_eq!(within("ab", "c"), "ab");
    }
}
