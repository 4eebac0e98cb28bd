use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use regraft_probe::{
    HeadEvent, HeadFit, HeadKind, HeadOptions, Method, calibrate, fit_head, folds, ridge,
};

use crate::support::{Set, largest_difference, normal, slow_ridge, with_threads};

fn fit(set: &Set, kind: HeadKind) -> HeadFit {
    let options = HeadOptions { kind, ..Default::default() };
    fit_head(set.features(), &set.labels(), &options, &mut |_| ()).unwrap()
}

fn accuracy(fit: &HeadFit, set: &Set) -> f64 {
    let p = fit.head.probabilities_batch(&set.x).unwrap();
    let right = p.chunks_exact(set.classes).zip(&set.y).filter(|(row, label)| {
        row.iter().enumerate().all(|(c, v)| c == **label || *v < row[**label])
    });
    right.count() as f64 / set.n as f64
}

/// Training examples and others of the same classes.
fn halves(n: usize, d: usize, classes: usize, spread: f64, seed: u64) -> (Set, Set) {
    let all = Set::new(2 * n, d, classes, spread, seed);
    let (a, b): (Vec<usize>, Vec<usize>) =
        (0..2 * n).partition(|i| (i / classes).is_multiple_of(2));
    (all.pick(&a), all.pick(&b))
}

#[test]
fn held_out_accuracy_and_log_loss_foretell_new_examples() {
    for (n, d, spread) in [(120, 30, 4.0), (100, 200, 8.0), (300, 8, 2.0)] {
        let (train, test) = halves(n, d, 4, spread, 5);
        for kind in [HeadKind::Ridge, HeadKind::Logistic, HeadKind::Auto] {
            let fit = fit(&train, kind);
            let real = accuracy(&fit, &test);
            assert!((fit.out_of_fold_top1 - real).abs() < 0.1, "{kind:?} {n}x{d}: {real}");
            assert!(real > 0.5, "{kind:?} {n}x{d}: {real}");
            let logits = fit.head.logits_batch(&test.x).unwrap();
            let logits: Vec<f64> = logits.into_iter().map(f64::from).collect();
            let each =
                calibrate::nll(&logits, &test.labels(), f64::from(fit.head.temperature)).unwrap();
            let nll = each.iter().sum::<f64>() / test.n as f64;
            assert!((nll - fit.out_of_fold_nll).abs() < 0.2, "{kind:?} {n}x{d}: {nll}");
        }
    }
}

#[test]
fn a_ridge_fit_is_the_path_at_its_penalty() {
    let set = Set::new(40, 12, 3, 3.0, 1);
    let fit = fit(&set, HeadKind::Ridge);
    let path = ridge(set.features(), &set.labels(), &[fit.penalty]).unwrap();
    let mut scores = path.loo_scores(0).unwrap();
    set.labels().know_shares(&mut scores, &[]);
    assert_eq!(fit.out_of_fold_scores, scores);
    assert_eq!(fit.head.weight, path.fit(0).unwrap().weight);
    assert_eq!(fit.method, Method::Ridge);
}

#[test]
fn the_chosen_penalty_has_the_lowest_log_loss_of_its_kind() {
    let set = Set::new(60, 80, 3, 8.0, 1);
    for kind in [HeadKind::Ridge, HeadKind::Logistic, HeadKind::Auto] {
        let fit = fit(&set, kind);
        let lowest = fit
            .table
            .iter()
            .filter(|row| row.method == fit.method)
            .min_by(|a, b| a.nll.total_cmp(&b.nll))
            .unwrap();
        assert_eq!(lowest.penalty, fit.penalty);
        assert_eq!(lowest.nll, fit.out_of_fold_nll);
        assert_eq!(lowest.temperature as f32, fit.head.temperature);
    }
}

#[test]
fn out_of_fold_scores_never_saw_their_example() {
    // Labels without any relation to the features: held-out accuracy must be about chance, though
    // with so many features every head fits its own examples nearly without a mistake.
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let noise: Vec<f32> = (0..200 * 150).map(|_| normal(&mut rng) as f32).collect();
    let set = Set { x: noise, y: (0..200).map(|i| i % 2).collect(), n: 200, d: 150, classes: 2 };
    let wide = Set { x: set.x.clone(), y: set.y[..100].to_vec(), n: 100, d: 300, classes: 2 };
    for (set, kind) in [
        (&set, HeadKind::Ridge),
        (&set, HeadKind::Logistic),
        (&wide, HeadKind::Ridge),
        (&wide, HeadKind::Logistic),
    ] {
        let fit = fit(set, kind);
        assert!(fit.out_of_fold_top1 < 0.65, "{kind:?}: {}", fit.out_of_fold_top1);
        assert!(fit.out_of_fold_nll > 0.6, "{kind:?}: {}", fit.out_of_fold_nll);
    }
}

