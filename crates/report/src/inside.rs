//! The network of a run, and where it looks when it is wrong.

use crate::About;
use crate::html::{Html, Name, Prose};
use crate::look::{LookRow, rows};
use crate::picture::{Thumbnail, drawing};

/// What was seen inside the network of a run.
#[derive(Clone, Copy, Default)]
pub struct Inside<'a> {
    /// Its layers as SVG ([`crate::graph_svg`]); empty for none.
    pub graph: &'a str,
    /// Class maps over the test images that it was surest of, and wrong.
    pub mistakes: &'a [LookRow],
    /// Units of the same layer that prefer one class, over the pictures that excite them.
    pub units: &'a [LookRow],
    /// The layer of these maps.
    pub layer: &'a str,
    /// A PNG of [`Inside::mistakes`] or [`Inside::units`] by its name.
    pub picture: Option<Thumbnail<'a>>,
    /// Why something of it is not there.
    pub notes: &'a [String],
}

pub(crate) fn body(about: &About<'_>) -> Html {
    let inside = &about.inside;
    let mut out = Html::new();
    let picture = |rows: &[LookRow]| inside.picture.filter(|_| !rows.is_empty());
    if let Some(picture) = picture(inside.mistakes) {
        out.put(
            "<p class=\"hint\">Grad-CAM (Selvaraju et al. 2017) at layer <code>{}</code>: red is what speaks for the \
             class, blue what speaks against it. A map that lies beside the thing shows what was learned instead.</p>",
            &[&Name(inside.layer)],
        );
        rows(inside.mistakes, picture, &mut out);
    }
    if let Some(picture) = picture(inside.units) {
        out.put(
            "<p class=\"hint\">Units of layer <code>{}</code> that prefer one class most (Morcos et al. 2018), each over the \
             training pictures that excite it most, cut to what the unit sees: red is where it fires. A unit that fires \
             beside the thing knows the class by its surroundings. <code>regraft look top</code> shows any unit of any \
             layer.</p>",
            &[&Name(inside.layer)],
        );
        rows(inside.units, picture, &mut out);
    }
    if !inside.graph.is_empty() {
        out.put(
            "<p class=\"hint\">The layers, those of a block in one box; a bar marks what was trained, and the dashed line \
             the frontier above which it was. <code>regraft look graph</code> makes a page of it whose boxes open.</p>\
             <div class=\"graph\">{}</div>\n",
            &[&drawing(inside.graph, "The layers of the network")],
        );
    }
    for note in inside.notes {
        out.put("<p>{}</p>\n", &[&Prose(note)]);
    }
    out
}
