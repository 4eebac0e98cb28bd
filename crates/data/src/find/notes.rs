//! What a person should know about a data set.

use std::collections::BTreeMap;
use std::fmt;

use super::Split;
use crate::Format;

/// Names spelled out before the rest is counted.
const SPELLED_OUT: usize = 5;

/// One thing a person should know about a data set. The words are its `Display`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Note {
    /// Files that are no images by their extension.
    IgnoredFiles {
        /// Files by extension in lower case without dot, empty for none.
        by_extension: BTreeMap<String, usize>,
    },
    /// Images that lie beside the class folders, so that nothing tells their class.
    LooseImages {
        /// Their names.
        images: Vec<String>,
    },
    /// Folders where class folders are expected, without any image.
    EmptyFolders {
        /// Their names.
        folders: Vec<String>,
    },
    /// Folders beside `train` and the other splits; not used.
    IgnoredFolders {
        /// Their names.
        folders: Vec<String>,
    },
    /// A split folder without class folders; not used.
    SplitWithoutClasses {
        /// Its name.
        folder: String,
        /// Images directly in it.
        images: usize,
    },
    /// A table beside class folders; not used.
    IgnoredTables {
        /// Their names.
        tables: Vec<String>,
    },
    /// Links that lead nowhere.
    BrokenLinks {
        /// Their names.
        links: Vec<String>,
    },
    /// Folders that links reach a second time within a class (or for ever); read once.
    RepeatedFolders {
        /// Their names.
        folders: Vec<String>,
    },
    /// Images to test with that are the very files of images to learn from.
    TestedCopies {
        /// Their names, each with the one to learn from.
        copies: Vec<String>,
        /// Whether altered copies were searched too.
        audited: bool,
    },
    /// Images that are the very same file with different labels.
    TwoLabels {
        /// Their names, each with the other.
        copies: Vec<String>,
        /// Whether altered copies were searched too.
        audited: bool,
    },
    /// Groups of files that names tell, with files both to learn from and to test with.
    GroupsAcross {
        /// A regular expression that names them, for `--group-by`.
        pattern: String,
        /// Their names.
        groups: Vec<String>,
    },
    /// Files with labels that a head contradicts which has not learned from them.
    WrongLabels {
        /// Their names with what they look like, the surest first.
        files: Vec<String>,
    },
    /// Images have several labels, listed in one column.
    LabelLists {
        /// The column.
        column: String,
        /// What stands between labels.
        by: String,
    },
    /// Columns of a table were taken for labels: they hold nothing but yes and no.
    LabelColumns {
        /// Those columns.
        columns: Vec<String>,
        /// Other columns, not used.
        others: Vec<String>,
    },
    /// Labels that every training image has.
    AlwaysLabels {
        /// The labels.
        labels: Vec<String>,
    },
    /// Lines of a table that repeat another; used once.
    RepeatedRows {
        /// How many.
        count: usize,
        /// The first of them, from 1.
        line: u64,
    },
    /// There is no test split, so the validation split is the test set.
    ValIsTest {
        /// The words of the validation split, as written.
        names: Vec<String>,
    },
    /// Classes without an image in a split that others have.
    MissingFromSplit {
        /// The split.
        split: Split,
        /// The classes.
        classes: Vec<String>,
    },
    /// Classes of a single image: it is trained on, nothing of the class is tested.
    SingleImage {
        /// The classes.
        classes: Vec<String>,
    },
    /// Classes with two to four training images.
    TinyClasses {
        /// The classes and their training images.
        classes: BTreeMap<String, usize>,
    },
    /// A few files have another format than nearly all, by extension: a network may learn the
    /// format instead of the class.
    OddFormat {
        /// The format of nearly all.
        usual: Format,
        /// The names of the others.
        others: Vec<String>,
    },
}

