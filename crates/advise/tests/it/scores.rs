use proptest::prelude::*;
use regraft_advise::scores::{
    EPSILON, Outputs, RidgeOut, Spread, gbc, h_score, leep, logme, nce, nearest_mean, ridge_out,
    shrunk_h_score, transrate,
};
use regraft_advise::{Moments, Table};
use regraft_probe::{Features, Labels};

use crate::support::{F, Set, THETA, Y, near, with_threads};

fn example() -> Set {
    Set { x: F.to_vec(), y: Y.to_vec(), n: 8, d: 4, classes: 3 }
}

/// Every score of features: the scale of all of them is about 1.
fn all(moments: &Moments<'_>) -> Vec<f64> {
    vec![
        h_score(moments),
        shrunk_h_score(moments).unwrap().score,
        logme(moments).unwrap().score,
        transrate(moments, EPSILON).unwrap(),
        gbc(moments, Spread::Diagonal).unwrap(),
        gbc(moments, Spread::Spherical).unwrap(),
        nearest_mean(moments).unwrap().top1,
    ]
}

#[test]
fn scores_of_outputs_give_the_published_vectors() {
    let labels = Labels::new(&Y, 3).unwrap();
    let outputs = Outputs::new(Table::double(&THETA, 8, 3).unwrap(), &labels).unwrap();
    near(leep(&outputs).unwrap(), -0.8378860000, 1e-10);
    near(nce(&outputs).unwrap(), -0.2386928131, 1e-10);
}

#[test]
fn scores_of_features_give_the_published_vectors() {
    let set = example();
    let moments = set.moments();
    near(h_score(&moments), 1.9639098490, 1e-10);
    let shrunk = shrunk_h_score(&moments).unwrap();
    near(shrunk.score, 1.5280552646, 1e-10);
    // The notes have .2690361774; NumPy gives this one, and the score above goes with it.
    near(shrunk.alpha, 0.2690361973779, 1e-12);
    near(transrate(&moments, 1e-4).unwrap(), 4.2968006614, 1e-10);
    // The converged evidence; the published loops stop at -0.34770556840 and -0.3477052226.
    near(logme(&moments).unwrap().score, -0.3477052148144, 1e-10);
}

#[test]
fn ridge_counts_what_the_published_vectors_count() {
    // The grid's penalty is near 0.01 at its lower end: all eight are right there.
    let single = example().single();
    let labels = Labels::new(&Y, 3).unwrap();
    let out = ridge_out(Features::new(&single, 8, 4).unwrap(), &labels, 15, &[]).unwrap();
    assert_eq!((out.top1, out.training_top1, out.right.len()), (1.0, 1.0, 8));
    assert!(out.df > 1.0 && out.df <= 5.0, "{}", out.df);
}

#[test]
fn nearest_mean_by_hand_leaves_the_image_out() {
    // On a line: 0, 2 | 3.5, 7. Without itself the mean of its class is the other one.
    let set = Set { x: vec![0.0, 2.0, 3.5, 7.0], y: vec![0, 0, 1, 1], n: 4, d: 1, classes: 2 };
    // 0: 2 against 5.25. 2: 2 against 3.25. 3.5: 3.5 against 2.5, wrong (but 1.75 against 2.5 were it in
    // its own mean). 7: 3.5 against 6.
    assert_eq!(nearest_mean(&set.moments()).unwrap().right, [true, true, false, true]);
    // The same line in more dimensions than images.
    let x = set.x.iter().flat_map(|&v| [v, 1.0, 2.0, 3.0, 4.0]).collect();
    let wide = Set { x, d: 5, ..set };
    assert_eq!(nearest_mean(&wide.moments()).unwrap().right, [true, true, false, true]);
}

#[test]
fn gbc_sees_the_first_64_axes_only() {
    // Sixty-four wide axes, and eight so short that they come after them, which tell the classes apart.
    let set = Set::new(200, 64, 2, 2.0, 5);
    let longer = |(row, y): (&[f64], &usize)| {
        row.iter().copied().chain((0..8).map(|j| 1e-3 * (*y * 8 + j) as f64)).collect::<Vec<f64>>()
    };
    let x = set.x.chunks(64).zip(&set.y).flat_map(longer).collect();
    let more = Set { x, d: 72, ..set.clone() };
    let (all, some) = (set.moments(), more.moments());
    for spread in [Spread::Diagonal, Spread::Spherical] {
        let (all, some) = (gbc(&all, spread).unwrap(), gbc(&some, spread).unwrap());
        assert!(all < -1e-6 && (some / all - 1.0).abs() < 1e-3, "{all} {some}");
    }
}

