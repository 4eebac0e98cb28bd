use std::collections::BTreeMap;

use regraft_advise::AdviseError;
use regraft_advise::unknown::{
    Judgement, Method, Settings, UnknownFit, UnknownModel, UnknownOptions, auroc, energy,
    fit_unknown,
};
use regraft_probe::{Features, Labels, ProbeError};

use crate::support::{Set, near, normal, rng, with_threads};

pub(crate) fn fitted(set: &Set, options: &UnknownOptions<'_>) -> UnknownFit {
    let single = set.single();
    let features = Features::new(&single, set.n, set.d).unwrap();
    fit_unknown(features, &set.labels(), options).unwrap()
}

pub(crate) fn with(method: Method) -> UnknownOptions<'static> {
    UnknownOptions { method: Some(method), ..Default::default() }
}

/// Normal clouds around `centres`, `each` images for one.
pub(crate) fn clouds(centres: &[Vec<f64>], each: usize, spread: f64, seed: u64) -> Set {
    let (d, classes) = (centres[0].len(), centres.len());
    let mut rng = rng(seed);
    let y: Vec<usize> = (0..each * classes).map(|i| i % classes).collect();
    let x = y.iter().flat_map(|&c| {
        centres[c].iter().map(|m| m + spread * normal(&mut rng)).collect::<Vec<f64>>()
    });
    Set { x: x.collect(), n: y.len(), y, d, classes }
}

/// Directions far from one another.
pub(crate) fn corners(count: usize, d: usize, length: f64) -> Vec<Vec<f64>> {
    (0..count).map(|c| (0..d).map(|j| if j == c { length } else { 0.0 }).collect()).collect()
}

pub(crate) fn judged(model: &UnknownModel, set: &Set) -> Vec<bool> {
    let single = set.single();
    single.chunks(set.d).map(|x| model.judge(x, None).unwrap().unknown).collect()
}

pub(crate) fn share(list: &[bool]) -> f64 {
    list.iter().filter(|&&u| u).count() as f64 / list.len() as f64
}

#[test]
fn auroc_by_hand() {
    assert_eq!(auroc(&[3.0, 4.0], &[1.0, 2.0]), Some(1.0));
    assert_eq!(auroc(&[1.0], &[2.0]), Some(0.0));
    // Of four pairs: 2 > 1, 2 = 2, 3 > 1, 3 > 2.
    assert_eq!(auroc(&[2.0, 3.0], &[1.0, 2.0]), Some(3.5 / 4.0));
    assert_eq!(auroc(&[], &[1.0]), None);
    assert_eq!(auroc(&[f64::NAN], &[1.0]), None);
}

#[test]
fn energy_by_hand() {
    near(energy([0.0, 0.0]), -(2f64.ln()), 1e-15);
    near(energy([1000.0, 0.0]), -1000.0, 1e-12);
    near(energy([2.5]), -2.5, 1e-15);
    assert_eq!(energy([]), f64::INFINITY);
}

#[test]
fn the_distance_to_the_kth_neighbour_is_that_of_directions() {
    // On the unit circle: class 0 at 0° and 10°, class 1 at 90° and 100°; lengths do not matter.
    let angles = [0.0_f64, 10.0, 90.0, 100.0];
    let point =
        |a: f64, l: f64| [(l * a.to_radians().cos()) as f32, (l * a.to_radians().sin()) as f32];
    let x: Vec<f32> =
        angles.iter().zip([1.0, 5.0, 2.0, 0.5]).flat_map(|(&a, l)| point(a, l)).collect();
    let labels = Labels::new(&[0, 0, 1, 1], 2).unwrap();
    let fit =
        fit_unknown(Features::new(&x, 4, 2).unwrap(), &labels, &with(Method::Neighbours)).unwrap();
    let chord = |degrees: f64| 2.0 * (degrees.to_radians() / 2.0).sin();
    // Each image's nearest other one is 10° away.
    fit.held_out.iter().for_each(|&s| near(s, chord(10.0), 1e-6));
    near(fit.model.threshold(), chord(10.0), 1e-6);
    let seen = fit.model.judge(&point(46.0, 3.0), None).unwrap();
    near(seen.score, chord(36.0), 1e-6);
    assert!(seen.unknown);
    let order: Vec<(usize, usize)> = seen.nearest.iter().map(|n| (n.row, n.class)).collect();
    assert_eq!(order, [(1, 0), (2, 1), (0, 0), (3, 1)]);
    assert!(!fit.model.judge(&point(95.0, 3.0), None).unwrap().unknown);
}

