//! Groups that must not be split.

use std::collections::BTreeMap;

use proptest::prelude::*;
use regex::Regex;
use regraft_data::audit::{
    Groups, NameGroups, Pair, PairKind, find_groups, group_by, groups_of_copies, split_by_groups,
};
use regraft_data::{DataError, Split, uniform};

/// Names of a rule, with the class of each.
fn named(n: usize, rule: impl Fn(usize) -> (String, usize)) -> (Vec<String>, Vec<usize>) {
    (0..n).map(rule).unzip()
}

fn classes(n: usize) -> Vec<String> {
    (0..n).map(|class| format!("class{class}")).collect()
}

fn first(names: &[String], labels: &[usize], classes: &[String]) -> Option<NameGroups> {
    find_groups(names, labels, classes).unwrap().into_iter().next()
}

#[test]
fn names_tell_the_patient_the_speaker_the_video_and_the_folder() {
    // What names look like, the group of each, and what is found.
    type Rule = fn(usize) -> (String, usize);
    let cases: [(Rule, &str, bool); 8] = [
        (|i| (format!("patient{}_{:02}.png", i / 8, i % 8), i / 8), "patient{group}_#", true),
        (|i| (format!("patient_{:03}-{}.png", i / 8, i), i / 8), "patient_{group}-#", true),
        (
            |i| {
                let who = ["ada", "bob", "cid", "dan", "eve", "fay"][i % 6];
                (format!("{}_{who}_{}.wav", i / 6 % 5, i / 30), i % 6)
            },
            "#_{group}_#",
            false,
        ),
        (
            |i| (format!("frame{:04}_clip{}.jpg", i % 10, i / 10), i / 10),
            "frame#_clip{group}",
            true,
        ),
        (|i| (format!("vid{}frame{}.jpg", i / 12, i), i / 12), "vid{group}frame#", true),
        (|i| (format!("p{}/scan-{}.png", i / 6, i % 6), i / 6), "{group}/*", true),
        // Three copies of each, as annotation services make them, with a hash at the end.
        (
            |i| {
                (
                    format!("leaf{}_jpg.rf.{:x}z{:x}q{i:x}w9z9.jpg", i / 3, i * 7919, i * 104729),
                    i / 3,
                )
            },
            "leaf{group}_jpg.rf.*",
            false,
        ),
        (
            |i| {
                (
                    format!("0{}x{}y{}_{}.jpg", i / 4, i / 4, i / 4, ["a", "b", "c", "d"][i % 4]),
                    i / 4,
                )
            },
            "{group}_*",
            false,
        ),
    ];
    for (rule, shown, said) in cases {
        // Groups go across classes, the last class of a group is not its own.
        let class = |i: usize| i % 2;
        let names: Vec<String> =
            (0..96).map(|i| format!("train/class{}/{}", class(i), rule(i).0)).collect();
        let labels: Vec<usize> = (0..96).map(class).collect();
        let wanted: Vec<usize> = (0..96).map(|i| rule(i).1).collect();
        let found = find_groups(&names, &labels, &classes(2)).unwrap();
        let right = found.iter().find(|groups| same_groups(&groups.groups.ids(), &wanted));
        let all: Vec<&str> = found.iter().map(|groups| groups.shown.as_str()).collect();
        let right = right.unwrap_or_else(|| panic!("{shown}: found only {all:?} in {}", names[0]));
        assert_eq!((right.said, &found[0]), (said, right), "{shown}: {all:?}");
        assert_eq!(right.shown, shown, "{all:?}");
        // The pattern gives the same groups to anybody.
        let again = group_by(&names, &Regex::new(&right.pattern).unwrap()).unwrap();
        assert_eq!(again, right.groups);
    }
}

fn same_groups(a: &[usize], b: &[usize]) -> bool {
    let pairs: std::collections::BTreeSet<_> = a.iter().zip(b).collect();
    let count = |values: &[usize]| values.iter().collect::<std::collections::BTreeSet<_>>().len();
    pairs.len() == count(a) && pairs.len() == count(b)
}

