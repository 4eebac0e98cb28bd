//! What a recipe may ask for beyond plain steps: each against what it says it is.

use std::path::PathBuf;

use regraft_data::{Augment, Mix, order};
use regraft_net::Network;
use regraft_train::{Flow, Inputs, Recipe, Schedule, Tuned, find_rate, tune};

use crate::tune::{as_pictures, network, pictures, recipe, table};

/// One step a round, always at the same rate: the first rounds of a longer training are a shorter one.
fn steady(epochs: u64) -> Recipe {
    Recipe { batch: 64, schedule: Schedule::Constant, warm_up: 0.0, ..recipe(epochs) }
}

fn run(recipe: &Recipe, inputs: &Inputs, labels: &[usize], held: usize) -> Tuned {
    let (learn, held): (Vec<usize>, Vec<usize>) =
        ((0..labels.len() - held).collect(), (labels.len() - held..labels.len()).collect());
    let parts = (labels, learn.as_slice(), held.as_slice());
    tune(&network(), &table("all", true), recipe, inputs, parts, None, &mut |_| Flow::Continue)
        .unwrap()
}

fn values<'a>(network: &'a Network, name: &str) -> &'a [f32] {
    network.params().get(name).unwrap().data()
}

#[test]
fn the_mean_of_weights_is_the_mean_of_the_steps_weights() {
    let (_folder, files, labels) = pictures(12);
    let inputs = as_pictures(&files, Augment::default());
    let averaged = run(&Recipe { average: Some(0.6), ..steady(5) }, &inputs, &labels, 0).network;
    for name in ["c1.weight", "n2.running_mean", "head.bias"] {
        let mut mean: Vec<f64> = values(&network(), name).iter().map(|v| f64::from(*v)).collect();
        for step in 1..=5 {
            let after = run(&steady(step), &inputs, &labels, 0).network;
            let keep = 0.6f64.min((1.0 + step as f64) / (10.0 + step as f64));
            for (mean, now) in mean.iter_mut().zip(values(&after, name)) {
                *mean = keep * *mean + (1.0 - keep) * f64::from(*now);
            }
        }
        let off = mean.iter().zip(values(&averaged, name));
        let off = off.map(|(m, v)| (m - f64::from(*v)).abs()).fold(0.0, f64::max);
        assert!(off < 1e-5, "{name}: {off}");
    }
}

#[test]
fn blocks_join_from_the_top_one_a_round() {
    let (_folder, files, labels) = pictures(12);
    let inputs = as_pictures(&files, Augment::default());
    let start = network();
    // (blocks from the top: c2 with n2, c1 with n1)
    let moved = [(1, false, false), (2, true, false), (3, true, true)];
    for (rounds, upper, lower) in moved {
        let recipe = Recipe { gradual: true, ..steady(3) };
        let mut until =
            |e: &regraft_train::Epoch| if e.epoch == rounds { Flow::Stop } else { Flow::Continue };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("checkpoint");
        let learn: Vec<usize> = (0..12).collect();
        let parts = (labels.as_slice(), learn.as_slice(), &[][..]);
        let table = table("all", true);
        tune(&start, &table, &recipe, &inputs, parts, Some(&path), &mut until).unwrap_err();
        let there = regraft_formats::open(&path).unwrap().tensors;
        for (name, learns) in [
            ("head.weight", true),
            ("c2.weight", upper),
            ("n2.running_var", upper),
            ("c1.weight", lower),
            ("n1.running_mean", lower),
        ] {
            let now = there[&format!("param/{name}")].data();
            assert_eq!(now != values(&start, name), learns, "{name} after round {rounds}");
        }
        // Interrupted there, it goes on to the same bits.
        let mut go = |_: &regraft_train::Epoch| Flow::Continue;
        let whole = tune(&start, &table, &recipe, &inputs, parts, None, &mut go).unwrap();
        let again = tune(&start, &table, &recipe, &inputs, parts, Some(&path), &mut go).unwrap();
        assert_eq!(again.resumed, rounds);
        assert_eq!(again.network, whole.network);
    }
}

