//! Layers in groups: blocks, as the card names their ends, and below and above them what shares a name.
//!
//! Every group is a stretch of the graph's own order (inputs apart), so that groups drawn as single boxes never form a
//! circle.

use std::collections::BTreeMap;

use crate::{Graph, LayerId, Op};

/// What a group holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Item {
    /// A layer.
    Layer(LayerId),
    /// A group, by its place in [`Groups::all`].
    Group(usize),
}

/// Some layers that belong together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// What its layers' names begin with, or the name of the layer it ends with where they share nothing.
    pub name: String,
    /// Whether names of its layers begin with its own; that of a block's last layer may not.
    pub prefix: bool,
    /// Its place among the blocks of the card, from 0; none for groups above and below blocks.
    pub block: Option<usize>,
    /// The group it is in; none for the whole.
    pub parent: Option<usize>,
    /// What it holds, in the graph's order.
    pub items: Vec<Item>,
}

/// All groups of a graph.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Groups {
    all: Vec<Group>,
    /// Of each layer, the group it is in.
    of: Vec<usize>,
    /// Of each layer, its block.
    blocks: Vec<Option<usize>>,
    names: Vec<String>,
}

impl Groups {
    /// Groups the layers of `graph` whose blocks end at the layers `ends` ([`crate::Card::blocks`]; names that are not
    /// there do not count). What lies above the last end is one block more. Without ends, names alone make groups.
    pub fn new(graph: &Graph, ends: &[String]) -> Self {
        let root = Group {
            name: String::new(),
            prefix: false,
            block: None,
            parent: None,
            items: Vec::new(),
        };
        let mut groups = Self {
            all: vec![root],
            of: vec![0; graph.len()],
            blocks: vec![None; graph.len()],
            names: Vec::new(),
        };
        let units = groups.units(graph, ends);
        // A name that most of the network has tells nothing apart.
        let most = if groups.names.is_empty() { units.len() } else { units.len() / 2 };
        let inputs = graph.layers().filter(|(_, l)| matches!(l.op, Op::Input { .. }));
        let mut items: Vec<Item> = inputs.map(|(id, _)| Item::Layer(id)).collect();
        items.extend(groups.nest(&units, 0, most));
        groups.all[0].items = items;
        let mut old: Vec<_> = std::mem::take(&mut groups.all).into_iter().map(Some).collect();
        groups.settle(&mut old, 0, None);
        groups
    }

    /// All groups; the first is the whole.
    pub fn all(&self) -> &[Group] {
        &self.all
    }

    /// The innermost group of a layer.
    pub fn of(&self, layer: LayerId) -> usize {
        self.of.get(layer.index()).copied().unwrap_or_default()
    }

    /// The place of a layer's block among the blocks, from 0; none for inputs, and where blocks are not known.
    pub fn block(&self, layer: LayerId) -> Option<usize> {
        self.blocks.get(layer.index()).copied().flatten()
    }

    /// Names of the blocks, lowest first.
    pub fn block_names(&self) -> &[String] {
        &self.names
    }

    /// The blocks (or, without any, the layers), each with the name that nesting goes by.
    fn units(&mut self, graph: &Graph, ends: &[String]) -> Vec<Unit> {
        let ends: std::collections::BTreeSet<usize> =
            ends.iter().filter_map(|end| Some(graph.find(end).ok()?.index())).collect();
        let layers: Vec<(LayerId, &str)> = graph
            .layers()
            .filter(|(_, l)| !matches!(l.op, Op::Input { .. }))
            .map(|(id, l)| (id, l.name.as_str()))
            .collect();
        let single = |(id, name): &(LayerId, &str)| Unit {
            path: parts(name),
            item: Item::Layer(*id),
            name: (*name).to_owned(),
        };
        if ends.is_empty() {
            return layers.iter().map(single).collect();
        }
        let place = |id: LayerId| ends.range(..id.index()).count();
        let blocks: Vec<&[(LayerId, &str)]> =
            layers.chunk_by(|a, b| place(a.0) == place(b.0)).collect();
        let prefixes: Vec<String> = blocks.iter().map(|block| of_block(block)).collect();
        let mut often: BTreeMap<&str, usize> = BTreeMap::new();
        for prefix in &prefixes {
            *often.entry(prefix).or_default() += 1;
        }
        let mut units = Vec::new();
        for (block, prefix) in blocks.iter().zip(&prefixes) {
            let Some(last) = block.last() else { continue };
            let number = self.names.len();
            block.iter().for_each(|(id, _)| self.blocks[id.index()] = Some(number));
            let own = !prefix.is_empty() && often.get(prefix.as_str()) == Some(&1);
            let name = if own { prefix.clone() } else { last.1.to_owned() };
            self.names.push(name.clone());
            if let [only] = block {
                units.push(single(only));
                continue;
            }
            let path = if own { parts(prefix) } else { Vec::new() };
            let depth = path.len();
            let inner: Vec<Unit> = block.iter().map(single).collect();
            let items = self.nest(&inner, depth, inner.len());
            let group =
                Group { name: name.clone(), prefix: own, block: Some(number), parent: None, items };
            self.all.push(group);
            units.push(Unit { path, item: Item::Group(self.all.len() - 1), name });
        }
        units
    }

