//! Images with any number of labels.

use rand_chacha::rand_core::Rng;
use regraft_advise::facts::{Depth, Fact, Facts, Labelled};
use regraft_advise::rank::{RankOptions, Score, assess_sets, rank};
use regraft_advise::scores::{
    RidgeOut, logme, logme_of_sets, mean_average_precision, random_precision, ridge_out,
};
use regraft_advise::{AdviseError, Kind, Moments, Table, resolve};
use regraft_probe::{Features, LabelSets, Labels, Targets};
use serde_json::Value;

use crate::support::{near, normal, rng};

/// Features and label sets; labels are signs of features, seen through noise.
struct Several {
    x: Vec<f32>,
    sets: Vec<Vec<usize>>,
    d: usize,
    labels: usize,
}

impl Several {
    fn new(n: usize, d: usize, labels: usize, noise: f64, seed: u64) -> Self {
        let mut rng = rng(seed);
        let (mut x, mut sets) = (Vec::new(), Vec::new());
        for _ in 0..n {
            let row: Vec<f64> = (0..d).map(|_| normal(&mut rng)).collect();
            // The higher a label, the fewer have it.
            let has = |l: &usize| row[*l % d] + noise * normal(&mut rng) > 0.4 * *l as f64;
            sets.push((0..labels).filter(has).collect());
            x.extend(row.iter().map(|v| *v as f32));
        }
        Self { x, sets, d, labels }
    }

    fn features(&self) -> Features<'_> {
        Features::new(&self.x, self.sets.len(), self.d).unwrap()
    }

    fn sets(&self) -> LabelSets<'_> {
        LabelSets::new(&self.sets, self.labels).unwrap()
    }

    fn without(&self, i: usize) -> Self {
        let (mut x, mut sets) = (self.x.clone(), self.sets.clone());
        x.drain(i * self.d..(i + 1) * self.d);
        sets.remove(i);
        Self { x, sets, ..*self }
    }

    fn out(&self) -> RidgeOut {
        ridge_out(self.features(), &self.sets(), 9, &[]).unwrap()
    }
}

/// Mean average precision with weights on the images, by definition: for each image with a label the weight of such
/// images among those not below it.
fn slow(scores: &[f64], sets: &[Vec<usize>], labels: usize, weights: &[f64]) -> f64 {
    let (mut sum, mut judged) = (0.0, 0.0);
    for label in 0..labels {
        let has: Vec<bool> = sets.iter().map(|s| s.contains(&label)).collect();
        if has.iter().all(|h| *h) || !has.contains(&true) {
            continue;
        }
        let score = |i: usize| scores[i * labels + label];
        let (mut area, mut whole) = (0.0, 0.0);
        for i in (0..sets.len()).filter(|i| has[*i]) {
            let (mut hits, mut seen) = (0.0, 0.0);
            for j in (0..sets.len()).filter(|j| score(*j) >= score(i) - 1e-9) {
                seen += weights[j];
                hits += if has[j] { weights[j] } else { 0.0 };
            }
            area += weights[i] * hits / seen;
            whole += weights[i];
        }
        sum += area / whole;
        judged += 1.0;
    }
    sum / judged
}

#[test]
fn mean_average_precision_is_that_of_scikit_learn() {
    let all: Value =
        serde_json::from_str(include_str!("../../../run/tests/fixtures/label_sets.json")).unwrap();
    for case in all["cases"].as_array().unwrap() {
        let numbers = |key: &str| -> Vec<f64> {
            case[key].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
        };
        let labels = case["labels"].as_u64().unwrap() as usize;
        let (p, each) = (numbers("p"), numbers("average_precision"));
        let sets: Vec<Vec<usize>> = numbers("y")
            .chunks(labels)
            .map(|row| (0..labels).filter(|l| row[*l] > 0.5).collect())
            .collect();
        let targets = Targets::from(&LabelSets::new(&sets, labels).unwrap());
        let got = mean_average_precision(&p, &targets).unwrap();
        near(got.value, each.iter().sum::<f64>() / labels as f64, 1e-12);
        near(got.value, slow(&p, &sets, labels, &vec![1.0; sets.len()]), 1e-12);
    }
}

