//! What is known of kinds of architectures, and of pitfalls, as data.

use std::sync::LazyLock;

use regraft_net::nearest;
use serde::Deserialize;

use crate::ZooError;

/// What is known of a kind of architecture.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct FamilyCard {
    /// As [`Family::name`](crate::Family::name) says it, or that of a network with its own graph.
    pub name: String,
    /// The paper behind it.
    pub paper: String,
    /// How widely it has been used and reviewed; `unknown` where nobody said so.
    pub used: String,
    /// Who said so.
    #[serde(default)]
    pub used_source: String,
    /// Names of pitfalls that go with the architecture.
    #[serde(default)]
    pub pitfalls: Vec<String>,
}

/// Something that goes wrong easily with a network.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Pitfall {
    /// A short name.
    pub name: String,
    /// What happens and what to do, in a few sentences.
    pub text: String,
    /// Who found it.
    pub source: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Families {
    family: Vec<FamilyCard>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Pitfalls {
    pitfall: Vec<Pitfall>,
}

const FAMILIES: &str = include_str!("../data/families.toml");
const PITFALLS: &str = include_str!("../data/pitfalls.toml");

/// What is known of every kind of architecture in the catalogue.
pub fn families() -> &'static [FamilyCard] {
    // A test reads both files, so that an error cannot hide here.
    static ALL: LazyLock<Vec<FamilyCard>> = LazyLock::new(|| {
        toml::from_str::<Families>(FAMILIES).map(|f| f.family).unwrap_or_default()
    });
    &ALL
}

/// What is known of a kind of architecture.
pub fn family(name: &str) -> Option<&'static FamilyCard> {
    families().iter().find(|f| f.name == name)
}

/// Every pitfall.
pub fn pitfalls() -> &'static [Pitfall] {
    static ALL: LazyLock<Vec<Pitfall>> = LazyLock::new(|| {
        toml::from_str::<Pitfalls>(PITFALLS).map(|p| p.pitfall).unwrap_or_default()
    });
    &ALL
}

/// The pitfall of that name.
///
/// # Errors
/// When there is none, with the nearest names.
pub fn pitfall(name: &str) -> Result<&'static Pitfall, ZooError> {
    pitfalls().iter().find(|p| p.name == name).ok_or_else(|| ZooError::NoPitfall {
        name: name.to_owned(),
        near: nearest(name, pitfalls().iter().map(|p| p.name.as_str())),
    })
}
