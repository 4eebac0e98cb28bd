//! The page of a graph: complete, well formed, and harmless whatever layers are called.

use std::collections::BTreeMap;

use regraft_net::facts::{Facts, facts};
use regraft_net::groups::Groups;
use regraft_net::{Graph, LayerId, Op, notation};
use regraft_report::{
    Figure, Gather, GraphPage, GraphSide, LayerDifference, Scale, graph_page, graph_svg,
};

/// A graph with what is drawn of it.
struct Sample {
    graph: Graph,
    facts: Facts,
    groups: Groups,
    figures: Vec<Figure>,
    learns: Vec<bool>,
    differences: Vec<LayerDifference>,
}

impl Sample {
    fn new(graph: Graph, ends: &[&str]) -> Self {
        let facts = facts(&graph).unwrap();
        let ends: Vec<String> = ends.iter().map(|e| (*e).to_owned()).collect();
        let groups = Groups::new(&graph, &ends);
        let values = graph.layers().map(|(id, _)| Some(id.index() as f64)).collect();
        let figure = Figure {
            key: "place".to_owned(),
            title: "place <b>".to_owned(),
            unit: "\"".to_owned(),
            scale: Scale::Linear,
            gather: Gather::Max,
            values,
        };
        let learns = (0..graph.len()).map(|i| i > 2).collect();
        Self { graph, facts, groups, figures: vec![figure], learns, differences: Vec::new() }
    }

    fn side<'a>(&'a self, title: &'a str) -> GraphSide<'a> {
        GraphSide {
            title,
            about: "a network",
            graph: &self.graph,
            facts: &self.facts,
            groups: &self.groups,
            figures: &self.figures,
            learns: &self.learns,
            frontier: self.graph.layers().nth(2).map(|(id, _)| id),
            differences: &self.differences,
        }
    }

    fn page(&self, title: &str) -> String {
        let side = [self.side(title)];
        graph_page(&GraphPage { sides: &side, color: "place", notes: &[], version: "1.2.3" })
    }
}

/// `blocks` residual blocks of four layers each.
fn residual(blocks: usize) -> Sample {
    let mut text = "x = input 3x8x8\nstem = conv2d x out=4 size=3 pad=1\n".to_owned();
    let mut below = "stem".to_owned();
    for b in 0..blocks {
        text += &format!(
            "s.{b}.a.conv = conv2d {below} out=4 size=3 pad=1\ns.{b}.a.relu = relu s.{b}.a.conv\n\
             s.{b}.conv = conv2d s.{b}.a.relu out=4 size=1\ns.{b} = add s.{b}.conv {below}\n"
        );
        below = format!("s.{b}");
    }
    text += &format!("pool = global_avg_pool {below}\n-> pool");
    let ends: Vec<String> = (0..blocks).map(|b| format!("s.{b}")).collect();
    let ends: Vec<&str> = std::iter::once("stem").chain(ends.iter().map(String::as_str)).collect();
    Sample::new(notation::parse(&text).unwrap(), &ends)
}

/// Reads markup as XML would, but for the elements that HTML leaves open; gives the names of elements with their
/// attributes.
fn read(markup: &str) -> Vec<(String, BTreeMap<String, String>)> {
    const EMPTY: [&str; 4] = ["meta", "link", "input", "!doctype"];
    let (mut open, mut all) = (Vec::new(), Vec::new());
    let mut rest = markup;
    while let Some(at) = rest.find('<') {
        assert!(!rest[..at].contains('>'), "a stray bracket before {:?}", &rest[at..at + 20]);
        rest = &rest[at + 1..];
        if let Some(closed) = rest.strip_prefix('/') {
            let end = closed.find('>').unwrap();
            assert_eq!(open.pop().as_deref(), Some(&closed[..end]), "closed in order");
            rest = &closed[end + 1..];
            continue;
        }
        let length = rest.find(|c: char| c.is_whitespace() || c == '>' || c == '/').unwrap();
        let name = rest[..length].to_lowercase();
        rest = &rest[length..];
        let mut attributes = BTreeMap::new();
        loop {
            rest = rest.trim_start();
            if let Some(after) = rest.strip_prefix("/>") {
                rest = after;
                break;
            }
            if let Some(after) = rest.strip_prefix('>') {
                if !EMPTY.contains(&name.as_str()) {
                    open.push(name.clone());
                }
                rest = after;
                break;
            }
            let end = rest.find(|c: char| c.is_whitespace() || "=>".contains(c)).unwrap();
            let key = rest[..end].to_owned();
            rest = &rest[end..];
            let mut value = String::new();
            if let Some(after) = rest.strip_prefix("=\"") {
                let end = after.find('"').unwrap();
                after[..end].clone_into(&mut value);
                assert!(!value.contains('<'), "{value}");
                rest = &after[end + 1..];
            }
            assert!(attributes.insert(key.clone(), value).is_none(), "{key} twice");
        }
        if ["style", "script"].contains(&name.as_str()) {
            rest = &rest[rest.find(&format!("</{name}>")).unwrap()..];
        }
        all.push((name, attributes));
    }
    assert_eq!(open, Vec::<String>::new());
    all
}

fn tests_of(elements: &[(String, BTreeMap<String, String>)], kind: &str) -> Vec<String> {
    let ids = elements.iter().filter_map(|(_, a)| a.get("data-testid"));
    let mut names: Vec<String> =
        ids.filter_map(|id| id.strip_prefix(kind)).map(str::to_owned).collect();
    names.sort();
    names
}

