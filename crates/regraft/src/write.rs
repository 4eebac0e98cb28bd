//! Testing a fitted head and writing its run folder.

use std::collections::BTreeMap;
use std::path::PathBuf;

use regraft_advise::unknown::Judgement;
use regraft_data::{Dataset, decode_file, thumbnail};
use regraft_net::Network;
use regraft_probe::HeadFit;
use regraft_report::{NetworkFacts, PenaltyPoint, ReportInput};
use regraft_run::{
    EnginePlan, Event, FORMAT, Loo, MetricsFile, Prediction, Predictions, Reason, RunFile,
    RunFolder, Seconds, Skipped, Summary, Timings, TrainFacts,
};
use regraft_train::Extracted;

use crate::audit::{Audited, Judged, of_run};
use crate::features::{Chosen, Source, blocks};
use crate::head::{grafted, save};
use crate::journal::{Log, Rows};
use crate::plan::{Decided, plan};
use crate::predict::Teller;
use crate::tuning::TunedRun;
use crate::unknown::UnknownRun;
use crate::{Audit, Error, FitOptions, Loaded, Progress};

/// Longer side of a thumbnail in the report, in pixels.
const THUMBNAIL: usize = 240;

/// A fit that is done but for testing and writing.
pub(crate) struct Finished<'a> {
    pub(crate) options: &'a FitOptions,
    pub(crate) folder: &'a RunFolder,
    pub(crate) dataset: &'a Dataset,
    pub(crate) loaded: &'a Loaded,
    pub(crate) source: &'a Source,
    pub(crate) chosen: &'a Chosen,
    /// None when only the head was fitted.
    pub(crate) tuned: Option<TunedRun>,
    /// None where there are too few images to tell what is usual.
    pub(crate) unknown: Option<UnknownRun>,
    pub(crate) engine: EnginePlan,
    pub(crate) extracted: &'a Extracted,
    /// What is wrong with the data, where it was looked over.
    pub(crate) audited: Option<Audited>,
    pub(crate) rows: &'a Rows,
    pub(crate) reasons: Vec<Reason>,
    pub(crate) skipped: Vec<Skipped>,
    /// Seconds for features and head.
    pub(crate) seconds: [f64; 2],
    pub(crate) log: Log<'a>,
}

/// Tests the head, writes all files of the run, and sums up.
pub(crate) fn write(done: Finished<'_>) -> Result<Summary, Error> {
    let Finished { options, folder, dataset, loaded, chosen, rows, .. } = done;
    // The head that the run tells of: the one fitted, or the one training started from.
    let start = done.tuned.as_ref().and_then(|t| t.head.as_ref());
    let fitted = start.unwrap_or(&chosen.fitted);
    let (predictions, judged) = predictions(&done)?;
    let test = predictions.metrics("test")?;
    done.log.event(Event::Evaluated { split: "test".to_owned(), top1: test.top1 });
    let audit = audit(&done, &predictions)?;
    let mut notes: Vec<String> = dataset.notes.iter().map(ToString::to_string).collect();
    if let Some(note) = audit.as_ref().and_then(Audit::labels_note) {
        notes.push(note.to_string());
        done.log.observer.tell(&Progress::Note(&note.to_string()));
    }
    let metrics = MetricsFile {
        format: FORMAT,
        network: loaded.network.card().name.clone(),
        frontier: chosen.cut.clone(),
        train: train_facts(dataset, rows),
        test,
        without_leaks: audit.as_ref().and_then(Audit::without_leaks),
        loo: Loo { top1: fitted.loo_top1 },
        tuning: done.tuned.as_ref().map(|t| t.facts),
        unknown: done.unknown.as_ref().map(|u| u.facts(&judged)),
        skipped: done.skipped,
        notes,
    };
    let (engine, reasons, tuned) = (done.engine, done.reasons, done.tuned.as_ref());
    let unknown = done.unknown.as_ref().map(|u| u.plan.clone());
    let plan = plan(Decided { options, dataset, loaded, chosen, engine, tuned, unknown, reasons });
    // Without a plan the folder counts as unfinished, so it goes first and comes last.
    folder.remove_files()?;
    if let Some(tuned) = &done.tuned {
        save(folder, &tuned.network)?;
    } else {
        let trunk = done.source.chosen(chosen.kind)?;
        save(folder, &grafted(&trunk, &fitted.head, &dataset.classes)?)?;
    }
    if let Some(unknown) = &done.unknown {
        unknown.unknown.save(folder)?;
    }
    folder.write_predictions(&predictions)?;
    folder.write_metrics(&metrics)?;
    if let Some(audit) = &audit {
        folder.write(RunFile::Audit, audit.to_json()?.as_bytes())?;
    }
    let timings = timings(&done.log, done.seconds, done.extracted.computed);
    done.log.event(Event::Finished(timings));
    let mut log = folder.event_log()?;
    for (at, event) in done.log.take() {
        log.append(at, &event)?;
    }
    let run = folder.path().display().to_string();
    let pictures = (dataset, audit.as_ref());
    report(folder, &run, &plan, &metrics, timings, &predictions, pictures, loaded, fitted)?;
    folder.write_plan(&plan)?;
    folder.remove_checkpoints()?;
    Ok(Summary { run, metrics, timings })
}

