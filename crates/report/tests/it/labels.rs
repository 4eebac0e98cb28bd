use std::path::Path;

use regraft_report::{LabelReportInput, ReportError, label_verdict, render_labels};
use regraft_run::{FORMAT, LabelMetricsFile, LabelPrediction, LabelPredictions, TrainFacts};

use crate::sample::Sample;

/// A run over three labels, one with a name that is markup; of 12 images every fourth has none.
fn metrics() -> (LabelMetricsFile, LabelPredictions) {
    let labels = ["<b>sky</b>", "sea", "never"].map(str::to_owned).to_vec();
    let thresholds = [0.5, 0.4, 0.5];
    let row = |i: usize| {
        let truth = [vec![0], vec![0, 1], vec![1], vec![]][i % 4].clone();
        let p = [0.9, 0.8, 0.2, 0.3][i % 4];
        let probabilities = vec![if i == 0 { 0.1 } else { p }, [0.1, 0.7, 0.6, 0.2][i % 4], 0.1];
        LabelPrediction::new(format!("{i}.jpg"), "test", truth, probabilities, &thresholds)
    };
    let predictions = LabelPredictions { labels, rows: (0..12).map(row).collect() };
    let test = predictions.metrics("test", &thresholds).unwrap();
    let metrics = LabelMetricsFile {
        format: FORMAT,
        network: "efficientnet-lite0".into(),
        frontier: "pool".into(),
        train: TrainFacts { images: 40, images_per_class: vec![20, 15, 3] },
        held_out: test.clone(),
        test,
        tuning: None,
        skipped: Vec::new(),
        notes: Vec::new(),
    };
    (metrics, predictions)
}

fn page(metrics: &LabelMetricsFile, predictions: &LabelPredictions) -> Result<String, ReportError> {
    let mut sample = Sample::ants_and_bees(12);
    sample.plan.data.classes.clone_from(&predictions.labels);
    sample.plan.head.thresholds = vec![0.5, 0.4, 0.5];
    let about = sample.input(Path::new("report.html"), &|_| None).about;
    render_labels(&LabelReportInput { about, metrics, predictions })
}

#[test]
fn the_page_tells_each_label_and_nothing_of_classes() {
    let (metrics, predictions) = metrics();
    let page = page(&metrics, &predictions).unwrap();
    for wanted in [
        label_verdict(&metrics.test).as_str(),
        "3 labels",
        "Mean average precision",
        "How well each label is told",
        "&lt;b&gt;sky&lt;/b&gt;",
        "Learned from",
        "Name the labels of a picture",
        "a line of its own",
        "missed: ",
    ] {
        assert!(page.contains(wanted), "{wanted}\n{page}");
    }
    for unwanted in ["<b>sky</b>", "top-1", "Balanced accuracy", "What was taken for what"] {
        assert!(!page.contains(unwanted), "{unwanted}");
    }
    // The only mistake, and what it was.
    assert_eq!(page.matches("<p class=\"said\">").count(), 1);
    assert!(page.contains("0.jpg"));
}

#[test]
fn labels_that_no_image_has_are_no_bar_and_no_number() {
    let (metrics, predictions) = metrics();
    let page = page(&metrics, &predictions).unwrap();
    let never = page.split("<bdi>never</bdi></span>").nth(1).unwrap();
    assert!(never.starts_with("<span class=\"track\" aria-hidden=\"true\"></span>"), "{never}");
    assert!(!page.contains("NaN") && !page.contains("inf"));
}

#[test]
fn predictions_of_labels_without_a_name_are_refused() {
    let (metrics, mut predictions) = metrics();
    predictions.rows[3].truth = vec![7];
    let e = page(&metrics, &predictions).unwrap_err();
    assert!(matches!(e, ReportError::Class { class: 7, classes: 3, .. }), "{e}");
}
