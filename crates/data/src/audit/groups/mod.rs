//! Groups that must not be split: pictures of one patient, one video, one burst.
//!
//! A test picture whose neighbour from the same video was trained on measures memory, not skill.
//! [`find_groups`] reads groups from file names, [`group_by`] by a pattern the user gives,
//! [`groups_of_copies`] from near duplicates; [`split_by_groups`] then keeps each group whole.

mod names;
mod split;

use std::collections::BTreeMap;

use regex::Regex;

use super::Pair;
use crate::{DataError, Split};
pub use names::{NameGroups, find_groups};
pub use split::split_by_groups;

/// Which files belong together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Groups {
    /// Of each file its group, a place in `names`; `None` for a file that belongs to none.
    pub of: Vec<Option<usize>>,
    /// What the groups are called, sorted.
    pub names: Vec<String>,
}

impl Groups {
    /// From the word of each file.
    fn of_words(words: &[Option<&str>]) -> Self {
        let mut numbers: BTreeMap<&str, usize> =
            words.iter().flatten().map(|word| (*word, 0)).collect();
        numbers.values_mut().enumerate().for_each(|(i, number)| *number = i);
        let of = words.iter().map(|word| numbers.get((*word)?).copied()).collect();
        Self { of, names: numbers.into_keys().map(String::from).collect() }
    }

    /// Files of each group.
    pub fn sizes(&self) -> Vec<usize> {
        let mut sizes = vec![0; self.names.len()];
        self.of.iter().flatten().for_each(|group| sizes[*group] += 1);
        sizes
    }

    /// A number for each file, the same for files of one group; a file of no group has its own.
    pub fn ids(&self) -> Vec<usize> {
        let own = self.names.len()..;
        self.of.iter().zip(own).map(|(group, own)| group.unwrap_or(own)).collect()
    }

    /// The groups with files in more than one split. `splits` has the split of each file.
    ///
    /// # Errors
    /// [`DataError::AuditLength`] when there are more or fewer splits than files.
    pub fn across_splits(&self, splits: &[Split]) -> Result<Vec<usize>, DataError> {
        super::check_length("splits", splits.len(), self.of.len())?;
        let mut first: Vec<Option<Split>> = vec![None; self.names.len()];
        let mut across = vec![false; self.names.len()];
        for (group, split) in self.of.iter().zip(splits) {
            if let Some(group) = group {
                across[*group] |= *first[*group].get_or_insert(*split) != *split;
            }
        }
        Ok((0..across.len()).filter(|group| across[*group]).collect())
    }

    /// Groups of which each holds all files that either of two groupings keeps together: a patient's
    /// pictures and their near duplicates.
    ///
    /// # Errors
    /// [`DataError::AuditLength`] when the two are about different numbers of files.
    pub fn joined(&self, other: &Self) -> Result<Self, DataError> {
        super::check_length("groups", other.of.len(), self.of.len())?;
        let mut sets = Sets::new(self.of.len());
        for groups in [self, other] {
            let mut first = vec![None; groups.names.len()];
            for (file, group) in groups.of.iter().enumerate() {
                if let Some(group) = group {
                    sets.join(file, *first[*group].get_or_insert(file));
                }
            }
        }
        let name = |file: usize| {
            let of = |groups: &Self| groups.of[file].map(|group| groups.names[group].clone());
            of(self).or_else(|| of(other))
        };
        Ok(sets.groups(name))
    }
}

/// Groups by a pattern: what its group `group`, or else its first group, matches in a file's name. A
/// name without a match belongs to no group.
///
/// # Errors
/// [`DataError::GroupPattern`] when the pattern has no group, or matches no name.
pub fn group_by<S: AsRef<str>>(names: &[S], pattern: &Regex) -> Result<Groups, DataError> {
    let fails = |reason| DataError::GroupPattern { pattern: pattern.to_string(), reason };
    let named = pattern.capture_names().position(|name| name == Some("group"));
    let group = named.unwrap_or(1);
    if pattern.captures_len() <= group {
        return Err(fails("it has no group: put `(` and `)` around what names the group"));
    }
    let word = |name: &S| {
        let found = pattern.captures(name.as_ref())?.get(group)?;
        Some(name.as_ref()[found.range()].to_owned())
    };
    let words: Vec<Option<String>> = names.iter().map(word).collect();
    if words.iter().all(Option::is_none) && !names.is_empty() {
        return Err(fails(
            "it matches no file; names are relative to the data set's folder, with `/`",
        ));
    }
    Ok(Groups::of_words(&words.iter().map(Option::as_deref).collect::<Vec<_>>()))
}

/// Near duplicates as groups: files that pairs connect, named after the first of them.
/// `names` has the name of each file.
///
/// # Errors
/// [`DataError::AuditLength`] when a pair is about a file that has no name.
pub fn groups_of_copies<S: AsRef<str>>(names: &[S], pairs: &[Pair]) -> Result<Groups, DataError> {
    let needed = pairs.iter().map(|pair| pair.a.max(pair.b) + 1).max().unwrap_or(0);
    if needed > names.len() {
        super::check_length("names", names.len(), needed)?;
    }
    let mut sets = Sets::new(names.len());
    for pair in pairs {
        sets.join(pair.a, pair.b);
    }
    Ok(sets.groups(|file| Some(names[file].as_ref().to_owned())))
}

/// Disjoint sets of files (union-find, the smaller number leads).
pub(super) struct Sets(Vec<usize>);

impl Sets {
    pub(super) fn new(n: usize) -> Self {
        Self((0..n).collect())
    }

    pub(super) fn leader(&mut self, mut file: usize) -> usize {
        while self.0[file] != file {
            self.0[file] = self.0[self.0[file]];
            file = self.0[file];
        }
        file
    }

    pub(super) fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.leader(a), self.leader(b));
        self.0[a.max(b)] = a.min(b);
    }

    /// The sets of two and more files, each in order.
    pub(super) fn several(&mut self) -> Vec<Vec<usize>> {
        let mut sets: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for file in 0..self.0.len() {
            sets.entry(self.leader(file)).or_default().push(file);
        }
        sets.into_values().filter(|files| files.len() > 1).collect()
    }

    /// The sets of two and more files as groups, in the order of their first files, whose names they
    /// bear.
    fn groups(mut self, name: impl Fn(usize) -> Option<String>) -> Groups {
        let mut groups = Groups { of: vec![None; self.0.len()], names: Vec::new() };
        for files in self.several() {
            for file in &files {
                groups.of[*file] = Some(groups.names.len());
            }
            groups.names.push(name(files[0]).unwrap_or_default());
        }
        groups
    }
}
