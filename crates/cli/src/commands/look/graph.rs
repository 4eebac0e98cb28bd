use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use regraft::{Error, FigureRow, GraphDrawn, GraphNetwork, GraphOptions};

use crate::args::Common;
use crate::commands::load_options;
use crate::look_args::GraphArgs;
use crate::observer::Terminal;
use crate::printer::{Printer, table};

/// Layers that differ of which the terminal tells; the page has all.
const TOLD: usize = 12;

pub(crate) fn graph(
    args: &GraphArgs,
    common: &Common,
    printer: &Printer,
    terminal: &Terminal,
) -> Result<ExitCode, Error> {
    let options = GraphOptions {
        network: args.network.clone(),
        against: args.against.clone(),
        color: args.color.clone(),
        figures: args.figures.clone(),
        out: args.out.clone().unwrap_or_else(|| folder(&args.network)),
        load: load_options(common),
    };
    let drawn = regraft::graph(&options, terminal)?;
    terminal.finish();
    printer.result(&drawn, || text(&drawn));
    Ok(ExitCode::SUCCESS)
}

/// `look/` and the last part of a name, in letters that every disk takes.
fn folder(network: &str) -> PathBuf {
    let last = network.trim_end_matches('/').rsplit('/').next().unwrap_or(network);
    let plain = |c: char| if c.is_alphanumeric() || "-_.".contains(c) { c } else { '-' };
    let name: String = last.chars().map(plain).collect();
    let name = name.trim_matches('.');
    Path::new("look").join(if name.is_empty() { "graph" } else { name })
}

fn text(drawn: &GraphDrawn) -> String {
    let mut text = String::new();
    for network in std::iter::once(&drawn.network).chain(&drawn.against) {
        text.push_str(&about(network));
    }
    if drawn.against.is_some() {
        text.push_str(&differences(&drawn.network, "here"));
        text.push_str(&drawn.against.iter().map(|a| differences(a, "there")).collect::<String>());
    }
    text.push('\n');
    let row = |f: &FigureRow| {
        let range = f.range.map_or_else(|| "-".to_owned(), |[l, h]| format!("{l} to {h}"));
        let mark = if f.key == drawn.color { "*" } else { "" };
        vec![format!("{}{mark}", f.key), f.title.clone(), f.layers.to_string(), range]
    };
    let rows = drawn.figures.iter().map(row).collect();
    text.push_str(&table(&["figure", "what it is", "layers", "range"], &[2], rows));
    text.push_str("\n* colours the picture; the page can show each\n\n");
    for note in &drawn.notes {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "note     {note}");
    }
    for file in &drawn.files {
        let _ = writeln!(text, "file     {}", Path::new(&drawn.out).join(file).display());
    }
    text
}

fn about(network: &GraphNetwork) -> String {
    let mut text = format!(
        "{}: {} layers in {} blocks, {:.2} M parameters, {:.2} M multiply-adds\n",
        network.name,
        network.nodes.len(),
        network.blocks.len(),
        network.parameters as f64 / 1e6,
        network.macs as f64 / 1e6
    );
    if let Some(frontier) = &network.frontier {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "frozen up to `{frontier}`");
    }
    text
}

fn layers(n: usize) -> String {
    format!("{n} layer{}", if n == 1 { "" } else { "s" })
}

fn differences(network: &GraphNetwork, place: &str) -> String {
    let all = || network.nodes.iter().filter_map(|n| n.against.as_ref().map(|a| (n, a)));
    let only: Vec<&str> =
        all().filter(|(_, a)| a.layer.is_none()).map(|(n, _)| n.name.as_str()).collect();
    let mut text = String::new();
    if !only.is_empty() {
        let some = only.iter().take(TOLD).copied().collect::<Vec<_>>().join(", ");
        let more = if only.len() > TOLD { ", …" } else { "" };
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{} only {place}: {some}{more}", layers(only.len()));
    }
    if place == "here" {
        let changed: Vec<_> = all().filter(|(_, a)| !a.changes.is_empty()).collect();
        let _ = writeln!(text, "{} changed", layers(changed.len()));
        for (node, against) in changed.iter().take(TOLD) {
            let _ = writeln!(text, "  {}: {}", node.name, against.changes.join("; "));
        }
    }
    text
}
