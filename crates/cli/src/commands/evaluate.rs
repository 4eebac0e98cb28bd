use std::fmt::Write;
use std::process::ExitCode;

use regraft::{Error, Evaluation, Prior};

use super::prior::shares_text;
use crate::args::EvaluateArgs;
use crate::observer::Terminal;
use crate::printer::{Printer, table};
use crate::units::{alarms, percent, plural};

pub(crate) fn run(
    args: &EvaluateArgs,
    printer: &Printer,
    terminal: &Terminal,
) -> Result<ExitCode, Error> {
    let evaluation =
        regraft::evaluate_with(&args.run, &args.data, &Prior::parse(&args.prior), terminal)?;
    terminal.finish();
    printer.result(&evaluation, || text(&evaluation));
    Ok(ExitCode::SUCCESS)
}

fn text(e: &Evaluation) -> String {
    let m = &e.metrics;
    let [low, high] = m.interval;
    let mut text = format!(
        "{} of {} right: {} (95 % interval {} to {}), calibration error {:.3}\n\n",
        m.correct,
        plural(m.images, "image"),
        percent(m.top1),
        percent(low),
        percent(high),
        m.ece,
    );
    let share = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), percent);
    let rows = m
        .per_class
        .iter()
        .map(|c| vec![c.class.clone(), c.images.to_string(), share(c.recall), share(c.precision)])
        .collect();
    text.push_str(&table(&["class", "images", "recall", "precision"], &[1, 2, 3], rows));
    if let Some(facts) = &e.prior {
        let _ = writeln!(text, "\n{}", shares_text(facts).trim_end());
    }
    if let Some(u) = &e.unknown {
        let said = alarms(u, "image");
        let _ = writeln!(text, "\n{said}, though their classes are known");
    }
    if !e.skipped.is_empty() {
        let _ = writeln!(text, "\n{} left out", plural(e.skipped.len(), "file"));
    }
    text
}
