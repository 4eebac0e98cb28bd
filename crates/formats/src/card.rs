//! A card as text entries, for formats that carry metadata: safetensors and ONNX.

use std::collections::BTreeMap;

use regraft_net::Card;
use regraft_net::card::{Channels, Interpolation, Preprocess, Resize};
use serde::{Deserialize, Serialize};

/// [`Preprocess`] as JSON under the key `preprocess`.
#[derive(Serialize, Deserialize)]
struct PreprocessEntry {
    resize: ResizeEntry,
    interpolation: String,
    crop: [usize; 2],
    channels: String,
    scale: f32,
    mean: [f32; 3],
    std: [f32; 3],
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum ResizeEntry {
    Shorter(usize),
    Exact([usize; 2]),
}

/// Largest side of a picture that a card may ask for, in pixels.
const MAX_SIDE: usize = 1 << 14;

impl PreprocessEntry {
    fn of(p: &Preprocess) -> Self {
        Self {
            resize: match p.resize {
                Resize::Shorter(side) => ResizeEntry::Shorter(side),
                Resize::Exact(size) => ResizeEntry::Exact(size),
            },
            interpolation: p.interpolation.name().to_owned(),
            crop: p.crop,
            channels: match p.channels {
                Channels::Rgb => "rgb",
                Channels::Bgr => "bgr",
            }
            .to_owned(),
            scale: p.scale,
            mean: p.mean,
            std: p.std,
        }
    }

    fn read(self) -> Option<Preprocess> {
        let side = |n: usize| (1..=MAX_SIDE).contains(&n);
        let (resize, sides) = match self.resize {
            ResizeEntry::Shorter(n) => (Resize::Shorter(n), [n, n]),
            ResizeEntry::Exact(size) => (Resize::Exact(size), size),
        };
        let sound = sides.into_iter().chain(self.crop).all(side)
            && self.std.iter().all(|s| s.is_finite() && *s > 0.0)
            && self.mean.iter().chain([&self.scale]).all(|v| v.is_finite());
        sound.then_some(Preprocess {
            resize,
            interpolation: Interpolation::parse(&self.interpolation)?,
            crop: self.crop,
            channels: match self.channels.as_str() {
                "rgb" => Channels::Rgb,
                "bgr" => Channels::Bgr,
                _ => return None,
            },
            scale: self.scale,
            mean: self.mean,
            std: self.std,
        })
    }
}

/// The card as text entries: `name`, `framework`, `dataset`, `licence`, `origin`, `cut`, `logits` plain,
/// `labels`, `blocks` (lists) and `preprocess` (an object) as JSON.
pub fn entries(card: &Card) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    let mut put = |key: &str, value: String| drop(all.insert(key.to_owned(), value));
    put("name", card.name.clone());
    put("framework", card.framework.clone());
    put("dataset", card.dataset.clone());
    put("licence", card.licence.clone());
    put("origin", card.origin.clone());
    for (key, layer) in [("cut", &card.cut), ("logits", &card.logits)] {
        if let Some(layer) = layer {
            put(key, layer.clone());
        }
    }
    for (key, list) in [("labels", &card.labels), ("blocks", &card.blocks)] {
        if !list.is_empty() {
            put(key, serde_json::json!(list).to_string());
        }
    }
    // A struct of numbers and words cannot fail to be JSON.
    put(
        "preprocess",
        serde_json::to_string(&PreprocessEntry::of(&card.preprocess)).unwrap_or_default(),
    );
    all
}

/// Puts into `card` what `entries` say; other keys and what cannot be read stay as they are.
///
/// Gives the keys that are there but cannot be read.
pub fn read_entries(entries: &BTreeMap<String, String>, card: &mut Card) -> Vec<&'static str> {
    let Card { name, framework, dataset, licence, origin, preprocess, labels, cut, logits, blocks } =
        card;
    let mut wrong = Vec::new();
    for (key, to) in [
        ("name", name),
        ("framework", framework),
        ("dataset", dataset),
        ("licence", licence),
        ("origin", origin),
    ] {
        if let Some(value) = entries.get(key) {
            to.clone_from(value);
        }
    }
    for (key, to) in [("cut", cut), ("logits", logits)] {
        if let Some(value) = entries.get(key) {
            *to = Some(value.clone());
        }
    }
    for (key, to) in [("labels", labels), ("blocks", blocks)] {
        match entries.get(key).map(|text| serde_json::from_str(text)) {
            Some(Ok(list)) => *to = list,
            Some(Err(_)) => wrong.push(key),
            None => {}
        }
    }
    if let Some(text) = entries.get("preprocess") {
        match serde_json::from_str(text).ok().and_then(PreprocessEntry::read) {
            Some(read) => *preprocess = read,
            None => wrong.push("preprocess"),
        }
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_comes_back_from_its_entries() {
        let mut card = Card::blank("ants and bees");
        card.labels = vec!["ant".to_owned(), "bee \"b\"".to_owned()];
        card.cut = Some("pool".to_owned());
        card.preprocess.resize = Resize::Exact([256, 300]);
        card.preprocess.channels = Channels::Bgr;
        card.preprocess.mean = [104.0, 117.0, 123.5];
        let mut read = Card::blank("other");
        assert!(read_entries(&entries(&card), &mut read).is_empty());
        assert_eq!(read, card);
    }

    #[test]
    fn what_cannot_be_read_is_named_and_left() {
        let mut card = Card::blank("a");
        let before = card.clone();
        let zero = r#"{"resize":{"shorter":0},"interpolation":"bicubic","crop":[1,1],"channels":"rgb",
            "scale":1,"mean":[0,0,0],"std":[1,1,1]}"#;
        let entries = BTreeMap::from([
            ("labels".to_owned(), "{}".to_owned()),
            ("preprocess".to_owned(), zero.to_owned()),
        ]);
        assert_eq!(read_entries(&entries, &mut card), ["labels", "preprocess"]);
        assert_eq!(card, before);
    }
}
