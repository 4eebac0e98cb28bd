//! The main job: a folder of images becomes a tested classifier.

use std::path::PathBuf;

use regraft_data::{Dataset, Note, OpenOptions, Split};
use regraft_run::{EnginePlan, Event, FORMAT, Reason, RunFile, RunFolder, Skipped, Summary};
use regraft_train::{
    Extracted, FeatureStore, Flow, LayerRate, LookStore, Table, Trunk, extract, extract_seen,
};
use regraft_zoo::DEFAULT;

use crate::audit::{Audited, Fresh};
use crate::auto::auto;
use crate::balance::uneven;
use crate::features::{Chosen, Source, choose, source};
use crate::grouping::regrouped;
use crate::journal::{Log, Rows};
use crate::options::default_run;
use crate::plan::{images, split_origin};
use crate::precision::{Ready, ready};
use crate::tuning::Tuning;
use crate::unknown::{UnknownRun, of_probe};
use crate::write::{Finished, write};
use crate::{Error, FeatureKind, FitOptions, Loaded, Observer, Progress, Strategy, VERSION, load};

/// Everything up to a fitted head.
pub(crate) struct Prepared {
    pub(crate) dataset: Dataset,
    pub(crate) loaded: Loaded,
    pub(crate) source: Source,
    engine: EnginePlan,
    pub(crate) extracted: Extracted,
    audited: Option<Audited>,
    skipped: Vec<Skipped>,
    pub(crate) rows: Rows,
    pub(crate) chosen: Chosen,
    reasons: Vec<Reason>,
    seconds: [f64; 2],
}

pub(crate) fn prepare(
    options: &FitOptions,
    folder: Option<&RunFolder>,
    log: &Log<'_>,
) -> Result<Prepared, Error> {
    let observer = log.observer;
    // What is quickest to check comes first: data, then weights.
    let open = OpenOptions {
        test_share: options.test_share,
        seed: options.seed,
        ..OpenOptions::default()
    };
    let mut dataset = Dataset::open(&options.data, &open)?;
    let grouped = match &options.group_by {
        Some(pattern) => Some(regrouped(&mut dataset, pattern)?),
        None => None,
    };
    check_folder(options, folder)?;
    log.event(Event::Started {
        format: FORMAT,
        regraft_version: VERSION.to_owned(),
        strategy: options.strategy.name().to_owned(),
        seed: options.seed,
    });
    tell_data(options, &dataset, log);
    if let Some(words) = &grouped {
        observer.tell(&Progress::Note(words));
    }
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
    let (extracted, features_seconds) = extracted(options, &dataset, &trunk, looks.as_ref(), log)?;
    let skipped = skipped(&dataset, &extracted, log);
    let fresh = Fresh { extracted: &extracted, key: trunk.key(), width: source.cut_len() };
    let audited = looked_over(options, &mut dataset, looks.as_ref(), &fresh, log)?;
    let rows = usable(&dataset, &extracted, &skipped)?;
    if let Some(Reason { because, rule, .. }) = uneven(options, &dataset, &rows) {
        observer.tell(&Progress::Note(&format!("{because}; {rule}")));
    }
    observer.tell(&Progress::Head);
    let before = log.seconds();
    let chosen = choose(options, &dataset, &extracted, &source, &rows, log)?;
    let fitted = &chosen.fitted;
    let head_seconds = log.seconds() - before;
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
    reasons.extend(grouped.map(|because| Reason {
        choice: "split by groups".to_owned(),
        because,
        rule: "you asked for it".to_owned(),
        source: "`--group-by`".to_owned(),
    }));
    reasons.extend(audited.as_ref().and_then(Audited::reason));
    reasons.push(precision);
    reasons.extend(fitted.reasons.iter().map(|r| Reason {
        choice: r.choice.clone(),
        because: r.because.clone(),
        rule: "held-out likelihood decides; the simpler head wins a tie".to_owned(),
        source: "leave-one-out and cross-validation on the training images".to_owned(),
    }));
    let seconds = [features_seconds, head_seconds];
    Ok(Prepared {
        dataset,
        loaded,
        source,
        engine,
        extracted,
        audited,
        skipped,
        rows,
        chosen,
        reasons,
        seconds,
    })
}

impl Prepared {
    fn unknown(&self, options: &FitOptions) -> Result<Option<UnknownRun>, Error> {
        of_probe(options, &self.dataset, &self.extracted, &self.rows, &self.chosen)
    }

    pub(crate) fn tuning<'a>(&'a self, options: &'a FitOptions, log: &'a Log<'a>) -> Tuning<'a> {
        Tuning {
            options,
            dataset: &self.dataset,
            network: &self.loaded.network,
            source: &self.source,
            extracted: &self.extracted,
            rows: &self.rows,
            chosen: &self.chosen,
            log,
        }
    }
}

/// Which layers of a fit would learn, and how fast.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct RateTable {
    /// Every layer with parameters, lowest first.
    pub layers: Vec<LayerRate>,
    /// The layer below which nothing learns.
    pub frontier: Option<String>,
    /// Why.
    pub reasons: Vec<Reason>,
}

