//! Testing what was fitted to labels, and writing its run folder.

use std::path::PathBuf;

use regraft_data::MultiLabel;
use regraft_run::{
    EnginePlan, Event, FORMAT, HeadPlan, LabelMetricsFile, LabelPrediction, LabelPredictions,
    LabelSummary, Plan, Reason, RunFile, RunFolder, TrainFacts,
};

use super::head::LabelHead;
use super::{Prepared, sigmoid};
use crate::audit::Audit;
use crate::features::blocks;
use crate::head::{grafted, save};
use crate::journal::{Log, Rows};
use crate::notes::Words;
use crate::plan::{Kept, data_plan, probe_plan};
use crate::predict::{Link, Teller};
use crate::reading::{Classes, Read};
use crate::tuning::TunedRun;
use crate::write::{Outcome, Told, finish, report};
use crate::{Error, FeatureKind, FitOptions, Progress};

/// Tests, writes all files of the run, and sums up. `tuned` is none when only the head was fitted.
pub(super) fn write(
    options: &FitOptions,
    folder: &RunFolder,
    prepared: &Prepared,
    tuned: Option<&TunedRun>,
    reasons: Vec<Reason>,
    log: &Log<'_>,
) -> Result<LabelSummary, Error> {
    let Prepared { data, read, rows, head, seconds, .. } = prepared;
    let held = tuned.and_then(|t| t.held.as_ref());
    let thresholds = held.map_or(&head.thresholds, |held| &held.thresholds);
    // The trial of bf16 was made with the network as it was before training.
    let engine = match tuned {
        None => read.engine.clone(),
        Some(_) => {
            EnginePlan { instructions: read.engine.instructions.clone(), ..EnginePlan::default() }
        }
    };
    let probabilities = match tuned {
        None => of_probe(read, &rows.test, head)?,
        Some(tuned) => of_network(data, &rows.test, tuned, &engine, log)?,
    };
    let predictions = told(data, &rows.test, None, &probabilities, thresholds);
    let test = predictions.metrics("test", thresholds)?;
    log.event(Event::Evaluated { split: "test".to_owned(), top1: test.exact });
    // Of training images each by what has not learned from it.
    let (places, odds) = match held {
        Some(held) => (held.places.iter().map(|p| rows.train[*p]).collect(), &held.odds),
        None => (rows.train.clone(), &head.fitted.out_of_fold),
    };
    let odds: Vec<f32> = odds.iter().map(|z| sigmoid(*z as f32)).collect();
    let held_out = told(data, &places, Some("held out"), &odds, thresholds);
    let audit = audit(prepared, &predictions)?;
    let words = Words::new(&options.data, &read.dataset);
    let mut notes = words.all(&read.dataset.notes);
    if let Some(note) = audit.as_ref().and_then(Audit::labels_note) {
        let note = words.of(&note);
        log.observer.tell(&Progress::Note(&note));
        notes.push(note);
    }
    let metrics = LabelMetricsFile {
        format: FORMAT,
        network: read.loaded.network.card().name.clone(),
        frontier: read.source.cut.clone(),
        train: train_facts(data, rows),
        test,
        held_out: held_out.metrics("held out", thresholds)?,
        tuning: tuned.map(|t| t.facts),
        skipped: read.skipped.clone(),
        notes,
    };
    let plan = plan(options, prepared, tuned, thresholds, (engine, reasons));
    // Without a plan the folder counts as unfinished, so it goes first and comes last.
    folder.remove_files()?;
    if let Some(tuned) = tuned {
        save(folder, &tuned.network)?;
    } else {
        let trunk = read.source.chosen(head.kind)?;
        save(folder, &grafted(&trunk, &head.fitted.head, &data.labels)?)?;
    }
    folder.write_label_predictions(&predictions)?;
    folder.write_label_metrics(&metrics)?;
    if let Some(audit) = &audit {
        folder.write(RunFile::Audit, audit.to_json()?.as_bytes())?;
    }
    let timings = finish(folder, log, *seconds, read.extracted.computed)?;
    let run = folder.path().display().to_string();
    let told = Told {
        folder,
        run: &run,
        plan: &plan,
        timings,
        dataset: &read.dataset,
        audit: audit.as_ref(),
        loaded: &read.loaded,
        table: &head.fitted.table,
        load: &options.load,
        observer: log.observer,
    };
    report(&told, &Outcome::Labels(&metrics, &predictions))?;
    folder.write_plan(&plan)?;
    folder.remove_checkpoints()?;
    Ok(LabelSummary { run, metrics, timings })
}

