use std::fs;
use std::process::ExitCode;

use regraft::{Bench, BenchOptions, Error, LayerTime, Speed};

use super::load_options;
use crate::args::{BenchArgs, Common};
use crate::observer::Terminal;
use crate::printer::{Printer, table};
use crate::units::{bytes, count, percent, plural, shape};

/// Layers listed when not all are asked for.
const TOP: usize = 10;

pub(crate) fn run(
    args: &BenchArgs,
    common: &Common,
    printer: &Printer,
    terminal: &Terminal,
) -> Result<ExitCode, Error> {
    let options = BenchOptions {
        network: args.network.clone(),
        batch: usize::from(args.batch),
        seconds: args.seconds,
        precision: args.precision.into(),
        load: load_options(common),
        processor,
    };
    printer.remark(&format!("measuring for about {:.1} s", 4.0 * args.seconds));
    let bench = regraft::bench(&options, terminal)?;
    terminal.finish();
    printer.result(&bench, || text(&bench, args.layers));
    Ok(ExitCode::SUCCESS)
}

/// Processor seconds of all threads of this process (Linux: `proc(5)`, `schedstat` in nanoseconds).
fn processor() -> Option<f64> {
    let mut nanoseconds = 0;
    for thread in fs::read_dir("/proc/self/task").ok()? {
        // A thread that has ended in between is none of ours: workers live as long as the program.
        let Ok(text) = fs::read_to_string(thread.ok()?.path().join("schedstat")) else { continue };
        nanoseconds += text.split_whitespace().next()?.parse::<u64>().ok()?;
    }
    // A system that keeps no such account says 0.
    (nanoseconds > 0).then_some(1e-9 * nanoseconds as f64)
}

fn text(b: &Bench, all: bool) -> String {
    format!(
        "{} in {} ({}): {} multiply-adds an image of {}\n\n{}\n{}\nmemory: {} of weights ({} \
         parameters as loaded), {} of activations for each thread\npeak: {}\n",
        b.network,
        b.precision,
        b.instructions,
        count(b.macs),
        shape(&b.input),
        speeds(b),
        layers(b, all),
        bytes(b.weight_bytes),
        count(b.parameters),
        bytes(b.activation_bytes),
        b.peak.what,
    )
}

fn speeds(b: &Bench) -> String {
    let row = |s: &Speed| {
        let what = if s.batch == 1 { "one image".into() } else { format!("batch of {}", s.batch) };
        vec![
            format!("{what}, {}", plural(s.threads, "thread")),
            milliseconds(s.median_ms),
            milliseconds(s.p90_ms),
            format!("{:.1}", s.images_per_second),
            s.cpu_ms.map_or_else(dash, milliseconds),
            rate(s.gflops),
            percent(s.of_peak),
            s.runs.to_string(),
        ]
    };
    let mut rows: Vec<Vec<String>> = b.latency.iter().chain([&b.throughput]).map(row).collect();
    let mut peak = vec![(1, b.peak.one_thread)];
    if b.threads > 1 {
        peak.push((b.threads, b.peak.all_threads));
    }
    for (threads, gflops) in peak {
        let mut row = vec![dash(); 8];
        row[0] = format!("peak, {}", plural(threads, "thread"));
        row[5] = rate(gflops);
        rows.push(row);
    }
    let head =
        ["", "ms, median", "ms, 90 %", "images/s", "CPU ms/image", "GFLOP/s", "of peak", "runs"];
    table(&head, &[1, 2, 3, 4, 5, 6, 7], rows)
}

fn layers(b: &Bench, all: bool) -> String {
    let mut shown: Vec<&LayerTime> = b.layers.iter().collect();
    if !all {
        shown.sort_by(|x, y| y.ms.total_cmp(&x.ms));
        shown.truncate(TOP);
    }
    let row = |l: &&LayerTime| {
        vec![
            l.layer.clone(),
            l.op.to_owned(),
            l.input.as_deref().map_or_else(dash, shape),
            shape(&l.output),
            format!("{:.3}", l.ms),
            percent(l.share),
            l.gflops.map_or_else(dash, rate),
            l.of_peak.map_or_else(dash, percent),
        ]
    };
    let mut rows: Vec<Vec<String>> = shown.iter().map(row).collect();
    let rest = b.layers.len() - shown.len();
    if rest > 0 {
        let part = |f: fn(&LayerTime) -> f64| {
            b.layers.iter().map(f).sum::<f64>() - shown.iter().map(|l| f(l)).sum::<f64>()
        };
        let mut row = vec![dash(); 8];
        row[0] = format!("{rest} others (--layers)");
        row[4] = format!("{:.3}", part(|l| l.ms));
        row[5] = percent(part(|l| l.share));
        rows.push(row);
    }
    let head = ["layer, one thread", "op", "in", "out", "ms", "share", "GFLOP/s", "of peak"];
    table(&head, &[4, 5, 6, 7], rows)
}

fn dash() -> String {
    "-".to_owned()
}

fn milliseconds(ms: f64) -> String {
    format!("{ms:.2}")
}

fn rate(gflops: f64) -> String {
    format!("{gflops:.1}")
}
