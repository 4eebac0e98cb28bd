//! A folder or a table of images to examples with classes and splits.

mod assemble;
mod folders;
mod labels;
mod notes;
mod several;
mod table;
mod walk;

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use crate::DataError;
pub use notes::Note;
pub(crate) use notes::listed;
pub use several::{Labelled, MultiLabel, Opened};

/// How a data set is opened.
#[derive(Debug, Clone, PartialEq)]
pub struct OpenOptions {
    /// Share of each class that becomes the test set when the data set brings no split of its own,
    /// between 0 and 1.
    pub test_share: f64,
    /// Seed of that draw.
    pub seed: u64,
    /// Whether something will be trained on it: then there must be two classes, and a training
    /// image of each. To evaluate, one class will do.
    pub training: bool,
}

impl Default for OpenOptions {
    fn default() -> Self {
        Self { test_share: 0.2, seed: 0, training: true }
    }
}

/// Images with classes and splits, and what a person should know about them.
#[derive(Debug, Clone, PartialEq)]
pub struct Dataset {
    /// The folder that example names are relative to.
    pub root: PathBuf,
    /// How classes and splits were told.
    pub layout: Layout,
    /// Class names, sorted by their bytes, over all splits; a label is an index into them.
    pub classes: Vec<String>,
    /// The images, sorted by split, then name.
    pub examples: Vec<Example>,
    /// What was left out, assumed or looks wrong.
    pub notes: Vec<Note>,
    /// Who decided what is tested.
    pub split_origin: SplitOrigin,
    /// Sets of examples that belong together, by their places: altered copies of one picture, pictures of one
    /// patient. Empty until an [audit](crate::audit) found some.
    pub together: Vec<Vec<usize>>,
}

/// One image file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Example {
    /// Where to open it.
    pub path: PathBuf,
    /// Its path relative to the root, with `/`, for people and reports.
    pub name: String,
    /// Its class, an index into [`Dataset::classes`].
    pub label: usize,
    /// What it is for.
    pub split: Split,
}

/// What an image is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Split {
    /// To learn from.
    Train,
    /// To choose with.
    Val,
    /// To measure with, once.
    Test,
}

/// Words for splits, in lower case.
const SPLIT_WORDS: [(&str, Split); 7] = [
    ("train", Split::Train),
    ("training", Split::Train),
    ("val", Split::Val),
    ("valid", Split::Val),
    ("validation", Split::Val),
    ("test", Split::Test),
    ("testing", Split::Test),
];

impl Split {
    /// `train`, `val` or `test`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Val => "val",
            Self::Test => "test",
        }
    }

    /// The split of a word in a table or a folder's name, in any case: `train`, `training`, `val`,
    /// `valid`, `validation`, `test`, `testing`.
    pub fn parse(word: &str) -> Option<Self> {
        SPLIT_WORDS.iter().find(|(known, _)| known.eq_ignore_ascii_case(word)).map(|(_, s)| *s)
    }
}

impl fmt::Display for Split {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How a data set tells its classes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Layout {
    /// A folder a class.
    ClassFolders,
    /// `train` and others, each with a folder a class.
    SplitFolders,
    /// A CSV table with a path and a label a line.
    Table {
        /// The table.
        path: PathBuf,
    },
}

/// Who decided which images are tested.
#[derive(Debug, Clone, PartialEq)]
pub enum SplitOrigin {
    /// The data set: its folders or its table's column.
    Given {
        /// The words it uses, as written, sorted.
        names: Vec<String>,
    },
    /// A draw, the same share of each class.
    Drawn {
        /// Share of each class in the test set, as asked for.
        share: f64,
        /// Seed of the draw.
        seed: u64,
    },
}

impl Dataset {
    /// Finds the images under `path`, their classes and splits.
    ///
    /// Three layouts are understood, tried in this order:
    /// 1. a folder with `train` beside `val`, `valid`, `validation` or `test` (any case), each a
    ///    folder of class folders;
    /// 2. a CSV table with the columns `path,label[,split]` (or common other names; others are
    ///    ignored), given itself or the only one in a folder without class folders; paths are
    ///    relative to it;
    /// 3. a folder of class folders.
    ///
    /// Images lie at any depth of a class folder and are known by their extension; what the bytes
    /// are is told by [`decode`](crate::decode()). Hidden files and the litter of file managers are
    /// passed over; links are followed, each folder of a class is read once.
    ///
    /// Without a test split, a `val` split becomes it; with neither, one is drawn: of each class
    /// the same share, at least one image, and one left to train. The draw of a class depends on
    /// the seed and on its own name and file names, on nothing else.
    ///
    /// # Errors
    /// Any [`DataError`] up to [`DataError::TableImages`]: nothing there, nothing understood, fewer
    /// than two classes, a class without training images, a wrong line in the table, images with several labels
    /// or none (see [`Opened::open`]).
    pub fn open(path: &Path, options: &OpenOptions) -> Result<Self, DataError> {
        let found = find(path, options)?;
        if let Some(image) = found.images.iter().find(|image| image.labels.len() != 1) {
            let (image, labels) = (image.name.clone(), image.labels.clone());
            return Err(DataError::SeveralLabels { path: path.to_path_buf(), image, labels });
        }
        assemble::assemble(found, options)
    }

    /// Examples of one split, in order.
    pub fn split(&self, split: Split) -> impl Iterator<Item = &Example> {
        self.examples.iter().filter(move |example| example.split == split)
    }
}

/// What a layout yields, before classes are numbered and splits are settled.
#[derive(Debug)]
struct Found {
    root: PathBuf,
    layout: Layout,
    images: Vec<FoundImage>,
    /// The words for splits, as written; empty when there are none.
    split_names: Vec<String>,
    /// What a person should know so far.
    notes: Vec<Note>,
    seen: walk::Seen,
}

#[derive(Debug)]
struct FoundImage {
    path: PathBuf,
    name: String,
    /// Sorted, none twice; one where folders tell the class.
    labels: Vec<String>,
    /// `Train` where the layout says nothing.
    split: Split,
}

impl Found {
    /// Whether labels are not one class each.
    fn has_several(&self) -> bool {
        self.images.iter().any(|image| image.labels.len() != 1)
    }
}

impl FoundImage {
    /// The class of an image that has one.
    fn class(&self) -> &str {
        self.labels.first().map_or("", String::as_str)
    }
}

/// The images under a path, by the layout that it has.
fn find(path: &Path, options: &OpenOptions) -> Result<Found, DataError> {
    if !(options.test_share > 0.0 && options.test_share < 1.0) {
        return Err(DataError::TestShare { given: options.test_share });
    }
    let kind = fs::metadata(path).map_err(|error| DataError::io(path, error))?;
    if kind.is_dir() {
        folders::find(path, options)
    } else if table::is_table(path) {
        table::find(path)
    } else {
        Err(DataError::NotATable { path: path.to_path_buf() })
    }
}

/// All images below a folder, at any depth, sorted by path; hidden files and litter are passed over.
///
/// # Errors
/// When the path does not exist, is no folder, or a folder below it cannot be read.
pub fn list_images(path: &Path) -> Result<Vec<PathBuf>, DataError> {
    let folder = walk::Entry { name: String::new(), path: path.to_path_buf() };
    let mut images = walk::images_below(&folder, &mut walk::Seen::default())?;
    images.sort();
    Ok(images.into_iter().map(|image| image.path).collect())
}
