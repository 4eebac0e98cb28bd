//! Which of a person's classes a network has seen as classes of its own.

use std::collections::BTreeMap;
use std::path::Path;

use regraft_data::{Dataset, OpenOptions};
use regraft_net::nearest;
use regraft_zoo::Label;
use serde::Serialize;

use crate::Error;

/// Most labels that are given for one class.
const MOST: usize = 5;

/// A class of the target and the source's classes like it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Match {
    /// The target's class.
    pub class: String,
    /// Classes of the source.
    pub labels: Vec<String>,
}

/// What the classes of a target and a source have in common, by their names only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Overlap {
    /// Classes of the target.
    pub classes: usize,
    /// Those that the source has under this name or synset.
    pub exact: Vec<Match>,
    /// Those that it has under another name for the same thing.
    pub synonyms: Vec<Match>,
    /// Those with names that share words with the source's, or almost their letters.
    pub near: Vec<Match>,
    /// The rest.
    pub none: Vec<String>,
}

/// Names of classes: of a folder of images or a table (as `fit` reads them), of a file with one on each
/// line, or a list with commas between.
///
/// # Errors
/// When the folder or file cannot be read, or there are no names.
pub fn class_names(given: &str) -> Result<Vec<String>, Error> {
    let path = Path::new(given);
    let table = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("csv"));
    if path.is_dir() || path.is_file() && table {
        return Ok(Dataset::open(path, &OpenOptions::default())?.classes);
    }
    let text = if path.is_file() {
        std::fs::read_to_string(path).map_err(|source| Error::File {
            what: "read",
            path: path.to_owned(),
            source,
        })?
    } else {
        given.replace(',', "\n")
    };
    let names: Vec<String> =
        text.lines().map(str::trim).filter(|l| !l.is_empty()).map(str::to_owned).collect();
    if names.is_empty() {
        return Err(Error::NoClassNames { given: given.to_owned() });
    }
    Ok(names)
}

/// Words of a name, without case, marks and the plural's s.
fn words(name: &str) -> Vec<String> {
    let lower = name.to_lowercase();
    let one = |word: &str| match word.strip_suffix('s') {
        Some(stem) if stem.len() > 2 && !stem.ends_with('s') => stem.to_owned(),
        Some(_) | None => word.to_owned(),
    };
    lower.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty()).map(one).collect()
}

impl Overlap {
    /// Compares the names.
    pub(super) fn of(classes: &[String], labels: &[Label]) -> Self {
        let parted: Vec<Vec<String>> = labels.iter().map(|l| words(&l.name)).collect();
        let mut names: BTreeMap<String, usize> = BTreeMap::new();
        let mut others: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (i, label) in labels.iter().enumerate() {
            names.insert(parted[i].join(" "), i);
            names.insert(label.synset.clone(), i);
            for other in &label.others {
                others.entry(words(other).join(" ")).or_default().push(i);
            }
        }
        let mut overlap = Self {
            classes: classes.len(),
            exact: Vec::new(),
            synonyms: Vec::new(),
            near: Vec::new(),
            none: Vec::new(),
        };
        for class in classes {
            let wanted = words(class);
            let key = wanted.join(" ");
            let found = |which: &[usize]| Match {
                class: class.clone(),
                labels: which.iter().take(MOST).map(|i| labels[*i].name.clone()).collect(),
            };
            if let Some(i) = names.get(&key) {
                overlap.exact.push(found(&[*i]));
            } else if let Some(which) = others.get(&key) {
                overlap.synonyms.push(found(which));
            } else {
                let near = near(&wanted, &parted);
                if near.is_empty() {
                    overlap.none.push(class.clone());
                } else {
                    overlap.near.push(found(&near));
                }
            }
        }
        overlap
    }
}

/// Labels all of whose words the class has, or the other way round; else those with almost its letters.
fn near(wanted: &[String], labels: &[Vec<String>]) -> Vec<usize> {
    let holds = |all: &[String], part: &[String]| {
        !part.is_empty() && part.iter().all(|w| w.len() > 2 && all.contains(w))
    };
    let shared: Vec<usize> = (0..labels.len())
        .filter(|i| holds(&labels[*i], wanted) || holds(wanted, &labels[*i]))
        .collect();
    if !shared.is_empty() {
        return shared;
    }
    let name = wanted.join(" ");
    // In short names one letter makes another thing.
    if name.len() < 6 {
        return Vec::new();
    }
    let joined: Vec<String> = labels.iter().map(|l| l.join(" ")).collect();
    let close =
        nearest(&name, joined.iter().map(String::as_str).filter(|l| differ_little(l, &name)));
    close.iter().filter_map(|c| joined.iter().position(|j| j == c)).collect()
}

/// Whether two names have the same beginning and about the same length.
fn differ_little(a: &str, b: &str) -> bool {
    a.chars().next() == b.chars().next() && a.len().abs_diff(b.len()) <= 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_found_by_name_synonym_and_likeness() {
        let labels = regraft_zoo::labels("imagenet-1k").unwrap();
        let classes =
            ["Ants", "bees", "white_shark", "fox", "n01440764", "goldfsh", "violin", "sign 7"];
        let classes: Vec<String> = classes.map(str::to_owned).to_vec();
        let found = Overlap::of(&classes, &labels);
        let of = |matches: &[Match]| matches.iter().map(|m| m.class.clone()).collect::<Vec<_>>();
        assert_eq!(of(&found.exact), ["Ants", "bees", "n01440764", "violin"]);
        assert_eq!(of(&found.synonyms), ["white_shark"]);
        assert_eq!(of(&found.near), ["fox", "goldfsh"]);
        assert_eq!(found.near[1].labels, ["goldfish"]);
        assert!(found.near[0].labels.iter().any(|l| l == "red fox"), "{:?}", found.near);
        assert_eq!(found.none, ["sign 7"]);
        assert_eq!(class_names("a, b c ,").unwrap(), ["a", "b c"]);
        assert!(class_names(" , ").is_err());
    }
}
