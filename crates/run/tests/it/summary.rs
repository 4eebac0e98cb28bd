use std::path::Path;

use regraft_run::{MetricsFile, Seconds, Summary, Timings};
use serde_json::Value;

use crate::sample;

#[test]
fn metrics_read_back_as_they_were_written() {
    let file = sample::metrics_file();
    let text = file.to_json().unwrap();
    assert_eq!(MetricsFile::from_json(&text, Path::new("m")).unwrap(), file);
    assert!(text.contains("\"confusion\": [[1, 0], [1, 1]]"), "{text}");
    assert!(!text.contains("seconds"), "times would break the same-bytes promise");
}

#[test]
fn the_summary_has_the_documented_keys() {
    let seconds = Seconds { total: 9.5, features: 8.0, head: 0.5 };
    let summary = Summary {
        run: "runs/bees".into(),
        metrics: sample::metrics_file(),
        timings: Timings { seconds, images_per_second: 50.0 },
    };
    let text = summary.to_json().unwrap();
    let v: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(v["run"], "runs/bees");
    assert_eq!(v["network"], "efficientnet-lite0");
    assert_eq!(v["frontier"], "pool");
    assert_eq!(v["train"]["images"], 244);
    assert_eq!(v["test"]["images"], 3);
    assert_eq!(v["loo"]["top1"], 0.9467213114754098);
    assert_eq!(v["seconds"]["total"], 9.5);
    assert_eq!(v["seconds"]["features"], 8.0);
    assert_eq!(v["seconds"]["head"], 0.5);
    assert_eq!(v["images_per_second"], 50.0);
    assert_eq!(v["skipped"][0]["file"], "ants/imageNotFound.gif");
    for key in ["top1", "ece", "nll", "balanced_accuracy"] {
        assert!(v["test"][key].is_f64(), "{key}");
    }
    assert_eq!(v["test"]["interval"].as_array().unwrap().len(), 2);
    assert_eq!(serde_json::from_str::<Summary>(&text).unwrap(), summary);
}

#[test]
fn metrics_of_another_format_are_refused() {
    let cases = [
        ("{\"format\": 2, \"new\": 1}", "m has format 2"),
        ("{\"network\": \"n\"}", "m has no `format`"),
        ("{\"format\": 1}", "m, line 1: missing field"),
        ("{", "m, line 1: EOF"),
    ];
    for (text, wanted) in cases {
        let message = MetricsFile::from_json(text, Path::new("m")).unwrap_err().to_string();
        assert!(message.contains(wanted), "{message}");
    }
}
