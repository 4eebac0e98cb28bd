use std::fmt::Write;
use std::path::Path;
use std::process::ExitCode;

use regraft::{Error, ExplainOptions, Explained};

use crate::args::Common;
use crate::commands::load_options;
use crate::look_args::ExplainArgs;
use crate::observer::Terminal;
use crate::printer::{Printer, table};

pub(crate) fn explain(
    args: &ExplainArgs,
    common: &Common,
    printer: &Printer,
    terminal: &Terminal,
) -> Result<ExitCode, Error> {
    let stem = args.image.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let options = ExplainOptions {
        network: args.network.clone(),
        image: args.image.clone(),
        class: args.class.clone(),
        at: args.at.clone(),
        methods: args.method.clone(),
        out: args.out.clone().unwrap_or_else(|| Path::new("look").join(stem)),
        seed: common.seed,
        load: load_options(common),
    };
    let explained = regraft::explain(&options, terminal)?;
    terminal.finish();
    printer.result(&explained, || text(&explained));
    Ok(ExitCode::SUCCESS)
}

fn text(e: &Explained) -> String {
    let top: Vec<String> =
        e.top.iter().map(|(class, score)| format!("{class} {score:.2}")).collect();
    let mut text = format!(
        "{}: {} (score {:.2}); scores: {}\nclass maps at `{}`\n\n",
        e.image,
        e.class,
        e.score,
        top.join(", "),
        e.layer
    );
    let rows = e
        .maps
        .iter()
        .map(|map| {
            let range = match (&map.refused, map.range) {
                (Some(why), _) => why.clone(),
                (None, Some(_)) if map.empty => "nothing: all zeros".to_owned(),
                (None, Some([low, high])) => format!("{low:.3e} to {high:.3e}"),
                (None, None) => String::new(),
            };
            let file = map.file.clone().unwrap_or_else(|| "-".to_owned());
            vec![map.method.name().to_owned(), file, range]
        })
        .collect();
    text.push_str(&table(&["map", "file", "range"], &[], rows));
    // Writing to a String cannot fail.
    let _ = writeln!(
        text,
        "\nred speaks for the class, blue against it; the lower row of the sheet has random weights: what looks \
         alike there was not learned\n\nsheet    {}",
        Path::new(&e.out).join(&e.sheet).display()
    );
    text
}
