//! Boxes and lines as SVG.

use regraft_net::LayerId;
use regraft_net::groups::Item;

use super::arrange::{HEAD, Opened, Spot, arrange, path, tenth};
use super::figure::{Figure, Shaded};
use super::scene::{End, GROUP, LAYER};
use super::{Drawing, words};
use crate::html::{Html, Num, Show};

/// Room right of everything for the words at the frontier.
pub(super) const WORDS: f64 = 150.0;
/// Room for the legend of a drawing that stands alone.
const LEGEND: f64 = 46.0;

/// Style of a drawing, on a page too.
pub(super) const STYLE: &str = include_str!("draw.css");

/// How a drawing is coloured.
pub(super) struct Paint<'a> {
    pub(super) shaded: Option<&'a Shaded>,
    pub(super) range: Option<[f64; 2]>,
}

impl Paint<'_> {
    fn layer(&self, id: LayerId) -> Option<String> {
        let shaded = self.shaded?;
        shaded.class(shaded.layers.get(id.index()).copied().flatten(), self.range)
    }

    fn group(&self, g: usize) -> Option<String> {
        let shaded = self.shaded?;
        shaded.class(shaded.groups.get(g).copied().flatten(), self.range)
    }
}

/// A drawing that stands alone.
pub(super) fn file(
    drawing: &Drawing<'_>,
    color: Option<(&Figure, &Shaded)>,
    range: Option<[f64; 2]>,
) -> String {
    let paint = Paint { shaded: color.map(|(_, shaded)| shaded), range };
    let (body, [width, height]) = body(drawing, &paint, false);
    let head = if color.is_some() { LEGEND } else { 0.0 };
    let width = width.max(if color.is_some() { 420.0 } else { 0.0 });
    let mut out = Html::new();
    out.put(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"rg\" viewBox=\"0 0 {} {}\" width=\"{}\" height=\"{}\" \
         role=\"img\" aria-label=\"{}\"><style>",
        &[
            &Num(width),
            &Num(height + head),
            &Num(width),
            &Num(height + head),
            &format!("layers of {}", drawing.side.title),
        ],
    );
    out.raw(STYLE);
    out.raw("</style>");
    if let Some((figure, _)) = color {
        legend(figure, range, &mut out);
    }
    out.put("<g transform=\"translate(0 {})\">{}</g></svg>", &[&Num(head), &body]);
    out.into_string()
}

/// All shades of a figure with its ends.
fn legend(figure: &Figure, range: Option<[f64; 2]>, out: &mut Html) {
    out.put("<text class=\"key\" x=\"18\" y=\"18\">{}</text>", &[&figure.title]);
    if let super::Scale::Kinds(names) = figure.scale {
        let mut x = 18.0;
        for (i, name) in names.iter().enumerate() {
            out.put(
                "<g class=\"k{}\"><rect class=\"b\" x=\"{}\" y=\"26\" width=\"14\" height=\"12\"/></g>\
                 <text class=\"key\" x=\"{}\" y=\"36\">{}</text>",
                &[&i, &Num(x), &Num(x + 19.0), name],
            );
            x += 36.0 + 7.0 * name.chars().count() as f64;
        }
        return;
    }
    let Some([low, high]) = range else { return };
    let low = words::value(figure, low);
    let start = 26.0 + 7.0 * low.chars().count() as f64;
    out.put("<text class=\"key\" x=\"18\" y=\"36\">{}</text>", &[&low]);
    for i in 0..super::figure::SHADES {
        out.put(
            "<g class=\"s{}\"><rect class=\"b\" x=\"{}\" y=\"26\" width=\"18\" height=\"12\"/></g>",
            &[&i, &Num(start + 18.0 * i as f64)],
        );
    }
    let end = Num(start + 18.0 * super::figure::SHADES as f64 + 8.0);
    out.put(
        "<text class=\"key\" x=\"{}\" y=\"36\">{}</text>",
        &[&end, &words::value(figure, high)],
    );
}

