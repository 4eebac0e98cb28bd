//! What a recipe may ask for beyond plain steps: each against what it says it is.

use std::path::PathBuf;

use regraft_data::{Augment, Mix, order};
use regraft_grad::{Tape, Tuning, loss};
use regraft_net::Network;
use regraft_tensor::Tensor;
use regraft_train::{Flow, Inputs, Recipe, Schedule, Truth, Tuned, find_rate, tune};

use crate::tune::{as_pictures, network, pictures, recipe, table};

/// One step a round, always at the same rate: the first rounds of a longer training are a shorter one.
fn steady(epochs: u64) -> Recipe {
    Recipe { batch: 64, schedule: Schedule::Constant, warm_up: 0.0, ..recipe(epochs) }
}

fn run(recipe: &Recipe, inputs: &Inputs, labels: &[usize], held: usize) -> Tuned {
    let (learn, held): (Vec<usize>, Vec<usize>) =
        ((0..labels.len() - held).collect(), (labels.len() - held..labels.len()).collect());
    let parts = (Truth::Classes(labels), learn.as_slice(), held.as_slice());
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
        let parts = (Truth::Classes(&labels), learn.as_slice(), &[][..]);
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
    let parts = (Truth::Classes(&labels), learn.as_slice(), held.as_slice());
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
    let crop = network().card().preprocess.crop;
    let table = table("all", false);
    let tuned = |layer: &str| table.get(layer).is_some_and(|row| row.rate.is_some());
    let frozen = |_: &str| false;
    let tuning =
        Tuning { tuned: &tuned, batch_norm: &frozen, input_gradient: false, recompute: false };
    for mix in [Mix::Mixup { alpha: 1.0 }, Mix::CutMix { alpha: 1.0 }] {
        let augment = Augment::new(vec![], vec![mix]).unwrap();
        let recipe = Recipe { smoothing: 0.1, ..steady(1) };
        let learn: Vec<usize> = (0..12).collect();
        let parts = (Truth::Classes(&labels), learn.as_slice(), &[][..]);
        let inputs = as_pictures(&files, augment.clone());
        let mut go = |_: &regraft_train::Epoch| Flow::Continue;
        let first = tune(&network(), &table, &recipe, &inputs, parts, None, &mut go).unwrap();
        // The same step by hand: the only batch of the first round.
        let shuffled = order(recipe.seed, 0, 12);
        let mut values = Vec::new();
        as_pictures(&files, Augment::default()).read(None, &shuffled, &mut values).unwrap();
        let mixed = augment.draw_mix(recipe.seed, 0, 0, crop).unwrap();
        assert!((0.05..0.95).contains(&mixed.lambda), "a mixture worth the name: {mixed:?}");
        mixed.inputs(&mut values, crop).unwrap();
        let truth: Vec<usize> = shuffled.iter().map(|i| labels[*i]).collect();
        let targets = mixed.targets(&truth, 2).unwrap();
        let targets: Vec<f32> = targets.iter().map(|t| t * 0.9 + 0.05).collect();
        let mut tape = Tape::new(&network(), 12, &tuning).unwrap();
        let batch = Tensor::new([12, 3, crop[0], crop[1]], values).unwrap();
        let logits = tape.forward(&batch, recipe.seed).unwrap();
        let wanted = loss::cross_entropy(&logits, &targets, None).unwrap().value;
        assert!((first.losses[0] - wanted).abs() < 1e-6, "{} {wanted}", first.losses[0]);
    }
}

#[test]
fn a_mean_of_weights_goes_on_where_it_was_interrupted() {
    let (folder, files, labels) = pictures(16);
    let inputs = as_pictures(&files, Augment::default());
    let recipe = Recipe { average: Some(0.9), ..recipe(4) };
    let (learn, table) = ((0..16).collect::<Vec<usize>>(), table("all", true));
    let parts = (Truth::Classes(&labels), learn.as_slice(), &[][..]);
    let path = folder.path().join("checkpoint");
    let mut go = |_: &regraft_train::Epoch| Flow::Continue;
    let whole = tune(&network(), &table, &recipe, &inputs, parts, None, &mut go).unwrap();
    let mut until =
        |e: &regraft_train::Epoch| if e.epoch == 2 { Flow::Stop } else { Flow::Continue };
    tune(&network(), &table, &recipe, &inputs, parts, Some(&path), &mut until).unwrap_err();
    let again = tune(&network(), &table, &recipe, &inputs, parts, Some(&path), &mut go).unwrap();
    assert_eq!(again.resumed, 2);
    assert_eq!(again.network, whole.network);
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
    let found = find_rate(
        &network(),
        &table("all", false),
        &recipe(1),
        &inputs,
        (Truth::Classes(&labels), &learn),
    )
    .unwrap();
    let rate = found.rate.unwrap();
    assert!((1e-5..1.0).contains(&rate), "{rate}, losses {:?}", found.losses);
    let mut rows = table("all", false);
    rows.set_rate(rate, &[]);
    let parts = (Truth::Classes(&labels), learn.as_slice(), &[][..]);
    let mut go = |_: &regraft_train::Epoch| Flow::Continue;
    let tuned = tune(&network(), &rows, &recipe(12), &inputs, parts, None, &mut go).unwrap();
    assert!(tuned.losses[11] < 0.5 * tuned.losses[0], "{:?}", tuned.losses);
}
