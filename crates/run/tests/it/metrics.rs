use proptest::prelude::*;
use regraft_run::{Metrics, RELIABILITY_BINS, RunError, top_class, wilson};
use serde_json::Value;

fn names(n: usize) -> Vec<String> {
    (0..n).map(|i| format!("class {i}")).collect()
}

fn close(got: f64, wanted: f64, what: &str) {
    assert!((got - wanted).abs() <= 1e-12, "{what}: got {got}, wanted {wanted}");
}

#[test]
fn intervals_are_scipys() {
    for line in include_str!("../fixtures/wilson.csv").lines().skip(1) {
        let v: Vec<f64> = line.split(',').map(|v| v.parse().unwrap()).collect();
        let [low, high] = wilson(v[0] as usize, v[1] as usize).unwrap();
        close(low, v[2], line);
        close(high, v[3], line);
    }
    assert_eq!(wilson(0, 0), None);
    assert_eq!(wilson(0, 7).unwrap()[0], 0.0);
    assert_eq!(wilson(7, 7).unwrap()[1], 1.0);
}

#[test]
fn metrics_are_scikit_learns() {
    let golden: Value = serde_json::from_str(include_str!("../fixtures/calibration.json")).unwrap();
    let numbers = |v: &Value| -> Vec<f64> {
        v.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
    };
    let list = |key: &str| numbers(&golden[key]);
    let number = |key: &str| golden[key].as_f64().unwrap();
    let truth: Vec<usize> = list("truth").iter().map(|&v| v as usize).collect();
    let p: Vec<f32> = list("probabilities").iter().map(|&v| v as f32).collect();
    let m = Metrics::new(&names(7), &truth, &p).unwrap();
    assert_eq!(m.correct, number("correct") as usize);
    close(m.top5.unwrap(), number("top5"), "top5");
    close(m.balanced_accuracy, number("balanced_accuracy"), "balanced accuracy");
    close(m.nll, number("nll"), "nll");
    close(m.ece, number("ece"), "ece");
    for (bin, count) in m.reliability.iter().zip(list("bins")) {
        assert_eq!(bin.count as f64, count, "bin {} to {}", bin.low, bin.high);
    }
    for (row, wanted) in m.confusion.iter().zip(golden["confusion"].as_array().unwrap()) {
        assert_eq!(row.iter().map(|&v| v as f64).collect::<Vec<_>>(), numbers(wanted));
    }
    for (i, class) in m.per_class.iter().enumerate() {
        close(class.recall.unwrap(), list("recall")[i], &class.class);
        close(class.precision.unwrap(), list("precision")[i], &class.class);
    }
}

#[test]
fn the_calibration_error_is_the_one_of_a_sum_by_hand() {
    // Confidences 0.75, 0.75 (one right), 1.0 (right), 0.5 (tie: class 0, wrong).
    let p = [0.75, 0.25, 0.75, 0.25, 0.0, 1.0, 0.5, 0.5];
    let m = Metrics::new(&names(2), &[0, 1, 1, 1], &p).unwrap();
    assert_eq!((m.images, m.correct), (4, 2));
    assert_eq!(m.ece, (2.0 * 0.25 + 0.0 + 0.5) / 4.0);
    assert_eq!(m.confusion, [[1, 0], [2, 1]]);
    assert_eq!(m.reliability.len(), RELIABILITY_BINS);
    let filled: Vec<_> =
        m.reliability.iter().filter(|b| b.count > 0).map(|b| (b.count, b.confidence)).collect();
    assert_eq!(filled, [(1, Some(0.5)), (2, Some(0.75)), (1, Some(1.0))]);
    assert_eq!(m.top5, None);
}

#[test]
fn a_sure_mistake_is_dear_but_finite() {
    let m = Metrics::new(&names(2), &[1], &[1.0, 0.0]).unwrap();
    close(m.nll, -(1e-12f64.ln()), "nll");
}

#[test]
fn a_class_without_images_has_no_recall_and_does_not_count() {
    let m = Metrics::new(&names(3), &[0, 0], &[0.8, 0.2, 0.0, 0.1, 0.9, 0.0]).unwrap();
    assert_eq!(m.balanced_accuracy, 0.5);
    assert_eq!(m.per_class[1].recall, None);
    assert_eq!(m.per_class[1].recall_interval, None);
    assert_eq!(m.per_class[1].precision, Some(0.0));
    assert_eq!(m.per_class[2].precision, None);
}

#[test]
fn of_equal_classes_the_first_is_predicted() {
    let cases: [(&[f32], usize); 4] =
        [(&[0.5, 0.5], 0), (&[0.1, 0.4, 0.4], 1), (&[], 0), (&[0.0, 0.0, 1.0], 2)];
    for (p, wanted) in cases {
        assert_eq!(top_class(p), wanted, "{p:?}");
    }
    // Rank and prediction agree: with all equal, the sixth class is not among the first five.
    let equal = [1.0 / 6.0; 6];
    assert_eq!(Metrics::new(&names(6), &[4], &equal).unwrap().top5, Some(1.0));
    assert_eq!(Metrics::new(&names(6), &[5], &equal).unwrap().top5, Some(0.0));
}

#[test]
fn what_cannot_be_measured_is_an_error() {
    let cases: [(&[usize], &[f32], &str); 6] = [
        (&[], &[], "there are no images"),
        (&[0], &[0.5], "1 images of 2 classes want 2 probabilities, got 1"),
        (&[0, 2], &[0.5, 0.5, 0.5, 0.5], "row 1: class 2 of only 2 classes"),
        (&[0], &[0.5, f32::NAN], "row 0, class 1: NaN is not a probability"),
        (&[0], &[-0.5, 1.0], "row 0, class 0: -0.5 is not"),
        (&[0], &[3.0, 1.0], "row 0, class 0: 3 is not"),
    ];
    for (truth, p, wanted) in cases {
        let message = Metrics::new(&names(2), truth, p).unwrap_err().to_string();
        assert!(message.contains(wanted), "{message}");
    }
    let none = Metrics::new(&[], &[0], &[]);
    assert!(matches!(none, Err(RunError::ClassRange { .. })));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn metrics_are_finite_and_agree_with_each_other(
        rows in prop::collection::vec((0usize..4, [0f32..1.0, 0f32..1.0, 0f32..1.0, 0f32..1.0]), 1..40)
    ) {
        let truth: Vec<usize> = rows.iter().map(|r| r.0).collect();
        let p: Vec<f32> = rows.iter().flat_map(|r| r.1).collect();
        let m = Metrics::new(&names(4), &truth, &p).unwrap();
        let [low, high] = m.interval;
        prop_assert!(0.0 <= low && low <= m.top1 && m.top1 <= high && high <= 1.0);
        prop_assert!((0.0..=1.0).contains(&m.ece) && m.nll.is_finite());
        prop_assert!((0.0..=1.0).contains(&m.balanced_accuracy));
        prop_assert_eq!(m.confusion.iter().flatten().sum::<usize>(), m.images);
        prop_assert_eq!(m.reliability.iter().map(|b| b.count).sum::<usize>(), m.images);
        prop_assert_eq!(m.per_class.iter().map(|c| c.correct).sum::<usize>(), m.correct);
    }
}
