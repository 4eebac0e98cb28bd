use std::fmt::Write;
use std::path::Path;
use std::process::ExitCode;

use regraft::{Error, ZooRow};

use super::load_options;
use crate::args::{Common, Precision};
use crate::observer::Terminal;
use crate::printer::{Printer, table};
use crate::units::{bytes, count, percent, plural, shape};

pub(crate) fn list(printer: &Printer) -> Result<ExitCode, Error> {
    let rows = regraft::zoo_list()?;
    printer.result(&rows, || {
        let cells = |r: &ZooRow| {
            let name = if r.default { format!("{} (default)", r.name) } else { r.name.clone() };
            vec![
                name,
                r.framework.clone(),
                r.dataset.clone(),
                format!("{:.1} %", r.published_top1),
                count(r.parameters),
                count(r.macs),
                shape(&r.input),
                bytes(r.bytes),
                r.licence.clone(),
            ]
        };
        let head = [
            "network",
            "framework",
            "trained on",
            "top-1",
            "parameters",
            "multiply-adds",
            "input",
            "download",
            "licence",
        ];
        table(&head, &[3, 4, 5, 7], rows.iter().map(cells).collect())
    });
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn show(name: &str, printer: &Printer) -> Result<ExitCode, Error> {
    let row = regraft::zoo_entry(name)?;
    printer.result(&row, || {
        let lines = [
            ("network", row.name.clone()),
            ("architecture", row.architecture.to_owned()),
            ("task", format!("{} on {}", row.task, row.dataset)),
            ("framework", row.framework.clone()),
            ("licence", row.licence.clone()),
            ("origin", row.origin.clone()),
            ("paper", row.paper.clone()),
            ("top-1", format!("{:.1} % ({})", row.published_top1, row.published_top1_source)),
            (
                "cost",
                format!(
                    "{} parameters, {} multiply-adds an image of {}",
                    count(row.parameters),
                    count(row.macs),
                    shape(&row.input)
                ),
            ),
            ("weights", format!("{}, {}", row.source, bytes(row.bytes))),
            ("sha256", row.sha256.clone()),
        ];
        let rows = lines.into_iter().map(|(k, v)| vec![k.to_owned(), v]).collect();
        table(&[], &[], rows)
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
