use regraft_advise::facts::{Certainty, Facts};
use regraft_advise::resolve::{Confidence, Unfreeze, Verdict, resolve};
use regraft_advise::rules::{Augmentation, Rates, RuleBase, Schedule, Strategy};
use regraft_advise::{Advice, AdviseError, Kind};

use crate::facts::depth;

/// `classes` of `each` images, a probe of `last` on the whole trunk and of `middle` halfway.
fn situation(classes: usize, each: usize, middle: f64, last: f64) -> Facts {
    Facts {
        images_per_class: vec![each; classes],
        depths: vec![
            depth("block2", 0.5, middle, (middle + 0.04).min(1.0)),
            depth("pool", 1.0, last, (last + 0.05).min(1.0)),
        ],
        source_images: Some(1.28e6),
        source_classes: Some(1000),
        shared_classes: Some(0),
        // Photographs, as ants and bees.
        feature_distance: Some(0.18),
        parameters: Some(5e6),
        ..Default::default()
    }
}

fn rule_of<'a>(advice: &'a Advice, choice: &str) -> &'a str {
    let start = format!("{choice}: ");
    advice.reasons.iter().find(|r| r.choice.starts_with(&start)).map_or("", |r| &r.rule)
}

#[test]
fn situations_lead_to_the_strategies_of_a_practitioner() {
    use Strategy::{LpFt, OutputProbe, Probe, Scratch};
    let all = || Unfreeze::All;
    let above = || Unfreeze::Above("block2".into());
    let similar =
        Facts { shared_classes: Some(8), output_top1: Some(0.97), ..situation(10, 50, 0.8, 0.9) };
    let larger = Facts { source_images: Some(10_000.0), ..situation(10, 2000, 0.6, 0.7) };
    let mut overfits = larger.clone();
    overfits.depths[1].training_top1 = 0.99;
    let near =
        |distance, top1| Facts { feature_distance: Some(distance), ..situation(10, 50, 0.8, top1) };
    let worse = Facts { scratch_top1: Some(0.9), ..situation(10, 500, 0.6, 0.7) };
    let table: Vec<(&str, Facts, Strategy, &str, Unfreeze)> = vec![
        ("few", situation(10, 5, 0.6, 0.8), Probe, "pool", Unfreeze::None),
        ("small-and-similar", situation(10, 50, 0.8, 0.95), Probe, "pool", Unfreeze::None),
        ("small-and-similar", near(0.2, 0.95), Probe, "pool", Unfreeze::None),
        ("told-apart-but-unlike", near(0.5, 0.95), LpFt, "pool", Unfreeze::All),
        ("nothing-to-gain", near(0.5, 0.99), Probe, "pool", Unfreeze::None),
        ("small-and-similar-by-outputs", similar, OutputProbe, "pool", Unfreeze::None),
        ("small-and-different", situation(10, 50, 0.3, 0.4), LpFt, "pool", Unfreeze::Last),
        ("small-and-different", situation(10, 50, 0.41, 0.4), LpFt, "pool", above()),
        (
            "small-and-different-cut-earlier",
            situation(10, 50, 0.6, 0.5),
            Probe,
            "block2",
            Unfreeze::None,
        ),
        ("small-and-between", situation(10, 50, 0.5, 0.7), LpFt, "pool", Unfreeze::All),
        ("middle", situation(10, 300, 0.8, 0.9), LpFt, "pool", all()),
        ("middle", situation(10, 100, 0.8, 0.9), LpFt, "pool", all()),
        ("large", situation(10, 1000, 0.8, 0.9), LpFt, "pool", all()),
        ("large", situation(10, 3000, 0.8, 0.9), LpFt, "pool", all()),
        ("large-and-far", situation(10, 3000, 0.3, 0.4), LpFt, "pool", all()),
        ("nothing-to-gain", situation(10, 300, 0.8, 0.99), Probe, "pool", Unfreeze::None),
        ("source-not-larger", larger, Scratch, "pool", all()),
        ("source-not-larger-but-overfitting", overfits, LpFt, "pool", all()),
        ("scratch-is-better", worse, Scratch, "pool", all()),
    ];
    for (rule, facts, strategy, cut, unfreeze) in table {
        let advice = resolve(&facts).unwrap();
        assert_eq!(rule_of(&advice, "strategy"), rule, "{:#?}", advice.plan);
        let plan = &advice.plan;
        assert_eq!((plan.strategy, plan.cut.as_deref()), (strategy, Some(cut)), "{rule}");
        assert_eq!(plan.unfreeze, unfreeze, "{rule}");
        assert_eq!(plan.rates.is_some(), strategy == LpFt, "{rule}");
        assert_eq!(plan.steps.is_some(), strategy.trains(), "{rule}");
        assert_eq!(advice.rivals.len(), 2, "{rule}");
        for rival in &advice.rivals {
            let key =
                |p: &regraft_advise::resolve::Plan| (p.strategy, p.cut.clone(), p.unfreeze.clone());
            assert_ne!(key(&rival.plan), key(plan), "{rule}");
            assert_ne!(key(&advice.rivals[0].plan), key(&advice.rivals[1].plan), "{rule}");
            assert!(rival.distance >= 0.0 && !rival.turns_on.is_empty());
        }
        assert!(advice.rivals[0].distance <= advice.rivals[1].distance, "{rule}");
    }
}