/// Gauss-Jordan for a small system.
fn solve(mut a: Vec<Vec<f64>>, mut b: Vec<f64>) -> Vec<f64> {
    for p in 0..b.len() {
        for i in 0..b.len() {
            if i != p {
                let f = a[i][p] / a[p][p];
                for j in 0..b.len() {
                    a[i][j] -= f * a[p][j];
                }
                b[i] -= f * b[p];
            }
        }
    }
    (0..b.len()).map(|i| b[i] / a[i][i]).collect()
}

#[test]
fn the_mahalanobis_distance_is_that_of_the_shrunk_covariance() {
    // Fewer images than features, and more.
    for (n, d) in [(9, 14), (60, 5)] {
        let set = Set::new(n, d, 3, 2.0, 3);
        let set = Set { x: set.single().iter().map(|&v| f64::from(v)).collect(), ..set };
        let fit = fitted(&set, &with(Method::Mahalanobis));
        let mean = |c: usize| -> Vec<f64> {
            let rows: Vec<&[f64]> =
                set.x.chunks(d).zip(&set.y).filter(|(_, y)| **y == c).map(|(r, _)| r).collect();
            (0..d).map(|j| rows.iter().map(|r| r[j]).sum::<f64>() / rows.len() as f64).collect()
        };
        let means: Vec<Vec<f64>> = (0..3).map(mean).collect();
        let rows: Vec<Vec<f64>> = set
            .x
            .chunks(d)
            .zip(&set.y)
            .map(|(r, &y)| r.iter().zip(&means[y]).map(|(v, m)| v - m).collect())
            .collect();
        let s = |i: usize, j: usize| rows.iter().map(|r| r[i] * r[j]).sum::<f64>() / n as f64;
        let mu = (0..d).map(|i| s(i, i)).sum::<f64>() / d as f64;
        let square: f64 = (0..d * d).map(|k| s(k / d, k % d).powi(2)).sum();
        let fourth = rows.iter().map(|r| r.iter().map(|v| v * v).sum::<f64>().powi(2)).sum::<f64>();
        let delta = square / d as f64 - mu * mu;
        let beta = ((fourth / n as f64 - square) / (d * n) as f64).min(delta);
        let alpha = beta / delta;
        let sigma: Vec<Vec<f64>> = (0..d)
            .map(|i| {
                let round = |j: usize| if i == j { alpha * mu } else { 0.0 };
                (0..d).map(|j| (1.0 - alpha) * s(i, j) + round(j)).collect()
            })
            .collect();
        let x: Vec<f32> = (0..d).map(|j| (j as f32 * 0.37).sin() * 2.0).collect();
        let to = |m: &Vec<f64>| {
            let away: Vec<f64> = x.iter().zip(m).map(|(v, m)| f64::from(*v) - m).collect();
            solve(sigma.clone(), away.clone()).iter().zip(&away).map(|(a, b)| a * b).sum::<f64>()
        };
        let wanted = means.iter().map(to).fold(f64::INFINITY, f64::min).sqrt();
        near(fit.model.judge(&x, None).unwrap().score, wanted, 1e-5 * wanted);
    }
}

#[test]
fn false_alarms_keep_to_the_stated_rate_and_far_images_are_unknown() {
    for (each, d) in [(60, 12), (40, 200)] {
        let centres = corners(4, d, 8.0);
        let known = clouds(&centres[..3], each, 1.0, 1);
        let fresh = clouds(&centres[..3], 300, 1.0, 2);
        let other = clouds(&centres[3..], 300, 1.0, 3);
        for method in [Method::Neighbours, Method::Mahalanobis] {
            for alarms in [0.05, 0.2] {
                let fit = fitted(&known, &UnknownOptions { alarms, ..with(method) });
                assert_eq!((fit.alarms, fit.model.alarms()), (alarms, alarms));
                let rate = share(&judged(&fit.model, &fresh));
                assert!(rate < alarms + 0.05, "{} {d}: {rate} for {alarms}", method.name());
                let found = share(&judged(&fit.model, &other));
                assert!(found > 0.95, "{} {d}: {found} at {alarms}", method.name());
            }
        }
    }
}

