//! The main job: a folder of images becomes a tested classifier.

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use regraft_data::{Dataset, OpenOptions, Split};
use regraft_infer::Engine;
use regraft_probe::HeadKind;
use regraft_run::{Event, FORMAT, Reason, RunFile, RunFolder, Skipped, Summary};
use regraft_train::{Extracted, FeatureStore, Flow, Trunk, extract};
use regraft_zoo::DEFAULT;

use crate::features::{FeatureKind, choose, source};
use crate::plan::{images, split_origin};
use crate::write::{Finished, write};
use crate::{Error, LoadOptions, Observer, Progress, VERSION, load};

/// What a person asks for; every blank is filled by the plan, with a reason.
#[derive(Debug, Clone)]
pub struct FitOptions {
    /// Folder of class folders, folder with `train/` and a test part, or CSV table.
    pub data: PathBuf,
    /// Run folder; none takes [`default_run`].
    pub out: Option<PathBuf>,
    /// Network; none takes the default of the catalogue.
    pub network: Option<String>,
    /// Layer to cut at; none takes the card's.
    pub cut: Option<String>,
    /// What the head reads.
    pub features: FeatureKind,
    /// Kind of head.
    pub head: HeadKind,
    /// Seed of everything random.
    pub seed: u64,
    /// Share of each class kept for testing when the data has no split, between 0 and 1.
    pub test_share: f64,
    /// Where weights may come from; its cache folder also holds the features.
    pub load: LoadOptions,
}

impl FitOptions {
    /// No option set.
    pub fn new(data: impl Into<PathBuf>) -> Self {
        Self {
            data: data.into(),
            out: None,
            network: None,
            cut: None,
            features: FeatureKind::default(),
            head: HeadKind::Auto,
            seed: 0,
            test_share: 0.2,
            load: LoadOptions::default(),
        }
    }
}

/// Where a run goes when nobody says: `runs/NAME` after the data's name; when a finished run is
/// there, `runs/NAME-2` and so on.
pub fn default_run(data: &Path) -> PathBuf {
    let full = data.canonicalize().unwrap_or_else(|_| data.to_owned());
    let name = full.file_stem().map_or_else(|| "run".into(), |n| n.to_string_lossy().into_owned());
    let numbered = (2..).map(|i| format!("{name}-{i}"));
    std::iter::once(name.clone())
        .chain(numbered)
        .map(|n| Path::new("runs").join(n))
        .find(|path| !path.join(RunFile::Plan.name()).exists())
        .unwrap_or_else(|| Path::new("runs").join(name))
}

/// Which examples the head learns from and which test it, by their place in the data set.
pub(crate) struct Rows {
    pub(crate) train: Vec<usize>,
    pub(crate) test: Vec<usize>,
}

/// Fits a classifier: finds the images, runs the frozen network once on each, fits and calibrates a
/// linear head, tests it, and writes the run folder with its report.
///
/// Files that cannot be read are left out and named in the result. Interrupted, it leaves the run
/// folder as it was and keeps the features that are done: the same call goes on from there.
///
/// # Errors
/// When data, network or weights are not usable, or something cannot be written.
pub fn fit(options: &FitOptions, observer: &dyn Observer) -> Result<Summary, Error> {
    let started = observer.now();
    let log = Log::new(observer, started);
    // What is quickest to check comes first: data, folder, then weights.
    let open = OpenOptions { test_share: options.test_share, seed: options.seed };
    let dataset = Dataset::open(&options.data, &open)?;
    let folder = run_folder(options)?;
    log.event(Event::Started {
        format: FORMAT,
        regraft_version: VERSION.to_owned(),
        strategy: "probe".to_owned(),
        seed: options.seed,
    });
    tell_data(options, &dataset, &log);
    let name = options.network.as_deref().unwrap_or(DEFAULT);
    let loaded = load(name, &options.load, observer)?;
    let source = source(&loaded.network, options)?;
    let engine = Engine::compile(&source.network, &[source.output()?])?;
    let trunk = Trunk::new(&source.network, engine)?;
    let before = observer.now();
    let extracted = features(options, &dataset, &trunk, &log)?;
    let features_seconds = observer.now() - before;
    log.event(Event::FeaturesDone {
        computed: extracted.computed,
        cached: extracted.cached,
        seconds: features_seconds,
    });
    observer.tell(&Progress::FeaturesDone {
        computed: extracted.computed,
        cached: extracted.cached,
        seconds: features_seconds,
    });
    let skipped = skipped(&dataset, &extracted, &log);
    let rows = usable(&dataset, &extracted, &skipped)?;
    observer.tell(&Progress::Head);
    let before = observer.now();
    let chosen = choose(options, &dataset, &extracted, &source, &rows, &log)?;
    let fitted = &chosen.fitted;
    let head_seconds = observer.now() - before;
    log.event(Event::HeadDone {
        kind: fitted.method.name().to_owned(),
        penalty: fitted.penalty,
        temperature: f64::from(fitted.head.temperature),
        loo_top1: fitted.loo_top1,
        seconds: head_seconds,
    });
    if observer.stop() {
        return Err(Error::Interrupted);
    }
    let mut reasons = crate::plan::reasons(&dataset, options, &loaded, &rows, &chosen);
    reasons.extend(fitted.reasons.iter().map(|r| Reason {
        choice: r.choice.clone(),
        because: r.because.clone(),
        rule: "held-out likelihood decides; the simpler head wins a tie".to_owned(),
        source: "leave-one-out and cross-validation on the training images".to_owned(),
    }));
    for reason in &reasons {
        observer.tell(&Progress::Decided(reason));
    }
    write(Finished {
        options,
        folder: &folder,
        dataset: &dataset,
        loaded: &loaded,
        source: &source,
        chosen: &chosen,
        extracted: &extracted,
        rows: &rows,
        reasons,
        skipped,
        seconds: [features_seconds, head_seconds],
        log,
    })
}

