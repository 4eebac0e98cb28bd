//! Groups that file names tell.
//!
//! Names are cut into runs of letters and of digits. If most names have the same make, each run may be
//! what names the group, and so may the part before the last delimiter, or the folder. A candidate is
//! a pattern, judged by the groups it makes: neither single files nor a large part of all, nor the
//! classes, nor a number that only counts.

use std::collections::{BTreeMap, BTreeSet};

use regex::Regex;

use super::{Groups, group_by};
use crate::{DataError, Split};

/// Fewer names show no pattern.
const FEWEST: usize = 10;

/// The least share of names that a pattern must match, and of those that must not be alone.
const SHARE: f64 = 0.8;

/// A word stands in the pattern as it is when so many names have it.
const LITERAL: f64 = 0.95;

/// No group may hold more of the names, unless a word before it says that it is one.
const LARGEST: f64 = 0.2;
const LARGEST_SAID: f64 = 0.5;

/// `vid3frame12` has four runs of letters and digits; what has more is taken for a hash.
const MIXED: usize = 4;

/// Words before what names a group.
const GROUP_WORDS: [&str; 31] = [
    "animal",
    "burst",
    "case",
    "clip",
    "donor",
    "episode",
    "group",
    "movie",
    "participant",
    "pat",
    "patient",
    "person",
    "pid",
    "plant",
    "recording",
    "scene",
    "seq",
    "sequence",
    "series",
    "session",
    "shot",
    "site",
    "speaker",
    "sub",
    "subj",
    "subject",
    "track",
    "user",
    "vid",
    "video",
    "well",
];

/// Words before a number that only counts.
const COUNT_WORDS: [&str; 21] = [
    "aug", "copy", "crop", "dsc", "dscn", "fig", "file", "frame", "im", "image", "img", "index",
    "nr", "no", "page", "patch", "photo", "pic", "rot", "slice", "tile",
];

/// Groups that file names may tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameGroups {
    /// The pattern, for [`group_by`]: its group `group` is what names the group.
    pub pattern: String,
    /// The pattern for people: `#` a number, `*` a word, `{group}` what names the group.
    pub shown: String,
    /// A word in the names says so (`patient12`), not only their make.
    pub said: bool,
    /// The groups it makes.
    pub groups: Groups,
}

/// Groups that may be told by file names, the likeliest first: those a word speaks for, then words
/// before numbers, then the coarser. None when names tell nothing.
///
/// `names` are relative to the data set's folder, with `/`; `labels` has the class of each, an index
/// into `classes`.
///
/// # Errors
/// [`DataError::AuditLength`] when there are more or fewer labels than names,
/// [`DataError::Label`] when a label is no class.
pub fn find_groups<S: AsRef<str>>(
    names: &[S],
    labels: &[usize],
    classes: &[String],
) -> Result<Vec<NameGroups>, DataError> {
    crate::audit::check_length("labels", labels.len(), names.len())?;
    if let Some(label) = labels.iter().find(|label| **label >= classes.len()) {
        return Err(DataError::Label { label: *label, classes: classes.len() });
    }
    if names.len() < FEWEST {
        return Ok(Vec::new());
    }
    let mut kept: Vec<(Rank, NameGroups)> = Vec::new();
    for candidate in candidates(names, classes) {
        let Ok(regex) = Regex::new(&candidate.pattern) else { continue };
        let Ok(groups) = group_by(names, &regex) else { continue };
        if !judge(&groups, labels, candidate.said) {
            continue;
        }
        if kept.iter().any(|(_, other)| other.groups.of == groups.of) {
            continue;
        }
        let Candidate { pattern, shown, said, word } = candidate;
        let rank = Rank { unsaid: !said, number: !word, groups: groups.names.len() };
        kept.push((rank, NameGroups { pattern, shown, said, groups }));
    }
    kept.sort_by_key(|(rank, _)| *rank);
    Ok(kept.into_iter().map(|(_, groups)| groups).collect())
}

/// Lower is likelier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    unsaid: bool,
    number: bool,
    groups: usize,
}

