//! From facts to a plan, by the rules that hold: what to do, why, what nearly won, and how sure that is.

use serde::{Deserialize, Serialize};

use crate::AdviseError;
use crate::facts::{Fact, Facts};
use crate::rules::{
    Augmentation, Choices, CutAt, FORCED, Prefer, Rates, Rule, RuleBase, Schedule, Standing,
    Strategy, Unfrozen, Weights, figure,
};
use crate::setting::Setting;

/// Rivals given.
const RIVALS: usize = 2;
/// Standard errors above chance that are enough to tell.
const ERRORS_TO_TELL: f64 = 2.0;
/// Distances of the nearest rival below which confidence is low, and medium.
const NEAR: [f64; 2] = [0.25, 0.75];

/// Which transferred layers learn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unfreeze {
    /// None.
    None,
    /// The last block.
    Last,
    /// Everything above this layer.
    Above(String),
    /// All.
    All,
    /// As deep as memory allows.
    Fits,
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// What is done with the network.
    pub strategy: Strategy,
    /// The layer after which the crown goes; `None` when no depth was measured: the whole trunk.
    pub cut: Option<String>,
    /// Which transferred layers learn.
    pub unfreeze: Unfreeze,
    /// How fast they learn; `None` when none does.
    pub rates: Option<Rates>,
    /// How much pictures change from round to round.
    pub augmentation: Augmentation,
    /// How rates move.
    pub schedule: Schedule,
    /// Steps of at most 512 images; `None` when nothing learns by gradient.
    pub steps: Option<u64>,
    /// Each class counts the same, however many images it has.
    pub class_weights: bool,
    /// What should run beside it.
    pub compare: Option<Strategy>,
}

/// A choice and why it was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// What was chosen: `strategy: probe`.
    pub choice: String,
    /// The measured figures that the rule asked for, and what it says.
    pub because: String,
    /// The rule.
    pub rule: String,
    /// Who says so.
    pub source: String,
}

/// A plan that nearly won.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rival {
    /// It.
    pub plan: Plan,
    /// The rule for it; `None` for one that is always worth a try.
    pub rule: Option<String>,
    /// How far the facts are from it: 1 is far, below 0.25 is a matter of taste.
    pub distance: f64,
    /// What would have to be otherwise, with figures.
    pub turns_on: String,
}

/// How sure the advice is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Confidence {
    /// A small change of a fact changes the advice, or the facts say too little.
    Low,
    /// Another plan is not far.
    Medium,
    /// No other plan is near.
    High,
}

/// What can be said at all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The facts tell.
    Clear,
    /// Too few images to tell the network from chance.
    TooFewImages {
        /// Images there are.
        images: usize,
        /// Images that would do.
        wanted: usize,
    },
    /// Other networks do as well, as far as these images can tell.
    EqualWithinNoise {
        /// Their names.
        networks: Vec<String>,
    },
}

/// Something that may go wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Warning {
    /// What.
    pub text: String,
    /// The measured figures, and what the rule says.
    pub because: String,
    /// The rule.
    pub rule: String,
    /// Who says so.
    pub source: String,
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Advice {
    /// What can be said at all.
    pub verdict: Verdict,
    /// What to do.
    pub plan: Plan,
    /// A smaller network to take instead, where one is known to be equal.
    pub prefer: Option<String>,
    /// Why, one for each choice that a rule made.
    pub reasons: Vec<Reason>,
    /// The two plans that nearly won, the nearest first.
    pub rivals: Vec<Rival>,
    /// What kind of transfer it is.
    pub setting: Setting,
    /// How sure the advice is.
    pub confidence: Confidence,
    /// What may go wrong.
    pub warnings: Vec<Warning>,
}

/// Advice by the rules that this crate brings.
///
/// Every situation has an answer; too few images, and networks equal within noise, are such answers. Fails
/// for facts without images, and for accuracies that are no shares.
pub fn resolve(facts: &Facts) -> Result<Advice, AdviseError> {
    RuleBase::built_in()?.resolve(facts)
}

