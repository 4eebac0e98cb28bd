use std::process::ExitCode;

use regraft::Error;

use super::load_options;
use crate::args::{Common, ConvertArgs};
use crate::observer::Terminal;
use crate::printer::Printer;
use crate::units::bytes;

pub(crate) fn run(
    args: &ConvertArgs,
    common: &Common,
    printer: &Printer,
    terminal: &Terminal,
) -> Result<ExitCode, Error> {
    let options = load_options(common);
    let done = regraft::convert(&args.from, &args.to, args.softmax, &options, terminal)?;
    terminal.finish();
    let check = done.difference.map_or_else(
        || "weights only, no graph to run".to_owned(),
        |d| format!("read back and run: outputs differ by {d:.1e} of their size"),
    );
    printer.remark(&format!("{}: {}; {check}", done.network, bytes(done.bytes)));
    printer.result(&done, || done.file.display().to_string());
    Ok(ExitCode::SUCCESS)
}
