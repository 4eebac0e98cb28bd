//! A page that shows what is wrong with a data set, with the pictures.

use std::path::Path;

use regraft_run::atomic_write;

use crate::html::{Html, Name, Prose};
use crate::picture::{Thumbnail, thumbnail};
use crate::{ReportError, page};

/// Pictures that belong together, and what is to be said of them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AuditCard {
    /// Names of files, as [`AuditInput::thumbnail`] knows them.
    pub files: Vec<String>,
    /// In words; what stands between backticks is set as code.
    pub said: String,
}

/// One kind of finding.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AuditSection {
    /// For links, without spaces.
    pub id: String,
    /// What was found, and how often.
    pub title: String,
    /// Why it matters, and what it does to the accuracy.
    pub why: String,
    /// What to do.
    pub advice: String,
    /// The findings that are shown.
    pub cards: Vec<AuditCard>,
    /// How many are not shown.
    pub more: usize,
}

/// Everything the page tells.
pub struct AuditInput<'a> {
    /// The data.
    pub title: &'a str,
    /// All in a sentence.
    pub verdict: &'a str,
    /// Label and value of each figure.
    pub facts: &'a [(String, String)],
    /// The kinds of findings, the gravest first.
    pub sections: &'a [AuditSection],
    /// What could not be looked at, and why.
    pub notes: &'a [String],
    /// Version of regraft.
    pub version: &'a str,
    /// A small JPEG or PNG of a picture by its name; none when it cannot be decoded.
    pub thumbnail: Thumbnail<'a>,
}

/// Makes the page and writes it to `path`, whole or not at all.
///
/// # Errors
/// When the file cannot be written.
pub fn write_audit(path: &Path, input: &AuditInput<'_>) -> Result<(), ReportError> {
    Ok(atomic_write(path, render(input).as_bytes())?)
}

fn render(input: &AuditInput<'_>) -> String {
    let mut out = Html::new();
    page::opening(&format!("What is wrong with {}", input.title), &mut out);
    out.put(
        "<body>\n<header class=\"top\"><div class=\"wrap\">\n<p class=\"eyebrow\">regraft audit</p>\n\
         <h1>{}</h1>\n<p class=\"verdict\">{}</p>\n<nav aria-label=\"Sections\"><ul>",
        &[&Name(input.title), &Prose(input.verdict)],
    );
    for s in input.sections {
        out.put("<li><a href=\"#{}\">{}</a></li>", &[&s.id, &s.title]);
    }
    out.raw("</ul></nav>\n</div></header>\n<main class=\"wrap\">\n<section><h2>Figures</h2><dl class=\"facts\">");
    for (label, value) in input.facts {
        out.put("<div><dt>{}</dt><dd>{}</dd></div>\n", &[label, &Prose(value)]);
    }
    out.raw("</dl></section>\n");
    for s in input.sections {
        out.put("<section id=\"{}\"><h2>{}</h2>\n", &[&s.id, &s.title]);
        section(input.thumbnail, s, "<code>--json</code>", &mut out);
        out.raw("</section>\n");
    }
    if !input.notes.is_empty() {
        out.raw("<section><h2>Not looked at, or assumed</h2><ul>");
        for note in input.notes {
            out.put("<li>{}</li>\n", &[&Prose(note)]);
        }
        out.raw("</ul></section>\n");
    }
    out.put(
        "</main>\n<footer class=\"wrap\"><p>Made by regraft {}. Nothing was deleted.</p></footer>\n\
         </body>\n</html>\n",
        &[&input.version],
    );
    out.into_string()
}

/// One kind of finding below its title; `all` says where those are that are not shown.
pub(crate) fn section(of: Thumbnail<'_>, s: &AuditSection, all: &'static str, out: &mut Html) {
    out.put(
        "<p>{}</p>\n<p class=\"hint\">What to do: {}</p>\n",
        &[&Prose(&s.why), &Prose(&s.advice)],
    );
    out.raw("<ul class=\"mistakes\">\n");
    for card in &s.cards {
        let mut pictures = Html::new();
        for file in &card.files {
            pictures.put("{}\n", &[&thumbnail(of, file, file)]);
        }
        out.put("<li>{}<p class=\"said\">{}</p>", &[&pictures, &Prose(&card.said)]);
        for file in &card.files {
            out.put("<p class=\"file\"><code>{}</code></p>", &[&Name(file)]);
        }
        out.raw("</li>\n");
    }
    out.raw("</ul>\n");
    if s.more > 0 {
        out.put("<p>{} more are in ", &[&s.more]);
        out.raw(all);
        out.raw(".</p>\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_words_from_outside_are_escaped_and_every_finding_is_there() {
        let card = AuditCard { files: vec!["a<b>.png".into()], said: "is `x&y`".into() };
        let sections = [AuditSection {
            id: "leak".into(),
            title: "1 leak".into(),
            cards: vec![card],
            more: 3,
            ..AuditSection::default()
        }];
        let page = render(&AuditInput {
            title: "pets<script>",
            verdict: "one leak",
            facts: &[("images".into(), "7".into())],
            sections: &sections,
            notes: &["`c` was left out".into()],
            version: "1",
            thumbnail: &|_| None,
        });
        assert!(!page.contains("<script>") && !page.contains("a<b>"), "{page}");
        for part in ["pets&lt;script&gt;", "a&lt;b&gt;.png", "x&amp;y", "3 more", "href=\"#leak\""]
        {
            assert!(page.contains(part), "{part} in {page}");
        }
    }
}