/// A pattern to be judged.
#[derive(Debug, Clone)]
struct Candidate {
    pattern: String,
    shown: String,
    /// A word speaks for it.
    said: bool,
    /// It is made of letters.
    word: bool,
}

/// A run of characters of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Letters,
    Digits,
    /// More than [`MIXED`] runs of letters and of digits in turn: a hash, an identifier.
    Mixed,
    Delimiter(char),
}

/// The name within its folder, without extension.
fn stem(name: &str) -> &str {
    let last = name.rsplit('/').next().unwrap_or(name);
    last.rsplit_once('.').map_or(last, |(stem, _)| stem)
}

fn runs(stem: &str) -> Vec<(Kind, &str)> {
    let mut runs = Vec::new();
    let mut rest = stem;
    while let Some(first) = rest.chars().next() {
        if !first.is_alphanumeric() {
            let (delimiter, behind) = rest.split_at(first.len_utf8());
            runs.push((Kind::Delimiter(first), delimiter));
            rest = behind;
            continue;
        }
        let end = rest.find(|c: char| !c.is_alphanumeric()).unwrap_or(rest.len());
        let (field, behind) = rest.split_at(end);
        push_field(field, &mut runs);
        rest = behind;
    }
    runs
}

fn push_field<'n>(field: &'n str, runs: &mut Vec<(Kind, &'n str)>) {
    let digit = |c: char| c.is_ascii_digit();
    let mut parts = Vec::new();
    let mut rest = field;
    while let Some(first) = rest.chars().next() {
        let end = rest.find(|c: char| digit(c) != digit(first)).unwrap_or(rest.len());
        let (part, behind) = rest.split_at(end);
        parts.push((if digit(first) { Kind::Digits } else { Kind::Letters }, part));
        rest = behind;
    }
    if parts.len() > MIXED {
        runs.push((Kind::Mixed, field));
    } else {
        runs.extend(parts);
    }
}

/// The runs that most names have in common: kind and, where nearly all names have the same word,
/// the word.
fn common_make<S: AsRef<str>>(names: &[S]) -> Vec<(Kind, Option<String>)> {
    let cut: Vec<Vec<(Kind, &str)>> = names.iter().map(|name| runs(stem(name.as_ref()))).collect();
    let mut makes: BTreeMap<Vec<Kind>, usize> = BTreeMap::new();
    for runs in &cut {
        *makes.entry(runs.iter().map(|run| run.0).collect()).or_default() += 1;
    }
    let Some((make, count)) = makes.into_iter().max_by_key(|(_, count)| *count) else {
        return Vec::new();
    };
    if (count as f64) < SHARE * names.len() as f64 {
        return Vec::new();
    }
    let fits: Vec<&Vec<(Kind, &str)>> =
        cut.iter().filter(|runs| runs.iter().map(|run| run.0).eq(make.iter().copied())).collect();
    let word = |at: usize| {
        let mut words: BTreeMap<&str, usize> = BTreeMap::new();
        for runs in &fits {
            *words.entry(runs[at].1).or_default() += 1;
        }
        let (word, n) = words.into_iter().max_by_key(|(_, n)| *n)?;
        (n as f64 >= LITERAL * count as f64).then(|| word.to_owned())
    };
    make.iter().enumerate().map(|(at, kind)| (*kind, word(at))).collect()
}

fn candidates<S: AsRef<str>>(names: &[S], classes: &[String]) -> Vec<Candidate> {
    let make = common_make(names);
    let mut found: Vec<Candidate> =
        (0..make.len()).filter_map(|at| run_candidate(&make, at, classes)).collect();
    let known: BTreeSet<String> = classes.iter().map(|class| class.to_lowercase()).collect();
    let plain = |pattern: &str, shown: &str| Candidate {
        pattern: pattern.into(),
        shown: shown.into(),
        said: false,
        word: false,
    };
    found.push(plain(r"(?:^|/)(?<group>[^/]+)[_\-. ][^/_\-. ]+\.[^./]*$", "{group}_*"));
    // A folder below the class's: its name alone may come again in another class.
    let inner = |name: &S| {
        let folder = name.as_ref().rsplit('/').nth(1);
        folder.is_some_and(|f| !known.contains(&f.to_lowercase()) && Split::parse(f).is_none())
    };
    let inside = names.iter().filter(|name| inner(name)).count();
    if inside as f64 >= SHARE * names.len() as f64 {
        let mut folder = plain(r"(?:^|/)(?<group>[^/]+)/[^/]+$", "{group}/*");
        folder.said = true;
        found.push(folder);
    }
    found
}

