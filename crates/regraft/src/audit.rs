//! What is wrong with a data set: files, copies, leaks, groups, labels, and what it does to the accuracy.

use std::collections::BTreeMap;
use std::path::PathBuf;

use regraft_data::audit::duplicates;
use regraft_data::{Dataset, MultiLabel, OpenOptions, Opened, Split};
use regraft_train::LookStore;
use serde::Serialize;

use crate::zoo::Overlap;
use crate::{Error, LoadOptions, Observer};

mod features;
mod fitted;
mod looked;
mod page;
mod sets;
mod tell;

use features::Measured;
pub(crate) use fitted::{Audited, Fresh, Judged};
use looked::Looked;
pub(crate) use page::of_run;

/// What is asked for.
#[derive(Debug, Clone)]
pub struct AuditOptions {
    /// Folder of class folders, folder with `train/` and a test part, or CSV table.
    pub data: PathBuf,
    /// Network whose features find altered copies and wrong labels; none takes the default.
    pub network: Option<String>,
    /// Look at the files only: no network, so no wrong labels and no accuracy.
    pub files_only: bool,
    /// What of a file's name says which files belong together: a regular expression with a group.
    pub group_by: Option<String>,
    /// Seed of splits and folds.
    pub seed: u64,
    /// Share of each class kept for testing when the data has no split of its own.
    pub test_share: f64,
    /// Where the page with pictures goes.
    pub report: Option<PathBuf>,
    /// Where the list of files to drop goes.
    pub fix_list: Option<PathBuf>,
    /// Where weights may come from; its cache folder also holds the features.
    pub load: LoadOptions,
}

impl AuditOptions {
    /// No option set.
    pub fn new(data: impl Into<PathBuf>) -> Self {
        Self {
            data: data.into(),
            network: None,
            files_only: false,
            group_by: None,
            seed: 0,
            test_share: 0.2,
            report: None,
            fix_list: None,
            load: LoadOptions::default(),
        }
    }
}

/// A file that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UnreadableFile {
    /// Its name below the folder.
    pub file: String,
    /// Why.
    pub reason: String,
}

/// Two files that show the same.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CopyPair {
    /// Both, the one to learn from first where they are in different splits.
    pub files: [String; 2],
    /// `bytes`, `pixels`, `near` or `mirrored`.
    pub kind: &'static str,
    /// How alike they are, 0.9 to 1.
    pub similarity: f32,
    /// Their classes.
    pub classes: [String; 2],
    /// Their splits.
    pub splits: [&'static str; 2],
}

/// What file names tell of files that belong together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NamedGroups {
    /// A regular expression whose group `group` (or first group) names them, for `--group-by`.
    pub pattern: String,
    /// The same for people.
    pub shown: String,
    /// How many groups there are.
    pub count: usize,
    /// Files in one.
    pub files: usize,
    /// Groups with files in more than one split.
    pub across_splits: usize,
    /// Whether a word in the names says so, or the person who asked; else only their make does.
    pub said: bool,
}

/// A label that is likely wrong.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LabelSuspect {
    /// The file.
    pub file: String,
    /// Its label.
    pub label: String,
    /// What a model that has not learned from it takes it for.
    pub suggested: String,
    /// Probability of its label, 0 to 1.
    pub probability: f32,
    /// Probability of the label less that of the suggested class, -1 to 1; the list is ordered by it.
    pub margin: f32,
    /// Whether the model is as sure as it usually is of files that bear the suggested label.
    pub confident: bool,
}

/// One thing that is wrong, or may be.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AuditFinding {
    /// What: `unreadable`, `conflict`, `leak`, `copies`, `tiny_class`, `blurred` and others.
    pub kind: &'static str,
    /// The files it is about.
    pub files: Vec<String>,
    /// The class it is about.
    pub class: Option<String>,
    /// How much of it there is.
    pub figure: f64,
    /// What the others have.
    pub usual: Option<f64>,
    /// Why it matters.
    pub why: &'static str,
    /// What to do.
    pub advice: &'static str,
}

/// What leaks do to the accuracy that a probe is measured with.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LeakEffect {
    /// Test images, and how many of them are right.
    pub test: [usize; 2],
    /// The same without those that have a copy among the training images.
    pub without_leaks: [usize; 2],
    /// Share right on all test images, 0..=1.
    pub top1: f64,
    /// Share right on those without a copy; none when all have one.
    pub top1_without_leaks: Option<f64>,
}

