use regraft_probe::{
    Features, HeadKind, HeadOptions, Labels, LinearHead, LogisticOptions, ProbeError, fit_head,
    folds, logistic, ridge, ridge_penalties,
};

use crate::support::Set;

fn every_kind(set: &Set) -> Vec<regraft_probe::HeadFit> {
    [HeadKind::Auto, HeadKind::Ridge, HeadKind::Logistic]
        .into_iter()
        .map(|kind| {
            let options = HeadOptions { kind, ..Default::default() };
            let fit = fit_head(set.features(), &set.labels(), &options, &mut |_| ()).unwrap();
            let p = fit.head.probabilities_batch(&set.x).unwrap();
            for row in p.chunks_exact(set.classes) {
                assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-5, "{kind:?}: {row:?}");
            }
            assert!(fit.out_of_fold_scores.iter().all(|v| v.is_finite()), "{kind:?}");
            assert!(fit.out_of_fold_nll.is_finite(), "{kind:?}");
            fit
        })
        .collect()
}

fn set(x: &[f32], y: &[usize], d: usize, classes: usize) -> Set {
    Set { x: x.to_vec(), y: y.to_vec(), n: y.len(), d, classes }
}

#[test]
fn a_value_that_is_not_finite_is_an_error_that_names_row_and_column() {
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let e = Features::new(&[1.0, 2.0, 3.0, 4.0, bad, 6.0], 2, 3).unwrap_err();
        assert!(matches!(e, ProbeError::NotFinite { row: 1, column: 1, .. }), "{e}");
        assert!(e.to_string().contains("in row 1, column 1"), "{e}");
    }
}

#[test]
fn shapes_and_labels_that_do_not_fit_are_errors() {
    let shapes = [(5, 2, 3), (0, 0, 3), (0, 3, 0), (6, usize::MAX, 2)];
    for (len, n, d) in shapes {
        let e = Features::new(&vec![0.0; len], n, d).unwrap_err();
        assert!(matches!(e, ProbeError::Shape { .. }), "{len} as {n}x{d}: {e}");
    }
    let wanted: [(&[usize], usize, ProbeError); 6] = [
        (&[0, 1, 2], 2, ProbeError::LabelRange { row: 2, label: 2, classes: 2 }),
        (&[0, 2, 0], 3, ProbeError::EmptyClass { class: 1 }),
        (&[0, 1], 3, ProbeError::EmptyClass { class: 2 }),
        (&[0, 7], usize::MAX, ProbeError::EmptyClass { class: 1 }),
        (&[0, 0], 1, ProbeError::TooFewClasses { classes: 1 }),
        (&[], 2, ProbeError::EmptyClass { class: 0 }),
    ];
    for (y, classes, error) in wanted {
        assert_eq!(Labels::new(y, classes).unwrap_err(), error);
    }
    let features = Features::new(&[1.0, 2.0, 3.0], 3, 1).unwrap();
    let labels = Labels::new(&[0, 1], 2).unwrap();
    let wrong = ProbeError::LabelCount { got: 2, wanted: 3 };
    assert_eq!(ridge(features, &labels, &[1.0]).err(), Some(wrong.clone()));
    let options = HeadOptions::default();
    assert_eq!(fit_head(features, &labels, &options, &mut |_| ()).err(), Some(wrong));
}

#[test]
fn options_out_of_range_are_errors() {
    let s = Set::new(10, 3, 2, 1.0, 1);
    for (penalties, index) in [(vec![1.0, 0.0], 1), (vec![-1.0], 0), (vec![f64::NAN], 0)] {
        let e = ridge(s.features(), &s.labels(), &penalties).err().unwrap();
        assert!(matches!(e, ProbeError::Penalty { index: i, .. } if i == index), "{e}");
        let options = HeadOptions { penalties: Some(penalties), ..Default::default() };
        assert!(fit_head(s.features(), &s.labels(), &options, &mut |_| ()).is_err());
    }
    assert_eq!(ridge(s.features(), &s.labels(), &[]).err(), Some(ProbeError::NoPenalties));
    let path = ridge(s.features(), &s.labels(), &[1.0]).unwrap();
    let wanted = ProbeError::NoSuchPenalty { index: 1, count: 1 };
    assert_eq!(path.fit(1).err(), Some(wanted.clone()));
    assert_eq!(path.loo_scores(1).err(), Some(wanted));
    let options = HeadOptions { folds: 1, ..Default::default() };
    let e = fit_head(s.features(), &s.labels(), &options, &mut |_| ()).unwrap_err();
    assert_eq!(e.to_string(), "option `folds` is 1, wants 2 or more");
    let options = LogisticOptions { tolerance: f64::NAN, ..Default::default() };
    assert!(logistic(s.features(), &s.labels(), &options).is_err());
    let head = LinearHead {
        classes: 3,
        features: 3,
        weight: vec![0.0; 9],
        bias: vec![0.0; 3],
        temperature: 1.0,
    };
    let options = LogisticOptions { start: Some(&head), ..Default::default() };
    let e = logistic(s.features(), &s.labels(), &options).unwrap_err();
    assert!(matches!(e, ProbeError::Start { classes: 3, wanted_classes: 2, .. }), "{e}");
}

