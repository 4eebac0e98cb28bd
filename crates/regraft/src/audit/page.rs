//! The page with the pictures.

use std::collections::BTreeMap;
use std::path::Path;

use regraft_data::{Dataset, decode_file, thumbnail};
use regraft_report::{AuditCard, AuditInput, AuditSection, write_audit};

use super::{Audit, AuditFinding, CopyPair, LabelSuspect, LeakEffect};
use crate::{Error, VERSION};

/// The longer side of a thumbnail, in pixels.
const THUMBNAIL: usize = 192;
/// Findings of a kind that are shown, and pictures of a finding.
const SHOWN: usize = 24;
/// The same in the report of a run, which shows more than its data.
const SHOWN_OF_RUN: usize = 6;

/// Writes the page.
pub(super) fn write(path: &Path, audit: &Audit, dataset: &Dataset) -> Result<(), Error> {
    let files: BTreeMap<&str, &Path> =
        dataset.examples.iter().map(|e| (e.name.as_str(), e.path.as_path())).collect();
    let picture = |name: &str| {
        let picture = decode_file(files.get(name)?).ok()?;
        thumbnail(&picture, THUMBNAIL).ok()
    };
    let sections = sections(audit, SHOWN);
    let input = AuditInput {
        title: &audit.data,
        verdict: &audit.verdict(),
        facts: &facts(audit),
        sections: &sections,
        notes: &audit.notes,
        version: VERSION,
        thumbnail: &picture,
    };
    Ok(write_audit(path, &input)?)
}

/// What the report of a run shows of its audit.
pub(crate) fn of_run(audit: &Audit) -> Vec<AuditSection> {
    sections(audit, SHOWN_OF_RUN)
}

fn facts(audit: &Audit) -> Vec<(String, String)> {
    let mut facts = vec![
        ("images".to_owned(), audit.images.to_string()),
        ("split".to_owned(), audit.split_origin.clone()),
    ];
    for c in &audit.class_counts {
        let value = format!("{} to learn from, {} to test with", c.train + c.val, c.test);
        let kind = if audit.several_labels { "label" } else { "class" };
        facts.push((format!("{kind} {}", c.class), value));
    }
    if let Some(effect) = &audit.effect {
        facts.push(("accuracy of a linear head".to_owned(), effect.words()));
    }
    for groups in &audit.groups {
        let value = format!(
            "{} groups of {} files, {} across splits; `--group-by '{}'`",
            groups.count, groups.files, groups.across_splits, groups.pattern
        );
        facts.push((format!("file names like {}", groups.shown), value));
    }
    if let Some(wrong) = audit.labels_wrong {
        facts.push(("labels that are wrong, estimated".to_owned(), format!("{wrong:.0}")));
    }
    facts
}

/// The kinds of findings in their order, labels that are likely wrong behind what is certain.
fn sections(audit: &Audit, shown: usize) -> Vec<AuditSection> {
    let mut sections: Vec<AuditSection> = Vec::new();
    for finding in &audit.findings {
        let at = sections.iter().position(|s| s.id == finding.kind).unwrap_or_else(|| {
            sections.push(AuditSection {
                id: finding.kind.to_owned(),
                why: finding.why.to_owned(),
                advice: finding.advice.to_owned(),
                ..AuditSection::default()
            });
            sections.len() - 1
        });
        let section = &mut sections[at];
        if section.cards.len() < shown {
            section.cards.push(card(finding, audit, shown));
        } else {
            section.more += 1;
        }
    }
    for section in &mut sections {
        section.title = title(&section.id, section.cards.len() + section.more);
        if section.id == "leak"
            && let Some(effect) = &audit.effect
        {
            section.why = format!("{}; {}", section.why, effect.words());
        }
    }
    if !audit.label_suspects.is_empty() {
        let at = sections
            .iter()
            .position(|s| s.id != "unreadable" && s.id != "conflict" && s.id != "leak");
        let at = at.unwrap_or(sections.len());
        sections.insert(at, suspects(audit, shown));
    }
    sections
}

fn title(kind: &str, count: usize) -> String {
    format!("{}: {count}", kind.replace('_', " "))
}

