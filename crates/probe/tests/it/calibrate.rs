use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use regraft_probe::{Labels, ProbeError, calibrate};

use crate::support::normal;

#[test]
fn a_known_temperature_is_recovered() {
    for (seed, truth) in [(1, 0.05), (2, 1.0), (3, 2.5), (4, 40.0)] {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let (n, classes) = (20_000, 4);
        let mut scores = Vec::with_capacity(n * classes);
        let mut y = Vec::with_capacity(n);
        for _ in 0..n {
            let row: Vec<f64> = (0..classes).map(|_| 2.0 * normal(&mut rng)).collect();
            let total: f64 = row.iter().map(|v| v.exp()).sum();
            let mut left = f64::from(rng.next_u32()) / 4294967296.0 * total;
            let pick = row.iter().position(|v| {
                left -= v.exp();
                left < 0.0
            });
            y.push(pick.unwrap_or(classes - 1));
            scores.extend(row.iter().map(|v| v * truth));
        }
        let labels = Labels::new(&y, classes).unwrap();
        let found = calibrate::temperature(&scores, &labels).unwrap();
        assert!((found.value / truth - 1.0).abs() < 0.05, "{} wanted {truth}", found.value);
        assert!(found.nll_after <= found.nll_before);
        let each = calibrate::nll(&scores, &labels, found.value).unwrap();
        assert!((each.iter().sum::<f64>() / n as f64 - found.nll_after).abs() < 1e-12);
    }
}

#[test]
fn extremes_stay_within_the_bounds() {
    let labels = Labels::new(&[0, 1, 0, 1], 2).unwrap();
    let right = [1.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 1.0];
    let wrong: Vec<f64> = right.iter().map(|v| 1.0 - v).collect();
    let flat = [0.5; 8];
    let cases = [("right", &right[..], 1e-3), ("wrong", &wrong, 1e3), ("huge", &[1e300; 8], 0.0)];
    for (name, scores, wanted) in cases {
        let t = calibrate::temperature(scores, &labels).unwrap();
        assert!((1e-3..=1e3).contains(&t.value), "{name}: {}", t.value);
        assert!(wanted == 0.0 || (t.value / wanted - 1.0).abs() < 0.01, "{name}: {}", t.value);
        assert!(t.nll_after.is_finite(), "{name}");
    }
    assert!((calibrate::temperature(&flat, &labels).unwrap().nll_after - 2f64.ln()).abs() < 1e-12);
}

#[test]
fn smoothing_keeps_separated_scores_from_certainty() {
    let labels = Labels::new(&[0, 1, 0, 1], 2).unwrap();
    let right = [1.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 1.0];
    let smoothing = calibrate::platt_smoothing(&labels);
    let t = calibrate::temperature_smoothed(&right, &labels, smoothing).unwrap();
    let p = 1.0 / (1.0 + (-1.0 / t.value).exp());
    assert!((p - 0.75).abs() < 1e-9, "two examples a class promise 3 in 4, got {p}");
    let smoothing = calibrate::succession_smoothing(&labels);
    let t = calibrate::temperature_smoothed(&right, &labels, smoothing).unwrap();
    let p = 1.0 / (1.0 + (-1.0 / t.value).exp());
    assert!(
        (p - 5.0 / 6.0).abs() < 1e-9,
        "four held out without a mistake promise 5 in 6, got {p}"
    );
    let bad = calibrate::temperature_smoothed(&right, &labels, 1.0);
    assert!(matches!(bad, Err(ProbeError::Option { name: "smoothing", .. })));
}

#[test]
fn scores_of_the_wrong_shape_or_without_value_are_errors() {
    let labels = Labels::new(&[0, 1], 2).unwrap();
    assert_eq!(
        calibrate::temperature(&[1.0; 3], &labels).unwrap_err().to_string(),
        "scores hold 3 values, [2, 2] wants 4; check the shape"
    );
    let nan = calibrate::temperature(&[0.0, 1.0, 2.0, f64::NAN], &labels);
    assert!(matches!(nan, Err(ProbeError::NotFinite { row: 1, column: 1, .. })));
}