#[test]
fn tall_and_wide_forms_agree() {
    // A column of zeros more than images turns the scatter form into the Gram form, and changes
    // only what depends on the number of features.
    let set = Set::new(30, 12, 3, 1.5, 4);
    let pad = |row: &[f64]| row.iter().copied().chain([0.0; 40]).collect::<Vec<f64>>();
    let x = set.x.chunks(12).flat_map(pad).collect();
    let wide = Set { x, d: 52, ..set.clone() };
    let (tall, wide) = (set.moments(), wide.moments());
    near(h_score(&wide), h_score(&tall), 1e-9);
    near(logme(&wide).unwrap().score, logme(&tall).unwrap().score, 1e-9);
    near(transrate(&wide, 1e-4).unwrap(), transrate(&tall, 1e-4).unwrap(), 1e-8);
    assert_eq!(nearest_mean(&wide).unwrap(), nearest_mean(&tall).unwrap());
}

fn deviation(values: &[f64]) -> f64 {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let sum: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
    (sum / (values.len() as f64 - 1.0)).sqrt()
}

fn ridge(set: &Set) -> RidgeOut {
    let single = set.single();
    ridge_out(Features::new(&single, set.n, set.d).unwrap(), &set.labels(), 9, &[]).unwrap()
}

#[test]
fn a_left_out_image_does_not_make_its_class_the_rarer_one() {
    // Features that say nothing: as often right as a guess, not never.
    let y: Vec<usize> = (0..20).map(|i| i % 2).collect();
    let out = ridge(&Set { x: vec![1.0; 60], y, n: 20, d: 3, classes: 2 });
    assert_eq!(out.top1, 0.5);
    near(out.explained(), 0.0, 1e-12);
    // All margins are 0: neither sure nor unsure.
    assert_eq!(out.sureness(), 0.0);
}

#[test]
fn scores_of_left_out_images_are_those_of_a_head_fitted_without_them() {
    let set = Set::new(30, 5, 3, 3.0, 4);
    let out = ridge(&set);
    let (mut losses, mut guesses) = (0.0, 0.0);
    for i in 0..set.n {
        let others = set.pick(&(0..set.n).filter(|&j| j != i).collect::<Vec<usize>>());
        let single = others.single();
        let features = Features::new(&single, others.n, others.d).unwrap();
        let head = regraft_probe::ridge(features, &others.labels(), &[out.penalty])
            .unwrap()
            .fit(0)
            .unwrap();
        let mut scores = [0.0; 3];
        head.logits(&set.pick(&[i]).single(), &mut scores).unwrap();
        let shares = others.labels().counts().to_vec();
        for c in 0..3 {
            let target = if set.y[i] == c { 1.0 } else { 0.0 };
            losses += (f64::from(scores[c]) - target).powi(2);
            guesses += (shares[c] as f64 / 29.0 - target).powi(2);
        }
    }
    near(out.explained(), 1.0 - losses / guesses, 1e-5);
    let n = set.n as f64;
    let mean = out.margins.iter().sum::<f64>() / n;
    let square = out.margins.iter().map(|m| m * m).sum::<f64>() / n;
    near(out.sureness(), mean / (square - mean * mean).sqrt(), 1e-9);
}

#[test]
fn copies_are_left_out_together() {
    // Labels without sense, and each image there twice: its copy gives it away.
    let half = Set::new(40, 200, 2, 50.0, 3);
    let twice = half.pick(&(0..80).map(|i| i / 2).collect::<Vec<usize>>());
    let (single, labels) = (twice.single(), twice.labels());
    let features = Features::new(&single, twice.n, twice.d).unwrap();
    let pairs: Vec<usize> = (0..80).map(|i| i / 2).collect();
    let (alone, together) = (
        ridge_out(features, &labels, 9, &[]).unwrap(),
        ridge_out(features, &labels, 9, &pairs).unwrap(),
    );
    assert!(alone.top1 > 0.95 && alone.sureness() > 1.0, "{}", alone.top1);
    assert!(together.top1 < 0.7 && together.explained() < 0.1, "{}", together.top1);
    // Groups of one are no groups.
    assert_eq!(ridge_out(features, &labels, 9, &(0..80).collect::<Vec<usize>>()).unwrap(), alone);
    assert!(ridge_out(features, &labels, 9, &[0, 0]).is_err());
}