#[test]
fn the_part_of_an_image_is_what_its_weight_adds() {
    let set = Several::new(30, 4, 3, 1.0, 5);
    let mut rng = rng(9);
    // Ties, and a label that nobody has.
    let scores: Vec<f64> = (0..30 * 4).map(|_| f64::from(rng.next_u32() % 6)).collect();
    let targets = Targets::from(&LabelSets::new(&set.sets, 4).unwrap());
    let got = mean_average_precision(&scores, &targets).unwrap();
    near(got.parts.iter().sum::<f64>() / 30.0, got.value, 1e-12);
    for (i, part) in got.parts.iter().enumerate() {
        let with = |step: f64| {
            let mut weights = vec![1.0; 30];
            weights[i] += step;
            slow(&scores, &set.sets, 4, &weights)
        };
        let slope = (with(1e-5) - with(-1e-5)) / 2e-5;
        near(part - got.value, 30.0 * slope, 1e-6);
    }
}

#[test]
fn labels_that_cannot_be_judged_are_said() {
    let sets = [vec![0], vec![0], vec![0]];
    let targets = Targets::from(&LabelSets::new(&sets, 2).unwrap());
    let nothing = mean_average_precision(&[0.0; 6], &targets).unwrap_err();
    assert_eq!(nothing, AdviseError::NothingToRank { images: 3 });
    let wrong = mean_average_precision(&[0.0; 5], &targets).unwrap_err();
    assert!(matches!(wrong, AdviseError::Length { got: 5, wanted: 6, .. }));
    assert_eq!(random_precision(&[0, 3], 3), None);
}

#[test]
fn figures_of_left_out_images_are_those_of_heads_fitted_without_them() {
    for (n, d) in [(40, 6), (20, 30)] {
        let set = Several::new(n, d, 3, 1.0, 7);
        let out = set.out();
        let (mut losses, mut guesses, mut known) = (0.0, 0.0, Vec::new());
        for i in 0..n {
            let others = set.without(i);
            let head = regraft_probe::ridge(others.features(), &others.sets(), &[out.penalty])
                .unwrap()
                .fit(0)
                .unwrap();
            let mut scores = [0.0; 3];
            head.logits(&set.x[i * d..][..d], &mut scores).unwrap();
            for (c, score) in scores.into_iter().enumerate() {
                let target = f64::from(u8::from(set.sets[i].contains(&c)));
                let share = others.sets().counts()[c] as f64 / (n - 1) as f64;
                losses += (f64::from(score) - target).powi(2);
                guesses += (share - target).powi(2);
                known.push(f64::from(score) + set.sets().counts()[c] as f64 / n as f64 - share);
            }
        }
        near(out.explained(), 1.0 - losses / guesses, 1e-4);
        near(out.top1, slow(&known, &set.sets, 3, &vec![1.0; n]), 1e-9);
        let margin = |(k, v): (usize, &f64)| {
            if set.sets[k / 3].contains(&(k % 3)) { 2.0 * v - 1.0 } else { 1.0 - 2.0 * v }
        };
        let margins: Vec<f64> = known.iter().enumerate().map(margin).collect();
        let mean = margins.iter().sum::<f64>() / margins.len() as f64;
        let spread = margins.iter().map(|m| (m - mean).powi(2)).sum::<f64>() / margins.len() as f64;
        near(out.sureness(), mean / spread.sqrt(), 1e-4);
        assert!(out.top1 > 0.6 && out.training_top1 >= out.top1, "{}", out.top1);
    }
}

#[test]
fn one_label_is_as_sure_and_explains_as_much_as_two_classes() {
    let set = Several::new(50, 8, 1, 1.0, 3);
    let y: Vec<usize> = set.sets.iter().map(Vec::len).collect();
    let labels = Labels::new(&y, 2).unwrap();
    let classes = ridge_out(set.features(), &labels, 9, &[]).unwrap();
    let label = set.out();
    near(label.sureness(), classes.sureness(), 1e-9);
    near(label.explained(), classes.explained(), 1e-9);
    near(label.df, classes.df, 1e-9);
}

#[test]
fn features_that_say_nothing_order_images_as_a_guess_and_explain_nothing() {
    // Without its own label an image would come last of all: see `know_shares`.
    let set = Several { x: vec![1.0; 60], ..Several::new(20, 3, 2, 1.0, 2) };
    let out = set.out();
    let shares = set.sets().counts().iter().map(|c| *c as f64 / 20.0).sum::<f64>() / 2.0;
    near(out.top1, shares, 1e-9);
    near(out.explained(), 0.0, 1e-9);
    near(out.training_top1, shares, 1e-9);
}