/// What is said where only exact copies were searched.
const ALTERED_TOO: &str = "; `regraft audit` names altered copies too";

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::IgnoredFiles { by_extension } => write_ignored(f, by_extension),
            Self::LooseImages { images } => write!(
                f,
                "{} outside of the class folders ignored: nothing tells the class",
                listed(images, "image", "images")
            ),
            Self::EmptyFolders { folders } => {
                write!(f, "{} without any image ignored", listed(folders, "folder", "folders"))
            }
            Self::IgnoredFolders { folders } => {
                write!(f, "{} beside the splits ignored", listed(folders, "folder", "folders"))
            }
            Self::SplitWithoutClasses { folder, images } => write!(
                f,
                "folder `{folder}` ignored: it holds {images} images directly but no class folders"
            ),
            Self::IgnoredTables { tables } => {
                write!(f, "{} ignored: there are class folders", listed(tables, "table", "tables"))
            }
            Self::BrokenLinks { links } => {
                write!(f, "{} that leads nowhere ignored", listed(links, "link", "links"))
            }
            Self::RepeatedFolders { folders } => write!(
                f,
                "{} reached again through links, read once",
                listed(folders, "folder", "folders")
            ),
            Self::TestedCopies { copies, audited } => write!(
                f,
                "{} to test with that {} learned from: the accuracy is too high{}",
                listed(copies, "image", "images"),
                if copies.len() == 1 { "is" } else { "are" },
                if *audited { "" } else { ALTERED_TOO }
            ),
            Self::TwoLabels { copies, audited } => write!(
                f,
                "{} with two labels: one is wrong{}",
                listed(copies, "image", "images"),
                if *audited { "" } else { ALTERED_TOO }
            ),
            Self::GroupsAcross { pattern, groups } => write!(
                f,
                "{} on both sides of the split: the accuracy is likely too high; `--group-by '{pattern}'` keeps \
                 them on one side where the split is drawn",
                listed(groups, "group", "groups")
            ),
            Self::WrongLabels { files } => {
                write!(f, "{} that may be wrong", listed(files, "label", "labels"))
            }
            Self::LabelLists { column, by } => {
                write!(
                    f,
                    "images have several labels: `{column}` lists them with {by} between them"
                )
            }
            Self::LabelColumns { columns, others } => {
                let labels = listed(columns, "column that is a label", "columns that are labels");
                write!(f, "{labels}, with 1 for yes")?;
                if others.is_empty() {
                    return Ok(());
                }
                write!(f, "; {} not used", listed(others, "other column", "other columns"))
            }
            Self::AlwaysLabels { labels } => write!(
                f,
                "every training image has {}: nothing shows what its absence looks like",
                listed(labels, "label", "labels")
            ),
            Self::RepeatedRows { count, line } => {
                write!(f, "{count} repeated lines in the table used once, the first is line {line}")
            }
            Self::ValIsTest { names } => {
                write!(f, "no test split: {} is the test set", listed(names, "split", "splits"))
            }
            Self::MissingFromSplit { split, classes } => write!(
                f,
                "no image in the {split} split for {}: nothing is measured for them there",
                listed(classes, "class", "classes")
            ),
            Self::SingleImage { classes } => write!(
                f,
                "a single image for {}: it is trained on, nothing of the class is tested",
                listed(classes, "class", "classes")
            ),
            Self::TinyClasses { classes } => {
                let names: Vec<String> =
                    classes.iter().map(|(name, n)| format!("{name}: {n}")).collect();
                let classes = listed(&names, "class", "classes");
                write!(f, "fewer than five training images for {classes}: expect little")
            }
            Self::OddFormat { usual, others } => write!(
                f,
                "all files are {} but {}: a network may learn the format instead of the class",
                usual.name(),
                listed(others, "file", "files")
            ),
        }
    }
}

fn write_ignored(f: &mut fmt::Formatter<'_>, by: &BTreeMap<String, usize>) -> fmt::Result {
    let kinds: Vec<String> = by
        .iter()
        .map(|(extension, n)| match extension.as_str() {
            "" => format!("{n} without extension"),
            _ => format!("{n} .{extension}"),
        })
        .collect();
    let shown = kinds.iter().take(SPELLED_OUT).cloned().collect::<Vec<_>>().join(", ");
    let rest = kinds.len().saturating_sub(SPELLED_OUT);
    let count: usize = by.values().sum();
    let files = if count == 1 { "file that is no image" } else { "files that are no images" };
    write!(f, "{count} {files} ignored: {shown}")?;
    if rest > 0 { write!(f, " and {rest} more kinds") } else { Ok(()) }
}

/// "3 folders (`a`, `b`, `c`)" with at most five names.
pub(crate) fn listed(names: &[String], one: &str, many: &str) -> String {
    let mut shown: Vec<String> = names.iter().take(SPELLED_OUT).map(|n| format!("`{n}`")).collect();
    if names.len() > SPELLED_OUT {
        shown.push("...".into());
    }
    let word = if names.len() == 1 { one } else { many };
    if shown.is_empty() {
        return format!("no {many}");
    }
    format!("{} {word} ({})", names.len(), shown.join(", "))
}
