use regraft_probe::{
    Features, HeadKind, HeadOptions, LabelSets, LabelSetsFit, Labels, ProbeError, fit_label_sets,
    label_temperature, ridge,
};
use serde_json::Value;

use crate::support::{Set, largest_difference, with_threads};

/// Features, and which labels each example has.
struct Several {
    x: Vec<f32>,
    d: usize,
    sets: Vec<Vec<usize>>,
    labels: usize,
}

impl Several {
    /// Three labels: two classes of a set, both of them at times, and every fifth example has none.
    fn new(n: usize, d: usize) -> Self {
        let set = Set::new(n, d, 3, 1.5, 11);
        let labels = |(i, class): (usize, &usize)| match i % 5 {
            4 => Vec::new(),
            3 if *class > 0 => vec![0, *class],
            _ => vec![*class],
        };
        let sets = set.y.iter().enumerate().map(labels).collect();
        Self { x: set.x, d, sets, labels: 3 }
    }

    fn folds(&self) -> Vec<usize> {
        (0..self.sets.len()).map(|i| (i / 3) % 4).collect()
    }

    fn fit(&self, kind: HeadKind, penalty: f64, groups: Option<Vec<usize>>) -> LabelSetsFit {
        let features = Features::new(&self.x, self.sets.len(), self.d).unwrap();
        let sets = LabelSets::new(&self.sets, self.labels).unwrap();
        let penalties = Some(vec![penalty]);
        let options = HeadOptions { kind, penalties, groups, ..HeadOptions::default() };
        fit_label_sets(features, &sets, &self.folds(), &options, &mut |_| ()).unwrap()
    }

    /// Whether each example has a label.
    fn has(&self, label: usize) -> Vec<usize> {
        self.sets.iter().map(|set| usize::from(set.contains(&label))).collect()
    }

    fn only(&self, label: usize) -> Self {
        let sets = self.has(label).iter().map(|has| vec![0; *has]).collect();
        Self { x: self.x.clone(), d: self.d, sets, labels: 1 }
    }
}

/// n, d: the dual and the primal form, and folds larger than the number of features.
const SHAPES: [(usize, usize); 3] = [(20, 31), (45, 12), (60, 5)];

fn column(values: &[f64], label: usize, labels: usize) -> Vec<f64> {
    values.iter().skip(label).step_by(labels).copied().collect()
}

#[test]
fn each_label_is_told_as_if_it_were_alone() {
    for (n, d) in SHAPES {
        let all = Several::new(n, d);
        // Logistic fits of folds end early, with 1e-5 of the objective still to be had.
        for (kind, most) in [(HeadKind::Ridge, 1e-8), (HeadKind::Logistic, 0.03)] {
            let fit = all.fit(kind, 2.0, None);
            for label in 0..3 {
                let alone = all.only(label).fit(kind, 2.0, None);
                let share = |z: &f64| 1.0 / (1.0 + (-z).exp());
                let shares = |odds: &[f64]| odds.iter().map(share).collect::<Vec<f64>>();
                let got = shares(&column(&fit.out_of_fold, label, 3));
                let off = largest_difference(&got, &shares(&alone.out_of_fold));
                assert!(off < most, "{n}x{d} {kind:?} label {label}: off by {off}");
            }
        }
    }
}

/// What is left of `y` when a line in `x` is taken off, at most.
fn off_a_line(x: &[f64], y: &[f64]) -> f64 {
    let n = x.len() as f64;
    let mean = |v: &[f64]| v.iter().sum::<f64>() / n;
    let (mx, my) = (mean(x), mean(y));
    let slope = x.iter().zip(y).map(|(a, b)| (a - mx) * (b - my)).sum::<f64>()
        / x.iter().map(|a| (a - mx).powi(2)).sum::<f64>();
    x.iter().zip(y).map(|(a, b)| (b - my - slope * (a - mx)).abs()).fold(0.0, f64::max)
}

#[test]
fn held_out_odds_are_a_line_of_the_scores_of_two_classes() {
    for (n, d) in SHAPES {
        let all = Several::new(n, d);
        let fit = all.fit(HeadKind::Ridge, 2.0, None);
        for label in 0..3 {
            let y = all.has(label);
            let labels = Labels::new(&y, 2).unwrap();
            let features = Features::new(&all.x, n, d).unwrap();
            let path = ridge(features, &labels, &[2.0]).unwrap();
            let mut scores = path.loo_scores(0).unwrap();
            labels.know_shares(&mut scores, &[]);
            let (scores, odds) = (column(&scores, 1, 2), column(&fit.out_of_fold, label, 3));
            let off = off_a_line(&scores, &odds);
            assert!(off < 1e-8, "{n}x{d} label {label}: {off} off the line");
        }
    }
}

#[test]
fn copies_in_one_group_do_not_vouch_for_each_other() {
    let mut all = Several::new(40, 20);
    // Noise, every picture twice: alone each example finds its copy.
    let noise = Set::new(40, 20, 2, 1.0, 5);
    for i in 0..40 {
        let of = i / 2;
        for j in 0..20 {
            all.x[i * 20 + j] = noise.x[of * 20 + j] - noise.x[(of + 2) * 20 + j];
        }
        all.sets[i] = if (of * 7) % 5 < 2 { vec![0, 1] } else { vec![2] };
    }
    let groups: Vec<usize> = (0..40).map(|i| i / 2).collect();
    let alone = all.fit(HeadKind::Ridge, 0.5, None);
    let whole = all.fit(HeadKind::Ridge, 0.5, Some(groups));
    assert!(alone.out_of_fold_exact > 0.9, "{}", alone.out_of_fold_exact);
    assert!(whole.out_of_fold_exact < 0.8, "{}", whole.out_of_fold_exact);
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
}

