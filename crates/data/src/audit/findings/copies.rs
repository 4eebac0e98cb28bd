//! Pairs of copies to conflicts, leaks and copies within a class.

use std::collections::BTreeMap;

use super::{Finding, FindingKind};
use crate::audit::groups::Sets;
use crate::audit::{Pair, PairKind};
use crate::{Example, Split};

/// Files with the same pixels, and pairs of such sets that are alike.
///
/// A picture that is there a thousand times would have half a million pairs; sets have a thousand
/// files.
struct Copies<'d> {
    examples: &'d [Example],
    /// Files with the same pixels, each in order.
    sets: Vec<Vec<usize>>,
    /// Two sets that show the same, altered, and how alike they are.
    edges: Vec<(usize, usize, f32)>,
}

/// Findings about copies: conflicts, leaks, copies within a class and split.
pub(super) fn find(examples: &[Example], pairs: &[Pair]) -> Vec<Finding> {
    let copies = Copies::new(examples, pairs);
    let mut findings = copies.conflicts();
    findings.extend(copies.leaks());
    findings.extend(copies.within());
    findings
}

impl<'d> Copies<'d> {
    fn new(examples: &'d [Example], pairs: &[Pair]) -> Self {
        let exact = |pair: &&Pair| match pair.kind {
            PairKind::Bytes | PairKind::Pixels => true,
            PairKind::Near | PairKind::Mirrored => false,
        };
        let mut same = Sets::new(examples.len());
        pairs.iter().filter(exact).for_each(|pair| same.join(pair.a, pair.b));
        let mut members: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for file in 0..examples.len() {
            members.entry(same.leader(file)).or_default().push(file);
        }
        let numbers: BTreeMap<usize, usize> =
            members.keys().enumerate().map(|(number, leader)| (*leader, number)).collect();
        let mut edges = Vec::new();
        for pair in pairs.iter().filter(|pair| !exact(pair)) {
            let (a, b) = (numbers[&same.leader(pair.a)], numbers[&same.leader(pair.b)]);
            if a != b {
                edges.push((a.min(b), a.max(b), pair.similarity));
            }
        }
        Self { examples, sets: members.into_values().collect(), edges }
    }

    fn label(&self, file: usize) -> usize {
        self.examples[file].label
    }

    fn split(&self, file: usize) -> Split {
        self.examples[file].split
    }

    /// A set whose labels differ; two sets of which one has a label that the other lacks.
    fn conflicts(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        for set in &self.sets {
            if set.iter().any(|file| self.label(*file) != self.label(set[0])) {
                findings.push(Finding::of(FindingKind::Conflict, set.clone(), 1.0));
            }
        }
        for (a, b, similarity) in &self.edges {
            let (a, b) = (&self.sets[*a], &self.sets[*b]);
            let other = |file: &&usize| self.label(**file) != self.label(a[0]);
            if let Some(other) = b.iter().find(other) {
                let files = vec![a[0].min(*other), a[0].max(*other)];
                findings.push(Finding::of(FindingKind::Conflict, files, f64::from(*similarity)));
            }
        }
        findings
    }

    /// Each file of a later split with the first of an earlier one that shows the same.
    fn leaks(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        let mut add = |from: &[usize], to: &[usize], similarity: f64| {
            for late in to {
                let early = from.iter().find(|early| self.split(**early) < self.split(*late));
                if let Some(early) = early {
                    let files = vec![*early, *late];
                    findings.push(Finding::of(FindingKind::Leak, files, similarity));
                }
            }
        };
        for set in &self.sets {
            add(set, set, 1.0);
        }
        for (a, b, similarity) in &self.edges {
            let (a, b) = (&self.sets[*a], &self.sets[*b]);
            add(a, b, f64::from(*similarity));
            add(b, a, f64::from(*similarity));
        }
        findings
    }

    /// Files of one label and split that pairs connect without leaving it.
    fn within(&self) -> Vec<Finding> {
        let mut together = Sets::new(self.examples.len());
        let mut least: Vec<(usize, f32)> = Vec::new();
        let home = |file: usize| (self.split(file), self.label(file));
        for set in &self.sets {
            let mut firsts = BTreeMap::new();
            for file in set {
                together.join(*firsts.entry(home(*file)).or_insert(*file), *file);
            }
        }
        for (a, b, similarity) in &self.edges {
            for file in &self.sets[*a] {
                let other = self.sets[*b].iter().find(|other| home(**other) == home(*file));
                if let Some(other) = other {
                    together.join(*file, *other);
                    least.push((*file, *similarity));
                }
            }
        }
        let mut similar: BTreeMap<usize, f32> = BTreeMap::new();
        for (file, similarity) in least {
            let worst = similar.entry(together.leader(file)).or_insert(1.0);
            *worst = worst.min(similarity);
        }
        let finding = |files: Vec<usize>| {
            let similarity = similar.get(&files[0]).copied().unwrap_or(1.0);
            Finding::of(FindingKind::Copies, files, f64::from(similarity))
        };
        together.several().into_iter().map(finding).collect()
    }
}
