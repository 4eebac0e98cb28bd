use std::process::ExitCode;

use regraft::{Answer, Error};

use crate::args::PredictArgs;
use crate::observer::Terminal;
use crate::printer::Printer;
use crate::units::{percent, plural};

/// Exit code when a picture could not be read: the images' own.
const UNREADABLE: u8 = 3;

pub(crate) fn run(
    args: &PredictArgs,
    printer: &Printer,
    terminal: &Terminal,
) -> Result<ExitCode, Error> {
    let answers = regraft::predict(&args.run, &args.images, terminal)?;
    terminal.finish();
    let mut unreadable = 0;
    for answer in &answers {
        printer.line(answer, || match answer {
            Answer::Known { file, label, probability, .. } => {
                format!("{file}\t{label}\t{}", percent(f64::from(*probability)))
            }
            Answer::Unreadable { file, error } => format!("{file}\t-\t{error}"),
        });
        unreadable += usize::from(matches!(answer, Answer::Unreadable { .. }));
    }
    if unreadable == 0 {
        return Ok(ExitCode::SUCCESS);
    }
    printer.remark(&format!("{} could not be read", plural(unreadable, "file")));
    Ok(ExitCode::from(UNREADABLE))
}
