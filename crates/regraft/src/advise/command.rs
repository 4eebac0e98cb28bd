//! A plan as the options of a fit, and as a command.

use std::collections::BTreeMap;

use regraft_advise::resolve::{Plan, Unfreeze};
use regraft_advise::rules;
use regraft_data::Strength;
use regraft_train::{Rates, Schedule};

use crate::{Augmentation, FeatureKind, FitOptions, Strategy, TuneOptions};

/// The fit that does what a plan says, where `base` does not say otherwise. `above` has for each block the next
/// one.
pub(super) fn options(
    base: &FitOptions,
    plan: &Plan,
    above: &BTreeMap<String, String>,
    memory: Option<u64>,
) -> FitOptions {
    let mut options = base.clone();
    options.strategy = match plan.strategy {
        rules::Strategy::Probe | rules::Strategy::OutputProbe => Strategy::Probe,
        rules::Strategy::LpFt => Strategy::LpFt,
        rules::Strategy::Scratch => Strategy::Scratch,
    };
    match plan.strategy {
        rules::Strategy::Probe => {
            // The whole trunk's cut is the default.
            let cut = plan.cut.clone().filter(|cut| above.contains_key(cut));
            options.cut = base.cut.clone().or(cut);
        }
        rules::Strategy::OutputProbe if base.features == FeatureKind::Auto => {
            options.features = FeatureKind::Logits;
        }
        rules::Strategy::OutputProbe => {}
        rules::Strategy::LpFt | rules::Strategy::Scratch => {
            options.tune = tune(&base.tune, plan, above, memory);
            return options;
        }
    }
    options.tune = base.tune.for_probe();
    options
}

/// What a plan says where nobody has said it yet.
fn tune(
    base: &TuneOptions,
    plan: &Plan,
    above: &BTreeMap<String, String>,
    memory: Option<u64>,
) -> TuneOptions {
    use regraft_train::Unfreeze as Layers;
    let mut tune = base.clone();
    if tune.augment == Augmentation::Auto {
        tune.augment = Augmentation::Preset(match plan.augmentation {
            rules::Augmentation::None => Strength::None,
            rules::Augmentation::Light => Strength::Light,
            rules::Augmentation::Medium => Strength::Medium,
            rules::Augmentation::Strong => Strength::Strong,
        });
    }
    tune.schedule = tune.schedule.or(Some(match plan.schedule {
        rules::Schedule::Cosine => Schedule::Cosine,
        rules::Schedule::OneCycle => Schedule::OneCycle,
        rules::Schedule::Step => Schedule::Step,
    }));
    tune.balance |= plan.class_weights;
    tune.memory = memory;
    if plan.strategy == rules::Strategy::LpFt {
        tune.unfreeze = tune.unfreeze.or_else(|| match &plan.unfreeze {
            // Memory decides.
            Unfreeze::Fits => None,
            Unfreeze::None => Some(Layers::None),
            Unfreeze::Last => Some(Layers::Last(1)),
            Unfreeze::Above(layer) => Some(Layers::From(above.get(layer).unwrap_or(layer).clone())),
            Unfreeze::All => Some(Layers::All),
        });
        if tune.rates.is_none() && !tune.find_rate {
            match plan.rates {
                Some(rules::Rates::Search) => tune.find_rate = true,
                Some(rules::Rates::Own) | None => {}
                Some(rates) => tune.rates = Rates::parse(rates.name()).ok(),
            }
        }
    }
    tune
}

/// A fit as a command.
pub(crate) fn line(options: &FitOptions) -> String {
    let mut words = vec![format!("regraft fit {}", options.data.display())];
    words.extend(options.network.as_ref().map(|name| format!("--network {name}")));
    words.extend(options.group_by.as_ref().map(|pattern| format!("--group-by '{pattern}'")));
    let mut say = |word: &str, value: String| words.push(format!("--{word} {value}"));
    if options.strategy != Strategy::Probe {
        say("strategy", options.strategy.name().to_owned());
    }
    if options.features != FeatureKind::Auto {
        say("features", options.features.name().to_owned());
    }
    if let Some(cut) = &options.cut {
        say("cut", cut.clone());
    }
    let tune = &options.tune;
    if let Some(unfreeze) = &tune.unfreeze {
        say("unfreeze", unfreeze.to_string());
    }
    if let Some(rates) = &tune.rates {
        say("rates", rates.to_string());
    }
    match &tune.augment {
        Augmentation::Auto => {}
        Augmentation::Preset(strength) => say("augment", strength.name().to_owned()),
        Augmentation::Steps(steps) => say("augment", steps.to_string()),
    }
    if let Some(schedule) = tune.schedule {
        say("schedule", schedule.name().to_owned());
    }
    if let Some(bytes) = tune.memory {
        say("memory", format!("{}MB", bytes / 1_000_000));
    }
    words.extend(tune.find_rate.then(|| "--find-rate".to_owned()));
    words.extend(tune.balance.then(|| "--balance".to_owned()));
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use regraft_advise::rules::Augmentation;

    use super::*;

    #[test]
    fn a_plan_is_a_command_with_the_layer_above_the_best_cut() {
        let above = BTreeMap::from([("b1".to_owned(), "b2".to_owned())]);
        let mut plan = Plan {
            strategy: rules::Strategy::LpFt,
            cut: Some("pool".to_owned()),
            unfreeze: Unfreeze::Above("b1".to_owned()),
            rates: Some(rules::Rates::TwoFourSix),
            augmentation: Augmentation::Strong,
            schedule: rules::Schedule::OneCycle,
            steps: Some(500),
            class_weights: false,
            compare: None,
        };
        let base = FitOptions { network: Some("net".to_owned()), ..FitOptions::new("pets") };
        let told = |plan: &Plan, memory| line(&options(&base, plan, &above, memory));
        let wanted = "regraft fit pets --network net --strategy lp-ft --unfreeze from:b2 \
                      --rates 2:4:6 --augment strong --schedule one-cycle";
        assert_eq!(told(&plan, None), wanted);
        plan.unfreeze = Unfreeze::Fits;
        let wanted = "regraft fit pets --network net --strategy lp-ft --rates 2:4:6 --augment strong \
                      --schedule one-cycle --memory 4000MB";
        assert_eq!(told(&plan, Some(4_000_000_000)), wanted);
        plan.strategy = rules::Strategy::Probe;
        plan.cut = Some("b1".to_owned());
        assert_eq!(told(&plan, None), "regraft fit pets --network net --cut b1");
        // What a person has said stands.
        plan.strategy = rules::Strategy::OutputProbe;
        assert_eq!(told(&plan, None), "regraft fit pets --network net --features logits");
        let asked = FitOptions { features: FeatureKind::Trunk, ..base.clone() };
        let wanted = "regraft fit pets --network net --features trunk";
        assert_eq!(line(&options(&asked, &plan, &above, None)), wanted);
    }
}