#[test]
fn nineteen_of_twenty_fits_keep_the_stated_rate() {
    let centres = corners(3, 8, 5.0);
    for method in [Method::Neighbours, Method::Mahalanobis] {
        let rates: Vec<f64> = (0..30)
            .map(|seed| {
                let known = clouds(&centres, 40, 1.0, 100 + seed);
                let fresh = clouds(&centres, 500, 1.0, 1000 + seed);
                share(&judged(
                    &fitted(&known, &UnknownOptions { alarms: 0.2, ..with(method) }).model,
                    &fresh,
                ))
            })
            .collect();
        // Of 30, more than 4 with a chance of 1.6 %.
        let above = rates.iter().filter(|&&r| r > 0.2).count();
        let mean = rates.iter().sum::<f64>() / 30.0;
        assert!(above <= 4 && mean > 0.07, "{}: {above} above, {mean} in the mean", method.name());
    }
}

#[test]
fn the_score_that_tells_left_out_classes_is_taken() {
    // Same direction, other lengths: only Mahalanobis sees it.
    let lengths: Vec<Vec<f64>> =
        [4.0, 8.0, 12.0].iter().map(|l| vec![*l, 0.5 * l, 0.0, 0.0]).collect();
    let fit = fitted(&clouds(&lengths, 40, 0.4, 1), &UnknownOptions::default());
    assert_eq!(fit.model.method(), Method::Mahalanobis, "{:?}", fit.left_out);
    let of = |m: Method| fit.left_out.iter().find(|l| l.method == m).unwrap().auroc;
    assert!(of(Method::Mahalanobis) > of(Method::Neighbours) + 0.1, "{:?}", fit.left_out);

    // Directions, each at every length: only neighbours see it.
    let mut rng = rng(4);
    let mut rays = clouds(&corners(3, 6, 1.0), 40, 0.05, 5);
    for row in rays.x.chunks_mut(6) {
        let length = (1.5 * normal(&mut rng)).exp();
        for v in row {
            *v *= length;
        }
    }
    let fit = fitted(&rays, &UnknownOptions::default());
    assert_eq!(fit.model.method(), Method::Neighbours, "{:?}", fit.left_out);
}

#[test]
fn neighbours_are_kept_unless_another_score_is_better_by_two_errors() {
    // Clouds of one size in directions of their own: both tell them, and nearly as well.
    for seed in 0..5 {
        let fit = fitted(&clouds(&corners(4, 12, 3.0), 15, 1.0, seed), &UnknownOptions::default());
        let of = |m: Method| fit.left_out.iter().find(|l| l.method == m).unwrap();
        let (near, far) = (of(Method::Neighbours), of(Method::Mahalanobis));
        let wins = far.auroc > near.auroc + 2.0 * near.error.max(far.error);
        let wanted = if wins { Method::Mahalanobis } else { Method::Neighbours };
        assert_eq!(fit.model.method(), wanted, "{:?}", fit.left_out);
        assert!(near.error > 0.01 && near.error < 0.1, "{near:?}");
    }
}

