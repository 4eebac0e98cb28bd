use std::fmt::Write;
use std::path::Path;
use std::process::ExitCode;

use regraft::{AddOptions, Error, ZooListing, ZooRow};

use super::load_options;
use crate::args::{Common, Precision};

use crate::observer::Terminal;
use crate::printer::{Printer, table, width};

use crate::units::{bytes, count, percent, plural, shape};
use crate::zoo_args::{AddArgs, FilterArgs};

/// A column of the list: its head, whether its cells are flush right, how soon it goes when room is
/// short (the highest first), and its cell.
struct Column {
    head: &'static str,
    right: bool,
    spare: u8,
    cell: fn(&ZooRow) -> String,
}

const COLUMNS: [Column; 9] = [
    Column {
        head: "network",
        right: false,
        spare: 0,
        cell: |r| if r.default { format!("{} (default)", r.name) } else { r.name.clone() },
    },
    Column { head: "top-1", right: true, spare: 0, cell: top1 },
    Column { head: "params", right: true, spare: 1, cell: |r| known(r.parameters, count) },
    Column { head: "MACs", right: true, spare: 3, cell: |r| known(r.macs, count) },
    Column { head: "input", right: true, spare: 6, cell: |r| r.input[0].to_string() },
    Column { head: "file", right: true, spare: 4, cell: |r| known(r.bytes, bytes) },
    Column { head: "weights", right: false, spare: 2, cell: |r| r.weights.to_owned() },
    Column { head: "licence", right: false, spare: 5, cell: |r| r.licence.clone() },
    Column { head: "trained on", right: false, spare: 7, cell: |r| r.dataset.clone() },
];

fn known(value: Option<u64>, text: fn(u64) -> String) -> String {
    value.map_or_else(|| "?".to_owned(), text)
}

fn top1(row: &ZooRow) -> String {
    let at = if row.published_at.is_some() { "*" } else { "" };
    row.published_top1.map_or_else(|| "-".to_owned(), |t| format!("{t:.1} %{at}"))
}

pub(crate) fn list(
    words: &[String],
    filter: &FilterArgs,
    common: &Common,
    printer: &Printer,
) -> Result<ExitCode, Error> {
    let listing = regraft::zoo_list(&filter.filter(words), &load_options(common))?;
    for problem in &listing.problems {
        printer.remark(&format!("left out: {problem}"));
    }
    printer.result(&listing.rows, || {
        if listing.rows.is_empty() { nothing(&listing) } else { rows(&listing) }
    });
    Ok(ExitCode::SUCCESS)
}

fn nothing(listing: &ZooListing) -> String {
    let near = match listing.near.as_slice() {
        [] => String::new(),
        words => format!("; words like that are: {}", words.join(", ")),
    };
    format!("none of {} fits{near}", plural(listing.all, "network"))
}

fn rows(listing: &ZooListing) -> String {
    let mut shown: Vec<&Column> = COLUMNS.iter().collect();
    let wide = |c: &Column| {
        let cells = listing.rows.iter().map(|r| (c.cell)(r).chars().count());
        cells.max().unwrap_or(0).max(c.head.chars().count()) + 2
    };
    if let Some(room) = width() {
        while shown.iter().map(|c| wide(c)).sum::<usize>() > room + 2 {
            let Some(spare) = shown.iter().map(|c| c.spare).max().filter(|s| *s > 0) else { break };
            shown.retain(|c| c.spare != spare);
        }
    }
    let heads: Vec<&str> = shown.iter().map(|c| c.head).collect();
    let right: Vec<usize> = (0..shown.len()).filter(|i| shown[*i].right).collect();
    let cells = listing.rows.iter().map(|r| shown.iter().map(|c| (c.cell)(r)).collect()).collect();
    let mut text = table(&heads, &right, cells);
    let n = listing.rows.len();
    let of = if n == listing.all { String::new() } else { format!(" of {}", listing.all) };
    // Writing to a String cannot fail.
    let _ = write!(text, "{n}{of} {}", if listing.all == 1 { "network" } else { "networks" });
    text.push_str("; `regraft zoo show NAME` tells more\n");
    if listing.rows.iter().any(|r| r.published_at.is_some()) {
        text.push_str("* measured with a larger input than it is used with here\n");
    }
    text
}

