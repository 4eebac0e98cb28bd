//! The page.

use sha2::{Digest as _, Sha256};

use super::data::data;
use super::draw::{Paint, STYLE, body};
use super::{Drawing, GraphPage, shaded};
use crate::html::{Html, Name, Num, Prose};
use crate::picture::Base64;

const SCRIPT: &str = include_str!("graph.js");

pub(super) fn page(page: &GraphPage<'_>) -> String {
    let drawings: Vec<Drawing<'_>> =
        page.sides.iter().enumerate().map(|(i, side)| Drawing::new(side, i)).collect();
    let shaded = shaded(page.sides);
    let figures = page.sides.first().map(|s| s.figures).unwrap_or_default();
    let color = figures.iter().position(|f| f.key == page.color);
    let titles: Vec<&str> = page.sides.iter().map(|s| s.title).collect();
    let mut out = Html::new();
    opening(&format!("Layers of {}", titles.join(" and ")), &mut out);
    out.raw("<body class=\"graph\">\n<header class=\"top\"><p class=\"eyebrow\">regraft look graph</p>\n<h1>");
    for (i, title) in titles.iter().enumerate() {
        out.put("{}{}", &[&if i > 0 { " and " } else { "" }, &Name(title)]);
    }
    out.raw("</h1>\n");
    for note in page.notes {
        out.put("<p class=\"note\">{}</p>\n", &[&Prose(note)]);
    }
    out.raw("</header>\n");
    toolbar(page, &mut out);
    out.put("<main class=\"work\"><div class=\"panes sides-{}\">\n", &[&page.sides.len()]);
    for (i, drawing) in drawings.iter().enumerate() {
        let of = color.and_then(|c| shaded.get(c));
        let paint =
            Paint { shaded: of.and_then(|(of, _)| of.get(i)), range: of.and_then(|(_, r)| *r) };
        let (body, [width, height]) = body(drawing, &paint, true);
        out.put(
            "<section class=\"pane\" aria-label=\"{}\"><p class=\"about\"><b>{}</b> {}</p><div class=\"paper\">\
             <svg class=\"rg\" viewBox=\"0 0 {} {}\" width=\"{}\" height=\"{}\"><g class=\"root\">{}</g></svg>\
             </div></section>\n",
            &[
                &drawing.side.title,
                &Name(drawing.side.title),
                &drawing.side.about,
                &Num(width),
                &Num(height),
                &Num(width),
                &Num(height),
                &body,
            ],
        );
    }
    out.raw(
        "</div>\n<aside id=\"details\" aria-live=\"polite\" aria-label=\"Details\"><p class=\"hint\">Click a layer for \
         what is known of it, a group to open or close it. Arrow keys walk from box to box, Enter opens, / searches.\
         </p><noscript><p class=\"hint\">Without scripts the picture stays as it is; point at a box to read what is \
         known of it.</p></noscript></aside>\n</main>\n",
    );
    out.put("<footer><p>Made by regraft {}.</p></footer>\n", &[&page.version]);
    let color = if color.is_some() { page.color } else { "" };
    out.put(
        "<script type=\"application/json\" id=\"data\">{}</script>\n<script>",
        &[&data(&drawings, &shaded, color)],
    );
    out.raw(SCRIPT);
    out.raw("</script>\n</body>\n</html>\n");
    out.into_string()
}

/// Everything before the body. The one script that may run is known by its hash.
fn opening(title: &str, out: &mut Html) {
    let hash = Base64(Sha256::digest(SCRIPT).to_vec());
    out.put(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; \
         style-src 'unsafe-inline'; script-src 'sha256-{}'; base-uri 'none'; form-action 'none'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<link rel=\"icon\" href=\"data:,\">\n\
         <title>{}</title>\n<style>\n",
        &[&hash, &title],
    );
    out.raw(include_str!("../style.css"));
    out.raw(STYLE);
    out.raw(include_str!("graph.css"));
    out.raw("</style>\n</head>\n");
}

fn toolbar(page: &GraphPage<'_>, out: &mut Html) {
    out.raw(
        "<div class=\"tools\" role=\"toolbar\" aria-label=\"Graph\"><label>Colour <select id=\"color\" \
         data-testid=\"color\"><option value=\"\">none</option>",
    );
    for figure in page.sides.first().map(|s| s.figures).unwrap_or_default() {
        let option = if figure.key == page.color {
            "<option value=\"{}\" selected>{}</option>"
        } else {
            "<option value=\"{}\">{}</option>"
        };
        out.put(option, &[&figure.key, &figure.title]);
    }
    out.raw(
        "</select></label><span id=\"legend\" data-testid=\"legend\"></span>\
         <button type=\"button\" id=\"open-all\" data-testid=\"open-all\">Open all</button>\
         <button type=\"button\" id=\"close-all\" data-testid=\"close-all\">Close all</button>\
         <span class=\"zoom\"><button type=\"button\" id=\"smaller\" aria-label=\"Smaller\">−</button>\
         <button type=\"button\" id=\"fit\">Fit</button>\
         <button type=\"button\" id=\"larger\" aria-label=\"Larger\">+</button></span>\
         <span class=\"find\"><label>Find <input id=\"find\" data-testid=\"find\" type=\"search\" autocomplete=\"off\" \
         placeholder=\"layer name\"></label><ul id=\"found\"></ul></span></div>\n",
    );
}
