//! What the files of a data set say by themselves: looks, copies, groups. Looks and copies are kept where
//! features are, so that who asks again waits for nothing.

use std::collections::BTreeSet;
use std::path::Path;

use regraft_data::audit::{
    DUPLICATES_VERSION, Finding, Look, NameGroups, Pair, PairKind, Unreadable, copy_sets,
    duplicates, find_groups, findings, look, look_at,
};
use regraft_data::{Dataset, Split, content_id};
use regraft_train::{Extracted, LookStore, TrunkKey};

use crate::features::blocks;
use crate::grouping::{asked, joined};
use crate::{Error, Observer, Progress};

/// Most bytes of a file of pairs that are read.
const PAIRS_LIMIT: u64 = 256 << 20;

/// Kinds of pairs by their numbers in such a file.
const KINDS: [PairKind; 4] =
    [PairKind::Bytes, PairKind::Pixels, PairKind::Near, PairKind::Mirrored];

/// A class must be learned from so many sets of files that belong together, or holding them out together
/// would leave nothing to learn it from.
const FEWEST_SETS: usize = 3;

/// From so many altered copies on it is asked whether they are copies at all.
const MANY: usize = 10;

/// All of it.
pub(crate) struct Looked {
    pub(super) looks: Vec<Result<Look, Unreadable>>,
    pub(super) pairs: Vec<Pair>,
    /// Sets of copies.
    pub(super) sets: Vec<Vec<usize>>,
    pub(super) groups: Vec<NameGroups>,
    pub(super) findings: Vec<Finding>,
    /// What could not be looked at, or assumed.
    pub(super) notes: Vec<String>,
}

impl Looked {
    /// What looks, pairs of copies and groups mean for a data set.
    pub(super) fn new(
        dataset: &Dataset,
        looks: Vec<Result<Look, Unreadable>>,
        pairs: Vec<Pair>,
        groups: Vec<NameGroups>,
    ) -> Result<Self, Error> {
        let labels: Vec<usize> = dataset.examples.iter().map(|e| e.label).collect();
        let (pairs, note) = told_apart(&labels, pairs);
        let sets = copy_sets(dataset.examples.len(), &pairs)?;
        let findings = findings(dataset, &looks, &pairs)?;
        Ok(Self { looks, pairs, sets, groups, findings, notes: note.into_iter().collect() })
    }

    /// Sets of files to hold out together, and in words what they are: copies, and, with `by_name`, groups
    /// that a word in the names speaks for. What would leave a class with too few sets to learn it from is
    /// left out, with a note.
    pub(super) fn together(
        &mut self,
        dataset: &Dataset,
        by_name: bool,
    ) -> (Vec<Vec<usize>>, Option<String>) {
        let (named, groups) = self.named(by_name);
        let copies = format!("{} sets of copies", self.sets.len());
        let both = [self.sets.clone(), named.clone()].concat();
        let mut left = |what: &str, class: usize| {
            self.notes.push(format!(
                "{what} are not held out together: class `{}` would have fewer than {FEWEST_SETS} sets to \
                 learn from",
                dataset.classes[class]
            ));
        };
        if !named.is_empty() {
            match too_few(dataset, &both) {
                None if self.sets.is_empty() => return (both, Some(groups)),
                None => return (both, Some(format!("{copies}, {groups}"))),
                Some(class) => left(&groups, class),
            }
        }
        if self.sets.is_empty() {
            return (Vec::new(), None);
        }
        match too_few(dataset, &self.sets) {
            None => (self.sets.clone(), Some(copies)),
            Some(class) => {
                left(&copies, class);
                (Vec::new(), None)
            }
        }
    }
}

impl Looked {
    /// Without what is said of classes, where these are sets of labels: few images of one are no fault.
    pub(super) fn without_classes(&mut self) {
        self.findings.retain(|f| f.class.is_none());
    }

    /// As [`Looked::together`], whatever is left of a class.
    pub(super) fn all_together(&self, by_name: bool) -> (Vec<Vec<usize>>, Option<String>) {
        let (named, groups) = self.named(by_name);
        let copies = format!("{} sets of copies", self.sets.len());
        let parts = [(&self.sets, copies), (&named, groups)];
        let words: Vec<String> =
            parts.iter().filter(|(sets, _)| !sets.is_empty()).map(|(_, w)| w.clone()).collect();
        ([self.sets.clone(), named].concat(), (!words.is_empty()).then(|| words.join(", ")))
    }

