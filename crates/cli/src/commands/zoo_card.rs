//! A model card as text.

use std::fmt::Write;
use std::process::ExitCode;

use regraft::{BlockRow, Error, Match, Overlap, ZooCard};

use super::load_options;
use crate::args::Common;
use crate::printer::{Printer, width, wrap};
use crate::units::{bytes, count, plural, shape};

/// Columns of the words at the left.
const LEFT: usize = 16;
/// Columns where nobody says how many there are.
const WIDE: usize = 100;

pub(crate) fn show(
    name: &str,
    classes: Option<&str>,
    common: &Common,
    printer: &Printer,
) -> Result<ExitCode, Error> {
    let classes = classes.map(regraft::class_names).transpose()?;
    let card = regraft::zoo_card(name, classes.as_deref(), &load_options(common))?;
    printer.result(&card, || text(&card));
    Ok(ExitCode::SUCCESS)
}

/// Lines of a word at the left and what it says.
struct Page {
    text: String,
    wide: usize,
}

impl Page {
    fn line(&mut self, word: &str, what: &str) {
        if what.is_empty() {
            return;
        }
        let room = self.wide.saturating_sub(LEFT).max(20);
        let wrapped = wrap(what, room, 0).replace('\n', &format!("\n{}", " ".repeat(LEFT)));
        // Writing to a String cannot fail.
        let _ = writeln!(self.text, "{word:LEFT$}{wrapped}");
    }

    fn lines(&mut self, word: &str, all: impl IntoIterator<Item = String>) {
        for (i, what) in all.into_iter().enumerate() {
            self.line(if i == 0 { word } else { "" }, &what);
        }
    }
}

fn text(card: &ZooCard) -> String {
    let row = &card.row;
    let mut page = Page { text: String::new(), wide: width().unwrap_or(WIDE).min(WIDE) };
    page.line("network", &row.name);
    page.line("architecture", row.architecture.unwrap_or("in its own file"));
    page.line("family", &row.family);
    if card.without_weights {
        page.line("weights", &format!("none of its own; yours: {}", row.source));
    } else {
        page.line("trained", &trained(card));
        page.line("by", &row.origin);
    }
    page.line("paper", &row.paper);
    page.line("accuracy", &accuracy(card));
    page.line("used", &sourced(&card.used, &card.used_source));
    page.line("cost", &cost(card));
    if !card.without_weights {
        let note = card.licence_note.as_ref().map(|n| format!(". {n}")).unwrap_or_default();
        page.line("licence", &format!("{}: {}{note}", row.licence, card.licence_meaning));
        weights(&mut page, card);
    }
    let steps = card.preprocessing.iter().enumerate();
    page.lines("input", steps.map(|(i, step)| format!("{}. {step}", i + 1)));
    page.line("blocks", &card.blocks.iter().map(block).collect::<Vec<_>>().join(", "));
    if let Some(cut) = &card.cut {
        let scores = card.logits.as_ref().map(|l| format!("; scores: {l}")).unwrap_or_default();
        page.line("default cut", &format!("{}{scores}", block(cut)));
    }
    page.lines("notes", card.notes.iter().cloned());
    page.lines("pitfalls", card.pitfalls.iter().map(|p| sourced(&p.text, &p.source)));
    page.line("same network", &card.same_architecture.join(", "));
    if let Some(overlap) = &card.overlap {
        classes(&mut page, overlap);
    }
    page.text
}

fn sourced(text: &str, source: &str) -> String {
    if source.is_empty() { text.to_owned() } else { format!("{text} [{source}]") }
}

fn block(row: &BlockRow) -> String {
    format!("{} {}", row.layer, shape(&row.shape))
}

fn trained(card: &ZooCard) -> String {
    let row = &card.row;
    let classes = match card.classes {
        0 => String::new(),
        n => format!(", {}", if n == 1 { "1 class".to_owned() } else { format!("{n} classes") }),
    };
    let recipe = card.recipe.as_ref().map(|r| format!("; recipe {r}")).unwrap_or_default();
    format!("for {} on {}{classes}, in {}{recipe}", row.task, row.dataset, row.framework)
}

fn accuracy(card: &ZooCard) -> String {
    let row = &card.row;
    let Some(top1) = row.published_top1 else {
        return if card.without_weights { String::new() } else { "none is published".to_owned() };
    };
    let top5 = row.published_top5.map(|t| format!(", top-5 {t} %")).unwrap_or_default();
    let at = row.published_at.map(|at| {
        format!("; measured at {at} pixels, and less is to be expected at {}", row.input[0])
    });
    sourced(&format!("top-1 {top1} %{top5}{}", at.unwrap_or_default()), &row.published_top1_source)
}

fn cost(card: &ZooCard) -> String {
    let row = &card.row;
    let parameters = row.parameters.map(|n| format!("{} parameters", count(n)));
    let macs = row.macs.map(|n| format!("{} multiply-adds", count(n)));
    let known: Vec<String> = parameters.into_iter().chain(macs).collect();
    let image = format!("an image of {}", shape(&row.input));
    if known.is_empty() {
        format!("unknown until its file is read; {image}")
    } else {
        format!("{}, {image}", known.join(", "))
    }
}

fn weights(page: &mut Page, card: &ZooCard) {
    let row = &card.row;
    let about = if row.bytes_about { "about " } else { "" };
    let size = row.bytes.map(|n| format!(" ({about}{})", bytes(n))).unwrap_or_default();
    page.line("weights", &format!("{}{size}", row.source));
    let graph = card.graph_url.as_ref().map(|u| format!("graph: {u}"));
    page.line("", &graph.unwrap_or_default());
    let none = "none published: the first file is trusted and must stay the same";
    page.line("checksum", row.checksum.as_deref().unwrap_or(none));
    let here = match (&card.path, row.weights) {
        (Some(path), _) => format!("yes, {path}"),
        (None, "download") => format!("no; `regraft zoo pull {}` fetches them", row.name),
        (None, _) => {
            format!("no; download the file yourself, then `regraft zoo add {} FILE`", row.name)
        }
    };
    page.line("here", &here);
}

fn classes(page: &mut Page, overlap: &Overlap) {
    let list = |all: &[Match]| {
        let one = |m: &Match| match m.labels.as_slice() {
            [label] if label.eq_ignore_ascii_case(&m.class) => m.class.clone(),
            labels => format!("{} ({})", m.class, labels.join(", ")),
        };
        all.iter().map(one).collect::<Vec<_>>().join("; ")
    };
    let known = overlap.exact.len() + overlap.synonyms.len();
    let of = if overlap.classes == 1 { "class" } else { "classes" };
    page.line(
        "your classes",
        &format!("{known} of {} {of} are among those it was trained on, by name", overlap.classes),
    );
    for (word, matches) in [
        ("  the same", &overlap.exact),
        ("  other name", &overlap.synonyms),
        ("  alike", &overlap.near),
    ] {
        page.line(word, &list(matches));
    }
    page.line("  not there", &overlap.none.join("; "));
    if known > 0 {
        page.line(
            "",
            &format!(
                "Of {} it has seen many pictures with labels, and perhaps your test pictures too, if \
                 they are from the same source: expect less on classes that it does not know.",
                plural(known, "class").replace("classs", "classes")
            ),
        );
    }
}
