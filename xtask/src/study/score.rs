//! Outcomes -> regret and rank correlation.

/// A plan that was run.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Tried {
    /// The options behind the network.
    pub(super) plan: String,
    /// Test accuracy, 0 to 1.
    pub(super) top1: f64,
}

/// A task with one seed: what was advised, and what everything gave.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Seed {
    /// Its name without the seed.
    pub(super) task: String,
    /// Training images.
    pub(super) images: u64,
    pub(super) classes: u64,
    /// The rule that decided the strategy.
    pub(super) rule: String,
    /// The network advised.
    pub(super) network: String,
    /// Test accuracy of the default: a probe of the default network.
    pub(super) default: f64,
    /// Networks with their combined scores and the test accuracies of their probes.
    pub(super) ranking: Vec<(String, f64, f64)>,
    /// With the advised network; the advised plan first. Empty where only networks were ranked.
    pub(super) tried: Vec<Tried>,
}

/// A task, means over its seeds.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Task {
    pub(super) name: String,
    pub(super) images: u64,
    pub(super) classes: u64,
    /// Seeds whose plans were all run.
    pub(super) seeds: usize,
    /// Networks advised, each once.
    pub(super) networks: Vec<String>,
    /// Plans advised, each once.
    pub(super) plans: Vec<String>,
    pub(super) advised: f64,
    pub(super) default: f64,
    /// The best plan in hindsight with the advised network, and what it gave.
    pub(super) best: (String, f64),
    /// Accuracy lost against it.
    pub(super) regret: f64,
    /// The best network in hindsight by its probe, and what that has over the probe of the advised one.
    pub(super) network: (String, f64),
    /// How the order by scores goes with that by accuracy.
    pub(super) tau: Taus,
}

/// Weighted Kendall's τ.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Taus {
    /// Of the combined scores and the accuracies of the probes, both means over the seeds.
    pub(super) means: Option<f64>,
    /// Of those of one seed, a mean over the seeds that have one.
    pub(super) seeds: Option<f64>,
    /// Of the test accuracies of one seed and their means over the seeds: how well the accuracies that a seed's
    /// own test images give tell the order. `None` for one seed.
    pub(super) tests: Option<f64>,
}

pub(super) fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let values: Vec<f64> = values.collect();
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// The largest, of equal ones the first.
fn best(all: impl Iterator<Item = (String, f64)>) -> (String, f64) {
    all.fold((String::new(), f64::NEG_INFINITY), |a, b| if b.1 > a.1 { b } else { a })
}

fn each_once(words: impl Iterator<Item = String>) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    words.for_each(|w| {
        if !all.contains(&w) {
            all.push(w);
        }
    });
    all
}

/// Seeds gathered by task, in the order they come. A plan counts where every seed has it: a plan that was
/// tried for one seed only would win by luck.
pub(super) fn tasks(seeds: &[Seed]) -> Vec<Task> {
    let names = each_once(seeds.iter().map(|s| s.task.clone()));
    names.into_iter().map(|name| task(seeds, name)).collect()
}

fn task(seeds: &[Seed], name: String) -> Task {
    let all: Vec<&Seed> = seeds.iter().filter(|s| s.task == name).collect();
    let seeds: Vec<&Seed> = all.iter().copied().filter(|s| !s.tried.is_empty()).collect();
    let over = |of: &dyn Fn(&Seed) -> f64| mean(seeds.iter().map(|s| of(s))).unwrap_or(f64::NAN);
    let advised = over(&|s| s.tried.first().map_or(f64::NAN, |t| t.top1));
    let gave = |s: &Seed, plan: &str| s.tried.iter().find(|t| t.plan == plan).map(|t| t.top1);
    let plans = each_once(seeds.iter().flat_map(|s| s.tried.iter().map(|t| t.plan.clone())));
    let everywhere = plans.into_iter().filter_map(|plan| {
        let all: Option<Vec<f64>> = seeds.iter().map(|s| gave(s, &plan)).collect();
        Some((plan, mean(all?.into_iter())?))
    });
    let first = |s: &Seed| s.tried.first().map_or_else(String::new, |t| t.plan.clone());
    let own = ("as advised for each seed".to_owned(), advised);
    let best_plan = best(std::iter::once(own).chain(everywhere));
    let probe = |s: &Seed, network: &str| {
        s.ranking.iter().find(|(n, _, _)| n == network).map_or(f64::NAN, |(_, _, top1)| *top1)
    };
    let networks = each_once(seeds.iter().flat_map(|s| s.ranking.iter().map(|r| r.0.clone())));
    let top = best(networks.into_iter().map(|n| (n.clone(), over(&|s| probe(s, &n)))));
    let taken = over(&|s| probe(s, &s.network));
    Task {
        images: all[0].images,
        classes: all[0].classes,
        seeds: seeds.len(),
        networks: each_once(seeds.iter().map(|s| s.network.clone())),
        plans: each_once(seeds.iter().map(|s| first(s))),
        advised,
        default: over(&|s| s.default),
        regret: best_plan.1 - advised,
        best: best_plan,
        network: (top.0, top.1 - taken),
        tau: taus(&all),
        name,
    }
}