/// Events kept until the run folder is written, each with its time.
pub(crate) struct Log<'a> {
    pub(crate) observer: &'a dyn Observer,
    started: f64,
    events: Mutex<Vec<(f64, Event)>>,
}

impl<'a> Log<'a> {
    fn new(observer: &'a dyn Observer, started: f64) -> Self {
        Self { observer, started, events: Mutex::new(Vec::new()) }
    }

    /// Seconds since the fit began.
    pub(crate) fn seconds(&self) -> f64 {
        self.observer.now() - self.started
    }

    pub(crate) fn event(&self, event: Event) {
        let at = self.seconds();
        // A thread that panicked while it held the lock left whole events behind.
        self.events.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push((at, event));
    }

    pub(crate) fn take(&self) -> Vec<(f64, Event)> {
        let mut events = self.events.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        std::mem::take(&mut events)
    }
}

fn run_folder(options: &FitOptions) -> Result<RunFolder, Error> {
    let path = options.out.clone().unwrap_or_else(|| default_run(&options.data));
    let folder = RunFolder::create(path)?;
    if folder.file(RunFile::Plan).is_file() {
        let (there, asked) = (folder.plan()?.data.root, options.data.display().to_string());
        let full = |p: &str| std::path::absolute(p).unwrap_or_else(|_| p.into());
        if full(&there) != full(&asked) {
            return Err(Error::OtherRun { path: folder.path().to_owned(), there, asked });
        }
    }
    Ok(folder)
}

fn tell_data(options: &FitOptions, dataset: &Dataset, log: &Log<'_>) {
    let root = options.data.display().to_string();
    let images = images(dataset);
    log.observer.tell(&Progress::Data {
        root: &root,
        classes: &dataset.classes,
        images: &images,
        split_origin: &split_origin(dataset),
    });
    for note in &dataset.notes {
        log.observer.tell(&Progress::Note(&note.to_string()));
    }
    log.event(Event::DataFound { root, classes: dataset.classes.len(), images });
}

fn features(
    options: &FitOptions,
    dataset: &Dataset,
    trunk: &Trunk,
    log: &Log<'_>,
) -> Result<Extracted, Error> {
    let folder = options.load.cache()?.root().join("features");
    let mut store = FeatureStore::open(&folder, trunk.key(), trunk.feature_len())?;
    let files: Vec<PathBuf> = dataset.examples.iter().map(|e| e.path.clone()).collect();
    let total = files.len();
    let progress = |done| {
        log.observer.tell(&Progress::Features { done, total });
        if log.observer.stop() { Flow::Stop } else { Flow::Continue }
    };
    Ok(extract(trunk, &files, Some(&mut store), &progress)?)
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

/// The examples with features, train (with validation) and test.
fn usable(dataset: &Dataset, extracted: &Extracted, skipped: &[Skipped]) -> Result<Rows, Error> {
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
    for (label, class) in dataset.classes.iter().enumerate() {
        let of_class = |i: &&usize| dataset.examples[**i].label == label;
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
