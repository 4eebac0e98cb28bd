//! The audit as the first step of a fit: what it finds is told, held out together, and goes into the run.

use std::collections::BTreeSet;

use regraft_data::audit::{FindingKind, label_errors};
use regraft_data::{Dataset, MultiLabel, Note, Split};
use regraft_probe::HeadFit;
use regraft_run::{
    LabelPrediction, LabelPredictions, Prediction, Predictions, Reason, WithoutLeaks, wilson,
};
use regraft_train::{Extracted, LookStore, TrunkKey};

use super::features::{Measured, conflicts, fewest, held_out, leaked, not_judged, shared};
use super::looked::{self, Looked, Proposing};
use super::{Audit, Found, LeakEffect, folders, sets, tell};
use crate::journal::{Log, Rows};
use crate::notes::Words;
use crate::reading::Classes;
use crate::{Error, FitOptions, Progress};

/// Beyond so many files every feature multiplied with every other would take longer than the features
/// themselves: altered copies are then searched by their pixels alone.
const COMPARED: usize = 5_000;

/// Looks are some 4 kB each and held in memory: for more files the audit is a command of its own.
const MOST: usize = 50_000;

/// What a fit knows of its data before it learns.
pub(crate) struct Audited {
    looked: Looked,
    /// What was known of the data without it.
    notes_before: Vec<String>,
    /// What is held out together, in words.
    together: Option<String>,
}

/// The features that a fit has at that moment.
pub(crate) struct Fresh<'a> {
    pub(crate) extracted: &'a Extracted,
    pub(crate) key: TrunkKey,
    /// Values of the cut's own output; they come first.
    pub(crate) width: usize,
}

/// What a fit knows at its end.
pub(crate) struct Judged<'a> {
    pub(crate) options: &'a FitOptions,
    pub(crate) dataset: &'a Dataset,
    pub(crate) rows: &'a Rows,
    /// The probe.
    pub(crate) fitted: &'a HeadFit,
    /// Of the test images, in their order.
    pub(crate) predictions: &'a Predictions,
    pub(crate) network: &'a str,
}

impl Audited {
    /// Where looks at the pictures go while features are extracted; `None` where there will be no audit.
    pub(crate) fn looks(
        options: &FitOptions,
        dataset: &Dataset,
        log: &Log<'_>,
    ) -> Result<Option<LookStore>, Error> {
        if !options.audit {
            return Ok(None);
        }
        if dataset.examples.len() > MOST {
            let words = format!("no audit: more than {MOST} files; `regraft audit` takes its time");
            log.observer.tell(&Progress::Note(&words));
            return Ok(None);
        }
        let [folder, _] = folders(&options.load)?;
        Ok(Some(LookStore::open(&folder)?))
    }

    /// Looks the data over; tells what spoils a measurement, and notes it in `dataset` together with what
    /// belongs together.
    pub(crate) fn new(
        options: &FitOptions,
        dataset: &mut Dataset,
        are: Classes,
        store: &LookStore,
        fresh: &Fresh<'_>,
        log: &Log<'_>,
    ) -> Result<Self, Error> {
        let groups = looked::groups(options.group_by.as_deref(), dataset)?;
        let looks = looked::taken(store, dataset, fresh.extracted)?;
        let Fresh { extracted, key, width } = *fresh;
        let proposing = (looks.len() <= COMPARED).then_some(Proposing { extracted, key, width });
        let [_, folder] = folders(&options.load)?;
        let pairs = looked::pairs(&folder, &looks, proposing.as_ref())?;
        let notes_before = dataset.notes.iter().map(ToString::to_string).collect();
        let mut looked = Looked::new(dataset, looks, pairs, groups)?;
        // Groups that were asked for are held out together anyway.
        let by_name = options.group_by.is_none();
        let (sets, together) = match are {
            Classes::Classes => looked.together(dataset, by_name),
            Classes::LabelSets => {
                looked.without_classes();
                looked.all_together(by_name)
            }
        };
        if proposing.is_none() {
            looked.notes.push(format!(
                "altered copies were searched by their pixels alone: more than {COMPARED} files"
            ));
        }
        let words = Words::new(&options.data, dataset);
        for note in notes(&looked, dataset)? {
            log.observer.tell(&Progress::Note(&words.of(&note)));
            dataset.notes.push(note);
        }
        for words in &looked.notes {
            log.observer.tell(&Progress::Note(words));
        }
        dataset.together = sets;
        Ok(Self { looked, notes_before, together })
    }

    /// Why some files are held out together.
    pub(crate) fn reason(&self) -> Option<Reason> {
        let because = self.together.clone()?;
        Some(Reason {
            choice: "copies and groups are left out together".to_owned(),
            because: format!("the audit found {because}"),
            rule: "a picture whose copy was learned from measures memory, not skill".to_owned(),
            source: "Barz and Denzler 2020".to_owned(),
        })
    }

    /// Everything that was found where images have several labels. `train` are probabilities `[n, C]` of the images
    /// learned from by a head that did not, and `test` is what is said of the tested ones.
    pub(crate) fn audit_of_sets(
        &self,
        (data, dataset): (&MultiLabel, &Dataset),
        network: &str,
        rows: &Rows,
        train: &[f32],
        test: &LabelPredictions,
    ) -> Result<Audit, Error> {
        let leaked = leaked(&self.looked.findings);
        let right = test.rows.iter().map(LabelPrediction::is_right);
        let right: Vec<(usize, bool)> = rows.test.iter().copied().zip(right).collect();
        let effect = Some(LeakEffect::of(&right, &leaked));
        let mut passed: BTreeSet<usize> = conflicts(dataset, &self.looked.sets).collect();
        passed.extend(leaked);
        let train = rows.train.iter().zip(train.chunks_exact(data.labels.len()));
        let test = test.rows.iter().map(|r| r.probabilities.as_slice());
        let all = train.chain(rows.test.iter().zip(test));
        let (judged, probabilities): (Vec<usize>, Vec<&[f32]>) =
            all.map(|(i, p)| (*i, p)).filter(|(i, _)| !passed.contains(i)).unzip();
        let labels = Some(sets::suspects(data, &judged, &probabilities.concat())?);
        let notes = [self.notes_before.clone(), self.looked.notes.clone()].concat();
        let network = network.to_owned();
        let measured = Some(Measured { network, labels, effect, overlap: None });
        tell::audit(&Found { dataset, several: Some(data), looked: &self.looked, measured, notes })
    }