#[test]
fn energy_is_taken_when_it_is_asked_for_and_only_then() {
    // Features without any sense, logits that are high for known images only, in every column.
    let set = clouds(&vec![vec![0.0; 6]; 3], 30, 1.0, 7);
    let logits: Vec<f64> =
        set.y.iter().flat_map(|&y| (0..3).map(move |c| if c == y { 9.0 } else { 0.0 })).collect();
    let options = UnknownOptions { logits: Some(&logits), ..Default::default() };
    assert_ne!(fitted(&set, &options).model.method(), Method::Energy);
    let fit = fitted(&set, &UnknownOptions { logits: Some(&logits), ..with(Method::Energy) });
    near(fit.held_out[0], -(9.0 + (2.0 * (-9f64).exp()).ln_1p()), 1e-12);
    let x = vec![0.5_f32; 6];
    let sure = fit.model.judge(&x, Some(&[9.0, 0.0, 0.0])).unwrap();
    let unsure = fit.model.judge(&x, Some(&[1.0, 1.0, 1.0])).unwrap();
    assert!(!sure.unknown && unsure.unknown, "{sure:?} {unsure:?}");
    let what = "logits of an image";
    assert_eq!(fit.model.judge(&x, None), Err(AdviseError::Length { what, got: 0, wanted: 1 }));
}

#[test]
fn two_classes_can_be_left_out_in_turn() {
    let fit = fitted(&clouds(&corners(2, 8, 6.0), 30, 1.0, 2), &UnknownOptions::default());
    assert_eq!(fit.left_out.len(), 2);
    assert!(fit.left_out.iter().all(|l| l.auroc > 0.95), "{:?}", fit.left_out);
}

#[test]
fn so_few_images_that_the_rate_cannot_be_kept_say_which_one_is() {
    let fit = fitted(&clouds(&corners(2, 4, 6.0), 3, 1.0, 2), &UnknownOptions::default());
    assert_eq!((fit.held_out.len(), fit.wanted), (6, 59));
    // 1 - 0.05^(1/6).
    near(fit.alarms, 0.39304, 1e-5);
    assert_eq!(fit.model.threshold(), *fit.held_out.last().unwrap());
    let many = clouds(&corners(2, 4, 6.0), 20, 1.0, 2).pick(&(0..10).collect::<Vec<usize>>());
    let fit = fitted(&many, &UnknownOptions { alarms: 0.5, ..with(Method::Neighbours) });
    assert_eq!((fit.model.threshold(), fit.alarms), (fit.held_out[8], 0.5));
}

#[test]
fn images_of_a_group_do_not_judge_one_another() {
    // Every image is there twice.
    let half = clouds(&corners(2, 6, 5.0), 8, 1.0, 9);
    let twice = half.pick(&(0..32).map(|i| i / 2).collect::<Vec<usize>>());
    let groups: Vec<usize> = (0..32).map(|i| i / 2).collect();
    for method in [Method::Neighbours, Method::Mahalanobis] {
        let blind = fitted(&twice, &with(method));
        let aware = fitted(&twice, &UnknownOptions { groups: Some(&groups), ..with(method) });
        assert!(aware.model.threshold() > 1.05 * blind.model.threshold(), "{}", method.name());
    }
    let blind = fitted(&twice, &with(Method::Neighbours));
    near(blind.held_out[20], 0.0, 1e-6);
}

#[test]
fn the_bank_keeps_a_share_of_each_class() {
    let set = clouds(&corners(3, 5, 6.0), 100, 1.0, 9);
    let fit = fitted(&set, &UnknownOptions { bank: 30, ..with(Method::Neighbours) });
    assert_eq!(fit.held_out.len(), 30);
    let labels = fit.model.settings().labels;
    for class in 0..3 {
        assert_eq!(labels.iter().filter(|l| **l == class).count(), 10);
    }
    let other = fitted(&set, &UnknownOptions { bank: 30, seed: 1, ..with(Method::Neighbours) });
    assert_ne!(other.model, fit.model, "another seed keeps other images");
    for (row, label) in fit.model.rows().iter().zip(labels) {
        assert_eq!(set.y[*row], label);
    }
}

type Matrices = BTreeMap<String, Vec<f32>>;
type Change<'a> = &'a dyn Fn(&mut Settings, &mut Matrices);

/// What a file would hold of a model.
fn pieces(model: &UnknownModel) -> (Settings, Matrices) {
    let shapes = UnknownModel::shapes(&model.settings());
    let values = model.values();
    let told: Vec<_> = values.iter().map(|v| (v.name, v.shape)).collect();
    assert_eq!(told, shapes);
    let map = values.iter().map(|v| {
        assert_eq!(v.values.len(), v.shape[0] * v.shape[1]);
        (v.name.to_owned(), v.values.to_vec())
    });
    (model.settings(), map.collect())
}