#[test]
fn early_stopping_gives_the_weights_of_the_best_round() {
    let (folder, files, mut labels) = pictures(32);
    // Held-out labels are the wrong way round: what is learned only makes their loss worse.
    labels[24..].iter_mut().for_each(|l| *l = 1 - *l);
    let inputs = as_pictures(&files, Augment::default());
    let recipe = Recipe { patience: Some(2), ..steady(12) };
    let (learn, held): (Vec<usize>, Vec<usize>) = ((0..24).collect(), (24..32).collect());
    let parts = (labels.as_slice(), learn.as_slice(), held.as_slice());
    let mut nll = Vec::new();
    let table = table("all", false);
    let mut hear = |e: &regraft_train::Epoch| {
        nll.push(e.held.as_ref().unwrap().nll);
        Flow::Continue
    };
    let tuned = tune(&network(), &table, &recipe, &inputs, parts, None, &mut hear).unwrap();
    let best = (0..nll.len()).min_by(|a, b| nll[*a].total_cmp(&nll[*b])).unwrap();
    assert_eq!(tuned.round, best as u64 + 1);
    assert_eq!(nll.len(), best + 3, "two rounds more, then the end: {nll:?}");
    assert!(nll.len() < 12);
    assert_eq!(tuned.held.as_ref().unwrap().nll, nll[best]);
    let short = Recipe { epochs: tuned.round, ..recipe.clone() };
    let mut go = |_: &regraft_train::Epoch| Flow::Continue;
    let short = tune(&network(), &table, &short, &inputs, parts, None, &mut go).unwrap();
    assert_eq!(short.network, tuned.network);
    // Interrupted after the best round and again at the end.
    let path = folder.path().join("checkpoint");
    let stop = best as u64 + 2;
    for _ in 0..2 {
        let mut until =
            |e: &regraft_train::Epoch| if e.epoch == stop { Flow::Stop } else { Flow::Continue };
        let _ = tune(&network(), &table, &recipe, &inputs, parts, Some(&path), &mut until);
    }
    let again = tune(&network(), &table, &recipe, &inputs, parts, Some(&path), &mut go).unwrap();
    assert_eq!((again.round, &again.network), (tuned.round, &tuned.network));
    assert_eq!(again.held, tuned.held);
}

#[test]
fn mixed_pictures_are_learned_with_mixed_targets() {
    let (_folder, files, labels) = pictures(12);
    // Always half and half with the neighbour, whose label is the other one: nothing can be learned.
    let half = |mix| Augment::new(vec![], vec![mix]).unwrap();
    let plain = run(&steady(30), &as_pictures(&files, Augment::default()), &labels, 0);
    for mix in [Mix::Mixup { alpha: 100.0 }, Mix::CutMix { alpha: 100.0 }] {
        let inputs = as_pictures(&files, half(mix));
        let order = order(3, 0, 12);
        assert!(order.windows(2).any(|w| w[0] % 2 != w[1] % 2), "a mixture of both kinds");
        let mixed = run(&steady(30), &inputs, &labels, 0);
        let entropy_share = 0.15;
        assert!(
            mixed.losses[29] > plain.losses[29] + entropy_share,
            "{mix:?}: {} and {}",
            mixed.losses[29],
            plain.losses[29]
        );
        assert_ne!(mixed.network, plain.network);
    }
}

#[test]
fn a_class_that_counts_for_nothing_is_not_learned() {
    let (_folder, files, labels) = pictures(16);
    let inputs = as_pictures(&files, Augment::default());
    let only = Recipe { class_weights: Some(vec![0.0, 1.0]), ..steady(20) };
    let tuned = run(&only, &inputs, &labels, 8);
    let scores = tuned.held.unwrap().scores;
    assert!(
        scores.chunks(2).all(|s| s[1] > s[0]),
        "all are called the class that counts: {scores:?}"
    );
}

#[test]
fn the_finder_names_a_rate_that_learns() {
    let (_folder, files, labels): (_, Vec<PathBuf>, _) = pictures(24);
    let inputs = as_pictures(&files, Augment::default());
    let learn: Vec<usize> = (0..24).collect();
    let found = find_rate(&network(), &table("all", false), &recipe(1), &inputs, (&labels, &learn))
        .unwrap();
    let rate = found.rate.unwrap();
    assert!((1e-5..1.0).contains(&rate), "{rate}, losses {:?}", found.losses);
    let mut rows = table("all", false);
    rows.set_rate(rate, &[]);
    let parts = (labels.as_slice(), learn.as_slice(), &[][..]);
    let mut go = |_: &regraft_train::Epoch| Flow::Continue;
    let tuned = tune(&network(), &rows, &recipe(12), &inputs, parts, None, &mut go).unwrap();
    assert!(tuned.losses[11] < 0.5 * tuned.losses[0], "{:?}", tuned.losses);
}