#[test]
fn counters_classes_and_random_names_are_no_groups() {
    type Rule<'f> = &'f dyn Fn(usize) -> String;
    let n = uniform(5, "names", 400);
    let hash = |i: usize| format!("{:x}", (n[i] * 1e12) as u64);
    let rules: [(&str, Rule); 7] = [
        ("camera", &|i| format!("IMG_{}.jpg", 1234 + i)),
        ("numbers", &|i| format!("{i}.png")),
        ("class and number", &|i| format!("class{}_{}.png", i % 4, i / 4)),
        ("class word and number", &|i| {
            format!("{}.{}.png", ["cat", "dog", "cow", "pig"][i % 4], i / 4)
        }),
        ("photo service", &|i| format!("{}_{}.jpg", (n[i] * 1e9) as u64, hash(i + 200))),
        ("hashes", &|i| format!("{}.jpg", hash(i))),
        ("frames", &|i| format!("frame_{i}_of_200.jpg")),
    ];
    for (what, rule) in rules {
        let (names, labels) = named(200, |i| (format!("class{}/{}", i % 4, rule(i)), i % 4));
        assert_eq!(first(&names, &labels, &classes(4)), None, "{what}: {}", names[0]);
    }
}

#[test]
fn few_names_and_labels_that_do_not_fit_are_no_groups() {
    let (names, labels) = named(9, |i| (format!("patient{}_{i}.png", i / 3), i % 2));
    assert_eq!(find_groups(&names, &labels, &classes(2)).unwrap(), []);
    let failed = find_groups(&names, &labels[1..], &classes(2));
    assert!(matches!(failed, Err(DataError::AuditLength { given: 8, wanted: 9, .. })));
    let failed = find_groups(&names, &labels, &classes(1));
    assert!(matches!(failed, Err(DataError::Label { label: 1, classes: 1 })));
}

#[test]
fn a_pattern_groups_by_its_named_or_first_group() {
    let names = ["train/a/p1_x.png", "train/b/p1_y.png", "val/a/p22_x.png", "val/a/other.png"];
    let by = |pattern: &str| group_by(&names, &Regex::new(pattern).unwrap());
    let groups = by(r"/p(\d+)_").unwrap();
    assert_eq!(groups.of, [Some(0), Some(0), Some(1), None]);
    assert_eq!(groups.names, ["1", "22"]);
    assert_eq!(groups.sizes(), [2, 1]);
    assert_eq!(groups.ids(), [0, 0, 1, 5]);
    let named = by(r"/(a|b)/(?<group>p\d+)_").unwrap();
    assert_eq!(named.names, ["p1", "p22"]);
    for (pattern, reason) in [("p1", "has no group"), ("(q)", "matches no file")] {
        let message = by(pattern).unwrap_err().to_string();
        assert!(message.contains(reason) && message.contains(pattern), "{message}");
    }
}

#[test]
fn groups_across_splits_are_told() {
    let groups = Groups {
        of: vec![Some(0), Some(0), Some(1), None, Some(1), Some(2)],
        names: ["a", "b", "c"].map(String::from).to_vec(),
    };
    let splits = [Split::Train, Split::Train, Split::Train, Split::Test, Split::Test, Split::Test];
    assert_eq!(groups.across_splits(&splits).unwrap(), [1]);
    assert!(matches!(groups.across_splits(&splits[..2]), Err(DataError::AuditLength { .. })));
}

#[test]
fn copies_make_groups_and_join_those_of_names() {
    let names = ["a", "b", "c", "d", "e"];
    let pair = |a, b| Pair { a, b, kind: PairKind::Near, similarity: 0.95 };
    let copies = groups_of_copies(&names, &[pair(0, 2), pair(2, 4)]).unwrap();
    assert_eq!(copies.of, [Some(0), None, Some(0), None, Some(0)]);
    assert_eq!(copies.names, ["a"]);
    let patients = Groups {
        of: vec![Some(0), Some(0), Some(1), Some(2), None],
        names: ["p0", "p1", "p2"].map(String::from).to_vec(),
    };
    let joined = patients.joined(&copies).unwrap();
    assert_eq!(joined.of, [Some(0), Some(0), Some(0), None, Some(0)]);
    assert_eq!(joined.names, ["p0"]);
    assert!(matches!(groups_of_copies(&names, &[pair(0, 5)]), Err(DataError::AuditLength { .. })));
}