#[test]
fn where_lower_layers_help_the_probe_all_of_it_learns() {
    let with = |each, middle, joined| {
        let facts = Facts { joined_top1: Some(joined), ..situation(10, each, middle, 0.85) };
        let advice = resolve(&facts).unwrap();
        (rule_of(&advice, "strategy").to_owned(), advice.plan)
    };
    let helped = |each, joined| with(each, 0.6, joined);
    let (rule, plan) = helped(48, 0.94);
    assert_eq!((rule.as_str(), plan.strategy), ("lower-layers-help", Strategy::LpFt));
    assert_eq!((plan.unfreeze, plan.rates), (Unfreeze::All, Some(Rates::Own)));
    assert_eq!(helped(48, 0.855).0, "small-and-similar", "a gain within noise is none");
    assert_eq!(helped(5, 0.95).0, "few");
    assert_eq!(helped(48, 0.99).0, "nothing-to-gain");
    // A lower cut does it alone.
    let (rule, plan) = with(15, 0.92, 0.94);
    assert_eq!((rule.as_str(), plan.strategy), ("lower-layers-suffice", Strategy::Probe));
    assert_eq!(plan.unfreeze, Unfreeze::None);
    // But with more images training wins there, too.
    let (rule, plan) = with(48, 0.92, 0.94);
    assert_eq!((rule.as_str(), plan.strategy), ("lower-layers-help-clearly", Strategy::LpFt));
}

#[test]
fn other_choices_follow_the_facts() {
    let of = |facts: &Facts| resolve(facts).unwrap();
    let middle = situation(10, 300, 0.8, 0.9);
    let advice = of(&middle);
    assert_eq!(advice.plan.rates, Some(Rates::Own));
    assert_eq!(advice.plan.augmentation, Augmentation::Light);
    assert_eq!((advice.plan.schedule, advice.plan.steps), (Schedule::Cosine, Some(500)));
    assert!(!advice.plan.class_weights && advice.plan.compare.is_none() && advice.prefer.is_none());

    // Far: rates are searched, and random weights run beside it.
    let advice = of(&situation(10, 3000, 0.3, 0.4));
    assert_eq!(advice.plan.rates, Some(Rates::Search));
    assert_eq!(rule_of(&advice, "rates"), "far-search-rates");
    assert_eq!(
        (advice.plan.compare, rule_of(&advice, "compare")),
        (Some(Strategy::Scratch), "large-and-far")
    );
    assert_eq!((advice.plan.schedule, advice.plan.steps), (Schedule::Step, Some(10_000)));
    let advice = of(&situation(100, 6000, 0.8, 0.9));
    assert_eq!((advice.plan.steps, rule_of(&advice, "steps")), (Some(20_000), "long-training"));
    let advice = of(&situation(10, 6000, 0.3, 0.4));
    assert_eq!(rule_of(&advice, "network"), "huge-and-far");

    // Small and different: strong augmentation.
    assert_eq!(of(&situation(10, 50, 0.3, 0.4)).plan.augmentation, Augmentation::Strong);
    // Memory, and only where something learns.
    let tight = Facts { memory_wanted: Some(5e9), memory_given: Some(4e9), ..middle };
    let advice = of(&tight);
    assert_eq!(
        (advice.plan.unfreeze.clone(), rule_of(&advice, "unfreeze")),
        (Unfreeze::Fits, "memory-short")
    );
    let tight = Facts { depths: situation(10, 50, 0.8, 0.99).depths, ..tight };
    assert_eq!(of(&tight).plan.unfreeze, Unfreeze::None);
    // Class weights.
    let mut lopsided = situation(2, 200, 0.8, 0.95);
    lopsided.images_per_class = vec![30, 400];
    let advice = of(&lopsided);
    assert!(advice.plan.class_weights);
    assert_eq!(rule_of(&advice, "weights"), "imbalanced");
}

