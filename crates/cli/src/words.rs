//! Words of the command line that stand for values.

use clap::Parser;
use regraft::{
    Augment, Augmentation, ComparePlan, HeadKind, HeadLayers, Schedule, Strength, ZooFilter,
};

use crate::args::{Head, PlanWords, TuneArgs};
use crate::commands::tune_options;
use crate::zoo_args::FilterWords;

pub(crate) fn layer_rate(text: &str) -> Result<(String, f64), String> {
    let wanted = "wants LAYERS=RATE, for instance layer4.*=0.0003";
    let (layers, rate) = text.rsplit_once('=').ok_or(wanted)?;
    let rate = not_negative(rate).map_err(|_| wanted)?;
    Ok((layers.to_owned(), rate))
}

pub(crate) fn class_weight(text: &str) -> Result<(String, f64), String> {
    let wanted = "wants CLASS=TIMES with a number above 0, for instance bees=2";
    let (class, times) = text.rsplit_once('=').ok_or(wanted)?;
    match times.trim().parse::<f64>() {
        Ok(times) if times > 0.0 && times.is_finite() => Ok((class.to_owned(), times)),
        Ok(_) | Err(_) => Err(wanted.to_owned()),
    }
}

/// Words of a command line within a value; `wanted` is what they may be.
fn parsed<P: Parser>(text: &str, wanted: &str) -> Result<P, String> {
    P::try_parse_from(text.split_whitespace()).map_err(|error| {
        // clap's first line says what is wrong; its usage would be that of the whole command.
        let text = error.to_string();
        let line = text.lines().next().unwrap_or_default();
        format!("{}; wants {wanted}", line.trim_start_matches("error: "))
    })
}

/// A plan of `compare`, for instance `fine-tune --unfreeze last:3`.
pub(crate) fn plan(text: &str) -> Result<ComparePlan, String> {
    let words: PlanWords = parsed(text, "a strategy and options of `fit`")?;
    let strategy = words.strategy.into();
    if matches!(strategy, regraft::Strategy::Probe | regraft::Strategy::Auto) {
        return Err(
            "wants lp-ft, fine-tune or scratch: the probe is lp-ft before training".to_owned()
        );
    }
    let TuneArgs { memory, preview, find_rate, dry_run, .. } = &words.tune;
    if memory.is_some() || preview.is_some() || *find_rate || *dry_run {
        return Err("--memory, --preview, --find-rate and --dry-run are for `fit`".to_owned());
    }
    let tune = tune_options(&words.tune);
    Ok(ComparePlan { name: text.split_whitespace().collect::<Vec<_>>().join(" "), strategy, tune })
}

/// Words and options of `zoo list`.
pub(crate) fn zoo_filter(text: &str) -> Result<ZooFilter, String> {
    let words: FilterWords = parsed(text, "words and options of `zoo list`")?;
    Ok(words.filter.filter(&words.words))
}

/// Seconds of a time with its unit.
pub(crate) fn duration(text: &str) -> Result<f64, String> {
    let wanted = "wants a time like 90s, 2min or 1h";
    let units = [("min", 60.0), ("s", 1.0), ("h", 3600.0)];
    let found = units.iter().find_map(|(name, unit)| Some((text.strip_suffix(name)?, *unit)));
    let (number, unit) = found.ok_or(wanted)?;
    let seconds: f64 = number.trim().parse::<f64>().map_err(|_| wanted)? * unit;
    (seconds > 0.0 && seconds <= 1e7).then_some(seconds).ok_or_else(|| wanted.to_owned())
}

/// A share of all, which may be all.
pub(crate) fn part(text: &str) -> Result<f64, String> {
    let wanted = "wants shares of all images above 0 and up to 1, for instance 0.25,0.5";
    let value: f64 = text.trim().parse().map_err(|_| wanted)?;
    (value > 0.0 && value <= 1.0).then_some(value).ok_or_else(|| wanted.to_owned())
}