/// Run `at` of the common make as what names the group.
fn run_candidate(
    make: &[(Kind, Option<String>)],
    at: usize,
    classes: &[String],
) -> Option<Candidate> {
    let (kind, literal) = &make[at];
    if matches!(kind, Kind::Delimiter(_)) || literal.is_some() {
        return None;
    }
    let before = make[..at].iter().rev().find(|(kind, _)| !matches!(kind, Kind::Delimiter(_)));
    let before = before.and_then(|(_, word)| word.as_deref()).unwrap_or_default().to_lowercase();
    let is_class = classes.iter().any(|class| class.to_lowercase() == before);
    let counted = COUNT_WORDS.contains(&before.as_str());
    let varies = |(kind, word): &(Kind, Option<String>)| {
        !matches!(kind, Kind::Delimiter(_)) && word.is_none()
    };
    let last = !make[at + 1..].iter().any(varies);
    let said = !is_class && GROUP_WORDS.contains(&before.as_str());
    // `ants_12_3`: nothing is said, but a number at the end only counts.
    if !said && *kind == Kind::Digits && (counted || last) {
        return None;
    }
    let mut pattern = String::from("(?:^|/)");
    let mut shown = String::new();
    for (i, (kind, word)) in make.iter().enumerate() {
        let (class, sign) = match (kind, word) {
            (Kind::Delimiter(c), _) => (regex::escape(&c.to_string()), c.to_string()),
            (_, Some(word)) => (regex::escape(word), word.clone()),
            (Kind::Letters, None) => (r"[\p{Alphabetic}]+".into(), "*".into()),
            (Kind::Digits, None) => ("[0-9]+".into(), "#".into()),
            (Kind::Mixed, None) => (r"[\p{Alphabetic}0-9]+".into(), "*".into()),
        };
        if i == at {
            pattern.extend(["(?<group>", &class, ")"]);
            shown.push_str("{group}");
        } else {
            pattern.push_str(&class);
            shown.push_str(&sign);
        }
    }
    pattern.push_str(r"(?:\.[^./]*)?$");
    Some(Candidate { pattern, shown, said, word: *kind == Kind::Letters })
}

/// Whether groups are such as must not be split: several files each, none a large part of all, and
/// not just the classes.
fn judge(groups: &Groups, labels: &[usize], said: bool) -> bool {
    let n = groups.of.len() as f64;
    let sizes = groups.sizes();
    let together: usize = sizes.iter().filter(|size| **size > 1).sum();
    let matched: usize = sizes.iter().sum();
    let largest = sizes.iter().max().copied().unwrap_or(0) as f64;
    let most = if said { LARGEST_SAID } else { LARGEST };
    let share = |part: usize, of: f64| part as f64 >= SHARE * of;
    share(matched, n)
        && share(together, matched as f64)
        && sizes.len() >= 2
        && largest <= most * n
        && !are_classes(groups, labels)
}

/// Whether each group has one class and each class one group.
fn are_classes(groups: &Groups, labels: &[usize]) -> bool {
    let pairs: BTreeSet<(usize, usize)> = groups
        .of
        .iter()
        .zip(labels)
        .filter_map(|(group, label)| Some(((*group)?, *label)))
        .collect();
    let classes: BTreeSet<usize> = pairs.iter().map(|(_, label)| *label).collect();
    pairs.len() == groups.names.len() && classes.len() == pairs.len()
}
