//! The features of a whole data set by one network, for what does more than fit one head.

use std::collections::BTreeSet;
use std::path::PathBuf;

use regraft_data::Dataset;
use regraft_infer::Engine;
use regraft_net::Forward as _;
use regraft_tensor::Tensor;
use regraft_train::{Extracted, LookStore, TrunkKey};

use crate::features::{Source, blocks, source};
use crate::head::softmax;
use crate::journal::Log;
use crate::precision::ready;
use crate::reading::extracted;
use crate::{Error, FitOptions, Loaded, Observer, load};

/// A network and what it made of each file.
pub(crate) struct Gathered {
    pub(crate) loaded: Loaded,
    pub(crate) source: Source,
    pub(crate) extracted: Extracted,
    /// What names its features.
    pub(crate) key: TrunkKey,
    /// Seconds that the features took.
    pub(crate) seconds: f64,
}

/// The features of all files of a data set, from the cache where they are there.
pub(crate) fn gather(
    name: &str,
    fit: &FitOptions,
    dataset: &Dataset,
    observer: &dyn Observer,
) -> Result<Gathered, Error> {
    gather_seen(name, fit, dataset, None, observer)
}

/// As [`gather`], and takes a look at each picture.
pub(crate) fn gather_seen(
    name: &str,
    fit: &FitOptions,
    dataset: &Dataset,
    looks: Option<&LookStore>,
    observer: &dyn Observer,
) -> Result<Gathered, Error> {
    let loaded = load(name, &fit.load, observer)?;
    let source = source(&loaded.network, fit)?;
    let files: Vec<PathBuf> = dataset.examples.iter().map(|e| e.path.clone()).collect();
    let whole = (&loaded.network, source.cut.as_str());
    let trunk = ready(&source.network, source.output()?, whole, fit.precision, &files)?.trunk;
    let (extracted, seconds) = extracted(fit, dataset, &trunk, looks, &Log::new(observer))?;
    if observer.stop() {
        return Err(Error::Interrupted);
    }
    Ok(Gathered { loaded, source, extracted, key: trunk.key(), seconds })
}

impl Gathered {
    /// Places of the files that have features.
    pub(crate) fn readable(&self, dataset: &Dataset) -> Vec<usize> {
        let failed: BTreeSet<usize> = self.extracted.failed.iter().map(|f| f.index).collect();
        (0..dataset.examples.len()).filter(|i| !failed.contains(i)).collect()
    }

    /// Name, length and values `[rows, length]` of each part of the vector, the cut's own first.
    pub(crate) fn parts(&self, rows: &[usize]) -> Result<Vec<(String, usize, Vec<f32>)>, Error> {
        let all = self.source.part_list();
        let width = all.iter().map(|(_, len)| len).sum();
        let mut parts: Vec<(String, usize, Vec<f32>)> = all
            .iter()
            .map(|(name, len)| (name.trim_end_matches(".mean").to_owned(), *len, Vec::new()))
            .collect();
        blocks(&self.extracted, rows, width, |block| {
            for row in block.chunks_exact(width) {
                let mut from = 0;
                for (_, len, values) in &mut parts {
                    values.extend_from_slice(&row[from..from + *len]);
                    from += *len;
                }
            }
            Ok(())
        })?;
        Ok(parts)
    }

    /// How far up the network a layer is, 0 to 1: the share of multiply-adds up to it.
    pub(crate) fn share(&self, layer: &str) -> f64 {
        let macs = |at: &str| {
            let cut = self.loaded.network.cut(at).ok()?;
            Some(cut.facts().ok()?.macs() as f64)
        };
        match (macs(layer), macs(&self.source.cut)) {
            (Some(part), Some(all)) if all > 0.0 => part / all,
            _ => 0.0,
        }
    }

    /// The source's own answers, probabilities `[rows, Z]`, from values of the cut `[rows, C]`; `None` when
    /// the crown reads more than these, or there is none.
    pub(crate) fn outputs(&self, values: &[f32]) -> Result<Option<(Vec<f32>, usize)>, Error> {
        let network = &self.loaded.network;
        let Some(logits) = network.card().logits.clone() else { return Ok(None) };
        let Ok((_, crown)) = network.cut(&logits)?.split(&self.source.cut) else { return Ok(None) };
        let facts = crown.facts()?;
        let input = facts.layer(crown.graph().input()?).shape.clone();
        let (c, z) = (self.source.cut_len(), facts.output().shape.count());
        if input.count() != c || facts.output().shape.len() != 1 {
            return Ok(None);
        }
        let dims: Vec<usize> =
            [values.len() / c].into_iter().chain(input.iter().copied()).collect();
        let mut engine = Engine::compile(&crown, &[&logits])?;
        let made = engine.forward(&Tensor::new(dims, values.to_vec())?, &[&logits])?;
        let mut rows = made.into_iter().next().map(Tensor::into_data).unwrap_or_default();
        rows.chunks_exact_mut(z).for_each(softmax);
        Ok(Some((rows, z)))
    }
}
