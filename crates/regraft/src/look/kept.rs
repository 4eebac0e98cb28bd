//! Pictures that took long to make, kept by all that shapes them.

use std::collections::BTreeMap;
use std::path::Path;

use regraft_data::content_id;
use regraft_formats::safetensors;
use regraft_net::Network;
use regraft_tensor::Tensor;
use regraft_train::TrunkKey;

use super::files;
use crate::{Error, LoadOptions};

/// Raised whenever what is made of the same network and settings changes in any bit.
const VERSION: u32 = 1;

/// A picture, and what was measured while it was made.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Kept {
    /// `[3, H, W]` in `0..1`.
    pub(super) colours: Tensor,
    pub(super) figures: Vec<f64>,
}

/// What pictures are made of, beside the network.
pub(super) struct Recipe<'a> {
    /// Everything that was set, written out.
    pub(super) how: String,
    /// The picture that it begins with, `[3, H, W]`.
    pub(super) from: Option<&'a Tensor>,
    /// How many pictures come of it.
    pub(super) count: usize,
}

/// What `make` gives for a network and a recipe, or what it gave before. What cannot be read back is made again.
pub(super) fn kept(
    network: &Network,
    recipe: &Recipe<'_>,
    load: &LoadOptions,
    make: impl FnOnce() -> Result<Vec<Kept>, Error>,
) -> Result<Vec<Kept>, Error> {
    let folder = load.cache()?.root().join("looks");
    let from = recipe.from.map(|picture| {
        let bytes: Vec<u8> = picture.data().iter().flat_map(|v| v.to_le_bytes()).collect();
        (picture.shape().to_string(), content_id(&bytes))
    });
    let all = format!("looks {VERSION} {} {from:?} {}", recipe.how, recipe.count);
    let key = TrunkKey::new(network, &[], &network.card().preprocess, &all);
    let path = folder.join(format!("{key}.safetensors"));
    if let Some(found) = read(&path).filter(|found| found.len() == recipe.count) {
        return Ok(found);
    }
    let made = make()?;
    files::folder(&folder)?;
    let name = |i: usize| format!("{i:06}");
    let tensors: BTreeMap<String, &Tensor> =
        made.iter().enumerate().map(|(i, m)| (name(i), &m.colours)).collect();
    let words = |m: &Kept| {
        m.figures.iter().map(|v| format!("{:016x}", v.to_bits())).collect::<Vec<_>>().join(" ")
    };
    let figures = made.iter().enumerate().map(|(i, m)| (name(i), words(m))).collect();
    safetensors::write(&path, &tensors, &figures)?;
    Ok(made)
}

/// [`kept`] of one picture.
pub(super) fn kept_one(
    network: &Network,
    how: String,
    from: &Tensor,
    load: &LoadOptions,
    make: impl FnOnce() -> Result<Kept, Error>,
) -> Result<Kept, Error> {
    let recipe = Recipe { how, from: Some(from), count: 1 };
    let mut all = kept(network, &recipe, load, || Ok(vec![make()?]))?;
    Ok(all.swap_remove(0))
}

fn read(path: &Path) -> Option<Vec<Kept>> {
    let bytes = std::fs::read(path).ok()?;
    let weights = safetensors::parse(&bytes).ok()?;
    let metadata = weights.metadata;
    let one = |(name, colours)| {
        let figure = |word: &str| Some(f64::from_bits(u64::from_str_radix(word, 16).ok()?));
        let words = metadata.get(&name)?.split_whitespace();
        Some(Kept { colours, figures: words.map(figure).collect::<Option<Vec<f64>>>()? })
    };
    weights.tensors.into_iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use regraft_net::card::Card;
    use regraft_net::{Params, notation};

    use super::*;

    fn network() -> Network {
        let graph = notation::parse("x = input 3x2x2\ny = relu x\n-> y\n").unwrap();
        Network::new(graph, &Params::default(), Card::blank("kept")).unwrap()
    }

    #[test]
    fn the_same_is_made_once_and_something_else_anew() {
        let folder = tempfile::tempdir().unwrap();
        let load = LoadOptions { cache: Some(folder.path().into()), ..LoadOptions::default() };
        let (network, made) = (network(), Cell::new(0));
        let one = |how: &str| {
            let recipe = Recipe { how: how.to_owned(), from: None, count: 2 };
            kept(&network, &recipe, &load, || {
                made.set(made.get() + 1);
                let colours = Tensor::new([3, 1, 1], vec![0.25, 1.0 / 3.0, 1.0]).unwrap();
                Ok(vec![Kept { colours, figures: vec![-0.1, 1e-300, f64::NEG_INFINITY] }; 2])
            })
            .unwrap()
        };
        let first = one("seed 0");
        assert_eq!((one("seed 0"), made.get()), (first, 1));
        one("seed 1");
        assert_eq!(made.get(), 2);
        for entry in std::fs::read_dir(folder.path().join("looks")).unwrap() {
            let path = entry.unwrap().path();
            let half = std::fs::metadata(&path).unwrap().len() / 2;
            std::fs::File::options().write(true).open(&path).unwrap().set_len(half).unwrap();
        }
        one("seed 0");
        assert_eq!(made.get(), 3, "half a file is not taken");
    }
}
