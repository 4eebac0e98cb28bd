use std::process::ExitCode;

use regraft::{Answer, Candidate, Error, Novelty, PredictOptions, Predicted, Prior};

use super::prior::{PriorLine, shares_text};
use crate::args::PredictArgs;
use crate::observer::Terminal;
use crate::printer::Printer;
use crate::units::{percent, plural};

/// Exit code when a picture could not be read: the images' own.
const UNREADABLE: u8 = 3;
/// Training images named beside one that is like none.
const NAMED: usize = 2;

pub(crate) fn run(
    args: &PredictArgs,
    printer: &Printer,
    terminal: &Terminal,
) -> Result<ExitCode, Error> {
    let options = PredictOptions { unknown: !args.no_unknown, prior: Prior::parse(&args.prior) };
    let Predicted { prior, answers } =
        regraft::predict_with(&args.run, &args.images, &options, terminal)?;
    terminal.finish();
    if let Some(facts) = &prior {
        printer.aside(&PriorLine { prior: facts }, || shares_text(facts));
    }
    let mut unreadable = 0;
    for answer in &answers {
        printer.line(answer, || match answer {
            Answer::Known { file, label, probability, novelty, .. } => match novelty {
                Some(novelty) if novelty.unknown => stranger(file, label, novelty),
                Some(_) | None => {
                    format!("{file}\t{label}\t{}", percent(f64::from(*probability)))
                }
            },
            Answer::Labels { file, labels, top } => labelled(file, labels, top),
            Answer::Unreadable { file, error } => format!("{file}\t-\t{error}"),
        });
        unreadable += usize::from(matches!(answer, Answer::Unreadable { .. }));
    }
    if unreadable == 0 {
        return Ok(ExitCode::SUCCESS);
    }
    printer.remark(&format!("{} could not be read", plural(unreadable, "file")));
    Ok(ExitCode::from(UNREADABLE))
}

/// The labels of an image; where there is none, the one that comes nearest.
fn labelled(file: &str, labels: &[Candidate], top: &[Candidate]) -> String {
    let sure = |c: &Candidate| format!("{} {}", c.label, percent(f64::from(c.probability)));
    let said: Vec<String> = labels.iter().map(sure).collect();
    match (said.as_slice(), top.first()) {
        ([], Some(nearest)) => format!("{file}\tno label\tnearest {}", sure(nearest)),
        ([], None) => format!("{file}\tno label"),
        (said, _) => format!("{file}\t{}", said.join("\t")),
    }
}

/// An image that is like no known class: how far off it is, and what comes nearest.
fn stranger(file: &str, label: &str, novelty: &Novelty) -> String {
    let Novelty { distance, threshold, nearest, .. } = novelty;
    let near: Vec<String> =
        nearest.iter().take(NAMED).map(|n| format!("{} {:.3}", n.file, n.distance)).collect();
    format!(
        "{file}\tunknown\tnot {label}: distance {distance:.3} is above {threshold:.3}, nearest {}",
        near.join(", ")
    )
}
