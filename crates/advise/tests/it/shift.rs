//! Class shares that differ in use from those of training.

use regraft_advise::shift::{adjust, correct, estimate_shares, share_bias};

fn near(got: &[f64], wanted: &[f64], within: f64) {
    assert_eq!(got.len(), wanted.len());
    for (g, w) in got.iter().zip(wanted) {
        assert!((g - w).abs() <= within, "{got:?}, wanted {wanted:?}");
    }
}

#[test]
fn probabilities_take_the_new_shares_over_the_old_ones() {
    let mut p = vec![0.6, 0.4, 0.2, 0.8];
    adjust(&mut p, &[0.5, 0.5], &[0.9, 0.1]).unwrap();
    // 0.6·1.8 : 0.4·0.2 = 1.08 : 0.08, and 0.2·1.8 : 0.8·0.2 = 0.36 : 0.16.
    let p: Vec<f64> = p.into_iter().map(f64::from).collect();
    near(&p, &[1.08 / 1.16, 0.08 / 1.16, 0.36 / 0.52, 0.16 / 0.52], 1e-7);
    let mut p = vec![0.5, 0.3, 0.2];
    adjust(&mut p, &[0.25, 0.25, 0.5], &[0.0, 0.5, 0.5]).unwrap();
    // 0 : 0.6 : 0.2.
    near(&p.into_iter().map(f64::from).collect::<Vec<_>>(), &[0.0, 0.75, 0.25], 1e-7);
    // What was sure of a class that cannot be goes to the others, not to nothing.
    let mut p = vec![1.0, 0.0, 0.0];
    adjust(&mut p, &[0.5, 0.25, 0.25], &[0.0, 0.5, 0.5]).unwrap();
    assert_eq!(p, [0.0, 0.5, 0.5]);
    let mut same = vec![0.125, 0.875];
    adjust(&mut same, &[0.1, 0.9], &[0.1, 0.9]).unwrap();
    assert_eq!(same, [0.125, 0.875]);
}

#[test]
fn likeliest_shares_by_hand() {
    // Sure answers: the shares are the counts, 3 of 4, and the ratio is that of a G-test,
    // 2 (3 ln(0.75/0.5) + ln(0.25/0.5)) = 1.0465; with 1 + (4 - 1) / 24 it is 0.9302.
    let sure = [1.0, 0.0, 1.0, 0.0, 0.0, 1.0, 1.0, 0.0];
    let got = estimate_shares(&sure, &[0.5, 0.5]).unwrap();
    near(&got.shares, &[0.75, 0.25], 1e-6);
    assert!(got.converged);
    near(&[got.ratio, got.corrected], &[1.046_496, 0.930_219], 1e-5);
    near(&[got.chance], &[0.334_808], 1e-5);
    // Half-sure answers: 8 times 0.8 and 2 times 0.2. With share w of the first class the likelihood is
    // (2w·0.8 + 2(1-w)·0.2)^8 (2w·0.2 + 2(1-w)·0.8)^2, largest where 0.4 + 1.2w = 2·0.8: at w = 1.
    let half: Vec<f32> =
        (0..10).flat_map(|i| if i < 8 { [0.8, 0.2] } else { [0.2, 0.8] }).collect();
    let got = estimate_shares(&half, &[0.5, 0.5]).unwrap();
    near(&got.shares, &[1.0, 0.0], 1e-3);
    // 7 times and 3 times: 0.4 + 1.2w = 1.4, so w = 5/6, the mean of what equation 2.9 gives there.
    let half: Vec<f32> =
        (0..10).flat_map(|i| if i < 7 { [0.8, 0.2] } else { [0.2, 0.8] }).collect();
    let got = estimate_shares(&half, &[0.5, 0.5]).unwrap();
    near(&got.shares, &[5.0 / 6.0, 1.0 / 6.0], 1e-3);
    // 2 (7 ln 1.4 + 3 ln 0.6).
    near(&[got.ratio], &[1.645_661], 1e-5);
}

