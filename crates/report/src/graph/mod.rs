//! The layers of a network, or of two side by side, as a drawing and as a page whose groups open and close.
//!
//! Groups are laid out each by itself and put into one another, so that opening one needs no layout anew: it pushes
//! its neighbours apart. Input is at the top.

mod arrange;
mod data;
mod draw;
mod figure;
mod layered;
mod page;
mod places;
mod scene;
mod words;

use regraft_net::facts::Facts;
use regraft_net::groups::{Groups, Item};
use regraft_net::{Graph, LayerId};

pub use figure::{Figure, Gather, Scale};

use self::figure::{Shaded, joined};
use self::scene::{Scene, above};

/// Graphs of so many layers are drawn with all of them to begin with.
const SMALL: usize = 60;
/// Boxes that a larger one is opened to at most.
const BOXES: usize = 48;

/// A network to be drawn.
#[derive(Debug, Clone)]
pub struct GraphSide<'a> {
    /// Its name.
    pub title: &'a str,
    /// What it is, in a line.
    pub about: &'a str,
    /// Its layers.
    pub graph: &'a Graph,
    /// Their shapes and cost.
    pub facts: &'a Facts,
    /// Which belong together.
    pub groups: &'a Groups,
    /// What they may be coloured by; on both sides of a page the same, in the same order.
    pub figures: &'a [Figure],
    /// Of each layer, whether it was trained; empty where that is not known.
    pub learns: &'a [bool],
    /// The last frozen layer.
    pub frontier: Option<LayerId>,
    /// Of each layer, what differs from the other network; empty where there is none.
    pub differences: &'a [LayerDifference],
}

/// What differs between a layer and that of another network.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LayerDifference {
    /// The layer there; none where there is none like it.
    pub other: Option<LayerId>,
    /// What differs, a sentence each; empty for nothing.
    pub said: Vec<String>,
}

/// A page of one network, or of two.
#[derive(Debug, Clone)]
pub struct GraphPage<'a> {
    /// The networks, one or two.
    pub sides: &'a [GraphSide<'a>],
    /// The figure that colours it to begin with; one that is not there colours nothing.
    pub color: &'a str,
    /// What a person should know, a sentence each.
    pub notes: &'a [String],
    /// Version of regraft.
    pub version: &'a str,
}

/// The drawing as SVG, complete by itself or as a part of a page: small graphs with all layers, larger ones with
/// closed groups. The same input gives the same text.
///
/// `color` is the key of a figure. What was trained has a bar at its left, and a line is drawn behind the frontier.
pub fn graph_svg(side: &GraphSide<'_>, color: &str) -> String {
    let figure = side.figures.iter().find(|f| f.key == color);
    let shaded = figure.map(|f| Shaded::new(f, side.graph, side.groups));
    let range = shaded.as_ref().and_then(|s| s.range);
    draw::file(&Drawing::new(side, 0), figure.zip(shaded.as_ref()), range)
}

/// The page as HTML: one file, which loads nothing, with a script of its own. The same input gives the same text.
pub fn graph_page(page: &GraphPage<'_>) -> String {
    page::page(page)
}

/// A network, what of it is laid out, and what is open.
struct Drawing<'a> {
    side: &'a GraphSide<'a>,
    scene: Scene,
    open: Vec<bool>,
    /// Its place on the page.
    place: usize,
}

impl<'a> Drawing<'a> {
    fn new(side: &'a GraphSide<'a>, place: usize) -> Self {
        let scene = Scene::new(side.graph, side.facts, side.groups);
        let open = open(side.groups, side.graph.len());
        Self { side, scene, open, place }
    }

    /// The groups that stand around what is seen of a layer, the whole first, and what is seen.
    fn seen(&self, layer: LayerId) -> (Vec<usize>, Item) {
        let mut around = Vec::new();
        for g in above(self.side.groups, self.side.groups.of(layer)).into_iter().rev() {
            if g != 0 && self.open.get(g) != Some(&true) {
                return (around, Item::Group(g));
            }
            around.push(g);
        }
        (around, Item::Layer(layer))
    }
}

/// Which groups are open to begin with: all of a small graph; of a larger one those that hold blocks, the outer first,
/// as long as not too much is seen at once.
fn open(groups: &Groups, layers: usize) -> Vec<bool> {
    let all = groups.all();
    if layers <= SMALL {
        return vec![true; all.len()];
    }
    let mut open = vec![false; all.len()];
    let mut holds = vec![false; all.len()];
    for (g, group) in all.iter().enumerate().rev() {
        let inner = group.items.iter().any(|item| match item {
            Item::Group(g) => holds[*g] || all[*g].block.is_some(),
            Item::Layer(_) => false,
        });
        holds[g] = inner;
    }
    let mut seen = all.first().map_or(0, |whole| whole.items.len());
    for g in 0..all.len() {
        let parent = all[g].parent.is_none_or(|p| p == 0 || open[p]);
        let more = seen + all[g].items.len();
        if g == 0 || holds[g] && parent && more <= BOXES {
            open[g] = true;
            seen = if g == 0 { seen } else { more };
        }
    }
    open
}

/// The figures of each side with a range that both share.
fn shaded(sides: &[GraphSide<'_>]) -> Vec<(Vec<Shaded>, Option<[f64; 2]>)> {
    let figures = sides.iter().map(|s| s.figures.len()).min().unwrap_or(0);
    (0..figures)
        .map(|f| {
            let of: Vec<Shaded> =
                sides.iter().map(|s| Shaded::new(&s.figures[f], s.graph, s.groups)).collect();
            let range = joined(of.iter().filter_map(|s| s.range));
            (of, range)
        })
        .collect()
}
