//! The layers of a network as a drawing, a page, and a table, coloured by what is known of each.

mod figures;
mod run;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use regraft_look::{Counterpart, counterparts, drifts};
use regraft_net::facts::{Facts, facts};
use regraft_net::groups::Groups;
use regraft_net::{Graph, LayerId, Network, nearest, surgery};
use regraft_report::{Figure, GraphPage, GraphSide, LayerDifference, graph_page, graph_svg};
use regraft_run::{Plan, atomic_write};
use serde::Serialize;

use self::run::RunFacts;
use super::files;
use crate::network::is_path;
use crate::show::graph as graph_of;
use crate::{Error, LoadOptions, Observer, Progress, VERSION, load};

/// What is asked for.
#[derive(Debug, Clone, Default)]
pub struct GraphOptions {
    /// A name of the zoo, an architecture, a run folder, a model file, or a file of notation.
    pub network: String,
    /// Another one, to be laid beside it.
    pub against: Option<String>,
    /// The figure that colours it; none takes the one that says most.
    pub color: Option<String>,
    /// Files with figures of layers: a JSON object, layer name to number.
    pub figures: Vec<PathBuf>,
    /// Folder for the files.
    pub out: PathBuf,
    /// Where weights may come from.
    pub load: LoadOptions,
}

/// The patch of the input that one value of a layer sees, in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Field {
    /// `[height, width]`.
    pub size: [usize; 2],
    /// Between neighbouring values, `[down, across]`.
    pub stride: [usize; 2],
    /// Row and column where the patch of the first value begins; negative in the padding.
    pub start: [isize; 2],
}

/// A layer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GraphNode {
    /// Its name.
    pub name: String,
    /// Its operation.
    pub op: &'static str,
    /// The same with its settings, as notation has them.
    pub settings: String,
    /// The block it is in; none for inputs, and where blocks are not known.
    pub block: Option<String>,
    /// The groups it is in, the outermost first.
    pub groups: Vec<String>,
    /// The layers it reads.
    pub inputs: Vec<String>,
    /// Its output without the batch: `[C, H, W]` or `[C]`.
    pub shape: Vec<usize>,
    /// Values in its parameters.
    pub parameters: u64,
    /// Multiply-adds for one image.
    pub macs: u64,
    /// Bytes of its output in `f32`, for one image.
    pub bytes: u64,
    /// What a value sees of the picture; none for all of it.
    pub receptive_field: Option<Field>,
    /// Its figures by their keys; those it has.
    pub figures: BTreeMap<String, f64>,
    /// What stands for it in the other network; none where there is no other network.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub against: Option<NodeDifference>,
}

/// A layer and the one that stands for it in another network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NodeDifference {
    /// Its name there; none where it is only here.
    pub layer: Option<String>,
    /// What differs, a sentence each; empty for nothing.
    pub changes: Vec<String>,
}

/// What a graph can be coloured by.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FigureRow {
    /// The word for it.
    pub key: String,
    /// What it is.
    pub title: String,
    /// Its unit; empty for a plain number.
    pub unit: String,
    /// Layers that have it.
    pub layers: usize,
    /// Least and greatest value of a layer.
    pub range: Option<[f64; 2]>,
}

/// One network of a page.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GraphNetwork {
    /// As it was asked for.
    pub network: String,
    /// Its name.
    pub name: String,
    /// Values in learned parameters.
    pub parameters: u64,
    /// Multiply-adds for one image.
    pub macs: u64,
    /// Its blocks, lowest first.
    pub blocks: Vec<String>,
    /// The last layer below which nothing was trained; none where nothing is frozen, or that is not known.
    pub frontier: Option<String>,
    /// All layers, in order.
    pub nodes: Vec<GraphNode>,
}

/// A graph that was drawn.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GraphDrawn {
    /// The network.
    #[serde(flatten)]
    pub network: GraphNetwork,
    /// The one beside it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub against: Option<GraphNetwork>,
    /// What it can be coloured by.
    pub figures: Vec<FigureRow>,
    /// The figure that colours it.
    pub color: String,
    /// What a person should know.
    pub notes: Vec<String>,
    /// The folder.
    pub out: String,
    /// The files there.
    pub files: Vec<String>,
}

