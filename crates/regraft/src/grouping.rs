//! Files that belong together by their names, and splits that keep them together.

use std::collections::BTreeMap;

use regraft_data::audit::{Groups, group_by, split_by_groups};
use regraft_data::{DataError, Dataset, Split, SplitOrigin};
use regraft_probe::{Labels, folds};
use regraft_train::Extracted;

use crate::{Error, FitOptions};

/// Groups by a pattern that a person gave.
pub(crate) fn asked(names: &[&str], pattern: &str) -> Result<Groups, Error> {
    let regex = regex::Regex::new(pattern)
        .map_err(|e| Error::Pattern { pattern: pattern.to_owned(), reason: e.to_string() })?;
    Ok(group_by(names, &regex)?)
}

/// Draws a drawn split again so that no group is on both sides; of a split that was given, says how many
/// groups are. What a person should know of it.
pub(crate) fn regrouped(dataset: &mut Dataset, pattern: &str) -> Result<String, Error> {
    let names: Vec<&str> = dataset.examples.iter().map(|e| e.name.as_str()).collect();
    let groups = asked(&names, pattern)?;
    let count = groups.names.len();
    let SplitOrigin::Drawn { share, seed } = dataset.split_origin else {
        let splits: Vec<Split> = dataset.examples.iter().map(|e| e.split).collect();
        let across = groups.across_splits(&splits)?.len();
        return Ok(format!(
            "{across} of {count} groups by `{pattern}` lie in several splits of yours"
        ));
    };
    let labels: Vec<usize> = dataset.examples.iter().map(|e| e.label).collect();
    let splits = split_by_groups(&labels, &groups.ids(), share, seed);
    let splits = splits.map_err(|error| named(error, dataset))?;
    for (example, split) in dataset.examples.iter_mut().zip(splits) {
        example.split = split;
    }
    dataset.examples.sort_by(|a, b| (a.split, &a.name).cmp(&(b.split, &b.name)));
    Ok(format!("{count} groups by `{pattern}`, each of them either learned from or tested with"))
}

/// Which of `rows` belong together, for leaving them out: a number for each, the same for files with the same
/// bytes, for those that an audit found to belong together, and for those of a group where a pattern was given.
pub(crate) fn together(
    options: &FitOptions,
    dataset: &Dataset,
    extracted: &Extracted,
    rows: &[usize],
) -> Result<Vec<usize>, Error> {
    let mut parent = joined(extracted.firsts(), &dataset.together);
    if let Some(pattern) = &options.group_by {
        let names: Vec<&str> = dataset.examples.iter().map(|e| e.name.as_str()).collect();
        let mut seen = BTreeMap::new();
        for (i, id) in asked(&names, pattern)?.ids().into_iter().enumerate() {
            let (one, other) = (root(&parent, *seen.entry(id).or_insert(i)), root(&parent, i));
            // The smaller is the root, so that every way up ends.
            parent[one.max(other)] = one.min(other);
        }
    }
    Ok(rows.iter().map(|i| root(&parent, *i)).collect())
}

/// The part of each of `rows`, from 0, of at most `count` parts that are left out in turn: classes spread over
/// them evenly, and what belongs together in one part.
pub(crate) fn parts(
    count: usize,
    options: &FitOptions,
    dataset: &Dataset,
    extracted: &Extracted,
    rows: &[usize],
) -> Result<Vec<usize>, Error> {
    let labels: Vec<usize> = rows.iter().map(|i| dataset.examples[*i].label).collect();
    let mut part_of = folds(&Labels::new(&labels, dataset.classes.len())?, count, options.seed);
    let mut first = BTreeMap::new();
    for (part, group) in part_of.iter_mut().zip(together(options, dataset, extracted, rows)?) {
        *part = *first.entry(group).or_insert(*part);
    }
    Ok(part_of)
}

/// Each file's root once sets of files are joined, from the roots before.
pub(crate) fn joined(mut parent: Vec<usize>, sets: &[Vec<usize>]) -> Vec<usize> {
    for set in sets {
        for file in set {
            let (one, other) = (root(&parent, set[0]), root(&parent, *file));
            // The smaller is the root, so that every way up ends.
            parent[one.max(other)] = one.min(other);
        }
    }
    (0..parent.len()).map(|i| root(&parent, i)).collect()
}

fn root(parent: &[usize], mut i: usize) -> usize {
    while parent[i] != i {
        i = parent[i];
    }
    i
}

/// The same with the class by its name.
fn named(error: DataError, dataset: &Dataset) -> Error {
    if let DataError::ClassInOneGroup { class, files } = error {
        return Error::OneGroup { class: dataset.classes[class].clone(), files };
    }
    error.into()
}