/// All that an audit found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Audit {
    /// The data.
    pub data: String,
    /// Files with a picture's ending.
    pub images: usize,
    /// How many classes there are, or labels.
    pub classes: usize,
    /// Whether images have several labels, or none: then `classes` are labels.
    pub several_labels: bool,
    /// Files of each class, or with each label, by split.
    pub class_counts: Vec<ClassCount>,
    /// Who decided what is tested.
    pub split_origin: String,
    /// Files that cannot be used.
    pub unreadable: Vec<UnreadableFile>,
    /// Files that show the same, each set once.
    pub duplicates: Vec<Vec<String>>,
    /// Copies with different labels, each set once.
    pub conflicts: Vec<Vec<String>>,
    /// Copies in different splits: the one to learn from, the one to test with.
    pub leaks: Vec<[String; 2]>,
    /// All pairs of copies.
    pub pairs: Vec<CopyPair>,
    /// What file names tell of files that belong together, the likeliest first.
    pub groups: Vec<NamedGroups>,
    /// Labels that are likely wrong, the likeliest first.
    pub label_suspects: Vec<LabelSuspect>,
    /// How many labels are wrong, estimated (Northcutt et al. 2021).
    pub labels_wrong: Option<f64>,
    /// Everything found, the gravest first.
    pub findings: Vec<AuditFinding>,
    /// What leaks do to the accuracy.
    pub effect: Option<LeakEffect>,
    /// Which classes the network's own task has too.
    pub overlap: Option<Overlap>,
    /// The network whose features were used.
    pub network: Option<String>,
    /// What could not be looked at, and why.
    pub notes: Vec<String>,
    /// The split of each file.
    #[serde(skip)]
    pub splits: BTreeMap<String, Split>,
}

impl Audit {
    /// Two files that are copies, by their names in any order.
    pub fn pair(&self, a: &str, b: &str) -> Option<&CopyPair> {
        let same = |p: &&CopyPair| {
            p.files[0] == a && p.files[1] == b || p.files[0] == b && p.files[1] == a
        };
        self.pairs.iter().find(same)
    }
}

/// Files of a class.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ClassCount {
    /// The class.
    pub class: String,
    /// Files to learn from.
    pub train: usize,
    /// Files to choose with.
    pub val: usize,
    /// Files to test with.
    pub test: usize,
}

/// Everything of an audit before it is put in words.
struct Found<'a> {
    dataset: &'a Dataset,
    /// The same where images have several labels; each set of them is a class of `dataset`.
    several: Option<&'a MultiLabel>,
    looked: &'a Looked,
    measured: Option<Measured>,
    notes: Vec<String>,
}

/// Where looks at pictures, and pairs of copies, are kept.
fn folders(load: &LoadOptions) -> Result<[PathBuf; 2], Error> {
    let cache = load.cache()?;
    Ok(["features", "audit"].map(|name| cache.root().join(name)))
}

/// Looks a data set over: files that cannot be read, copies within classes, across classes and across
/// splits, groups that must not be split, odd pictures, labels that are likely wrong. Deletes nothing.
///
/// # Errors
/// When the data cannot be opened, the pattern for groups is none, or something cannot be written.
pub fn audit(options: &AuditOptions, observer: &dyn Observer) -> Result<Audit, Error> {
    let open = OpenOptions {
        test_share: options.test_share,
        seed: options.seed,
        ..OpenOptions::default()
    };
    let (dataset, several) = match Opened::open(&options.data, &open)? {
        Opened::Classes(dataset) => (dataset, None),
        Opened::Labels(data) => (data.by_set(), Some(data)),
    };
    let groups = looked::groups(options.group_by.as_deref(), &dataset)?;
    let (seen, looks, pairs) = if options.files_only {
        let looks = looked::fresh(&dataset, observer);
        if observer.stop() {
            return Err(Error::Interrupted);
        }
        let pairs = duplicates(&looks, None)?;
        (None, looks, pairs)
    } else {
        let [looks, copies] = folders(&options.load)?;
        let store = LookStore::open(&looks)?;
        let seen = features::seen(options, &dataset, &store, observer)?;
        let looks = looked::taken(&store, &dataset, &seen.extracted)?;
        let pairs = looked::pairs(&copies, &looks, Some(&seen.proposing()))?;
        (Some(seen), looks, pairs)
    };
    let mut looked = Looked::new(&dataset, looks, pairs, groups)?;
    if several.is_some() {
        looked.without_classes();
    }
    let mut notes: Vec<String> = dataset.notes.iter().map(ToString::to_string).collect();
    notes.extend(looked.notes.iter().cloned());
    let measured = match (seen, &several) {
        (None, _) => None,
        (Some(seen), None) => {
            Some(features::measured(options, &dataset, &seen, &looked, &mut notes)?)
        }
        (Some(seen), Some(data)) => {
            Some(sets::measured(data, &dataset, &seen, &looked, &mut notes)?)
        }
    };
    let several = several.as_ref();
    let found = Found { dataset: &dataset, several, looked: &looked, measured, notes };
    let audit = tell::audit(&found)?;
    if let Some(path) = &options.report {
        page::write(path, &audit, &dataset)?;
    }
    if let Some(path) = &options.fix_list {
        regraft_run::atomic_write(path, tell::fix_list(&audit).as_bytes())?;
    }
    Ok(audit)
}
