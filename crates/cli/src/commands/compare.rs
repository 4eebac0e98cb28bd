use std::fmt::Write;
use std::process::ExitCode;

use regraft::{CompareOptions, Comparison, Error, FitOptions, TuneOptions};

use super::load_options;
use crate::args::{Common, CompareArgs};
use crate::observer::Terminal;
use crate::printer::{Printer, table};
use crate::units::percent;

pub(crate) fn run(
    args: &CompareArgs,
    common: &Common,
    printer: &Printer,
    terminal: &Terminal,
) -> Result<ExitCode, Error> {
    let fit = FitOptions {
        out: Some(args.out.clone()),
        network: args.network.clone(),
        seed: common.seed,
        test_share: args.test_share,
        load: load_options(common),
        tune: TuneOptions {
            unfreeze: args.unfreeze.clone(),
            rates: args.rates.clone(),
            no_flip: args.no_flip,
            ..TuneOptions::default()
        },
        ..FitOptions::new(args.data.clone())
    };
    let long = args.long.unwrap_or(3 * args.epochs);
    let options = CompareOptions {
        fit,
        seeds: args.seeds,
        epochs: args.epochs,
        long,
        plans: args.plan.clone(),
        shares: args.shares.clone(),
    };
    let comparison = regraft::compare(&options, terminal)?;
    terminal.finish();
    printer.result(&comparison, || text(&comparison));
    Ok(ExitCode::SUCCESS)
}

fn text(c: &Comparison) -> String {
    let mut text = format!("{}\n\n", c.verdict);
    let rows = c.facts().into_iter().map(|(label, value)| vec![label, value]).collect();
    text.push_str(&table(&[], &[], rows));
    for curve in &c.curves {
        let end = curve.top1.last().copied().unwrap_or_default();
        let start = curve.top1.first().copied().unwrap_or_default();
        let rounds = curve.top1.len().saturating_sub(1);
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            "\n{}: {} before training, {} after {rounds} rounds",
            curve.name,
            percent(start),
            percent(end)
        );
    }
    let _ = write!(text, "\n\npicture  {}", c.picture);
    text
}
