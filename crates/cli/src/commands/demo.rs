use std::process::ExitCode;

use regraft::{DEMO, Error};

use super::{fit, load_options};
use crate::args::{Common, DemoArgs};
use crate::observer::Terminal;
use crate::printer::Printer;
use crate::units::bytes;

pub(crate) fn run(
    args: &DemoArgs,
    common: &Common,
    printer: &Printer,
    terminal: &Terminal,
) -> Result<ExitCode, Error> {
    let mut how = args.how.clone();
    let data = if let Some(data) = &args.data {
        data.clone()
    } else {
        announce(printer);
        how.out.get_or_insert_with(|| "runs/demo".into());
        let data = regraft::demo_data(&load_options(common), terminal)?;
        terminal.finish();
        data
    };
    fit::fit(data, &how, common, printer, terminal)
}

fn announce(printer: &Printer) {
    printer.remark(&format!(
        "{}\n  {}.\n  {}; {}.\n  fetched once as {} ({}), then about half a minute of computing on \
         two cores\n  mind: {}\n",
        DEMO.title,
        DEMO.about,
        DEMO.paper,
        DEMO.licence,
        DEMO.source,
        bytes(DEMO.bytes),
        DEMO.caveat,
    ));
}
