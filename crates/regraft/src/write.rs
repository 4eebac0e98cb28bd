//! Testing a fitted head and writing its run folder.

use std::collections::BTreeMap;
use std::path::PathBuf;

use regraft_advise::unknown::Judgement;
use regraft_data::{Dataset, decode_file, thumbnail};
use regraft_net::Network;
use regraft_probe::PenaltyRow;
use regraft_report::{About, Inside, LabelReportInput, NetworkFacts, PenaltyPoint, ReportInput};
use regraft_run::{
    EnginePlan, Event, FORMAT, LabelMetricsFile, LabelPredictions, Loo, MetricsFile, Plan,
    Prediction, Predictions, Reason, RunFile, RunFolder, Seconds, Skipped, Summary, Timings,
    TrainFacts,
};
use regraft_train::Extracted;

use crate::audit::{Audited, Judged, of_run as sections};
use crate::features::{Chosen, Source, blocks};
use crate::head::{self, grafted, save};
use crate::journal::{Log, Rows};
use crate::look::of_run;
use crate::notes::{Words, few};
use crate::plan::{Decided, plan};
use crate::predict::{Link, Teller};
use crate::tuning::TunedRun;
use crate::unknown::UnknownRun;
use crate::{Audit, Error, FitOptions, LoadOptions, Loaded, Observer, Progress};

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
    let words = Words::new(&options.data, dataset);
    let mut notes = words.all(&dataset.notes);
    notes.extend(few(dataset, rows));
    if let Some(note) = audit.as_ref().and_then(Audit::labels_note) {
        let note = words.of(&note);
        done.log.observer.tell(&Progress::Note(&note));
        notes.push(note);
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
    let timings = finish(folder, &done.log, done.seconds, done.extracted.computed)?;
    let run = folder.path().display().to_string();
    let told = Told {
        folder,
        run: &run,
        plan: &plan,
        timings,
        dataset,
        audit: audit.as_ref(),
        loaded,
        table: &fitted.table,
        load: &options.load,
        observer: done.log.observer,
    };
    report(&told, &Outcome::Classes(&metrics, &predictions))?;
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

/// Writes what happened, and how long it took.
pub(crate) fn finish(
    folder: &RunFolder,
    log: &Log<'_>,
    seconds: [f64; 2],
    computed: usize,
) -> Result<Timings, Error> {
    let timings = timings(log, seconds, computed);
    log.event(Event::Finished(timings));
    let mut events = folder.event_log()?;
    for (at, event) in log.take() {
        events.append(at, &event)?;
    }
    Ok(timings)
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
    let teller = Teller::new(network, &done.engine, Link::Classes, unknown)?;
    let mut scores = teller.scores(&files, done.log.observer)?;
    match scores.failed.pop() {
        Some(failed) => Err(failed.error.into()),
        None => Ok((scores.rows, scores.judged)),
    }
}

/// What a run measured and said.
pub(crate) enum Outcome<'a> {
    /// Of classes.
    Classes(&'a MetricsFile, &'a Predictions),
    /// Of labels.
    Labels(&'a LabelMetricsFile, &'a LabelPredictions),
}

/// What a report is made of beside what was measured.
pub(crate) struct Told<'a> {
    pub(crate) folder: &'a RunFolder,
    pub(crate) run: &'a str,
    pub(crate) plan: &'a Plan,
    pub(crate) timings: Timings,
    pub(crate) dataset: &'a Dataset,
    pub(crate) audit: Option<&'a Audit>,
    pub(crate) loaded: &'a Loaded,
    /// Penalties that were tried.
    pub(crate) table: &'a [PenaltyRow],
    /// Its cache folder keeps what is seen of units.
    pub(crate) load: &'a LoadOptions,
    pub(crate) observer: &'a dyn Observer,
}

/// Writes the page.
pub(crate) fn report(told: &Told<'_>, outcome: &Outcome<'_>) -> Result<(), Error> {
    let Told { folder, run, plan, timings, dataset, audit, loaded, table, load, observer } = *told;
    let card = loaded.network.card();
    let files: BTreeMap<&str, &std::path::Path> =
        dataset.examples.iter().map(|e| (e.name.as_str(), e.path.as_path())).collect();
    let picture = |name: &str| {
        let picture = decode_file(files.get(name)?).ok()?;
        thumbnail(&picture, THUMBNAIL).ok()
    };
    let penalties: Vec<PenaltyPoint<'_>> = table
        .iter()
        .map(|row| PenaltyPoint {
            kind: row.method.name(),
            penalty: row.penalty,
            top1: row.top1,
            nll: row.nll,
        })
        .collect();
    let (notes, skipped) = match outcome {
        Outcome::Classes(metrics, _) => (&metrics.notes, &metrics.skipped),
        Outcome::Labels(metrics, _) => (&metrics.notes, &metrics.skipped),
    };
    let classes = match outcome {
        Outcome::Classes(_, predictions) => Some((*predictions, dataset)),
        Outcome::Labels(..) => None,
    };
    let network = head::open(folder, plan)?;
    let seen = of_run(&network, plan, &card.blocks, classes, (load, observer));
    let drawn = |name: &str| seen.pictures.get(name).cloned();
    let path = folder.file(RunFile::Report);
    let about = About {
        path: &path,
        name: &folder.name(),
        run,
        plan,
        timings: Some(timings),
        notes,
        skipped,
        network: NetworkFacts {
            name: &card.name,
            licence: &card.licence,
            origin: &card.origin,
            dataset: &card.dataset,
        },
        penalties: &penalties,
        audit: &audit.map(sections).unwrap_or_default(),
        inside: Inside {
            graph: &seen.graph,
            mistakes: &seen.mistakes,
            units: &seen.units,
            layer: &seen.layer,
            picture: Some(&drawn),
            notes: &seen.notes,
        },
        thumbnail: &picture,
    };
    match *outcome {
        Outcome::Classes(metrics, predictions) => {
            regraft_report::write(&ReportInput { about, metrics, predictions })?;
        }
        Outcome::Labels(metrics, predictions) => {
            regraft_report::write_labels(&LabelReportInput { about, metrics, predictions })?;
        }
    }
    Ok(())
}
