use regraft_advise::scores::{
    EPSILON, Outputs, Spread, gbc, h_score, leep, logme, nce, nearest_mean, ridge_out,
    shrunk_h_score, transrate,
};
use regraft_advise::{AdviseError, Moments, Table};
use regraft_probe::{Features, Labels, ProbeError};

use crate::support::{Set, THETA, Y, near};

fn finite(set: &Set) -> [f64; 7] {
    let moments = set.moments();
    let (me, h) = (logme(&moments).unwrap(), shrunk_h_score(&moments).unwrap());
    let all = [
        h_score(&moments),
        h.score,
        me.score,
        transrate(&moments, EPSILON).unwrap(),
        gbc(&moments, Spread::Diagonal).unwrap(),
        gbc(&moments, Spread::Spherical).unwrap(),
        nearest_mean(&moments).unwrap().top1,
    ];
    let single = set.single();
    let out =
        ridge_out(Features::new(&single, set.n, set.d).unwrap(), &set.labels(), 9, &[]).unwrap();
    assert!((0.0..=1.0).contains(&out.top1) && out.df.is_finite());
    let each = out.contributions().concat();
    assert_eq!(each.len(), 3 * set.n);
    let own = [out.sureness(), out.explained()];
    assert!(all.iter().chain(&own).chain(&each).all(|v| v.is_finite()), "{all:?} {own:?}");
    all
}

#[test]
fn features_that_say_nothing_score_nothing() {
    for (n, d) in [(6, 3), (6, 9)] {
        let y: Vec<usize> = (0..n).map(|i| i % 2).collect();
        for value in [0.0, 2.5] {
            let all = finite(&Set { x: vec![value; n * d], y: y.clone(), n, d, classes: 2 });
            assert_eq!(all[..2], [0.0, 0.0]);
            near(all[3], 0.0, 1e-12);
            // Two classes that are the same, in both orders.
            near(all[4], -2.0, 1e-12);
            assert_eq!(all[6], 0.0, "no mean is nearer than the other");
        }
    }
}

#[test]
fn a_constant_feature_changes_only_what_is_not_centred() {
    let set = Set::new(20, 3, 2, 1.0, 1);
    let x = set.x.chunks(3).flat_map(|r| [r[0], r[1], r[2], 7.0]).collect();
    let (plain, more) = (finite(&set), finite(&Set { x, d: 4, ..set.clone() }));
    near(more[0], plain[0], 1e-9);
    near(more[3], plain[3], 1e-9);
    assert_eq!(more[6], plain[6]);
}

#[test]
fn two_images_and_classes_with_one_example_have_scores() {
    for d in [1, 2, 5] {
        let all = finite(&Set::new(2, d, 2, 1.0, 3));
        assert_eq!(all[6], 0.0, "an only image leaves no mean of its class");
    }
    for d in [2, 30] {
        let set = Set::new(12, d, 3, 1.0, 9);
        let mut lone = set.clone();
        lone.y = vec![0, 1, 2, 0, 1, 0, 0, 1, 0, 1, 0, 1];
        finite(&lone);
    }
}

#[test]
fn far_scales_stay_finite() {
    for scale in [1e-12, 1e12] {
        for d in [3, 40] {
            let set = Set::new(15, d, 3, 1.0, 4);
            let x = set.x.iter().map(|v| v * scale).collect();
            finite(&Set { x, ..set });
        }
    }
}

#[test]
fn what_cannot_be_scored_is_said() {
    let table = Table::double(&THETA, 8, 3).unwrap();
    assert_eq!(Labels::new(&[0, 0, 2, 2], 3).unwrap_err(), ProbeError::EmptyClass { class: 1 });
    let seven = Labels::new(&Y[..7], 3).unwrap();
    let wanted = AdviseError::from(ProbeError::LabelCount { got: 7, wanted: 8 });
    assert_eq!(Moments::new(table, &seven).unwrap_err(), wanted);
    assert_eq!(Outputs::new(table, &seven).unwrap_err(), wanted);

    let labels = Labels::new(&Y, 3).unwrap();
    let mut wrong = THETA;
    wrong[4] = 3.0;
    let table = Table::double(&wrong, 8, 3).unwrap();
    let said = Outputs::new(table, &labels).unwrap_err().to_string();
    assert!(said.starts_with("row 1 of the source's outputs adds up to 3.7"), "{said}");
    wrong[4] = f64::NAN;
    let said = Table::double(&wrong, 8, 3).unwrap_err().to_string();
    assert!(said.contains("NaN in row 1, column 1"), "{said}");
    let said = Table::double(&THETA, 8, 4).unwrap_err().to_string();
    assert!(said.contains("[8, 4] wants 32"), "{said}");

    let set = Set::new(6, 2, 2, 1.0, 0);
    let said = transrate(&set.moments(), 0.0).unwrap_err().to_string();
    assert_eq!(said, "option `epsilon` is 0, wants a finite number above 0");
}

#[test]
fn a_source_class_that_nothing_looks_like_takes_no_part() {
    let padded: Vec<f64> = THETA.chunks(3).flat_map(|r| [r[0], 0.0, r[1], r[2]]).collect();
    let labels = Labels::new(&Y, 3).unwrap();
    let of = |x: &[f64], z| {
        let outputs = Outputs::new(Table::double(x, 8, z).unwrap(), &labels).unwrap();
        (leep(&outputs).unwrap(), nce(&outputs).unwrap())
    };
    assert_eq!(of(&padded, 4), of(&THETA, 3));
}

#[test]
fn outputs_that_name_the_label_reach_0() {
    let labels = Labels::new(&Y, 3).unwrap();
    let sure: Vec<f64> =
        Y.iter().flat_map(|&y| (0..3).map(move |z| if z == y { 1.0 } else { 0.0 })).collect();
    let outputs = Outputs::new(Table::double(&sure, 8, 3).unwrap(), &labels).unwrap();
    assert_eq!((leep(&outputs).unwrap(), nce(&outputs).unwrap()), (0.0, 0.0));
}