fn card(finding: &AuditFinding, audit: &Audit, shown: usize) -> AuditCard {
    let mut said = String::new();
    if let [a, b] = &finding.files[..]
        && let Some(pair) = audit.pair(a, b)
    {
        said = pair.words();
    } else if let Some(file) = finding.files.first()
        && let Some(broken) = audit.unreadable.iter().find(|u| u.file == *file)
    {
        said.clone_from(&broken.reason);
    } else if let Some(class) = &finding.class {
        said = format!("class `{class}`: {:.1}", finding.figure);
    } else if finding.figure != 0.0 {
        said = match finding.usual {
            Some(usual) => format!("{:.3}, usual {usual:.3}", finding.figure),
            None => format!("{:.3}", finding.figure),
        };
    }
    let files = finding.files.iter().take(shown).cloned().collect();
    AuditCard { files, said }
}

fn suspects(audit: &Audit, shown: usize) -> AuditSection {
    let all = &audit.label_suspects;
    let card = |s: &LabelSuspect| AuditCard { files: vec![s.file.clone()], said: s.words() };
    AuditSection {
        id: "labels".to_owned(),
        title: format!("labels that may be wrong: {}", all.len()),
        why:
            "a head that has not learned from these pictures contradicts their labels, the surest \
              first; wrong labels teach the wrong thing and count right answers as mistakes"
                .to_owned(),
        advice:
            "look at each, and correct the label where it is wrong: some are only hard pictures"
                .to_owned(),
        cards: all.iter().take(shown).map(card).collect(),
        more: all.len().saturating_sub(shown),
    }
}

impl CopyPair {
    /// What the two are to one another, in words.
    pub fn words(&self) -> String {
        let kind = match self.kind {
            "bytes" => "the same file",
            "pixels" => "the same pixels",
            "mirrored" => "nearly the same, mirrored",
            _ => "nearly the same",
        };
        let [a, b] = &self.classes;
        let [s, t] = self.splits;
        let classes = if a == b { format!("class `{a}`") } else { format!("`{a}` and `{b}`") };
        let splits = if s == t { s.to_owned() } else { format!("{s} and {t}") };
        format!("{kind} ({:.2}), {classes}, {splits}", self.similarity)
    }
}

impl LabelSuspect {
    /// What is thought of it, in words.
    pub fn words(&self) -> String {
        let sure = if self.confident { ", surely" } else { "" };
        let share = 100.0 * self.probability;
        format!("labelled `{}` ({share:.1} %), looks like `{}`{sure}", self.label, self.suggested)
    }
}

impl LeakEffect {
    /// Both accuracies in words.
    pub fn words(&self) -> String {
        let [n, right] = self.test;
        let all = format!("{:.1} % of {n} test images right ({right})", 100.0 * self.top1);
        let [m, _] = self.without_leaks;
        match self.top1_without_leaks {
            Some(_) if m == n => all,
            Some(top1) => {
                format!("{all}, {:.1} % of the {m} that have no copy to learn from", 100.0 * top1)
            }
            None => format!("{all}, and every one of them has a copy to learn from"),
        }
    }
}

impl Audit {
    /// All in a sentence.
    pub fn verdict(&self) -> String {
        let several = |n: usize, one: &str, many: &str| {
            (n > 0).then(|| format!("{n} {}", if n == 1 { one } else { many }))
        };
        let sure = self.label_suspects.iter().filter(|s| s.confident).count();
        let across = self.groups.iter().filter(|g| g.said).map(|g| g.across_splits).sum();
        let parts: Vec<String> = [
            several(self.unreadable.len(), "file that cannot be read", "files that cannot be read"),
            several(self.leaks.len(), "leak between splits", "leaks between splits"),
            several(self.conflicts.len(), "copy with two labels", "copies with two labels"),
            several(self.duplicates.len(), "set of copies", "sets of copies"),
            several(sure, "label that is likely wrong", "labels that are likely wrong"),
            several(
                across,
                "group of files in several splits",
                "groups of files in several splits",
            ),
        ]
        .into_iter()
        .flatten()
        .collect();
        let what = if self.several_labels { "with" } else { "in" };
        let kind = if self.several_labels { "labels" } else { "classes" };
        let images = format!("{} images {what} {} {kind}", self.images, self.classes);
        if parts.is_empty() {
            return format!("{images}: no broken files, no copies, no leaks found");
        }
        format!("{images}: {}", parts.join(", "))
    }
}