    /// Sets of files of a group that a word in the names speaks for, and what they are.
    fn named(&self, by_name: bool) -> (Vec<Vec<usize>>, String) {
        let said = self.groups.iter().find(|g| g.said && by_name);
        let named: Vec<Vec<usize>> = said.map_or_else(Vec::new, |named| {
            let mut files = vec![Vec::new(); named.groups.names.len()];
            for (file, group) in named.groups.of.iter().enumerate() {
                if let Some(group) = group {
                    files[*group].push(file);
                }
            }
            files.retain(|set| set.len() > 1);
            files
        });
        let shown = said.map(|g| g.shown.clone()).unwrap_or_default();
        let words = format!("{} groups by file names like `{shown}`", named.len());
        (named, words)
    }
}

/// The pairs without altered copies where these are of two classes too often: a copy keeps its label, and
/// pictures that are merely alike (cells of one kind of panel, parts on one belt) do not. Then a note says so.
fn told_apart(labels: &[usize], pairs: Vec<Pair>) -> (Vec<Pair>, Option<String>) {
    let altered = |p: &Pair| matches!(p.kind, PairKind::Near | PairKind::Mirrored);
    let all = pairs.iter().filter(|p| altered(p)).count();
    let across = pairs.iter().filter(|p| altered(p) && labels[p.a] != labels[p.b]).count();
    // Solar cells: 158 of 797.
    if all < MANY || 8 * across < all {
        return (pairs, None);
    }
    let note = format!(
        "altered copies are not told here: {across} of {all} pairs that look like copies have two labels, so \
         these pictures are much alike without being copies"
    );
    (pairs.into_iter().filter(|p| !altered(p)).collect(), Some(note))
}

/// A class with training files in too few sets.
fn too_few(dataset: &Dataset, sets: &[Vec<usize>]) -> Option<usize> {
    let root = joined((0..dataset.examples.len()).collect(), sets);
    let mut of_class = vec![BTreeSet::new(); dataset.classes.len()];
    for (example, root) in dataset.examples.iter().zip(root) {
        if example.split != Split::Test {
            of_class[example.label].insert(root);
        }
    }
    of_class.iter().position(|sets| sets.len() < FEWEST_SETS)
}

/// Groups by the pattern that a person gave, or those that names tell.
pub(super) fn groups(pattern: Option<&str>, dataset: &Dataset) -> Result<Vec<NameGroups>, Error> {
    let names: Vec<&str> = dataset.examples.iter().map(|e| e.name.as_str()).collect();
    let labels: Vec<usize> = dataset.examples.iter().map(|e| e.label).collect();
    let Some(pattern) = pattern else {
        return Ok(find_groups(&names, &labels, &dataset.classes)?);
    };
    let groups = asked(&names, pattern)?;
    let (pattern, shown) = (pattern.to_owned(), pattern.to_owned());
    Ok(vec![NameGroups { pattern, shown, said: true, groups }])
}

/// Looks at files by decoding each.
pub(super) fn fresh(dataset: &Dataset, observer: &dyn Observer) -> Vec<Result<Look, Unreadable>> {
    let files: Vec<&Path> = dataset.examples.iter().map(|e| e.path.as_path()).collect();
    let total = files.len();
    look(&files, |done| observer.tell(&Progress::Looking { done, total }))
}

/// The looks that were taken while features were extracted; a file without one is looked at here, which
/// also says why it cannot be read.
pub(super) fn taken(
    store: &LookStore,
    dataset: &Dataset,
    extracted: &Extracted,
) -> Result<Vec<Result<Look, Unreadable>>, Error> {
    let mut looks = Vec::with_capacity(dataset.examples.len());
    for (example, id) in dataset.examples.iter().zip(&extracted.ids) {
        let kept = match id {
            Some(id) => store.get(id)?,
            None => None,
        };
        looks.push(match kept {
            Some(look) => Ok(look),
            None => look_at(&example.path),
        });
    }
    Ok(looks)
}

/// Features that propose pairs.
pub(super) struct Proposing<'a> {
    pub(super) extracted: &'a Extracted,
    pub(super) key: TrunkKey,
    /// The first values of a row that are compared.
    pub(super) width: usize,
}

