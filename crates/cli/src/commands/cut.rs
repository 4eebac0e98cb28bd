use std::process::ExitCode;

use regraft::Error;

use super::load_options;
use crate::args::{Common, CutArgs};
use crate::observer::Terminal;
use crate::printer::Printer;
use crate::units::{count, percent, shape};

pub(crate) fn run(
    args: &CutArgs,
    common: &Common,
    printer: &Printer,
    terminal: &Terminal,
) -> Result<ExitCode, Error> {
    let options = load_options(common);
    let cut = regraft::cut(&args.network, &args.layer, args.out.as_deref(), &options, terminal)?;
    terminal.finish();
    printer.remark(&format!(
        "{} cut at {}: {} layers, {} parameters, {} multiply-adds ({} of the whole), output {}",
        cut.network,
        cut.layer,
        cut.layers,
        count(cut.parameters),
        count(cut.macs),
        percent(cut.macs as f64 / cut.macs_before.max(1) as f64),
        shape(&cut.shape),
    ));
    printer.result(&cut, || match &cut.written {
        Some(file) => file.clone(),
        None => cut.notation.clone(),
    });
    Ok(ExitCode::SUCCESS)
}
