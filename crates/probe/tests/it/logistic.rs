use regraft_probe::{LinearHead, LogisticOptions, logistic, logistic_path, logistic_penalties};

use crate::support::{Set, with_threads};

/// Σ nll + ½λ‖W‖² and its gradient in `[C, d + 1]` (bias last), plainly.
fn objective(set: &Set, w: &[f64], penalty: f64) -> (f64, Vec<f64>) {
    let (d, classes) = (set.d, set.classes);
    let mut gradient = vec![0.0; w.len()];
    let mut value = 0.0;
    for (x, &label) in set.x.chunks_exact(d).zip(&set.y) {
        let logit = |c: usize| {
            let row = &w[c * (d + 1)..(c + 1) * (d + 1)];
            row[d] + x.iter().zip(row).map(|(&x, w)| f64::from(x) * w).sum::<f64>()
        };
        let logits: Vec<f64> = (0..classes).map(logit).collect();
        let total = logits.iter().map(|v| v.exp()).sum::<f64>();
        value += total.ln() - logits[label];
        for c in 0..classes {
            let r = logits[c].exp() / total - f64::from(u8::from(c == label));
            for j in 0..d {
                gradient[c * (d + 1) + j] += r * f64::from(x[j]);
            }
            gradient[c * (d + 1) + d] += r;
        }
    }
    for k in (0..w.len()).filter(|k| k % (d + 1) != d) {
        value += 0.5 * penalty * w[k] * w[k];
        gradient[k] += penalty * w[k];
    }
    (value, gradient)
}

fn flat(head: &LinearHead) -> Vec<f64> {
    let rows = head.weight.chunks_exact(head.features).zip(&head.bias);
    rows.flat_map(|(w, b)| w.iter().chain([b]).map(|&v| f64::from(v)).collect::<Vec<_>>()).collect()
}

#[test]
fn the_gradient_vanishes_at_the_solution() {
    for (n, d, classes, penalty) in [(30, 6, 3, 0.5), (14, 40, 2, 2.0), (50, 3, 5, 0.05)] {
        let set = Set::new(n, d, classes, 1.5, 11);
        let options = LogisticOptions { penalty, tolerance: 1e-14, ..Default::default() };
        let fit = logistic(set.features(), &set.labels(), &options).unwrap();
        let (value, gradient) = objective(&set, &flat(&fit.head), penalty);
        assert!((value / fit.objective - 1.0).abs() < 1e-6, "{value} is not {}", fit.objective);
        let worst = gradient.iter().fold(0.0, |a: f64, g| a.max(g.abs()));
        assert!(fit.converged && worst < 2e-4, "{n}x{d}: gradient {worst}");
    }
}

#[test]
fn no_small_step_away_from_the_solution_is_better() {
    let set = Set::new(20, 4, 3, 1.0, 4);
    let fit = logistic(set.features(), &set.labels(), &LogisticOptions::default()).unwrap();
    let w = flat(&fit.head);
    let (value, _) = objective(&set, &w, 1.0);
    for k in 0..w.len() {
        for step in [-0.01, 0.01] {
            let mut moved = w.clone();
            moved[k] += step;
            assert!(objective(&set, &moved, 1.0).0 > value, "parameter {k}");
        }
    }
}

#[test]
fn a_start_at_the_solution_takes_no_steps_and_a_path_ends_where_single_fits_end() {
    for (n, d) in [(40, 5), (15, 30)] {
        let set = Set::new(n, d, 3, 1.0, 8);
        let penalties = logistic_penalties(set.features(), 4).unwrap();
        let path =
            logistic_path(set.features(), &set.labels(), &penalties, &LogisticOptions::default())
                .unwrap();
        for (fit, &penalty) in path.iter().zip(&penalties) {
            let cold = LogisticOptions { penalty, ..Default::default() };
            let single = logistic(set.features(), &set.labels(), &cold).unwrap();
            assert!((fit.objective / single.objective - 1.0).abs() < 1e-7);
            let warm = LogisticOptions {
                penalty,
                tolerance: 1e-8,
                start: Some(&single.head),
                ..Default::default()
            };
            let again = logistic(set.features(), &set.labels(), &warm).unwrap();
            assert_eq!(again.iterations, 0, "{n}x{d} at {penalty}");
        }
    }
}

#[test]
fn permuted_rows_and_one_or_two_threads_change_nothing() {
    let set = Set::new(300, 20, 3, 2.0, 6);
    let order: Vec<usize> = (0..300).rev().collect();
    let turned = set.pick(&order);
    let fit = |s: &Set| logistic(s.features(), &s.labels(), &LogisticOptions::default()).unwrap();
    assert_eq!(with_threads(1, || fit(&set)), with_threads(2, || fit(&set)));
    let (a, b) = (fit(&set), fit(&turned));
    assert!((a.objective / b.objective - 1.0).abs() < 1e-8);
}

#[test]
fn too_few_steps_are_reported_as_not_converged() {
    let set = Set::new(60, 10, 3, 3.0, 6);
    let options = LogisticOptions { max_iterations: 1, ..Default::default() };
    let fit = logistic(set.features(), &set.labels(), &options).unwrap();
    assert_eq!((fit.iterations, fit.converged), (1, false));
}
