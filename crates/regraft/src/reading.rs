//! The first half of every fit: a data set, and what the frozen network makes of its images.

use std::path::PathBuf;

use regraft_data::{Dataset, Note, Split};
use regraft_run::{EnginePlan, Event, FORMAT, Reason, RunFile, RunFolder, Skipped};
use regraft_train::{Extracted, FeatureStore, Flow, LookStore, Trunk, extract, extract_seen};
use regraft_zoo::DEFAULT;

use crate::audit::{Audited, Fresh};
use crate::features::{Source, source};
use crate::journal::{Log, Rows};
use crate::notes::Words;
use crate::plan::{images, split_origin};
use crate::precision::{Ready, ready};
use crate::{Error, FitOptions, Loaded, Progress, VERSION, load};

/// A data set and what the frozen network made of it.
pub(crate) struct Read {
    pub(crate) dataset: Dataset,
    pub(crate) loaded: Loaded,
    pub(crate) source: Source,
    pub(crate) engine: EnginePlan,
    /// Why the network runs in that precision.
    pub(crate) precision: Reason,
    pub(crate) extracted: Extracted,
    pub(crate) skipped: Vec<Skipped>,
    pub(crate) audited: Option<Audited>,
    /// Seconds that features took.
    pub(crate) seconds: f64,
}

/// What the classes of a data set are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Classes {
    /// What is to be told apart.
    Classes,
    /// Sets of labels: few images of one are no fault.
    LabelSets,
}

/// Makes the run folder, and says that a fit has begun.
pub(crate) fn begin(
    options: &FitOptions,
    folder: Option<&RunFolder>,
    log: &Log<'_>,
) -> Result<(), Error> {
    check_folder(options, folder)?;
    log.event(Event::Started {
        format: FORMAT,
        regraft_version: VERSION.to_owned(),
        strategy: options.strategy.name().to_owned(),
        seed: options.seed,
    });
    Ok(())
}

/// Loads the network and runs it once on each image; looks the data over where there is a run folder to tell of it.
/// Where images have several labels, each set of them is a class of the data set here.
pub(crate) fn read(
    options: &FitOptions,
    mut dataset: Dataset,
    are: Classes,
    folder: Option<&RunFolder>,
    log: &Log<'_>,
) -> Result<Read, Error> {
    let observer = log.observer;
    let name = options.network.as_deref().unwrap_or(DEFAULT);
    let loaded = load(name, &options.load, observer)?;
    let source = source(&loaded.network, options)?;
    let files: Vec<PathBuf> = dataset.examples.iter().map(|e| e.path.clone()).collect();
    let Ready { trunk, plan: engine, reason: precision } = {
        let whole = (&loaded.network, source.cut.as_str());
        ready(&source.network, source.output()?, whole, options.precision, &files)?
    };
    // Only what makes a run looks its data over.
    let looks = match folder {
        Some(_) => Audited::looks(options, &dataset, log)?,
        None => None,
    };
    let (extracted, seconds) = extracted(options, &dataset, &trunk, looks.as_ref(), log)?;
    let skipped = skipped(&dataset, &extracted, log);
    let fresh = Fresh { extracted: &extracted, key: trunk.key(), width: source.cut_len() };
    let audited = looked_over(options, &mut dataset, are, looks.as_ref(), &fresh, log)?;
    Ok(Read { dataset, loaded, source, engine, precision, extracted, skipped, audited, seconds })
}

/// Makes the run folder, and refuses one that holds a run on other data.
pub(crate) fn check_folder(options: &FitOptions, folder: Option<&RunFolder>) -> Result<(), Error> {
    let Some(folder) = folder else { return Ok(()) };
    folder.make()?;
    if folder.file(RunFile::Plan).is_file() {
        let (there, asked) = (folder.plan()?.data.root, options.data.display().to_string());
        let full = |p: &str| std::path::absolute(p).unwrap_or_else(|_| p.into());
        if full(&there) != full(&asked) {
            return Err(Error::OtherRun { path: folder.path().to_owned(), there, asked });
        }
    }
    Ok(())
}

impl Classes {
    /// What one of them is called.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Classes => "class",
            Self::LabelSets => "label",
        }
    }
}

/// Tells of the images, with the names of what they are.
pub(crate) fn tell_data(
    options: &FitOptions,
    dataset: &Dataset,
    are: Classes,
    classes: &[String],
    log: &Log<'_>,
) {
    let root = options.data.display().to_string();
    let images = images(dataset);
    log.observer.tell(&Progress::Data {
        root: &root,
        classes,
        images: &images,
        labels: are == Classes::LabelSets,
        split_origin: &split_origin(dataset, are),
    });
    let words = Words::new(&options.data, dataset);
    for note in &dataset.notes {
        log.observer.tell(&Progress::Note(&words.of(note)));
    }
    log.event(Event::DataFound { root, classes: classes.len(), images });
}

