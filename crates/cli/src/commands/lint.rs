use std::fmt::Write;
use std::process::ExitCode;

use regraft::{Error, LayerScale, Lint, LintFinding, PreprocessingRow};

use super::load_options;
use crate::args::{Common, LintArgs};
use crate::observer::Terminal;
use crate::printer::{Printer, table};
use crate::units::{percent, plural, shape};

/// Layers listed when not all are asked for and the card names no blocks.
const ROWS: usize = 24;

/// The exit code when something worse than notes was found: the network's.
const UNSOUND: u8 = 4;

pub(crate) fn run(
    args: &LintArgs,
    common: &Common,
    printer: &Printer,
    terminal: &Terminal,
) -> Result<ExitCode, Error> {
    let options = load_options(common);
    let lint = regraft::lint(&args.network, args.images.as_deref(), &options, terminal)?;
    terminal.finish();
    printer.result(&lint, || text(&lint, args.layers));
    Ok(if lint.sound() { ExitCode::SUCCESS } else { ExitCode::from(UNSOUND) })
}

fn text(lint: &Lint, all: bool) -> String {
    let mut text = String::new();
    for severity in ["problem", "warning", "note"] {
        for finding in lint.of(severity) {
            text.push_str(&block(finding));
        }
    }
    if !lint.layers.is_empty() {
        let _ = writeln!(text, "\n{}", layers(lint, all).trim_end());
    }
    if !lint.preprocessing.is_empty() {
        let _ = writeln!(text, "\n{}", ways(&lint.preprocessing).trim_end());
    }
    if let Some(verdict) = &lint.preprocessing_verdict {
        let _ = writeln!(text, "preprocessing: {verdict}");
    }
    for file in &lint.unreadable {
        let _ = writeln!(text, "unreadable: {file}");
    }
    let _ = writeln!(text, "{}{}", if text.is_empty() { "" } else { "\n" }, summary(lint));
    text.trim_start_matches('\n').to_owned()
}

/// A finding: what and where, and below it why it matters and what to do.
fn block(f: &LintFinding) -> String {
    let layer = f.layer.as_ref().map(|l| format!(" `{l}`")).unwrap_or_default();
    let head = format!("{} {}{layer}: {}\n", f.severity, f.check, f.figures);
    if f.severity == "note" {
        return head;
    }
    format!("{head}    why: {}\n    do:  {}\n", f.why, f.fix)
}

fn summary(lint: &Lint) -> String {
    let counts: Vec<String> = ["problem", "warning", "note"]
        .into_iter()
        .map(|severity| (lint.of(severity).count(), severity))
        .filter(|(n, _)| *n > 0)
        .map(|(n, severity)| plural(n, severity))
        .collect();
    let counts = if counts.is_empty() { "nothing to remark".to_owned() } else { counts.join(", ") };
    let sound = if lint.sound() { "sound" } else { "not sound" };
    let looked = lint.looked_at.join(", ");
    let on = lint.images.map(|n| format!(" ({n})")).unwrap_or_default();
    let more = if lint.looked_at.len() == 1 {
        "; weights were not given"
    } else if lint.images.is_none() {
        "; `--images DIR` also runs it"
    } else {
        ""
    };
    format!("{}: {sound}, {counts}; looked at: {looked}{on}{more}", lint.network)
}

fn layers(lint: &Lint, all: bool) -> String {
    let ends: Vec<&LayerScale> = if all {
        lint.layers.iter().collect()
    } else {
        let last = lint.layers.len() - 1;
        let step = if lint.ends.is_empty() { lint.layers.len().div_ceil(ROWS) } else { usize::MAX };
        let shown = |i: usize, l: &LayerScale| {
            i == 0 || i == last || i.is_multiple_of(step) || lint.ends.contains(&l.layer)
        };
        lint.layers.iter().enumerate().filter(|(i, l)| shown(*i, l)).map(|(_, l)| l).collect()
    };
    let dash = || "-".to_owned();
    let row = |l: &&LayerScale| {
        vec![
            l.layer.clone(),
            l.op.to_owned(),
            shape(&l.shape),
            short(l.rms),
            short(l.ratio),
            l.least.map_or_else(dash, |v| short(f64::from(v))),
            l.most.map_or_else(dash, |v| short(f64::from(v))),
            l.silent.map_or_else(dash, |n| n.to_string()),
        ]
    };
    let head = ["layer", "op", "output", "rms", "of picture's", "least", "most", "silent"];
    let rest = lint.layers.len() - ends.len();
    let more = if rest > 0 { format!("{rest} others (--layers)\n") } else { String::new() };
    format!("{}{more}", table(&head, &[3, 4, 5, 6, 7], ends.iter().map(row).collect()))
}

fn ways(rows: &[PreprocessingRow]) -> String {
    let dash = || "-".to_owned();
    let row = |r: &PreprocessingRow| {
        vec![
            r.name.clone(),
            r.top1.map_or_else(dash, percent),
            r.interval.map_or_else(dash, |[a, b]| format!("{} to {}", percent(a), percent(b))),
            r.log_loss.map_or_else(dash, |l| format!("{l:.3}")),
            percent(r.confidence),
            format!("{:.2}", r.entropy),
            r.norm_distance.map_or_else(dash, |d| format!("{d:.2}")),
            r.gain.map_or_else(dash, |g| format!("{g:+.1}")),
        ]
    };
    let head = [
        "pictures prepared as",
        "right",
        "95 % interval",
        "log loss",
        "first class",
        "entropy",
        "off the norms",
        "gain in errors",
    ];
    table(&head, &[1, 2, 3, 4, 5, 6, 7], rows.iter().map(row).collect())
}

/// Three digits, with a power of ten where that is shorter.
fn short(v: f64) -> String {
    let size = v.abs();
    if v == 0.0 || (0.01..10_000.0).contains(&size) {
        let digits = if size < 10.0 { 2 } else { usize::from(size < 100.0) };
        format!("{v:.digits$}")
    } else {
        format!("{v:.1e}")
    }
}
