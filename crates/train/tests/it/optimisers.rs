//! Optimisers and schedules against `torch.optim` (`fixtures/make/optimisers.py`).

use std::collections::BTreeMap;

use regraft_tensor::Tensor;
use regraft_train::{Change, Memory, Optimiser, Schedule, clip, valley};
use serde_json::Value;

fn fixture() -> Value {
    serde_json::from_str(include_str!("../fixtures/optimisers.json")).unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
}

fn floats(value: &Value) -> Vec<f32> {
    numbers(value).into_iter().map(|v| v as f32).collect()
}

fn worst(got: &[f32], wanted: &[f64]) -> f64 {
    assert_eq!(got.len(), wanted.len());
    got.iter().zip(wanted).map(|(g, w)| (f64::from(*g) - w).abs()).fold(0.0, f64::max)
}

#[test]
fn steps_are_those_of_torch() {
    let fixture = fixture();
    let plain = Optimiser::Sgd { momentum: 0.9, nesterov: false };
    let cases = [
        ("sgd", plain, 0.1, 0.0),
        ("nesterov", Optimiser::SGD, 0.1, 0.05),
        ("adamw", Optimiser::ADAMW, 0.01, 0.1),
    ];
    for (name, optimiser, rate, decay) in cases {
        let mut value = floats(&fixture["values"]);
        let mut memory = Memory::default();
        let steps = fixture["gradients"].as_array().unwrap().iter();
        for (gradient, wanted) in steps.zip(fixture[name].as_array().unwrap()) {
            memory.begin();
            let how = Change { rate, decay, anchor: None };
            memory.change(optimiser, "w", &mut value, &floats(gradient), how);
            let off = worst(&value, &numbers(wanted));
            assert!(off < 3e-6, "{name}, step {}: {off}", memory.steps());
        }
    }
}

#[test]
fn decay_pulls_to_the_anchor_where_there_is_one() {
    let mut value = [2.0f32, 2.0];
    let mut memory = Memory::default();
    memory.begin();
    let anchor = [2.0, 1.0];
    let how = Change { rate: 0.1, decay: 0.5, anchor: Some(&anchor) };
    memory.change(
        Optimiser::Sgd { momentum: 0.0, nesterov: false },
        "w",
        &mut value,
        &[0.0; 2],
        how,
    );
    assert_eq!(value, [2.0, 1.95]);
}

#[test]
fn a_memory_goes_on_from_its_tensors_to_the_same_bits() {
    let fixture = fixture();
    for optimiser in [Optimiser::SGD, Optimiser::ADAMW] {
        let how = Change { rate: 0.05, decay: 0.01, anchor: None };
        let (mut whole, mut value) = (Memory::default(), floats(&fixture["values"]));
        let mut stopped = None;
        for (step, gradient) in fixture["gradients"].as_array().unwrap().iter().enumerate() {
            if step == 3 {
                stopped = Some((whole.clone(), value.clone()));
            }
            whole.begin();
            whole.change(optimiser, "a/b.weight", &mut value, &floats(gradient), how);
        }
        let (memory, mut again) = stopped.unwrap();
        let mut memory = Memory::from_tensors(
            memory.steps(),
            memory.tensors().map(|(name, mean)| (name, mean.into_owned())),
        );
        for gradient in &fixture["gradients"].as_array().unwrap()[3..] {
            memory.begin();
            memory.change(optimiser, "a/b.weight", &mut again, &floats(gradient), how);
        }
        assert_eq!(value, again, "{}", optimiser.name());
        assert_eq!(whole, memory);
    }
}

#[test]
fn clipping_is_torch_s() {
    let fixture = fixture();
    for case in fixture["clipped"].as_array().unwrap() {
        let data = floats(&fixture["gradients"][0]);
        let tensor = Tensor::new([data.len()], data).unwrap();
        let mut gradients = BTreeMap::from([("w".to_owned(), tensor)]);
        let length = clip(&mut gradients, case["limit"].as_f64().unwrap());
        assert!((length - case["length"].as_f64().unwrap()).abs() < 1e-6);
        assert!(worst(gradients["w"].data(), &numbers(&case["gradient"])) < 1e-6);
    }
}

#[test]
fn schedules_are_torch_s() {
    let fixture = fixture();
    for schedule in [Schedule::Cosine, Schedule::OneCycle] {
        for (step, wanted) in numbers(&fixture[schedule.name()]).into_iter().enumerate() {
            let got = schedule.factor(step as u64, 20, 0);
            assert!((got - wanted).abs() < 1e-9, "{} {step}: {got} {wanted}", schedule.name());
        }
    }
}

#[test]
fn other_schedules_are_their_papers() {
    // BiT-HyperRule: a tenth after 30, 60 and 90 %.
    for (step, wanted) in [(0, 1.0), (29, 1.0), (30, 0.1), (59, 0.1), (60, 0.01), (90, 0.001)] {
        let got = Schedule::Step.factor(step, 100, 0);
        assert!((got / wanted - 1.0).abs() < 1e-9, "{step}: {got}");
    }
    // Howard and Ruder 2018, equation 3: cut at a tenth, ratio 32.
    for (step, wanted) in [(0, 1.0 / 32.0), (10, 1.0), (55, (1.0 + 0.5 * 31.0) / 32.0)] {
        let got = Schedule::Slanted.factor(step, 100, 0);
        assert!((got - wanted).abs() < 1e-9, "{step}: {got}");
    }
    assert!((Schedule::Slanted.factor(99, 100, 0) - (1.0 + 31.0 / 90.0) / 32.0).abs() < 1e-9);
}

#[test]
fn every_schedule_stays_between_nothing_and_one_and_warms_up() {
    for schedule in Schedule::ALL {
        assert_eq!(Schedule::parse(schedule.name()), Some(schedule));
        for total in [1, 2, 3, 10, 101] {
            for step in 0..total {
                for warm_up in [0, 1, total / 2, total] {
                    let factor = schedule.factor(step, total, warm_up);
                    assert!((0.0..=1.0).contains(&factor), "{schedule:?} {step}/{total}: {factor}");
                }
            }
        }
        let rising: Vec<f64> = (0..4).map(|s| schedule.factor(s, 20, 4)).collect();
        assert!(rising.is_sorted() && rising[0] > 0.0 && rising[3] < 1.0, "{rising:?}");
    }
}

#[test]
fn a_parameter_that_joins_later_starts_like_the_others() {
    let fixture = fixture();
    let gradients = fixture["gradients"].as_array().unwrap();
    let how = Change { rate: 0.01, decay: 0.1, anchor: None };
    let (mut early, mut late) = (floats(&fixture["values"]), floats(&fixture["values"]));
    let (mut one, mut two) = (Memory::default(), Memory::default());
    for _ in 0..5 {
        two.begin();
    }
    for gradient in gradients {
        for (memory, value) in [(&mut one, &mut early), (&mut two, &mut late)] {
            memory.begin();
            memory.change(Optimiser::ADAMW, "w", value, &floats(gradient), how);
        }
    }
    assert_eq!(early, late);
}

#[test]
fn the_valley_is_that_of_fastai() {
    let cases: Value = serde_json::from_str(include_str!("../fixtures/valley.json")).unwrap();
    for case in cases.as_array().unwrap() {
        let wanted = case["at"].as_u64().unwrap() as usize;
        assert_eq!(valley(&numbers(&case["losses"])), Some(wanted), "{}", case["name"]);
    }
    assert_eq!(valley(&[]), None);
    assert_eq!(valley(&[1.0]), None);
    assert_eq!(valley(&[1.0, 2.0, 3.0]), None, "a loss that only rises");
}
