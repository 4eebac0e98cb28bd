use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use regraft::{Error, Top, TopOptions};

use crate::args::Common;
use crate::commands::load_options;
use crate::look_args::TopArgs;
use crate::observer::Terminal;
use crate::printer::{Printer, table};
use crate::units::plural;

pub(crate) fn top(
    args: &TopArgs,
    common: &Common,
    printer: &Printer,
    terminal: &Terminal,
) -> Result<ExitCode, Error> {
    let options = TopOptions {
        network: args.network.clone(),
        layers: args.layers.clone(),
        images: args.images.clone(),
        count: args.count,
        units: args.units,
        out: args.out.clone().unwrap_or_else(|| PathBuf::from("look/top")),
        raw: args.raw,
        load: load_options(common),
    };
    let top = regraft::top(&options, terminal)?;
    terminal.finish();
    printer.result(&top, || text(&top));
    Ok(ExitCode::SUCCESS)
}

fn text(top: &Top) -> String {
    let mut text = String::new();
    let rows = top.layers.iter().flat_map(|layer| {
        layer.units.iter().map(|unit| {
            let first = unit.hits.first();
            vec![
                layer.layer.clone(),
                unit.unit.to_string(),
                first.map_or_else(String::new, |h| format!("{:.3}", h.value)),
                first.map_or_else(String::new, |h| h.file.clone()),
            ]
        })
    });
    text.push_str(&table(&["layer", "unit", "strongest", "picture"], &[1, 2], rows.collect()));
    text.push('\n');
    // Writing to a String cannot fail.
    for layer in &top.layers {
        if layer.silent > 0 {
            let _ = writeln!(
                text,
                "{}: {} of {} answer to none of these pictures",
                layer.layer,
                layer.silent,
                plural(layer.shape.first().copied().unwrap_or_default(), "unit")
            );
        }
        for (rule, why) in &layer.refused {
            let _ = writeln!(text, "{}: no {rule}: {why}", layer.layer);
        }
    }
    if !top.skipped.is_empty() {
        let first = &top.skipped[0];
        let count = plural(top.skipped.len(), "file");
        let _ = writeln!(text, "{count} left out, first {}: {}", first.file, first.reason);
    }
    let out = Path::new(&top.out);
    let _ = write!(
        text,
        "\nof {}; page     {}\nsheet    {}",
        plural(top.seen, "picture"),
        out.join(&top.page).display(),
        out.join(&top.sheet).display()
    );
    text
}