fn taus(seeds: &[&Seed]) -> Taus {
    // Networks that every seed has, with means over them.
    let networks = each_once(seeds.iter().flat_map(|s| s.ranking.iter().map(|r| r.0.clone())));
    let means: Vec<(String, f64, f64)> = networks
        .into_iter()
        .filter_map(|n| {
            let of = |s: &&Seed| s.ranking.iter().find(|r| r.0 == n).map(|r| (r.1, r.2));
            let own: Option<Vec<(f64, f64)>> = seeds.iter().map(of).collect();
            let own = own?;
            let score = mean(own.iter().map(|o| o.0))?;
            Some((n, score, mean(own.iter().map(|o| o.1))?))
        })
        .collect();
    let against = |s: &&Seed| {
        let rows = means.iter().filter_map(|(n, _, accuracy)| {
            let own = s.ranking.iter().find(|r| r.0 == *n)?;
            Some((n.clone(), own.2, *accuracy))
        });
        tau(&rows.collect::<Vec<_>>())
    };
    let tests = (seeds.len() > 1).then(|| mean(seeds.iter().filter_map(against)));
    Taus {
        means: tau(&means),
        seeds: mean(seeds.iter().filter_map(|s| tau(&s.ranking))),
        tests: tests.flatten(),
    }
}

/// Weighted Kendall's τ (Vigna 2015), as `scipy.stats.weightedtau` gives it; `None` without an order.
fn tau(ranking: &[(String, f64, f64)]) -> Option<f64> {
    let (a, b): (Vec<f64>, Vec<f64>) = ranking.iter().map(|(_, a, b)| (*a, *b)).unzip();
    Some(0.5 * (correlation(&a, &b, &ranks(&a, &b))? + correlation(&a, &b, &ranks(&b, &a))?))
}

/// Ranks from the top by `by`, ties by `ties`.
fn ranks(by: &[f64], ties: &[f64]) -> Vec<usize> {
    let above = |j: usize, i: usize| {
        let order = by[j].total_cmp(&by[i]).then(ties[j].total_cmp(&ties[i]));
        order.is_gt() || order.is_eq() && j < i
    };
    (0..by.len()).map(|i| (0..by.len()).filter(|j| above(*j, i)).count()).collect()
}

fn correlation(a: &[f64], b: &[f64], ranks: &[usize]) -> Option<f64> {
    let sign = |v: &[f64], i: usize, j: usize| {
        if v[i] == v[j] { 0.0 } else { (v[i] - v[j]).signum() }
    };
    let weight = |i: usize| 1.0 / (ranks[i] + 1) as f64;
    let (mut both, mut of_a, mut of_b) = (0.0, 0.0, 0.0);
    for i in 0..a.len() {
        for j in 0..i {
            let (x, y, w) = (sign(a, i, j), sign(b, i, j), weight(i) + weight(j));
            both += x * y * w;
            of_a += x * x * w;
            of_b += y * y * w;
        }
    }
    (of_a > 0.0 && of_b > 0.0).then(|| both / (of_a * of_b).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seed(network: &str, advised: (&str, f64), others: &[(&str, f64)]) -> Seed {
        let tried = std::iter::once(&advised).chain(others);
        Seed {
            task: "pets-5".to_owned(),
            images: 10,
            classes: 2,
            rule: "few".to_owned(),
            network: network.to_owned(),
            default: 0.7,
            ranking: vec![("a".into(), 1.0, 0.8), ("b".into(), 0.0, 0.9)],
            tried: tried.map(|(p, t)| Tried { plan: (*p).to_owned(), top1: *t }).collect(),
        }
    }

    #[test]
    fn regret_is_against_the_best_plan_that_every_seed_tried() {
        let one = seed("a", ("", 0.8), &[("x", 0.9), ("lucky", 1.0)]);
        let two = seed("b", ("y", 0.7), &[("x", 0.8), ("", 0.6)]);
        let all = tasks(&[one, two]);
        assert_eq!(all.len(), 1);
        let t = &all[0];
        assert!((t.advised - 0.75).abs() < 1e-12);
        assert_eq!(t.best.0, "x");
        assert!((t.regret - 0.1).abs() < 1e-12, "{}", t.regret);
        assert_eq!((t.networks.len(), t.plans.as_slice()), (2, &[String::new(), "y".into()][..]));
        // The probe of `b` gets 0.9; the probes of the networks taken 0.8 and 0.9.
        assert_eq!(t.network.0, "b");
        assert!((t.network.1 - 0.05).abs() < 1e-12, "{}", t.network.1);
        assert_eq!(t.tau.means, Some(-1.0), "the scores had it the other way round");
    }

    #[test]
    fn seeds_that_were_only_ranked_count_for_the_order_alone() {
        let trained = seed("a", ("", 0.8), &[("x", 0.9)]);
        let mut ranked = Seed { tried: Vec::new(), default: 0.0, ..seed("b", ("", 0.0), &[]) };
        // This time the scores have it right, and by more.
        ranked.ranking = vec![("a".into(), -3.0, 0.7), ("b".into(), 3.0, 0.95)];
        let t = &tasks(&[trained, ranked])[0];
        assert_eq!((t.advised, t.default, t.seeds), (0.8, 0.7, 1));
        assert_eq!(t.networks, ["a"]);
        assert_eq!(t.tau, Taus { means: Some(1.0), seeds: Some(0.0), tests: Some(1.0) });
    }

    #[test]
    fn nothing_better_is_no_regret() {
        let t = &tasks(&[seed("a", ("", 0.9), &[("x", 0.8)])])[0];
        assert_eq!((t.regret, t.best.0.as_str()), (0.0, "as advised for each seed"));
    }

    #[test]
    fn tau_is_that_of_scipy() {
        let of = |a: &[f64], b: &[f64]| {
            let rows = a.iter().zip(b).map(|(a, b)| (String::new(), *a, *b));
            tau(&rows.collect::<Vec<_>>())
        };
        // scipy.stats.weightedtau of its own documentation.
        let value = of(&[12.0, 2.0, 1.0, 12.0, 2.0], &[1.0, 4.0, 7.0, 1.0, 0.0]).unwrap();
        assert!((value - -0.566_949_681_536_827_2).abs() < 1e-12, "{value}");
        assert_eq!(of(&[1.0, 1.0], &[1.0, 2.0]), None, "no order");
    }
}
