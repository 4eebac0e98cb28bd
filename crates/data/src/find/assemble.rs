//! From found images to a data set: number the classes, settle the splits, look for oddities.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use super::walk::Seen;
use super::{Dataset, Example, Found, FoundImage, Layout, Note, OpenOptions, Split, SplitOrigin};
use crate::chance::below;
use crate::{DataError, Format};

/// A class with fewer training images gets a note.
const TINY: usize = 5;

/// Formats are compared from this many images on, and up to this share of them is odd.
const ODD_FORMAT_FROM: usize = 20;
const ODD_FORMAT_SHARE: f64 = 0.05;

pub(super) fn assemble(mut found: Found, options: &OpenOptions) -> Result<Dataset, DataError> {
    found.images.sort_by(|a, b| (&a.name, &a.path).cmp(&(&b.name, &b.path)));
    let names: BTreeSet<&str> = found.images.iter().map(FoundImage::class).collect();
    let classes: Vec<String> = names.into_iter().map(String::from).collect();
    match classes.as_slice() {
        [] => {
            let path = match &found.layout {
                Layout::Table { path } => path.clone(),
                Layout::ClassFolders | Layout::SplitFolders => found.root,
            };
            let others = found.seen.ignored_files.values().sum();
            return Err(DataError::NoImages { path, others });
        }
        [class] if options.training => {
            return Err(DataError::OneClass { class: class.clone(), inner: None });
        }
        _ => {}
    }
    let mut notes = std::mem::take(&mut found.notes);
    let (split_origin, single) = match given_split(&mut found, &mut notes) {
        Some(origin) => (origin, Vec::new()),
        None => draw_splits(&mut found, options, &mut notes),
    };
    let counts = Counts::of(&found.images);
    if options.training {
        untrained(&classes, &counts)?;
    }
    note_classes(&classes, &counts, &single, &mut notes);
    note_odd_format(&found.images, &mut notes);
    note_seen(found.seen, &mut notes);

    let label = |image: &FoundImage| {
        classes.binary_search_by(|class| class.as_str().cmp(image.class())).unwrap_or_default()
    };
    let mut examples: Vec<Example> = found
        .images
        .into_iter()
        .map(|i| Example { label: label(&i), path: i.path, name: i.name, split: i.split })
        .collect();
    // Stable: names stay sorted within a split.
    examples.sort_by_key(|example| example.split);
    let (root, layout) = (found.root, found.layout);
    let together = Vec::new();
    Ok(Dataset { root, layout, classes, examples, notes, split_origin, together })
}

/// The split that the data brings, if any: leaves `Train`, `Test` and, beside a test split, `Val`.
pub(super) fn given_split(found: &mut Found, notes: &mut Vec<Note>) -> Option<SplitOrigin> {
    let has = |split| found.images.iter().any(|image| image.split == split);
    if has(Split::Test) {
        return Some(SplitOrigin::Given { names: found.split_names.clone() });
    }
    if has(Split::Val) {
        let is_val = |name: &&String| Split::parse(name) == Some(Split::Val);
        let names = found.split_names.iter().filter(is_val).cloned().collect();
        notes.push(Note::ValIsTest { names });
        found
            .images
            .iter_mut()
            .filter(|i| i.split == Split::Val)
            .for_each(|i| i.split = Split::Test);
        return Some(SplitOrigin::Given { names: found.split_names.clone() });
    }
    None
}

/// Draws a test split; the classes with a single image come back beside the origin.
fn draw_splits(
    found: &mut Found,
    options: &OpenOptions,
    notes: &mut Vec<Note>,
) -> (SplitOrigin, Vec<String>) {
    let mut by_class: BTreeMap<String, Vec<&mut FoundImage>> = BTreeMap::new();
    for image in &mut found.images {
        by_class.entry(image.class().to_owned()).or_default().push(image);
    }
    let mut single = Vec::new();
    for (class, mut images) in by_class {
        let tested = draw(options, &class, images.len());
        if tested.is_empty() {
            single.push(class);
        }
        for at in tested {
            images[at].split = Split::Test;
        }
    }
    if !single.is_empty() {
        notes.push(Note::SingleImage { classes: single.clone() });
    }
    (SplitOrigin::Drawn { share: options.test_share, seed: options.seed }, single)
}

/// Which of the `n` images of a class, sorted by name, are tested: the rounded share, at least
/// one, and one left to train. A function of seed and class name, so that adding a class changes
/// no other.
fn draw(options: &OpenOptions, class: &str, n: usize) -> Vec<usize> {
    if n < 2 {
        return Vec::new();
    }
    let mut hasher = blake3::Hasher::new();
    hasher.update(&options.seed.to_le_bytes()).update(b"split").update(class.as_bytes());
    let mut rng = ChaCha8Rng::from_seed(*hasher.finalize().as_bytes());
    let mut order: Vec<usize> = (0..n).collect();
    for last in (1..n).rev() {
        order.swap(last, below(&mut rng, last as u64 + 1) as usize);
    }
    let count = ((options.test_share * n as f64).round() as usize).clamp(1, n - 1);
    order.truncate(count);
    order
}

