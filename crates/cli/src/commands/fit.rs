use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use regraft::{
    Error, FeatureKind, FitOptions, Fitted, HeadKind, HeadLayers, LabelSummary, LayerRate,
    RateTable, Skipped, Summary, Timings, TuneOptions,
};

use super::load_options;
use crate::args::{Common, Features, FitArgs, Head, How, Optimiser, TuneArgs};
use crate::observer::Terminal;
use crate::printer::{Printer, table};
use crate::units::{alarms, label_figures, label_precision, percent, plural};

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
    let (head, hidden) = match &how.head {
        Head::Linear(kind) => (*kind, HeadLayers::default()),
        Head::Layers(layers) => (HeadKind::Auto, layers.clone()),
    };
    let options = FitOptions {
        data,
        out: how.out.clone(),
        strategy: how.strategy.into(),
        tune: TuneOptions { hidden, ..tune_options(&how.tune) },
        network: how.network.clone(),
        cut: how.cut.clone(),
        features: match how.features {
            Features::Auto => FeatureKind::Auto,
            Features::Depths => FeatureKind::Depths,
            Features::Trunk => FeatureKind::Trunk,
            Features::Logits => FeatureKind::Logits,
        },
        head,
        seed: common.seed,
        precision: how.precision.into(),
        test_share: how.test_share,
        group_by: how.group_by.clone(),
        audit: !how.no_audit,
        false_alarms: how.false_alarms,
        budget: how.budget,
        load: load_options(common),
    };
    if how.tune.dry_run {
        let rates = regraft::rate_table(&options, terminal)?;
        terminal.finish();
        printer.result(&rates, || table_text(&rates));
        return Ok(ExitCode::SUCCESS);
    }
    let fitted = regraft::fit_any(&options, terminal)?;
    terminal.finish();
    printer.result(&fitted, || match &fitted {
        Fitted::Classes(summary) => text(summary, how.tune.patience.is_some()),
        Fitted::Labels(summary) => label_text(summary),
    });
    Ok(ExitCode::SUCCESS)
}

/// The summary where images have several labels.
fn label_text(summary: &LabelSummary) -> String {
    let m = &summary.metrics;
    let mut text = label_figures(&m.test, "test image");
    let held_out = label_precision(&m.held_out);
    let _ = writeln!(text, "{} held out: {held_out}", plural(m.held_out.images, "training image"));
    if let Some(t) = &m.tuning {
        let _ = writeln!(
            text,
            "all labels right for {} of them before training, {} after",
            percent(t.top1_before),
            percent(t.top1_after),
        );
    }
    text + &ending(&m.skipped, &summary.run, &summary.timings)
}

pub(crate) fn tune_options(args: &TuneArgs) -> TuneOptions {
    TuneOptions {
        unfreeze: args.unfreeze.clone(),
        rates: args.rates.clone(),
        overrides: args.rate.clone(),
        epochs: args.epochs,
        batch: args.batch.map(usize::from),
        optimiser: args.optimiser.map(|o| match o {
            Optimiser::Sgd => regraft::Optimiser::SGD,
            Optimiser::Adamw => regraft::Optimiser::ADAMW,
        }),
        schedule: args.schedule,
        decay: args.decay,
        anchor: args.anchor,
        smoothing: args.smoothing,
        augment: args.augment.clone(),
        no_flip: args.no_flip,
        batch_norm: args.batch_norm,
        hidden: HeadLayers::default(),
        average: args.average,
        gradual: args.gradual,
        patience: args.patience,
        balance: args.balance,
        class_weights: args.class_weight.clone(),
        memory: args.memory,
        preview: args.preview.clone(),
        find_rate: args.find_rate,
    }
}

/// The table of layers, then why.
fn table_text(rates: &RateTable) -> String {
    let row = |l: &LayerRate| {
        vec![
            l.layer.clone(),
            l.block.map_or_else(|| "new".to_owned(), |b| b.to_string()),
            l.params.to_string(),
            l.rate.map_or_else(|| "frozen".to_owned(), |r| format!("{r:.2e}")),
            match l.batch_norm {
                None => String::new(),
                Some(true) => "batch".to_owned(),
                Some(false) => "frozen".to_owned(),
            },
        ]
    };
    let rows = rates.layers.iter().map(row).collect();
    let mut text = table(&["layer", "block", "params", "rate", "norm"], &[1, 2, 3], rows);
    let frontier =
        rates.frontier.as_deref().unwrap_or("none: pictures themselves feed what learns");
    let _ = writeln!(text, "\nfrontier  {frontier}");
    for reason in &rates.reasons {
        let _ = writeln!(text, "{}\n  because {}", reason.choice, reason.because);
    }
    text
}

fn text(summary: &Summary, stopped: bool) -> String {
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
    if let Some(w) = &m.without_leaks {
        let _ = match w.top1 {
            Some(top1) => writeln!(
                text,
                "without those that have a copy to learn from, {} of {} right: {}",
                w.correct,
                w.images,
                percent(top1)
            ),
            None => writeln!(text, "each of them has a copy to learn from: this measures nothing"),
        };
    }
    let _ = writeln!(
        text,
        "leave-one-out on {}: {}; calibration error {:.3}",
        plural(m.train.images, "training image"),
        percent(m.loo.top1),
        m.test.ece
    );
    if let Some(t) = &m.tuning {
        let _ = writeln!(
            text,
            "held out of training, {}: {} before it, {} after",
            plural(t.held_out, "image"),
            percent(t.top1_before),
            percent(t.top1_after),
        );
    }
    if let Some(t) = &m.tuning
        && stopped
    {
        let _ = writeln!(text, "the weights are those of round {}, the best held out", t.rounds);
    }
    if let Some(u) = &m.unknown {
        let _ = writeln!(text, "{}: false alarms", alarms(u, "test image"));
    }
    text + &ending(&m.skipped, &summary.run, &summary.timings)
}

/// What was left out, how long it took, and what to do next.
fn ending(skipped: &[Skipped], run: &str, timings: &Timings) -> String {
    let mut text = String::new();
    if !skipped.is_empty() {
        let _ = writeln!(text, "{} left out, named in the report", plural(skipped.len(), "file"));
    }
    let (run, seconds) = (Path::new(run), &timings.seconds);
    let _ = writeln!(
        text,
        "{:.1} s in all ({:.1} features, {:.1} head)\n\nreport   {}\npredict  regraft predict {} IMAGE",
        seconds.total,
        seconds.features,
        seconds.head,
        run.join("report.html").display(),
        run.display(),
    );
    text
}
