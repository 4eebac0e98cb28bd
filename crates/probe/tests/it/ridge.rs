use proptest::prelude::*;
use regraft_probe::{ridge, ridge_penalties};

use crate::support::{Set, largest_difference, slow_ridge, with_threads};

/// n, d: the dual and the primal form, and around the border.
const SHAPES: [(usize, usize); 5] = [(12, 25), (30, 7), (9, 9), (10, 9), (40, 3)];
const PENALTIES: [f64; 4] = [1e-3, 0.1, 3.0, 500.0];

#[test]
fn leave_one_out_is_that_of_brute_force_refits() {
    for (n, d) in SHAPES {
        let set = Set::new(n, d, 3, 1.0, 7);
        let path = ridge(set.features(), &set.labels(), &PENALTIES).unwrap();
        for (k, &penalty) in PENALTIES.iter().enumerate() {
            let got = path.loo_scores(k).unwrap();
            for i in 0..n {
                let slow = slow_ridge(&set, penalty, &|row| row != i);
                let off = largest_difference(&got[i * 3..i * 3 + 3], &slow[i * 3..i * 3 + 3]);
                assert!(off < 1e-9, "{n}x{d} at {penalty}, row {i}: off by {off}");
            }
        }
    }
}

#[test]
fn fold_scores_are_those_of_brute_force_refits() {
    // The last case has folds larger than the number of features.
    for ((n, d), k) in SHAPES.into_iter().zip([3, 3, 4, 3, 2]) {
        let set = Set::new(n, d, 3, 1.0, 3);
        let folds: Vec<usize> = (0..n).map(|i| (i / 3) % k).collect();
        let path = ridge(set.features(), &set.labels(), &PENALTIES).unwrap();
        for (p, &penalty) in PENALTIES.iter().enumerate() {
            let got = path.fold_scores(p, &folds).unwrap();
            for fold in 0..k {
                let slow = slow_ridge(&set, penalty, &|row| folds[row] != fold);
                for i in (0..n).filter(|&i| folds[i] == fold) {
                    let off = largest_difference(&got[i * 3..i * 3 + 3], &slow[i * 3..i * 3 + 3]);
                    assert!(off < 1e-8, "{n}x{d} at {penalty}, row {i}: off by {off}");
                }
            }
        }
    }
}

#[test]
fn rows_agree_with_the_scores_they_sum_up() {
    let set = Set::new(21, 5, 3, 2.0, 1);
    let path = ridge(set.features(), &set.labels(), &[0.5]).unwrap();
    let fitted = slow_ridge(&set, 0.5, &|_| true);
    let hot = |k: usize| f64::from(u8::from(set.y[k / 3] == k % 3));
    let square =
        |scores: &[f64]| scores.iter().enumerate().map(|(k, s)| (hot(k) - s).powi(2)).sum::<f64>();
    let row = path.rows()[0];
    assert!((row.press - square(&path.loo_scores(0).unwrap())).abs() < 1e-9);
    let gcv = 21.0 * square(&fitted) / (21.0 - row.df).powi(2);
    assert!((row.gcv / gcv - 1.0).abs() < 1e-9, "{} wanted {gcv}", row.gcv);
}

#[test]
fn a_vanishing_penalty_loses_no_digits_when_there_are_more_features() {
    let set = Set::new(12, 40, 2, 1.0, 5);
    let tiny = ridge(set.features(), &set.labels(), &[1e-9, 1e-5]).unwrap();
    let (a, b) = (tiny.loo_scores(0).unwrap(), tiny.loo_scores(1).unwrap());
    let off = largest_difference(&a, &b);
    assert!(off < 1e-5, "interpolating fits have a limit: off by {off}");
}

#[test]
fn one_and_two_threads_give_the_same_bytes() {
    for (n, d) in [(300, 400), (700, 150)] {
        let set = Set::new(n, d, 4, 3.0, 2);
        let run = || {
            let penalties = ridge_penalties(set.features(), 5).unwrap();
            let path = ridge(set.features(), &set.labels(), &penalties).unwrap();
            let folds: Vec<usize> = (0..n).map(|i| i % 3).collect();
            (
                path.rows().to_vec(),
                path.loo_scores(2).unwrap(),
                path.fold_scores(2, &folds).unwrap(),
                path.fit(2).unwrap(),
            )
        };
        assert_eq!(with_threads(1, run), with_threads(2, run));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn permuted_rows_give_permuted_scores(
        n in 6usize..20, d in 1usize..25, seed in 0u64..99, turn in 1usize..5,
    ) {
        let set = Set::new(n, d, 3, 1.0, seed);
        let order: Vec<usize> = (0..n).map(|i| (i + turn) % n).collect();
        let turned = set.pick(&order);
        let a = ridge(set.features(), &set.labels(), &[0.3]).unwrap().loo_scores(0).unwrap();
        let b = ridge(turned.features(), &turned.labels(), &[0.3]).unwrap().loo_scores(0).unwrap();
        for (at, &i) in order.iter().enumerate() {
            let off = largest_difference(&b[at * 3..at * 3 + 3], &a[i * 3..i * 3 + 3]);
            prop_assert!(off < 1e-8, "row {}: off by {}", i, off);
        }
    }
}
