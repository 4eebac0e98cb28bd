use std::fmt::Write;
use std::process::ExitCode;

use regraft::{Error, Evaluated, Evaluation, LabelEvaluation, LabelFigures, Prior};

use super::prior::shares_text;
use crate::args::EvaluateArgs;
use crate::observer::Terminal;
use crate::printer::{Printer, table};
use crate::units::{alarms, label_figures, percent, plural};

pub(crate) fn run(
    args: &EvaluateArgs,
    printer: &Printer,
    terminal: &Terminal,
) -> Result<ExitCode, Error> {
    let evaluated =
        regraft::evaluate_any(&args.run, &args.data, &Prior::parse(&args.prior), terminal)?;
    terminal.finish();
    printer.result(&evaluated, || match &evaluated {
        Evaluated::Classes(evaluation) => text(evaluation),
        Evaluated::Labels(evaluation) => label_text(evaluation),
    });
    Ok(ExitCode::SUCCESS)
}

fn label_text(e: &LabelEvaluation) -> String {
    let share = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), percent);
    let row = |l: &LabelFigures| {
        let mut row = vec![l.label.clone(), l.images.to_string()];
        row.extend([l.average_precision, l.auroc, l.precision, l.recall, l.f1].map(share));
        row.push(percent(l.threshold));
        row
    };
    let columns =
        ["label", "images", "average precision", "AUROC", "precision", "recall", "F1", "from"];
    let rows = e.metrics.per_label.iter().map(row).collect();
    let figures = label_figures(&e.metrics, "image");
    let mut text = figures + "\n" + &table(&columns, &[1, 2, 3, 4, 5, 6, 7], rows);
    if !e.skipped.is_empty() {
        let _ = writeln!(text, "\n{} left out", plural(e.skipped.len(), "file"));
    }
    text
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
