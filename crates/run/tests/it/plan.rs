use std::path::Path;

use proptest::prelude::*;
use regraft_run::{Plan, ResizePlan, RunError};

use crate::sample;

fn read(text: &str) -> Result<Plan, RunError> {
    Plan::from_toml(text, Path::new("run/plan.toml"))
}

#[test]
fn a_plan_reads_back_as_it_was_written() {
    let plan = sample::plan();
    let text = plan.to_toml().unwrap();
    assert!(text.starts_with("format = 1\n"), "{text}");
    assert_eq!(read(&text).unwrap(), plan);
}

#[test]
fn an_exact_resize_and_hostile_names_survive() {
    let mut plan = sample::plan();
    plan.preprocess.resize = ResizePlan::Exact([227, 231]);
    plan.data.classes = vec!["a \"b\"\n'c'".into(), "Ωμέγα, 🐝".into(), String::new()];
    plan.reasons.clear();
    assert_eq!(read(&plan.to_toml().unwrap()).unwrap(), plan);
}

#[test]
fn what_a_plan_cannot_be_is_said() {
    let good = sample::plan().to_toml().unwrap();
    let newer = "format = 2\nunknown = true\n";
    let cases = [
        (newer.to_owned(), "run/plan.toml has format 2, this regraft reads up to 1"),
        (good.replace("format = 1\n", ""), "has no `format`"),
        ("this is not toml".into(), "run/plan.toml is not a plan"),
        (good.replace("seed = 0\n", ""), "missing field `seed`"),
        (good.replace("seed = 0\n", "seed = 0\nsead = 1\n"), "unknown field `sead`"),
        (good.replace("folds = 5", "folds = -5"), "invalid value"),
        (good.replace("temperature = 0.37", "temperature = nan"), "`head.temperature`"),
        (good.replace("temperature = 0.37", "temperature = 0.0"), "a number above zero"),
        (good.replace("0.229", "0.0"), "`preprocess.std`: wanted numbers other than zero"),
        (good.replace("\"bees\"", "\"ants\""), "two classes are called `ants`"),
    ];
    for (text, wanted) in cases {
        let message = read(&text).unwrap_err().to_string();
        assert!(message.contains(wanted), "wanted `{wanted}` in `{message}`");
    }
}

#[test]
fn a_seed_that_toml_cannot_hold_is_refused_before_writing() {
    let mut plan = sample::plan();
    plan.seed = i64::MAX as u64;
    assert_eq!(read(&plan.to_toml().unwrap()).unwrap().seed, plan.seed);
    plan.seed += 1;
    assert!(matches!(plan.to_toml(), Err(RunError::PlanValue { field: "seed", .. })));
}

fn finite32() -> impl Strategy<Value = f32> {
    any::<u32>().prop_map(f32::from_bits).prop_filter("finite, not zero", |v| v.is_normal())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_finite_number_keeps_its_bits(
        scale in finite32(),
        mean in [finite32(), finite32(), finite32()],
        penalty in any::<f64>().prop_filter("finite", |v| v.is_finite()),
    ) {
        let mut plan = sample::plan();
        plan.preprocess.scale = scale;
        plan.preprocess.mean = mean;
        plan.preprocess.std = mean;
        plan.head.penalty = penalty;
        let back = read(&plan.to_toml().unwrap()).unwrap();
        prop_assert_eq!(back.preprocess.scale.to_bits(), scale.to_bits());
        prop_assert_eq!(back.preprocess.mean.map(f32::to_bits), mean.map(f32::to_bits));
        prop_assert_eq!(back.head.penalty.to_bits(), penalty.to_bits());
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in ".{0,200}") {
        let _ = read(&text);
    }
}