/// Everything known of one network.
struct Known {
    network: String,
    name: String,
    about: String,
    graph: Graph,
    facts: Facts,
    groups: Groups,
    run: Option<RunFacts>,
    /// Where they are on this machine.
    weights: Option<Network>,
}

/// Draws the layers of a network, or of two beside one another: `graph.svg`, a page `graph.html` whose groups open and
/// close, and `graph.json`.
///
/// # Errors
/// When a network cannot be had, a figure or a layer of a file of figures does not exist, or something cannot be written.
pub fn graph(options: &GraphOptions, observer: &dyn Observer) -> Result<GraphDrawn, Error> {
    let mut notes = Vec::new();
    let alone = options.against.is_none();
    let mut sides = vec![Known::new(&options.network, !alone, options, observer, &mut notes)?];
    if let Some(other) = &options.against {
        sides.push(Known::new(other, true, options, observer, &mut notes)?);
    }
    let matched = match &sides[..] {
        [a, b] => Some(counterparts((&a.graph, &a.facts), (&b.graph, &b.facts))),
        _ => None,
    };
    let drift = drift(&sides, matched.as_ref(), &mut notes)?;
    let mut figures = figures::of(&sides, matched.as_ref(), &drift);
    for path in &options.figures {
        figures::read(path, &sides, &mut figures)?;
    }
    let color = color(options, &figures)?;
    let differences: Vec<Vec<LayerDifference>> = match &matched {
        Some(matched) => matched.iter().map(|side| side.iter().map(difference).collect()).collect(),
        None => vec![Vec::new(); sides.len()],
    };
    let learns: Vec<&[bool]> = sides.iter().map(Known::learns).collect();
    let drawn: Vec<GraphSide<'_>> = sides
        .iter()
        .zip(&figures)
        .zip(&differences)
        .zip(learns)
        .map(|(((known, figures), differences), learns)| GraphSide {
            title: &known.name,
            about: &known.about,
            graph: &known.graph,
            facts: &known.facts,
            groups: &known.groups,
            figures,
            learns,
            frontier: known.run.as_ref().and_then(|run| run.frontier),
            differences,
        })
        .collect();
    let mut files = vec![("graph.html".to_owned(), {
        let page = GraphPage { sides: &drawn, color: &color, notes: &notes, version: VERSION };
        graph_page(&page)
    })];
    for (side, name) in drawn.iter().zip(["graph.svg", "against.svg"]) {
        files.push((name.to_owned(), graph_svg(side, &color)));
    }
    let told =
        |i: usize| network(i, &sides, &figures[i], matched.as_ref().map(|m| m[i].as_slice()));
    let (own, against) = (told(0), (sides.len() > 1).then(|| told(1)));
    let rows = figures.first().map(|f| f.iter().map(FigureRow::of).collect()).unwrap_or_default();
    let mut names: Vec<String> = files.iter().map(|(name, _)| name.clone()).collect();
    names.push("graph.json".to_owned());
    let out = options.out.display().to_string();
    let drawn =
        GraphDrawn { network: own, against, figures: rows, color, notes, out, files: names };
    write(&options.out, &files, &drawn)?;
    Ok(drawn)
}

/// The graph of a run as SVG, from what is known before its plan is written: its network, and where the blocks of the one
/// it began with end.
pub(super) fn of_run(network: &Network, plan: &Plan, blocks: &[String]) -> Result<String, Error> {
    let run = RunFacts::planned(network, plan, blocks)?;
    let name = &plan.network.name;
    let names = [name.clone(), name.clone()];
    let known = [Known::of(names, network.graph().clone(), blocks, Some(run), None)?];
    let figures = figures::of(&known, None, &[Vec::new()]);
    let color = color(&GraphOptions::default(), &figures)?;
    let side = GraphSide {
        title: &known[0].name,
        about: &known[0].about,
        graph: &known[0].graph,
        facts: &known[0].facts,
        groups: &known[0].groups,
        figures: &figures[0],
        learns: known[0].learns(),
        frontier: known[0].run.as_ref().and_then(|run| run.frontier),
        differences: &[],
    };
    Ok(graph_svg(&side, &color))
}