/// Everything of a drawing but its frame, and its width and height. With `whole`, what is in closed groups is there
/// too, hidden, and everything can be pointed at.
pub(super) fn body(drawing: &Drawing<'_>, paint: &Paint<'_>, whole: bool) -> (Html, [f64; 2]) {
    let placed = arrange(&drawing.scene, &drawing.open);
    let pen = Pen { drawing, paint, whole, placed: &placed };
    let mut out = Html::new();
    let Some(root) = placed.first().and_then(Option::as_ref) else { return (out, [0.0; 2]) };
    pen.inside(0, Some(root), &mut out);
    let mut size = [root.width, root.height];
    if let Some(frontier) = drawing.side.frontier {
        size[0] += WORDS;
        let spot = pen.spot(frontier);
        out.put(
            "<g class=\"frontier\" transform=\"translate({} {})\"><path d=\"M-12 0h{}\"/><text x=\"{}\" y=\"-5\">frozen \
             above</text><text x=\"{}\" y=\"13\">trained below</text></g>",
            &[
                &Num(tenth(spot.x)),
                &Num(tenth(spot.y + spot.height + 9.0)),
                &Num(spot.width + 24.0),
                &Num(spot.width + 18.0),
                &Num(spot.width + 18.0),
            ],
        );
    }
    (out, size)
}

struct Pen<'a> {
    drawing: &'a Drawing<'a>,
    paint: &'a Paint<'a>,
    whole: bool,
    placed: &'a [Option<Opened>],
}

