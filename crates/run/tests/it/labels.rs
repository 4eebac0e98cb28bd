use proptest::prelude::*;
use regraft_run::{LabelMetrics, LabelPrediction, LabelPredictions, RunError};
use serde_json::Value;

fn names(n: usize) -> Vec<String> {
    (0..n).map(|i| format!("label {i}")).collect()
}

fn close(got: f64, wanted: f64, what: &str) {
    assert!((got - wanted).abs() <= 1e-9, "{what}: got {got}, wanted {wanted}");
}

fn numbers(v: &Value) -> Vec<f64> {
    v.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
}

fn sets(y: &[f64], labels: usize) -> Vec<Vec<usize>> {
    let set = |row: &[f64]| (0..labels).filter(|label| row[*label] > 0.5).collect();
    y.chunks_exact(labels).map(set).collect()
}

#[test]
fn metrics_are_scikit_learns() {
    let golden: Value = serde_json::from_str(include_str!("../fixtures/label_sets.json")).unwrap();
    for case in golden["cases"].as_array().unwrap() {
        let labels = case["labels"].as_u64().unwrap() as usize;
        let truth = sets(&numbers(&case["y"]), labels);
        let p: Vec<f32> = numbers(&case["p"]).into_iter().map(|v| v as f32).collect();
        let m = LabelMetrics::new(&names(labels), &truth, &p, &vec![0.5; labels]).unwrap();
        let number = |key: &str| case[key].as_f64().unwrap();
        close(m.micro_f1, number("micro_f1"), "micro F1");
        close(m.macro_f1, number("macro_f1"), "macro F1");
        close(m.hamming, number("hamming"), "Hamming loss");
        close(m.exact, number("exact"), "subset accuracy");
        // 1 less 1e-12 is rounded there.
        assert!((m.nll - number("nll")).abs() < 1e-6, "log loss {}", m.nll);
        for (at, label) in m.per_label.iter().enumerate() {
            let of = |key: &str| numbers(&case[key])[at];
            close(label.average_precision.unwrap(), of("average_precision"), "average precision");
            close(label.auroc.unwrap(), of("auroc"), "AUROC");
            close(label.precision.unwrap(), of("precision"), "precision");
            close(label.recall.unwrap(), of("recall"), "recall");
            close(label.f1.unwrap(), of("f1"), "F1");
        }
        let all = numbers(&case["average_precision"]);
        close(m.mean_average_precision.unwrap(), all.iter().sum::<f64>() / labels as f64, "mAP");
    }
}

#[test]
fn labels_that_all_or_none_have_are_not_ranked() {
    let truth = [vec![0], vec![0, 1], vec![0]];
    let p = [0.9, 0.2, 0.1, 0.8, 0.8, 0.7, 0.1, 0.2, 0.3];
    let p: Vec<f32> = [0, 1, 2].iter().flat_map(|i| p[i * 3..i * 3 + 3].to_vec()).collect();
    let m = LabelMetrics::new(&names(3), &truth, &p, &[0.5, 0.5, 0.5]).unwrap();
    let [all, some, none] = m.per_label.as_slice() else { panic!("{m:?}") };
    assert_eq!((all.average_precision, all.auroc, none.average_precision), (None, None, None));
    assert_eq!((some.average_precision, some.images, none.recall), (Some(1.0), 1, None));
    assert_eq!(m.mean_average_precision, Some(1.0));
    close(m.chance_average_precision.unwrap(), 1.0 / 3.0, "chance");
    // The third label was said once, wrongly.
    assert_eq!((none.predicted, none.precision, none.f1), (1, Some(0.0), Some(0.0)));
}

#[test]
fn nothing_there_and_nothing_said_is_right() {
    let m = LabelMetrics::new(&names(2), &[vec![], vec![]], &[0.1; 4], &[0.5; 2]).unwrap();
    assert_eq!((m.correct, m.exact, m.micro_f1, m.macro_f1, m.hamming), (2, 1.0, 1.0, 1.0, 0.0));
    assert_eq!(m.mean_average_precision, None);
}

#[test]
fn input_that_does_not_fit_is_an_error() {
    let new = |labels: usize, truth: &[Vec<usize>], p: &[f32], t: &[f64]| {
        LabelMetrics::new(&names(labels), truth, p, t).unwrap_err()
    };
    assert!(matches!(new(1, &[], &[], &[0.5]), RunError::NoImages));
    assert!(matches!(new(0, &[vec![]], &[], &[]), RunError::NoImages));
    assert!(matches!(
        new(2, &[vec![0]], &[0.5], &[0.5; 2]),
        RunError::Lengths { wanted: 2, got: 1, .. }
    ));
    assert!(matches!(new(1, &[vec![0]], &[0.5], &[]), RunError::Lengths { wanted: 1, got: 0, .. }));
    assert!(matches!(new(1, &[vec![1]], &[0.5], &[0.5]), RunError::ClassRange { class: 1, .. }));
    assert!(matches!(new(1, &[vec![0]], &[1.5], &[0.5]), RunError::NotAProbability { .. }));
}

#[test]
fn a_table_lists_labels_with_bars_between_them() {
    let row = |file: &str, truth: Vec<usize>, p: [f32; 3]| {
        LabelPrediction::new(file, "test", truth, p.to_vec(), &[0.5, 0.5, 0.2])
    };
    let table = LabelPredictions {
        labels: names(3),
        rows: vec![
            row("a,b.jpg", vec![0, 2], [0.9, 0.1, 0.2]),
            row("c.jpg", vec![], [0.1, 0.6, 0.1]),
        ],
    };
    let text = String::from_utf8(table.to_csv().unwrap()).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "file,split,truth,predicted,p:label 0,p:label 1,p:label 2");
    assert_eq!(lines[1], "\"a,b.jpg\",test,label 0|label 2,label 0|label 2,0.9,0.1,0.2");
    assert_eq!(lines[2], "c.jpg,test,,label 1,0.1,0.6,0.1");
    assert!(table.rows[0].is_right() && table.rows[0].worst() == 0.0);
    assert_eq!(table.rows[1].worst(), 0.6);
    assert_eq!(table.metrics("test", &[0.5, 0.5, 0.2]).unwrap().correct, 1);
    assert!(table.metrics("train", &[0.5; 3]).is_err());
}

proptest! {
    #[test]
    fn figures_keep_within_their_bounds(
        p in prop::collection::vec(0.0_f32..=1.0, 24),
        y in prop::collection::vec(prop::bool::ANY, 24),
        t in prop::collection::vec(0.0_f64..=1.0, 3),
    ) {
        let y: Vec<f64> = y.into_iter().map(|v| f64::from(u8::from(v))).collect();
        let m = LabelMetrics::new(&names(3), &sets(&y, 3), &p, &t).unwrap();
        for v in [m.exact, m.micro_f1, m.macro_f1, m.hamming, m.ece] {
            prop_assert!((0.0..=1.0).contains(&v), "{m:?}");
        }
        // All answers right in an image is rarer than an answer right.
        prop_assert!(m.exact <= 1.0 - m.hamming + 1e-12);
        for label in &m.per_label {
            // Precision at any depth is at least the share of one hit in all images.
            let least = label.images as f64 / 8.0 / 8.0;
            prop_assert!(label.average_precision.is_none_or(|v| v >= least && v <= 1.0 + 1e-12));
            prop_assert!(label.auroc.is_none_or(|v| (0.0..=1.0).contains(&v)));
        }
    }
}