#[test]
fn a_bias_gives_probabilities_the_shares_of_their_labels() {
    // Every answer 0.8 and 0.2, and as many labels of each: 0.2/0.8 = e^b.
    let same = [0.8f32, 0.2].repeat(6);
    let bias = share_bias(&same, &[0.5, 0.5]).unwrap();
    near(&bias, &[0.0, 4f64.ln()], 1e-6);
    let mut right = same.clone();
    correct(&mut right, &bias).unwrap();
    assert!(right.iter().all(|p| (p - 0.5).abs() < 1e-6), "{right:?}");
    // 0.9 and 0.1 once, 0.3 and 0.7 once, three quarters of the labels of the first class: with f = e^b,
    // 0.9/(0.9 + 0.1 f) + 0.3/(0.3 + 0.7 f) = 1.5, so 0.105 f² + 0.33 f - 0.135 = 0.
    let f = (-0.33 + (0.33f64.powi(2) + 4.0 * 0.105 * 0.135).sqrt()) / 0.21;
    let bias = share_bias(&[0.9, 0.1, 0.3, 0.7], &[0.75, 0.25]).unwrap();
    near(&bias, &[0.0, f.ln()], 1e-6);
    let old = [0.6, 0.3, 0.1];
    let p = answers(&old, &[0.8, 0.15, 0.05], 900);
    let bias = share_bias(&p, &old).unwrap();
    let mut right = p.clone();
    correct(&mut right, &bias).unwrap();
    let mean =
        |c: usize| right.iter().skip(c).step_by(3).map(|p| f64::from(*p)).sum::<f64>() / 900.0;
    near(&[mean(0), mean(1), mean(2)], &old, 1e-6);
    // What it was made of is then no shift.
    assert!(estimate_shares(&right, &old).unwrap().ratio < 1e-6);
    assert!(estimate_shares(&p, &old).unwrap().chance < 0.01);
    assert!(correct(&mut [0.5, 0.5], &[0.0, f64::NAN]).is_err());
    let mut far = vec![0.5, 0.5];
    correct(&mut far, &[0.0, 2000.0]).unwrap();
    assert_eq!(far, [0.0, 1.0]);
}

/// Answers about classes drawn with `shares`, of a classifier that is calibrated under `old`.
fn answers(shares: &[f64], old: &[f64], n: usize) -> Vec<f32> {
    let mut state = 7u64;
    let mut uniform = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1u64 << 53) as f64
    };
    let classes = shares.len();
    let mut out = Vec::new();
    for _ in 0..n {
        let mut at = uniform();
        let class = shares.iter().position(|share| {
            at -= share;
            at < 0.0
        });
        let class = class.unwrap_or(classes - 1);
        // A signal that is right 7 times of 10 and else any other: likelihoods 0.7 and 0.3 / (C - 1).
        let wrong = 0.3 / (classes - 1) as f64;
        let shown = if uniform() < 0.7 {
            class
        } else {
            (class + 1 + (uniform() * (classes - 1) as f64) as usize) % classes
        };
        let joint: Vec<f64> =
            (0..classes).map(|c| old[c] * if c == shown { 0.7 } else { wrong }).collect();
        let sum: f64 = joint.iter().sum();
        out.extend(joint.iter().map(|p| (p / sum) as f32));
    }
    out
}

#[test]
fn a_shift_is_found_from_unsure_answers_and_none_is_made_up() {
    let old = [0.25, 0.25, 0.25, 0.25];
    let new = [0.55, 0.25, 0.15, 0.05];
    let moved = estimate_shares(&answers(&new, &old, 4000), &old).unwrap();
    assert!(moved.converged && moved.chance < 1e-6, "{moved:?}");
    near(&moved.shares, &new, 0.04);
    let old = [0.7, 0.2, 0.07, 0.03];
    let still = estimate_shares(&answers(&old, &old, 4000), &old).unwrap();
    assert!(still.chance > 0.05, "{still:?}");
    near(&still.shares, &old, 0.04);
}

#[test]
fn one_image_of_a_rare_class_is_no_shift_and_ten_are() {
    let old = [0.99, 0.01];
    let rare = |n: usize| estimate_shares(&[0.0, 1.0].repeat(n), &old).unwrap();
    let one = rare(1);
    // 2 ln 100 alone would have a chance of 0.0024.
    assert!((one.ratio - 9.2103).abs() < 1e-3 && one.chance > 0.05, "{one:?}");
    assert!(rare(10).chance < 1e-6);
}

#[test]
fn shares_do_not_depend_on_the_number_of_threads() {
    let old = [0.5, 0.3, 0.2];
    let p = answers(&[0.2, 0.3, 0.5], &old, 3000);
    let on = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| estimate_shares(&p, &old).unwrap())
    };
    assert_eq!(on(1), on(3));
}

#[test]
fn what_is_no_share_or_no_probability_is_refused() {
    let says = |p: &[f32], old: &[f64], new: &[f64]| {
        adjust(&mut p.to_vec(), old, new).unwrap_err().to_string()
    };
    let half = [0.5, 0.5];
    assert!(says(&[0.5, 0.5], &half, &[0.5, 0.6]).contains("add up to 1"));
    assert!(says(&[0.5, 0.5], &half, &[1.5, -0.5]).contains("1.5"));
    assert!(says(&[0.5, 0.5], &half, &[f64::NAN, 1.0]).contains("NaN"));
    assert!(says(&[0.5, 0.5], &[0.0, 1.0], &half).contains("above 0"));
    assert!(says(&[0.5, 0.5], &half, &[1.0]).contains("shares"));
    assert!(says(&[0.5, 0.5, 0.1], &half, &half).contains("probabilities"));
    assert!(says(&[0.5, f32::NAN], &half, &half).contains("probabilities"));
    assert!(says(&[0.5, -0.5], &half, &half).contains("probabilities"));
    assert!(estimate_shares(&[], &half).unwrap_err().to_string().contains("images"));
    assert!(estimate_shares(&[1.0], &[1.0]).is_err());
}
