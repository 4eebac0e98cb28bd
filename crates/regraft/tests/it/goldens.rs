//! Golden logits: the same formula weights in PyTorch (`fixtures/make/logits.py`), in Keras
//! (`fixtures/make/keras_logits.py`), and here.

use regraft_infer::Engine;
use regraft_net::Forward;
use serde_json::Value;

/// f32 against f64: the noise of formula weights is 2e-7 to 3e-6.
const TOLERANCE: f64 = 1e-5;

/// Networks with more parameters take seconds each; `REGRAFT_ALL_GOLDENS=1` tries all.
const LARGE: u64 = 14_000_000;

#[test]
fn architectures_reproduce_the_logits_of_their_frameworks() {
    let cases = [
        include_str!("../../../../fixtures/logits.json"),
        include_str!("../../../../fixtures/keras_logits.json"),
        include_str!("../../../../fixtures/transformers_logits.json"),
    ]
    .map(|text| serde_json::from_str::<Vec<Value>>(text).unwrap())
    .concat();
    assert!(cases.len() >= 140);
    let all = std::env::var_os("REGRAFT_ALL_GOLDENS").is_some();
    for case in cases {
        let name = case["name"].as_str().unwrap();
        let info = regraft_zoo::architecture(name).unwrap();
        let wanted = case["parameters"].as_u64().unwrap();
        let sources = info.sources(&info.graph().unwrap()).unwrap();
        let theirs =
            sources.iter().filter(|(spec, source)| spec.role.learned() && source.is_some());
        let count: usize = theirs.map(|(spec, _)| spec.shape.count()).sum();
        assert_eq!(count as u64, wanted, "{name}");
        assert_eq!(info.size as u64, case["size"].as_u64().unwrap(), "{name}");
        if wanted > LARGE && !all {
            continue;
        }
        // Of these the framework's own f32 is far from its f64: EfficientNet b5 to b7, which are built by
        // the same rows as b0 to b4.
        if case["chaotic"].as_bool() == Some(true) {
            continue;
        }
        let network = info.formula_network().unwrap();
        let mut engine = Engine::compile(&network, &[info.logits]).unwrap();
        let picture = info.formula_picture();
        let logits = engine.forward(&picture, &[info.logits]).unwrap().remove(0).into_data();
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