impl Proposing<'_> {
    /// `[n, width]`; zeros where there is no look.
    fn rows(&self, looks: &[Result<Look, Unreadable>]) -> Result<Vec<f32>, Error> {
        let width = self.width;
        let mut values = vec![0.0; looks.len() * width];
        let good = |i: &usize| looks[*i].is_ok() && self.extracted.ids[*i].is_some();
        let rows: Vec<usize> = (0..looks.len()).filter(good).collect();
        let mut at = rows.iter();
        blocks(self.extracted, &rows, width, |block| {
            for (row, i) in block.chunks_exact(width).zip(&mut at) {
                values[i * width..][..width].copy_from_slice(row);
            }
            Ok(())
        })?;
        Ok(values)
    }
}

/// The pairs of copies; those of the same files in the same order are kept in `folder`.
pub(super) fn pairs(
    folder: &Path,
    looks: &[Result<Look, Unreadable>],
    features: Option<&Proposing<'_>>,
) -> Result<Vec<Pair>, Error> {
    let path = folder.join(format!("{}.pairs", pairs_key(looks, features)));
    if let Some(pairs) = read(&path, looks) {
        return Ok(pairs);
    }
    let pairs = match features {
        Some(features) => duplicates(looks, Some((&features.rows(looks)?, features.width)))?,
        None => duplicates(looks, None)?,
    };
    let make = |source| Error::File { what: "make", path: folder.to_owned(), source };
    std::fs::create_dir_all(folder).map_err(make)?;
    let kind = |p: &Pair| KINDS.iter().position(|k| *k == p.kind).unwrap_or_default();
    let rows: Vec<_> = pairs.iter().map(|p| (p.a, p.b, kind(p), p.similarity)).collect();
    let text = serde_json::to_vec(&rows).map_err(|e| Error::File {
        what: "write",
        path: path.clone(),
        source: e.into(),
    })?;
    regraft_run::atomic_write(path, &text)?;
    Ok(pairs)
}

/// Names the pairs of these files by all that decides them.
fn pairs_key(looks: &[Result<Look, Unreadable>], features: Option<&Proposing<'_>>) -> String {
    let mut all = DUPLICATES_VERSION.to_le_bytes().to_vec();
    if let Some(features) = features {
        all.extend(features.key.to_string().bytes());
        all.extend(features.width.to_le_bytes());
    }
    for look in looks {
        // What a look says is decided by its content and by what made the look.
        all.extend(look.as_ref().map_or([0; 32], |look| look.content));
        all.extend(look.as_ref().map_or([0; 32], |look| look.pixels));
    }
    let mut half = [0; 16];
    half.copy_from_slice(&content_id(&all)[..16]);
    format!("{:032x}", u128::from_be_bytes(half))
}

/// Pairs that were kept; `None` where there are none, or what is there is no list of pairs of these files.
fn read(path: &Path, looks: &[Result<Look, Unreadable>]) -> Option<Vec<Pair>> {
    if std::fs::metadata(path).ok()?.len() > PAIRS_LIMIT {
        return None;
    }
    let rows: Vec<(usize, usize, usize, f32)> =
        serde_json::from_slice(&std::fs::read(path).ok()?).ok()?;
    let readable = |i: usize| looks.get(i).is_some_and(Result::is_ok);
    let pair = |(a, b, kind, similarity): (usize, usize, usize, f32)| {
        let good = a < b && readable(a) && readable(b) && (0.0..=1.0).contains(&similarity);
        Some(Pair { a, b, kind: *KINDS.get(kind)?, similarity }).filter(|_| good)
    };
    rows.into_iter().map(pair).collect()
}

#[cfg(test)]
mod alike {
    use super::*;

    #[test]
    fn pictures_that_are_alike_across_classes_are_no_copies() {
        let pair = |a, b, kind| Pair { a, b, kind, similarity: 0.95 };
        let labels: Vec<usize> = (0..40).map(|i| usize::from(i >= 20)).collect();
        let within = (0..12).map(|i| pair(i, i + 1, PairKind::Near));
        let exact = pair(18, 39, PairKind::Bytes);
        let across = |n: usize| (0..n).map(move |i| pair(i, i + 20, PairKind::Mirrored));
        let of = |n: usize| {
            told_apart(&labels, within.clone().chain(across(n)).chain([exact]).collect())
        };
        assert_eq!((of(1).0.len(), of(1).1), (14, None));
        let (kept, note) = of(2);
        assert_eq!(kept, [exact]);
        assert!(note.unwrap().contains("2 of 14 pairs"));
        // A few prove nothing.
        assert_eq!(told_apart(&labels, across(9).collect()).0.len(), 9);
    }
}
