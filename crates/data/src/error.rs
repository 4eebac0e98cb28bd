//! What can go wrong between a path and a network's input.

use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};

use crate::find::{Split, listed};
use crate::{Area, DecodeError, MAX_SIDE};

/// Why a data set, a file or a picture could not be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// There is nothing at this path.
    #[error("no file or folder `{}`: check the spelling and the folder you are in", path.display())]
    Missing {
        /// The path as given.
        path: PathBuf,
    },
    /// The file system refuses.
    #[error("no permission to read `{}`: change its permissions or run as its owner", path.display())]
    Permission {
        /// The file or folder that cannot be read.
        path: PathBuf,
    },
    /// Reading failed.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The share of images drawn for the test is not between 0 and 1.
    #[error("the test share is {given}; it must lie between 0 and 1, for instance 0.2")]
    TestShare {
        /// The share as given.
        given: f64,
    },
    /// A file that is no table was given as a data set.
    #[error(
        "`{}` is a file; give a folder of class folders, or a table `*.csv` with the columns \
         `path,label`", path.display()
    )]
    NotATable {
        /// The file.
        path: PathBuf,
    },
    /// A folder holds images but nothing that says their classes.
    #[error(
        "`{}` holds no class folders, no `train` folder of class folders and no table `*.csv` with \
         the columns `path,label`; it holds {images} images directly and {} with images; put the \
         images of each class into a folder named after the class",
        path.display(), listed(folders, "folder", "folders")
    )]
    NoLayout {
        /// The folder.
        path: PathBuf,
        /// Images directly in it.
        images: usize,
        /// Folders in it that hold images.
        folders: Vec<String>,
    },
    /// `train`, `test` and so on are there but hold no class folders.
    #[error(
        "`{}` holds {} without class folders: the images have no classes; put the images of each \
         class into a folder named after it, such as `{}/CLASS/`, or add a table `*.csv` with the \
         columns `path,label,split`",
        path.display(), listed(folders, "folder", "folders"), folders.first().map_or("train", |f| f)
    )]
    SplitsWithoutClasses {
        /// The data set's folder.
        path: PathBuf,
        /// The split folders.
        folders: Vec<String>,
    },
    /// Two folders mean the same split.
    #[error("`{}` and `{}` are both the {split} split; merge them or rename one", first.display(), second.display())]
    SplitTwice {
        /// The split.
        split: Split,
        /// One folder.
        first: PathBuf,
        /// The other.
        second: PathBuf,
    },
    /// No images anywhere.
    #[error(
        "no images under `{}`; looked for files that end in jpg, jpeg, jpe, jfif, png, webp, bmp, \
         dib, tif, tiff or gif; found {others} other files",
        path.display()
    )]
    NoImages {
        /// The folder or table.
        path: PathBuf,
        /// Files that are no images.
        others: usize,
    },
    /// All images are of one class.
    #[error(
        "only one class, `{class}`; a classifier needs two or more{}",
        inner.as_ref().map_or_else(String::new, |p| format!(
            ": the class folders seem to lie one level deeper, did you mean `{}`?", p.display()))
    )]
    OneClass {
        /// The class.
        class: String,
        /// A folder below that looks like the data set that was meant.
        inner: Option<PathBuf>,
    },
    /// Some classes have no image to learn from.
    #[error(
        "no training image for {}, only images in other splits: add some to the training split, or \
         take the class out of the others{}",
        listed(classes, "class", "classes"),
        similar.as_ref().map_or_else(String::new, |(class, known)| format!(
            "; is `{class}` another spelling of `{known}`?"))
    )]
    Untrained {
        /// The classes, sorted.
        classes: Vec<String>,
        /// One of them and a class with training images whose name differs only in case or in
        /// spaces around it.
        similar: Option<(String, String)>,
    },
    /// A folder's name cannot be a class name.
    #[error("the name of the folder `{}` is not valid UTF-8; rename it", path.display())]
    FolderName {
        /// The folder.
        path: PathBuf,
    },
    /// Several tables could be the one that is meant.
    #[error(
        "{} could each be the table of images; give the path of the one you mean",
        listed(tables, "file", "files")
    )]
    SeveralTables {
        /// Their names.
        tables: Vec<String>,
    },
    /// The table lacks a column.
    #[error(
        "`{}`, line 1: no column `{wanted}` (also accepted: {}); the columns are: {}",
        table.display(), accepted.join(", "), found.join(", ")
    )]
    TableColumn {
        /// The table.
        table: PathBuf,
        /// The column's usual name.
        wanted: &'static str,
        /// Other names it may have.
        accepted: &'static [&'static str],
        /// The columns that are there.
        found: Vec<String>,
    },
    /// A cell of the table is missing or empty.
    #[error("`{}`, line {line}: nothing in the column `{column}`", table.display())]
    TableCell {
        /// The table.
        table: PathBuf,
        /// The line, from 1.
        line: u64,
        /// The column's name in the file.
        column: String,
    },
    /// A cell names no split.
    #[error(
        "`{}`, line {line}: `{given}` is no split; write train, val (valid, validation) or test",
        table.display()
    )]
    TableSplit {
        /// The table.
        table: PathBuf,
        /// The line, from 1.
        line: u64,
        /// The cell.
        given: String,
    },
    /// The table is not UTF-8.
    #[error("`{}`, line {line}: not valid UTF-8; save the table as UTF-8", table.display())]
    TableText {
        /// The table.
        table: PathBuf,
        /// The line, from 1.
        line: u64,
    },
    /// The table cannot be read as CSV.
    #[error("`{}` cannot be read as a CSV table", table.display())]
    TableSyntax {
        /// The table.
        table: PathBuf,
        /// What the reader says.
        source: csv::Error,
    },
    /// The table is too large.
    #[error("`{}` has {bytes} bytes; the largest table that is read has {most}", table.display())]
    TableSize {
        /// The table.
        table: PathBuf,
        /// Its bytes.
        bytes: u64,
        /// The most.
        most: u64,
    },
    /// One image has two labels or two splits.
    #[error(
        "`{}`, line {line}: `{name}` has another label or split than in line {first}; keep one of them, \
         or write all its labels in one line with `|` between them",
        table.display()
    )]
    TableConflict {
        /// The table.
        table: PathBuf,
        /// The image as the table names it.
        name: String,
        /// Where it came first.
        first: u64,
        /// Where it came again.
        line: u64,
    },
    /// A cell of a column of yes and no is neither.
    #[error(
        "`{}`, line {line}: `{column}` is -1 there: write 1 or 0, or leave the line out until it is known",
        table.display()
    )]
    TableUnsure {
        /// The table.
        table: PathBuf,
        /// The line, from 1.
        line: u64,
        /// The column.
        column: String,
    },
    /// Images have several labels, or none, where one class each is needed.
    #[error(
        "`{}`: the images may have several labels (`{image}` has {}); this takes one class an image, \
         `regraft fit`, `advise`, `compare`, `audit`, `predict` and `evaluate` take several labels",
        path.display(),
        listed(labels, "label", "labels")
    )]
    SeveralLabels {
        /// The data.
        path: PathBuf,
        /// An image that has not one label.
        image: String,
        /// Its labels.
        labels: Vec<String>,
    },
    /// Images of the table do not exist.
    #[error(
        "`{}` names {count} files that do not exist: {}{}; paths are relative to the table's folder",
        table.display(),
        first.iter().map(|(line, path)| format!("`{path}` (line {line})")).collect::<Vec<_>>().join(", "),
        if *count > first.len() { ", ..." } else { "" }
    )]
    TableImages {
        /// The table.
        table: PathBuf,
        /// How many are missing.
        count: usize,
        /// The first five: line and path as written.
        first: Vec<(u64, String)>,
    },
    /// A file could not be decoded.
    #[error("`{}`: {source}", path.display())]
    Decode {
        /// The file.
        path: PathBuf,
        /// Why.
        source: DecodeError,
    },
    /// A picture is not what its size says.
    #[error(
        "a picture of {width} x {height} pixels with {given} bytes: it needs 3 bytes a pixel and \
         sides of 1 to {MAX_SIDE}"
    )]
    PictureLength {
        /// Pixels a row.
        width: usize,
        /// Rows.
        height: usize,
        /// Bytes that are there.
        given: usize,
    },
    /// The buffer for the network's input has the wrong length.
    #[error("the input buffer holds {given} values; [3, {}, {}] are needed", crop[0], crop[1])]
    InputLength {
        /// Values that are there.
        given: usize,
        /// The card's crop, `[height, width]`.
        crop: [usize; 2],
    },
    /// The card asks for an empty or an absurdly large picture.
    #[error(
        "cannot resize to {} x {} and crop to {} x {} (height x width); correct the card",
        resized[0], resized[1], crop[0], crop[1]
    )]
    InputSize {
        /// `[height, width]` before the crop.
        resized: [usize; 2],
        /// `[height, width]` of the crop.
        crop: [usize; 2],
    },
    /// The resizer refused.
    #[error("cannot resize the picture")]
    Resize {
        /// Why.
        source: Box<dyn Error + Send + Sync>,
    },
    /// An area reaches beyond the picture.
    #[error(
        "the area of {} x {} pixels at row {} and column {} does not lie in a picture of \
         {height} x {width} (height x width)", area.height, area.width, area.top, area.left
    )]
    AreaOutside {
        /// The area.
        area: Area,
        /// The picture's rows.
        height: usize,
        /// The picture's columns.
        width: usize,
    },
    /// A word names no augmentation.
    #[error("no augmentation `{given}`; there are {}", known.join(", "))]
    AugmentWord {
        /// The word.
        given: String,
        /// The words that are known.
        known: Vec<String>,
    },
    /// An augmentation has no number of this name.
    #[error(
        "`{step}` has no `{given}`; {}",
        if known.is_empty() { "it takes no numbers".into() } else { format!("it has {}", known.join(", ")) }
    )]
    AugmentField {
        /// The augmentation's word.
        step: &'static str,
        /// The name.
        given: String,
        /// The names that are known.
        known: Vec<String>,
    },
    /// A number of an augmentation is out of its range.
    #[error("`{step}`: `{field}` is `{given}`; it must be {wanted}")]
    AugmentValue {
        /// The augmentation's word.
        step: &'static str,
        /// The number's name.
        field: &'static str,
        /// The value.
        given: String,
        /// What it may be.
        wanted: String,
    },
    /// An augmentation stands where it cannot work.
    #[error("`{step}` must be the {wanted} step: {reason}")]
    AugmentOrder {
        /// The augmentation's word.
        step: &'static str,
        /// Where it must stand.
        wanted: &'static str,
        /// Why.
        reason: &'static str,
    },
    /// A batch does not hold whole inputs.
    #[error("a batch of {given} values; [N, 3, {}, {}] is needed", crop[0], crop[1])]
    BatchLength {
        /// Values that are there.
        given: usize,
        /// The card's crop, `[height, width]`.
        crop: [usize; 2],
    },
    /// A label is no class.
    #[error("the label {label} is no class; there are {classes}, counted from 0")]
    Label {
        /// The label.
        label: usize,
        /// How many classes there are.
        classes: usize,
    },
    /// Two lists that must be about the same files have different lengths.
    #[error("{given} {what} are given; {wanted} are needed")]
    AuditLength {
        /// What the list holds.
        what: &'static str,
        /// Its length.
        given: usize,
        /// The length needed.
        wanted: usize,
    },
    /// A pattern for groups cannot be used.
    #[error("the pattern `{pattern}` for groups cannot be used: {reason}")]
    GroupPattern {
        /// The pattern.
        pattern: String,
        /// What is wrong with it and what to do.
        reason: &'static str,
    },
    /// All of a class belongs together, so it cannot be both trained on and tested.
    #[error(
        "all {files} files of class {class} are one group: they cannot be both trained on and tested; \
         give more groups of this class, a finer pattern for groups, or leave the class out"
    )]
    ClassInOneGroup {
        /// The class, counted from 0.
        class: usize,
        /// Its files.
        files: usize,
    },
    /// Groups hang together so that no split has every class on both sides.
    #[error(
        "no split was found that keeps groups whole and has class {class} on both sides; give more \
         groups of this class or a finer pattern for groups"
    )]
    NoGroupSplit {
        /// The class, counted from 0.
        class: usize,
    },
    /// A row of probabilities is none.
    #[error("row {row} of the probabilities holds {given}; each must be 0 to 1 and finite")]
    Probability {
        /// The row, from 0.
        row: usize,
        /// The value.
        given: f32,
    },
    /// A thumbnail or a preview could not be stored.
    #[error("cannot store the picture as JPEG or PNG")]
    Thumbnail {
        /// Why.
        source: image::ImageError,
    },
}

impl DataError {
    /// The error for a failed read of `path`.
    pub(crate) fn io(path: &Path, source: io::Error) -> Self {
        let path = path.to_path_buf();
        if source.kind() == io::ErrorKind::NotFound {
            Self::Missing { path }
        } else if source.kind() == io::ErrorKind::PermissionDenied {
            Self::Permission { path }
        } else {
            Self::Read { path, source }
        }
    }
}
