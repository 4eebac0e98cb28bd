use std::collections::BTreeMap;

use regraft_advise::rank::{
    Assessment, RankOptions, Score, assess, kendall, rank, weighted_kendall,
};
use regraft_advise::scores::Outputs;
use regraft_advise::{AdviseError, Table};
use regraft_probe::{Features, Labels};
use serde_json::Value;

use crate::support::{Set, near, with_threads};

fn assessed(set: &Set) -> Assessment {
    let single = set.single();
    assess(Features::new(&single, set.n, set.d).unwrap(), &set.labels(), None, &[]).unwrap()
}

/// An assessment whose images are all alike but for which the probe has right.
fn made(loo: &[f64], sure: f64, explained: f64) -> Assessment {
    let n = loo.len();
    let top1 = loo.iter().sum::<f64>() / n as f64;
    Assessment {
        scores: BTreeMap::from([
            (Score::Sureness, sure),
            (Score::Explained, explained),
            (Score::RidgeOut, top1),
        ]),
        training_top1: 1.0,
        df: 2.0,
        alpha: Some(0.5),
        features: 4,
        contributions: [vec![sure; n], vec![explained; n], loo.to_vec()],
    }
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
}

#[test]
fn kendall_and_weighted_kendall_are_those_of_scipy() {
    let all: Value = serde_json::from_str(include_str!("../fixtures/kendall.json")).unwrap();
    let cases = all["cases"].as_array().unwrap();
    assert!(cases.len() >= 8);
    for case in cases {
        let (a, b) = (numbers(&case["a"]), numbers(&case["b"]));
        near(kendall(&a, &b).unwrap(), case["plain"].as_f64().unwrap(), 1e-12);
        near(weighted_kendall(&a, &b).unwrap(), case["weighted"].as_f64().unwrap(), 1e-12);
    }
}

#[test]
fn kendall_of_lists_that_say_nothing_is_none() {
    for tau in [kendall, weighted_kendall] {
        assert_eq!(tau(&[1.0, 1.0, 1.0], &[1.0, 2.0, 3.0]), None);
        assert_eq!(tau(&[1.0], &[1.0]), None);
        assert_eq!(tau(&[1.0, 2.0], &[1.0]), None);
        assert_eq!(tau(&[1.0, f64::NAN], &[1.0, 2.0]), None);
        assert_eq!(tau(&[1.0, 2.0, 3.0], &[3.0, 2.0, 1.0]), Some(-1.0));
    }
}

#[test]
fn networks_that_tell_the_classes_apart_come_first() {
    let spreads = [6.0, 1.5, 3.0, 12.0];
    let sets: Vec<Set> =
        spreads.iter().enumerate().map(|(k, &s)| Set::new(120, 20 + k, 3, s, k as u64)).collect();
    let all: Vec<Assessment> = sets.iter().map(assessed).collect();
    let ranking = rank(&all, &sets[0].labels(), &RankOptions::default()).unwrap();
    let order: Vec<usize> = ranking.places.iter().map(|p| p.candidate).collect();
    assert_eq!(order, [1, 2, 0, 3]);
    let best = &ranking.places[0];
    assert!(best.best > 0.99 && best.ranks[1] == 1.0, "{best:?}");
    assert!(best.interval.0 < best.combined && best.combined < best.interval.1);
    near(ranking.places.iter().map(|p| p.best).sum(), 1.0, 1e-9);
    near(ranking.places.iter().map(|p| p.combined).sum(), 0.0, 1e-9);
    assert_eq!(ranking.places[3].group, ranking.places.iter().map(|p| p.group).max().unwrap());
    assert!(!ranking.all_equal());
    assert_eq!(ranking.equal_to_best(), [1]);
}

#[test]
fn networks_of_one_kind_are_equal_within_noise() {
    // The same class means seen through other noise: nothing to choose.
    let all: Vec<Assessment> =
        (0..4).map(|seed| assessed(&Set::new(60, 40, 3, 5.0, 100 + seed))).collect();
    let labels = Set::new(60, 40, 3, 5.0, 0);
    let ranking = rank(&all, &labels.labels(), &RankOptions::default()).unwrap();
    assert!(ranking.all_equal(), "{:#?}", ranking.places);
    assert_eq!(ranking.equal_to_best().len(), 4);
}

#[test]
fn the_very_same_network_twice_is_a_tie() {
    let set = Set::new(30, 10, 3, 3.0, 1);
    let one = assessed(&set);
    let ranking = rank(&[one.clone(), one], &set.labels(), &RankOptions::default()).unwrap();
    for place in &ranking.places {
        near(place.best, 0.5, 1e-12);
        assert_eq!((place.group, place.ranks), (0, [1.5; 3]));
        near(place.combined, 0.0, 1e-12);
    }
}

#[test]
fn a_lone_network_has_a_place_and_an_interval() {
    let set = Set::new(30, 10, 3, 3.0, 1);
    let ranking = rank(&[assessed(&set)], &set.labels(), &RankOptions::default()).unwrap();
    let place = &ranking.places[0];
    assert_eq!((place.combined, place.best, place.group), (0.0, 1.0, 0));
    assert!(place.interval.0 < 0.0 && place.interval.1 > 0.0 && !ranking.all_equal());
    assert!(ranking.agreements.is_empty());
}