    /// Puts neighbours that share the part `depth` of their names into groups, unless these are all of `units`, or
    /// more than `most`.
    fn nest(&mut self, units: &[Unit], depth: usize, most: usize) -> Vec<Item> {
        let mut items = Vec::new();
        let part = |unit: &Unit| unit.path.get(depth).cloned();
        for run in units.chunk_by(|a, b| part(a).is_some() && part(a) == part(b)) {
            let [_, _, ..] = run else {
                items.extend(run.iter().map(|unit| unit.item));
                continue;
            };
            if run.len() == units.len() || run.len() > most {
                items.extend(self.nest(run, depth + 1, most));
                continue;
            }
            let inner = self.nest(run, depth + 1, run.len());
            let names: Vec<&str> = run.iter().map(|unit| unit.name.as_str()).collect();
            let name = common(&names);
            self.all.push(Group { name, prefix: true, block: None, parent: None, items: inner });
            items.push(Item::Group(self.all.len() - 1));
        }
        items
    }

    /// Puts group `place` of `old` and what is in it into the order of the graph, the outer before the inner, and
    /// tells each what it is in. The depth is bounded by that of names.
    fn settle(&mut self, old: &mut [Option<Group>], place: usize, parent: Option<usize>) -> usize {
        let number = self.all.len();
        let Some(group) = old.get_mut(place).and_then(Option::take) else { return number };
        let items = group.items.clone();
        self.all.push(Group { parent, items: Vec::new(), ..group });
        let items = items.into_iter().map(|item| match item {
            Item::Layer(id) => {
                self.of[id.index()] = number;
                item
            }
            Item::Group(place) => Item::Group(self.settle(old, place, Some(number))),
        });
        let items: Vec<Item> = items.collect();
        if let Some(group) = self.all.get_mut(number) {
            group.items = items;
        }
        number
    }
}

/// A block or a layer to be put into groups.
struct Unit {
    path: Vec<String>,
    item: Item,
    name: String,
}

const BETWEEN: [char; 2] = ['.', '/'];
/// Parts of a name that count: groups are not nested deeper.
const DEEPEST: usize = 16;

/// The first parts of a name, `layer1.0.conv1` or `/layer1/conv1`.
fn parts(name: &str) -> Vec<String> {
    let parts = name.split(BETWEEN).filter(|part| !part.is_empty());
    parts.take(DEEPEST).map(str::to_owned).collect()
}

/// The beginning of a name up to with so many parts.
fn prefix_of(name: &str, count: usize) -> &str {
    let mut seen = 0;
    let mut inside = false;
    for (at, c) in name.char_indices() {
        let between = BETWEEN.contains(&c);
        if between && inside {
            seen += 1;
            if seen == count {
                return &name[..at];
            }
        }
        inside = !between;
    }
    name
}

/// What the names of a block begin with. Its last layer often has a shorter name, that of the block or of the stage that
/// ends there; the others decide then.
fn of_block(block: &[(LayerId, &str)]) -> String {
    let names: Vec<&str> = block.iter().map(|(_, name)| *name).collect();
    let all = common(&names);
    match names.split_last() {
        Some((last, others)) if *last == all && others.len() > 1 => common(others),
        _ => all,
    }
}