impl RuleBase {
    /// Advice by these rules; see [`resolve`].
    pub fn resolve(&self, facts: &Facts) -> Result<Advice, AdviseError> {
        check(facts)?;
        let all: Vec<Held<'_>> =
            self.rules.iter().filter_map(|r| Held::new(self, r, facts)).collect();
        let holding: Vec<&Held<'_>> = all.iter().filter(|h| h.holds()).collect();
        let Some(lead) = strongest(&holding, |c| c.strategy) else {
            let why = "no rule without conditions decides the strategy".into();
            return Err(AdviseError::Rule { rule: String::new(), why });
        };
        let (plan, mut reasons) = plan(lead, &holding, facts);
        let prefer = prefer(&holding, facts, &mut reasons);
        let rivals = rivals(&all, &holding, lead, &plan, facts);
        let verdict = verdict(facts);
        let nearest = rivals.iter().map(|r| r.distance).fold(f64::INFINITY, f64::min);
        let confidence = match (&verdict, nearest) {
            (Verdict::TooFewImages { .. }, _) => Confidence::Low,
            (Verdict::Clear | Verdict::EqualWithinNoise { .. }, d) if d < NEAR[0] => {
                Confidence::Low
            }
            (Verdict::Clear | Verdict::EqualWithinNoise { .. }, d) if d < NEAR[1] => {
                Confidence::Medium
            }
            (Verdict::Clear | Verdict::EqualWithinNoise { .. }, _) => Confidence::High,
        };
        let warning = |held: &&Held<'_>| {
            Some(Warning {
                text: held.rule.warn.clone()?,
                because: held.because(),
                rule: held.rule.id.clone(),
                source: held.rule.source.clone(),
            })
        };
        Ok(Advice {
            verdict,
            plan,
            prefer,
            reasons,
            rivals,
            setting: Setting::new(facts),
            confidence,
            warnings: holding.iter().filter_map(warning).collect(),
        })
    }
}

fn check(facts: &Facts) -> Result<(), AdviseError> {
    let (fewest, wanted) = match facts.several {
        Some(_) => (1, "a label, or more, and images"),
        None => (2, "two classes with images, or more"),
    };
    if facts.images() == 0 || facts.images_per_class.len() < fewest {
        let (name, value) = ("images_per_class", facts.images_per_class.len() as f64);
        return Err(AdviseError::Option { name, value, wanted });
    }
    let probes = facts.depths.iter().flat_map(|d| [d.loo_top1, d.training_top1, d.share]);
    for value in probes.chain(facts.output_top1).chain(facts.scratch_top1).chain(facts.joined_top1)
    {
        if !(0.0..=1.0).contains(&value) {
            return Err(AdviseError::Option { name: "top1", value, wanted: "a share of 1" });
        }
    }
    Ok(())
}

/// A rule whose facts were all measured.
struct Held<'a> {
    rule: &'a Rule,
    index: usize,
    standings: Vec<Standing>,
}

impl<'a> Held<'a> {
    fn new(base: &'a RuleBase, rule: &'a Rule, facts: &Facts) -> Option<Self> {
        let index = base.rules.iter().position(|r| r.id == rule.id)?;
        Some(Self { rule, index, standings: base.standings(rule, facts)? })
    }

    fn holds(&self) -> bool {
        self.standings.iter().all(Standing::holds)
    }

    /// Strength first, then the number of conditions, then the earlier one.
    fn weight(&self) -> (u8, usize, std::cmp::Reverse<usize>) {
        (self.rule.strength, self.standings.len(), std::cmp::Reverse(self.index))
    }

    fn because(&self) -> String {
        let figures: Vec<String> = self.standings.iter().map(Standing::words).collect();
        let figures = figures.join("; ");
        if figures.is_empty() {
            self.rule.says.clone()
        } else {
            format!("{figures}: {}", self.rule.says)
        }
    }

    fn reason(&self, choice: String) -> Reason {
        let rule = self.rule;
        Reason {
            choice,
            because: self.because(),
            rule: rule.id.clone(),
            source: rule.source.clone(),
        }
    }
}

/// The strongest rule that has an opinion.
fn strongest<'h, 'a, T>(
    holding: &[&'h Held<'a>],
    pick: impl Fn(&Choices) -> Option<T>,
) -> Option<&'h Held<'a>> {
    let with = holding.iter().copied().filter(|h| pick(&h.rule.choose).is_some());
    with.max_by_key(|h| h.weight())
}

/// What a slot gets: from a rule that forces it, else from the rule that leads, else from the strongest.
fn slot<'h, 'a, T: Copy>(
    lead: &'h Held<'a>,
    holding: &[&'h Held<'a>],
    pick: impl Fn(&Choices) -> Option<T>,
) -> Option<(T, &'h Held<'a>)> {
    let best = strongest(holding, &pick);
    let forced = best.filter(|h| h.rule.strength >= FORCED);
    let own = Some(lead).filter(|h| pick(&h.rule.choose).is_some());
    let from = forced.or(own).or(best)?;
    Some((pick(&from.rule.choose)?, from))
}

