//! Images with several labels, or none: the main job, predictions and measurement for them.

mod head;
mod measure;
mod predict;
mod write;

use std::collections::BTreeMap;
use std::path::Path;

use regraft_data::{MultiLabel, OpenOptions, Opened, Split, SplitOrigin, stratified};
use regraft_run::{Event, LabelSummary, Reason, RunFolder, Summary};

pub(crate) use self::head::{LabelHead, parts, start_head};
pub use self::measure::{Evaluated, LabelEvaluation, evaluate_any};
pub(crate) use self::predict::{answer, sigmoid};
use crate::auto::decided;
use crate::features::scored;
use crate::fit::check_options;
use crate::grouping::asked;
use crate::images::TrainingImages;
use crate::journal::{Log, Rows};
use crate::options::default_run;
use crate::plan::{network_reasons, validation_reason};
use crate::reading::{Classes, Read, begin, read, tell_data, usable};
use crate::tuning::{Aim, Tuning};
use crate::{Error, FitOptions, Observer, Progress, Strategy, fit};

/// What a fit gave, by what its images are.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
#[serde(untagged)]
pub enum Fitted {
    /// Every image is of one class.
    Classes(Box<Summary>),
    /// Images have any number of labels.
    Labels(Box<LabelSummary>),
}

/// [`fit`], and the same for tables whose images have several labels, or none: then each label is a question of its
/// own.
///
/// # Errors
/// As [`fit`]; [`Error::Options`] for what labels do not have: class weights.
pub fn fit_any(options: &FitOptions, observer: &dyn Observer) -> Result<Fitted, Error> {
    match label_sets(options)? {
        Some(data) => Ok(Fitted::Labels(Box::new(fit_labels(options, data, observer)?))),
        None => Ok(Fitted::Classes(Box::new(fit(options, observer)?))),
    }
}

/// The data, where a table says that its images have several labels.
pub(crate) fn label_sets(options: &FitOptions) -> Result<Option<MultiLabel>, Error> {
    let is_table = |path: &Path| path.extension().is_some_and(|e| e.eq_ignore_ascii_case("csv"));
    // Only tables can say so; a large folder is not listed for nothing.
    let beside = |dir: std::fs::ReadDir| dir.flatten().any(|entry| is_table(&entry.path()));
    if !is_table(&options.data) && !std::fs::read_dir(&options.data).is_ok_and(beside) {
        return Ok(None);
    }
    let open = OpenOptions {
        test_share: options.test_share,
        seed: options.seed,
        ..OpenOptions::default()
    };
    match Opened::open(&options.data, &open)? {
        Opened::Classes(_) => Ok(None),
        Opened::Labels(data) => Ok(Some(data)),
    }
}

/// Refuses what labels do not have.
fn check(options: &FitOptions) -> Result<(), Error> {
    let refuse = |what, why| Err(Error::Options { what, why });
    if options.tune.balance || !options.tune.class_weights.is_empty() {
        return refuse(
            "`--balance` and `--class-weight` on images with several labels",
            "each label is a question of its own, with a threshold that suits how rare it is; leave them out",
        );
    }
    check_options(options)
}

/// Everything up to a fitted head.
pub(crate) struct Prepared {
    pub(crate) data: MultiLabel,
    pub(crate) read: Read,
    pub(crate) rows: Rows,
    head: LabelHead,
    reasons: Vec<Reason>,
    seconds: [f64; 2],
}

pub(crate) fn prepare(
    options: &FitOptions,
    mut data: MultiLabel,
    folder: Option<&RunFolder>,
    log: &Log<'_>,
) -> Result<Prepared, Error> {
    check(options)?;
    let grouped = match &options.group_by {
        Some(pattern) => Some(regrouped(&mut data, pattern)?),
        None => None,
    };
    begin(options, folder, log)?;
    let view = data.by_set();
    tell_data(options, &view, Classes::LabelSets, &data.labels, log);
    if let Some(words) = &grouped {
        log.observer.tell(&Progress::Note(words));
    }
    let read = read(options, view, Classes::LabelSets, folder, log)?;
    let has = |example: usize, label: usize| data.examples[example].labels.contains(&label);
    let rows = usable(&read.dataset, &data.labels, &has, &read.extracted, &read.skipped)?;
    log.observer.tell(&Progress::Head);
    let before = log.seconds();
    let head = head::choose(options, &data, &read, &rows, log)?;
    let seconds = [read.seconds, log.seconds() - before];
    log.event(Event::HeadDone {
        kind: head.fitted.method.name().to_owned(),
        penalty: head.fitted.penalty,
        temperature: 1.0,
        loo_top1: head.fitted.out_of_fold_exact,
        seconds: seconds[1],
    });
    if log.observer.stop() {
        return Err(Error::Interrupted);
    }
    let reasons = reasons(options, &data, &read, &rows, &head, grouped);
    Ok(Prepared { data, read, rows, head, reasons, seconds })
}

impl Prepared {
    pub(crate) fn tuning<'a>(&'a self, options: &'a FitOptions, log: &'a Log<'a>) -> Tuning<'a> {
        Tuning {
            options,
            dataset: &self.read.dataset,
            network: &self.read.loaded.network,
            source: &self.read.source,
            extracted: &self.read.extracted,
            rows: &self.rows,
            aim: Aim::Labels(&self.data, &self.head),
            log,
        }
    }

    /// Log odds `[rows.test, C]` by a probe fitted on `rows.train`.
    pub(crate) fn probed(
        &self,
        options: &FitOptions,
        rows: &Rows,
        log: &Log<'_>,
    ) -> Result<Vec<f64>, Error> {
        let head = head::choose(options, &self.data, &self.read, rows, log)?.fitted.head;
        scored(&self.read.extracted, &rows.test, &head)
    }
}