#[test]
fn copies_are_left_out_together_of_label_sets_too() {
    let half = Several::new(30, 200, 2, 50.0, 4);
    let x = half.x.chunks(200).flat_map(|row| [row, row].concat()).collect();
    let sets = half.sets.iter().flat_map(|s| [s.clone(), s.clone()]).collect();
    let twice = Several { x, sets, ..half };
    let pairs: Vec<usize> = (0..60).map(|i| i / 2).collect();
    let together = ridge_out(twice.features(), &twice.sets(), 9, &pairs).unwrap();
    let alone = twice.out();
    assert!(alone.top1 > 0.95 && alone.explained() > 0.5, "{}", alone.top1);
    assert!(together.top1 < 0.75 && together.explained() < 0.1, "{}", together.top1);
}

#[test]
fn evidence_of_a_label_is_that_of_a_class_against_the_others() {
    for (n, d) in [(60, 9), (30, 50)] {
        let set = Several::new(n, d, 3, 1.0, 8);
        let sets = set.sets();
        let got = logme_of_sets(set.features().into(), &sets).unwrap();
        for label in 0..3 {
            let y: Vec<usize> = set.sets.iter().map(|s| usize::from(s.contains(&label))).collect();
            let labels = Labels::new(&y, 2).unwrap();
            let moments = Moments::new(set.features().into(), &labels).unwrap();
            let wanted = logme(&moments).unwrap().classes[1].log_evidence;
            near(got.classes[label].log_evidence, wanted, 1e-6 * wanted.abs());
        }
        let mean = got.classes.iter().map(|e| e.log_evidence).sum::<f64>() / (3 * n) as f64;
        near(got.score, mean, 1e-12);
    }
    let x = [1.0, 2.0];
    let short =
        logme_of_sets(Table::double(&x, 2, 1).unwrap(), &LabelSets::new(&[vec![0]], 1).unwrap());
    assert!(short.unwrap_err().to_string().contains('1'));
}

#[test]
fn a_random_order_has_the_mean_precision_of_all_orders() {
    // All places of 2 of 5 images: the mean of (1/a + 2/b) / 2 over a < b.
    let mut all = Vec::new();
    for a in 1..=5 {
        for b in a + 1..=5 {
            all.push(f64::midpoint(1.0 / f64::from(a), 2.0 / f64::from(b)));
        }
    }
    let wanted = all.iter().sum::<f64>() / all.len() as f64;
    near(random_precision(&[2], 5).unwrap(), wanted, 1e-12);
    assert!(wanted > 0.4, "above their share");
    near(random_precision(&[2, 0, 5, 2], 5).unwrap(), wanted, 1e-12);
}

#[test]
fn networks_that_tell_labels_apart_come_first_and_by_more_than_noise() {
    let sets = Several::new(150, 20, 4, 0.3, 1);
    let seen = |noise: f64, seed: u64| {
        let mut rng = rng(seed);
        let x = sets.x.iter().map(|v| v + (noise * normal(&mut rng)) as f32).collect();
        Several { x, sets: sets.sets.clone(), ..sets }
    };
    let all: Vec<_> = [(2.0, 1), (0.2, 2), (0.9, 3), (6.0, 4)]
        .map(|(noise, seed)| seen(noise, seed))
        .iter()
        .map(|s| assess_sets(s.features(), &s.sets(), &[]).unwrap())
        .collect();
    let keys: Vec<Score> = all[0].scores.keys().copied().collect();
    assert_eq!(keys, Score::OF_SETS);
    let ranking = rank(&all, &sets.sets(), &RankOptions::default()).unwrap();
    let order: Vec<usize> = ranking.places.iter().map(|p| p.candidate).collect();
    assert_eq!(order, [1, 2, 0, 3]);
    assert_eq!(ranking.equal_to_best(), [1]);
    // The same images through the same noise: nothing to choose, but for one pair in twenty by luck.
    let equal = |pair: &u64| {
        let twins = [2 * pair, 2 * pair + 1].map(|k| {
            let twin = seen(1.0, 10 + k);
            assess_sets(twin.features(), &twin.sets(), &[]).unwrap()
        });
        rank(&twins, &sets.sets(), &RankOptions::default()).unwrap().all_equal()
    };
    let equals = (0..20).filter(equal).count();
    assert!(equals >= 17, "{equals} of 20 pairs");
}