/// Does what [`fit`] does before any training by gradient, and tells what that would be.
///
/// # Errors
/// As [`fit`]; [`Error::Options`] for the strategy `probe`, which trains nothing so.
pub fn rate_table(options: &FitOptions, observer: &dyn Observer) -> Result<RateTable, Error> {
    if options.strategy == Strategy::Probe {
        let why = "the probe trains no layer by gradient; try `--strategy lp-ft --dry-run`";
        return Err(Error::Options { what: "`--strategy probe` with `--dry-run`", why });
    }
    check_options(options)?;
    if options.strategy == Strategy::Auto {
        let why = "what it trains is known when plans have been tried; `regraft advise` says what it would \
                   try first";
        return Err(Error::Options { what: "`--strategy auto` with `--dry-run`", why });
    }
    if options.tune.find_rate {
        let why = "the rate is found by a short training, and a dry run trains nothing";
        return Err(Error::Options { what: "`--find-rate` with `--dry-run`", why });
    }
    let log = Log::new(observer);
    let prepared = prepare(options, None, &log)?;
    let tuning = prepared.tuning(options, &log);
    let planned = tuning.plan()?;
    if let Some(path) = &options.tune.preview {
        tuning.preview(&planned, path)?;
    }
    let Table { layers, frontier } = planned.table;
    Ok(RateTable { layers, frontier, reasons: planned.reasons })
}

fn check_options(options: &FitOptions) -> Result<(), Error> {
    if !(options.false_alarms > 0.0 && options.false_alarms < 1.0) {
        let why = "give a share between 0 and 1, for instance 0.05";
        return Err(Error::Options { what: "`--false-alarms`", why });
    }
    let longer = matches!(options.features, FeatureKind::Depths | FeatureKind::Logits);
    if options.strategy != Strategy::Probe && longer {
        let why =
            "training by gradient puts its head on the output of the cut; leave `--features` out";
        return Err(Error::Options { what: "`--features` with this `--strategy`", why });
    }
    if options.strategy == Strategy::Probe
        && options.tune.hidden.is_empty()
        && options.tune != options.tune.for_probe()
    {
        let why = "the probe trains no layer by gradient; take `--strategy lp-ft` or another one";
        return Err(Error::Options { what: "options for training by gradient", why });
    }
    let from_probe = matches!(options.strategy, Strategy::LpFt | Strategy::Auto);
    if !options.tune.hidden.is_empty() && (from_probe || options.strategy == Strategy::Probe) {
        let why = "the probe has one linear layer; take `--strategy fine-tune`, with `--gradual` to let \
                   the new head learn first";
        return Err(Error::Options {
            what: "hidden layers in `--head` with this `--strategy`",
            why,
        });
    }
    if options.tune.find_rate && options.tune.rates.is_some() {
        let why = "give rates or let one be found, not both";
        return Err(Error::Options { what: "`--rates` with `--find-rate`", why });
    }
    Ok(())
}

/// Fits a classifier: finds the images, runs the frozen network once on each, fits and calibrates a
/// linear head, trains on by gradient where the strategy asks for it, tests, and writes the run folder
/// with its report.
///
/// Files that cannot be read are left out and named in the result. Interrupted, it leaves the run
/// folder as it was and keeps the features and training rounds that are done: the same call goes on
/// from there.
///
/// # Errors
/// When data, network or weights are not usable, options do not go together, or something cannot be
/// written.
pub fn fit(options: &FitOptions, observer: &dyn Observer) -> Result<Summary, Error> {
    check_options(options)?;
    let path = options.out.clone().unwrap_or_else(|| default_run(&options.data));
    let folder = RunFolder::at(path);
    let decided = match options.strategy {
        Strategy::Auto => {
            check_folder(options, Some(&folder))?;
            Some(auto(options, observer)?)
        }
        Strategy::Probe | Strategy::LpFt | Strategy::FineTune | Strategy::Scratch => None,
    };
    let (options, mut reasons) = match &decided {
        Some(decided) => (&decided.options, decided.reasons.clone()),
        None => (options, Vec::new()),
    };
    let log = Log::new(observer);
    let mut prepared = prepare(options, Some(&folder), &log)?;
    folder.begin_curves()?;
    reasons.append(&mut prepared.reasons);
    let mut tuned = if options.strategy == Strategy::Probe {
        None
    } else {
        Some(prepared.tuning(options, &log).run(&folder, &mut reasons)?)
    };
    let unknown = match &mut tuned {
        Some(tuned) => tuned.unknown.take(),
        None => prepared.unknown(options)?,
    };
    reasons.extend(unknown.as_ref().map(|u| u.reason.clone()));
    for reason in &reasons {
        observer.tell(&Progress::Decided(reason));
    }
    // The trial of bf16 was made with the network as it was before training.
    let engine = match &tuned {
        None => prepared.engine,
        Some(_) => {
            EnginePlan { instructions: prepared.engine.instructions, ..EnginePlan::default() }
        }
    };
    write(Finished {
        options,
        folder: &folder,
        dataset: &prepared.dataset,
        loaded: &prepared.loaded,
        source: &prepared.source,
        engine,
        chosen: &prepared.chosen,
        tuned,
        unknown,
        extracted: &prepared.extracted,
        audited: prepared.audited,
        rows: &prepared.rows,
        reasons,
        skipped: prepared.skipped,
        seconds: prepared.seconds,
        log,
    })
}

/// Makes the run folder, and refuses one that holds a run on other data.
fn check_folder(options: &FitOptions, folder: Option<&RunFolder>) -> Result<(), Error> {
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
    looks: Option<&LookStore>,
    fresh: &Fresh<'_>,
    log: &Log<'_>,
) -> Result<Option<Audited>, Error> {
    if let Some(looks) = looks {
        return Ok(Some(Audited::new(options, dataset, looks, fresh, log)?));
    }
    for note in copies(dataset, fresh.extracted) {
        log.observer.tell(&Progress::Note(&note.to_string()));
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
