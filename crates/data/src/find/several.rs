//! Data whose images have any number of labels.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::assemble::{Counts, given_split, note_classes, note_odd_format, note_seen, untrained};
use super::{Dataset, Example, Found, Layout, Note, OpenOptions, Split, SplitOrigin, find};
use crate::{DataError, stratified};

/// Images, each with any number of labels, with splits and what a person should know about them.
#[derive(Debug, Clone, PartialEq)]
pub struct MultiLabel {
    /// The folder that example names are relative to.
    pub root: PathBuf,
    /// Where the labels were told.
    pub layout: Layout,
    /// Label names, sorted by their bytes, over all splits; labels are indices into them.
    pub labels: Vec<String>,
    /// The images, sorted by split, then name.
    pub examples: Vec<Labelled>,
    /// What was left out, assumed or looks wrong.
    pub notes: Vec<Note>,
    /// Who decided what is tested.
    pub split_origin: SplitOrigin,
}

/// One image file and its labels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Labelled {
    /// Where to open it.
    pub path: PathBuf,
    /// Its path relative to the root, with `/`, for people and reports.
    pub name: String,
    /// Its labels, ascending indices into [`MultiLabel::labels`]; none is an answer too.
    pub labels: Vec<usize>,
    /// What it is for.
    pub split: Split,
}

/// A data set of either kind.
#[derive(Debug, Clone, PartialEq)]
pub enum Opened {
    /// Every image is of one class.
    Classes(Dataset),
    /// Images have any number of labels.
    Labels(MultiLabel),
}

impl Opened {
    /// Opens data of either kind: as [`Dataset::open`], and tables where an image may have several labels, or none.
    /// Such a table says so by one of:
    /// 1. cells of the label column with `|` between labels;
    /// 2. a column `labels`, `tags`, `classes` or `categories` with `|`, `;`, `,` or else blanks between them;
    /// 3. no such column, but two or more others with nothing but 0 and 1 (or true and false, yes and no, blank):
    ///    each is a label.
    ///
    /// Where every image turns out to have exactly one label, that is its class.
    ///
    /// # Errors
    /// As [`Dataset::open`].
    pub fn open(path: &Path, options: &OpenOptions) -> Result<Self, DataError> {
        let found = find(path, options)?;
        if found.has_several() {
            return Ok(Self::Labels(assemble(found, options)?));
        }
        Ok(Self::Classes(super::assemble::assemble(found, options)?))
    }
}

/// What stands for no label where names of labels are listed.
const NO_LABEL: &str = "no label";

impl MultiLabel {
    /// The names of some labels as a person reads them: `a|b`, or `no label`.
    pub fn names(&self, labels: &[usize]) -> String {
        if labels.is_empty() {
            return NO_LABEL.to_owned();
        }
        labels.iter().map(|label| self.labels[*label].as_str()).collect::<Vec<_>>().join("|")
    }

    /// The same images in the same order, with each set of labels that occurs as a class of its own: for what asks
    /// only whether two images have the same labels.
    pub fn by_set(&self) -> Dataset {
        let names: Vec<String> = self.examples.iter().map(|e| self.names(&e.labels)).collect();
        let classes: Vec<String> =
            names.iter().cloned().collect::<BTreeSet<String>>().into_iter().collect();
        let example = |(e, name): (&Labelled, &String)| Example {
            path: e.path.clone(),
            name: e.name.clone(),
            label: classes.binary_search(name).unwrap_or_default(),
            split: e.split,
        };
        Dataset {
            root: self.root.clone(),
            layout: self.layout.clone(),
            examples: self.examples.iter().zip(&names).map(example).collect(),
            classes,
            notes: self.notes.clone(),
            split_origin: self.split_origin.clone(),
            together: Vec::new(),
        }
    }
}

fn assemble(mut found: Found, options: &OpenOptions) -> Result<MultiLabel, DataError> {
    found.images.sort_by(|a, b| (&a.name, &a.path).cmp(&(&b.name, &b.path)));
    let names: BTreeSet<&String> = found.images.iter().flat_map(|i| &i.labels).collect();
    let labels: Vec<String> = names.into_iter().cloned().collect();
    let mut notes = std::mem::take(&mut found.notes);
    let split_origin = match given_split(&mut found, &mut notes) {
        Some(origin) => origin,
        None => draw(&mut found, &labels, options),
    };
    let counts = Counts::of(&found.images);
    if options.training {
        untrained(&labels, &counts)?;
        note_always(&labels, &counts, &found, &mut notes);
    }
    note_classes(&labels, &counts, &[], &mut notes);
    note_odd_format(&found.images, &mut notes);
    note_seen(found.seen, &mut notes);
    let places =
        |names: &[String]| names.iter().filter_map(|n| labels.binary_search(n).ok()).collect();
    let mut examples: Vec<Labelled> = found
        .images
        .into_iter()
        .map(|i| Labelled { path: i.path, name: i.name, labels: places(&i.labels), split: i.split })
        .collect();
    // Stable: names stay sorted within a split.
    examples.sort_by_key(|example| example.split);
    let (root, layout) = (found.root, found.layout);
    Ok(MultiLabel { root, layout, labels, examples, notes, split_origin })
}

/// Draws what is tested, with its share of each label.
fn draw(found: &mut Found, labels: &[String], options: &OpenOptions) -> SplitOrigin {
    let place = |name: &String| labels.binary_search(name).ok();
    let sets: Vec<Vec<usize>> =
        found.images.iter().map(|i| i.labels.iter().filter_map(place).collect()).collect();
    let sets: Vec<&[usize]> = sets.iter().map(Vec::as_slice).collect();
    let share = options.test_share;
    let parts = stratified(&sets, labels.len(), &[1.0 - share, share], options.seed);
    for (image, part) in found.images.iter_mut().zip(parts) {
        image.split = if part == 1 { Split::Test } else { Split::Train };
    }
    SplitOrigin::Drawn { share, seed: options.seed }
}

/// Labels that every training image has: nothing shows what their absence looks like.
fn note_always(labels: &[String], counts: &Counts<'_>, found: &Found, notes: &mut Vec<Note>) {
    let train = found.images.iter().filter(|i| i.split != Split::Test).count();
    let trained =
        |label: &&String| counts.get(Split::Train, label) + counts.get(Split::Val, label) == train;
    let always: Vec<String> = labels.iter().filter(trained).cloned().collect();
    if !always.is_empty() {
        notes.push(Note::AlwaysLabels { labels: always });
    }
}