#[test]
fn the_standard_error_of_an_accuracy_is_that_of_its_classes() {
    // Class 0: 6 of 8 right; class 1: 3 of 12 right.
    let y: Vec<usize> = (0..20).map(|i| usize::from(i >= 8)).collect();
    let right: Vec<f64> =
        (0..20).map(|i| if i < 6 || (8..11).contains(&i) { 1.0 } else { 0.0 }).collect();
    let options = RankOptions { replicates: 20_000, ..Default::default() };
    let labels = Labels::new(&y, 2).unwrap();
    let ranking = rank(&[made(&right, -0.5, 1.0)], &labels, &options).unwrap();
    // Variance of a sum over a class: n·p·(1-p)·n/(n-1).
    let wanted: f64 = 8.0 * 0.75 * 0.25 * 8.0 / 7.0 + 12.0 * 0.25 * 0.75 * 12.0 / 11.0;
    let [sure, _, loo] = ranking.errors[0];
    near(loo, wanted.sqrt() / 20.0, 2e-3);
    near(sure, 0.0, 1e-12);
}

#[test]
fn scores_that_disagree_are_shown_to() {
    let y = [0, 0, 1, 1, 0, 1];
    let labels = Labels::new(&y, 2).unwrap();
    let right = |k: usize| (0..6).map(|i| if i < k { 1.0 } else { 0.0 }).collect::<Vec<f64>>();
    let all = [made(&right(3), -0.1, 0.3), made(&right(4), -0.2, 0.4), made(&right(5), -0.3, 0.2)];
    let ranking = rank(&all, &labels, &RankOptions::default()).unwrap();
    let tau = |a, b| ranking.agreements.iter().find(|g| g.a == a && g.b == b).unwrap().tau;
    assert_eq!(tau(Score::Sureness, Score::RidgeOut), Some(-1.0));
    near(tau(Score::Explained, Score::RidgeOut).unwrap(), -1.0 / 3.0, 1e-12);
    assert_eq!(ranking.agreements.len(), 3);
    // Sureness leads: ½·z; the other two pull the other way but not as much.
    assert_eq!(ranking.places[0].candidate, 0);
}

#[test]
fn the_same_seed_gives_the_same_bytes_on_any_number_of_threads() {
    let set = Set::new(60, 15, 3, 3.0, 1);
    let all = [assessed(&set), assessed(&Set::new(60, 15, 3, 4.0, 2))];
    let labels = set.labels();
    let run = |seed| {
        rank(&all, &labels, &RankOptions { seed, replicates: 200, ..Default::default() }).unwrap()
    };
    assert_eq!(with_threads(1, || run(7)), with_threads(3, || run(7)));
    assert_ne!(run(7), run(8));
}

#[test]
fn an_assessment_has_every_score_that_its_input_allows() {
    let set = Set::new(24, 6, 3, 2.0, 3);
    let plain = assessed(&set);
    assert_eq!(plain.scores.len(), 10);
    let theta = vec![0.25; 24 * 4];
    let labels = set.labels();
    let outputs = Outputs::new(Table::double(&theta, 24, 4).unwrap(), &labels).unwrap();
    let single = set.single();
    let features = Features::new(&single, 24, 6).unwrap();
    let more = assess(features, &labels, Some(&outputs), &[]).unwrap();
    let missing: Vec<Score> =
        Score::ALL.into_iter().filter(|s| !more.scores.contains_key(s)).collect();
    assert!(missing.is_empty());
    near(more.scores[&Score::Leep], -(3f64.ln()), 1e-12);
    assert_eq!(plain.contributions, more.contributions);
}

#[test]
fn rankings_that_cannot_be_made_say_why() {
    let set = Set::new(30, 10, 3, 3.0, 1);
    let (one, labels) = (assessed(&set), set.labels());
    let said = |all: &[Assessment], options: RankOptions| {
        rank(all, &labels, &options).unwrap_err().to_string()
    };
    let plain = RankOptions::default();
    assert_eq!(said(&[], plain), "option `candidates` is 0, wants at least 1");
    let options = RankOptions { replicates: 1, ..plain };
    assert_eq!(
        said(std::slice::from_ref(&one), options),
        "option `replicates` is 1, wants at least 2"
    );
    let options = RankOptions { level: 1.0, ..plain };
    assert!(said(std::slice::from_ref(&one), options).contains("`level` is 1"));
    let other = assessed(&Set::new(33, 10, 3, 3.0, 1));
    let wanted =
        AdviseError::Length { what: "contributions of the images to a score", got: 33, wanted: 30 };
    assert_eq!(rank(&[one.clone(), other], &labels, &plain).unwrap_err(), wanted);
    let mut less = one.clone();
    less.scores.remove(&Score::Explained);
    assert!(said(&[one, less], plain).starts_with("LOO explained: 1 given, 2 wanted"));
}