pub(crate) fn add(
    args: &AddArgs,
    common: &Common,
    printer: &Printer,
    terminal: &Terminal,
) -> Result<ExitCode, Error> {
    let options = AddOptions {
        card: args.card.clone(),
        architecture: args.architecture.clone(),
        link: args.link,
    };
    let added =
        regraft::zoo_add(&args.name, &args.file, &options, &load_options(common), terminal)?;
    terminal.finish();
    if !added.unused.is_empty() {
        printer.remark(&format!(
            "{} of the file are used by no layer: {}",
            plural(added.unused.len(), "tensor"),
            added.unused.iter().take(5).cloned().collect::<Vec<_>>().join(", ")
        ));
    }
    printer.result(&added, || {
        let what = match (added.catalogue, added.checked) {
            (true, true) => "the file is the published one",
            (true, false) => "no checksum is published, so this file is trusted from now on",
            (false, _) => "the file fits",
        };
        format!(
            "{}: {what}\nkept as {} ({}, sha256 {})\n",
            added.name,
            added.path,
            bytes(added.bytes),
            added.sha256
        )
    });
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn remove(name: &str, printer: &Printer) -> Result<ExitCode, Error> {
    let path = regraft::zoo_remove(name)?.display().to_string();
    printer.result(&serde_json::json!({ "name": name, "removed": path }), || {
        format!("{name}: removed {path}\n")
    });
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn pull(
    names: &[String],
    common: &Common,
    printer: &Printer,
    terminal: &Terminal,
) -> Result<ExitCode, Error> {
    for name in names {
        let pulled = regraft::pull(name, &load_options(common), terminal)?;
        terminal.finish();
        printer.line(&pulled, || {
            format!("{}\t{}\t{}", pulled.network, bytes(pulled.bytes), pulled.path)
        });
    }
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn verify_formula(
    name: &str,
    all: bool,
    precision: Precision,
    common: &Common,
    printer: &Printer,
    terminal: &Terminal,
) -> Result<ExitCode, Error> {
    let mut v = regraft::verify_formula(name, precision.into(), &load_options(common), terminal)?;
    terminal.finish();
    v.all = v.all.filter(|_| all);
    printer.result(&v, || {
        let mut text = format!(
            "{}: formula picture of {} pixels, {} outputs\nfirst {:?}, sum {}, L2 {}, largest at {}\n",
            v.name,
            shape(&v.size),
            v.outputs,
            v.logits,
            v.sum,
            v.l2,
            v.argmax
        );
        for value in v.all.iter().flatten() {
            let _ = writeln!(text, "{value}");
        }
        text
    });
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn verify(
    name: &str,
    images: Option<&Path>,
    precision: Precision,
    common: &Common,
    printer: &Printer,
    terminal: &Terminal,
) -> Result<ExitCode, Error> {
    let v = regraft::verify(name, images, precision.into(), &load_options(common), terminal)?;
    terminal.finish();
    printer.result(&v, || {
        let mut text = format!("{}: weights complete, sha256 {}\n", v.network, v.sha256);
        // Writing to a String cannot fail.
        if let (Some(n), Some(top1), Some(top5)) = (v.images, v.top1, v.top5) {
            let [low, high] = v.interval.unwrap_or([0.0, 1.0]);
            let _ = writeln!(
                text,
                "{}: top-1 {} (95 % interval {} to {}), top-5 {}",
                plural(n, "image"),
                percent(top1),
                percent(low),
                percent(high),
                percent(top5)
            );
        }
        if !v.unreadable.is_empty() {
            let _ = writeln!(text, "unreadable: {}", v.unreadable.join(", "));
        }
        text
    });
    Ok(ExitCode::SUCCESS)
}