#[test]
fn contributions_foretell_how_figures_of_label_sets_vary() {
    const SETS: usize = 60;
    for (n, d) in [(150, 10), (60, 60)] {
        let (mut scores, mut errors) = ([vec![], vec![], vec![]], [0.0; 3]);
        for k in 0..SETS {
            let set = Several::new(n, d, 3, 1.5, 100 + k as u64);
            let assessed = assess_sets(set.features(), &set.sets(), &[]).unwrap();
            for (s, score) in Score::LEADING.into_iter().enumerate() {
                scores[s].push(assessed.scores[&score]);
            }
            let ranking = rank(&[assessed], &set.sets(), &RankOptions::default()).unwrap();
            (0..3).for_each(|s| errors[s] += ranking.errors[0][s].powi(2));
        }
        for s in 0..3 {
            let mean = scores[s].iter().sum::<f64>() / SETS as f64;
            let spread = scores[s].iter().map(|v| (v - mean).powi(2)).sum::<f64>();
            let deviation = (spread / (SETS as f64 - 1.0)).sqrt();
            let ratio = (errors[s] / SETS as f64).sqrt() / deviation;
            assert!((0.75..1.7).contains(&ratio), "score {s} of {n} x {d}: {ratio}");
        }
    }
}

/// 100 images, of which 30, 20 and 10 have one of three labels.
fn facts(precision: f64) -> Facts {
    let depth = Depth {
        cut: "pool".to_owned(),
        share: 1.0,
        loo_top1: precision,
        training_top1: 0.95,
        df: 20.0,
    };
    Facts {
        images_per_class: vec![30, 20, 10],
        several: Some(Labelled { images: 100, error: 0.03 }),
        depths: vec![depth],
        source_classes: Some(1000),
        shared_classes: Some(0),
        parameters: Some(1e6),
        ..Facts::default()
    }
}

#[test]
fn facts_of_labels_count_images_with_each_and_judge_by_precision() {
    let facts = facts(0.6);
    let random = random_precision(&[30, 20, 10], 100).unwrap();
    let table = [
        (Fact::Images, 100.0),
        (Fact::Classes, 3.0),
        (Fact::ImagesPerClass, 20.0),
        (Fact::Probe, 0.6),
        (Fact::Skill, (0.6 - 0.2) / 0.8),
        (Fact::Evidence, (0.6 - random) / 0.03),
        (Fact::Gap, 0.35),
        (Fact::Flexibility, 0.2),
        (Fact::ParametersPerImage, 1e4),
    ];
    for (fact, wanted) in table {
        near(facts.value(fact).unwrap(), wanted, 1e-9 * (1.0 + wanted.abs()));
    }
    assert_eq!(facts.value(Fact::Imbalance), None, "no label drowns another");
    // An order without a fault is as sure as one image in all is worth.
    let perfect = Facts { several: Some(Labelled { images: 100, error: 0.0 }), ..facts };
    near(perfect.error(1.0), 1.0 / 102.0, 1e-12);
}

#[test]
fn advice_on_labels_speaks_of_them() {
    let advice = resolve(&facts(0.6)).unwrap();
    assert_eq!(advice.setting.kind, Some(Kind::Inductive));
    assert!(advice.setting.target.contains("3 labels, any number"), "{}", advice.setting.target);
    let because: Vec<&str> = advice.reasons.iter().map(|r| r.because.as_str()).collect();
    assert!(because.iter().any(|b| b.contains("images per label 20")), "{because:?}");
    let turns: Vec<&str> = advice.rivals.iter().map(|r| r.turns_on.as_str()).collect();
    assert!(turns.iter().all(|t| !t.contains("class") && !t.contains("accuracy")), "{turns:?}");
    assert!(!advice.plan.class_weights);
    // A label alone is a question too; two images more or less right are not an answer.
    let one = Facts { images_per_class: vec![30], ..facts(0.35) };
    let verdict = format!("{:?}", resolve(&one).unwrap().verdict);
    assert!(verdict.starts_with("TooFewImages { images: 100"), "{verdict}");
}
