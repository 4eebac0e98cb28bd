//! The rule base: data in `rules.toml`, read into types that cannot say nonsense.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::AdviseError;
use crate::facts::{Fact, Facts, Unit};

/// The rules this crate brings.
const BUILT_IN: &str = include_str!("rules.toml");
/// Of a rule that overrules everything: there is no other way.
pub(crate) const FORCED: u8 = 4;

/// What is done with the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Strategy {
    /// It stays frozen; a linear head learns on its features.
    Probe,
    /// It stays frozen; a linear classifier learns on its output probabilities.
    OutputProbe,
    /// The probe's head first, then gradient from there (Kumar and others 2022).
    LpFt,
    /// Gradient from random weights everywhere: no transfer.
    Scratch,
}

impl Strategy {
    /// The word in plans and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Probe => "probe",
            Self::OutputProbe => "output-probe",
            Self::LpFt => "lp-ft",
            Self::Scratch => "scratch",
        }
    }

    /// Whether layers of the network learn.
    pub fn trains(self) -> bool {
        match self {
            Self::Probe | Self::OutputProbe => false,
            Self::LpFt | Self::Scratch => true,
        }
    }
}

/// Where the crown goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CutAt {
    /// After the whole trunk.
    Last,
    /// Where the probe is best.
    Peak,
}

/// Which transferred layers learn, as a rule says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unfrozen {
    /// None.
    None,
    /// The last block.
    Last,
    /// All above the cut where the probe is best.
    Peak,
    /// All.
    All,
    /// As deep as memory allows.
    Fits,
}

/// Learning rates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Rates {
    /// 10⁻⁶ for the first block, 10⁻⁴ for the others, 10⁻² for new layers.
    #[serde(rename = "2:4:6")]
    TwoFourSix,
    /// Each group 1/2.6 of the one above (Howard and Ruder 2018).
    #[serde(rename = "ulmfit")]
    Ulmfit,
    /// Each block 0.9 of the one above.
    #[serde(rename = "layer-decay=0.9")]
    LayerDecay,
    /// Sought by a range test or a search.
    #[serde(rename = "search")]
    Search,
    /// Those that the trainer takes when nobody gives any: small ones near the source, larger ones far from it.
    #[serde(rename = "own")]
    Own,
}

impl Rates {
    /// The word in plans and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::TwoFourSix => "2:4:6",
            Self::Ulmfit => "ulmfit",
            Self::LayerDecay => "layer-decay=0.9",
            Self::Search => "search",
            Self::Own => "own",
        }
    }
}

/// How much pictures are changed from round to round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Augmentation {
    /// Not at all.
    None,
    /// Parts of at least half the picture, mirrored.
    Light,
    /// And colours change a little.
    Medium,
    /// Smaller parts, any of fourteen operations, a rectangle erased.
    Strong,
}

impl Augmentation {
    /// The word in plans and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Light => "light",
            Self::Medium => "medium",
            Self::Strong => "strong",
        }
    }
}

/// How rates move from step to step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Schedule {
    /// Up in a tenth of the steps, then down along half a cosine.
    Cosine,
    /// Up, then down to almost 0.
    OneCycle,
    /// Times 0.1 after 30, 60 and 90 % of the steps.
    Step,
}

impl Schedule {
    /// The word in plans and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cosine => "cosine",
            Self::OneCycle => "one-cycle",
            Self::Step => "step",
        }
    }
}

/// Another network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Prefer {
    /// A smaller one.
    Smaller,
}

/// How much images count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Weights {
    /// Each class the same in all.
    Class,
}

/// What a rule proposes; what it leaves out it has no opinion on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Choices {
    /// What is done with the network.
    pub strategy: Option<Strategy>,
    /// Where the crown goes.
    pub cut: Option<CutAt>,
    /// Which transferred layers learn.
    pub unfreeze: Option<Unfrozen>,
    /// How fast.
    pub rates: Option<Rates>,
    /// How much pictures change.
    pub augmentation: Option<Augmentation>,
    /// How rates move.
    pub schedule: Option<Schedule>,
    /// Steps of at most 512 images.
    pub steps: Option<u64>,
    /// What should run beside it.
    pub compare: Option<Strategy>,
    /// Which other network to take.
    pub prefer: Option<Prefer>,
    /// How much images count.
    pub weights: Option<Weights>,
}

/// A fact on one side of a threshold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Condition {
    /// The fact.
    pub fact: Fact,
    /// Holds below this threshold.
    pub under: Option<String>,
    /// Holds at this threshold and above.
    #[serde(rename = "at-least")]
    pub at_least: Option<String>,
}

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Its name.
    pub id: String,
    /// Holds when all of these do.
    pub when: Vec<Condition>,
    /// What it proposes.
    pub choose: Choices,
    /// Why, in words for a person.
    pub says: String,
    /// Who says so: paper and section, or what was measured.
    pub source: String,
    /// 0 the default, 1 practice, 2 a paper, 3 measured on these images, 4 no other way.
    pub strength: u8,
    /// What may go wrong.
    pub warn: Option<String>,
}

/// Thresholds by name, and rules.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleBase {
    /// Thresholds by name.
    pub thresholds: BTreeMap<String, f64>,
    /// The rules, in the order in which they are asked.
    #[serde(rename = "rule")]
    pub rules: Vec<Rule>,
}

