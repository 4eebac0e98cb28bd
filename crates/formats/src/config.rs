//! What lies beside weights in a folder of timm or transformers: which network it is, how it wants its
//! pictures, what its classes are called.

use std::path::Path;

use regraft_net::card::{Interpolation, Preprocess, Resize};
use serde_json::Value;

/// Largest text read, in bytes.
const MAX_BYTES: u64 = 16 << 20;
/// Most classes, and longest class name in characters.
const MAX_CLASSES: usize = 1 << 20;
const MAX_LABEL: usize = 300;
/// Sides of a picture, in pixels.
const SIDES: std::ops::RangeInclusive<u64> = 1..=1 << 14;

/// What `config.json` and `preprocessor_config.json` say. What they do not say is not guessed.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct FolderConfig {
    /// The architecture by its library's name: `timm/resnet18`, or a class of transformers such as
    /// `ViTForImageClassification`.
    pub architecture: Option<String>,
    /// How a picture becomes the input.
    pub preprocess: Option<Preprocess>,
    /// Class names in the order of the outputs; empty when only numbers are given.
    pub labels: Vec<String>,
    /// Licence of the weights.
    pub licence: Option<String>,
    /// What was left aside, each a sentence.
    pub notes: Vec<String>,
}

/// Reads what lies in the folder of a weights file; none when there is nothing that timm or
/// transformers wrote. A text that cannot be read says so in the notes: weights can be used without it.
pub fn folder_config(weights: &Path) -> Option<FolderConfig> {
    let folder = weights.parent().unwrap_or(Path::new(""));
    let (config, preparation) =
        (json(&folder.join("config.json"))?, json(&folder.join("preprocessor_config.json")));
    let mut found = FolderConfig::default();
    match config {
        Err(note) => found.notes.push(note),
        Ok(config) if config.get("pretrained_cfg").is_some_and(Value::is_object) => {
            timm(&config, &mut found);
        }
        Ok(config) if config.get("model_type").is_some_and(Value::is_string) => {
            let first = config.get("architectures").and_then(|a| a.get(0)).and_then(Value::as_str);
            found.architecture = first.map(short);
            found.labels = labels(config.get("id2label"), &[]);
            match preparation {
                Some(Ok(preparation)) => transformers(&preparation, &mut found),
                Some(Err(note)) => found.notes.push(note),
                None => {}
            }
        }
        Ok(_) => return None,
    }
    Some(found)
}

/// A text of JSON; none when there is no such file.
fn json(path: &Path) -> Option<Result<Value, String>> {
    let size = std::fs::metadata(path).ok().filter(std::fs::Metadata::is_file)?.len();
    let unread = |why: &str| Err(format!("{} is not used: {why}", path.display()));
    if size > MAX_BYTES {
        return Some(unread("it is too long"));
    }
    let text = std::fs::read(path).ok()?;
    Some(serde_json::from_slice(&text).or_else(|e| unread(&e.to_string())))
}

fn short(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(MAX_LABEL).collect()
}

/// Class names from a list, or a map of numbers; `bare` when they are only numbers.
fn labels(names: Option<&Value>, descriptions: &[(&str, &str)]) -> Vec<String> {
    let described = |name: &str| {
        let found = descriptions.iter().find(|(n, _)| *n == name);
        short(found.map_or(name, |(_, text)| text))
    };
    let listed: Vec<String> = match names {
        Some(Value::Array(list)) => {
            list.iter().filter_map(Value::as_str).map(described).take(MAX_CLASSES).collect()
        }
        Some(Value::Object(map)) if map.len() <= MAX_CLASSES => {
            let name = |i: usize| map.get(&i.to_string()).and_then(Value::as_str).map(described);
            // A gap would shift all names behind it.
            (0..map.len()).map(name).collect::<Option<_>>().unwrap_or_default()
        }
        _ => Vec::new(),
    };
    let bare = listed.iter().enumerate().all(|(i, name)| *name == format!("LABEL_{i}"));
    if bare { Vec::new() } else { listed }
}

fn triple(value: Option<&Value>) -> Option<[f32; 3]> {
    let list = value?.as_array()?;
    let number = |i: usize| list.get(i)?.as_f64().map(|x| x as f32).filter(|x| x.is_finite());
    Some([number(0)?, number(1)?, number(2)?]).filter(|_| list.len() == 3)
}

fn side(value: Option<&Value>) -> Option<usize> {
    value?.as_u64().filter(|n| SIDES.contains(n)).map(|n| n as usize)
}