#[test]
fn smaller_networks_are_preferred_with_a_reason() {
    let mut facts = situation(3, 200, 0.7, 0.8);
    facts.parameters = Some(25e6);
    facts.depths[1].training_top1 = 1.0;
    let advice = resolve(&facts).unwrap();
    assert_eq!(rule_of(&advice, "network"), "big-network-narrow-domain");
    assert_eq!(advice.prefer, None, "no smaller one is known");
    facts.equals = vec![("huge".into(), 80e6)];
    assert_eq!(resolve(&facts).unwrap().prefer, None, "a larger one is none");
    facts.equals = vec![("medium".into(), 12e6), ("tiny".into(), 3e6), ("huge".into(), 80e6)];
    let advice = resolve(&facts).unwrap();
    assert_eq!(
        (advice.prefer.as_deref(), rule_of(&advice, "network")),
        (Some("tiny"), "smaller-is-equal")
    );
    let networks = facts.equals.iter().map(|e| e.0.clone()).collect();
    assert_eq!(advice.verdict, Verdict::EqualWithinNoise { networks });
}

#[test]
fn reasons_carry_measured_figures_and_sources() {
    let advice = resolve(&situation(10, 34, 0.7, 0.914)).unwrap();
    let reason = &advice.reasons[0];
    assert_eq!(
        (reason.choice.as_str(), reason.rule.as_str()),
        ("strategy: probe", "small-and-similar")
    );
    assert!(
        reason.because.starts_with("images per class 34 (below 100); probe above chance"),
        "{}",
        reason.because
    );
    assert!(reason.because.contains("0.904 (at least 0.75)"), "{}", reason.because);
    assert!(reason.source.contains("Kumar et al. 2022"));
    let base = RuleBase::built_in().unwrap();
    for reason in &advice.reasons {
        let rule = base.rules.iter().find(|r| r.id == reason.rule).unwrap();
        assert_eq!(reason.source, rule.source);
    }
}

#[test]
fn too_few_images_to_tell_is_an_answer_with_how_many_would_do() {
    // 12 images, 7 right where 6 are right by luck.
    let facts = situation(2, 6, 0.5, 7.0 / 12.0);
    let advice = resolve(&facts).unwrap();
    assert_eq!(advice.verdict, Verdict::TooFewImages { images: 12, wanted: 100 });
    assert_eq!(advice.confidence, Confidence::Low);
    assert!(advice.warnings.iter().any(|w| w.rule == "too-few-to-tell"), "{:#?}", advice.warnings);
    // As many images as it says, with the same gain, are enough.
    let enough = situation(2, 250, 0.5, 0.6);
    assert_eq!(resolve(&enough).unwrap().verdict, Verdict::Clear);
}

#[test]
fn confidence_falls_when_the_facts_come_near_another_rule() {
    let of = |each: usize, last: f64| resolve(&situation(10, each, 0.4, last)).unwrap();
    assert_eq!(of(98, 0.95).confidence, Confidence::Low);
    let near = of(98, 0.95);
    assert_eq!(near.rivals[0].rule.as_deref(), Some("middle"));
    assert_eq!(near.rivals[0].turns_on, "it wants images per class at least 100 (is 98)");
    assert_eq!(of(5, 0.9).confidence, Confidence::High);
    assert_eq!(of(55, 0.97).confidence, Confidence::Medium);
}

