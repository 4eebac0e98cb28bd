//! Class names of source tasks.

use regraft_net::nearest;

use crate::ZooError;

/// A class of a source task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// `WordNet` synset, for instance `n01440764`.
    pub synset: String,
    /// Name for people, unique in its list.
    pub name: String,
    /// Its other names in `WordNet`.
    pub others: Vec<String>,
}

const LISTS: &[(&str, &str)] = &[("imagenet-1k", include_str!("../data/imagenet-1k.tsv"))];

/// The classes of a source task, in the order of the network's outputs.
///
/// # Errors
/// When there is no such list, with the nearest names.
pub fn labels(name: &str) -> Result<Vec<Label>, ZooError> {
    let Some((_, text)) = LISTS.iter().find(|(n, _)| *n == name) else {
        let near = nearest(name, LISTS.iter().map(|(n, _)| *n));
        return Err(ZooError::NoLabels { name: name.to_owned(), near });
    };
    let lines = text.lines().filter(|l| !l.starts_with('#'));
    let label = |line: &str| {
        let (synset, rest) = line.split_once('\t')?;
        let (name, others) = rest.split_once('\t').unwrap_or((rest, ""));
        Some(Label {
            synset: synset.to_owned(),
            name: name.trim_end().to_owned(),
            others: others.split(", ").filter(|o| !o.is_empty()).map(str::to_owned).collect(),
        })
    };
    Ok(lines.filter_map(label).collect())
}
