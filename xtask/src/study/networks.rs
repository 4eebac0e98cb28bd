//! The page of how networks are ranked.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::score::{Seed, Task, mean};
use super::{DEFAULT, Percent};

/// What a network was trained on, and where it is from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Card {
    pub(super) dataset: String,
    pub(super) origin: String,
}

/// A task's networks, means over its seeds.
struct Row<'a> {
    task: &'a Task,
    seeds: usize,
    networks: usize,
    /// Test accuracy of the probe of the network that stands first, of the default one, and of the best.
    taken: f64,
    default: f64,
    best: f64,
}

fn row<'a>(task: &'a Task, seeds: &[Seed]) -> Row<'a> {
    let own: Vec<&Seed> = seeds.iter().filter(|s| s.task == task.name).collect();
    let over = |of: &dyn Fn(&Seed) -> f64| mean(own.iter().map(|s| of(s))).unwrap_or(f64::NAN);
    let probe = |s: &Seed, network: &str| {
        s.ranking.iter().find(|(n, ..)| n == network).map_or(f64::NAN, |(.., top1)| *top1)
    };
    // Of the means, or the luck of single draws would count as knowledge.
    let names = own.first().map(|s| s.ranking.iter().map(|r| &r.0)).into_iter().flatten();
    let best = names.map(|n| over(&|s| probe(s, n))).fold(f64::NEG_INFINITY, f64::max);
    Row {
        task,
        seeds: own.len(),
        networks: own.iter().map(|s| s.ranking.len()).min().unwrap_or(0),
        taken: over(&|s| probe(s, &s.network)),
        default: over(&|s| probe(s, DEFAULT)),
        best,
    }
}

/// The figures in lines.
pub(super) fn summary(tasks: &[Task], seeds: &[Seed]) -> String {
    let rows: Vec<Row<'_>> = tasks.iter().map(|t| row(t, seeds)).collect();
    let of = |f: &dyn Fn(&Row<'_>) -> f64| mean(rows.iter().map(f)).unwrap_or(f64::NAN);
    let tau = |least: u64, under: u64| {
        let some = tasks.iter().filter(|t| (least..under).contains(&t.images));
        mean(some.filter_map(|t| t.tau.means)).unwrap_or(f64::NAN)
    };
    format!(
        "- {} tasks\n- mean weighted Kendall's tau: {:.2}; {:.2} below 100 images, {:.2} from 100 on\n- mean points \
         lost against the best network: {}; by always taking {DEFAULT}: {}",
        rows.len(),
        tau(0, u64::MAX),
        tau(0, 100),
        tau(100, u64::MAX),
        Percent(of(&|r| r.best - r.taken)),
        Percent(of(&|r| r.best - r.default)),
    )
}

/// Names of all networks, sorted.
pub(super) fn names(seeds: &[Seed]) -> Vec<&str> {
    let mut names: Vec<&str> =
        seeds.iter().flat_map(|s| s.ranking.iter().map(|r| r.0.as_str())).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// All of it; `cards` by the names of networks.
pub(super) fn page(tasks: &[Task], seeds: &[Seed], cards: &BTreeMap<String, Card>) -> String {
    let mut text = String::from(HEAD);
    text.push_str(&summary(tasks, seeds));
    text.push_str(
        "\n\n## Tasks\n\n| task | images | classes | seeds | networks | taken | its probe | default | best | tau |\n\
         |---|---|---|---|---|---|---|---|---|---|\n",
    );
    for task in tasks {
        let r = row(task, seeds);
        // Of one seed where that is all there is.
        let tau = r.task.tau.means.map_or_else(|| "-".to_owned(), |v| format!("{v:.2}"));
        let mut taken: Vec<&str> =
            seeds.iter().filter(|s| s.task == task.name).map(|s| s.network.as_str()).collect();
        taken.dedup();
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {tau} |",
            task.name,
            task.images,
            task.classes,
            r.seeds,
            r.networks,
            taken.join(", "),
            Percent(r.taken),
            Percent(r.default),
            Percent(r.best),
        );
    }
    text.push_str(
        "\n## Networks\n\n| network | trained on | from | mean of its probes |\n|---|---|---|---|\n",
    );
    for name in names(seeds) {
        let probes = seeds.iter().flat_map(|s| s.ranking.iter().filter(|r| r.0 == name));
        let Card { dataset, origin } = cards.get(name).cloned().unwrap_or_default();
        let probes = Percent(mean(probes.map(|r| r.2)).unwrap_or(f64::NAN));
        let _ = writeln!(text, "| {name} | {dataset} | {origin} | {probes} |");
    }
    text
}

const HEAD: &str = "\
# Networks ranked against outcome

Made by `cargo xtask advice-study --networks` with tasks of `fixtures/make/study_sets.py`; not edited by hand.

Each task is a set with so many training images of each class. `regraft advise` ranks the networks from training images
alone, by their combined score; then a probe of each is fitted and tested. *Taken* is the network that stands first.
*Tau* is the weighted rank correlation (Vigna 2015) of combined scores and test accuracies, of the means of both over the
seeds; a seed is a draw of training images. Figures are test accuracies in percent.

";

#[cfg(test)]
mod tests {
    use super::super::score::tasks;
    use super::*;

    fn seed(task: &str, images: u64, network: &str, ranking: &[(&str, f64, f64)]) -> Seed {
        Seed {
            task: task.to_owned(),
            images,
            classes: 2,
            rule: String::new(),
            network: network.to_owned(),
            default: f64::NAN,
            ranking: ranking.iter().map(|(n, a, b)| ((*n).to_owned(), *a, *b)).collect(),
            tried: Vec::new(),
        }
    }

    #[test]
    fn what_is_lost_is_told_of_means_over_seeds() {
        let seeds = [
            seed("few", 10, "a", &[("a", 1.0, 0.9), (DEFAULT, 0.0, 0.8), ("b", -1.0, 0.6)]),
            seed("few", 10, "b", &[("a", 1.0, 0.7), (DEFAULT, 0.0, 0.6), ("b", 2.0, 0.8)]),
            seed("many", 200, "a", &[("a", 2.0, 0.5), (DEFAULT, 1.0, 0.9), ("b", 0.0, 0.95)]),
        ];
        let tasks = tasks(&seeds);
        let text = summary(&tasks, &seeds);
        // Few: a has 0.8, the default 0.7, b 0.7; taken were 0.9 and 0.8. Many: 0.45 lost, 0.05 by the default.
        assert!(
            text.contains("best network: 20.0; by always taking efficientnet-lite0: 7.5"),
            "{text}"
        );
        assert!(text.contains("-1.00 from 100 on") && text.starts_with("- 2 tasks"), "{text}");
        let card = Card { dataset: "cats".to_owned(), origin: "us".to_owned() };
        let page = page(&tasks, &seeds, &BTreeMap::from([("b".to_owned(), card)]));
        assert!(
            page.contains("| many | 200 | 2 | 1 | 3 | a | 50.0 | 90.0 | 95.0 | -1.00 |"),
            "{page}"
        );
        assert!(page.contains("| few | 10 | 2 | 2 | 3 | a, b | 85.0 | 70.0 | 80.0 |"), "{page}");
        assert!(page.contains("| b | cats | us | 78.3 |"), "{page}");
    }
}
