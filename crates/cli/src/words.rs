//! Words of the command line that stand for values.

use regraft::{Augment, Augmentation, HeadKind, HeadLayers, Schedule, Strength};

use crate::args::Head;

pub(crate) fn layer_rate(text: &str) -> Result<(String, f64), String> {
    let wanted = "wants LAYERS=RATE, for instance layer4.*=0.0003";
    let (layers, rate) = text.rsplit_once('=').ok_or(wanted)?;
    let rate = not_negative(rate).map_err(|_| wanted)?;
    Ok((layers.to_owned(), rate))
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