/// The plan that a rule leads to, and why.
fn plan(lead: &Held<'_>, holding: &[&Held<'_>], facts: &Facts) -> (Plan, Vec<Reason>) {
    let mut reasons = Vec::new();
    let strategy = lead.rule.choose.strategy.unwrap_or(Strategy::Probe);
    reasons.push(lead.reason(format!("strategy: {}", strategy.name())));
    let cut = slot(lead, holding, |c| c.cut).and_then(|(at, from)| {
        let depth = match at {
            CutAt::Last => facts.last(),
            CutAt::Peak => facts.peak(),
        }?;
        reasons.push(from.reason(format!("cut: {}", depth.cut)));
        Some(depth.cut.clone())
    });
    let (unfreeze, rates, steps) = learning(strategy, lead, holding, facts, &mut reasons);
    let mut keep = |from: &Held<'_>, choice: String| reasons.push(from.reason(choice));
    let mut augmentation = Augmentation::Light;
    if let Some((how, from)) = slot(lead, holding, |c| c.augmentation) {
        augmentation = how;
        keep(from, format!("augmentation: {}", how.name()));
    }
    let mut schedule = Schedule::Cosine;
    if let Some(from) = strongest(holding, |c| c.schedule).filter(|_| strategy.trains()) {
        schedule = from.rule.choose.schedule.unwrap_or(schedule);
        keep(from, format!("schedule: {}", schedule.name()));
    }
    let mut compare = None;
    if let Some(from) = strongest(holding, |c| c.compare.filter(|&s| s != strategy)) {
        compare = from.rule.choose.compare;
        keep(from, format!("compare: {}", compare.map_or("", Strategy::name)));
    }
    let weights = slot(lead, holding, |c| c.weights);
    if let Some((Weights::Class, from)) = weights {
        keep(from, "weights: class".to_owned());
    }
    let class_weights = weights.is_some();
    (
        Plan {
            strategy,
            cut,
            unfreeze,
            rates,
            augmentation,
            schedule,
            steps,
            class_weights,
            compare,
        },
        reasons,
    )
}

