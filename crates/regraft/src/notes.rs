//! What a person should know of the data, in a line each.

use std::path::Path;

use regraft_data::{Dataset, Note};

use crate::journal::Rows;

/// Files that a note names before the rest is counted.
const NAMED: usize = 3;
/// A class learned from fewer images has rough figures; under the first number data sets have a note of their
/// own.
const FEW: std::ops::Range<usize> = 5..10;
/// So many images let one of them move a figure by 5 points.
const ENOUGH: usize = 20;

/// The words of notes on one data set.
pub(crate) struct Words {
    /// The data as given.
    data: String,
    /// The folder that all files of a table have in common, with its last slash; it is not repeated.
    folder: String,
}

impl Words {
    pub(crate) fn new(data: &Path, dataset: &Dataset) -> Self {
        let names = dataset.examples.iter().map(|e| e.name.as_str());
        Self { data: data.display().to_string(), folder: common(names) }
    }

    /// A note, of whose files three are named at most.
    pub(crate) fn of(&self, note: &Note) -> String {
        let all = note.to_string();
        let files = if let Note::TestedCopies { copies, .. } | Note::TwoLabels { copies, .. } = note
        {
            copies
        } else if let Note::WrongLabels { files } = note {
            files
        } else if let Note::OddFormat { others, .. } = note {
            others
        } else {
            return all;
        };
        // "15 images (`a`, `b`, ...) to test with": what stands around the first list stays.
        let Some(((before, _), (_, after))) = all.split_once(" (").zip(all.rsplit_once(')')) else {
            return all;
        };
        format!("{before} ({}){after}", self.listed(files))
    }

    /// All of them.
    pub(crate) fn all(&self, notes: &[Note]) -> Vec<String> {
        notes.iter().map(|note| self.of(note)).collect()
    }

    fn listed(&self, files: &[String]) -> String {
        let short = |file: &String| match self.folder.as_str() {
            "" => format!("`{file}`"),
            folder => format!("`{}`", file.replace(folder, "")),
        };
        let shown = files.iter().take(NAMED).map(short).collect::<Vec<_>>().join(", ");
        match files.len().saturating_sub(NAMED) {
            0 => shown,
            more => {
                format!("{shown} and {more} more; `regraft audit {} --json` names all", self.data)
            }
        }
    }
}

/// The folder of all `names`, where they are full paths.
fn common<'a>(mut names: impl Iterator<Item = &'a str>) -> String {
    let first = names.next().filter(|name| Path::new(name).is_absolute()).unwrap_or_default();
    let mut folder = first.rfind(['/', '\\']).map_or("", |at| &first[..=at]);
    for name in names {
        while !name.starts_with(folder) {
            let above = folder.trim_end_matches(['/', '\\']);
            folder = above.rfind(['/', '\\']).map_or("", |at| &folder[..=at]);
        }
    }
    // The root of the disk alone is no folder to leave out.
    if folder.len() > 1 { folder.to_owned() } else { String::new() }
}

/// What to expect of classes with five to nine training images.
pub(crate) fn few(dataset: &Dataset, rows: &Rows) -> Option<String> {
    let mut counts = vec![0; dataset.classes.len()];
    for i in &rows.train {
        counts[dataset.examples[*i].label] += 1;
    }
    rough(&dataset.classes, &counts)
}

fn rough(classes: &[String], counts: &[usize]) -> Option<String> {
    let small = || classes.iter().zip(counts).filter(|(_, n)| FEW.contains(n));
    let (least, most) = (small().map(|c| c.1).min()?, small().map(|c| c.1).max()?);
    let images = if least == most { least.to_string() } else { format!("{least} to {most}") };
    let points = (100.0 / *least as f64).round();
    let worth = format!(
        "one of its images left out is worth up to {points} points; {ENOUGH} images would make it 5"
    );
    let count = small().count();
    if count == classes.len() {
        return Some(format!(
            "each of the {count} classes has {images} training images: go by the figures for all, those of a \
             single class are rough ({worth})"
        ));
    }
    let named = small().take(NAMED).map(|(class, n)| format!("`{class}`: {n}"));
    let named = named.collect::<Vec<_>>().join(", ");
    let more = match count.saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let which = if count == 1 { "1 class has" } else { &format!("{count} classes have") };
    Some(format!(
        "{which} {images} training images ({named}{more}): figures of such a class are rough, {worth}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(folder: &str) -> Words {
        Words { data: "table.csv".to_owned(), folder: folder.to_owned() }
    }

    #[test]
    fn three_files_are_named_and_the_rest_is_counted() {
        let copies = |n: usize| -> Vec<String> {
            (0..n).map(|i| format!("/a/b (old)/{i}.jpg = /a/b (old)/x/{i}.jpg")).collect()
        };
        let note = |n| Note::TestedCopies { copies: copies(n), audited: true };
        assert_eq!(
            words("/a/b (old)/").of(&note(15)),
            "15 images (`0.jpg = x/0.jpg`, `1.jpg = x/1.jpg`, `2.jpg = x/2.jpg` and 12 more; `regraft audit \
             table.csv --json` names all) to test with that are learned from: the accuracy is too high"
        );
        assert_eq!(words("").of(&note(3)), note(3).to_string());
        let files: Vec<String> = (0..4).map(|i| format!("{i}.png: looks like b")).collect();
        assert_eq!(
            words("").of(&Note::WrongLabels { files }),
            "4 labels (`0.png: looks like b`, `1.png: looks like b`, `2.png: looks like b` and 1 more; \
             `regraft audit table.csv --json` names all) that may be wrong"
        );
        let other = Note::SingleImage { classes: vec!["a (b)".to_owned()] };
        assert_eq!(words("").of(&other), other.to_string());
    }

    #[test]
    fn full_paths_lose_the_folder_that_all_have() {
        let of = |names: &[&str]| common(names.iter().copied());
        assert_eq!(of(&["/data/one/a.png", "/data/one/b.png"]), "/data/one/");
        assert_eq!(of(&["/data/one/a.png", "/data/once/b.png", "/data/c.png"]), "/data/");
        assert_eq!(of(&["/data/one/a.png", "/other/b.png"]), "");
        assert_eq!(of(&["one/a.png", "one/b.png"]), "");
        assert_eq!(of(&["/data/one/a.png", "one/b.png"]), "");
        assert_eq!(of(&[]), "");
    }

    #[test]
    fn classes_of_five_to_nine_images_have_rough_figures() {
        let classes: Vec<String> = ["a", "b", "c", "d", "e", "f"].map(str::to_owned).into();
        let said = |counts: &[usize]| rough(&classes[..counts.len()], counts).unwrap_or_default();
        assert_eq!(said(&[4, 10, 300]), "");
        assert_eq!(
            said(&[9, 50, 3]),
            "1 class has 9 training images (`a`: 9): figures of such a class are rough, one of its images left \
             out is worth up to 11 points; 20 images would make it 5"
        );
        assert!(
            said(&[9, 5, 50])
                .starts_with("2 classes have 5 to 9 training images (`a`: 9, `b`: 5): ")
        );
        assert!(said(&[9, 5, 5, 5, 5, 50]).contains("(`a`: 9, `b`: 5, `c`: 5 and 2 more)"));
        let all = said(&[5, 5, 5]);
        let wanted = "each of the 3 classes has 5 training images: go by the figures for all, those of a single \
                      class are rough (one of its images left out is worth up to 20 points; 20 images would make \
                      it 5)";
        assert_eq!(all, wanted);
    }
}