#[test]
fn contributions_foretell_how_scores_vary_from_one_set_of_images_to_another() {
    const SETS: usize = 60;
    for (n, d, spread) in [
        (120, 6, 2.0),
        (90, 200, 4.0),
        (60, 400, 8.0),
        (30, 100, 3.0),
        (12, 300, 5.0),
        (300, 20, 4.0),
    ] {
        let all = Set::new(SETS * n, d, 3, spread, 8);
        let (mut scores, mut errors) = ([Vec::new(), Vec::new(), Vec::new()], [0.0; 3]);
        for k in 0..SETS {
            let out = ridge(&all.pick(&(k * n..(k + 1) * n).collect::<Vec<usize>>()));
            let own = [out.sureness(), out.explained(), out.top1];
            for (s, list) in out.contributions().iter().enumerate() {
                scores[s].push(own[s]);
                for c in 0..3 {
                    let class: Vec<f64> = list.iter().skip(c).step_by(3).copied().collect();
                    errors[s] += deviation(&class).powi(2) * class.len() as f64 / (n * n) as f64;
                }
            }
        }
        for s in 0..3 {
            let ratio = (errors[s] / SETS as f64).sqrt() / deviation(&scores[s]);
            assert!((0.85..1.6).contains(&ratio), "score {s} of {n} x {d}: {ratio}");
        }
    }
}

#[test]
fn the_same_bytes_for_any_number_of_threads() {
    for (n, d) in [(700, 150), (150, 700)] {
        let set = Set::new(n, d, 4, 3.0, 2);
        let run = || {
            let moments = set.moments();
            let mut out = all(&moments);
            out.extend(ridge(&set).contributions().concat());
            out.iter().map(|v| v.to_bits()).collect::<Vec<u64>>()
        };
        assert_eq!(with_threads(1, run), with_threads(3, run));
    }
}

#[test]
fn single_precision_features_are_read_like_double_ones() {
    let set = Set::new(40, 9, 3, 1.0, 6);
    let single = set.single();
    let labels = set.labels();
    let features = Features::new(&single, 40, 9).unwrap();
    let moments = Moments::new(features.into(), &labels).unwrap();
    let rounded = Set { x: single.iter().map(|&v| f64::from(v)).collect(), ..set.clone() };
    assert_eq!(all(&moments), all(&rounded.moments()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn scores_do_not_see_rotation_or_order(n in 6_usize..40, d in 1_usize..40, seed in 0_u64..1000) {
        let set = Set::new(n, d, 3, 1.5, seed);
        let wanted = all(&set.moments());
        let order: Vec<usize> = (0..n).rev().collect();
        for other in [set.turned(), set.pick(&order)] {
            for (k, (a, b)) in all(&other.moments()).iter().zip(&wanted).enumerate() {
                // The variance along an axis of the diagonal form is that of a rotated basis too.
                prop_assert!((a - b).abs() <= 1e-5 * (1.0 + b.abs()), "score {k}: {a} {b}");
            }
        }
        let [h, shrunk, me, _, diagonal, spherical, top1] = wanted[..] else { panic!() };
        prop_assert!((0.0..=2.0 + 1e-9).contains(&h), "H {h}");
        prop_assert!(shrunk >= 0.0 && me.is_finite());
        prop_assert!(diagonal <= 0.0 && spherical <= 0.0 && (0.0..=1.0).contains(&top1));
    }

    #[test]
    fn leep_and_nce_are_never_above_0_and_bound_one_another(
        raw in proptest::collection::vec(0.01_f64..1.0, 60),
        y in proptest::collection::vec(0_usize..3, 9),
    ) {
        let theta: Vec<f64> = raw.chunks(5).flat_map(|row| {
            let sum: f64 = row.iter().sum();
            row.iter().map(move |v| v / sum).collect::<Vec<f64>>()
        }).collect();
        let y: Vec<usize> = [0, 1, 2].into_iter().chain(y).collect();
        let labels = Labels::new(&y, 3).unwrap();
        let outputs = Outputs::new(Table::double(&theta, 12, 5).unwrap(), &labels).unwrap();
        let (leep, nce) = (leep(&outputs).unwrap(), nce(&outputs).unwrap());
        prop_assert!(leep <= 0.0 && nce <= 0.0, "{leep} {nce}");
        // Nguyen 2020, property 1.
        let first = |row: &[f64]| row.iter().copied().fold(0.0, f64::max).ln();
        let mean = theta.chunks(5).map(first).sum::<f64>() / 12.0;
        prop_assert!(leep >= nce + mean - 1e-12, "{leep} {nce} {mean}");
        // Permuted images and permuted source classes change nothing.
        let turned: Vec<f64> = theta.chunks(5).rev().flat_map(|r| r.iter().rev().copied()).collect();
        let back: Vec<usize> = y.iter().rev().copied().collect();
        let labels = Labels::new(&back, 3).unwrap();
        let outputs = Outputs::new(Table::double(&turned, 12, 5).unwrap(), &labels).unwrap();
        near(regraft_advise::scores::leep(&outputs).unwrap(), leep, 1e-12);
    }
}
