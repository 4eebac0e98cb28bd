use regraft_probe::{LogisticOptions, Temperature, calibrate, logistic, ridge};
use serde_json::Value;

use crate::support::{Set, largest_difference};

/// The worked example of the reference notes (eight examples, four features, three classes).
const F: [f32; 32] = [
    1.0, 0.0, 0.5, 2.0, 0.9, 0.1, 0.4, 1.0, 0.0, 1.0, 0.2, 0.5, 0.2, 0.8, 0.1, 0.0, //
    0.1, 0.2, 1.0, 1.5, 0.3, 0.1, 0.9, 2.0, 0.1, 1.1, 0.3, 1.0, 0.8, 0.2, 0.6, 0.0,
];
const Y: [usize; 8] = [0, 0, 1, 1, 2, 2, 1, 0];

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
}

fn cases() -> Vec<(String, Set, Value)> {
    let text = include_str!("../fixtures/sklearn.json");
    let all: Value = serde_json::from_str(text).unwrap();
    let count = |v: &Value| v.as_u64().unwrap() as usize;
    let one = |case: &Value| {
        let set = Set {
            x: numbers(&case["x"]).into_iter().map(|v| v as f32).collect(),
            y: numbers(&case["y"]).into_iter().map(|v| v as usize).collect(),
            n: count(&case["n"]),
            d: count(&case["d"]),
            classes: count(&case["classes"]),
        };
        (case["name"].as_str().unwrap().to_owned(), set, case.clone())
    };
    all["cases"].as_array().unwrap().iter().map(one).collect()
}

#[test]
fn ridge_gives_the_published_test_vectors() {
    let set = Set { x: F.to_vec(), y: Y.to_vec(), n: 8, d: 4, classes: 3 };
    let path = ridge(set.features(), &set.labels(), &[0.01, 0.1, 1.0]).unwrap();
    let wanted =
        [(0.5152955404, 4.79982, 8), (0.8293042022, 4.10121, 8), (2.6957405540, 2.89364, 6)];
    for (row, (press, df, top1)) in path.rows().iter().zip(wanted) {
        // The features are f32: 0.1 is not quite 0.1.
        assert!((row.press - press).abs() < 1e-6, "press {} wanted {press}", row.press);
        assert!((row.df - df).abs() < 6e-6, "df {} wanted {df}", row.df);
        assert_eq!(row.loo_top1, top1);
    }
}

#[test]
fn ridge_predicts_what_scikit_learn_predicts() {
    for (name, set, case) in cases() {
        for golden in case["ridge"].as_array().unwrap() {
            let penalty = golden["penalty"].as_f64().unwrap();
            let path = ridge(set.features(), &set.labels(), &[penalty]).unwrap();
            let got = path.fit(0).unwrap().logits_batch(&set.x).unwrap();
            let got: Vec<f64> = got.into_iter().map(f64::from).collect();
            let off = largest_difference(&got, &numbers(&golden["scores"]));
            assert!(off < 3e-6, "{name} at {penalty}: off by {off}");
        }
    }
}

#[test]
fn logistic_reaches_the_objective_of_scikit_learn() {
    for (name, set, case) in cases() {
        for golden in case["logistic"].as_array().unwrap() {
            let penalty = golden["penalty"].as_f64().unwrap();
            let options = LogisticOptions { penalty, ..Default::default() };
            let fit = logistic(set.features(), &set.labels(), &options).unwrap();
            let wanted = golden["objective"].as_f64().unwrap();
            let off = (fit.objective / wanted - 1.0).abs();
            assert!(fit.converged && off < 1e-8, "{name} at {penalty}: off by {off}");
            let got = fit.head.probabilities_batch(&set.x).unwrap();
            let got: Vec<f64> = got.into_iter().map(f64::from).collect();
            let off = largest_difference(&got, &numbers(&golden["probabilities"]));
            assert!(off < 2e-5, "{name} at {penalty}: probabilities off by {off}");
        }
    }
}

#[test]
fn a_temperature_by_hand_is_found() {
    // Three of four right with a margin of 1: p = 3/4 at 1/T = ln 3.
    let scores = [1.0, 0.0, 1.0, 0.0, 1.0, 0.0, 0.0, 1.0];
    let labels = regraft_probe::Labels::new(&[0, 0, 1, 1], 2).unwrap();
    let Temperature { value, nll_before, nll_after } =
        calibrate::temperature(&scores, &labels).unwrap();
    let entropy = -(0.75 * 0.75f64.ln() + 0.25 * 0.25f64.ln());
    assert!((value - 1.0 / 3f64.ln()).abs() < 1e-9, "{value}");
    assert!((nll_after - entropy).abs() < 1e-12 && nll_before > nll_after);
}
