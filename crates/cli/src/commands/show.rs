use std::process::ExitCode;

use regraft::{Error, Shown};

use super::load_options;
use crate::args::{Common, ShowArgs};
use crate::observer::Terminal;
use crate::printer::{Printer, table};
use crate::units::{bytes, count, shape};

pub(crate) fn run(
    args: &ShowArgs,
    common: &Common,
    printer: &Printer,
    terminal: &Terminal,
) -> Result<ExitCode, Error> {
    let shown = regraft::show(&args.network, &load_options(common), terminal)?;
    terminal.finish();
    printer.result(&shown, || if args.notation { shown.notation.clone() } else { text(&shown) });
    Ok(ExitCode::SUCCESS)
}

fn text(s: &Shown) -> String {
    let rows = s
        .layers
        .iter()
        .map(|l| {
            let field = l.receptive_field.map_or_else(|| "all".to_owned(), |f| shape(&f));
            let dash = |n: u64| if n == 0 { "-".to_owned() } else { count(n) };
            vec![
                l.name.clone(),
                l.op.to_owned(),
                shape(&l.shape),
                dash(l.parameters),
                dash(l.macs),
                field,
                l.inputs.join(" "),
            ]
        })
        .collect();
    let head = ["layer", "op", "output", "parameters", "multiply-adds", "sees", "reads"];
    format!(
        "{}\n{} ({}, {}; licence {})\n{} parameters, {} multiply-adds an image, {} of activations \
         at most{}\n",
        table(&head, &[3, 4, 5], rows),
        s.name,
        s.framework,
        s.dataset,
        s.licence,
        count(s.parameters),
        count(s.macs),
        bytes(s.peak_bytes),
        s.cut.as_ref().map_or_else(String::new, |c| format!("; default cut: {c}")),
    )
}