/// Which layers learn, how fast and how long.
fn learning(
    strategy: Strategy,
    lead: &Held<'_>,
    holding: &[&Held<'_>],
    facts: &Facts,
    reasons: &mut Vec<Reason>,
) -> (Unfreeze, Option<Rates>, Option<u64>) {
    let mut unfreeze = Unfreeze::None;
    let (mut rates, mut steps) = (None, None);
    if !strategy.trains() {
        return (unfreeze, rates, steps);
    }
    if let Some((which, from)) = slot(lead, holding, |c| c.unfreeze) {
        unfreeze = unfrozen(which, strategy, facts);
        reasons.push(from.reason(format!("unfreeze: {}", words(&unfreeze))));
    }
    // A search of rates, and the length of a training, do not depend on the strategy.
    if let Some(from) = strongest(holding, |c| c.rates).filter(|_| strategy == Strategy::LpFt) {
        rates = from.rule.choose.rates;
        reasons.push(from.reason(format!("rates: {}", rates.map_or("", Rates::name))));
    }
    if let Some(from) = strongest(holding, |c| c.steps) {
        steps = from.rule.choose.steps;
        reasons.push(from.reason(format!("steps: {}", steps.unwrap_or(0))));
    }
    (unfreeze, rates, steps)
}

fn unfrozen(which: Unfrozen, strategy: Strategy, facts: &Facts) -> Unfreeze {
    let above = || match facts.peak() {
        // Above the whole trunk nothing is left to unfreeze but its last block.
        Some(d) if d.share < 1.0 => Unfreeze::Above(d.cut.clone()),
        Some(_) | None => Unfreeze::Last,
    };
    match which {
        _ if strategy == Strategy::Scratch => Unfreeze::All,
        Unfrozen::None => Unfreeze::None,
        Unfrozen::Last => Unfreeze::Last,
        Unfrozen::Peak => above(),
        Unfrozen::All => Unfreeze::All,
        Unfrozen::Fits => Unfreeze::Fits,
    }
}

fn words(unfreeze: &Unfreeze) -> String {
    match unfreeze {
        Unfreeze::None => "none".to_owned(),
        Unfreeze::Last => "last block".to_owned(),
        Unfreeze::Above(layer) => format!("above {layer}"),
        Unfreeze::All => "all".to_owned(),
        Unfreeze::Fits => "as deep as memory allows".to_owned(),
    }
}

fn prefer(holding: &[&Held<'_>], facts: &Facts, reasons: &mut Vec<Reason>) -> Option<String> {
    let from = strongest(holding, |c| c.prefer)?;
    let Prefer::Smaller = from.rule.choose.prefer?;
    let smaller = facts.equals.iter().filter(|e| Some(e.1) < facts.parameters);
    let smallest = smaller.min_by(|a, b| a.1.total_cmp(&b.1)).map(|e| e.0.clone());
    let which = smallest.as_deref().unwrap_or("a smaller one");
    reasons.push(from.reason(format!("network: {which}")));
    smallest
}

fn verdict(facts: &Facts) -> Verdict {
    match facts.value(Fact::Evidence) {
        Some(e) if e < ERRORS_TO_TELL => Verdict::TooFewImages {
            images: facts.images(),
            wanted: facts.images_to_tell(ERRORS_TO_TELL),
        },
        Some(_) | None if facts.equals.is_empty() => Verdict::Clear,
        Some(_) | None => Verdict::EqualWithinNoise {
            networks: facts.equals.iter().map(|e| e.0.clone()).collect(),
        },
    }
}

/// The plans nearest to the one advised, each another one.
fn rivals(
    all: &[Held<'_>],
    holding: &[&Held<'_>],
    lead: &Held<'_>,
    advised: &Plan,
    facts: &Facts,
) -> Vec<Rival> {
    let mut out: Vec<Rival> = Vec::new();
    let mut candidates: Vec<Rival> = Vec::new();
    for held in all.iter().filter(|h| h.rule.choose.strategy.is_some() && h.rule.strength > 0) {
        candidates.push(Rival {
            plan: plan(held, holding, facts).0,
            rule: Some(held.rule.id.clone()),
            distance: distance(held, lead),
            turns_on: turns_on(held, lead),
        });
    }
    candidates.sort_by(|a, b| a.distance.total_cmp(&b.distance));
    for (strategy, unfreeze) in [
        (Strategy::LpFt, Unfreeze::All),
        (Strategy::Probe, Unfreeze::None),
        (Strategy::LpFt, Unfreeze::Last),
    ] {
        candidates.push(Rival { distance: 1.0, ..usual(strategy, unfreeze, advised, facts) });
    }
    for rival in candidates {
        let same = |plan: &Plan| {
            let key = |p: &Plan| (p.strategy, p.cut.clone(), p.unfreeze.clone());
            key(plan) == key(&rival.plan)
        };
        if out.len() < RIVALS && !same(advised) && !out.iter().any(|r| same(&r.plan)) {
            out.push(rival);
        }
    }
    out
}

/// A plan that is always worth a try.
fn usual(strategy: Strategy, unfreeze: Unfreeze, advised: &Plan, facts: &Facts) -> Rival {
    let plan = Plan {
        strategy,
        cut: facts.last().map(|d| d.cut.clone()),
        rates: strategy.trains().then_some(advised.rates.unwrap_or(Rates::Own)),
        steps: advised.steps.filter(|_| strategy.trains()),
        unfreeze,
        ..advised.clone()
    };
    let turns_on = "no rule speaks for it; it is what most people would try".to_owned();
    Rival { plan, rule: None, distance: 1.0, turns_on }
}

/// How far the facts are from a rule: what its failing conditions lack; half its lack of strength, where it
/// holds.
fn distance(held: &Held<'_>, lead: &Held<'_>) -> f64 {
    if held.holds() {
        return 0.5 * f64::from(lead.rule.strength.saturating_sub(held.rule.strength));
    }
    held.standings.iter().filter(|s| !s.holds()).map(Standing::distance).sum()
}

fn turns_on(held: &Held<'_>, lead: &Held<'_>) -> String {
    if held.holds() {
        let (own, other) = (held.rule.strength, lead.rule.strength);
        return format!("it holds too, with strength {own} against {other}: {}", held.rule.says);
    }
    let one = |s: &Standing| {
        let side = if s.under { "below" } else { "at least" };
        let (words, threshold, value) = (s.name(), figure(s.threshold), figure(s.value));
        format!("{words} {side} {threshold} (is {value})")
    };
    let failing: Vec<String> = held.standings.iter().filter(|s| !s.holds()).map(one).collect();
    format!("it wants {}", failing.join(" and "))
}
