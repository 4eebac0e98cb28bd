//! What a person should know of the data: the split, notes, files that were not used as they are.

use std::collections::{BTreeMap, BTreeSet};

use regraft_run::Plan;

use crate::html::{Html, Name, Prose};
use crate::number::count;
use crate::picture::thumbnail;
use crate::{About, audit};

/// Files shown one by one; the rest is in `metrics.json`.
const SHOWN: usize = 60;

pub(crate) fn body(about: &About<'_>) -> Html {
    let mut out = Html::new();
    let data = &about.plan.data;
    let classes = of_classes(about.plan);
    let images = splits(&data.images);
    out.put("<p>{}{}. Split: {}.</p>\n", &[&images, &classes, &Prose(&data.split_origin)]);
    // The plan's notes and the fit's notes may say the same thing.
    let mut seen = BTreeSet::new();
    let notes = data.notes.iter().chain(about.notes);
    let notes: Vec<_> = notes.filter(|note| seen.insert(note.as_str())).collect();
    if !notes.is_empty() {
        out.raw("<ul class=\"notes\">\n");
        for note in notes {
            out.put("<li>{}</li>\n", &[&Prose(note)]);
        }
        out.raw("</ul>\n");
    }
    files(about, &mut out);
    for section in about.audit.iter().filter(|s| s.id != "unreadable") {
        out.put("<h3 id=\"audit-{}\">{}</h3>\n", &[&section.id, &section.title]);
        audit::section(about.thumbnail, section, "<code>audit.json</code>", &mut out);
    }
    out
}

/// How many classes or labels there are.
pub(crate) fn of_classes(plan: &Plan) -> String {
    let (one, many) =
        if plan.has_label_sets() { ("label", "labels") } else { ("class", "classes") };
    match plan.data.classes.len() {
        1 => format!("1 {one}"),
        n => format!("{n} {many}"),
    }
}

/// `2 train, 1 test images of `, in the order of a person's thought.
fn splits(images: &BTreeMap<String, usize>) -> String {
    let order = |split: &str| ["train", "val", "test"].iter().position(|s| *s == split);
    let mut splits: Vec<_> = images.iter().collect();
    splits.sort_by_key(|(split, _)| order(split).unwrap_or(usize::MAX));
    let splits: Vec<_> = splits.iter().map(|(split, n)| format!("{n} {split}")).collect();
    if splits.is_empty() { String::new() } else { format!("{} images of ", splits.join(" and ")) }
}

fn files(about: &About<'_>, out: &mut Html) {
    let files = about.skipped;
    if files.is_empty() {
        out.raw("<p>Every picture could be read and used as it is.</p>\n");
        return;
    }
    out.put("<h3>{} not used as it is</h3>\n", &[&count(files.len(), "file")]);
    out.raw("<ul class=\"files\">\n");
    for file in files.iter().take(SHOWN) {
        let alt = format!("picture {}", file.file);
        out.put(
            "<li>{}<div><code>{}</code><p>{}</p></div></li>\n",
            &[
                &thumbnail(about.thumbnail, &file.file, &alt),
                &Name(&file.file),
                &Prose(&file.reason),
            ],
        );
    }
    out.raw("</ul>\n");
    if files.len() > SHOWN {
        let more = files.len() - SHOWN;
        out.put("<p>And {} more, all in metrics.json.</p>\n", &[&more]);
    }
}