/// Probabilities `[n, C]` of the probe.
fn of_probe(read: &Read, rows: &[usize], head: &LabelHead) -> Result<Vec<f32>, Error> {
    let mut probabilities = Vec::new();
    blocks(&read.extracted, rows, head.fitted.head.features, |block| {
        probabilities.extend(head.fitted.head.logits_batch(block)?.into_iter().map(sigmoid));
        Ok(())
    })?;
    Ok(probabilities)
}

/// Probabilities `[n, C]` of a tuned network, as [`crate::predict()`] will compute them.
fn of_network(
    data: &MultiLabel,
    rows: &[usize],
    tuned: &TunedRun,
    engine: &EnginePlan,
    log: &Log<'_>,
) -> Result<Vec<f32>, Error> {
    let files: Vec<PathBuf> = rows.iter().map(|i| data.examples[*i].path.clone()).collect();
    let teller = Teller::new(&tuned.network, engine, Link::Labels, None)?;
    let mut scores = teller.scores(&files, log.observer)?;
    match scores.failed.pop() {
        Some(failed) => Err(failed.error.into()),
        None => Ok(scores.rows),
    }
}

/// What is said of the images `rows`; `part` is none for their own split.
fn told(
    data: &MultiLabel,
    rows: &[usize],
    part: Option<&str>,
    probabilities: &[f32],
    thresholds: &[f64],
) -> LabelPredictions {
    let rows = rows.iter().zip(probabilities.chunks_exact(data.labels.len())).map(|(i, p)| {
        let e = &data.examples[*i];
        let part = part.unwrap_or(e.split.name());
        LabelPrediction::new(e.name.clone(), part, e.labels.clone(), p.to_vec(), thresholds)
    });
    LabelPredictions { labels: data.labels.clone(), rows: rows.collect() }
}

/// What was found in the data, with what the probe says of images it did not learn from.
fn audit(prepared: &Prepared, predictions: &LabelPredictions) -> Result<Option<Audit>, Error> {
    let Prepared { data, read, rows, head, .. } = prepared;
    let Some(audited) = &read.audited else { return Ok(None) };
    let train: Vec<f32> =
        head.fitted.out_of_fold.iter().map(|odds| sigmoid(*odds as f32)).collect();
    let network = &read.loaded.network.card().name;
    let sets = (data, &read.dataset);
    Ok(Some(audited.audit_of_sets(sets, network, rows, &train, predictions)?))
}

fn plan(
    options: &FitOptions,
    prepared: &Prepared,
    tuned: Option<&TunedRun>,
    thresholds: &[f64],
    (engine, reasons): (EnginePlan, Vec<Reason>),
) -> Plan {
    let Prepared { data, read, head, .. } = prepared;
    let kept = Kept {
        cut: &read.source.cut,
        features: tuned.map_or(head.kind, |_| FeatureKind::Trunk),
        feature_len: tuned.map_or(head.fitted.head.features, |t| t.feature_len),
    };
    let random = tuned.is_some_and(|t| t.strategy.begins_random());
    let head = HeadPlan {
        kind: if random { "random" } else { head.fitted.method.name() }.to_owned(),
        penalty: if random { 0.0 } else { head.fitted.penalty },
        temperature: 1.0,
        folds: if random { 0 } else { head.folds },
        class_weights: Vec::new(),
        share_bias: Vec::new(),
        thresholds: thresholds.to_vec(),
    };
    let of_data = data_plan(options, &read.dataset, Classes::LabelSets, &data.labels);
    let mut plan = probe_plan(options, of_data, &read.loaded, &kept, (engine, head, reasons));
    if let Some(tuned) = tuned {
        tuned.strategy.name().clone_into(&mut plan.strategy);
        plan.tuning = Some(tuned.plan.clone());
    }
    plan
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
