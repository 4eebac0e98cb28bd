//! The page of the study.

use std::fmt::Write;

use super::Percent;
use super::score::{Seed, Task, Taus, mean};

/// The figures that the study is about, in lines.
pub(super) fn summary(tasks: &[Task]) -> String {
    let of = |f: &dyn Fn(&Task) -> f64| mean(tasks.iter().map(f)).unwrap_or(f64::NAN);
    let worst = tasks.iter().map(|t| t.default - t.advised).fold(f64::NEG_INFINITY, f64::max);
    let tau = |of: &dyn Fn(&Taus) -> Option<f64>| {
        mean(tasks.iter().filter_map(|t| of(&t.tau))).unwrap_or(f64::NAN)
    };
    let points = |x: f64| Percent(x).to_string();
    let mut lines = vec![
        format!("- {} tasks", tasks.len()),
        format!("- mean regret of the advised plan: {} points", points(of(&|t| t.regret))),
        format!(
            "- most that the advised plan is below the default probe: {} points",
            points(worst)
        ),
        format!(
            "- mean gain on the default probe: {} points",
            points(of(&|t| t.advised - t.default))
        ),
        format!(
            "- mean points lost by the choice of the network: {}",
            points(of(&|t| t.network.1))
        ),
        format!(
            "- mean weighted Kendall's tau of scores and accuracies of probes: {:.2} of their means over seeds, \
             {:.2} of one seed",
            tau(&|t| t.means),
            tau(&|t| t.seeds)
        ),
    ];
    // One seed has no means but itself.
    if let Some(tests) = mean(tasks.iter().filter_map(|t| t.tau.tests)) {
        lines.push(format!(
            "- the same of the test accuracies of one seed and their means over seeds: {tests:.2}"
        ));
    }
    lines.join("\n")
}

/// All of it.
pub(super) fn page(tasks: &[Task], seeds: &[Seed], unseen: bool) -> String {
    let mut text = String::from(HEAD);
    text.push_str(if unseen { UNSEEN } else { IN_VIEW });
    text.push_str(&summary(tasks));
    text.push_str(
        "\n\n## Tasks\n\n| task | images | classes | seeds | network | plan | advised | default | best in hindsight | \
         regret | network lost | tau |\n|---|---|---|---|---|---|---|---|---|---|---|---|\n",
    );
    for t in tasks {
        let tau = t.tau.means.map_or_else(|| "-".to_owned(), |v| format!("{v:.2}"));
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} | {} | {} | {} ({}) | {} | {} ({}) | {tau} |",
            t.name,
            t.images,
            t.classes,
            t.seeds,
            t.networks.join(", "),
            t.plans.iter().map(|p| short(p)).collect::<Vec<_>>().join("; "),
            Percent(t.advised),
            Percent(t.default),
            Percent(t.best.1),
            short(&t.best.0),
            Percent(t.regret),
            Percent(t.network.1),
            t.network.0,
        );
    }
    text.push_str(
        "\n## Rules\n\n| rule that decided the strategy | times | mean regret |\n|---|---|---|\n",
    );
    let trained = || seeds.iter().filter(|s| !s.tried.is_empty());
    let mut rules: Vec<&str> = trained().map(|s| s.rule.as_str()).collect();
    rules.sort_unstable();
    rules.dedup();
    for rule in rules {
        let own: Vec<&Seed> = trained().filter(|s| s.rule == rule).collect();
        let regret = mean(own.iter().map(|s| {
            let task = tasks.iter().find(|t| t.name == s.task);
            let best = task.map_or(f64::NAN, |t| of_seed(s, &t.best.0));
            best - s.tried.first().map_or(f64::NAN, |t| t.top1)
        }));
        let regret = Percent(regret.unwrap_or(f64::NAN));
        let _ = writeln!(text, "| {rule} | {} | {regret} |", own.len());
    }
    text
}

/// What a task's best plan gave with this seed; the advised one's where that is the best.
fn of_seed(seed: &Seed, plan: &str) -> f64 {
    let found = seed.tried.iter().find(|t| t.plan == plan).or(seed.tried.first());
    found.map_or(f64::NAN, |t| t.top1)
}

/// A plan in few words.
fn short(plan: &str) -> String {
    if plan.is_empty() {
        return "probe".to_owned();
    }
    plan.replace("--strategy ", "").replace("--", "")
}

const HEAD: &str = "\
# Advice against outcome

Made by `cargo xtask advice-study` with tasks of `fixtures/make/study_sets.py`; not edited by hand.

Each task is a set with so many training images of each class, drawn anew for each seed; figures are test
accuracies in percent, means over the seeds whose plans were all run. *Default* is a probe of the default network.
*Best in hindsight* is the best of the plans tried with the advised network: the advised one, its two rivals, a
probe on the features, on lower depths and on the output probabilities, and training of the last block, or all of
it, with the rate that `fit` takes by itself. The best of many measured figures is too high by some luck, so that
regret is too. *Network lost* is what the best network's probe has over that of the
network taken. *Tau* is the weighted rank correlation of the networks' combined scores, from training images alone,
and the test accuracies of their probes, of the means of both over the seeds. What no score can tell is the luck of
a draw: how far the test accuracies of one seed are from their own means over seeds is given beside it. Training
from scratch is not among the plans: `regraft compare` measures it.

";

/// Of tasks that rules were made with, and of others.
const IN_VIEW: &str = "\
The rules `middle`, `small-and-between` and `lower-layers-*` were written with outcomes of these tasks in view: the
table shows that they do what they should, not how well they do on others.

";
const UNSEEN: &str = "\
No rule was written or changed with outcomes of these tasks in view: the table shows how well the rules do on tasks that
they were not made with.

";
