//! A page of what was seen inside a network, picture by picture.

use std::path::Path;

use regraft_run::atomic_write;

use crate::html::{Html, Name, Prose};
use crate::picture::{Thumbnail, thumbnail};
use crate::{ReportError, page};

/// Pictures that belong together.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LookRow {
    /// What they are of.
    pub title: String,
    /// Name of each, as [`LookPage::picture`] knows it, and what it shows.
    pub pictures: Vec<(String, String)>,
    /// More in words; what stands between backticks is set as code.
    pub said: String,
}

/// Some of them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LookSection {
    /// For links, without spaces.
    pub id: String,
    /// What it is about.
    pub title: String,
    /// In words.
    pub said: String,
    /// The pictures.
    pub rows: Vec<LookRow>,
}

/// Everything the page shows.
pub struct LookPage<'a> {
    /// Its title.
    pub title: &'a str,
    /// What made it.
    pub command: &'a str,
    /// What is to be seen, and how to read it.
    pub lead: &'a str,
    /// The sections, in order.
    pub sections: &'a [LookSection],
    /// What could not be looked at, and why.
    pub notes: &'a [String],
    /// Version of regraft.
    pub version: &'a str,
    /// A PNG by its name.
    pub picture: Thumbnail<'a>,
}

/// Makes the page and writes it to `path`, whole or not at all.
///
/// # Errors
/// When the file cannot be written.
pub fn write_look(path: &Path, page: &LookPage<'_>) -> Result<(), ReportError> {
    Ok(atomic_write(path, render(page).as_bytes())?)
}

fn render(input: &LookPage<'_>) -> String {
    let mut out = Html::new();
    page::opening(input.title, &mut out);
    out.put(
        "<body>\n<header class=\"top\"><div class=\"wrap\">\n<p class=\"eyebrow\">{}</p>\n<h1>{}</h1>\n\
         <p>{}</p>\n<nav aria-label=\"Sections\"><ul>",
        &[&input.command, &Name(input.title), &Prose(input.lead)],
    );
    for s in input.sections {
        out.put("<li><a href=\"#{}\">{}</a></li>", &[&s.id, &Name(&s.title)]);
    }
    out.raw("</ul></nav>\n</div></header>\n<main class=\"wrap\">\n");
    for s in input.sections {
        out.put(
            "<section id=\"{}\"><h2>{}</h2>\n<p class=\"hint\">{}</p>\n",
            &[&s.id, &Name(&s.title), &Prose(&s.said)],
        );
        rows(&s.rows, input.picture, &mut out);
        out.raw("</section>\n");
    }
    if !input.notes.is_empty() {
        out.raw("<section><h2>Not looked at</h2><ul>");
        for note in input.notes {
            out.put("<li>{}</li>\n", &[&Prose(note)]);
        }
        out.raw("</ul></section>\n");
    }
    out.put(
        "</main>\n<footer class=\"wrap\"><p>Made by regraft {}.</p></footer>\n</body>\n</html>\n",
        &[&input.version],
    );
    out.into_string()
}

/// Pictures beside each other, a line for each row.
pub(crate) fn rows(rows: &[LookRow], picture: Thumbnail<'_>, out: &mut Html) {
    for row in rows {
        out.put("<h3>{}</h3>\n<div class=\"strip\">", &[&Name(&row.title)]);
        for (name, shows) in &row.pictures {
            let alt = format!("{}: {shows}", row.title);
            out.put(
                "<figure>{}<figcaption>{}</figcaption></figure>\n",
                &[&thumbnail(picture, name, &alt), &Prose(shows)],
            );
        }
        out.put("</div>\n<p class=\"file\">{}</p>\n", &[&Prose(&row.said)]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_escaped_and_every_picture_is_there() {
        let row = LookRow {
            title: "unit <3>".into(),
            pictures: vec![("a".into(), "patches".into()), ("b".into(), "gradient".into())],
            said: "`x&y.png` 1.5".into(),
        };
        let section = LookSection {
            id: "layer-0".into(),
            title: "conv<script>".into(),
            said: "sees 3 x 3".into(),
            rows: vec![row],
        };
        let png = b"\x89PNG\r\n\x1a\nrest".to_vec();
        let page = render(&LookPage {
            title: "t",
            command: "regraft look top",
            lead: "lead",
            sections: &[section],
            notes: &["`c` was left out".into()],
            version: "1",
            picture: &|name| (name == "a").then(|| png.clone()),
        });
        assert!(!page.contains("<script>") && !page.contains("<3>"), "{page}");
        for part in
            ["unit &lt;3&gt;: patches", "x&amp;y.png", "data:image/png", "no preview", "#layer-0"]
        {
            assert!(page.contains(part), "{part} in {page}");
        }
    }
}