fn escaped(name: &str) -> String {
    name.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}

#[test]
fn every_layer_is_on_the_page_once_whether_its_group_is_open_or_not() {
    for blocks in [2, 40] {
        let sample = residual(blocks);
        let page = sample.page("net");
        let elements = read(&page);
        let mut wanted: Vec<String> = sample.graph.layers().map(|(_, l)| l.name.clone()).collect();
        wanted.sort();
        assert_eq!(tests_of(&elements, "layer:"), wanted);
        let groups = sample.groups.all().len() - 1;
        assert_eq!(tests_of(&elements, "group:").len(), groups);
        let open = page.matches("aria-expanded=\"true\"").count();
        assert_eq!(open, if blocks == 2 { groups } else { 0 }, "large graphs begin closed");
    }
}

#[test]
fn the_page_loads_nothing_and_runs_its_own_script_only() {
    let page = residual(3).page("net");
    for (name, attributes) in read(&page) {
        assert!(!["iframe", "img", "object", "embed", "base"].contains(&name.as_str()), "{name}");
        for (key, value) in attributes {
            assert!(!key.starts_with("on") && key != "src", "{key}={value}");
            assert!(key != "href" || value == "data:,", "{key}={value}");
        }
    }
    assert!(!page.contains("http://") && !page.contains("https://"));
    assert!(page.contains("default-src 'none'") && page.contains("script-src 'sha256-"));
}

#[test]
fn names_of_layers_are_escaped_in_markup_and_data() {
    let names = [
        "</script><script>alert(1)</script>",
        "\"onload=\"alert(1)",
        "a'b&amp;c",
        "<!--",
        "]]>",
        "\u{202e}gpj",
        "....",
        "a/b/<i>",
    ];
    let names: Vec<String> = names.iter().map(|n| n.replace([' ', '=', '#', ','], "")).collect();
    let mut graph = Graph::new();
    let mut below = graph.push("x", Op::Input { shape: [1, 2, 2].into() }, &[]).unwrap();
    for name in &names {
        below = graph.push(name.clone(), Op::Relu, &[below]).unwrap();
    }
    let ends: Vec<&str> = names.iter().step_by(2).map(String::as_str).collect();
    let sample = Sample::new(graph, &ends);
    let page = sample.page("<b>net</b>");
    let mut wanted: Vec<String> = names.iter().map(|n| escaped(n)).collect();
    wanted.push("x".to_owned());
    wanted.sort();
    let elements = read(&page);
    assert_eq!(tests_of(&elements, "layer:"), wanted);
    assert_eq!(elements.iter().filter(|(name, _)| name == "script").count(), 2);
    let data = page.split("id=\"data\">").nth(1).unwrap().split("</script>").next().unwrap();
    let data: serde_json::Value = serde_json::from_str(data).unwrap();
    for (i, name) in names.iter().enumerate() {
        assert_eq!(data["sides"][0]["layers"][i + 1]["name"], name.as_str());
    }
    read(&graph_svg(&sample.side("<b>net</b>"), "place"));
}

#[test]
fn a_drawing_is_the_same_each_time_and_shows_frontier_and_what_was_trained() {
    let sample = residual(2);
    let side = sample.side("net");
    let svg = graph_svg(&side, "place");
    assert_eq!(svg, graph_svg(&side, "place"));
    assert!(svg.contains("class=\"frontier\"") && svg.contains("trained below"));
    // The bar of each trained layer, and of each group with one.
    let groups = sample.groups.all().len() - 1;
    assert_eq!(svg.matches("class=\"bar\"").count(), sample.graph.len() - 3 + groups);
    for shade in ["l s0", "l s4", "l s8"] {
        assert!(svg.contains(shade), "{shade}");
    }
    assert!(!svg.contains("NaN") && !svg.contains("inf\""));
    let plain = graph_svg(&side, "no such figure");
    assert!(!plain.contains("l s0"));
}

#[test]
fn two_networks_are_on_one_page_with_what_differs() {
    let (mut a, mut b) = (residual(2), residual(2));
    let same = |graph: &Graph, id: LayerId| LayerDifference {
        other: graph.find(&graph.layer(id).name).ok(),
        said: if graph.layer(id).name == "s.1.conv" {
            vec!["<wider> there".to_owned()]
        } else {
            vec![]
        },
    };
    a.differences = a.graph.layers().map(|(id, _)| same(&b.graph, id)).collect();
    b.differences = a.differences.clone();
    b.differences[0].other = None;
    let sides = [a.side("one"), b.side("two")];
    let notes = ["a note with `<code>`".to_owned()];
    let page = GraphPage { sides: &sides, color: "", notes: &notes, version: "1.2.3" };
    let page = graph_page(&page);
    let elements = read(&page);
    assert_eq!(tests_of(&elements, "layer:").len(), a.graph.len());
    assert_eq!(tests_of(&elements, "other-layer:").len(), b.graph.len());
    let differs = |(_, attributes): &&(String, BTreeMap<String, String>)| {
        attributes.get("class").is_some_and(|c| c.starts_with('l') && c.contains(" differs"))
    };
    // The changed layer on both sides, and the one that is only in the second.
    assert_eq!(elements.iter().filter(differs).count(), 3);
    assert!(page.contains("a note with <code>"));
}
