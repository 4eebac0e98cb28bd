//! Images with several labels, or none: the main job, predictions and measurement for them.

mod head;
mod measure;
mod predict;

use std::collections::BTreeMap;

use regraft_data::{MultiLabel, OpenOptions, Opened, Split, SplitOrigin, stratified};
use regraft_run::{
    Event, FORMAT, HeadPlan, LabelMetricsFile, LabelPrediction, LabelPredictions, LabelSummary,
    Reason, RunFile, RunFolder, Summary, TrainFacts,
};
use regraft_train::Extracted;

use self::head::LabelHead;
pub use self::measure::{Evaluated, LabelEvaluation, evaluate_any};
pub(crate) use self::predict::{answer, sigmoid};
use crate::audit::Audit;
use crate::features::blocks;
use crate::grouping::asked;
use crate::head::{grafted, save};
use crate::journal::{Log, Rows};
use crate::options::default_run;
use crate::plan::{Kept, data_plan, network_reasons, probe_plan, validation_reason};
use crate::reading::{Classes, Read, begin, read, tell_data, usable};
use crate::write::{Outcome, Told, finish, report};
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
/// own, answered by a linear head on the frozen network's features.
///
/// # Errors
/// As [`fit`]; [`Error::Options`] for what is not there yet for labels: other strategies than the probe, class
/// weights, output probabilities of the source as features.
pub fn fit_any(options: &FitOptions, observer: &dyn Observer) -> Result<Fitted, Error> {
    match label_sets(options)? {
        Some(data) => Ok(Fitted::Labels(Box::new(fit_labels(options, data, observer)?))),
        None => Ok(Fitted::Classes(Box::new(fit(options, observer)?))),
    }
}

