use regraft_advise::Table;
use regraft_advise::facts::{Depth, Fact, Facts, certainty};

use crate::support::near;

pub(crate) fn depth(cut: &str, share: f64, loo_top1: f64, training_top1: f64) -> Depth {
    Depth { cut: cut.to_owned(), share, loo_top1, training_top1, df: 20.0 }
}

/// 300 images in two classes of 100 and 200.
fn facts() -> Facts {
    Facts {
        images_per_class: vec![100, 200],
        several: None,
        judged_on: None,
        depths: vec![depth("low", 0.5, 0.86, 0.9), depth("high", 1.0, 0.8, 1.0)],
        joined_top1: None,
        source_images: Some(1.2e6),
        source_classes: Some(1000),
        shared_classes: Some(1),
        output_top1: Some(0.75),
        feature_distance: Some(0.3),
        certainty: None,
        parameters: Some(6e6),
        memory_wanted: Some(6e9),
        memory_given: Some(4e9),
        scratch_top1: Some(0.7),
        equals: vec![("tiny".into(), 2e6), ("small".into(), 3e6)],
    }
}

#[test]
fn figures_by_hand() {
    let facts = facts();
    let error = (0.8_f64 * 300.0 + 1.0) / 302.0;
    let error = (error * (1.0 - error) / 302.0).sqrt();
    let third: f64 = (200.0 + 1.0) / 302.0;
    let chance_error = (third * (1.0 - third) / 302.0).sqrt();
    let table = [
        (Fact::Images, 300.0),
        (Fact::Classes, 2.0),
        (Fact::ImagesPerClass, 150.0),
        (Fact::Imbalance, 2.0),
        (Fact::TargetToSource, 300.0 / 1.2e6),
        (Fact::ClassOverlap, 0.5),
        (Fact::Probe, 0.8),
        (Fact::Skill, 0.4),
        (Fact::Evidence, (0.8 - 2.0 / 3.0) / chance_error),
        (Fact::PeakDepth, 0.5),
        (Fact::PeakGain, 0.06 / error),
        (Fact::OutputGain, -0.05 / error),
        (Fact::Gap, 0.2),
        (Fact::Flexibility, 20.0 / 300.0),
        (Fact::FeatureDistance, 0.3),
        (Fact::Parameters, 6e6),
        (Fact::ParametersPerImage, 2e4),
        (Fact::MemoryShare, 1.5),
        (Fact::ScratchGain, -0.1 / error),
        (Fact::TimesSmallestEqual, 3.0),
    ];
    for (fact, wanted) in table {
        near(facts.value(fact).unwrap(), wanted, 1e-9 * (1.0 + wanted.abs()));
    }
    for fact in [Fact::Confidence, Fact::Entropy] {
        assert_eq!(facts.value(fact), None);
    }
}

#[test]
fn what_was_not_measured_has_no_value() {
    let bare = Facts { images_per_class: vec![3, 5], ..Default::default() };
    for fact in [Fact::Probe, Fact::Skill, Fact::Evidence, Fact::PeakGain, Fact::Gap] {
        assert_eq!(bare.value(fact), None, "{fact:?}");
    }
    for fact in [Fact::TargetToSource, Fact::MemoryShare, Fact::TimesSmallestEqual] {
        assert_eq!(bare.value(fact), None, "{fact:?}");
    }
    assert_eq!(bare.value(Fact::Images), Some(8.0));
}

#[test]
fn of_equally_good_cuts_the_highest_is_the_peak() {
    let mut facts = facts();
    facts.depths =
        vec![depth("a", 0.3, 0.9, 1.0), depth("b", 0.6, 0.9, 1.0), depth("c", 1.0, 0.8, 1.0)];
    assert_eq!(facts.peak().unwrap().cut, "b");
}

#[test]
fn more_images_are_wanted_the_nearer_the_probe_is_to_chance() {
    let wanted = |top1: f64| {
        let depths = vec![depth("top", 1.0, top1, 1.0)];
        Facts { images_per_class: vec![6, 6], depths, ..Default::default() }.images_to_tell(2.0)
    };
    // 4 · ¼ / 0.2², and the same for 10 points where the probe is no better than chance.
    assert_eq!((wanted(0.7), wanted(0.5), wanted(0.3)), (25, 100, 100));
    // Never fewer than there are and one.
    assert_eq!(wanted(1.0), 13);
}

#[test]
fn a_probe_that_reads_all_depths_is_what_a_cut_has_to_beat() {
    let joined = Facts { joined_top1: Some(0.9), ..facts() };
    near(joined.value(Fact::Probe).unwrap(), 0.9, 1e-12);
    assert!(facts().value(Fact::PeakGain).unwrap() > 2.0, "the lower cut beats the trunk alone");
    assert!(joined.value(Fact::PeakGain).unwrap() < 0.0, "but not both joined");
    near(joined.value(Fact::JoinedGain).unwrap(), 0.1 / joined.error(0.8), 1e-12);
    assert_eq!(facts().value(Fact::JoinedGain), Some(0.0));
    let (last, peak) = (joined.last().unwrap().loo_top1, joined.peak().unwrap().loo_top1);
    near(joined.value(Fact::AloneGain).unwrap(), (peak - last) / joined.error(last), 1e-12);
}

#[test]
fn accuracies_of_some_images_are_less_sure_than_those_of_all() {
    let (all, some) = (facts(), Facts { judged_on: Some(75), ..facts() });
    let wanted: f64 = (0.8 * 75.0 + 1.0) / 77.0;
    near(some.error(0.8), (wanted * (1.0 - wanted) / 77.0).sqrt(), 1e-12);
    assert!(some.error(0.8) > 1.9 * all.error(0.8));
    assert_eq!(some.value(Fact::Images), Some(300.0), "the target is as large as it is");
    // A quarter of the images says nothing of how many dimensions the head has for each of all.
    assert_eq!(some.value(Fact::Flexibility), None);
    let half = Facts { judged_on: Some(150), ..facts() };
    near(half.value(Fact::Flexibility).unwrap(), 20.0 / 150.0, 1e-12);
}

#[test]
fn certainty_is_1_for_the_sure_and_0_for_the_even() {
    let of = |theta: &[f64]| certainty(Table::double(theta, 2, 4).unwrap()).unwrap();
    let sure = of(&[1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0]);
    assert_eq!((sure.confidence, sure.entropy), (1.0, 0.0));
    let even = of(&[0.25; 8]);
    near(even.confidence, 0.25, 1e-12);
    near(even.entropy, 1.0, 1e-12);
    // One sure, one between two classes: ln 2 is half of ln 4.
    let mixed = of(&[1.0, 0.0, 0.0, 0.0, 0.5, 0.5, 0.0, 0.0]);
    near(mixed.confidence, 0.75, 1e-12);
    near(mixed.entropy, 0.25, 1e-12);
}