fn write(out: &Path, texts: &[(String, String)], drawn: &GraphDrawn) -> Result<(), Error> {
    files::folder(out)?;
    for (name, text) in texts {
        atomic_write(out.join(name), text.as_bytes())?;
    }
    files::json(&out.join("graph.json"), drawn)
}

impl Known {
    /// Finds a network; `weights` are looked for too, on this machine only, where they are wanted.
    fn new(
        name: &str,
        weights: bool,
        options: &GraphOptions,
        observer: &dyn Observer,
        notes: &mut Vec<String>,
    ) -> Result<Self, Error> {
        let is_run = is_path(name) && Path::new(name).is_dir();
        let (graph, card, run, loaded) = if is_run {
            let loaded = load(name, &options.load, observer)?.network;
            let run = RunFacts::read(Path::new(name), &loaded, &options.load, observer, notes)?;
            (loaded.graph().clone(), loaded.card().clone(), Some(run), Some(loaded))
        } else {
            let (graph, card) = graph_of(name, &options.load, observer)?;
            let here = LoadOptions { offline: true, ..options.load.clone() };
            let loaded = if weights { load(name, &here, observer).ok() } else { None };
            (graph, card, None, loaded.map(|l| l.network))
        };
        let last = Path::new(name).file_name().map(|n| n.to_string_lossy().into_owned());
        let name_of = last.filter(|_| is_run).unwrap_or_else(|| card.name.clone());
        let network = name.to_owned();
        let known = Self::of([network, name_of], graph, &card.blocks, run, loaded)?;
        observer.tell(&Progress::Note(&format!("{}: {}", known.name, known.about)));
        Ok(known)
    }

    /// What is to be known of a graph. `names` are what was asked for and what it is called.
    fn of(
        [network, name]: [String; 2],
        graph: Graph,
        blocks: &[String],
        run: Option<RunFacts>,
        weights: Option<Network>,
    ) -> Result<Self, Error> {
        let facts = facts(&graph)?;
        let said = run.as_ref().map_or(blocks, |run| &run.blocks);
        let ends = if said.is_empty() { surgery::block_ends(&graph) } else { said.to_vec() };
        let groups = Groups::new(&graph, &ends);
        let input = graph.input().map(|id| facts.layer(id).shape.to_string()).unwrap_or_default();
        let millions = |n: u64| match n as f64 {
            n if n >= 1e9 => format!("{:.2} G", n / 1e9),
            n => format!("{:.2} M", n / 1e6),
        };
        let about = format!(
            "{} layers, input {input}, {} parameters, {} multiply-adds",
            graph.len(),
            millions(facts.learned()),
            millions(facts.macs())
        );
        Ok(Self { network, name, about, graph, facts, groups, run, weights })
    }

    fn learns(&self) -> &[bool] {
        self.run.as_ref().map(|run| run.learns.as_slice()).unwrap_or_default()
    }
}

/// How far weights have moved: from the network beside it, or of a run from the one it began with.
fn drift(
    sides: &[Known],
    matched: Option<&[Vec<Counterpart>; 2]>,
    notes: &mut Vec<String>,
) -> Result<Vec<Vec<Option<f64>>>, Error> {
    let Some(matched) = matched else {
        let of = |known: &Known| known.run.as_ref().map(|run| run.drift.clone());
        return Ok(sides.iter().map(|known| of(known).unwrap_or_default()).collect());
    };
    let [a, b] = sides else { return Ok(vec![Vec::new(); sides.len()]) };
    let (Some(x), Some(y)) = (&a.weights, &b.weights) else {
        let without = if a.weights.is_none() { a } else { b };
        notes.push(format!(
            "the weights of `{}` are not on this machine: how far weights have moved is not known",
            without.network
        ));
        return Ok(vec![Vec::new(); 2]);
    };
    let there: Vec<Option<LayerId>> = matched[1].iter().map(|c| c.other).collect();
    // One number for a pair: relative to the first network.
    let second = drifts(x, y, &there)?;
    let first = matched[0].iter().map(|c| second.get(c.other?.index()).copied().flatten());
    Ok(vec![first.collect(), second])
}

