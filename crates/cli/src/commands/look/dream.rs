use std::path::{Path, PathBuf};
use std::process::ExitCode;

use regraft::{DreamOptions, Error, InvertOptions};

use crate::args::Common;
use crate::commands::load_options;
use crate::look_args::{DreamArgs, InvertArgs};
use crate::observer::Terminal;
use crate::printer::Printer;

pub(crate) fn dream(
    args: &DreamArgs,
    common: &Common,
    printer: &Printer,
    terminal: &Terminal,
) -> Result<ExitCode, Error> {
    let options = DreamOptions {
        network: args.network.clone(),
        image: args.image.clone(),
        at: args.at.clone(),
        side: args.side.map(|side| side as usize),
        octaves: args.octaves,
        steps: args.steps,
        out: folder(args.out.as_ref(), "dream", &args.image),
        seed: common.seed,
        load: load_options(common),
    };
    let made = regraft::dream(&options, terminal)?;
    terminal.finish();
    printer.result(&made, || {
        let sizes: Vec<String> = made.sizes.iter().map(|[h, w]| format!("{w}x{h}")).collect();
        format!(
            "{} at {}: objective {:.4} before, {:.4} after; sizes {}\n\ndream    {}\nsheet    {}",
            made.image,
            tap(&made.layer, made.unit),
            made.before,
            made.after,
            sizes.join(", "),
            Path::new(&made.out).join(&made.file).display(),
            Path::new(&made.out).join(&made.sheet).display(),
        )
    });
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn invert(
    args: &InvertArgs,
    common: &Common,
    printer: &Printer,
    terminal: &Terminal,
) -> Result<ExitCode, Error> {
    let options = InvertOptions {
        network: args.network.clone(),
        image: args.image.clone(),
        at: args.at.clone(),
        steps: args.steps,
        out: folder(args.out.as_ref(), "invert", &args.image),
        seed: common.seed,
        load: load_options(common),
    };
    let made = regraft::invert(&options, terminal)?;
    terminal.finish();
    printer.result(&made, || {
        format!(
            "{} from `{}`: {:.1} % of what the layer gives is left unexplained (noise: {:.1} %); the pictures go \
             together by {:.2} (1 is alike, 0 is nothing)\n\npicture  {}\nsheet    {}",
            made.image,
            made.layer,
            100.0 * made.after,
            100.0 * made.before,
            made.alike,
            Path::new(&made.out).join(&made.file).display(),
            Path::new(&made.out).join(&made.sheet).display(),
        )
    });
    Ok(ExitCode::SUCCESS)
}

fn tap(layer: &str, unit: Option<usize>) -> String {
    unit.map_or_else(|| format!("`{layer}`"), |unit| format!("`{layer}:{unit}`"))
}

fn folder(asked: Option<&PathBuf>, what: &str, image: &Path) -> PathBuf {
    let stem = image.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    asked.cloned().unwrap_or_else(|| Path::new("look").join(format!("{what}-{stem}")))
}