fn fit_labels(
    options: &FitOptions,
    data: MultiLabel,
    observer: &dyn Observer,
) -> Result<LabelSummary, Error> {
    check(options)?;
    let folder = RunFolder::at(options.out.clone().unwrap_or_else(|| default_run(&options.data)));
    let decided = decided(options, &folder, TrainingImages::open, observer)?;
    let (options, mut reasons) = match &decided {
        Some(decided) => (&decided.options, decided.reasons.clone()),
        None => (options, Vec::new()),
    };
    let log = Log::new(observer);
    let mut prepared = prepare(options, data, Some(&folder), &log)?;
    folder.begin_curves()?;
    reasons.append(&mut prepared.reasons);
    let tuned = if options.strategy == Strategy::Probe {
        None
    } else {
        Some(prepared.tuning(options, &log).run(&folder, &mut reasons)?)
    };
    for reason in &reasons {
        observer.tell(&Progress::Decided(reason));
    }
    write::write(options, &folder, &prepared, tuned.as_ref(), reasons, &log)
}

/// Draws a drawn split again so that no group is on both sides, with its share of every label.
pub(crate) fn regrouped(data: &mut MultiLabel, pattern: &str) -> Result<String, Error> {
    let names: Vec<&str> = data.examples.iter().map(|e| e.name.as_str()).collect();
    let groups = asked(&names, pattern)?;
    let count = groups.names.len();
    let SplitOrigin::Drawn { share, seed } = data.split_origin else {
        let splits: Vec<Split> = data.examples.iter().map(|e| e.split).collect();
        let across = groups.across_splits(&splits)?.len();
        return Ok(format!(
            "{across} of {count} groups by `{pattern}` lie in several splits of yours"
        ));
    };
    // A group has the labels of all its files.
    let mut labels: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    let ids = groups.ids();
    for (id, example) in ids.iter().zip(&data.examples) {
        labels.entry(*id).or_default().extend(&example.labels);
    }
    for of_group in labels.values_mut() {
        of_group.sort_unstable();
        of_group.dedup();
    }
    let sets: Vec<&[usize]> = labels.values().map(Vec::as_slice).collect();
    let parts = stratified(&sets, data.labels.len(), &[1.0 - share, share], seed);
    let tested: BTreeMap<usize, bool> =
        labels.keys().copied().zip(parts.into_iter().map(|part| part == 1)).collect();
    for (id, example) in ids.iter().zip(&mut data.examples) {
        example.split = if tested[id] { Split::Test } else { Split::Train };
    }
    data.examples.sort_by(|a, b| (a.split, &a.name).cmp(&(b.split, &b.name)));
    Ok(format!("{count} groups by `{pattern}`, each of them either learned from or tested with"))
}

fn reasons(
    options: &FitOptions,
    data: &MultiLabel,
    read: &Read,
    rows: &Rows,
    head: &LabelHead,
    grouped: Option<String>,
) -> Vec<Reason> {
    let sets = || rows.train.iter().map(|i| &data.examples[*i].labels);
    let mean = sets().map(Vec::len).sum::<usize>() as f64 / rows.train.len() as f64;
    let most = sets().map(Vec::len).max().unwrap_or_default();
    let none = sets().filter(|set| set.is_empty()).count();
    let mut reasons =
        network_reasons(options, &read.loaded, (head.kind, &read.source.cut, &head.because));
    let learned = match options.strategy {
        Strategy::Probe | Strategy::Auto => {
            "the network stays frozen, a linear classifier a label learns on its features"
        }
        Strategy::LpFt => {
            "a linear classifier a label learns on the frozen features, then both go on by gradient"
        }
        Strategy::FineTune | Strategy::Scratch => "a random head learns by gradient",
    };
    reasons.push(Reason {
        choice: format!("each label is a question of its own: {learned}"),
        because: format!(
            "{} training images have {mean:.1} of {} labels on average, up to {most}; {none} have none",
            rows.train.len(),
            data.labels.len()
        ),
        rule: "labels that may come together must not share one softmax, which makes them compete".to_owned(),
        source: "Tsoumakas and Katakis 2007 (binary relevance)".to_owned(),
    });
    reasons.extend(validation_reason(&read.dataset));
    reasons.extend(grouped.map(|because| Reason {
        choice: "split by groups".to_owned(),
        because,
        rule: "you asked for it".to_owned(),
        source: "`--group-by`".to_owned(),
    }));
    reasons.extend(read.audited.as_ref().and_then(crate::audit::Audited::reason));
    reasons.push(read.precision.clone());
    reasons.extend(head.fitted.reasons.iter().map(|r| Reason {
        choice: r.choice.clone(),
        because: r.because.clone(),
        rule: "held-out likelihood decides; the simpler head wins a tie".to_owned(),
        source: "leave-one-out and cross-validation on the training images".to_owned(),
    }));
    let even = head.thresholds.iter().filter(|t| **t == 0.5).count();
    reasons.push(Reason {
        choice: "a threshold for each label".to_owned(),
        because: format!(
            "the one with the highest F1 on held-out training images; {even} of {} labels keep a half, because it \
             is the best or fewer than 10 images have them, or do not",
            head.thresholds.len()
        ),
        rule: "from which probability on a yes pays depends on how rare the label is and how well it is told"
            .to_owned(),
        source: "Lipton et al. 2014".to_owned(),
    });
    reasons
}