    /// Everything that was found, with what the fit says of labels and leaks.
    pub(crate) fn audit(&self, judged: &Judged<'_>) -> Result<Audit, Error> {
        let Judged { options, dataset, rows, fitted, predictions, network } = *judged;
        let Looked { sets, findings, .. } = &self.looked;
        let mut notes = [self.notes_before.clone(), self.looked.notes.clone()].concat();
        let leaked = leaked(findings);
        let right: Vec<(usize, bool)> = rows
            .test
            .iter()
            .copied()
            .zip(predictions.rows.iter().map(Prediction::is_right))
            .collect();
        let effect = LeakEffect::of(&right, &leaked);
        // A label is judged by who has not learned from it, or from a copy; of a picture with two labels it
        // is known that one is wrong.
        let mut passed: BTreeSet<usize> = conflicts(dataset, sets).collect();
        passed.extend(leaked);
        let classes = dataset.classes.len();
        let train = held_out(&fitted.out_of_fold_scores, fitted.head.temperature, classes);
        let train = rows.train.iter().zip(train.chunks_exact(classes));
        let test = predictions.rows.iter().map(|r| r.probabilities.as_slice());
        let all = train.chain(rows.test.iter().zip(test));
        let (judged, probabilities): (Vec<usize>, Vec<&[f32]>) =
            all.map(|(i, p)| (*i, p)).filter(|(i, _)| !passed.contains(i)).unzip();
        let labels = if let Some(class) = fewest(dataset, &judged) {
            notes.push(not_judged(class));
            None
        } else {
            let given: Vec<usize> = judged.iter().map(|i| dataset.examples[*i].label).collect();
            let errors = label_errors(&probabilities.concat(), &given, classes)?;
            Some(tell::suspects(dataset, &errors, &judged))
        };
        let overlap = shared(options.network.as_deref(), dataset);
        let effect = (!rows.test.is_empty()).then_some(effect);
        let measured = Some(Measured { network: network.to_owned(), labels, effect, overlap });
        tell::audit(&Found { dataset, several: None, looked: &self.looked, measured, notes })
    }
}

/// What spoils what is measured, a line for each kind.
fn notes(looked: &Looked, dataset: &Dataset) -> Result<Vec<Note>, Error> {
    let name = |i: &usize| dataset.examples[*i].name.as_str();
    let of = |kind: FindingKind| looked.findings.iter().filter(move |f| f.kind == kind);
    let words = |files: &[usize], figure: f64| {
        let alike = if figure >= 1.0 { "=" } else { "~" };
        let names: Vec<&str> = files.iter().rev().map(name).collect();
        names.join(&format!(" {alike} "))
    };
    let mut notes = Vec::new();
    // A tested picture may have several copies to learn from.
    let mut seen = BTreeSet::new();
    let leaks = of(FindingKind::Leak).filter(|f| seen.insert(f.files.last()));
    let copies: Vec<String> = leaks.map(|f| words(&f.files, f.figure)).collect();
    if !copies.is_empty() {
        notes.push(Note::TestedCopies { copies, audited: true });
    }
    let copies: Vec<String> =
        of(FindingKind::Conflict).map(|f| words(&f.files, f.figure)).collect();
    if !copies.is_empty() {
        notes.push(Note::TwoLabels { copies, audited: true });
    }
    let splits: Vec<Split> = dataset.examples.iter().map(|e| e.split).collect();
    if let Some(named) = looked.groups.iter().find(|g| g.said) {
        let across = named.groups.across_splits(&splits)?;
        let groups: Vec<String> =
            across.into_iter().map(|g| named.groups.names[g].clone()).collect();
        if !groups.is_empty() {
            notes.push(Note::GroupsAcross { pattern: named.pattern.clone(), groups });
        }
    }
    Ok(notes)
}

impl Audit {
    /// The document, as `audit --json` prints it.
    ///
    /// # Errors
    /// When a figure is no number.
    pub fn to_json(&self) -> Result<String, Error> {
        let wrong = |e: serde_json::Error| Error::File {
            what: "write",
            path: "audit.json".into(),
            source: e.into(),
        };
        Ok(serde_json::to_string_pretty(self).map_err(wrong)? + "\n")
    }

    /// The labels that are most likely wrong, for a line on the terminal.
    pub(crate) fn labels_note(&self) -> Option<Note> {
        let surely = self.label_suspects.iter().filter(|s| s.confident);
        let files: Vec<String> =
            surely.map(|s| format!("{}: looks like {}", s.file, s.suggested)).collect();
        (!files.is_empty()).then_some(Note::WrongLabels { files })
    }

    /// The accuracy without leaked images; `None` where nothing leaked.
    pub(crate) fn without_leaks(&self) -> Option<WithoutLeaks> {
        let effect = self.effect.as_ref()?;
        let [images, correct] = effect.without_leaks;
        (images != effect.test[0]).then_some(WithoutLeaks {
            images,
            correct,
            top1: effect.top1_without_leaks,
            interval: wilson(correct, images),
        })
    }
}
