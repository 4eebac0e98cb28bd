use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use regraft::{Error, Filters, FiltersOptions, LayerFilters};

use crate::args::Common;
use crate::commands::load_options;
use crate::look_args::FiltersArgs;
use crate::observer::Terminal;
use crate::printer::{Printer, table};
use crate::units::plural;

pub(crate) fn filters(
    args: &FiltersArgs,
    common: &Common,
    printer: &Printer,
    terminal: &Terminal,
) -> Result<ExitCode, Error> {
    let options = FiltersOptions {
        network: args.network.clone(),
        images: args.images.clone(),
        out: args.out.clone().unwrap_or_else(|| PathBuf::from("look/filters")),
        load: load_options(common),
    };
    let filters = regraft::filters(&options, terminal)?;
    terminal.finish();
    printer.result(&filters, || text(&filters));
    Ok(ExitCode::SUCCESS)
}

fn text(f: &Filters) -> String {
    let head =
        ["layer", "op", "filters", "values", "least", "median", "largest", "blank", "copies"];
    let rows = f.layers.iter().map(row).collect();
    let mut text = table(&head, &[2, 3, 4, 5, 6, 7, 8], rows);
    // Writing to a String cannot fail.
    let _ = writeln!(
        text,
        "\nnorms of the filters; copies are pairs that read the same channels with a cosine beyond 0.95 \
         either way, - where each reads one of its own, or there are too many to compare"
    );
    if !f.units.is_empty() {
        let rows = f.units.iter().map(|layer| {
            let active = format!("{:.1} %", 100.0 * layer.active);
            vec![layer.layer.clone(), layer.units.to_string(), layer.dead.len().to_string(), active]
        });
        let head = ["layer", "units", "dead", "places above zero"];
        let _ = writeln!(text, "\n{}", table(&head, &[1, 2, 3], rows.collect()).trim_end());
        let _ = writeln!(text, "\ndead: silent in all of {}", plural(f.seen, "picture"));
    }
    if let Some(first) = f.skipped.first() {
        let count = plural(f.skipped.len(), "file");
        let _ = writeln!(text, "{count} left out, first {}: {}", first.file, first.reason);
    }
    let out = Path::new(&f.out);
    if let Some((layer, file)) = &f.first {
        let _ = writeln!(text, "\nkernels of `{layer}`  {}", out.join(file).display());
    }
    let _ = write!(text, "all figures  {}", out.join("filters.json").display());
    text
}

fn row(layer: &LayerFilters) -> Vec<String> {
    let mut norms = layer.norms.clone();
    norms.sort_by(f64::total_cmp);
    let last = norms.len().saturating_sub(1);
    let norm = |at: usize| norms.get(at).map_or_else(String::new, |n| format!("{n:.3}"));
    vec![
        layer.layer.clone(),
        layer.op.to_owned(),
        layer.filters.to_string(),
        layer.values.to_string(),
        norm(0),
        norm(last / 2),
        norm(last),
        layer.blank.len().to_string(),
        layer.copies.as_ref().map_or_else(|| "-".to_owned(), |c| c.len().to_string()),
    ]
}