fn together(settings: &Settings, values: &Matrices) -> Result<UnknownModel, AdviseError> {
    UnknownModel::from_parts(settings.clone(), |name| values.get(name).cloned())
}

#[test]
fn a_model_survives_writing_and_reading_and_a_broken_one_is_refused() {
    let set = clouds(&corners(2, 6, 5.0), 20, 1.0, 9);
    // All features, and more of them than images.
    let wide = clouds(&corners(2, 60, 5.0), 20, 1.0, 9);
    for (set, method) in
        [(&set, Method::Neighbours), (&set, Method::Mahalanobis), (&wide, Method::Mahalanobis)]
    {
        let model = fitted(set, &with(method)).model;
        let (settings, values) = pieces(&model);
        let text = serde_json::to_string(&settings).unwrap();
        let settings: Settings = serde_json::from_str(&text).unwrap();
        assert_eq!(together(&settings, &values).unwrap(), model);
        let broken = |change: Change<'_>| {
            let (mut settings, mut values) = (settings.clone(), values.clone());
            change(&mut settings, &mut values);
            together(&settings, &values).unwrap_err().to_string()
        };
        assert!(broken(&|s, _| s.features = 7).contains("its bank"));
        assert!(broken(&|s, _| s.features = usize::MAX).contains("its bank"));
        assert!(broken(&|s, _| s.neighbours = 0).contains("its neighbours"));
        assert!(broken(&|s, _| s.neighbours = 41).contains("its neighbours"));
        assert!(broken(&|s, _| s.threshold = f64::NAN).contains("its threshold"));
        assert!(broken(&|s, _| s.labels.truncate(5)).contains("its bank"));
        assert!(
            broken(&|s, v| (s.labels.clear(), v.insert("bank".into(), vec![])).0)
                .contains("its bank")
        );
        assert!(broken(&|_, v| drop(v.remove("bank"))).contains("its bank"));
        assert!(broken(&|_, v| v.get_mut("bank").unwrap()[3] = f32::NAN).contains("its bank"));
        if method == Method::Mahalanobis {
            assert!(broken(&|s, _| s.tied = None).contains("its covariance"));
            assert!(broken(&|_, v| drop(v.remove("axes"))).contains("its axes"));
            assert!(broken(&|s, _| s.tied.as_mut().unwrap().classes = 3).contains("its means"));
            assert!(
                broken(&|s, _| s.tied.as_mut().unwrap().rest = Some(0.0))
                    .contains("its covariance")
            );
        }
        let text = text.replacen("{\"method\"", "{\"moon\":1,\"method\"", 1);
        assert!(
            serde_json::from_str::<Settings>(&text)
                .unwrap_err()
                .to_string()
                .contains("unknown field")
        );
    }
}

#[test]
fn many_images_are_judged_as_each_alone() {
    let known = clouds(&corners(3, 20, 5.0), 30, 1.0, 9);
    let other = clouds(&corners(4, 20, 5.0), 40, 1.0, 10);
    let single = other.single();
    for method in [Method::Neighbours, Method::Mahalanobis] {
        let model = fitted(&known, &with(method)).model;
        let all = model.judge_all(&single, None).unwrap();
        assert_eq!(all.len(), 160);
        for (x, together) in single.chunks(20).zip(&all) {
            let alone = model.judge(x, None).unwrap();
            near(alone.score, together.score, 1e-12 * alone.score);
            let rows = |j: &Judgement| j.nearest.iter().map(|n| n.row).collect::<Vec<usize>>();
            assert_eq!(rows(&alone), rows(together));
        }
    }
    let model = fitted(&known, &with(Method::Neighbours)).model;
    assert_eq!(model.judge_all(&[], None).unwrap(), []);
    assert!(
        model
            .judge_all(&single[..30], None)
            .unwrap_err()
            .to_string()
            .contains("30 given, 40 wanted")
    );
}