/// Images by split and class.
pub(super) struct Counts<'i>(BTreeMap<Split, BTreeMap<&'i str, usize>>);

impl<'i> Counts<'i> {
    pub(super) fn of(images: &'i [FoundImage]) -> Self {
        let mut counts: BTreeMap<Split, BTreeMap<&str, usize>> = BTreeMap::new();
        for image in images {
            let of_split = counts.entry(image.split).or_default();
            for label in &image.labels {
                *of_split.entry(label).or_default() += 1;
            }
        }
        Self(counts)
    }

    pub(super) fn get(&self, split: Split, class: &str) -> usize {
        self.0.get(&split).and_then(|by_class| by_class.get(class)).copied().unwrap_or(0)
    }
}

/// Refuses classes, or labels, without a training image.
pub(super) fn untrained(classes: &[String], counts: &Counts) -> Result<(), DataError> {
    let (trained, untrained): (Vec<&String>, Vec<&String>) =
        classes.iter().partition(|class| counts.get(Split::Train, class) > 0);
    if untrained.is_empty() {
        return Ok(());
    }
    let plain = |name: &str| name.trim().to_lowercase();
    let similar = untrained.iter().find_map(|class| {
        let known = trained.iter().find(|known| plain(known) == plain(class))?;
        Some(((*class).clone(), (*known).clone()))
    });
    Err(DataError::Untrained { classes: untrained.into_iter().cloned().collect(), similar })
}

pub(super) fn note_classes(
    classes: &[String],
    counts: &Counts,
    single: &[String],
    notes: &mut Vec<Note>,
) {
    for split in counts.0.keys().copied().filter(|split| *split != Split::Train) {
        let missing = |c: &&String| counts.get(split, c) == 0 && !single.contains(c);
        let missing: Vec<String> = classes.iter().filter(missing).cloned().collect();
        if !missing.is_empty() {
            notes.push(Note::MissingFromSplit { split, classes: missing });
        }
    }
    let tiny: BTreeMap<String, usize> = classes
        .iter()
        .map(|class| (class.clone(), counts.get(Split::Train, class)))
        .filter(|(class, n)| *n < TINY && !single.contains(class))
        .collect();
    if !tiny.is_empty() {
        notes.push(Note::TinyClasses { classes: tiny });
    }
}

pub(super) fn note_odd_format(images: &[FoundImage], notes: &mut Vec<Note>) {
    let mut by_format: BTreeMap<Format, Vec<&str>> = BTreeMap::new();
    for image in images {
        let extension = Path::new(&image.name).extension().and_then(|e| e.to_str());
        if let Some(format) = extension.and_then(Format::from_extension) {
            by_format.entry(format).or_default().push(&image.name);
        }
    }
    let Some(usual) = by_format.iter().max_by_key(|(_, names)| names.len()).map(|(f, _)| *f) else {
        return;
    };
    let odd = by_format.iter().filter(|(format, _)| **format != usual);
    let mut others: Vec<String> = odd.flat_map(|(_, n)| n).map(|n| (*n).to_owned()).collect();
    let few = others.len() as f64 <= ODD_FORMAT_SHARE * images.len() as f64;
    if images.len() >= ODD_FORMAT_FROM && !others.is_empty() && few {
        others.sort();
        notes.push(Note::OddFormat { usual, others });
    }
}

pub(super) fn note_seen(seen: Seen, notes: &mut Vec<Note>) {
    type ToNote = fn(Vec<String>) -> Note;
    for (folder, images) in seen.splits_without_classes {
        notes.push(Note::SplitWithoutClasses { folder, images });
    }
    let lists: [(Vec<String>, ToNote); 6] = [
        (seen.empty_folders, |folders| Note::EmptyFolders { folders }),
        (seen.ignored_folders, |folders| Note::IgnoredFolders { folders }),
        (seen.ignored_tables, |tables| Note::IgnoredTables { tables }),
        (seen.loose_images, |images| Note::LooseImages { images }),
        (seen.broken_links, |links| Note::BrokenLinks { links }),
        (seen.repeated_folders, |folders| Note::RepeatedFolders { folders }),
    ];
    notes.extend(lists.into_iter().filter(|(names, _)| !names.is_empty()).map(|(n, note)| note(n)));
    if let Some((count, line)) = seen.repeated_rows {
        notes.push(Note::RepeatedRows { count, line });
    }
    if !seen.ignored_files.is_empty() {
        notes.push(Note::IgnoredFiles { by_extension: seen.ignored_files });
    }
}
