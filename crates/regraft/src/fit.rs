//! The main job: a folder of images becomes a tested classifier.

use regraft_data::{Dataset, OpenOptions};
use regraft_run::{EnginePlan, Event, Reason, RunFolder, Skipped, Summary};
use regraft_train::{Extracted, LayerRate, Table};

use crate::audit::Audited;
use crate::auto::decided;
use crate::balance::uneven;
use crate::features::{Chosen, Source, choose, scored};
use crate::grouping::regrouped;
use crate::images::TrainingImages;
use crate::journal::{Log, Rows};
use crate::labels;
use crate::notes::few;
use crate::options::default_run;
use crate::reading::{Classes, Read, begin, read, tell_data, usable};
use crate::tuning::{Aim, Tuning};
use crate::unknown::{UnknownRun, of_probe};
use crate::write::{Finished, write};
use crate::{Error, FeatureKind, FitOptions, Loaded, Observer, Progress, Strategy};

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
    begin(options, folder, log)?;
    tell_data(options, &dataset, Classes::Classes, &dataset.classes, log);
    if let Some(words) = &grouped {
        observer.tell(&Progress::Note(words));
    }
    let read = read(options, dataset, Classes::Classes, folder, log)?;
    let Read { dataset, loaded, source, engine, precision, extracted, skipped, audited, seconds } =
        read;
    let of_class = |example: usize, class: usize| dataset.examples[example].label == class;
    let rows = usable(&dataset, &dataset.classes, &of_class, &extracted, &skipped)?;
    if let Some(Reason { because, rule, .. }) = uneven(options, &dataset, &rows) {
        observer.tell(&Progress::Note(&format!("{because}; {rule}")));
    }
    if let Some(words) = few(&dataset, &rows).filter(|_| folder.is_some()) {
        observer.tell(&Progress::Note(&words));
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
    let seconds = [seconds, head_seconds];
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
            aim: Aim::Classes(&self.chosen),
            log,
        }
    }

    /// Logits `[rows.test, C]` by a probe fitted on `rows.train`.
    pub(crate) fn probed(
        &self,
        options: &FitOptions,
        rows: &Rows,
        log: &Log<'_>,
    ) -> Result<Vec<f64>, Error> {
        let Self { dataset, extracted, source, .. } = self;
        let head = choose(options, dataset, extracted, source, rows, log)?.fitted.head;
        scored(extracted, &rows.test, &head)
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
    if let Some(data) = labels::label_sets(options)? {
        let prepared = labels::prepare(options, data, None, &log)?;
        return table_of(&prepared.tuning(options, &log));
    }
    let prepared = prepare(options, None, &log)?;
    table_of(&prepared.tuning(options, &log))
}

fn table_of(tuning: &Tuning<'_>) -> Result<RateTable, Error> {
    let planned = tuning.plan()?;
    if let Some(path) = &tuning.options.tune.preview {
        tuning.preview(&planned, path)?;
    }
    let Table { layers, frontier } = planned.table;
    Ok(RateTable { layers, frontier, reasons: planned.reasons })
}

pub(crate) fn check_options(options: &FitOptions) -> Result<(), Error> {
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
    let decided = decided(options, &folder, TrainingImages::of_classes, observer)?;
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
