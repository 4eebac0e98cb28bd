//! Thresholds by images that were held out of a training.

use regraft_advise::AdviseError;
use regraft_advise::unknown::{Judged, Method, UnknownOptions, fit_unknown, neighbours};
use regraft_probe::Features;

use crate::support::Set;
use crate::unknown::{clouds, corners, fitted, judged, share, with};

fn alone(scores: &[f64]) -> Judged<'_> {
    Judged { scores, rows: None }
}

#[test]
fn scores_from_elsewhere_set_the_threshold() {
    let set = clouds(&corners(3, 10, 5.0), 30, 1.0, 9);
    let judged: Vec<f64> = (0..100).map(|i| f64::from(i) / 100.0).collect();
    let fit = fitted(&set, &UnknownOptions { judged: Some(alone(&judged)), ..Default::default() });
    assert_eq!(fit.model.method(), Method::Neighbours);
    assert!(fit.left_out.is_empty());
    // Of 100 trials at 5 %: at most one with 3.7 %, at most two with 11.8 %.
    assert_eq!((fit.held_out.len(), fit.model.threshold()), (100, 0.98));
    let nan = [0.5, f64::NAN];
    let single = set.single();
    let features = Features::new(&single, set.n, set.d).unwrap();
    let options = UnknownOptions { judged: Some(alone(&nan)), ..Default::default() };
    assert!(
        fit_unknown(features, &set.labels(), &options).unwrap_err().to_string().contains("row 1")
    );
}

#[test]
fn as_many_neighbours_are_asked_as_are_given() {
    let set = clouds(&corners(2, 10, 5.0), 30, 1.0, 9);
    let of =
        |neighbours| fitted(&set, &UnknownOptions { neighbours, ..with(Method::Neighbours) }).model;
    let single = set.single();
    let score = |k| of(k).judge(&single[..10], None).unwrap().score;
    assert_eq!(score(None).to_bits(), score(Some(3)).to_bits());
    assert_eq!(score(Some(2)), of(None).judge(&single[..10], None).unwrap().nearest[1].distance);
    assert_eq!(score(Some(61)).to_bits(), score(Some(60)).to_bits(), "no more than there are");
    assert_eq!([neighbours(160, 10), neighbours(200, 10), neighbours(9, 3)], [1, 2, 1]);
}

#[test]
fn training_images_that_were_not_held_out_have_a_say_in_the_threshold() {
    // Two classes, and one picture that is like none, as folders have them.
    let centres = corners(3, 30, 8.0);
    let mut set = clouds(&centres[..2], 120, 1.0, 9);
    set.x[7 * 30..8 * 30].copy_from_slice(&clouds(&centres[2..], 1, 0.5, 1).x);
    let (fresh, other) = (clouds(&centres[..2], 300, 1.0, 2), clouds(&centres[2..], 300, 1.0, 3));
    let single = set.single();
    // A fifth is held out, with that picture or without the unusual ones, and judged by the others.
    let own = |rows: &[usize]| -> Vec<f64> {
        let kept: Vec<usize> = (0..set.n).filter(|i| !rows.contains(i)).collect();
        let x = kept.iter().flat_map(|i| set.x[i * 30..][..30].iter().copied()).collect();
        let y = kept.iter().map(|i| set.y[*i]).collect();
        let rest = Set { x, y, n: kept.len(), d: 30, classes: 2 };
        let model = fitted(&rest, &with(Method::Neighbours)).model;
        rows.iter().map(|i| model.judge(&single[i * 30..][..30], None).unwrap().score).collect()
    };
    let whole = fitted(&set, &with(Method::Neighbours));
    let median = whole.held_out[set.n / 2];
    let usual = |i: &usize| {
        *i != 7 && whole.model.judge(&single[i * 30..][..30], None).unwrap().score < median
    };
    let unlucky: Vec<usize> = (0..set.n).step_by(5).map(|i| i + 2).collect();
    let lucky: Vec<usize> = (0..set.n).filter(usual).take(48).collect();
    for (rows, name) in [(unlucky, "the odd picture"), (lucky, "usual pictures only")] {
        let scores = own(&rows);
        let how = |rows| UnknownOptions {
            judged: Some(Judged { scores: &scores, rows }),
            ..UnknownOptions::default()
        };
        let measured = |rows| {
            let fit = fitted(&set, &how(rows));
            (share(&judged(&fit.model, &fresh)), share(&judged(&fit.model, &other)), fit.worth)
        };
        let (alarms, found, worth) = measured(Some(&rows));
        assert!(alarms <= 0.05 && found > 0.95, "{name}: {alarms} {found} {worth}");
        assert!(worth > 59, "{name}: {worth}");
        // By the held-out images alone one of the two is wrong.
        let (alarms, found, worth) = measured(None);
        assert!(alarms > 0.07 || found < 0.5, "{name}: {alarms} {found}");
        assert_eq!(worth, 48);
        let features = Features::new(&single, set.n, set.d).unwrap();
        let short = fit_unknown(features, &set.labels(), &how(Some(&rows[1..])));
        assert!(matches!(short, Err(AdviseError::Length { got: 47, wanted: 48, .. })));
    }
}