#[test]
fn a_class_in_one_group_and_classes_that_hang_together_are_refused() {
    let failed = split_by_groups(&[0, 0, 1, 1], &[1, 2, 3, 3], 0.3, 0);
    assert!(matches!(failed, Err(DataError::ClassInOneGroup { class: 1, files: 2 })));
    // Each group has two of three classes: whichever is tested, a class is on one side only.
    let failed = split_by_groups(&[0, 1, 1, 2, 0, 2], &[7, 7, 8, 8, 9, 9], 0.3, 0);
    assert!(matches!(failed, Err(DataError::NoGroupSplit { .. })));
    let failed = split_by_groups(&[0, 0], &[1, 2], 1.0, 0);
    assert!(matches!(failed, Err(DataError::TestShare { given: 1.0 })));
    let failed = split_by_groups(&[0, 0], &[1], 0.5, 0);
    assert!(matches!(failed, Err(DataError::AuditLength { .. })));
    assert_eq!(split_by_groups(&[], &[], 0.5, 0).unwrap(), []);
}

#[test]
fn shares_come_out_as_wanted_when_groups_are_small() {
    let n = 600;
    let draws = uniform(3, "groups", 2 * n);
    let groups: Vec<usize> = (0..n).map(|i| (draws[i] * 90.0) as usize).collect();
    let labels: Vec<usize> = (0..n).map(|i| (draws[n + i].powi(2) * 5.0) as usize).collect();
    for seed in 0..5 {
        let split = split_by_groups(&labels, &groups, 0.2, seed).unwrap();
        for class in 0..5 {
            let of: Vec<usize> = (0..n).filter(|i| labels[*i] == class).collect();
            let tested = of.iter().filter(|i| split[**i] == Split::Test).count();
            let off = (tested as f64 - 0.2 * of.len() as f64).abs();
            assert!(off <= 3.0, "seed {seed}, class {class}: {tested} of {}", of.len());
        }
    }
}

#[test]
fn a_large_group_is_not_tested_when_smaller_ones_do() {
    // One group of 60 of 100, and 40 single files.
    let groups: Vec<usize> = (0..100).map(|i| if i < 60 { 1000 } else { i }).collect();
    let split = split_by_groups(&[0; 100], &groups, 0.2, 1).unwrap();
    assert_eq!(split.iter().filter(|s| **s == Split::Test).count(), 20);
    assert_eq!(split[0], Split::Train);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_group_is_on_both_sides_and_every_class_is(
        files in prop::collection::vec((0_usize..4, 0_usize..25), 2..160),
        share in 0.05..0.7_f64,
        seed: u64,
    ) {
        let (labels, groups): (Vec<usize>, Vec<usize>) = files.into_iter().unzip();
        match split_by_groups(&labels, &groups, share, seed) {
            Ok(split) => {
                let mut sides = BTreeMap::new();
                for (group, side) in groups.iter().zip(&split) {
                    prop_assert_eq!(sides.entry(group).or_insert(side), &side);
                }
                for class in &labels {
                    for side in [Split::Train, Split::Test] {
                        prop_assert!(labels.iter().zip(&split).any(|of| of == (class, &side)));
                    }
                }
                prop_assert_eq!(split, split_by_groups(&labels, &groups, share, seed).unwrap());
            }
            Err(DataError::ClassInOneGroup { class, files }) => {
                let of = || labels.iter().zip(&groups).filter(|(label, _)| **label == class);
                prop_assert_eq!(of().count(), files);
                prop_assert!(of().all(|(_, group)| Some(group) == of().next().map(|f| f.1)));
            }
            Err(DataError::NoGroupSplit { .. }) => {
                // Only where there is none: all ways to choose are tried when they are few.
                let mut all = groups.clone();
                all.sort_unstable();
                all.dedup();
                prop_assert!(all.len() > 12 || !any_split(&labels, &groups, &all));
            }
            Err(other) => return Err(TestCaseError::fail(other.to_string())),
        }
    }
}

/// Whether some choice of groups has every class on both sides.
fn any_split(labels: &[usize], groups: &[usize], all: &[usize]) -> bool {
    (0..1_u32 << all.len()).any(|choice| {
        let tested = |group: usize| choice >> all.binary_search(&group).unwrap() & 1 == 1;
        labels.iter().all(|class| {
            let of = || labels.iter().zip(groups).filter(|(label, _)| *label == class);
            of().any(|(_, group)| tested(*group)) && of().any(|(_, group)| !tested(*group))
        })
    })
}
