//! A plan as a command.

use std::collections::BTreeMap;
use std::path::Path;

use regraft_advise::resolve::{Plan, Unfreeze};
use regraft_advise::rules::{Rates, Strategy};

/// The `fit` that does what a plan says. `above` has for each block the next one.
pub(super) fn line(
    data: &Path,
    network: &str,
    plan: &Plan,
    above: &BTreeMap<String, String>,
) -> String {
    let mut words = vec![format!("regraft fit {} --network {network}", data.display())];
    let trains = plan.strategy.trains();
    match plan.strategy {
        Strategy::Probe => {}
        Strategy::OutputProbe => words.push("--features logits".to_owned()),
        Strategy::LpFt => words.push("--strategy lp-ft".to_owned()),
        Strategy::Scratch => words.push("--strategy scratch".to_owned()),
    }
    if let (Some(cut), Strategy::Probe) = (&plan.cut, plan.strategy)
        && above.contains_key(cut)
    {
        words.push(format!("--cut {cut}"));
    }
    if plan.strategy == Strategy::LpFt {
        match &plan.unfreeze {
            Unfreeze::None | Unfreeze::Fits => {}
            Unfreeze::Last => words.push("--unfreeze last:1".to_owned()),
            Unfreeze::Above(layer) => {
                let from = above.get(layer).unwrap_or(layer);
                words.push(format!("--unfreeze from:{from}"));
            }
            Unfreeze::All => words.push("--unfreeze all".to_owned()),
        }
        match plan.rates {
            Some(Rates::Search) => words.push("--find-rate".to_owned()),
            Some(rates) => words.push(format!("--rates {}", rates.name())),
            None => {}
        }
    }
    if trains {
        words.push(format!("--augment {}", plan.augmentation.name()));
        words.push(format!("--schedule {}", plan.schedule.name()));
        if plan.class_weights {
            words.push("--balance".to_owned());
        }
    }
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use regraft_advise::rules::{Augmentation, Schedule};

    use super::*;

    #[test]
    fn a_plan_is_a_command_with_the_layer_above_the_best_cut() {
        let above = BTreeMap::from([("b1".to_owned(), "b2".to_owned())]);
        let mut plan = Plan {
            strategy: Strategy::LpFt,
            cut: Some("pool".to_owned()),
            unfreeze: Unfreeze::Above("b1".to_owned()),
            rates: Some(Rates::TwoFourSix),
            augmentation: Augmentation::Strong,
            schedule: Schedule::OneCycle,
            steps: Some(500),
            class_weights: false,
            compare: None,
        };
        let wanted = "regraft fit pets --network net --strategy lp-ft --unfreeze from:b2 \
                      --rates 2:4:6 --augment strong --schedule one-cycle";
        assert_eq!(line("pets".as_ref(), "net", &plan, &above), wanted);
        plan.strategy = Strategy::Probe;
        plan.cut = Some("b1".to_owned());
        assert_eq!(
            line("pets".as_ref(), "net", &plan, &above),
            "regraft fit pets --network net --cut b1"
        );
    }
}
