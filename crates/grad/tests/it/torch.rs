//! Ten steps of training, weight for weight those of PyTorch (`fixtures/make/sgd_steps.py`).

use std::collections::BTreeMap;

use regraft_grad::{Tape, Tuning, loss};
use regraft_net::{Network, notation};
use regraft_tensor::Tensor;
use regraft_testkit::{formula_values, with_formula_weights};
use serde::Deserialize;

#[derive(Deserialize)]
struct Fixture {
    size: usize,
    batch: usize,
    classes: usize,
    momentum: f32,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    network: String,
    frozen_norms: bool,
    rate: f32,
    losses: Vec<f64>,
    first: BTreeMap<String, Facts>,
    last: BTreeMap<String, Facts>,
}

#[derive(Deserialize)]
struct Facts {
    rms: f64,
    values: Vec<f64>,
    product: f64,
}

/// The named network for small pictures, without dropout.
fn network(name: &str, size: usize) -> Network {
    let graph = regraft_zoo::graph(name).unwrap();
    let text = notation::print(&graph);
    let lines = text.lines().map(|line| {
        let line = line.split(" rate=").next().unwrap();
        line.replace("= dropout ", "= identity ").replace("3x224x224", &format!("3x{size}x{size}"))
    });
    let graph = notation::parse(&lines.collect::<Vec<_>>().join("\n")).unwrap();
    with_formula_weights(graph)
}

/// Worst distances of tensors from what the fixture says, as shares of their root mean square: of
/// single values, and of the product with a direction (whose size is that of one value times the root
/// of a third of their number).
fn distances(
    wanted: &BTreeMap<String, Facts>,
    got: &BTreeMap<String, Vec<f64>>,
) -> Vec<(f64, String)> {
    let mut all: Vec<(f64, String)> = wanted
        .iter()
        .map(|(name, facts)| {
            let values = &got[name];
            let n = values.len() as f64;
            let places = formula_values(name, 6)
                .map(|u| (f64::midpoint(u, 1.0) * n) as usize % values.len());
            let value =
                places.zip(&facts.values).map(|(i, w)| (values[i] - w).powi(2)).sum::<f64>();
            let direction = formula_values(&format!("direction.{name}"), values.len());
            let product: f64 = values.iter().zip(direction).map(|(v, d)| v * d).sum();
            let product = (product - facts.product).abs() / (n / 3.0).sqrt();
            ((value / 6.0).sqrt().max(product) / facts.rms, name.clone())
        })
        .collect();
    all.sort_by(|a, b| b.0.total_cmp(&a.0));
    all
}

fn wide(tape: &Tape) -> BTreeMap<String, Vec<f64>> {
    let values = |t: &Tensor| t.data().iter().map(|v| f64::from(*v)).collect();
    tape.params().iter().map(|(n, t)| (n.to_owned(), values(t))).collect()
}

#[test]
fn ten_steps_give_the_weights_of_pytorch() {
    let fixture: Fixture =
        serde_json::from_str(include_str!("../fixtures/sgd_steps.json")).unwrap();
    for case in &fixture.cases {
        let network = network(&case.network, fixture.size);
        let frozen = case.frozen_norms;
        let tuning = Tuning {
            tuned: &|_| true,
            batch_norm: &|_| !frozen,
            input_gradient: false,
            recompute: false,
        };
        let mut tape = Tape::new(&network, fixture.batch, &tuning).unwrap();
        let start = wide(&tape);
        let mut speed: BTreeMap<String, Vec<f32>> = BTreeMap::new();
        for (step, wanted) in case.losses.iter().enumerate() {
            let dims = [fixture.batch, 3, fixture.size, fixture.size];
            let x = formula_values(&format!("batch.{step}"), dims.iter().product());
            let x = Tensor::new(dims, x.map(|v| v as f32).collect()).unwrap();
            let labels: Vec<usize> = (0..fixture.batch)
                .map(|i| (step * fixture.batch + i) * 37 % fixture.classes)
                .collect();
            let logits = tape.forward(&x, 0).unwrap();
            let targets = loss::smoothed(&labels, fixture.classes, 0.0).unwrap();
            let loss = loss::cross_entropy(&logits, &targets, None).unwrap();
            let off = (loss.value - wanted).abs() / wanted;
            assert!(
                off < 1e-3,
                "{}, step {step}: loss {} wanted {wanted}",
                case.network,
                loss.value
            );
            // The weights' own rounding would hide how they change in one step.
            let mut change = BTreeMap::new();
            for (name, gradient) in tape.backward(&loss.gradient).unwrap().params {
                let by = |g: &f32| -f64::from(case.rate) * f64::from(*g);
                change.insert(name.clone(), gradient.data().iter().map(by).collect::<Vec<f64>>());
                let speed =
                    speed.entry(name.clone()).or_insert_with(|| vec![0.0; gradient.data().len()]);
                let param = tape.param_mut(&name).unwrap();
                for ((p, v), g) in param.iter_mut().zip(speed).zip(gradient.data()) {
                    *v = fixture.momentum * *v + g;
                    *p -= case.rate * *v;
                }
            }
            if step == 0 {
                for (name, values) in wide(&tape) {
                    let moved = values.iter().zip(&start[&name]).map(|(v, s)| v - s);
                    change.entry(name).or_insert_with(|| moved.collect());
                }
                // Some gradients are zero but for rounding (a bias before a batch norm); most are not.
                let far = distances(&case.first, &change);
                report(case, "change in the first step", &far);
                assert!(
                    far[far.len() / 2].0 < 1e-3,
                    "{}: half of the changes are off",
                    case.network
                );
            }
        }
        let far = distances(&case.last, &wide(&tape));
        report(case, "after the last step", &far);
        assert!(far[0].0 < 1e-4, "{}: {:?}", case.network, far[0]);
    }
}

#[expect(clippy::print_stdout, reason = "what was measured, for who asks with --nocapture")]
fn report(case: &Case, what: &str, far: &[(f64, String)]) {
    let median = far[far.len() / 2].0;
    println!(
        "{}, frozen norms {}, {what}: median {median:.1e}, {:?}",
        case.network,
        case.frozen_norms,
        &far[..3]
    );
}