#[test]
fn a_rule_that_holds_but_is_weaker_is_a_rival() {
    let advice = resolve(&situation(10, 1900, 0.8, 0.99)).unwrap();
    let rival = &advice.rivals[0];
    assert_eq!((rival.rule.as_deref(), rival.distance), (Some("large"), 0.5));
    assert!(rival.turns_on.starts_with("it holds too, with strength 2 against 3"));
    // Its plan is its own, not that of the rule that won.
    assert_eq!((rival.plan.strategy, rival.plan.unfreeze.clone()), (Strategy::LpFt, Unfreeze::All));
    assert_eq!((rival.plan.rates, rival.plan.steps), (Some(Rates::LayerDecay), Some(500)));
}

#[test]
fn negative_transfer_is_warned_of() {
    let warned = |facts: &Facts| -> Vec<String> {
        resolve(facts).unwrap().warnings.into_iter().map(|w| w.rule).collect()
    };
    assert!(warned(&situation(10, 300, 0.8, 0.9)).is_empty());
    let scratch = Facts { scratch_top1: Some(0.9), ..situation(10, 500, 0.6, 0.7) };
    assert_eq!(warned(&scratch), ["scratch-is-better"]);
    let mut upper = situation(10, 300, 0.8, 0.6);
    upper.depths[0].share = 0.3;
    assert_eq!(warned(&upper), ["upper-half-in-the-way"]);
    assert_eq!(warned(&situation(10, 3000, 0.3, 0.4)), ["outputs-say-nothing"]);
    let mut odd = situation(10, 300, 0.8, 0.9);
    odd.feature_distance = Some(1.5);
    odd.certainty = Some(Certainty { confidence: 0.1, entropy: 0.8 });
    assert_eq!(warned(&odd), ["unlike-the-source"]);
    let mut loose = situation(10, 300, 0.8, 0.9);
    loose.depths[1].df = 1500.0;
    assert_eq!(warned(&loose), ["learns-by-heart"]);
}

#[test]
fn the_setting_is_named_in_the_terms_of_pan_and_yang() {
    let kind = |source, shared, distance| {
        let facts = Facts {
            source_classes: source,
            shared_classes: shared,
            feature_distance: distance,
            ..situation(10, 50, 0.8, 0.9)
        };
        let setting = resolve(&facts).unwrap().setting;
        (setting.kind, setting.same_domain, setting.same_task)
    };
    assert_eq!(
        kind(Some(1000), Some(0), Some(0.4)),
        (Some(Kind::Inductive), Some(false), Some(false))
    );
    assert_eq!(kind(Some(1000), None, None), (Some(Kind::Inductive), None, Some(false)));
    assert_eq!(
        kind(Some(10), Some(10), Some(0.4)),
        (Some(Kind::Transductive), Some(false), Some(true))
    );
    assert_eq!(kind(Some(10), Some(10), Some(0.01)), (Some(Kind::None), Some(true), Some(true)));
    assert_eq!(kind(Some(10), Some(10), None), (None, None, Some(true)));
    assert_eq!(
        kind(Some(20), Some(10), Some(0.4)),
        (Some(Kind::Inductive), Some(false), Some(false))
    );
    assert_eq!(kind(Some(10), None, Some(0.4)), (None, Some(false), None));
    assert_eq!(kind(None, Some(3), Some(0.4)), (None, Some(false), None));
    let setting = resolve(&situation(10, 50, 0.8, 0.9)).unwrap().setting;
    assert_eq!(setting.source, "domain of 1.28e6 images, task of 1000 classes");
    assert!(
        setting.target.ends_with("task of 10 classes, 0 of them the source's"),
        "{}",
        setting.target
    );
}