#[test]
fn a_head_whose_fields_do_not_fit_is_an_error_not_a_panic() {
    let good = LinearHead {
        classes: 2,
        features: 3,
        weight: vec![1.0, 0.0, 0.0, 0.0, 1.0, 0.0],
        bias: vec![0.5, 0.0],
        temperature: 0.5,
    };
    let mut out = [0.0; 2];
    good.logits(&[1.0, 2.0, 3.0], &mut out).unwrap();
    assert_eq!(out, [1.5, 2.0]);
    let p = good.probabilities(&[1.0, 2.0, 3.0]).unwrap();
    assert!((p[1] - 1.0 / (1.0 + (-1.0f32).exp())).abs() < 1e-6, "{p:?}");
    assert_eq!(good.logits_batch(&[1.0, 2.0, 3.0, 0.0, 0.0, 0.0]).unwrap(), [1.5, 2.0, 0.5, 0.0]);
    assert!(good.logits(&[1.0], &mut out).is_err());
    assert!(good.logits(&[1.0, 2.0, 3.0], &mut [0.0; 3]).is_err());
    assert!(good.probabilities(&[0.0; 6]).is_err());
    assert!(good.logits_batch(&[0.0; 5]).is_err());
    assert!(good.logits_batch(&[]).is_err());
    let broken = [
        LinearHead { weight: vec![0.0; 5], ..good.clone() },
        LinearHead { bias: vec![], ..good.clone() },
        LinearHead { features: 0, weight: vec![], ..good.clone() },
        LinearHead { temperature: 0.0, ..good.clone() },
        LinearHead { temperature: f32::NAN, ..good.clone() },
    ];
    for head in broken {
        assert!(head.probabilities_batch(&[0.0; 3]).is_err(), "{head:?}");
    }
}

#[test]
fn features_without_variance_give_the_class_frequencies() {
    for (n, d) in [(4, 6), (8, 1), (8, 3)] {
        let y: Vec<usize> = (0..n).map(|i| usize::from(i % 4 == 0)).collect();
        let s = set(&vec![7.5; n * d], &y, d, 2);
        for fit in every_kind(&s) {
            assert!(fit.head.weight.iter().all(|w| w.abs() < 1e-6), "{:?}", fit.head);
        }
    }
}

#[test]
fn the_smallest_problems_work() {
    let cases: [(&[f32], &[usize], usize, usize); 6] = [
        (&[0.0, 1.0], &[0, 1], 1, 2),
        (&[0.0, 0.0], &[0, 1], 1, 2),
        (&[0.0, 1.0, 2.0, 3.0], &[1, 0], 2, 2),
        (&[0.0, 1.0, 5.0], &[0, 1, 2], 1, 3),
        (&[1.0, 1.0, 1.0, 2.0, 2.0, 2.0], &[0, 0, 0, 1, 1, 1], 1, 2),
        (&[0.0, 1.0, 0.1, 1.1, 0.2, 9.0], &[0, 1, 0, 1, 0, 2], 1, 3),
    ];
    for (x, y, d, classes) in cases {
        every_kind(&set(x, y, d, classes));
    }
}

#[test]
fn a_class_with_one_example_takes_part_in_cross_validation() {
    for d in [3, 60] {
        let mut s = Set::new(31, d, 3, 0.5, 9);
        for (i, label) in s.y.iter_mut().enumerate() {
            *label = if i == 30 { 2 } else { i % 2 };
        }
        for fit in every_kind(&s) {
            assert!(fit.out_of_fold_top1 <= 30.0 / 31.0, "the lone example cannot be right");
            assert_eq!(fit.folds.iter().max(), Some(&4), "it does not shrink the folds");
        }
    }
}

