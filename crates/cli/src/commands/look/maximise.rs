use std::fmt::Write;
use std::path::Path;
use std::process::ExitCode;

use regraft::{Error, Judged, Maximisation, MaximiseOptions, MaximisedUnit};

use crate::args::Common;
use crate::commands::load_options;
use crate::look_args::MaximiseArgs;
use crate::observer::Terminal;
use crate::printer::{Printer, table};

pub(crate) fn maximise(
    args: &MaximiseArgs,
    common: &Common,
    printer: &Printer,
    terminal: &Terminal,
) -> Result<ExitCode, Error> {
    let options = MaximiseOptions {
        network: args.network.clone(),
        layers: args.layers.clone(),
        classes: args.class.clone(),
        units: args.unit.clone(),
        by: args.way(),
        of: args.of.map(Into::into),
        steps: args.steps,
        side: args.side,
        diversity: args.diversity,
        views: args.views,
        judges: args.judge.clone(),
        out: args.out.clone().unwrap_or_else(|| Path::new("look").join("maximise")),
        seed: common.seed,
        load: load_options(common),
    };
    let made = regraft::maximise(&options, terminal)?;
    terminal.finish();
    printer.result(&made, || text(&made));
    Ok(ExitCode::SUCCESS)
}

fn text(made: &Maximisation) -> String {
    let mut text = String::new();
    for layer in &made.layers {
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "`{}`: {} units, pictures of {} pixels for {}",
            layer.layer,
            layer.units,
            layer.side,
            layer.made.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
        );
    }
    let rows = made.pictures.iter().map(row).collect();
    let head = ["file", "objective before", "after", "what networks see"];
    let _ = write!(text, "\n{}", table(&head, &[1, 2], rows));
    let _ = writeln!(text, "\nsheet    {}", Path::new(&made.out).join(&made.sheet).display());
    text
}

fn row(picture: &MaximisedUnit) -> Vec<String> {
    let said = |judged: &Judged| {
        let rank = judged
            .rank
            .map_or_else(|| "not one of its classes".to_owned(), |r| format!("rank {r}"));
        format!("{}: {} ({rank})", judged.by, judged.top)
    };
    let silent = picture.curve.len() > 1 && picture.before == picture.after;
    let seen: Vec<String> = picture.seen.iter().map(said).collect();
    let seen = if silent { "nothing reaches this unit".to_owned() } else { seen.join("; ") };
    vec![
        picture.file.clone(),
        format!("{:.3}", picture.before),
        format!("{:.3}", picture.after),
        seen,
    ]
}