/// What is wrong with the data, where it was looked over.
fn audit(done: &Finished<'_>, predictions: &Predictions) -> Result<Option<Audit>, Error> {
    let Some(audited) = &done.audited else { return Ok(None) };
    let (options, dataset, rows) = (done.options, done.dataset, done.rows);
    let fitted = &done.chosen.fitted;
    let network = &done.loaded.network.card().name;
    let judged = Judged { options, dataset, rows, fitted, predictions, network };
    Ok(Some(audited.audit(&judged)?))
}

fn timings(log: &Log<'_>, [features, head]: [f64; 2], computed: usize) -> Timings {
    let rate = if computed > 0 && features > 0.0 { computed as f64 / features } else { 0.0 };
    Timings { seconds: Seconds { total: log.seconds(), features, head }, images_per_second: rate }
}

fn train_facts(dataset: &Dataset, rows: &Rows) -> TrainFacts {
    let mut images_per_class = vec![0; dataset.classes.len()];
    for i in &rows.train {
        images_per_class[dataset.examples[*i].label] += 1;
    }
    TrainFacts { images: rows.train.len(), images_per_class }
}

/// What the head says of every test image, and whether they are called unknown.
fn predictions(done: &Finished<'_>) -> Result<(Predictions, Vec<Judgement>), Error> {
    let dataset = done.dataset;
    let head = &done.chosen.fitted.head;
    let (mut probabilities, mut judged) = (Vec::new(), Vec::new());
    if let Some(tuned) = &done.tuned {
        (probabilities, judged) = tuned_predictions(done, &tuned.network)?;
    } else {
        blocks(done.extracted, &done.rows.test, done.chosen.columns.len(), |block| {
            probabilities.extend(head.probabilities_batch(block)?);
            if let Some(run) = &done.unknown {
                let logits = head.logits_batch(block)?.into_iter();
                let logits: Vec<f32> = logits.map(|l| l / head.temperature).collect();
                judged.extend(run.unknown.model.judge_all(block, Some(&logits))?);
            }
            Ok(())
        })?;
    }
    let rows = done.rows.test.iter().zip(probabilities.chunks_exact(head.classes)).map(|(i, p)| {
        let example = &dataset.examples[*i];
        Prediction::new(example.name.clone(), example.split.name(), example.label, p.to_vec())
    });
    Ok((Predictions { classes: dataset.classes.clone(), rows: rows.collect() }, judged))
}

/// Probabilities `[test images, C]` of a tuned network, as [`crate::predict()`] will compute them.
fn tuned_predictions(
    done: &Finished<'_>,
    network: &Network,
) -> Result<(Vec<f32>, Vec<Judgement>), Error> {
    let examples = done.rows.test.iter().map(|i| done.dataset.examples[*i].path.clone());
    let files: Vec<PathBuf> = examples.collect();
    let unknown = done.unknown.as_ref().map(|run| &run.unknown);
    let teller = Teller::new(network, &done.engine, unknown)?;
    let mut scores = teller.scores(&files, done.log.observer)?;
    match scores.failed.pop() {
        Some(failed) => Err(failed.error.into()),
        None => Ok((scores.rows, scores.judged)),
    }
}

fn report(
    folder: &RunFolder,
    run: &str,
    plan: &regraft_run::Plan,
    metrics: &MetricsFile,
    timings: Timings,
    predictions: &Predictions,
    (dataset, audit): (&Dataset, Option<&Audit>),
    loaded: &Loaded,
    fitted: &HeadFit,
) -> Result<(), Error> {
    let card = loaded.network.card();
    let files: BTreeMap<&str, &std::path::Path> =
        dataset.examples.iter().map(|e| (e.name.as_str(), e.path.as_path())).collect();
    let picture = |name: &str| {
        let picture = decode_file(files.get(name)?).ok()?;
        thumbnail(&picture, THUMBNAIL).ok()
    };
    let penalties: Vec<PenaltyPoint<'_>> = fitted
        .table
        .iter()
        .map(|row| PenaltyPoint {
            kind: row.method.name(),
            penalty: row.penalty,
            top1: row.top1,
            nll: row.nll,
        })
        .collect();
    let path = folder.file(RunFile::Report);
    let input = ReportInput {
        path: &path,
        name: &folder.name(),
        run,
        plan,
        metrics,
        timings: Some(timings),
        predictions,
        network: NetworkFacts {
            name: &card.name,
            licence: &card.licence,
            origin: &card.origin,
            dataset: &card.dataset,
        },
        penalties: &penalties,
        audit: &audit.map(of_run).unwrap_or_default(),
        thumbnail: &picture,
    };
    Ok(regraft_report::write(&input)?)
}
