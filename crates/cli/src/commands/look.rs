//! `look`: one file for each of its commands.

mod dream;
mod explain;
mod filters;
mod graph;
mod maximise;
mod probe_curve;
mod top;

use std::process::ExitCode;

use regraft::Error;

use crate::args::Common;
use crate::look_args::LookCommand;
use crate::observer::Terminal;
use crate::printer::Printer;

pub(crate) fn look(
    command: &LookCommand,
    common: &Common,
    printer: &Printer,
    terminal: &Terminal,
) -> Result<ExitCode, Error> {
    match command {
        LookCommand::Explain(args) => explain::explain(args, common, printer, terminal),
        LookCommand::Filters(args) => filters::filters(args, common, printer, terminal),
        LookCommand::ProbeCurve(args) => probe_curve::probe_curve(args, common, printer, terminal),
        LookCommand::Top(args) => top::top(args, common, printer, terminal),
        LookCommand::Graph(args) => graph::graph(args, common, printer, terminal),
        LookCommand::Maximise(args) => maximise::maximise(args, common, printer, terminal),
        LookCommand::Dream(args) => dream::dream(args, common, printer, terminal),
        LookCommand::Invert(args) => dream::invert(args, common, printer, terminal),
    }
}
