//! What the channels of a layer do over a folder of pictures; kept where features are.

use std::path::{Path, PathBuf};

use regraft_data::list_images;
use regraft_infer::Engine;
use regraft_net::Network;
use regraft_train::{Channel, Extracted, Failed, FeatureStore, Flow, Trunk, extract};

use crate::features::blocks;
use crate::{Error, LoadOptions, Observer, Progress};

/// One pass of all pictures up to a layer.
pub(super) struct Survey {
    /// Units of the layer.
    pub(super) channels: usize,
    /// Places in the list of those that could be read.
    pub(super) read: Vec<usize>,
    extracted: Extracted,
}

impl Survey {
    /// Runs `files` up to `layer`.
    pub(super) fn take(
        network: &Network,
        layer: &str,
        files: &[PathBuf],
        load: &LoadOptions,
        observer: &dyn Observer,
    ) -> Result<Self, Error> {
        let below = network.cut(layer)?;
        let trunk = Trunk::of_channels(&below, Engine::compile(&below, &[layer])?)?;
        let folder = load.cache()?.root().join("features");
        let mut store = FeatureStore::open(&folder, trunk.key(), trunk.feature_len())?;
        let progress = |done| {
            observer.tell(&Progress::Features { done, total: files.len() });
            if observer.stop() { Flow::Stop } else { Flow::Continue }
        };
        let extracted = extract(&trunk, files, Some(&mut store), &progress)?;
        let channels = super::asked::channels(&below, below.graph().output()?)?;
        let failed = |i: &usize| extracted.failed.iter().any(|f| f.index == *i);
        let read = (0..files.len()).filter(|i| !failed(i)).collect();
        Ok(Self { channels, read, extracted })
    }

    /// Shows what all channels do over each picture that could be read, in order; `see` gets the picture's place in
    /// `read`.
    pub(super) fn each(&self, mut see: impl FnMut(usize, &[Channel])) -> Result<(), Error> {
        let width = self.extracted.row_len();
        let (mut at, mut channels) = (0, Vec::with_capacity(self.channels));
        blocks(&self.extracted, &self.read, width, |block| {
            for row in block.chunks_exact(width) {
                channels.clear();
                channels.extend(Channel::of_row(row));
                see(at, &channels);
                at += 1;
            }
            Ok(())
        })
    }

    /// What could not be read.
    pub(super) fn failed(&self) -> impl Iterator<Item = &Failed> {
        self.extracted.failed.iter()
    }
}

/// The pictures below a folder, in the order of their names.
pub(super) fn pictures(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let files = list_images(folder)?;
    if files.is_empty() {
        return Err(Error::EmptyFolder { path: folder.to_owned(), looked: "pictures" });
    }
    Ok(files)
}