pub(crate) fn head(text: &str) -> Result<Head, String> {
    let kind = match text {
        "auto" => HeadKind::Auto,
        "ridge" => HeadKind::Ridge,
        "logistic" => HeadKind::Logistic,
        _ => {
            let layers = HeadLayers::parse(text);
            let wanted = "wants auto, ridge, logistic, or layers like 256,relu,dropout=0.5";
            return layers.map(Head::Layers).map_err(|error| format!("{error}; {wanted}"));
        }
    };
    Ok(Head::Linear(kind))
}

pub(crate) fn bytes(text: &str) -> Result<u64, String> {
    let wanted = "wants a size like 4GiB, 512MiB or 2GB";
    let units = [
        ("TiB", 1_099_511_627_776.0),
        ("GiB", 1_073_741_824.0),
        ("MiB", 1_048_576.0),
        ("KiB", 1024.0),
        ("TB", 1e12),
        ("GB", 1e9),
        ("MB", 1e6),
        ("kB", 1e3),
    ];
    let (number, unit) = units
        .iter()
        .find_map(|(name, unit)| Some((text.strip_suffix(name)?, *unit)))
        .ok_or(wanted)?;
    let number: f64 = number.trim().parse().map_err(|_| wanted)?;
    let bytes: f64 = number * unit;
    (1e6..=1e18).contains(&bytes).then_some(bytes as u64).ok_or_else(|| wanted.to_owned())
}

/// A number with a decimal unit, such as 10M.
pub(crate) fn count(text: &str) -> Result<u64, String> {
    let wanted = "wants a number, with k, M or G behind it if you like, for instance 10M";
    let units = [("k", 1e3), ("K", 1e3), ("M", 1e6), ("G", 1e9), ("B", 1e9)];
    let found = units.iter().find_map(|(name, unit)| Some((text.strip_suffix(name)?, *unit)));
    let (number, unit) = found.unwrap_or((text, 1.0));
    let number: f64 = number.trim().parse().map_err(|_| wanted)?;
    let count: f64 = number * unit;
    (1.0..=1e18).contains(&count).then_some(count as u64).ok_or_else(|| wanted.to_owned())
}

pub(crate) fn percents(text: &str) -> Result<f64, String> {
    let wanted = "wants percent between 0 and 100, for instance 75";
    let number: f64 = text.trim_end_matches('%').trim().parse().map_err(|_| wanted)?;
    (0.0..=100.0).contains(&number).then_some(number).ok_or_else(|| wanted.to_owned())
}

pub(crate) fn schedule(text: &str) -> Result<Schedule, String> {
    let names = || Schedule::ALL.map(Schedule::name).join(", ");
    Schedule::parse(text).ok_or_else(|| format!("wants one of {}", names()))
}

pub(crate) fn augmentation(text: &str) -> Result<Augmentation, String> {
    if text == "auto" {
        return Ok(Augmentation::Auto);
    }
    if let Some(strength) = Strength::parse(text) {
        return Ok(Augmentation::Preset(strength));
    }
    Augment::parse(text).map(Augmentation::Steps).map_err(|error| error.to_string())
}

pub(crate) fn not_negative(text: &str) -> Result<f64, String> {
    let number: Result<f64, _> = text.parse();
    number
        .ok()
        .filter(|n| n.is_finite() && *n >= 0.0)
        .ok_or_else(|| "wants a number of 0 or more".to_owned())
}

pub(crate) fn smoothing(text: &str) -> Result<f32, String> {
    let number: Result<f32, _> = text.parse();
    number
        .ok()
        .filter(|n| (0.0..1.0).contains(n))
        .ok_or_else(|| "wants a share from 0 to below 1".to_owned())
}

pub(crate) fn share(text: &str) -> Result<f64, String> {
    let wanted = "wants a share between 0 and 1, for instance 0.2";
    let share: f64 = text.parse().map_err(|_| wanted.to_owned())?;
    if share > 0.0 && share < 1.0 { Ok(share) } else { Err(wanted.to_owned()) }
}

pub(crate) fn seconds(text: &str) -> Result<f64, String> {
    let wanted = "wants seconds, more than 0 and at most 3600, for instance 2";
    let seconds: f64 = text.parse().map_err(|_| wanted.to_owned())?;
    if seconds > 0.0 && seconds <= 3600.0 { Ok(seconds) } else { Err(wanted.to_owned()) }
}
