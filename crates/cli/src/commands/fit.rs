use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use regraft::{Error, FeatureKind, FitOptions, HeadKind, Summary};

use super::load_options;
use crate::args::{Common, Features, FitArgs, Head, How, Strategy};
use crate::observer::Terminal;
use crate::printer::Printer;
use crate::units::{percent, plural};

pub(crate) fn run(
    args: &FitArgs,
    common: &Common,
    printer: &Printer,
    terminal: &Terminal,
) -> Result<ExitCode, Error> {
    fit(args.data.clone(), &args.how, common, printer, terminal)
}

/// Fits on `data` and prints the summary.
pub(crate) fn fit(
    data: PathBuf,
    how: &How,
    common: &Common,
    printer: &Printer,
    terminal: &Terminal,
) -> Result<ExitCode, Error> {
    // The list of strategies has one entry so far; the match will ask for the next.
    let Strategy::Probe = how.strategy;
    let options = FitOptions {
        data,
        out: how.out.clone(),
        network: how.network.clone(),
        cut: how.cut.clone(),
        features: match how.features {
            Features::Auto => FeatureKind::Auto,
            Features::Depths => FeatureKind::Depths,
            Features::Trunk => FeatureKind::Trunk,
            Features::Logits => FeatureKind::Logits,
        },
        head: match how.head {
            Head::Auto => HeadKind::Auto,
            Head::Ridge => HeadKind::Ridge,
            Head::Logistic => HeadKind::Logistic,
        },
        seed: common.seed,
        precision: how.precision.into(),
        test_share: how.test_share,
        load: load_options(common),
    };
    let summary = regraft::fit(&options, terminal)?;
    terminal.finish();
    printer.result(&summary, || text(&summary));
    Ok(ExitCode::SUCCESS)
}

fn text(summary: &Summary) -> String {
    let m = &summary.metrics;
    let [low, high] = m.test.interval;
    let mut text = format!(
        "{} of {} right: {} (95 % interval {} to {})\n",
        m.test.correct,
        plural(m.test.images, "test image"),
        percent(m.test.top1),
        percent(low),
        percent(high),
    );
    let _ = writeln!(
        text,
        "leave-one-out on {}: {}; calibration error {:.3}",
        plural(m.train.images, "training image"),
        percent(m.loo.top1),
        m.test.ece
    );
    if !m.skipped.is_empty() {
        let _ = writeln!(text, "{} left out, named in the report", plural(m.skipped.len(), "file"));
    }
    let run = Path::new(&summary.run);
    let _ = writeln!(
        text,
        "{:.1} s in all ({:.1} features, {:.1} head)\n\nreport   {}\npredict  regraft predict {} IMAGE",
        summary.timings.seconds.total,
        summary.timings.seconds.features,
        summary.timings.seconds.head,
        run.join("report.html").display(),
        run.display(),
    );
    text
}
