//! `cargo xtask`: words in, words out.

use std::io::{self, Write};
use std::process::ExitCode;

use xtask::{Command, Error, Workspace, args, bench, floors, house, study};

fn main() -> ExitCode {
    let mut out = io::stdout().lock();
    let mut err = io::stderr();
    match run(&mut out, &mut err) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nothing is left to do when stderr itself is gone.
            let _ = writeln!(err, "xtask: {error}");
            if matches!(error, Error::Usage(_)) { ExitCode::from(2) } else { ExitCode::FAILURE }
        }
    }
}

fn run(out: &mut dyn Write, progress: &mut dyn Write) -> Result<(), Error> {
    match args::parse(std::env::args_os().skip(1))? {
        Command::Help => write!(out, "{}", args::USAGE).map_err(Error::output),
        Command::Floors => {
            let workspace = Workspace::load()?;
            let mut breaches = floors::check(&workspace);
            breaches.extend(house::check(&workspace)?);
            if breaches.is_empty() {
                let count = workspace.packages.len();
                return writeln!(out, "{count} crates, every one on its floor")
                    .map_err(Error::output);
            }
            Err(Error::Breaches(breaches))
        }
        Command::Study(what) => study::study(&Workspace::load()?, &what, out, progress),
        Command::Bench(what) => bench::run(&Workspace::load()?, &what, out, progress),
    }
}
