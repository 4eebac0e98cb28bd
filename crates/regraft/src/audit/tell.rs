//! What was found, by names.

use std::collections::BTreeSet;
use std::fmt::Write;

use regraft_data::audit::{Finding, FindingKind, LabelErrors, NameGroups};
use regraft_data::{Dataset, Split};

use super::sets::Suspects;
use super::{
    Audit, AuditFinding, ClassCount, CopyPair, Found, LabelSuspect, NamedGroups, UnreadableFile,
};
use crate::Error;
use crate::plan::split_origin;
use crate::reading::{Classes, reason};

/// Everything, with the names of files and classes.
pub(super) fn audit(found: &Found<'_>) -> Result<Audit, Error> {
    let (dataset, looked) = (found.dataset, found.looked);
    let findings = &looked.findings;
    let name = |i: usize| dataset.examples[i].name.clone();
    let names = |all: &[usize]| all.iter().map(|i| name(*i)).collect::<Vec<_>>();
    let of = |kind: FindingKind| findings.iter().filter(move |f| f.kind == kind);
    let unreadable = looked.looks.iter().enumerate().filter_map(|(i, look)| {
        let error = look.as_ref().err()?;
        Some(UnreadableFile { file: name(i), reason: reason(&error.reason) })
    });
    let labels_of = |set: &[usize]| -> BTreeSet<usize> {
        set.iter().map(|i| dataset.examples[*i].label).collect()
    };
    let conflicts = looked.sets.iter().filter(|set| labels_of(set).len() > 1);
    let leaks = of(FindingKind::Leak).filter_map(|f| match f.files[..] {
        [a, b] => Some([name(a), name(b)]),
        _ => None,
    });
    let measured = found.measured.as_ref();
    let labels = measured.and_then(|m| m.labels.as_ref());
    Ok(Audit {
        data: dataset.root.display().to_string(),
        images: dataset.examples.len(),
        classes: found.several.map_or(dataset.classes.len(), |data| data.labels.len()),
        several_labels: found.several.is_some(),
        class_counts: class_counts(found),
        split_origin: split_origin(dataset, found.are()),
        unreadable: unreadable.collect(),
        duplicates: looked.sets.iter().map(|set| names(set)).collect(),
        conflicts: conflicts.map(|set| names(set)).collect(),
        leaks: leaks.collect(),
        pairs: looked.pairs.iter().map(|p| pair(found, p)).collect(),
        groups: looked.groups.iter().map(|g| groups(found, g)).collect::<Result<_, Error>>()?,
        label_suspects: labels.map(|(suspects, _)| suspects.clone()).unwrap_or_default(),
        labels_wrong: labels.map(|(_, wrong)| *wrong),
        findings: findings.iter().map(|f| finding(found, f)).collect(),
        effect: measured.and_then(|m| m.effect.clone()),
        overlap: measured.and_then(|m| m.overlap.clone()),
        network: measured.map(|m| m.network.clone()),
        notes: found.notes.clone(),
        splits: dataset.examples.iter().map(|e| (e.name.clone(), e.split)).collect(),
    })
}

impl Found<'_> {
    fn are(&self) -> Classes {
        if self.several.is_some() { Classes::LabelSets } else { Classes::Classes }
    }
}

fn class_counts(found: &Found<'_>) -> Vec<ClassCount> {
    let dataset = found.dataset;
    let names = found.several.map_or(&dataset.classes, |data| &data.labels);
    let blank = |class: &String| ClassCount { class: class.clone(), train: 0, val: 0, test: 0 };
    let mut counts: Vec<ClassCount> = names.iter().map(blank).collect();
    for (i, example) in dataset.examples.iter().enumerate() {
        let one = [example.label];
        for label in found.several.map_or(&one[..], |data| &data.examples[i].labels) {
            let count = &mut counts[*label];
            match example.split {
                Split::Train => count.train += 1,
                Split::Val => count.val += 1,
                Split::Test => count.test += 1,
            }
        }
    }
    counts
}

fn pair(found: &Found<'_>, pair: &regraft_data::audit::Pair) -> CopyPair {
    let examples = &found.dataset.examples;
    let mut both = [pair.a, pair.b];
    both.sort_by_key(|i| (examples[*i].split, *i));
    CopyPair {
        files: both.map(|i| examples[i].name.clone()),
        kind: pair.kind.key(),
        similarity: pair.similarity,
        classes: both.map(|i| found.dataset.classes[examples[i].label].clone()),
        splits: both.map(|i| examples[i].split.name()),
    }
}

fn groups(found: &Found<'_>, named: &NameGroups) -> Result<NamedGroups, Error> {
    let splits: Vec<Split> = found.dataset.examples.iter().map(|e| e.split).collect();
    Ok(NamedGroups {
        pattern: named.pattern.clone(),
        shown: named.shown.clone(),
        count: named.groups.names.len(),
        files: named.groups.of.iter().flatten().count(),
        across_splits: named.groups.across_splits(&splits)?.len(),
        said: named.said,
    })
}

/// Suspects by names. `rows` are the files that were judged.
pub(super) fn suspects(dataset: &Dataset, errors: &LabelErrors, rows: &[usize]) -> Suspects {
    let told = errors.suspects.iter().map(|s| LabelSuspect {
        file: dataset.examples[rows[s.file]].name.clone(),
        label: dataset.classes[s.given].clone(),
        suggested: dataset.classes[s.better].clone(),
        probability: s.confidence,
        margin: s.margin,
        confident: s.confident,
    });
    (told.collect(), errors.expected)
}

fn finding(found: &Found<'_>, f: &Finding) -> AuditFinding {
    AuditFinding {
        kind: f.kind.key(),
        files: f.files.iter().map(|i| found.dataset.examples[*i].name.clone()).collect(),
        class: f.class.map(|c| found.dataset.classes[c].clone()),
        figure: f.figure,
        usual: f.usual,
        why: f.kind.why(),
        advice: f.kind.advice(),
    }
}

/// Files to drop, one a line, each below the reason; what a person must decide is a remark.
pub(super) fn fix_list(audit: &Audit) -> String {
    let mut text = format!(
        "# Files of {} to drop. Lines with a # are remarks.\n# Nothing was deleted; look before you do.\n",
        audit.data
    );
    let mut dropped: BTreeSet<&str> = BTreeSet::new();
    // Writing to a String cannot fail.
    let line = |text: &mut String, file: &str, why: &str| {
        let _ = writeln!(text, "# {why}\n{file}");
    };
    for file in &audit.unreadable {
        if dropped.insert(&file.file) {
            line(&mut text, &file.file, &format!("unreadable: {}", file.reason));
        }
    }
    for set in audit.duplicates.iter().filter(|set| !audit.conflicts.contains(set)) {
        // Of files in several splits those to learn from go, so that what is tested stays as it was.
        let split = |file: &String| audit.splits.get(file).copied().unwrap_or(Split::Train);
        let Some(keep) = set.iter().max_by_key(|f| (split(f), std::cmp::Reverse(*f))) else {
            continue;
        };
        for copy in set.iter().filter(|f| *f != keep && dropped.insert(f)) {
            let what = if split(copy) == split(keep) { "copy" } else { "leak" };
            line(&mut text, copy, &format!("{what}: {keep} stays"));
        }
    }
    for set in &audit.conflicts {
        let _ = writeln!(text, "# conflict, decide which label is right: {}", set.join(", "));
    }
    for suspect in audit.label_suspects.iter().filter(|s| s.confident) {
        let _ = writeln!(
            text,
            "# label to check: {} is labelled {}, looks like {}",
            suspect.file, suspect.label, suspect.suggested
        );
    }
    text
}
