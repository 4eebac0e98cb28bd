use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use regraft::{Error, ProbeCurve, ProbeCurveOptions};

use crate::args::Common;
use crate::commands::load_options;
use crate::look_args::ProbeCurveArgs;
use crate::observer::Terminal;
use crate::printer::{Printer, table};
use crate::units::plural;

pub(crate) fn probe_curve(
    args: &ProbeCurveArgs,
    common: &Common,
    printer: &Printer,
    terminal: &Terminal,
) -> Result<ExitCode, Error> {
    let options = ProbeCurveOptions {
        network: args.network.clone(),
        data: args.data.clone(),
        seed: common.seed,
        out: args.out.clone().unwrap_or_else(|| PathBuf::from("look/probe-curve")),
        load: load_options(common),
    };
    let curve = regraft::probe_curve(&options, terminal)?;
    terminal.finish();
    printer.result(&curve, || text(&curve));
    Ok(ExitCode::SUCCESS)
}

fn text(curve: &ProbeCurve) -> String {
    let percent = |share: f64| format!("{:.1} %", 100.0 * share);
    let rows = curve.points.iter().map(|p| {
        vec![
            p.layer.clone(),
            percent(p.cost),
            percent(p.top1),
            percent(p.error),
            percent(p.training_top1),
            p.alignment.map_or_else(String::new, |a| format!("{a:.3}")),
            if p.layer == curve.cut { "cut here" } else { "" }.to_owned(),
        ]
    });
    let aligned = curve.points.iter().any(|p| p.alignment.is_some());
    let like = if aligned { "like before" } else { "" };
    let head = ["layer", "cost", "right", "error", "by heart", like, ""];
    let mut text = table(&head, &[1, 2, 3, 4, 5], rows.collect());
    // Writing to a String cannot fail.
    let _ = writeln!(
        text,
        "\nof {} of {}, each left out in turn: {}",
        plural(curve.images, "image"),
        plural(curve.classes, "class"),
        curve.verdict.replace('`', "")
    );
    if let Some(first) = curve.skipped.first() {
        let count = plural(curve.skipped.len(), "file");
        let _ = writeln!(text, "{count} left out, first {}: {}", first.file, first.reason);
    }
    let _ = write!(text, "\npage     {}", Path::new(&curve.out).join("probe-curve.html").display());
    text
}