/// The figure that colours: the one asked for, or the one that says most.
fn color(options: &GraphOptions, figures: &[Vec<Figure>]) -> Result<String, Error> {
    let known: Vec<String> = figures.iter().flatten().map(|f| f.key.clone()).collect();
    let has = |key: &str| figures.iter().flatten().any(|f| f.key == key);
    match &options.color {
        Some(asked) if has(asked) => Ok(asked.clone()),
        Some(asked) => {
            let mut known = known;
            known.sort_unstable();
            known.dedup();
            let near = nearest(asked, known.iter().map(String::as_str));
            let network = options.network.clone();
            Err(Error::NoFigure { figure: asked.clone(), network, near, known })
        }
        None => {
            let own = options.figures.first().and_then(|_| figures.first()?.last());
            // One rate for all says no more than what was trained.
            let spread = |f: &&Figure| FigureRow::of(f).range.is_some_and(|[l, h]| l < h);
            let rate = figures.iter().flatten().find(|f| f.key == "rate").filter(spread);
            let best = own.or(rate).map(|f| f.key.clone()).or_else(|| {
                let keys = ["differs", "frozen", "params"].into_iter();
                keys.clone().find(|key| has(key)).map(str::to_owned)
            });
            Ok(best.unwrap_or_default())
        }
    }
}

fn difference(counterpart: &Counterpart) -> LayerDifference {
    let said = counterpart.changes.iter().map(ToString::to_string).collect();
    LayerDifference { other: counterpart.other, said }
}

impl FigureRow {
    fn of(figure: &Figure) -> Self {
        let values = || figure.values.iter().flatten().copied().filter(|v| v.is_finite());
        let range = values().map(|v| [v, v]).reduce(|[l, h], [v, _]| [l.min(v), h.max(v)]);
        Self {
            key: figure.key.clone(),
            title: figure.title.clone(),
            unit: figure.unit.clone(),
            layers: values().count(),
            range,
        }
    }
}

/// One network as a table.
fn network(
    place: usize,
    sides: &[Known],
    figures: &[Figure],
    matched: Option<&[Counterpart]>,
) -> GraphNetwork {
    let known = &sides[place];
    let name = |graph: &Graph, id: LayerId| graph.layer(id).name.clone();
    let groups = known.groups.all();
    let nodes = known.graph.layers().map(|(id, layer)| {
        let f = known.facts.layer(id);
        let mut around: Vec<String> =
            std::iter::successors(Some(known.groups.of(id)), |g| groups[*g].parent)
                .filter(|g| *g != 0)
                .map(|g| groups[g].name.clone())
                .collect();
        around.reverse();
        let value = |figure: &Figure| {
            let value = figure.values.get(id.index()).copied().flatten()?;
            Some((figure.key.clone(), value))
        };
        let against = matched.and_then(|m| m.get(id.index())).map(|c| NodeDifference {
            layer: c.other.and_then(|o| Some(name(&sides.get(1 - place)?.graph, o))),
            changes: c.changes.iter().map(ToString::to_string).collect(),
        });
        GraphNode {
            name: layer.name.clone(),
            op: layer.op.name(),
            settings: regraft_net::notation::describe(&layer.op),
            block: known.groups.block(id).and_then(|b| known.groups.block_names().get(b).cloned()),
            groups: around,
            inputs: layer.inputs.iter().map(|i| name(&known.graph, *i)).collect(),
            shape: f.shape.to_vec(),
            parameters: f.param_count(),
            macs: f.macs,
            bytes: f.bytes(),
            receptive_field: f.field.map(|f| Field {
                size: f.size,
                stride: f.stride,
                start: f.start,
            }),
            figures: figures.iter().filter_map(value).collect(),
            against,
        }
    });
    GraphNetwork {
        network: known.network.clone(),
        name: known.name.clone(),
        parameters: known.facts.learned(),
        macs: known.facts.macs(),
        blocks: known.groups.block_names().to_vec(),
        frontier: known.run.as_ref().and_then(|r| r.frontier).map(|id| name(&known.graph, id)),
        nodes: nodes.collect(),
    }
}
