//! What the page's script knows: rows and lines of every group, facts of every layer, shades of every figure.

use regraft_net::groups::Item;
use regraft_net::notation;
use serde_json::{Value, json};

use super::arrange::{FOOT, GAP, HEAD, NEXT, SIDE, tenth};
use super::draw::WORDS;
use super::figure::{Scale, Shaded};
use super::layered::{Cell, Stands};
use super::scene::{End, GROUP, Inside, LAYER};
use super::{Drawing, words};
use crate::html::Show;

/// JSON inside a `script` element: no letter of it can end the element.
pub(super) struct Json(pub(super) Value);

impl Show for Json {
    fn show(&self, out: &mut String) {
        let text = self.0.to_string();
        let escaped = text.replace('&', "\\u0026").replace('<', "\\u003c").replace('>', "\\u003e");
        out.push_str(&escaped.replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029"));
    }
}

/// All that the script knows.
pub(super) fn data(
    drawings: &[Drawing<'_>],
    shaded: &[(Vec<Shaded>, Option<[f64; 2]>)],
    color: &str,
) -> Json {
    let first = drawings.first().map(|d| d.side.figures).unwrap_or_default();
    let figures: Vec<Value> = first
        .iter()
        .zip(shaded)
        .map(|(figure, (_, range))| {
            let kinds = match figure.scale {
                Scale::Kinds(names) => Some(names),
                Scale::Linear | Scale::Log => None,
            };
            let said = |at: usize| range.map(|range| words::value(figure, range[at]));
            json!({
                "key": figure.key, "title": figure.title, "kinds": kinds, "low": said(0), "high": said(1),
                "log": figure.scale == Scale::Log,
            })
        })
        .collect();
    let sides: Vec<Value> =
        drawings.iter().enumerate().map(|(s, drawing)| side(drawing, s, shaded)).collect();
    let sizes = json!({
        "side": SIDE, "head": HEAD, "gap": GAP, "foot": FOOT, "next": NEXT, "layer": LAYER, "group": GROUP,
        "words": WORDS,
    });
    Json(json!({ "sizes": sizes, "color": color, "figures": figures, "sides": sides }))
}

fn side(drawing: &Drawing<'_>, place: usize, shaded: &[(Vec<Shaded>, Option<[f64; 2]>)]) -> Value {
    let (side, scene) = (drawing.side, &drawing.scene);
    let layers: Vec<Value> = side
        .graph
        .layers()
        .map(|(id, layer)| {
            let facts = side.facts.layer(id);
            let inputs: Vec<usize> = layer.inputs.iter().map(|i| i.index()).collect();
            let block = side.groups.block(id).and_then(|b| side.groups.block_names().get(b));
            let mut value = json!({
                "name": layer.name, "op": notation::describe(&layer.op), "in": inputs,
                "w": scene.layers[id.index()].width, "up": side.groups.of(id), "block": block,
                "shape": facts.shape.to_string(), "params": facts.param_count(), "macs": facts.macs,
                "bytes": facts.bytes(), "field": words::field(facts.field),
            });
            if let Some(learns) = side.learns.get(id.index()).filter(|_| facts.param_count() > 0) {
                value["learns"] = json!(learns);
            }
            if let Some(d) = side.differences.get(id.index()) {
                value["other"] = json!(d.other.map(regraft_net::LayerId::index));
                value["said"] = json!(d.said);
            }
            value
        })
        .collect();
    let groups: Vec<Value> = (0..scene.insides.len()).map(|g| group(drawing, g)).collect();
    let figures: Vec<Value> = side
        .figures
        .iter()
        .zip(shaded)
        .filter_map(|(figure, (of, range))| {
            let shaded = of.get(place)?;
            let said = |values: &[Option<f64>]| -> Vec<Option<String>> {
                values.iter().map(|v| v.map(|v| words::value(figure, v))).collect()
            };
            let class = |values: &[Option<f64>]| -> Vec<Option<String>> {
                values.iter().map(|v| shaded.class(*v, *range)).collect()
            };
            Some(json!({
                "layers": said(&shaded.layers), "groups": said(&shaded.groups),
                "layer_shades": class(&shaded.layers), "group_shades": class(&shaded.groups),
            }))
        })
        .collect();
    let frontier = side.frontier.map(regraft_net::LayerId::index);
    json!({
        "title": side.title, "layers": layers, "groups": groups, "figures": figures, "frontier": frontier,
        "open": drawing.open,
    })
}

fn group(drawing: &Drawing<'_>, g: usize) -> Value {
    let (inside, block) = (&drawing.scene.insides[g], &drawing.scene.groups[g]);
    let named = drawing.side.groups.all().get(g);
    let items: Vec<[usize; 2]> = inside
        .items
        .iter()
        .map(|item| match item {
            Item::Layer(id) => [0, id.index()],
            Item::Group(g) => [1, *g],
        })
        .collect();
    let rows: Vec<Vec<Value>> =
        inside.rows.rows.iter().map(|row| row.iter().map(|c| cell(inside, c)).collect()).collect();
    let lines: Vec<Value> = inside
        .lines
        .iter()
        .zip(&inside.routes)
        .zip(&inside.ports)
        .map(|((line, route), ports)| {
            let ([a, b], [c, d]) = (end(line.from), end(line.to));
            json!([a, b, c, d, route, ports[0], ports[1]])
        })
        .collect();
    json!({
        "name": named.map(|n| n.name.as_str()), "up": named.and_then(|n| n.parent), "w": block.width,
        "count": drawing.scene.counts[g], "items": items, "ins": inside.ins.len(), "outs": inside.outs.len(),
        "rows": rows, "lines": lines,
    })
}

/// What stands at a place: 0 a child, 1 a line that passes, 2 a value from outside, 3 one that is read outside; which;
/// and its middle.
fn cell(inside: &Inside, cell: &Cell) -> Value {
    let [kind, which] = match cell.stands {
        Stands::Box(node) => end(inside.end(node)),
        Stands::Bend(route) => [1, route],
    };
    json!([kind, which, tenth(cell.x)])
}

fn end(end: End) -> [usize; 2] {
    match end {
        End::Child(i) => [0, i],
        End::In(i) => [2, i],
        End::Out(i) => [3, i],
    }
}
