use regraft_advise::AdviseError;
use regraft_advise::rules::RuleBase;

const WHOLE: &str = r#"
[thresholds]
few = 10

[[rule]]
id = "default"
when = []
choose = { strategy = "probe", cut = "last", unfreeze = "none", rates = "ulmfit", augmentation = "light", schedule = "one-cycle" }
says = "cheap"
source = "practice"
strength = 0
"#;

fn with(rule: &str) -> Result<RuleBase, AdviseError> {
    RuleBase::parse(&format!("{WHOLE}\n[[rule]]\n{rule}"))
}

#[test]
fn the_rules_of_the_crate_have_sources_and_words() {
    let base = RuleBase::built_in().unwrap();
    assert!(base.rules.len() >= 20);
    for rule in &base.rules {
        assert!(rule.says.len() > 20 && rule.source.len() > 8, "{}", rule.id);
        let paper = rule.source.chars().any(|c| c.is_ascii_digit());
        assert!(rule.strength != 2 || paper, "{} is said to be measured by a paper", rule.id);
        let here = rule.source.starts_with("measured here");
        assert_eq!(here, rule.strength >= 3, "{}: measured here is 3 and 4", rule.id);
    }
    let used = |name: &str| {
        let condition = |c: &regraft_advise::rules::Condition| {
            c.under.as_deref() == Some(name) || c.at_least.as_deref() == Some(name)
        };
        base.rules.iter().any(|r| r.when.iter().any(condition))
    };
    let unused: Vec<&String> = base.thresholds.keys().filter(|n| !used(n)).collect();
    assert!(unused.is_empty(), "{unused:?}");
}

#[test]
fn the_six_rules_of_a_practitioner_are_there() {
    let base = RuleBase::built_in().unwrap();
    for id in [
        "small-and-similar",
        "small-and-similar-by-outputs",
        "small-and-different",
        "small-and-different-cut-earlier",
        "middle",
        "large",
        "large-and-far",
        "big-network-narrow-domain",
        "source-not-larger",
        "source-not-larger-but-overfitting",
    ] {
        assert!(base.rules.iter().any(|r| r.id == id), "{id}");
    }
}

#[test]
fn a_rule_base_survives_writing_and_reading() {
    let base = RuleBase::built_in().unwrap();
    let text = serde_json::to_string(&base).unwrap();
    assert_eq!(serde_json::from_str::<RuleBase>(&text).unwrap(), base);
}

#[test]
fn rules_that_cannot_be_meant_are_refused() {
    let rest = "choose = {}\nsays = \"so\"\nsource = \"practice\"\nstrength = 1";
    let said = |text: &str| with(text).unwrap_err().to_string();
    assert!(RuleBase::parse(WHOLE).is_ok());
    let table: [(&str, &str); 9] = [
        ("id = \"default\"\nwhen = []", "rule `default`: there are two rules of this name"),
        (
            "id = \"a\"\nwhen = [{ fact = \"images\", under = \"lots\" }]",
            "rule `a`: no threshold `lots`; there are few",
        ),
        (
            "id = \"a\"\nwhen = [{ fact = \"images\" }]",
            "rule `a`: the condition on training images wants one of `under`, `at-least`",
        ),
        (
            "id = \"a\"\nwhen = [{ fact = \"images\", under = \"few\", at-least = \"few\" }]",
            "wants one of `under`, `at-least`",
        ),
        ("id = \"a\"\nwhen = [{ fact = \"moon\", under = \"few\" }]", "unknown variant `moon`"),
        ("id = \"a\"\nwhen = [{ fact = \"images\", over = \"few\" }]", "unknown field `over`"),
        ("id = \"a\"\nwhen = []\ncolour = \"red\"", "unknown field `colour`"),
        ("when = []", "missing field `id`"),
        ("id = \"a\"", "missing field `when`"),
    ];
    for (head, wanted) in table {
        let said = said(&format!("{head}\n{rest}"));
        assert!(said.contains(wanted), "{head}: {said}");
    }
    let strong =
        "id = \"a\"\nwhen = []\nchoose = {}\nsays = \"so\"\nsource = \"practice\"\nstrength = 5";
    assert_eq!(said(strong), "rule `a`: strength 5, wants 0 to 4");
    let magic = "id = \"a\"\nwhen = []\nchoose = { strategy = \"magic\" }";
    assert!(
        said(&format!("{magic}\nsays = \"so\"\nsource = \"practice\"\nstrength = 1"))
            .contains("`magic`")
    );
}

#[test]
fn a_rule_base_without_a_default_is_refused() {
    let less = WHOLE.replace("schedule = \"one-cycle\"", "");
    let less = less.replace("augmentation = \"light\", ", "augmentation = \"light\"");
    let said = RuleBase::parse(&less).unwrap_err().to_string();
    assert!(said.contains("add a default"), "{said}");
    assert!(RuleBase::parse("").is_err());
}
