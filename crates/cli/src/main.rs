//! The `regraft` command: words in, words out. What it does lives in the `regraft` library.

mod args;
mod board;
mod commands;
mod data_args;
mod look_args;
mod observer;
mod printer;
mod units;
mod words;
mod zoo_args;

use std::process::ExitCode;

use args::{Cli, Command};
use clap::Parser;
use observer::Terminal;
use printer::Printer;
use zoo_args::ZooCommand;

/// Blocks of some ten megabytes come and go in every training; this one gives them back, so that the
/// memory a training was said to take is what it takes.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let printer = Printer::new(cli.common.json, cli.common.quiet);
    let terminal = Terminal::new(&cli.common);
    let threads = cli.common.threads.map(std::num::NonZero::get);
    let result = regraft::with_threads(threads, || run(&cli, &printer, &terminal));
    terminal.finish();
    match result {
        Ok(code) => code,
        Err(error) => Printer::error(&error),
    }
}

fn run(cli: &Cli, printer: &Printer, terminal: &Terminal) -> Result<ExitCode, regraft::Error> {
    let common = &cli.common;
    match &cli.command {
        Command::Fit(args) => commands::fit::run(args, common, printer, terminal),
        Command::Advise(args) => commands::advise::run(args, common, printer, terminal),
        Command::Audit(args) => commands::audit::run(args, common, printer, terminal),
        Command::Compare(args) => commands::compare::run(args, common, printer, terminal),
        Command::Predict(args) => commands::predict::run(args, printer, terminal),
        Command::Evaluate(args) => commands::evaluate::run(args, printer, terminal),
        Command::Demo(args) => commands::demo::run(args, common, printer, terminal),
        Command::Show(args) => commands::show::run(args, common, printer, terminal),
        Command::Cut(args) => commands::cut::run(args, common, printer, terminal),
        Command::Convert(args) => commands::convert::run(args, common, printer, terminal),
        Command::Lint(args) => commands::lint::run(args, common, printer, terminal),
        Command::Bench(args) => commands::bench::run(args, common, printer, terminal),
        Command::Look(command) => commands::look::look(command, common, printer, terminal),
        Command::Zoo(command) => zoo(command, common, printer, terminal),
        Command::Completions { shell } => {
            Printer::completions(*shell);
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn zoo(
    command: &ZooCommand,
    common: &args::Common,
    printer: &Printer,
    terminal: &Terminal,
) -> Result<ExitCode, regraft::Error> {
    match command {
        ZooCommand::List { words, filter } | ZooCommand::Search { words, filter } => {
            commands::zoo::list(words, filter, common, printer)
        }
        ZooCommand::Show { name, classes } => {
            commands::zoo_card::show(name, classes.as_deref(), common, printer)
        }
        ZooCommand::Add(args) => commands::zoo::add(args, common, printer, terminal),
        ZooCommand::Remove { name } => commands::zoo::remove(name, printer),
        ZooCommand::Pull { names } => commands::zoo::pull(names, common, printer, terminal),
        ZooCommand::Verify { name, formula: true, all_logits, precision, .. } => {
            let all = *all_logits;
            commands::zoo::verify_formula(name, all, *precision, common, printer, terminal)
        }
        ZooCommand::Verify { name, images, precision, .. } => {
            commands::zoo::verify(name, images.as_deref(), *precision, common, printer, terminal)
        }
    }
}
