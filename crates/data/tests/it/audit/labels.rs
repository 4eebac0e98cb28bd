//! Labels that are likely wrong.

use regraft_data::audit::{LabelErrors, label_errors};
use regraft_data::{DataError, uniform};

#[test]
fn thresholds_joint_and_margins_are_those_of_the_paper() {
    // Two files of class 0, three of class 1; worked out by hand.
    let probabilities = [0.9, 0.1, 0.3, 0.7, 0.8, 0.2, 0.1, 0.9, 0.4, 0.6];
    let LabelErrors { suspects, thresholds, joint, expected } =
        label_errors(&probabilities, &[0, 0, 1, 1, 1], 2).unwrap();
    let near = |a: f32, b: f32| (a - b).abs() < 1e-6;
    assert!(near(thresholds[0].unwrap(), 0.6) && near(thresholds[1].unwrap(), 1.7 / 3.0));
    // File 0: 0. File 1: 0.7 of class 1. File 2: 0.8 of class 0. Files 3 and 4: 1.
    assert_eq!(joint, [1, 1, 1, 2]);
    assert!((expected - (1.0 + 1.0)).abs() < 1e-12, "{expected}");
    let told: Vec<_> = suspects.iter().map(|s| (s.file, s.given, s.better, s.confident)).collect();
    assert_eq!(told, [(2, 1, 0, true), (1, 0, 1, true)]);
    assert!(near(suspects[0].margin, -0.6) && near(suspects[0].confidence, 0.2));
    assert!(near(suspects[1].margin, -0.4) && near(suspects[1].confidence, 0.3));
}

#[test]
fn an_unsure_contradiction_is_a_suspect_but_not_a_confident_one() {
    // Class 1 usually has 0.95, file 0 only 0.55.
    let probabilities = [0.45, 0.55, 0.9, 0.1, 0.05, 0.95, 0.05, 0.95];
    let found = label_errors(&probabilities, &[0, 0, 1, 1], 2).unwrap();
    let told: Vec<_> = found.suspects.iter().map(|s| (s.file, s.confident)).collect();
    assert_eq!(told, [(0, false)]);
    assert_eq!((found.expected, &found.joint[..]), (0.0, &[1, 0, 0, 2][..]));
}

#[test]
fn planted_errors_come_first_and_their_number_is_estimated() {
    // A model that is right and gives its class 0.5 to 0.9, the others the rest by chance.
    let (n, classes, wrong) = (300, 3, 30);
    let draws = uniform(9, "probabilities", 2 * n);
    let truth = |i: usize| i % classes;
    let mut probabilities = vec![0.0; n * classes];
    for i in 0..n {
        let (own, part) = (0.5 + 0.4 * draws[2 * i], draws[2 * i + 1]);
        let rest = [(1.0 - own) * part, (1.0 - own) * (1.0 - part)];
        probabilities[i * classes + truth(i)] = own as f32;
        for (k, p) in rest.into_iter().enumerate() {
            probabilities[i * classes + (truth(i) + 1 + k) % classes] = p as f32;
        }
    }
    let labels: Vec<usize> =
        (0..n).map(|i| if i < wrong { (truth(i) + 1) % classes } else { truth(i) }).collect();
    let found = label_errors(&probabilities, &labels, classes).unwrap();
    let first: Vec<usize> = found.suspects.iter().take(wrong).map(|s| s.file).collect();
    assert!(first.iter().all(|file| *file < wrong), "{first:?}");
    assert!(found.suspects.iter().take(wrong).all(|s| s.better == truth(s.file)));
    assert!((found.expected - wrong as f64).abs() <= 12.0, "{}", found.expected);
}

#[test]
fn a_class_without_files_has_no_threshold_and_takes_nobody() {
    let found = label_errors(&[0.3, 0.1, 0.6, 0.2, 0.7, 0.1], &[0, 1], 3).unwrap();
    assert_eq!(found.thresholds[2], None);
    assert_eq!(found.joint, [1, 0, 0, 0, 1, 0, 0, 0, 0]);
    let told: Vec<_> = found.suspects.iter().map(|s| (s.file, s.better, s.confident)).collect();
    assert_eq!(told, [(0, 2, false)]);
}

#[test]
fn values_that_are_no_probabilities_and_labels_that_are_no_classes_are_refused() {
    let wrong =
        |p: &[f32], labels: &[usize], classes| label_errors(p, labels, classes).unwrap_err();
    assert!(matches!(
        wrong(&[0.5; 5], &[0, 1], 2),
        DataError::AuditLength { given: 5, wanted: 4, .. }
    ));
    assert!(matches!(wrong(&[0.5; 4], &[0, 2], 2), DataError::Label { label: 2, classes: 2 }));
    for bad in [f32::NAN, -0.1, 1.1, f32::INFINITY] {
        let failed = wrong(&[0.5, 0.5, 0.5, bad], &[0, 1], 2);
        assert!(matches!(failed, DataError::Probability { row: 1, .. }), "{bad}");
    }
    assert_eq!(label_errors(&[], &[], 2).unwrap().suspects, []);
    assert!(label_errors(&[], &[0], 0).is_err());
}