/// The features of all images, and the seconds they took; with a store for them, looks at the pictures too.
pub(crate) fn extracted(
    options: &FitOptions,
    dataset: &Dataset,
    trunk: &Trunk,
    looks: Option<&LookStore>,
    log: &Log<'_>,
) -> Result<(Extracted, f64), Error> {
    let before = log.seconds();
    let folder = options.load.cache()?.root().join("features");
    let mut store = FeatureStore::open(&folder, trunk.key(), trunk.feature_len())?;
    let files: Vec<PathBuf> = dataset.examples.iter().map(|e| e.path.clone()).collect();
    let total = files.len();
    let progress = |done| {
        log.observer.tell(&Progress::Features { done, total });
        if log.observer.stop() { Flow::Stop } else { Flow::Continue }
    };
    let extracted = match looks {
        Some(looks) => extract_seen(trunk, &files, &mut store, looks, &progress)?,
        None => extract(trunk, &files, Some(&mut store), &progress)?,
    };
    let seconds = log.seconds() - before;
    let (computed, cached) = (extracted.computed, extracted.cached);
    log.event(Event::FeaturesDone { computed, cached, seconds });
    log.observer.tell(&Progress::FeaturesDone { computed, cached, seconds });
    Ok((extracted, seconds))
}

/// The audit; without one, exact copies are told.
fn looked_over(
    options: &FitOptions,
    dataset: &mut Dataset,
    are: Classes,
    looks: Option<&LookStore>,
    fresh: &Fresh<'_>,
    log: &Log<'_>,
) -> Result<Option<Audited>, Error> {
    if let Some(looks) = looks {
        return Ok(Some(Audited::new(options, dataset, are, looks, fresh, log)?));
    }
    let words = Words::new(&options.data, dataset);
    for note in copies(dataset, fresh.extracted) {
        log.observer.tell(&Progress::Note(&words.of(&note)));
        dataset.notes.push(note);
    }
    Ok(None)
}

/// Exact copies that spoil what is measured, which the feature store shows for nothing.
fn copies(dataset: &Dataset, extracted: &Extracted) -> Vec<Note> {
    let (mut tested, mut labels) = (Vec::new(), Vec::new());
    for (i, first) in extracted.firsts().into_iter().enumerate().filter(|(i, first)| i != first) {
        let (one, other) = (&dataset.examples[first], &dataset.examples[i]);
        let words = format!("{} = {}", other.name, one.name);
        if one.label != other.label {
            labels.push(words);
        } else if (one.split == Split::Test) != (other.split == Split::Test) {
            tested.push(words);
        }
    }
    let mut notes = Vec::new();
    if !tested.is_empty() {
        notes.push(Note::TestedCopies { copies: tested, audited: false });
    }
    if !labels.is_empty() {
        notes.push(Note::TwoLabels { copies: labels, audited: false });
    }
    notes
}

/// Files that could not be used, by name, and told.
fn skipped(dataset: &Dataset, extracted: &Extracted, log: &Log<'_>) -> Vec<Skipped> {
    let mut skipped = Vec::new();
    for failed in &extracted.failed {
        let file = dataset.examples[failed.index].name.clone();
        let reason = format!("left out: {}", reason(&failed.error));
        log.observer.tell(&Progress::File { file: &file, reason: &reason });
        log.event(Event::SkippedFile { file: file.clone(), reason: reason.clone() });
        skipped.push(Skipped { file, reason });
    }
    skipped
}

/// The innermost cause, which says what is wrong without the path in front.
pub(crate) fn reason(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

/// The examples with features, train (with validation) and test. `is` says whether an example is of a class.
pub(crate) fn usable(
    dataset: &Dataset,
    classes: &[String],
    is: &dyn Fn(usize, usize) -> bool,
    extracted: &Extracted,
    skipped: &[Skipped],
) -> Result<Rows, Error> {
    let failed: Vec<usize> = extracted.failed.iter().map(|f| f.index).collect();
    let of = |test: bool| -> Vec<usize> {
        (0..dataset.examples.len())
            .filter(|i| (dataset.examples[*i].split == Split::Test) == test)
            .collect()
    };
    let good = |rows: &[usize]| -> Vec<usize> {
        rows.iter().copied().filter(|i| failed.binary_search(i).is_err()).collect()
    };
    let (all_train, all_test) = (of(false), of(true));
    let rows = Rows { train: good(&all_train), test: good(&all_test) };
    for (label, class) in classes.iter().enumerate() {
        let of_class = |i: &&usize| is(**i, label);
        if rows.train.iter().any(|i| of_class(&i)) {
            continue;
        }
        let first = all_train.iter().find(of_class);
        let first = first.map_or("", |i| dataset.examples[*i].name.as_str());
        return Err(Error::ClassUnreadable {
            class: class.clone(),
            images: all_train.iter().filter(of_class).count(),
            file: first.to_owned(),
            reason: reason_of(skipped, first),
        });
    }
    if rows.test.is_empty() {
        let Some(first) = all_test.first() else { return Err(Error::NothingToTest) };
        let file = dataset.examples[*first].name.clone();
        let reason = reason_of(skipped, &file);
        return Err(Error::NoTestImages { images: all_test.len(), file, reason });
    }
    Ok(rows)
}

fn reason_of(skipped: &[Skipped], file: &str) -> String {
    skipped.iter().find(|s| s.file == file).map_or_else(String::new, |s| s.reason.clone())
}