/// The data, where a table says that its images have several labels.
fn label_sets(options: &FitOptions) -> Result<Option<MultiLabel>, Error> {
    let is_table =
        |path: &std::path::Path| path.extension().is_some_and(|e| e.eq_ignore_ascii_case("csv"));
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

/// Refuses what labels do not have yet.
fn check(options: &FitOptions) -> Result<(), Error> {
    let refuse = |what, why| Err(Error::Options { what, why });
    if options.strategy != Strategy::Probe {
        return refuse(
            "this `--strategy` on images with several labels",
            "they are told by a probe so far; leave it out",
        );
    }
    if options.tune != crate::TuneOptions::default() {
        return refuse(
            "options for training, classes or weights on images with several labels",
            "each label is a question of its own, told by a probe; leave them out",
        );
    }
    Ok(())
}

fn fit_labels(
    options: &FitOptions,
    mut data: MultiLabel,
    observer: &dyn Observer,
) -> Result<LabelSummary, Error> {
    check(options)?;
    let folder = RunFolder::at(options.out.clone().unwrap_or_else(|| default_run(&options.data)));
    let log = Log::new(observer);
    let grouped = match &options.group_by {
        Some(pattern) => Some(regrouped(&mut data, pattern)?),
        None => None,
    };
    begin(options, Some(&folder), &log)?;
    let view = data.by_set();
    tell_data(options, &view, Classes::LabelSets, &data.labels, &log);
    if let Some(words) = &grouped {
        observer.tell(&Progress::Note(words));
    }
    let read = read(options, view, Classes::LabelSets, Some(&folder), &log)?;
    let has = |example: usize, label: usize| data.examples[example].labels.contains(&label);
    let rows = usable(&read.dataset, &data.labels, &has, &read.extracted, &read.skipped)?;
    observer.tell(&Progress::Head);
    let before = log.seconds();
    let head = head::choose(options, &data, &read, &rows, &log)?;
    let seconds = [read.seconds, log.seconds() - before];
    log.event(Event::HeadDone {
        kind: head.fitted.method.name().to_owned(),
        penalty: head.fitted.penalty,
        temperature: 1.0,
        loo_top1: head.fitted.out_of_fold_exact,
        seconds: seconds[1],
    });
    if observer.stop() {
        return Err(Error::Interrupted);
    }
    folder.begin_curves()?;
    let reasons = reasons(options, &data, &read, &rows, &head, grouped);
    for reason in &reasons {
        observer.tell(&Progress::Decided(reason));
    }
    write(options, &folder, &data, read, &rows, &head, reasons, seconds, &log)
}

/// Draws a drawn split again so that no group is on both sides, with its share of every label.
fn regrouped(data: &mut MultiLabel, pattern: &str) -> Result<String, Error> {
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
    reasons.push(Reason {
        choice: "each label is a question of its own: the network stays frozen, a linear classifier a label learns \
                 on its features"
            .to_owned(),
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

/// What the head says of every test image.
fn predictions(
    data: &MultiLabel,
    extracted: &Extracted,
    rows: &[usize],
    head: &LabelHead,
) -> Result<LabelPredictions, Error> {
    let mut probabilities = Vec::new();
    blocks(extracted, rows, head.fitted.head.features, |block| {
        probabilities.extend(head.fitted.head.logits_batch(block)?.into_iter().map(sigmoid));
        Ok(())
    })?;
    let rows = rows.iter().zip(probabilities.chunks_exact(data.labels.len())).map(|(i, p)| {
        let e = &data.examples[*i];
        LabelPrediction::new(
            e.name.clone(),
            e.split.name(),
            e.labels.clone(),
            p.to_vec(),
            &head.thresholds,
        )
    });
    Ok(LabelPredictions { labels: data.labels.clone(), rows: rows.collect() })
}

/// The same of the training images, each by a head that has not learned from it.
fn held_out(data: &MultiLabel, rows: &[usize], head: &LabelHead) -> LabelPredictions {
    let odds = head.fitted.out_of_fold.chunks_exact(data.labels.len());
    let rows = rows.iter().zip(odds).map(|(i, odds)| {
        let e = &data.examples[*i];
        let p = odds.iter().map(|z| sigmoid(*z as f32)).collect();
        LabelPrediction::new(
            e.name.clone(),
            Split::Train.name(),
            e.labels.clone(),
            p,
            &head.thresholds,
        )
    });
    LabelPredictions { labels: data.labels.clone(), rows: rows.collect() }
}

fn write(
    options: &FitOptions,
    folder: &RunFolder,
    data: &MultiLabel,
    read: Read,
    rows: &Rows,
    head: &LabelHead,
    reasons: Vec<Reason>,
    seconds: [f64; 2],
    log: &Log<'_>,
) -> Result<LabelSummary, Error> {
    let Read { dataset, loaded, source, engine, extracted, skipped, audited, .. } = read;
    let predictions = predictions(data, &extracted, &rows.test, head)?;
    let test = predictions.metrics("test", &head.thresholds)?;
    log.event(Event::Evaluated { split: "test".to_owned(), top1: test.exact });
    let audit = match &audited {
        Some(audited) => {
            let right: Vec<(usize, bool)> = rows
                .test
                .iter()
                .copied()
                .zip(predictions.rows.iter().map(LabelPrediction::is_right))
                .collect();
            Some(audited.audit_of_sets(&dataset, &loaded.network.card().name, &right)?)
        }
        None => None,
    };
    let held_out = held_out(data, &rows.train, head).metrics("train", &head.thresholds)?;
    let metrics = LabelMetricsFile {
        format: FORMAT,
        network: loaded.network.card().name.clone(),
        frontier: source.cut.clone(),
        train: train_facts(data, rows),
        test,
        held_out,
        skipped,
        notes: dataset.notes.iter().map(ToString::to_string).collect(),
    };
    let kept =
        Kept { cut: &source.cut, features: head.kind, feature_len: head.fitted.head.features };
    let head_plan = HeadPlan {
        kind: head.fitted.method.name().to_owned(),
        penalty: head.fitted.penalty,
        temperature: 1.0,
        folds: head.folds,
        class_weights: Vec::new(),
        share_bias: Vec::new(),
        thresholds: head.thresholds.clone(),
    };
    let of_data = data_plan(options, &dataset, Classes::LabelSets, &data.labels);
    let plan = probe_plan(options, of_data, &loaded, &kept, (engine, head_plan, reasons));
    // Without a plan the folder counts as unfinished, so it goes first and comes last.
    folder.remove_files()?;
    save(folder, &grafted(&source.chosen(head.kind)?, &head.fitted.head, &data.labels)?)?;
    folder.write_label_predictions(&predictions)?;
    folder.write_label_metrics(&metrics)?;
    if let Some(audit) = &audit {
        folder.write(RunFile::Audit, Audit::to_json(audit)?.as_bytes())?;
    }
    let timings = finish(folder, log, seconds, extracted.computed)?;
    let run = folder.path().display().to_string();
    let told = Told {
        folder,
        run: &run,
        plan: &plan,
        timings,
        dataset: &dataset,
        audit: audit.as_ref(),
        loaded: &loaded,
        table: &head.fitted.table,
    };
    report(&told, &Outcome::Labels(&metrics, &predictions))?;
    folder.write_plan(&plan)?;
    folder.remove_checkpoints()?;
    Ok(LabelSummary { run, metrics, timings })
}

fn train_facts(data: &MultiLabel, rows: &Rows) -> TrainFacts {
    let mut counts = vec![0; data.labels.len()];
    for i in &rows.train {
        for label in &data.examples[*i].labels {
            counts[*label] += 1;
        }
    }
    TrainFacts { images: rows.train.len(), images_per_class: counts }
}