#[test]
fn every_rule_has_its_say_in_some_situation() {
    let mut heard: Vec<String> = Vec::new();
    let mut hear = |facts: &Facts| {
        let advice = resolve(facts).unwrap();
        heard.extend(advice.reasons.into_iter().map(|r| r.rule));
        heard.extend(advice.warnings.into_iter().map(|w| w.rule));
    };
    for each in [3, 5, 50, 300, 3000, 60_000] {
        for (middle, last) in
            [(0.3, 0.4), (0.6, 0.5), (0.5, 0.7), (0.7, 0.95), (0.8, 0.99), (0.1, 0.1)]
        {
            let plain = situation(10, each, middle, last);
            hear(&plain);
            hear(&Facts { source_images: Some(100.0), ..plain.clone() });
            let mut gap =
                Facts { source_images: Some(100.0), parameters: Some(9e7), ..plain.clone() };
            gap.depths[1].training_top1 = 1.0;
            gap.images_per_class.truncate(3);
            hear(&gap);
            hear(&Facts { scratch_top1: Some(1.0), ..plain.clone() });
            hear(&Facts { memory_wanted: Some(2.0), memory_given: Some(1.0), ..plain.clone() });
            hear(&Facts { shared_classes: Some(9), output_top1: Some(1.0), ..plain.clone() });
            hear(&Facts { equals: vec![("tiny".into(), 1e6)], ..plain.clone() });
            hear(&Facts { joined_top1: Some((last + 0.1).min(1.0)), ..plain.clone() });
            let mut odd = plain.clone();
            odd.feature_distance = Some(1.5);
            odd.certainty = Some(Certainty { confidence: 0.1, entropy: 0.8 });
            let peak = (last + 0.1).min(1.0);
            let mut alone = Facts { joined_top1: Some((peak + 0.02).min(1.0)), ..plain.clone() };
            alone.depths[0].loo_top1 = peak;
            hear(&alone);
            odd.depths[1].df = 0.6 * odd.images() as f64;
            hear(&odd);
            let mut upper = plain.clone();
            upper.depths[0].share = 0.2;
            upper.images_per_class[0] *= 20;
            hear(&upper);
        }
    }
    hear(&Facts { images_per_class: vec![50, 50], ..Default::default() });
    let base = RuleBase::built_in().unwrap();
    let silent: Vec<&str> = base
        .rules
        .iter()
        .map(|r| r.id.as_str())
        .filter(|id| !heard.iter().any(|h| h == id))
        .collect();
    assert!(silent.is_empty(), "{silent:?}");
}

#[test]
fn little_known_still_gives_advice() {
    let bare = Facts { images_per_class: vec![50, 50], ..Default::default() };
    let advice = resolve(&bare).unwrap();
    assert_eq!((advice.plan.strategy, advice.plan.cut), (Strategy::Probe, None));
    assert_eq!(rule_of(&resolve(&bare).unwrap(), "strategy"), "default");
    assert_eq!(advice.rivals.len(), 2);
}

#[test]
fn facts_that_cannot_be_are_refused() {
    let said = |facts: Facts| resolve(&facts).unwrap_err();
    let wanted = "two classes with images, or more";
    let none = AdviseError::Option { name: "images_per_class", value: 0.0, wanted };
    assert_eq!(said(Facts::default()), none);
    let one = AdviseError::Option { name: "images_per_class", value: 1.0, wanted };
    assert_eq!(said(Facts { images_per_class: vec![5], ..Default::default() }), one);
    let wrong = situation(2, 5, 0.5, 80.0);
    assert_eq!(
        said(wrong),
        AdviseError::Option { name: "top1", value: 80.0, wanted: "a share of 1" }
    );
    let nan = Facts { scratch_top1: Some(f64::NAN), ..situation(2, 5, 0.5, 0.6) };
    assert!(matches!(said(nan), AdviseError::Option { name: "top1", .. }));
}

#[test]
fn a_plan_is_not_compared_with_itself() {
    let text = r#"
        [thresholds]
        [[rule]]
        id = "default"
        when = []
        choose = { strategy = "probe", cut = "last", unfreeze = "none", rates = "ulmfit", augmentation = "light", schedule = "one-cycle", compare = "probe" }
        says = "cheap"
        source = "practice"
        strength = 0
    "#;
    let advice = RuleBase::parse(text).unwrap().resolve(&situation(10, 50, 0.8, 0.9)).unwrap();
    assert_eq!(advice.plan.compare, None);
    let other = text.replace("compare = \"probe\"", "compare = \"scratch\"");
    let advice = RuleBase::parse(&other).unwrap().resolve(&situation(10, 50, 0.8, 0.9)).unwrap();
    assert_eq!(advice.plan.compare, Some(Strategy::Scratch));
}

#[test]
fn advice_survives_writing_and_reading() {
    let mut advice = resolve(&situation(10, 50, 0.3, 0.4)).unwrap();
    // JSON may lose a last digit.
    advice.rivals.iter_mut().for_each(|r| r.distance = (r.distance * 1024.0).round() / 1024.0);
    let text = serde_json::to_string(&advice).unwrap();
    assert_eq!(serde_json::from_str::<Advice>(&text).unwrap(), advice);
}