/// `timm.models._hub.save_config_for_hf`; the resize is that of `timm.data.create_transform`.
fn timm(config: &Value, found: &mut FolderConfig) {
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(short);
    found.architecture = text(config.get("architecture")).map(|name| format!("timm/{name}"));
    let inner = config.get("pretrained_cfg").unwrap_or(&Value::Null);
    found.licence = text(inner.get("license").or_else(|| config.get("license")));
    let either = |key: &str| config.get(key).or_else(|| inner.get(key));
    let described = either("label_descriptions").and_then(Value::as_object);
    let described: Vec<(&str, &str)> = described
        .into_iter()
        .flatten()
        .filter_map(|(name, text)| Some((name.as_str(), text.as_str()?)))
        .collect();
    // Looking a name up is a walk, so only where a table of classes is of a size that they have.
    let described = if described.len() <= 30_000 { described } else { Vec::new() };
    found.labels = labels(either("label_names"), &described);
    match timm_preprocess(inner) {
        Some(preprocess) => found.preprocess = Some(preprocess),
        None => found.notes.push(
            "config.json does not say all of input_size, crop_pct, interpolation, mean and std in a \
             way that is understood: the architecture's usual preprocessing is taken"
                .to_owned(),
        ),
    }
}

fn timm_preprocess(inner: &Value) -> Option<Preprocess> {
    let size = inner.get("input_size")?.as_array()?;
    let crop = [side(size.get(1))?, side(size.get(2))?];
    let share = inner.get("crop_pct")?.as_f64().filter(|x| *x > 0.1 && *x <= 1.0)?;
    let interpolation = Interpolation::parse(inner.get("interpolation")?.as_str()?)?;
    let scaled = crop.map(|n| (n as f64 / share).floor() as usize);
    let resize = match inner.get("crop_mode").and_then(Value::as_str).unwrap_or("center") {
        "center" if crop[0] == crop[1] => Resize::Shorter(scaled[0]),
        "squash" => Resize::Exact(scaled),
        _ => return None,
    };
    Some(Preprocess {
        resize,
        crop,
        mean: triple(inner.get("mean"))?,
        std: triple(inner.get("std")).filter(|s| s.iter().all(|s| *s > 0.0))?,
        ..Preprocess::imagenet(crop[0], crop[0], interpolation)
    })
}

/// An image processor of transformers.
fn transformers(json: &Value, found: &mut FolderConfig) {
    found.preprocess = transformers_preprocess(json);
    if found.preprocess.is_none() {
        found.notes.push(
            "preprocessor_config.json does not say size, crop, resample, mean and std in a way that is \
             understood: the architecture's usual preprocessing is taken"
                .to_owned(),
        );
    }
}

fn transformers_preprocess(json: &Value) -> Option<Preprocess> {
    let yes = |key: &str, usual: bool| json.get(key).and_then(Value::as_bool).unwrap_or(usual);
    let pair = |value: &Value| match side(Some(value)) {
        Some(n) => Some([n, n]),
        None => Some([side(value.get("height"))?, side(value.get("width"))?]),
    };
    let interpolation = match json.get("resample").and_then(Value::as_u64).unwrap_or(2) {
        0 => Interpolation::Nearest,
        1 => Interpolation::Lanczos,
        2 => Interpolation::Bilinear,
        3 => Interpolation::Bicubic,
        _ => return None,
    };
    if !yes("do_resize", true) {
        return None;
    }
    let size = json.get("size")?;
    let cropped =
        json.get("crop_size").filter(|_| yes("do_center_crop", json.get("crop_size").is_some()));
    let share = json.get("crop_pct").and_then(Value::as_f64);
    // A bare number is the shorter side where a crop follows, else both.
    let bare = side(Some(size)).filter(|_| cropped.is_some() || share.is_some());
    let shortest = side(size.get("shortest_edge")).or(bare);
    let (resize, crop) = match (shortest, cropped, share) {
        // ConvNeXt: below 384 the shorter side is larger than the crop, above nothing is cropped.
        (Some(n), None, Some(share)) if share > 0.1 && share <= 1.0 && n < 384 => {
            (Resize::Shorter((n as f64 / share) as usize), [n, n])
        }
        (Some(n), None, Some(_)) => (Resize::Exact([n, n]), [n, n]),
        (Some(n), Some(crop), None) => (Resize::Shorter(n), pair(crop)?),
        (None, Some(crop), None) => (Resize::Exact(pair(size)?), pair(crop)?),
        (None, None, None) => (Resize::Exact(pair(size)?), pair(size)?),
        _ => return None,
    };
    let usual = Preprocess::imagenet(crop[0], crop[0], interpolation);
    let factor = json.get("rescale_factor").and_then(Value::as_f64).unwrap_or(1.0 / 255.0);
    let scale = if yes("do_rescale", true) { factor as f32 } else { 1.0 };
    let (mean, std) = if yes("do_normalize", true) {
        (triple(json.get("image_mean"))?, triple(json.get("image_std"))?)
    } else {
        ([0.0; 3], [1.0; 3])
    };
    let sound = scale.is_finite() && scale > 0.0 && std.iter().all(|s| *s > 0.0);
    sound.then_some(Preprocess { resize, crop, scale, mean, std, ..usual })
}