/// The parts that all names begin with, as they are written in the first, with its own dots and slashes.
fn common(names: &[&str]) -> String {
    let Some(first) = names.first() else { return String::new() };
    let of_first = parts(first);
    let shared = names
        .iter()
        .map(|name| of_first.iter().zip(parts(name)).take_while(|(a, b)| *a == b).count());
    match shared.min() {
        None | Some(0) => String::new(),
        Some(count) => prefix_of(first, count).to_owned(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

    use super::*;
    use crate::notation;

    /// Groups as text: names with what they hold in brackets.
    fn text(graph: &Graph, groups: &Groups, at: usize) -> String {
        let item = |item: &Item| match item {
            Item::Layer(id) => graph.layer(*id).name.clone(),
            Item::Group(g) => format!("{}({})", groups.all[*g].name, text(graph, groups, *g)),
        };
        groups.all[at].items.iter().map(item).collect::<Vec<_>>().join(" ")
    }

    fn chain(names: &[&str]) -> Graph {
        let mut lines = "x = input 3x4x4\n".to_owned();
        let mut below = "x";
        for name in names {
            lines = format!("{lines}{name} = relu {below}\n");
            below = name;
        }
        notation::parse(&format!("{lines}-> {below}")).unwrap()
    }

    #[test]
    fn blocks_are_groups_and_names_nest_above_and_below_them() {
        let graph = chain(&[
            "conv1",
            "bn1",
            "layer1.0.conv1",
            "layer1.0.se.fc1",
            "layer1.0.se.fc2",
            "layer1.0",
            "layer1.1.conv1",
            "layer1.1",
            "layer2.0.conv1",
            "layer2.0",
            "layer3.0.a",
            "layer3.0",
            "pool",
            "fc",
        ]);
        let ends = ["bn1", "layer1.0", "layer1.1", "layer2.0", "layer3.0"].map(str::to_owned);
        let groups = Groups::new(&graph, &ends);
        assert_eq!(
            text(&graph, &groups, 0),
            "x bn1(conv1 bn1) layer1(layer1.0(layer1.0.conv1 layer1.0.se(layer1.0.se.fc1 layer1.0.se.fc2) layer1.0) \
             layer1.1(layer1.1.conv1 layer1.1)) layer2.0(layer2.0.conv1 layer2.0) layer3.0(layer3.0.a layer3.0) \
             fc(pool fc)"
        );
        let of = |name: &str| graph.find(name).unwrap();
        assert_eq!(groups.all()[groups.of(of("layer1.0.se.fc2"))].name, "layer1.0.se");
        assert_eq!(groups.block(of("layer1.0.se.fc2")), Some(1));
        assert_eq!(groups.block(of("fc")), Some(5), "what lies above the last end is a block more");
        assert_eq!(groups.block(of("x")), None);
        assert_eq!(groups.block_names()[0], "bn1");
    }

    #[test]
    fn every_layer_is_in_one_group_and_groups_know_their_parents() {
        let graph = chain(&["/a/b/c", "/a/b/d", "/a/e", "f.g", "f.h", "/a/b/i", "/a/b/k"]);
        let groups = Groups::new(&graph, &[]);
        assert_eq!(
            text(&graph, &groups, 0),
            "x /a(/a/b(/a/b/c /a/b/d) /a/e) f(f.g f.h) /a/b(/a/b/i /a/b/k)",
            "a name that comes back is a group anew, so that groups form no circle"
        );
        for (g, group) in groups.all().iter().enumerate() {
            for item in &group.items {
                match item {
                    Item::Layer(id) => assert_eq!(groups.of(*id), g),
                    Item::Group(inner) => assert_eq!(groups.all()[*inner].parent, Some(g)),
                }
            }
        }
    }

    #[test]
    fn a_stage_that_ends_with_its_own_name_leaves_its_last_block_the_others() {
        let graph = chain(&["s", "l.0.a", "l.0.b", "l.0", "l.1.a", "l.1.b", "l", "p", "q", "r"]);
        let ends = ["s", "l.0", "l", "p", "q", "r"].map(str::to_owned);
        let groups = Groups::new(&graph, &ends);
        assert_eq!(
            text(&graph, &groups, 0),
            "x s l(l.0(l.0.a l.0.b l.0) l.1(l.1.a l.1.b l)) p q r"
        );
        assert_eq!(groups.block_names(), ["s", "l.0", "l.1", "p", "q", "r"]);
    }

    #[test]
    fn blocks_that_share_their_prefix_are_named_by_their_ends() {
        let graph = chain(&["features.0", "features.1", "features.2", "features.3"]);
        let groups = Groups::new(&graph, &["features.1".to_owned(), "features.3".to_owned()]);
        let wanted = "x features.1(features.0 features.1) features.3(features.2 features.3)";
        assert_eq!(text(&graph, &groups, 0), wanted);
    }
}
