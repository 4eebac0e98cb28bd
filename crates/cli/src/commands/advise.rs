use std::fmt::Write;
use std::process::ExitCode;

use regraft::{AdviceReason, AdviseOptions, Advised, Error, Measure};

use super::load_options;
use crate::args::Common;
use crate::data_args::AdviseArgs;
use crate::observer::Terminal;
use crate::printer::{Printer, table};
use crate::units::percent;

pub(crate) fn run(
    args: &AdviseArgs,
    common: &Common,
    printer: &Printer,
    terminal: &Terminal,
) -> Result<ExitCode, Error> {
    let options = AdviseOptions {
        data: args.data.clone(),
        networks: args.networks.clone(),
        filter: args.zoo.clone(),
        budget: args.budget,
        memory: args.memory,
        verify: args.verify,
        group_by: args.group_by.clone(),
        seed: common.seed,
        test_share: args.test_share,
        load: load_options(common),
    };
    let advised = regraft::advise(&options, terminal)?;
    terminal.finish();
    printer.result(&advised, || text(&advised));
    Ok(ExitCode::SUCCESS)
}

fn text(a: &Advised) -> String {
    let mut text = networks(a);
    if a.candidates.len() > 1 {
        text.push_str(&agreement(a));
    }
    let advice = &a.advice;
    let _ = writeln!(text, "\n{}", advice.setting.words);
    text.push_str(&reasons(&advice.reasons));
    for warning in &advice.warnings {
        let _ = writeln!(text, "warning: {}\n    because: {}", warning.text, warning.because);
    }
    if let Some(prefer) = &advice.prefer {
        let _ = writeln!(text, "equal within noise, and smaller: {prefer}");
    }
    for (rival, command) in advice.rivals.iter().zip(&a.rivals) {
        let _ = writeln!(text, "rival: {command}\n    {}", rival.turns_on);
    }
    if let Some(v) = &a.verification {
        let _ =
            writeln!(text, "tried on {} parts of {} images, left out in turn:", v.parts, v.images);
        for o in &v.outcomes {
            let (gain, error) = (100.0 * o.gain, 100.0 * o.error);
            let _ =
                writeln!(text, "    {}  {gain:+.1} ± {error:.1}  {}", percent(o.top1), o.command);
        }
        let _ = writeln!(text, "    {}", v.verdict);
    }
    for left_out in &a.left_out {
        let _ = writeln!(text, "left out: {left_out}");
    }
    let take = a.verification.as_ref().filter(|v| !v.right).map(|v| &v.outcomes[v.take].command);
    let (confidence, command) = match take {
        Some(better) => ("tried", better),
        None => (word(advice.confidence), &a.command),
    };
    let _ = write!(text, "\n{}confidence {confidence}: {command}", verdict(a));
    text
}

/// Choices with their reasons; those of one rule together.
fn reasons(all: &[AdviceReason]) -> String {
    let mut text = String::new();
    let mut rules: Vec<&str> = Vec::new();
    for reason in all.iter().filter(|r| !r.rule.is_empty()) {
        if rules.contains(&reason.rule.as_str()) {
            continue;
        }
        rules.push(&reason.rule);
        let same = all.iter().filter(|r| r.rule == reason.rule);
        let choices: Vec<&str> = same.map(|r| r.choice.as_str()).collect();
        let _ = writeln!(
            text,
            "{}\n    because: {}\n    rule: {}; {}",
            choices.join(", "),
            reason.because,
            reason.rule,
            reason.source
        );
    }
    text
}

fn networks(a: &Advised) -> String {
    let rows = a.candidates.iter().map(|c| {
        vec![
            format!("{}{}", c.network, if c.network == a.network { " *" } else { "" }),
            format!("{:.1} M", c.parameters as f64 / 1e6),
            format!("{:.2} G", c.macs as f64 / 1e9),
            format!("{} ± {:.1}", percent(c.expected_top1), 100.0 * c.error),
            format!("{:+.2}", c.combined),
            format!("{:+.2} to {:+.2}", c.interval.0, c.interval.1),
            percent(c.best),
            if c.front { "yes" } else { "" }.to_owned(),
        ]
    });
    let head = [
        "network",
        "parameters",
        "products",
        "a probe gets",
        "score",
        "95 % interval",
        "best",
        "front",
    ];
    let mut text = table(&head, &[1, 2, 3, 4, 5, 6], rows.collect());
    let _ = writeln!(text, "* {}", a.network_because);
    if a.measure == Measure::MeanAveragePrecision {
        text.push_str(LABELS);
    }
    if a.images < a.of {
        let _ = writeln!(text, "compared on {} of {} training images", a.images, a.of);
    }
    for d in &a.dropped {
        let top1 = d.expected_top1.map_or(String::new(), |t| format!(", {} there", percent(t)));
        let _ = writeln!(text, "fell out: {}: {}{top1}", d.network, d.why);
    }
    text
}

/// What is told otherwise where images have several labels.
const LABELS: &str = "images have several labels: `a probe gets` is mean average precision over labels, each image left \
out; the score is made of how sure a linear head is of each label, of how much it explains, and of that, and scores \
that rest on classes which exclude one another (H, TransRate, GBC, nearest mean, LEEP, NCE) are left out\n";

/// What other scores say of the order.
fn agreement(a: &Advised) -> String {
    let ridge = a.agreements.iter().filter(|g| g.scores.contains(&"probe LOO"));
    let told = |g: &regraft::ScoreAgreement| {
        let other = g.scores.iter().find(|s| **s != "probe LOO")?;
        Some(format!("{other} {:+.2}", g.tau?))
    };
    let all: Vec<String> = ridge.filter_map(told).collect();
    if all.is_empty() {
        return String::new();
    }
    format!("rank correlation with leave-one-out {}: {}\n", a.measure.words(), all.join(", "))
}

/// What can be said at all.
fn verdict(a: &Advised) -> String {
    use regraft::AdviceVerdict as Verdict;
    match &a.advice.verdict {
        Verdict::Clear => String::new(),
        Verdict::TooFewImages { images, wanted } => format!(
            "too few images to tell: {images}; about {wanted} would do. What follows is the safest plan.\n"
        ),
        Verdict::EqualWithinNoise { networks } => {
            format!("equal within noise: {}\n", networks.join(", "))
        }
    }
}

fn word(confidence: regraft::AdviceConfidence) -> &'static str {
    use regraft::AdviceConfidence as Confidence;
    match confidence {
        Confidence::Low => "low",
        Confidence::Medium => "medium",
        Confidence::High => "high",
    }
}