#[test]
fn a_training_image_is_its_own_nearest_at_no_distance() {
    let set = clouds(&corners(3, 50, 5.0), 30, 1.0, 9);
    let model = fitted(&set, &with(Method::Neighbours)).model;
    for (i, seen) in model.judge_all(&set.single(), None).unwrap().iter().enumerate() {
        assert_eq!(seen.nearest[0].row, i);
        assert!(seen.nearest[0].distance < 1e-6, "{seen:?}");
    }
}

#[test]
fn the_same_seed_gives_the_same_model_on_any_number_of_threads() {
    for d in [6, 90] {
        let set = clouds(&corners(3, d, 4.0), 25, 1.0, 9);
        let run = || fitted(&set, &UnknownOptions::default());
        assert_eq!(with_threads(1, run), with_threads(3, run));
    }
}

#[test]
fn odd_sets_are_judged_or_refused_but_never_panic() {
    // The same image over and over, a row of zeros, classes with one image.
    let same = Set { x: vec![2.0; 24], y: vec![0, 1, 0, 1, 0, 1], n: 6, d: 4, classes: 2 };
    for method in [Method::Neighbours, Method::Mahalanobis] {
        let model = fitted(&same, &with(method)).model;
        assert!(!model.judge(&[2.0; 4], None).unwrap().unknown);
        assert!(model.judge(&[2.0, 2.5, 2.0, 1.0], None).unwrap().unknown, "{}", method.name());
        assert!(model.judge(&[0.0; 4], None).unwrap().score.is_finite());
    }
    let lone = Set::new(3, 4, 3, 1.0, 2);
    fitted(&lone, &with(Method::Neighbours));
    let single = lone.single();
    let features = Features::new(&single, 3, 4).unwrap();
    let said = fit_unknown(features, &lone.labels(), &with(Method::Mahalanobis)).unwrap_err();
    assert!(said.to_string().contains("is 0, wants at least 1"), "{said}");
    let two = Set::new(2, 3, 2, 1.0, 2);
    assert_eq!(fitted(&two, &UnknownOptions::default()).model.method(), Method::Neighbours);
}

#[test]
fn what_cannot_be_fitted_or_judged_says_why() {
    let set = Set::new(12, 4, 3, 1.0, 2);
    let single = set.single();
    let (features, labels) = (Features::new(&single, 12, 4).unwrap(), set.labels());
    let said = |options: &UnknownOptions<'_>| {
        fit_unknown(features, &labels, options).unwrap_err().to_string()
    };
    let plain = UnknownOptions::default();
    for alarms in [0.0, 1.0, f64::NAN] {
        assert!(said(&UnknownOptions { alarms, ..plain }).starts_with("option `alarms`"));
        assert!(said(&UnknownOptions { sure: alarms, ..plain }).starts_with("option `sure`"));
    }
    assert!(said(&UnknownOptions { bank: 0, ..plain }).starts_with("option `bank`"));
    let groups = Some(&[0_usize, 1][..]);
    assert_eq!(
        said(&UnknownOptions { groups, ..plain }),
        "groups: 2 given, 12 wanted; give one for each"
    );
    let logits = Some(&[0.0; 5][..]);
    assert!(said(&UnknownOptions { logits, ..plain }).starts_with("logits: 5 given, 36 wanted"));
    let mut wild = [0.0; 36];
    wild[7] = f64::INFINITY;
    assert!(said(&UnknownOptions { logits: Some(&wild), ..plain }).contains("row 2, column 1"));
    assert!(said(&with(Method::Energy)).starts_with("logits: 0 given, 36 wanted"));
    let few = Labels::new(&[0, 1], 2).unwrap();
    let wanted = AdviseError::from(ProbeError::LabelCount { got: 2, wanted: 12 });
    assert_eq!(fit_unknown(features, &few, &plain).unwrap_err(), wanted);

    let model = fitted(&set, &with(Method::Neighbours)).model;
    let wanted = "features of an image: 3 given, 4 wanted; give one for each";
    assert_eq!(model.judge(&[0.0; 3], None).unwrap_err().to_string(), wanted);
    assert!(
        model.judge(&[0.0, f32::NAN, 0.0, 0.0], None).unwrap_err().to_string().contains("column 1")
    );
}
