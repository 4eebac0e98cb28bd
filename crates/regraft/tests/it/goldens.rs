//! Golden logits: the same formula weights in PyTorch (`fixtures/make/logits.py`) and here.

use regraft_infer::Engine;
use regraft_net::Forward;
use regraft_testkit::{formula_input, with_formula_weights};
use serde_json::Value;

/// f32 against f64: the noise of formula weights is 2e-7 to 3e-6.
const TOLERANCE: f64 = 1e-5;

#[test]
fn every_architecture_reproduces_the_logits_of_its_framework() {
    let cases: Vec<Value> =
        serde_json::from_str(include_str!("../../../../fixtures/logits.json")).unwrap();
    assert!(cases.len() >= 11);
    for case in cases {
        let name = case["name"].as_str().unwrap();
        let size = case["size"].as_u64().unwrap() as usize;
        let network = with_formula_weights(regraft_zoo::graph(name).unwrap());
        assert_eq!(
            network.facts().unwrap().learned(),
            case["parameters"].as_u64().unwrap(),
            "{name}"
        );
        let output = network.graph().layer(network.graph().output().unwrap()).name.clone();
        let mut engine = Engine::compile(&network, &[&output]).unwrap();
        let logits =
            engine.forward(&formula_input(size), &[&output]).unwrap().remove(0).into_data();
        let l2 = case["l2"].as_f64().unwrap();
        let close = |what: &str, got: f64, wanted: f64, scale: f64| {
            let off = (got - wanted).abs() / scale;
            assert!(off <= TOLERANCE, "{name}, {what}: {got} is not {wanted} ({off:e})");
        };
        for (i, wanted) in case["first"].as_array().unwrap().iter().enumerate() {
            close(&format!("logit {i}"), f64::from(logits[i]), wanted.as_f64().unwrap(), l2);
        }
        let norm = logits.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
        close("l2", norm, l2, l2);
        let sum: f64 = logits.iter().map(|x| f64::from(*x)).sum();
        // A thousand errors of one logit's size, added: √1000 of them.
        close("sum", sum, case["sum"].as_f64().unwrap(), l2 * 32.0);
        let best = (0..logits.len()).max_by(|a, b| logits[*a].total_cmp(&logits[*b])).unwrap();
        assert_eq!(best as u64, case["argmax"].as_u64().unwrap(), "{name}");
    }
}
