//! Words found in what is known of networks.

use std::collections::BTreeSet;
use std::sync::Arc;

use regraft_net::nearest;
use regraft_zoo::{Entry, family, pitfall};

/// Lower case, letters and digits only.
pub(super) fn plain(text: &str) -> String {
    text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// The words of a text, lower case. Dots and dashes part them, and the whole is a word too where they
/// did, so that `v2` and `imagenet-1k` are both found.
fn words(text: &str) -> Vec<String> {
    let mut all = Vec::new();
    for token in text.split(|c: char| c.is_whitespace() || "(),;:/\"`".contains(c)) {
        let parts: Vec<String> = token
            .split(|c: char| !c.is_alphanumeric())
            .filter(|p| !p.is_empty())
            .map(str::to_lowercase)
            .collect();
        if parts.len() > 1 {
            all.push(plain(token));
        }
        all.extend(parts);
    }
    all
}

/// A part of what is known, and how much a word in it counts.
struct Field {
    name: &'static str,
    weight: f64,
    words: Vec<String>,
}

/// Everything that can be searched.
pub(super) struct Index<'a> {
    entries: &'a [&'a Arc<Entry>],
}

impl<'a> Index<'a> {
    pub(super) fn new(entries: &'a [&'a Arc<Entry>]) -> Self {
        Self { entries }
    }

    /// Words of the zoo near those that nothing has.
    pub(super) fn near(&self, wanted: &[String]) -> Vec<String> {
        let mut known = BTreeSet::new();
        for entry in self.entries {
            known.extend(fields(entry).into_iter().flat_map(|f| f.words));
        }
        let missing = wanted.iter().map(|w| plain(w)).filter(|w| !known.contains(w));
        missing.flat_map(|w| nearest(&w, known.iter().map(String::as_str))).take(3).collect()
    }
}

/// How well an entry fits all the words, and where they were found; none when one is missing.
pub(super) fn score(entry: &Entry, wanted: &[String]) -> Option<(f64, Vec<&'static str>)> {
    let fields = fields(entry);
    let mut total = 0.0;
    let mut places: Vec<(f64, &'static str)> = Vec::new();
    for word in wanted.iter().map(|w| plain(w)).filter(|w| !w.is_empty()) {
        let mut best = 0.0;
        for field in &fields {
            let hit = field.words.iter().map(|w| likeness(w, &word)).fold(0.0, f64::max);
            let score = hit * field.weight;
            if score > 0.0 {
                places.push((score, field.name));
            }
            best = f64::max(best, score);
        }
        if best == 0.0 {
            return None;
        }
        total += best;
    }
    places.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut found = Vec::new();
    for (_, place) in places {
        if !found.contains(&place) {
            found.push(place);
        }
    }
    Some((total, found))
}

/// 1 for the word itself, less for one that begins with it or holds it.
fn likeness(word: &str, wanted: &str) -> f64 {
    if word == wanted {
        1.0
    } else if word.starts_with(wanted) {
        0.7
    } else if wanted.len() >= 3 && word.contains(wanted) {
        0.4
    } else {
        0.0
    }
}

fn fields(entry: &Entry) -> Vec<Field> {
    let family = family(&entry.family);
    let pitfalls = entry.pitfalls.iter().chain(family.iter().flat_map(|f| &f.pitfalls));
    let known = pitfalls.filter_map(|name| pitfall(name).ok());
    let parts = known.flat_map(|p| [p.name.as_str(), &p.text, &p.source]);
    let pitfalls = parts.collect::<Vec<&str>>().join(" ");
    let used = family.map(|f| format!("{} {}", f.used, f.used_source)).unwrap_or_default();
    let architecture = entry.architecture().map_or("", |a| a.name).to_owned();
    let licence = format!("{} {}", entry.licence, entry.licence_class().name());
    let notes =
        format!("{} {}", entry.notes.join(" "), entry.recipe.as_deref().unwrap_or_default());
    [
        ("name", 8.0, entry.name.clone()),
        ("family", 6.0, entry.family.clone()),
        ("architecture", 5.0, architecture),
        ("dataset", 4.0, entry.dataset.clone()),
        ("framework", 3.0, format!("{} {}", entry.framework, entry.zoo)),
        ("task", 3.0, entry.task.clone()),
        ("paper", 3.0, entry.paper.clone()),
        ("origin", 3.0, entry.origin.clone()),
        ("licence", 2.0, licence),
        ("notes", 2.0, notes),
        ("use", 1.5, used),
        ("pitfalls", 1.0, pitfalls),
    ]
    .into_iter()
    .map(|(name, weight, text)| Field { name, weight, words: words(&text) })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_parted_into_words_that_people_type() {
        let all = words("ImageNet-1k, then: vit_b_16 (He et al. 2015)");
        for word in ["imagenet1k", "imagenet", "1k", "vitb16", "vit", "he", "2015"] {
            assert!(all.iter().any(|w| w == word), "{word}: {all:?}");
        }
        assert_eq!(likeness("resnet50", "resnet50"), 1.0);
        assert!(likeness("resnet50", "resnet") > likeness("wideresnet", "resnet"));
        assert_eq!(likeness("vgg", "resnet"), 0.0);
    }
}