#[test]
fn events_tell_the_rows_of_the_table_in_order() {
    let set = Set::new(30, 5, 2, 2.0, 1);
    let mut events = Vec::new();
    let fit =
        fit_head(set.features(), &set.labels(), &HeadOptions::default(), &mut |e| events.push(e))
            .unwrap();
    let wanted = HeadEvent::Started { examples: 30, features: 5, classes: 2, folds: 5 };
    assert_eq!(events.first(), Some(&wanted));
    let last = HeadEvent::Chosen { method: fit.method, penalty: fit.penalty };
    assert_eq!(events.last(), Some(&last));
    let rows: Vec<HeadEvent> = fit.table.iter().map(|row| HeadEvent::Tried(*row)).collect();
    assert_eq!(events[1..events.len() - 1], rows);
    assert_eq!(fit.folds, folds(&set.labels(), 5, 0));
    assert!(fit.reasons.iter().all(|r| !r.because.is_empty()));
}

#[test]
fn one_and_two_threads_give_the_same_bytes() {
    for (n, d) in [(150, 300), (400, 60)] {
        let set = Set::new(n, d, 3, 6.0, 2);
        for kind in [HeadKind::Ridge, HeadKind::Logistic, HeadKind::Auto] {
            let one = with_threads(1, || fit(&set, kind));
            assert_eq!(one, with_threads(2, || fit(&set, kind)), "{kind:?} {n}x{d}");
        }
    }
}

#[test]
fn penalties_given_are_the_penalties_tried() {
    let set = Set::new(30, 5, 2, 2.0, 1);
    let options = HeadOptions {
        kind: HeadKind::Ridge,
        penalties: Some(vec![0.5, 5.0]),
        ..Default::default()
    };
    let fit = fit_head(set.features(), &set.labels(), &options, &mut |_| ()).unwrap();
    let tried: Vec<f64> = fit.table.iter().map(|row| row.penalty).collect();
    assert_eq!(tried, [0.5, 5.0]);
    let wanted = slow_ridge(&set, fit.penalty, &|_| true);
    let got = fit.head.logits_batch(&set.x).unwrap();
    let got: Vec<f64> = got.into_iter().map(f64::from).collect();
    assert!(largest_difference(&got, &wanted) < 1e-5);
}

#[test]
fn features_that_say_nothing_are_right_as_often_as_a_guess() {
    let mut set = Set::new(20, 3, 2, 1.0, 1);
    set.x.fill(1.0);
    let fit = fit(&set, HeadKind::Ridge);
    assert_eq!(fit.loo_top1, 0.5);
    let other = |row: &[f64]| row.iter().all(|v| (v - 0.5).abs() < 1e-9);
    assert!(fit.out_of_fold_scores.chunks(2).all(other), "{:?}", fit.out_of_fold_scores);
}

#[test]
fn copies_fool_leave_one_out_and_not_leave_one_group_out() {
    // Labels without sense: nothing can be right more often than one time in two. Each example is there twice.
    for d in [10, 200] {
        let mut half = Set::new(40, d, 2, 1.0, 3);
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        half.x.iter_mut().for_each(|v| *v = normal(&mut rng) as f32);
        let twice = half.pick(&(0..80).map(|i| i / 2).collect::<Vec<usize>>());
        let groups: Vec<usize> = (0..80).map(|i| i / 2).collect();
        let options = HeadOptions { kind: HeadKind::Ridge, ..Default::default() };
        let of = |groups: Option<Vec<usize>>| {
            let options = HeadOptions { groups, ..options.clone() };
            fit_head(twice.features(), &twice.labels(), &options, &mut |_| ()).unwrap()
        };
        let (blind, aware) = (of(None), of(Some(groups.clone())));
        if d == 200 {
            assert!(blind.loo_top1 > 0.95, "{}", blind.loo_top1);
        }
        assert!(aware.loo_top1 < 0.65 && aware.loo_top1 < blind.loo_top1, "{}", aware.loo_top1);
        assert!(aware.out_of_fold_nll > blind.out_of_fold_nll);
        assert!((0..40).all(|i| aware.folds[2 * i] == aware.folds[2 * i + 1]));
        // The same as fits without each group.
        let at = aware.table.iter().position(|r| r.penalty == aware.penalty).unwrap();
        let path = ridge(twice.features(), &twice.labels(), &[aware.table[at].penalty]).unwrap();
        let mut exact = path.fold_scores(0, &groups).unwrap();
        let pairs: Vec<Vec<usize>> = (0..40).map(|i| vec![2 * i, 2 * i + 1]).collect();
        twice.labels().know_shares(&mut exact, &pairs);
        assert!(largest_difference(&exact, &aware.out_of_fold_scores) < 1e-9);
        // Groups of one are leave-one-out.
        let single = of(Some((0..80).collect()));
        assert_eq!(single, blind);
    }
    let short = HeadOptions { groups: Some(vec![0; 3]), ..Default::default() };
    let set = Set::new(8, 3, 2, 1.0, 3);
    let said = fit_head(set.features(), &set.labels(), &short, &mut |_| ()).unwrap_err();
    assert!(said.to_string().starts_with("groups hold 3 values"), "{said}");
}