impl Pen<'_> {
    /// Where what is seen of a layer stands, from the corner of the drawing.
    fn spot(&self, layer: LayerId) -> Spot {
        let (around, seen) = self.drawing.seen(layer);
        let mut at = Spot::default();
        let next = around.iter().skip(1).map(|g| Item::Group(*g)).chain([seen]);
        for (g, item) in around.iter().zip(next) {
            let place = self.drawing.scene.insides[*g].items.iter().position(|i| *i == item);
            let opened = self.placed.get(*g).and_then(Option::as_ref);
            if let Some(spot) = opened.zip(place).and_then(|(o, place)| o.children.get(place)) {
                at = Spot { x: at.x + spot.x, y: at.y + spot.y, ..*spot };
            }
        }
        at
    }

    /// Lines and boxes in a group; without places where it is closed.
    fn inside(&self, g: usize, opened: Option<&Opened>, out: &mut Html) {
        let inside = &self.drawing.scene.insides[g];
        for (i, line) in inside.lines.iter().enumerate() {
            let d = opened.map(|o| path(&o.courses[i])).unwrap_or_default();
            let ends = match line.to {
                End::Child(c) => match inside.items[c] {
                    Item::Layer(_) => true,
                    Item::Group(g) => self.drawing.open.get(g) != Some(&true),
                },
                End::In(_) | End::Out(_) => false,
            };
            // A line into an open group goes on inside.
            let class = if ends { "e" } else { "e on" };
            out.put("<path class=\"{}\" d=\"{}\"/>", &[&class, &d]);
            if let (true, Some([x, _, y])) = (ends, opened.and_then(|o| o.courses[i].last())) {
                out.put(
                    "<path class=\"a\" d=\"M{} {}l-4 -7h8z\"/>",
                    &[&tenth(*x).to_string(), &tenth(*y).to_string()],
                );
            } else if self.whole {
                out.raw("<path class=\"a\" d=\"\"/>");
            }
        }
        for (i, item) in inside.items.iter().enumerate() {
            let spot = opened.map(|o| o.children[i]);
            match item {
                Item::Layer(id) => self.layer(*id, spot, out),
                Item::Group(g) => self.group(*g, spot, out),
            }
        }
    }

    /// `class`, name for tests, place and what makes a box usable from the keyboard.
    fn opening(
        &self,
        class: &str,
        (kind, number, name): (&str, usize, &str),
        spot: Option<Spot>,
        out: &mut Html,
    ) {
        out.put("<g class=\"{}\"", &[&class]);
        if self.whole {
            let test =
                if self.drawing.place == 0 { kind.to_owned() } else { format!("other-{kind}") };
            out.put(
                " data-testid=\"{}:{}\" data-{}=\"{}\" tabindex=\"-1\" role=\"button\" aria-label=\"{} {}\"",
                &[&test, &name, &kind, &number, &kind, &name],
            );
        }
        if let Some(spot) = spot {
            out.put(" transform=\"translate({} {})\"", &[&Num(tenth(spot.x)), &Num(tenth(spot.y))]);
        }
    }

    fn layer(&self, id: LayerId, spot: Option<Spot>, out: &mut Html) {
        let (side, block) = (self.drawing.side, &self.drawing.scene.layers[id.index()]);
        let layer = side.graph.layer(id);
        let mut class = "l".to_owned();
        class += &self.paint.layer(id).map(|c| format!(" {c}")).unwrap_or_default();
        class += if side.learns.get(id.index()) == Some(&true) { " learns" } else { "" };
        class += self.marks(&[id]);
        self.opening(&class, ("layer", id.index(), &layer.name), spot, out);
        let said = words::layer(layer, side.facts.layer(id));
        out.put(
            "><title>{}</title><rect class=\"b\" width=\"{}\" height=\"{}\" rx=\"7\"/>",
            &[&said, &Num(block.width), &Num(LAYER)],
        );
        if side.learns.get(id.index()) == Some(&true) {
            bar(LAYER, out);
        }
        out.put(
            "<text x=\"11\" y=\"17\">{}</text><text class=\"o\" x=\"11\" y=\"32\">{}</text></g>",
            &[&block.name, &block.about],
        );
    }

    fn group(&self, g: usize, spot: Option<Spot>, out: &mut Html) {
        let (side, block) = (self.drawing.side, &self.drawing.scene.groups[g]);
        let opened = self.placed.get(g).and_then(Option::as_ref);
        let name = side.groups.all().get(g).map_or("", |group| group.name.as_str());
        let layers = self.layers(g);
        let learns = layers.iter().any(|id| side.learns.get(id.index()) == Some(&true));
        let mut class = "g".to_owned();
        class += if opened.is_some() { " open" } else { "" };
        class += &self.paint.group(g).map(|c| format!(" {c}")).unwrap_or_default();
        class += if learns { " learns" } else { "" };
        class += self.marks(&layers);
        self.opening(&class, ("group", g, name), spot, out);
        if self.whole {
            let open: &str = if opened.is_some() { "true" } else { "false" };
            out.put(" aria-expanded=\"{}\"", &[&open]);
        }
        let size = opened.map_or([block.width, GROUP], |o| [o.width, o.height]);
        out.put(
            "><title>{}</title><rect class=\"b\" width=\"{}\" height=\"{}\" rx=\"9\"/>",
            &[&words::group(self.drawing, g, &layers), &Num(size[0]), &Num(size[1])],
        );
        if learns {
            bar(size[1], out);
        }
        let y = Num(if opened.is_some() { HEAD / 2.0 + 5.0 } else { 19.0 });
        out.put(
            "<text class=\"t\" x=\"11\" y=\"{}\"><tspan class=\"sign\">{}</tspan> {}</text>\
             <text class=\"o\" x=\"11\" y=\"36\">{}</text>",
            &[&y, &if opened.is_some() { "−" } else { "+" }, &block.name, &block.about],
        );
        if self.whole || opened.is_some() {
            out.raw("<g class=\"in\">");
            self.inside(g, opened, out);
            out.raw("</g>");
        }
        out.raw("</g>");
    }

    /// The layers of a group, those of inner groups too.
    fn layers(&self, g: usize) -> Vec<LayerId> {
        let items = self.drawing.scene.insides[g].items.iter();
        items
            .flat_map(|item| match item {
                Item::Layer(id) => vec![*id],
                Item::Group(g) => self.layers(*g),
            })
            .collect()
    }

    /// A class for what differs from the other network.
    fn marks(&self, layers: &[LayerId]) -> &'static str {
        let differs = |id: &LayerId| {
            let said = self.drawing.side.differences.get(id.index());
            said.is_some_and(|d| d.other.is_none() || !d.said.is_empty())
        };
        if layers.iter().any(differs) { " differs" } else { "" }
    }
}

/// The mark of what was trained.
fn bar(height: f64, out: &mut Html) {
    let height: &dyn Show = &Num(height - 12.0);
    out.put("<rect class=\"bar\" x=\"-2\" y=\"6\" width=\"4\" height=\"{}\" rx=\"2\"/>", &[height]);
}