#[test]
fn heads_are_those_of_scikit_learn_but_for_calibration() {
    let all: Value = serde_json::from_str(include_str!("../fixtures/label_sets.json")).unwrap();
    for case in all["cases"].as_array().unwrap() {
        let count = |key: &str| case[key].as_u64().unwrap() as usize;
        let labels = count("labels");
        let rows = numbers(&case["y"]);
        let set = |row: &[f64]| (0..labels).filter(|c| row[*c] > 0.5).collect();
        let several = Several {
            x: numbers(&case["x"]).into_iter().map(|v| v as f32).collect(),
            d: count("d"),
            sets: rows.chunks_exact(labels).map(set).collect(),
            labels,
        };
        for golden in case["fits"].as_array().unwrap() {
            let penalty = golden["penalty"].as_f64().unwrap();
            let kinds = [(HeadKind::Ridge, "ridge", 2e-5), (HeadKind::Logistic, "logistic", 3e-3)];
            for (kind, key, most) in kinds {
                let fit = several.fit(kind, penalty, None);
                let got = fit.head.logits_batch(&several.x).unwrap();
                let got: Vec<f64> = got.into_iter().map(f64::from).collect();
                for label in 0..labels {
                    let wanted = column(&numbers(&golden[key]), label, labels);
                    let off = off_a_line(&wanted, &column(&got, label, labels));
                    assert!(off < most, "{} {key} {penalty} {label}: {off}", case["name"]);
                }
            }
        }
    }
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let all = Several::new(60, 8);
    let fit = |threads| with_threads(threads, || all.fit(HeadKind::Auto, 1.0, None));
    assert_eq!(fit(1), fit(3));
}

#[test]
fn probabilities_of_held_out_examples_mean_what_they_say() {
    let all = Several::new(300, 10);
    let fit = all.fit(HeadKind::Auto, 3.0, None);
    for label in 0..3 {
        let odds = column(&fit.out_of_fold, label, 3);
        let said: f64 = odds.iter().map(|z| 1.0 / (1.0 + (-z).exp())).sum();
        let have = all.has(label).iter().sum::<usize>() as f64;
        // Platt's targets keep half an example or so from certainty.
        assert!((said - have).abs() < 1.5, "label {label}: {said:.2} said, {have} have it");
    }
}

#[test]
fn sets_that_cannot_be_are_refused() {
    let new = |sets: &[Vec<usize>], labels| LabelSets::new(sets, labels).map(|_| ()).unwrap_err();
    assert_eq!(new(&[vec![]], 0), ProbeError::NoLabels);
    assert_eq!(new(&[vec![0], vec![1, 0]], 2), ProbeError::LabelOrder { row: 1 });
    assert_eq!(new(&[vec![0, 0]], 1), ProbeError::LabelOrder { row: 0 });
    let range = ProbeError::LabelRange { row: 0, label: 2, classes: 2 };
    assert_eq!(new(&[vec![0, 2]], 2), range);
    let sets = [vec![0], vec![0]];
    let sets = LabelSets::new(&sets, 1).unwrap();
    let features = Features::new(&[0.0, 1.0, 2.0], 3, 1).unwrap();
    let short = fit_label_sets(features, &sets, &[0, 1, 0], &HeadOptions::default(), &mut |_| ());
    assert_eq!(short.unwrap_err(), ProbeError::LabelCount { got: 2, wanted: 3 });
}

#[test]
fn a_label_of_every_example_of_none_or_without_a_sign_of_it_is_no_error() {
    let mut all = Several::new(24, 6);
    all.labels = 4;
    let fit = all.fit(HeadKind::Auto, 1.0, None);
    assert!(column(&fit.out_of_fold, 3, 4).iter().all(|z| *z < -2.0 && z.is_finite()));
    all.sets.iter_mut().for_each(|set| *set = vec![0]);
    all.labels = 1;
    let fit = all.fit(HeadKind::Auto, 1.0, None);
    assert!(fit.out_of_fold.iter().all(|z| *z > 2.0), "{:?}", fit.out_of_fold);
    let mut flat = Several::new(24, 6);
    flat.x.fill(1.0);
    let fit = flat.fit(HeadKind::Auto, 1.0, None);
    assert!(fit.out_of_fold.iter().all(|z| z.is_finite()));
}

#[test]
fn a_temperature_undoes_what_odds_were_stretched_by() {
    let sets: Vec<Vec<usize>> = (0..400)
        .map(|i| (0..2).filter(|l| (i * 7 + l * 3) % 10 < if i % 2 == 0 { 8 } else { 3 }).collect())
        .collect();
    let sets = LabelSets::new(&sets, 2).unwrap();
    // Right odds for a share of 0.8 and of 0.3.
    let odds: Vec<f64> = (0..800)
        .map(|k| if (k / 2) % 2 == 0 { 4.0_f64.ln() } else { (3.0_f64 / 7.0).ln() })
        .collect();
    let one = label_temperature(&odds, &sets).unwrap();
    assert!((0.8..1.25).contains(&one), "{one}");
    let stretched: Vec<f64> = odds.iter().map(|z| 5.0 * z).collect();
    let five = label_temperature(&stretched, &sets).unwrap();
    assert!((five / one - 5.0).abs() < 1e-3, "{five} {one}");
    assert!(label_temperature(&odds[1..], &sets).is_err());
}