#[test]
fn duplicate_rows_and_features_are_no_obstacle() {
    for d in [2, 30] {
        let s = Set::new(12, d, 2, 1.0, 3);
        let twice = s.pick(&(0..24).map(|i| i / 2).collect::<Vec<_>>());
        every_kind(&twice);
        let wide: Vec<f32> = s.x.chunks_exact(d).flat_map(|r| [r, r].concat()).collect();
        every_kind(&Set { x: wide, d: 2 * d, ..s });
    }
}

#[test]
fn the_scale_of_the_features_changes_nothing() {
    for (n, d) in [(20, 40), (60, 5)] {
        let s = Set::new(n, d, 3, 1.0, 12);
        let plain = every_kind(&s);
        // Powers of two: the scaled features are the same numbers with another exponent.
        for scale in [f32::powi(2.0, 20), f32::powi(2.0, -20), f32::powi(2.0, 60)] {
            let x: Vec<f32> = s.x.iter().map(|v| v * scale).collect();
            let scaled = every_kind(&Set { x, y: s.y.clone(), ..s });
            for (a, b) in plain.iter().zip(&scaled) {
                assert_eq!(a.method, b.method, "{scale}");
                let off = (a.out_of_fold_nll - b.out_of_fold_nll).abs();
                assert!(off < 1e-6, "{n}x{d} at {scale}: off by {off}");
            }
        }
    }
}

#[test]
fn one_feature_many_orders_larger_than_the_rest_is_survived() {
    for (n, d) in [(20, 40), (60, 5)] {
        let mut s = Set::new(n, d, 2, 1.0, 2);
        s.x.iter_mut().step_by(d).for_each(|v| *v *= 1e12);
        every_kind(&s);
    }
}

#[test]
fn folds_are_stratified_even_and_the_same_for_the_same_seed() {
    let y: Vec<usize> =
        (0..103).map(|i| usize::from(i % 10 == 0) + usize::from(i % 3 == 0)).collect();
    let labels = Labels::new(&y, 3).unwrap();
    let a = folds(&labels, 4, 7);
    assert_eq!(a, folds(&labels, 4, 7));
    assert_ne!(a, folds(&labels, 4, 8));
    let count = |f: usize, c: Option<usize>| {
        (0..103).filter(|&i| a[i] == f && c.is_none_or(|c| y[i] == c)).count()
    };
    for c in [None, Some(0), Some(1), Some(2)] {
        let sizes: Vec<usize> = (0..4).map(|f| count(f, c)).collect();
        let (low, high) = (sizes.iter().min().unwrap(), sizes.iter().max().unwrap());
        assert!(high - low <= 1, "{c:?}: {sizes:?}");
    }
}

#[test]
fn folds_shrink_to_the_smallest_class_that_can_be_split() {
    let cases: [(&[usize], usize, usize); 5] = [
        (&[0, 0, 0, 0, 0, 1, 1, 1], 5, 3),
        (&[0, 0, 0, 0, 0, 1], 5, 5),
        (&[0, 1], 5, 2),
        (&[0, 0, 0, 1, 1, 1], 0, 2),
        (&[0, 0, 1, 1], usize::MAX, 2),
    ];
    for (y, k, wanted) in cases {
        let got = folds(&Labels::new(y, 2).unwrap(), k, 0);
        assert_eq!(got.iter().max().unwrap() + 1, wanted, "{y:?} in {k}");
    }
}

#[test]
fn the_default_penalties_follow_the_scale_of_the_features() {
    let s = Set::new(20, 4, 2, 1.0, 1);
    let x: Vec<f32> = s.x.iter().map(|v| v * 4.0).collect();
    let (a, b) = (
        ridge_penalties(s.features(), 8).unwrap(),
        ridge_penalties(Features::new(&x, 20, 4).unwrap(), 8).unwrap(),
    );
    assert!((a[7] / a[0] / 1e7 - 1.0).abs() < 1e-9);
    assert!(a.iter().zip(&b).all(|(a, b)| (b / a / 16.0 - 1.0).abs() < 1e-6));
    assert!(ridge_penalties(s.features(), 0).unwrap().is_empty());
}