/// How a condition stands to the facts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Standing {
    pub(crate) fact: Fact,
    pub(crate) value: f64,
    pub(crate) threshold: f64,
    /// Whether values below the threshold are wanted.
    pub(crate) under: bool,
    /// Whether images have any number of labels.
    pub(crate) several: bool,
}

impl Standing {
    pub(crate) fn holds(&self) -> bool {
        (self.value < self.threshold) == self.under
    }

    /// How far the fact is from the threshold, 1 being far: a factor of √10, a fifth of a share, two
    /// standard errors.
    pub(crate) fn distance(&self) -> f64 {
        match self.fact.unit() {
            Unit::Ratio => {
                let log = |v: f64| v.max(1e-9).log10();
                2.0 * (log(self.value) - log(self.threshold)).abs()
            }
            Unit::Share => 5.0 * (self.value - self.threshold).abs(),
            Unit::Errors => 0.5 * (self.value - self.threshold).abs(),
        }
    }

    /// `images per class 34 (below 100)`.
    pub(crate) fn words(&self) -> String {
        let side = match (self.value < self.threshold, self.under) {
            (true, _) => "below",
            (false, true) => "not below",
            (false, false) => "at least",
        };
        let fact = self.name();
        format!("{fact} {} ({side} {})", figure(self.value), figure(self.threshold))
    }

    /// What a person calls the fact on these images.
    pub(crate) fn name(&self) -> &'static str {
        if self.several { self.fact.words_for_labels() } else { self.fact.words() }
    }
}

/// A number with three digits or so that count.
pub(crate) fn figure(value: f64) -> String {
    let size = value.abs();
    let (value, end) = if size >= 1e6 && size.is_finite() {
        let power = size.log10().floor();
        (value / 10f64.powf(power), format!("e{power}"))
    } else {
        (value, String::new())
    };
    let digits = match value.abs() {
        v if v >= 100.0 => 0,
        v if v >= 10.0 => 1,
        _ => 3,
    };
    let text = format!("{value:.digits$}");
    let text = if digits > 0 { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    format!("{text}{end}")
}

impl RuleBase {
    /// The rules this crate brings.
    pub fn built_in() -> Result<Self, AdviseError> {
        Self::parse(BUILT_IN)
    }

    /// Rules from TOML.
    ///
    /// Fails for what is not in the form of `rules.toml`, an unknown key, fact, value or threshold, a
    /// condition without exactly one threshold, two rules of one name, and when no rule without conditions
    /// decides strategy, cut, layers, rates, augmentation and schedule.
    pub fn parse(text: &str) -> Result<Self, AdviseError> {
        let wrong = |rule: &str, why: String| AdviseError::Rule { rule: rule.to_owned(), why };
        let base: Self =
            toml::from_str(text).map_err(|e| wrong("", e.to_string().trim_end().to_owned()))?;
        for (index, rule) in base.rules.iter().enumerate() {
            if base.rules[..index].iter().any(|r| r.id == rule.id) {
                return Err(wrong(&rule.id, "there are two rules of this name".into()));
            }
            if rule.strength > FORCED {
                return Err(wrong(&rule.id, format!("strength {}, wants 0 to 4", rule.strength)));
            }
            for condition in &rule.when {
                base.threshold(condition).map_err(|why| wrong(&rule.id, why))?;
            }
        }
        let whole = |r: &Rule| {
            let c = &r.choose;
            let places = c.strategy.is_some() && c.cut.is_some() && c.unfreeze.is_some();
            let rest = c.rates.is_some() && c.augmentation.is_some() && c.schedule.is_some();
            r.when.is_empty() && places && rest
        };
        if base.rules.iter().any(whole) {
            Ok(base)
        } else {
            Err(wrong("", "no rule without conditions decides everything; add a default".into()))
        }
    }

    /// Name, value and side of a condition's threshold.
    fn threshold(&self, condition: &Condition) -> Result<(f64, bool), String> {
        let (name, under) = match (&condition.under, &condition.at_least) {
            (Some(name), None) => (name, true),
            (None, Some(name)) => (name, false),
            (Some(_), Some(_)) | (None, None) => {
                let fact = condition.fact.words();
                return Err(format!("the condition on {fact} wants one of `under`, `at-least`"));
            }
        };
        self.thresholds.get(name).map(|&value| (value, under)).ok_or_else(|| {
            let known: Vec<&str> = self.thresholds.keys().map(String::as_str).collect();
            format!("no threshold `{name}`; there are {}", known.join(", "))
        })
    }

    /// How each condition of a rule stands; `None` when a fact was not measured.
    pub(crate) fn standings(&self, rule: &Rule, facts: &Facts) -> Option<Vec<Standing>> {
        let one = |condition: &Condition| {
            let (threshold, under) = self.threshold(condition).ok()?;
            let value = facts.value(condition.fact).filter(|v| !v.is_nan())?;
            let several = facts.several.is_some();
            Some(Standing { fact: condition.fact, value, threshold, under, several })
        };
        rule.when.iter().map(one).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_short() {
        let table = [
            (0.0, "0"),
            (34.0, "34"),
            (0.9043, "0.904"),
            (-1.5, "-1.5"),
            (12.34, "12.3"),
            (1000.0, "1000"),
            (10.0, "10"),
            (2e7, "2e7"),
            (1.28e6, "1.28e6"),
            (f64::INFINITY, "inf"),
        ];
        for (value, wanted) in table {
            assert_eq!(figure(value), wanted);
        }
    }
}
